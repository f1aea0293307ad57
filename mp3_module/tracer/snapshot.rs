// SPDX-License-Identifier: GPL-2.0

//! `MP3_IOC_TRACE_SNAPSHOT`: what every thread is and has counted, into the caller's memory.

use super::threads::Thread;
use crate::abi::events::ioctl::{TraceSnapshot, SNAPSHOT_CAPACITY_MIN, SNAPSHOT_RECORDS_PER_THREAD};
use crate::abi::events::record::EVENT_BYTES;
use crate::abi::events::{Event, Record, SnapshotEnd, Words};
use crate::time;
use kernel::prelude::*;
use kernel::sync::rcu;
use kernel::uaccess::{UserPtr, UserSlice, UserSliceWriter};

/// Threads that are read in one RCU section.
const BATCH: usize = 64;

/// Fills the caller's buffer, and says in `request` how far it came.
///
/// # Errors
///
/// `EINVAL` for a buffer without room for one thread, or an address that cannot be; `EFAULT`; `ENOMEM`.
pub(super) fn take(request: &mut TraceSnapshot) -> Result {
    if request.capacity < SNAPSHOT_CAPACITY_MIN {
        return Err(EINVAL);
    }
    let bytes = (request.capacity as usize).checked_mul(EVENT_BYTES).ok_or(EINVAL)?;
    let address = usize::try_from(request.buffer).map_err(|_| EINVAL)?;
    let mut user = UserSlice::new(UserPtr::from_addr(address), bytes).writer();
    if request.next == 0 {
        request.began_ns = time::boottime_ns();
        request.threads = 0;
    }
    request.written = 0;

    let mut batch: KVec<Words> = KVec::with_capacity(BATCH.wrapping_mul(SNAPSHOT_RECORDS_PER_THREAD), GFP_KERNEL)?;
    loop {
        // The last one is for the end.
        let room = request.capacity.saturating_sub(request.written).saturating_sub(1) as usize;
        let threads = BATCH.min(room / SNAPSHOT_RECORDS_PER_THREAD);
        if threads == 0 {
            return Ok(());
        }
        batch.clear();
        let mut ended = false;
        {
            let rcu = rcu::read_lock();
            for _ in 0..threads {
                let Some(thread) = Thread::at_or_after(request.next, &rcu) else {
                    ended = true;
                    break;
                };
                for record in thread.records(request.began_ns) {
                    // There is room.
                    let _ = batch.push_within_capacity(record);
                }
                request.next = thread.tid().saturating_add(1);
                request.threads = request.threads.saturating_add(1);
            }
        }
        write(&mut user, &batch)?;
        request.written = request.written.saturating_add(batch.len() as u32);
        if ended {
            let end = Event::SnapshotEnd(SnapshotEnd { threads: request.threads });
            write(&mut user, &[Record { time: request.began_ns, event: end }.encode()])?;
            request.written = request.written.saturating_add(1);
            request.next = 0;
            return Ok(());
        }
    }
}

fn write(user: &mut UserSliceWriter, records: &[Words]) -> Result {
    for record in records {
        user.write(record)?;
    }
    Ok(())
}

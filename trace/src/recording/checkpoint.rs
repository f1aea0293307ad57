// SPDX-License-Identifier: GPL-2.0

//! What the state machine knew when a chunk began.

use super::FormatError;
use crate::state::{Known, State};
use crate::task::{Comm, TaskId};
use crate::thread::{Blocked, Cause, Mode, Thread};
use crate::total::Total;
use abi::events::{Prio, State as TaskState};
use format::chunked::varint::{put, Input};

const CAUSES: [Cause; 4] = [Cause::Woken, Cause::Preempted, Cause::New, Cause::Throttled];

/// Writes what `state` knows.
pub fn write(state: &State, bytes: &mut Vec<u8>) {
    put(bytes, state.now);
    let mut threads: Vec<&Thread> = state.threads().collect();
    threads.sort_by_key(|thread| thread.id);
    put(bytes, threads.len() as u64);
    for thread in threads {
        // An idle task has the PID 0; its CPU tells it apart.
        put(bytes, thread.id.pid().into());
        put(bytes, thread.cpu.into());
        put(bytes, thread.tgid.into());
        put(bytes, thread.comm.bytes().len() as u64);
        bytes.extend_from_slice(thread.comm.bytes());
        let known = [thread.run, thread.delay, thread.voluntary, thread.involuntary];
        let mut flags = u64::from(thread.kernel);
        for (n, total) in known.iter().enumerate() {
            flags |= u64::from(total.is_known()) << (n + 1);
        }
        flags |= u64::from(thread.prio.is_some()) << 5;
        flags |= u64::from(state.age(thread).is_some()) << 6;
        put(bytes, flags);
        for total in known.iter().filter(|total| total.is_known()) {
            put(bytes, total.value());
        }
        if let Some(prio) = thread.prio {
            put(bytes, (prio.0 + 1) as u64);
        }
        put(bytes, thread.allowed_cpus.into());
        put(bytes, thread.cgroup);
        let mode = match thread.mode {
            Mode::Unknown => 0,
            Mode::Running => 1,
            Mode::Dead => 2,
            Mode::Waiting(cause) => 3 | (CAUSES.iter().position(|other| *other == cause).unwrap_or(0) as u64) << 4,
            Mode::Blocked(blocked) => 4 | (blocked.state as u64) << 4 | u64::from(blocked.io_wait) << 8,
        };
        put(bytes, mode);
        put(bytes, state.now.saturating_sub(thread.since));
    }
    let mut processes: Vec<_> = state.processes().filter(|(_, process)| process.threads > 0).collect();
    processes.sort_by_key(|(tgid, _)| *tgid);
    put(bytes, processes.len() as u64);
    for (tgid, process) in processes {
        put(bytes, tgid.into());
        put(bytes, process.parent.into());
        put(bytes, process.comm.bytes().len() as u64);
        bytes.extend_from_slice(process.comm.bytes());
    }
}

/// Reads it back.
///
/// # Errors
///
/// Bytes that are too few, or numbers that no thread has.
pub fn read(bytes: &[u8]) -> Result<State, FormatError> {
    let mut input = Input::new(bytes);
    let now = input.number()?;
    let mut known = Known { now, ..Known::default() };
    for _ in 0..input.number()? {
        let (pid, cpu, tgid) = (input.small()?, input.small()?, input.small()?);
        if cpu >= 1 << 16 || pid >= 1 << 22 {
            return Err(FormatError::Number);
        }
        let comm = comm(&mut input)?;
        let flags = input.number()?;
        let mut totals = [Total::default(); 4];
        for (n, total) in totals.iter_mut().enumerate() {
            if flags >> (n + 1) & 1 != 0 {
                total.learn(input.number()?);
            }
        }
        let prio = match flags >> 5 & 1 {
            0 => None,
            _ => Some(Prio((input.small()? as u8 as i16) - 1)),
        };
        let mut thread = Thread::new(TaskId::new(pid, cpu), 0, now);
        (thread.cpu, thread.tgid, thread.comm, thread.kernel, thread.prio) = (cpu, tgid, comm, flags & 1 != 0, prio);
        [thread.run, thread.delay, thread.voluntary, thread.involuntary] = totals;
        thread.allowed_cpus = input.number()? as u16;
        thread.cgroup = input.number()?;
        let mode = input.number()?;
        thread.mode = match mode & 15 {
            1 => Mode::Running,
            3 => Mode::Waiting(CAUSES[(mode >> 4) as usize % CAUSES.len()]),
            4 => {
                Mode::Blocked(Blocked { state: TaskState::from_index((mode >> 4) as u8), io_wait: mode >> 8 & 1 != 0 })
            }
            _ => Mode::Unknown,
        };
        if flags >> 6 & 1 == 0 {
            thread.mode = Mode::Unknown;
        }
        thread.since = now.saturating_sub(input.number()?);
        known.threads.push(thread);
    }
    for _ in 0..input.number()? {
        let (tgid, parent) = (input.small()?, input.small()?);
        known.processes.push((tgid, parent, comm(&mut input)?));
    }
    Ok(State::from_known(known))
}

fn comm(input: &mut Input) -> Result<Comm, FormatError> {
    let length = input.number()?;
    Ok(Comm::new(input.take(length)?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Leave, Model};
    use abi::events::Context;

    #[test]
    fn what_was_known_is_known_again() {
        let mut model = Model::new(2, 9_000_000);
        model.existing(1, 1, "one").existing(2, 1, "two").existing(3, 3, "three").snapshot();
        model.wake(0, Context::HardIrq, 1).pass(5_000).switch(0, Leave::Sleep(TaskState::Sleeping), 1).pass(500);
        model.wake(1, Context::HardIrq, 2).pass(100).wake(1, Context::HardIrq, 3).switch(1, Leave::BlockIo, 3).pass(50);
        let (mut state, mut facts) = (State::new(), vec![]);
        for timed in &model.events {
            state.apply(timed, &mut facts);
        }
        let mut bytes = vec![];
        write(&state, &mut bytes);
        let again = read(&bytes).unwrap();
        let ids = [TaskId::new(1, 0), TaskId::new(2, 0), TaskId::new(3, 0), TaskId::idle(1)];
        for id in ids {
            let (one, other) = (state.thread(id).unwrap(), again.thread(id).unwrap());
            assert_eq!((one.mode, one.since, one.cpu, one.comm), (other.mode, other.since, other.cpu, other.comm));
            assert_eq!((one.run.value(), one.voluntary.value()), (other.run.value(), other.voluntary.value()));
            assert_eq!((one.tgid, one.prio, one.allowed_cpus), (other.tgid, other.prio, other.allowed_cpus));
            assert_eq!(other.run.added(), 0, "time counts from the chunk on");
        }
        assert_eq!(again.cpus()[0].current, Some(TaskId::new(1, 0)));
        assert_eq!(again.process(1).unwrap().threads, 2);
        for end in 0..bytes.len() {
            assert!(read(&bytes[..end]).is_err());
        }
    }
}

// SPDX-License-Identifier: GPL-2.0

//! Several readers of one ring.

use crate::test::Outcome;
use crate::tests;
use abi::header::word;
use abi::words::ReadWords;
use anyhow::ensure;
use testkit::child::Child;
use testkit::device::Samples;
use testkit::module::Module;
use testkit::status;

tests![three_readers_and_one_too_slow, a_session_begins_where_the_registry_was_empty];

fn three_readers_and_one_too_slow() -> Outcome {
    let _module = Module::load("rate_hz=50 ring_records=64")?;
    let mut fast = [Samples::from_here()?, Samples::from_here()?];
    let mut slow = Samples::from_here()?;
    let child = Child::idle()?;
    status::register(child.pid())?;

    let mut seen = [0, 0];
    while seen[0] < 150 {
        for (samples, seen) in fast.iter_mut().zip(&mut seen) {
            *seen += samples.wait()?.len() as u64;
        }
    }
    status::unregister(child.pid())?;
    for (samples, seen) in fast.iter_mut().zip(&mut seen) {
        *seen += samples.read()?.len() as u64;
        ensure!(samples.reader.lost() == 0);
    }
    let written = slow.memory.load_acquire(word::COMMITTED);
    ensure!(seen == [written, written], "{seen:?} of {written}");

    let records = slow.read()?;
    ensure!(records.len() == 64 && slow.reader.lost() == written - 64, "{} and {}", records.len(), slow.reader.lost());
    // The last 64, whole and in order.
    for (record, sequence) in records.iter().zip(written - 64..) {
        ensure!(record.sequence == sequence && record.pid == child.pid());
    }
    Ok(())
}

fn a_session_begins_where_the_registry_was_empty() -> Outcome {
    let _module = Module::load("")?;
    let mut samples = Samples::from_here()?;
    let (one, other) = (Child::idle()?, Child::idle()?);
    for _ in 0..3 {
        let begin = samples.memory.load_acquire(word::COMMITTED);
        status::register(one.pid())?;
        status::register(other.pid())?;
        ensure!(samples.memory.load_acquire(word::SESSION_START) == begin);
        status::unregister(one.pid())?;
        ensure!(samples.memory.load_acquire(word::SESSION_START) == begin);
        status::unregister(other.pid())?;
        ensure!(samples.memory.load_acquire(word::REGISTERED) == 0);
        let records = samples.read()?;
        ensure!(records.first().unwrap().sequence == begin);
        // The last U completes the tick that it belongs to. Where that would be the second one in the same interval, the
        // timer does, with nothing registered.
        samples.set_position(samples.reader.position())?;
        let begun = std::time::Instant::now();
        while samples.memory.load_acquire(word::COMPLETED_TICK) < records.last().unwrap().tick {
            ensure!(begun.elapsed().as_secs() < 10, "the tick is not completed");
            ensure!(!samples.readable(10_u16.into())?, "nothing follows");
        }
    }
    Ok(())
}

// SPDX-License-Identifier: GPL-2.0

//! What a tick costs after many processes have gone.

use crate::test::Outcome;
use crate::tests;
use abi::header::word;
use abi::words::ReadWords;
use anyhow::ensure;
use testkit::crowd::Crowd;
use testkit::device::Samples;
use testkit::module::Module;
use testkit::status;

tests![a_tick_costs_what_is_registered_and_not_what_once_was];

/// The least that one of a few ticks costs, ns.
fn cost(samples: &mut Samples) -> anyhow::Result<u64> {
    let look = |samples: &Samples| {
        (samples.memory.load_acquire(word::COMPLETED_TICK), samples.memory.load_relaxed(word::SAMPLING_NS))
    };
    let mut least = u64::MAX;
    for _ in 0..10 {
        let (tick, before) = look(samples);
        samples.wait()?;
        let (next, after) = look(samples);
        if next == tick + 1 {
            least = least.min(after - before);
        }
    }
    ensure!(least < u64::MAX, "no tick of its own");
    Ok(least)
}

fn a_tick_costs_what_is_registered_and_not_what_once_was() -> Outcome {
    const PROCESSES: usize = 10_000;
    let _module = Module::load("rate_hz=10")?;
    let mut samples = Samples::from_here()?;
    let mut crowd = Crowd::new(PROCESSES)?;
    let survivor = crowd.pids()[0].as_raw();
    status::register(survivor)?;
    samples.wait()?;
    let alone = cost(&mut samples)?;
    for pid in &crowd.pids()[1..] {
        status::register(pid.as_raw())?;
    }
    crowd.kill(PROCESSES - 1)?;
    while status::read()?.len() > 1 {
        samples.wait()?;
    }
    samples.wait()?;
    let survived = cost(&mut samples)?;
    ensure!(survived <= 2 * alone, "{survived} ns, {alone} ns before");
    Ok(())
}

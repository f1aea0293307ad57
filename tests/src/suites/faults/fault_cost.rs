// SPDX-License-Identifier: GPL-2.0

//! What recording adds to a first touch, in instructions: only where the guest's clock counts them (`vm/run --icount`).

use crate::test::{Outcome, Skip};
use crate::tests;
use abi::events::Kinds;
use anyhow::{ensure, Result};
use testkit::child::Pages;
use testkit::kernel;
use testkit::module::Module;
use testkit::tracing::{Ask, Tracing};

tests![what_recording_adds_to_a_first_touch within 600];

const PAGES: usize = 20_000;

/// Instructions of a first touch: the fewest of some rounds.
fn touch() -> Result<f64> {
    let mut fewest = u64::MAX;
    for _ in 0..4 {
        let pages = Pages::new(PAGES);
        let before = kernel::monotonic_ns()?;
        pages.touch(0..PAGES);
        fewest = fewest.min(kernel::monotonic_ns()? - before);
    }
    Ok(fewest as f64 / PAGES as f64)
}

fn what_recording_adds_to_a_first_touch() -> Outcome {
    if std::env::var_os("MP3_EXACT_CLOCK").is_none() {
        return Err(Skip("this clock does not count instructions (vm/run --icount, MP3_EXACT_CLOCK=1)").into());
    }
    let _module = Module::load("")?;
    // The kernel is busy with itself for a while after it has booted.
    std::thread::sleep(std::time::Duration::from_secs(3));
    touch()?;
    let me = std::process::id() as i32;
    let bare = touch()?;
    let mut added = vec![];
    for (kinds, filtered, most) in [
        (Kinds::FAULT_ENTRIES, true, 400.0),
        (Kinds::FAULT_ENTRIES, false, 400.0),
        (Kinds::FAULTS, true, 1200.0),
        (Kinds::FAULTS, false, 1200.0),
    ] {
        let ask = Ask::for_kinds(kinds);
        let tracing = Tracing::start(if filtered { ask.pids(&[me]) } else { ask })?;
        let with = touch()?;
        drop(tracing);
        added.push((with - bare, most));
    }
    // Of a process that is not asked for.
    let idle = testkit::child::Child::idle()?;
    for (kinds, most) in [(Kinds::FAULT_ENTRIES, 200.0), (Kinds::FAULTS, 400.0)] {
        let tracing = Tracing::start(Ask::for_kinds(kinds).pids(&[idle.pid()]))?;
        let with = touch()?;
        drop(tracing);
        added.push((with - bare, most));
    }
    let after = touch()?;
    println!(
        "    a first touch: {bare:.0} instructions; added by beginnings {:.0} (filtered), {:.0} (all), by whole faults {:.0}, {:.0}; \
         to others by beginnings {:.0}, by whole faults {:.0}; when it is off again {:.1}",
        added[0].0, added[1].0, added[2].0, added[3].0, added[4].0, added[5].0, after - bare
    );
    ensure!(added.iter().all(|(instructions, most)| instructions < most), "{added:?}");
    ensure!((after - bare).abs() < 0.01 * bare, "{after} after, {bare} before");
    Ok(())
}

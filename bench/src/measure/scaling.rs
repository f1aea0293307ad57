// SPDX-License-Identifier: GPL-2.0

//! What a tick costs while every CPU of the guest handles page faults.

use super::sampling::tick_costs;
use super::{pids_of, register, MP3};
use crate::clock;
use anyhow::Result;
use bench::report::{Clock, Report, Row, Section};
use testkit::child::{Child, Pages};
use testkit::crowd::Crowd;
use testkit::device::Samples;
use testkit::module::Module;

const PROCESSES: usize = 1000;
const TICKS: usize = 41;

pub fn measure(clock: Clock, report: &mut Report) -> Result<()> {
    let cpus = std::thread::available_parallelism()?.get();
    let crowd = Crowd::new(PROCESSES)?;
    for (subject, busy) in [(MP3, 0), ("mp3, every CPU in page faults", cpus)] {
        let mut workers: Vec<_> = (0..busy).map(|_| faulting()).collect::<Result<_>>()?;
        let _module = Module::load("rate_hz=10")?;
        let samples = Samples::from_here()?;
        let mut pids = pids_of(&crowd);
        pids.extend(workers.iter().map(Child::pid));
        register(&pids)?;
        for worker in &mut workers {
            worker.go()?;
        }
        let mut spent = tick_costs(&samples, TICKS + 2, || {})?;
        let values: Vec<_> = spent.split_off(2).iter().map(|ns| ns / pids.len() as f64).collect();
        let unit = clock::unit(clock);
        report.rows.push(Row::of(Section::Scaling, subject, Some(cpus as f64), "per record", unit, clock, &values));
    }
    Ok(())
}

/// A process that does nothing but touch new pages, again and again.
fn faulting() -> Result<Child> {
    Child::spawn(|parent| {
        parent.wait();
        loop {
            Pages::new(1024).touch(0..1024);
        }
    })
}

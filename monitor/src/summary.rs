// SPDX-License-Identifier: GPL-2.0

//! Totals of a profile.

use abi::samples::{Flags, SampleRecord, Totals};
use client::intervals::Step;
use format::comments::Trailer;
use std::fmt;

/// Totals over everything that was read.
#[derive(Clone, Debug, Default)]
pub struct Summary {
    /// Records.
    pub samples: u64,
    /// Registrations. A process that was registered twice counts twice.
    pub processes: u64,
    /// Ticks with a record.
    pub ticks: u64,
    /// Everything that was counted of the registrations seen, from their beginning to the last record of each.
    pub totals: Totals,
    /// Of that, what was counted before the first record that could be read: it is in no interval.
    pub before: Totals,
    /// Registrations of which every record was lost: what they counted is in no sum.
    pub unseen: u64,
    /// Time from the first to the last record, ns.
    pub duration_ns: u64,
    /// Ticks a second that were asked for.
    pub rate_hz: u64,
    /// Records that were overwritten before they could be read.
    pub lost: u64,
    /// Ticks without a record while processes were registered, where that is not because records were lost.
    pub missed_ticks: u64,
    /// Time the module spent sampling while this was being recorded, ns.
    pub sampling_ns: u64,
    /// Records the module wrote in that time.
    pub sampling_records: u64,
    pace: Pace,
    first_time_ns: Option<u64>,
    last_tick: Option<u64>,
}

/// Time from tick to tick, where one followed the other without a loss or an empty registry in between.
#[derive(Clone, Debug, Default)]
struct Pace {
    last: Option<(u64, u64)>,
    steps: u64,
    ns: u64,
}

impl Summary {
    /// Nothing yet, of a ring with this rate.
    pub fn new(rate_hz: u64) -> Self {
        Summary { rate_hz, ..Summary::default() }
    }

    /// Whether `tick` is not the last one or the one after it.
    pub fn is_later(&self, tick: u64) -> bool {
        self.last_tick.is_some_and(|last| tick > last.saturating_add(1))
    }

    /// Adds a record and what it says. `alone`: nothing was registered right before it.
    pub fn add(&mut self, record: &SampleRecord, step: &Step, alone: bool) {
        self.samples += 1;
        self.before = self.before.plus(&step.before);
        self.totals = self.totals.plus(&step.interval).plus(&step.before);
        let first = *self.first_time_ns.get_or_insert(record.time_ns);
        self.duration_ns = self.duration_ns.max(record.time_ns.saturating_sub(first));
        if self.last_tick.is_none_or(|last| record.tick > last) {
            self.last_tick = Some(record.tick);
            self.ticks += 1;
        }
        if alone {
            self.pace.last = None;
        }
        // Records of a registration and of its end are written when these happen, not when the tick is due.
        if record.flags.0 & (Flags::FIRST | Flags::FINAL).0 != 0 {
            return;
        }
        if let Some((tick, time_ns)) = self.pace.last {
            if record.tick <= tick {
                return;
            }
            self.pace.steps += 1;
            self.pace.ns = self.pace.ns.saturating_add(record.time_ns.saturating_sub(time_ns));
            self.missed_ticks = self.missed_ticks.saturating_add(record.tick - tick - 1);
        }
        self.pace.last = Some((record.tick, record.time_ns));
    }

    /// Records were lost: what comes next does not follow what came before.
    pub fn interrupt(&mut self) {
        self.pace.last = None;
    }

    /// Ticks a second that were sampled; none before the second one.
    pub fn rate_reached_hz(&self) -> Option<f64> {
        (self.pace.ns > 0).then(|| self.pace.steps as f64 * 1e9 / self.pace.ns as f64)
    }

    /// The end of a file.
    pub fn trailer(&self) -> Trailer {
        let totals = &self.totals;
        Trailer {
            samples: Some(self.samples),
            processes: Some(self.processes),
            ticks: Some(self.ticks),
            minor: Some(totals.minor_faults),
            major: Some(totals.major_faults),
            cpu_ns: Some(totals.cpu_ns()),
            user_ns: Some(totals.user_ns),
            system_ns: Some(totals.system_ns),
            duration_ns: Some(self.duration_ns),
            missed_ticks: Some(self.missed_ticks),
            sampling_ns: Some(self.sampling_ns),
            sampling_records: Some(self.sampling_records),
            lost: Some(self.lost),
            unseen: Some(self.unseen).filter(|&unseen| unseen > 0),
            before_minor: self.any_before(self.before.minor_faults),
            before_major: self.any_before(self.before.major_faults),
            before_cpu_ns: self.any_before(self.before.cpu_ns()),
            rate_reached_hz: self.rate_reached_hz(),
        }
    }

    /// `value`, unless everything was read from its beginning on.
    fn any_before(&self, value: u64) -> Option<u64> {
        (self.before != Totals::default()).then_some(value)
    }

    /// Time the module spent on one record, ns; none if it wrote none meanwhile.
    pub fn sampling_ns_per_record(&self) -> Option<f64> {
        (self.sampling_records > 0).then(|| self.sampling_ns as f64 / self.sampling_records as f64)
    }
}

impl fmt::Display for Summary {
    /// Lines for people.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = |ns: u64| ns as f64 / 1e9;
        let plural = |n: u64| if n == 1 { "" } else { "es" };
        let Totals { minor_faults, major_faults, user_ns, system_ns, .. } = self.totals;
        writeln!(
            f,
            "samples       {} of {} process{} in {} ticks, {:.3} s",
            self.samples,
            self.processes,
            plural(self.processes),
            self.ticks,
            seconds(self.duration_ns)
        )?;
        writeln!(f, "faults        {minor_faults} minor, {major_faults} major")?;
        writeln!(
            f,
            "CPU time      {:.3} s ({:.3} user, {:.3} system)",
            seconds(self.totals.cpu_ns()),
            seconds(user_ns),
            seconds(system_ns)
        )?;
        match self.rate_reached_hz() {
            Some(rate) => {
                writeln!(f, "rate reached  {rate:.2} Hz of {}; missed: {} ticks", self.rate_hz, self.missed_ticks)?
            }
            None => writeln!(f, "rate reached  n/a")?,
        }
        if let Some(ns) = self.sampling_ns_per_record() {
            writeln!(f, "sampling      {:.2} us a record", ns / 1e3)?;
        }
        if self.before != Totals::default() {
            let Totals { minor_faults, major_faults, .. } = self.before;
            writeln!(
                f,
                "before        {minor_faults} minor, {major_faults} major, {:.3} s CPU time of these before the first record \
                 that could be read",
                seconds(self.before.cpu_ns())
            )?;
        }
        if self.unseen > 0 {
            writeln!(f, "unseen        {} registrations: every record was lost, and they are in no sum", self.unseen)?;
        }
        writeln!(f, "lost: {}", self.lost)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn add(summary: &mut Summary, tick: u64, time_ms: u64, flags: Flags, alone: bool) {
        let record = SampleRecord { tick, time_ns: time_ms * 1_000_000, flags, ..SampleRecord::default() };
        summary.add(&record, &Step::default(), alone);
    }

    #[test]
    fn the_rate_is_that_of_the_ticks() {
        let mut summary = Summary::new(20);
        // 13 ms after the registration, and from then on every 50 ms.
        add(&mut summary, 1, 0, Flags::FIRST, true);
        for tick in 1..=41 {
            add(&mut summary, tick, 13 + 50 * (tick - 1), Flags::default(), false);
            // A second process's record comes a little later.
            add(&mut summary, tick, 14 + 50 * (tick - 1), Flags::default(), false);
        }
        add(&mut summary, 42, 13 + 50 * 40 + 7, Flags::FINAL, false);
        assert_eq!(summary.rate_reached_hz(), Some(20.0));
        assert_eq!((summary.ticks, summary.missed_ticks), (42, 0));
    }

    #[test]
    fn time_without_a_process_is_no_lower_rate() {
        let mut summary = Summary::new(20);
        for start in [0, 1_000] {
            add(&mut summary, start, start * 50, Flags::FIRST, true);
            for tick in start..start + 3 {
                add(&mut summary, tick, 50 * tick, Flags::default(), false);
            }
        }
        assert_eq!(summary.rate_reached_hz(), Some(20.0));
        assert_eq!(summary.missed_ticks, 0);
    }

    #[test]
    fn a_missed_tick_is_a_lower_rate_and_a_lost_record_is_not() {
        let mut summary = Summary::new(20);
        for tick in [1, 2, 5] {
            add(&mut summary, tick, 50 * tick, Flags::default(), false);
        }
        assert_eq!((summary.missed_ticks, summary.rate_reached_hz()), (2, Some(10.0)));
        summary.interrupt();
        add(&mut summary, 90, 50 * 90, Flags::default(), false);
        assert_eq!((summary.missed_ticks, summary.rate_reached_hz()), (2, Some(10.0)));
    }

    #[test]
    fn nothing_read_is_no_rate() {
        let summary = Summary::new(20);
        assert_eq!(summary.rate_reached_hz(), None);
        assert!(summary.to_string().contains("rate reached  n/a\n"));
        assert!(summary.to_string().ends_with("lost: 0\n"));
    }
}

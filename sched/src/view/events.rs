// SPDX-License-Identifier: GPL-2.0

//! Each switch as it happens.

use super::{Filter, View};
use trace::event::{Timed, What};
use trace::fact::Fact;
use trace::state::State;
use trace::table::{column, milliseconds, Out, Schema, Unit, Value};

/// A row a switch.
pub const EVENTS: Schema = Schema {
    name: "event",
    columns: &[
        column("time_ns", "time", Unit::Time),
        column("cpu", "CPU", Unit::Id),
        column("prev_tid", "left", Unit::Id),
        column("prev_comm", "", Unit::Text),
        column("ran_ns", "after", Unit::Time),
        column("prev_state", "state", Unit::Text),
        column("next_tid", "came", Unit::Id),
        column("next_comm", "", Unit::Text),
    ],
};

/// A row a gap.
pub const LOST: Schema = Schema {
    name: "lost",
    columns: &[
        column("time_ns", "time", Unit::Time),
        column("cpu", "CPU", Unit::Id),
        column("records", "records", Unit::Count),
    ],
};

/// See the module.
#[derive(Debug, Default)]
pub struct Events {
    filter: Filter,
    printed: u64,
}

impl Events {
    /// Those with a thread that `filter` wants on either side.
    pub fn new(filter: Filter) -> Self {
        Events { filter, ..Events::default() }
    }
}

impl View for Events {
    fn event(&mut self, timed: &Timed, facts: &[Fact], state: &State, out: &mut dyn Out) {
        let since_start = timed.ns.saturating_sub(state.start.unwrap_or(timed.ns));
        if let What::Lost(lost) = &timed.what {
            let text =
                format!("{:>12} ms  CPU {:<3} {} records lost", milliseconds(since_start), timed.cpu, lost.records);
            out.row(&LOST, vec![since_start.into(), timed.cpu.into(), lost.records.into()], &text);
        }
        for fact in facts {
            let Fact::Slice(slice) = fact else { continue };
            let wanted = self.filter.wants(state, slice.task) || self.filter.wants(state, slice.next);
            if !wanted || !self.filter.wants_cpu(slice.cpu) {
                continue;
            }
            self.printed += 1;
            let (prev, next) = (state.name(slice.task), state.name(slice.next));
            let letter = if slice.still_runnable { 'R' } else { slice.state.letter() };
            let ran = match slice.length() {
                Some(ns) => format!("{} us", ns / 1_000),
                None => "? us".to_owned(),
            };
            let text = format!(
                "{:>12} ms  CPU {:<3} {:>7} {:<15} left after {:>10}, {letter}; {:>7} {:<15} came",
                milliseconds(since_start),
                slice.cpu,
                slice.task.pid(),
                prev.to_string(),
                ran,
                slice.next.pid(),
                next.to_string(),
            );
            out.row(
                &EVENTS,
                vec![
                    since_start.into(),
                    slice.cpu.into(),
                    slice.task.pid().into(),
                    prev.into(),
                    Value::from(slice.length()),
                    letter.to_string().into(),
                    slice.next.pid().into(),
                    next.into(),
                ],
                &text,
            );
        }
    }

    fn report(&mut self, state: &State, out: &mut dyn Out) {
        out.note(&format!("{} switches in {} ms", self.printed, milliseconds(state.elapsed())));
    }
}

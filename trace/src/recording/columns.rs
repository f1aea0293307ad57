// SPDX-License-Identifier: GPL-2.0

//! Events as columns of small numbers, for a compressor to make smaller still.
//!
//! What a record says can mostly be foretold from the records before it: the thread that leaves a CPU is the one that came
//! last; its run time grew by the time since; its priority is what it was. Only the difference from that is written. All
//! words of a record come back as they were, those of kinds that are not foretold too.

use super::FormatError;
use crate::event::{Lost, Path, Timed, What};
use abi::events::header::Counts;
use abi::events::{record, Event, Kind, Prio, Record, State, Switch, SwitchFlags, Words};
use format::chunked::varint::{put, put_signed, Input};
use rustc_hash::FxHashMap;

/// Kinds of this format, which no record has.
const LOST: u8 = 0xf0;
const COUNTS: u8 = 0xf1;
const PATH: u8 = 0xf2;

/// Bits of a thread ID in a record's first word.
const WHO: u64 = (1 << 22) - 1;
const RUN_MASK: u64 = (1 << 48) - 1;

/// Columns.
const KIND: usize = 0;
const CPU: usize = 1;
const TIME: usize = 2;
const PREV: usize = 3;
const NEXT: usize = 4;
const HOW: usize = 5;
const COUNT: usize = 6;
const RUN: usize = 7;
const DELAY: usize = 8;
const PRIO: usize = 9;
const TASK: usize = 10;
const WORD1: usize = 11;
const WORD2: usize = 12;
const WORD3: usize = 13;
const OTHER: usize = 14;
const COLUMNS: usize = 15;

/// What is foretold of a thread.
#[derive(Clone, Copy, Debug, Default)]
struct Thread {
    run: u64,
    delay: u64,
    voluntary: u16,
    involuntary: u8,
    prio: i16,
    /// Since when it waits for a CPU, ns; 0 if it does not.
    queued: u64,
}

/// What is foretold, the same while writing and while reading.
#[derive(Clone, Debug, Default)]
struct Oracle {
    threads: FxHashMap<u32, Thread>,
    /// The thread that came last to each CPU, and when.
    cpus: Vec<(u32, u64)>,
    words: FxHashMap<(u8, u32), [u64; 3]>,
    last_ns: u64,
}

impl Oracle {
    fn cpu(&mut self, cpu: u32) -> &mut (u32, u64) {
        let cpu = cpu as usize;
        if self.cpus.len() <= cpu {
            self.cpus.resize(cpu + 1, (0, 0));
        }
        &mut self.cpus[cpu]
    }

    /// What a switch at `ns` on `cpu` away from `prev` is expected to say of it.
    fn expect(&mut self, ns: u64, cpu: u32, prev: u32, voluntary: bool) -> Thread {
        let (_, since) = *self.cpu(cpu);
        let thread = self.threads.entry(prev).or_default();
        let ran = if since > 0 { ns.saturating_sub(since) } else { 0 };
        if prev == 0 {
            return *thread;
        }
        Thread {
            run: thread.run.wrapping_add(ran) & RUN_MASK,
            voluntary: thread.voluntary.wrapping_add(u16::from(voluntary)),
            involuntary: thread.involuntary.wrapping_add(u8::from(!voluntary)),
            ..*thread
        }
    }

    fn learn(&mut self, ns: u64, cpu: u32, switch: &Switch) {
        *self.cpu(cpu) = (switch.next, ns);
        let thread = self.threads.entry(switch.prev).or_default();
        *thread = Thread {
            run: switch.run_ns,
            delay: switch.delay_ns,
            voluntary: switch.voluntary,
            involuntary: switch.involuntary,
            prio: switch.prev_prio.0,
            queued: if switch.still_runnable() { ns } else { 0 },
        };
        let thread = self.threads.entry(switch.next).or_default();
        thread.prio = switch.next_prio.0;
        let queued = std::mem::take(&mut thread.queued);
        if queued > 0 {
            thread.delay = thread.delay.wrapping_add(ns.saturating_sub(queued)) & RUN_MASK;
        }
    }
}

/// Which earlier record foretells one: that of the same thread and, where a thread has several totals, of the same part.
fn key(kind: u8, w1: u64) -> u32 {
    let part = if kind == Kind::Totals.number() { (w1 >> 56) & 0x3ff } else { 0 };
    ((w1 & WHO) | part << 22) as u32
}

/// Events on their way into a chunk.
#[derive(Clone, Debug)]
pub struct Columns {
    oracle: Oracle,
    columns: [Vec<u8>; COLUMNS],
    events: u32,
}

impl Columns {
    /// None yet.
    pub fn new() -> Self {
        Columns { oracle: Oracle::default(), columns: Default::default(), events: 0 }
    }

    /// How many there are.
    pub fn events(&self) -> u32 {
        self.events
    }

    /// Bytes so far.
    pub fn bytes(&self) -> usize {
        self.columns.iter().map(Vec::len).sum()
    }

    /// Takes the next event.
    pub fn push(&mut self, timed: &Timed) {
        let oracle = &mut self.oracle;
        let columns = &mut self.columns;
        let kind = match &timed.what {
            What::Event(event) => event.kind().number(),
            What::Lost(_) => LOST,
            What::Counts(_) => COUNTS,
            What::Path(_) => PATH,
        };
        columns[KIND].push(kind);
        put(&mut columns[CPU], timed.cpu.into());
        put_signed(&mut columns[TIME], timed.ns.wrapping_sub(oracle.last_ns));
        oracle.last_ns = timed.ns;
        self.events += 1;
        let (ns, cpu) = (timed.ns, timed.cpu);
        match &timed.what {
            What::Event(Event::Switch(switch)) => {
                let voluntary = switch.flags.contains(SwitchFlags::VOLUNTARY);
                let last = oracle.cpu(cpu).0;
                put_signed(&mut columns[PREV], u64::from(switch.prev).wrapping_sub(last.into()));
                put(&mut columns[NEXT], switch.next.into());
                put(&mut columns[HOW], switch.state as u64 | u64::from(switch.flags.0) << 4);
                let expected = oracle.expect(ns, cpu, switch.prev, voluntary);
                let voluntary = switch.voluntary.wrapping_sub(expected.voluntary);
                let involuntary = switch.involuntary.wrapping_sub(expected.involuntary);
                put(&mut columns[COUNT], u64::from(voluntary) | u64::from(involuntary) << 16);
                put_signed(&mut columns[RUN], switch.run_ns.wrapping_sub(expected.run));
                put_signed(&mut columns[DELAY], switch.delay_ns.wrapping_sub(expected.delay));
                put_signed(&mut columns[PRIO], i64::from(switch.prev_prio.0 - expected.prio) as u64);
                let expected = oracle.threads.get(&switch.next).map_or(0, |thread| thread.prio);
                put_signed(&mut columns[PRIO], i64::from(switch.next_prio.0 - expected) as u64);
                oracle.learn(ns, cpu, switch);
            }
            What::Event(event) => {
                let [_, w1, w2, w3] = Record { time: 0, event: *event }.encode();
                let who = key(kind, w1);
                put(&mut columns[TASK], who.into());
                let last = oracle.words.entry((kind, who)).or_default();
                put(&mut columns[WORD1], (w1 ^ last[0]) >> 22);
                put(&mut columns[WORD2], w2 ^ last[1]);
                put(&mut columns[WORD3], w3 ^ last[2]);
                *last = [w1, w2, w3];
                if let Event::Waking(waking) = event {
                    oracle.threads.entry(waking.wakee).or_default().queued = ns;
                }
            }
            What::Lost(lost) => {
                let column = &mut columns[OTHER];
                put(column, lost.records);
                put(column, lost.until_ns.wrapping_sub(ns));
                column.push(lost.dropped.into());
            }
            What::Counts(counts) => {
                for count in to_array(counts) {
                    put(&mut columns[OTHER], count);
                }
            }
            What::Path(path) => {
                let column = &mut columns[OTHER];
                put(column, path.tid.into());
                put(column, path.cut.into());
                put(column, path.path.len() as u64);
                column.extend_from_slice(&path.path);
            }
        }
    }

    /// The columns one after the other, each behind its length.
    pub fn write(&self, bytes: &mut Vec<u8>) {
        put(bytes, self.events.into());
        for column in &self.columns {
            put(bytes, column.len() as u64);
            bytes.extend_from_slice(column);
        }
    }
}

fn to_array(counts: &Counts) -> [u64; 7] {
    let Counts { switches, voluntary, from_idle, wakings, dropped, migrations, interrupts } = *counts;
    [switches, voluntary, from_idle, wakings, dropped, migrations, interrupts]
}

/// Reads the columns back.
///
/// # Errors
///
/// Columns that are too short, or numbers that no event has.
pub fn read(bytes: &[u8]) -> Result<Vec<Timed>, FormatError> {
    let mut input = Input::new(bytes);
    let events = input.small()?;
    let mut columns = [Input::default(); COLUMNS];
    for column in &mut columns {
        let length = input.number()?;
        *column = Input::new(input.take(length)?);
    }
    let mut oracle = Oracle::default();
    // Each event has a byte in the first column at least: the claim costs no more memory than the file has.
    let mut all = Vec::with_capacity((events as usize).min(bytes.len()));
    for _ in 0..events {
        all.push(event(&mut columns, &mut oracle)?);
    }
    Ok(all)
}

/// CPUs that a recording may have.
const CPUS_MAX: u32 = 1 << 16;

fn event(columns: &mut [Input; COLUMNS], oracle: &mut Oracle) -> Result<Timed, FormatError> {
    let kind = columns[KIND].byte()?;
    let cpu = columns[CPU].small()?;
    if cpu >= CPUS_MAX {
        return Err(FormatError::Number);
    }
    let ns = oracle.last_ns.wrapping_add(columns[TIME].signed()?);
    oracle.last_ns = ns;
    let what = match kind {
        LOST => {
            let column = &mut columns[OTHER];
            let (records, length) = (column.number()?, column.number()?);
            What::Lost(Lost { records, until_ns: ns.saturating_add(length), dropped: column.byte()? != 0 })
        }
        COUNTS => {
            let mut counts = [0; 7];
            for count in &mut counts {
                *count = columns[OTHER].number()?;
            }
            let [switches, voluntary, from_idle, wakings, dropped, migrations, interrupts] = counts;
            What::Counts(Counts { switches, voluntary, from_idle, wakings, dropped, migrations, interrupts })
        }
        PATH => {
            let column = &mut columns[OTHER];
            let (tid, cut, length) = (column.small()?, column.small()?, column.number()?);
            What::Path(Path { tid, cut, path: column.take(length)?.into() })
        }
        kind if kind == Kind::Switch.number() => What::Event(Event::Switch(switch(columns, oracle, ns, cpu)?)),
        kind => {
            let who = columns[TASK].small()?;
            let last = oracle.words.entry((kind, who)).or_default();
            let w1 = (columns[WORD1].number()? << 22) ^ (last[0] & !WHO) | u64::from(who) & WHO;
            let w2 = columns[WORD2].number()? ^ last[1];
            let w3 = columns[WORD3].number()? ^ last[2];
            *last = [w1, w2, w3];
            let known = Kind::from_number(kind).ok_or(FormatError::Kind(kind))?;
            let words: Words = [record::head(known, 0), w1, w2, w3];
            let decoded = Record::decode(&words).map_err(|_| FormatError::Kind(kind))?;
            if let Event::Waking(waking) = &decoded.event {
                oracle.threads.entry(waking.wakee).or_default().queued = ns;
            }
            What::Event(decoded.event)
        }
    };
    Ok(Timed { ns, cpu, what })
}

fn switch(columns: &mut [Input; COLUMNS], oracle: &mut Oracle, ns: u64, cpu: u32) -> Result<Switch, FormatError> {
    let last = oracle.cpu(cpu).0;
    let prev = u64::from(last).wrapping_add(columns[PREV].signed()?);
    let next = columns[NEXT].number()?;
    if prev > WHO || next > WHO {
        return Err(FormatError::Number);
    }
    let (prev, next) = (prev as u32, next as u32);
    let how = columns[HOW].number()?;
    let flags = SwitchFlags((how >> 4) as u8);
    let expected = oracle.expect(ns, cpu, prev, flags.contains(SwitchFlags::VOLUNTARY));
    let counts = columns[COUNT].number()?;
    let run = expected.run.wrapping_add(columns[RUN].signed()?);
    let delay = expected.delay.wrapping_add(columns[DELAY].signed()?);
    let prev_prio = i64::from(expected.prio).wrapping_add(columns[PRIO].signed()? as i64);
    let expected_next = oracle.threads.get(&next).map_or(0, |thread| thread.prio);
    let next_prio = i64::from(expected_next).wrapping_add(columns[PRIO].signed()? as i64);
    // What a record can hold, and no more.
    let prio = |prio: i64| match prio {
        -1..=254 => Ok(Prio(prio as i16)),
        _ => Err(FormatError::Number),
    };
    let switch = Switch {
        prev,
        next,
        state: State::from_index(how as u8),
        flags,
        voluntary: expected.voluntary.wrapping_add(counts as u16),
        involuntary: expected.involuntary.wrapping_add((counts >> 16) as u8),
        run_ns: run & RUN_MASK,
        delay_ns: delay & RUN_MASK,
        prev_prio: prio(prev_prio)?,
        next_prio: prio(next_prio)?,
    };
    oracle.learn(ns, cpu, &switch);
    Ok(switch)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Leave, Model};
    use abi::events::Context;

    #[test]
    fn all_events_come_back_as_they_were() {
        let mut model = Model::new(2, 77_000_000_000);
        model.existing(1, 1, "one").existing(2, 2, "two").snapshot().count();
        for round in 0..50 {
            model.pass(1_234).wake(1, Context::SoftIrq, 1).migrate(1, 1, 0, round % 3 == 0).pass(777);
            model.switch(0, Leave::Sleep(State::Sleeping), 1).pass(9_999).wake(0, Context::Task, 2);
            model.switch(0, Leave::Preempted, 2).boost(0, 1, Prio(-1), 2).pass(400).exec(0, "/bin/x");
            model.spawn(0, 100 + round, 2).pass(10).exit(0, 9).switch(0, Leave::BlockIo, 0);
        }
        model.count();
        let lost = Lost { records: 1 << 40, until_ns: model.now + 5, dropped: true };
        model.events.push(Timed { ns: model.now, cpu: 1, what: What::Lost(lost) });
        let mut columns = Columns::new();
        for timed in &model.events {
            columns.push(timed);
        }
        let mut bytes = vec![];
        columns.write(&mut bytes);
        assert_eq!(read(&bytes).unwrap(), model.events);
        for end in (0..bytes.len()).step_by(13) {
            assert!(read(&bytes[..end]).is_err(), "{end} of {}", bytes.len());
        }
    }
}

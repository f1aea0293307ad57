// SPDX-License-Identifier: GPL-2.0

//! A time and an event, and the four words that they are.

use super::bits::get;
use super::fault::map::{Map, MapFile};
use super::fault::signal::{FaultSignal, FaultTotals};
use super::fault::{Fault, FaultPlace};
use super::irq::Irq;
use super::kind::Kind;
use super::life::{Exec, Exit, Name, NewTask, Text};
use super::migrate::Migrate;
use super::priority::Priority;
use super::snapshot::{SnapshotEnd, Task, Totals};
use super::switch::Switch;
use super::waking::Waking;
use core::fmt;

/// Words in a record.
pub const EVENT_WORDS: usize = 4;

/// Bytes in a record.
pub const EVENT_BYTES: usize = EVENT_WORDS * 8;

/// A record as it is in memory.
pub type Words = [u64; EVENT_WORDS];

/// Bits of a time stamp.
pub const TIME_BITS: u32 = 56;

/// Word 0 of a record of `kind` at `time_ns`, of which it holds the low bits. Of two records, the later one has the higher
/// word 0.
#[inline(always)]
pub const fn head(kind: Kind, time_ns: u64) -> u64 {
    time_ns << 8 | kind.number() as u64
}

/// The number of a record's kind, known or not.
pub const fn kind_number(words: &Words) -> u8 {
    get::<0, 8>(words[0]) as u8
}

/// A record's time: `CLOCK_BOOTTIME`, ns modulo 2^56. See [`super::modular::time`].
pub const fn time(words: &Words) -> u64 {
    words[0] >> 8
}

/// What happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// See [`Switch`].
    Switch(Switch),
    /// See [`Waking`].
    Waking(Waking),
    /// See [`Migrate`].
    Migrate(Migrate),
    /// See [`Priority`].
    Priority(Priority),
    /// See [`NewTask`].
    NewTask(NewTask),
    /// See [`Exec`].
    Exec(Exec),
    /// See [`Exit`].
    Exit(Exit),
    /// See [`Name`].
    Name(Name),
    /// See [`Text`].
    Text(Text),
    /// See [`Irq`].
    Irq(Irq),
    /// See [`Task`].
    Task(Task),
    /// See [`Totals`].
    Totals(Totals),
    /// See [`SnapshotEnd`].
    SnapshotEnd(SnapshotEnd),
    /// See [`Fault`].
    Fault(Fault),
    /// See [`FaultPlace`].
    FaultPlace(FaultPlace),
    /// See [`Fault`].
    FaultEntry(Fault),
    /// See [`Map`].
    Map(Map),
    /// See [`MapFile`].
    MapFile(MapFile),
    /// See [`FaultSignal`].
    FaultSignal(FaultSignal),
    /// See [`FaultTotals`].
    FaultTotals(FaultTotals),
}

impl Event {
    /// Its kind.
    pub const fn kind(&self) -> Kind {
        match self {
            Event::Switch(_) => Kind::Switch,
            Event::Waking(_) => Kind::Waking,
            Event::Migrate(_) => Kind::Migrate,
            Event::Priority(_) => Kind::Priority,
            Event::NewTask(_) => Kind::NewTask,
            Event::Exec(_) => Kind::Exec,
            Event::Exit(_) => Kind::Exit,
            Event::Name(_) => Kind::Name,
            Event::Text(_) => Kind::Text,
            Event::Irq(_) => Kind::Irq,
            Event::Task(_) => Kind::Task,
            Event::Totals(_) => Kind::Totals,
            Event::SnapshotEnd(_) => Kind::SnapshotEnd,
            Event::Fault(_) => Kind::Fault,
            Event::FaultPlace(_) => Kind::FaultPlace,
            Event::FaultEntry(_) => Kind::FaultEntry,
            Event::Map(_) => Kind::Map,
            Event::MapFile(_) => Kind::MapFile,
            Event::FaultSignal(_) => Kind::FaultSignal,
            Event::FaultTotals(_) => Kind::FaultTotals,
        }
    }
}

/// An event and its time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Record {
    /// `CLOCK_BOOTTIME`, ns modulo 2^56.
    pub time: u64,
    /// What happened then.
    pub event: Event,
}

impl Record {
    /// The four words.
    pub const fn encode(&self) -> Words {
        let [w1, w2, w3] = match &self.event {
            Event::Switch(event) => event.encode(),
            Event::Waking(event) => event.encode(),
            Event::Migrate(event) => event.encode(),
            Event::Priority(event) => event.encode(),
            Event::NewTask(event) => event.encode(),
            Event::Exec(event) => event.encode(),
            Event::Exit(event) => event.encode(),
            Event::Name(event) => event.encode(),
            Event::Text(event) => event.encode(),
            Event::Irq(event) => event.encode(),
            Event::Task(event) => event.encode(),
            Event::Totals(event) => event.encode(),
            Event::SnapshotEnd(event) => event.encode(),
            Event::Fault(event) => event.encode(),
            Event::FaultPlace(event) => event.encode(),
            Event::FaultEntry(event) => event.encode(),
            Event::Map(event) => event.encode(),
            Event::MapFile(event) => event.encode(),
            Event::FaultSignal(event) => event.encode(),
            Event::FaultTotals(event) => event.encode(),
        };
        [head(self.event.kind(), self.time), w1, w2, w3]
    }

    /// Reads four words. Any words of a known kind are a record.
    ///
    /// # Errors
    ///
    /// [`UnknownKind`]: a later version has written it. Skip the record and count it.
    pub const fn decode(words: &Words) -> Result<Record, UnknownKind> {
        let [_, w1, w2, w3] = *words;
        let rest = [w1, w2, w3];
        let Some(kind) = Kind::from_number(kind_number(words)) else {
            return Err(UnknownKind { kind: kind_number(words) });
        };
        let event = match kind {
            Kind::Switch => Event::Switch(Switch::decode(rest)),
            Kind::Waking => Event::Waking(Waking::decode(rest)),
            Kind::Migrate => Event::Migrate(Migrate::decode(rest)),
            Kind::Priority => Event::Priority(Priority::decode(rest)),
            Kind::NewTask => Event::NewTask(NewTask::decode(rest)),
            Kind::Exec => Event::Exec(Exec::decode(rest)),
            Kind::Exit => Event::Exit(Exit::decode(rest)),
            Kind::Name => Event::Name(Name::decode(rest)),
            Kind::Text => Event::Text(Text::decode(rest)),
            Kind::Irq => Event::Irq(Irq::decode(rest)),
            Kind::Task => Event::Task(Task::decode(rest)),
            Kind::Totals => Event::Totals(Totals::decode(rest)),
            Kind::SnapshotEnd => Event::SnapshotEnd(SnapshotEnd::decode(rest)),
            Kind::Fault => Event::Fault(Fault::decode(rest)),
            Kind::FaultPlace => Event::FaultPlace(FaultPlace::decode(rest)),
            Kind::FaultEntry => Event::FaultEntry(Fault::decode(rest)),
            Kind::Map => Event::Map(Map::decode(rest)),
            Kind::MapFile => Event::MapFile(MapFile::decode(rest)),
            Kind::FaultSignal => Event::FaultSignal(FaultSignal::decode(rest)),
            Kind::FaultTotals => Event::FaultTotals(FaultTotals::decode(rest)),
        };
        Ok(Record { time: time(words), event })
    }
}

/// A record of a kind that this version does not know.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UnknownKind {
    /// The number in its word 0.
    pub kind: u8,
}

impl fmt::Display for UnknownKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a record of kind {}, which this version does not know", self.kind)
    }
}

impl core::error::Error for UnknownKind {}

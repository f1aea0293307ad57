// SPDX-License-Identifier: GPL-2.0

//! The kinds of records.

/// What a record tells. The numbers are part of the ABI: they stand in the lowest byte of word 0 and index [`Kinds`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u8)]
pub enum Kind {
    /// A CPU goes from one thread to another ([`super::Switch`]).
    Switch = 1,
    /// A thread is woken ([`super::Waking`]).
    Waking = 2,
    /// A thread is given another CPU ([`super::Migrate`]).
    Migrate = 3,
    /// A thread's priority is raised or put back for a lock's sake ([`super::Priority`]).
    Priority = 4,
    /// A thread begins ([`super::NewTask`]).
    NewTask = 5,
    /// A process executes another program ([`super::Exec`]).
    Exec = 6,
    /// A thread ends ([`super::Exit`]).
    Exit = 7,
    /// A thread's name ([`super::Name`]).
    Name = 8,
    /// Bytes that belong to the record before ([`super::Text`]).
    Text = 9,
    /// An interrupt has ended ([`super::Irq`]).
    Irq = 10,
    /// What a thread is ([`super::Task`]); in snapshots only.
    Task = 11,
    /// What a thread has counted ([`super::Totals`]); in snapshots only.
    Totals = 12,
    /// A snapshot is complete ([`super::SnapshotEnd`]); in snapshots only.
    SnapshotEnd = 13,
    /// A page fault, or an attempt to handle one, has ended ([`super::Fault`]).
    Fault = 32,
    /// Where it was and how it ended ([`super::FaultPlace`]); belongs to the record before.
    FaultPlace = 33,
    /// A page fault begins, where nothing is asked of its end ([`super::Fault`]).
    FaultEntry = 34,
    /// A mapping in which faults are ([`super::Map`]).
    Map = 35,
    /// What is mapped there ([`super::MapFile`]); belongs to the record before.
    MapFile = 36,
    /// An access has ended in a signal ([`super::FaultSignal`]).
    FaultSignal = 37,
    /// What a thread has counted when it ends ([`super::FaultTotals`]).
    FaultTotals = 38,
}

impl Kind {
    /// All kinds, in the order of their numbers.
    pub const ALL: [Kind; 20] = [
        Kind::Switch,
        Kind::Waking,
        Kind::Migrate,
        Kind::Priority,
        Kind::NewTask,
        Kind::Exec,
        Kind::Exit,
        Kind::Name,
        Kind::Text,
        Kind::Irq,
        Kind::Task,
        Kind::Totals,
        Kind::SnapshotEnd,
        Kind::Fault,
        Kind::FaultPlace,
        Kind::FaultEntry,
        Kind::Map,
        Kind::MapFile,
        Kind::FaultSignal,
        Kind::FaultTotals,
    ];

    /// The kind with this number.
    pub const fn from_number(number: u8) -> Option<Kind> {
        Some(match number {
            1 => Kind::Switch,
            2 => Kind::Waking,
            3 => Kind::Migrate,
            4 => Kind::Priority,
            5 => Kind::NewTask,
            6 => Kind::Exec,
            7 => Kind::Exit,
            8 => Kind::Name,
            9 => Kind::Text,
            10 => Kind::Irq,
            11 => Kind::Task,
            12 => Kind::Totals,
            13 => Kind::SnapshotEnd,
            32 => Kind::Fault,
            33 => Kind::FaultPlace,
            34 => Kind::FaultEntry,
            35 => Kind::Map,
            36 => Kind::MapFile,
            37 => Kind::FaultSignal,
            38 => Kind::FaultTotals,
            _ => return None,
        })
    }

    /// Its number.
    pub const fn number(self) -> u8 {
        self as u8
    }
}

/// A set of kinds: bit n stands for the kind with number n.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Kinds(pub u64);

impl Kinds {
    /// No kind.
    pub const NONE: Kinds = Kinds(0);
    /// Switches and all that is needed to name the threads in them.
    pub const SWITCHES: Kinds = Kinds::LIFE.with(Kind::Switch);
    /// How threads begin, change and end.
    pub const LIFE: Kinds = Kinds::NONE.with(Kind::NewTask).with(Kind::Exec).with(Kind::Exit).with(Kind::Name);
    /// All that the scheduler does; interrupts are not of this set.
    pub const SCHEDULER: Kinds = Kinds::SWITCHES.with(Kind::Waking).with(Kind::Migrate).with(Kind::Priority);
    /// Page faults from their beginning to their end, and the lives of the threads that have them. Places, mappings, signals
    /// and totals come with [`Kind::Fault`].
    pub const FAULTS: Kinds = Kinds::LIFE.with(Kind::Fault);
    /// The same at less cost, and without the end: no latency, and what the fault became is not known.
    pub const FAULT_ENTRIES: Kinds = Kinds::LIFE.with(Kind::FaultEntry);
    /// What a session may ask for. [`Kind::Text`] comes with [`Kind::Exec`].
    pub const TRACEABLE: Kinds = Kinds::SCHEDULER.with(Kind::Irq).with(Kind::Fault).with(Kind::FaultEntry);

    /// This set and `kind`.
    #[must_use]
    pub const fn with(self, kind: Kind) -> Kinds {
        Kinds(self.0 | 1 << (kind as u8 % 64))
    }

    /// What is in either.
    #[must_use]
    pub const fn union(self, other: Kinds) -> Kinds {
        Kinds(self.0 | other.0)
    }

    /// Whether `kind` is in the set.
    pub const fn contains(self, kind: Kind) -> bool {
        self.0 & Kinds::NONE.with(kind).0 != 0
    }

    /// Whether every kind of this set is in `other`.
    pub const fn is_subset_of(self, other: Kinds) -> bool {
        self.0 & !other.0 == 0
    }

    /// Whether no kind is in the set.
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_kinds_are_one_to_one() {
        let known: Vec<Kind> = (0..=u8::MAX).filter_map(Kind::from_number).collect();
        assert_eq!(known, Kind::ALL);
        for kind in Kind::ALL {
            assert_eq!(Kind::from_number(kind.number()), Some(kind));
        }
        assert_eq!((Kind::from_number(0), Kind::from_number(31), Kind::from_number(39)), (None, None, None));
    }

    #[test]
    fn sets_hold_what_was_put_in() {
        assert!(Kinds::SWITCHES.contains(Kind::Switch) && Kinds::SWITCHES.contains(Kind::Name));
        assert!(!Kinds::SWITCHES.contains(Kind::Waking));
        assert!(Kinds::SCHEDULER.is_subset_of(Kinds::TRACEABLE));
        assert!(!Kinds::TRACEABLE.is_subset_of(Kinds::SCHEDULER));
        assert!(!Kinds::TRACEABLE.contains(Kind::Text) && !Kinds::TRACEABLE.contains(Kind::Task));
        assert!(Kinds::NONE.is_empty() && !Kinds::LIFE.is_empty());
        assert_eq!(Kinds::LIFE.union(Kinds::NONE.with(Kind::Switch)), Kinds::SWITCHES);
        // What user space may have written down.
        assert_eq!(Kinds::TRACEABLE.0, 0x5_0000_05fe);
        assert!(!Kinds::TRACEABLE.contains(Kind::Map) && !Kinds::SCHEDULER.contains(Kind::Fault));
    }
}

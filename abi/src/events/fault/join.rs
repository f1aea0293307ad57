// SPDX-License-Identifier: GPL-2.0

//! One fault of all of its attempts.
//!
//! The kernel gives up an attempt with `RETRY`, lets go of the locks, waits, and tries again: that is one fault with all its
//! time, and the kernel counts it once. Where a signal ends the waiting, there is no further attempt, and the kernel counts
//! nothing; the fault is *abandoned*. If the access is repeated after the signal, that is another fault.

use super::kind::FaultKind;
use super::{Counted, Fault, FaultFlags, FaultPlace, FaultResult};

/// A call of `handle_mm_fault`, from its two records.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Attempt {
    /// When it ended, `CLOCK_BOOTTIME`, ns: the records' full time.
    pub end_ns: u64,
    /// The first record.
    pub fault: Fault,
    /// The second one.
    pub place: FaultPlace,
}

impl Attempt {
    /// When it began, `CLOCK_BOOTTIME`, ns.
    pub const fn begin_ns(&self) -> u64 {
        self.end_ns.saturating_sub(self.fault.latency_ns)
    }

    const fn is_unfinished(&self) -> bool {
        self.place.result.contains(FaultResult::RETRY)
    }

    /// Whether it goes on with what `before` has begun.
    const fn continues(&self, before: &Attempt) -> bool {
        const PAGE: u64 = !0xfff;
        before.is_unfinished()
            && !before.fault.flags.contains(FaultFlags::SIGNAL)
            && !self.fault.flags.contains(FaultFlags::FIRST)
            && self.fault.address & PAGE == before.fault.address & PAGE
            && self.fault.flags.contains(FaultFlags::NO_ACCESS) == before.fault.flags.contains(FaultFlags::NO_ACCESS)
    }
}

/// How a fault ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Outcome {
    /// The kernel has counted it as minor.
    #[default]
    Minor,
    /// The kernel has counted it as major.
    Major,
    /// It failed. The kernel counts no such faults; [`FaultResult`] says why.
    Failed,
    /// A signal came while it waited, and it was given up. The kernel counts no such faults.
    Abandoned,
}

/// A fault with all its attempts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Whole {
    /// The first attempt that there is a record of: address, access, mapping, code, and what was there before.
    pub first: Attempt,
    /// The last one; the same as the first where it was the only one.
    pub last: Attempt,
    /// How many there were.
    pub attempts: u32,
    /// The results of all of them.
    pub results: FaultResult,
    /// How it ended.
    pub outcome: Outcome,
    /// The record of an earlier attempt was lost: it has taken longer than is known.
    pub beginning_lost: bool,
}

impl Whole {
    /// When it began, `CLOCK_BOOTTIME`, ns.
    pub const fn begin_ns(&self) -> u64 {
        self.first.begin_ns()
    }

    /// When it ended, `CLOCK_BOOTTIME`, ns.
    pub const fn end_ns(&self) -> u64 {
        self.last.end_ns
    }

    /// From its beginning to its end, ns, with what lay between attempts.
    pub const fn latency_ns(&self) -> u64 {
        let span = self.end_ns().saturating_sub(self.begin_ns());
        // Clocks of two CPUs may be a little apart.
        if span > self.last.fault.latency_ns {
            span
        } else {
            self.last.fault.latency_ns
        }
    }

    /// What kind it was.
    pub const fn kind(&self) -> FaultKind {
        FaultKind::of(&self.first.fault, self.last.fault.after, self.results, self.last.place.result)
    }

    fn new(first: Attempt) -> Self {
        Whole {
            first,
            last: first,
            attempts: 1,
            results: first.place.result,
            outcome: outcome(&first),
            beginning_lost: first.fault.flags.contains(FaultFlags::TRIED),
        }
    }

    fn add(&mut self, next: Attempt) {
        self.last = next;
        self.attempts = self.attempts.saturating_add(1);
        self.results = FaultResult(self.results.0 | next.place.result.0);
        self.outcome = outcome(&next);
    }
}

const fn outcome(attempt: &Attempt) -> Outcome {
    if attempt.is_unfinished() {
        return Outcome::Abandoned;
    }
    match attempt.fault.counted {
        Counted::Major => Outcome::Major,
        Counted::Minor => Outcome::Minor,
        _ if attempt.place.result.intersects(FaultResult::ERROR) => Outcome::Failed,
        // Two counts moved. This one was counted last.
        _ if attempt.place.result.contains(FaultResult::MAJOR) => Outcome::Major,
        _ if attempt.fault.flags.contains(FaultFlags::TRIED) => Outcome::Major,
        _ => Outcome::Minor,
    }
}

/// Joins the attempts of one thread, which come in the order of their ends.
///
/// Give it the attempts that the kernel counts for the thread, and at the end [`Join::finish`] it.
#[derive(Clone, Copy, Debug, Default)]
pub struct Join {
    open: Option<Whole>,
}

impl Join {
    /// Nothing yet.
    pub const fn new() -> Self {
        Join { open: None }
    }

    /// The faults that are complete with this attempt, in the order of their ends: an abandoned one, and the attempt's own.
    #[must_use]
    pub fn push(&mut self, attempt: Attempt) -> [Option<Whole>; 2] {
        let (before, mut whole) = match self.open.take() {
            Some(mut open) if attempt.continues(&open.last) => {
                open.add(attempt);
                (None, open)
            }
            open => (open, Whole::new(attempt)),
        };
        if !attempt.is_unfinished() {
            return [before, Some(whole)];
        }
        if attempt.fault.flags.contains(FaultFlags::SIGNAL) {
            whole.outcome = Outcome::Abandoned;
            return [before, Some(whole)];
        }
        self.open = Some(whole);
        [before, None]
    }

    /// The fault that was not complete: the thread has ended, or the recording has. In the latter case it may go on.
    #[must_use]
    pub fn finish(&mut self) -> Option<Whole> {
        self.open.take()
    }
}

#[cfg(test)]
mod tests {
    use super::super::state::PageState;
    use super::*;

    fn attempt(
        end_ns: u64,
        latency_ns: u64,
        address: u64,
        flags: FaultFlags,
        result: u16,
        counted: Counted,
    ) -> Attempt {
        let fault = Fault { latency_ns, address, flags, counted, before: PageState::Swapped, ..Fault::default() };
        Attempt { end_ns, fault, place: FaultPlace { result: FaultResult(result), ..FaultPlace::default() } }
    }

    const RETRY: u16 = FaultResult::RETRY.0;
    const MAJOR: u16 = FaultResult::MAJOR.0;

    #[test]
    fn a_fault_that_is_tried_again_is_one_with_all_its_time() {
        let mut join = Join::new();
        let first = attempt(1000, 100, 0x5123, FaultFlags::FIRST, RETRY | MAJOR, Counted::Nothing);
        assert_eq!(join.push(first), [None, None]);
        let second = attempt(5000, 300, 0x5123, FaultFlags::TRIED, RETRY, Counted::Nothing);
        assert_eq!(join.push(second), [None, None]);
        let [before, whole] = join.push(attempt(9000, 20, 0x5123, FaultFlags::TRIED, 0, Counted::Major));
        let whole = whole.unwrap();
        assert_eq!((before, whole.attempts, whole.outcome), (None, 3, Outcome::Major));
        assert_eq!((whole.begin_ns(), whole.end_ns(), whole.latency_ns()), (900, 9000, 8100));
        // Read from disk, as an attempt in the middle has said.
        assert_eq!((whole.kind(), whole.beginning_lost), (FaultKind::SwapDisk, false));
        assert_eq!(join.finish(), None);
    }

    #[test]
    fn a_fault_without_a_second_attempt_is_given_up() {
        let mut join = Join::new();
        assert_eq!(join.push(attempt(10, 5, 0x1000, FaultFlags::FIRST, RETRY, Counted::Nothing)), [None, None]);
        // The signal's handler touches something else.
        let [before, own] = join.push(attempt(20, 1, 0x9000, FaultFlags::FIRST, 0, Counted::Minor));
        assert_eq!(before.unwrap().outcome, Outcome::Abandoned);
        assert_eq!(own.unwrap().outcome, Outcome::Minor);
        // Nothing touches anything else, and the access is repeated: a fault of its own.
        assert_eq!(join.push(attempt(30, 5, 0x1000, FaultFlags::FIRST, RETRY, Counted::Nothing)), [None, None]);
        let [before, own] = join.push(attempt(50, 5, 0x1000, FaultFlags::FIRST, 0, Counted::Minor));
        assert_eq!((before.unwrap().outcome, own.unwrap().attempts), (Outcome::Abandoned, 1));
        assert_eq!(own.unwrap().latency_ns(), 5);
    }

    #[test]
    fn a_signal_that_was_seen_ends_the_fault_at_once() {
        let mut join = Join::new();
        let flags = FaultFlags::FIRST | FaultFlags::SIGNAL;
        let [_, given_up] = join.push(attempt(10, 5, 0x1000, flags, RETRY, Counted::Nothing));
        assert_eq!(given_up.unwrap().outcome, Outcome::Abandoned);
        // The repetition holds the lock of the address space, and would be taken for a second attempt.
        let [before, own] = join.push(attempt(20, 5, 0x1000, FaultFlags::NONE, 0, Counted::Minor));
        assert_eq!((before, own.unwrap().attempts), (None, 1));
    }

    #[test]
    fn what_is_left_at_the_end_is_not_lost() {
        let mut join = Join::new();
        let _ = join.push(attempt(10, 5, 0x1000, FaultFlags::FIRST, RETRY, Counted::Nothing));
        assert_eq!(join.finish().unwrap().outcome, Outcome::Abandoned);
    }

    #[test]
    fn a_fault_whose_first_attempt_was_lost_says_so() {
        let [_, whole] = Join::new().push(attempt(10, 5, 0x1000, FaultFlags::TRIED, 0, Counted::Major));
        assert!(whole.unwrap().beginning_lost && whole.unwrap().outcome == Outcome::Major);
    }

    #[test]
    fn what_failed_was_counted_as_nothing() {
        let result = FaultResult::SIGBUS.0;
        let [_, whole] = Join::new().push(attempt(10, 5, 0x1000, FaultFlags::FIRST, result, Counted::Nothing));
        assert_eq!((whole.unwrap().outcome, whole.unwrap().kind()), (Outcome::Failed, FaultKind::Failed));
    }
}

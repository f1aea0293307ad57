// SPDX-License-Identifier: GPL-2.0

//! What the records of one CPU foretell of the next one.
//!
//! A switch is mostly what the last switch away from the same thread was, its run time grown by the time since it came. A
//! wake-up is mostly the one that the same thread did last, of a thread that slept as it did before. What differs from that
//! is small, and is all that is written. Any words come back as they were, however little was foretold.
//!
//! This runs for each event while a recording is made, so it costs little rather than foretelling much: threads whose
//! IDs are the same modulo [`SLOTS`] share what is remembered of them, and no branch asks whose it is.

use abi::events::{Kind, State as TaskState, SwitchFlags, Words};

/// Threads that are remembered at a time.
const SLOTS: usize = 512;

/// Bits of a thread's ID; of two, the second is above the first.
const TID_BITS: u32 = 22;
const TID: u64 = (1 << TID_BITS) - 1;

/// Where a switch has its state and flags, in word 1.
const STATE: u32 = 44;
const FLAGS: u32 = 48;
const INVOLUNTARY: u32 = 56;

/// Times are modulo 2^56; the totals of a switch modulo 2^48, above 16 other bits.
const TIME: u64 = (1 << 56) - 1;
const TOTAL_BITS: u32 = 48;
const TOTAL: u64 = (1 << TOTAL_BITS) - 1;
const BELOW: u64 = 0xffff;

/// What is remembered of a thread.
#[derive(Clone, Copy, Debug, Default)]
#[repr(align(64))]
struct Thread {
    /// Words 1 to 3 of the last switch away from it; the run-queue delay in the last one with the time since it was queued.
    left: [u64; 3],
    /// Word 1 of the last wake-up that it did.
    waking: u64,
    /// Words 2 and 3 of the last wake-up of it.
    woken: [u64; 2],
    /// Since when it waits for a CPU, ns; 0 if it does not.
    queued: u64,
}

/// What is foretold of the records of a CPU, the same while writing and while reading.
#[derive(Debug)]
pub struct Foretold {
    time: u64,
    /// The thread that came last, and when.
    current: u64,
    since: u64,
    threads: Box<[Thread; SLOTS]>,
    /// Words 1 to 3 of the last records of other kinds, by [`place`].
    others: Box<[[u64; 3]; 64]>,
}

/// A record, less what was foretold of it: kind, time since the last one, and what is left of words 1 to 3.
pub type Rest = (u8, [u64; 4]);

const SWITCH: u8 = Kind::Switch.number();
const WAKING: u8 = Kind::Waking.number();

impl Foretold {
    /// From nothing.
    pub fn new() -> Self {
        Foretold {
            time: 0,
            current: 0,
            since: 0,
            threads: Box::new([Thread::default(); SLOTS]),
            others: Box::new([[0; 3]; 64]),
        }
    }

    /// Forgets everything.
    pub fn forget(&mut self) {
        (self.time, self.current, self.since) = (0, 0, 0);
        self.threads.fill(Thread::default());
        self.others.fill([0; 3]);
    }

    /// Takes the next record; what is to be written of it.
    #[inline]
    pub fn take(&mut self, &[w0, w1, w2, w3]: &Words) -> Rest {
        let (kind, time) = (w0 as u8, w0 >> 8);
        let passed = time.wrapping_sub(self.time) & TIME;
        self.time = time;
        let [r1, r2, r3] = match kind {
            SWITCH => {
                let first = w1.wrapping_sub(u64::from(!is_voluntary(w1)) << INVOLUNTARY);
                let r1 = (first ^ self.thread(self.current).left[0]).rotate_right(TID_BITS);
                let (e2, e3) = self.expected(w1);
                self.switch([w1, w2, w3]);
                [r1, total_less(w2, e2), total_less(w3, e3)]
            }
            WAKING => {
                let [e2, e3] = self.thread(w1).woken;
                let rest = [w1 ^ self.thread(self.current).waking, shuffled(w2 ^ e2), w3 ^ e3];
                self.waking([w1, w2, w3]);
                rest
            }
            _ => {
                let [e1, ..] = self.others[place(kind, 0)];
                let [_, e2, e3] = self.others[place(kind, w1)];
                self.other(kind, [w1, w2, w3]);
                [w1 ^ e1, w2 ^ e2, w3 ^ e3]
            }
        };
        (kind, [passed, r1, r2, r3])
    }

    /// The record of which this was written.
    #[inline]
    pub fn give(&mut self, (kind, [passed, r1, r2, r3]): Rest) -> Words {
        self.time = self.time.wrapping_add(passed) & TIME;
        let [w1, w2, w3] = match kind {
            SWITCH => {
                let first = r1.rotate_left(TID_BITS) ^ self.thread(self.current).left[0];
                let w1 = first.wrapping_add(u64::from(!is_voluntary(first)) << INVOLUNTARY);
                let (e2, e3) = self.expected(w1);
                let words = [w1, total_more(r2, e2), total_more(r3, e3)];
                self.switch(words);
                words
            }
            WAKING => {
                let w1 = r1 ^ self.thread(self.current).waking;
                let [e2, e3] = self.thread(w1).woken;
                let words = [w1, shuffled(r2) ^ e2, r3 ^ e3];
                self.waking(words);
                words
            }
            _ => {
                let [e1, ..] = self.others[place(kind, 0)];
                let w1 = r1 ^ e1;
                let [_, e2, e3] = self.others[place(kind, w1)];
                let words = [w1, r2 ^ e2, r3 ^ e3];
                self.other(kind, words);
                words
            }
        };
        [self.time << 8 | u64::from(kind), w1, w2, w3]
    }

    /// The place of the thread whose ID is in the lowest bits of `word`.
    #[inline]
    fn thread(&mut self, word: u64) -> &mut Thread {
        &mut self.threads[(word & TID) as usize % SLOTS]
    }

    /// Words 2 and 3 of a switch, of which word 1 is known.
    #[inline]
    fn expected(&mut self, w1: u64) -> (u64, u64) {
        let next_prio = self.thread(w1 >> TID_BITS).left[2] & 0xff;
        // An idle task's run time never grows.
        let ran = if w1 & TID == 0 { 0 } else { self.time.wrapping_sub(self.since) };
        let [_, total, delay] = self.thread(w1).left;
        let voluntary = total.wrapping_add(u64::from(is_voluntary(w1))) & BELOW;
        let run = (total >> 16).wrapping_add(ran) << 16;
        (run | voluntary, delay & !0xff00 | next_prio << 8)
    }

    #[inline]
    fn switch(&mut self, words: [u64; 3]) {
        let [w1, ..] = words;
        let time = self.time;
        let is_runnable =
            w1 >> STATE & 15 == TaskState::Running as u64 || w1 >> FLAGS & u64::from(SwitchFlags::PREEMPTED.0) != 0;
        let is_queued = is_runnable && w1 & TID != 0;
        let prev = self.thread(w1);
        prev.left = words;
        prev.queued = if is_queued { time } else { 0 };
        let next = self.thread(w1 >> TID_BITS);
        let waited = if next.queued == 0 { 0 } else { time.wrapping_sub(next.queued) };
        next.left[2] = next.left[2].wrapping_add(waited << 16);
        next.queued = 0;
        (self.current, self.since) = (w1 >> TID_BITS & TID, time);
    }

    #[inline]
    fn waking(&mut self, [w1, w2, w3]: [u64; 3]) {
        let time = self.time;
        self.thread(self.current).waking = w1;
        let wakee = self.thread(w1);
        wakee.woken = [w2, w3];
        wakee.queued = time;
    }

    fn other(&mut self, kind: u8, words: [u64; 3]) {
        let [w1, ..] = words;
        self.others[place(kind, 0)][0] = w1;
        self.others[place(kind, w1)][1..].copy_from_slice(&words[1..]);
        if kind == Kind::NewTask.number() {
            // Nothing of the thread that had its place before.
            *self.thread(w1) = Thread { left: [w1 & TID, 0, 0], queued: self.time, ..Thread::default() };
        }
    }
}

/// Which record of another kind foretells words 2 and 3: the last one; where a thread has several totals, of the same part.
fn place(kind: u8, w1: u64) -> usize {
    let part = if kind == Kind::Totals.number() { (w1 >> 56) as usize % 4 } else { 0 };
    (usize::from(kind) + 16 * part) % 64
}

#[inline]
fn is_voluntary(w1: u64) -> bool {
    w1 >> FLAGS & u64::from(SwitchFlags::VOLUNTARY.0) != 0
}

/// The two middle quarters of a word of a wake-up, changed for one another: the waker's call comes before the priority,
/// which hardly ever differs. Its own inverse.
#[inline]
fn shuffled(word: u64) -> u64 {
    word & 0xffff_0000_0000_ffff | word >> 16 & 0xffff_0000 | word << 16 & 0xffff_0000_0000
}

/// A total above 16 other bits, less what was expected: the difference as a small number whatever its sign is, below what
/// differs in the others.
#[inline]
fn total_less(word: u64, expected: u64) -> u64 {
    let difference = (((word >> 16).wrapping_sub(expected >> 16) << 16) as i64) >> 16;
    let folded = ((difference << 1) ^ (difference >> 63)) as u64 & TOTAL;
    folded | ((word ^ expected) & BELOW) << TOTAL_BITS
}

/// The inverse of [`total_less`].
#[inline]
fn total_more(rest: u64, expected: u64) -> u64 {
    let folded = rest & TOTAL;
    let difference = (folded >> 1) ^ (folded & 1).wrapping_neg();
    (expected >> 16).wrapping_add(difference) << 16 | (rest >> TOTAL_BITS) ^ expected & BELOW
}

impl Default for Foretold {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn random(seed: u64) -> impl FnMut() -> u64 {
        let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
        move || {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            state
        }
    }

    #[test]
    fn any_words_come_back() {
        let mut number = random(7);
        let (mut writer, mut reader) = (Foretold::new(), Foretold::new());
        for n in 0..100_000 {
            // Most kinds are known ones, and most threads are few.
            let mut words: Words = [number(), number(), number(), number()];
            if n % 3 != 0 {
                words[0] = words[0] & !0xff | 1 + n % 2;
                words[1] &= !0x3ff_f03f_fff0;
            }
            let rest = writer.take(&words);
            assert_eq!(reader.give(rest), words);
            if n % 10_000 == 0 {
                writer.forget();
                reader.forget();
            }
        }
    }

    #[test]
    fn totals_come_back_whatever_was_expected() {
        let mut number = random(9);
        for n in 0..10_000 {
            let (word, noise) = (number(), number());
            let expected = if n % 2 == 0 { noise } else { word.wrapping_add(noise >> 40) };
            assert_eq!(total_more(total_less(word, expected), expected), word);
            assert_eq!(shuffled(shuffled(word)), word);
        }
        assert_eq!(total_less(5 << 16 | 7, 8 << 16 | 7), 5, "three too little");
    }

    #[test]
    fn two_threads_that_hand_over_are_foretold_but_for_the_noise() {
        let mut foretold = Foretold::new();
        let mut most = 0;
        for n in 0..200_u64 {
            let (one, other) = if n % 2 == 0 { (100, 101) } else { (101, 100) };
            let time = 5_000_000 + n * 4_000;
            let waking = [
                (time + 1_000) << 8 | u64::from(WAKING),
                other | one << TID_BITS | 1 << 52 | 120 << 56,
                7 << 48 | 1 << 32,
                42,
            ];
            let noise = n * 7 % 13;
            // Each has run for 4 us a turn, and has been queued for 1 us before; both were given up.
            let turn = n / 2 + 1;
            let switch = [
                (time + 2_000) << 8 | u64::from(SWITCH),
                one | other << TID_BITS | 1 << STATE | 2 << FLAGS,
                (turn * 4_000 + noise) << 16 | turn,
                (turn * 1_000) << 16 | 120 << 8 | 120,
            ];
            for words in [waking, switch] {
                let (_, rest) = foretold.take(&words);
                if n >= 4 {
                    most = most.max(rest[1..].iter().copied().max().unwrap_or(0));
                }
            }
        }
        assert!(most < 256, "{most}");
    }
}

// SPDX-License-Identifier: GPL-2.0

//! The sequence of places that a workload stores to.

use crate::random::SplitMix64;
use crate::workload::{Locality, Workload};

/// With [`Locality::Local`], one access in this many goes to a random place.
pub const LOCAL_JUMP: u64 = 5;

/// With [`Locality::Local`], the other accesses advance by less than this many bytes.
pub const LOCAL_STEP: u64 = 300;

/// Byte offsets into the workload's memory, without an end: [`Workload::accesses`] of them are one iteration.
///
/// The walk of [`Locality::Local`] begins at offset 0, goes on through all iterations, and wraps at the memory's end.
#[derive(Clone, Debug)]
pub struct Places {
    random: SplitMix64,
    locality: Locality,
    bytes: u64,
    last: u64,
}

impl Places {
    /// The places of `workload`.
    pub fn new(workload: &Workload) -> Self {
        Places {
            random: SplitMix64::new(workload.seed),
            locality: workload.locality,
            bytes: workload.bytes().max(1),
            last: 0,
        }
    }

    /// The next place, below [`Workload::bytes`].
    pub fn next_place(&mut self) -> u64 {
        let jump = match self.locality {
            Locality::Random => true,
            Locality::Local => self.random.below(LOCAL_JUMP) == 0,
        };
        self.last = if jump {
            self.random.below(self.bytes)
        } else {
            let place = self.last + self.random.below(LOCAL_STEP);
            if place >= self.bytes {
                place - self.bytes
            } else {
                place
            }
        };
        self.last
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_gives_the_same_places() {
        let workload = Workload::classic(200, Locality::Local, 1);
        let take = |seed| {
            let mut places = Places::new(&Workload { seed, ..workload });
            (0..1000).map(|_| places.next_place()).collect::<Vec<_>>()
        };
        assert_eq!(take(7), take(7));
        assert_ne!(take(7), take(8));
    }

    #[test]
    fn these_places_stay_what_they_are() {
        // A change here changes the accesses of every published seed.
        let mut places = Places::new(&Workload::classic(200, Locality::Random, 1));
        assert_eq!([(); 4].map(|()| places.next_place()), [118_816_574, 156_401_770, 203_634_036, 93_188_882]);
        let mut places = Places::new(&Workload::classic(1, Locality::Local, 1));
        assert_eq!([(); 8].map(|()| places.next_place()), [223, 356, 584, 740, 978, 1_159, 1_318, 1_368]);
    }

    #[test]
    fn a_fifth_jumps_and_the_others_walk_on() {
        let workload = Workload::classic(64, Locality::Local, 1);
        let mut places = Places::new(&workload);
        let (mut last, mut walked, mut distance) = (0, 0_u64, 0_u64);
        for _ in 0..100_000 {
            let place = places.next_place();
            assert!(place < workload.bytes());
            let step = (place + workload.bytes() - last) % workload.bytes();
            if step < LOCAL_STEP {
                walked += 1;
                distance += step;
            }
            last = place;
        }
        assert!((79_500..80_500).contains(&walked), "{walked}");
        let mean = distance as f64 / walked as f64;
        assert!((148.5..150.5).contains(&mean), "{mean}");
    }
}

// SPDX-License-Identifier: GPL-2.0

//! The accesses and the pauses.

use crate::buffer::Buffer;
use crate::places::Places;
use crate::workload::Workload;
use std::convert::Infallible;
use std::ops::ControlFlow;
use std::time::Duration;

/// Accesses between two calls of [`Pacer::go_on`]: few enough to answer soon when every access waits for the disk, and
/// enough for the calls not to be noticed when none does.
pub const BATCH: u64 = 64;

/// The caller of a workload: waits between the iterations, and may stop it.
pub trait Pacer {
    /// Why the workload was stopped.
    type Stop;

    /// Called every [`BATCH`] accesses.
    fn go_on(&mut self) -> ControlFlow<Self::Stop> {
        ControlFlow::Continue(())
    }

    /// Called after each iteration, numbered from 0: waits for `pause`.
    fn pause(&mut self, iteration: u32, pause: Duration) -> ControlFlow<Self::Stop>;
}

/// Sleeps through the pauses and never stops.
#[derive(Clone, Copy, Debug, Default)]
pub struct Uninterrupted;

impl Pacer for Uninterrupted {
    type Stop = Infallible;

    fn pause(&mut self, _iteration: u32, pause: Duration) -> ControlFlow<Infallible> {
        std::thread::sleep(pause);
        ControlFlow::Continue(())
    }
}

/// Runs `workload` on `buffer`, which was made for it. Allocates nothing and prints nothing: the first store to each page
/// is the only page fault, if the program itself is resident (see [`crate::resident`]).
///
/// # Panics
///
/// If `buffer` is smaller than the workload.
pub fn run<P: Pacer>(workload: &Workload, buffer: &mut Buffer, pacer: &mut P) -> ControlFlow<P::Stop> {
    let mut places = Places::new(workload);
    for iteration in 0..workload.iterations {
        // Not 0, so that no page can be merged with the zero page or be compressed to nothing.
        let byte = (iteration % 255) as u8 + 1;
        let mut left = workload.accesses;
        while left > 0 {
            let batch = left.min(BATCH);
            for _ in 0..batch {
                buffer.store(places.next_place(), byte);
            }
            left -= batch;
            pacer.go_on()?;
        }
        pacer.pause(iteration, workload.pause)?;
    }
    ControlFlow::Continue(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::workload::Locality;

    /// Counts calls, and stops at one of them.
    #[derive(Default)]
    struct Counter {
        batches: u64,
        pauses: Vec<(u32, Duration)>,
        stop_after: Option<u64>,
    }

    impl Pacer for Counter {
        type Stop = &'static str;

        fn go_on(&mut self) -> ControlFlow<Self::Stop> {
            self.batches += 1;
            if Some(self.batches) == self.stop_after {
                return ControlFlow::Break("enough");
            }
            ControlFlow::Continue(())
        }

        fn pause(&mut self, iteration: u32, pause: Duration) -> ControlFlow<Self::Stop> {
            self.pauses.push((iteration, pause));
            ControlFlow::Continue(())
        }
    }

    #[test]
    fn pauses_after_every_iteration() {
        let workload = Workload { iterations: 3, ..Workload::classic(1, Locality::Random, 130) };
        let mut counter = Counter::default();
        let mut buffer = Buffer::new(&workload).unwrap();
        assert!(run(&workload, &mut buffer, &mut counter).is_continue());
        let second = Duration::from_secs(1);
        assert_eq!(counter.pauses, [(0, second), (1, second), (2, second)]);
        assert_eq!(counter.batches, 9);
    }

    #[test]
    fn stops_when_it_is_asked_to() {
        let workload = Workload::classic(1, Locality::Random, 1_000);
        let mut counter = Counter { stop_after: Some(17), ..Counter::default() };
        let mut buffer = Buffer::new(&workload).unwrap();
        assert_eq!(run(&workload, &mut buffer, &mut counter), ControlFlow::Break("enough"));
        assert_eq!((counter.batches, counter.pauses.len()), (17, 1));
    }
}

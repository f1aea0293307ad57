// SPDX-License-Identifier: GPL-2.0

//! How many different pages a workload touches: counted exactly, and expected.

use crate::places::{Places, LOCAL_JUMP, LOCAL_STEP};
use crate::workload::{Locality, Workload, PAGE_BYTES};

/// A bit for every page: 32 KiB for a workload of 1024 MB.
#[derive(Debug)]
struct PageSet {
    words: Vec<u64>,
}

impl PageSet {
    fn empty(pages: u64) -> Self {
        PageSet { words: vec![0; pages.div_ceil(64) as usize] }
    }

    /// Adds `page`; whether it was not there before.
    fn insert(&mut self, page: u64) -> bool {
        let word = &mut self.words[(page / 64) as usize];
        let bit = 1 << (page % 64);
        let fresh = *word & bit == 0;
        *word |= bit;
        fresh
    }
}

/// For each iteration, the pages that it is the first to touch: its page faults, as long as nothing is evicted.
pub fn fresh_pages(workload: &Workload) -> impl Iterator<Item = u64> {
    let mut places = Places::new(workload);
    let mut touched = PageSet::empty(workload.pages());
    let accesses = workload.accesses;
    (0..workload.iterations)
        .map(move |_| (0..accesses).map(|_| u64::from(touched.insert(places.next_place() / PAGE_BYTES))).sum())
}

/// The different pages that all accesses of `workload` touch: exactly its minor faults, if memory suffices.
pub fn distinct_pages(workload: &Workload) -> u64 {
    fresh_pages(workload).sum()
}

/// What [`distinct_pages`] is on average over all seeds, after `iterations` iterations: `P (1 - e^(-V/P))`, where `P` is
/// the number of pages and `V` the number of visits, each to a page that is as likely as any other.
///
/// With [`Locality::Random`], every access is a visit. With [`Locality::Local`], every jump is one, and so is every walk
/// across a page's end.
pub fn expected_pages(workload: &Workload, iterations: u32) -> f64 {
    let visits = visits(workload) * f64::from(iterations);
    let pages = workload.pages() as f64;
    // 1 - e^x without the cancellation at small x.
    -pages * (-visits / pages).exp_m1()
}

/// The iterations after which `pages` different pages have been touched on average: the inverse of [`expected_pages`]. At most
/// the workload's iterations.
pub fn expected_iterations(workload: &Workload, pages: f64) -> f64 {
    let all = workload.pages() as f64;
    let iterations = -all * (-pages.clamp(0.0, all) / all).ln_1p() / visits(workload);
    iterations.min(f64::from(workload.iterations))
}

/// Visits to pages in one iteration.
fn visits(workload: &Workload) -> f64 {
    let accesses = workload.accesses as f64;
    match workload.locality {
        Locality::Random => accesses,
        Locality::Local => {
            let jumps = 1.0 / LOCAL_JUMP as f64;
            let mean_step = (LOCAL_STEP - 1) as f64 / 2.0;
            accesses * (jumps + (1.0 - jumps) * mean_step / PAGE_BYTES as f64)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn counts_what_a_set_of_pages_counts() {
        for locality in [Locality::Random, Locality::Local] {
            let workload = Workload { iterations: 3, seed: 5, ..Workload::classic(7, locality, 1_000) };
            let mut places = Places::new(&workload);
            let mut set = HashSet::new();
            let mut before = 0;
            let mut by_iteration = vec![];
            for _ in 0..3 {
                set.extend((0..1_000).map(|_| places.next_place() / 4096));
                by_iteration.push((set.len() - before) as u64);
                before = set.len();
            }
            assert_eq!(fresh_pages(&workload).collect::<Vec<_>>(), by_iteration);
            assert_eq!(distinct_pages(&workload), set.len() as u64);
        }
    }

    #[test]
    fn the_classic_runs_are_expected_as_published() {
        let expected = |megabytes, locality, accesses, iterations| {
            expected_pages(&Workload::classic(megabytes, locality, accesses), iterations).round()
        };
        assert_eq!(expected(200, Locality::Random, 10_000, 1), 9_084.0);
        assert_eq!(expected(200, Locality::Random, 10_000, 20), 50_170.0);
        assert_eq!(expected(1024, Locality::Random, 50_000, 20), 256_365.0);
        assert_eq!(expected(1024, Locality::Random, 10_000, 20), 139_908.0);
    }

    #[test]
    fn iterations_are_found_from_the_pages_touched() {
        for (megabytes, locality, accesses) in [(200, Locality::Random, 10_000), (1024, Locality::Local, 10_000)] {
            let workload = Workload::classic(megabytes, locality, accesses);
            for iterations in [0, 1, 7, 19] {
                let found = expected_iterations(&workload, expected_pages(&workload, iterations));
                assert!((found - f64::from(iterations)).abs() < 1e-6, "{found}");
            }
            assert_eq!(expected_iterations(&workload, 1e12), 20.0);
            assert_eq!(expected_iterations(&workload, -1.0), 0.0);
        }
    }

    #[test]
    fn counted_and_expected_agree() {
        for (megabytes, locality, accesses) in [
            (200, Locality::Random, 10_000),
            (1024, Locality::Random, 50_000),
            (1024, Locality::Local, 10_000),
            (16, Locality::Local, 500),
        ] {
            let workload = Workload::classic(megabytes, locality, accesses);
            let counted = distinct_pages(&workload) as f64;
            let expected = expected_pages(&workload, workload.iterations);
            // The count's standard deviation is below the root of the expectation.
            assert!((counted - expected).abs() < 4.0 * expected.sqrt(), "{workload:?}: {counted} {expected}");
        }
    }

    #[test]
    fn nothing_to_do_touches_nothing() {
        let nothing = Workload::classic(1, Locality::Random, 0);
        assert_eq!(distinct_pages(&nothing), 0);
        assert_eq!(expected_pages(&nothing, 20), 0.0);
    }
}

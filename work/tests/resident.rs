// SPDX-License-Identifier: GPL-2.0

//! Alone in its process: faults are counted for the whole of it.

use libtest_mimic::{Arguments, Completion, Trial};
use work::{resident, Buffer, Locality, Usage, Workload};

const PAGES: u64 = 4096;

fn faults_of_touching_all(buffer: &mut Buffer) -> u64 {
    let before = Usage::own().unwrap();
    for page in 0..PAGES {
        buffer.store(page * 4096, 1);
    }
    Usage::own().unwrap().since(&before).minor_faults
}

/// libtest cannot skip a test when it runs, libtest-mimic can.
fn main() {
    let test = Trial::ignorable_test("what_is_resident_takes_no_faults", || {
        Ok(match what_is_resident_takes_no_faults() {
            Some(()) => Completion::Completed,
            None => Completion::ignored_with("this user may not lock 16 MB (RLIMIT_MEMLOCK)"),
        })
    });
    libtest_mimic::run(&Arguments::from_args(), vec![test]).exit();
}

/// `None` where the memory may not be locked.
fn what_is_resident_takes_no_faults() -> Option<()> {
    let workload = Workload::classic(16, Locality::Random, 0);
    let mut early = Buffer::new(&workload).unwrap();
    if !resident::make_resident() {
        return None;
    }
    let mut late = Buffer::new(&workload).unwrap();
    // The test's harness may take a few faults of its own meanwhile.
    assert!(faults_of_touching_all(&mut early) < PAGES / 100);
    assert!(faults_of_touching_all(&mut late) >= PAGES);
    Some(())
}

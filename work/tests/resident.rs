// SPDX-License-Identifier: GPL-2.0

//! Alone in its process: faults are counted for the whole of it.

use work::{resident, Buffer, Locality, Usage, Workload};

const PAGES: u64 = 4096;

fn faults_of_touching_all(buffer: &mut Buffer) -> u64 {
    let before = Usage::own().unwrap();
    for page in 0..PAGES {
        buffer.store(page * 4096, 1);
    }
    Usage::own().unwrap().since(&before).minor_faults
}

#[test]
fn what_is_resident_takes_no_faults() {
    let workload = Workload::classic(16, Locality::Random, 0);
    let mut early = Buffer::new(&workload).unwrap();
    if !resident::make_resident() {
        eprintln!("skipped: this user may not lock 16 MB (RLIMIT_MEMLOCK)");
        return;
    }
    let mut late = Buffer::new(&workload).unwrap();
    // The test's harness may take a few faults of its own meanwhile.
    assert!(faults_of_touching_all(&mut early) < PAGES / 100);
    assert!(faults_of_touching_all(&mut late) >= PAGES);
}

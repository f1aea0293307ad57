// SPDX-License-Identifier: GPL-2.0

//! The tracer: what it records against what the kernel itself counts.

mod clock;
mod filters;
mod histories;
mod interrupts;
mod oracles;
mod planted;
mod sessions;
mod stress;

use crate::test::Test;

/// The tests of the tracer.
pub fn tests() -> Vec<Test> {
    [
        sessions::tests(),
        oracles::tests(),
        interrupts::tests(),
        clock::tests(),
        planted::tests(),
        filters::tests(),
        histories::tests(),
        stress::tests(),
    ]
    .into_iter()
    .flatten()
    .collect()
}

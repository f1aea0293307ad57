// SPDX-License-Identifier: GPL-2.0

//! The tracer: what it records against what the kernel itself counts.

mod filters;
mod histories;
mod oracles;
mod sessions;
mod stress;

use crate::test::Test;

/// The tests of the tracer.
pub fn tests() -> Vec<Test> {
    [sessions::tests(), oracles::tests(), filters::tests(), histories::tests(), stress::tests()]
        .into_iter()
        .flatten()
        .collect()
}

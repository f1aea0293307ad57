// SPDX-License-Identifier: GPL-2.0

//! Page faults by the tracer: each of them, where it was, and of what kind.

mod fault_cost;
mod fault_counts;
mod fault_kinds;
mod fault_sessions;
mod seen;

use crate::test::Test;

/// The tests of page faults.
pub fn tests() -> Vec<Test> {
    [fault_counts::tests(), fault_kinds::tests(), fault_sessions::tests(), fault_cost::tests()]
        .into_iter()
        .flatten()
        .collect()
}

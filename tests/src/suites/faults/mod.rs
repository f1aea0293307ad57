// SPDX-License-Identifier: GPL-2.0

//! Page faults by the tracer, and by the program `faults`: each of them, where it was, and of what kind.

mod fault_cost;
mod fault_counts;
mod fault_kinds;
mod fault_peers;
mod fault_program;
mod fault_rare;
mod fault_sessions;
mod seen;

use crate::test::Test;

/// The tests of page faults.
pub fn tests() -> Vec<Test> {
    [
        fault_counts::tests(),
        fault_kinds::tests(),
        fault_rare::tests(),
        fault_sessions::tests(),
        fault_cost::tests(),
        fault_program::tests(),
        fault_peers::tests(),
    ]
    .into_iter()
    .flatten()
    .collect()
}

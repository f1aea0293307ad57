// SPDX-License-Identifier: GPL-2.0

//! What is mapped where in each process, at the time of each fault.
//!
//! The kernel tells it through perf's own records of mappings ([`watch`]), for every process and without a race, also for
//! those that end before they can be looked at; what was mapped before that is read from `/proc` ([`proc`]).

pub mod perf;
pub mod proc;
pub mod space;
pub mod watch;

use format::mappings::Mapping;

/// What stands behind the name of a file that was deleted.
const DELETED: &str = " (deleted)";

/// What people call a mapping.
pub fn name(mapping: &Mapping) -> &str {
    match &*mapping.name {
        "" if mapping.is_shared => "[shared]",
        "" => "[anon]",
        "/dev/zero (deleted)" => "[shared]",
        name => name,
    }
}

/// The path at which the mapped file can be read, if it is one and still there.
pub fn path(mapping: &Mapping) -> Option<&str> {
    let name = &*mapping.name;
    (name.starts_with('/') && !name.starts_with("/memfd:") && !name.starts_with("/dev/") && !name.ends_with(DELETED))
        .then_some(name)
}

/// Whether it is memory of its process alone, so that two of them with the same name are two things.
pub fn is_private(mapping: &Mapping) -> bool {
    !mapping.name.starts_with('/')
}

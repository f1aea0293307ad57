// SPDX-License-Identifier: GPL-2.0

//! Who may profile a process.

use crate::compat;
use kernel::bindings;
use kernel::fs::File;
use kernel::task::Task;

/// Whether the opener of `file` may profile the process that `leader` leads: the same effective user, or a profiler's
/// capabilities.
///
/// The opener's rights count, so that a descriptor that is passed to a privileged program does not gain that program's privileges.
pub(super) fn may_profile(file: &File, leader: &Task) -> bool {
    file.cred().euid() == compat::credentials_of(leader).euid()
        || has_capability(file, bindings::CAP_PERFMON)
        || has_capability(file, bindings::CAP_SYS_PTRACE)
}

/// Whether `file` was opened with `capability` in the initial user namespace.
fn has_capability(file: &File, capability: u32) -> bool {
    // SAFETY: The file is valid, and the initial user namespace is never freed.
    unsafe { bindings::file_ns_capable(file.as_ptr(), &raw mut bindings::init_user_ns, capability as i32) }
}

// SPDX-License-Identifier: GPL-2.0

//! What differs between kernel releases, and nothing else.
//!
//! Each function takes the form that all supported releases share, so no release is named here. Where no such form
//! exists, `Kbuild` looks into the kernel tree and passes a `cfg` that says what is there.
//!
//! | | Linux 7.2 | Linux 7.3 |
//! |---|---|---|
//! | barriers | `smp_rmb()` | `smp_mb(Read)` |
//! | this module | `static THIS_MODULE` of `module!` | a constant of a trait of the module's type |
//! | a task's credentials | `Task::euid` | none |
//! | a parameter's value | `value() -> &T` | `value() -> T` |
//! | `EDQUOT` | none | in the prelude |

use core::borrow::Borrow;
use core::sync::atomic::fence;
use core::sync::atomic::Ordering::{Acquire, Release};
use kernel::bindings;
use kernel::cred::Credential;
use kernel::error::Error;
use kernel::sync::aref::ARef;
use kernel::task::Task;

/// `THIS_MODULE` of C.
pub(crate) const THIS_MODULE: *mut bindings::module = &raw mut bindings::__this_module;

/// `smp_rmb()`: keeps every load above it before every load below it.
#[inline(always)]
pub(crate) fn read_barrier() {
    // No instruction on x86, and on other machines what the kernel's macro is. The bindings' function is never inlined.
    fence(Acquire);
}

/// `smp_wmb()`: keeps every store above it before every store below it.
#[inline(always)]
pub(crate) fn write_barrier() {
    // As above, or stronger.
    fence(Release);
}

/// The objective credentials of `task` at this moment (`get_task_cred()`).
pub(crate) fn credentials_of(task: &Task) -> ARef<Credential> {
    // SAFETY: The task is valid. The function returns credentials, never NULL, with a reference that is ours.
    // `Credential` is a transparent wrapper.
    unsafe {
        ARef::from_raw(core::ptr::NonNull::new_unchecked(bindings::get_task_cred(task.as_ptr()).cast_mut().cast()))
    }
}

/// The value of a module parameter, from what its `value()` returns.
pub(crate) fn parameter<T: Copy>(value: impl Borrow<T>) -> T {
    *value.borrow()
}

/// `EDQUOT`.
pub(crate) fn edquot() -> Error {
    Error::from_errno(-(bindings::EDQUOT as i32))
}

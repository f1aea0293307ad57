// SPDX-License-Identifier: GPL-2.0

//! Errors that the kernel crate has no constants for.

use kernel::bindings;
use kernel::error::Error;
use kernel::ffi::c_int;

/// This file has a session.
pub(super) fn ealready() -> Error {
    Error::from_errno(-(bindings::EALREADY as c_int))
}

/// This file has no session.
pub(super) fn enodata() -> Error {
    Error::from_errno(-(bindings::ENODATA as c_int))
}

/// This kernel cannot do it.
pub(super) fn eopnotsupp() -> Error {
    Error::from_errno(-(bindings::EOPNOTSUPP as c_int))
}

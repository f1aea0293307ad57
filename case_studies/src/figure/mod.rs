// SPDX-License-Identifier: GPL-2.0

//! The figures of the studies.

pub mod case1;
pub mod case2;

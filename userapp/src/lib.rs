// SPDX-License-Identifier: GPL-2.0

//! The command line of `userapp`, for what describes it: its manual page, its completions.

pub mod cli;

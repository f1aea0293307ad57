// SPDX-License-Identifier: GPL-2.0

//! The figures of `make bench`: what a measurement is, and the file that holds all of them.

pub mod draw;
pub mod figures;
pub mod host;
pub mod report;
mod summary;
pub mod table;
pub mod texts;

// SPDX-License-Identifier: GPL-2.0

//! Reads what the mp3 monitor writes, and draws it.
//!
//! In the order in which data passes:
//!
//! | module | what it knows |
//! |---|---|
//! | [`input`] | a path, a gzip file or standard input as bounded lines |
//! | [`error`] | what is wrong with a file, and in which line |
//! | [`header`] | the `# key: value` lines at the top of a profile |
//! | [`tick`] | one line of the classic four columns |
//! | [`interval`] | ticks to intervals: when each began and how long it was |
//! | [`trace`] | any number of intervals in bounded memory, totals exact |
//! | [`profile`] | a file of four columns, read |
//! | [`processes`] | a file of `monitor --per-process`, read |
//! | [`number`], [`axis`], [`palette`] | how numbers, scales and lines look |
//! | [`canvas`], [`panel`] | the paper, and one pair of axes on it |
//! | [`figure`] | the figures |
//! | [`study`] | the case studies' data, and every number computed from it |
//! | [`figure::bench`] | what the benchmark measured |
//! | [`report`] | one page with all of it, to look at in a browser |
//! | [`raster`] | SVG to PNG, without a font of the system |

pub mod axis;
pub mod canvas;
pub mod error;
pub mod figure;
pub mod header;
pub mod input;
pub mod interval;
pub mod number;
pub mod palette;
pub mod panel;
pub mod processes;
pub mod profile;
pub mod raster;
pub mod report;
pub mod study;
pub mod tick;
pub mod trace;

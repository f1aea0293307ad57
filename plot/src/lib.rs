// SPDX-License-Identifier: GPL-2.0

//! Draws what the monitor wrote; `format` reads it.
//!
//! In the order in which data passes:
//!
//! | module | what it knows |
//! |---|---|
//! | [`cli`] | the command line |
//! | [`choice`] | which processes of a file are drawn, and in which order |
//! | [`interval`] | ticks to intervals: when each began and how long it was |
//! | [`trace`] | any number of intervals in bounded memory, with exact totals |
//! | [`profile`] | a file of four columns, read |
//! | [`processes`] | a file of `monitor --per-process`, read |
//! | [`delays`] | the kinds of waiting that are shown |
//! | [`number`], [`axis`], [`palette`] | how numbers, scales and lines look |
//! | [`canvas`], [`panel`] | the paper, and one pair of axes on it |
//! | [`figure`] | the figures of a profile, and what any figure is made of |
//! | `layer` | pixels on a figure (feature `png`) |
//! | `raster` | SVG to PNG, without a font of the system (feature `png`) |
//! | [`save`] | a figure to files |
//! | [`page`] | a page to explore in a browser, in one file |

pub mod axis;
pub mod canvas;
pub mod choice;
pub mod cli;
pub mod delays;
pub mod figure;
pub mod interval;
#[cfg(feature = "png")]
pub mod layer;
pub mod number;
pub mod page;
pub mod palette;
pub mod panel;
pub mod processes;
pub mod profile;
#[cfg(feature = "png")]
pub mod raster;
pub mod save;
pub mod trace;

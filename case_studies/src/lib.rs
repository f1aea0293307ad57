// SPDX-License-Identifier: GPL-2.0

//! The case studies: their data, every number computed from it, their figures and their page.
//!
//! | module | what it knows |
//! |---|---|
//! | [`study`] | the data as FORMAT.md lays it out, and every number computed from it |
//! | [`figure`] | the figures of each study |
//! | [`report`] | one page with all of it, to look at in a browser |

pub mod figure;
pub mod report;
pub mod study;

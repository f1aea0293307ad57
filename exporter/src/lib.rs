// SPDX-License-Identifier: GPL-2.0

//! `exporter`: what mp3 counts, as OpenMetrics over HTTP.
//!
//! ```text
//! ring, recording or /proc  ->  reader  ->  store  ->  exposition  ->  server
//!        /proc, every 5 s   ->  choice         \                         a GET
//! events of the tracer      ->  latency  -------+
//! ```
//!
//! | module | what it knows |
//! |---|---|
//! | [`cli`] | the command line |
//! | [`reader`] | where samples come from, and how often to look |
//! | [`choice`] | the processes that `--name` and `--cgroup` select |
//! | [`cgroup`] | the control group of a process |
//! | [`store`], [`group`] | what is counted of each process, command and cgroup, in bounded memory |
//! | [`held`] | samples that are not counted yet, since a later one may say the same |
//! | [`latency`], [`buckets`] | histograms from the tracer's events |
//! | [`exposition`], [`series`] | the text of a scrape |
//! | [`scraped`] | that text, read back: for tests |
//! | [`server`] | HTTP, and what one client may take |

pub mod buckets;
pub mod cgroup;
pub mod choice;
pub mod cli;
pub mod exposition;
pub mod group;
pub mod held;
pub mod latency;
pub mod reader;
pub mod scraped;
pub mod series;
pub mod server;
pub mod store;

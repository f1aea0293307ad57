// SPDX-License-Identifier: GPL-2.0

//! What people ask of the scheduler's events: a view each.

pub mod affinity;
pub mod blocked;
pub mod events;
pub mod inversions;
pub mod latency;
pub mod switches;
pub mod top;
pub mod watch;

pub use trace::filter::{ancestors, Filter};
pub use trace::view::{Session, View};

use trace::table::Schema;

/// Every kind of row that a view writes.
pub const SCHEMAS: [&Schema; 20] = [
    &switches::SWITCHES,
    &top::PROCESSES,
    &top::THREADS,
    &events::EVENTS,
    &events::LOST,
    &watch::LIFE,
    &watch::TIMES,
    &latency::LATENCY,
    &latency::WAIT,
    &latency::MEANWHILE,
    &latency::BY_NAME,
    &latency::HISTOGRAM,
    &blocked::BLOCKED,
    &blocked::STILL,
    &affinity::PROCESSES,
    &affinity::THREADS,
    &affinity::ROUTES,
    &inversions::INVERSION,
    &inversions::ALERT,
    &inversions::BOOST,
];

// SPDX-License-Identifier: GPL-2.0

//! What one user may take of what all share: room in the table, and records in the ring.
//!
//! A user without `CAP_PERFMON` may have a share of the table registered at a time, and may register so many processes a
//! second that their first and final records fill a share of the ring. Within the first limit the second is met with a
//! wait and not with an error, so that a script that registers all of its processes only takes longer.

use crate::compat;
use kernel::prelude::*;

/// The part of the table, and per second of the ring, that is for one user: an eighth.
const SHARE: usize = 8;

/// Records that a registration costs at most besides those of ticks: the first and the final one.
const RECORDS: usize = 2;

const SECOND_NS: u64 = 1_000_000_000;

/// A user: `None` is privileged, and has no limits but those of the table.
pub(crate) type User = Option<u32>;

/// Limits of the table and of users.
pub(crate) struct Limits {
    /// Processes that may be registered at a time, of all users together.
    processes: usize,
    /// Of them, of one user.
    per_user: usize,
    /// Time in which a user gets back the right to one registration, ns.
    period_ns: u64,
}

impl Limits {
    /// For a table of `processes`, and a ring of `records`.
    pub(crate) fn new(processes: usize, records: usize) -> Self {
        let share = |whole: usize| (whole / SHARE).max(1);
        let a_second = (share(records) / RECORDS).max(1) as u64;
        Limits {
            processes,
            per_user: share(processes),
            period_ns: SECOND_NS.checked_div(a_second).unwrap_or(SECOND_NS),
        }
    }
}

/// One user's use.
struct Usage {
    user: u32,
    /// Processes that are registered.
    registered: usize,
    /// When all rights to register will be there again, `CLOCK_MONOTONIC` ns: each registration takes one.
    full_ns: u64,
}

/// All users that have something registered, or had lately.
pub(crate) struct Users {
    limits: Limits,
    list: KVec<Usage>,
}

/// A registration has to wait.
pub(crate) enum Refusal {
    /// For so many ns.
    Wait(u64),
    /// Until something is unregistered, or for good.
    Error(Error),
}

impl Users {
    /// Nothing is registered.
    pub(crate) fn new(limits: Limits) -> Self {
        Users { limits, list: KVec::new() }
    }

    /// Whether `user` may register one more process, where `registered` are. Nothing has changed otherwise.
    ///
    /// # Errors
    ///
    /// `ENOSPC`: the table is full. `EDQUOT`: it is as full as one user may make it. `ENOMEM`.
    pub(crate) fn admit(&mut self, user: User, registered: usize, now_ns: u64) -> Result<(), Refusal> {
        if registered >= self.limits.processes {
            return Err(Refusal::Error(ENOSPC));
        }
        let Some(user) = user else { return Ok(()) };
        let Some(usage) = self.list.iter_mut().find(|usage| usage.user == user) else {
            self.list.retain(|usage| usage.registered > 0 || usage.full_ns > now_ns);
            let usage = Usage { user, registered: 1, full_ns: now_ns.saturating_add(self.limits.period_ns) };
            // Under the mutex: no waiting for memory.
            return self.list.push(usage, GFP_NOWAIT).map_err(|_| Refusal::Error(ENOMEM));
        };
        if usage.registered >= self.limits.per_user {
            return Err(Refusal::Error(compat::edquot()));
        }
        // After a second without registrations a user has the rights of a whole second.
        let full_ns = usage.full_ns.max(now_ns).saturating_add(self.limits.period_ns);
        let wait = full_ns.saturating_sub(now_ns.saturating_add(SECOND_NS));
        if wait > 0 {
            return Err(Refusal::Wait(wait));
        }
        usage.full_ns = full_ns;
        usage.registered = usage.registered.saturating_add(1);
        Ok(())
    }

    /// One process of `user` is not registered any more.
    pub(crate) fn release(&mut self, user: User) {
        let Some(user) = user else { return };
        if let Some(usage) = self.list.iter_mut().find(|usage| usage.user == user) {
            usage.registered = usage.registered.saturating_sub(1);
        }
    }
}

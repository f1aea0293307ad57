// SPDX-License-Identifier: GPL-2.0

//! ftrace's own ring buffer, without a reader.

use anyhow::{Context, Result};
use nix::mount::{mount, MsFlags};
use std::fs;

/// Where tracefs is.
pub const TRACEFS: &str = "/sys/kernel/tracing";

/// Mounts tracefs, unless it is mounted.
pub fn mount_tracefs() -> Result<()> {
    if !fs::exists(format!("{TRACEFS}/events"))? {
        mount(Some("tracefs"), TRACEFS, Some("tracefs"), MsFlags::empty(), None::<&str>).context(TRACEFS)?;
    }
    Ok(())
}

/// Some events that are recorded, until this is dropped.
pub struct Events(&'static [&'static str]);

impl Events {
    /// Records these events, each as in `sched/sched_switch`.
    pub fn record(events: &'static [&'static str]) -> Result<Self> {
        mount_tracefs()?;
        let events = Events(events);
        events.set("1")?;
        Ok(events)
    }

    fn set(&self, value: &str) -> Result<()> {
        for event in self.0 {
            fs::write(format!("{TRACEFS}/events/{event}/enable"), value).with_context(|| (*event).to_owned())?;
        }
        Ok(())
    }
}

impl Drop for Events {
    fn drop(&mut self) {
        let _ = self.set("0");
        // What was recorded goes, too: the next one begins with an empty ring.
        let _ = fs::write(format!("{TRACEFS}/trace"), "");
    }
}

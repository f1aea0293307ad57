// SPDX-License-Identifier: GPL-2.0

//! `plot`'s picture of any file that it reads.

use crate::profile::{read, Read};
use plot::figure::profile::{figure, Source};

/// What can be read can be drawn, and no name in it becomes a part of the picture's own language.
pub fn check(input: &[u8]) {
    let sources = match read(input) {
        Err(_) => return,
        Ok(Read::Profile(profile)) => vec![Source {
            name: "file".into(),
            samples: profile.samples,
            rate_reached_hz: profile.rate_reached_hz(),
            length_error_percent: Some(100.0 / profile.clock.nominal_jiffies()),
            trace: profile.trace,
        }],
        Ok(Read::Processes(processes)) => processes
            .list
            .iter()
            .take(7)
            .filter_map(|process| {
                Some(Source {
                    name: format!("{} {}", process.pid, process.comm),
                    samples: process.samples,
                    rate_reached_hz: None,
                    length_error_percent: None,
                    trace: processes.trace(process).ok()?,
                })
            })
            .collect(),
    };
    for source in &sources {
        assert!(!source.totals().is_empty());
    }
    let svg = figure(&sources, &[], Some("a machine".into())).svg().expect("a picture");
    assert!(svg.starts_with("<svg") && svg.trim_end().ends_with("</svg>"));
    for coordinate in ["NaN", "inf\"", "\"inf", "inf,", "inf "] {
        assert!(!svg.contains(coordinate), "a place that is none: {coordinate}");
    }
    let open = svg.matches('<').count();
    assert!(open == svg.matches('>').count(), "a name that became markup");
}

// SPDX-License-Identifier: GPL-2.0

//! The `# key: value` lines of a profile.

use crate::error::{shorten, LineError};

/// What the comment lines of a file say. Keys that are not listed here are left alone: a newer monitor may write more.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Header {
    /// Jiffies in a second.
    pub hz: Option<f64>,
    /// Samples asked for in a second.
    pub rate_hz: Option<f64>,
    /// Host name of the machine that was sampled.
    pub host: Option<String>,
    /// Its kernel's release.
    pub kernel: Option<String>,
    /// When sampling began, as written (RFC 3339).
    pub start: Option<String>,
    /// Samples a second that the monitor says were reached.
    pub rate_reached_hz: Option<f64>,
    /// Lines the monitor says that it wrote. (Its `samples` are records, one a process and tick.)
    pub ticks: Option<u64>,
    /// Whether the kernel counted delays, as written: `on`, or `off` and why.
    pub delays: Option<String>,
    /// Records the monitor says that it lost.
    pub lost: Option<u64>,
}

impl Header {
    /// Takes one comment line, `#` included.
    ///
    /// # Errors
    /// A format version other than 1, or a number that the time axis needs and that is none.
    pub fn take(&mut self, comment: &str) -> Result<(), LineError> {
        let text = comment.trim_start_matches('#').trim();
        if let Some(kind) = text.strip_prefix("mp3 ") {
            // `mp3 profile 1`: the version is the last word, whatever the kind is called.
            return match kind.rsplit(' ').next() {
                Some("1") | None => Ok(()),
                Some(other) => Err(LineError::Version { found: shorten(other) }),
            };
        }
        let Some((key, value)) = text.split_once(':') else { return Ok(()) };
        let value = value.trim();
        let word = value.split_whitespace().next().unwrap_or_default();
        match key.trim() {
            "hz" => self.hz = Some(positive("hz", word)?),
            "rate_hz" => self.rate_hz = Some(positive("rate_hz", word)?),
            "host" => self.host = Some(value.into()),
            "kernel" => self.kernel = Some(value.into()),
            "start" => self.start = Some(value.into()),
            "rate_reached_hz" => self.rate_reached_hz = word.parse().ok().filter(|rate: &f64| rate.is_finite()),
            "ticks" => self.ticks = word.parse().ok(),
            "delays" => self.delays = Some(value.into()),
            "lost" => self.lost = word.parse().ok(),
            _ => {}
        }
        Ok(())
    }
}

fn positive(key: &'static str, value: &str) -> Result<f64, LineError> {
    match value.parse::<f64>() {
        Ok(number) if number.is_finite() && number > 0.0 => Ok(number),
        _ => Err(LineError::Header { key, value: shorten(value) }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_its_keys_and_leaves_others_alone() {
        let mut header = Header::default();
        for line in ["# mp3 profile 1", "# hz: 250", "# rate_hz: 20", "# lost: 3", "# moon: full", "#", "# a remark"] {
            header.take(line).unwrap();
        }
        assert_eq!((header.hz, header.rate_hz, header.lost), (Some(250.0), Some(20.0), Some(3)));
    }

    #[test]
    fn refuses_another_version_and_a_clock_that_stands() {
        let mut header = Header::default();
        assert_eq!(header.take("# mp3 profile 2"), Err(LineError::Version { found: "2".into() }));
        for bad in ["0", "-250", "NaN", "inf", "", "fast"] {
            let error = header.take(&format!("# hz: {bad}")).unwrap_err();
            assert_eq!(error, LineError::Header { key: "hz", value: bad.into() });
        }
    }
}

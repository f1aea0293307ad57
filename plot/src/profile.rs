// SPDX-License-Identifier: GPL-2.0

//! A file of four columns, read in one pass: this monitor's or the classic one's.

use crate::interval::{Clock, Intervals};
use crate::number::thousands;
use crate::trace::Trace;
use format::comments::Comments;
use format::error::{Error, LineError};
use format::input::Lines;
use format::json;
use format::profile::{closing, Tick};

/// Jiffies per second assumed of a file that does not say: Debian's kernels.
pub const DEFAULT_HZ: f64 = 250.0;

/// A file of this project's monitor that lacks what stands at its end.
pub const UNENDED: &str = "has no summary at its end: its monitor was killed, or is still writing";

/// A compressed file that ends in the middle.
pub const CUT_SHORT: &str = "is compressed and has no end: what is there is drawn";

/// A file of samples, as far as figures need it.
#[derive(Debug, Clone)]
pub struct Profile {
    /// What the user called the file.
    pub path: String,
    /// What its comments say.
    pub comments: Comments,
    /// Its time base.
    pub clock: Clock,
    /// Sample lines.
    pub samples: u64,
    /// Jiffies of the first sample.
    pub first_jiffies: u64,
    /// Its intervals.
    pub trace: Trace,
    /// What the reader should know about the file, a sentence each.
    pub notices: Vec<String>,
}

impl Profile {
    /// Samples per second reached: as the monitor measured it in ns, or else from the first to the last tick in jiffies;
    /// `None` with fewer than two.
    pub fn rate_reached_hz(&self) -> Option<f64> {
        if self.comments.trailer.rate_reached_hz.is_some() {
            return self.comments.trailer.rate_reached_hz;
        }
        let span_s = self.trace.totals().end_s - self.clock.nominal_s();
        let intervals = self.trace.totals().intervals.checked_sub(1).filter(|&count| count > 0)?;
        (span_s > 0.0).then(|| intervals as f64 / span_s)
    }
}

/// The comment lines at the top of a file, and its first other line.
#[derive(Debug)]
pub struct Opening {
    /// What the comments say.
    pub comments: Comments,
    /// The first line that is no comment, and whether its end was there.
    pub first: Option<(String, bool)>,
}

/// Reads comments until the first other line.
///
/// # Errors
/// Reading failed, or a comment says what cannot be.
pub fn opening(lines: &mut Lines) -> Result<Opening, Error> {
    let mut comments = Comments::default();
    loop {
        let taken = match lines.next_line()? {
            None => return Ok(Opening { comments, first: None }),
            Some(line) if line.text.trim_start().starts_with('#') => comments.take(line.text.trim_start()),
            Some(line) if line.text.trim().is_empty() => Ok(()),
            Some(line) if line.complete && json::is_comment(line.text) => json::take_comment(line.text, &mut comments),
            Some(line) => {
                let first = Some((line.text.to_owned(), line.complete));
                return Ok(Opening { comments, first });
            }
        };
        taken.map_err(|why| lines.wrong(why))?;
    }
}

/// The error for a file without a sample.
pub fn without_samples(lines: &Lines) -> Error {
    let path = lines.name().to_owned();
    match lines.number() {
        0 => Error::Empty { path },
        lines => Error::NoSamples { path, lines },
    }
}

/// Reads the rest of a file of four columns. `default_hz` counts where the file does not state its `hz`.
///
/// # Errors
/// Reading failed, a line is wrong, or there is no sample.
pub fn read(mut lines: Lines, opening: Opening, default_hz: Option<f64>) -> Result<Profile, Error> {
    let Opening { comments, first } = opening;
    let path = lines.name().to_owned();
    let mut notices = Vec::new();
    let hz = match (comments.preamble.hz, default_hz) {
        (Some(stated), Some(given)) if stated != given => {
            notices.push(format!("states hz {stated}; --hz {given} is not used for it"));
            stated
        }
        (Some(stated), _) => stated,
        (None, Some(given)) => given,
        (None, None) => {
            notices.push(format!("does not state its jiffies per second: {DEFAULT_HZ} assumed (--hz sets it)"));
            DEFAULT_HZ
        }
    };
    let clock = Clock { hz, rate_hz: comments.preamble.rate_hz };
    let mut reading = Reading {
        comments,
        intervals: Intervals::new(clock),
        trace: Trace::default(),
        samples: 0,
        first_jiffies: 0,
        announced: None,
        cut: false,
    };
    if let Some((text, complete)) = first {
        reading.line(&text, complete).map_err(|why| lines.wrong(why))?;
    }
    loop {
        let taken = match lines.next_line()? {
            None => break,
            Some(line) => reading.line(line.text, line.complete),
        };
        taken.map_err(|why| lines.wrong(why))?;
    }
    let Reading { comments, intervals, mut trace, samples, first_jiffies, announced, cut } = reading;
    let Some(last) = intervals.finish() else { return Err(without_samples(&lines)) };
    trace.push(&last).map_err(|why| lines.wrong(why))?;
    if cut {
        notices.push(format!(
            "line {} has no end: its writer was interrupted; the {} samples before it are drawn",
            thousands(lines.number()),
            thousands(samples)
        ));
    }
    // The classic reader counts records; readers that count longs exist too.
    if let Some(announced) = comments.trailer.ticks.or(announced) {
        if announced != samples && announced != samples.saturating_mul(4) {
            notices.push(format!("announces {} samples and holds {}", thousands(announced), thousands(samples)));
        }
    }
    if lines.is_cut() {
        notices.push(CUT_SHORT.into());
    } else if comments.is_ours && comments.trailer.samples.is_none() {
        notices.push(UNENDED.into());
    }
    notices.extend(comments.trailer.notices());
    Ok(Profile { path, comments, clock, samples, first_jiffies, trace, notices })
}

struct Reading {
    comments: Comments,
    intervals: Intervals,
    trace: Trace,
    samples: u64,
    first_jiffies: u64,
    announced: Option<u64>,
    cut: bool,
}

impl Reading {
    fn line(&mut self, text: &str, complete: bool) -> Result<(), LineError> {
        let text = text.trim();
        if text.is_empty() {
            return Ok(());
        }
        if text.starts_with('#') {
            return self.comments.take(text);
        }
        if let Some(count) = closing(text) {
            self.announced = Some(count);
            return Ok(());
        }
        if self.announced.is_some() {
            return Err(LineError::AfterEnd);
        }
        if !complete && self.samples > 0 {
            // Even four columns would not do: the last number may lack digits.
            self.cut = true;
            return Ok(());
        }
        let tick = Tick::parse(text)?;
        if self.samples == 0 {
            self.first_jiffies = tick.jiffies;
        }
        self.samples += 1;
        if let Some(interval) = self.intervals.push(tick, std::mem::take(&mut self.comments.idle))? {
            self.trace.push(&interval)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Profile, Error> {
        parse_hz(text, None)
    }

    fn parse_hz(text: &str, hz: Option<f64>) -> Result<Profile, Error> {
        let mut lines = Lines::new("p.data".into(), std::io::Cursor::new(text.as_bytes().to_vec())).unwrap();
        let opening = opening(&mut lines)?;
        read(lines, opening, hz)
    }

    fn message(text: &str) -> String {
        parse(text).unwrap_err().to_string()
    }

    const OURS: &str = "# mp3 profile 1\n# hz: 1000\n# rate_hz: 20\n# host: guest\n1000 10 0 5\n1050 20 1 6\n\
                        # a remark\n1100 30 2 7\n# samples: 5\n# ticks: 3\n# lost: 0\n";

    #[test]
    fn reads_this_monitors_file() {
        let profile = parse(OURS).unwrap();
        assert_eq!(profile.samples, 3);
        assert_eq!(profile.clock, Clock { hz: 1000.0, rate_hz: Some(20.0) });
        let totals = profile.trace.totals();
        assert_eq!((totals.minor, totals.major, totals.cpu_ns), (60, 3, 18));
        assert!((totals.end_s - 0.15).abs() < 1e-12);
        assert!((profile.rate_reached_hz().unwrap() - 20.0).abs() < 1e-9);
        assert_eq!(profile.notices, Vec::<String>::new());
        assert_eq!(profile.comments.preamble.host.as_deref(), Some("guest"));
    }

    #[test]
    fn reads_the_classic_file_and_says_what_it_assumed() {
        let profile = parse("4294 10 0 5\n4307 20 1 6\nread 2 profiled data\n").unwrap();
        assert_eq!((profile.samples, profile.clock.hz), (2, 250.0));
        assert_eq!(profile.notices, ["does not state its jiffies per second: 250 assumed (--hz sets it)"]);
        let profile = parse_hz("4294 10 0 5\nread 7 profiled data", Some(100.0)).unwrap();
        assert_eq!(profile.clock.hz, 100.0);
        assert_eq!(profile.notices, ["announces 7 samples and holds 1"]);
        assert!(parse_hz(OURS, Some(100.0)).unwrap().notices[0].contains("states hz 1000"));
    }

    #[test]
    fn a_cut_last_line_is_left_out_and_reported() {
        for cut in ["1100 30 2", "1100 30 2 7", "11"] {
            let profile = parse(&format!("# hz: 1000\n1000 10 0 5\n1050 20 1 6\n{cut}")).unwrap();
            assert_eq!((profile.samples, profile.trace.totals().minor), (2, 30));
            assert_eq!(
                profile.notices,
                ["line 4 has no end: its writer was interrupted; the 2 samples before it are drawn"]
            );
        }
    }

    #[test]
    fn lost_and_missing_samples_are_reported() {
        let profile = parse("# hz: 250\n1 1 1 1\n# ticks: 9\n# lost: 12\n").unwrap();
        assert_eq!(profile.notices[0], "announces 9 samples and holds 1");
        assert_eq!(profile.notices[1], "its monitor lost 12 records: sums are right, but coarser in time");
    }

    #[test]
    fn a_file_without_its_end_is_reported() {
        let profile = parse("# mp3 profile 1\n# hz: 250\n1000 10 0 5\n1012 20 1 6\n").unwrap();
        assert_eq!(profile.notices, [UNENDED]);
        // The classic reader writes none.
        assert!(!parse("1000 10 0 5\n").unwrap().notices.iter().any(|notice| notice == UNENDED));
    }

    #[test]
    fn an_idle_time_is_no_part_of_an_interval() {
        let text = |between: &str| format!("# hz: 250\n# rate_hz: 20\n1000 10 0 5\n{between}11000 20 0 6\n");
        let stalled = parse(&text("")).unwrap();
        assert!((stalled.trace.peak(|bucket| bucket.minor_rate) - 200.0).abs() < 1e-9, "the first interval's");
        let idle = parse(&text("# idle: nothing was registered\n")).unwrap();
        assert!((idle.trace.peak(|bucket| bucket.minor_rate) - 400.0).abs() < 1e-9);
    }

    #[test]
    fn says_which_line_and_why() {
        assert_eq!(message(""), "p.data: empty: no samples");
        assert!(message("# hz: 250\n\n").starts_with("p.data: no samples (lines read: 2)"));
        assert!(message("1 2 3 4\n1 2 x 4\n").starts_with("p.data: line 2: major: 'x' is not"));
        assert!(message("9 2 3 4\n8 2 3 4\n").starts_with("p.data: line 2: jiffies go backwards (8 after 9)"));
        assert!(message("1 2 3 4\nread 1 profiled data\n2 2 3 4\n").starts_with("p.data: line 3: samples go on"));
        assert!(message("# mp3 profile 3\n1 2 3 4\n").starts_with("p.data: line 1: format version 3"));
        let large = u64::MAX;
        assert!(message(&format!("1 {large} 3 4\n99 1 3 4\n200 1 1 1\n")).contains("minor: the sum up to this line"));
    }
}

// SPDX-License-Identifier: GPL-2.0

//! The `# key: value` lines before and after the data: on what machine, in what time, since when; and what it came to.

use crate::error::{shorten, LineError};
use crate::number;
use std::fmt;

/// The version of every format here. A reader refuses another one.
pub const VERSION: &str = "1";

/// What a file holds, as its first line says: `# mp3 <kind> 1`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A line per tick.
    Profile,
    /// A row per process and tick.
    Processes,
}

impl Kind {
    fn name(self) -> &'static str {
        match self {
            Kind::Profile => "profile",
            Kind::Processes => "processes",
        }
    }
}

/// Whether the kernel counts what processes wait for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Delays {
    /// Yes, for processes forked since it was switched on.
    On,
    /// It could: `kernel.task_delayacct` is 0.
    Off,
    /// The kernel was built without it.
    Absent,
    /// The samples are from `/proc`, which does not have them.
    NotInProc,
}

impl Delays {
    const ALL: [Delays; 4] = [Delays::On, Delays::Off, Delays::Absent, Delays::NotInProc];

    /// What was written with `Display`. Anything else is [`Delays::Absent`].
    pub fn read(text: &str) -> Self {
        Self::ALL.into_iter().find(|delays| delays.to_string() == text).unwrap_or(Delays::Absent)
    }
}

impl fmt::Display for Delays {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Delays::On => "on",
            Delays::Off => "off (kernel.task_delayacct is 0)",
            Delays::Absent => "off (not in this kernel)",
            Delays::NotInProc => "off (/proc does not have them)",
        })
    }
}

/// The lines before the data. What is `None` was not in the file, or is not to be written.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Preamble {
    /// Host name of the machine that was profiled.
    pub host: Option<String>,
    /// Its kernel's release.
    pub kernel: Option<String>,
    /// Its CPUs online.
    pub cpus: Option<u64>,
    /// Jiffies per second.
    pub hz: Option<f64>,
    /// Ticks per second that were asked for.
    pub rate_hz: Option<f64>,
    /// When the first record was written, RFC 3339.
    pub start: Option<String>,
    /// [`Delays`], as written.
    pub delays: Option<String>,
    /// The users whose registrations the file holds; `all users`.
    pub users: Option<String>,
    /// Where the samples are from and what they lack, if not from the module.
    pub source: Option<String>,
}

impl Preamble {
    /// Appends the lines, beginning with `# mp3 <kind> 1`.
    pub fn write(&self, out: &mut Vec<u8>, kind: Kind) {
        let Preamble { host, kernel, cpus, hz, rate_hz, start, delays, users, source } = self;
        out.extend_from_slice(format!("# mp3 {} {VERSION}\n", kind.name()).as_bytes());
        let mut push = |key: &str, value: Option<String>| {
            if let Some(value) = value {
                out.extend_from_slice(format!("# {key}: {value}\n").as_bytes());
            }
        };
        push("host", host.clone());
        push("kernel", kernel.clone());
        push("cpus", cpus.map(|cpus| cpus.to_string()));
        push("hz", hz.map(|hz| hz.to_string()));
        push("rate_hz", rate_hz.map(|rate| rate.to_string()));
        push("start", start.clone());
        push("delays", delays.clone());
        push("users", users.clone());
        push("source", source.clone());
    }
}

/// The lines after the data. What is `None` was not in the file, or is not to be written.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Trailer {
    /// Records read: one per process and tick, and those of registrations and their ends.
    pub samples: Option<u64>,
    /// Registrations. A process that was registered twice counts twice.
    pub processes: Option<u64>,
    /// Lines of `profile.data`: ticks with a record.
    pub ticks: Option<u64>,
    /// Minor faults: the sum of all intervals, and `before_minor`.
    pub minor: Option<u64>,
    /// Major faults, likewise.
    pub major: Option<u64>,
    /// CPU time, likewise, ns.
    pub cpu_ns: Option<u64>,
    /// Of it in user mode, ns.
    pub user_ns: Option<u64>,
    /// Of it in kernel mode, ns.
    pub system_ns: Option<u64>,
    /// From the first to the last record, ns.
    pub duration_ns: Option<u64>,
    /// Ticks without a record while processes were registered, where that is not because records were lost.
    pub missed_ticks: Option<u64>,
    /// Time that the module spent sampling meanwhile, ns.
    pub sampling_ns: Option<u64>,
    /// Records that the module wrote in that time.
    pub sampling_records: Option<u64>,
    /// Records that were overwritten before they could be read.
    pub lost: Option<u64>,
    /// Registrations of which every record was lost: what they counted is in no sum. Written if there are any.
    pub unseen: Option<u64>,
    /// Of `minor`, what was counted before the first record that could be read, and is in no interval. Written if that is so
    /// for any registration.
    pub before_minor: Option<u64>,
    /// Of `major`, likewise.
    pub before_major: Option<u64>,
    /// Of `cpu_ns`, likewise.
    pub before_cpu_ns: Option<u64>,
    /// Ticks per second that were sampled.
    pub rate_reached_hz: Option<f64>,
}

/// A key and its place in the trailer.
type Key = (&'static str, fn(&mut Trailer) -> &mut Option<u64>);

/// The whole numbers, in the order in which they are written.
const KEYS: [Key; 17] = [
    ("samples", |trailer| &mut trailer.samples),
    ("processes", |trailer| &mut trailer.processes),
    ("ticks", |trailer| &mut trailer.ticks),
    ("minor", |trailer| &mut trailer.minor),
    ("major", |trailer| &mut trailer.major),
    ("cpu_ns", |trailer| &mut trailer.cpu_ns),
    ("user_ns", |trailer| &mut trailer.user_ns),
    ("system_ns", |trailer| &mut trailer.system_ns),
    ("duration_ns", |trailer| &mut trailer.duration_ns),
    ("missed_ticks", |trailer| &mut trailer.missed_ticks),
    ("sampling_ns", |trailer| &mut trailer.sampling_ns),
    ("sampling_records", |trailer| &mut trailer.sampling_records),
    ("lost", |trailer| &mut trailer.lost),
    ("unseen", |trailer| &mut trailer.unseen),
    ("before_minor", |trailer| &mut trailer.before_minor),
    ("before_major", |trailer| &mut trailer.before_major),
    ("before_cpu_ns", |trailer| &mut trailer.before_cpu_ns),
];

/// The key of the line between two ticks of which the second has an interval of its own length, although long after the
/// first: nothing was registered between them.
pub const IDLE: &str = "idle";

const RATE_REACHED_HZ: &str = "rate_reached_hz";

/// Every key of the trailer.
pub const TRAILER_KEYS: [&str; KEYS.len() + 1] = {
    let mut keys = [RATE_REACHED_HZ; KEYS.len() + 1];
    let mut index = 0;
    while index < KEYS.len() {
        keys[index] = KEYS[index].0;
        index += 1;
    }
    keys
};

impl Trailer {
    /// Appends the lines.
    pub fn write(&self, out: &mut Vec<u8>) {
        let mut trailer = *self;
        for (key, place) in KEYS {
            if let Some(value) = *place(&mut trailer) {
                out.extend_from_slice(b"# ");
                out.extend_from_slice(key.as_bytes());
                out.extend_from_slice(b": ");
                number::write(out, value);
                out.push(b'\n');
            }
        }
        if let Some(rate) = self.rate_reached_hz {
            out.extend_from_slice(format!("# {RATE_REACHED_HZ}: {rate:.4}\n").as_bytes());
        }
    }
}

/// All comment lines of a file, read. Keys that are not known are left alone: a newer monitor may write more.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Comments {
    /// What stands before the data.
    pub preamble: Preamble,
    /// What stands after them.
    pub trailer: Trailer,
    /// The first line said what the file holds: this project's monitor wrote it.
    pub is_ours: bool,
    /// The line [`IDLE`] was read. To be taken by the reader of the next tick.
    pub idle: bool,
}

impl Comments {
    /// Takes one comment line, `#` included.
    ///
    /// # Errors
    /// A format version other than [`VERSION`], or a value that the time axis needs and that is not a positive number.
    pub fn take(&mut self, comment: &str) -> Result<(), LineError> {
        let text = comment.trim_start_matches('#').trim();
        if let Some(kind) = text.strip_prefix("mp3 ") {
            // `mp3 profile 1`: the version is the last word, whatever the kind is called.
            self.is_ours = true;
            return match kind.rsplit(' ').next() {
                Some(VERSION) | None => Ok(()),
                Some(other) => Err(LineError::Version { found: shorten(other) }),
            };
        }
        let Some((key, value)) = text.split_once(':') else { return Ok(()) };
        let value = value.trim();
        let word = value.split_whitespace().next().unwrap_or_default();
        let Comments { preamble, trailer, .. } = self;
        match key.trim() {
            "hz" => preamble.hz = Some(positive("hz", word)?),
            "rate_hz" => preamble.rate_hz = Some(positive("rate_hz", word)?),
            "host" => preamble.host = Some(value.into()),
            "kernel" => preamble.kernel = Some(value.into()),
            "cpus" => preamble.cpus = word.parse().ok(),
            "start" => preamble.start = Some(value.into()),
            IDLE => self.idle = true,
            "delays" => preamble.delays = Some(value.into()),
            "users" => preamble.users = Some(value.into()),
            "source" => preamble.source = Some(value.into()),
            RATE_REACHED_HZ => trailer.rate_reached_hz = word.parse().ok().filter(|rate: &f64| rate.is_finite()),
            key => {
                if let Some((_, place)) = KEYS.iter().find(|(known, _)| *known == key) {
                    *place(trailer) = word.parse().ok();
                }
            }
        }
        Ok(())
    }
}

impl Trailer {
    /// What a reader of the sums should know: what was lost, and what that means. A sentence each.
    pub fn notices(&self) -> Vec<String> {
        let above_0 = |count: Option<u64>| count.filter(|&count| count > 0);
        let mut notices = Vec::new();
        if let Some(lost) = above_0(self.lost) {
            notices.push(format!("its monitor lost {lost} records: sums are right, but coarser in time"));
        }
        if let Some(unseen) = above_0(self.unseen) {
            notices.push(format!("every record of {unseen} registrations was lost: they are in no sum"));
        }
        if let (Some(minor), Some(major)) = (self.before_minor, self.before_major) {
            notices.push(format!(
                "{minor} minor and {major} major faults were counted before its first record: they are not drawn"
            ));
        }
        notices
    }
}

fn positive(key: &'static str, value: &str) -> Result<f64, LineError> {
    match value.parse::<f64>() {
        Ok(number) if number.is_finite() && number > 0.0 => Ok(number),
        _ => Err(LineError::Header { key, value: shorten(value) }),
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    pub(crate) fn preamble() -> Preamble {
        Preamble {
            host: Some("box".into()),
            kernel: Some("7.2".into()),
            cpus: Some(2),
            hz: Some(250.0),
            rate_hz: Some(20.0),
            start: Some("2026-12-31T23:59:59.000000Z".into()),
            delays: Some(Delays::Off.to_string()),
            users: Some("root and alice".into()),
            source: None,
        }
    }

    fn take_all(lines: &[u8]) -> Comments {
        let mut comments = Comments::default();
        for line in std::str::from_utf8(lines).unwrap().lines() {
            comments.take(line).unwrap();
        }
        comments
    }

    #[test]
    fn what_is_written_is_read() {
        let mut trailer = Trailer { rate_reached_hz: Some(19.7381), ..Trailer::default() };
        for (value, (_, place)) in (1..).zip(KEYS) {
            *place(&mut trailer) = Some(value);
        }
        let mut out = vec![];
        preamble().write(&mut out, Kind::Profile);
        trailer.write(&mut out);
        assert_eq!(take_all(&out), Comments { preamble: preamble(), trailer, is_ours: true, idle: false });
    }

    #[test]
    fn notices_say_what_was_lost_and_nothing_else() {
        let nothing = Trailer { lost: Some(0), unseen: Some(0), before_minor: Some(3), ..Trailer::default() };
        assert_eq!(nothing.notices(), [""; 0]);
        let all = Trailer { lost: Some(1), unseen: Some(2), before_major: Some(4), ..nothing };
        assert_eq!(
            all.notices(),
            [
                "its monitor lost 1 records: sums are right, but coarser in time",
                "every record of 2 registrations was lost: they are in no sum",
                "3 minor and 4 major faults were counted before its first record: they are not drawn",
            ]
        );
    }

    #[test]
    fn why_there_are_no_delays_is_read_as_it_was_written() {
        for delays in Delays::ALL {
            assert_eq!(Delays::read(&delays.to_string()), delays);
        }
        assert_eq!(Delays::read("of a newer release"), Delays::Absent);
    }

    #[test]
    fn the_summary_is_key_and_value() {
        let mut out = vec![];
        Trailer { lost: Some(7), ..Trailer::default() }.write(&mut out);
        assert_eq!(String::from_utf8(out).unwrap(), "# lost: 7\n");
    }

    #[test]
    fn reads_its_keys_and_leaves_others_alone() {
        let lines = "# mp3 profile 1\n# hz: 250\n# rate_hz: 20\n# lost: 3\n# moon: full\n#\n# a remark";
        let comments = take_all(lines.as_bytes());
        let Comments { preamble, trailer, .. } = comments;
        assert_eq!((preamble.hz, preamble.rate_hz, trailer.lost), (Some(250.0), Some(20.0), Some(3)));
    }

    #[test]
    fn refuses_another_version_and_a_rate_that_is_not_positive() {
        let mut comments = Comments::default();
        assert_eq!(comments.take("# mp3 profile 2"), Err(LineError::Version { found: "2".into() }));
        for bad in ["0", "-250", "NaN", "inf", "", "fast"] {
            let error = comments.take(&format!("# hz: {bad}")).unwrap_err();
            assert_eq!(error, LineError::Header { key: "hz", value: bad.into() });
        }
    }
}

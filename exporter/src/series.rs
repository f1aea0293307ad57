// SPDX-License-Identifier: GPL-2.0

//! Lines of OpenMetrics for families with thousands of series: what is the same in all of them is put together once.
//!
//! prometheus-client, which writes everything else, puts a label set together character by character, for 1,987 instructions a
//! series (`exporter/examples/cost.rs` under callgrind); this takes 361.

/// A family that is being written.
#[derive(Debug)]
pub struct Series<'a> {
    text: &'a mut String,
    /// The name of each series, with its suffix.
    name: String,
    /// What closes the labels of each member, without and with labels before.
    members: Vec<[String; 2]>,
}

/// What a family is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// It does not fall.
    Counter,
    /// It stands as it is.
    Gauge,
}

impl<'a> Series<'a> {
    /// Begins the family `name`, in `unit`. The series of one row are told apart by a label with these values.
    pub fn begin(
        text: &'a mut String,
        (name, kind): (&str, Kind),
        unit: Option<&str>,
        help: &str,
        label: Option<(&str, &[&str])>,
    ) -> Self {
        let name = unit.map_or_else(|| name.to_owned(), |unit| format!("{name}_{unit}"));
        let (kind, suffix) = match kind {
            Kind::Counter => ("counter", "_total"),
            Kind::Gauge => ("gauge", ""),
        };
        *text += &format!("# HELP {name} {help}\n# TYPE {name} {kind}\n");
        if let Some(unit) = unit {
            *text += &format!("# UNIT {name} {unit}\n");
        }
        let members = match label {
            Some((key, values)) => values
                .iter()
                .map(|value| labelled(key, value))
                .map(|own| [format!("{{{own}}} "), format!(",{own}}} ")])
                .collect(),
            None => vec![[" ".into(), "} ".into()]],
        };
        Series { text, name: name + suffix, members }
    }

    /// The series of `member` with these labels.
    pub fn integer(&mut self, labels: &str, member: usize, value: u64) {
        self.head(labels, member);
        self.text.push_str(itoa::Buffer::new().format(value));
        self.text.push('\n');
    }

    /// The same, with a value in ns that is written in s, exactly.
    pub fn seconds(&mut self, labels: &str, member: usize, ns: u64) {
        self.head(labels, member);
        let mut buffer = itoa::Buffer::new();
        self.text.push_str(buffer.format(ns / SECOND));
        // With a digit in front, its zeros stay.
        let digits = buffer.format(SECOND + ns % SECOND).trim_end_matches('0');
        if let Some(fraction) = digits.strip_prefix('1').filter(|fraction| !fraction.is_empty()) {
            self.text.push('.');
            self.text.push_str(fraction);
        }
        self.text.push('\n');
    }

    fn head(&mut self, labels: &str, member: usize) {
        self.text.push_str(&self.name);
        let [alone, behind] = match self.members.get(member) {
            Some([alone, behind]) => [alone.as_str(), behind.as_str()],
            None => [" ", "} "],
        };
        if labels.is_empty() {
            self.text.push_str(alone);
        } else {
            self.text.push('{');
            self.text.push_str(labels);
            self.text.push_str(behind);
        }
    }
}

const SECOND: u64 = 1_000_000_000;

/// A label as it stands between the braces.
pub fn labelled(key: &str, value: &str) -> String {
    let mut text = String::with_capacity(key.len() + value.len() + 3);
    text += key;
    text += "=\"";
    for character in value.chars() {
        match character {
            '\\' => text += "\\\\",
            '"' => text += "\\\"",
            '\n' => text += "\\n",
            other => text.push(other),
        }
    }
    text + "\""
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_family_is_written_as_openmetrics_has_it() {
        let mut text = String::new();
        let mut cpu = Series::begin(
            &mut text,
            ("a_cpu", Kind::Counter),
            Some("seconds"),
            "CPU time",
            Some(("mode", &["user", "system"])),
        );
        cpu.seconds("", 0, 1_500_000_000);
        cpu.seconds(&labelled("comm", "a\"\\\nb"), 1, 7);
        let mut threads = Series::begin(&mut text, ("a_threads", Kind::Gauge), None, "Threads", None);
        threads.integer("pid=\"5\"", 0, 3);
        threads.integer("", 0, 4);
        assert_eq!(
            text,
            "# HELP a_cpu_seconds CPU time\n# TYPE a_cpu_seconds counter\n# UNIT a_cpu_seconds seconds\n\
             a_cpu_seconds_total{mode=\"user\"} 1.5\n\
             a_cpu_seconds_total{comm=\"a\\\"\\\\\\nb\",mode=\"system\"} 0.000000007\n\
             # HELP a_threads Threads\n# TYPE a_threads gauge\na_threads{pid=\"5\"} 3\na_threads 4\n"
        );
    }

    #[test]
    fn seconds_are_exact() {
        for (ns, expected) in [
            (0, "0"),
            (1, "0.000000001"),
            (10 * SECOND, "10"),
            (SECOND + 20, "1.00000002"),
            (u64::MAX, "18446744073.709551615"),
        ] {
            let mut text = String::new();
            Series::begin(&mut text, ("a", Kind::Gauge), None, "A", None).seconds("", 0, ns);
            assert_eq!(text.lines().last(), Some(format!("a {expected}").as_str()));
        }
    }
}

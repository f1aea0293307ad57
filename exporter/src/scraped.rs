// SPDX-License-Identifier: GPL-2.0

//! A scrape, read back: for tests, and strict. What the specification of OpenMetrics 1.0 forbids is an error here.

use std::collections::{BTreeMap, BTreeSet};

/// Labels of a series, in the order of their names.
pub type LabelSet = BTreeMap<String, String>;

/// A scrape.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Scraped {
    /// Families by name, with their series in order.
    families: BTreeMap<String, Family>,
    series: BTreeMap<(String, LabelSet), f64>,
    /// The family that is being read has had one.
    has_series: bool,
}

/// A family.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Family {
    /// `counter`, `gauge`, `histogram`, `info`.
    pub kind: String,
    /// Its unit, if it has one.
    pub unit: Option<String>,
    /// What it says of itself.
    pub help: String,
}

impl Scraped {
    /// Reads a scrape.
    ///
    /// # Errors
    ///
    /// A sentence that names the line.
    pub fn read(text: &str) -> Result<Self, String> {
        let body = text.strip_suffix("# EOF\n").ok_or("the last line is not '# EOF'")?;
        let mut scraped = Scraped::default();
        let mut current: Option<(String, Family)> = None;
        for (index, line) in body.split_terminator('\n').enumerate() {
            let done = match line.strip_prefix("# ") {
                Some(comment) => scraped.comment(comment, &mut current),
                None => scraped.sample(line, current.as_ref()),
            };
            done.map_err(|why| format!("line {}: {why}: {line}", index + 1))?;
        }
        scraped.close(current)?;
        scraped.histograms()?;
        Ok(scraped)
    }

    fn close(&mut self, current: Option<(String, Family)>) -> Result<(), String> {
        let Some((name, family)) = current else { return Ok(()) };
        if family.kind.is_empty() || family.help.is_empty() {
            return Err(format!("{name} has no TYPE or no HELP"));
        }
        match self.families.insert(name.clone(), family) {
            Some(_) => Err(format!("the family {name} is there twice")),
            None => Ok(()),
        }
    }

    fn comment(&mut self, comment: &str, current: &mut Option<(String, Family)>) -> Result<(), String> {
        let mut words = comment.splitn(3, ' ');
        let (Some(key), Some(name), Some(value)) = (words.next(), words.next(), words.next()) else {
            return Err("no comment of OpenMetrics".into());
        };
        if !is_name(name) {
            return Err("no name of a family".into());
        }
        if current.as_ref().is_none_or(|(open, _)| open != name) {
            self.close(current.take())?;
            *current = Some((name.into(), Family::default()));
            self.has_series = false;
        }
        let Some((_, family)) = current else { return Ok(()) };
        if self.has_series {
            return Err("a comment behind the family's series".into());
        }
        match key {
            "HELP" if family.help.is_empty() => family.help = value.into(),
            "TYPE" if family.kind.is_empty() && ["counter", "gauge", "histogram", "info"].contains(&value) => {
                family.kind = value.into();
            }
            "UNIT" if family.unit.is_none() && name.ends_with(&format!("_{value}")) => family.unit = Some(value.into()),
            _ => return Err("a comment that is not allowed here".into()),
        }
        Ok(())
    }

    fn sample(&mut self, line: &str, current: Option<&(String, Family)>) -> Result<(), String> {
        let (open, family) = current.ok_or("a series without a family")?;
        let end = line.find(['{', ' ']).ok_or("no value")?;
        let (name, rest) = line.split_at(end);
        let (labels, value) = match rest.strip_prefix('{') {
            Some(rest) => labels(rest)?,
            None => (LabelSet::new(), rest),
        };
        let suffixes: &[&str] = match family.kind.as_str() {
            "counter" => &["_total"],
            "gauge" => &[""],
            "info" => &["_info"],
            _ => &["_bucket", "_count", "_sum"],
        };
        if !suffixes.iter().any(|suffix| name.strip_suffix(suffix) == Some(open)) {
            return Err(format!("not a series of the {} {open}", family.kind));
        }
        let number = value.strip_prefix(' ').ok_or("no blank before the value")?;
        let number: f64 = number.parse().map_err(|_| "no number")?;
        if !number.is_finite() || family.kind != "gauge" && number < 0.0 {
            return Err("a value that this kind may not have".into());
        }
        self.has_series = true;
        match self.series.insert((name.into(), labels), number) {
            Some(_) => Err("a series that is there already".into()),
            None => Ok(()),
        }
    }

    /// Buckets rise, and the last one is the count.
    fn histograms(&self) -> Result<(), String> {
        let mut buckets: BTreeMap<(String, LabelSet), Vec<(f64, f64)>> = BTreeMap::new();
        for ((name, labels), value) in &self.series {
            let Some(base) = name.strip_suffix("_bucket") else { continue };
            let mut labels = labels.clone();
            let bound = labels.remove("le").ok_or_else(|| format!("{name} without le"))?;
            let bound =
                if bound == "+Inf" { f64::INFINITY } else { bound.parse().map_err(|_| format!("le={bound}"))? };
            buckets.entry((base.into(), labels)).or_default().push((bound, *value));
        }
        for ((base, labels), mut buckets) in buckets {
            buckets.sort_by(|one, other| one.0.total_cmp(&other.0));
            let rises = buckets.windows(2).all(|pair| pair[0].0 < pair[1].0 && pair[0].1 <= pair[1].1);
            let count = self.series.get(&(format!("{base}_count"), labels.clone()));
            let last = buckets.last().filter(|last| last.0.is_infinite()).map(|last| last.1);
            if !rises
                || count.is_none()
                || last != count.copied()
                || !self.series.contains_key(&(format!("{base}_sum"), labels))
            {
                return Err(format!("the histogram {base} contradicts itself"));
            }
        }
        Ok(())
    }

    /// The value of the series with this name and exactly these labels.
    pub fn get(&self, name: &str, labels: &[(&str, &str)]) -> Option<f64> {
        let labels = labels.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
        self.series.get(&(name.to_owned(), labels)).copied()
    }

    /// The series with this name and at least these labels.
    pub fn all<'a>(&'a self, name: &'a str, labels: &'a [(&str, &str)]) -> impl Iterator<Item = (&'a LabelSet, f64)> {
        self.series
            .iter()
            .filter(move |((found, _), _)| found == name)
            .filter(move |((_, found), _)| {
                labels.iter().all(|(key, value)| found.get(*key).is_some_and(|has| has == value))
            })
            .map(|((_, labels), value)| (labels, *value))
    }

    /// Their sum.
    pub fn sum(&self, name: &str, labels: &[(&str, &str)]) -> f64 {
        self.all(name, labels).map(|(_, value)| value).sum()
    }

    /// How many series there are.
    pub fn len(&self) -> usize {
        self.series.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.series.is_empty()
    }

    /// The names of all families.
    pub fn families(&self) -> BTreeSet<&str> {
        self.families.keys().map(String::as_str).collect()
    }
}

fn is_name(text: &str) -> bool {
    let is_letter = |byte: u8| byte.is_ascii_alphabetic() || byte == b'_';
    text.bytes().next().is_some_and(is_letter) && text.bytes().all(|byte| is_letter(byte) || byte.is_ascii_digit())
}

/// The labels up to the closing brace, and what follows.
fn labels(mut rest: &str) -> Result<(LabelSet, &str), String> {
    let mut labels = LabelSet::new();
    loop {
        let equals = rest.find("=\"").ok_or("a label without a value")?;
        let (name, text) = (&rest[..equals], &rest[equals + 2..]);
        if !is_name(name) {
            return Err("no name of a label".into());
        }
        let mut value = String::new();
        let mut characters = text.char_indices();
        let end = loop {
            match characters.next().ok_or("a value that does not end")? {
                (at, '"') => break at,
                (_, '\\') => match characters.next() {
                    Some((_, 'n')) => value.push('\n'),
                    Some((_, escaped @ ('\\' | '"'))) => value.push(escaped),
                    _ => return Err("no escape of OpenMetrics".into()),
                },
                (_, character) => value.push(character),
            }
        };
        if labels.insert(name.into(), value).is_some() {
            return Err("a label twice".into());
        }
        rest = &text[end + 1..];
        match rest.split_at_checked(1) {
            Some((",", more)) => rest = more,
            Some(("}", more)) => return Ok((labels, more)),
            _ => return Err("neither a comma nor a brace behind a label".into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str =
        "# HELP a A.\n# TYPE a counter\na_total{b=\"x\\\"\\\\\\n,}\",c=\"\"} 5\na_total{b=\"y\",c=\"\"} 2.5\n\
        # HELP s_seconds S.\n# TYPE s_seconds histogram\n# UNIT s_seconds seconds\ns_seconds_sum 3\ns_seconds_count 2\n\
        s_seconds_bucket{le=\"1.0\"} 1\ns_seconds_bucket{le=\"+Inf\"} 2\n# EOF\n";

    #[test]
    fn a_scrape_is_read() {
        let scraped = Scraped::read(GOOD).unwrap();
        assert_eq!(scraped.get("a_total", &[("b", "x\"\\\n,}"), ("c", "")]), Some(5.0));
        assert_eq!((scraped.sum("a_total", &[("c", "")]), scraped.len()), (7.5, 6));
        assert_eq!(scraped.families(), BTreeSet::from(["a", "s_seconds"]));
    }

    #[test]
    fn what_is_forbidden_is_an_error() {
        for (from, to) in [
            ("# EOF\n", ""),
            ("a_total{b=\"y\"", "a_total{b=\"y"),
            ("# TYPE a counter", "# TYPE a number"),
            ("# TYPE a counter\n", ""),
            ("a_total{b=\"y\",c=\"\"} 2.5", "a{b=\"y\"} 2.5"),
            ("b=\"y\",c=\"\"} 2.5", "b=\"y\",c=\"\"} -2.5"),
            ("b=\"y\",c=\"\"} 2.5", "b=\"y\",c=\"\"}  2.5"),
            ("b=\"y\",c", "c=\"y\",c"),
            ("{b=\"y\",c=\"\"} 2.5", "{b=\"x\\\"\\\\\\n,}\",c=\"\"} 2.5"),
            ("# UNIT s_seconds seconds", "# UNIT s_seconds bytes"),
            ("{le=\"+Inf\"} 2", "{le=\"+Inf\"} 3"),
            ("{le=\"1.0\"} 1", "{le=\"1.0\"} 4"),
            ("s_seconds_sum 3\n", ""),
            ("# HELP s_seconds", "# HELP a"),
        ] {
            let wrong = GOOD.replacen(from, to, 1);
            assert_ne!(wrong, GOOD, "{from}");
            assert!(Scraped::read(&wrong).is_err(), "{wrong}");
        }
    }
}

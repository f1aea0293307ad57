// SPDX-License-Identifier: GPL-2.0

//! An object a record, one a line, between one of what comes before and one of what comes after.
//!
//! The first has the key [`PREAMBLE`] only, the last [`TRAILER`] only: what the comment lines of the other formats say.

use crate::columns::{Counted, COMM, FLAGS, JIFFIES, LEADING, PID, REGISTRATION, THREADS, TICK, TIME_NS, USER};
use crate::comm::Printable;
use crate::comments::{Comments, Kind, Preamble, Trailer};
use crate::error::{shorten, LineError};
use crate::{flags, number, Format};
use abi::samples::{SampleRecord, COUNTERS};

/// The key of the first object.
pub const PREAMBLE: &str = "preamble";

/// The key of the last object.
pub const TRAILER: &str = "trailer";

/// The fields of [`crate::processes::Csv`], `null` where the kernel does not count.
#[derive(Debug, Default)]
pub struct Json;

impl Format for Json {
    fn preamble(&mut self, out: &mut Vec<u8>, preamble: &Preamble) {
        let mut lines = vec![];
        preamble.write(&mut lines, Kind::Processes);
        push_comments(out, PREAMBLE, &lines);
    }

    fn sample(&mut self, out: &mut Vec<u8>, sample: &SampleRecord, counted: Counted) {
        out.push(b'{');
        for (name, number) in [(TIME_NS, sample.time_ns), (TICK, sample.tick), (JIFFIES, sample.jiffies)] {
            push_name(out, name);
            number::write(out, number);
            out.push(b',');
        }
        push_name(out, PID);
        number::write(out, sample.pid);
        out.push(b',');
        push_name(out, COMM);
        push_string(out, Printable::new(sample.comm_bytes()).as_bytes());
        out.push(b',');
        push_name(out, REGISTRATION);
        number::write(out, sample.registration);
        out.push(b',');
        push_name(out, FLAGS);
        out.push(b'"');
        flags::write(out, sample.flags);
        out.extend_from_slice(b"\",");
        push_name(out, THREADS);
        number::write(out, sample.threads);
        out.push(b',');
        push_name(out, USER);
        number::write(out, sample.user);
        let counted = counted.in_record(sample.flags);
        for (index, (counter, number)) in COUNTERS.iter().zip(sample.numbers()).enumerate() {
            out.push(b',');
            push_name(out, counter.column);
            if counted.has(index) {
                number::write(out, number);
            } else {
                out.extend_from_slice(b"null");
            }
        }
        out.extend_from_slice(b"}\n");
    }

    fn trailer(&mut self, out: &mut Vec<u8>, trailer: &Trailer) {
        let mut lines = vec![];
        trailer.write(&mut lines);
        push_comments(out, TRAILER, &lines);
    }
}

/// Comment lines as the one value of an object: `# mp3 processes 1` is `"mp3":"processes 1"`, and a number is one.
fn push_comments(out: &mut Vec<u8>, key: &str, lines: &[u8]) {
    out.push(b'{');
    push_name(out, key);
    out.push(b'{');
    for (index, line) in String::from_utf8_lossy(lines).lines().enumerate() {
        let line = line.trim_start_matches("# ");
        let Some((key, value)) = line.split_once(": ").or_else(|| line.split_once(' ')) else { continue };
        if index > 0 {
            out.push(b',');
        }
        push_name(out, key);
        if value.parse::<f64>().is_ok_and(f64::is_finite) {
            out.extend_from_slice(value.as_bytes());
        } else {
            out.extend_from_slice(serde_json::Value::from(value).to_string().as_bytes());
        }
    }
    out.extend_from_slice(b"}}\n");
}

/// Whether `line` is a file's first or last object, and no record.
pub fn is_comment(line: &str) -> bool {
    let rest = line.trim_start().strip_prefix("{\"");
    rest.is_some_and(|rest| rest.starts_with(PREAMBLE) || rest.starts_with(TRAILER))
}

/// Takes what a file's first or last object says, as [`Comments::take`] does with a comment line.
///
/// # Errors
/// It is no such object, or a line that says the same would be an error.
pub fn take_comment(line: &str, comments: &mut Comments) -> Result<(), LineError> {
    let wrong = || LineError::Json { line: shorten(line) };
    let object: serde_json::Value = serde_json::from_str(line).map_err(|_| wrong())?;
    let inner = [PREAMBLE, TRAILER].iter().find_map(|key| object.get(key)?.as_object()).ok_or_else(wrong)?;
    for (key, value) in inner {
        let value = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        if key == "mp3" {
            comments.take(&format!("# mp3 {value}"))?;
        } else {
            comments.take(&format!("# {key}: {value}"))?;
        }
    }
    Ok(())
}

/// The columns of a record's object, in the order of a row of CSV.
pub fn columns() -> Vec<String> {
    LEADING.into_iter().chain(COUNTERS.iter().map(|counter| counter.column)).map(str::to_owned).collect()
}

/// The fields of a record's object, in the order of [`columns`]; nothing where it is `null` or missing.
///
/// # Errors
/// It is no object.
pub fn fields(line: &str) -> Result<Vec<String>, LineError> {
    let wrong = || LineError::Json { line: shorten(line) };
    let object: serde_json::Map<String, serde_json::Value> = serde_json::from_str(line).map_err(|_| wrong())?;
    let field = |name: &str| match object.get(name) {
        None | Some(serde_json::Value::Null) => String::new(),
        Some(serde_json::Value::String(text)) => text.clone(),
        Some(other) => other.to_string(),
    };
    Ok(columns().iter().map(|name| field(name)).collect())
}

fn push_name(out: &mut Vec<u8>, name: &str) {
    out.push(b'"');
    out.extend_from_slice(name.as_bytes());
    out.extend_from_slice(b"\":");
}

/// `text` is UTF-8 without control characters, so that only these two need care.
fn push_string(out: &mut Vec<u8>, text: &[u8]) {
    out.push(b'"');
    for &byte in text {
        if byte == b'"' || byte == b'\\' {
            out.push(b'\\');
        }
        out.push(byte);
    }
    out.push(b'"');
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::processes::tests::sample;
    use abi::samples::Flags;
    use serde_json::Value;

    fn object(comm: &[u8], flags: Flags) -> Value {
        let mut out = vec![];
        Json.sample(&mut out, &sample(comm, flags), Counted::ALL);
        serde_json::from_slice(&out).unwrap()
    }

    #[test]
    fn an_object_has_the_fields_of_a_row() {
        let object = object(b"work", Flags::FIRST | Flags::DELAYS);
        assert_eq!(object["time_ns"], 7_000_000_000_u64);
        assert_eq!(object["flags"], "first|delays");
        assert_eq!(object["wpcopy_delay_ns_total"], 13);
        assert_eq!(object.as_object().unwrap().len(), crate::columns::LEADING.len() + COUNTERS.len());
    }

    #[test]
    fn what_the_kernel_does_not_count_is_null() {
        let object = object(b"work", Flags::default());
        assert_eq!(object["run_delay_ns_total"], 7);
        assert_eq!(object["blkio_delay_ns_total"], Value::Null);
    }

    #[test]
    fn what_comes_before_and_after_is_what_comments_say() {
        let trailer = Trailer { lost: Some(7), samples: Some(9), rate_reached_hz: Some(19.7381), ..Trailer::default() };
        let preamble = Preamble { host: Some("a \"b\"\\".into()), ..crate::comments::tests::preamble() };
        let mut out = vec![];
        Json.preamble(&mut out, &preamble);
        Json.trailer(&mut out, &trailer);
        let text = String::from_utf8(out).unwrap();
        let mut comments = Comments::default();
        for line in text.lines() {
            assert!(is_comment(line));
            take_comment(line, &mut comments).unwrap();
        }
        assert!(comments.is_ours && text.lines().count() == 2, "{text}");
        assert_eq!((comments.trailer, comments.preamble.hz), (trailer, Some(250.0)));
        assert_eq!((&comments.preamble.users, &comments.preamble.host), (&preamble.users, &preamble.host));
        assert!(text.contains(r#""mp3":"processes 1","host":"a \"b\"\\","#) && text.contains(r#""lost":7"#), "{text}");
        let other = take_comment(r#"{"preamble":{"mp3":"processes 2"}}"#, &mut comments).unwrap_err();
        assert_eq!(other, LineError::Version { found: "2".into() });
        assert!(take_comment(r#"{"preamble":3}"#, &mut comments).is_err());
    }

    #[test]
    fn an_object_is_read_as_the_row_that_it_is() {
        let mut out = vec![];
        Json.sample(&mut out, &sample(b"wo,\"rk", Flags::FIRST), Counted::ALL);
        let line = String::from_utf8(out).unwrap();
        let reader = crate::processes::Reader::new(&line).unwrap();
        let row = reader.row(&line).unwrap();
        assert_eq!((row.comm.as_str(), row.flags, row.time_ns), ("wo,\"rk", Flags::FIRST, 7_000_000_000));
        let place = |name: &str| reader.columns().position(|column| column == name).unwrap();
        assert_eq!(row.values[place("run_delay_ns_total")], Some(7));
        assert_eq!(row.values[place("blkio_delay_ns_total")], None);
        assert!(reader.row("{}").is_err() && reader.row("[1]").is_err());
    }

    #[test]
    fn names_cannot_break_an_object() {
        assert_eq!(object(b"\"},{\\\n", Flags::default())["comm"], r#""},{\\\x0a"#);
    }
}

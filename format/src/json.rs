// SPDX-License-Identifier: GPL-2.0

//! An object a record, one a line.

use crate::columns::{Counted, COMM, FLAGS, JIFFIES, PID, REGISTRATION, THREADS, TICK, TIME_NS};
use crate::comm::Printable;
use crate::comments::{Preamble, Trailer};
use crate::{flags, number, Format};
use abi::samples::{SampleRecord, COUNTERS};

/// The fields of [`crate::processes::Csv`], `null` where the kernel does not count. Records only: nothing before, nothing after.
#[derive(Debug, Default)]
pub struct Json;

impl Format for Json {
    fn preamble(&mut self, _out: &mut Vec<u8>, _preamble: &Preamble) {}

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

    fn trailer(&mut self, _out: &mut Vec<u8>, _trailer: &Trailer) {}
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
    fn names_cannot_break_an_object() {
        assert_eq!(object(b"\"},{\\\n", Flags::default())["comm"], r#""},{\\\x0a"#);
    }
}

// SPDX-License-Identifier: GPL-2.0

//! A row a record, as RFC 4180 has it, with `#` comment lines before and after.

use super::{push_flags, push_number, push_summary, Format, FIRST_DELAY, TOTALS_COLUMNS};
use crate::comm::Printable;
use crate::preamble::Preamble;
use crate::summary::Summary;
use abi::record::{Flags, SampleRecord};

/// Every record as it stands in the ring, delay columns `n/a` where the kernel does not count.
#[derive(Debug, Default)]
pub struct Csv;

impl Format for Csv {
    fn preamble(&mut self, out: &mut Vec<u8>, preamble: &Preamble) {
        preamble.write_comments(out, "processes");
        out.extend_from_slice(
            b"# units: time_ns is CLOCK_MONOTONIC; _ns in ns; _total since registration; pages of 4 KiB as they stand\n\
              time_ns,tick,jiffies,pid,comm,registration,flags,threads",
        );
        for column in TOTALS_COLUMNS {
            out.push(b',');
            out.extend_from_slice(column.as_bytes());
        }
        out.extend_from_slice(b",resident_pages,swapped_pages\n");
    }

    fn sample(&mut self, out: &mut Vec<u8>, sample: &SampleRecord) {
        for number in [sample.time_ns, sample.tick, sample.jiffies] {
            push_number(out, number);
            out.push(b',');
        }
        push_number(out, sample.pid);
        out.push(b',');
        push_field(out, Printable::new(sample.comm_bytes()).as_bytes());
        out.push(b',');
        push_number(out, sample.registration);
        out.push(b',');
        push_flags(out, sample.flags);
        out.push(b',');
        push_number(out, sample.threads);
        let counts_delays = sample.flags.contains(Flags::DELAYS);
        for (index, number) in sample.totals.to_array().into_iter().enumerate() {
            out.push(b',');
            if index < FIRST_DELAY || counts_delays {
                push_number(out, number);
            } else {
                out.extend_from_slice(b"n/a");
            }
        }
        for number in [sample.levels.resident_pages, sample.levels.swapped_pages] {
            out.push(b',');
            push_number(out, number);
        }
        out.push(b'\n');
    }

    fn summary(&mut self, out: &mut Vec<u8>, summary: &Summary) {
        push_summary(out, summary);
    }
}

/// Quotes `field` where a reader would otherwise misunderstand it.
fn push_field(out: &mut Vec<u8>, field: &[u8]) {
    let quoted =
        field.iter().any(|byte| b"\",".contains(byte)) || field.first() == Some(&b' ') || field.last() == Some(&b' ');
    if !quoted {
        out.extend_from_slice(field);
        return;
    }
    out.push(b'"');
    for &byte in field {
        if byte == b'"' {
            out.push(b'"');
        }
        out.push(byte);
    }
    out.push(b'"');
}

#[cfg(test)]
mod tests {
    use super::super::tests::{preamble, sample};
    use super::*;

    fn row(comm: &[u8], flags: Flags) -> String {
        let mut out = vec![];
        Csv.sample(&mut out, &sample(comm, flags));
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn columns_and_values_go_together() {
        let mut out = vec![];
        Csv.preamble(&mut out, &preamble());
        let text = String::from_utf8(out).unwrap();
        let columns: Vec<_> = text.lines().last().unwrap().split(',').collect();
        let row = row(b"work", Flags::FINAL | Flags::EXITED | Flags::DELAYS);
        let values: Vec<_> = row.trim_end().split(',').collect();
        let pairs: Vec<_> = columns.iter().zip(&values).map(|(column, value)| format!("{column}={value}")).collect();
        assert_eq!(columns.len(), values.len());
        assert_eq!(
            pairs.join(" "),
            "time_ns=7000000000 tick=40 jiffies=4294937296 pid=123 comm=work registration=3 flags=final|exited|delays \
             threads=2 minor_total=1 major_total=2 user_ns_total=3 system_ns_total=4 voluntary_switches_total=5 \
             involuntary_switches_total=6 run_delay_ns_total=7 blkio_delay_ns_total=8 swapin_delay_ns_total=9 \
             reclaim_delay_ns_total=10 thrashing_delay_ns_total=11 compact_delay_ns_total=12 wpcopy_delay_ns_total=13 \
             resident_pages=100 swapped_pages=0"
        );
    }

    #[test]
    fn what_the_kernel_does_not_count_is_not_0() {
        assert!(row(b"work", Flags::default()).ends_with(",7,n/a,n/a,n/a,n/a,n/a,n/a,100,0\n"));
    }

    #[test]
    fn names_cannot_break_a_row() {
        assert!(row(b"a,\"b\"", Flags::default()).contains(",123,\"a,\"\"b\"\"\",3,,2,"));
        assert!(row(b"a\nb", Flags::default()).contains(r",123,a\x0ab,3,"));
        assert!(row(b" a", Flags::default()).contains(",\" a\",3,"));
    }
}

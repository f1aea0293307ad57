// SPDX-License-Identifier: GPL-2.0

//! The classic four columns: a line a tick.

use super::{push_number, push_summary, Format};
use crate::preamble::Preamble;
use crate::summary::Summary;
use crate::ticks::TickLine;

/// `jiffies minor major cpu_ns`, with `#` comment lines before and after.
#[derive(Debug, Default)]
pub struct Text;

impl Format for Text {
    fn preamble(&mut self, out: &mut Vec<u8>, preamble: &Preamble) {
        preamble.write_comments(out, "profile");
        out.extend_from_slice(
            b"# units: faults and ns of CPU time in the interval that ends at jiffies, summed over the registered processes\n\
              # columns: jiffies minor_interval major_interval cpu_ns_interval\n",
        );
    }

    fn tick(&mut self, out: &mut Vec<u8>, tick: &TickLine) {
        push_number(out, tick.jiffies);
        for number in [tick.minor_faults, tick.major_faults, tick.cpu_ns] {
            out.push(b' ');
            push_number(out, number);
        }
        out.push(b'\n');
    }

    fn summary(&mut self, out: &mut Vec<u8>, summary: &Summary) {
        push_summary(out, summary);
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::preamble;
    use super::*;

    #[test]
    fn a_file_of_one_tick() {
        let mut out = vec![];
        Text.preamble(&mut out, &preamble());
        Text.tick(&mut out, &TickLine { tick: 1, jiffies: 10, minor_faults: 20, major_faults: 0, cpu_ns: 40 });
        assert_eq!(
            String::from_utf8(out).unwrap(),
            "# mp3 profile 1\n# host: box\n# kernel: 7.2\n# cpus: 2\n# hz: 250\n# rate_hz: 20\n\
             # start: 2026-12-31T23:59:59.000000Z\n# delays: off (kernel.task_delayacct is 0)\n\
             # units: faults and ns of CPU time in the interval that ends at jiffies, summed over the registered processes\n\
             # columns: jiffies minor_interval major_interval cpu_ns_interval\n\
             10 20 0 40\n"
        );
    }
}

// SPDX-License-Identifier: GPL-2.0

//! The table of costs that README and docs/performance.md begin with.

use crate::report::{Report, Section, MP3};
use crate::table::figure;
use crate::texts::find;
use anyhow::Result;

/// What stands for `name` in a text, if it is one of the summaries.
pub fn block(name: &str, report: &Report) -> Option<Result<String>> {
    match name {
        "costs" => Some(costs(report)),
        "versions" => Some(Ok(versions(report))),
        _ => None,
    }
}

/// What was compared.
fn versions(report: &Report) -> String {
    let versions: Vec<String> = report.versions.iter().map(|(name, version)| format!("{name} {version}")).collect();
    versions.join(" · ")
}

/// Numbers of processes.
const CROWDS: &[f64] = &[1.0, 100.0, 10_000.0];
const REST: &str = "per process and tick";
const BUSY: &str = "per process and tick, busy";
const BUSY_DELAYS: &str = "per process and tick, busy, delays counted";
const CPU: &str = "CPU for 1,000 processes at 20 Hz";

/// Figures of a subject: one for each pair of a quantity and a parameter.
struct Figures {
    section: Section,
    subject: &'static str,
    parameters: &'static [f64],
    quantities: &'static [&'static str],
}

impl Figures {
    fn text(&self, report: &Report) -> Result<String> {
        let mut values = vec![];
        // Without parameters there is one figure for each quantity.
        let parameters: Vec<Option<f64>> = match self.parameters {
            [] => vec![None],
            several => several.iter().copied().map(Some).collect(),
        };
        for quantity in self.quantities {
            for &parameter in &parameters {
                let row = find(report, self.section, self.subject, parameter, quantity)?;
                values.push(figure(row.value));
            }
        }
        Ok(values.join(", "))
    }
}

/// A line: what it costs, mp3's figures, and those of others, each with what it is.
struct Line {
    what: &'static str,
    mp3: Figures,
    others: &'static [(&'static str, Figures)],
}

const fn of(
    section: Section,
    subject: &'static str,
    parameters: &'static [f64],
    quantities: &'static [&'static str],
) -> Figures {
    Figures { section, subject, parameters, quantities }
}

const fn sampling(subject: &'static str, quantity: &'static [&'static str]) -> Figures {
    of(Section::Sampling, subject, CROWDS, quantity)
}

const fn machine(subject: &'static str) -> Figures {
    of(Section::Machine, subject, &[1000.0], &[CPU])
}

const fn faults(subject: &'static str) -> Figures {
    of(Section::Faults, subject, &[], &["added to a first touch of a page"])
}

const LINES: &[Line] = &[
    Line {
        what: "One sample of a process at rest, in a mapped ring, of 1, 100 and 10,000 processes, instructions",
        mp3: sampling(MP3, &[REST]),
        others: &[("BPF timer, the same fields", sampling("BPF timer", &[REST]))],
    },
    Line {
        what: "The same of a busy one: it ran, faulted and switched",
        mp3: sampling(MP3, &[BUSY]),
        others: &[("BPF timer", sampling("BPF timer", &[BUSY]))],
    },
    Line {
        what: "The same with delay accounting",
        mp3: sampling(MP3, &[BUSY_DELAYS]),
        others: &[("BPF timer", sampling("BPF timer", &[BUSY_DELAYS]))],
    },
    Line {
        what: "At rest, copied to a reader",
        mp3: sampling("mp3, and a reader", &[REST]),
        others: &[
            ("BPF iterator, the same fields", sampling("BPF task iterator", &[REST])),
            ("taskstats", sampling("taskstats", &[REST])),
            ("`/proc/PID/stat` kept open", sampling("/proc/PID/stat, kept open", &[REST])),
            ("opened each time", sampling("/proc/PID/stat, opened each time", &[REST])),
        ],
    },
    Line {
        what: "Busy, copied to a reader",
        mp3: sampling("mp3, and a reader", &[BUSY]),
        others: &[("BPF iterator", sampling("BPF task iterator", &[BUSY]))],
    },
    Line {
        what: "A process of 64 threads, at rest and busy, of 1 and 100 processes",
        mp3: of(Section::Threads, MP3, &[1.0, 100.0], &[REST, BUSY]),
        others: &[
            ("BPF timer", of(Section::Threads, "BPF timer", &[1.0, 100.0], &[REST, BUSY])),
            ("BPF iterator", of(Section::Threads, "BPF task iterator", &[1.0, 100.0], &[REST, BUSY])),
        ],
    },
    Line {
        what: "1,000 processes at rest, 20 Hz, their sum a tick, % of a CPU",
        mp3: machine(MP3),
        others: &[
            ("bpftrace, faults only", machine("bpftrace, counting faults")),
            ("`perf stat -I 50`", machine("perf stat -I 50")),
            ("`pidstat 1`, at 1 Hz", machine("pidstat (1 Hz)")),
        ],
    },
    Line {
        what: "The same, every record stored",
        mp3: machine("mp3, --record"),
        others: &[("BPF iterator, into a file", machine("BPF task iterator, into a file, 20 Hz"))],
    },
    Line {
        what: "The same, a line of CSV for each process and tick",
        mp3: machine("mp3, --per-process"),
        others: &[
            ("read and not stored: BPF iterator", machine("BPF task iterator, 20 Hz")),
            ("taskstats", machine("taskstats, 20 Hz")),
            ("`/proc/PID/stat` kept open", machine("/proc/PID/stat, kept open, 20 Hz")),
        ],
    },
    Line {
        what: "A switch that is recorded, a wake-up, both, instructions",
        mp3: of(
            Section::Tracing,
            MP3,
            &[],
            &["added to a switch", "added to a wake-up", "added to a switch and its wake-up"],
        ),
        others: &[
            (
                "BPF ring buffer, the same fields",
                of(
                    Section::Tracing,
                    "BPF ring buffer",
                    &[],
                    &["added to a switch", "added to a wake-up", "added to a switch and its wake-up"],
                ),
            ),
            (
                "ftrace's ring",
                of(
                    Section::Tracing,
                    "ftrace's ring",
                    &[],
                    &["added to a switch", "added to a wake-up", "added to a switch and its wake-up"],
                ),
            ),
            (
                "`perf stat`, counting switches",
                of(Section::Tracing, "perf stat -e sched:sched_switch", &[], &["added to a switch"]),
            ),
            ("BPF, counting switches", of(Section::Tracing, "BPF, counting", &[], &["added to a switch"])),
        ],
    },
    Line {
        what: "A hand-over to another CPU: two switches and a wake-up, instructions",
        mp3: of(Section::TracingBetween, MP3, &[], &["added to two switches and a wake-up"]),
        others: &[
            (
                "BPF ring buffer",
                of(Section::TracingBetween, "BPF ring buffer", &[], &["added to two switches and a wake-up"]),
            ),
            (
                "ftrace's ring",
                of(Section::TracingBetween, "ftrace's ring", &[], &["added to two switches and a wake-up"]),
            ),
        ],
    },
    Line {
        what: "A switch and its wake-up, with what stores them, instructions",
        mp3: of(Section::Tracing, "mp3, sched record", &[], &["added to a switch and its wake-up"]),
        others: &[(
            "`perf sched record`",
            of(Section::Tracing, "perf sched record", &[], &["added to a switch and its wake-up"]),
        )],
    },
    Line {
        what: "Loaded, nothing traced: added to a switch and its wake-up",
        mp3: of(Section::Tracing, "mp3, loaded and off", &[], &["added to a switch and its wake-up"]),
        others: &[],
    },
    Line {
        what: "A page fault that is recorded with its latency, instructions",
        mp3: faults(MP3),
        others: &[
            ("bpftrace, fentry and fexit", faults("bpftrace, fentry and fexit")),
            ("bpftrace, kprobes", faults("bpftrace, kprobes")),
        ],
    },
    Line {
        what: "The same without latency",
        mp3: faults("mp3, --no-latency"),
        others: &[("ftrace's `page_fault_user`", faults("ftrace, page_fault_user"))],
    },
];

fn costs(report: &Report) -> Result<String> {
    let mut text = "| | mp3 | beside |\n|---|---:|---|\n".to_owned();
    for line in LINES {
        let others: Result<Vec<String>> =
            line.others.iter().map(|(name, of)| Ok(format!("{name}: {}", of.text(report)?))).collect();
        text += &format!("| {} | {} | {} |\n", line.what, line.mp3.text(report)?, others?.join("; "));
    }
    Ok(text)
}

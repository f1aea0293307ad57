// SPDX-License-Identifier: GPL-2.0

//! The text of a scrape: OpenMetrics 1.0.
//!
//! | name | of what |
//! |---|---|
//! | `mp3_...` | all that is sampled, together |
//! | `mp3_command_...{comm}` | all processes of a command name, those that have ended included |
//! | `mp3_cgroup_...{cgroup}` | the same of a cgroup |
//! | `mp3_process_...{pid,comm}` | a process, since its registration |
//!
//! What a source does not count has no series.

use crate::buckets::Buckets;
use crate::group::{Group, Groups};
use crate::latency::Latencies;
use crate::series::{Kind, Series};
use crate::store::{Process, Store};
use abi::device::PAGE_BYTES;
use abi::samples::{Levels, Totals, TOTALS};
use format::columns::Counted;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::text::{encode_eof, encode_registry};
use prometheus_client::encoding::{
    DescriptorEncoder, EncodeLabel, EncodeLabelSet, EncodeMetric, LabelSetEncoder, MetricEncoder,
};
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::exemplar::Exemplar;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::metrics::MetricType;
use prometheus_client::registry::{Registry, Unit};
use std::cell::Cell;
use std::fmt::Error;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// The media type of the text.
pub const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// Most series that are not of a process, a command or a cgroup: sums over all, histograms, the exporter itself.
pub const FIXED: usize = 256;

/// A family of counters: a name, and which of [`abi::samples::COUNTERS`] its series are.
struct Family {
    name: &'static str,
    help: &'static str,
    is_seconds: bool,
    label: Option<&'static str>,
    members: &'static [(&'static str, usize)],
}

const FAMILIES: [Family; 5] = [
    Family {
        name: "minor_faults",
        help: "Page faults that were resolved without I/O, as getrusage counts them",
        is_seconds: false,
        label: None,
        members: &[("", 0)],
    },
    Family {
        name: "major_faults",
        help: "Page faults that waited for I/O, as getrusage counts them",
        is_seconds: false,
        label: None,
        members: &[("", 1)],
    },
    Family {
        name: "cpu",
        help: "CPU time; the sum over all modes is the scheduler's own",
        is_seconds: true,
        label: Some("mode"),
        members: &[("user", 2), ("system", 3)],
    },
    Family {
        name: "context_switches",
        help: "Context switches: voluntary ones by blocking, involuntary ones forced by the scheduler",
        is_seconds: false,
        label: Some("kind"),
        members: &[("voluntary", 4), ("involuntary", 5)],
    },
    Family {
        name: "delay",
        help: "Time that was waited: runnable without a CPU (run); in block I/O, swap-in, reclaim, for pages evicted \
               a short while ago (thrashing), in compaction and in copying on write where the kernel counts delays",
        is_seconds: true,
        label: Some("cause"),
        members: &[
            ("run", 6),
            ("blkio", 7),
            ("swapin", 8),
            ("reclaim", 9),
            ("thrashing", 10),
            ("compact", 11),
            ("wpcopy", 12),
        ],
    },
];

const _: () = assert!(FAMILIES[4].members[6].1 + 1 == TOTALS);

/// A gauge of memory.
struct Gauge {
    name: &'static str,
    help: &'static str,
    /// Its counter, behind the totals.
    index: usize,
    pages: fn(&Levels) -> u64,
}

const GAUGES: [Gauge; 2] = [
    Gauge {
        name: "resident_memory",
        help: "Resident pages: of files, anonymous and shared memory",
        index: TOTALS,
        pages: |levels| levels.resident_pages,
    },
    Gauge { name: "swapped_memory", help: "Pages in swap", index: TOTALS + 1, pages: |levels| levels.swapped_pages },
];

/// What is known besides the counts.
#[derive(Clone, Debug, Default)]
pub struct About {
    /// `module`, `proc` or `recording`.
    pub source: String,
    /// Kernel release of the machine.
    pub kernel: String,
    /// Time spent sampling, ns.
    pub sampling_ns: u64,
    /// Records that were written.
    pub sampled: u64,
    /// Processes that could not be registered.
    pub refused: u64,
    /// Scrapes that were answered.
    pub scrapes: u64,
    /// Connections that were ended without an answer: too slow, or too many.
    pub dropped: u64,
    /// Requests that were refused: another path, another method, no HTTP.
    pub rejected: u64,
    /// CPU time of this program, s.
    pub cpu_seconds: f64,
    /// Resident memory of this program, bytes.
    pub resident_bytes: u64,
    /// When this program was started, s since 1970.
    pub started_seconds: f64,
}

/// Everything that a scrape is made of.
#[derive(Debug)]
pub struct State {
    /// Counts.
    pub store: Store,
    /// Histograms, while events are traced.
    pub latencies: Option<Latencies>,
    /// The rest.
    pub about: About,
}

/// The state, shared with what encodes it.
#[derive(Clone, Debug)]
pub struct Shared(Arc<Mutex<State>>);

impl Shared {
    /// Shares `state`.
    pub fn new(state: State) -> Self {
        Shared(Arc::new(Mutex::new(state)))
    }

    /// The state, alone.
    pub fn lock(&self) -> MutexGuard<'_, State> {
        // Numbers are whole whatever another thread was doing when it ended.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The text, made anew for each scrape.
#[derive(Debug)]
pub struct Exposition {
    shared: Shared,
    rest: Registry,
    /// Bytes of the last one.
    length: Cell<usize>,
}

impl Exposition {
    /// Of `shared`.
    pub fn new(shared: &Shared) -> Self {
        let mut rest = Registry::default();
        rest.register_collector(Box::new(shared.clone()));
        Exposition { shared: shared.clone(), rest, length: Cell::new(0) }
    }

    /// The text as things stand.
    pub fn text(&self) -> String {
        let mut text = String::with_capacity(self.length.get() + self.length.get() / 8);
        levels(&mut text, &self.shared.lock().store);
        // Writing to a String does not fail, nor does the collector by itself.
        let _ = encode_registry(&mut text, &self.rest).and_then(|()| encode_eof(&mut text));
        self.length.set(text.len());
        text
    }
}

/// Everything but the counts of processes.
impl Collector for Shared {
    fn encode(&self, encoder: DescriptorEncoder<'_>) -> Result<(), Error> {
        Rest { encoder }.state(&self.lock())
    }
}

/// Labels of a series: those of its row, and perhaps one of its own.
#[derive(Clone, Copy)]
struct Labels<'a> {
    row: &'a [(&'static str, &'a str)],
    own: Option<(&'static str, &'static str)>,
}

impl EncodeLabelSet for Labels<'_> {
    fn encode(&self, encoder: &mut LabelSetEncoder<'_>) -> Result<(), Error> {
        for label in self.row {
            label.encode(encoder.encode_label())?;
        }
        self.own.iter().try_for_each(|label| label.encode(encoder.encode_label()))
    }
}

/// A process, a group, or all together.
struct Row<'a> {
    labels: &'a str,
    totals: &'a Totals,
    counted: Counted,
    levels: Levels,
    /// Threads of a process, processes of a group.
    size: usize,
}

/// The counts, on each level.
fn levels(text: &mut String, store: &Store) {
    let levels = store.levels();
    let all = Row {
        labels: "",
        totals: &store.totals,
        counted: store.counted.unwrap_or_default(),
        levels: sum(store.living().map(|process| &process.levels)),
        size: store.live(),
    };
    rows(text, "", ("processes", "Processes that are sampled"), &[all]);
    if levels.commands {
        let memory = memory(store, &store.commands, Process::command);
        let size = ("processes", "Processes of this command that are sampled");
        rows(text, "command_", size, &groups(&store.commands, &memory));
    }
    if levels.cgroups {
        let memory = memory(store, &store.cgroups, Process::cgroup);
        let size = ("processes", "Processes of this cgroup that are sampled");
        rows(text, "cgroup_", size, &groups(&store.cgroups, &memory));
    }
    if levels.processes {
        let (shown, _) = store.shown();
        let shown: Vec<Row<'_>> = shown
            .iter()
            .map(|process| Row {
                labels: &process.labels,
                totals: &process.totals,
                counted: process.counted,
                levels: process.levels,
                size: process.threads as usize,
            })
            .collect();
        rows(text, "process_", ("threads", "Threads of this process"), &shown);
    }
}

/// The families of one level.
fn rows(text: &mut String, level: &str, (size, size_help): (&str, &str), rows: &[Row<'_>]) {
    for family in &FAMILIES {
        let of_family = |row: &Row<'_>| family.members.iter().any(|(_, index)| row.counted.has(*index));
        if !rows.iter().any(of_family) {
            continue;
        }
        let name = format!("mp3_{level}{}", family.name);
        let unit = family.is_seconds.then_some("seconds");
        let values: Vec<&str> = family.members.iter().map(|(value, _)| *value).collect();
        let label = family.label.map(|label| (label, &values[..]));
        let mut series = Series::begin(text, (&name, Kind::Counter), unit, family.help, label);
        for row in rows {
            let numbers = row.totals.to_array();
            for (member, (_, index)) in family.members.iter().enumerate() {
                let Some(number) = numbers.get(*index).filter(|_| row.counted.has(*index)) else { continue };
                match family.is_seconds {
                    true => series.seconds(row.labels, member, *number),
                    false => series.integer(row.labels, member, *number),
                }
            }
        }
    }
    for gauge in &GAUGES {
        if !rows.iter().any(|row| row.counted.has(gauge.index)) {
            continue;
        }
        let name = format!("mp3_{level}{}", gauge.name);
        let mut series = Series::begin(text, (&name, Kind::Gauge), Some("bytes"), gauge.help, None);
        for row in rows.iter().filter(|row| row.counted.has(gauge.index)) {
            series.integer(row.labels, 0, (gauge.pages)(&row.levels).saturating_mul(PAGE_BYTES as u64));
        }
    }
    let name = format!("mp3_{level}{size}");
    let mut series = Series::begin(text, (&name, Kind::Gauge), None, size_help, None);
    rows.iter().for_each(|row| series.integer(row.labels, 0, row.size as u64));
}

/// No exemplars.
type NoExemplar = Exemplar<Vec<(&'static str, &'static str)>, f64>;

struct Rest<'a> {
    encoder: DescriptorEncoder<'a>,
}

impl Rest<'_> {
    fn state(mut self, state: &State) -> Result<(), Error> {
        self.left_out(&state.store)?;
        self.losses(state)?;
        self.about(&state.about)?;
        self.latencies(state.latencies.as_ref())
    }

    fn left_out(&mut self, store: &Store) -> Result<(), Error> {
        let help = "Processes that are sampled and have no series of their own on this level: --max-series";
        let name = "mp3_exporter_left_out_processes";
        let mut encoder = self.encoder.encode_descriptor(name, help, None, MetricType::Gauge)?;
        let levels = store.levels();
        let counts = [
            ("process", levels.processes, store.shown().1),
            ("command", levels.commands, store.commands.live_in_other()),
            ("cgroup", levels.cgroups, store.cgroups.live_in_other()),
        ];
        for (level, _, count) in counts.into_iter().filter(|(_, is_on, _)| *is_on) {
            let labels = Labels { row: &[("level", level)], own: None };
            labelled(&mut encoder, &labels, |encoder| encoder.encode_gauge(&integer(count as u64)))?;
        }
        let merged = store.commands.merged().saturating_add(store.cgroups.merged());
        self.counter(
            "mp3_exporter_merged_groups",
            "Commands and cgroups without processes whose totals were added to (other) to make room",
            merged,
        )
    }

    fn losses(&mut self, state: &State) -> Result<(), Error> {
        let store = &state.store;
        self.counter("mp3_lost_records", "Samples that were overwritten before they were read", store.lost)?;
        let (events, late, traced) = match &state.latencies {
            Some(latencies) => (latencies.lost, latencies.late, true),
            None => (0, 0, false),
        };
        self.counter("mp3_lost_events", "Events of the tracer that were overwritten before they were read", events)?;
        self.counter("mp3_late_events", "Events of the tracer that came too late to be put in order", late)?;
        self.gauge(
            "mp3_tracing",
            "Whether events are traced: without, there are no histograms of latency",
            u64::from(traced),
        )?;
        self.gauge(
            "mp3_unseen_processes",
            "Processes of which every sample was lost: they are in no sum",
            store.unseen(),
        )?;
        self.counter("mp3_registrations", "Processes that were sampled so far", store.begun())
    }

    fn about(&mut self, about: &About) -> Result<(), Error> {
        let help = "Where the samples are from";
        let mut encoder = self.encoder.encode_descriptor("mp3", help, None, MetricType::Info)?;
        let version = env!("CARGO_PKG_VERSION");
        encoder.encode_info(&Labels {
            row: &[("source", &about.source), ("kernel", &about.kernel), ("version", version)],
            own: None,
        })?;
        let seconds = |ns: u64| ns as f64 / 1e9;
        self.seconds("mp3_sampling", "Time spent sampling", seconds(about.sampling_ns))?;
        self.counter("mp3_samples", "Samples that were taken", about.sampled)?;
        self.counter(
            "mp3_exporter_refused_registrations",
            "Processes that --name or --cgroup selected and that could not be registered",
            about.refused,
        )?;
        self.counter("mp3_exporter_scrapes", "Scrapes that were answered", about.scrapes)?;
        self.counter(
            "mp3_exporter_dropped_connections",
            "Connections that were ended before they were answered: too slow, or too many at once",
            about.dropped,
        )?;
        self.counter(
            "mp3_exporter_rejected_requests",
            "Requests of another path or method, and what was no HTTP request",
            about.rejected,
        )?;
        self.seconds("process_cpu", "CPU time of the exporter", about.cpu_seconds)?;
        self.bytes("process_resident_memory", "Resident memory of the exporter", about.resident_bytes)?;
        let help = "When the exporter was started, since 1970";
        let started =
            self.encoder.encode_descriptor("process_start_time", help, Some(&Unit::Seconds), MetricType::Gauge)?;
        ConstGauge::new(about.started_seconds).encode(started)
    }

    fn latencies(&mut self, latencies: Option<&Latencies>) -> Result<(), Error> {
        let Some(latencies) = latencies else { return Ok(()) };
        let scheduling = latencies.scheduling.iter().map(|(cause, buckets)| (cause.name(), buckets));
        self.histogram(
            "mp3_scheduling_latency",
            "Time from becoming runnable to running, of all threads of the machine",
            "cause",
            scheduling,
        )?;
        let faults = latencies.faults.iter().map(|(outcome, buckets)| (*outcome, buckets));
        self.histogram(
            "mp3_fault_latency",
            "Time that the kernel took to handle a page fault, of all threads of the machine",
            "outcome",
            faults,
        )
    }

    fn histogram<'a>(
        &mut self,
        name: &str,
        help: &str,
        label: &'static str,
        rows: impl Iterator<Item = (&'static str, &'a Buckets)>,
    ) -> Result<(), Error> {
        let mut encoder = self.encoder.encode_descriptor(name, help, Some(&Unit::Seconds), MetricType::Histogram)?;
        for (value, buckets) in rows {
            let labels = Labels { row: &[], own: Some((label, value)) };
            let none: Option<&std::collections::HashMap<usize, NoExemplar>> = None;
            let (sum, count, counts) = (buckets.sum_seconds(), buckets.count(), buckets.by_bound());
            labelled(&mut encoder, &labels, |encoder| encoder.encode_histogram(sum, count, &counts, none))?;
        }
        Ok(())
    }

    fn counter(&mut self, name: &str, help: &str, value: u64) -> Result<(), Error> {
        let encoder = self.encoder.encode_descriptor(name, help, None, MetricType::Counter)?;
        ConstCounter::new(value).encode(encoder)
    }

    fn seconds(&mut self, name: &str, help: &str, value: f64) -> Result<(), Error> {
        let encoder = self.encoder.encode_descriptor(name, help, Some(&Unit::Seconds), MetricType::Counter)?;
        ConstCounter::new(value).encode(encoder)
    }

    fn gauge(&mut self, name: &str, help: &str, value: u64) -> Result<(), Error> {
        let encoder = self.encoder.encode_descriptor(name, help, None, MetricType::Gauge)?;
        ConstGauge::new(integer(value)).encode(encoder)
    }

    fn bytes(&mut self, name: &str, help: &str, value: u64) -> Result<(), Error> {
        let encoder = self.encoder.encode_descriptor(name, help, Some(&Unit::Bytes), MetricType::Gauge)?;
        ConstGauge::new(integer(value)).encode(encoder)
    }
}

/// A gauge's value. No machine has 2^63 bytes or processes.
fn integer(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

/// Writes a series with these labels.
fn labelled(
    encoder: &mut MetricEncoder<'_>,
    labels: &Labels<'_>,
    write: impl FnOnce(&mut MetricEncoder<'_>) -> Result<(), Error>,
) -> Result<(), Error> {
    match labels.row.is_empty() && labels.own.is_none() {
        true => write(encoder),
        false => write(&mut encoder.encode_family(labels)?),
    }
}

fn sum<'a>(levels: impl Iterator<Item = &'a Levels>) -> Levels {
    levels.fold(Levels::default(), |sum, levels| Levels {
        resident_pages: sum.resident_pages.saturating_add(levels.resident_pages),
        swapped_pages: sum.swapped_pages.saturating_add(levels.swapped_pages),
    })
}

/// The memory of the living processes of each group, by its index.
fn memory(store: &Store, groups: &Groups, of: impl Fn(&Process) -> Option<crate::group::GroupId>) -> Vec<Levels> {
    let mut all = vec![Levels::default(); groups.len()];
    for process in store.living() {
        if let Some(levels) = of(process).and_then(|id| all.get_mut(id.index())) {
            *levels = sum([&*levels, &process.levels].into_iter());
        }
    }
    all
}

fn groups<'a>(groups: &'a Groups, memory: &[Levels]) -> Vec<Row<'a>> {
    let row = |(id, group): (crate::group::GroupId, &'a Group)| Row {
        labels: &group.labels,
        totals: &group.totals,
        counted: group.counted.unwrap_or_default(),
        levels: memory.get(id.index()).copied().unwrap_or_default(),
        size: group.live,
    };
    groups.iter().map(row).collect()
}

// SPDX-License-Identifier: GPL-2.0

//! A recording as a trace for Perfetto's UI and trace_processor.
//!
//! Switches and wake-ups go into `compact_sched`, which trace_processor takes as differences from the switch before on the same
//! CPU: it drops the first of each CPU and the wake-ups before it. So each CPU begins, and goes on after a loss, with events
//! in full.

pub mod proto;

use crate::view::watch::printable;
use abi::events::{Context as WakeContext, Event, State as TaskState, Switch, Waking};
use abi::samples::{SampleRecord, SAMPLE_WORDS};
use anyhow::Context;
use rustc_hash::{FxHashMap, FxHashSet};
use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::Path;
use trace::event::{Timed, What};
use trace::fact::Fact;
use trace::recording::Header;
use trace::state::State;
use trace::task::{Comm, TaskId};

/// `BUILTIN_CLOCK_*`.
const REALTIME: u32 = 1;
const BOOTTIME: u32 = 6;
/// `TRACE_FLAG_HARDIRQ` and `TRACE_FLAG_SOFTIRQ` of ftrace.
const FLAG_HARDIRQ: u32 = 0x08;
const FLAG_SOFTIRQ: u32 = 0x10;
/// ftrace's state of a thread that was preempted.
const PREEMPTED: i64 = 0x100;
/// The sequence that all packets belong to.
const SEQUENCE: u32 = 1;
/// `TrackEvent.Type.TYPE_COUNTER`.
const COUNTER: i32 = 4;
/// Events of a bundle.
const BUNDLE_EVENTS: usize = 4_096;

/// The numbers of the states in ftrace's sched_switch.
fn state_number(switch: &Switch) -> i64 {
    if switch.still_runnable() {
        return if switch.flags.contains(abi::events::SwitchFlags::PREEMPTED) { PREEMPTED } else { 0 };
    }
    match switch.state {
        TaskState::Running => 0,
        TaskState::Sleeping => 0x01,
        TaskState::Uninterruptible | TaskState::Other => 0x02,
        TaskState::Stopped => 0x04,
        TaskState::Traced => 0x08,
        TaskState::Dead => 0x10,
        TaskState::Zombie => 0x20,
        TaskState::Parked => 0x40,
        TaskState::Idle => 0x80,
    }
}

/// Events of one CPU that are not written yet.
#[derive(Default)]
struct Pending {
    bundle: proto::Bundle,
    compact: proto::CompactSched,
    names: FxHashMap<Comm, u32>,
    switch_ns: u64,
    waking_ns: u64,
    /// A switch in full has been written since the beginning or the last loss.
    goes_on: bool,
    lost: bool,
}

impl Pending {
    fn name(&mut self, comm: Comm) -> u32 {
        let table = &mut self.compact.intern_table;
        *self.names.entry(comm).or_insert_with(|| {
            table.push(comm.to_string());
            table.len() as u32 - 1
        })
    }

    fn len(&self) -> usize {
        self.bundle.event.len() + self.compact.switch_timestamp.len() + self.compact.waking_timestamp.len()
    }
}

/// Writes a trace.
pub struct Exporter<W> {
    to: W,
    state: State,
    facts: Vec<Fact>,
    cpus: Vec<Pending>,
    tree: (u64, proto::ProcessTree),
    /// A new thread whose name comes next.
    newborn: FxHashMap<u32, (u32, u64)>,
    tracks: FxHashSet<u64>,
    monotonic_behind_ns: u64,
}

impl<W: Write> Exporter<W> {
    /// Begins a trace of a recording with this header.
    ///
    /// # Errors
    ///
    /// `to` cannot be written.
    pub fn new(to: W, header: &Header) -> io::Result<Self> {
        let mut exporter = Exporter {
            to,
            state: State::new(),
            facts: vec![],
            cpus: vec![],
            tree: (0, proto::ProcessTree::default()),
            newborn: FxHashMap::default(),
            tracks: FxHashSet::default(),
            monotonic_behind_ns: header.monotonic_behind_ns,
        };
        let clock = |id, ns| proto::Clock { clock_id: Some(id), timestamp: Some(ns) };
        exporter.packet(proto::Packet {
            clock_snapshot: Some(proto::ClockSnapshot {
                clocks: vec![clock(BOOTTIME, header.start_boottime_ns), clock(REALTIME, header.start_realtime_ns)],
                primary_trace_clock: Some(BOOTTIME),
            }),
            ..proto::Packet::default()
        })?;
        exporter.packet(proto::Packet {
            system_info: Some(proto::SystemInfo {
                utsname: Some(proto::Utsname {
                    sysname: Some("Linux".into()),
                    release: Some(header.kernel.clone()),
                    machine: Some(header.machine.clone()),
                }),
            }),
            ..proto::Packet::default()
        })?;
        Ok(exporter)
    }

    fn packet(&mut self, packet: proto::Packet) -> io::Result<()> {
        let packet = proto::Packet { trusted_packet_sequence_id: Some(SEQUENCE), ..packet };
        let mut bytes = vec![];
        // Field 1 of `Trace`, a message.
        prost::encoding::message::encode(1, &packet, &mut bytes);
        self.to.write_all(&bytes)
    }

    /// Adds a track of another's events.
    ///
    /// # Errors
    ///
    /// The trace cannot be written.
    pub fn track(&mut self, track: proto::TrackDescriptor) -> io::Result<()> {
        self.packet(proto::Packet { track_descriptor: Some(track), ..proto::Packet::default() })
    }

    /// Adds an event to such a track; the time is CLOCK_BOOTTIME, ns.
    ///
    /// # Errors
    ///
    /// The trace cannot be written.
    pub fn track_event(&mut self, ns: u64, event: proto::TrackEvent) -> io::Result<()> {
        self.packet(proto::Packet {
            timestamp: Some(ns),
            timestamp_clock_id: Some(BOOTTIME),
            track_event: Some(event),
            ..proto::Packet::default()
        })
    }

    /// What was known when the recording began.
    pub fn begin(&mut self, state: State) {
        let names: Vec<_> = state
            .threads()
            .filter(|thread| !thread.id.is_idle())
            .map(|thread| {
                let parent = state.process(thread.group()).map_or(0, |process| process.parent);
                (thread.id.pid(), thread.group(), parent, thread.name().to_string())
            })
            .collect();
        self.tree.0 = state.now;
        for (tid, tgid, parent, name) in names {
            self.known(tid, tgid, parent, name);
        }
        self.state = state;
    }

    fn known(&mut self, tid: u32, tgid: u32, parent: u32, name: String) {
        if tid == tgid {
            self.tree.1.processes.push(proto::Process {
                pid: Some(tgid as i32),
                ppid: Some(parent as i32),
                cmdline: vec![name.clone()],
            });
        }
        let thread = proto::Thread { tid: Some(tid as i32), tgid: Some(tgid as i32), name: Some(name) };
        self.tree.1.threads.push(thread);
    }

    fn flush_tree(&mut self) -> io::Result<()> {
        let (ns, tree) = std::mem::take(&mut self.tree);
        if tree.threads.is_empty() && tree.processes.is_empty() {
            return Ok(());
        }
        self.packet(proto::Packet { timestamp: Some(ns), process_tree: Some(tree), ..proto::Packet::default() })
    }

    fn cpu(&mut self, cpu: u32) -> &mut Pending {
        let cpu = cpu as usize;
        if self.cpus.len() <= cpu {
            self.cpus.resize_with(cpu + 1, Pending::default);
        }
        &mut self.cpus[cpu]
    }

    fn flush_cpu(&mut self, cpu: u32) -> io::Result<()> {
        let pending = self.cpu(cpu);
        if pending.len() == 0 && !pending.lost {
            return Ok(());
        }
        let goes_on = pending.goes_on;
        let Pending { mut bundle, compact, lost, .. } =
            std::mem::replace(pending, Pending { goes_on, ..Pending::default() });
        bundle.cpu = Some(cpu);
        bundle.lost_events = lost.then_some(true);
        bundle.compact_sched = (!compact.intern_table.is_empty()).then_some(compact);
        self.packet(proto::Packet { ftrace_events: Some(bundle), ..proto::Packet::default() })
    }

    fn ftrace(&mut self, timed: &Timed, event: proto::FtraceEvent) {
        let current = self.state.cpus().get(timed.cpu as usize).and_then(|cpu| cpu.current).map_or(0, TaskId::pid);
        let pid = event.pid.or(Some(current));
        let event = proto::FtraceEvent { timestamp: Some(timed.ns), pid, ..event };
        self.cpu(timed.cpu).bundle.event.push(event);
    }

    fn switch(&mut self, timed: &Timed, switch: &Switch) {
        let (prev, next) = (TaskId::new(switch.prev, timed.cpu), TaskId::new(switch.next, timed.cpu));
        let (prev_name, next_name) = (self.state.name(prev), self.state.name(next));
        let pending = self.cpu(timed.cpu);
        if pending.goes_on {
            let name = pending.name(next_name);
            let compact = &mut pending.compact;
            compact.switch_timestamp.push(timed.ns.saturating_sub(pending.switch_ns));
            compact.switch_prev_state.push(state_number(switch));
            compact.switch_next_pid.push(switch.next as i32);
            compact.switch_next_prio.push(switch.next_prio.0.into());
            compact.switch_next_comm_index.push(name);
            pending.switch_ns = pending.switch_ns.max(timed.ns);
            return;
        }
        pending.goes_on = true;
        let sched_switch = proto::SchedSwitch {
            prev_comm: Some(prev_name.to_string()),
            prev_pid: Some(switch.prev as i32),
            prev_prio: Some(switch.prev_prio.0.into()),
            prev_state: Some(state_number(switch)),
            next_comm: Some(next_name.to_string()),
            next_pid: Some(switch.next as i32),
            next_prio: Some(switch.next_prio.0.into()),
        };
        self.ftrace(
            timed,
            proto::FtraceEvent {
                pid: Some(switch.prev),
                sched_switch: Some(sched_switch),
                ..proto::FtraceEvent::default()
            },
        );
    }

    fn waking(&mut self, timed: &Timed, waking: &Waking) {
        let name = self.state.name(TaskId::new(waking.wakee, timed.cpu));
        let flags = match waking.context {
            WakeContext::Task => 0,
            WakeContext::SoftIrq => FLAG_SOFTIRQ,
            WakeContext::HardIrq | WakeContext::Nmi => FLAG_HARDIRQ,
        };
        let pending = self.cpu(timed.cpu);
        if pending.goes_on {
            let name = pending.name(name);
            let compact = &mut pending.compact;
            compact.waking_timestamp.push(timed.ns.saturating_sub(pending.waking_ns));
            compact.waking_pid.push(waking.wakee as i32);
            compact.waking_target_cpu.push(waking.previous_cpu.into());
            compact.waking_prio.push(waking.wakee_prio.0.into());
            compact.waking_comm_index.push(name);
            compact.waking_common_flags.push(flags);
            pending.waking_ns = pending.waking_ns.max(timed.ns);
            return;
        }
        let sched_waking = proto::SchedWaking {
            comm: Some(name.to_string()),
            pid: Some(waking.wakee as i32),
            prio: Some(waking.wakee_prio.0.into()),
            success: Some(1),
            target_cpu: Some(waking.previous_cpu.into()),
        };
        self.ftrace(
            timed,
            proto::FtraceEvent {
                pid: Some(waking.waker),
                common_flags: Some(flags),
                sched_waking: Some(sched_waking),
                ..proto::FtraceEvent::default()
            },
        );
    }

    /// Ends the threads that have ended. A process ends with its leader, so the leader's end waits for the last thread.
    fn end_threads(&mut self, timed: &Timed) {
        let mut ended = vec![];
        for fact in &self.facts {
            let Fact::Ended(fact) = fact else { continue };
            let Some(thread) = self.state.thread(fact.task) else { continue };
            let group = thread.group();
            let is_last = self.state.process(group).is_none_or(|process| process.threads <= 1);
            if thread.id.pid() != group {
                ended.push((thread.id.pid(), thread.name()));
            }
            if is_last {
                let leader =
                    self.state.thread(TaskId::new(group, timed.cpu)).map_or(thread.name(), |leader| leader.name());
                ended.push((group, leader));
            }
        }
        for (pid, name) in ended {
            let free = proto::SchedProcessFree { comm: Some(name.to_string()), pid: Some(pid as i32), prio: Some(120) };
            let sched_process_free = Some(free);
            self.ftrace(timed, proto::FtraceEvent { sched_process_free, ..proto::FtraceEvent::default() });
        }
    }

    /// Writes the next event.
    ///
    /// # Errors
    ///
    /// The trace cannot be written.
    pub fn push(&mut self, timed: &Timed) -> io::Result<()> {
        // A snapshot tells names that are known; only a new one is an event.
        let is_renamed = match &timed.what {
            What::Event(Event::Name(name)) => {
                let id = TaskId::new(name.tid, timed.cpu);
                self.state.thread(id).is_some_and(|thread| thread.comm != Comm::new(&name.comm))
            }
            _ => false,
        };
        self.facts.clear();
        self.state.apply(timed, &mut self.facts);
        match &timed.what {
            What::Event(Event::Switch(switch)) => self.switch(timed, switch),
            What::Event(Event::Waking(waking)) => self.waking(timed, waking),
            What::Event(Event::NewTask(new)) => {
                self.newborn.insert(new.tid, (new.parent, new.clone_flags));
            }
            What::Event(Event::Name(name)) => {
                let (pid, comm) = (Some(name.tid as i32), Some(Comm::new(&name.comm).to_string()));
                if let Some((parent, clone_flags)) = self.newborn.remove(&name.tid) {
                    let task_newtask = Some(proto::TaskNewtask { pid, comm, clone_flags: Some(clone_flags) });
                    let pid = Some(parent);
                    self.ftrace(timed, proto::FtraceEvent { pid, task_newtask, ..proto::FtraceEvent::default() });
                } else if is_renamed {
                    let task_rename = Some(proto::TaskRename { pid, newcomm: comm });
                    self.ftrace(timed, proto::FtraceEvent { task_rename, ..proto::FtraceEvent::default() });
                }
            }
            What::Event(Event::Task(task)) => {
                self.tree.0 = timed.ns;
                let name = self.state.name(TaskId::new(task.tid, timed.cpu)).to_string();
                self.known(task.tid, task.tgid, task.parent_tgid, name);
            }
            What::Event(Event::SnapshotEnd(_)) => self.flush_tree()?,
            What::Path(path) => {
                let parent = self.state.process(path.tid).map_or(0, |process| process.parent);
                let process = proto::Process {
                    pid: Some(path.tid as i32),
                    ppid: Some(parent as i32),
                    cmdline: vec![printable(&path.path)],
                };
                self.packet(proto::Packet {
                    timestamp: Some(timed.ns),
                    process_tree: Some(proto::ProcessTree { processes: vec![process], threads: vec![] }),
                    ..proto::Packet::default()
                })?;
            }
            What::Lost(_) => {
                self.flush_cpu(timed.cpu)?;
                let pending = self.cpu(timed.cpu);
                (pending.lost, pending.goes_on) = (true, false);
            }
            _ => {}
        }
        self.end_threads(timed);
        if self.cpu(timed.cpu).len() >= BUNDLE_EVENTS {
            self.flush_cpu(timed.cpu)?;
        }
        Ok(())
    }

    /// Writes a sample of a registered process as values of its counters.
    ///
    /// # Errors
    ///
    /// The trace cannot be written.
    pub fn push_sample(&mut self, words: &[u64; SAMPLE_WORDS]) -> io::Result<()> {
        let sample = SampleRecord::from_words(words);
        let pid = sample.pid as u64;
        let process = 1 << 40 | pid << 8;
        if self.tracks.insert(process) {
            self.packet(proto::Packet {
                track_descriptor: Some(proto::TrackDescriptor {
                    uuid: Some(process),
                    process: Some(proto::ProcessDescriptor { pid: Some(sample.pid) }),
                    ..proto::TrackDescriptor::default()
                }),
                ..proto::Packet::default()
            })?;
        }
        let totals = sample.totals;
        let cpu_ns = totals.user_ns.saturating_add(totals.system_ns);
        let counters = [
            ("minor faults", 2, totals.minor_faults),
            ("major faults", 2, totals.major_faults),
            ("CPU time", 1, cpu_ns),
        ];
        for (n, (name, unit, value)) in counters.into_iter().enumerate() {
            let track = process | (n as u64 + 1);
            if self.tracks.insert(track) {
                self.packet(proto::Packet {
                    track_descriptor: Some(proto::TrackDescriptor {
                        uuid: Some(track),
                        name: Some(name.into()),
                        parent_uuid: Some(process),
                        counter: Some(proto::CounterDescriptor { unit: Some(unit) }),
                        ..proto::TrackDescriptor::default()
                    }),
                    ..proto::Packet::default()
                })?;
            }
            self.packet(proto::Packet {
                timestamp: Some(sample.time_ns.saturating_add(self.monotonic_behind_ns)),
                timestamp_clock_id: Some(BOOTTIME),
                track_event: Some(proto::TrackEvent {
                    kind: Some(COUNTER),
                    track_uuid: Some(track),
                    counter_value: Some(i64::try_from(value).unwrap_or(i64::MAX)),
                    ..proto::TrackEvent::default()
                }),
                ..proto::Packet::default()
            })?;
        }
        Ok(())
    }

    /// Writes what is left.
    ///
    /// # Errors
    ///
    /// The trace cannot be written.
    pub fn finish(mut self) -> io::Result<W> {
        self.flush_tree()?;
        for cpu in 0..self.cpus.len() as u32 {
            self.flush_cpu(cpu)?;
        }
        self.to.flush()?;
        Ok(self.to)
    }
}

/// Writes the recording `from` as a trace to `to`.
///
/// # Errors
///
/// One of the files cannot be read or written.
pub fn export(from: &Path, to: &Path) -> anyhow::Result<()> {
    let mut reader = trace::recording::open(from)?;
    let failed = || to.display().to_string();
    let file = BufWriter::new(File::create(to).with_context(failed)?);
    let mut exporter = Exporter::new(file, reader.header()).with_context(failed)?;
    let mut is_first = true;
    while let Some(chunk) = reader.next_chunk().with_context(|| from.display().to_string())? {
        if std::mem::take(&mut is_first) {
            exporter.begin(chunk.checkpoint);
        }
        for timed in &chunk.events {
            exporter.push(timed).with_context(failed)?;
        }
        for words in chunk.samples.chunks_exact(SAMPLE_WORDS) {
            let mut sample = [0; SAMPLE_WORDS];
            sample.copy_from_slice(words);
            exporter.push_sample(&sample).with_context(failed)?;
        }
    }
    exporter.finish().with_context(failed)?;
    if let Some(end) = reader.ending() {
        eprintln!("sched: {}: {end}", from.display());
    }
    Ok(())
}

// SPDX-License-Identifier: GPL-2.0

//! A recording as a trace for Perfetto's UI and trace_processor.
//!
//! Switches and wake-ups go into `compact_sched`, which trace_processor takes as differences from the switch before on the same
//! CPU: it drops the first of each CPU and the wake-ups before it. So each CPU begins, and goes on after a loss, with events
//! in full.

mod counters;
mod cpu;
pub mod proto;

use crate::view::watch::printable;
use abi::events::Event;
use abi::samples::SAMPLE_WORDS;
use anyhow::Context;
use counters::Counters;
use cpu::CpuEvents;
use rustc_hash::FxHashMap;
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
/// The sequence that all packets belong to.
const SEQUENCE: u32 = 1;
/// Events of a bundle.
const BUNDLE_EVENTS: usize = 4_096;

/// Writes a trace.
pub struct Exporter<W> {
    to: W,
    state: State,
    facts: Vec<Fact>,
    cpus: Vec<CpuEvents>,
    tree: (u64, proto::ProcessTree),
    /// A new thread whose name comes next.
    newborn: FxHashMap<u32, (u32, u64)>,
    counters: Counters,
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
            counters: Counters::default(),
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

    fn cpu(&mut self, cpu: u32) -> &mut CpuEvents {
        let cpu = cpu as usize;
        if self.cpus.len() <= cpu {
            self.cpus.resize_with(cpu + 1, CpuEvents::default);
        }
        &mut self.cpus[cpu]
    }

    fn flush_cpu(&mut self, cpu: u32) -> io::Result<()> {
        match self.cpu(cpu).bundle(cpu) {
            Some(bundle) => self.packet(proto::Packet { ftrace_events: Some(bundle), ..proto::Packet::default() }),
            None => Ok(()),
        }
    }

    /// Adds an event in full, of the thread that has the CPU.
    fn ftrace(&mut self, timed: &Timed, event: proto::FtraceEvent) {
        let current = self.state.cpus().get(timed.cpu as usize).and_then(|cpu| cpu.current).map_or(0, TaskId::pid);
        self.cpu(timed.cpu).push(timed.ns, current, event);
    }

    fn name(&self, timed: &Timed, tid: u32) -> Comm {
        self.state.name(TaskId::new(tid, timed.cpu))
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
            What::Event(Event::Switch(switch)) => {
                let (prev, next) = (self.name(timed, switch.prev), self.name(timed, switch.next));
                self.cpu(timed.cpu).switch(timed.ns, switch, prev, next);
            }
            What::Event(Event::Waking(waking)) => {
                let wakee = self.name(timed, waking.wakee);
                self.cpu(timed.cpu).waking(timed.ns, waking, wakee);
            }
            What::Event(Event::NewTask(new)) => {
                self.newborn.insert(new.tid, (new.parent, new.clone_flags));
            }
            What::Event(Event::Name(name)) => {
                let (pid, comm) = (Some(name.tid as i32), Some(Comm::new(&name.comm).to_string()));
                if let Some((parent, clone_flags)) = self.newborn.remove(&name.tid) {
                    let task_newtask = Some(proto::TaskNewtask { pid, comm, clone_flags: Some(clone_flags) });
                    let event = proto::FtraceEvent { task_newtask, ..proto::FtraceEvent::default() };
                    self.cpu(timed.cpu).push(timed.ns, parent, event);
                } else if is_renamed {
                    let task_rename = Some(proto::TaskRename { pid, newcomm: comm });
                    self.ftrace(timed, proto::FtraceEvent { task_rename, ..proto::FtraceEvent::default() });
                }
            }
            What::Event(Event::Task(task)) => {
                self.tree.0 = timed.ns;
                let name = self.name(timed, task.tid).to_string();
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
                self.cpu(timed.cpu).lose();
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
        let packets = self.counters.packets(words, self.monotonic_behind_ns);
        packets.into_iter().try_for_each(|packet| self.packet(packet))
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

// SPDX-License-Identifier: GPL-2.0

//! The part of Perfetto's trace format that is written: messages and field numbers of `protos/perfetto/trace/`.

use prost::Message;

/// `TracePacket`.
#[derive(Clone, PartialEq, Message)]
pub struct Packet {
    /// Events of one CPU.
    #[prost(message, optional, tag = "1")]
    pub ftrace_events: Option<Bundle>,
    /// Names.
    #[prost(message, optional, tag = "2")]
    pub process_tree: Option<ProcessTree>,
    /// What the clocks say at one instant.
    #[prost(message, optional, tag = "6")]
    pub clock_snapshot: Option<ClockSnapshot>,
    /// ns.
    #[prost(uint64, optional, tag = "8")]
    pub timestamp: Option<u64>,
    /// Who wrote it.
    #[prost(uint32, optional, tag = "10")]
    pub trusted_packet_sequence_id: Option<u32>,
    /// A counter's value.
    #[prost(message, optional, tag = "11")]
    pub track_event: Option<TrackEvent>,
    /// The machine.
    #[prost(message, optional, tag = "45")]
    pub system_info: Option<SystemInfo>,
    /// The clock of `timestamp`.
    #[prost(uint32, optional, tag = "58")]
    pub timestamp_clock_id: Option<u32>,
    /// A track.
    #[prost(message, optional, tag = "60")]
    pub track_descriptor: Option<TrackDescriptor>,
}

/// `FtraceEventBundle`.
#[derive(Clone, PartialEq, Message)]
pub struct Bundle {
    /// Whose events.
    #[prost(uint32, optional, tag = "1")]
    pub cpu: Option<u32>,
    /// All but what is in `compact_sched`.
    #[prost(message, repeated, tag = "2")]
    pub event: Vec<FtraceEvent>,
    /// Events are missing before these.
    #[prost(bool, optional, tag = "3")]
    pub lost_events: Option<bool>,
    /// Switches and wake-ups.
    #[prost(message, optional, tag = "4")]
    pub compact_sched: Option<CompactSched>,
}

/// `FtraceEventBundle.CompactSched`: times are differences from the one before.
#[derive(Clone, PartialEq, Message)]
pub struct CompactSched {
    /// Times of switches.
    #[prost(uint64, repeated, tag = "1")]
    pub switch_timestamp: Vec<u64>,
    /// In what state the thread left.
    #[prost(int64, repeated, tag = "2")]
    pub switch_prev_state: Vec<i64>,
    /// Who came.
    #[prost(int32, repeated, tag = "3")]
    pub switch_next_pid: Vec<i32>,
    /// Its priority.
    #[prost(int32, repeated, tag = "4")]
    pub switch_next_prio: Vec<i32>,
    /// Names.
    #[prost(string, repeated, tag = "5")]
    pub intern_table: Vec<String>,
    /// Its name.
    #[prost(uint32, repeated, tag = "6")]
    pub switch_next_comm_index: Vec<u32>,
    /// Times of wake-ups.
    #[prost(uint64, repeated, tag = "7")]
    pub waking_timestamp: Vec<u64>,
    /// Who is woken.
    #[prost(int32, repeated, tag = "8")]
    pub waking_pid: Vec<i32>,
    /// Where it ran last.
    #[prost(int32, repeated, tag = "9")]
    pub waking_target_cpu: Vec<i32>,
    /// Its priority.
    #[prost(int32, repeated, tag = "10")]
    pub waking_prio: Vec<i32>,
    /// Its name.
    #[prost(uint32, repeated, tag = "11")]
    pub waking_comm_index: Vec<u32>,
    /// Interrupt or task.
    #[prost(uint32, repeated, tag = "12")]
    pub waking_common_flags: Vec<u32>,
}

/// `FtraceEvent`.
#[derive(Clone, PartialEq, Message)]
pub struct FtraceEvent {
    /// ns.
    #[prost(uint64, optional, tag = "1")]
    pub timestamp: Option<u64>,
    /// The current thread.
    #[prost(uint32, optional, tag = "2")]
    pub pid: Option<u32>,
    /// Interrupt or task.
    #[prost(uint32, optional, tag = "5")]
    pub common_flags: Option<u32>,
    /// A switch.
    #[prost(message, optional, tag = "4")]
    pub sched_switch: Option<SchedSwitch>,
    /// A wake-up.
    #[prost(message, optional, tag = "20")]
    pub sched_waking: Option<SchedWaking>,
    /// A new thread.
    #[prost(message, optional, tag = "235")]
    pub task_newtask: Option<TaskNewtask>,
    /// A new name.
    #[prost(message, optional, tag = "236")]
    pub task_rename: Option<TaskRename>,
    /// The end of a thread.
    #[prost(message, optional, tag = "240")]
    pub sched_process_free: Option<SchedProcessFree>,
}

/// `SchedSwitchFtraceEvent`.
#[derive(Clone, PartialEq, Message)]
pub struct SchedSwitch {
    /// Name of the thread that leaves.
    #[prost(string, optional, tag = "1")]
    pub prev_comm: Option<String>,
    /// The thread that leaves.
    #[prost(int32, optional, tag = "2")]
    pub prev_pid: Option<i32>,
    /// Its priority.
    #[prost(int32, optional, tag = "3")]
    pub prev_prio: Option<i32>,
    /// Its state.
    #[prost(int64, optional, tag = "4")]
    pub prev_state: Option<i64>,
    /// Name of the thread that comes.
    #[prost(string, optional, tag = "5")]
    pub next_comm: Option<String>,
    /// The thread that comes.
    #[prost(int32, optional, tag = "6")]
    pub next_pid: Option<i32>,
    /// Its priority.
    #[prost(int32, optional, tag = "7")]
    pub next_prio: Option<i32>,
}

/// `SchedWakingFtraceEvent`.
#[derive(Clone, PartialEq, Message)]
pub struct SchedWaking {
    /// Name of the thread.
    #[prost(string, optional, tag = "1")]
    pub comm: Option<String>,
    /// The thread.
    #[prost(int32, optional, tag = "2")]
    pub pid: Option<i32>,
    /// Its priority.
    #[prost(int32, optional, tag = "3")]
    pub prio: Option<i32>,
    /// 1.
    #[prost(int32, optional, tag = "4")]
    pub success: Option<i32>,
    /// Where it ran last.
    #[prost(int32, optional, tag = "5")]
    pub target_cpu: Option<i32>,
}

/// `TaskNewtaskFtraceEvent`.
#[derive(Clone, PartialEq, Message)]
pub struct TaskNewtask {
    /// The new thread.
    #[prost(int32, optional, tag = "1")]
    pub pid: Option<i32>,
    /// Its name.
    #[prost(string, optional, tag = "2")]
    pub comm: Option<String>,
    /// `CLONE_*`.
    #[prost(uint64, optional, tag = "3")]
    pub clone_flags: Option<u64>,
}

/// `TaskRenameFtraceEvent`.
#[derive(Clone, PartialEq, Message)]
pub struct TaskRename {
    /// The thread.
    #[prost(int32, optional, tag = "1")]
    pub pid: Option<i32>,
    /// Its name from now on.
    #[prost(string, optional, tag = "3")]
    pub newcomm: Option<String>,
}

/// `SchedProcessFreeFtraceEvent`.
#[derive(Clone, PartialEq, Message)]
pub struct SchedProcessFree {
    /// Name of the thread.
    #[prost(string, optional, tag = "1")]
    pub comm: Option<String>,
    /// The thread.
    #[prost(int32, optional, tag = "2")]
    pub pid: Option<i32>,
    /// Its priority.
    #[prost(int32, optional, tag = "3")]
    pub prio: Option<i32>,
}

/// `ProcessTree`.
#[derive(Clone, PartialEq, Message)]
pub struct ProcessTree {
    /// Processes.
    #[prost(message, repeated, tag = "1")]
    pub processes: Vec<Process>,
    /// Threads.
    #[prost(message, repeated, tag = "2")]
    pub threads: Vec<Thread>,
}

/// `ProcessTree.Process`.
#[derive(Clone, PartialEq, Message)]
pub struct Process {
    /// Its PID.
    #[prost(int32, optional, tag = "1")]
    pub pid: Option<i32>,
    /// Its parent's.
    #[prost(int32, optional, tag = "2")]
    pub ppid: Option<i32>,
    /// Its name.
    #[prost(string, repeated, tag = "3")]
    pub cmdline: Vec<String>,
}

/// `ProcessTree.Thread`.
#[derive(Clone, PartialEq, Message)]
pub struct Thread {
    /// Its PID.
    #[prost(int32, optional, tag = "1")]
    pub tid: Option<i32>,
    /// Its name.
    #[prost(string, optional, tag = "2")]
    pub name: Option<String>,
    /// Its process.
    #[prost(int32, optional, tag = "3")]
    pub tgid: Option<i32>,
}

/// `ClockSnapshot`.
#[derive(Clone, PartialEq, Message)]
pub struct ClockSnapshot {
    /// The clocks.
    #[prost(message, repeated, tag = "1")]
    pub clocks: Vec<Clock>,
    /// The clock of the trace.
    #[prost(uint32, optional, tag = "2")]
    pub primary_trace_clock: Option<u32>,
}

/// `ClockSnapshot.Clock`.
#[derive(Clone, PartialEq, Message)]
pub struct Clock {
    /// Which clock.
    #[prost(uint32, optional, tag = "1")]
    pub clock_id: Option<u32>,
    /// ns.
    #[prost(uint64, optional, tag = "2")]
    pub timestamp: Option<u64>,
}

/// `SystemInfo`.
#[derive(Clone, PartialEq, Message)]
pub struct SystemInfo {
    /// uname(2).
    #[prost(message, optional, tag = "1")]
    pub utsname: Option<Utsname>,
}

/// `Utsname`.
#[derive(Clone, PartialEq, Message)]
pub struct Utsname {
    /// Linux.
    #[prost(string, optional, tag = "1")]
    pub sysname: Option<String>,
    /// Says how states are numbered.
    #[prost(string, optional, tag = "3")]
    pub release: Option<String>,
    /// The architecture.
    #[prost(string, optional, tag = "4")]
    pub machine: Option<String>,
}

/// `TrackDescriptor`.
#[derive(Clone, PartialEq, Message)]
pub struct TrackDescriptor {
    /// Its number.
    #[prost(uint64, optional, tag = "1")]
    pub uuid: Option<u64>,
    /// Its name.
    #[prost(string, optional, tag = "2")]
    pub name: Option<String>,
    /// A process's track.
    #[prost(message, optional, tag = "3")]
    pub process: Option<ProcessDescriptor>,
    /// A thread's track.
    #[prost(message, optional, tag = "4")]
    pub thread: Option<ThreadDescriptor>,
    /// The track below which it is.
    #[prost(uint64, optional, tag = "5")]
    pub parent_uuid: Option<u64>,
    /// A counter's track.
    #[prost(message, optional, tag = "8")]
    pub counter: Option<CounterDescriptor>,
}

/// `ProcessDescriptor`.
#[derive(Clone, PartialEq, Message)]
pub struct ProcessDescriptor {
    /// Its PID.
    #[prost(int32, optional, tag = "1")]
    pub pid: Option<i32>,
}

/// `ThreadDescriptor`.
#[derive(Clone, PartialEq, Message)]
pub struct ThreadDescriptor {
    /// Its process.
    #[prost(int32, optional, tag = "1")]
    pub pid: Option<i32>,
    /// Its PID.
    #[prost(int32, optional, tag = "2")]
    pub tid: Option<i32>,
}

/// `CounterDescriptor`.
#[derive(Clone, PartialEq, Message)]
pub struct CounterDescriptor {
    /// 1: ns, 2: a count.
    #[prost(int32, optional, tag = "3")]
    pub unit: Option<i32>,
}

/// `TrackEvent`.
#[derive(Clone, PartialEq, Message)]
pub struct TrackEvent {
    /// What else is known of a slice.
    #[prost(message, repeated, tag = "4")]
    pub debug_annotations: Vec<DebugAnnotation>,
    /// 1: a slice begins, 2: it ends, 4: a counter's value.
    #[prost(int32, optional, tag = "9")]
    pub kind: Option<i32>,
    /// Its track.
    #[prost(uint64, optional, tag = "11")]
    pub track_uuid: Option<u64>,
    /// What a slice is called.
    #[prost(string, optional, tag = "23")]
    pub name: Option<String>,
    /// The value.
    #[prost(int64, optional, tag = "30")]
    pub counter_value: Option<i64>,
}

/// `DebugAnnotation`.
#[derive(Clone, PartialEq, Message)]
pub struct DebugAnnotation {
    /// What it says.
    #[prost(string, optional, tag = "6")]
    pub string_value: Option<String>,
    /// What it is called.
    #[prost(string, optional, tag = "10")]
    pub name: Option<String>,
}

/// Something that is known of a slice.
pub fn annotation(name: &str, value: impl Into<String>) -> DebugAnnotation {
    DebugAnnotation { name: Some(name.into()), string_value: Some(value.into()) }
}

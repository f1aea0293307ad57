// SPDX-License-Identifier: GPL-2.0

//! The tracer: events of the scheduler, in a ring per CPU.
//!
//! ```text
//! tracepoints.c  probes, thin, checked by the compiler   } on every CPU, in the scheduler:
//!   -> encode    from the kernel's structures to records } a crate of its own, that cannot panic
//!        -> recorder   a CPU's ring and what its probes remember
//!        -> filter     a bit per thread group
//!
//! chardev  START, STOP, SNAPSHOT, mmap, poll
//!   -> Session   what an open file has started                  } in process context,
//!        -> probes    which are registered                      } under one mutex
//!        -> faults    those of page faults (fault.c, fault_records)
//!        -> rings     the memory; CPU hotplug                   }
//!        -> snapshot, threads   what every thread is and has counted
//! ```
//!
//! While no session is there, no probe is registered and no memory is held.
//!
//! Lock order: the tracer's mutex, the lock of CPU hotplug, the mutex of tracepoints. `mmap` is called with the lock of its
//! address space held. The kernel takes that one with locks of perf's held, and those while a CPU comes, so `mmap` must not
//! wait for CPU hotplug: it takes a mutex of its own, with which neither CPU hotplug is called nor user memory touched.

mod errno;
mod faults;
mod ffi;
mod filter;
mod layout;
mod probes;
mod recorder;
mod rings;
mod snapshot;
mod threads;

use crate::abi::events::ioctl::{
    TraceSnapshot, TraceStart, FILTER_FOLLOW, FILTER_NAME, FILTER_PIDS, MODE_DISCARD, MODE_OVERWRITE, PIDS_MAX,
    RING_RECORDS_DEFAULT, RING_RECORDS_MAX, RING_RECORDS_MIN,
};
use crate::abi::events::{Kind, Kinds};
use core::ptr::NonNull;
use core::sync::atomic::{AtomicU64, Ordering};
use errno::{ealready, enodata};
use faults::FaultProbes;
use filter::{Comm, Filter};
use kernel::bindings;
use kernel::fs::File;
use kernel::mm::virt::VmaNew;
use kernel::prelude::*;
use kernel::sync::poll::PollTable;
use kernel::sync::{new_mutex, rcu, Arc, Mutex};
use kernel::transmute::{AsBytes, FromBytes};
use kernel::uaccess::{UserPtr, UserSlice};
use probes::Probes;
use rings::{Plan, Rings};
use threads::Thread;

// What this object was compiled with is what `encode` was: see `layout`. The section is not kept in the module.
core::arch::global_asm!(".pushsection .discard.mp3", ".quad mp3_layout_{0}", ".popsection", const layout::SOURCES);

/// The one tracer of the loaded module.
#[pin_data]
pub(crate) struct Tracer {
    #[pin]
    state: Mutex<State>,
    /// The rings that can be mapped, for as long as there are any. Taken for a short time, also with `state` held; the last
    /// reference is not dropped with it held.
    #[pin]
    mappable: Mutex<Option<Arc<Rings>>>,
    /// Files that were opened so far.
    files: AtomicU64,
}

/// What the mutex guards.
struct State {
    /// The sessions, and what they share. `None` while there is none.
    ///
    /// Dropped in this order: the probes are gone before the rings go.
    recording: Option<Recording>,
    /// Sets of rings so far.
    sets: u64,
}

/// What the sessions share.
struct Recording {
    faults: FaultProbes,
    probes: Probes,
    rings: Arc<Rings>,
    sessions: KVec<Active>,
}

/// A session.
struct Active {
    /// The file that started it.
    file: u64,
    kinds: Kinds,
    owner: Owner,
}

/// The process that has started a session.
///
/// # Invariants
///
/// The pointer is NULL or this value owns a reference to the `struct pid`.
struct Owner(*mut bindings::pid);

// SAFETY: `struct pid` is refcounted and may be used from any thread.
unsafe impl Send for Owner {}

impl Owner {
    fn current() -> Self {
        // SAFETY: The current task is valid; returns NULL or a reference, which is ours.
        // INVARIANT: As it says.
        Owner(unsafe { bindings::get_task_pid(bindings::get_current(), bindings::pid_type_PIDTYPE_TGID) })
    }

    /// Its number in the current task's PID namespace; 0 where it is not seen there.
    fn nr_for_current(&self) -> i32 {
        // SAFETY: By the type invariant; NULL gives 0.
        unsafe { bindings::pid_vnr(self.0) }
    }
}

impl Drop for Owner {
    fn drop(&mut self) {
        // SAFETY: By the type invariant; NULL is allowed.
        unsafe { bindings::put_pid(self.0) };
    }
}

/// What an open file asks for, checked.
struct Request {
    kinds: Kinds,
    mode: u32,
    records: u32,
    watermark: u32,
    filter: Option<Chosen>,
}

/// The processes that a session wants.
struct Chosen {
    groups: KVec<i32>,
    name: Option<Comm>,
    follow: bool,
}

impl Tracer {
    /// A tracer that records nothing.
    pub(crate) fn new() -> Result<Arc<Self>> {
        probes::find();
        Arc::pin_init(
            pin_init!(Tracer {
                state <- new_mutex!(State { recording: None, sets: 0 }, "mp3_tracer"),
                mappable <- new_mutex!(None, "mp3_mappable"),
                files: AtomicU64::new(0),
            }),
            GFP_KERNEL,
        )
    }

    /// Records of `cpu` that readers may have; `None` without a ring.
    pub(crate) fn committed(&self, cpu: u32) -> Option<u64> {
        self.mappable.lock().as_ref()?.committed(cpu)
    }

    /// Has `table` woken when a ring has a watermark's worth of new records, and when the rings end.
    pub(crate) fn wait(&self, file: &File, table: &PollTable<'_>) {
        // `PollTable` is a transparent wrapper of this pointer, and does not give it away.
        // SAFETY: As it says, both have the same layout.
        let table = unsafe { *core::ptr::from_ref(table).cast::<*mut bindings::poll_table_struct>() };
        // SAFETY: The file is open and the table NULL or valid during the call. The queue is part of the module, which an
        // open file holds.
        unsafe { ffi::mp3_trace_poll_wait(file.as_ptr(), table) };
    }

    fn start(&self, file: u64, request: &Request) -> Result<Started, (Error, i32)> {
        let mut state = self.state.lock();
        let state = &mut *state;
        if let Some(recording) = &state.recording {
            if recording.sessions.iter().any(|session| session.file == file) {
                return Err((ealready(), 0));
            }
            // There is at least one session, and only one where it is exclusive.
            if request.mode == MODE_DISCARD || recording.rings.plan().discards {
                let owner = recording.sessions.first().map_or(0, |session| session.owner.nr_for_current());
                return Err((EBUSY, owner));
            }
        }
        let recording = match state.recording.take() {
            Some(recording) => recording,
            None => {
                state.sets = state.sets.saturating_add(1);
                Recording::new(state.sets, request).map_err(|error| (error, 0))?
            }
        };
        let recording = state.recording.insert(recording);
        let started = recording.join(file, request);
        if recording.sessions.is_empty() {
            state.recording = None;
        } else {
            *self.mappable.lock() = Some(recording.rings.clone());
        }
        started.map_err(|error| (error, 0))
    }

    fn stop(&self, file: u64) -> Result {
        let mut state = self.state.lock();
        let recording = state.recording.as_mut().ok_or_else(enodata)?;
        recording.leave(file)?;
        if recording.sessions.is_empty() {
            // First: the rings wait for CPU hotplug when they are dropped.
            *self.mappable.lock() = None;
            state.recording = None;
        }
        Ok(())
    }
}

/// What the caller of START learns.
struct Started {
    boottime_ns: u64,
    records: u32,
    watermark: u32,
    cpus: u32,
}

impl Recording {
    fn new(set: u64, request: &Request) -> Result<Self> {
        let filtered = request.filter.is_some();
        let plan = Plan {
            session: set,
            records: request.records,
            watermark: request.watermark,
            mode: request.mode,
            discards: request.mode == MODE_DISCARD,
            filtered,
        };
        Ok(Recording {
            faults: FaultProbes::default(),
            probes: Probes::new(filtered),
            rings: Rings::new(plan)?,
            sessions: KVec::new(),
        })
    }

    /// What all sessions want.
    fn kinds(&self) -> Kinds {
        self.sessions.iter().fold(Kinds::NONE, |all, session| all.union(session.kinds))
    }

    /// Adds what `request` wants.
    fn join(&mut self, file: u64, request: &Request) -> Result<Started> {
        self.sessions.reserve(1, GFP_KERNEL)?;
        let before = self.kinds();
        let kinds = before.union(request.kinds);
        if let (Some(filter), Some(Chosen { name: Some(name), .. })) = (self.rings.filter(), &request.filter) {
            // Before its probes are there, so that no new process is missed.
            if !filter.add_name(name) {
                return Err(ENOSPC);
            }
        }
        self.probes.add(kinds)?;
        if let Err(error) = self.faults.add(kinds, self.rings.filter()) {
            self.probes.retain(before);
            return Err(error);
        }
        if let Some(filter) = self.rings.filter() {
            match &request.filter {
                Some(chosen) => chosen.mark(filter),
                None => {
                    filter.mark_everything();
                    self.rings.publish_unfiltered();
                }
            }
        }
        self.rings.publish_kinds(kinds);
        self.rings.start(kinds.contains(Kind::Switch));
        // There is room.
        let _ = self.sessions.push_within_capacity(Active { file, kinds: request.kinds, owner: Owner::current() });
        Ok(Started {
            boottime_ns: self.rings.start_boottime_ns(),
            records: self.rings.plan().records,
            watermark: self.rings.plan().watermark,
            cpus: self.rings.cpus(),
        })
    }

    /// Takes back what the session of `file` wants and no other one does.
    fn leave(&mut self, file: u64) -> Result {
        let index = self.sessions.iter().position(|session| session.file == file).ok_or_else(enodata)?;
        let _ = self.sessions.remove(index);
        let kinds = self.kinds();
        self.faults.retain(kinds);
        self.probes.retain(kinds);
        self.rings.publish_kinds(kinds);
        Ok(())
    }
}

impl Chosen {
    /// Marks the processes that are there. Those that come are marked by the probes, which are registered.
    fn mark(&self, filter: &Filter) {
        if self.follow {
            filter.follow();
        }
        for &group in &self.groups {
            filter.mark(group);
        }
        if let Some(name) = &self.name {
            for_each_thread(|thread| {
                filter.named_like(thread.tgid() as i32, &thread.comm(), name);
            });
        }
        if !self.follow {
            return;
        }
        // Children may have lower IDs than their parents, so one pass may not reach all. Each further pass goes one
        // generation down at least.
        loop {
            let mut marked = false;
            for_each_thread(|thread| {
                let (group, parent) = (thread.tgid() as i32, thread.parent_tgid() as i32);
                if filter.passes(parent) && !filter.passes(group) {
                    filter.mark(group);
                    marked = true;
                }
            });
            if !marked {
                break;
            }
        }
    }
}

/// Calls `visit` for each thread, a few in one RCU section.
fn for_each_thread(mut visit: impl FnMut(&Thread<'_>)) {
    const BATCH: usize = 64;
    let mut next = 1;
    loop {
        let rcu = rcu::read_lock();
        for _ in 0..BATCH {
            let Some(thread) = Thread::at_or_after(next, &rcu) else { return };
            visit(&thread);
            next = thread.tid().saturating_add(1);
        }
    }
}

// SAFETY: Any bytes are a value of this type: it has integers only.
unsafe impl FromBytes for TraceStart {}
// SAFETY: It has no padding, as its size in `abi` says, and nothing in it can be changed through a shared reference.
unsafe impl AsBytes for TraceStart {}
// SAFETY: As for `TraceStart`.
unsafe impl FromBytes for TraceSnapshot {}
// SAFETY: As for `TraceStart`.
unsafe impl AsBytes for TraceSnapshot {}

/// What an open file of the device can do with the tracer. Its session ends with it.
pub(crate) struct Session {
    tracer: Arc<Tracer>,
    file: u64,
}

impl Session {
    /// For a file that is being opened.
    pub(crate) fn new(tracer: Arc<Tracer>) -> Self {
        let file = tracer.files.fetch_add(1, Ordering::Relaxed);
        Session { tracer, file }
    }

    /// # Errors
    ///
    /// `EPERM` where the opener of `file` may not see all processes.
    pub(crate) fn check(file: &File) -> Result {
        // SAFETY: The file is valid, and the initial user namespace is never freed.
        let may = unsafe {
            bindings::file_ns_capable(file.as_ptr(), &raw mut bindings::init_user_ns, bindings::CAP_PERFMON as i32)
        };
        may.then_some(()).ok_or(EPERM)
    }

    /// `MP3_IOC_TRACE_START`. See there for the errors.
    pub(crate) fn start(&self, file: &File, argument: usize) -> Result {
        Self::check(file)?;
        let user = UserSlice::new(UserPtr::from_addr(argument), size_of::<TraceStart>());
        let (mut reader, mut writer) = user.reader_writer();
        let mut arguments = reader.read::<TraceStart>()?;
        let request = Request::check(&arguments)?;
        let started = self.tracer.start(self.file, &request);
        let result = match started {
            Ok(started) => {
                arguments.start_boottime_ns = started.boottime_ns;
                arguments.ring_records = started.records;
                arguments.watermark = started.watermark;
                arguments.cpus = started.cpus;
                arguments.owner = 0;
                Ok(())
            }
            Err((error, owner)) => {
                arguments.owner = owner;
                Err(error)
            }
        };
        if let Err(error) = writer.write(&arguments) {
            if result.is_ok() {
                let _ = self.stop();
            }
            return Err(error);
        }
        result
    }

    /// `MP3_IOC_TRACE_STOP`.
    ///
    /// # Errors
    ///
    /// `ENODATA` where this file has no session.
    pub(crate) fn stop(&self) -> Result {
        self.tracer.stop(self.file)
    }

    /// `MP3_IOC_TRACE_SNAPSHOT`. See there for the errors.
    pub(crate) fn snapshot(&self, file: &File, argument: usize) -> Result {
        Self::check(file)?;
        let user = UserSlice::new(UserPtr::from_addr(argument), size_of::<TraceSnapshot>());
        let (mut reader, mut writer) = user.reader_writer();
        let mut request = reader.read::<TraceSnapshot>()?;
        snapshot::take(&mut request)?;
        writer.write(&request)
    }

    /// Maps the ring of `cpu`.
    ///
    /// # Errors
    ///
    /// `EPERM`; `ENXIO` without such a ring; `EINVAL` where it is shorter than `vma`.
    pub(crate) fn map(&self, file: &File, cpu: u32, vma: &VmaNew) -> Result {
        Self::check(file)?;
        self.tracer.mappable.lock().as_ref().ok_or(ENXIO)?.map(cpu, vma)
    }

    /// This file has read all records of `cpu` before `position`.
    pub(crate) fn has_read(&self, cpu: u32, position: u64) {
        let state = self.tracer.state.lock();
        if let Some(recording) = &state.recording {
            if recording.sessions.iter().any(|session| session.file == self.file) {
                recording.rings.make_room(cpu, position);
            }
        }
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        // Most files have none.
        let _ = self.stop();
    }
}

impl Request {
    fn check(arguments: &TraceStart) -> Result<Self> {
        let kinds = Kinds(arguments.kinds);
        if kinds.is_empty() || !kinds.is_subset_of(Kinds::TRACEABLE) || arguments.reserved != 0 {
            return Err(EINVAL);
        }
        if !matches!(arguments.mode, MODE_OVERWRITE | MODE_DISCARD) {
            return Err(EINVAL);
        }
        let records = match arguments.ring_records {
            0 => RING_RECORDS_DEFAULT,
            records => records,
        };
        if !records.is_power_of_two() || !(RING_RECORDS_MIN..=RING_RECORDS_MAX).contains(&records) {
            return Err(EINVAL);
        }
        let watermark = match arguments.watermark {
            0 => records / 8,
            watermark if watermark <= records => watermark,
            _ => return Err(EINVAL),
        };
        let filter = Chosen::check(arguments)?;
        Ok(Request { kinds, mode: arguments.mode, records, watermark, filter })
    }
}

impl Chosen {
    fn check(arguments: &TraceStart) -> Result<Option<Self>> {
        let (by_pid, by_name) = (arguments.filter & FILTER_PIDS != 0, arguments.filter & FILTER_NAME != 0);
        let follow = arguments.filter & FILTER_FOLLOW != 0;
        if arguments.filter & !(FILTER_PIDS | FILTER_NAME | FILTER_FOLLOW) != 0
            || (follow && !by_pid && !by_name)
            || by_pid == (arguments.pid_count == 0)
            || arguments.pid_count > PIDS_MAX
        {
            return Err(EINVAL);
        }
        let name = Self::name(&arguments.name)?;
        if by_name != name.is_some() {
            return Err(EINVAL);
        }
        let mut groups = KVec::with_capacity(arguments.pid_count as usize, GFP_KERNEL)?;
        if by_pid {
            let address = usize::try_from(arguments.pids).map_err(|_| EINVAL)?;
            let bytes = (arguments.pid_count as usize).saturating_mul(size_of::<i32>());
            let mut reader = UserSlice::new(UserPtr::from_addr(address), bytes).reader();
            for _ in 0..arguments.pid_count {
                groups.push(group_of(reader.read::<i32>()?)?, GFP_KERNEL)?;
            }
        }
        Ok((by_pid || by_name).then_some(Chosen { groups, name, follow }))
    }

    /// `None` for nothing at all; an error for what no name can contain.
    fn name(name: &Comm) -> Result<Option<Comm>> {
        let length = name.iter().position(|&byte| byte == 0).ok_or(EINVAL)?;
        if name.iter().skip(length).any(|&byte| byte != 0) {
            return Err(EINVAL);
        }
        Ok((length > 0).then_some(*name))
    }
}

/// The thread group, in the initial PID namespace, of the thread `nr` of the current one.
fn group_of(nr: i32) -> Result<i32> {
    // SAFETY: Callable with any number in process context.
    let pid = NonNull::new(unsafe { bindings::find_get_pid(nr) }).ok_or(ESRCH)?;
    let _rcu = rcu::read_lock();
    // SAFETY: The pid is valid; what is found is, in this RCU section.
    let task = unsafe { bindings::pid_task(pid.as_ptr(), bindings::pid_type_PIDTYPE_PID) };
    let group = if task.is_null() {
        Err(ESRCH)
    } else {
        // SAFETY: As above.
        Ok(unsafe { (*task).tgid })
    };
    // SAFETY: The reference is ours.
    unsafe { bindings::put_pid(pid.as_ptr()) };
    group
}

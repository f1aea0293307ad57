// SPDX-License-Identifier: GPL-2.0

//! The profiler: what R, U and a tick do to the registry and to the two buffers.
//!
//! One mutex guards all of it. R, U and a tick take it in process context and hold it for a bounded time: a tick
//! releases it after every batch of processes, so a writer never waits for 10,000 of them.
//!
//! Lock order: the follower's mutex, the tracepoints', this mutex, then what the kernel takes inside of a work queue, a wait queue or a task. Nothing that waits
//! for a tick to end is called with the mutex held.

use crate::abi::classic::{ClassicRecord, ClassicWriter, CLASSIC_BYTES};
use crate::abi::clock::TickClock;
use crate::abi::command::{Command, Pid};
use crate::abi::header::{word, Header, FEATURE_DELAYS};
use crate::abi::ring::Writer;
use crate::abi::samples::{Encoded, Flags, SAMPLE_BYTES, SAMPLE_WORDS};
use crate::abi::stream::Stream;
use crate::abi::words::{ReadWords, WriteWords};
use crate::delayed_work::{self, WorkQueue};
use crate::entry::Entry;
use crate::follower::Follower;
use crate::interval::Interval;
use crate::memory::SharedMemory;
use crate::params::Params;
use crate::process::Process;
use crate::registry::Registry;
use crate::time::{self, Now};
use kernel::fs::File;
use kernel::new_poll_condvar;
use kernel::prelude::*;
use kernel::sync::poll::{PollCondVar, PollTable};
use kernel::sync::{new_mutex, rcu, Arc, ArcBorrow, Mutex};
use kernel::task::Task;
use kernel::workqueue::{impl_has_delayed_work, new_delayed_work, DelayedWork, WorkItem};

/// Processes that a tick samples without letting go of the mutex; the bits of a word remember which of them died.
const BATCH: usize = u64::BITS as usize;

/// The one profiler of the loaded module.
#[pin_data]
pub(crate) struct Profiler {
    clock: TickClock,
    samples: SharedMemory,
    classic: SharedMemory,
    #[pin]
    state: Mutex<State>,
    /// Readers that wait in `poll` for records.
    #[pin]
    readers: PollCondVar,
    queue: WorkQueue,
    #[pin]
    work: DelayedWork<Profiler>,
    #[pin]
    follower: Follower,
}

/// What the mutex guards.
struct State {
    registry: Registry,
    ring: Writer<SAMPLE_WORDS>,
    classic: ClassicWriter,
    /// Registrations so far.
    registrations: u64,
    /// Children of followed processes that could not be registered.
    not_followed: u64,
    /// What has been counted since the last tick: the classic buffer's next record.
    interval: Interval,
    /// Something has been registered since the buffers were last closed.
    open: bool,
    /// The last tick that was taken, or that was over when the first process was registered.
    last_tick: u64,
    completed_tick: u64,
    missed_ticks: u64,
    sampling_ns: u64,
}

impl Profiler {
    /// Allocates and initialises the two buffers. Nothing runs yet.
    pub(crate) fn new(params: &Params) -> Result<Arc<Self>> {
        let ring_bytes = params.ring_records.checked_mul(SAMPLE_BYTES).ok_or(ENOMEM)?;
        let samples = SharedMemory::new(ring_bytes.checked_add(crate::abi::header::HEADER_BYTES).ok_or(ENOMEM)?)?;
        let classic = SharedMemory::new(CLASSIC_BYTES)?;
        let queue = WorkQueue::new()?;

        let start = time::a_jiffy_begins(params.hz);
        let header = Header {
            stream: Stream::Samples,
            record_bytes: SAMPLE_BYTES as u64,
            capacity: params.ring_records as u64,
            hz: params.hz,
            rate_hz: params.rate_hz,
            start_monotonic_ns: start.monotonic_ns,
            // A few jiffies later by now: back to that moment.
            start_realtime_ns: time::realtime_ns()
                .saturating_sub(time::monotonic_ns().saturating_sub(start.monotonic_ns)),
            start_jiffies: start.jiffies,
            features: if cfg!(CONFIG_TASK_DELAY_ACCT) { FEATURE_DELAYS } else { 0 },
        };
        let state = State {
            registry: Registry::new(params.max_processes),
            ring: Writer::new(&samples, &header),
            classic: ClassicWriter::new(&classic),
            registrations: 0,
            not_followed: 0,
            interval: Interval::default(),
            open: false,
            last_tick: 0,
            completed_tick: 0,
            missed_ticks: 0,
            sampling_ns: 0,
        };
        Arc::pin_init(
            pin_init!(Profiler {
                clock: TickClock { hz: params.hz, rate_hz: params.rate_hz, start_jiffies: start.jiffies },
                samples,
                classic,
                state <- new_mutex!(state, "mp3_profiler"),
                readers <- new_poll_condvar!("mp3_readers"),
                queue,
                work <- new_delayed_work!("mp3_tick"),
                follower <- Follower::new(),
            }),
            GFP_KERNEL,
        )
    }

    /// Carries out one line of `/proc/mp3/status`, with the rights of the opener of `file`.
    ///
    /// # Errors
    ///
    /// - R: `ESRCH`, no such process; `EPERM`; `EEXIST`, registered already; `ENOSPC`, at `max_processes`; `ENOMEM`.
    /// - F: as R, but `EEXIST` only where it is followed already; `EOPNOTSUPP` where this kernel has no tracepoint for it.
    /// - U: `ENOENT`, not registered; `EPERM`.
    pub(crate) fn execute(self: ArcBorrow<'_, Self>, command: Command, file: &File) -> Result {
        match command {
            Command::Register(pid) => self.register(pid, file, false),
            Command::Follow(pid) => self.follower.follow(self, || self.register(pid, file, true)),
            Command::Unregister(pid) => self.unregister(pid, file),
        }?;
        self.readers.notify_all();
        Ok(())
    }

    fn register(self: ArcBorrow<'_, Self>, pid: Pid, file: &File, follow: bool) -> Result {
        let process = Process::find(pid).ok_or(ESRCH)?;
        if !process.may_be_profiled_by(file) {
            return Err(EPERM);
        }

        let mut guard = self.state.lock();
        let state = &mut *guard;
        match state.registry.find(process.key()) {
            Some(slot) if follow && state.registry.follow(slot) => Ok(()),
            Some(_) => Err(EEXIST),
            None => self.admit(state, process, follow),
        }
    }

    /// Registers `process`, which is not registered, with a first record.
    ///
    /// # Errors
    ///
    /// `ESRCH`, it is dead; `ENOSPC`; `ENOMEM`. Nothing has changed then.
    fn admit(self: ArcBorrow<'_, Self>, state: &mut State, process: Process, follow: bool) -> Result {
        let registration = state.registrations.saturating_add(1);
        let mut entry = Entry::new(process, registration, &rcu::read_lock()).ok_or(ESRCH)?;
        if follow {
            entry.follow();
        }
        let mut record = *entry.record();
        let is_first = state.registry.is_empty();
        state.registry.insert(entry)?;
        state.registrations = registration;

        let now = Now::read();
        if is_first {
            state.open = true;
            state.last_tick = self.clock.latest(now.jiffies);
            self.samples.store_relaxed(word::SESSION_START, state.ring.position());
        }
        state.push(&self.samples, &mut record, self.clock.upcoming(now.jiffies), now);
        state.ring.commit(&self.samples);
        self.publish_registered(state);
        if is_first {
            delayed_work::arm(&self.queue, self, self.clock.timer_expiry(now.jiffies));
        }
        Ok(())
    }

    /// The current process has made `child`, which has not run yet: if the one is followed, registers the other.
    ///
    /// Its counters are all 0, so its record holds all that it will ever count; and it is held from here on, so a child that
    /// is dead before the next tick has its final record then.
    pub(crate) fn born(self: ArcBorrow<'_, Self>, child: &Task) {
        let mut guard = self.state.lock();
        let state = &mut *guard;
        let parent = state.registry.find(Process::current_key()).and_then(|slot| state.registry.get_mut(slot));
        if !parent.is_some_and(|parent| parent.follows()) {
            return;
        }
        let admitted = Process::of(child).ok_or(ESRCH).and_then(|process| self.admit(state, process, true));
        if admitted.is_err() {
            state.not_followed = state.not_followed.saturating_add(1);
            self.samples.store_relaxed(word::NOT_FOLLOWED, state.not_followed);
        }
    }

    /// How many processes are followed.
    pub(crate) fn following(&self) -> usize {
        self.state.lock().registry.following()
    }

    fn unregister(self: ArcBorrow<'_, Self>, pid: Pid, file: &File) -> Result {
        let process = Process::find(pid).ok_or(ENOENT)?;
        if !process.may_be_profiled_by(file) {
            return Err(EPERM);
        }

        let mut guard = self.state.lock();
        let state = &mut *guard;
        let slot = state.registry.find(process.key()).ok_or(ENOENT)?;
        let mut entry = state.registry.remove(slot).ok_or(ENOENT)?;

        let now = Now::read();
        let tick = self.clock.upcoming(now.jiffies);
        let change = entry.sample_anew(&rcu::read_lock());
        state.interval.add(&change.interval);
        entry.record().add_flags(Flags::FINAL);
        state.push(&self.samples, entry.record(), tick, now);
        state.ring.commit(&self.samples);
        if state.registry.is_empty() {
            // No tick follows that would close the interval.
            self.close_interval(state, tick, now.jiffies);
            state.open = false;
            delayed_work::disarm(self);
        }
        self.publish_registered(state);
        drop(guard);
        self.follower.settle(self);
        Ok(())
    }

    /// Takes the tick that is due: a record of every process.
    pub(crate) fn tick(self: ArcBorrow<'_, Self>) {
        let begun = Now::read();
        let tick = self.clock.latest(begun.jiffies);
        let mut slot = 0;
        loop {
            let mut guard = self.state.lock();
            let state = &mut *guard;
            if slot == 0 {
                if tick <= state.last_tick {
                    // The timer was for a part of a long wait.
                    if !state.registry.is_empty() {
                        delayed_work::arm(&self.queue, self, self.clock.timer_expiry(begun.jiffies));
                    }
                    return;
                }
                let expected = state.last_tick.saturating_add(1);
                state.missed_ticks = state.missed_ticks.saturating_add(tick.saturating_sub(expected));
                state.last_tick = tick;
            }
            slot = state.sample_batch(&self.samples, slot, tick);
            if slot < state.registry.slot_count() {
                // Between two batches others can take the mutex.
                continue;
            }

            let now = Now::read();
            state.sampling_ns = state.sampling_ns.saturating_add(now.monotonic_ns.saturating_sub(begun.monotonic_ns));
            if state.open {
                self.close_interval(state, tick, now.jiffies);
            }
            if state.registry.is_empty() {
                state.open = false;
            } else {
                delayed_work::arm(&self.queue, self, self.clock.timer_expiry(now.jiffies));
            }
            self.publish_registered(state);
            break;
        }
        self.readers.notify_all();
        self.follower.settle(self);
    }

    /// Ends the interval of `tick`: writes a record to the classic buffer, and tells readers that the tick is complete.
    fn close_interval(&self, state: &mut State, tick: u64, jiffies: u64) {
        let interval = core::mem::take(&mut state.interval);
        state.classic.push(
            &self.classic,
            &ClassicRecord {
                jiffies,
                minor_faults: interval.minor_faults,
                major_faults: interval.major_faults,
                cpu_ns: interval.cpu_ns,
            },
        );
        // The last U may close a tick ahead of its time; a late tick must not take that back.
        state.completed_tick = state.completed_tick.max(tick);
        self.samples.store_relaxed(word::MISSED_TICKS, state.missed_ticks);
        self.samples.store_relaxed(word::SAMPLING_NS, state.sampling_ns);
        self.samples.store_release(word::COMPLETED_TICK, state.completed_tick);
    }

    /// Tells readers how many processes are registered, after all records that led to that.
    fn publish_registered(&self, state: &State) {
        self.samples.store_release(word::REGISTERED, state.registry.len() as u64);
    }

    /// Drops all registrations without final records: for when the module goes, and no file of the device is open.
    fn clear(&self) {
        let mut state = self.state.lock();
        for slot in 0..state.registry.slot_count() {
            state.registry.remove(slot);
        }
    }

    /// The first slot from `slot` on that has a line in `/proc/mp3/status`.
    pub(crate) fn next_status(&self, slot: usize) -> Option<usize> {
        self.state.lock().registry.next_occupied(slot)
    }

    /// The line of `slot`: PID in the current task's namespace and user time, ns. `None` if the process went away, or is
    /// not visible in the namespace.
    pub(crate) fn status(&self, slot: usize) -> Option<(Pid, u64)> {
        self.state.lock().registry.get_mut(slot)?.status()
    }

    /// The sample ring's memory.
    pub(crate) fn samples(&self) -> &SharedMemory {
        &self.samples
    }

    /// The classic buffer's memory.
    pub(crate) fn classic(&self) -> &SharedMemory {
        &self.classic
    }

    /// Records that readers may have, since the module was loaded.
    pub(crate) fn committed(&self) -> u64 {
        // Only the writer can write there: user space maps the ring read-only.
        self.samples.load_acquire(word::COMMITTED)
    }

    /// Has `table` woken when there are new records, or fewer processes.
    pub(crate) fn wait_for_records(&self, file: &File, table: &PollTable<'_>) {
        table.register_wait(file, &self.readers);
    }
}

impl_has_delayed_work! {
    impl HasDelayedWork<Profiler> for Profiler { self.work }
}

impl WorkItem for Profiler {
    type Pointer = Arc<Profiler>;

    fn run(this: Arc<Profiler>) {
        this.as_arc_borrow().tick();
    }
}

/// The right of a profiler to tick, until this is dropped. Then all registrations are dropped, too.
pub(crate) struct Ticking(Arc<Profiler>);

impl Ticking {
    /// From here on `profiler` may tick.
    pub(crate) fn new(profiler: Arc<Profiler>) -> Self {
        Ticking(profiler)
    }
}

impl Drop for Ticking {
    fn drop(&mut self) {
        // A tick does not hold a `Ticking`, so this is not called by one.
        delayed_work::disable(&self.0);
        self.0.follower.end();
        self.0.clear();
    }
}

impl State {
    /// Samples the processes in the slots from `first` on, one batch of them, and returns the slot after the batch.
    fn sample_batch(&mut self, memory: &SharedMemory, first: usize, tick: u64) -> usize {
        let now = Now::read();
        let mut dead: u64 = 0;
        let rcu = rcu::read_lock();
        for (offset, entry) in self.registry.range_mut(first, BATCH) {
            if let Some(change) = entry.sample(&rcu) {
                self.interval.add(&change.interval);
                dead |= u64::from(change.dead) << (offset % BATCH);
            }
            push(&mut self.ring, memory, entry.record(), tick, now);
        }
        drop(rcu);
        self.ring.commit(memory);

        while dead != 0 {
            self.registry.remove(first.saturating_add(dead.trailing_zeros() as usize));
            dead &= dead.wrapping_sub(1);
        }
        first.saturating_add(BATCH)
    }

    fn push(&mut self, memory: &SharedMemory, record: &mut Encoded, tick: u64, now: Now) {
        push(&mut self.ring, memory, record, tick, now);
    }
}

/// Gives `record` its place and time, and puts it into the ring.
#[inline]
fn push(ring: &mut Writer<SAMPLE_WORDS>, memory: &SharedMemory, record: &mut Encoded, tick: u64, now: Now) {
    ring.push(memory, |position| {
        record.place(position, now.monotonic_ns, tick, now.jiffies);
        record.words()
    });
}

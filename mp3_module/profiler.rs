// SPDX-License-Identifier: GPL-2.0

//! The profiler: what R, U and a tick do to the registry and to the two buffers.
//!
//! One mutex guards all of it. R, U and a tick take it in process context and hold it for a bounded time: a tick
//! releases it after every batch of processes, so a writer never waits for 10,000 of them.
//!
//! Lock order: the follower's mutex, the tracepoints', this mutex, then what the kernel takes inside of a work queue, a wait
//! queue or a task. Nothing that waits for a tick to end is called with the mutex held, and nothing that waits for memory.

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
use crate::process::{quota_user, Effort, Process, Registrar};
use crate::reclaim::Reclaim;
use crate::registry::{Registry, Room, Vacancy};
use crate::time::{self, Now};
use crate::users::{Limits, Refusal, User, Users};
use kernel::fs::File;
use kernel::new_poll_condvar;
use kernel::prelude::*;
use kernel::sync::poll::{PollCondVar, PollTable};
use kernel::sync::{new_mutex, rcu, Arc, ArcBorrow, Mutex};
use kernel::task::Task;
use kernel::time::delay::fsleep;
use kernel::time::Delta;
use kernel::workqueue::{impl_has_delayed_work, new_delayed_work, DelayedWork, WorkItem};

/// Processes that a tick samples without releasing the mutex; the bits of a word remember which of them ended.
const BATCH: usize = u64::BITS as usize;

/// Threads after which a batch ends early.
const BATCH_THREADS: u32 = 256;

/// Longest wait of a registration before it looks again whether it may go on, ns.
const WAIT_NS: u64 = 20_000_000;

/// The work that takes a tick.
const TICK: u64 = 0;

/// The work that follows a tick after which no process is followed any more.
const SETTLING: u64 = 1;

/// The one profiler of the loaded module.
#[pin_data]
pub(crate) struct Profiler {
    clock: TickClock,
    /// Tick 0 on `CLOCK_MONOTONIC`.
    start_monotonic_ns: u64,
    samples: SharedMemory,
    classic: SharedMemory,
    #[pin]
    state: Mutex<State>,
    /// Readers that wait in `poll` for records.
    #[pin]
    readers: PollCondVar,
    queue: WorkQueue,
    #[pin]
    tick: DelayedWork<Profiler, TICK>,
    #[pin]
    settling: DelayedWork<Profiler, SETTLING>,
    #[pin]
    follower: Follower,
}

/// A process that is to be registered, with the memory for it.
struct Candidate {
    process: Process,
    registrar: Registrar,
    user: User,
    follow: bool,
    vacancy: Vacancy,
}

impl Candidate {
    /// May wait for memory.
    fn new(process: Process, registrar: Registrar, user: User, follow: bool) -> Result<Self> {
        Ok(Candidate { process, registrar, user, follow, vacancy: Vacancy::new()? })
    }
}

/// What the mutex guards.
struct State {
    registry: Registry,
    users: Users,
    ring: Writer<SAMPLE_WORDS>,
    classic: ClassicWriter,
    /// Registrations so far.
    registrations: u64,
    /// Children of followed processes that could not be registered.
    not_followed: u64,
    /// What has been counted since the last record in the classic buffer, and goes into the next.
    interval: Interval,
    /// Something has been registered since the last tick was completed, so one more follows.
    open: bool,
    /// The last tick that was begun, or that was over when the first process was registered.
    last_tick: u64,
    /// A tick is under way: its records have this number, and so have all others until it is completed.
    ticking: Option<u64>,
    /// The classic buffer has all that was counted, though the interval is not complete.
    is_classic_ahead: bool,
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
            registry: Registry::new(),
            users: Users::new(Limits::new(params.max_processes, params.ring_records)),
            ring: Writer::new(&samples, &header),
            classic: ClassicWriter::new(&classic),
            registrations: 0,
            not_followed: 0,
            interval: Interval::default(),
            open: false,
            last_tick: 0,
            ticking: None,
            is_classic_ahead: false,
            missed_ticks: 0,
            sampling_ns: 0,
        };
        Arc::pin_init(
            pin_init!(Profiler {
                clock: TickClock { hz: params.hz, rate_hz: params.rate_hz, start_jiffies: start.jiffies },
                start_monotonic_ns: start.monotonic_ns,
                samples,
                classic,
                state <- new_mutex!(state, "mp3_profiler"),
                readers <- new_poll_condvar!("mp3_readers"),
                queue,
                tick <- new_delayed_work!("mp3_tick"),
                settling <- new_delayed_work!("mp3_settling"),
                follower <- Follower::new(),
            }),
            GFP_KERNEL,
        )
    }

    /// Carries out one line of `/proc/mp3/status`, with the rights of the opener of `file`. Readers are not told until
    /// [`Profiler::notify_of_commands`].
    ///
    /// # Errors
    ///
    /// - R: `ESRCH`, no such process; `EPERM`; `EEXIST`, registered already; `ENOSPC`, at `max_processes`; `EDQUOT`, at the
    ///   user's share of that; `ENOMEM`.
    /// - F: as R, but `EEXIST` only where it is followed already; `EOPNOTSUPP` where this kernel has no tracepoint for it.
    /// - U: `ENOENT`, not registered; `EPERM`.
    pub(crate) fn execute(self: ArcBorrow<'_, Self>, command: Command, file: &File) -> Result {
        match command {
            Command::Register(pid) => self.register(pid, file, false),
            Command::Follow(pid) => self.follower.follow(self, || self.register(pid, file, true)),
            Command::Unregister(pid) => self.unregister(pid, file),
        }
    }

    /// Wakes readers that wait for records, once, however many commands there were in a write to `file`.
    ///
    /// The commands of a user with limits do not wake them if a tick follows, which will: he could have others woken as often
    /// as he can write. No tick follows the end of the last process, which is completed ahead once per interval.
    pub(crate) fn notify_of_commands(&self, file: &File) {
        if quota_user(file).is_none() || !self.state.lock().open {
            self.notify();
        }
    }

    /// Wakes readers that wait for records.
    fn notify(&self) {
        self.readers.notify_all();
    }

    fn register(self: ArcBorrow<'_, Self>, pid: Pid, file: &File, follow: bool) -> Result {
        let process = Process::find(pid).ok_or(ESRCH)?;
        let registrar = process.registrar(file).ok_or(EPERM)?;
        let user = quota_user(file);
        let mut candidate = Candidate::new(process, registrar, user, follow)?;
        loop {
            match self.admit(candidate)? {
                None => return Ok(()),
                Some((refused, wait)) => {
                    candidate = refused;
                    fsleep(Delta::from_nanos(wait.min(WAIT_NS) as i64));
                }
            }
        }
    }

    /// Registers `candidate` with a first record, or has it follow its children from now on. Where its user has to wait, it
    /// is returned with the time, ns. The mutex is not held.
    ///
    /// # Errors
    ///
    /// Those of R and F.
    fn admit(self: ArcBorrow<'_, Self>, candidate: Candidate) -> Result<Option<(Candidate, u64)>> {
        let mut room = None;
        loop {
            let mut guard = self.state.lock();
            let state = &mut *guard;
            if let Some(registration) = state.registry.find(candidate.process.key()) {
                return if candidate.follow && state.registry.follow(registration) { Ok(None) } else { Err(EEXIST) };
            }
            if let Some(more) = room.take() {
                let old = state.registry.move_to(more);
                drop(guard);
                drop(old);
                continue;
            }
            if let Some(slots) = state.registry.room_needed() {
                drop(guard);
                room = Some(Room::new(slots)?);
                continue;
            }
            return match state.users.admit(candidate.user, state.registry.len(), time::monotonic_ns()) {
                Ok(()) => self.begin(state, candidate).map(|()| None),
                Err(Refusal::Error(error)) => Err(error),
                Err(Refusal::Wait(wait)) => Ok(Some((candidate, wait))),
            };
        }
    }

    /// Registers `candidate`, for which there is room.
    fn begin(self: ArcBorrow<'_, Self>, state: &mut State, candidate: Candidate) -> Result {
        let registration = state.registrations.saturating_add(1);
        let Candidate { process, registrar, user, follow, vacancy } = candidate;
        let inserted = Entry::new(process, registrar, user, registration, &rcu::read_lock()).and_then(|mut entry| {
            if follow {
                entry.follow();
            }
            let record = *entry.record();
            let is_first = state.registry.is_empty();
            state.registry.insert(vacancy, registration, entry)?;
            Ok((record, is_first))
        });
        let (mut record, is_first) = match inserted {
            Ok(inserted) => inserted,
            Err(error) => {
                state.users.release(user);
                return Err(error);
            }
        };
        state.registrations = registration;

        let now = Now::read();
        if is_first {
            if !state.open {
                state.last_tick = state.last_tick.max(self.clock.latest(now.jiffies));
                state.open = true;
            }
            self.publish_start();
            self.samples.store_relaxed(word::SESSION_START, state.ring.position());
        }
        let tick = state.tick_of(&self.clock, now);
        state.push(&self.samples, &mut record, tick, now);
        state.ring.commit(&self.samples);
        self.publish_registered(state);
        if is_first {
            delayed_work::arm::<_, TICK>(&self.queue, self, self.clock.timer_expiry(now.jiffies));
        }
        Ok(())
    }

    /// The current process has made `child`, which has not run yet: if the one is followed, registers the other.
    ///
    /// Its counters are all 0, so its record holds all that it will ever count; and it is held from here on, so a child that
    /// is dead before the next tick has its final record then. A user who is over his limits is not made to wait here: the
    /// child counts as not followed.
    pub(crate) fn born(self: ArcBorrow<'_, Self>, child: &Task) {
        let mut guard = self.state.lock();
        let state = &mut *guard;
        let parent = state.registry.find(Process::current_key()).and_then(|parent| state.registry.get_mut(parent));
        let Some((registrar, user)) = parent.and_then(|parent| parent.registrar_of_child()) else { return };
        drop(guard);

        let admitted = Process::of(child)
            .ok_or(ESRCH)
            .and_then(|process| self.admit(Candidate::new(process, registrar, user, true)?));
        if !matches!(admitted, Ok(None)) {
            let mut state = self.state.lock();
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
        let may_profile = process.registrar(file).is_some();

        let mut guard = self.state.lock();
        let state = &mut *guard;
        let registration = state.registry.find(process.key());
        let Some(registration) = registration else { return Err(if may_profile { ENOENT } else { EPERM }) };
        if !may_profile && !state.registry.get_mut(registration).is_some_and(|entry| entry.may_be_ended_by(file)) {
            return Err(EPERM);
        }
        let mut entry = state.registry.remove(registration).ok_or(ENOENT)?;
        state.users.release(entry.user());

        let now = Now::read();
        let tick = state.tick_of(&self.clock, now);
        let change = entry.sample_anew(Effort::Exact, &rcu::read_lock());
        state.interval.add(&change.interval);
        entry.record().add_flags(Flags::FINAL);
        state.push(&self.samples, entry.record(), tick, now);
        state.ring.commit(&self.samples);
        // No tick needs to follow that would complete the interval, unless one is under way. Ticks are completed ahead of their
        // time only once per interval: their numbers must not run away from the clock.
        if state.registry.is_empty() && state.ticking.is_none() && tick <= self.clock.upcoming(now.jiffies) {
            state.last_tick = tick;
            state.open = false;
            self.complete_tick(state, tick, now.jiffies);
        } else if state.registry.is_empty() && entry.user().is_none() {
            // Programs for the original MP3 read their buffer now. Users with limits have their record with the tick: they
            // must not overwrite the records of others.
            self.push_classic(state, now.jiffies);
            state.is_classic_ahead = true;
        }
        self.publish_registered(state);
        drop(guard);
        drop(entry);
        self.follower.settle(self);
        Ok(())
    }

    /// Takes the tick that is due: a record of every process.
    pub(crate) fn tick(self: ArcBorrow<'_, Self>) {
        let mut begun = None;
        let mut next = 0;
        let mut is_last_followed_gone = false;
        loop {
            let mut guard = self.state.lock();
            let state = &mut *guard;
            let tick = match state.ticking {
                Some(tick) => tick,
                None => {
                    // With the mutex held: a registration that had it before may have the same number, and none above it.
                    let now = Now::read();
                    begun = Some(now);
                    match self.begin_tick(state, now) {
                        Some(tick) => tick,
                        None => return,
                    }
                }
            };
            let followed = state.registry.following();
            let rest = state.sample_batch(&self.samples, next, tick);
            is_last_followed_gone |= followed > 0 && state.registry.following() == 0;
            if let Some(registration) = rest {
                next = registration;
                // Others can take the mutex between two batches.
                continue;
            }

            let now = Now::read();
            let since = begun.map_or(now.monotonic_ns, |begun| begun.monotonic_ns);
            state.sampling_ns = state.sampling_ns.saturating_add(now.monotonic_ns.saturating_sub(since));
            self.complete_tick(state, tick, now.jiffies);
            if state.registry.is_empty() {
                state.open = false;
            } else {
                delayed_work::arm::<_, TICK>(&self.queue, self, self.clock.timer_expiry(now.jiffies));
            }
            self.publish_registered(state);
            break;
        }
        self.notify();
        if is_last_followed_gone {
            // To unregister a probe is to wait for the tracepoints of others.
            delayed_work::run_apart::<_, SETTLING>(self);
        }
    }

    /// Begins the tick that is due `now`. If none is, though one is to come, the timer was for a part of a long wait, and is set
    /// again.
    fn begin_tick(self: ArcBorrow<'_, Self>, state: &mut State, now: Now) -> Option<u64> {
        if !state.open {
            return None;
        }
        let tick = self.clock.latest(now.jiffies);
        if tick <= state.last_tick {
            delayed_work::arm::<_, TICK>(&self.queue, self, self.clock.timer_expiry(now.jiffies));
            return None;
        }
        if !state.registry.is_empty() {
            let expected = state.last_tick.saturating_add(1);
            state.missed_ticks = state.missed_ticks.saturating_add(tick.saturating_sub(expected));
        }
        state.last_tick = tick;
        state.ticking = Some(tick);
        Some(tick)
    }

    /// Ends the interval of `tick`: writes a record to the classic buffer, and tells readers that the tick is complete.
    fn complete_tick(&self, state: &mut State, tick: u64, jiffies: u64) {
        if !state.is_classic_ahead || !state.registry.is_empty() || !state.interval.is_empty() {
            self.push_classic(state, jiffies);
        }
        state.is_classic_ahead = false;
        state.ticking = None;
        self.publish_start();
        self.samples.store_relaxed(word::MISSED_TICKS, state.missed_ticks);
        self.samples.store_relaxed(word::SAMPLING_NS, state.sampling_ns);
        self.samples.store_release(word::COMPLETED_TICK, tick);
    }

    /// Writes what has been counted since the last record in the classic buffer.
    fn push_classic(&self, state: &mut State, jiffies: u64) {
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
    }

    /// Tells readers when tick 0 was by the wall clock, which may have been set, or have gone on through a suspend.
    fn publish_start(&self) {
        let since_start = time::monotonic_ns().saturating_sub(self.start_monotonic_ns);
        self.samples.store_relaxed(word::START_REALTIME_NS, time::realtime_ns().saturating_sub(since_start));
    }

    /// Tells readers how many processes are registered, after all records that led to that.
    fn publish_registered(&self, state: &State) {
        self.samples.store_release(word::REGISTERED, state.registry.len() as u64);
    }

    /// Drops all registrations without final records: for when the module goes, and no file of the device is open.
    fn clear(&self) {
        let empty = Registry::new();
        let registry = core::mem::replace(&mut self.state.lock().registry, empty);
        drop(registry);
    }

    /// The first registration from `registration` on that has a line in `/proc/mp3/status`.
    pub(crate) fn next_status(&self, registration: u64) -> Option<u64> {
        self.state.lock().registry.next_from(registration)
    }

    /// The line of a registration: PID in the current task's namespace and user time, ns. `None` if the process went away,
    /// or is not visible in the namespace.
    pub(crate) fn status(&self, registration: u64) -> Option<(Pid, u64)> {
        self.state.lock().registry.get_mut(registration)?.status()
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
    impl HasDelayedWork<Profiler, TICK> for Profiler { self.tick }
    impl HasDelayedWork<Profiler, SETTLING> for Profiler { self.settling }
}

impl WorkItem<TICK> for Profiler {
    type Pointer = Arc<Profiler>;

    fn run(this: Arc<Profiler>) {
        // The queue has a rescuer for when no memory can be had for another worker, so a tick is part of reclaim.
        let _reclaim = Reclaim::enter();
        this.as_arc_borrow().tick();
    }
}

impl WorkItem<SETTLING> for Profiler {
    type Pointer = Arc<Profiler>;

    fn run(this: Arc<Profiler>) {
        this.follower.settle(this.as_arc_borrow());
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
        delayed_work::disable::<_, TICK>(&self.0);
        delayed_work::disable::<_, SETTLING>(&self.0);
        self.0.follower.end();
        self.0.clear();
    }
}

impl State {
    /// The tick whose interval takes what is counted now: the one that is under way, or the next to be begun.
    ///
    /// Numbers in the ring never go back. A tick that is due and not begun yet has this number or a higher one.
    fn tick_of(&self, clock: &TickClock, now: Now) -> u64 {
        self.ticking.unwrap_or_else(|| self.last_tick.saturating_add(1).max(clock.latest(now.jiffies)))
    }

    /// Samples the processes from `registration` on, one batch of them, and returns the registration after the batch;
    /// `None` after the last one.
    fn sample_batch(&mut self, memory: &SharedMemory, registration: u64, tick: u64) -> Option<u64> {
        let now = Now::read();
        let mut ended: u64 = 0;
        let mut threads: u32 = 0;
        let first = self.registry.index_from(registration);
        let mut end = usize::MAX;
        let rcu = rcu::read_lock();
        for (index, entry) in self.registry.iter_mut_from(first) {
            let offset = index.saturating_sub(first);
            if offset >= BATCH || threads >= BATCH_THREADS {
                end = index;
                break;
            }
            match entry.sample(&rcu) {
                Some(change) => {
                    self.interval.add(&change.interval);
                    ended |= u64::from(change.ended) << (offset % BATCH);
                    threads = threads.saturating_add(change.threads);
                }
                None => threads = threads.saturating_add(1),
            }
            push(&mut self.ring, memory, entry.record(), tick, now);
        }
        drop(rcu);
        self.ring.commit(memory);

        let next = self.registry.registration_at(end);
        while ended != 0 {
            let index = first.saturating_add(ended.trailing_zeros() as usize);
            if let Some(entry) = self.registry.remove_at(index) {
                self.users.release(entry.user());
            }
            ended &= ended.wrapping_sub(1);
        }
        self.registry.close_up();
        next
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

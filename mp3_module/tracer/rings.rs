// SPDX-License-Identifier: GPL-2.0

//! The rings: one for each CPU that is or comes online, from the first session to the last.
//!
//! The kernel's CPU hotplug calls [`prepare`] for each CPU that is online when the set is made, and for every other one
//! before it comes online and so before it can record anything. A ring stays when its CPU goes.

use super::ffi;
use super::filter::{Filter, FILTER_WORDS};
use super::recorder::{Recorder, RecorderPtr, RingWords, RECORDER_BYTES};
use crate::abi::events::header::word;
use crate::abi::events::record::{EVENT_BYTES, EVENT_WORDS};
use crate::abi::events::Kinds;
use crate::abi::header::{Header, HEADER_BYTES};
use crate::abi::ring::Writer;
use crate::abi::stream::Stream;
use crate::abi::words::{ReadWords, WriteWords};
use crate::time;
use core::ptr::{self, NonNull};
use core::sync::atomic::{AtomicI32, AtomicPtr, AtomicU64, Ordering};
use kernel::error::to_result;
use kernel::ffi::{c_int, c_uint};
use kernel::mm::virt::VmaNew;
use kernel::prelude::*;
use kernel::sync::Arc;

/// How the rings of a set are made.
#[derive(Clone, Copy)]
pub(super) struct Plan {
    /// A number that no other set has.
    pub(super) session: u64,
    /// Records of each, a power of two.
    pub(super) records: u32,
    /// Records after which readers are woken.
    pub(super) watermark: u32,
    /// `MODE_*`.
    pub(super) mode: u32,
    /// A full ring takes no more records, and the reader makes room.
    pub(super) discards: bool,
    /// Only what a filter lets pass.
    pub(super) filtered: bool,
}

/// Zeroed memory of whole pages, from vmalloc.
///
/// # Invariants
///
/// `start` came from vmalloc and is owned by this value.
struct Pages {
    start: NonNull<u64>,
    bytes: usize,
}

impl Pages {
    fn new(bytes: usize, cpu: u32) -> Result<Self> {
        // SAFETY: Callable with any size in process context.
        let start = unsafe { ffi::mp3_trace_memory(bytes, cpu) };
        // INVARIANT: It is new and ours.
        Ok(Pages { start: NonNull::new(start.cast()).ok_or(ENOMEM)?, bytes })
    }
}

impl Drop for Pages {
    fn drop(&mut self) {
        // SAFETY: By the type invariant. Pages that are mapped stay until they are unmapped.
        unsafe { crate::ffi::vfree(self.start.as_ptr().cast()) };
    }
}

/// A CPU's ring, behind its recorder.
///
/// # Invariants
///
/// The pages begin with a recorder, and have the ring that it tells of behind it.
struct Ring {
    pages: Pages,
}

impl Ring {
    fn new(plan: &Plan, start: &Start, filter: *const Filter, cpu: u32) -> Result<Self> {
        let records = plan.records as usize;
        let bytes = records
            .checked_mul(EVENT_BYTES)
            .and_then(|bytes| bytes.checked_add(HEADER_BYTES))
            .and_then(|bytes| bytes.checked_add(RECORDER_BYTES))
            .ok_or(EINVAL)?;
        let pages = Pages::new(bytes, cpu)?;
        let recorder = pages.start.as_ptr().cast::<Recorder>();
        let record_words = records.wrapping_mul(EVENT_WORDS);
        // SAFETY: Behind the recorder the pages have room for the header and that many words, a power of two as `records`
        // is one; they live as long as the ring, and nothing else touches them but readers that map them for reading.
        let words = unsafe { RingWords::new(recorder.byte_add(RECORDER_BYTES).cast(), record_words) };
        for (index, value) in [
            (word::SESSION, plan.session),
            (word::START_BOOTTIME_NS, start.boottime_ns),
            (word::MODE, u64::from(plan.mode)),
            (word::WATERMARK, u64::from(plan.watermark)),
            (word::FILTERED, u64::from(plan.filtered)),
        ] {
            words.store_relaxed(index, value);
        }
        let header = Header {
            stream: Stream::Events { cpu },
            record_bytes: EVENT_BYTES as u64,
            capacity: u64::from(plan.records),
            hz: 0,
            rate_hz: 0,
            start_monotonic_ns: start.monotonic_ns,
            start_realtime_ns: start.realtime_ns,
            start_jiffies: start.jiffies,
            features: 0,
        };
        let writer = Writer::new(&words, &header);
        let limit = if plan.discards { u64::from(plan.records) } else { u64::MAX };
        // SAFETY: Pages are aligned as the recorder is, and begin with room for it.
        unsafe { recorder.write(Recorder::new(record_words, writer, filter, limit, u64::from(plan.watermark))) };
        // INVARIANT: So it is.
        Ok(Ring { pages })
    }

    /// For as long as the ring lives.
    fn recorder(&self) -> RecorderPtr {
        // SAFETY: By the type invariants.
        unsafe { RecorderPtr::new(self.pages.start.as_ptr().cast::<Recorder>()) }
    }

    fn words(&self) -> RingWords {
        self.recorder().words()
    }

    /// What readers map: the header and the records.
    fn mapped(&self) -> (*mut u8, usize) {
        let start = self.pages.start.as_ptr().cast::<u8>().wrapping_add(RECORDER_BYTES);
        (start, self.pages.bytes.saturating_sub(RECORDER_BYTES))
    }
}

/// The instant at which the rings begin.
struct Start {
    monotonic_ns: u64,
    realtime_ns: u64,
    boottime_ns: u64,
    jiffies: u64,
}

/// All rings.
///
/// # Invariants
///
/// Each pointer is NULL or to a `Ring` of this set, which [`prepare`] made; it lives until the set is dropped.
pub(super) struct Rings {
    plan: Plan,
    start: Start,
    filter: Option<KBox<Filter>>,
    /// The memory that `filter` points to.
    _bits: Option<Pages>,
    by_cpu: KVVec<AtomicPtr<Ring>>,
    count: AtomicU64,
    kinds: AtomicU64,
    /// What CPU hotplug knows the set by; negative where it does not.
    state: AtomicI32,
}

// SAFETY: What is shared is atomic, or guarded by the tracer's mutex.
unsafe impl Send for Rings {}
// SAFETY: As above.
unsafe impl Sync for Rings {}

/// The set that [`prepare`] makes rings for. Written with the tracer's mutex held, while CPU hotplug does not know it.
static CURRENT: AtomicPtr<Rings> = AtomicPtr::new(ptr::null_mut());

impl Rings {
    /// Makes a ring for each CPU that is online, and has one made for each that comes. Nothing is recorded yet.
    ///
    /// There is at most one set at a time, which the caller sees to.
    ///
    /// # Errors
    ///
    /// `ENOMEM`.
    pub(super) fn new(plan: Plan) -> Result<Arc<Self>> {
        let (bits, filter) = if plan.filtered {
            let bits = Pages::new(FILTER_WORDS.wrapping_mul(size_of::<u64>()), 0)?;
            // SAFETY: The memory is zeroed, large enough, and freed after the filter.
            let filter = KBox::new(unsafe { Filter::new(bits.start.as_ptr()) }, GFP_KERNEL)?;
            (Some(bits), Some(filter))
        } else {
            (None, None)
        };
        // SAFETY: Only reads a number.
        let cpus = unsafe { ffi::mp3_cpu_ids() } as usize;
        let mut by_cpu = KVVec::with_capacity(cpus, GFP_KERNEL)?;
        for _ in 0..cpus {
            by_cpu.push(AtomicPtr::new(ptr::null_mut()), GFP_KERNEL)?;
        }
        let start = Start {
            monotonic_ns: time::monotonic_ns(),
            realtime_ns: time::realtime_ns(),
            boottime_ns: time::boottime_ns(),
            jiffies: time::jiffies(),
        };
        let rings = Arc::new(
            Rings {
                plan,
                start,
                filter,
                _bits: bits,
                by_cpu,
                count: AtomicU64::new(0),
                kinds: AtomicU64::new(0),
                state: AtomicI32::new(-1),
            },
            GFP_KERNEL,
        )?;
        CURRENT.store(ptr::from_ref(&*rings).cast_mut(), Ordering::Release);
        // SAFETY: `prepare` may be called until the state is given back, in `drop`, and finds `CURRENT` until then.
        let state = unsafe { ffi::mp3_recorders_prepare(prepare) };
        // What was made before an error goes with the set.
        rings.state.store(state, Ordering::Relaxed);
        to_result(state)?;
        Ok(rings)
    }

    /// The filter, if these rings have one.
    pub(super) fn filter(&self) -> Option<&Filter> {
        self.filter.as_deref()
    }

    /// How they were made.
    pub(super) fn plan(&self) -> &Plan {
        &self.plan
    }

    /// `CLOCK_BOOTTIME` at the start, ns.
    pub(super) fn start_boottime_ns(&self) -> u64 {
        self.start.boottime_ns
    }

    /// Numbers of CPUs are below this.
    pub(super) fn cpus(&self) -> u32 {
        self.by_cpu.len() as u32
    }

    fn ring(&self, cpu: u32) -> Option<&Ring> {
        let ring = self.by_cpu.get(cpu as usize)?.load(Ordering::Acquire);
        // SAFETY: By the type invariant it is NULL or valid for as long as this set is.
        unsafe { ring.as_ref() }
    }

    fn all(&self) -> impl Iterator<Item = &Ring> {
        (0..self.cpus()).filter_map(|cpu| self.ring(cpu))
    }

    /// Maps the ring of `cpu`.
    ///
    /// # Errors
    ///
    /// `ENXIO` without such a ring; `EINVAL` where `vma` is longer.
    pub(super) fn map(&self, cpu: u32, vma: &VmaNew) -> Result {
        let (start, bytes) = self.ring(cpu).ok_or(ENXIO)?.mapped();
        if vma.end().saturating_sub(vma.start()) > bytes {
            return Err(EINVAL);
        }
        // SAFETY: The VMA is being set up, and the region is at least as long. The pages stay for as long as they are mapped.
        to_result(unsafe { ffi::mp3_trace_memory_map(vma.as_ptr(), start.cast()) })
    }

    /// Records of `cpu` that readers may have; `None` without a ring.
    pub(super) fn committed(&self, cpu: u32) -> Option<u64> {
        Some(self.ring(cpu)?.words().load_acquire(crate::abi::header::word::COMMITTED))
    }

    /// The owner has read everything before `position`: where the rings discard, there is room for more.
    pub(super) fn make_room(&self, cpu: u32, position: u64) {
        if let Some(ring) = self.plan.discards.then(|| self.ring(cpu)).flatten() {
            ring.recorder().limit.store(position.saturating_add(u64::from(self.plan.records)), Ordering::Release);
        }
    }

    /// Tells readers what is recorded.
    pub(super) fn publish_kinds(&self, kinds: Kinds) {
        self.kinds.store(kinds.0, Ordering::Relaxed);
        for ring in self.all() {
            ring.words().store_relaxed(word::KINDS, kinds.0);
        }
    }

    /// Tells readers that a session without a filter has joined.
    pub(super) fn publish_unfiltered(&self) {
        for ring in self.all() {
            ring.words().store_relaxed(word::FILTERED, 0);
        }
    }

    fn publish_count(&self) {
        for ring in self.all() {
            ring.words().store_relaxed(word::RINGS, self.count.load(Ordering::Relaxed));
        }
    }

    /// Has the CPUs record what their probes are told; with `switching`, also switches.
    pub(super) fn start(&self, switching: bool) {
        // SAFETY: Every recorder that a CPU has been given is one of this set, which lives until `drop` has stopped them.
        unsafe { ffi::mp3_recorders_start(switching) };
    }
}

impl Drop for Rings {
    /// No probe is registered, and none runs: the caller has seen to it.
    fn drop(&mut self) {
        let state = self.state.load(Ordering::Relaxed);
        if state >= 0 {
            // SAFETY: The state is that of this set, and is given back once.
            unsafe { ffi::mp3_recorders_unprepare(state) };
        }
        // SAFETY: No probe runs and no CPU is prepared: the recorders are not used any more.
        unsafe { ffi::mp3_recorders_stop() };
        CURRENT.store(ptr::null_mut(), Ordering::Release);
        let ended = time::boottime_ns();
        for ring in &self.by_cpu {
            let ring = ring.load(Ordering::Acquire);
            if let Some(ring) = NonNull::new(ring) {
                // SAFETY: By the type invariant `prepare` made it from a box, and nothing uses it any more.
                let ring = unsafe { KBox::from_raw(ring.as_ptr()) };
                // For readers that still have it mapped.
                ring.words().store_release(word::ENDED, ended);
            }
        }
        // SAFETY: The queue is a static one.
        unsafe { ffi::mp3_trace_wake_readers() };
    }
}

/// Makes the ring of a CPU that is online, or about to come.
///
/// # Safety
///
/// Called by CPU hotplug only, one call at a time, while `CURRENT` is a valid set.
unsafe extern "C" fn prepare(cpu: c_uint) -> c_int {
    // SAFETY: The caller promises it.
    let Some(rings) = (unsafe { CURRENT.load(Ordering::Acquire).as_ref() }) else { return 0 };
    let Some(slot) = rings.by_cpu.get(cpu as usize) else { return 0 };
    if slot.load(Ordering::Acquire).is_null() {
        let filter = rings.filter().map_or(ptr::null(), ptr::from_ref);
        let ring = Ring::new(&rings.plan, &rings.start, filter, cpu).and_then(|ring| Ok(KBox::new(ring, GFP_KERNEL)?));
        match ring {
            Ok(ring) => {
                ring.words().store_relaxed(word::KINDS, rings.kinds.load(Ordering::Relaxed));
                // INVARIANT: It is a ring of this set.
                slot.store(KBox::into_raw(ring), Ordering::Release);
            }
            Err(error) => return error.to_errno(),
        }
        rings.count.fetch_add(1, Ordering::Relaxed);
        rings.publish_count();
    }
    if let Some(ring) = rings.ring(cpu) {
        // SAFETY: The ring lives until CPUs have been told to stop.
        unsafe { ffi::mp3_recorder_arm(cpu, ring.recorder().as_ptr()) };
    }
    0
}

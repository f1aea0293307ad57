// SPDX-License-Identifier: GPL-2.0

//! Records of page faults, of what fault.c has collected. Part of the crate `encode`, whose rules hold here.

use super::{make_room, needs_attention, now, own, Own, Recorder, RecorderPtr};
use crate::abi::events::fault::class::MappingClass;
use crate::abi::events::fault::map::{Map, MapFile, Protection};
use crate::abi::events::fault::LATENCY_MAX_NS;
use crate::abi::events::header::word;
use crate::abi::events::kind::Kind;
use crate::abi::events::life::{Text, TEXT_BYTES};
use crate::abi::events::record::head;
use core::ffi::c_void;

/// From the beginning of an attempt to its end. C knows it as `struct mp3_fault`, and describes its fields.
#[repr(C)]
struct RawFault {
    who: u64,
    place: u64,
    ip: u64,
    mapping: u64,
    page: u64,
    began: u64,
    minor: u32,
    major: u32,
    entry: u64,
    mm: *const c_void,
}

/// A mapping. C knows it as `struct mp3_map`.
#[repr(C)]
struct RawMap {
    first_page: u64,
    pages: u64,
    inode: u64,
    offset: u64,
    text: *const u8,
    device: u32,
    tgid: u32,
    id: u32,
    path_bytes: u16,
    text_bytes: u8,
    class: u8,
    protection: u8,
}

/// Makes sure of room for `records`. False: they are dropped, and counted.
#[inline(always)]
fn has_room(recorder: RecorderPtr, own: &mut Own, records: u64) -> bool {
    !needs_attention(own) || make_room(recorder, own, records)
}

/// The two records of a fault, with the time that `rest` is told and that both have.
#[inline(always)]
fn write_pair(recorder: RecorderPtr, own: &mut Own, kind: Kind, rest: impl FnOnce(u64) -> [u64; 3], second: [u64; 3]) {
    let words = recorder.words();
    words.count(word::FAULTS, 1);
    if !has_room(recorder, own, 2) {
        return;
    }
    let [first_place, second_place] = [(); 2].map(|()| {
        let position = own.writer.reserve(&words);
        own.writer.advance(position);
        recorder.place(position)
    });
    let time = now();
    let [w1, w2, w3] = rest(time);
    first_place.store(0, head(kind, time));
    first_place.store(1, w1);
    first_place.store(2, w2);
    first_place.store(3, w3);
    let [w1, w2, w3] = second;
    second_place.store(0, head(Kind::FaultPlace, time));
    second_place.store(1, w1);
    second_place.store(2, w2);
    second_place.store(3, w3);
    own.writer.commit(&words);
}

/// Whether a quarter of the ring has been written since the last time that this was true. Mappings are then to be recorded
/// again, before the oldest records of them are overwritten.
#[inline(always)]
fn renews(recorder: RecorderPtr, own: &Own, renewal: &mut u64) -> bool {
    let position = own.writer.position();
    let renews = position >= *renewal;
    if renews {
        *renewal = position.wrapping_add(recorder.words().records() / 4);
    }
    renews
}

/// An attempt has ended. `who` is word 1, `counts` the counts in word 3, `result` the bits of word 2 of the second record.
///
/// # Safety
///
/// Called by fault.c only, on the recorder's CPU, with interrupts off and the CPU's own `renewal`.
#[no_mangle]
unsafe extern "C" fn mp3_trace_fault(
    recorder: *const Recorder,
    fault: *const RawFault,
    who: u64,
    counts: u64,
    result: u64,
    renewal: *mut u64,
) -> bool {
    // SAFETY: The caller promises it.
    let (recorder, fault, renewal) = unsafe { (RecorderPtr::new(recorder), &*fault, &mut *renewal) };
    // SAFETY: As above.
    let own = unsafe { own(&recorder.own) };
    let rest = |time: u64| {
        let latency = time.wrapping_sub(fault.began);
        // The fast clock may step back a little between CPUs.
        let latency = if latency > i64::MAX as u64 { 0 } else { latency.min(LATENCY_MAX_NS) };
        [who, fault.place, latency | counts]
    };
    write_pair(recorder, own, Kind::Fault, rest, [fault.ip, fault.mapping | result, fault.page]);
    renews(recorder, own, renewal)
}

/// An attempt begins, and its end is not asked for.
///
/// # Safety
///
/// As for [`mp3_trace_fault`].
#[no_mangle]
unsafe extern "C" fn mp3_trace_fault_entry(
    recorder: *const Recorder,
    fault: *const RawFault,
    renewal: *mut u64,
) -> bool {
    const COUNT: u64 = 0xfff;
    // SAFETY: The caller promises it.
    let (recorder, fault, renewal) = unsafe { (RecorderPtr::new(recorder), &*fault, &mut *renewal) };
    // SAFETY: As above.
    let own = unsafe { own(&recorder.own) };
    let counts = (u64::from(fault.minor) & COUNT) << 40 | (u64::from(fault.major) & COUNT) << 52;
    let rest = |_| [fault.who, fault.place, counts];
    write_pair(recorder, own, Kind::FaultEntry, rest, [fault.ip, fault.mapping, fault.page]);
    renews(recorder, own, renewal)
}

/// A mapping. False: there was no room.
///
/// # Safety
///
/// As for [`mp3_trace_fault`]; `text` points to `text_bytes` bytes.
#[no_mangle]
unsafe extern "C" fn mp3_trace_map(recorder: *const Recorder, map: *const RawMap) -> bool {
    // SAFETY: The caller promises it.
    let (recorder, raw) = unsafe { (RecorderPtr::new(recorder), &*map) };
    // SAFETY: As above.
    let own = unsafe { own(&recorder.own) };
    let map = Map {
        tgid: raw.tgid,
        id: raw.id,
        text_bytes: raw.text_bytes,
        path_bytes: raw.path_bytes,
        first_page: raw.first_page,
        pages: raw.pages,
        class: MappingClass(raw.class),
        protection: Protection(raw.protection),
    };
    let file = MapFile { inode: raw.inode, device: raw.device, offset: raw.offset };
    let words = &recorder.words();
    if !has_room(recorder, own, (map.text_records() as u64).wrapping_add(2)) {
        return false;
    }
    let mut time = 0;
    let [w1, w2, w3] = map.encode();
    own.writer.push(words, |_| {
        time = now();
        [head(Kind::Map, time), w1, w2, w3]
    });
    let [w1, w2, w3] = file.encode();
    own.writer.push(words, |_| [head(Kind::MapFile, time), w1, w2, w3]);
    let mut done = 0;
    while done < usize::from(raw.text_bytes) {
        let mut bytes = [0; TEXT_BYTES];
        for (offset, byte) in bytes.iter_mut().enumerate() {
            let index = done.wrapping_add(offset);
            if index < usize::from(raw.text_bytes) {
                // SAFETY: The caller promises so many bytes.
                *byte = unsafe { raw.text.add(index).read() };
            }
        }
        let [w1, w2, w3] = Text { bytes }.encode();
        own.writer.push(words, |_| [head(Kind::Text, time), w1, w2, w3]);
        done = done.wrapping_add(TEXT_BYTES);
    }
    own.writer.commit(words);
    true
}

/// Writes one record.
///
/// # Safety
///
/// As for [`mp3_trace_fault`].
unsafe fn write_one(recorder: *const Recorder, kind: Kind, [w1, w2, w3]: [u64; 3]) {
    // SAFETY: The caller promises it.
    let recorder = unsafe { RecorderPtr::new(recorder) };
    // SAFETY: As above.
    let own = unsafe { own(&recorder.own) };
    if has_room(recorder, own, 1) {
        own.writer.push(&recorder.words(), |_| [head(kind, now()), w1, w2, w3]);
        own.writer.commit(&recorder.words());
    }
}

/// An access ends in a signal; `who` is word 1.
///
/// # Safety
///
/// As for [`mp3_trace_fault`].
#[no_mangle]
unsafe extern "C" fn mp3_trace_fault_signal(recorder: *const Recorder, who: u64, address: u64, ip: u64) {
    // SAFETY: The caller promises it.
    unsafe { write_one(recorder, Kind::FaultSignal, [who, address, ip]) }
}

/// A thread ends; `who` is word 1.
///
/// # Safety
///
/// As for [`mp3_trace_fault`].
#[no_mangle]
unsafe extern "C" fn mp3_trace_fault_totals(recorder: *const Recorder, who: u64, minor: u64, major: u64) {
    // SAFETY: The caller promises it.
    unsafe { write_one(recorder, Kind::FaultTotals, [who, minor, major]) }
}

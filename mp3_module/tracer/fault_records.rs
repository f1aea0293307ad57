// SPDX-License-Identifier: GPL-2.0

//! Records of page faults, of what fault.c has collected. Part of the crate `encode`, whose rules hold here.

use super::recorder::Place;
use super::{clock, make_room, needs_attention, now, own, Own, Recorder, RecorderPtr};
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

/// What has no beginning: the time since then is 0.
const NO_BEGINNING: u64 = u64::MAX;

/// The two records of a fault, both with the time of now, of which the latency since `began` goes into word 3 of the first with
/// `counts`. `who` is its word 1, and `result` goes into word 2 of the second. `ATTEND` is false where [`needs_attention`]
/// is. True: mappings are to be recorded again. It has to be the last thing that is done.
#[inline(always)]
fn write_pair<const ATTEND: bool>(
    recorder: RecorderPtr,
    own: &mut Own,
    kind: Kind,
    fault: &RawFault,
    who: u64,
    result: u64,
    (began, counts): (u64, u64),
) -> bool {
    let words = recorder.words();
    words.count(word::FAULTS, 1);
    if ATTEND && !make_room(recorder, own, 2) {
        return false;
    }
    let position = own.writer.reserve_many(&words, 2);
    let [first, second] = places(recorder, position);
    // One after the other, and the clock last: so little has to be kept meanwhile.
    first.store(1, who);
    first.store(2, fault.place);
    second.store(1, fault.ip);
    second.store(2, fault.mapping | result);
    second.store(3, fault.page);
    if !clock::quick(|time| store_time([&first, &second], kind, time, began, counts)) {
        return finish_pair(recorder, position, kind, began, counts);
    }
    commit_pair(recorder, own, position)
}

/// The end of [`write_pair`] where the kernel's own clock has to be called. Out of the way, so that no register has to be saved
/// where it has not.
#[cold]
#[inline(never)]
fn finish_pair(recorder: RecorderPtr, position: u64, kind: Kind, began: u64, counts: u64) -> bool {
    let [first, second] = places(recorder, position);
    store_time([&first, &second], kind, now(), began, counts);
    // SAFETY: As for the only caller, which has come to its end.
    commit_pair(recorder, unsafe { own(&recorder.own) }, position)
}

#[inline(always)]
fn places(recorder: RecorderPtr, position: u64) -> [Place; 2] {
    [recorder.place(position), recorder.place(position.wrapping_add(1))]
}

#[inline(always)]
fn store_time([first, second]: [&Place; 2], kind: Kind, time: u64, began: u64, counts: u64) {
    // The clock may step back a little between CPUs.
    let latency = time.saturating_sub(began).min(LATENCY_MAX_NS);
    first.store(0, head(kind, time));
    first.store(3, latency | counts);
    second.store(0, head(Kind::FaultPlace, time));
}

/// Lets readers have the two records at `position`. Whether a quarter of the ring has been written since the last time that this
/// was true: mappings are then to be recorded again, before the oldest records of them are overwritten.
#[inline(always)]
fn commit_pair(recorder: RecorderPtr, own: &mut Own, position: u64) -> bool {
    let words = recorder.words();
    own.writer.advance(position.wrapping_add(1));
    own.writer.commit(&words);
    let renews = position >= own.renewal;
    if renews {
        own.renewal = position.wrapping_add(words.records() / 4);
    }
    renews
}

/// The time, as records have it.
#[no_mangle]
extern "C" fn mp3_trace_now() -> u64 {
    now()
}

/// An attempt has ended. `who` is word 1, `counts` the counts in word 3, `result` the bits of word 2 of the second record.
///
/// # Safety
///
/// Called by fault.c only, on the recorder's CPU, with interrupts off.
#[no_mangle]
unsafe extern "C" fn mp3_trace_fault(
    recorder: *const Recorder,
    fault: *const RawFault,
    who: u64,
    counts: u64,
    result: u64,
) -> bool {
    // SAFETY: The caller promises it.
    unsafe {
        let (recorder, fault) = (RecorderPtr::new(recorder), &*fault);
        let own = own(&recorder.own);
        if needs_attention(own) {
            // Its own view of `own` follows this one, which ends here.
            return attend_fault(recorder, fault, who, counts, result);
        }
        write_fault::<false>(recorder, own, fault, who, counts, result)
    }
}

/// As [`mp3_trace_fault`], where there is more to do than to write.
///
/// # Safety
///
/// As for [`mp3_trace_fault`].
#[cold]
#[inline(never)]
unsafe fn attend_fault(recorder: RecorderPtr, fault: &RawFault, who: u64, counts: u64, result: u64) -> bool {
    if recorder.is_none() {
        return false;
    }
    // SAFETY: The caller promises it.
    let own = unsafe { own(&recorder.own) };
    write_fault::<true>(recorder, own, fault, who, counts, result)
}

#[inline(always)]
fn write_fault<const ATTEND: bool>(
    recorder: RecorderPtr,
    own: &mut Own,
    fault: &RawFault,
    who: u64,
    counts: u64,
    result: u64,
) -> bool {
    write_pair::<ATTEND>(recorder, own, Kind::Fault, fault, who, result, (fault.began, counts))
}

/// An attempt begins, and its end is not asked for.
///
/// # Safety
///
/// As for [`mp3_trace_fault`].
#[no_mangle]
unsafe extern "C" fn mp3_trace_fault_entry(recorder: *const Recorder, fault: *const RawFault) -> bool {
    // SAFETY: The caller promises it.
    unsafe {
        let (recorder, fault) = (RecorderPtr::new(recorder), &*fault);
        let own = own(&recorder.own);
        if needs_attention(own) {
            // Its own view of `own` follows this one, which ends here.
            return attend_fault_entry(recorder, fault);
        }
        write_fault_entry::<false>(recorder, own, fault)
    }
}

/// As [`mp3_trace_fault_entry`], where there is more to do than to write.
///
/// # Safety
///
/// As for [`mp3_trace_fault`].
#[cold]
#[inline(never)]
unsafe fn attend_fault_entry(recorder: RecorderPtr, fault: &RawFault) -> bool {
    if recorder.is_none() {
        return false;
    }
    // SAFETY: The caller promises it.
    let own = unsafe { own(&recorder.own) };
    write_fault_entry::<true>(recorder, own, fault)
}

#[inline(always)]
fn write_fault_entry<const ATTEND: bool>(recorder: RecorderPtr, own: &mut Own, fault: &RawFault) -> bool {
    const COUNT: u64 = 0xfff;
    let counts = (u64::from(fault.minor) & COUNT) << 40 | (u64::from(fault.major) & COUNT) << 52;
    write_pair::<ATTEND>(recorder, own, Kind::FaultEntry, fault, fault.who, 0, (NO_BEGINNING, counts))
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

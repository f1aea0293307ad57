// SPDX-License-Identifier: GPL-2.0

//! The bytes of one record of each kind, written down once: what is in recordings must be readable by later versions.

use super::*;

/// One record of each kind with every field set to something of its own, and its words.
fn records() -> Vec<(Event, Words)> {
    let fault = Fault {
        tid: 3,
        tgid: 4,
        counted: Counted::Minor,
        before: PageState::ReadOnly,
        after: PageState::Writable,
        flags: FaultFlags::SAME_PAGE | FaultFlags::KERNEL,
        address: 0x7fff_dead_beef,
        class: MappingClass::of(Backing::File)
            .with(MappingClass::SHARED | MappingClass::HEAP | MappingClass::EXECUTABLE),
        latency_ns: 0x12_3456_789a,
        minor: 0x111,
        major: 0x222,
    };
    vec![
        (
            Event::Switch(Switch {
                prev: 0x3f_fffe,
                next: 0x12_3456,
                state: State::Uninterruptible,
                flags: SwitchFlags::VOLUNTARY | SwitchFlags::IO_WAIT | SwitchFlags::PINNED,
                involuntary: 0xab,
                run_ns: 0x8123_4567_89ab,
                voluntary: 0xbeef,
                delay_ns: 0x0000_0000_0007,
                prev_prio: Prio(-1),
                next_prio: Prio(140),
            }),
            [0x2345_6789_abcd_ef01, 0xab26_248d_15bf_fffe, 0x8123_4567_89ab_beef, 0x0000_0000_0007_8cff],
        ),
        (
            Event::Waking(Waking {
                wakee: 1,
                waker: 2,
                context: Context::HardIrq,
                io_wait: true,
                waker_compat: false,
                wakee_compat: true,
                wakee_state: State::Sleeping,
                wakee_prio: Prio(98),
                waker_prio: Prio(120),
                previous_cpu: 0x1fff,
                waker_call: None,
                wakee_call: Some(202),
                argument: 0x7fff_dead_beef_0008,
            }),
            [0x2345_6789_abcd_ef02, 0x6211_6000_0080_0001, 0x00ca_ffff_0078_1fff, 0x7fff_dead_beef_0008],
        ),
        (
            Event::Migrate(Migrate {
                tid: 3,
                tgid: 4,
                by: 5,
                context: Context::SoftIrq,
                from: 6,
                to: 7,
                prio: Prio(100),
                forced: true,
                allowed_cpus: 8,
                migrations: 0x9abc_def0,
            }),
            [0x2345_6789_abcd_ef03, 0x6400_3000_0100_0003, 0x0000_0008_0007_0006, 0x9abc_def0_0000_0005],
        ),
        (
            Event::Priority(Priority {
                tid: 3,
                tgid: 4,
                by: 5,
                context: Context::Task,
                old: Prio(120),
                new: Prio(49),
                donor: 6,
            }),
            [0x2345_6789_abcd_ef04, 0x0000_0000_0100_0003, 0x0000_0000_0006_3178, 0x0000_0000_0000_0005],
        ),
        (
            Event::NewTask(NewTask {
                tid: 3,
                tgid: 4,
                parent: 5,
                parent_tgid: 6,
                clone_flags: 0x1_003d_0f00,
                prio: Prio(139),
                kernel: true,
            }),
            [0x2345_6789_abcd_ef05, 0x8b00_1000_0100_0003, 0x0000_0001_003d_0f00, 0x0000_0000_0180_0005],
        ),
        (
            Event::Exec(Exec { tid: 3, tgid: 4, old_tid: 5, text_bytes: 240, path_bytes: 4095 }),
            [0x2345_6789_abcd_ef06, 0x0000_0000_0100_0003, 0x0000_0fff_f000_0005, 0],
        ),
        (
            Event::Exit(Exit { tid: 3, tgid: 4, parent_tgid: 5, group_dead: true, code: 0x8b, group_code: -1 }),
            [0x2345_6789_abcd_ef07, 0x0000_1000_0100_0003, 0xffff_ffff_0000_008b, 5],
        ),
        (
            Event::Name(Name { tid: 3, tgid: 4, kernel: false, comm: *b"kworker/0:1\0\0\0\0\0" }),
            [0x2345_6789_abcd_ef08, 0x0000_0000_0100_0003, 0x2f72_656b_726f_776b, 0x0000_0000_0031_3a30],
        ),
        (
            Event::Text(Text { bytes: *b"/usr/bin/true-or-false\0\0" }),
            [0x2345_6789_abcd_ef09, 0x6e69_622f_7273_752f, 0x726f_2d65_7572_742f, 0x0000_6573_6c61_662d],
        ),
        (
            Event::Irq(Irq { class: IrqClass::Soft, number: 9, tid: 3, duration_ns: 12_345, nested_ns: 67 }),
            [0x2345_6789_abcd_ef0a, 0x0000_0000_0300_0902, 12_345, 67],
        ),
        (
            Event::Task(Task {
                tid: 3,
                tgid: 4,
                parent_tgid: 5,
                kernel: true,
                running: true,
                state: State::Idle,
                policy: 6,
                prio: Prio(0),
                cpu: 7,
                allowed_cpus: 8,
                cgroup: 0x1234_5678_9abc,
            }),
            [0x2345_6789_abcd_ef0b, 0x001a_3000_0100_0003, 0x1234_5678_9abc, 0x0000_0800_0005_0007],
        ),
        (
            Event::Totals(Totals { tid: 3, tgid: 4, part: TotalsPart::Times { run_ns: u64::MAX, delay_ns: 5 } }),
            [0x2345_6789_abcd_ef0c, 0x0000_0000_0100_0003, u64::MAX, 5],
        ),
        (
            Event::Totals(Totals { tid: 3, tgid: 4, part: TotalsPart::Switches { voluntary: 6, involuntary: 7 } }),
            [0x2345_6789_abcd_ef0c, 0x0100_0000_0100_0003, 6, 7],
        ),
        (
            Event::Totals(Totals { tid: 3, tgid: 4, part: TotalsPart::Placement { migrations: 8, started_ns: 9 } }),
            [0x2345_6789_abcd_ef0c, 0x0200_0000_0100_0003, 8, 9],
        ),
        (Event::SnapshotEnd(SnapshotEnd { threads: 10_000 }), [0x2345_6789_abcd_ef0d, 10_000, 0, 0]),
        (
            Event::Fault(fault),
            [0x2345_6789_abcd_ef20, 0x8126_1000_0100_0003, 0x9900_7fff_dead_beef, 0x2221_1112_3456_789a],
        ),
        (
            Event::FaultPlace(FaultPlace {
                ip: 0x5555_1234_5678,
                result: FaultResult::MAJOR | FaultResult::RETRY,
                mapping: 0xdead_beef,
                page: 0x1234_5678_9abc,
            }),
            [0x2345_6789_abcd_ef21, 0x5555_1234_5678, 0xdead_beef_0000_0404, 0x1234_5678_9abc],
        ),
        (
            Event::FaultEntry(fault),
            [0x2345_6789_abcd_ef22, 0x8126_1000_0100_0003, 0x9900_7fff_dead_beef, 0x2221_1112_3456_789a],
        ),
        (
            Event::Map(Map {
                tgid: 4,
                id: 0xdead_beef,
                text_bytes: 240,
                path_bytes: 4095,
                first_page: 0x7_ffff_fff0,
                pages: 0x12_3456,
                class: MappingClass::of(Backing::File).with(MappingClass::EXECUTABLE),
                protection: Protection(5),
            }),
            [0x2345_6789_abcd_ef23, 0x3c37_ab6f_bbc0_0004, 0xfff0_0007_ffff_fff0, 0x0058_1000_0012_3456],
        ),
        (
            Event::MapFile(MapFile { inode: 0x1234_5678_9abc_def0, device: 0xfe00_0001, offset: 7 }),
            [0x2345_6789_abcd_ef24, 0x1234_5678_9abc_def0, 0xfe00_0001, 7],
        ),
        (
            Event::FaultSignal(FaultSignal { tid: 3, tgid: 4, signal: 11, code: 2, address: 0x1000, ip: 0x4000 }),
            [0x2345_6789_abcd_ef25, 0x0020_b000_0100_0003, 0x1000, 0x4000],
        ),
        (
            Event::FaultTotals(FaultTotals { tid: 3, tgid: 4, minor: 1 << 40, major: 6 }),
            [0x2345_6789_abcd_ef26, 0x0000_0000_0100_0003, 1 << 40, 6],
        ),
    ]
}

/// 0x67 above its 56 bits, which do not fit.
const TIME: u64 = 0x6723_4567_89ab_cdef;

#[test]
fn records_have_the_words_that_they_always_had() {
    for (event, words) in records() {
        let record = Record { time: TIME, event };
        let encoded = record.encode();
        assert_eq!(encoded, words, "{event:?}: {encoded:#018x?}");
        assert_eq!(Record::decode(&words), Ok(Record { time: TIME & 0xff_ffff_ffff_ffff, event }));
        assert_eq!(record::kind_number(&words), event.kind().number());
    }
}

#[test]
fn all_kinds_are_written_down_here() {
    let mut kinds: Vec<Kind> = records().iter().map(|(event, _)| event.kind()).collect();
    kinds.dedup();
    assert_eq!(kinds, Kind::ALL);
}

#[test]
fn any_words_can_be_decoded_and_what_is_known_of_them_stays() {
    // A generator of no quality, enough to set and clear every bit: Knuth's MMIX.
    let mut state = 1_u64;
    let mut random = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        state ^ state >> 32
    };
    for _ in 0..100_000 {
        let mut words = [random(), random(), random(), random()];
        // Most of the kinds below 64 that have one of two bits not set are known.
        words[0] &= !0xd0;
        match Record::decode(&words) {
            Ok(decoded) => {
                // Bits without a meaning are dropped once, and then nothing changes any more.
                let again = decoded.encode();
                assert_eq!(Record::decode(&again), Ok(decoded));
                assert_eq!(again[0], words[0]);
            }
            Err(error) => assert!(Kind::from_number(error.kind).is_none()),
        }
    }
}

#[test]
fn a_record_of_a_later_version_is_refused_by_its_number() {
    let error = Record::decode(&[0x40, 0, 0, 0]).unwrap_err();
    assert_eq!(error, UnknownKind { kind: 64 });
    assert_eq!(error.to_string(), "a record of kind 64, which this version does not know");
}

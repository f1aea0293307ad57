// SPDX-License-Identifier: GPL-2.0

//! A recording of many faults: read to the fault, and small. `MP3_FAULTS=10000000` makes it one of ten million, and it stays, so that
//! the program can be tried on it.

use abi::events::fault::class::{Backing, MappingClass};
use abi::events::Kinds;
use faults::fault::FaultKind;
use faults::feed::Item;
use faults::model::{Model, Planted};
use faults::recording::Recording;
use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;
use trace::recording::{Chunker, Header};

/// A chunk is as large as `faults record` makes it.
const CHUNK_BYTES: usize = 1 << 20;

const FIRST_PAGE: u64 = 0x7f00_0000_0000;

/// A program that touches a third of `faults` pages in turn, and then any of them at random: these come back from swap.
fn write(path: &Path, faults: u64) -> u64 {
    let pages = (faults / 3).max(1);
    let mut model = Model::new(1);
    model.sched.existing(100, 100, "many").snapshot();
    model.map(100, 1, FIRST_PAGE, pages, "", MappingClass::of(Backing::Anonymous));
    let mut file = BufWriter::new(File::create(path).unwrap());
    let kinds = Kinds::FAULTS.0;
    let header = Header { host: "model".into(), cpus: 1, kinds, abi: abi::header::ABI_VERSION, ..Header::default() };
    header.write(&mut file).unwrap();
    let mut chunker = Chunker::new().unwrap();
    let (mut bytes, mut seed) = (0, 1_u64);
    for n in 0..faults {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let random = seed >> 33;
        let (page, kind, took) = match n < pages {
            true => (n, FaultKind::FirstTouch, 700 + random % 300),
            false => (random % pages, FaultKind::SwapDisk, 60_000 + random % 90_000),
        };
        let (address, ip) = (FIRST_PAGE + page * 4096 + random % 4096, 0x55_5555_0000 + random % 7);
        model.sched.pass(took + 200 + random % 1_000);
        model.fault(0, &Planted { tid: 100, tgid: 100, address, kind, took, ip, mapping: 1, ..Planted::default() });
        model.sched.events.drain(..).for_each(|timed| chunker.push(&timed));
        if chunker.bytes() >= CHUNK_BYTES || n + 1 == faults {
            let chunk = chunker.finish(n + 1 == faults).unwrap();
            bytes += chunk.len() as u64;
            file.write_all(&chunk).unwrap();
        }
    }
    file.flush().unwrap();
    bytes
}

#[test]
fn a_recording_of_many_faults_is_read_to_the_fault() {
    let faults = std::env::var("MP3_FAULTS").map_or(200_000, |faults| faults.parse().expect("a number of faults"));
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join("many.faults");
    let bytes = write(&path, faults);
    println!("{}: {faults} faults, {:.2} bytes each", path.display(), bytes as f64 / faults as f64);
    let mut recording = Recording::open(&path).unwrap();
    let mut read = 0;
    while let Some(part) = recording.next_part().unwrap() {
        part.each(|item| {
            if let Item::Event(timed) = item {
                read += u64::from(matches!(&timed.what, trace::event::What::Event(abi::events::Event::Fault(_))));
            }
        });
    }
    assert_eq!(read, faults);
    assert_eq!(recording.ending(), None);
    // A page and a latency at random are 5 bytes; the rest of a fault's two records, 64 bytes, says what the one before said.
    assert!(bytes < 20 * faults, "{bytes} bytes for {faults} faults");
}

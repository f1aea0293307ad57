// SPDX-License-Identifier: GPL-2.0

//! Every input that was worth keeping, once more: those with names, and those that libFuzzer kept.

use flate2::read::GzDecoder;
use std::fs::{self, File};
use std::io::Read;
use std::path::{Path, PathBuf};

fn corpus() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus")
}

fn withstood(check: fn(&[u8]), input: &[u8], name: &Path) {
    if std::panic::catch_unwind(|| check(input)).is_err() {
        panic!("{}", name.display());
    }
}

/// The fuzzer's programs are made from files, one a target, which cargo wants named once more.
#[test]
fn every_target_is_a_program_of_the_fuzzer() {
    let libfuzzer = Path::new(env!("CARGO_MANIFEST_DIR")).join("libfuzzer");
    let mut files: Vec<_> = fs::read_dir(libfuzzer.join("fuzz_targets"))
        .unwrap()
        .map(|entry| entry.unwrap().path().file_stem().unwrap().to_str().unwrap().to_owned())
        .collect();
    files.sort();
    let manifest = fs::read_to_string(libfuzzer.join("Cargo.toml")).unwrap();
    let programs = manifest.split("[[bin]]").skip(1);
    let mut programs: Vec<_> = programs.map(|program| program.split('"').nth(1).unwrap()).collect();
    programs.sort_unstable();
    let mut targets = fuzz::TARGETS.map(|(name, _)| name);
    targets.sort_unstable();
    assert_eq!(targets[..], files[..]);
    assert_eq!(targets[..], programs[..]);
}

#[test]
fn every_named_input_is_handled() {
    for (name, check) in fuzz::TARGETS {
        let directory = corpus().join(name);
        let mut files: Vec<_> = fs::read_dir(&directory)
            .unwrap_or_else(|error| panic!("{}: {error}", directory.display()))
            .map(|entry| entry.unwrap().path())
            .collect();
        files.sort();
        assert!(!files.is_empty(), "{}: empty", directory.display());
        for file in files {
            withstood(check, &fs::read(&file).unwrap(), &file);
        }
    }
}

#[test]
fn every_input_that_the_fuzzer_found_is_handled() {
    for (name, check) in fuzz::TARGETS {
        let path = corpus().join(format!("{name}.tar.gz"));
        let file = File::open(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        let mut inputs = 0;
        for entry in tar::Archive::new(GzDecoder::new(file)).entries().unwrap() {
            let mut entry = entry.unwrap();
            if !entry.header().entry_type().is_file() {
                continue;
            }
            let mut input = vec![];
            entry.read_to_end(&mut input).unwrap();
            withstood(check, &input, &path.join(entry.path().unwrap()));
            inputs += 1;
        }
        assert!(inputs > 10, "{}: {inputs} inputs", path.display());
    }
}

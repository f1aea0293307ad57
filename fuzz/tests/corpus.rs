// SPDX-License-Identifier: GPL-2.0

//! Every input that was worth keeping, once more.

use std::fs;
use std::path::Path;

#[test]
fn every_kept_input_is_withstood() {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus");
    for (name, check) in fuzz::TARGETS {
        let directory = corpus.join(name);
        let mut files: Vec<_> = fs::read_dir(&directory)
            .unwrap_or_else(|error| panic!("{}: {error}", directory.display()))
            .map(|entry| entry.unwrap().path())
            .collect();
        files.sort();
        assert!(!files.is_empty(), "{}: empty", directory.display());
        for file in files {
            let input = fs::read(&file).unwrap();
            if std::panic::catch_unwind(|| check(&input)).is_err() {
                panic!("{}", file.display());
            }
        }
    }
}

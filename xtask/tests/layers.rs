// SPDX-License-Identifier: GPL-2.0

//! Dependencies between the crates of the workspace point downwards.

use serde_json::Value;
use std::collections::BTreeMap;
use std::process::Command;

/// The crates from the lowest layer to the highest. A crate depends on crates of lower layers only: not on one above it, nor on
/// one beside it. So no user's program can come to contain test support or a benchmark, and there are no circles.
const LAYERS: &[&[&str]] = &[
    // Both sides of the kernel boundary.
    &["abi"],
    // Every file format.
    &["format"],
    // What programs are made of.
    &["client", "plot", "work"],
    // What tests of programs are made of: an allocator that counts, a terminal.
    &["heap", "terminal"],
    // The events as a stream, live or recorded.
    &["trace"],
    // The programs.
    &["exporter", "monitor", "sched", "top", "userapp"],
    // What looks at the events that sched reads.
    &["faults"],
    // The studies; what tests in the virtual machine are made of.
    &["judge", "studies"],
    &["testkit"],
    // What tests, measures, packages and builds.
    &["bench", "fuzz", "manuals", "tests", "xtask"],
];

/// Each crate of the workspace with those of the workspace that it depends on, also for its tests and its build.
fn dependencies() -> BTreeMap<String, Vec<String>> {
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--format-version", "1", "--no-deps", "--offline"])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let metadata: Value = serde_json::from_slice(&output.stdout).unwrap();
    let name = |value: &Value| value["name"].as_str().unwrap().to_owned();
    let packages = metadata["packages"].as_array().unwrap();
    let members: Vec<String> = packages.iter().map(name).collect();
    let of = |package: &Value| {
        let all = package["dependencies"].as_array().unwrap().iter().map(name);
        all.filter(|dependency| members.contains(dependency)).collect()
    };
    packages.iter().map(|package| (name(package), of(package))).collect()
}

fn layer(name: &str) -> Option<usize> {
    LAYERS.iter().position(|layer| layer.contains(&name))
}

/// The dependencies that do not point downwards, as sentences.
fn upward(dependencies: &BTreeMap<String, Vec<String>>) -> Vec<String> {
    let mut wrong = Vec::new();
    for (name, on) in dependencies {
        let Some(own) = layer(name) else {
            wrong.push(format!("{name} has no layer in xtask/tests/layers.rs"));
            continue;
        };
        for below in on {
            // One without a layer is told of by itself.
            if layer(below).is_some_and(|layer| layer >= own) {
                wrong.push(format!("{name} depends on {below}, which is not below it"));
            }
        }
    }
    wrong
}

#[test]
fn every_dependency_points_downwards() {
    let dependencies = dependencies();
    assert!(dependencies.len() > 10, "{dependencies:?}");
    assert_eq!(upward(&dependencies), Vec::<String>::new());
}

#[test]
fn a_dependency_that_points_upwards_or_sideways_is_found() {
    let found = |name: &str, on: &str| upward(&BTreeMap::from([(name.to_owned(), vec![on.to_owned()])]));
    assert_eq!(found("plot", "bench"), ["plot depends on bench, which is not below it"]);
    assert_eq!(found("client", "plot"), ["client depends on plot, which is not below it"]);
    assert_eq!(found("abi", "format"), ["abi depends on format, which is not below it"]);
    assert_eq!(found("novel", "abi"), ["novel has no layer in xtask/tests/layers.rs"]);
    assert_eq!(found("bench", "plot"), Vec::<String>::new());
}

// SPDX-License-Identifier: GPL-2.0

//! docs/formats.md names every column, flag and key, and no other. (A new counter may be missing: the table describes it.)

use abi::samples::COUNTERS;
use format::comments::{Kind, Preamble, Trailer, IDLE, TRAILER_KEYS};
use format::{columns, flags};
use std::collections::BTreeSet;

/// The names in the first column of the page's tables.
fn documented() -> BTreeSet<String> {
    let page = include_str!("../../docs/formats.md");
    let rows = page.lines().filter(|line| line.starts_with("| `"));
    let names = rows.flat_map(|row| row.split('|').nth(1).unwrap().split(',').map(|name| name.trim().replace('`', "")));
    names.collect()
}

#[test]
fn the_page_names_every_column_flag_and_key() {
    let mut preamble = vec![];
    let text = || Some("x".to_owned());
    Preamble {
        host: text(),
        kernel: text(),
        cpus: Some(1),
        hz: Some(1.0),
        rate_hz: Some(1.0),
        start: text(),
        delays: text(),
        users: text(),
        source: text(),
    }
    .write(&mut preamble, Kind::Profile);
    let preamble = String::from_utf8(preamble).unwrap();
    let keys = preamble.lines().skip(1).map(|line| line[2..].split_once(':').unwrap().0.to_owned());
    let mut expected: BTreeSet<String> = keys.collect();
    expected.extend(TRAILER_KEYS.map(str::to_owned));
    expected.extend(columns::LEADING.map(str::to_owned));
    expected.extend(flags::NAMES.map(|(_, name)| name.to_owned()));
    let counters: BTreeSet<String> = COUNTERS.iter().map(|counter| counter.column.to_owned()).collect();
    // A new counter is described in abi's table; the page follows.
    assert_eq!(documented().difference(&counters).cloned().collect::<BTreeSet<_>>(), expected);
    assert!(documented().intersection(&counters).count() >= 15);
    assert!(include_str!("../../docs/formats.md").contains(&format!("`# {IDLE}`")));
}

#[test]
fn every_key_of_the_trailer_is_written() {
    let mut out = vec![];
    Trailer { lost: Some(1), rate_reached_hz: Some(2.0), ..Trailer::default() }.write(&mut out);
    assert_eq!(String::from_utf8(out).unwrap(), "# lost: 1\n# rate_reached_hz: 2.0000\n");
    assert!(TRAILER_KEYS.contains(&"lost") && TRAILER_KEYS.contains(&"rate_reached_hz"));
}

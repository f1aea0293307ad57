// SPDX-License-Identifier: GPL-2.0

//! What docs/upstream says was measured is in the data beside it, which `docs/upstream/measure` writes.

use std::fs;

const DIRECTORY: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/upstream");

fn read(name: &str) -> String {
    fs::read_to_string(format!("{DIRECTORY}/{name}")).unwrap_or_else(|error| panic!("{name}: {error}"))
}

/// The rows of a table: kernel and, where there are several, device; then numbers of one run.
struct Data {
    rows: Vec<Vec<String>>,
}

impl Data {
    fn read(name: &str) -> Self {
        let text = read(name);
        let rows = text.lines().filter(|line| !line.starts_with('#') && !line.is_empty());
        let rows: Vec<Vec<String>> = rows.map(|row| row.split('\t').map(String::from).collect()).collect();
        assert!(!rows.is_empty() && rows.iter().all(|row| row.len() == rows[0].len()), "{name}: rows of equal length");
        Data { rows }
    }

    /// The first `of` columns of the rows, each once, in their order.
    fn runs(&self, of: usize) -> Vec<&[String]> {
        let mut keys: Vec<&[String]> = vec![];
        for row in &self.rows {
            if keys.last() != Some(&&row[..of]) {
                keys.push(&row[..of]);
            }
        }
        keys
    }

    /// A column of the runs that begin with `key`.
    fn column(&self, key: &[String], column: usize) -> Vec<&str> {
        self.rows.iter().filter(|row| row.starts_with(key)).map(|row| &*row[column]).collect()
    }

    fn has(&self, number: &str) -> bool {
        self.rows.iter().flatten().any(|cell| cell == number || cell.trim_end_matches(".0") == number)
    }
}

/// A row of a table in Markdown.
fn row(cells: &[String]) -> String {
    format!("| {} |", cells.join(" | "))
}

/// The rows of the table of block-I/O delay.
fn blkio(data: &Data) -> Vec<String> {
    data.runs(1)
        .into_iter()
        .map(|key| {
            let column = |column| data.column(key, column).join(", ");
            // The read with the most delay more than it took.
            let worst = data.rows.iter().filter(|row| row.starts_with(key) && !row[6].is_empty());
            let worst = worst.max_by(|one, other| excess(one).total_cmp(&excess(other)));
            let worst = worst.map_or(String::new(), |row| format!("{}, {}", row[6], row[7]));
            row(&[key[0].clone(), column(3), column(4), column(5), worst])
        })
        .collect()
}

fn excess(row: &[String]) -> f64 {
    row[7].parse::<f64>().unwrap() - row[6].parse::<f64>().unwrap()
}

/// The rows of the table of swap-in delay.
fn swapin(data: &Data) -> Vec<String> {
    data.runs(2)
        .into_iter()
        .map(|key| {
            let column = |column| data.column(key, column).join(", ");
            row(&[key[0].clone(), key[1].clone(), column(4), column(5), column(6), column(7)])
        })
        .collect()
}

#[test]
fn the_tables_are_made_from_the_data() {
    let text = read("README.md");
    let rows = [blkio(&Data::read("blkio-delay.tsv")), swapin(&Data::read("swapin-delay.tsv"))].concat();
    for row in &rows {
        assert!(text.lines().any(|line| line == row), "README.md has no row\n{row}");
    }
    // And no others: all rows with times are those.
    let is_measured =
        |line: &&str| line.starts_with('|') && line.contains(", ") && line.contains(|c: char| c.is_ascii_digit());
    let measured: Vec<_> =
        text.lines().filter(is_measured).filter(|line| !line.contains("](") && !line.contains("ms")).collect();
    assert_eq!(measured, rows);
}

#[test]
fn every_time_that_a_text_names_is_in_the_data() {
    let data = [Data::read("blkio-delay.tsv"), Data::read("swapin-delay.tsv")];
    let mut texts: Vec<_> = fs::read_dir(DIRECTORY)
        .unwrap()
        .map(|file| file.unwrap().file_name().into_string().unwrap())
        .filter(|name| name.ends_with(".patch") || name.ends_with(".md"))
        .map(|name| (read(&name).split("\ndiff --git").next().unwrap().to_owned(), name))
        .collect();
    let reliability = fs::read_to_string(format!("{DIRECTORY}/../reliability.md")).unwrap();
    let cells = reliability.lines().find(|line| line.starts_with("| 12 |")).expect("the point about block-I/O delay");
    texts.push((cells.to_owned(), "docs/reliability.md".into()));
    let mut times = 0;
    for (text, name) in texts {
        let text = text.replace('\n', " ");
        let words: Vec<&str> =
            text.split_whitespace().map(|word| word.trim_end_matches([',', '.', ';', ':'])).collect();
        for (at, _) in words.iter().enumerate().filter(|(_, word)| **word == "ms") {
            // "2 ms", and the first of "1 of 2 ms".
            let mut numbers = vec![words[at - 1]];
            if at >= 3 && words[at - 2] == "of" {
                numbers.push(words[at - 3]);
            }
            for number in numbers.into_iter().filter(|word| word.starts_with(|letter: char| letter.is_ascii_digit())) {
                let plain = number.replace(',', "");
                // What the disks and the tests are set to.
                let is_set = ["10"].contains(&&*plain);
                assert!(
                    is_set || data.iter().any(|data| data.has(&plain)),
                    "{name}: {number} ms is in no row of the data"
                );
                times += 1;
            }
        }
    }
    assert!(times > 8, "{times}");
}

// SPDX-License-Identifier: GPL-2.0

//! docs/formats.md names every table of `sched` and every column of it, in their order.

use sched::view::SCHEMAS;

/// The name of each table on the page, and its columns: `- \`NAME\`, WORDS: \`COLUMN\` (WORDS), ...`, over several lines.
fn documented() -> Vec<(String, Vec<String>)> {
    let page = include_str!("../../docs/formats.md");
    let (_, section) = page.split_once("## Tables of `sched`").expect("the section");
    let section = section.split("\nWhat the counters mean").next().unwrap_or_default();
    section.split("\n- `").skip(1).map(entry).collect()
}

fn entry(text: &str) -> (String, Vec<String>) {
    let text = text.split("\n\n").next().unwrap_or_default();
    let (name, _) = text.split_once('`').expect("a name");
    // What stands in parentheses explains a column.
    let (mut depth, mut plain) = (0, String::new());
    for letter in text.chars() {
        match letter {
            '(' => depth += 1,
            ')' => depth -= 1,
            _ if depth == 0 => plain.push(letter),
            _ => {}
        }
    }
    let (_, columns) = plain.split_once(": ").or_else(|| plain.split_once(":\n")).expect("columns");
    (name.to_owned(), columns.split('`').skip(1).step_by(2).map(str::to_owned).collect())
}

#[test]
fn the_page_names_every_table_and_its_columns_in_order() {
    let documented = documented();
    assert_eq!(documented.len(), SCHEMAS.len());
    for schema in SCHEMAS {
        let columns: Vec<&str> = schema.columns.iter().map(|column| column.name).collect();
        let (_, found) = documented.iter().find(|(name, _)| name == schema.name).expect(schema.name);
        assert_eq!(found, &columns, "{}", schema.name);
    }
}

// SPDX-License-Identifier: GPL-2.0

//! The page: one file that works from disk, without a network.
//!
//! Tables are written here, so that they work without scripts too. The charts are drawn by `page.js` from the numbers of
//! [`data`], which stand in the page as JSON.

pub mod data;

use crate::canvas::escape;
use data::{Group, Page};

const PAGE: &str = include_str!("page.html");
const STYLE: &str = include_str!("page.css");
const SCRIPT: &str = include_str!("page.js");

/// What a page says besides its charts.
#[derive(Debug, Clone, Default)]
pub struct Texts {
    /// Its title, as text.
    pub title: String,
    /// HTML of its sections, one for each [`Group`], in order: see [`section`].
    pub sections: String,
    /// HTML of its definitions: see [`definitions`].
    pub definitions: String,
}

/// The page with the charts of `page`.
///
/// # Errors
/// The numbers cannot be written as JSON.
pub fn html(texts: &Texts, page: &Page) -> Result<String, serde_json::Error> {
    // Inside a script element, only `<` could end it.
    let json = serde_json::to_string(page)?.replace('<', "\\u003c");
    Ok(fill(
        PAGE,
        &[
            ("title", &escape(&texts.title)),
            ("style", STYLE),
            ("script", SCRIPT),
            ("definitions", &texts.definitions),
            ("sections", &texts.sections),
            ("data", &json),
        ],
    ))
}

/// The section of the group with this index: its title, the places of its charts, and what else `details` says as HTML.
pub fn section(index: usize, title: &str, above: &str, details: &str) -> String {
    format!(
        "<section class=\"study\" data-study=\"{index}\">\n<h2>{}</h2>\n{above}\n<div class=\"trends\"></div>\n\
         <div class=\"runs\"></div>\n{details}</section>\n",
        escape(title),
    )
}

/// A table with its caption. The first column names the rows.
pub fn table(caption: &str, head: &[String], rows: &[Vec<String>]) -> String {
    let head: String = head.iter().map(|name| format!("<th scope=\"col\">{}</th>", escape(name))).collect();
    let rows: String = rows
        .iter()
        .map(|row| {
            let cells: String = row
                .iter()
                .enumerate()
                .map(|(column, field)| match column {
                    0 => format!("<th scope=\"row\">{}</th>", escape(field)),
                    _ => format!("<td>{}</td>", escape(field)),
                })
                .collect();
            format!("<tr>{cells}</tr>\n")
        })
        .collect();
    format!(
        "<div class=\"table\" tabindex=\"0\" role=\"region\" aria-label=\"{0}\"><table>\n<caption>{0}</caption>\n\
         <thead><tr>{head}</tr></thead>\n<tbody>\n{rows}</tbody></table></div>\n",
        escape(caption)
    )
}

/// Words and what they mean, a line `word: meaning` each.
pub fn definitions(lines: &str) -> String {
    lines
        .lines()
        .filter_map(|line| line.split_once(':'))
        .map(|(word, meaning)| format!("<div><dt>{}</dt><dd>{}</dd></div>\n", escape(word), escape(meaning.trim())))
        .collect()
}

/// What the words of a page of one's own files mean.
const WORDS: &str = "\
minor fault: a page fault that read nothing from a disk
major fault: a page fault for which a page was read from a disk
CPU utilisation: CPU time (user and system) within an interval, divided by its length; 100 % is one CPU kept busy
swap-in: time in which a process waited for pages from swap
thrashing: time in which it waited for pages that had been evicted shortly before
direct reclaim: time in which it looked for memory that could be evicted
";

/// The page of the user's files: each is one group, with a table of its lines.
///
/// # Errors
/// The numbers cannot be written as JSON.
pub fn of_files(groups: Vec<(Group, Vec<String>)>) -> Result<String, serde_json::Error> {
    let names: Vec<&str> = groups.iter().map(|(group, _)| group.name.as_str()).collect();
    let title = format!("mp3: {}", names.join(", "));
    let mut sections = String::new();
    for (index, (group, said)) in groups.iter().enumerate() {
        let head = ["", "minor", "major", "CPU time (s)", "from (s)", "to (s)"].map(String::from);
        let rows: Vec<Vec<String>> =
            group.runs.iter().flat_map(|run| run.series.iter().map(data::Series::row)).collect();
        let said: String = said.iter().map(|line| format!("<p>{}</p>\n", escape(line))).collect();
        let details =
            format!("<details><summary>Totals</summary>\n{}</details>\n", table("Totals of each line", &head, &rows));
        sections.push_str(&section(index, &group.name, &said, &details));
    }
    let page = Page { studies: groups.into_iter().map(|(group, _)| group).collect() };
    html(&Texts { title, sections, definitions: definitions(WORDS) }, &page)
}

/// Puts texts into the places `{{name}}` of a template, in one pass: what is put in is not searched again.
fn fill(template: &str, texts: &[(&str, &str)]) -> String {
    let mut filled = String::new();
    let mut pieces = template.split("{{");
    filled.push_str(pieces.next().unwrap_or_default());
    for piece in pieces {
        let (name, rest) = piece.split_once("}}").unwrap_or((piece, ""));
        filled.push_str(texts.iter().find(|(key, _)| *key == name).map_or("", |(_, text)| text));
        filled.push_str(rest);
    }
    filled
}

#[cfg(test)]
mod tests {
    use super::*;
    use data::Run;

    #[test]
    fn what_files_are_called_cannot_end_a_script_or_a_tag() {
        let name = "</script><b>&\"";
        let run = Run { name: name.into(), cpus: None, nominal_s: 0.05, waits: vec![], delays: None, series: vec![] };
        let group = Group { name: name.into(), trends: vec![], runs: vec![run] };
        let page = of_files(vec![(group, vec![name.into()])]).unwrap();
        assert_eq!(page.matches("</script>").count(), 2, "{page}");
        assert!(!page.contains("<b>") && page.contains("&lt;b&gt;"), "{page}");
        assert!(!page.contains("{{"));
    }

    #[test]
    fn what_is_put_into_a_place_is_not_searched_for_places() {
        assert_eq!(fill("a{{x}}b{{y}}c{{z}}", &[("x", "{{y}}"), ("y", "2")]), "a{{y}}b2c");
    }
}

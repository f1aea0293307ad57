// SPDX-License-Identifier: GPL-2.0

//! The page: one file that works from disk, without a network.
//!
//! Tables and machines are written here, so that they work without scripts too. The charts are drawn by `page.js` from
//! the numbers of [`data`], which stand in the page as JSON.

pub mod data;

use crate::study::summary::{self, Table};
use crate::study::Study;
use plot::canvas::escape;

const PAGE: &str = include_str!("page.html");
const STYLE: &str = include_str!("page.css");
const SCRIPT: &str = include_str!("page.js");

/// The page of these studies.
///
/// # Errors
/// The numbers cannot be written as JSON.
pub fn html(studies: &[Study]) -> Result<String, serde_json::Error> {
    // Inside a script element, only `<` could end it.
    let json = serde_json::to_string(&data::page(studies))?.replace('<', "\\u003c");
    let names: Vec<String> = studies.iter().map(Study::title).collect();
    let sections: String = studies.iter().enumerate().map(|(index, study)| section(index, study)).collect();
    Ok(fill(
        PAGE,
        &[
            ("title", &escape(&format!("mp3: {}", names.join(", ")))),
            ("style", STYLE),
            ("script", SCRIPT),
            ("definitions", &definitions()),
            ("sections", &sections),
            ("data", &json),
        ],
    ))
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

fn section(index: usize, study: &Study) -> String {
    let machines: String = study.runs.iter().enumerate().map(|(run, _)| machine(study, run)).collect();
    format!(
        "<section class=\"study\" data-study=\"{index}\">\n<h2>{}</h2>\n{}\n<div class=\"trends\"></div>\n\
         <div class=\"runs\"></div>\n<details><summary>Sampling, waiting, programs</summary>\n{}{}{}</details>\n\
         <details><summary>Machine</summary>\n<div class=\"machines\">{machines}</div></details>\n</section>\n",
        escape(&study.title()),
        table("Summary", &summary::runs(study)),
        table("Sampling", &summary::sampling(study)),
        table("Waiting, seconds summed over the processes of a run", &summary::waiting(study)),
        study
            .runs
            .iter()
            .map(|run| table(&format!("Programs of {}", run.name), &summary::programs(run)))
            .collect::<String>(),
    )
}

/// The machine of a run, unless it is the one of the run before.
fn machine(study: &Study, run: usize) -> String {
    let this = &study.runs[run].description;
    if run > 0 && study.runs[run - 1].description.machine == this.machine {
        return String::new();
    }
    let same = study.runs[run..].iter().take_while(|other| other.description.machine == this.machine);
    let names: Vec<&str> = same.map(|other| other.name.as_str()).collect();
    let entries: String = this
        .machine
        .entries()
        .iter()
        .map(|(key, value)| format!("<div><dt>{}</dt><dd>{}</dd></div>", escape(key), escape(value)))
        .collect();
    format!(
        "<h3>{} <small>first run {}</small></h3>\n<dl>{entries}</dl>\n",
        escape(&names.join(", ")),
        escape(&this.started)
    )
}

fn table(caption: &str, table: &Table) -> String {
    let head: String = table.head.iter().map(|name| format!("<th scope=\"col\">{}</th>", escape(name))).collect();
    let rows: String = table
        .rows
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

fn definitions() -> String {
    summary::DEFINITIONS
        .lines()
        .filter_map(|line| line.split_once(':'))
        .map(|(word, meaning)| format!("<div><dt>{}</dt><dd>{}</dd></div>\n", escape(word), escape(meaning.trim())))
        .collect()
}

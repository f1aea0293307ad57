// SPDX-License-Identifier: GPL-2.0

//! `studies report` in a real browser, from disk.
//!
//! Needs Chromium (Debian: `apt-get install chromium`). Without it the test is skipped; where `CI` is set, it fails.

mod browser;
mod study;

use browser::{chromium, Browser};
use libtest_mimic::{Arguments, Completion, Trial};
use serde_json::Value;
use std::fs;
use std::path::Path;
use std::process::Command;
use study::{write_studies, Dir, TICKS};

const CHART: &str = "[data-study='0'] [data-chart='faults'] svg";
/// Margins of a chart's axes, left and right, in pixels.
const MARGINS: (f64, f64) = (62.0, 12.0);

fn report(dir: &Dir) -> String {
    write_studies(&dir.0);
    let output =
        Command::new(env!("CARGO_BIN_EXE_studies")).args(["report", "."]).current_dir(&dir.0).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    format!("file://{}", dir.0.join("report.html").display())
}

/// Moves the pointer to `part` (0 to 1) of a chart's width and returns the rows of its tip: (series, time, value, text).
fn point(browser: &mut Browser, chart: &str, part: f64) -> Vec<(String, f64, f64, String)> {
    let (left, top, width, height) = browser.rectangle(chart);
    let x = left + MARGINS.0 + part * (width - MARGINS.0 - MARGINS.1);
    // From beside it: a move to where the mouse already was, before the page scrolled, is none.
    browser.mouse("mouseMoved", (x + 5.0, top + height / 2.0 + 5.0), 0);
    browser.mouse("mouseMoved", (x, top + height / 2.0), 0);
    browser.settle();
    tip(browser)
}

/// The rows of the tip that is shown.
fn tip(browser: &mut Browser) -> Vec<(String, f64, f64, String)> {
    let rows = browser.eval(
        "[...document.querySelectorAll('.tip:not([hidden]) tr')].map(row => [row.dataset.series, Number(row.dataset.x), \
         Number(row.dataset.value), row.innerText])",
    );
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let number = |value: &Value| value.as_f64().unwrap();
    rows.as_array()
        .unwrap()
        .iter()
        .map(|row| (text(&row[0]), number(&row[1]), number(&row[2]), text(&row[3])))
        .collect()
}

fn lines(browser: &mut Browser, series: &str) -> u64 {
    let count = format!("document.querySelectorAll(\"[data-study='0'] path[data-series='{series}']\").length");
    browser.eval(&count).as_u64().unwrap()
}

fn labels(browser: &mut Browser) -> String {
    browser.eval(&format!("document.querySelector(\"{CHART}\").textContent")).as_str().unwrap().to_owned()
}

/// libtest cannot skip a test when it runs, libtest-mimic can.
fn main() {
    let always = |test: fn()| {
        move || {
            test();
            Ok(())
        }
    };
    let tests = vec![
        Trial::test(
            "the_page_is_one_file_and_says_its_numbers_without_scripts",
            always(the_page_is_one_file_and_says_its_numbers_without_scripts),
        ),
        Trial::ignorable_test("the_page_works_in_a_browser", || match chromium() {
            Some(program) => {
                the_page_works_in_a_browser(&program);
                Ok(Completion::Completed)
            }
            None if std::env::var_os("CI").is_some() => Err("no chromium: apt-get install chromium".into()),
            None => Ok(Completion::ignored_with("no chromium on this machine (apt-get install chromium)")),
        }),
    ];
    libtest_mimic::run(&Arguments::from_args(), tests).exit();
}

fn the_page_is_one_file_and_says_its_numbers_without_scripts() {
    let dir = Dir::new();
    let url = report(&dir);
    let page = fs::read_to_string(url.strip_prefix("file://").unwrap()).unwrap();
    for text in ["Case study 1", "Case study 2", "396,700–397,068", "<caption>Summary</caption>", "default-src 'none'"]
    {
        assert!(page.contains(text), "{text} is missing");
    }
    assert!(!page.contains("http://") || page.matches("http://").all(|_| page.contains("http://www.w3.org/2000/svg")));
    assert!(!page.contains("https://"), "nothing to fetch");
    assert!(!page.contains("{{") && !page.contains("</script><b>"), "data cannot end the script it stands in");
}

fn the_page_works_in_a_browser(program: &Path) {
    let dir = Dir::new();
    let url = report(&dir);
    let mut browser = Browser::start(program, &dir.0.join("home"));
    browser.open(&url);

    // It renders: every chart has its lines, and tables and machine stand there as text.
    assert_eq!(lines(&mut browser, "s0"), 3, "the sum, in faults, rate and CPU");
    assert_eq!(lines(&mut browser, "s1"), 4, "a program, in memory too");
    assert_eq!(browser.eval("document.querySelectorAll('.trends svg:not(.over)').length"), 5);
    assert!(labels(&mut browser).contains("0.5 s"), "{}", labels(&mut browser));
    assert_eq!(browser.eval("document.querySelectorAll('b').length"), 0, "text from the data stays text");
    assert_eq!(
        browser.eval("[...document.querySelectorAll('dd')].filter(dd => dd.textContent === '</script><b>&').length"),
        2
    );

    // Pointing shows what is in the data: program i had 100 + i faults a tick, of 50 ms.
    for part in [0.1, 0.37, 0.5, 0.93] {
        let rows = point(&mut browser, CHART, part);
        assert_eq!(rows.len(), 3, "{rows:?}");
        for (series, time, value, text) in rows {
            let tick = (time / 0.05).round();
            // The sum's times are known to a jiffy of 4 ms.
            let known = if series == "s0" { 0.0041 } else { 1e-6 };
            assert!((tick * 0.05 - time).abs() < known && (time - part).abs() < 0.03, "{series} at {part}: {time}");
            let per_tick = match series.as_str() {
                "s0" => 201.0,
                "s1" => 100.0,
                _ => 101.0,
            };
            assert_eq!(value, tick * per_tick, "{series} at {time} s");
            let digits: String = text.rsplit('\t').next().unwrap().chars().filter(char::is_ascii_digit).collect();
            assert_eq!(digits, format!("{value}"), "{text}");
        }
    }
    let rates = point(&mut browser, "[data-study='0'] [data-chart='rate'] svg", 0.5);
    assert!((rates[0].2 - 4020.0).abs() < 1e-6 && rates[0].3.contains("4,020"), "201 faults in 50 ms: {rates:?}");
    let cpu = point(&mut browser, "[data-study='0'] [data-chart='cpu'] svg", 0.5);
    assert!(cpu[0].3.contains("40.00 %"), "2 x 10 ms in 50 ms: {cpu:?}");

    // Switching a line off hides it in every chart, and from the tip; switching it on brings it back.
    browser.click("[data-study='0'] input[data-series='s1']");
    assert_eq!((lines(&mut browser, "s1"), lines(&mut browser, "s2")), (0, 4));
    let rows = point(&mut browser, CHART, 0.5);
    assert_eq!(rows.iter().map(|row| row.0.as_str()).collect::<Vec<_>>(), ["s0", "s2"]);
    browser.click("[data-study='0'] input[data-series='s1']");
    assert_eq!(lines(&mut browser, "s1"), 4);

    // Dragging zooms, in all charts of the run; a double click shows all again.
    let (left, top, width, height) = browser.rectangle(CHART);
    let place = |part: f64| (left + MARGINS.0 + part * (width - MARGINS.0 - MARGINS.1), top + height / 2.0);
    browser.mouse("mouseMoved", place(0.2), 0);
    browser.mouse("mousePressed", place(0.2), 1);
    browser.mouse("mouseMoved", place(0.3), 0);
    browser.mouse("mouseReleased", place(0.3), 1);
    browser.settle();
    assert!(
        labels(&mut browser).contains("0.22 s") && !labels(&mut browser).contains("0.50 s"),
        "{}",
        labels(&mut browser)
    );
    let rows = point(&mut browser, CHART, 0.5);
    assert!((rows[0].1 - 0.25).abs() <= 0.026, "{rows:?}");
    for clicks in [1, 2] {
        browser.mouse("mousePressed", place(0.5), clicks);
        browser.mouse("mouseReleased", place(0.5), clicks);
    }
    browser.settle();
    assert!(!labels(&mut browser).contains("0.22 s") && labels(&mut browser).contains("0.5 s"));

    // Another kind of fault, and another run.
    browser.click("[data-study='1'] .runs > .bar button:nth-child(2)");
    browser.click("[data-study='1'] [data-chart='faults'] .choice button:nth-child(3)");
    let rows = point(&mut browser, "[data-study='1'] [data-chart='faults'] svg", 1.0);
    assert_eq!((rows.len(), rows[0].2, rows[1].2), (4, (TICKS * 12) as f64, (TICKS * 4) as f64), "{rows:?}");
    let rows = point(&mut browser, "[data-study='1'] [data-chart='waited'] svg", 1.0);
    assert!((rows[0].2 - 0.08).abs() < 1e-9, "1 ms a major fault: {rows:?}");
    let rows = point(&mut browser, "[data-study='1'] .trends .chart:nth-child(1) svg", 1.0);
    assert!(rows[0].1 == 3.0 && rows[0].3.contains("24.00"), "utilisation of three copies: {rows:?}");

    // The keyboard does what the mouse does, and the values can be heard.
    browser.mouse("mouseMoved", (1.0, 1.0), 0);
    browser.eval(&format!("document.querySelector(\"{CHART}\").focus()"));
    browser.key("End", 35);
    let rows = tip(&mut browser);
    assert_eq!(rows[0].2, (TICKS * 201) as f64, "{rows:?}");
    browser.key("ArrowLeft", 37);
    assert!(tip(&mut browser)[0].2 < (TICKS * 201) as f64);
    let heard = browser.eval("document.querySelector(\"[data-study='0'] [data-chart='faults'] .heard\").textContent");
    assert!(heard.as_str().unwrap().contains("all processes"), "{heard}");

    // Dark where the reader's system is.
    let ground = "getComputedStyle(document.body).backgroundColor";
    assert_eq!(browser.eval(ground), "rgb(255, 255, 255)");
    let dark = serde_json::json!({"features": [{"name": "prefers-color-scheme", "value": "dark"}]});
    browser.call("Emulation.setEmulatedMedia", dark);
    assert_eq!(browser.eval(ground), "rgb(20, 23, 27)");

    assert_eq!(browser.complaints, Vec::<String>::new(), "nothing in the console");
    let fetched: Vec<&String> = browser.requests.iter().filter(|url| !url.starts_with("data:")).collect();
    assert_eq!(fetched, [&url], "nothing is fetched but the page");
}

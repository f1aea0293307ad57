// SPDX-License-Identifier: GPL-2.0

//! `plot` as a user meets it: arguments in, exit status, messages and files out.

use std::fs;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

const PROFILE: &str = "# mp3 profile 1\n# host: guest\n# kernel: 7.2.12\n# hz: 250\n# rate_hz: 20\n\
    4294912345 9000 0 31000000\n4294912357 70 2 900000\n4294912370 0 0 0\n# samples: 4\n# ticks: 3\n# lost: 0\n";

/// A directory of its own, removed with its owner.
struct Dir(PathBuf);

impl Dir {
    fn new() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let name = format!("plot-cli-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        let path = std::env::temp_dir().join(name);
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    fn file(&self, name: &str, content: impl AsRef<[u8]>) -> &Self {
        fs::write(self.0.join(name), content).unwrap();
        self
    }

    fn plot(&self, arguments: &[&str]) -> Output {
        Command::new(env!("CARGO_BIN_EXE_plot")).args(arguments).current_dir(&self.0).output().unwrap()
    }

    fn read(&self, name: &str) -> Vec<u8> {
        fs::read(self.0.join(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
    }

    fn has(&self, name: &str) -> bool {
        Path::new(&self.0).join(name).exists()
    }
}

impl Drop for Dir {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn stdout(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// Runs `plot` on a bad file, and returns its one line of error.
fn complaint(content: impl AsRef<[u8]>) -> String {
    let dir = Dir::new();
    let output = dir.file("bad.data", content).plot(&["bad.data"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(!dir.has("bad.svg") && !dir.has("bad.png"), "nothing is drawn of a bad file");
    assert_eq!(stderr(&output).lines().filter(|line| !line.contains("assumed")).count(), 1, "{}", stderr(&output));
    stderr(&output)
}

#[test]
fn draws_svg_and_png_beside_the_profile() {
    let dir = Dir::new();
    let output = dir.file("profile.data", PROFILE).plot(&["profile.data"]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    assert_eq!(stderr(&output), "");
    assert_eq!(
        stdout(&output),
        "profile.data: 3 samples at 20.00 Hz · 9,070 minor + 2 major = 9,072 page faults · 0.0319 s CPU time in 0.15 s\n\
         profile.svg\nprofile.png\n"
    );
    let svg = String::from_utf8(dir.read("profile.svg")).unwrap();
    for text in ["9,070 minor + 2 major", "guest · Linux 7.2.12", "Accumulated page faults", "minor 9,070", "(s)"] {
        assert!(svg.contains(text), "{text} is missing in the SVG");
    }
    let png = dir.read("profile.png");
    assert!(png.starts_with(b"\x89PNG") && png.len() > 20_000, "{} bytes", png.len());
}

#[test]
fn reads_the_classic_file_gzip_and_standard_input() {
    let classic = "4294912345 9000 0 31000000\n4294912358 70 2 900000\nread 2 profiled data\n";
    let dir = Dir::new();
    let output = dir.file("classic.data", classic).plot(&["classic.data", "--hz", "100"]);
    assert_eq!(output.status.code(), Some(0));
    assert_eq!(stderr(&output), "");
    assert!(stdout(&output).contains("in 0.18 s"), "13 jiffies of 10 ms after one interval: {}", stdout(&output));
    assert!(stderr(&dir.plot(&["classic.data"])).contains("classic.data: does not state its jiffies per second: 250"));

    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    gzip.write_all(PROFILE.as_bytes()).unwrap();
    let output = dir.file("packed.data.gz", gzip.finish().unwrap()).plot(&["packed.data.gz"]);
    assert!(stdout(&output).contains("9,072 page faults") && dir.has("packed.svg"), "{}", stderr(&output));

    let mut child = Command::new(env!("CARGO_BIN_EXE_plot"))
        .args(["-", "-o", "piped.svg"])
        .current_dir(&dir.0)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(PROFILE.as_bytes()).unwrap();
    assert!(child.wait_with_output().unwrap().status.success());
    assert!(dir.has("piped.svg") && !dir.has("piped.png"));
}

#[test]
fn several_files_share_a_figure_with_a_legend_by_name() {
    let dir = Dir::new();
    dir.file("before.data", PROFILE).file("after.data", PROFILE.replace("9000", "500"));
    let output = dir.plot(&["before.data", "after.data", "-o", "both"]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let svg = String::from_utf8(dir.read("both.svg")).unwrap();
    assert!(svg.contains("before.data — 9,072 faults") && svg.contains("after.data — 572 faults"));
    assert!(dir.has("both.png") && !dir.has("before.svg"));
}

#[test]
fn draws_the_processes_of_a_per_process_file() {
    let rows = "# mp3 per-process 1\n# rate_hz: 20\n\
        time_ns,tick,jiffies,pid,comm,threads,flags,minor_total,major_total,user_ns_total,system_ns_total\n\
        50000000,1,10,7,work,1,first,0,0,0,0\n50000000,1,10,8,\"a,b\",1,first,0,0,0,0\n\
        100000000,2,22,7,work,1,final,700,0,2000,2000\n100000000,2,22,8,\"a,b\",1,,40,1,1000,1000\n";
    let dir = Dir::new();
    let output = dir.file("p.csv", rows).plot(&["p.csv"]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let svg = String::from_utf8(dir.read("p.svg")).unwrap();
    assert!(svg.contains("7 work — 700 faults") && svg.contains("8 a,b — 41 faults"));
}

/// Two processes for two ticks each, as CSV and as JSON.
fn two_processes() -> (String, String) {
    let columns = "time_ns,tick,jiffies,pid,comm,registration,flags,threads,user,minor_total,major_total,user_ns_total,system_ns_total";
    let rows = [
        "50000000,1,10,7,work,1,first,1,0,0,0,0,0",
        "50000000,1,10,8,make,2,first,1,0,0,0,0,0",
        "100000000,2,22,7,work,1,,1,0,700,0,2000,2000",
        "100000000,2,22,8,make,2,,1,0,40,1,1000,5000",
        "150000000,3,35,7,work,1,final,1,0,900,0,3000,2000",
        "150000000,3,35,8,make,2,final,1,0,41,1,1000,9000",
    ];
    let csv = format!(
        "# mp3 processes 1\n# cpus: 2\n# rate_hz: 20\n{columns}\n{}\n# samples: 6\n# lost: 3\n",
        rows.join("\n")
    );
    let object = |row: &&str| {
        let fields = columns.split(',').zip(row.split(',')).map(|(name, field)| match name {
            "comm" | "flags" => format!("\"{name}\":\"{field}\""),
            _ => format!("\"{name}\":{field}"),
        });
        format!("{{{}}}\n", fields.collect::<Vec<_>>().join(","))
    };
    let json = format!(
        "{{\"preamble\":{{\"mp3\":\"processes 1\",\"cpus\":2,\"rate_hz\":20}}}}\n{}{{\"trailer\":{{\"samples\":6,\"lost\":3}}}}\n",
        rows.iter().map(object).collect::<String>()
    );
    (csv, json)
}

#[test]
fn json_is_drawn_as_the_csv_that_says_the_same() {
    let dir = Dir::new();
    let (csv, json) = two_processes();
    dir.file("a.csv", csv).file("a.json", &json);
    let (of_csv, of_json) = (dir.plot(&["a.csv", "-o", "csv.svg"]), dir.plot(&["a.json", "-o", "json.svg"]));
    assert_eq!(of_json.status.code(), Some(0), "{}", stderr(&of_json));
    assert_eq!(dir.read("csv.svg"), dir.read("json.svg"));
    assert_eq!(stdout(&of_csv).lines().next(), stdout(&of_json).lines().next());
    assert!(stderr(&of_json).contains("a.json: its monitor lost 3 records"), "{}", stderr(&of_json));
    // A pipe: nothing tells what it holds but its first line.
    let cut: String = json.lines().take(4).map(|line| format!("{line}\n")).collect();
    let output = dir.file("cut.json", cut + "{\"time_ns\":1000").plot(&["cut.json"]);
    assert_eq!(output.status.code(), Some(0));
    assert!(stderr(&output).contains("has no end"), "{}", stderr(&output));
    let wrong = complaint("{\"time_ns\":1,\"pid\":true}\n");
    assert!(wrong.contains("bad.data: line 1: "), "{wrong}");
}

#[test]
fn processes_are_chosen_by_name_number_and_order() {
    let dir = Dir::new();
    dir.file("a.csv", two_processes().0);
    let drawn = |options: &[&str]| {
        let output = dir.plot(&[&["a.csv", "-o", "a.svg"], options].concat());
        assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
        let names: Vec<String> =
            stdout(&output).lines().filter_map(|line| Some(line.split_once(':')?.0.into())).collect();
        names
    };
    assert_eq!(drawn(&[]), ["7 work", "8 make"]);
    assert_eq!(drawn(&["--by", "cpu"]), ["8 make", "7 work"]);
    assert_eq!(drawn(&["--most", "1"]), ["7 work"]);
    assert_eq!(drawn(&["--by", "major", "--most", "1"]), ["8 make"]);
    assert_eq!(drawn(&["--process", "make"]), ["8 make"]);
    assert_eq!(drawn(&["--process", "7", "--process", "make"]), ["7 work", "8 make"]);
    let output = dir.plot(&["a.csv", "--process", "nobody"]);
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(
        stderr(&output),
        "plot: a.csv: its monitor lost 3 records: sums are right, but coarser in time\n\
        plot: a.csv: no process is called 'nobody' or has this PID\n"
    );
}

#[test]
fn a_page_has_every_line_and_the_sum_of_all() {
    let dir = Dir::new();
    dir.file("a.csv", two_processes().0).file("p.data", PROFILE);
    let output = dir.plot(&["a.csv", "p.data", "-o", "x.html"]);
    assert_eq!((output.status.code(), stdout(&output).as_str()), (Some(0), "x.html\n"), "{}", stderr(&output));
    let page = String::from_utf8(dir.read("x.html")).unwrap();
    let data = page.split("id=\"data\">").nth(1).unwrap().split("</script>").next().unwrap();
    let data: serde_json::Value = serde_json::from_str(data).unwrap();
    let series = &data["studies"][0]["runs"][0]["series"];
    let sum = |series: &serde_json::Value, column: &str| -> i64 {
        series[column].as_array().unwrap().iter().map(|number| number.as_i64().unwrap()).sum()
    };
    let said: Vec<_> = series
        .as_array()
        .unwrap()
        .iter()
        .map(|series| {
            (series["name"].as_str().unwrap(), sum(series, "minor"), sum(series, "major"), sum(series, "cpu_ns"))
        })
        .collect();
    assert_eq!(said, [("all processes", 941, 1, 15_000), ("7 work", 900, 0, 5000), ("8 make", 41, 1, 10_000)]);
    let profile = &data["studies"][1]["runs"][0]["series"];
    assert_eq!((profile.as_array().unwrap().len(), sum(&profile[0], "minor")), (1, 9070));
    for text in ["guest · Linux 7.2.12", "its monitor lost 3 records", "<td>900</td>", "<th scope=\"row\">8 make</th>"]
    {
        assert!(page.contains(text), "{text}");
    }
    // The sum is that of all, whatever is drawn.
    let output = dir.plot(&["a.csv", "--process", "make", "-o", "y.html"]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let page = String::from_utf8(dir.read("y.html")).unwrap();
    assert!(page.contains("<td>941</td>") && !page.contains("7 work"), "{page}");
}

/// A recording of three ticks of two processes.
fn recording() -> Vec<u8> {
    use abi::samples::{Flags, SampleRecord, Totals};
    let about = format::recording::Header {
        abi: abi::header::ABI_VERSION,
        hz: 250,
        rate_hz: 20,
        host: "guest".into(),
        kernel: "7.3.4".into(),
        delays: "on".into(),
        ..Default::default()
    };
    let mut file = vec![];
    let mut writer = format::recording::Writer::new(&mut file, &about).unwrap();
    for tick in 0..4 {
        for (pid, comm) in [(7, *b"seven\0\0\0\0\0\0\0\0\0\0\0"), (8, *b"eight\0\0\0\0\0\0\0\0\0\0\0")] {
            let record = SampleRecord {
                time_ns: 1_000_000_000 + tick * 50_000_000,
                tick,
                pid,
                comm,
                registration: pid as u64,
                flags: [Flags::FIRST, Flags::default(), Flags::default(), Flags::FINAL][tick as usize],
                totals: Totals {
                    minor_faults: 100 * tick * pid as u64,
                    user_ns: tick * 20_000_000,
                    ..Totals::default()
                },
                ..SampleRecord::default()
            };
            writer.push(&record.to_words());
        }
        if tick == 2 {
            writer.write_all().unwrap();
        }
    }
    writer.finish().unwrap();
    file
}

#[test]
fn a_recording_is_drawn_as_its_rows_are() {
    let dir = Dir::new();
    let file = recording();
    let output = dir.file("run.mp3", &file).plot(&["run.mp3"]);
    assert_eq!((output.status.code(), stderr(&output)), (Some(0), String::new()));
    let mut rows = String::new();
    format::recording::Rows::new(&file[..]).unwrap().read_to_string(&mut rows).unwrap();
    let svg = String::from_utf8(dir.read("run.svg")).unwrap();
    assert!(svg.contains("7 seven — 2,100 faults") && svg.contains("8 eight — 2,400 faults"));
    assert_eq!(dir.file("run.csv", rows).plot(&["-o", "csv.svg", "run.csv"]).status.code(), Some(0));
    assert_eq!(svg, String::from_utf8(dir.read("csv.svg")).unwrap());
    // Cut off in its second chunk: what stands before it is drawn, and that the end is missing is said.
    let output = dir.file("cut.mp3", &file[..file.len() - 1]).plot(&["cut.mp3"]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    assert!(stderr(&output).contains("has no summary at its end"), "{}", stderr(&output));
    let svg = String::from_utf8(dir.read("cut.svg")).unwrap();
    assert!(svg.contains("7 seven — 1,400 faults"));
    assert!(complaint(&file[..40]).contains("bad.data: damaged in its header"));
}

#[test]
fn a_bad_file_is_named_with_its_line_and_why() {
    assert_eq!(complaint(""), "plot: bad.data: empty: no samples\n");
    assert!(complaint("# mp3 profile 1\n").contains("bad.data: no samples (lines read: 1)"));
    assert!(complaint("# hz: 250\n1 2 3 4\n2 2 x 4\n").contains("bad.data: line 3: major: 'x' is not a whole decimal"));
    assert!(complaint("1 2 3\n").contains("bad.data: line 1: 3 columns where 4 are expected"));
    assert!(complaint("1 -2 3 4\n").contains("line 1: minor: -2 is negative"));
    assert!(complaint("1 nan 3 4\n").contains("line 1: minor: 'nan' is not"));
    assert!(complaint("1 99999999999999999999 3 4\n").contains("line 1: minor: 99999999999999999999 does not fit"));
    assert!(complaint("50 1 1 1\n49 1 1 1\n").contains("line 2: jiffies go backwards (49 after 50)"));
    assert!(complaint(b"\x7fELF\x02\x01\0\0").contains("bad.data: line 1: not text"));
    assert!(complaint("# mp3 profile 2\n1 1 1 1\n").contains("line 1: format version 2"));
}

#[test]
fn an_interrupted_writers_last_line_is_left_out() {
    let dir = Dir::new();
    let output = dir.file("cut.data", "# hz: 250\n1 10 0 5\n14 20 0 5\n27 30").plot(&["cut.data", "-o", "cut.svg"]);
    assert_eq!(output.status.code(), Some(0));
    assert!(stdout(&output).contains("2 samples") && stdout(&output).contains("30 minor"));
    assert!(stderr(&output).contains("cut.data: line 4 has no end"), "{}", stderr(&output));
}

#[test]
fn writes_to_standard_output_and_into_directories() {
    let dir = Dir::new();
    dir.file("p.data", PROFILE);
    let output = dir.plot(&["p.data", "-o", "-"]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    assert!(stdout(&output).starts_with("<svg") && stdout(&output).trim_end().ends_with("</svg>"));
    fs::create_dir(dir.0.join("figures")).unwrap();
    assert_eq!(stdout(&dir.plot(&["p.data", "-o", "figures"])).lines().last(), Some("figures/p.png"));
    assert!(dir.has("figures/p.svg") && dir.has("figures/p.png") && !dir.has("figures.svg"));
    let output = dir.plot(&["p.data", "-o", "p.pdf"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(stderr(&output).contains("p.pdf: no figure is drawn as .pdf"), "{}", stderr(&output));
}

#[test]
fn what_cannot_be_said_does_not_keep_it_from_drawing() {
    let dir = Dir::new();
    dir.file("p.data", PROFILE.replace("# lost: 0", "# lost: 9"));
    let full = fs::File::options().write(true).open("/dev/full").unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_plot"));
    let status = command.args(["p.data", "-o", "p.svg"]).current_dir(&dir.0).stderr(full).output().unwrap().status;
    assert_eq!(status.code(), Some(0));
    assert!(dir.has("p.svg"));
}

#[test]
fn wrong_usage_and_failure_have_different_exit_statuses() {
    let dir = Dir::new();
    let output = dir.plot(&["missing.data"]);
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(stderr(&output), "plot: missing.data: No such file or directory (os error 2)\n");
    assert!(stderr(&dir.plot(&["."])).contains("plot: .: is a directory"));
    dir.file("p.data", PROFILE);
    assert!(stderr(&dir.plot(&["p.data", "-o", "no/such/dir"])).contains("no/such/dir.svg: cannot be written"));
    dir.file("p.svg", PROFILE);
    assert_eq!(dir.plot(&["p.svg"]).status.code(), Some(1));
    assert_eq!(dir.read("p.svg"), PROFILE.as_bytes(), "an input is never overwritten");
    for usage in [&[][..], &["p.data", "--hz", "0"], &["p.data", "--hz", "fast"], &["--no-such-option", "p.data"]] {
        assert_eq!(dir.plot(usage).status.code(), Some(2), "{usage:?}");
    }
    for asked in ["--help", "--version"] {
        assert_eq!(dir.plot(&[asked]).status.code(), Some(0));
    }
}

#[test]
fn a_closed_pipe_is_no_failure() {
    let dir = Dir::new();
    dir.file("p.data", PROFILE);
    let mut child = Command::new(env!("CARGO_BIN_EXE_plot"))
        .args(["p.data", "-o", "p.svg"])
        .current_dir(&dir.0)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert_eq!((output.status.code(), stderr(&output).as_str()), (Some(0), ""));
}

// SPDX-License-Identifier: GPL-2.0

//! The program, scraped by HTTP, with samples from this machine's `/proc`.

use abi::samples::{Flags, SampleRecord, Totals};
use exporter::scraped::Scraped;
use format::recording::{Header, Writer};
use nix::sys::signal::{kill, Signal};
use nix::unistd::Pid;
use std::fs::{self, File};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::PathBuf;
use std::process::{Child, ChildStdout, Command, Output, Stdio};
use std::time::{Duration, Instant};

/// Longer than anything takes on a busy machine.
const PATIENCE: Duration = Duration::from_secs(120);

fn exporter() -> Command {
    Command::new(env!("CARGO_BIN_EXE_exporter"))
}

/// An exporter that listens.
struct Running {
    child: Child,
    address: SocketAddr,
}

impl Running {
    fn start(arguments: &[&str]) -> Self {
        let listen = ["--listen", "127.0.0.1:0"];
        let mut child = exporter().args(listen).args(arguments).stderr(Stdio::piped()).spawn().unwrap();
        let mut lines = BufReader::new(child.stderr.take().unwrap()).lines().map(Result::unwrap);
        let line = lines.find(|line| line.contains("listening on")).expect("it listens");
        // What more it says must find a reader.
        std::thread::spawn(move || lines.for_each(drop));
        let address = line.split_once("http://").unwrap().1.strip_suffix("/metrics").unwrap().parse().unwrap();
        Running { child, address }
    }

    fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(self.address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream
    }

    /// The whole answer to these bytes.
    fn answer(&self, request: &[u8]) -> String {
        let mut stream = self.connect();
        stream.write_all(request).unwrap();
        let mut answer = vec![];
        stream.read_to_end(&mut answer).unwrap();
        String::from_utf8(answer).unwrap()
    }

    fn scrape(&self) -> Scraped {
        let answer = self.answer(b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n");
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        assert!(head.starts_with("HTTP/1.1 200 OK\r\n"), "{head}");
        let content_type = "content-type: application/openmetrics-text; version=1.0.0; charset=utf-8";
        assert!(head.contains(content_type), "{head}");
        Scraped::read(body).unwrap()
    }

    /// Scrapes until `is_there`.
    fn scrape_until(&self, is_there: impl Fn(&Scraped) -> bool) -> Scraped {
        let begun = Instant::now();
        loop {
            let scraped = self.scrape();
            if is_there(&scraped) {
                return scraped;
            }
            assert!(begun.elapsed() < PATIENCE, "{scraped:?}");
        }
    }

    /// A scrape of samples that were taken after now: the tick that is under way is over, and so is a whole one.
    fn scrape_later(&self) -> Scraped {
        let samples = |scraped: &Scraped| scraped.get("mp3_samples_total", &[]);
        let mut seen = samples(&self.scrape());
        for _ in 0..2 {
            seen = samples(&self.scrape_until(|scraped| samples(scraped) != seen));
        }
        self.scrape_until(|scraped| samples(scraped) >= seen)
    }

    fn signal(&self, signal: Signal) {
        kill(Pid::from_raw(self.child.id() as i32), signal).unwrap();
    }

    fn status(&self) -> String {
        fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A shell that works, says so, and waits.
struct Planted {
    child: Child,
    stdout: BufReader<ChildStdout>,
}

impl Planted {
    fn start() -> Self {
        let script = "i=0; while [ $i -lt 3000 ]; do i=$((i+1)); a=$a$i; done; : | cat; echo done; read x; exit 0";
        let mut child =
            Command::new("sh").args(["-c", script]).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let stdout = BufReader::new(child.stdout.take().unwrap());
        Planted { child, stdout }
    }

    /// Until it has worked, and sleeps.
    fn wait(&mut self) {
        let mut line = String::new();
        self.stdout.read_line(&mut line).unwrap();
        assert_eq!(line, "done\n");
        let begun = Instant::now();
        while self.stat()[0] != "S" {
            assert!(begun.elapsed() < PATIENCE);
        }
    }

    /// The fields of `/proc/PID/stat` from the third on.
    fn stat(&self) -> Vec<String> {
        let text = fs::read_to_string(format!("/proc/{}/stat", self.child.id())).unwrap();
        text.rsplit_once(") ").unwrap().1.split(' ').map(str::to_owned).collect()
    }

    fn end(mut self) {
        drop(self.child.stdin.take());
        assert!(self.child.wait().unwrap().success());
    }
}

#[test]
fn the_counters_of_a_process_are_those_of_proc() {
    let exporter = Running::start(&["--source", "proc", "--rate", "20"]);
    // From here on, new processes are counted from their start on.
    exporter.scrape_later();
    let mut planted = Planted::start();
    planted.wait();
    let scraped = exporter.scrape_later();
    let pid = planted.child.id().to_string();
    let labels = [("pid", pid.as_str()), ("comm", "sh")];
    let stat = planted.stat();
    let number = |field: usize| stat[field - 3].parse::<f64>().unwrap();
    assert!(number(10) > 50.0, "it has taken faults");
    assert_eq!(scraped.get("mp3_process_minor_faults_total", &labels), Some(number(10)));
    assert_eq!(scraped.get("mp3_process_major_faults_total", &labels), Some(number(12)));
    assert_eq!(scraped.get("mp3_process_threads", &labels), Some(1.0));
    let switches = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    for (kind, key) in [("voluntary", "\nvoluntary_ctxt_switches:"), ("involuntary", "\nnonvoluntary_ctxt_switches:")] {
        let exact: f64 = switches.split_once(key).unwrap().1.lines().next().unwrap().trim().parse().unwrap();
        let labels = [labels[0], labels[1], ("kind", kind)];
        assert_eq!(scraped.get("mp3_process_context_switches_total", &labels), Some(exact), "{kind}");
    }
    let schedstat = fs::read_to_string(format!("/proc/{pid}/schedstat")).unwrap();
    let run_ns: f64 = schedstat.split(' ').next().unwrap().parse().unwrap();
    let cpu_ns = scraped.sum("mp3_process_cpu_seconds_total", &labels) * 1e9;
    assert!((cpu_ns - run_ns).abs() < 1e3, "{cpu_ns} {run_ns}");
    planted.end();
}

#[test]
fn totals_stay_when_a_process_ends_and_its_own_series_go() {
    let exporter = Running::start(&["--source", "proc", "--rate", "20", "--linger", "0.1"]);
    exporter.scrape_later();
    let mut planted = Planted::start();
    planted.wait();
    let before = exporter.scrape_later();
    let pid = planted.child.id().to_string();
    let own = before.get("mp3_process_minor_faults_total", &[("pid", &pid), ("comm", "sh")]).unwrap();
    planted.end();
    let after = exporter
        .scrape_until(|scraped| scraped.all("mp3_process_minor_faults_total", &[("pid", &pid)]).next().is_none());
    let of_command = |scraped: &Scraped| scraped.get("mp3_command_minor_faults_total", &[("comm", "sh")]).unwrap();
    assert!(own > 0.0 && of_command(&before) >= own);
    assert!(of_command(&after) >= of_command(&before));
    let all = |scraped: &Scraped| scraped.get("mp3_minor_faults_total", &[]).unwrap();
    assert!(all(&after) >= all(&before));
    assert_eq!(after.sum("mp3_command_minor_faults_total", &[]), all(&after));
    assert_eq!(after.sum("mp3_cgroup_minor_faults_total", &[]), all(&after));
}

#[test]
fn only_processes_of_the_name_are_shown_where_one_is_given() {
    let mut planted = Planted::start();
    planted.wait();
    let exporter = Running::start(&["--source", "proc", "--rate", "20", "--name", "sh"]);
    let pid = planted.child.id().to_string();
    let scraped =
        exporter.scrape_until(|scraped| scraped.all("mp3_process_threads", &[("pid", &pid)]).next().is_some());
    let own = exporter.child.id().to_string();
    assert!(scraped.all("mp3_process_threads", &[("pid", &own)]).next().is_none());
    assert_eq!(scraped.all("mp3_process_threads", &[("pid", &pid), ("comm", "sh")]).count(), 1);
    planted.end();
}

#[test]
fn a_client_that_is_silent_slow_or_wrong_does_not_keep_others_waiting() {
    let exporter = Running::start(&["--source", "proc", "--max-clients", "8", "--timeout", "60"]);
    let before = exporter.scrape();
    let mut silent: Vec<TcpStream> = vec![];
    for number in 0..1_000 {
        let mut stream = exporter.connect();
        match number % 4 {
            // A part of a request, and what is none: it may be thrown out before it is written.
            1 => drop(stream.write_all(b"GET /metr")),
            2 => drop(stream.write_all(b"GET /metrics HTTP/1.1\r\nHost: x\r\nX-Slow: ")),
            3 => drop(stream.write_all(b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n")),
            _ => {}
        }
        silent.push(stream);
        if number % 100 == 0 {
            exporter.scrape();
        }
    }
    let dropped = |scraped: &Scraped| scraped.get("mp3_exporter_dropped_connections_total", &[]).unwrap();
    // What is read may be a moment old.
    exporter.scrape_until(|after| dropped(after) - dropped(&before) > 500.0);
    let status = exporter.status();
    let peak: u64 = status.split_once("VmHWM:").unwrap().1.split_whitespace().next().unwrap().parse().unwrap();
    assert!(peak < 65_536, "{peak} kB");
}

#[test]
fn what_is_no_request_is_refused_in_words_of_http() {
    let exporter = Running::start(&["--source", "proc"]);
    let huge = [&b"GET /metrics HTTP/1.1\r\nX: "[..], &vec![b'x'; 100_000], b"\r\n\r\n"].concat();
    let many = [&b"GET /metrics HTTP/1.1\r\n"[..], &b"X: y\r\n".repeat(500), b"\r\n"].concat();
    let long = [&b"GET /"[..], &vec![b'x'; 100_000], b" HTTP/1.1\r\n\r\n"].concat();
    // More than is read may end the connection before the answer is.
    let status = |request: &[u8]| {
        let mut stream = exporter.connect();
        let _ = stream.write_all(request);
        let mut answer = vec![];
        let _ = stream.read_to_end(&mut answer);
        String::from_utf8_lossy(&answer).lines().next().unwrap_or_default().to_owned()
    };
    for (request, expected) in [
        (&b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03garbage\r\n\r\n"[..], "HTTP/1.1 400 Bad Request"),
        (&many, "HTTP/1.1 431 Request Header Fields Too Large"),
        (b"POST /metrics HTTP/1.1\r\nContent-Length: 0\r\n\r\n", "HTTP/1.1 405 Method Not Allowed"),
        (b"GET /other HTTP/1.1\r\n\r\n", "HTTP/1.1 404 Not Found"),
        (b"GET / HTTP/1.1\r\n\r\n", "HTTP/1.1 200 OK"),
    ] {
        assert_eq!(status(request), expected, "{}", String::from_utf8_lossy(&request[..request.len().min(40)]));
    }
    for request in [&huge, &long] {
        let answer = status(request);
        assert!(
            ["", "HTTP/1.1 431 Request Header Fields Too Large", "HTTP/1.1 414 URI Too Long"]
                .contains(&answer.as_str()),
            "{answer}"
        );
    }
    let head = exporter.answer(b"HEAD /metrics HTTP/1.1\r\nHost: x\r\n\r\n");
    assert!(head.starts_with("HTTP/1.1 200 OK\r\n") && head.ends_with("\r\n\r\n"), "{head}");
    assert!(exporter.scrape().get("mp3_exporter_rejected_requests_total", &[]).unwrap() >= 4.0);
}

#[test]
fn sigterm_and_sigint_end_it_well_also_with_a_client_connected() {
    for signal in [Signal::SIGTERM, Signal::SIGINT] {
        let mut exporter = Running::start(&["--source", "proc"]);
        let _idle = exporter.connect();
        exporter.scrape();
        exporter.signal(signal);
        assert!(exporter.child.wait().unwrap().success(), "{signal}");
    }
}

fn failed(arguments: &[&str]) -> String {
    // One that listens after all does so where it is in no one's way.
    let listen: &[&str] = if arguments.contains(&"--listen") { &[] } else { &["--listen", "127.0.0.1:0"] };
    let Output { status, stderr, .. } = exporter().args(listen).args(arguments).output().unwrap();
    assert_eq!(status.code(), Some(1), "{arguments:?}");
    String::from_utf8(stderr).unwrap()
}

#[test]
fn what_cannot_be_done_is_said() {
    let other = Running::start(&["--source", "proc"]);
    let said = failed(&["--source", "proc", "--listen", &other.address.to_string()]);
    assert!(said.contains("cannot listen on") && said.contains("--listen"), "{said}");
    let said = failed(&["--source", "module", "--device", "/nowhere/mp3"]);
    assert!(said.contains("/nowhere/mp3: not there; is mp3.ko loaded? Without the module: --source proc"), "{said}");
    let said = failed(&["--from", "/nowhere/file"]);
    assert!(said.contains("/nowhere/file"), "{said}");
    let said = failed(&["--source", "proc", "--tracing", "on", "--device", "/nowhere/mp3"]);
    assert!(said.contains("no histograms of latency: /nowhere/mp3: not there"), "{said}");
}

#[test]
fn the_end_of_a_recording_is_shown_with_the_processes_that_have_ended() {
    let path: PathBuf = std::env::temp_dir().join(format!("mp3-exporter-{}.mp3", std::process::id()));
    let about = Header { abi: abi::header::ABI_VERSION, hz: 250, rate_hz: 20, host: "a".into(), ..Header::default() };
    let mut writer = Writer::new(File::create(&path).unwrap(), &about).unwrap();
    let record = |registration, tick, minor_faults, flags| {
        let mut comm = [0; 16];
        comm[..6].copy_from_slice(b"a\"\\\n\xff}");
        let (pid, time_ns) = (40 + registration as i32, tick * 50_000_000);
        let totals = Totals { minor_faults, user_ns: 1_500_000_000, ..Totals::default() };
        SampleRecord { registration, tick, pid, time_ns, comm, flags, totals, ..SampleRecord::default() }.to_words()
    };
    writer.push(&record(1, 1, 0, Flags::FIRST));
    writer.push(&record(1, 2, 70, Flags::FINAL | Flags::EXITED));
    writer.lose(9);
    writer.push(&record(2, 3, 5, Flags::FIRST));
    writer.finish().unwrap();
    let exporter = Running::start(&["--from", path.to_str().unwrap()]);
    let scraped = exporter.scrape_until(|scraped| scraped.get("mp3_registrations_total", &[]) == Some(2.0));
    assert_eq!(scraped.get("mp3_minor_faults_total", &[]), Some(75.0));
    // A name that any format has to escape, as the project prints names.
    let labels = [("pid", "41"), ("comm", "a\"\\\\\\x0a\\xff}")];
    assert_eq!(scraped.get("mp3_process_minor_faults_total", &labels), Some(70.0));
    let labels = [labels[0], labels[1], ("mode", "user")];
    assert_eq!(scraped.get("mp3_process_cpu_seconds_total", &labels), Some(1.5));
    assert_eq!(scraped.get("mp3_lost_records_total", &[]), Some(9.0));
    // Nothing is known of cgroups there.
    assert!(!scraped.families().contains("mp3_cgroup_minor_faults"));
    fs::remove_file(&path).unwrap();
}

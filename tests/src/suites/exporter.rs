// SPDX-License-Identifier: GPL-2.0

//! `exporter` as it is typed, with the real module, scraped by HTTP.

use crate::cgroup::Cgroup;
use crate::programs::program;
use crate::test::{Outcome, Skip};
use crate::tests;
use anyhow::{bail, ensure, Context, Result};
use exporter::scraped::Scraped;
use nix::sys::signal::Signal;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::Command;
use std::time::{Duration, Instant};
use testkit::child::{Child, Pages};
use testkit::module::Module;
use testkit::running::Running;
use testkit::{kernel, status};

tests![
    totals_of_a_process_in_a_scrape_equal_getrusage_to_the_fault,
    processes_of_a_name_are_registered_as_long_as_the_exporter_runs,
    processes_of_a_cgroup_are_registered_also_those_that_come_into_it_later,
    histograms_count_every_fault_and_the_waits_for_a_cpu,
];

/// Longer than anything takes on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

/// An exporter that listens, and where.
struct Scraper {
    running: Running,
    address: String,
}

impl Scraper {
    fn start(line: &str) -> Result<Self> {
        if TcpListener::bind("127.0.0.1:0").is_err_and(|error| error.raw_os_error() == Some(libc::EAFNOSUPPORT)) {
            return Err(Skip("this kernel has no IPv4 (CONFIG_INET)").into());
        }
        let mut running = Running::start(&mut program("exporter", &format!("--listen 127.0.0.1:0 {line}")))?;
        loop {
            let message = running.message()?;
            if let Some((_, address)) = message.split_once("listening on http://") {
                let address = address.trim().strip_suffix("/metrics").context("an address")?.to_owned();
                return Ok(Scraper { running, address });
            }
        }
    }

    fn scrape(&self) -> Result<Scraped> {
        let mut stream = TcpStream::connect(&self.address)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.write_all(b"GET /metrics HTTP/1.1\r\nHost: guest\r\n\r\n")?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        let (head, body) = answer.split_once("\r\n\r\n").context("an answer")?;
        ensure!(head.starts_with("HTTP/1.1 200 OK"), "{head}");
        Scraped::read(body).map_err(anyhow::Error::msg)
    }

    /// Scrapes until `is_there`.
    fn until(&self, is_there: impl Fn(&Scraped) -> bool) -> Result<Scraped> {
        let begun = Instant::now();
        loop {
            let scraped = self.scrape()?;
            if is_there(&scraped) {
                return Ok(scraped);
            }
            ensure!(begun.elapsed() < PATIENCE, "{scraped:?}");
        }
    }

    fn end(self) -> Outcome {
        self.running.kill(Signal::SIGTERM)?;
        let ended = self.running.end()?;
        ensure!(ended.status.success(), "{ended:?}");
        Ok(())
    }
}

fn totals_of_a_process_in_a_scrape_equal_getrusage_to_the_fault() -> Outcome {
    let _module = Module::load("")?;
    let scraper = Scraper::start("--source module --tracing off")?;
    let mut child = Child::spawn(|parent| {
        let pages = Pages::new(700);
        parent.wait();
        pages.touch(0..700);
        parent.done();
        parent.wait();
    })?;
    kernel::wait_until_asleep(child.pid())?;
    let before = kernel::faults(child.pid())?;
    status::register(child.pid())?;
    child.go()?;
    child.wait_done()?;
    let pid = child.pid().to_string();
    child.kill(Signal::SIGKILL)?;
    let used = child.wait()?;
    // Ended, and shown a little longer.
    let scraped = scraper.until(|scraped| {
        let own = [("pid", pid.as_str())];
        let threads = scraped.all("mp3_process_threads", &own).next();
        threads.is_some_and(|(_, threads)| threads == 0.0)
    })?;
    let minor = (used.minor_faults - before.0) as f64;
    let major = (used.major_faults - before.1) as f64;
    ensure!(minor >= 700.0, "{minor} faults");
    let own = [("pid", pid.as_str())];
    for level in ["process_", "command_", "cgroup_", ""] {
        let labels: &[(&str, &str)] = if level == "process_" { &own } else { &[] };
        let sum = |what: &str| scraped.sum(&format!("mp3_{level}{what}_faults_total"), labels);
        ensure!((sum("minor"), sum("major")) == (minor, major), "{level}: {} of {minor}", sum("minor"));
    }
    ensure!(scraped.get("mp3_lost_records_total", &[]) == Some(0.0), "records were lost");
    ensure!(scraped.get("mp3_tracing", &[]) == Some(0.0), "nothing was to be traced");
    scraper.end()
}

fn processes_of_a_name_are_registered_as_long_as_the_exporter_runs() -> Outcome {
    let _module = Module::load("")?;
    let sleeper = Running::start(Command::new("sleep").arg("1000"))?;
    let pid = sleeper.pid().to_string();
    let scraper = Scraper::start("--source module --tracing off --name sleep")?;
    let own = [("pid", pid.as_str()), ("comm", "sleep")];
    scraper.until(|scraped| scraped.get("mp3_process_threads", &own) == Some(1.0))?;
    let registered = || -> Result<bool> {
        Ok(std::fs::read_to_string("/proc/mp3/status")?.lines().any(|line| line.starts_with(&format!("{pid}:"))))
    };
    ensure!(registered()?, "it is not registered");
    scraper.end()?;
    ensure!(!registered()?, "it is registered still");
    Ok(())
}

fn processes_of_a_cgroup_are_registered_also_those_that_come_into_it_later() -> Outcome {
    let group = Cgroup::new(&[])?;
    let _module = Module::load("")?;
    let sleep = || Running::start(Command::new("sleep").arg("1000"));
    let (inside, outside, later) = (sleep()?, sleep()?, sleep()?);
    group.take(inside.pid())?;
    let scraper = Scraper::start("--source module --tracing off --cgroup mp3-test")?;
    let threads = |scraped: &Scraped, process: &Running| {
        scraped.get("mp3_process_threads", &[("pid", process.pid().to_string().as_str()), ("comm", "sleep")])
    };
    let in_group = [("cgroup", "/mp3-test")];
    let scraped = scraper.until(|scraped| threads(scraped, &inside) == Some(1.0))?;
    ensure!(scraped.get("mp3_cgroup_processes", &in_group) == Some(1.0), "{scraped:?}");
    group.take(later.pid())?;
    let scraped = scraper.until(|scraped| threads(scraped, &later) == Some(1.0))?;
    ensure!(scraped.get("mp3_cgroup_processes", &in_group) == Some(2.0), "{scraped:?}");
    ensure!(threads(&scraped, &outside).is_none(), "a process outside of the group is shown");
    ensure!(scraped.get("mp3_processes", &[]) == Some(2.0), "others are sampled");
    scraper.end()
}

fn histograms_count_every_fault_and_the_waits_for_a_cpu() -> Outcome {
    let _module = Module::load("")?;
    let scraper = Scraper::start("--source module --tracing on")?;
    let count = |scraped: &Scraped, what: &str| scraped.sum(&format!("mp3_{what}_latency_seconds_count"), &[]);
    let before = scraper.scrape()?;
    let mut child = Child::spawn(|parent| {
        let pages = Pages::new(2_000);
        parent.wait();
        pages.touch(0..2_000);
        parent.done();
        parent.wait();
    })?;
    child.go()?;
    child.wait_done()?;
    child.kill(Signal::SIGKILL)?;
    child.wait()?;
    let after = scraper.until(|scraped| count(scraped, "fault") - count(&before, "fault") >= 2_000.0)?;
    let waits = count(&after, "scheduling") - count(&before, "scheduling");
    ensure!(waits > 0.0, "no waits");
    for name in ["mp3_lost_events_total", "mp3_tracing"] {
        if after.get(name, &[]).is_none() {
            bail!("no {name}");
        }
    }
    ensure!(after.get("mp3_tracing", &[]) == Some(1.0), "it traces and does not say so");
    scraper.end()
}

// SPDX-License-Identifier: GPL-2.0

//! `make fleet`: three guests that run mp3 under load, scraped by a real Prometheus. A fault is planted for each alert, and the
//! alert must fire; that about the machine that is short of memory, for no other one. Every query of the dashboard is asked.
//! Then the guests' traces are asked by DuckDB.
//!
//! | module | what it knows |
//! |---|---|
//! | [`guests`] | the machines |
//! | [`prometheus`] | the server, and its answers |
//! | [`dashboard`] | the queries in Grafana's file |
//! | [`traces`] | recordings as Parquet, and the queries over all of them |
//! | [`cost`] | what exporters cost, as docs/fleet.md quotes it |

pub mod cost;
mod dashboard;
mod guests;
mod prometheus;
mod traces;

use crate::stage::Stage;
use anyhow::{ensure, Context, Result};
use guests::{Guest, ROLES};
use prometheus::{Prometheus, IN_FLEET};
use std::net::TcpListener;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

/// Where everything goes.
pub const INTO: &str = "out/fleet";

/// The machine that is short of memory, and the alert that says so.
const THRASHES: (&str, &str) = ("short", "MP3Thrashing");

/// Faults that are planted in machines, and the alerts that say so: one has more work than CPU, and a real-time thread besides;
/// the exporter of another stands still until samples were overwritten.
const PLANTED: [(&str, &str); 4] =
    [THRASHES, ("crowded", "MP3WaitingForCpu"), ("crowded", "MP3SchedulingLatency"), ("steady", "MP3LostRecords")];

/// The machine whose exporter ends before the machine does, and the alert that says so.
const ENDS: (&str, &str) = ("steady", "MP3ExporterDown");

/// What `make fleet` takes.
#[derive(Debug, clap::Args)]
pub struct Options {
    /// How long each guest works
    #[arg(long, default_value_t = 240, value_parser = clap::value_parser!(u64).range(150..=3600))]
    seconds: u64,
    /// The sched that exports Parquet
    #[arg(long, default_value = "target/release/sched")]
    sched: std::path::PathBuf,
    /// Only the queries over the traces of the last run
    #[arg(long)]
    traces: bool,
}

/// Runs it.
///
/// # Errors
///
/// What did not come out as it must, in a sentence.
pub fn run(options: &Options) -> Result<()> {
    if !options.traces {
        watch(options)?;
    }
    traces::ask(&options.sched, Path::new(INTO))
}

fn watch(options: &Options) -> Result<()> {
    rules()?;
    let stage = Stage::begin("three guests under load, and Prometheus");
    let ports: Vec<u16> = ROLES.iter().map(|_| free_port()).collect::<Result<_>>()?;
    let guests: Vec<Guest> = ROLES
        .iter()
        .zip(&ports)
        .map(|(role, port)| Guest::start(role, *port, options.seconds))
        .collect::<Result<_>>()?;
    let targets: Vec<(&str, u16)> = ROLES.iter().map(|role| role.name).zip(ports).collect();
    let prometheus = Prometheus::start(free_port()?, &targets)?;
    // A slow machine boots its guests in minutes.
    let limit = Instant::now() + Duration::from_secs(options.seconds + 600);
    let until = |what: &str, is_so: &dyn Fn() -> Result<bool>| -> Result<()> {
        let begun = Instant::now();
        while !is_so()? {
            ensure!(Instant::now() < limit, "not so in time: {what}");
            ensure!(guests.iter().all(|guest| !guest.has_failed()), "a guest has ended: see {INTO}/*/run.log");
            std::thread::sleep(Duration::from_secs(1));
        }
        eprintln!("    {:4} s: {what}", begun.elapsed().as_secs());
        Ok(())
    };
    until("all three are scraped", &|| Ok(prometheus.values("up{job=\"mp3\"} == 1")?.len() == ROLES.len()))?;
    let firing = |alert: &str| -> Result<Vec<String>> {
        let firing = prometheus.values(&format!("ALERTS{{alertname=\"{alert}\",alertstate=\"firing\"}}"))?;
        Ok(firing.into_iter().filter_map(|(labels, _)| labels.get("machine").cloned()).collect())
    };
    let fires = |(machine, alert): (&str, &str)| -> Result<()> {
        until(&format!("{alert} fires for {machine}"), &|| Ok(firing(alert)?.contains(&machine.to_owned())))?;
        let others: Vec<String> = firing(alert)?.into_iter().filter(|other| other != machine).collect();
        if !others.is_empty() {
            eprintln!("            and for {}", others.join(", "));
        }
        // The thrashing is of the one machine where it was planted.
        ensure!(alert != THRASHES.1 || others.is_empty(), "{alert} fires for {others:?}");
        Ok(())
    };
    PLANTED.into_iter().try_for_each(fires)?;
    let rules = prometheus.healthy_rules()?;
    eprintln!("    {rules} rules are evaluated without an error");
    let answered = dashboard::ask(&prometheus, Path::new("fleet/dashboard.json"))?;
    eprintln!("    {answered} queries of the dashboard answer");
    facts(&prometheus)?;
    fires(ENDS)?;
    for guest in guests {
        guest.end()?;
    }
    stage.end("watched");
    Ok(())
}

/// Prints what the page about it quotes.
fn facts(prometheus: &Prometheus) -> Result<()> {
    for (what, query) in [
        ("series of a scrape", "scrape_samples_scraped{job=\"mp3\"}"),
        ("seconds of a scrape", "scrape_duration_seconds{job=\"mp3\"}"),
        ("major faults a second", "machine:mp3_major_faults:rate1m"),
        ("minor faults a second", "machine:mp3_minor_faults:rate1m"),
        ("waiting for a CPU, share", "machine:mp3_run_delay:ratio1m"),
        (
            "waiting for swap, s a second",
            "sum by (machine) (machine_cause:mp3_delay_seconds:rate1m{cause=~\"swapin|thrashing\"})",
        ),
        ("scheduling latency, p99, s", "machine:mp3_scheduling_latency_seconds:p99_1m"),
        ("lost samples", "mp3_lost_records_total"),
        ("lost events", "mp3_lost_events_total"),
        ("the exporter, share of a CPU", "rate(process_cpu_seconds_total{job=\"mp3\"}[1m])"),
    ] {
        let mut values = prometheus.values(query)?;
        values.sort_by(|one, other| one.0.get("machine").cmp(&other.0.get("machine")));
        let text: Vec<String> = values
            .iter()
            .map(|(labels, value)| format!("{} {value:.4}", labels.get("machine").map_or("?", String::as_str)))
            .collect();
        println!("{what}: {}", text.join(", "));
    }
    Ok(())
}

/// What promtool says of the rules.
fn rules() -> Result<()> {
    let stage = Stage::begin("promtool: rules, their tests, the example of a configuration");
    for arguments in [
        &["promtool", "check", "rules", "fleet/rules.yml"][..],
        &["promtool", "test", "rules", "fleet/rules-test.yml"],
        &["promtool", "check", "config", "fleet/prometheus.yml"],
    ] {
        let output = Command::new(IN_FLEET).args(arguments).output().context(IN_FLEET)?;
        let said = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
        ensure!(output.status.success(), "{}:\n{said}", arguments.join(" "));
    }
    stage.end("well");
    Ok(())
}

/// A port of 127.0.0.1 on which nothing listens now.
fn free_port() -> Result<u16> {
    Ok(TcpListener::bind("127.0.0.1:0").context("no port on 127.0.0.1")?.local_addr()?.port())
}

// SPDX-License-Identifier: GPL-2.0

//! `exporter`: what mp3 counts, for Prometheus.

use anyhow::{Context, Result};
use clap::Parser;
use client::commands::{status_path, Status};
use client::output::say;
use client::source::SourceError;
use exporter::choice::{Choice, Register, EVERY};
use exporter::cli::{Cli, Tracing};
use exporter::exposition::{About, Exposition, Shared, State, CONTENT_TYPE, FIXED};
use exporter::reader::{Origin, Reader};
use exporter::server::{Limits, Server, Tally};
use exporter::store::{Bounds, Lookup, Store};
use exporter::{cgroup, latency};
use nix::time::{clock_gettime, ClockId};
use std::cell::RefCell;
use std::fs;
use std::future::{poll_fn, Future};
use std::io;
use std::pin::Pin;
use std::process::ExitCode;
use std::rc::Rc;
use std::task::Poll;
use std::time::SystemTime;
use tokio::net::TcpListener;
use tokio::runtime::Builder;
use tokio::signal::unix::{signal, Signal, SignalKind};
use tokio::task::{yield_now, LocalSet};
use tokio::time::sleep;
use trace::command::is_initial_pid_namespace;

fn main() -> ExitCode {
    match run(&Cli::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            say(format_args!("exporter: {error:#}"));
            ExitCode::FAILURE
        }
    }
}

fn run(cli: &Cli) -> Result<()> {
    let runtime = Builder::new_current_thread().enable_all().build().context("cannot begin")?;
    let mut signals = {
        let _guard = runtime.enter();
        [SignalKind::terminate(), SignalKind::interrupt()]
            .into_iter()
            .map(signal)
            .collect::<io::Result<Vec<_>>>()
            .context("cannot take signals")?
    };
    let listener = runtime
        .block_on(TcpListener::bind(cli.listen))
        .with_context(|| format!("cannot listen on {}; another address: --listen", cli.listen))?;
    let reader = Reader::open(cli)?;
    let exporter = Exporter::new(cli, reader)?;
    trace_events(cli, &exporter)?;
    say(format_args!("exporter: listening on http://{}/metrics", listener.local_addr()?));
    let ended = LocalSet::new().block_on(&runtime, exporter.serve(cli, listener, &mut signals));
    exporter.end();
    ended
}

/// What a scrape is made of, and what it is taken from.
struct Exporter {
    reader: Rc<RefCell<Reader>>,
    shared: Shared,
    choice: RefCell<Choice>,
    status: Option<Status>,
    /// PIDs of samples are those of this program's `/proc`.
    is_here: bool,
}

impl Exporter {
    fn new(cli: &Cli, reader: Reader) -> Result<Self> {
        let source = reader.source();
        let is_here = reader.origin() != Origin::Recording && is_initial_pid_namespace_of(reader.origin());
        let lookup: Option<Lookup> = is_here.then(|| Box::new(cgroup::of) as Lookup);
        if cli.shown().cgroups && lookup.is_none() {
            say(format_args!("exporter: PIDs of these samples say nothing here: there are no cgroups"));
        }
        let linger_ns = u64::try_from(cli.linger.as_nanos()).unwrap_or(u64::MAX);
        let series = (cli.max_series as usize).saturating_sub(FIXED);
        // Of a recording, all that there is room for.
        let linger_ns = if reader.origin() == Origin::Recording { u64::MAX } else { linger_ns };
        let store = Store::new(cli.shown(), Bounds { series, linger_ns }, source.counted(), lookup);
        let started = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        let about = About {
            source: reader.origin().name().into(),
            kernel: source.machine().kernel.clone(),
            started_seconds: started.as_secs_f64(),
            ..About::default()
        };
        let choice = Choice::new(&cli.name, &cli.cgroup);
        let status = match reader.origin() {
            Origin::Module if choice.is_any() => Some(Status::open(&status_path())?),
            _ => None,
        };
        let shared = Shared::new(State { store, latencies: None, about });
        Ok(Exporter { reader: Rc::new(RefCell::new(reader)), shared, choice: RefCell::new(choice), status, is_here })
    }

    /// Serves until a signal says to end, or the source cannot be read any more.
    async fn serve(&self, cli: &Cli, listener: TcpListener, signals: &mut [Signal]) -> Result<()> {
        let limits = Limits { clients: usize::from(cli.max_clients), time: cli.timeout };
        let (reader, shared) = (Rc::clone(&self.reader), self.shared.clone());
        let exposition = Exposition::new(&shared);
        let server = Server::new(limits, CONTENT_TYPE, move |tally| {
            scrape(&mut reader.borrow_mut(), &shared, tally);
            exposition.text()
        });
        // In turn, until one of them ends.
        let mut all: [Pin<Box<dyn Future<Output = Result<()>> + '_>>; 4] = [
            Box::pin(poll_fn(|context| match signals.iter_mut().any(|signal| signal.poll_recv(context).is_ready()) {
                true => Poll::Ready(Ok(())),
                false => Poll::Pending,
            })),
            Box::pin(async { Ok(self.read().await?) }),
            Box::pin(async {
                self.choose().await;
                Ok(())
            }),
            Box::pin(async {
                server.serve(listener).await;
                Ok(())
            }),
        ];
        poll_fn(|context| {
            let ended = all.iter_mut().find_map(|one| match one.as_mut().poll(context) {
                Poll::Ready(ended) => Some(ended),
                Poll::Pending => None,
            });
            ended.map_or(Poll::Pending, Poll::Ready)
        })
        .await
    }

    /// Takes in samples, for ever.
    async fn read(&self) -> Result<(), SourceError> {
        loop {
            let is_more = self.reader.borrow_mut().take(&mut self.shared.lock().store)?;
            let pause = self.reader.borrow_mut().pause();
            match pause {
                _ if is_more => yield_now().await,
                Some(pause) => sleep(pause).await,
                None => {
                    if let Some(notice) = self.reader.borrow().source().notice() {
                        say(format_args!("exporter: {notice}"));
                    }
                    return std::future::pending().await;
                }
            }
        }
    }

    /// Looks for processes, for ever.
    async fn choose(&self) {
        if !self.choice.borrow().is_any() {
            return std::future::pending().await;
        }
        loop {
            self.look();
            sleep(EVERY).await;
        }
    }

    fn look(&self) {
        let mut choice = self.choice.borrow_mut();
        let mut reader = self.reader.borrow_mut();
        let mut add = |pid| reader.add(pid);
        let register = match &self.status {
            Some(status) => Register::Module(status),
            None => Register::Here(&mut add),
        };
        let is_sampled = |pid| self.is_here && self.shared.lock().store.is_live(pid);
        if let Err(error) = choice.look(register, is_sampled) {
            say(format_args!("exporter: cannot look for processes: {error}"));
        }
        self.shared.lock().about.refused = choice.refused();
    }

    fn end(&self) {
        if let Some(status) = &self.status {
            self.choice.borrow_mut().end(status);
        }
    }
}

/// Brings the state up to date for a scrape.
fn scrape(reader: &mut Reader, shared: &Shared, tally: Tally) {
    let mut state = shared.lock();
    // An error of the source ends the program from where it is read in turn.
    let _ = reader.take(&mut state.store);
    state.store.settle();
    let now_ns = clock_ns(ClockId::CLOCK_MONOTONIC);
    if reader.origin() != Origin::Recording {
        state.store.bury(now_ns);
    }
    let sampler = reader.source().sampler();
    let resident_pages: u64 =
        fs::read_to_string("/proc/self/statm").ok().and_then(|text| text.split(' ').nth(1)?.parse().ok()).unwrap_or(0);
    let about = &mut state.about;
    (about.sampling_ns, about.sampled) = (sampler.ns, sampler.records);
    (about.scrapes, about.dropped, about.rejected) = (tally.scrapes, tally.dropped, tally.rejected);
    about.cpu_seconds = clock_ns(ClockId::CLOCK_PROCESS_CPUTIME_ID) as f64 / 1e9;
    about.resident_bytes = resident_pages.saturating_mul(abi::device::PAGE_BYTES as u64);
}

fn clock_ns(id: ClockId) -> u64 {
    clock_gettime(id).map_or(0, |time| (time.tv_sec() as u64).saturating_mul(1_000_000_000) + time.tv_nsec() as u64)
}

/// Whether the PIDs of samples from there are those of this program's `/proc`.
fn is_initial_pid_namespace_of(origin: Origin) -> bool {
    origin == Origin::Proc || is_initial_pid_namespace()
}

/// Begins to trace, where that was asked for or can be had.
fn trace_events(cli: &Cli, exporter: &Exporter) -> Result<()> {
    if cli.tracing == Tracing::Off || cli.from.is_some() {
        return Ok(());
    }
    match latency::start(&cli.device, exporter.shared.clone()) {
        Ok(()) => Ok(()),
        Err(error) if cli.tracing == Tracing::On => Err(error).context("no histograms of latency"),
        Err(error) => {
            say(format_args!("exporter: no histograms of latency: {error}"));
            Ok(())
        }
    }
}

// SPDX-License-Identifier: GPL-2.0

//! The source that the command line asks for.

use anyhow::bail;
use client::machine::Machine;
use client::output::say;
use client::source::proc::{Proc, Selection, LACKS, RATE_HZ};
use client::source::{Recording, RingSource, Source};
use client::{Device, DeviceError, Ring};
use monitor::cli::{Cli, From};
use monitor::Options;

/// The samples' ring.
type Samples = Ring<{ abi::samples::SAMPLE_WORDS }>;

/// A source, open.
pub enum Opened {
    /// The module's device and its ring.
    Module(Box<(Device, Samples)>),
    /// `/proc`.
    Proc(Box<Proc>),
    /// A file.
    Recording(Box<Recording>),
}

impl Opened {
    /// Opens what `cli` names.
    pub fn new(cli: &Cli) -> anyhow::Result<Self> {
        if let Some(path) = &cli.from {
            return Ok(Opened::Recording(Box::new(Recording::open(path)?)));
        }
        if cli.source == From::Proc {
            return Self::proc(cli);
        }
        let module = || -> Result<_, DeviceError> {
            let device = Device::open(&cli.device)?;
            let ring = device.samples()?;
            Ok(Opened::Module(Box::new((device, ring))))
        };
        match module() {
            Ok(module) if cli.rate.is_none() && !cli.everything => Ok(module),
            Ok(_) => {
                bail!("--rate and --everything are for /proc; the module samples what is registered, at its own rate")
            }
            Err(error) if cli.source == From::Auto => {
                say(format_args!("monitor: {error}; reading /proc instead"));
                Self::proc(cli)
            }
            Err(error @ DeviceError::Absent(_)) => {
                bail!("{error} Without the module: --source proc")
            }
            Err(error) => Err(error.into()),
        }
    }

    fn proc(cli: &Cli) -> anyhow::Result<Self> {
        let selection = match cli.everything {
            true => Selection::Everything,
            false if cli.pid.is_empty() && cli.command.is_empty() => {
                bail!("from /proc: which processes? --pid PID, --everything, or a COMMAND behind --")
            }
            false => Selection::Processes { pids: cli.pid.clone(), follow: true },
        };
        if let Some(absent) = cli.pid.iter().find(|pid| !std::path::Path::new(&format!("/proc/{pid}")).exists()) {
            bail!("PID {absent}: no such process");
        }
        say(format_args!("monitor: {LACKS}"));
        Ok(Opened::Proc(Box::new(Proc::this(selection, cli.rate.unwrap_or(RATE_HZ)))))
    }

    /// It as a source.
    pub fn source(&mut self, options: &Options) -> anyhow::Result<Box<dyn Source + '_>> {
        Ok(match self {
            Opened::Module(module) => {
                let (device, ring) = &**module;
                let mut machine = Machine::this(ring.header());
                if device.is_image() {
                    machine.wall_clock_offset_ns = None;
                }
                let (users, begin) = (&options.users, options.begin);
                Box::new(RingSource::new(ring.memory(), ring.header(), machine, users, begin, Some(device))?)
            }
            Opened::Proc(proc) => Box::new(proc.as_mut()),
            Opened::Recording(recording) => Box::new(recording.as_mut()),
        })
    }
}

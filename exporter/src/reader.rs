// SPDX-License-Identifier: GPL-2.0

//! Where samples come from, and how often to look.

use crate::cli::{Cli, From};
use crate::store::Store;
use abi::samples::{SampleRecord, SAMPLE_WORDS};
use anyhow::{bail, Result};
use client::machine::Machine;
use client::output::say;
use client::source::proc::{Proc, Selection, LACKS};
use client::source::{Begin, Look, Recording, RingSource, Source, SourceError};
use client::users::Users;
use client::{Device, DeviceError, Ring};
use std::path::Path;
use std::time::Duration;

/// The ring is looked at this often where it has room for much longer: also without a scrape, nothing of it is lost.
const SELDOM: Duration = Duration::from_secs(1);

/// And not more often than this, however many processes there are.
const OFTEN: Duration = Duration::from_millis(50);

/// Looks at a source in one go: another one waits meanwhile, a scrape perhaps.
const LOOKS: usize = 256;

/// Where samples are from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// The module's ring.
    Module,
    /// `/proc`.
    Proc,
    /// A file.
    Recording,
}

impl Origin {
    /// Its name in metrics.
    pub fn name(self) -> &'static str {
        match self {
            Origin::Module => "module",
            Origin::Proc => "proc",
            Origin::Recording => "recording",
        }
    }
}

/// A source, and what was read of it.
pub struct Reader {
    source: Box<dyn Source>,
    origin: Origin,
    is_over: bool,
}

impl Reader {
    /// Opens what `cli` names.
    ///
    /// # Errors
    ///
    /// In words for the user.
    pub fn open(cli: &Cli) -> Result<Self> {
        let new = |source, origin| Reader { source, origin, is_over: false };
        if let Some(path) = &cli.from {
            return Ok(new(Box::new(Recording::open(path)?), Origin::Recording));
        }
        let proc = || {
            say(format_args!("exporter: {LACKS}"));
            let selection = match cli.name.is_empty() && cli.cgroup.is_empty() {
                true => Selection::Everything,
                false => Selection::Processes { pids: vec![], follow: true },
            };
            new(Box::new(Proc::this(selection, cli.rate)), Origin::Proc)
        };
        match cli.source {
            From::Proc => Ok(proc()),
            From::Module | From::Auto => match module(&cli.device) {
                Ok(source) => Ok(new(source, Origin::Module)),
                Err(error) if cli.source == From::Auto => {
                    say(format_args!("exporter: {error:#}; reading /proc instead"));
                    Ok(proc())
                }
                Err(error) => match error.downcast_ref() {
                    Some(DeviceError::Absent(_)) => bail!("{error} Without the module: --source proc"),
                    _ => Err(error),
                },
            },
        }
    }

    /// What is read.
    pub fn source(&self) -> &dyn Source {
        self.source.as_ref()
    }

    /// Where it is from.
    pub fn origin(&self) -> Origin {
        self.origin
    }

    /// Also samples this process: for `/proc`.
    pub fn add(&mut self, pid: i32) {
        self.source.add(pid);
    }

    /// Takes in what there is; [`Store::settle`] counts it. Returns whether there is more already.
    ///
    /// # Errors
    ///
    /// The source cannot be read any more.
    pub fn take(&mut self, store: &mut Store) -> Result<bool, SourceError> {
        for _ in 0..LOOKS {
            if self.is_over {
                return Ok(false);
            }
            let Look { records, lost, pending, over, .. } = self.source.look()?;
            // Before these records.
            store.lose(lost);
            records.iter().for_each(|words| store.hold(&SampleRecord::from_words(words)));
            self.is_over = over;
            if !pending {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// When to look again; `None`: nothing more comes.
    pub fn pause(&mut self) -> Option<Duration> {
        match self.origin {
            Origin::Recording => None,
            Origin::Proc => Some(self.source.readiness().map_or(SELDOM, |readiness| readiness.timeout)),
            Origin::Module => {
                let header = self.source.header();
                // Four times before the writer comes round.
                let records_a_second = self.source.registered().saturating_mul(header.rate_hz).max(1);
                let ms = header.capacity.saturating_mul(1_000) / 4 / records_a_second;
                Some(Duration::from_millis(ms).clamp(OFTEN, SELDOM))
            }
        }
    }
}

/// The module's ring. Device and mapping live as long as the program, so that the source can refer to them.
fn module(path: &Path) -> Result<Box<dyn Source>> {
    let open = || -> Result<(Device, Ring<SAMPLE_WORDS>), DeviceError> {
        let device = Device::open(path)?;
        let ring = device.samples()?;
        Ok((device, ring))
    };
    let (device, ring) = &*Box::leak(Box::new(open()?));
    let machine = Machine::this(ring.header());
    let source = RingSource::new(ring.memory(), ring.header(), machine, &Users::All, Begin::Now, Some(device))?;
    Ok(Box::new(source))
}

// SPDX-License-Identifier: GPL-2.0

//! Where the screen's samples come from.

use abi::command::Command;
use abi::events::{Kind, Kinds};
use abi::samples::SAMPLE_WORDS;
use anyhow::{anyhow, bail, Context, Result};
use client::commands::{Status, StatusError};
use client::machine::Machine;
use client::source::proc::{Proc, Selection, ThisKernel, LACKS};
use client::source::{Begin, Look, Recording, RingSource, Source};
use client::trace::TraceOptions;
use client::users::Users;
use client::{Device, DeviceError, Region, Ring};
use format::columns::Counted;
use std::fs::File;
use std::io::BufReader;
use std::path::Path;
use std::time::Duration;
use top::app::{Action, App, Origin};
use top::cli::{Cli, From};
use top::model::Model;
use top::player::Player;
use top::schedule::Schedules;
use trace::command::is_initial_pid_namespace;
use trace::live::Pace;

/// Looks at a source before keys are looked at again.
const LOOKS: usize = 64;

/// The ring is read at least this often, so that it does not overtake.
const RING: Duration = Duration::from_millis(100);

/// The module's device, open, and its ring of samples.
pub struct Module {
    device: Device,
    ring: Ring<SAMPLE_WORDS>,
}

impl Module {
    /// Opens the device at `path`.
    ///
    /// # Errors
    ///
    /// It is not there, or not this user's to open.
    pub fn open(path: &Path) -> Result<Self, DeviceError> {
        let device = Device::open(path)?;
        let ring = device.samples()?;
        Ok(Module { device, ring })
    }

    /// What comes from now on, of all users.
    fn source(&self) -> Result<RingSource<'_, Region>> {
        let Module { device, ring } = self;
        let machine = Machine::this(ring.header());
        Ok(RingSource::new(ring.memory(), ring.header(), machine, &Users::All, Begin::Now, Some(device))?)
    }
}

/// A source and what was read of it.
pub struct Live<'a> {
    from: Opened<'a>,
    model: Model,
    traced: Option<(trace::live::Live<'a>, Schedules)>,
    kernel: ThisKernel,
    remark: Option<String>,
}

enum Opened<'a> {
    Source(Box<dyn Source + 'a>, Origin),
    Player(Box<Player<BufReader<File>>>),
}

/// The events that the columns of the scheduler are made of.
const KINDS: Kinds = Kinds::SWITCHES.with(Kind::Waking);

fn traced<'a>(cli: &Cli, module: &'a Result<Module, DeviceError>) -> Result<(trace::live::Live<'a>, Schedules)> {
    let module = module.as_ref().map_err(|error| anyhow!("--sched needs the module: {error}"))?;
    if !is_initial_pid_namespace() {
        bail!("--sched: the tracer's events have the PIDs of the host, and this is a PID namespace of its own");
    }
    let options = TraceOptions { kinds: KINDS, ..TraceOptions::default() };
    let live = trace::live::Live::start(&module.device, &cli.device, &options, Pace::Prompt)?;
    Ok((live, Schedules::default()))
}

impl<'a> Live<'a> {
    /// Opens what `cli` names. `module` is the module's device.
    pub fn open(cli: &Cli, module: &'a Result<Module, DeviceError>) -> Result<Self> {
        let mut remark = None;
        let from = match (&cli.replay, cli.source, module) {
            (Some(path), ..) => {
                let recording = Recording::open(path)?;
                let delay_ns = u64::try_from(cli.delay.as_nanos()).unwrap_or(u64::MAX);
                let player = Player::new(recording, delay_ns).with_context(|| path.display().to_string())?;
                Opened::Player(Box::new(player))
            }
            (None, From::Auto | From::Module, Ok(module)) => Opened::Source(Box::new(module.source()?), Origin::Module),
            (None, From::Module, Err(error)) => bail!("{error} Without the module: --source proc"),
            (None, From::Auto, Err(error)) => {
                remark = Some(format!("{error} Read instead: {LACKS}"));
                proc(cli)
            }
            (None, From::Proc, _) => {
                remark = Some(LACKS.to_owned());
                proc(cli)
            }
        };
        let traced = cli.sched.then(|| traced(cli, module)).transpose()?;
        Ok(Live { from, model: Model::default(), traced, kernel: ThisKernel::new(), remark })
    }

    fn source(&self) -> &dyn Source {
        match &self.from {
            Opened::Source(source, _) => source.as_ref(),
            Opened::Player(player) => player.source(),
        }
    }

    fn origin(&self) -> Origin {
        match &self.from {
            Opened::Source(_, origin) => *origin,
            Opened::Player(player) => {
                let (at, length) = player.place();
                Origin::Recording(at, length)
            }
        }
    }

    /// The screen at its beginning.
    pub fn app(&self, cli: &Cli) -> App {
        let counted: Counted = self.source().counted();
        let mut app = App::new(self.origin(), &self.source().machine().host, counted);
        app.filter = cli.filter.clone().unwrap_or_default();
        app.remark = self.remark.clone();
        app.message = self.remark.clone();
        app.is_traced = self.traced.is_some();
        app
    }

    /// What is known.
    pub fn model(&self) -> &Model {
        &self.model
    }

    /// Whether the processes are of this machine, now.
    pub fn is_here(&self) -> bool {
        matches!(self.from, Opened::Source(..))
    }

    /// This machine's.
    pub fn kernel(&self) -> &ThisKernel {
        &self.kernel
    }

    /// How long there is nothing to read.
    pub fn due(&mut self) -> Duration {
        match &mut self.from {
            Opened::Source(source, Origin::Proc) => source.readiness().map_or(RING, |readiness| readiness.timeout),
            _ => RING,
        }
    }

    /// Takes in what has come in `elapsed`. Returns whether there is a new picture; `is_due`: it is time for one.
    pub fn advance(&mut self, elapsed: Duration, app: &mut App, is_due: bool) -> Result<bool> {
        if let Some((live, schedules)) = &mut self.traced {
            let until = live.next(Duration::ZERO, |timed| schedules.take(timed))?;
            schedules.advance(until);
        }
        match &mut self.from {
            Opened::Source(source, _) => {
                for _ in 0..LOOKS {
                    let Look { records, lost, pending, .. } = source.look()?;
                    records.iter().for_each(|words: &[u64; SAMPLE_WORDS]| self.model.take(words));
                    self.model.lost = lost;
                    if !pending {
                        break;
                    }
                }
                let is_new = is_due && !app.frozen;
                if is_new {
                    self.model.picture();
                    if let Some((_, schedules)) = &mut self.traced {
                        self.model.schedule(&schedules.picture());
                        self.model.lost = self.model.lost.saturating_add(schedules.lost());
                    }
                }
                Ok(is_new)
            }
            Opened::Player(player) => {
                if app.frozen {
                    return Ok(false);
                }
                let ns = u64::try_from(elapsed.as_nanos()).unwrap_or(u64::MAX);
                let is_new = player.advance(ns, &mut self.model)?;
                app.origin = self.origin();
                Ok(is_new)
            }
        }
    }

    /// Does what a key asks for.
    pub fn act(&mut self, action: Action, app: &mut App) -> Result<()> {
        let command = match (action, &mut self.from) {
            (Action::Register(pid), Opened::Source(_, Origin::Module)) => Command::Follow(pid),
            (Action::Unregister(pid), Opened::Source(_, Origin::Module)) => Command::Unregister(pid),
            (Action::Seek(_) | Action::Rewind, Opened::Player(player)) => {
                let at = player.place().0;
                let to = match action {
                    Action::Seek(seconds) => {
                        let by = seconds.unsigned_abs().saturating_mul(1_000_000_000);
                        if seconds < 0 {
                            at.saturating_sub(by)
                        } else {
                            at.saturating_add(by)
                        }
                    }
                    _ => 0,
                };
                player.seek(to, &mut self.model)?;
                app.origin = self.origin();
                return Ok(());
            }
            _ => return Ok(()),
        };
        // Each time anew: rights are those of now.
        let status = Status::open(Path::new(abi::device::STATUS_PATH))?;
        status.write_errno(command).map_err(|errno| StatusError::Refused { command, errno })?;
        app.message = Some(format!("{command}: done"));
        Ok(())
    }
}

fn proc(cli: &Cli) -> Opened<'static> {
    Opened::Source(Box::new(Proc::this(Selection::Everything, cli.rate)), Origin::Proc)
}

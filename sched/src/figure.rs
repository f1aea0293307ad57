// SPDX-License-Identifier: GPL-2.0

//! A recording as figures: who had each CPU when, and how long threads waited for one.

use crate::cli::Plot;
use crate::view::latency::Latency;
use crate::view::{Filter, View};
use anyhow::{bail, Context, Result};
use format::utc::Utc;
use plot::axis::Axis;
use plot::figure::Figure;
use plot::number::{fixed, thousands};
use plot::palette::{series, RGBColor, OTHERS};
use plot::panel::{Horizontal, Item, Panel, Pen};
use std::collections::{BTreeMap, HashMap};
use std::ffi::OsString;
use trace::event::Timed;
use trace::fact::Fact;
use trace::histogram::Histogram;
use trace::recording::Header;
use trace::state::State;
use trace::task::Comm;
use trace::thread::Cause;
use trace::time::ns;

/// Steps of a timeline: each is as wide as two pixels.
const BINS: usize = 430;

/// Commands that have a colour of their own.
const NAMED: usize = 6;

/// CPUs that are drawn: more would not be told apart on a page.
const CPUS: usize = 16;

/// Time on a CPU, by step and command, ns.
type Lane = Vec<HashMap<Comm, u64>>;

/// What a timeline is drawn from.
#[derive(Debug)]
pub struct Timeline {
    from: u64,
    to: u64,
    cpus: BTreeMap<u32, Lane>,
    commands: HashMap<Comm, u64>,
    slices: u64,
}

impl Timeline {
    /// Of the time from `from` to `to`, ns.
    pub fn new(from: u64, to: u64) -> Self {
        let (cpus, commands) = (BTreeMap::new(), HashMap::new());
        Timeline { from, to: to.max(from + 1), cpus, commands, slices: 0 }
    }

    /// Takes time that a command had on a CPU.
    pub fn add(&mut self, cpu: u32, comm: Comm, from: u64, to: u64) {
        let (mut from, to) = (from.max(self.from), to.min(self.to));
        if from >= to {
            return;
        }
        self.slices += 1;
        *self.commands.entry(comm).or_default() += to - from;
        let length = self.to - self.from;
        let lane = self.cpus.entry(cpu).or_insert_with(|| vec![HashMap::new(); BINS]);
        let edge = |bin: usize| self.from + (u128::from(length) * bin as u128 / BINS as u128) as u64;
        let mut bin = (u128::from(from - self.from) * BINS as u128 / u128::from(length)) as usize;
        while from < to && bin < BINS {
            let end = edge(bin + 1).min(to);
            if end > from {
                *lane[bin].entry(comm).or_default() += end - from;
                from = end;
            }
            bin += 1;
        }
    }

    /// The CPU had its idle task: it gets a lane all the same.
    pub fn idle(&mut self, cpu: u32) {
        self.cpus.entry(cpu).or_insert_with(|| vec![HashMap::new(); BINS]);
    }

    /// The figure.
    pub fn figure(&self, title: String, subtitle: Vec<String>, caption: Vec<String>) -> Figure {
        let mut commands: Vec<(Comm, u64)> = self.commands.iter().map(|(comm, ns)| (*comm, *ns)).collect();
        commands.sort_by_key(|(comm, ns)| (std::cmp::Reverse(*ns), *comm));
        let others = commands.len().saturating_sub(NAMED);
        let named: Vec<Comm> = commands.iter().take(NAMED).map(|(comm, _)| *comm).collect();
        let colour = |index: usize| if index < named.len() { series(index).0 } else { OTHERS };
        let mut legend: Vec<(Pen, String)> = commands
            .iter()
            .take(NAMED)
            .enumerate()
            .map(|(index, (comm, ns))| (Pen::full(colour(index), 8.0), format!("{comm}: {} s", seconds(*ns))))
            .collect();
        if others > 0 {
            let sum = commands.iter().skip(NAMED).map(|(_, ns)| *ns).sum::<u64>();
            legend.push((Pen::full(OTHERS, 8.0), format!("{others} others: {} s", seconds(sum))));
        }
        let length = self.to - self.from;
        let shown = self.cpus.len().min(CPUS);
        let panels = self
            .cpus
            .iter()
            .take(CPUS)
            .map(|(cpu, lane)| {
                let busy: u64 = lane.iter().flat_map(HashMap::values).sum();
                let panel = Panel {
                    title: format!("CPU {cpu}"),
                    unit: format!(
                        "(percent; busy for {} % of the time)",
                        fixed(busy as f64 * 100.0 / length as f64, 1)
                    ),
                    y: Axis { max: 100.0, labels: vec![0.0, 50.0, 100.0], step: 50.0, ..Axis::tight(100.0, 2) },
                    y_suffix: "",
                    items: bands(lane, &named, length, colour),
                    legend: vec![],
                };
                (panel, if shown > 4 { 74.0 } else { 112.0 })
            })
            .collect();
        let mut caption = caption;
        if self.cpus.len() > CPUS {
            caption.push(format!("The first {CPUS} of {} CPUs are drawn; --cpu chooses others.", self.cpus.len()));
        }
        let axis = Axis::tight(length as f64 / 1e9, 12);
        let x = Horizontal { axis, title: "Time since the beginning (s)".into() };
        Figure { title, subtitle, legend, panels, x, caption }
    }
}

/// Shares of each step, on top of each other: named commands first, all others above them.
fn bands(lane: &Lane, named: &[Comm], length: u64, colour: impl Fn(usize) -> RGBColor) -> Vec<Item> {
    let width = length as f64 / BINS as f64;
    let mut lower = vec![0.0; lane.len()];
    (0..=named.len())
        .map(|index| {
            let mut edges = Vec::with_capacity(2 * lane.len());
            for (bin, times) in lane.iter().enumerate() {
                let ns: u64 = match named.get(index) {
                    Some(comm) => times.get(comm).copied().unwrap_or(0),
                    None => times.iter().filter(|(comm, _)| !named.contains(comm)).map(|(_, ns)| *ns).sum(),
                };
                let upper = (lower[bin] + ns as f64 * 100.0 / width).min(100.0);
                for x in [bin, bin + 1] {
                    edges.push((x as f64 * width / 1e9, lower[bin], upper));
                }
                lower[bin] = upper;
            }
            Item::Band { edges, colour: colour(index), opacity: 0.9 }
        })
        .collect()
}

fn seconds(ns: u64) -> String {
    fixed(ns as f64 / 1e9, 3)
}

/// From, to, ns, and how many.
type Octave = (u64, u64, u64);

/// The histograms of the waits as a figure; none without waits.
pub fn latency(histograms: &BTreeMap<Cause, Histogram>, title: String, subtitle: Vec<String>) -> Option<Figure> {
    let octaves: Vec<(Cause, Vec<Octave>)> =
        histograms.iter().map(|(cause, histogram)| (*cause, histogram.octaves())).collect();
    let edges = octaves.iter().flat_map(|(_, octaves)| octaves.iter().flat_map(|(from, to, _)| [*from, *to]));
    let axis = Axis::logarithmic(edges.map(|ns| ns as f64 / 1e6));
    let mut panels = vec![];
    for (index, (cause, octaves)) in octaves.iter().enumerate() {
        let histogram = histograms.get(cause)?;
        let share = |count: u64| count as f64 * 100.0 / histogram.count().max(1) as f64;
        let (colour, _) = series(index);
        let edges: Vec<(f64, f64, f64)> = octaves
            .iter()
            .flat_map(|(from, to, count)| [*from, *to].map(|ns| (ns as f64 / 1e6, 0.0, share(*count))))
            .collect();
        let points = edges.iter().map(|(x, _, y)| (*x, *y)).collect();
        let highest = octaves.iter().map(|(.., count)| share(*count)).fold(0.0, f64::max);
        let mut items =
            vec![Item::Band { edges, colour, opacity: 0.35 }, Item::Line { points, pen: Pen::full(colour, 1.4) }];
        for (p, name) in [(0.5, "p50"), (0.99, "p99"), (1.0, "max")] {
            if let Some(ns) = histogram.percentile(p) {
                let label = format!("{name} {} ms", fixed(ns as f64 / 1e6, 3));
                items.push(Item::Moment { x: ns as f64 / 1e6, label, colour });
            }
        }
        let panel = Panel {
            title: format!("From {}", cause.name()),
            unit: format!("(percent of {} waits in each power of two)", thousands(histogram.count())),
            y: Axis::roomy(highest, 3),
            y_suffix: "",
            items,
            legend: vec![],
        };
        panels.push((panel, 150.0));
    }
    (!panels.is_empty()).then(|| Figure {
        title,
        subtitle,
        legend: vec![],
        panels,
        x: Horizontal { axis, title: "Time from runnable to running (ms)".into() },
        caption: vec![
            "A wait begins with the wake-up, the preemption or the start of a thread, and ends when it has a CPU."
                .into(),
        ],
    })
}

fn origin(header: &Header) -> String {
    let start = Utc::from_unix_ns(header.start_realtime_ns);
    format!("{}, Linux {}, {} CPUs, from {start}", header.host, header.kernel, header.cpus)
}

/// Draws a recording into files; their names, a line each.
///
/// # Errors
///
/// The recording cannot be read, or a file not be written.
pub fn draw(args: &Plot) -> Result<String> {
    let failed = || args.file.display().to_string();
    // The length is known at the end only, and everything is drawn in proportion to it: so it is read twice.
    let mut reader = trace::recording::open(&args.file)?;
    let (mut first, mut last) = (None, 0);
    while let Some(chunk) = reader.next_chunk().with_context(failed)? {
        for timed in &chunk.events {
            first.get_or_insert(timed.ns);
            last = last.max(timed.ns);
        }
    }
    let Some(first) = first else { bail!("{}: there are no events in it", args.file.display()) };
    let from = first + args.from.map_or(0, ns);
    let to = args.length.map_or(last, |length| from.saturating_add(ns(length)).min(last));
    if from >= to {
        bail!(
            "{}: it ends {:.3} s after its beginning, before --from",
            args.file.display(),
            (last - first) as f64 / 1e9
        );
    }
    let mut reader = trace::recording::open(&args.file)?;
    let header = reader.header().clone();
    let mut timeline = Timeline::new(from, to);
    let filter = Filter { cpus: args.cpu.clone(), ..Filter::default() };
    let mut waits = Latency::new(filter.clone(), None);
    let (mut state, mut facts) = (State::new(), vec![]);
    let mut is_first = true;
    let mut silent = trace::table::Writer::new(std::io::sink(), trace::table::Format::Text);
    while let Some(chunk) = reader.next_chunk().with_context(failed)? {
        if std::mem::take(&mut is_first) {
            state = chunk.checkpoint;
        }
        for timed in &chunk.events {
            facts.clear();
            state.apply(timed, &mut facts);
            take(&mut timeline, &filter, timed, &facts, &state);
            if (from..=to).contains(&timed.ns) {
                waits.event(timed, &facts, &state, &mut silent);
            }
        }
    }
    // Those that have a CPU at the end.
    for (cpu, here) in state.cpus().iter().enumerate().filter(|(cpu, _)| filter.wants_cpu(*cpu as u32)) {
        let running = here.current.zip(here.since);
        if let Some((id, since)) = running.filter(|(id, _)| !id.is_idle()) {
            timeline.add(cpu as u32, state.name(id), since, to);
        }
    }
    let mut subtitle = vec![origin(&header), state.losses.to_string()];
    subtitle.extend(reader.ending());
    let mut figures = vec![(
        "timeline",
        timeline.figure(
            format!("Who had the CPUs, for {} s", seconds(to - from)),
            subtitle.clone(),
            vec!["Each step shows the shares of the commands in that time; what is white was idle.".into()],
        ),
    )];
    let title = "How long threads waited for a CPU".to_owned();
    figures.extend(latency(waits.histograms(), title, subtitle).map(|figure| ("latency", figure)));
    let mut said = String::new();
    for (name, figure) in figures {
        let svg = figure.svg()?;
        for extension in plot::save::EXTENSIONS {
            let mut path = OsString::from(&args.output);
            path.push(format!("-{name}.{extension}"));
            plot::save::figure(&svg, path.as_ref())?;
            said.push_str(&format!("{}\n", path.to_string_lossy()));
        }
    }
    Ok(said)
}

fn take(timeline: &mut Timeline, filter: &Filter, _timed: &Timed, facts: &[Fact], state: &State) {
    for fact in facts {
        let Fact::Slice(slice) = fact else { continue };
        if !filter.wants_cpu(slice.cpu) {
            continue;
        }
        match slice.from {
            Some(_) if slice.task.is_idle() => timeline.idle(slice.cpu),
            Some(from) => timeline.add(slice.cpu, state.name(slice.task), from, slice.to),
            None => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_goes_into_the_steps_that_it_covers() {
        let mut timeline = Timeline::new(1_000, 1_000 + 430 * 100);
        let comm = Comm::new(b"a");
        timeline.add(0, comm, 1_050, 1_310);
        timeline.add(0, comm, 0, 500);
        let lane = &timeline.cpus[&0];
        let times: Vec<u64> = lane.iter().take(5).map(|times| times.get(&comm).copied().unwrap_or(0)).collect();
        assert_eq!(times, [50, 100, 100, 10, 0]);
        assert_eq!(timeline.commands[&comm], 260);
    }

    #[test]
    fn a_figure_names_the_cpus_and_the_commands_that_took_most() {
        let mut timeline = Timeline::new(0, 1_000_000);
        for n in 0..9_u64 {
            let comm = Comm::new(format!("command{n}").as_bytes());
            timeline.add((n % 2) as u32, comm, n * 100_000, n * 100_000 + 10_000 * (9 - n));
        }
        let svg = timeline.figure("title".into(), vec![], vec![]).svg().unwrap();
        for text in ["CPU 0", "CPU 1", "command0: 0.000 s", "3 others"] {
            assert!(svg.contains(text), "{text}");
        }
        assert!(!svg.contains("command8") && !svg.contains("NaN"));
    }

    #[test]
    fn waits_are_drawn_with_their_percentiles() {
        let mut histogram = Histogram::default();
        for ns in (1..1_000).map(|n| n * 10_000) {
            histogram.add(ns);
        }
        let figure = latency(&BTreeMap::from([(Cause::Woken, histogram)]), "title".into(), vec![]).unwrap();
        let svg = figure.svg().unwrap();
        assert!(svg.contains("From wake-up") && svg.contains("max 9.990 ms"), "{svg}");
        assert!(latency(&BTreeMap::new(), "title".into(), vec![]).is_none());
    }
}

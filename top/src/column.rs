// SPDX-License-Identifier: GPL-2.0

//! The columns of the table.

use crate::model::Process;
use abi::device::PAGE_BYTES;
use format::columns::Counted;
use std::cmp::Ordering;

/// A column. Their order is that on the screen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Column {
    /// Process ID.
    Pid,
    /// Command name.
    Command,
    /// CPU time, percent of one CPU.
    Cpu,
    /// Minor faults a second.
    Minor,
    /// Major faults a second.
    Major,
    /// Time runnable and not running, percent.
    RunDelay,
    /// Time waiting for block I/O, percent.
    BlockIo,
    /// Time waiting for memory, percent.
    Memory,
    /// Voluntary switches a second.
    Voluntary,
    /// Involuntary switches a second.
    Involuntary,
    /// Traced: switches a second.
    Switches,
    /// Traced: from a wake-up to the CPU, on average.
    WakeUp,
    /// Traced: the longest of these.
    LongestWakeUp,
    /// Resident memory.
    Resident,
    /// Memory in swap.
    Swapped,
    /// Threads.
    Threads,
    /// Faults of the last pictures.
    Graph,
}

/// All of them.
pub const COLUMNS: [Column; 17] = [
    Column::Pid,
    Column::Command,
    Column::Cpu,
    Column::Minor,
    Column::Major,
    Column::RunDelay,
    Column::BlockIo,
    Column::Memory,
    Column::Voluntary,
    Column::Involuntary,
    Column::Switches,
    Column::WakeUp,
    Column::LongestWakeUp,
    Column::Resident,
    Column::Swapped,
    Column::Threads,
    Column::Graph,
];

/// What a cell says where nothing happened of which there could be a time.
pub const NONE: &str = "-";

/// What a cell says where there is no number.
pub const NOT_COUNTED: &str = "n/a";

impl Column {
    /// Its title.
    pub fn title(self) -> &'static str {
        match self {
            Column::Pid => "PID",
            Column::Command => "COMMAND",
            Column::Cpu => "CPU%",
            Column::Minor => "MINOR/s",
            Column::Major => "MAJOR/s",
            Column::RunDelay => "RUNQ%",
            Column::BlockIo => "BLKIO%",
            Column::Memory => "MEM%",
            Column::Voluntary => "VOL/s",
            Column::Involuntary => "INVOL/s",
            Column::Switches => "SWITCH/s",
            Column::WakeUp => "WAKE us",
            Column::LongestWakeUp => "MAX us",
            Column::Resident => "RES",
            Column::Swapped => "SWAP",
            Column::Threads => "THR",
            Column::Graph => "FAULTS",
        }
    }

    /// What it says, for the list of keys.
    pub fn description(self) -> &'static str {
        match self {
            Column::Pid => "process ID",
            Column::Command => "command name",
            Column::Cpu => "CPU time, % of one CPU",
            Column::Minor => "minor faults a second",
            Column::Major => "major faults a second",
            Column::RunDelay => "time runnable and not running, %",
            Column::BlockIo => "time waiting for block I/O, %",
            Column::Memory => "time in swap-in, reclaim, thrashing, compaction, %",
            Column::Voluntary => "voluntary switches a second",
            Column::Involuntary => "involuntary switches a second",
            Column::Switches => "--sched: switches a second",
            Column::WakeUp => "--sched: mean time from a wake-up to the CPU, us",
            Column::LongestWakeUp => "--sched: the longest time from a wake-up to the CPU, us",
            Column::Resident => "resident memory",
            Column::Swapped => "memory in swap",
            Column::Threads => "threads",
            Column::Graph => "faults of the last pictures",
        }
    }

    /// Cells that it takes.
    pub fn width(self) -> u16 {
        match self {
            Column::Pid => 7,
            Column::Command => 15,
            Column::Minor | Column::Major | Column::Involuntary | Column::Switches => 8,
            Column::Voluntary | Column::Resident | Column::Swapped | Column::WakeUp | Column::LongestWakeUp => 7,
            Column::Cpu | Column::RunDelay | Column::BlockIo | Column::Memory => 6,
            Column::Threads => 4,
            Column::Graph => 24,
        }
    }

    /// Columns are left out where the screen is narrow: those with the highest number first.
    fn rank(self) -> u8 {
        match self {
            Column::Pid | Column::Command => 0,
            Column::Cpu | Column::Minor => 1,
            Column::Major => 2,
            Column::RunDelay | Column::Switches | Column::LongestWakeUp => 3,
            Column::WakeUp => 4,
            Column::Resident => 5,
            Column::Voluntary => 6,
            Column::Threads => 7,
            Column::BlockIo | Column::Memory => 8,
            Column::Graph => 9,
            Column::Involuntary | Column::Swapped => 10,
        }
    }

    /// Whether it is of the tracer's events.
    pub fn is_traced(self) -> bool {
        matches!(self, Column::Switches | Column::WakeUp | Column::LongestWakeUp)
    }

    /// All columns, those of the tracer only where something `is_traced`.
    pub fn all(is_traced: bool) -> Vec<Column> {
        COLUMNS.into_iter().filter(|column| is_traced || !column.is_traced()).collect()
    }

    /// Those of `columns` that a screen of this width has room for, in their order.
    pub fn fitting(columns: &[Column], width: u16) -> Vec<Column> {
        let mut ranked = columns.to_vec();
        ranked.sort_by_key(|column| column.rank());
        let mut left = width;
        let mut fitting = vec![];
        for column in ranked {
            let needed = column.width() + u16::from(!fitting.is_empty());
            match left.checked_sub(needed) {
                Some(rest) => left = rest,
                None => break,
            }
            fitting.push(column);
        }
        columns.iter().copied().filter(|column| fitting.contains(column)).collect()
    }

    /// The number that it sorts by.
    fn number(self, process: &Process) -> f64 {
        let rates = &process.rates;
        let schedule = process.schedule.unwrap_or_default();
        match self {
            Column::Pid | Column::Command => f64::from(process.last.pid),
            Column::Cpu => rates.cpu,
            Column::Minor => rates.minor,
            Column::Graph => rates.faults(),
            Column::Major => rates.major,
            Column::RunDelay => rates.run_delay,
            Column::BlockIo => rates.blkio,
            Column::Memory => rates.memory,
            Column::Voluntary => rates.voluntary,
            Column::Involuntary => rates.involuntary,
            Column::Switches => schedule.switches,
            Column::WakeUp => schedule.wakeup_us,
            Column::LongestWakeUp => schedule.longest_us,
            Column::Resident => process.last.levels.resident_pages as f64,
            Column::Swapped => process.last.levels.swapped_pages as f64,
            Column::Threads => f64::from(process.last.threads),
        }
    }

    /// The order of two processes by this column, the largest first; names and PIDs from the smallest on. Equal ones stay in
    /// the order of their PIDs.
    pub fn compare(self, one: &Process, other: &Process) -> Ordering {
        let by_pid = || (one.last.pid, one.last.registration).cmp(&(other.last.pid, other.last.registration));
        match self {
            Column::Pid => by_pid(),
            Column::Command => one.last.comm.cmp(&other.last.comm).then_with(by_pid),
            _ => self.number(other).total_cmp(&self.number(one)).then_with(by_pid),
        }
    }

    /// Whether there is a number for this process.
    pub fn is_counted(self, process: &Process, counted: Counted) -> bool {
        if self.is_traced() {
            return process.schedule.is_some();
        }
        let counted = counted.in_record(process.last.flags);
        let name = match self {
            Column::RunDelay => "run_delay",
            Column::BlockIo => "blkio_delay",
            Column::Memory => "swapin_delay",
            Column::Voluntary => "voluntary_switches",
            Column::Involuntary => "involuntary_switches",
            Column::Swapped => "swapped",
            _ => return true,
        };
        counted.has_named(name)
    }

    /// What its cell says.
    pub fn text(self, process: &Process, counted: Counted) -> String {
        if !self.is_counted(process, counted) {
            return NOT_COUNTED.into();
        }
        let has_woken = process.schedule.is_some_and(|schedule| schedule.wakeups > 0);
        match self {
            Column::WakeUp | Column::LongestWakeUp if !has_woken => NONE.into(),
            Column::Pid => process.last.pid.to_string(),
            Column::Command => process.name(),
            Column::Threads => process.last.threads.to_string(),
            Column::Cpu | Column::RunDelay | Column::BlockIo | Column::Memory => format!("{:.1}", self.number(process)),
            Column::Resident => bytes(process.last.levels.resident_pages),
            Column::Swapped => bytes(process.last.levels.swapped_pages),
            Column::Graph => sparks(process.history.iter().map(|point| point.faults), usize::from(self.width())),
            _ => count(self.number(process)),
        }
    }

    /// Whether its cells are text, which begins at the left.
    pub fn is_text(self) -> bool {
        matches!(self, Column::Command | Column::Graph)
    }
}

/// A number in at most 7 characters.
pub fn count(number: f64) -> String {
    match number {
        n if n < 0.05 => "0".into(),
        n if n < 9.95 => format!("{n:.1}"),
        n if n < 1e5 => format!("{n:.0}"),
        n if n < 1e8 => format!("{:.0}k", n / 1e3),
        n if n < 1e11 => format!("{:.0}M", n / 1e6),
        n => format!("{:.0}G", n / 1e9),
    }
}

/// Memory in pages, in at most 6 characters.
pub fn bytes(pages: u64) -> String {
    let mib = pages as f64 * PAGE_BYTES as f64 / f64::from(1 << 20);
    match mib {
        m if m < 0.05 => "0".into(),
        m if m < 99.95 => format!("{m:.1}M"),
        m if m < 10_240.0 => format!("{m:.0}M"),
        m => format!("{:.0}G", m / 1024.0),
    }
}

/// The last `width` of these numbers as bars, the highest of them a full one.
pub fn sparks(numbers: impl DoubleEndedIterator<Item = f32> + ExactSizeIterator, width: usize) -> String {
    const BARS: [char; 9] = [' ', '▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
    let skipped = numbers.len().saturating_sub(width);
    let shown: Vec<f32> = numbers.skip(skipped).collect();
    let highest = shown.iter().copied().fold(0.0, f32::max);
    let bar = |number: &f32| {
        // Whatever is more than nothing can be seen.
        let eighths = if highest > 0.0 { (number / highest * 8.0).ceil() } else { 0.0 };
        BARS[(eighths as usize).min(8)]
    };
    shown.iter().map(bar).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_screen_of_80_has_the_most_important_columns_and_a_wide_one_all() {
        let titles = |width, is_traced| {
            Column::fitting(&Column::all(is_traced), width)
                .iter()
                .map(|column| column.title())
                .collect::<Vec<_>>()
                .join(" ")
        };
        assert_eq!(titles(80, false), "PID COMMAND CPU% MINOR/s MAJOR/s RUNQ% VOL/s RES THR");
        assert_eq!(titles(80, true), "PID COMMAND CPU% MINOR/s MAJOR/s RUNQ% SWITCH/s WAKE us MAX us");
        assert_eq!(Column::fitting(&COLUMNS, 200), COLUMNS);
        assert_eq!(titles(30, false), "PID COMMAND CPU%");
        let total =
            |width: u16| Column::fitting(&COLUMNS, width).iter().map(|column| column.width() + 1).sum::<u16>() - 1;
        for width in 20..200 {
            assert!(total(width.max(23)) <= width.max(23), "{width}");
        }
    }

    #[test]
    fn numbers_fit_into_their_columns() {
        for exponent in -3..13 {
            for digits in [1.0, 4.4, 9.99, 9.4999] {
                let number = digits * 10_f64.powi(exponent);
                assert!(count(number).len() <= 7, "{number}");
                assert!(bytes(number as u64 % (1 << 32)).len() <= 6, "{number}");
            }
        }
        assert_eq!([0.0, 0.3, 12.6, 123_456.0].map(count), ["0", "0.3", "13", "123k"]);
        assert_eq!([0, 256, 51_200, 4 << 20].map(bytes), ["0", "1.0M", "200M", "16G"]);
    }

    #[test]
    fn bars_are_the_newest_numbers() {
        assert_eq!(sparks([9.0, 0.0, 0.01, 4.0, 8.0].into_iter(), 4), " ▁▄█");
        assert_eq!(sparks([0.0; 3].into_iter(), 9), "   ");
    }
}

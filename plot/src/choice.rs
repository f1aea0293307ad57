// SPDX-License-Identifier: GPL-2.0

//! Which processes of a file are drawn, and in which order.

use crate::processes::Process;
use crate::trace::Trace;
use clap::{Args, ValueEnum};
use std::cmp::Reverse;

/// Processes drawn of a file that holds many: as many as there are colours.
pub const MOST: usize = 7;

/// What comes first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Key {
    /// Most page faults
    Faults,
    /// Most major page faults
    Major,
    /// Most CPU time
    Cpu,
    /// Earliest registration
    Start,
    /// Lowest PID
    Pid,
}

/// Which processes, and in which order.
#[derive(Debug, Clone, Default, Args)]
pub struct Choice {
    /// Of a file of processes, draw those with this PID or command name. Can be repeated
    #[arg(long = "process", value_name = "PID|NAME")]
    pub named: Vec<String>,

    /// Which processes come first [default: as in the file; by faults where not all are drawn]
    #[arg(long, value_name = "KEY")]
    pub by: Option<Key>,

    /// How many processes are drawn at most [default: 7 in a figure, all in a page]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub most: Option<u64>,
}

/// A process with its intervals.
pub type Drawn<'a> = (&'a Process, Trace);

impl Choice {
    /// The names for which there is no process in `list`.
    pub fn unknown<'a>(&'a self, list: &[Process]) -> Vec<&'a str> {
        let is_known = |name: &&String| list.iter().any(|process| is_called(process, name));
        self.named.iter().filter(|name| !is_known(name)).map(String::as_str).collect()
    }

    /// Splits `all` into those that are drawn, in order, and the others. `most` counts where the user did not say.
    pub fn split<'a>(&self, all: Vec<Drawn<'a>>, most: usize) -> (Vec<Drawn<'a>>, Vec<Drawn<'a>>) {
        let is_chosen =
            |(process, _): &Drawn| self.named.is_empty() || self.named.iter().any(|name| is_called(process, name));
        let (mut drawn, mut others): (Vec<_>, Vec<_>) = all.into_iter().partition(is_chosen);
        let most = self.most.map_or(most, |most| usize::try_from(most).unwrap_or(usize::MAX));
        if let Some(key) = self.by.or((drawn.len() > most).then_some(Key::Faults)) {
            sort(&mut drawn, key);
        }
        if drawn.len() > most {
            others.extend(drawn.split_off(most));
        }
        (drawn, others)
    }
}

/// Sorts are stable: what is equal stays as in the file.
fn sort(list: &mut [Drawn], key: Key) {
    match key {
        Key::Faults => list.sort_by_key(|(_, trace)| Reverse(trace.totals().faults())),
        Key::Major => list.sort_by_key(|(_, trace)| Reverse(trace.totals().major)),
        Key::Cpu => list.sort_by_key(|(_, trace)| Reverse(trace.totals().cpu_ns)),
        Key::Start => list.sort_by(|(a, _), (b, _)| a.start_s.total_cmp(&b.start_s)),
        Key::Pid => list.sort_by_key(|(process, _)| process.pid),
    }
}

fn is_called(process: &Process, name: &str) -> bool {
    process.comm == name || name.parse() == Ok(process.pid)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::interval::Interval;

    fn process(pid: u64, comm: &str, start_s: f64) -> Process {
        Process { pid, comm: comm.into(), start_s, is_joined: false, rows: vec![], samples: 1 }
    }

    fn trace(minor: u64, major: u64, cpu_ns: u64) -> Trace {
        let mut trace = Trace::default();
        trace.push(&Interval { start_s: 0.0, end_s: 1.0, length_s: 1.0, minor, major, cpu_ns }).unwrap();
        trace
    }

    /// PIDs of those drawn, and how many are not.
    fn split(choice: &Choice, list: &[Process], most: usize) -> (Vec<u64>, usize) {
        let counts = [(5, 0, 9), (1, 4, 7), (3, 1, 8)];
        let all = list.iter().zip(counts).map(|(process, (minor, major, cpu))| (process, trace(minor, major, cpu)));
        let (drawn, others) = choice.split(all.collect(), most);
        (drawn.iter().map(|(process, _)| process.pid).collect(), others.len())
    }

    #[test]
    fn processes_are_chosen_and_ordered() {
        let list = [process(30, "work", 2.0), process(10, "make", 0.0), process(20, "work", 1.0)];
        let choice = |named: &[&str], by, most| Choice { named: named.iter().map(|&n| n.into()).collect(), by, most };
        assert_eq!(split(&Choice::default(), &list, 7), (vec![30, 10, 20], 0), "as in the file");
        assert_eq!(split(&Choice::default(), &list, 2), (vec![30, 10], 1), "of more than fit, those with most faults");
        assert_eq!(split(&choice(&[], Some(Key::Major), None), &list, 7), (vec![10, 20, 30], 0));
        assert_eq!(split(&choice(&[], Some(Key::Cpu), Some(2)), &list, 7), (vec![30, 20], 1));
        assert_eq!(split(&choice(&[], Some(Key::Start), None), &list, 7), (vec![10, 20, 30], 0));
        assert_eq!(split(&choice(&[], Some(Key::Pid), None), &list, 7), (vec![10, 20, 30], 0));
        assert_eq!(split(&choice(&["work"], Some(Key::Pid), None), &list, 7), (vec![20, 30], 1));
        assert_eq!(split(&choice(&["10", "make"], None, None), &list, 7), (vec![10], 2));
        assert_eq!(choice(&["work", "11", "mak"], None, None).unknown(&list), ["11", "mak"]);
    }
}

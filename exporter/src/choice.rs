// SPDX-License-Identifier: GPL-2.0

//! The processes that `--name` and `--cgroup` select: looked for every now and then, and registered.

use crate::cgroup;
use abi::command::Command;
use client::commands::{Status, StatusError};
use client::output::say;
use client::source::proc::{Kernel, Stat, ThisKernel};
use nix::errno::Errno;
use rustc_hash::FxHashMap;
use std::io;
use std::time::Duration;

/// How often they are looked for.
pub const EVERY: Duration = Duration::from_secs(5);

/// How a process that was found is sampled.
pub enum Register<'a> {
    /// By the module.
    Module(&'a Status),
    /// By this function: it takes a PID.
    Here(&'a mut dyn FnMut(i32)),
}

/// What became of a process that was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Found {
    /// It is registered by this program.
    Ours,
    /// It is registered by someone else, or not at all.
    Not,
}

/// Which processes are wanted, and those that were found.
#[derive(Debug)]
pub struct Choice<K = ThisKernel> {
    kernel: K,
    names: Vec<String>,
    cgroups: Vec<String>,
    /// By PID, with the time of their start: a number that is given again is another process.
    found: FxHashMap<i32, (u64, Found)>,
    refused: u64,
}

impl Choice {
    /// Processes of this machine with one of these names, or in one of these cgroups.
    pub fn new(names: &[String], cgroups: &[String]) -> Self {
        Self::of(ThisKernel::new(), names, cgroups)
    }
}

impl<K: Kernel> Choice<K> {
    /// The same of what `kernel` shows.
    pub fn of(kernel: K, names: &[String], cgroups: &[String]) -> Self {
        Choice { kernel, names: names.to_vec(), cgroups: cgroups.to_vec(), found: FxHashMap::default(), refused: 0 }
    }

    /// Whether any are wanted.
    pub fn is_any(&self) -> bool {
        !self.names.is_empty() || !self.cgroups.is_empty()
    }

    /// Processes that could not be registered so far.
    pub fn refused(&self) -> u64 {
        self.refused
    }

    /// Looks for them, and has those registered that are new. Those that it has found before and of which `is_sampled` says that
    /// samples come are passed over: nothing has to be read of them.
    ///
    /// # Errors
    ///
    /// `/proc` cannot be read.
    pub fn look(&mut self, mut register: Register<'_>, is_sampled: impl Fn(i32) -> bool) -> io::Result<()> {
        let (mut pids, mut buffer) = (vec![], vec![]);
        self.kernel.pids(&mut pids)?;
        pids.sort_unstable();
        self.found.retain(|pid, _| pids.binary_search(pid).is_ok());
        for pid in pids {
            if self.found.get(&pid).is_some_and(|(_, found)| *found == Found::Ours) && is_sampled(pid) {
                continue;
            }
            let Some(stat) = self.kernel.read(pid, "stat", &mut buffer).then(|| Stat::parse(&buffer)).flatten() else {
                continue;
            };
            let is_known = self.found.get(&pid).is_some_and(|(start, _)| *start == stat.start_ticks);
            if is_known || stat.is_kernel || stat.is_dead() || !self.wants(pid, &stat, &mut buffer) {
                continue;
            }
            let found = match &mut register {
                Register::Here(add) => {
                    add(pid);
                    Found::Ours
                }
                Register::Module(status) => self.register(status, pid),
            };
            self.found.insert(pid, (stat.start_ticks, found));
        }
        Ok(())
    }

    fn register(&mut self, status: &Status, pid: i32) -> Found {
        let command = Command::Follow(pid);
        match status.write_errno(command) {
            Ok(()) => Found::Ours,
            // By its user or with its parent, or it is gone.
            Err(Errno::EEXIST | Errno::ESRCH) => Found::Not,
            Err(errno) => {
                if self.refused == 0 {
                    say(format_args!(
                        "exporter: {}; further ones are counted in mp3_exporter_refused_registrations_total",
                        StatusError::Refused { command, errno }
                    ));
                }
                self.refused += 1;
                Found::Not
            }
        }
    }

    fn wants(&self, pid: i32, stat: &Stat, buffer: &mut Vec<u8>) -> bool {
        let end = stat.comm.iter().position(|byte| *byte == 0).unwrap_or(stat.comm.len());
        let comm = &stat.comm[..end];
        if self.names.iter().any(|name| name.as_bytes() == comm) {
            return true;
        }
        if self.cgroups.is_empty() || !self.kernel.read(pid, "cgroup", buffer) {
            return false;
        }
        let text = String::from_utf8_lossy(buffer);
        cgroup::parse(&text).is_some_and(|path| self.cgroups.iter().any(|wanted| cgroup::is_in(path, wanted)))
    }

    /// Unregisters what this program has registered and what still lives.
    pub fn end(&mut self, status: &Status) {
        let mut buffer = vec![];
        for (pid, (start, found)) in self.found.drain() {
            let stat = self.kernel.read(pid, "stat", &mut buffer).then(|| Stat::parse(&buffer)).flatten();
            if found == Found::Ours && stat.is_some_and(|stat| stat.start_ticks == start) {
                // It may end right now.
                let _ = status.write_errno(Command::Unregister(pid));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::RefCell;
    use std::collections::BTreeMap;
    use std::rc::Rc;

    /// Processes by PID: name, start, cgroup.
    type Table = Rc<RefCell<BTreeMap<i32, (&'static str, u64, &'static str)>>>;

    struct Imagined(Table);

    impl Kernel for Imagined {
        fn now_ns(&self) -> u64 {
            0
        }
        fn runtime_ns(&self, _: i32) -> Option<u64> {
            None
        }
        fn pids(&self, into: &mut Vec<i32>) -> io::Result<()> {
            into.extend(self.0.borrow().keys());
            Ok(())
        }
        fn threads(&self, _: i32) -> Vec<i32> {
            vec![]
        }
        fn read(&self, pid: i32, name: &str, into: &mut Vec<u8>) -> bool {
            into.clear();
            let table = self.0.borrow();
            let Some((comm, start, cgroup)) = table.get(&pid) else { return false };
            let text = match name {
                "stat" => format!("{pid} ({comm}) S 1 1 1 0 -1 0 0 0 0 0 0 0 0 0 20 0 1 0 {start} 0 0\n"),
                _ => format!("0::{cgroup}\n"),
            };
            into.extend_from_slice(text.as_bytes());
            true
        }
        fn ticks_hz(&self) -> u64 {
            100
        }
    }

    fn looked(choice: &mut Choice<Imagined>) -> Vec<i32> {
        let mut added = vec![];
        choice.look(Register::Here(&mut |pid| added.push(pid)), |_| false).unwrap();
        added
    }

    #[test]
    fn processes_are_found_by_name_and_by_cgroup_once_each() {
        let table = Table::default();
        table.borrow_mut().extend([
            (1, ("init", 1, "/")),
            (2, ("nginx", 2, "/a/b")),
            (3, ("nginx-worker", 3, "/c")),
            (4, ("sh", 4, "/c/d")),
        ]);
        let mut choice = Choice::of(Imagined(Rc::clone(&table)), &["nginx".into()], &["c".into()]);
        assert_eq!(looked(&mut choice), [2, 3, 4]);
        assert!(looked(&mut choice).is_empty());
        // 2 is another process now, 1 has executed a program that is wanted.
        table.borrow_mut().extend([(1, ("nginx", 1, "/")), (2, ("nginx", 9, "/"))]);
        assert_eq!(looked(&mut choice), [1, 2]);
        table.borrow_mut().remove(&4);
        assert!(looked(&mut choice).is_empty());
        table.borrow_mut().insert(4, ("sh", 4, "/c"));
        assert_eq!(looked(&mut choice), [4]);
    }

    #[test]
    fn of_those_that_are_sampled_nothing_is_read() {
        let table = Table::default();
        table.borrow_mut().extend([(1, ("nginx", 1, "/")), (2, ("sh", 2, "/"))]);
        let mut choice = Choice::of(Imagined(Rc::clone(&table)), &["nginx".into()], &[]);
        assert_eq!(looked(&mut choice), [1]);
        // Another process has the number; that there are samples of it says that it is registered.
        table.borrow_mut().extend([(1, ("nginx", 7, "/")), (2, ("nginx", 2, "/"))]);
        let mut added = vec![];
        choice.look(Register::Here(&mut |pid| added.push(pid)), |pid| pid == 1).unwrap();
        assert_eq!(added, [2]);
        assert_eq!(looked(&mut choice), [1]);
    }

    #[test]
    fn nothing_is_wanted_unless_it_was_asked_for() {
        let table = Table::default();
        table.borrow_mut().insert(1, ("init", 1, "/"));
        let mut choice = Choice::of(Imagined(table), &[], &[]);
        assert!(!choice.is_any() && looked(&mut choice).is_empty());
    }
}

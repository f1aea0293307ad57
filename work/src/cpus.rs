// SPDX-License-Identifier: GPL-2.0

//! Lists of CPUs, and running on them only.

use nix::sched::{sched_setaffinity, CpuSet};
use nix::unistd::Pid;
use std::fmt;
use std::str::FromStr;

/// CPUs in the notation of `taskset -c` and of `/sys/devices/system/cpu/online`: `0`, `0,2`, `4-7,9`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CpuList(Vec<usize>);

/// Why a text is not a list of CPUs.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CpuListError {
    /// Neither a number nor a range of two.
    #[error("'{0}' is neither a CPU nor a range of CPUs such as 2-3")]
    Syntax(String),
    /// A range that ends before it begins.
    #[error("'{0}' ends before it begins")]
    Backwards(String),
    /// More than the kernel interface can name.
    #[error("CPU {0} is beyond the last one that can be asked for, {last}", last = CpuSet::count() - 1)]
    Large(usize),
}

impl FromStr for CpuList {
    type Err = CpuListError;

    fn from_str(text: &str) -> Result<Self, CpuListError> {
        let mut cpus = vec![];
        for part in text.split(',') {
            let syntax = || CpuListError::Syntax(part.to_owned());
            let (first, last) = part.split_once('-').unwrap_or((part, part));
            let first: usize = first.parse().map_err(|_| syntax())?;
            let last: usize = last.parse().map_err(|_| syntax())?;
            if last < first {
                return Err(CpuListError::Backwards(part.to_owned()));
            }
            if last >= CpuSet::count() {
                return Err(CpuListError::Large(last));
            }
            cpus.extend(first..=last);
        }
        Ok(CpuList(cpus))
    }
}

impl fmt::Display for CpuList {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, cpu) in self.0.iter().enumerate() {
            write!(f, "{}{cpu}", if index == 0 { "" } else { "," })?;
        }
        Ok(())
    }
}

impl CpuList {
    /// Restricts this thread, and the threads and processes that it starts from now on, to these CPUs.
    ///
    /// # Errors
    ///
    /// `EINVAL` if this process may run on none of them.
    pub fn pin_current_thread(&self) -> nix::Result<()> {
        let mut set = CpuSet::new();
        for &cpu in &self.0 {
            set.set(cpu)?;
        }
        sched_setaffinity(Pid::from_raw(0), &set)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_of_cpus_that_are_accepted() {
        for (text, cpus) in [("0", &[0][..]), ("0,2", &[0, 2]), ("4-6,9", &[4, 5, 6, 9]), ("3-3", &[3])] {
            assert_eq!(text.parse(), Ok(CpuList(cpus.to_vec())));
        }
        assert_eq!("4-6,9".parse::<CpuList>().unwrap().to_string(), "4,5,6,9");
    }

    #[test]
    fn lists_of_cpus_that_are_refused() {
        for text in ["", ",", "0,", "a", "-1", "1-", "1-2-3", " 1", "99999999999999999999"] {
            assert!(matches!(text.parse::<CpuList>(), Err(CpuListError::Syntax(_))), "{text:?}");
        }
        assert!(matches!("3-1".parse::<CpuList>(), Err(CpuListError::Backwards(_))));
        assert_eq!("1024".parse::<CpuList>(), Err(CpuListError::Large(1024)));
    }
}

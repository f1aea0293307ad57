// SPDX-License-Identifier: GPL-2.0

//! Names of this machine's system calls.

use syscalls::Sysno;

/// The name of a system call; `syscall N` for one that is not known.
pub fn name(number: u16) -> String {
    match Sysno::new(usize::from(number)) {
        Some(call) => call.name().to_owned(),
        None => format!("syscall {number}"),
    }
}

/// Whether it waits for a futex whose address is its first argument.
pub fn is_futex(number: u16) -> bool {
    name(number).starts_with("futex")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_this_machines() {
        assert_eq!(name(Sysno::futex as u16), "futex");
        assert!(is_futex(Sysno::futex as u16) && !is_futex(Sysno::read as u16));
        assert_eq!(name(60_000), "syscall 60000");
    }
}

// SPDX-License-Identifier: GPL-2.0

//! A run of a guest judged as a whole: the message for its user, and `vm/run`'s exit status.

use crate::log::Verdict;
use crate::sign::Severity;
use crate::status::Status;

/// The kernel panicked or oopsed.
pub const PANICKED: u8 = 122;
/// The kernel warned.
pub const WARNED: u8 = 123;
/// `vm/run` itself failed.
pub const BROKE: u8 = 125;

/// The kernel's taint flags that a run must not set: died (D, 7), warned (W, 9), bad page (B, 5; KASAN sets it too).
/// include/linux/panic.h numbers them.
const TAINT: u64 = 1 << 7 | 1 << 9 | 1 << 5;

/// Lines of the log that are shown of what the kernel complained about, and how many before.
const EXCERPT: (usize, usize) = (73, 2);

/// What is known of a run whose QEMU ended by itself.
#[derive(Clone, Copy, Debug)]
pub struct Run<'a> {
    /// The kernel's log.
    pub log: &'a str,
    /// Where its user finds it.
    pub log_path: &'a str,
    /// What the guest reported.
    pub status: &'a str,
    /// Bytes of the command's stdout and stderr that arrived; `None` for an interactive shell.
    pub arrived: Option<[u64; 2]>,
}

/// An exit status, and what is said with it.
#[derive(Debug, PartialEq, Eq)]
pub struct Judgement {
    /// `vm/run`'s exit status.
    pub status: u8,
    /// For stderr: what the kernel or the guest said, and a sentence about it.
    pub message: String,
}

impl Run<'_> {
    /// The judgement.
    pub fn judge(&self) -> Judgement {
        let verdict = Verdict::of(self.log.lines());
        let status = Status::parse(self.status);
        let mut message = String::new();
        if !verdict.races.is_empty() {
            message += &format!("{}\n", verdict.races);
        }
        let mut say = |code: u8, above: &str, sentence: &str| {
            message += above;
            message += &format!("\nrun: {sentence}\n");
            Judgement { status: code, message: message.trim_start_matches('\n').into() }
        };
        if !status.ended() {
            if let Some(excerpt) = verdict.excerpt(Severity::Fatal, EXCERPT.1, EXCERPT.0) {
                return say(
                    PANICKED,
                    &excerpt,
                    &format!("the guest's kernel panicked; its whole log: {}", self.log_path),
                );
            }
            if self.arrived.is_none() {
                // The shell's user has switched the machine off.
                return Judgement { status: 0, message };
            }
            return say(
                BROKE,
                &tail(self.log, 20),
                "the guest ended before the command did (above: the end of its kernel log)",
            );
        }
        if let Some(why) = status.value("failed") {
            return say(BROKE, &tail(self.log, 5), &format!("in the guest: {why}"));
        }
        let (Some(exit), Some(tainted), Some(before)) =
            (status.number("exit"), status.number("tainted"), status.number("tainted_before"))
        else {
            return say(BROKE, self.status, "the guest's report is incomplete (above)");
        };
        let excerpt = verdict.excerpt(Severity::Warning, EXCERPT.1, EXCERPT.0);
        let taint = tainted & !before & TAINT;
        if excerpt.is_some() || taint != 0 {
            let above = excerpt.unwrap_or_else(|| format!("(no line of the log says why; taint flags {taint:#x})"));
            return say(
                WARNED,
                &above,
                &format!("the guest's kernel warned; the command had ended with status {exit}"),
            );
        }
        for (name, arrived) in ["stdout", "stderr"].into_iter().zip(self.arrived.into_iter().flatten()) {
            if status.number(name) != Some(arrived) {
                return say(BROKE, "", &format!("not all of the command's {name} arrived"));
            }
        }
        match u8::try_from(exit) {
            Ok(status) => Judgement { status, message },
            Err(_) => say(BROKE, "", &format!("the guest reports an exit status of {exit}")),
        }
    }
}

fn tail(log: &str, lines: usize) -> String {
    let all: Vec<_> = log.lines().map(|line| line.trim_end_matches('\r')).collect();
    all[all.len().saturating_sub(lines)..].join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    const CLEAN: &str = "[    0.0] Linux version\n[    1.0] mp3: loaded\n";

    fn status(more: &str) -> String {
        format!("tainted_before 0\n{more}stdout 5\nstderr 0\nexit 7\ntainted 12288\nend\n")
    }

    fn judge(log: &str, status: &str, arrived: Option<[u64; 2]>) -> Judgement {
        Run { log, log_path: "out/kernel.log", status, arrived }.judge()
    }

    #[test]
    fn a_clean_run_has_the_commands_status_and_nothing_to_say() {
        let judgement = judge(CLEAN, &status(""), Some([5, 0]));
        assert_eq!(judgement, Judgement { status: 7, message: String::new() });
    }

    #[test]
    fn a_panic_is_122_with_the_kernels_message() {
        let log = format!("{CLEAN}[    2.0] Kernel panic - not syncing: x\n[    2.0] CPU: 0\n");
        let judgement = judge(&log, "tainted_before 0\n", Some([0, 0]));
        assert_eq!(judgement.status, PANICKED);
        assert!(
            judgement.message.contains("not syncing: x\n[    2.0] CPU: 0\nrun: the guest's kernel panicked"),
            "{judgement:?}"
        );
    }

    #[test]
    fn a_guest_that_ends_in_silence_is_125_with_the_end_of_its_log() {
        let log: String = (0..30).map(|line| format!("line {line}\r\n")).collect();
        let judgement = judge(&log, "tainted_before 0\n", Some([0, 0]));
        assert_eq!(judgement.status, BROKE);
        assert!(judgement.message.starts_with("line 10\nline 11\n"), "{judgement:?}");
        assert!(judgement.message.contains("line 29\nrun: the guest ended before"), "{judgement:?}");
    }

    #[test]
    fn a_warning_is_no_panic_even_where_the_guest_ended_early() {
        let log = format!("{CLEAN}[    2.0] WARNING: CPU: 0 at x\n");
        assert_eq!(judge(&log, "tainted_before 0\n", Some([0, 0])).status, BROKE);
    }

    #[test]
    fn a_shell_whose_machine_is_switched_off_has_not_failed() {
        assert_eq!(judge(CLEAN, "tainted_before 0\n", None).status, 0);
        assert_eq!(judge("Kernel panic\n", "tainted_before 0\n", None).status, PANICKED);
    }

    #[test]
    fn a_warning_in_the_log_is_123_whatever_the_command_says() {
        let log = format!("{CLEAN}[    2.0] WARNING: CPU: 0 at x\n");
        let judgement = judge(&log, &status(""), Some([5, 0]));
        assert_eq!(judgement.status, WARNED);
        assert!(judgement.message.ends_with("the command had ended with status 7\n"), "{judgement:?}");
    }

    #[test]
    fn a_taint_flag_is_123_although_the_log_is_clean() {
        // Died, warned, a bad page.
        for flag in [1 << 7, 1 << 9, 1 << 5] {
            let tainted = status("").replace("tainted 12288", &format!("tainted {}", 12288 + flag));
            assert_eq!(judge(CLEAN, &tainted, Some([5, 0])).status, WARNED, "{flag}");
        }
    }

    #[test]
    fn what_was_tainted_before_and_an_out_of_tree_module_are_no_warning() {
        let tainted =
            status("").replace("tainted_before 0", "tainted_before 512").replace("tainted 12288", "tainted 12800");
        assert_eq!(judge(CLEAN, &tainted, Some([5, 0])).status, 7);
    }

    #[test]
    fn what_failed_in_the_guest_is_125_with_its_reason() {
        let judgement = judge(CLEAN, &status("failed insmod mp3.ko: Invalid argument\n"), Some([5, 0]));
        assert_eq!(judgement.status, BROKE);
        assert!(judgement.message.ends_with("run: in the guest: insmod mp3.ko: Invalid argument\n"), "{judgement:?}");
    }

    #[test]
    fn output_that_did_not_arrive_is_125() {
        assert_eq!(judge(CLEAN, &status(""), Some([4, 0])).message, "run: not all of the command's stdout arrived\n");
        assert_eq!(judge(CLEAN, &status(""), Some([5, 1])).message, "run: not all of the command's stderr arrived\n");
    }

    #[test]
    fn a_report_without_a_value_is_125() {
        for key in ["exit", "tainted", "tainted_before"] {
            let incomplete: String = status("")
                .lines()
                .filter(|line| !line.starts_with(&format!("{key} ")))
                .map(|line| format!("{line}\n"))
                .collect();
            assert_eq!(judge(CLEAN, &incomplete, Some([5, 0])).status, BROKE, "{key}");
        }
        assert_eq!(judge(CLEAN, &status("").replace("exit 7", "exit 700"), Some([5, 0])).status, BROKE);
    }

    #[test]
    fn the_kernels_own_data_races_are_counted_and_pass() {
        let access = "to 0xff of 8 bytes by task 1 on cpu 0:\n";
        let race = format!(
            "=====\nBUG: KCSAN: data-race in a / b\nwrite {access} a+0x1/0x2\nread {access} b+0x1/0x2\n=====\n"
        );
        let judgement = judge(&format!("{CLEAN}{race}"), &status(""), Some([5, 0]));
        assert_eq!(
            (judgement.status, &*judgement.message),
            (7, "data races: 0 that count; 1 of the kernel with itself; 0 meant\n")
        );
        let ours = race.replace("b+0x1/0x2", "b+0x1/0x2 [mp3]");
        assert_eq!(judge(&format!("{CLEAN}{ours}"), &status(""), Some([5, 0])).status, WARNED);
    }
}

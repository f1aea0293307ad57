// SPDX-License-Identifier: GPL-2.0

//! What makes a line of the kernel's log bad, and what explains one that looks so.

/// What a sign says about the kernel.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// It goes on, and must not have said that.
    Warning,
    /// It may have died of it: the guests boot with `oops=panic`.
    Fatal,
}

/// Texts that are bad wherever they stand in a line.
const SIGNS: [(&str, Severity); 30] = [
    ("Kernel panic", Severity::Fatal),
    ("Oops", Severity::Fatal),
    ("BUG: ", Severity::Fatal),
    ("general protection fault", Severity::Fatal),
    // WARN() and its relatives, by their text as well as by the taint flag.
    ("WARNING: ", Severity::Warning),
    ("Call Trace", Severity::Warning),
    ("UBSAN: ", Severity::Warning),
    ("ODEBUG: ", Severity::Warning),
    ("refcount_t: ", Severity::Warning),
    ("list_add corruption", Severity::Warning),
    ("list_add double add", Severity::Warning),
    ("list_del corruption", Severity::Warning),
    ("new suspected memory leaks", Severity::Warning),
    ("unreferenced object", Severity::Warning),
    // Lockdep's and RCU's.
    ("possible circular locking", Severity::Warning),
    ("possible recursive locking", Severity::Warning),
    ("possible irq lock inversion", Severity::Warning),
    ("inconsistent lock state", Severity::Warning),
    ("suspicious RCU usage", Severity::Warning),
    ("nvalid wait context", Severity::Warning),
    ("turning off the locking correctness validator", Severity::Warning),
    ("non-static key", Severity::Warning),
    ("scheduling while atomic", Severity::Warning),
    ("detected stalls", Severity::Warning),
    ("self-detected stall", Severity::Warning),
    ("soft lockup", Severity::Warning),
    ("hard LOCKUP", Severity::Warning),
    // The hung-task detector's.
    ("blocked for more than", Severity::Warning),
    // Rust's own checks.
    ("rust_kernel: panicked", Severity::Warning),
    ("page dumped because", Severity::Warning),
];

/// Texts behind which one stack trace is no complaint: the kernel says with it what happened to a process, or was asked for it.
const EXPLANATIONS: [&str; 4] = [
    // Tests have allocations fail on purpose.
    "page allocation failure",
    "vmalloc error",
    "invoked oom-killer",
    // SysRq prints a trace for each task.
    "task:",
];

/// What the unwinder says of an interrupt at one instruction of `return_to_handler`, where functions are watched to their end.
/// The kernel does so by itself: docs/upstream has a program that shows it without the module.
const RETURN_TO_HANDLER: &str = "WARNING: stack going in the wrong direction? at return_to_handler+0x";

/// Reads a log line after line and knows which lines are bad.
#[derive(Clone, Debug, Default)]
pub struct Signs {
    explained: bool,
}

impl Signs {
    /// What the next line, without its time stamp, says.
    pub fn next(&mut self, text: &str) -> Option<Severity> {
        if EXPLANATIONS.iter().any(|explanation| text.contains(explanation)) {
            self.explained = true;
        }
        if text.contains("Call Trace") && std::mem::take(&mut self.explained) {
            return None;
        }
        // What a user's program died of.
        if text.starts_with("traps: ") || text.starts_with(RETURN_TO_HANDLER) {
            return None;
        }
        SIGNS.iter().filter(|(sign, _)| text.contains(sign)).map(|(_, severity)| *severity).max()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn severities(log: &str) -> Vec<Option<Severity>> {
        let mut signs = Signs::default();
        log.lines().map(|line| signs.next(line)).collect()
    }

    #[test]
    fn what_kills_the_kernel_is_fatal() {
        for line in [
            "Kernel panic - not syncing: sysrq triggered crash",
            "Oops: int3: 0000 [#1] SMP NOPTI",
            "BUG: unable to handle page fault for address: ffff888003d8c3a0",
            "BUG: KASAN: slab-use-after-free in x",
            "Oops: general protection fault, probably for non-canonical address 0xdead000000000100: 0000 [#1] SMP",
        ] {
            assert_eq!(severities(line), [Some(Severity::Fatal)], "{line}");
        }
    }

    #[test]
    fn what_the_checkers_say_is_a_warning() {
        for line in [
            "WARNING: CPU: 0 PID: 33 at kernel/x.c:12 x+0x1/0x2 [mp3]",
            "UBSAN: shift-out-of-bounds in mp3.c:12:3",
            "ODEBUG: free active (active state 0) object: 0 object type: timer_list hint: x",
            "refcount_t: addition on 0; use-after-free.",
            "list_add double add: new=1, prev=1, next=2.",
            "list_add corruption. next->prev should be prev (1), but was 2. (next=3).",
            "kmemleak: 1 new suspected memory leaks (see /sys/kernel/debug/kmemleak)",
            "WARNING: possible circular locking dependency detected",
            "WARNING: possible recursive locking detected",
            "WARNING: suspicious RCU usage",
            "[ BUG: Invalid wait context ]",
            "INFO: trying to register non-static key.",
            "rcu: INFO: rcu_preempt detected stalls on CPUs/tasks:",
            "INFO: task kworker/0:1:9 blocked for more than 120 seconds.",
            "rust_kernel: panicked at mp3.rs:1:2: attempt to add with overflow",
            "watchdog: BUG: soft lockup - CPU#0 stuck for 22s! [x:1]",
        ] {
            assert!(severities(line)[0].is_some(), "{line}");
        }
    }

    #[test]
    fn ordinary_lines_are_no_signs() {
        for line in [
            "Linux version 7.2.12+deb13-cloud-amd64",
            "mp3: loaded: 20 Hz, 65536 records, major 10, minor 262",
            "mp3: loading out-of-tree module taints kernel.",
            "Run /init as init process",
            "debug: unmapping init memory 0xffff-0xffff",
            "x86/fpu: Supporting XSAVE feature 0x001: 'x87 floating point registers'",
        ] {
            assert_eq!(severities(line), [None], "{line}");
        }
    }

    #[test]
    fn a_users_program_that_faults_is_not_the_kernel() {
        assert_eq!(severities("traps: work[33] general protection fault ip:401000 sp:7ffd0 error:0 in work"), [None]);
    }

    #[test]
    fn the_unwinder_is_wrong_about_one_function_alone() {
        let at = |place: &str| severities(&format!("WARNING: stack going in the wrong direction? at {place}"))[0];
        assert_eq!(at("return_to_handler+0x46/0x50"), None);
        for place in ["mp3_fault_exit+0x46/0x50", "return_to_handler_too+0x1/0x2", "0xffffffffc0000000"] {
            assert_eq!(at(place), Some(Severity::Warning), "{place}");
        }
    }

    #[test]
    fn an_explanation_covers_one_stack_trace_and_not_the_next() {
        let log = "insmod: vmalloc error: size 4096, failed to allocate pages\nCall Trace:\n <TASK>\nCall Trace:\n";
        assert_eq!(severities(log), [None, None, None, Some(Severity::Warning)]);
    }

    #[test]
    fn an_explanation_covers_nothing_but_a_stack_trace() {
        let log = "mp3-tests: page allocation failure: order:0\nBUG: sleeping function called from invalid context\n";
        assert_eq!(severities(log)[1], Some(Severity::Fatal));
    }

    #[test]
    fn each_task_that_sysrq_shows_has_a_stack_trace() {
        let log = "sysrq: Show Blocked State\ntask:a state:D\nCall Trace:\n x+0x1/0x2\ntask:b state:D\nCall Trace:\n";
        assert!(severities(log).iter().all(Option::is_none));
    }
}

# shellcheck shell=bash
# What the kernel said: from its log and its taint flags to a verdict.

# What ends the guest (oops=panic).
VERDICT_PANIC='Kernel panic|Oops|BUG: |general protection fault'
# What does not, but must not pass: WARN and friends by their text as well as by the taint flag, lock and RCU checkers.
VERDICT_WARNING='WARNING: |BUG: |UBSAN: |ODEBUG: |refcount_t: |list_(add|del) corruption|new suspected memory leaks'
# Lockdep's and RCU's.
VERDICT_WARNING+='|possible (circular|recursive) locking|inconsistent lock state|suspicious RCU usage|[Ii]nvalid wait context'
VERDICT_WARNING+='|turning off the locking correctness validator|non-static key|detected stalls'
# Whoever waits for ever, and Rust's own checks.
VERDICT_WARNING+='|blocked for more than|rust_kernel: panicked'
# D: died, W: warned, B: bad page (also KASAN). include/linux/panic.h numbers them.
VERDICT_TAINT=$((1 << 7 | 1 << 9 | 1 << 5))

# verdict_excerpt LOG PATTERN: the kernel's message, from the first line that matches, on stderr.
verdict_excerpt() {
    local first
    first=$(grep -nEm1 "$2" "$1" | cut -d: -f1) || return 0
    sed -n "$((first > 2 ? first - 2 : 1)),$((first + 70))p" "$1" >&2
}

# verdict_status STATUSFILE KEY: the value that the guest reported.
verdict_status() {
    sed -n "s/^$2 //p" "$1" | tail -n 1
}

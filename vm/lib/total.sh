# shellcheck shell=bash
# Adds up what test runners say.

# total_of FILE...: prints "PASSED FAILED SKIPPED", the sums over cargo's "test result:" lines and over plain lines
# "N passed, N failed" or "N passed, N failed, N skipped".
total_of() {
    cat "$@" | awk '
        /^test result: / {
            for (i = 2; i <= NF; i++) {
                if ($i ~ /^passed/) passed += $(i - 1)
                if ($i ~ /^failed/) failed += $(i - 1)
            }
        }
        /^[0-9]+ passed, [0-9]+ failed(, [0-9]+ skipped)?$/ { passed += $1; failed += $3; skipped += $5 }
        END { print passed + 0, failed + 0, skipped + 0 }'
}

# shellcheck shell=bash
# A test harness for the shell parts.

CHECK_PASSED=0 CHECK_FAILED=0 CHECK_SKIPPED=0

# check NAME EXPECTED ACTUAL
check() {
    if [[ $3 == "$2" ]]; then
        CHECK_PASSED=$((CHECK_PASSED + 1))
        printf 'test %s ... ok\n' "$1"
    else
        CHECK_FAILED=$((CHECK_FAILED + 1))
        printf 'test %s ... FAILED\n    expected: %s\n    got:      %s\n' "$1" "${2//$'\n'/$'\n'              }" \
            "${3//$'\n'/$'\n'              }"
    fi
}

# skip WHY NAME...: tests that cannot be made here.
skip() {
    local why=$1 name
    shift
    for name; do
        CHECK_SKIPPED=$((CHECK_SKIPPED + 1))
        printf 'test %s ... skipped: %s\n' "$name" "$why"
    done
}

# check_end: the total, and its status.
check_end() {
    printf '%d passed, %d failed' "$CHECK_PASSED" "$CHECK_FAILED"
    [[ $CHECK_SKIPPED -eq 0 ]] || printf ', %d skipped' "$CHECK_SKIPPED"
    printf '\n'
    [[ $CHECK_FAILED -eq 0 ]]
}

# shellcheck shell=bash
# A test harness for the shell parts.

CHECK_PASSED=0 CHECK_FAILED=0

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

# check_end: the total, and its status.
check_end() {
    printf '%d passed, %d failed\n' "$CHECK_PASSED" "$CHECK_FAILED"
    [[ $CHECK_FAILED -eq 0 ]]
}

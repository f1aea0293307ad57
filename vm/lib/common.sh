# shellcheck shell=bash
# What every script under vm/ starts from: where things are, and how they speak.
#
# All of this goes to stderr; stdout belongs to what a command was asked for.

# The checkout, by its real path: it is bind-mounted under the same name into the toolchain root.
MP3_TOP=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd -P)
# Everything large lives here, outside the checkout, so that a second checkout finds it too.
MP3_CACHE=${XDG_CACHE_HOME:-$HOME/.cache}/mp3
# Part of the name of what is cached: raise it when a stage of vm/prepare makes something else than before.
MP3_RECIPE=3
# Debian's flavour of kernel: the one for virtual machines, unless another is to be tried (rt-amd64 has PREEMPT_RT).
KERNEL_FLAVOUR=${MP3_FLAVOUR:-cloud-amd64}

say() {
    printf '%s\n' "$*" >&2
}

# die [--status N] MESSAGE...: every line of the message is one argument.
die() {
    local status=1
    if [[ $1 == --status ]]; then
        status=$2
        shift 2
    fi
    printf '%s: %s\n' "${0##*/}" "$1" >&2
    shift
    [[ $# -eq 0 ]] || printf '    %s\n' "$@" >&2
    exit "$status"
}

# stage TITLE COMMAND...: says what is done, does it, says how long it took. A stage that fails ends the script (so the
# command runs with errexit in force, which it would not behind an `if` or `||`).
stage() {
    STAGE_START=$EPOCHREALTIME
    say "==> $1"
    shift
    trap 'say "    failed (status $?) after $(stage_seconds) s"' EXIT
    "$@"
    trap - EXIT
    say "    done in $(stage_seconds) s"
}

stage_seconds() {
    local us=$((${EPOCHREALTIME/[.,]/} - ${STAGE_START/[.,]/}))
    printf '%d.%d' $((us / 1000000)) $((us % 1000000 / 100000))
}

# The directory of the prepared kernel: the one named, or the one vm/prepare chose last.
# Its contents are described in vm/README.md.
prepared_kernel() {
    local dir=${1:-$MP3_CACHE/current}
    [[ -e $dir/guest/vmlinuz || -e $dir/tree/.config ]] ||
        die --status 125 "$dir: no prepared kernel there" "make one with: vm/prepare"
    (cd "$dir" && pwd -P)
}

# kernel_directory VERSION: where the kernel of this Debian version, of this flavour, lives. The version and not the
# release, since a rebuilt kernel keeps its release.
kernel_directory() {
    local flavour=-$KERNEL_FLAVOUR
    printf '%s\n' "$MP3_CACHE/kernels/$1${flavour/#-cloud-amd64/}-r$MP3_RECIPE"
}

# kernels_prepared: prints "RELEASE VERSION SERIES SUITE -" of each kernel of this flavour that is ready, newest first.
kernels_prepared() {
    local dir
    for dir in "$MP3_CACHE"/kernels/*"-r$MP3_RECIPE"; do
        [[ ! -e $dir/complete ]] || printf '%s -\n' "$(<"$dir/source/kernel")"
    done | grep -E "^[0-9][^- ]*-$KERNEL_FLAVOUR " | sort --key=2,2rV || true
}

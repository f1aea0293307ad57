# shellcheck shell=bash
# Whether the machine's own cargo will do.

CARGO_OLDEST=1.85.0

# cargo_on_host [SUBCOMMAND]: new enough, with this subcommand, with a C compiler to link with.
cargo_on_host() {
    local version
    version=$(cargo --version 2>/dev/null | cut -d' ' -f2) && [[ -n $version ]] || return 1
    printf '%s\n' "$CARGO_OLDEST" "$version" | sort --check=quiet --version-sort || return 1
    command -v cc >/dev/null || return 1
    case ${1:-} in
    fmt | clippy) cargo "$1" --version >/dev/null 2>&1 ;;
    esac
}

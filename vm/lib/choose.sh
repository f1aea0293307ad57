# shellcheck shell=bash
# Which kernel: the newest of those on offer that the module's tests have passed on, and what to take where that fails.

# The kernel crate's interfaces move with every release; the module is written for this one and newer ones.
KERNEL_OLDEST=7.2
# The default kernel is always Debian 13's own, built by Debian 13's compilers.
KERNEL_SUITE=trixie-backports
# Where else there are kernels to be tried.
KERNEL_OTHER_SUITES=(forky sid experimental)
# Where the compilers are that built them, the most settled suite first.
KERNEL_COMPILER_SUITES=(trixie forky sid)
# The kernels that were tried, and what came of it; vm/kernels writes it, and xtask/src/kernels.rs says what is in it.
KERNEL_TRIED=$MP3_TOP/docs/kernels.tsv

# choose_offers: from "PACKAGE VERSION SUITE" lines on stdin, prints "RELEASE VERSION SERIES SUITE MISSING" of every kernel,
# newest first. MISSING are the packages that are not there in the kernel's version, joined by commas; - if none is.
#
# Several versions of linux-source-X.Y stand side by side in the index, so it is the version that tells which belongs.
choose_offers() {
    awk -v flavour="$KERNEL_FLAVOUR" '
        function release(name, kind,    r) {
            if (index(name, kind "-") != 1)
                return ""
            r = substr(name, length(kind) + 2)
            return r ~ "^[0-9][^-]*-" flavour "$" ? r : ""
        }
        function lacks(name, v, suite) {
            if ((name " " v " " suite) in have)
                return
            missing = missing (missing == "" ? "" : ",") name
        }
        BEGIN { split("linux-headers linux-binary linux-modules", kinds, " ") }
        { have[$1 " " $2 " " $3] = 1 }
        /^linux-/ {
            for (k = 1; k <= 3; k++)
                if ((r = release($1, kinds[k])) != "")
                    kernels[r " " $2 " " $3] = 1
        }
        END {
            for (kernel in kernels) {
                split(kernel, part, " ")
                r = part[1]; v = part[2]; suite = part[3]
                match(r, /^[0-9]+\.[0-9]+/)
                series = substr(r, 1, RLENGTH)
                missing = ""
                lacks("linux-source-" series, v, suite)
                for (k = 1; k <= 3; k++)
                    lacks(kinds[k] "-" r, v, suite)
                print r, v, series, suite, missing == "" ? "-" : missing
            }
        }' | sort --key=2,2rV --key=1,1 | while read -r release version series suite missing; do
        if printf '%s\n' "$KERNEL_OLDEST" "$series" | sort --check=quiet --version-sort; then
            printf '%s %s %s %s %s\n' "$release" "$version" "$series" "$suite" "$missing"
        fi
    done
}

# choose_order TRIED [update]: from choose_offers' lines on stdin, prints "STANDING " and the line, in the order in which to
# take them. STANDING is what the file TRIED knows:
#
#     passed    the tests passed on this kernel
#     series    never tried, but another of its series passed
#     untried   nothing of its series passed
#     failed    tried, and something failed
#
# With `update`, a newer kernel that was never tried comes before an older one that passed.
choose_order() {
    awk -v FS='[\t ]' -v tried="$1" -v update="${2:-}" '
        BEGIN {
            while ((getline line < tried) > 0) {
                if (line ~ /^#/ || split(line, field, "\t") < 7)
                    continue
                result[field[3] " " field[4]] = field[7]
                if (field[7] == "passed" && match(field[3], /^[0-9]+\.[0-9]+/))
                    series[substr(field[3], 1, RLENGTH)] = 1
            }
        }
        {
            key = $1 " " $2
            standing = key in result ? result[key] : $3 in series ? "series" : "untried"
            if (standing == "failed") rank = 3
            else if (update != "" || standing == "passed") rank = 0
            else rank = standing == "series" ? 1 : 2
            print rank, NR, standing, $0
        }' | sort --key=1,1n --key=2,2n | cut --delimiter=' ' --fields=3-
}

# choose_say LINE: what is worth a sentence about a kernel that is taken, from a line of choose_order.
choose_say() {
    local standing release version series
    read -r standing release version series _ <<<"$1"
    case $standing in
    series) say "    $release $version was never tried; others of $series were (docs/kernels.md)" ;;
    untried) say "    $release $version was never tried, nor any other of $series (docs/kernels.md)" ;;
    failed) say "    $release $version was tried, and tests failed on it (docs/kernels.md)" ;;
    esac
}

# choose_take COMMAND...: from choose_order's lines on stdin, runs COMMAND RELEASE VERSION SERIES SUITE for one kernel after the
# other until it succeeds, and prints the line of that one. Says in a sentence why each of the others was not taken.
choose_take() {
    local line release version series suite missing standing
    while read -r line; do
        read -r standing release version series suite missing <<<"$line"
        if [[ $missing != - ]]; then
            say "    not $release $version: $suite lacks ${missing//,/, } in this version"
            continue
        fi
        choose_say "$line"
        if "$@" "$release" "$version" "$series" "$suite" </dev/null >&2; then
            printf '%s\n' "$line"
            return
        fi
        say "    $release $version could not be prepared (above); taking the next kernel"
    done
    return 1
}

# choose_untried TRIED: from choose_offers' lines on stdin, the complete kernels that are newer than all of their suite and
# series that TRIED knows.
choose_untried() {
    choose_order "$1" | sort --key=3,3rV | awk '
        { key = $4 " " $5 }
        $1 == "passed" || $1 == "failed" { known[key] = 1 }
        !(key in known) && $6 == "-" { print $2, $3, $4, $5, $6 }'
}

# choose_other_series TRIED RELEASE: prints the newest series of which a kernel passed and which is not RELEASE's.
choose_other_series() {
    awk -F'\t' '!/^#/ && $7 == "passed" && match($3, /^[0-9]+\.[0-9]+/) { print substr($3, 1, RLENGTH) }' "$1" |
        sort --version-sort --reverse --unique | grep -vxF "$(grep -oE '^[0-9]+\.[0-9]+' <<<"$2")" | head -n 1
}

# choose_named NAME...: from choose_offers' lines on stdin, those that one of the names means. A NAME is a release, a version,
# or the beginning of one that ends before a dot, plus, tilde or dash (7.2 and 7.2.12 mean 7.2.12+deb13-cloud-amd64), and may end
# in /SUITE. `all` means all.
choose_named() {
    local release version series suite missing name wanted
    while read -r release version series suite missing; do
        for wanted; do
            name=${wanted%/*}
            [[ $wanted != */* || ${wanted##*/} == "$suite" ]] || continue
            if [[ $name == all || $release == "$name" || $release == "$name"[.+~-]* || $version == "$name" ||
                $version == "$name"[.+~-]* ]]; then
                printf '%s %s %s %s %s\n' "$release" "$version" "$series" "$suite" "$missing"
                break
            fi
        done
    done
}

# choose_ends: from choose_offers' lines on stdin, the newest and the oldest complete kernel of each series and suite.
choose_ends() {
    awk '$5 == "-" {
            key = $3 " " $4
            if (!(key in newest)) { order[++n] = key; newest[key] = $0 } else oldest[key] = $0
        }
        END {
            for (i = 1; i <= n; i++) {
                print newest[order[i]]
                if (order[i] in oldest) print oldest[order[i]]
            }
        }'
}

# choose_compilers CONFIG: prints "RUSTC GCC" that built the kernel with this .config: the version of one, the major version
# of the other. Fails with the reason if no module in Rust can be built for it.
choose_compilers() {
    local config=$1 rustc gcc
    if ! grep -q '^CONFIG_RUST=y' "$config"; then
        say "CONFIG_RUST is off" && return 1
    elif grep -q '^CONFIG_MODVERSIONS=y' "$config"; then
        say "CONFIG_MODVERSIONS is on: symbol versions cannot be had without the whole build" && return 1
    fi
    rustc=$(sed -n 's/^CONFIG_RUSTC_VERSION_TEXT="rustc \([0-9.]*\).*/\1/p' "$config")
    gcc=$(sed -n 's/^CONFIG_CC_VERSION_TEXT="\([a-z0-9_-]*-\)\{0,1\}gcc-\([0-9]*\) .*/\2/p' "$config")
    if [[ -z $rustc || -z $gcc ]]; then
        say "it was not built by Debian's rustc and gcc" && return 1
    fi
    printf '%s %s\n' "$rustc" "$gcc"
}

# choose_suite RUSTC GCC: from "PACKAGE VERSION SUITE" lines on stdin, prints the first suite that has these compilers.
choose_suite() {
    # Debian's version starts with the compiler's: 1.85.1+dfsg3-1.
    awk -v rustc="$1" -v gcc="gcc-$2" -v suites="${KERNEL_COMPILER_SUITES[*]}" '
        $1 == "rustc" && index($2, rustc) == 1 && substr($2, length(rustc) + 1) !~ /^[0-9.]/ { has_rustc[$3] = 1 }
        $1 == gcc { has_gcc[$3] = 1 }
        END {
            n = split(suites, suite, " ")
            for (i = 1; i <= n; i++)
                if (suite[i] in has_rustc && suite[i] in has_gcc) {
                    print suite[i]
                    exit
                }
        }'
}

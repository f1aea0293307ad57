# shellcheck shell=bash
# Which kernel: the newest that Debian offers complete, and that trixie's Rust compiler has built.

# The kernel crate's interfaces move with every release; the module is written for this one and newer ones.
KERNEL_OLDEST=7.2
KERNEL_FLAVOUR=cloud-amd64

# choose_candidates: from "PACKAGE VERSION" lines on stdin, prints "RELEASE VERSION SERIES" of every kernel of which
# source, headers, image and modules are all there in one and the same version, newest first.
#
# Several versions of linux-source-X.Y stand side by side in the index, so it is the version that tells which belongs.
choose_candidates() {
    awk -v flavour="$KERNEL_FLAVOUR" '
        function release(name, kind,    r) {
            r = substr(name, length(kind) + 2)
            return substr(r, length(r) - length(flavour)) == "-" flavour ? r : ""
        }
        { have[$1 "=" $2] = 1 }
        $1 ~ /^linux-headers-[0-9]/ && (r = release($1, "linux-headers")) != "" { version[r] = $2 }
        END {
            for (r in version) {
                v = version[r]
                split(r, part, ".")
                series = part[1] "." part[2]
                sub(/[^0-9.].*/, "", series)
                if (("linux-source-" series "=" v) in have && ("linux-binary-" r "=" v) in have &&
                    ("linux-modules-" r "=" v) in have)
                    print r, v, series
            }
        }' | sort --version-sort --reverse | while read -r release version series; do
        if [[ $(printf '%s\n' "$KERNEL_OLDEST" "$series" | sort --version-sort | head -n 1) == "$KERNEL_OLDEST" ]]; then
            printf '%s %s %s\n' "$release" "$version" "$series"
        fi
    done
}

# choose_objection CONFIG RUSTC_VERSION: prints why a module in Rust cannot be built for a kernel with this .config
# by that version of Debian's rustc; nothing if it can.
choose_objection() {
    local config=$1 rustc=$2 built
    if ! grep -q '^CONFIG_RUST=y' "$config"; then
        echo "CONFIG_RUST is off"
    elif grep -q '^CONFIG_MODVERSIONS=y' "$config"; then
        echo "CONFIG_MODVERSIONS is on: symbol versions cannot be had without the whole build"
    else
        built=$(sed -n 's/^CONFIG_RUSTC_VERSION_TEXT="rustc \([0-9.]*\).*/\1/p' "$config")
        # Debian's version starts with the compiler's: 1.85.1+dfsg3-1.
        [[ $rustc == "$built"[!0-9.]* || $rustc == "$built" ]] ||
            echo "it was built by rustc $built, trixie has $rustc"
    fi
}

# choose_kernel TMP: prints "RELEASE VERSION SERIES" of the kernel to prepare. MP3_KERNEL, a release, overrides the choice.
# Needs apt_open.
choose_kernel() {
    local tmp=$1 packages candidates rustc release version series deb objection
    packages=$tmp/packages
    apt_packages trixie-backports >"$packages"
    candidates=$(choose_candidates <"$packages")
    if [[ -n ${MP3_KERNEL:-} ]]; then
        candidates=$(awk -v want="$MP3_KERNEL" '$1 == want' <<<"$candidates")
        [[ -n $candidates ]] || die "MP3_KERNEL=$MP3_KERNEL: not offered complete by trixie-backports"
    fi
    rustc=$(apt_packages trixie | awk '$1 == "rustc" { print $2 }')
    while read -r release version series; do
        [[ -n $release ]] || continue
        deb=$(apt_fetch "$tmp/debs" "linux-headers-$release=$version") || continue
        dpkg-deb --fsys-tarfile "$deb" | tar -xO "./usr/src/linux-headers-$release/.config" >"$tmp/config"
        objection=$(choose_objection "$tmp/config" "$rustc")
        if [[ -z $objection ]]; then
            printf '%s %s %s\n' "$release" "$version" "$series"
            return
        fi
        say "    not $release: $objection"
    done <<<"$candidates"
    die "trixie-backports offers no complete kernel ($KERNEL_OLDEST or newer) that takes Rust modules"
}

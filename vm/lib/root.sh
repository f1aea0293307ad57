# shellcheck shell=bash
# The toolchain root: Debian trixie with the compilers that built the kernel, and the kernel's own packages.
#
# It belongs to whoever makes it: the archive is unpacked without owners, and entered through a user namespace unless
# the caller is root. So neither making nor using nor deleting it needs root.

# A user's PATH need not lead to chroot.
PATH=$PATH:/usr/sbin:/sbin

# What a kernel tree, a module in Rust and its checks need (clang and lld are for a debug kernel, and come with it), and
# what the guest runs on and from.
ROOT_PACKAGES=(
    bc bindgen bison ca-certificates cargo flex gcc gcc-14 kmod libc6-dev libelf-dev libssl-dev make
    python3-minimal rust-clippy rust-src rustc rustfmt xz-utils zlib1g-dev
    busybox-static qemu-system-x86 util-linux
)

# root_make DIR MIRROR RELEASE VERSION SERIES
root_make() {
    local dir=$1 mirror=$2 release=$3 version=$4 series=$5 include
    # Exact versions: the index also holds older ones of the same names.
    include=$(
        IFS=,
        printf '%s' "${ROOT_PACKAGES[*]},linux-source-$series=$version,linux-headers-$release=$version"
        printf '%s' ",linux-binary-$release=$version,linux-modules-$release=$version"
    )
    root_bootstrap "$dir" "$mirror" "$include"
}

# root_bootstrap DIR MIRROR PACKAGE,...: Debian trixie with these packages.
root_bootstrap() {
    local dir=$1 mirror=$2 include=$3
    mkdir -p "$dir"
    # mmdebstrap's working copy goes where other users may enter (in a home directory they may not) and where there is
    # room (/tmp may be memory).
    TMPDIR=/var/tmp mmdebstrap --quiet --mode="$(mmdebstrap_mode)" --variant=minbase --architectures=amd64 \
        --format=tar --include="$include" \
        --dpkgopt='path-exclude=/usr/share/doc/*' --dpkgopt='path-exclude=/usr/share/man/*' \
        --dpkgopt='path-exclude=/usr/share/locale/*' \
        trixie - "deb $mirror trixie main" "deb $mirror trixie-backports main" |
        tar -x -C "$dir" --no-same-owner --exclude='./dev/*'
}

# root_enter ROOT DIR... -- COMMAND...: runs COMMAND in ROOT, with each DIR at the same absolute path as outside (so that
# paths in messages and in built files mean the same on both sides), in the first DIR. It replaces the process, so that
# signals and the parent's death reach COMMAND: use a subshell to go on afterwards.
root_enter() {
    local root=$1 namespace=(--mount)
    shift
    [[ $EUID -eq 0 ]] || namespace+=(--user --map-root-user)
    # shellcheck disable=SC2016 # the inner shell expands it
    exec unshare "${namespace[@]}" -- bash -euc '
        root=$1 first=$2
        shift
        for dir in /dev /proc /sys; do
            mount --rbind "$dir" "$root$dir"
        done
        # Names are looked up as outside, and who is trusted outside is trusted here.
        for file in /etc/resolv.conf /etc/hosts /etc/ssl/certs/ca-certificates.crt; do
            [[ ! -e $file ]] || { mkdir -p "$root${file%/*}" && : >>"$root$file" && mount --bind "$(readlink -f "$file")" "$root$file"; }
        done
        while [[ $1 != -- ]]; do
            mkdir -p "$root$1"
            mount --rbind "$1" "$root$1"
            shift
        done
        shift
        exec chroot "$root" /usr/bin/env -C "$first" -i \
            PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LC_ALL=C.UTF-8 TERM="${TERM:-dumb}" "$@"
    ' root_enter "$root" "$@"
}

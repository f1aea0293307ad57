# shellcheck shell=bash
# The toolchain root: Debian with the compilers that built the kernel. The kernel's own packages are not in it.
#
# It belongs to whoever makes it: the archive is unpacked without owners, and entered through a user namespace unless
# the caller is root. So neither making nor using nor deleting it needs root.

# A user's PATH need not lead to chroot.
PATH=$PATH:/usr/sbin:/sbin

# Part of the name of what is cached: raise it when the packages change.
ROOT_RECIPE=2
# What a kernel tree and a module in Rust need, besides the C compiler that built the kernel; busybox is the guest's.
ROOT_COMPILERS=(
    bc bindgen bison busybox-static flex gcc kmod libc6-dev libelf-dev libssl-dev make
    pahole python3-minimal rust-src rustc util-linux xz-utils zlib1g-dev
)
# What checks the programs and what the guest runs on; they are Debian 13's, whatever the kernel.
ROOT_PROGRAMS=(ca-certificates cargo qemu-system-x86 rust-clippy rustfmt)

# root_directory RUSTC GCC: where the root with these compilers lives. All kernels that they built share it.
root_directory() {
    printf '%s\n' "$MP3_CACHE/roots/rustc-$1-gcc-$2-r$ROOT_RECIPE"
}

# root_make DIR MIRROR SUITE GCC [PACKAGE...]: a root of this suite with gcc of this major version, and these packages besides.
root_make() {
    local dir=$1 mirror=$2 suite=$3 packages=("${ROOT_COMPILERS[@]}" "gcc-$4" "${@:5}")
    [[ $suite != trixie ]] || packages+=("${ROOT_PROGRAMS[@]}")
    root_bootstrap "$dir" "$mirror" "$suite" "$(IFS=, && printf '%s' "${packages[*]}")"
}

# root_bootstrap DIR MIRROR SUITE PACKAGE,...: Debian with these packages; those of trixie may also come from its backports.
root_bootstrap() {
    local dir=$1 mirror=$2 suite=$3 include=$4 sources=() validity
    sources+=("deb $mirror $suite main")
    [[ $suite != trixie ]] || sources+=("deb $mirror trixie-backports main")
    # Whether lists may be old is the machine's to say: a snapshot of the archive has only such.
    mapfile -t validity < <(apt-config dump --format '%f "%v";%n' Acquire::Check-Valid-Until Acquire::Check-Date)
    mkdir -p "$dir"
    # mmdebstrap's working copy goes where other users may enter (in a home directory they may not) and where there is
    # room (/tmp may be memory).
    TMPDIR=/var/tmp mmdebstrap --quiet --mode="$(mmdebstrap_mode)" --variant=minbase --architectures=amd64 \
        --format=tar --include="$include" \
        "${validity[@]/#/--aptopt=}" \
        --dpkgopt='path-exclude=/usr/share/doc/*' --dpkgopt='path-exclude=/usr/share/man/*' \
        --dpkgopt='path-exclude=/usr/share/locale/*' \
        "$suite" - "${sources[@]}" |
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

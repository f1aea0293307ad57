# shellcheck shell=bash
# The toolchain root: Debian with the compilers that built the kernel. The kernel's own packages are not in it.
#
# It belongs to the user who makes it: the archive is unpacked without owners, and entered through a user namespace unless
# the caller is root. So neither making nor using nor deleting it needs root.

# A user's PATH need not lead to chroot.
PATH=$PATH:/usr/sbin:/sbin

# Part of the name of what is cached: raise it when the packages change.
ROOT_RECIPE=3
# What a kernel tree and a module in Rust need, besides the C compiler that built the kernel; busybox is the guest's.
ROOT_COMPILERS=(
    bc bindgen bison busybox-static flex gcc kmod libc6-dev libelf-dev libssl-dev make
    pahole pkgconf python3-minimal rust-src rustc util-linux xz-utils zlib1g-dev
)
# What checks the programs and what the guest runs on; they are Debian 13's, whatever the kernel.
ROOT_PROGRAMS=(ca-certificates cargo qemu-system-x86 rust-clippy rustfmt)

# root_directory RUSTC GCC: where the root with these compilers lives. All kernels that they built share it.
root_directory() {
    printf '%s\n' "$MP3_CACHE/roots/rustc-$1-gcc-$2-r$ROOT_RECIPE"
}

# What every program there takes for granted, and debootstrap would bring by itself.
ROOT_ESSENTIAL=(
    base-files base-passwd bash coreutils dash diffutils findutils grep gzip libc-bin mawk openssl perl-base sed tar
)
# What packages ask for and nothing here uses, as an extended regular expression of their names: the static libraries of
# clang, 300 MB, and C++.
ROOT_UNUSED='libclang(-[0-9]+)?-dev|libstdc[+][+]-[0-9]+-dev|libobjc-.*'
# What is not unpacked. Of Rust's sources, only the libraries are read.
ROOT_UNREAD=(
    usr/share/doc usr/share/info usr/share/locale usr/share/man
    'usr/src/rustc-*/compiler' 'usr/src/rustc-*/src' 'usr/src/rustc-*/tests' 'usr/src/rustc-*/vendor'
)

# root_make DIR MIRROR SUITE GCC [PACKAGE...]: a root of this suite with gcc of this major version, and these packages besides.
root_make() {
    local dir=$1 mirror=$2 suite=$3 packages=("${ROOT_COMPILERS[@]}" "gcc-$4" "${@:5}")
    [[ $suite != trixie ]] || packages+=("${ROOT_PROGRAMS[@]}")
    root_bootstrap "$dir" "$mirror" "$suite" "${packages[@]}"
}

# root_bootstrap DIR MIRROR SUITE PACKAGE...: Debian with these packages; those of trixie may also come from its backports. The
# lists are those of apt_open if that has been called, else its own. DIR/packages lists "NAME VERSION" of all.
#
# The packages are unpacked, several at a time, and not installed: no maintainer script runs, so none needs to be root. What
# the scripts would do and is needed here, root_settle does.
root_bootstrap() {
    local dir=$1 mirror=$2 suite=$3 debs=$1.debs suites packages
    shift 3
    suites=("$suite")
    [[ $suite != trixie ]] || suites+=(trixie-backports)
    mkdir -p "$dir" "$debs"
    [[ -n ${APT[*]:-} ]] || apt_open "$debs/apt" "$mirror" "${suites[@]}"
    # Of the lists that are open, only this suite's count.
    printf "deb [signed-by=$APT_KEYRING] $mirror %s main\n" "${suites[@]}" >"$debs/sources.list"
    root_resolve "$debs/sources.list" "${ROOT_ESSENTIAL[@]}" "$@" >"$dir/packages"
    mapfile -t packages < <(sed 's/ /=/' "$dir/packages")
    apt_fetch "$debs" "${packages[@]}" || die "the archive does not hand out what it lists; it may be changing just now"
    # The first brings the links /bin, /lib and /sbin.
    root_unpack "$dir" "$debs"/base-files_*.deb
    # shellcheck disable=SC2016 # the inner shell expands it
    find "$debs" -maxdepth 1 -name '*.deb' -printf '%s %p\0' | sort --zero-terminated --numeric-sort --reverse |
        sed --null-data 's/^[0-9]* //' | xargs --null --max-procs="$(nproc)" --max-args=1 \
        bash -euo pipefail -c '. "$1"; root_unpack "$2" "$3"' - "$MP3_TOP/vm/lib/root.sh" "$dir"
    root_settle "$dir"
    rm -rf "$debs"
}

# root_resolve SOURCES PACKAGE...: prints "NAME VERSION" of these packages and of all that they need.
root_resolve() {
    local sources=$1
    shift
    apt-get "${APT[@]}" -o "Dir::Etc::SourceList=$sources" -qq --no-install-recommends --simulate install "$@" |
        awk -v unused="^($ROOT_UNUSED)\$" '$1 == "Inst" && $2 !~ unused { print $2, substr($3, 2) }'
}

# root_unpack DIR DEB
root_unpack() {
    dpkg-deb --fsys-tarfile "$2" | tar -x -C "$1" --no-same-owner --keep-directory-symlink \
        --anchored --wildcards --no-wildcards-match-slash "${ROOT_UNREAD[@]/#/--exclude=./}"
}

# root_settle DIR: alternatives, users, certificates and the loader's cache.
root_settle() {
    local dir=$1
    ln -s mawk "$dir/usr/bin/awk"
    [[ ! -e $dir/usr/bin/gcc ]] || ln -s gcc "$dir/usr/bin/cc"
    cp "$dir/usr/share/base-passwd/passwd.master" "$dir/etc/passwd"
    cp "$dir/usr/share/base-passwd/group.master" "$dir/etc/group"
    if [[ -d $dir/usr/share/ca-certificates ]]; then
        mkdir -p "$dir/etc/ssl/certs"
        cat "$dir"/usr/share/ca-certificates/*/*.crt >"$dir/etc/ssl/certs/ca-certificates.crt"
    fi
    (root_enter "$dir" "$MP3_TOP" -- ldconfig)
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

# shellcheck shell=bash
# Where packages are built: a Debian 13 root, since a package's dependencies and its compilers are those of the system
# that it is for.
#
# It is kept in the cache, by the hash of what is in it. Sourced after vm/lib/common.sh, mirror.sh, packages.sh and
# root.sh.

PACKAGING_PACKAGES=(
    # to build
    build-essential ca-certificates cargo debhelper dh-dkms kmod libc6-dev lintian man-db rustc
    # a kernel's metadata, for mp3-module-RELEASE: what mp3-dkms depends on
    bc bindgen bison dkms flex gcc libelf-dev libssl-dev make python3-minimal rust-src xz-utils zlib1g-dev
    # to try packages: an archive of their own, keys, a boot
    apt-utils openssl qemu-system-x86 virtiofsd
    # to boot them securely: firmware, shim, loader, a disk with both, and the machine owner's key put into the
    # firmware's variables
    grub-efi-amd64-signed mtools ovmf python3-virt-firmware shim-signed
)

# packaging_root: makes it if it is not there, and prints its path.
packaging_root() {
    local hash root
    hash=$(printf '%s\n' "${PACKAGING_PACKAGES[@]}" | sha256sum | cut -c1-8)
    root=$MP3_CACHE/packaging/root-$hash
    if [[ ! -d $root ]]; then
        packages_need packaging
        mkdir -p "$MP3_CACHE/packaging"
        stage "making a Debian 13 root to build packages in, once (download: 600 MB)" \
            packaging_root_make "$root" "$(debian_mirror)"
    fi
    printf '%s\n' "$root"
}

# packaging_root_make ROOT MIRROR
packaging_root_make() {
    exec 9>"$MP3_CACHE/packaging/lock"
    flock 9
    if [[ ! -d $1 ]]; then
        rm -rf "$1.tmp"
        debian_bootstrap "$1.tmp" "$2" "${PACKAGING_PACKAGES[@]}"
        mv "$1.tmp" "$1"
    fi
    exec 9>&-
}

# debian_bootstrap DIR MIRROR PACKAGE...: Debian 13 with these packages, installed as on a machine of its own.
debian_bootstrap() {
    local dir=$1 mirror=$2
    shift 2
    mkdir -p "$dir"
    # mmdebstrap's working copy goes where other users may enter and where there is room.
    TMPDIR=/var/tmp mmdebstrap --quiet --mode="$(mmdebstrap_mode)" --variant=minbase --architectures=amd64 --format=tar \
        --include="$(IFS=, && printf '%s' "$*")" \
        trixie - "deb $mirror trixie main" "deb $mirror trixie-backports main" |
        tar -x -C "$dir" --numeric-owner --exclude='./dev/*'
}

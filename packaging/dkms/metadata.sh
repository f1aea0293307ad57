# shellcheck shell=bash
# A build tree that takes modules in Rust, for an installed kernel.
#
# Debian's header packages hold everything that building a module reads, except the metadata of the kernel's own
# crates: rust/*.rmeta, the procedural macros rust/*.so, and scripts/target.json. They are made from the kernel's
# source package, once, and kept in
#
#     /var/cache/mp3-dkms/RELEASE/
#         rust/ scripts/target.json    made here, 190 MB
#         everything else              links into the headers
#         made-from                    which headers and which compiler: it is made again when they change
#
# Sourced after vm/lib/common.sh and vm/lib/tree.sh.

METADATA_CACHE=/var/cache/mp3-dkms
# Half-made things; packaging/dkms/prepare deletes it at its end.
METADATA_TMP=$METADATA_CACHE/tmp.$$
# Room for the source, unpacked and built.
METADATA_MEGABYTES=2000

# metadata_kdir RELEASE HEADERS: prints the tree to build against.
metadata_kdir() {
    if metadata_complete "$2"; then
        printf '%s\n' "$2"
    else
        printf '%s\n' "$METADATA_CACHE/$1"
    fi
}

# metadata_complete DIR: whether a module in Rust can be built against DIR as it is.
metadata_complete() {
    [[ -e $1/rust/libkernel.rmeta && -e $1/rust/libmacros.so ]]
}

# metadata_rustc HEADERS: prints the path of the compiler that built this kernel, or nothing. Only that very version
# reads its metadata. A machine may have several: RUSTC comes first, then what Debian calls rustc, then versions of
# their own names.
metadata_rustc() {
    local want candidate
    want=$(sed -n 's/^CONFIG_RUSTC_VERSION_TEXT="\{0,1\}\([^"]*\).*/\1/p' "$1/include/config/auto.conf")
    for candidate in ${RUSTC:+"$RUSTC"} rustc /usr/bin/rustc{,-[0-9]*} /usr/lib/rust-*/bin/rustc /usr/local/bin/rustc; do
        candidate=$(command -v "$candidate") || continue
        if [[ $("$candidate" --version 2>/dev/null) == "$want" ]]; then
            printf '%s\n' "$candidate"
            return
        fi
    done
}

# metadata_version HEADERS: prints the version of the Debian package that the headers are from, or nothing.
metadata_version() {
    local package
    package=$(dpkg-query --search "$(readlink -f "$1")/.config" 2>/dev/null | cut -d: -f1) || return 0
    # shellcheck disable=SC2016 # dpkg expands it
    dpkg-query --show --showformat '${Version}' "$package"
}

# metadata_made_from HEADERS RUSTC: what the metadata depends on.
metadata_made_from() {
    printf 'linux-headers %s\n%s\n' "$(metadata_version "$1")" "$("$2" --version)"
}

# metadata_make RELEASE HEADERS RUSTC: makes what is missing; ends with a reason if it cannot.
metadata_make() {
    local release=$1 headers=$2 rustc=$3 kdir=$METADATA_CACHE/$1
    if [[ -e $kdir/made-from && $(<"$kdir/made-from") == "$(metadata_made_from "$headers" "$rustc")" ]]; then
        return
    fi
    mkdir -p "$METADATA_CACHE"
    exec 8>"$METADATA_CACHE/lock"
    flock 8
    mkdir "$METADATA_TMP"
    metadata_from_source "$release" "$headers" "$rustc"
    metadata_overlay "$release" "$headers" "$METADATA_TMP/tree" "$METADATA_TMP/kdir"
    metadata_made_from "$headers" "$rustc" >"$METADATA_TMP/kdir/made-from"
    rm -rf "$kdir"
    mv "$METADATA_TMP/kdir" "$kdir"
}

# metadata_from_source RELEASE HEADERS RUSTC: builds METADATA_TMP/tree from the source that the headers are of.
metadata_from_source() {
    local release=$1 headers=$2 rustc=$3 version series tarball free
    version=$(metadata_version "$headers")
    [[ -n $version ]] || die "the headers of $release lack the kernel's Rust metadata (rust/*.rmeta), and no Debian package says which source they are of" \
        "in that source, with its configuration: make prepare modules_prepare; then copy rust/*.rmeta, rust/*.so and scripts/target.json into $headers"
    free=$(df --output=avail --block-size=1M "$METADATA_CACHE" | tail -n 1)
    ((free >= METADATA_MEGABYTES)) || die "$METADATA_CACHE has $((free)) MB free, and making the Rust metadata of $release takes $METADATA_MEGABYTES MB" \
        "make room, then: dkms autoinstall -k $release"
    series=$(grep -oE '^[0-9]+\.[0-9]+' <<<"$release")
    tarball=$(metadata_tarball "linux-source-$series" "$version") ||
        die "the headers of $release lack the kernel's Rust metadata, and its source, linux-source-$series $version, is neither installed nor to be downloaded" \
            "is the machine online, and trixie-backports among apt's sources? Else bring the package: apt-get install linux-source-$series=$version" \
            "then: dkms autoinstall -k $release"
    stage "unpacking $(basename "$tarball") $version" tree_unpack "$tarball" "$METADATA_TMP/tree"
    tree_configure "$METADATA_TMP/tree" "$headers"
    # The kernel's build system calls its compiler `rustc`, for programs of the build also where RUSTC is set.
    mkdir "$METADATA_TMP/bin"
    ln -s "$rustc" "$METADATA_TMP/bin/rustc"
    PATH=$METADATA_TMP/bin:$PATH
    tree_configure_again "$METADATA_TMP/tree" "$release" >&2
    tree_check "$METADATA_TMP/tree" "$headers"
    stage "making the Rust metadata of $release" tree_make "$METADATA_TMP/tree" "$release"
    tree_is_made "$METADATA_TMP/tree" "$release"
    metadata_same_configuration "$headers" "$METADATA_TMP/tree"
}

# metadata_tarball PACKAGE VERSION: prints the path of the source: the installed one if it is of this version, else the
# archive's.
metadata_tarball() {
    local package=$1 version=$2 installed
    # shellcheck disable=SC2016 # dpkg expands it
    installed=$(dpkg-query --show --showformat '${db:Status-Status} ${Version}' "$package" 2>/dev/null) || true
    if [[ $installed == "installed $version" ]]; then
        printf '%s\n' "/usr/src/$package.tar.xz"
        return
    fi
    mkdir "$METADATA_TMP/debs"
    say "downloading $package $version"
    (cd "$METADATA_TMP/debs" && apt-get -qq -o APT::Sandbox::User= download "$package=$version" >&2) || return
    dpkg-deb -x "$METADATA_TMP"/debs/*.deb "$METADATA_TMP/source" || return
    rm -r "$METADATA_TMP/debs"
    printf '%s\n' "$METADATA_TMP/source/usr/src/$package.tar.xz"
}

# metadata_same_configuration HEADERS TREE: metadata of another configuration would describe other structures than the
# kernel's.
metadata_same_configuration() {
    local file
    for file in include/generated/autoconf.h include/generated/rustc_cfg; do
        cmp --silent "$1/$file" "$2/$file" ||
            die "$file came out otherwise than in the headers, so the metadata would not be this kernel's" \
                "$(diff "$1/$file" "$2/$file" | head -n 5)"
    done
}

# metadata_overlay RELEASE HEADERS TREE KDIR: the headers by links, and the metadata beside them.
metadata_overlay() {
    local headers tree=$3 kdir=$4 file
    headers=$(readlink -f "$2")
    mkdir -p "$kdir/scripts" "$kdir/rust"
    find "$headers" -mindepth 1 -maxdepth 1 ! -name Makefile ! -name scripts ! -name rust -exec ln -s -t "$kdir" {} +
    find "$(readlink -f "$headers/scripts")" -mindepth 1 -maxdepth 1 ! -name target.json -exec ln -s -t "$kdir/scripts" {} +
    # It names the directory that it is in.
    sed "s,^KBUILD_OUTPUT=.*,KBUILD_OUTPUT=$METADATA_CACHE/$1," "$headers/Makefile" >"$kdir/Makefile"
    cp "$tree/scripts/target.json" "$kdir/scripts/"
    cp "$tree"/rust/*.rmeta "$tree"/rust/*.so "$kdir/rust/"
}

# metadata_tidy: drops what was made for kernels whose headers are gone.
metadata_tidy() {
    local kdir
    for kdir in "$METADATA_CACHE"/[0-9]*/; do
        [[ ! -d $kdir || -e /lib/modules/$(basename "$kdir")/build ]] || rm -rf "$kdir"
    done
}

# shellcheck shell=bash
# The kernel tree that modules are built against: the distribution's source, its configuration and symbol versions, and
# the Rust metadata that its header packages leave out.

# What building a module never reads, below the top of the source: half of its 1.7 GB. Kconfig files and Makefiles stay,
# since olddefconfig walks through them.
TREE_UNREAD=(
    'Documentation/*/*'
    'arch/[!x]*/*.[chS]' 'arch/[!x]*/*.dts*'
    'drivers/*.c' 'drivers/*.S' 'fs/*.c' 'net/*.c' 'sound/*.c'
    'drivers/accel/*.h' 'drivers/gpu/*.h' 'drivers/infiniband/*.h' 'drivers/media/*.h' 'drivers/net/*.h'
    'drivers/scsi/*.h' 'drivers/staging/*.h'
    'tools/testing' 'tools/perf'
)

# tree_unpack TARBALL DIR
#
# The exclusions name the archive's top folder in full. `linux-source-*/net/*.c` would also match
# linux-source-7.3/rust/helpers/net/genetlink.c, since here a `*` matches slashes.
tree_unpack() {
    local tarball=$1 dir=$2 top
    top=$(basename "$tarball" .tar.xz)
    mkdir -p "$dir"
    xz -dc -T0 "$tarball" | tar -x -C "$dir" --strip-components=1 --no-same-owner \
        --anchored --wildcards --wildcards-match-slash "${TREE_UNREAD[@]/#/--exclude=$top/}"
}

# tree_configure DIR HEADERS RELEASE: HEADERS is the directory of the kernel's header package.
tree_configure() {
    local dir=$1 headers=$2 release=$3
    cp "$headers/.config" "$headers/Module.symvers" "$dir"
    # 7.2.12+deb13-cloud-amd64 -> +deb13-cloud-amd64; without it the module's version magic is not the kernel's.
    printf '%s\n' "+${release#*+}" >"$dir/localversion"
}

# tree_compiler DIR: prints the C compiler's command, by the version that built the kernel.
tree_compiler() {
    sed -n 's/^CONFIG_CC_VERSION_TEXT="\([^ "]*\).*/\1/p' "$1/.config"
}

# tree_toolchain DIR: prints the make argument that names the compilers which built the kernel.
tree_toolchain() {
    if grep -q '^CONFIG_CC_IS_CLANG=y' "$1/.config"; then
        echo LLVM=1
    else
        echo "CC=$(tree_compiler "$1")"
    fi
}

# tree_make DIR: what `make prepare` has to leave for a module in Rust. Runs where the compilers are.
tree_make() {
    local dir=$1 compiler
    compiler=$(tree_compiler "$dir")
    make --silent -C "$dir" -j"$(nproc)" CC="$compiler" HOSTCC="${compiler##*-linux-gnu-}" olddefconfig prepare modules_prepare
}

# tree_check DIR RELEASE: fails with a reason if the tree would not build what the kernel loads.
tree_check() {
    local dir=$1 release=$2 made
    grep -q '^CONFIG_RUST=y' "$dir/.config" ||
        die "$dir: CONFIG_RUST went off in olddefconfig; is rustc or bindgen missing?"
    made=$(cat "$dir/include/config/kernel.release")
    [[ $made == "$release" ]] || die "$dir: this tree makes modules for $made, not for $release"
    [[ -s $dir/rust/libkernel.rmeta ]] || die "$dir: rust/libkernel.rmeta was not made"
}

# shellcheck shell=bash
# The kernel tree that modules are built against: the distribution's source, its configuration and symbol versions, and
# the Rust metadata that its header packages leave out.

# Makes metadata without code, in half of the time.
TREE_RUSTC=$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")/rustc-metadata

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

# tree_configure DIR HEADERS: HEADERS is the directory of the kernel's header package.
tree_configure() {
    local dir=$1 headers=$2
    cp "$headers/.config" "$headers/Module.symvers" "$dir"
}

# tree_rustc DIR: prints the version of the Rust compiler that DIR/.config names, to the last letter.
tree_rustc() {
    sed -n 's/^CONFIG_RUSTC_VERSION_TEXT="\(.*\)"/\1/p' "$1/.config"
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

# tree_configure_again DIR RELEASE: settles the configuration with the tools that are here. Runs where the compilers are.
tree_configure_again() {
    tree_run "$@" "RUSTC=$TREE_RUSTC" olddefconfig
}

# tree_make DIR RELEASE: what `make prepare` has to leave for a module in Rust. Runs where the compilers are.
#
# Without resolve_btfids and the library that it is linked with: they are for the kernel's image, and, where that is there,
# for BTF of modules.
tree_make() {
    tree_run "$@" "RUSTC=$TREE_RUSTC" CONFIG_DEBUG_INFO_BTF= prepare modules_prepare && return
    echo "not without the kernel's own code; once more, with it" >&2
    tree_run "$@" olddefconfig prepare modules_prepare
}

# tree_run DIR RELEASE MAKE-ARGUMENT...
#
# The release is given, since Debian's is not always the source's version and a suffix (7.3.0-rc7 is 7.3-cloud-amd64), and
# without it the module's version magic would not be the kernel's.
tree_run() {
    local dir=$1 release=$2 compiler
    shift 2
    compiler=$(tree_compiler "$dir")
    make --silent -C "$dir" -j"$(nproc)" "CC=$compiler" "HOSTCC=${compiler##*-linux-gnu-}" "KERNELRELEASE=$release" "$@"
}

# tree_lost DIR HEADERS: prints the options of the kernel's configuration that olddefconfig changed, as the kernel has them. What
# only names a tool's version may differ.
tree_lost() {
    comm -23 <(tree_options "$2") <(tree_options "$1")
}

tree_options() {
    grep '^CONFIG_' "$1/.config" |
        grep -vE '^CONFIG_((GCC|CLANG|AS|LD|LLD|PAHOLE|RUSTC|RUSTC_LLVM|RUSTC_LLVM_MAJOR)_VERSION|[A-Z]*_VERSION_TEXT)=' | sort
}

# tree_check DIR HEADERS: fails with a reason if what is made with this configuration would not fit the kernel.
tree_check() {
    local dir=$1 headers=$2 lost
    # Kconfig drops in silence what a tool is missing for, and then structures have other sizes than the kernel's: without pahole,
    # for example, there is no BTF, and struct module is shorter.
    mapfile -t lost < <(tree_lost "$dir" "$headers")
    [[ ${#lost[@]} -eq 0 ]] || die "$dir: the configuration is not the kernel's; a tool may be missing or too old for: ${lost[*]:0:5}"
    # Another compiler gives the kernel's functions other names.
    [[ $(tree_rustc "$dir") == "$(tree_rustc "$headers")" ]] ||
        die "$dir: the kernel was built by '$(tree_rustc "$headers")', and this is '$(tree_rustc "$dir")'"
}

# tree_is_made DIR RELEASE: fails with a reason if something of the tree is missing.
tree_is_made() {
    local dir=$1 release=$2 made
    grep -q '^CONFIG_RUST=y' "$dir/.config" ||
        die "$dir: CONFIG_RUST went off in olddefconfig; is rustc or bindgen missing?"
    made=$(cat "$dir/include/config/kernel.release")
    [[ $made == "$release" ]] || die "$dir: this tree makes modules for $made, not for $release"
    [[ -s $dir/rust/libkernel.rmeta ]] || die "$dir: rust/libkernel.rmeta was not made"
}

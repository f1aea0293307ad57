# shellcheck shell=bash
# Debug kernels: of the stock kernel's version and from its source package, but built by clang with the checkers that a
# distribution does not pay for.

# clang 19 is the LLVM of trixie's rustc, so that C and Rust are instrumented alike.
DEBUG_PACKAGES=(clang lld llvm)
# Part of the name of what is cached: raise it when this file makes something else than before.
DEBUG_RECIPE=1
# What is not read on the way to an x86 kernel without drivers.
DEBUG_UNREAD=('Documentation/*/*' 'arch/[!x]*/*.[chS]' 'arch/[!x]*/*.dts*' 'tools/testing' 'tools/perf')

# debug_files KIND: prints what a kernel of this kind is made from, besides the source package.
debug_files() {
    local kind=$1 file
    for file in "$MP3_TOP"/vm/debug/{base,"$kind"}.config "$MP3_TOP/vm/debug/$kind.patch"; do
        [[ ! -e $file ]] || printf '%s\n' "$file"
    done
}

# debug_directory KIND RELEASE VERSION: prints where such a kernel lives. Another configuration is another kernel.
debug_directory() {
    local kind=$1 release=$2 version=$3 files hash
    mapfile -t files < <(debug_files "$kind")
    # Without comments.
    hash=$({ printf '%s\n' "$DEBUG_RECIPE $version" && sed '/^#/d; /^$/d' "${files[@]}"; } | sha256sum | head -c 10)
    printf '%s\n' "$MP3_CACHE/debug/${release%%+*}-$kind-$hash"
}

# debug_unpack TARBALL DIR KIND: the source, as this kind needs it.
debug_unpack() {
    local tarball=$1 dir=$2 kind=$3 top
    top=$(basename "$tarball" .tar.xz)
    mkdir -p "$dir"
    xz -dc -T0 "$tarball" | tar -x -C "$dir" --strip-components=1 --no-same-owner \
        --anchored --wildcards --wildcards-match-slash "${DEBUG_UNREAD[@]/#/--exclude=$top/}"
    [[ ! -e $MP3_TOP/vm/debug/$kind.patch ]] ||
        patch --quiet --strip 1 --directory "$dir" <"$MP3_TOP/vm/debug/$kind.patch"
    printf '%s\n' "+mp3-$kind" >"$dir/localversion"
    sed '/^#/d' "$MP3_TOP/vm/debug/base.config" "$MP3_TOP/vm/debug/$kind.config" >"$dir/wanted.config"
    # PROC_SYSCTL is called SYSCTL since 7.3.
    grep -q '^config PROC_SYSCTL$' "$dir/fs/proc/Kconfig" || sed -i 's/^CONFIG_PROC_SYSCTL=/CONFIG_SYSCTL=/' "$dir/wanted.config"
}

# debug_configure DIR: allnoconfig and what is wanted. Runs where the compilers are.
debug_configure() {
    make --silent -C "$1" LLVM=1 KCONFIG_ALLCONFIG=wanted.config allnoconfig
}

# debug_missing DIR: prints what is wanted and did not become so: Kconfig drops in silence what depends on something else.
debug_missing() {
    local dir=$1 option value
    while IFS='=' read -r option value; do
        case $value in
        '') ;;
        n) ! grep -q "^$option=" "$dir/.config" || printf '%s\n' "$option is not n" ;;
        *) grep -qxF "$option=$value" "$dir/.config" || printf '%s\n' "$option is not $value" ;;
        esac
    done <"$dir/wanted.config"
}

# debug_check DIR: fails with the options that are missing.
debug_check() {
    local missing
    mapfile -t missing < <(debug_missing "$1")
    [[ ${#missing[@]} -eq 0 ]] || die "the kernel's configuration is not the one that vm/debug asks for" "${missing[@]}"
}

# debug_make DIR: the image, and what a module is built against. Runs where the compilers are.
debug_make() {
    local dir=$1
    make --silent -C "$dir" LLVM=1 -j"$(nproc)" bzImage modules_prepare
    # `make modules` would leave it, and there are none.
    cp "$dir/vmlinux.symvers" "$dir/Module.symvers"
}

# debug_trim DIR: takes away what building a module never reads; vmlinux stays, to look into.
debug_trim() {
    find "$1" \( -name '*.o' -o -name '*.a' -o -name '.*.cmd' \) -type f \
        ! -path "$1/scripts/*" ! -path "$1/tools/objtool/*" -delete
    rm -rf "$1"/arch/x86/boot/{vmlinux.bin*,compressed/vmlinux*}
}

# debug_guest DIR TREE BUSYBOX: the pieces for vm/run. The disk's driver is built in: there is nothing to load for it.
debug_guest() {
    local dir=$1 tree=$2 busybox=$3
    mkdir -p "$dir/modules"
    cp "$tree/arch/x86/boot/bzImage" "$dir/vmlinuz"
    cp "$busybox" "$dir/busybox"
    cp "$tree/include/config/kernel.release" "$dir/release"
    : >"$dir/modules/virtio_blk.load"
}

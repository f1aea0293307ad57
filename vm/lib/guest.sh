# shellcheck shell=bash
# The parts of the guest that are the same for every run: the kernel's image, busybox, a few of the kernel's modules.

# What vm/run may load besides mp3.ko; their dependencies follow.
GUEST_MODULES=(virtio_blk zram overlay null_blk)
# What the guest loads first, to reach vm/run: kernels for virtual machines have it built in.
GUEST_BOOT_MODULES=(virtio_pci virtio_console)

# guest_make DIR UNPACKED ROOT RELEASE: fills DIR from the kernel's UNPACKED packages (their /usr) and from what is in ROOT.
guest_make() {
    local dir=$1 unpacked=$2 root=$3 release=$4 name
    mkdir -p "$dir/modules"
    cp "$unpacked/lib/modules/$release/vmlinuz" "$dir/vmlinuz"
    cp "$root/usr/bin/busybox" "$dir/busybox"
    printf '%s\n' "$release" >"$dir/release"
    for name in "${GUEST_MODULES[@]}"; do
        # One file a module: the order in which to load it and what it needs.
        guest_module "$dir/modules" "$unpacked/lib/modules/$release" "$name" | awk '!seen[$0]++' >"$dir/modules/$name.load"
    done
    for name in "${GUEST_BOOT_MODULES[@]}"; do
        # What is built in is no file. (The list of what is, modules.builtin, is not in the packages that are unpacked here.)
        [[ -z $(guest_module_file "$unpacked/lib/modules/$release" "$name") ]] ||
            guest_module "$dir/modules" "$unpacked/lib/modules/$release" "$name"
    done | awk '!seen[$0]++' >"$dir/modules/boot.load"
}

# guest_module_file MODULES NAME: prints the file of a module, if there is one.
guest_module_file() {
    # A file's name may have dashes where the module's has underscores.
    find "$1/kernel" -name "${2//[_-]/[_-]}.ko.xz" -print -quit
}

# guest_module DIR MODULES NAME: unpacks a module into DIR, what it depends on before it, and prints their files' names.
guest_module() {
    local dir=$1 modules=$2 name=$3 file needed
    file=$(guest_module_file "$modules" "$name")
    [[ -n $file ]] || die "the kernel's packages have no module $name"
    # shellcheck disable=SC2046 # names without blanks
    for needed in $(/sbin/modinfo --field depends "$file" | tr ',' ' '); do
        guest_module "$dir" "$modules" "$needed"
    done
    xz -dc "$file" >"$dir/$(basename "$file" .xz)"
    basename "$file" .xz
}

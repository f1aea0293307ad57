# shellcheck shell=bash
# The parts of the guest that are the same for every run: the kernel's image, busybox, a few of the kernel's modules.

# What vm/run may load besides mp3.ko; their dependencies follow.
GUEST_MODULES=(virtio_blk zram overlay)

# guest_make DIR ROOT RELEASE: fills DIR from the packages installed in ROOT.
guest_make() {
    local dir=$1 root=$2 release=$3 from=$2/usr/lib/modules/$3 name file
    mkdir -p "$dir/modules"
    cp "$from/vmlinuz" "$dir/vmlinuz"
    cp "$root/usr/bin/busybox" "$dir/busybox"
    printf '%s\n' "$release" >"$dir/release"
    for name in "${GUEST_MODULES[@]}"; do
        # One file a module: the order in which to load it and what it needs.
        /sbin/modprobe --dirname "$root/usr" --set-version "$release" --show-depends "$name" |
            sed -n 's/^insmod //p' | while read -r file _; do
            file=${file#"$root/usr"}
            xz -dc "$root/usr/${file#/}" >"$dir/modules/$(basename "$file" .xz)"
            basename "$file" .xz
        done >"$dir/modules/$name.load"
    done
}

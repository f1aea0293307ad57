# shellcheck shell=bash
# The guest's file system: one archive that the kernel unpacks into memory.

# initramfs_tree DIR GUEST: the skeleton, from the prepared pieces in GUEST.
initramfs_tree() {
    local dir=$1 guest=$2
    mkdir -p "$dir"/{bin,dev,proc,sys,run,tmp,out,root,etc/mp3,lib/mp3,home/user}
    cp "$guest/busybox" "$dir/bin/busybox"
    cp -r "$guest/modules/." "$dir/lib/mp3/"
    cp "$MP3_TOP"/vm/guest/{init,run} "$dir/lib/mp3/"
    cp "$MP3_TOP"/vm/guest/{passwd,group,profile} "$dir/etc/"
    ln -s lib/mp3/init "$dir/init"
    ln -s bin "$dir/sbin"
}

# initramfs_add DIR HOSTPATH[:GUESTPATH]: puts a file or a directory where the guest will find it; a relative path, and
# the default, is below /root, the directory in which the command starts. What is in a directory joins what is there
# already under its name; of two files the later one stays.
initramfs_add() {
    local dir=$1 host=${2%%:*} guest=
    [[ $2 != *:* ]] || guest=${2#*:}
    [[ -e $host ]] || die --status 125 "--add $2: $host is not there"
    guest=${guest:-$(basename "$(realpath -s "$host")")}
    [[ $guest == /* ]] || guest=/root/$guest
    if [[ -d $host ]]; then
        mkdir -p "$dir$guest"
        # Its contents: cp would put the directory itself into one that is there already.
        host=$host/.
    fi
    mkdir -p "$dir$(dirname "$guest")"
    cp -rL --preserve=mode "$host" "$dir$guest"
}

# initramfs_pack DIR BUSYBOX: writes the archive to stdout, everything owned by root except the user's home.
initramfs_pack() {
    local dir=$1 busybox=$2
    # Copies of a caller's files may be private or read-only; in the guest, the unprivileged user sees them too.
    chmod -R u+rwX,go+rX "$dir"
    (cd "$dir" && find . | "$busybox" cpio --quiet -o -H newc -R 0:0)
}

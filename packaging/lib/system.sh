# shellcheck shell=bash
# A Debian 13 system in a directory: packages are installed in it at the machine's own speed, by chroot, and it is
# booted in QEMU, where its directory is the root file system (virtiofs). So what was installed is what boots, and what
# the guest leaves can be looked at.
#
# Sourced after vm/lib/common.sh, root.sh and lib/root.sh. Takes root: a system has more owners than one.

# What a machine that one logs in to has; the kernel comes with it.
SYSTEM_PACKAGES=(ca-certificates initramfs-tools kmod libpam-systemd passwd procps systemd-sysv udev util-linux)
# Downloads of trials, so that the second one has none.
SYSTEM_ARCHIVES=$MP3_CACHE/packaging/archives
SYSTEM_FIRMWARE=

# system_kernels ROOT: prints the newest cloud kernel of each of the two newest series in Debian 13's backports, oldest
# first.
system_kernels() {
    system_run "$1" apt-cache pkgnames linux-image- |
        sed -nE 's/^linux-image-([0-9]+\.[0-9]+)(\..*-cloud-amd64)$/\1 \1\2/p' | grep -F +deb13 | sort -V |
        awk '{ newest[$1] = $2; if (!seen[$1]++) series[++n] = $1 } END { for (i = n > 1 ? n - 1 : 1; i <= n; i++) print newest[series[i]] }'
}

# system_run ROOT COMMAND...: as root in it, without services.
system_run() {
    local root=$1
    shift
    (root_enter "$root" "$SYSTEM_SHARED" "$SYSTEM_ARCHIVES" -- env DEBIAN_FRONTEND=noninteractive APT_LISTCHANGES_FRONTEND=none "$@" </dev/null)
}

# system_make ROOT BASE KERNEL: a system with this kernel, and without compilers; BASE keeps it for the next trial.
system_make() {
    local root=$1 base=$2 kernel=$3
    if [[ ! -d $base ]]; then
        rm -rf "$base.tmp"
        debian_bootstrap "$base.tmp" "$(debian_mirror)" "${SYSTEM_PACKAGES[@]}"
        mkdir -p "$SYSTEM_ARCHIVES/partial"
        # No service is started in a directory.
        printf '#!/bin/sh\nexit 101\n' >"$base.tmp/usr/sbin/policy-rc.d"
        chmod 755 "$base.tmp/usr/sbin/policy-rc.d"
        cat >"$base.tmp/etc/apt/apt.conf.d/90trial" <<END
Dir::Cache::Archives "$SYSTEM_ARCHIVES";
APT::Keep-Downloaded-Packages "true";
APT::Install-Recommends "false";
APT::Sandbox::User "";
END
        echo trial >"$base.tmp/etc/hostname"
        tr -d - </proc/sys/kernel/random/uuid >"$base.tmp/etc/machine-id"
        : >"$base.tmp/etc/fstab"
        system_run "$base.tmp" apt-get -qq update
        system_run "$base.tmp" apt-get -qq install --yes "linux-image-$kernel" linux-base/trixie-backports
        mv "$base.tmp" "$base"
    fi
    rm -rf "$root"
    cp -a --reflink=auto "$base" "$root"
}

# system_qemu TMP ROOT KERNEL PARAMETERS: QEMU and its arguments, in the array QEMU. With SYSTEM_FIRMWARE, a file of UEFI
# variables, the firmware boots securely, from a disk: it checks the shim, and the shim checks the loader and the kernel.
# (The shim does not take a kernel in the loader's place, as `qemu -shim` has it: Debian's kernels have no section .sbat.)
system_qemu() {
    local tmp=$1 root=$2 kernel=$3 parameters=$4 machine=q35,memory-backend=memory
    [[ -z $SYSTEM_FIRMWARE ]] || machine+=,smm=on
    # shellcheck disable=SC2054 # QEMU's commas
    QEMU=(
        qemu-system-x86_64 -accel "$SYSTEM_ACCEL" -cpu "$([[ $SYSTEM_ACCEL == tcg ]] && echo max || echo host)" -machine "$machine" -smp 2 -m 3G
        -object memory-backend-memfd,id=memory,size=3G,share=on -no-user-config -nodefaults -display none -nic none -no-reboot
        -chardev "socket,id=fs,path=$tmp/fs" -device vhost-user-fs-pci,chardev=fs,tag=system
        -chardev "file,id=console,path=$root/srv/trial/console" -serial chardev:console
    )
    if [[ -z $SYSTEM_FIRMWARE ]]; then
        QEMU+=(-kernel "$root/boot/vmlinuz-$kernel" -append "$parameters")
        return
    fi
    system_disk "$tmp" "$root" "$kernel" "$parameters"
    # shellcheck disable=SC2054 # QEMU's commas
    QEMU+=(
        -global driver=cfi.pflash01,property=secure,value=on
        -drive if=pflash,unit=0,format=raw,readonly=on,file=/usr/share/OVMF/OVMF_CODE_4M.secboot.fd
        -drive "if=pflash,unit=1,format=raw,file=$SYSTEM_FIRMWARE"
        -drive "if=none,id=disk,format=raw,readonly=on,file=$tmp/disk" -device virtio-blk-pci,drive=disk,bootindex=0
    )
}

# system_disk TMP ROOT KERNEL PARAMETERS: TMP/disk, from which firmware boots: Debian's signed shim, its signed loader,
# and the kernel.
system_disk() {
    printf 'linux /vmlinuz %s\nboot\n' "$4" >"$1/grub.cfg"
    truncate --size=64M "$1/disk"
    # shellcheck disable=SC2016 # the inner shell expands it
    (root_enter "$PACKAGING_ROOT" "$1" "$2" -- bash -euc '
        mformat -i "$1/disk" ::
        mmd -i "$1/disk" ::/EFI ::/EFI/BOOT ::/EFI/debian
        mcopy -i "$1/disk" /usr/lib/shim/shimx64.efi.signed ::/EFI/BOOT/BOOTX64.EFI
        mcopy -i "$1/disk" /usr/lib/grub/x86_64-efi-signed/grubx64.efi.signed ::/EFI/BOOT/grubx64.efi
        mcopy -i "$1/disk" "$1/grub.cfg" ::/EFI/debian/grub.cfg
        mcopy -i "$1/disk" "$2" ::/vmlinuz
    ' disk "$1" "$2/boot/vmlinuz-$3")
}

# system_boot ROOT KERNEL STAGE LIMIT [KERNEL-PARAMETER]...: boots it, runs STAGE, a script, as a service in it, and
# switches it off. What the script printed is in ROOT/srv/trial/said, the kernel's log in ROOT/srv/trial/console.
system_boot() {
    local root=$1 kernel=$2 stage=$3 limit=$4 trial=$1/srv/trial tmp status=0
    shift 4
    mkdir -p "$trial"
    cp "$stage" "$trial/stage"
    cp "$MP3_TOP/vm/lib/check.sh" "$trial/"
    : >"$trial/said"
    # Not a first boot: systemd would rebuild the caches of hardware and libraries, which takes minutes under
    # emulation.
    touch "$root/etc/.updated" "$root/var/.updated"
    # On a busy machine an emulated one boots for many minutes. What runs it sets the limit.
    mkdir -p "$root/etc/systemd/system/service.d"
    printf '[Service]\nTimeoutStartSec=infinity\nWatchdogSec=0\n' >"$root/etc/systemd/system/service.d/trial.conf"
    cat >"$root/etc/systemd/system/trial.service" <<'END'
[Unit]
Description=What is tried
SuccessAction=poweroff-force
FailureAction=poweroff-force

[Service]
Type=oneshot
WorkingDirectory=/srv/trial
Environment=DEBIAN_FRONTEND=noninteractive
ExecStart=/bin/bash /srv/trial/stage
StandardOutput=append:/srv/trial/said
StandardError=append:/srv/trial/errors
END
    tmp=$(mktemp -d /var/tmp/mp3-trial.XXXXXX)
    # As in vm/lib/qemu.sh.
    [[ $SYSTEM_ACCEL != tcg ]] || set -- no_timer_check "$@"
    system_qemu "$tmp" "$root" "$kernel" \
        "root=system rootfstype=virtiofs rw console=ttyS0 panic=-1 oops=panic no5lvl quiet systemd.show_status=no systemd.unit=trial.service $*"
    # shellcheck disable=SC2016 # the inner shell expands it
    (root_enter "$PACKAGING_ROOT" "$tmp" "$root" "$SYSTEM_SHARED" -- timeout --kill-after=10 "$limit" bash -euc '
        tmp=$1 root=$2
        shift 2
        /usr/libexec/virtiofsd --socket-path="$tmp/fs" --shared-dir="$root" --sandbox=none --xattr --log-level=error &
        fs=$!
        trap "kill $fs 2>/dev/null || true" EXIT
        until [[ -S $tmp/fs ]]; do kill -0 "$fs"; sleep 0.1; done
        "$@"
    ' trial "$tmp" "$root" "${QEMU[@]}") || status=$?
    rm -rf "$tmp"
    return "$status"
}

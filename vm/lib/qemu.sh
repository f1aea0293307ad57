# shellcheck shell=bash
# QEMU: its arguments, its processors' threads, its end.

# qemu_arguments: fills the array QEMU from the settings of vm/run. Files are in the directory $tmp.
qemu_arguments() {
    local port accelerator=(-accel "$accel") parameters='console=ttyS0 panic=-1 oops=panic no5lvl'
    case $accel in
    tcg)
        # At boot the kernel waits for a few timer interrupts and gives up without them ("IO-APIC + timer doesn't work!"). An
        # emulated CPU that the host leaves waiting misses them. Under KVM the kernel leaves this check out by itself.
        parameters+=' no_timer_check'
        # With a thread for each CPU, one may still run an instruction that another has just patched away.
        [[ $in_turn == no ]] || accelerator=(-accel "tcg,thread=single")
        accelerator+=(-cpu max)
        ;;
    *) accelerator+=(-cpu host) ;;
    esac
    # Virtual time counts instructions: one a nanosecond, whatever the host does.
    [[ $icount == no ]] || accelerator+=(-icount "shift=0,sleep=off")
    # Four levels of page tables, as most machines have (no5lvl). With five, KASAN asks for a feature that the kernel forgets for a
    # moment while it identifies the CPU, and takes what an interrupt touches just then for wild.
    # shellcheck disable=SC2054 # QEMU's commas
    QEMU=(
        qemu-system-x86_64 "${accelerator[@]}" -machine q35 -smp "$cpus" -m "$mem"
        -name mp3,debug-threads=on -pidfile "$tmp/qemu.pid"
        -no-user-config -nodefaults -display none -nic none -no-reboot
        -kernel "$kernel/guest/vmlinuz" -initrd "$tmp/initramfs"
        -append "$parameters ${append[*]}"
        -chardev "file,id=log,path=$tmp/log" -serial chardev:log
        -device virtio-serial-pci
    )
    if [[ $interactive == yes ]]; then
        QEMU+=(-chardev "stdio,id=terminal,signal=off" -device "virtconsole,chardev=terminal")
    fi
    # Regular files, which never make QEMU wait, so that no byte stands in a queue when the guest switches itself off.
    for port in stdout stderr status out; do
        : >"$tmp/$port"
        QEMU+=(-chardev "file,id=$port,path=$tmp/$port" -device "virtserialport,chardev=$port,name=mp3.$port")
    done
    if [[ -n $forward ]]; then
        QEMU+=(-netdev "user,id=net,restrict=on,hostfwd=tcp:127.0.0.1:${forward%:*}-:${forward#*:}"
            -device "virtio-net-pci,netdev=net,romfile=")
    fi
    if [[ -n $swap ]]; then
        local drive="if=none,id=swap,file=$tmp/swap,format=raw,cache=unsafe,discard=unmap"
        [[ $swap == *,iops=* ]] && drive+=",throttling.iops-total=${swap#*,iops=}"
        truncate --size "${swap%%,*}" "$tmp/swap"
        QEMU+=(-drive "$drive" -device "virtio-blk-pci,drive=swap")
    fi
}

# qemu_start: runs it in the background as $qemu, with the time limit; it ends with this script, however that ends.
#
# It is the toolchain root's QEMU, not the machine's: before 8.1, emulating with several threads could run an instruction
# that the kernel had just patched away (QEMU commit deba78709a), and one boot in a dozen died of "Oops: int3".
qemu_start() {
    # shellcheck disable=SC2016 # the inner shell expands it
    setpriv --pdeathsig TERM timeout --foreground --kill-after=5 "$limit" \
        bash -euc '. "$1"; shift; root_enter "$@"' - "$MP3_TOP/vm/lib/root.sh" \
        "$root" "$tmp" "$kernel/guest" -- setpriv --pdeathsig KILL "${QEMU[@]}" <&0 2>"$tmp/qemu.err" &
    qemu=$!
}

# qemu_pin CPU...: puts the thread of virtual CPU n on the n-th of these host CPUs, beginning anew when they are used up.
qemu_pin() {
    local host=("$@") thread threads=() want=$cpus n cpu
    # They are called "CPU 0/KVM" or "CPU 1/TCG"; with --icount, one thread is all of them: "ALL CPUs/TCG".
    [[ $icount == no ]] || want=1
    while [[ ${#threads[@]} -lt $want ]]; do
        kill -0 "$qemu" 2>/dev/null || return 0
        sleep 0.01
        [[ -s $tmp/qemu.pid ]] || continue
        mapfile -t threads < <(grep -l '^\(CPU [0-9]*\|ALL CPUs\)/' "/proc/$(<"$tmp/qemu.pid")"/task/*/comm 2>/dev/null)
    done
    for thread in "${threads[@]}"; do
        n=$(sed -n 's,^CPU \([0-9]*\)/.*,\1,p' "$thread")
        cpu=${host[${n:-0} % ${#host[@]}]}
        taskset -cp "$cpu" "$(basename "$(dirname "$thread")")" >/dev/null ||
            die --status 125 "--pin: CPU $cpu cannot be had on this machine"
    done
}

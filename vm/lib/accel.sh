# shellcheck shell=bash
# KVM or TCG. /dev/kvm may be there and still boot nothing (nested virtualisation that is only announced), and QEMU then
# stays; so it is tried once per boot of the machine, with a short limit, and the answer is remembered.

ACCEL_LIMIT=15

# accel_choose KERNEL: prints kvm or tcg.
accel_choose() {
    local kernel=$1 memo answer=tcg
    if [[ ! -r /dev/kvm || ! -w /dev/kvm ]]; then
        echo tcg
        return
    fi
    memo=$MP3_CACHE/accel/$(</proc/sys/kernel/random/boot_id)-$(basename "$kernel")
    if [[ ! -s $memo ]]; then
        say "trying /dev/kvm (at most $ACCEL_LIMIT s, once until the next reboot)"
        if "$MP3_TOP/vm/run" --kernel "$kernel" --accel kvm --no-module --probe --timeout "$ACCEL_LIMIT" --out /dev/null -- true \
            >/dev/null 2>&1; then
            answer=kvm
        else
            say "/dev/kvm is there but boots nothing; emulating instead"
        fi
        mkdir -p "$MP3_CACHE/accel"
        find "$MP3_CACHE/accel" -type f ! -name "$(</proc/sys/kernel/random/boot_id)-*" -delete
        printf '%s\n' "$answer" >"$memo.$$"
        mv "$memo.$$" "$memo"
    fi
    cat "$memo"
}

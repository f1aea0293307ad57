# shellcheck shell=bash
# What the stages in the guest share.

# as USER COMMAND...: with the groups that USER has now, in the user's home.
as() {
    local user=$1
    shift
    runuser -l "$user" -c "$*"
}

# number KEY: the first number of this name in the JSON on stdin.
number() {
    grep -o "\"$1\": *[0-9]*" | head -n 1 | grep -o '[0-9]*$'
}

# reported FILE: the minor faults that userapp counted while it was registered.
reported() {
    grep -o '"profiled":{[^}]*}' "$1" | number minor_faults
}

# faults FILE: the sum of the minor faults of a profile.
faults() {
    awk '!/^#/ { sum += $2 } END { print sum + 0 }' "$1"
}

# until_is SECONDS COMMAND...: waits until COMMAND succeeds.
until_is() {
    local end=$((SECONDS + $1))
    shift
    until "$@" >/dev/null 2>&1; do
        ((SECONDS < end)) || return 1
        sleep 0.2
    done
}

# scraped SERIES: the value of a series of mp3-exporter. There is no curl here.
scraped() {
    (
        exec 3<>/dev/tcp/127.0.0.1/9503 || exit
        printf 'GET /metrics HTTP/1.1\r\nHost: trial\r\n\r\n' >&3
        awk -v series="$1" '$1 == series { print $2 }' <&3
    ) 2>/dev/null
}

# named_mp3: every file that has the project's name.
# (stmp3xxx is a chip, of which the kernel's headers tell.)
named_mp3() {
    find / -xdev \( -path /srv -o -path /work -o -path /root -o -path /proc -o -path /sys -o -path /tmp -o -path /run -o -path /var/lib/apt -o -path /var/cache/apt \) -prune \
        -o -name '*mp3*' ! -name '*stmp3xxx*' -print | sort
}

# refusal FILE: why insmod says that the kernel refused.
refusal() {
    sed -n 's/.*: //p' "$1"
}

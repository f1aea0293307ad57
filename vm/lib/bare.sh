# shellcheck shell=bash
# A bare machine inside this one: Debian 13 as debootstrap leaves it, with git, make and cargo, in namespaces of its own.
#
# What it shares with the machine outside is the kernel, the network and the configuration by which Debian's mirror and
# the registry of crates are reached. It has no /dev/kvm, and its environment begins empty.

# What the README asks for, and what git and cargo want for https.
BARE_PACKAGES=git,make,cargo,ca-certificates

# With what it is entered: an ordinary user has a range of user ids.
BARE_OWNERS=(env)
[[ $EUID -eq 0 ]] || BARE_OWNERS=(unshare --user --map-auto --map-root-user --)

# bare_enter COMMAND...: runs COMMAND with the right to own files as different users.
bare_enter() {
    "${BARE_OWNERS[@]}" "$@"
}

# bare_make DIR MIRROR: the machine as an archive, DIR/bare.tar.
bare_make() {
    TMPDIR=/var/tmp mmdebstrap --quiet --mode="$(mmdebstrap_mode)" --variant=debootstrap --architectures=amd64 --format=tar \
        --include="$BARE_PACKAGES" trixie "$1/bare.tar" "deb $2 trixie main"
}

# bare_start DIR USER COMMIT: unpacks it to DIR/root, tells it how to reach what this machine reaches, and clones the commit
# into USER's home.
bare_start() {
    local dir=$1 user=$2 commit=$3 root=$1/root file
    git bundle create --quiet "$dir/mp3.bundle" HEAD
    bare_configuration >"$dir/apt.conf"
    mkdir "$root"
    bare_enter tar -x -p --numeric-owner -C "$root" -f "$dir/bare.tar"
    bare_enter cp "$dir/apt.conf" "$root/etc/apt/apt.conf.d/99outside"
    for file in /etc/resolv.conf /etc/hosts /etc/ssl/certs/ca-certificates.crt; do
        [[ ! -e $file ]] || bare_enter cp --remove-destination "$(readlink -f "$file")" "$root$file"
    done
    bare_enter cp "$dir/mp3.bundle" "$root/var/tmp/mp3.bundle"
    file=${CARGO_HOME:-$HOME/.cargo}/config.toml
    [[ ! -e $file ]] || bare_enter cp "$file" "$root/var/tmp/config.toml"
    (bare_run "$dir" root "useradd --create-home --shell /bin/bash user")
    (bare_run "$dir" "$user" "
        [ ! -e /var/tmp/config.toml ] || { mkdir -p .cargo && cp /var/tmp/config.toml .cargo/; }
        git -c advice.detachedHead=false -c init.defaultBranch=main clone --quiet /var/tmp/mp3.bundle mp3
        test \"\$(git -C mp3 rev-parse HEAD)\" = $commit")
}

# bare_configuration: prints what this machine's apt was told about how to fetch.
bare_configuration() {
    apt-config dump --format '%F "%v";%n' Acquire |
        grep -E '^Acquire::((http|https|ftp)::|Check-(Valid-Until|Date)|Retries)' || true
}

# bare_environment: prints the variables of this machine that say how to reach registries.
bare_environment() {
    local name
    while IFS= read -r name; do
        printf '%s=%s\n' "$name" "${!name}"
    done < <(compgen -e | grep -E '^((https?|all|no)_proxy|(HTTPS?|ALL|NO)_PROXY|CARGO_(HTTP|NET|REGISTR|SOURCE)[A-Z_]*)$' || true)
}

# bare_home USER: prints the home directory of root or user.
bare_home() {
    if [[ $1 == root ]]; then echo /root; else echo "/home/$1"; fi
}

# bare_run DIR USER SCRIPT: runs SCRIPT in the machine as USER, root or user, in the home directory. All that it started ends
# with it. It replaces the process, so that a signal reaches it: use a subshell to go on afterwards.
bare_run() {
    local dir=$1 user=$2 script=$3 home path=/usr/local/bin:/usr/bin:/bin environment
    home=$(bare_home "$user")
    # As login has it in Debian.
    [[ $user != root ]] || path=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
    mapfile -t environment < <(bare_environment)
    # shellcheck disable=SC2016 # the inner shells expand it
    exec "${BARE_OWNERS[@]}" unshare --mount --pid --fork --kill-child --uts --ipc -- bash -euc '
        root=$1 user=$2 home=$3 path=$4 script=$5
        shift 5
        hostname bare
        mount --bind "$root" "$root"
        mount -t proc proc "$root/proc"
        mount --rbind /sys "$root/sys"
        mount -t tmpfs -o mode=755 tmpfs "$root/dev"
        for device in null zero full random urandom tty; do
            : >"$root/dev/$device"
            mount --bind "/dev/$device" "$root/dev/$device"
        done
        mkdir "$root/dev/pts" "$root/dev/shm"
        mount -t devpts -o newinstance,ptmxmode=0666,mode=620 devpts "$root/dev/pts"
        mount -t tmpfs -o mode=1777 tmpfs "$root/dev/shm"
        ln -s pts/ptmx "$root/dev/ptmx"
        ln -s /proc/self/fd "$root/dev/fd"
        for stream in 0:stdin 1:stdout 2:stderr; do
            ln -s "/proc/self/fd/${stream%:*}" "$root/dev/${stream#*:}"
        done
        # Not chroot: from within that, no user may make a namespace.
        cd "$root"
        pivot_root . .
        umount -l .
        cd /
        # Not replaced, since --kill-child is forgotten where a process changes its user: the first process of the namespace
        # has to be one that dies with the one outside, and takes all others with it.
        status=0
        # Even its root may not touch the kernel that it shares.
        setpriv --bounding-set=-sys_module,-sys_boot,-sys_time,-sys_rawio -- \
            setpriv --reuid="$user" --regid="$user" --init-groups -- \
            env -i -C "$home" "HOME=$home" "USER=$user" "LOGNAME=$user" SHELL=/bin/bash LANG=C.UTF-8 TERM=dumb \
            "PATH=$path" "$@" \
            bash -euc "$script" || status=$?
        exit "$status"
    ' bare_run "$dir/root" "$user" "$home" "$path" "$script" "${environment[@]}" </dev/null
}

# bare_delete DIR: all of it. A process that was just killed may still have written something.
bare_delete() {
    local attempt
    for attempt in 1 2 3 4 5; do
        ! bare_enter rm -rf "$1" 2>/dev/null || return 0
        sleep "$attempt"
    done
    bare_enter rm -rf "$1"
}

# bare_asked: from what a target printed, prints the command that it wants to be run as root.
bare_asked() {
    grep -A 1 'install them as root with:$' | sed -n '2s/^ *//p'
}

# bare_stages: from what a target printed, prints how long each stage took.
bare_stages() {
    awk '/^==> / { title = substr($0, 5) }
        /^ +(done|failed|[0-9]+ passed).* [0-9.]+ s$/ {
            printf "%8s s  %s%s\n", $(NF - 1), title, $1 == "failed" ? ": FAILED" : ""
        }'
}

# bare_verdict DIR USER TARGET: from what a target printed and left, prints what it came to; fails if that is not enough.
bare_verdict() {
    local figure counted
    case $3 in
    demo)
        figure=$1/root$(bare_home "$2")/mp3/out/profile.svg
        bare_enter grep -q '</svg>' "$figure" || { echo "ended well without out/profile.svg"; return 1; }
        echo "drew out/profile.svg"
        ;;
    test)
        counted=$(grep -E '^[0-9]+ passed, [0-9]+ failed' | tail -n 1)
        [[ $counted =~ ^[1-9][0-9]*\ passed,\ 0\ failed ]] || { echo "ended well without having counted: '$counted'"; return 1; }
        printf '%s\n' "$counted"
        ;;
    deb)
        counted=$(bare_enter find "$1/root$(bare_home "$2")/mp3/out/deb" -name '*.deb' -printf '%f\n' 2>/dev/null | sort | xargs)
        [[ $counted == *mp3-dkms_*mp3_* ]] || { echo "ended well without its packages: '$counted'"; return 1; }
        printf 'made %s\n' "$counted"
        ;;
    fleet)
        counted=$(grep -cE '^ +[0-9]+ s: MP3[A-Za-z]+ fires for ' || true)
        [[ $counted -gt 0 ]] || { echo "ended well without an alert"; return 1; }
        printf '%d alerts fired\n' "$counted"
        ;;
    esac
}

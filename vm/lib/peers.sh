# shellcheck shell=bash
# What people use instead of mp3, for the guest: programs of Debian's with the libraries that they load, and BPF programs.

PEERS_PROGRAMS=(perf bpftrace pidstat bpftool)
# Where they are from. The archive keeps perf and bpftool in one version only, its newest kernel's; that need not be the
# guest's. Both speak to older kernels as well. The rest is for compiling the BPF programs.
PEERS_PACKAGES=(linux-perf/trixie-backports bpftrace sysstat bpftool/trixie-backports clang libbpf-dev)
# Where the guest finds what is the repository's own.
PEERS_OWN=usr/lib/mp3
# Part of the name of what is cached: raise it when this file makes something else than before.
PEERS_RECIPE=2

# peers_directory RELEASE: prints where the peers for this kernel live. Other BPF programs are another tree.
peers_directory() {
    local release=$1 hash
    hash=$({ echo "$PEERS_RECIPE" && cat "$MP3_TOP"/bench/bpf/*; } | sha256sum | head -c 10)
    printf '%s\n' "$MP3_CACHE/peers/$release-$hash"
}

# peers_root DIR MIRROR: a root with the packages.
peers_root() {
    root_bootstrap "$1" "$2" trixie "${PEERS_PACKAGES[@]}"
}

# peers_libraries PROGRAM...: prints "NAME PATH" of every library that the loader wants for them, once, and the loader itself.
# Runs where they are installed.
peers_libraries() {
    ldd "$@" | awk '
        $2 == "=>" && $3 == "not" { print "peers: " $1 " is not there" >"/dev/stderr"; exit 1 }
        $2 == "=>" { print $1, $3 }
        $1 ~ /\/ld-linux/ { print $1, $1 }' | sort -u
}

# peers_programs TREE: programs and libraries, each library once, under the name by which it is asked for, in a directory
# that the loader knows without a cache. Runs where they are installed.
peers_programs() {
    local tree=$1 program path name
    mkdir -p "$tree"/{usr/bin,usr/lib/x86_64-linux-gnu,lib64}
    for program in "${PEERS_PROGRAMS[@]}"; do
        cp -L "$(command -v "$program")" "$tree/usr/bin/$program"
    done
    peers_libraries "$tree"/usr/bin/* >"$tree/libraries"
    while read -r name path; do
        case $name in
        /*) cp -L "$path" "$tree$name" ;;
        *) cp -L "$path" "$tree/usr/lib/x86_64-linux-gnu/$name" ;;
        esac
    done <"$tree/libraries"
    rm "$tree/libraries"
}

# peers_compile SOURCE OBJECT: with type information (-g), by which it is fitted to the kernel that loads it. Runs where the
# compiler is.
peers_compile() {
    clang -target bpf -mcpu=v4 -O2 -g -Wall -Werror -I/usr/include/x86_64-linux-gnu -c "$1" -o "$2"
}

# peers_versions ROOT RELEASE: prints "NAME VERSION" of each program and of the guest's kernel.
peers_versions() {
    awk '$1 == "linux-perf" { $1 = "perf" } $1 == "sysstat" { $1 = "pidstat" }
        $1 ~ /^(perf|bpftrace|pidstat|bpftool)$/ { print $1, $2 }' "$1/packages"
    printf 'kernel %s\n' "$2"
}

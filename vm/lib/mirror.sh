# shellcheck shell=bash
# Which Debian mirror to use: the machine's own, so that no host name stands here.

# Prints the URI of a Debian mirror: MP3_MIRROR if set, else that of the machine's apt sources, else mmdebstrap's default.
debian_mirror() {
    local uri
    if [[ -n ${MP3_MIRROR:-} ]]; then
        printf '%s\n' "$MP3_MIRROR"
        return
    fi
    uri=$(apt_mirror)
    [[ -n $uri ]] || uri=$(mmdebstrap_mirror)
    [[ -n $uri ]] || die "no Debian mirror in this machine's apt configuration" \
        "name one: MP3_MIRROR=URI $0"
    printf '%s\n' "$uri"
}

# Debian's main archive, by its Release file; before the first `apt-get update` there is none, and the path has to do.
apt_mirror() {
    local uri
    # shellcheck disable=SC2016 # apt expands these, not the shell
    uri=$(apt-get indextargets --format '$(ORIGIN)|$(LABEL)|$(COMPONENT)|$(REPO_URI)' 'Created-By: Packages' 2>/dev/null |
        awk -F'|' '$1 == "Debian" && $2 == "Debian" && $3 == "main" { print $4; exit }')
    [[ -n $uri ]] || uri=$(apt-get update --print-uris 2>/dev/null |
        sed -n "s,^'\\(.*/debian/\\)dists/.*,\\1,p" | head -n 1)
    printf '%s\n' "$uri"
}

# mmdebstrap tells its default only to a hook, which then ends the run.
mmdebstrap_mirror() {
    local list
    list=$(mktemp)
    # shellcheck disable=SC2016 # the hook's shell expands it
    mmdebstrap --quiet --mode="$(mmdebstrap_mode)" --variant=custom --format=null \
        --setup-hook='sed -n "s/^deb.* \([a-z]*:[^ ]*\) trixie .*main.*/\1/p" "$1"/etc/apt/sources.list "$1"/etc/apt/sources.list.d/*.list 2>/dev/null | head -n 1 >&3; false' \
        trixie - 3>"$list" >/dev/null 2>&1 || true
    cat "$list"
    rm -f "$list"
}

# As root the real thing; else user namespaces.
mmdebstrap_mode() {
    if [[ $EUID -eq 0 ]]; then echo root; else echo unshare; fi
}

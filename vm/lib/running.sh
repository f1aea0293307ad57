# shellcheck shell=bash
# A tree for the kernel that runs here: the same steps as for the VM's, with the packages installed on a Debian machine.

# The kernel's release; a variable, so that a tree for one that does not run yet can be made too.
RUNNING_RELEASE=${MP3_RUNNING:-$(uname -r)}
RUNNING_DIR=$MP3_CACHE/running/$RUNNING_RELEASE

# running_prepare TMP: makes the tree and prints its path, the KDIR.
running_prepare() {
    local tmp=$1 headers=/usr/src/linux-headers-$RUNNING_RELEASE version series deb
    if [[ ! -d $RUNNING_DIR ]]; then
        [[ -e $headers/.config ]] || die "$headers is missing" "install it: apt-get install linux-headers-$RUNNING_RELEASE"
        grep -q '^CONFIG_RUST=y' "$headers/.config" ||
            die "the kernel $RUNNING_RELEASE is built without Rust (CONFIG_RUST is off)" \
                "boot one that has it: on Debian 13, linux-image-amd64 $KERNEL_OLDEST or newer from trixie-backports"
        version=$(dpkg-query --show --showformat '${Version}' "linux-headers-$RUNNING_RELEASE")
        series=$(grep -oE '^[0-9]+\.[0-9]+' <<<"$RUNNING_RELEASE")
        stage "fetching linux-source-$series $version" running_source "$tmp" "linux-source-$series=$version"
        stage "making a tree for $RUNNING_RELEASE that takes Rust modules" \
            running_tree "$tmp" "$headers" "$tmp/usr/src/linux-source-$series.tar.xz"
    fi
    say "ready; make finds it by itself. KDIR:"
    printf '%s\n' "$RUNNING_DIR"
}

# Fetched, not installed: that takes no root, and the version that belongs to the headers need not be the newest.
running_source() {
    local tmp=$1 package=$2
    mkdir -p "$tmp/debs"
    (cd "$tmp/debs" && apt-get -qq -o APT::Sandbox::User= download "$package" >&2) ||
        die "apt-get cannot download $package" "is trixie-backports among the sources, and apt-get update done?"
    dpkg-deb -x "$tmp"/debs/linux-source-*.deb "$tmp"
}

running_tree() {
    local tmp=$1 headers=$2 tarball=$3
    tree_unpack "$tarball" "$tmp/tree"
    tree_configure "$tmp/tree" "$headers"
    tree_configure_again "$tmp/tree" "$RUNNING_RELEASE" >&2
    tree_check "$tmp/tree" "$headers"
    tree_make "$tmp/tree" "$RUNNING_RELEASE" >&2
    tree_is_made "$tmp/tree" "$RUNNING_RELEASE"
    mkdir -p "$MP3_CACHE/running"
    mv "$tmp/tree" "$RUNNING_DIR"
}

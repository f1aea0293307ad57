# shellcheck shell=bash
# The machine's own packages: what is missing is installed as root, or named with the one command that installs it.

# packages_of PURPOSE: prints "COMMAND-OR-PATH PACKAGE" of everything PURPOSE needs.
packages_of() {
    case $1 in
    prepare)
        cat <<'END'
unshare util-linux
xz xz-utils
/sbin/modinfo kmod
dpkg-deb dpkg
/usr/share/keyrings/debian-archive-keyring.gpg debian-archive-keyring
END
        ;;
    running)
        cat <<'END'
bc bc
bindgen bindgen
bison bison
dpkg-deb dpkg
flex flex
gcc gcc
make make
pahole pahole
pkg-config pkgconf
python3 python3-minimal
rustc rustc
xz xz-utils
/usr/lib/rustlib/src rust-src
/usr/include/gelf.h libelf-dev
/usr/include/openssl/ssl.h libssl-dev
/usr/include/zlib.h zlib1g-dev
END
        ;;
    # plot's report is tested in a real browser, top in a real terminal.
    test)
        echo "tmux tmux"
        [[ -n ${CHROMIUM:-} ]] || command -v chromium-browser google-chrome >/dev/null || echo "chromium chromium"
        ;;
    lint)
        echo "shellcheck shellcheck"
        ;;
    fresh | packaging)
        cat <<'END'
git git
mmdebstrap mmdebstrap
unshare util-linux
/usr/share/keyrings/debian-archive-keyring.gpg debian-archive-keyring
END
        [[ $EUID -eq 0 ]] || echo "newuidmap uidmap"
        ;;
    esac
}

# packages_missing PURPOSE...: prints the packages that are not there, one a line.
packages_missing() {
    local purpose probe package
    for purpose; do
        packages_of "$purpose"
    done | while read -r probe package; do
        if [[ $probe == /* ]]; then
            [[ -e $probe ]] || printf '%s\n' "$package"
        else
            command -v "$probe" >/dev/null || printf '%s\n' "$package"
        fi
    done | sort -u
}

# packages_need PURPOSE...: installs what is missing, or ends with the command that does.
packages_need() {
    local missing
    mapfile -t missing < <(packages_missing "$@")
    [[ ${#missing[@]} -gt 0 ]] || return 0
    command -v apt-get >/dev/null || die "missing: ${missing[*]}" "install them; this machine has no apt-get"
    [[ $EUID -eq 0 ]] || packages_ask "${missing[@]}"
    stage "installing ${missing[*]}" packages_install "${missing[@]}"
}

# packages_ask PACKAGE...: ends with one command, which also does where no package lists were fetched yet. vm/fresh looks for it.
packages_ask() {
    die "missing Debian packages; install them as root with:" "apt-get update && apt-get install --no-install-recommends $*"
}

packages_install() {
    export DEBIAN_FRONTEND=noninteractive
    apt-get -qq update >&2 &&
        apt-get -qq install --yes --no-install-recommends "$@" </dev/null >/dev/null
}

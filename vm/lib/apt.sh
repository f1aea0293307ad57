# shellcheck shell=bash
# A private apt: Debian's suites in a directory of our own, whatever the machine itself runs.
# Needs no root and changes nothing of the machine's apt.

APT_KEYRING=/usr/share/keyrings/debian-archive-keyring.gpg

# apt_open DIR MIRROR SUITE... [-- OPTIONAL-SUITE...]: fetches the package lists into DIR, leaves the options in the array APT
# and the suites that are there in APT_SUITES. A mirror need not have the optional ones.
apt_open() {
    local dir=$1 mirror=$2 suite optional=no
    shift 2
    mkdir -p "$dir/lists/partial" "$dir/cache/archives/partial" "$dir/etc"
    : >"$dir/status"
    for suite; do
        [[ $suite == -- ]] || printf 'deb [signed-by=%s] %s %s main\n' "$APT_KEYRING" "$mirror" "$suite"
    done >"$dir/sources.list"
    # After the machine's own configuration, so that its proxies hold, and its hooks do not run here.
    cat >"$dir/apt.conf" <<EOF
Dir::Etc::SourceList "$dir/sources.list";
Dir::Etc::SourceParts "/dev/null";
Dir::Etc::Preferences "/dev/null";
Dir::Etc::PreferencesParts "/dev/null";
Dir::State "$dir";
Dir::State::Status "$dir/status";
Dir::State::Lists "$dir/lists";
Dir::Cache "$dir/cache";
#clear APT::Architectures;
APT::Architecture "amd64";
APT::Architectures { "amd64"; };
#clear APT::Update::Pre-Invoke;
#clear APT::Update::Post-Invoke;
#clear APT::Update::Post-Invoke-Success;
APT::Sandbox::User "";
Acquire::Languages "none";
Acquire::Retries "3";
EOF
    APT=(-c "$dir/apt.conf") APT_SUITES=()
    # Its status is that of all lists together; what counts is which of them came.
    apt-get "${APT[@]}" -qq update 2>"$dir/errors" >&2 || true
    for suite; do
        if [[ $suite == -- ]]; then
            optional=yes
        elif [[ -s $(apt_list "$suite") ]]; then
            APT_SUITES+=("$suite")
        elif [[ $optional == yes ]]; then
            say "    $suite: no package lists at $mirror; going on without"
        else
            cat "$dir/errors" >&2
            die "cannot read the package lists of $suite from $mirror" \
                "is the network up? Another mirror: MP3_MIRROR=URI $0"
        fi
    done
}

# Prints the file of the suite's main component's packages.
apt_list() {
    # shellcheck disable=SC2016 # apt expands it
    apt-get "${APT[@]}" indextargets --format '$(FILENAME)' 'Created-By: Packages' "Release: $1"
}

# apt_packages: prints "PACKAGE VERSION SUITE" for every package of the suites that are open.
apt_packages() {
    local suite
    for suite in "${APT_SUITES[@]}"; do
        /usr/lib/apt/apt-helper "${APT[@]}" cat-file "$(apt_list "$suite")" |
            awk -v suite="$suite" '$1 == "Package:" { name = $2 } $1 == "Version:" { print name, $2, suite }'
    done
}

# apt_fetch DIR PACKAGE=VERSION...: downloads each .deb into DIR.
apt_fetch() {
    local dir=$1
    shift
    mkdir -p "$dir"
    (cd "$dir" && apt-get "${APT[@]}" -qq download "$@" >&2)
}

# shellcheck shell=bash
# A private apt: trixie and trixie-backports in a directory of our own, whatever the machine itself runs.
# Needs no root and changes nothing of the machine's apt.

APT_KEYRING=/usr/share/keyrings/debian-archive-keyring.gpg

# apt_open DIR MIRROR: fetches the package lists into DIR and leaves the options in the array APT.
apt_open() {
    local dir=$1 mirror=$2
    mkdir -p "$dir/lists/partial" "$dir/cache/archives/partial" "$dir/etc"
    : >"$dir/status"
    printf 'deb [signed-by=%s] %s %s main\n' \
        "$APT_KEYRING" "$mirror" trixie "$APT_KEYRING" "$mirror" trixie-backports >"$dir/sources.list"
    # After the machine's own configuration, so that its proxies hold, and its hooks do not run here.
    cat >"$dir/apt.conf" <<END
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
END
    APT=(-c "$dir/apt.conf")
    apt-get "${APT[@]}" -qq update >&2 ||
        die "cannot read the package lists of trixie and trixie-backports from $mirror" \
            "is the network up? Another mirror: MP3_MIRROR=URI $0"
}

# Prints "PACKAGE VERSION" for every package of the given suite's main component.
apt_packages() {
    local suite=$1 file
    # shellcheck disable=SC2016 # apt expands it
    file=$(apt-get "${APT[@]}" indextargets --format '$(FILENAME)' 'Created-By: Packages' "Codename: $suite")
    /usr/lib/apt/apt-helper "${APT[@]}" cat-file "$file" |
        awk '$1 == "Package:" { name = $2 } $1 == "Version:" { print name, $2 }'
}

# apt_fetch DIR PACKAGE=VERSION: downloads a .deb into DIR and prints its path.
apt_fetch() {
    local dir=$1
    mkdir -p "$dir"
    (cd "$dir" && apt-get "${APT[@]}" -qq download "$2" >&2) || return 1
    set -- "$dir/${2%%=*}"_*.deb
    printf '%s\n' "$1"
}

# shellcheck shell=bash
# What watches many machines, of Debian's: Prometheus, promtool and two other exporters; DuckDB from PyPI; and the modules by
# which a guest has a network.

FLEET_PACKAGES=(prometheus prometheus-node-exporter prometheus-process-exporter python3 python3-pip libstdc++6 util-linux)
FLEET_DUCKDB=duckdb==1.4.4
# The network card of the guests that are watched.
FLEET_CARD=virtio_net
# Part of the name of what is cached: raise it when this file makes something else than before.
FLEET_RECIPE=1

# fleet_directory RELEASE: prints where all of this lives for the guest's kernel.
fleet_directory() {
    printf '%s\n' "$MP3_CACHE/fleet/$1-$FLEET_RECIPE"
}

# fleet_root: prints where the programs are.
fleet_root() {
    printf '%s\n' "$MP3_CACHE/fleet/root-$FLEET_RECIPE"
}

# fleet_card TMP DIR: the card's module and what it depends on, for the prepared kernel.
fleet_card() {
    local tmp=$1 dir=$2 release version suite suites=(trixie)
    read -r release version _ suite <"$(prepared_kernel "$MP3_CACHE/current")/source/kernel"
    mkdir -p "$dir"
    [[ $suite == trixie ]] || suites+=("$suite")
    apt_open "$tmp/apt" "$(debian_mirror)" "${suites[@]}"
    apt_fetch "$tmp/debs" "linux-modules-$release=$version" ||
        die "the archive no longer has the modules of $release $version" "prepare a newer kernel: vm/prepare --update"
    dpkg-deb --fsys-tarfile "$tmp"/debs/*.deb | tar -x -C "$tmp" --no-same-owner
    guest_module "$dir" "$tmp/usr/lib/modules/$release" "$FLEET_CARD" | awk '!seen[$0]++' >"$dir/load"
}

# fleet_duckdb ROOT DIR: the Python package, with the Python of the root. The machine's own configuration of pip holds.
fleet_duckdb() {
    local root=$1 dir=$2 own=() name
    for name in "${!PIP_@}" "${!HTTP_PROXY@}" "${!HTTPS_PROXY@}" "${!http_proxy@}" "${!https_proxy@}" "${!no_proxy@}"; do
        own+=("$name=${!name}")
    done
    for name in /etc/pip.conf "${XDG_CONFIG_HOME:-$HOME/.config}/pip/pip.conf"; do
        [[ ! -e $name ]] || cat "$name"
    done >"$dir.conf"
    (root_enter "$root" "$(dirname "$dir")" -- env "${own[@]}" "PIP_CONFIG_FILE=$dir.conf" \
        python3 -m pip install --quiet --no-cache-dir --disable-pip-version-check --root-user-action ignore --target "$dir" "$FLEET_DUCKDB") >&2
    rm "$dir.conf"
    (root_enter "$root" "$dir" -- env "PYTHONPATH=$dir" python3 -c 'import duckdb') || die "DuckDB cannot be loaded"
}

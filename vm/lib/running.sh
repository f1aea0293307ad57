# shellcheck shell=bash
# A tree for the kernel that runs here, on a Debian machine with the compilers installed.

running_prepare() {
    die "--running-kernel: not written yet"
}

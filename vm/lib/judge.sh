# shellcheck shell=bash
# The judge of the kernel's log (testkit/judge), built where a compiler is.

# judge_built: prints the path of the program. It is static, since it is built in the toolchain root where the machine has no cargo
# of its own, and runs here. It has no dependencies, and a directory of its own, so that it waits for no other build.
judge_built() {
    local target=x86_64-unknown-linux-gnu
    RUSTFLAGS="-C target-feature=+crt-static" "$MP3_TOP/vm/cargo" build --quiet --manifest-path "$MP3_TOP/Cargo.toml" --package judge \
        --target-dir "$MP3_TOP/target/judge" --target "$target" </dev/null >&2 ||
        die --status 125 "the judge of the kernel's log (testkit/judge) does not build"
    printf '%s\n' "$MP3_TOP/target/judge/$target/debug/judge"
}

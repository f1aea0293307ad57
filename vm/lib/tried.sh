# shellcheck shell=bash
# The list of the kernels that were tried (docs/kernels.tsv): a line a kernel, its fields separated by tabs.

TRIED_FIELDS=(date suite release version rustc cc result tests passed failed skipped seconds)

# tried_record FILE ROW: puts the line in the file ROW in the place of the one for the same suite and version, or adds it.
# The newest version comes first. A short trial does not take the place of a full one.
tried_record() {
    local file=$1 row=$2 rows
    rows=$(grep -v '^#' "$file" 2>/dev/null || true)
    {
        printf '# %s\n' "$(IFS=$'\t' && printf '%s' "${TRIED_FIELDS[*]}")"
        { cat "$row" && printf '%s\n' "$rows"; } |
            awk -F'\t' 'NF { key = $2 " " $4
                if (!(key in lines) || (lines[key] ~ /\tshort\t/ && $8 == "all")) lines[key] = $0 }
                END { for (key in lines) print lines[key] }' | sort --field-separator=$'\t' --key=4,4rV
    } >"$file.new"
    mv "$file.new" "$file"
}

# tried_other_series FILE RELEASE: prints the newest series of which a kernel passed and which is not RELEASE's.
tried_other_series() {
    awk -F'\t' '!/^#/ && $7 == "passed" && match($3, /^[0-9]+\.[0-9]+/) { print substr($3, 1, RLENGTH) }' "$1" |
        sort --version-sort --reverse --unique | grep -vxF "$(grep -oE '^[0-9]+\.[0-9]+' <<<"$2")" | head -n 1
}

# tried_table FILE: prints the lines as a table for the terminal.
tried_table() {
    {
        printf '%s\n' "$(IFS=$'\t' && printf '%s' "${TRIED_FIELDS[*]}")"
        grep -v '^#' "$1"
    } | cut --fields=2,4- | column --table --separator $'\t'
}

# tried_page FILE: prints docs/kernels.md.
tried_page() {
    cat <<'END_OF_PAGE'
# Kernels

The kernels on which the module was built, loaded and tested, each booted in QEMU as Debian ships it. `make kernels` writes this page and
[kernels.tsv](kernels.tsv), from which `vm/prepare` chooses: it takes the newest kernel of trixie-backports that passed, and an
untried one only where it is asked to (`vm/prepare --update`) or where no other is on offer. `vm/prepare --untried` says which kernels
Debian has that are not in this list.

| kernel | suite | rustc | compiler | result | tests | passed | failed | skipped | seconds | on |
|---|---|---|---|---|---|---|---|---|---|---|
END_OF_PAGE
    awk -F'\t' '!/^#/ { printf "| %s | %s | %s | %s | %s | %s | %s | %s | %s | %s | %s |\n", $4, $2, $5, $6, $7, $8, $9, $10, $11, $12, $1 }' "$1"
    cat <<'END_OF_PAGE'

The version is that of Debian's package. *All* tests are those of `mp3-tests` in two guests: all suites but the long ones on two processors,
and the suites of time on one whose clock counts instructions; *short* are those of `vm/kernels --short`. *Seconds* are those of the whole:
making the kernel's tree where it was not there yet, building the module, booting, testing.
END_OF_PAGE
}

# shellcheck shell=bash
# KCSAN's reports of data races: which of them count.
#
# A report counts if one of its two stack traces has a function of the module in it, and debug/races does not explain it.
# The others are the kernel's own: under CONFIG_KCSAN_STRICT there are many.

# races_judge LOG: prints LOG without the reports that do not count; on stderr, how many there were of which kind.
races_judge() {
    awk -v expected="$MP3_TOP/vm/debug/races" '
        BEGIN {
            while ((getline line <expected) > 0)
                if (line ~ /^[A-Za-z_]/) { split(line, word, " "); meant[word[1]] = 1 }
        }
        # The text behind the time stamp.
        function text(line) { sub(/^(<[0-9]+>)?\[ *[0-9]+\.[0-9]+\] ?(\[[^]]*\] ?)?/, "", line); return line }
        # The function of a stack frame, without offsets.
        function name(frame) { sub(/^ */, "", frame); sub(/[+ ].*/, "", frame); return frame }
        # Our marked read of what the kernel writes without a mark: meant, if the list has the writer.
        function is_meant(ours, other) {
            return kind[ours] == "read (marked)" && module[ours] && top_module[ours] && kind[other] ~ /^(read-)?write$/ &&
                !module[other] && (top[other] in meant)
        }
        function judge(    i, line, access_, ours, other) {
            access_ = 0
            split("", kind); split("", top); split("", module); split("", top_module)
            for (i = 1; i <= length_; i++) {
                line = text(block[i])
                if (line ~ / 0x[0-9a-f]+ of [0-9]+ bytes by .* on cpu [0-9]+:$/) {
                    access_++
                    sub(/^race at unknown origin, with /, "", line)
                    sub(/ to 0x.*/, "", line)
                    kind[access_] = line
                } else if (line ~ /^ [^ ].*\+0x/ && access_) {
                    if (!(access_ in top)) { top[access_] = name(line); top_module[access_] = line ~ /\[mp3\]/ }
                    if (line ~ /\[mp3\]/) module[access_] = 1
                } else if (line ~ /^(Reported by|value changed)/)
                    break
            }
            if (!module[1] && !module[2]) { kernels++; return 0 }
            ours = module[1] ? 1 : 2
            other = 3 - ours
            if (access_ == 2 && is_meant(ours, other)) { explained[top[other]]++; return 0 }
            counting++
            return 1
        }
        function flush(    i) { for (i = 1; i <= length_; i++) print block[i]; length_ = 0 }
        text($0) ~ /^=+$/ {
            block[++length_] = $0
            if (!inside) { inside = 1; race = 0; next }
            inside = 0
            if (race && !judge()) length_ = 0
            flush()
            next
        }
        inside {
            if (text($0) ~ /^BUG: KCSAN:/) race = 1
            block[++length_] = $0
            next
        }
        { print }
        END {
            flush()
            total = 0
            for (writer in explained) total += explained[writer]
            printf "data races: %d that count; %d of the kernel with itself; %d expected%s\n", counting, kernels, total,
                total ? ", with our marked reads, of writes in" : "" >"/dev/stderr"
            for (writer in explained) printf "    %6d  %s\n", explained[writer], writer >"/dev/stderr"
        }' "$1"
}

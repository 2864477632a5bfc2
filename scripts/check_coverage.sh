#!/usr/bin/env bash
# Fails if a branch of the session, its framer, the logins or src/data was reached by no test that ran in TREE
# and docs/coverage.md does not list it, and if it lists one that is reached or gone. usage: check_coverage.sh TREE
set -euo pipefail
cd "$(dirname "$0")/.."
tree=$1
files=$(printf 'src/wire/%s.c ' session usual units steps reply_queue description parameters be_read auth digest scram errmap saslprep nfkc)
files+=$(ls src/data/*.c | grep -vE '/(float_powers|digits)\.c') # tables: nothing in them is measured
info=$(mktemp)
trap 'rm -f "$info"' EXIT
for floor in wire data; do
    lcov --quiet --rc lcov_branch_coverage=1 --capture --directory "$tree/src/$floor" --base-directory . \
        --no-external --output-file - 2> >(grep -v ' redefined at ' >&2)
done >"$info"

awk -v files="$files" -v root="$PWD/" '
function bare(text) { gsub(/^[ `]+|[ `]+$/, "", text); return text }
BEGIN { FS = "|"; n = split(files, name, " "); for (i = 1; i <= n; i++) wanted[name[i]] = 1 }

# The list: | `file` | branches | `part of the line` | why |
FILENAME ~ /\.md$/ {
    if ($0 !~ /^\| *`src\//) next
    entries++
    of[entries] = bare($2); allowed[entries] = bare($3) + 0; part[entries] = bare($4)
    if (bare($5) == "") { print FILENAME ":" FNR ": no reason"; failed = 1 }
    next
}

/^SF:/ { file = substr($0, 4); if (index(file, root) == 1) file = substr(file, length(root) + 1); seen[file] = 1 }
/^BRDA:/ && file in wanted {
    split(substr($0, 6), b, ",")
    total++
    if (b[4] == "-" || b[4] == 0) open[file "|" b[1]]++
}

END {
    for (file in wanted) {
        if (!(file in seen)) { print file ": nothing was measured"; failed = 1; continue }
        line = 0
        while ((getline text < file) > 0) {
            if (!((file "|" ++line) in open)) continue
            missed = open[file "|" line]
            for (e = entries; e > 0; e--) if (of[e] == file && index(text, part[e])) break
            if (e) used[e] = 1
            if (e && missed <= allowed[e]) { listed += missed; continue }
            sub(/^ +/, "", text)
            printf "%s:%d: %d branches not reached%s: %s\n", file, line, missed, \
                e ? " (" allowed[e] " listed)" : " and not listed in docs/coverage.md", text
            failed = 1
        }
        close(file)
    }
    for (e = 1; e <= entries; e++)
        if (!(e in used)) { printf "docs/coverage.md: listed, but reached or gone: %s: %s\n", of[e], part[e]; failed = 1 }
    if (!failed) printf "coverage: %d branches of %d files, %d listed, all others reached\n", total, n, listed
    exit failed
}' docs/coverage.md "$info"

#!/usr/bin/env bash
# docs/rows.md is true: each row has tests, they exist, and each of them names the row.
set -euo pipefail
cd "$(dirname "$0")/.."
{
    # "api/test_dial A09" for each row that each file names; a row in a test's name stands before '_'.
    grep -roP --include='test_*.c' '(?<![A-Za-z0-9])[A-Z][0-9]{1,2}(?![A-Za-z0-9])' tests |
        sed -E 's,^tests/(.*)\.c:,\1 ,' | sort -u
    echo "=="
    grep -E '^\| [A-Z][0-9]+ \|' docs/rows.md
} | awk '
    $0 == "==" { table = 1; next }
    !table { names[$1, $2] = 1; next }
    {
        row = $2
        rows++
        if (seen[row]++) bad = bad "rows: " row " is in docs/rows.md twice\n"
        n = split($0, part, "`")
        if (n < 3) bad = bad "rows: " row " has no test\n"
        for (i = 2; i < n; i += 2)
            if (!((part[i], row) in names))
                bad = bad "rows: tests/" part[i] ".c " \
                      ((system("test -e tests/" part[i] ".c") == 0) ? "does not name " row : "(" row ") is not there") "\n"
    }
    END {
        if (rows < 50) bad = bad "rows: only " rows + 0 " rows seen: is the check looking at the table?\n"
        printf "%s", bad > "/dev/stderr"
        exit bad != ""
    }'

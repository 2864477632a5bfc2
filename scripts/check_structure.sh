#!/usr/bin/env bash
# Structure as checks: the floors, the public headers, the exported symbols, the calls that do not belong
# here, the sizes of files and functions, the README's example. usage: check_structure.sh SHARED_LIBRARY
set -euo pipefail
cd "$(dirname "$0")/.."
library=$1
bad=0
complain() {
    echo "structure: $*" >&2
    bad=1
}

# Floors: an include goes down, never up. query -> pool -> data -> wire.
declare -A may=([wire]='wire' [data]='data|wire' [pool]='pool|data|wire' [query]='query|pool|data|wire')
includes=0
for floor in wire data pool query; do
    while IFS=: read -r file line; do
        included=$(sed -n 's/^#include "\([^"]*\)".*/\1/p' <<<"$line")
        includes=$((includes + 1))
        [[ $included =~ ^(${may[$floor]})/ ]] || complain "$file: a $floor file may not include \"$included\""
    done < <(grep -H '^#include "' src/$floor/*.[ch])
done
[ "$includes" -gt 20 ] || complain "only $includes includes seen: is the check looking at the sources?"
while read -r file; do
    [ "$file" = src/pool/loop_ev.c ] || complain "$file includes <ev.h>: only src/pool/loop_ev.c may"
done < <(grep -l '^#include <ev.h>' src/*/*.[ch])
while read -r file; do
    complain "$file: no descriptor or loop in src/wire"
done < <(grep -lE '^#include <(sys/socket|poll|sys/epoll|sys/time|unistd|redw/loop)\.h>' src/wire/*.[ch])
while read -r hit; do
    complain "no clock in src/wire: $hit"
done < <(grep -nE '\b(time|clock_gettime|gettimeofday|clock)[[:space:]]*\(' src/wire/*.[ch] | grep -vE ':[0-9]+:[[:space:]]*(/?\*|//)')

# Calls that have no place in this code base.
while read -r hit; do
    complain "$hit"
done < <(grep -nE '\b(strcpy|strcat|sprintf|vsprintf|gets|strtok|atoi|atol|strtod|alloca|getaddrinfo|gethostbyname|usleep|sleep)[[:space:]]*\(' \
    src/*/*.[ch] | grep -vE ':[0-9]+:[[:space:]]*(/?\*|//)')
while read -r hit; do
    complain "memory goes through wire/mem.h: $hit"
done < <(grep -nE '\b(malloc|calloc|realloc|free|strdup)[[:space:]]*\(' src/*/*.[ch] | grep -v '^src/wire/mem.c' |
    grep -vE ':[0-9]+:[[:space:]]*(/?\*|//)')

# Sizes: a file is read in one sitting, a function on one screen. The tables of a function, static const, do not
# count: a row more is nothing more to understand.
while read -r hit; do
    complain "$hit"
done < <(find src tests bench examples -name '*.[ch]' -print0 | xargs -0 awk '
    FNR == 1 { start = table = 0 }
    FNR == 801 { print FILENAME " has more than 800 lines" }
    /^\{/ { start = FNR; rows = 0; name = before; functions++ }
    start && /^    static const .*\{$/ { table = FNR }
    table && /^    \};/ { rows += FNR - table; table = 0 }
    start && /^\}/ {
        if (FNR - start + 1 - rows > 80)
            print FILENAME ":" start ": " FNR - start + 1 - rows " lines of a function: " name
        start = table = 0
    }
    { before = $0 }
    END { if (functions < 2000) print "only " functions + 0 " functions seen: is the check looking at the sources?" }')

# Each public header compiles alone, as C11 and as C++17, without a warning.
for header in include/redw.h include/redw/*.h; do
    echo "#include \"${header#include/}\"" | "${CC:-gcc}" -std=c11 -pedantic -Wall -Wextra -Werror -Iinclude -fsyntax-only -x c - ||
        complain "$header does not compile alone as C11"
    echo "#include \"${header#include/}\"" | "${CXX:-g++}" -std=c++17 -pedantic -Wall -Wextra -Werror -Iinclude -fsyntax-only -x c++ - ||
        complain "$header does not compile alone as C++17"
done

# Exported symbols equal the functions of the headers.
declared=$(cat include/redw/*.h | tr '\n' ' ' | grep -oE 'REDW_API[^;{]*' | grep -oE '\bredw_[a-z0-9_]+ ?\(' | tr -d ' (' | sort -u)
exported=$(nm -D --defined-only "$library" | awk '$2 ~ /[TDBRV]/ { sub(/@.*/, "", $3); print $3 }' | sort -u)
difference=$(diff <(echo "$declared") <(echo "$exported") || true)
[ -z "$difference" ] || complain "declared (<) and exported (>) symbols differ:
$difference"
[ "$(wc -l <<<"$declared")" -gt 30 ] || complain "too few declared functions seen"

# The README's example is examples/hello.c, which the tests compile and run.
diff <(awk '/^```c$/ { on = 1; next } /^```$/ { on = 0 } on' README.md) examples/hello.c >&2 ||
    complain "the C block of README.md differs from examples/hello.c"
lines=$(wc -l <examples/hello.c)
[ "$lines" -le 34 ] || complain "examples/hello.c has $lines lines: the README promises 30"

exit "$bad"

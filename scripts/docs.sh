#!/usr/bin/env bash
# The public headers are the reference; this puts them on one page. usage: docs.sh DIR
set -euo pipefail
cd "$(dirname "$0")/.."
mkdir -p "$1"
{
    echo "# redw $(sed -n 's/.*REDW_VERSION "\(.*\)"/\1/p' include/redw/base.h): reference"
    for h in include/redw.h include/redw/{base,value,error,result,client,request,stream,loop,sync}.h; do
        printf '\n## <%s>\n\n```c\n' "${h#include/}"
        sed '1{/SPDX/d}' "$h"
        printf '```\n'
    done
} >"$1/reference.md"
echo "$1/reference.md"

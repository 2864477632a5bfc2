#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# with_pg.sh COMMAND...: runs the command with a private PostgreSQL and PgBouncer (scripts/pg.sh) whose
# directory is in REDW_TEST_PG and whose `env` and `bouncer.env` say where they are; stops them after.
# REDW_TEST_URI is the server's URI with the password in it. REDW_NO_BOUNCER=1 leaves PgBouncer out. If
# REDW_TEST_PG names a directory already, that one is used and left alone. Exit status: the command's.
set -euo pipefail
[ $# -ge 1 ] || { echo "usage: with_pg.sh COMMAND..." >&2; exit 2; }
top=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)

[ -z "${REDW_TEST_PG:-}" ] || exec "$@"

mkdir -p "$top/build/pg"
REDW_TEST_PG=$(mktemp -d "$top/build/pg/run.XXXXXX")
export REDW_TEST_PG
trap '"$top/scripts/pg.sh" stop "$REDW_TEST_PG"' EXIT
trap 'exit 129' HUP
trap 'exit 130' INT
trap 'exit 143' TERM

"$top/scripts/pg.sh" start "$REDW_TEST_PG" $$ >/dev/null
[ -n "${REDW_NO_BOUNCER:-}" ] || "$top/scripts/pg.sh" bouncer "$REDW_TEST_PG" >/dev/null
REDW_TEST_URI=$(eval "$(cat "$REDW_TEST_PG/env")" && echo "${URI/redw@/redw:$PASSWORD@}")
export REDW_TEST_URI
"$@"

#!/usr/bin/env bash
# The main job: examples/demo.c on a private PostgreSQL 15 with TLS and SCRAM, or on the server of a URI.
# usage: demo.sh PROGRAM [URI]
set -euo pipefail
cd "$(dirname "$0")/.."
program=$1
echo "building"
make -s -j"$(nproc)" "$program"
if [ $# -gt 1 ]; then
    exec "$program" "$2"
fi
echo "starting a private PostgreSQL 15 (TLS, SCRAM-SHA-256)"
REDW_NO_BOUNCER=1 exec scripts/with_pg.sh sh -c 'exec "$0" "$REDW_TEST_URI"' "$program"

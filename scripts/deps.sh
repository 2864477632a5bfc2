#!/usr/bin/env bash
# Installs the Debian packages that are missing. `deps.sh demo`: to build and run the demo; `deps.sh test`:
# also what tests and bench use. Does nothing, and needs no rights, when all are there.
set -euo pipefail
demo="gcc make pkg-config libc6-dev libssl-dev libev-dev libc-ares-dev openssl postgresql-15 util-linux"
test="$demo g++ check libsubunit-dev libpq-dev pgbouncer clang libclang-rt-14-dev llvm valgrind cppcheck python3 lcov git locales strace"
case "${1:-}" in
demo) want=$demo ;;
test) want=$test ;;
*) echo "usage: deps.sh demo|test" >&2; exit 2 ;;
esac

missing=
for p in $want; do
    [ "$(dpkg-query -W -f='${db:Status-Abbrev}' "$p" 2>/dev/null)" = "ii " ] || missing="$missing $p"
done
[ -n "$missing" ] || exit 0

sudo=
[ "$(id -u)" = 0 ] || sudo=sudo
if [ -n "$sudo" ] && ! command -v sudo >/dev/null; then
    echo "deps: please install, as root:$missing" >&2
    exit 1
fi
echo "deps: installing$missing"
# Debian's package would start a cluster on port 5432; redw never uses one that it did not start.
case "$missing" in
*postgresql-15*)
    $sudo mkdir -p /etc/postgresql-common/createcluster.d
    echo "create_main_cluster = false" | $sudo tee /etc/postgresql-common/createcluster.d/redw.conf >/dev/null ;;
esac
export DEBIAN_FRONTEND=noninteractive
log=$(mktemp)
trap 'rm -f "$log"' EXIT
apt_get() { $sudo env DEBIAN_FRONTEND=noninteractive apt-get -o DPkg::Lock::Timeout=120 "$@"; }
# The lists on the machine may be fresh enough; if not, update and try once more.
# shellcheck disable=SC2086
if ! apt_get install -y --no-install-recommends $missing >"$log" 2>&1; then
    apt_get update >>"$log" 2>&1
    apt_get install -y --no-install-recommends $missing >>"$log" 2>&1 || { tail -n 20 "$log" >&2; exit 1; }
fi

#!/usr/bin/env bash
# Installs into a stage below the build tree and uses what was installed: shared and static, by pkg-config.
# usage: check_install.sh TREE
set -euo pipefail
cd "$(dirname "$0")/.."
tree=$1
stage=$PWD/$tree/stage
rm -rf "$stage"
make -s install DESTDIR="$stage" PREFIX=/usr LIBDIR=/usr/lib
sed -i "s|^prefix=.*|prefix=$stage/usr|; s|^libdir=.*|libdir=$stage/usr/lib|" "$stage/usr/lib/pkgconfig/redw.pc"
export PKG_CONFIG_PATH=$stage/usr/lib/pkgconfig
cat >"$stage/use.c" <<'C'
#include <redw.h>
#include <stdio.h>
#include <string.h>
int main(void)
{
    printf("%s %s\n", redw_version(), redw_strerror(REDW_EFULL));
    return strcmp(redw_version(), REDW_VERSION) != 0;
}
C
# shellcheck disable=SC2046
"${CC:-gcc}" "$stage/use.c" $(pkg-config --cflags --libs redw) -o "$stage/use-shared"
LD_LIBRARY_PATH=$stage/usr/lib "$stage/use-shared" >/dev/null
readelf -d "$stage/use-shared" | grep -q 'libredw\.so\.0\.1' || { echo "install: no SONAME dependency" >&2; exit 1; }
# shellcheck disable=SC2046
"${CC:-gcc}" "$stage/use.c" $(pkg-config --cflags redw) "$stage/usr/lib/libredw.a" \
    $(pkg-config --static --libs-only-l redw | sed 's/-lredw//') -o "$stage/use-static"
"$stage/use-static" >/dev/null
make -s uninstall DESTDIR="$stage" PREFIX=/usr LIBDIR=/usr/lib
left=$(find "$stage/usr" -type f -o -type l)
[ -z "$left" ] || { echo "install: uninstall left $left" >&2; exit 1; }

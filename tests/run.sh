#!/usr/bin/env bash
# Runs test programs, two at a time, each with a time bound of its own; prints each one's last lines (Check's
# closing line among them) and, where one failed, all it said. usage: run.sh TREE PROGRAM...
set -u
tree=$1
shift
logs=$tree/log
mkdir -p "$logs"
export REDW_TEST_TREE=$tree
# A locale with a decimal comma, for the tests that values are the same under it (support/comma.h).
REDW_TEST_LOCALES=$(realpath -m "$tree")/locale
export REDW_TEST_LOCALES
[ -d "$REDW_TEST_LOCALES/de_DE.UTF-8" ] || { mkdir -p "$REDW_TEST_LOCALES" &&
    localedef --no-archive -i de_DE -f UTF-8 "$REDW_TEST_LOCALES/de_DE.UTF-8"; } || true
export ASAN_OPTIONS=${ASAN_OPTIONS:-detect_stack_use_after_return=1}
export CK_DEFAULT_TIMEOUT=${CK_DEFAULT_TIMEOUT:-240}
run_one() {
    local program=$1 log=$2 start=$SECONDS status
    timeout -k 10 300 "$program" >"$log" 2>&1 </dev/null
    status=$?
    if [ "$status" -eq 0 ]; then
        printf '%s (%d s)\n' "$program" $((SECONDS - start))
        grep -v '^Running suite' "$log" | tail -n 12
    else
        printf 'FAILED %s: exit status %d after %d s; it said:\n' "$program" "$status" $((SECONDS - start))
        tail -n 200 "$log"
    fi
    return "$status"
}
export -f run_one
failed=0
for program in "$@"; do
    name=${program#"$tree"/} # with its floor: two floors may each have a test_ways
    printf '%s\0%s\0' "$program" "$logs/${name//\//-}.txt"
done | xargs -0 -n 2 -P "$(nproc)" bash -c 'run_one "$0" "$1" || exit 1' || failed=1
[ "$failed" -eq 0 ] || echo "some test programs failed: see FAILED above"
exit "$failed"

#!/usr/bin/env bash
# What `make test` runs, in order, cheapest first. Each step says what it is and how long it took.
set -euo pipefail
cd "$(dirname "$0")/.."
unset MAKEFLAGS MFLAGS MAKELEVEL # each step is a make of its own, as a user would type it
jobs=-j$(nproc)
step() {
    local start=$SECONDS
    echo "== $1"
    shift
    "$@"
    echo "== $((SECONDS - start)) s"
}
step "libraries" make -s "$jobs" all
step "structure: floors, headers, symbols, install, README" make -s structure
step "clang compiles everything without a warning; cppcheck" make -s "$jobs" lint
step "build the tests" make -s "$jobs" tests
step "build the tests under ASan+UBSan" make -s "$jobs" tests VARIANT=asan
step "tests, plain" make -s "$jobs" check
step "tests, ASan+UBSan" make -s "$jobs" asan
[ ! -e tests/api/test_threads.c ] || step "threads, TSan" make -s "$jobs" tsan
step "deterministic gates: instructions and allocations" make -s bench-gate
echo "all checks passed"

#!/usr/bin/env bash
# Lines and branches of src reached by the tests that ran in TREE: a summary, and HTML in build/coverage. Then the
# files that must be reached to their last branch.
set -euo pipefail
cd "$(dirname "$0")/.."
tree=$1
mkdir -p build/coverage
quietly() { "$@" 2> >(grep -v ' redefined at ' >&2); }
quietly lcov --quiet --rc lcov_branch_coverage=1 --capture --directory "$tree/src" --base-directory . --no-external \
    --output-file build/coverage/all.info
genhtml --quiet --branch-coverage --output-directory build/coverage build/coverage/all.info
quietly lcov --rc lcov_branch_coverage=1 --list build/coverage/all.info
scripts/check_coverage.sh "$tree"

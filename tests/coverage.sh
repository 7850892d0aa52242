#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# How much of the pure core its unit tests, the simulator and the corpora reach: SIP text, transactions, steering, wheel, health,
# engine, frames. See usage.
set -euo pipefail
cd "$(dirname "$0")/.."

lines_min=98
branches_min=93

usage() {
	cat <<'USAGE'
usage: tests/coverage.sh [--check | --branches] [BUILD_DIR]

Builds BUILD_DIR (build/coverage) with gcov, runs the tests of the core and prints lines and branches reached, a file at a
time, with the lines that are not. What an assert() guards against is no branch: that cannot happen by itself.
  --branches  the branches not taken as well
  --check     only the totals; status 1 if they are below what docs/testing.md promises
USAGE
}

report=()
dir=build/coverage
for option in "$@"; do
	case $option in
	--check) report=(--totals --lines-min $lines_min --branches-min $branches_min) ;;
	--branches) report=(--branches) ;;
	-h | --help) usage; exit 0 ;;
	-*) echo "coverage.sh: unknown option $option" >&2; usage >&2; exit 64 ;;
	*) dir=$option ;;
	esac
done

suites=(sip call net health sim corpus)

log=$(mktemp)
trap 'rm -f "$log"' EXIT
run() {
	"$@" >"$log" 2>&1 || { cat "$log" >&2; echo "coverage.sh: $1 failed" >&2; exit 1; }
}

[ -e "$dir/build.ninja" ] ||
	run meson setup "$dir" --buildtype=debug -Doptimization=0 -Db_coverage=true -Djemalloc=false -Dwerror=false
run ninja -C "$dir" build.ninja # what meson.build files say now
chosen=()
for suite in "${suites[@]}"; do
	chosen+=(--suite "$suite")
done
# The programs of those suites, and nothing else: the daemon need not be built.
targets=$(meson introspect "$dir" --tests | python3 -c '
import json, os, sys
here = os.path.realpath(sys.argv[1])
for test in json.load(sys.stdin):
    if {suite.split(":")[-1] for suite in test["suite"]} & set(sys.argv[2:]):
        for word in test["cmd"]:
            if word.startswith(here + "/"):
                print(os.path.relpath(word, here))
' "$dir" "${suites[@]}" | sort -u)
run ninja -C "$dir" $targets
run ninja -C "$dir" -t cleandead # objects that are built no longer
find "$dir" -name '*.gcda' -delete
run meson test -C "$dir" --no-rebuild --timeout-multiplier 5 "${chosen[@]}"
tests/coverage-report.py "${report[@]}" "$dir"

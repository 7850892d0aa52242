#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# How much of the pure core its unit tests, the simulator and the corpora reach: SIP text, transactions, steering, wheel, health,
# engine, frames. See usage.
set -euo pipefail
cd "$(dirname "$0")/.."

lines_min=95
branches_min=85

usage() {
	cat <<'USAGE'
usage: tests/coverage.sh [--check] [BUILD_DIR]

Builds BUILD_DIR (build/coverage) with gcov, runs the tests of the core and prints lines and branches reached, a file at a
time, with those that are not. What an assert() guards against is no branch: that cannot happen by itself.
  --check  only the totals; status 1 if they are below what docs/testing.md promises
USAGE
}

check=no
dir=build/coverage
for option in "$@"; do
	case $option in
	--check) check=yes ;;
	-h | --help) usage; exit 0 ;;
	-*) echo "coverage.sh: unknown option $option" >&2; usage >&2; exit 64 ;;
	*) dir=$option ;;
	esac
done
for program in gcovr gcov; do
	command -v $program >/dev/null || { echo "coverage.sh: $program is missing (packaging/deps.sh test)" >&2; exit 77; }
done

suites=(sip call net health sim corpus)
core=(dataplane/sip dataplane/call dataplane/net/decode dataplane/net/frag dataplane/net/wire dataplane/net/csum
	control/timers control/health control/engine include/switchback)

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
find "$dir" -name '*.gcda' -delete
run meson test -C "$dir" --no-rebuild --timeout-multiplier 5 "${chosen[@]}"

filters=()
for part in "${core[@]}"; do
	filters+=(--filter "$part")
done
found=$dir/coverage.json
run gcovr --root . --object-directory "$dir" "${filters[@]}" --exclude-branches-by-pattern '.*\bassert\(.*' --json "$found" "$dir"
report() {
	gcovr --root . --add-tracefile "$found" "$@"
}
if [ $check = no ]; then
	report --txt
	report --txt --branches
fi
status=0
report --print-summary --fail-under-line $lines_min --fail-under-branch $branches_min >"$log" 2>&1 || status=1
grep -E '^(lines|branches): |failed minimum' "$log"
exit $status

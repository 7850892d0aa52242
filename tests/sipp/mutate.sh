#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# Does each end-to-end test fail when its behaviour is broken? Each mutation of mutations.txt is applied to a copy of the tree, one
# at a time, and the test that it names must fail. First the tests named are run on the tree as it is: all must pass. Every test
# has a mutation (../check-mutations.sh). Prints a table; the exit status is 0 if every mutation was caught. Needs root.
# usage: mutate.sh [--fast] [NAME...]     NAME: of mutations or of tests; --fast: do not run the unmutated tree first
# MUTATE_RUN_PREFIX: a command that each run of a test is handed to, where the machine is shared: "flock /some/file", "nice".
set -euo pipefail
root=$(cd "$(dirname "$0")/../.." && pwd)
. "$root/tests/mutate-lib.sh"
fast=no
names=()
while [ $# -gt 0 ]; do
	case $1 in
	--fast) fast=yes ;;
	-*) sed -n 3,8p "$0"; exit 64 ;;
	*) names+=("$1") ;;
	esac
	shift
done
export SWITCHBACK_MEMORY_SECONDS=${SWITCHBACK_MEMORY_SECONDS:-60}
read -ra prefix <<<"${MUTATE_RUN_PREFIX:-}"

build() { nice -n 10 ninja -C "$work/b" control/switchbackd control/manage/switchbackctl tests/sipp/sb-bridge bench/loadgen/loadgen; }
# 1: the test failed, or did not end. Anything else that is not 0: the test bed could not be set up.
judge() {
	local code=0
	TMPDIR=$work "${prefix[@]}" timeout 240 "$tree/tests/sipp/run" --build "$work/b" --only "$test" >"$work/out" 2>&1 || code=$?
	rm -rf "$work"/switchback-test-*
	grep -qE '^ *1/1 skip' "$work/out" && code=77
	[ $code -ne 124 ] || code=1
	return $code
}
describe() {
	local at
	at=$(sed -n 's/^ *at \([a-z_]*\.py:[0-9]*\):.*/\1/p' "$work/out" | tail -n 1)
	[ "$result" != caught ] || at=${at:-after it: $(sed -n 's/^ *\([A-Z][A-Za-z]*:.*\)/\1/p' "$work/out" | head -n 1 | cut -c 1-70)}
	[ "$result" != broken ] || at=$(tail -n 1 "$work/out")
	echo "$test ${at:-}"
}

# The tests of all mutations wanted, each once; a second try tells the machine's faults from the tree's.
unmutated() {
	local line passed=0 seen=" "
	while IFS= read -r line <&3; do
		mutate_split "$line"
		mutate_wanted || continue
		[[ $seen != *" $test "* ]] || continue
		seen+="$test "
		judge || judge || { echo "without any mutation fails $test:"; cat "$work/out"; return 1; }
		passed=$((passed + 1))
	done 3< <(mutate_lines "$root/tests/sipp/mutations.txt")
	echo "unmutated: $passed tests pass"
}

"$root/tests/check-mutations.sh"
mutate_begin
[ $fast = yes ] || unmutated
mutate_all "$root/tests/sipp/mutations.txt"

#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# The lists of mutations are not stale: each text to be changed stands exactly once in its file, each name is there once, and every
# end-to-end test has at least one mutation that it must catch. Whether they are caught: sim/mutate.sh and sipp/mutate.sh.
set -euo pipefail
root=$(cd "$(dirname "$0")/.." && pwd)
. "$root/tests/mutate-lib.sh"
bad=0
n=0
complain() {
	echo "$1"
	bad=1
}

tests=$("$root/tests/sipp/run" --list | cut -d: -f1)
proved=" "
for list in tests/sim/mutations.txt tests/sipp/mutations.txt; do
	seen=" "
	while IFS= read -r line; do
		mutate_split "$line"
		n=$((n + 1))
		times=0
		[ ! -e "$root/$file" ] || times=$(mutate_times "$root/$file")
		[ "$times" -eq 1 ] || complain "$list: $name: its text stands $times times in $file"
		[[ $seen != *" $name "* ]] || complain "$list: $name is there twice"
		[ "$from" != "$to" ] || complain "$list: $name changes nothing"
		seen+="$name "
		proved+="$test "
		[ -z "$test" ] || grep -qx -- "$test" <<<"$tests" || complain "$list: $name: there is no test $test"
	done < <(mutate_lines "$root/$list")
done
for test in $tests; do
	[[ $proved == *" $test "* ]] || complain "tests/sipp/mutations.txt: nothing shows that $test can fail"
done
[ "$n" -gt 0 ] || complain "no mutations at all: the check itself is broken"
exit $bad

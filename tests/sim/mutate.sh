#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# The proof that the proof works: each mutation of mutations.txt is applied to a copy of the tree, one at a time, and the simulator
# must catch it. Prints a table; the exit status is 0 if every one was caught.
# usage: mutate.sh [--seeds N] [--calls M] [NAME...]     N seeds (500) of M calls (500) before a mutation counts as missed
set -euo pipefail
root=$(cd "$(dirname "$0")/../.." && pwd)
. "$root/tests/mutate-lib.sh"
seeds=500
calls=500
names=()
while [ $# -gt 0 ]; do
	case $1 in
	--seeds) seeds=$2; shift ;;
	--calls) calls=$2; shift ;;
	-*) sed -n 3,5p "$0"; exit 64 ;;
	*) names+=("$1") ;;
	esac
	shift
done

build() { ninja -C "$work/b" tests/sim/sim; }
# Only what the simulator says is caught: that it took too long here proves nothing.
judge() {
	local code=0
	(cd "$work" && timeout 600 b/tests/sim/sim --seed 1 --seeds "$seeds" --calls "$calls" >"$work/out" 2>&1) || code=$?
	[ "$code" -eq 0 ] || grep -q '^FAIL INV-' "$work/out" && [ "$code" -ne 124 ] || return 2
	[ "$code" -eq 0 ]
}
describe() {
	local by seed
	[ "$result" = caught ] || { echo "- $seeds seeds"; return; }
	by=$(sed -n 's/^FAIL \(INV-[A-Z0-9]*\).*/\1/p' "$work/out" | head -n 1)
	seed=$(sed -n 's/^replay: .*--seed \([0-9]*\) .*/\1/p' "$work/out" | head -n 1)
	echo "$by" >>"$work/bit"
	printf '%-18s seed %s\n' "$by" "${seed:--}"
}

# Every invariant that the oracle knows must have caught something; but INV-NONE, which --break makes up, and INV-END, which is a
# limit on CPU time.
toothless() {
	grep -ohE 'INV-[A-Z0-9]+' "$root"/tests/sim/*.c | sort -u | grep -vxE 'INV-NONE|INV-END' | grep -vxFf "$work/bit"
}

mutate_begin
judge || { echo "the tree as it is breaks an invariant:"; grep -m2 -E '^(FAIL|replay)' "$work/out"; exit 1; }
code=0
mutate_all "$root/tests/sim/mutations.txt" || code=1
if [ ${#names[@]} -eq 0 ] && lame=$(toothless); then
	echo "caught nothing:" $lame
	code=1
fi
exit "$code"

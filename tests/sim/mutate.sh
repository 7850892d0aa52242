#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# The proof that the proof works: each mutation of mutations.txt is applied to a copy of the tree, one at a time, and the simulator
# must catch it. Prints a table; the exit status is 0 if every one was caught.
# usage: mutate.sh [--seeds N] [--calls M] [NAME...]     N seeds (500) of M calls (500) before a mutation counts as missed
set -euo pipefail
root=$(cd "$(dirname "$0")/../.." && pwd)
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

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
tree=$work/tree
mkdir "$tree"
tar -C "$root" --exclude=./build --exclude='./build-*' --exclude=./.git -cf - . | tar -C "$tree" -xf -
meson setup "$work/b" "$tree" --buildtype=release -Dwerror=false >"$work/setup" 2>&1 || { cat "$work/setup"; exit 1; }

build() { ninja -C "$work/b" tests/sim/sim >"$work/build" 2>&1; }
run() { (cd "$work" && timeout 300 b/tests/sim/sim --seed 1 --seeds "$seeds" --calls "$calls" >"$work/out" 2>&1); }

build || { tail -n 20 "$work/build"; exit 1; }
run || { echo "the tree as it is breaks an invariant:"; grep -m2 -E '^(FAIL|replay)' "$work/out"; exit 1; }

wanted() {
	local n
	[ ${#names[@]} -eq 0 ] && return 0
	for n in "${names[@]}"; do [ "$n" = "$1" ] && return 0; done
	return 1
}

caught=0
missed=0
printf '%-36s %-7s %-18s %s\n' mutation result by seeds
while IFS= read -r line; do
	case $line in '' | '#'*) continue ;; esac
	name=${line%% @@ *} rest=${line#* @@ }
	file=${rest%% @@ *} rest=${rest#* @@ }
	from=${rest%% @@ *} to=${rest#* @@ }
	wanted "$name" || continue
	result=missed by=- seed=$seeds
	cp "$tree/$file" "$work/kept"
	if ! FROM=$from TO=$to perl -0pi -e '$n = () = /\Q$ENV{FROM}\E/g; die "stands there $n times\n" if $n != 1; s/\Q$ENV{FROM}\E/$ENV{TO}/' \
		"$tree/$file" 2>"$work/build"; then
		result=stale by="$(head -c 40 "$work/build")" seed=-
	elif ! build; then
		result=stale by="does not compile" seed=-
	elif ! run; then
		result=caught
		by=$(sed -n 's/^FAIL \(INV-[A-Z0-9]*\).*/\1/p' "$work/out" | head -n 1)
		by=${by:-no-end}
		seed=$(sed -n 's/^replay: .*--seed \([0-9]*\) .*/\1/p' "$work/out" | head -n 1)
	fi
	cp "$work/kept" "$tree/$file"
	printf '%-36s %-7s %-18s %s\n' "$name" "$result" "$by" "${seed:--}"
	if [ "$result" = caught ]; then caught=$((caught + 1)); else missed=$((missed + 1)); fi
done <"$root/tests/sim/mutations.txt"
echo "$caught caught, $missed missed"
[ "$missed" -eq 0 ] && [ "$caught" -gt 0 ]

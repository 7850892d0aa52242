#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# Installs what is missing, builds, runs every test. The last line is "N passed, N failed"; the exit status is 0 if none failed.
set -uo pipefail
cd "$(dirname "$0")" || exit 1
. packaging/prepare.sh

usage() {
	cat <<'USAGE'
usage: sudo ./test.sh [--quick]

Installs missing packages, builds build/release and build/asan (AddressSanitizer, UndefinedBehaviorSanitizer), and runs
  unit tests, simulator and corpora in both builds, those with real threads under ThreadSanitizer as well (build/tsan),
  the checks of layers, lengths and format, how much of the core the tests reach (build/coverage), each fuzzer for a moment
  (build/fuzz, all of it built with clang), a short bench/capacity,
  and the end-to-end tests (sipp in network namespaces) on both builds.
  --quick  the release build alone
USAGE
}

quick=no
for option in "$@"; do
	case $option in
	--quick) quick=yes ;;
	-h | --help) usage; exit 0 ;;
	*) echo "test.sh: unknown option $option" >&2; usage >&2; exit 64 ;;
	esac
done

as_root=()
if [ "$(id -u)" -ne 0 ]; then
	command -v sudo >/dev/null || { echo "test.sh: network namespaces need root" >&2; exit 77; }
	as_root=(sudo)
fi

passed=0
failed=0
step=
failures=() # what the last lines tell: whoever sees only those should know where to look
say() {
	step=$1
	printf '\n== %s (%d s)\n' "$1" "$SECONDS"
}
# count PASSED FAILED [NAME of one that failed]...
count() {
	passed=$((passed + $1))
	failed=$((failed + $2))
	[ "$2" -eq 0 ] || failures+=("$step: ${*:3}")
}
finish() {
	[ ${#failures[@]} -eq 0 ] || printf '\nFAILED, %s\n' "${failures[@]}"
	echo
	echo "$SECONDS s in all"
	echo "$passed passed, $failed failed"
	[ "$failed" -eq 0 ] && [ "$passed" -gt 0 ]
	exit
}

# What takes part counts each of its tests; a step that breaks down before it can count is one failure.
under=()
unit() {
	local out ok bad names
	out=$("${under[@]}" meson test -C "$1" --no-rebuild --print-errorlogs --timeout-multiplier "${@:2}" 2>&1)
	grep -vE '^(ninja|\[|Full log)' <<<"$out" | grep -vE ' OK +[0-9.]+s' | grep -v '^$'
	ok=$(sed -n 's/^Ok: *\([0-9]*\).*/\1/p' <<<"$out")
	bad=$(awk '/^(Fail|Timeout|Unexpected Pass):/ {n += $NF} END {print n + 0}' <<<"$out")
	[ -n "$ok" ] || { ok=0 bad=1; echo "$out" | tail -n 20; }
	mapfile -t names < <(sed -nE 's/^ *[0-9]+\/[0-9]+ (.*[^ ]) +(FAIL|TIMEOUT|UNEXPECTEDPASS|ERROR) .*/\1/p' <<<"$out")
	count "$ok" "$bad" "${names[@]}"
}

# Whatever tells its tests in a last line "N passed, N failed".
telling() {
	local out line names
	out=$(mktemp)
	"$@" 2>&1 | tee "$out"
	line=$(tail -n 1 "$out")
	mapfile -t names < <(sed -nE 's/^ *[0-9]+\/[0-9]+ FAIL +[0-9.]+ s +//p; s/^FINDING ([a-z0-9_]+):.*/\1/p' "$out" | sort -u)
	rm -f "$out"
	if [[ $line =~ ^([0-9]+)\ passed,\ ([0-9]+)\ failed$ ]]; then
		count "${BASH_REMATCH[1]}" "${BASH_REMATCH[2]}" "${names[@]}"
	else
		count 0 1 "broke off: $line"
	fi
}

# End-to-end tests mostly wait. What needs nothing but CPU runs in the time that they leave, and in no other: nothing is late for it.
idle=(chrt -i 0 nice -n 19)
"${idle[@]}" true 2>/dev/null || idle=(nice -n 19)
begin_aside() {
	aside=$(mktemp -d) || { count 0 1; return; }
	set -m # a group of its own: it ends with us
	{
		"${idle[@]}" tests/coverage.sh --check >"$aside/coverage" 2>&1 && touch "$aside/covered"
		"${idle[@]}" tests/fuzz/run.sh --build-all --jobs 2 --seed 1 --no-merge 0.002 >"$aside/fuzz" 2>&1
	} &
	aside_pid=$!
	set +m
	trap 'kill -TERM -- "-$aside_pid" 2>/dev/null; rm -rf "$aside"' EXIT
	trap 'exit 130' INT
	trap 'exit 143' TERM
}
end_aside() {
	[ -d "${aside:-}" ] || return
	wait "$aside_pid"
	say "coverage of the core, beside these"
	cat "$aside/coverage"
	if [ -e "$aside/covered" ]; then count 1 0; else count 0 1; fi
	say "clang, fuzzers, beside these"
	telling cat "$aside/fuzz"
	rm -rf "$aside"
	trap - EXIT INT TERM
}

say "packages"
packaging/deps.sh build run test || { count 0 1; finish; }
"${as_root[@]}" bash -c '. packaging/prepare.sh && prepare_kernel'

say "build/release"
prepare_build build/release --buildtype=release || { count 0 1; finish; }
if [ $quick = no ]; then
	say "build/asan"
	prepare_build build/asan --buildtype=debug -Doptimization=1 -Dwerror=false -Db_sanitize=address,undefined -Djemalloc=false ||
		{ count 0 1; finish; }
	say "build/tsan"
	TARGET=threads-tests prepare_build build/tsan --buildtype=debug -Doptimization=1 -Db_sanitize=thread -Db_lundef=false \
		-Djemalloc=false || { count 0 1; finish; }
fi

say "unit tests, release"
unit build/release 2
if [ $quick = no ]; then
	say "unit tests, sanitized"
	unit build/asan 5
	say "threads, sanitized"
	# Some kernels shuffle memory more than ThreadSanitizer knows: they are asked not to, where that is allowed.
	under=(setarch "$(uname -m)" -R)
	"${under[@]}" true 2>/dev/null || under=()
	unit build/tsan 5 --suite threads
	under=()
fi

say "checks"
for check in tests/check-*.sh; do
	[ -e "$check" ] || continue
	if out=$("$check" build/release 2>&1); then
		echo "ok   $check"
		count 1 0
	else
		echo "FAIL $check"
		echo "$out"
		count 0 1 "$check"
	fi
done

# What a message costs, as a multiple of fixed work on the same core in the same run: docs/performance.md.
say "capacity, short"
out=$(mktemp)
"${as_root[@]}" bench/capacity --build build/release --short --most-references 4.6 2>&1 | tee "$out"
case ${PIPESTATUS[0]} in
0) count 1 0 ;;
77) echo "not on one CPU" ;;
*) count 0 1 "$(grep -E '^(FAILED|capacity):' "$out" || tail -n 1 "$out")" ;;
esac
rm -f "$out"

[ $quick = yes ] || begin_aside
say "end to end, release"
telling "${as_root[@]}" tests/sipp/run --build build/release
# What a driver can spoil: addresses, tags, sizes, ports, both directions, ICMP, timing, start and end.
say "end to end, release, on net_af_xdp"
telling "${as_root[@]}" tests/sipp/run --build build/release --driver net_af_xdp --only calls cancel dead_primary silent_primary_is \
	unavailable_primary third_trunk late_ primary_is_probed rubbish burst_to workers_wait missing_port lost_twin stop_is
if [ $quick = no ]; then
	say "end to end, sanitized"
	telling "${as_root[@]}" tests/sipp/run --build build/asan --sanitized
	end_aside
fi
finish

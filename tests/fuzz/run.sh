#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# Runs the fuzz targets (docs/testing.md): builds them with clang, gives each its share of CPU time, tells what was found, and
# brings what was learnt into tests/fuzz/corpus. The last line is "N passed, N failed", a target being one.
set -uo pipefail
cd "$(dirname "$0")/../.." || exit 1

usage() {
	cat <<'USAGE'
usage: tests/fuzz/run.sh [option...] HOURS

HOURS of CPU time (of AFL++: of time) for each target, such as 1 or 0.25, over and above what earlier runs gave it.
  --targets A,B,...   these alone
  --engine ENGINE     libfuzzer (default) or afl (AFL++: package afl++)
  --jobs N            so many at a time: the number of CPUs
  --seconds N         instead of HOURS: so much time, whatever CPU that is
  --seed N            the same draws each time (libFuzzer): for CI, where a red run must be somebody's change
  --build DIR         of an engine's build: build/fuzz, build/fuzz-afl
  --build-all         the whole tree, not the targets alone: clang's warnings are errors
  --no-build          it is up to date, or not to be touched
  --work DIR          corpora, findings and totals of all runs: build/fuzz-work
  --no-merge          tests/fuzz/corpus stays as it is
  --merge             nothing but bring what is in the work folder into tests/fuzz/corpus
  --totals            nothing but the table of all runs
USAGE
}

engine=libfuzzer jobs=$(nproc) seconds= build= make=targets work=build/fuzz-work merge=yes run=yes targets= by_time=no seed=0
while [ $# -gt 0 ]; do
	case $1 in
	--targets) targets=${2//,/ }; shift ;;
	--engine) engine=$2; shift ;;
	--jobs) jobs=$2; shift ;;
	--seconds) seconds=$2 by_time=yes; shift ;;
	--seed) seed=$2; shift ;;
	--build) build=$2; shift ;;
	--work) work=$2; shift ;;
	--no-build) make=no ;;
	--build-all) make=all ;;
	--no-merge) merge=no ;;
	--merge) run=no ;;
	--totals) run=no merge=no ;;
	-h | --help) usage; exit 0 ;;
	[0-9]* | .[0-9]*) seconds=$(awk -v h="$1" 'BEGIN { printf "%d", h * 3600 }') ;;
	*) usage >&2; exit 64 ;;
	esac
	shift
done
case $engine in
libfuzzer) build=${build:-build/fuzz} ;;
afl) build=${build:-build/fuzz-afl} ;;
*) usage >&2; exit 64 ;;
esac
[ $run = no ] || [ -n "$seconds" ] || { usage >&2; exit 64; }

rows() { sed -E 's/#.*//; /^[[:space:]]*$/d' tests/fuzz/targets.txt; }
targets=${targets:-$(rows | awk '{print $1}')}
mkdir -p "$work" || exit 1
totals=$work/totals.tsv

# of TARGET: longest input, dictionary, seed folders
row() { rows | awk -v t="$1" '$1 == t'; }
longest() { row "$1" | awk '{print $2}'; }
dictionary() { row "$1" | awk '$3 != "-" {print "tests/fuzz/" $3}'; }
seeds() { echo "tests/fuzz/corpus/$1"; row "$1" | awk '{for (i = 4; i <= NF; i++) print "tests/data/" $i}'; }

make_targets() {
	local log names=() t options=(-Dfuzz="$engine" -Djemalloc=false -Db_lundef=false --buildtype=debugoptimized)
	log=$(mktemp)
	for t in $targets; do
		[ $make = all ] || names+=("tests/fuzz/fuzz_$t")
	done
	if [ $engine = afl ]; then
		export CC=afl-clang-fast AFL_QUIET=1
		options+=(-Db_sanitize=address)
	else
		export CC=clang
		options+=(-Db_sanitize=address,undefined)
	fi
	if ! { [ -e "$build/build.ninja" ] || meson setup "$build" "${options[@]}"; } >"$log" 2>&1 ||
		! ninja -C "$build" "${names[@]}" >>"$log" 2>&1; then
		tail -n 40 "$log"
		rm -f "$log"
		return 1
	fi
	rm -f "$log"
}

# chunk_ENGINE TARGET SECONDS: runs it so long at most; leaves "executions edges features corpus" in stats. Not 0: a finding.
chunk_libfuzzer() {
	local t=$1 dir=$work/$1 dict rc all
	dict=$(dictionary "$t")
	mapfile -t all < <(seeds "$t")
	"$build/tests/fuzz/fuzz_$t" -seed="$seed" -max_total_time="$2" -max_len="$(longest "$t")" -timeout=120 -report_slow_units=60 -rss_limit_mb=3000 \
		-print_final_stats=1 -artifact_prefix="$dir/findings/" ${dict:+-dict="$dict"} "$dir/corpus" "${all[@]}" \
		>"$dir/log" 2>&1
	rc=$?
	awk '/^stat::number_of_executed_units:/ { n = $2 }
		{ for (i = 1; i < NF; i++) {
			if ($i == "cov:") cov = $(i + 1)
			if ($i == "ft:") ft = $(i + 1)
			if ($i == "corp:") corp = $(i + 1)
			if ($1 ~ /^#[0-9]+$/) last = substr($1, 2)
		} }
		END { sub(/\/.*/, "", corp); print (n ? n : last) + 0, cov + 0, ft + 0, corp + 0 }' "$dir/log" >"$dir/stats"
	return $rc
}

chunk_afl() {
	local t=$1 dir=$work/$1 dict in before
	dict=$(dictionary "$t")
	in=-
	if [ ! -e "$dir/afl/default/fuzzer_stats" ]; then
		in=$dir/afl-seeds
		mkdir -p "$in"
		seeds "$t" | while read -r folder; do
			find "$folder" -type f -exec cp -t "$in" {} +
		done
	fi
	before=$(awk '/^execs_done/ {print $3}' "$dir/afl/default/fuzzer_stats" 2>/dev/null)
	# Where the kernel hands core files to a program AFL++ would not start. Its fear is for crashes that are only signals: ours end by
	# ASan's exit, which it sees either way.
	AFL_NO_UI=1 AFL_SKIP_CPUFREQ=1 AFL_I_DONT_CARE_ABOUT_MISSING_CRASHES=1 AFL_NO_AFFINITY=1 AFL_AUTORESUME=1 \
		afl-fuzz -V "$2" -i "$in" -o "$dir/afl" -m none -t 2000 -G "$(longest "$t")" ${dict:+-x "$dict"} -- \
		"$build/tests/fuzz/fuzz_$t" >"$dir/log" 2>&1
	find "$dir/afl/default/crashes" "$dir/afl/default/hangs" -name 'id*' -exec cp -n -t "$dir/findings" {} + 2>/dev/null
	cp -n "$dir"/afl/default/queue/id* "$dir/corpus/" 2>/dev/null
	awk -v before="${before:-0}" '/^execs_done/ {n = $3 - before} /^edges_found/ {e = $3} /^corpus_count/ {c = $3}
		END { print n + 0, e + 0, 0, c + 0 }' "$dir/afl/default/fuzzer_stats" >"$dir/stats"
	[ -z "$(find "$dir/findings" -type f | head -n 1)" ]
}

# One target until it has had its share, or five findings.
run_target() {
	local t=$1 dir=$work/$1 left=$seconds chunk=$((seconds < 600 ? seconds : 600)) most rc found=0 cpu execs edges features corpus
	mkdir -p "$dir/corpus" "$dir/findings"
	while [ "$left" -gt 0 ] && [ $found -lt 5 ]; do
		touch "$dir/mark"
		TIMEFORMAT='%U %S'
		{ time "chunk_$engine" "$t" "$chunk"; } 2>"$dir/time"
		rc=$?
		cpu=$(tail -n 1 "$dir/time" | awk '{printf "%d", $1 + $2 + 0.5}')
		[ $engine = libfuzzer ] || cpu=$chunk # its children are not waited for, so nobody counts them
		read -r execs edges features corpus <"$dir/stats"
		[ "$rc" -eq 0 ] || found=$((found + 1))
		[ "$rc" -eq 0 ] || tell_finding "$t"
		printf '%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\n' "$(date -u +%FT%TZ)" "$t" $engine "$cpu" "$execs" "$edges" "$features" \
			"$corpus" "$((rc != 0))" >>"$totals"
		printf '%-12s %5d s of CPU, %10d executions, %5d edges, %6d features, corpus %5d\n' "$t" "$cpu" "$execs" "$edges" \
			"$features" "$corpus"
		[ "$cpu" -gt 0 ] || cpu=1
		left=$((left - cpu))
		[ $by_time = no ] || break
		chunk=$((left * chunk / cpu)) # a busy machine gives less CPU than time, and may be a free one next
		most=$((left < 200 ? 3 * left : 600))
		chunk=$((chunk < 1 ? 1 : chunk < most ? chunk : most))
	done
	[ $found -eq 0 ]
}

tell_finding() {
	local t=$1 dir=$work/$1 file
	grep -aE -m 3 'BROKEN|ERROR: |runtime error|SUMMARY' "$dir/log"
	while read -r file; do
		echo "FINDING $t: $file"
		echo "replay: $build/tests/fuzz/fuzz_$t $file"
	done < <(find "$dir/findings" -type f -newer "$dir/mark")
}

# What is new in the work folder, as few small files as reach every edge, into the committed corpus. Files that people have named
# stay; those named by their hash are chosen anew.
named=(! -regex '.*/[0-9a-f]+')
merge_target() {
	local t=$1 dir=$work/$1 kept=tests/fuzz/corpus/$1 least all n
	least=$(mktemp -d)
	mkdir -p "$dir/corpus" "$kept"
	mapfile -t all < <(seeds "$t" | tail -n +2)
	find "$kept" -type f "${named[@]}" -exec cp -t "$least" {} +
	[ ${#all[@]} -eq 0 ] || find "${all[@]}" -type f -exec cp -t "$least" {} +
	find "$least" -type f -printf '%f\n' | sort >"$dir/not-merged"
	"$build/tests/fuzz/fuzz_$t" -set_cover_merge=1 -use_counters=0 -max_len="$(longest "$t")" -timeout=20 "$least" "$kept" \
		"$dir/corpus" >"$dir/merge-log" 2>&1
	find "$kept" -type f ! \( "${named[@]}" \) -delete
	n=$(find "$kept" -type f | wc -l)
	find "$least" -type f -printf '%s %f\n' | sort -n | while read -r size name; do
		! grep -qxF "$name" "$dir/not-merged" || continue
		n=$((n + 1)) bytes=$((${bytes:-0} + size))
		[ "$n" -lt 300 ] && [ "$bytes" -lt 900000 ] || break
		cp "$least/$name" "$kept/$name"
	done
	rm -rf "$least"
	printf '%-12s %d files, %d bytes in %s\n' "$t" "$(find "$kept" -type f | wc -l)" \
		"$(find "$kept" -type f -printf '%s\n' | awk '{n += $1} END {print n + 0}')" "$kept"
}

table() {
	[ -s "$totals" ] || return 0
	echo
	printf '%-12s %-10s %9s %13s %9s %7s %9s %7s %9s\n' target engine 'CPU hours' executions 'per s' edges features corpus findings
	awk -F '\t' '{ k = $2 " " $3; if (!(k in cpu)) order[++n] = k
			cpu[k] += $4; ex[k] += $5; if ($6 > ed[k]) ed[k] = $6; if ($7 > ft[k]) ft[k] = $7; co[k] = $8; fi[k] += $9 }
		END { for (i = 1; i <= n; i++) { k = order[i]; split(k, p, " ")
				printf "%-12s %-10s %9.2f %13d %9d %7d %9d %7d %9d\n", p[1], p[2], cpu[k] / 3600, ex[k],
					ex[k] / (cpu[k] ? cpu[k] : 1), ed[k], ft[k], co[k], fi[k] } }' "$totals" | sort
}

passed=0 failed=0
if [ $run = yes ]; then
	if [ $make != no ]; then
		make_targets || { echo "0 passed, 1 failed"; exit 1; }
	fi
	pids=()
	for t in $targets; do
		while [ "$(jobs -rp | wc -l)" -ge "$jobs" ]; do
			wait -n # whichever; each one's status is asked for below
		done
		run_target "$t" &
		pids+=($!)
	done
	i=0
	for t in $targets; do
		if wait "${pids[i]}"; then
			passed=$((passed + 1))
		else
			failed=$((failed + 1))
			echo "FAIL $t"
		fi
		i=$((i + 1))
	done
fi
if [ $merge = yes ] && [ $engine = libfuzzer ]; then
	for t in $targets; do
		merge_target "$t"
	done
fi
table
[ $run = no ] || echo "$passed passed, $failed failed"
[ $failed -eq 0 ]

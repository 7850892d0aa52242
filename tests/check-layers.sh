#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# Layers hold: includes go one way, the two planes meet in control/main*.c alone, the pure parts know no DPDK, system call or
# clock. With a build directory as $1, the pure libraries are looked at as well: what they call and what they keep.
# Prints file:line (or archive:object) for what is wrong.
set -euo pipefail
cd "$(dirname "$0")/.."
failed=0

check_includes() {
	tests/list-sources.sh | grep -E '^(include|dataplane|control)/' | tr '\n' '\0' |
		xargs -0 grep -nHE '^[[:space:]]*#[[:space:]]*include' | awk '
	function layer(path) {
		if (path ~ /^control\/main[^\/]*\.[ch]$/) return "main"
		if (match(path, /^dataplane\/(sip|call|net)\//)) return substr(path, RSTART, RLENGTH - 1)
		if (path ~ /^control\//) return "control"
		if (path ~ /^include\/switchback\//) return "include"
		return ""
	}
	function pure(path) {
		return path ~ /^include\// || path ~ /^dataplane\/(sip|call)\// || path ~ /^control\/(health|timers)\// ||
			path ~ /^control\/engine[^\/]*$/ || path == "control/events.h"
	}
	function wrong(what) {
		print file ":" line ": " what
		bad = 1
	}
	BEGIN {
		sees["include"] = " include "
		sees["dataplane/sip"] = " include dataplane/sip "
		sees["dataplane/call"] = " include dataplane/sip dataplane/call "
		sees["dataplane/net"] = " include dataplane/sip dataplane/call dataplane/net "
		sees["control"] = " include control "
		sees["main"] = " include control main dataplane/sip dataplane/call dataplane/net "
		# What of the system a pure part may include: nothing that reaches outside the process.
		n = split("assert ctype emmintrin errno float immintrin inttypes limits math stdalign stdarg stdatomic stdbool stddef" \
			" stdint stdio stdlib string strings x86intrin", names, " ")
		for (i = 1; i <= n; i++) harmless[names[i] ".h"] = 1
		harmless["sodium.h"] = 1
	}
	{
		split($0, part, ":")
		file = part[1]; line = part[2]
		text = $0
		sub(/^[^:]*:[^:]*:/, "", text)
		from = layer(file)
		if (from == "") { wrong("this file belongs to no layer: see docs/architecture.md"); next }
		seen++
		if (match(text, /"[^"]*"/)) {
			target = substr(text, RSTART + 1, RLENGTH - 2)
		} else if (match(text, /<[^>]*>/)) {
			target = substr(text, RSTART + 1, RLENGTH - 2)
			if (target ~ /^switchback\//) {
				target = "include/" target
			} else {
				osip = target ~ /^(osipparser2|osip2)\//
				if (osip && file != "dataplane/sip/osip.c")
					wrong("dataplane/sip/osip.c alone includes libosip2")
				else if (target ~ /^rte_/ && from != "dataplane/net")
					wrong("<" target ">: DPDK belongs to dataplane/net")
				else if (pure(file) && !osip && !(target in harmless) &&
					!(target == "arpa/inet.h" && file == "include/switchback/addr.h"))
					wrong("<" target ">: a pure part includes no such system header")
				next
			}
		} else {
			wrong("an include without a literal name cannot be judged")
			next
		}
		to = layer(target)
		if (to == "")
			wrong("\"" target "\": write the path from the root of the project")
		else if (index(sees[from], " " to " ") == 0)
			wrong("\"" target "\": " from " may not include " to)
		else if (pure(file) && !pure(target))
			wrong("\"" target "\": a pure part may not include one that is not")
	}
	END {
		if (seen < 50) { print "check-layers.sh: found " seen + 0 " includes: the check itself is broken"; bad = 1 }
		exit bad
	}'
}

# A pure library calls its like and what computes only; it keeps no state between calls, save the arena of osip.c.
check_libraries() {
	local libraries=() name found
	for name in sip call health timers engine; do
		found=$(find "$1" -name "libsb_$name.a" -print -quit)
		[ -n "$found" ] || { echo "$1: libsb_$name.a is not built"; return 1; }
		libraries+=("$found")
	done
	while IFS= read -r found; do # reading.c for other processors
		libraries+=("$found")
	done < <(find "$1" -name 'libsb_sip_v*.a')
	{
		nm --defined-only --extern-only -P -A "${libraries[@]}" | awk '{ print "D", $1, $2 }'
		nm --undefined-only -P -A "${libraries[@]}" | awk '{ print "U", $1, $2 }'
		nm --defined-only -f sysv -A "${libraries[@]}" | awk -F'|' 'NF == 7 {
			split($1, at, " "); sub(/:[^:]*$/, "", at[1]); split($1, whole, ":")
			name = whole[length(whole)]; gsub(/ /, "", $7); gsub(/ /, "", name); gsub(/ /, "", $4)
			print "S", whole[1] ":" whole[2] ":", name, $7, $4 }'
	} | awk '
	function allowed(s) {
		return s ~ /^(mem(chr|rchr|cmp|cpy|mem|move|set)|__mem(cpy|move|set)_chk)$/ ||
			s ~ /^str(n?len|n?cmp|n?casecmp|r?chr|str|spn|cspn|pbrk|toll?|toull?|tod)$/ || s ~ /^__isoc23_strto/ ||
			s ~ /^(__)?v?snprintf(_chk)?$/ || s ~ /^(malloc|calloc|realloc|aligned_alloc|free|qsort|bsearch)$/ ||
			s ~ /^(log|log2|exp|exp2|pow|sqrt|floor|ceil|round|fmod|fmin|fmax)f?$/ || s ~ /^inet_(ntop|pton)$/ ||
			(s ~ /^(crypto_|sodium_mem)/ && s !~ /_keygen$/) ||
			s ~ /^(__assert_fail|__stack_chk_fail|__errno_location|__tls_get_addr|_GLOBAL_OFFSET_TABLE_)$/ ||
			s ~ /^__ctype_(b|tolower|toupper)_loc$/ || s ~ /^__(cpu_model|cpu_indicator_init|popcountdi2)$/ ||
			s ~ /^__(asan|ubsan|tsan|lsan|sanitizer)_/
	}
	function object(where) { # thin archives repeat their own path
		gsub(/[^\[:]*\//, "", where)
		gsub(/[\[\]]/, ":", where)
		sub(/:+$/, "", where)
		gsub(/:+/, ":", where)
		return where
	}
	$1 == "D" { defined[$3] = 1; objects++ }
	$1 == "U" { calls[$2 " " $3] = 1 }
	$1 == "S" && $4 ~ /^\.(t?bss|t?data)/ && $4 !~ /^\.data\.rel\.ro/ && $3 !~ /^__(asan|ubsan|odr_asan|tsan|gcov)/ {
		if ($2 !~ /osip\.c\.o/) state[$2 " " $3] = 1
	}
	END {
		for (c in calls) {
			split(c, at, " ")
			if (at[2] ~ /^__asan_/) sanitized = 1
			if (at[2] in defined || allowed(at[2])) continue
			if (at[1] ~ /osip\.c\.o/ && at[2] ~ /^(osip_.*|parser_init)$/) continue # libosip2
			print object(at[1]) ": calls " at[2] ": a pure library may not (what it may is listed in tests/check-layers.sh)"
			bad = 1
		}
		for (s in state) {
			if (sanitized) break
			split(s, at, " ")
			print object(at[1]) ": keeps writable state in " at[2]
			bad = 1
		}
		if (objects < 20) { print "check-layers.sh: found " objects + 0 " functions: the check itself is broken"; bad = 1 }
		exit bad
	}'
}

check_includes || failed=1
if [ $# -gt 0 ]; then
	check_libraries "$1" || failed=1
fi
exit $failed

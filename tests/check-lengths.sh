#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# No function is longer than 70 lines and no file longer than 800, save those listed in tests/length-exceptions.txt as "file" or
# "file:function". That list may only shrink: an entry that is not needed is a mistake, too. Prints file:line for each.
set -euo pipefail
cd "$(dirname "$0")/.."
command -v ctags >/dev/null || { echo "check-lengths.sh: ctags is missing (package universal-ctags)" >&2; exit 1; }

sources=$(mktemp)
trap 'rm -f "$sources"' EXIT
tests/list-sources.sh >"$sources"

{
	sed -E 's/[[:space:]]*#.*//; /^[[:space:]]*$/d; s/^/E /' tests/length-exceptions.txt
	tr '\n' '\0' <"$sources" | xargs -0 awk 'FNR == 1 && name { print "L", name, lines } { name = FILENAME; lines = FNR }
		END { if (name) print "L", name, lines }'
	ctags -x --languages=C --langmap=C:.c.h --kinds-C=f --fields=+ne --_xformat='F %{input} %{line} %{end} %{name}' -L "$sources"
} | awk -v function_max=70 -v file_max=800 '
	function over(where, what, key) {
		if (key in excepted) { needed[key] = 1; return }
		print where ": " what
		bad = 1
	}
	$1 == "E" { excepted[$2] = 1 }
	$1 == "L" { n++; if ($3 > file_max) over($2 ":" $3, "the file has " $3 " lines, " file_max " are allowed", $2) }
	$1 == "F" && $4 + 0 > 0 {
		m++
		if ($4 - $3 + 1 > function_max)
			over($2 ":" $3, $5 " has " $4 - $3 + 1 " lines, " function_max " are allowed", $2 ":" $5)
	}
	END {
		for (key in excepted)
			if (!(key in needed)) {
				print "tests/length-exceptions.txt: " key " is no longer needed here"
				bad = 1
			}
		if (n == 0 || m == 0) {
			print "check-lengths.sh: found " n + 0 " files and " m + 0 " functions: the check itself is broken"
			bad = 1
		}
		exit bad
	}'

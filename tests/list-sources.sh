#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# Prints our C sources and headers, one a line: those git knows, or, outside a clone, those that are there.
set -euo pipefail
cd "$(dirname "$0")/.."
if files=$(git ls-files -- '*.c' '*.h' 2>/dev/null) && [ -n "$files" ]; then
	while read -r file; do
		[ ! -e "$file" ] || echo "$file"
	done <<<"$files"
else
	find . -type d \( -name '.?*' -o -name build -o -name 'build-*' \) -prune -o -name '*.[ch]' -printf '%P\n' | sort
fi

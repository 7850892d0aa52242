# SPDX-License-Identifier: BSD-3-Clause
# mutate-lib.sh - what the mutation runs share: sim/mutate.sh and sipp/mutate.sh source it, check-mutations.sh too.
#
# A list has one mutation a line, its fields apart by " @@ ": a name; in sipp's list the test that must fail; and last a file, a
# text that stands there exactly once, and what it becomes. The sourcing script defines
#   build     builds the tree as it is now; output is the caller's to show
#   judge     runs what must fail; 0: it passed all the same, 1: it failed, anything else: nothing was learned
#   describe  one line on what judge saw, for the table

# Fields of a line into $name, $test (or empty), $file, $from, $to.
mutate_split() {
	local rest=$1 fields=()
	while [[ $rest == *' @@ '* ]]; do
		fields+=("${rest%%' @@ '*}")
		rest=${rest#*' @@ '}
	done
	fields+=("$rest")
	local n=${#fields[@]}
	[ "$n" -eq 4 ] || [ "$n" -eq 5 ] || { echo "not a mutation: $1" >&2; return 1; }
	name=${fields[0]} test=
	[ "$n" -eq 4 ] || test=${fields[1]}
	file=${fields[n - 3]} from=${fields[n - 2]} to=${fields[n - 1]}
}

# mutate_times FILE: how often $from stands in it.
mutate_times() { FROM=$from perl -0ne '$n += () = /\Q$ENV{FROM}\E/g; END { print $n + 0 }' "$1"; }

# mutate_lines LIST: its mutations without blank lines and comments.
mutate_lines() { grep -vE '^(#|$)' "$1"; }

# Copies the tree at $root to $tree and prepares the build directory $work/b of it; both go away with the script.
mutate_begin() {
	work=$(mktemp -d /tmp/mXXXX) # short: sockets below it have paths of 107 bytes at most
	trap 'rm -rf "$work"' EXIT
	trap 'exit 130' INT TERM
	tree=$work/tree
	mkdir "$tree"
	tar -C "$root" --exclude=./build --exclude='./build-*' --exclude=./.git -cf - . | tar -C "$tree" -xf -
	meson setup "$work/b" "$tree" --buildtype=release -Dwerror=false >"$work/setup" 2>&1 || { cat "$work/setup"; exit 1; }
	build >"$work/build" 2>&1 || { tail -n 20 "$work/build"; exit 1; }
}

# Is this mutation, or its test, among the names asked for? None asked for: all are.
mutate_wanted() {
	local n
	[ ${#names[@]} -eq 0 ] && return 0
	for n in "${names[@]}"; do [ "$n" = "$name" ] || [ "$n" = "$test" ] && return 0; done
	return 1
}

# One mutation: sets $result and $note.
mutate_one() {
	local times code
	note=
	times=$(mutate_times "$tree/$file")
	if [ "$times" -ne 1 ]; then
		result=stale note="stands there $times times"
		return
	fi
	cp "$tree/$file" "$work/kept"
	FROM=$from TO=$to perl -0pi -e 's/\Q$ENV{FROM}\E/$ENV{TO}/' "$tree/$file"
	if ! build >"$work/build" 2>&1; then
		result=stale note="does not compile"
	else
		judge && code=0 || code=$?
		case $code in 0) result=missed ;; 1) result=caught ;; *) result=broken ;; esac
		note=$(describe)
	fi
	cp "$work/kept" "$tree/$file"
}

# mutate_all LIST: the table, and whether every mutation wanted was caught.
mutate_all() {
	local caught=0 missed=0 line
	printf '%-42s %-7s %s\n' mutation result by
	while IFS= read -r line <&3; do
		mutate_split "$line"
		mutate_wanted || continue
		mutate_one
		printf '%-42s %-7s %s\n' "$name" "$result" "$note"
		if [ "$result" = caught ]; then caught=$((caught + 1)); else missed=$((missed + 1)); fi
	done 3< <(mutate_lines "$1")
	echo "$caught caught, $missed missed"
	[ "$missed" -eq 0 ] && [ "$caught" -gt 0 ]
}

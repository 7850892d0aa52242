# SPDX-License-Identifier: BSD-3-Clause
# shellcheck shell=bash
# Sourced by run.sh and test.sh: what a minimal system or a chroot may lack, huge pages, and the release build.

export PATH=$PATH:/usr/local/sbin:/usr/sbin:/sbin
export LC_ALL=C.UTF-8

# The kernel's own file systems and the TUN device, where a chroot came without. As root.
prepare_kernel() {
	[ -e /proc/self ] || mount -t proc proc /proc
	[ -e /sys/class/net ] || mount -t sysfs sysfs /sys || true
	if [ ! -e /dev/net/tun ]; then
		mkdir -p /dev/net
		mknod /dev/net/tun c 10 200
		chmod 666 /dev/net/tun
	fi
	mkdir -p /run
}

# prepare_hugepages MB: has the kernel set aside what is missing of so much in huge pages of 2 MB. Where it cannot, or has
# little memory left itself, ordinary memory will do. They need no mount: the daemon maps them without a file.
hugepages_dir=/sys/kernel/mm/hugepages/hugepages-2048kB
hugepages_before=
prepare_hugepages() {
	local wanted=$((($1 + 1) / 2)) free total available
	{ read -r free <"$hugepages_dir/free_hugepages" && read -r total <"$hugepages_dir/nr_hugepages"; } 2>/dev/null || return 0
	[ "$free" -lt "$wanted" ] || return 0
	available=$(awk '/^MemAvailable:/ {print int($2 / 1024)}' /proc/meminfo)
	[ "$available" -ge $((4 * $1)) ] || { echo "huge pages: little memory is left, none are reserved"; return 0; }
	hugepages_before=$total
	{ echo $((total + wanted - free)) >"$hugepages_dir/nr_hugepages"; } 2>/dev/null || true
	read -r free <"$hugepages_dir/free_hugepages"
	if [ "$free" -lt "$wanted" ]; then
		echo "huge pages: $wanted are wanted, the kernel has $free to give; ordinary memory is used"
		restore_hugepages
	fi
}

# As many as there were.
restore_hugepages() {
	[ -z "$hugepages_before" ] || { echo "$hugepages_before" >"$hugepages_dir/nr_hugepages"; } 2>/dev/null || true
	hugepages_before=
}

# run_to_end PROGRAM ...: to its end and with its status; what asks us to end asks it, so that we can tidy up after it.
run_to_end() {
	local child status=0
	"$@" &
	child=$!
	trap 'kill -TERM "$child" 2>/dev/null || true' INT TERM HUP
	wait "$child" || status=$?
	while kill -0 "$child" 2>/dev/null; do # a signal ended the waiting, not the child
		wait "$child" && status=0 || status=$?
	done
	trap - INT TERM HUP
	return "$status"
}

# prepare_build DIR [meson options]: configured once, built up to date; quiet unless it fails. TARGET: that alone is built.
prepare_build() {
	local dir=$1 log
	shift
	log=$(mktemp)
	if { [ -e "$dir/build.ninja" ] || meson setup "$dir" "$@"; } >"$log" 2>&1 && ninja -C "$dir" ${TARGET:+"$TARGET"} >>"$log" 2>&1; then
		rm -f "$log"
	else
		tail -n 60 "$log" >&2
		rm -f "$log"
		return 1
	fi
}

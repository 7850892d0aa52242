# SPDX-License-Identifier: BSD-3-Clause
# Sourced by run.sh and test.sh: what a minimal system or a chroot may lack, and the release build.

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

# prepare_build DIR [meson options]: configured once, built up to date; quiet unless it fails.
prepare_build() {
	local dir=$1 log
	shift
	log=$(mktemp)
	if { [ -e "$dir/build.ninja" ] || meson setup "$dir" "$@"; } >"$log" 2>&1 && ninja -C "$dir" >>"$log" 2>&1; then
		rm -f "$log"
	else
		tail -n 60 "$log" >&2
		rm -f "$log"
		return 1
	fi
}

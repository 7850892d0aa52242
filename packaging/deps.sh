#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# The one list of packages. `packaging/deps.sh build` or `packaging/deps.sh build run test` installs what is missing of these
# sets, asks nothing, and does nothing at all when nothing is missing. Needs root or sudo only if something is.
set -euo pipefail

build=(gcc libc6-dev meson ninja-build pkg-config libdpdk-dev libosip2-dev libjemalloc-dev libyaml-dev libjansson-dev
	libmnl-dev libsodium-dev libsystemd-dev libcmocka-dev scdoc)
run=(python3 sip-tester iproute2 iputils-ping ethtool procps)
test=(tcpdump universal-ctags clang clang-format binutils libclang-rt-14-dev dpdk-dev util-linux)
bench=(python3 iproute2 util-linux ethtool dpdk-dev kamailio) # beside build and run: bench/versus has a peer

wanted=()
for set in "$@"; do
	case $set in
	build) wanted+=("${build[@]}") ;;
	run) wanted+=("${run[@]}") ;;
	test) wanted+=("${test[@]}") ;;
	bench) wanted+=("${bench[@]}") ;;
	*) echo "packaging/deps.sh: $set is none of build, run, test, bench" >&2; exit 64 ;;
	esac
done

missing=()
for package in "${wanted[@]}"; do
	state=$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null) || state=absent
	[ "$state" = installed ] || missing+=("$package")
done
[ ${#missing[@]} -gt 0 ] || exit 0

root=()
if [ "$(id -u)" -ne 0 ]; then
	command -v sudo >/dev/null || { echo "missing: ${missing[*]}; installing them needs root" >&2; exit 77; }
	root=(sudo)
fi
echo "installing: ${missing[*]}"
apt() {
	"${root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -qq -o Acquire::Retries=3 -o Dpkg::Use-Pty=0 "$@" </dev/null
}
apt update
apt install -y --no-install-recommends "${missing[@]}" >/dev/null

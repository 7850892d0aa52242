#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# Shows switchback at work, or runs it for real. See usage.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)

usage() {
	cat <<'USAGE'
usage: sudo ./run.sh [--rate N] [--driver NAME]
       sudo ./run.sh -c FILE

Without -c: installs what is missing, builds, and plays a failover in network namespaces of its own: sipp calls cross
switchbackd to two sipp trunks; the primary is killed, calls go on through the secondary, the primary comes back. About a
minute; needs no network card and no huge pages; cleans up after itself, also on Ctrl-C.

  -c FILE        builds and runs switchbackd in the foreground on the ports of FILE
  --rate N       calls a second (100)
  --driver NAME  net_af_packet (default) or net_af_xdp
  --help         this text
USAGE
}

wrong() {
	echo "run.sh: $1" >&2
	usage >&2
	exit 64
}

file=
demo=()
given=("$@")
while [ $# -gt 0 ]; do
	case $1 in
	-h | --help) usage; exit 0 ;;
	-c)
		[ $# -ge 2 ] || wrong "-c needs a file"
		[ -r "$2" ] || wrong "$2 cannot be read"
		file=$(realpath "$2")
		shift 2
		;;
	--rate)
		[[ ${2:-} =~ ^[1-9][0-9]{0,3}$ ]] || wrong "--rate needs a number, 1 to 9999"
		demo+=(--rate "$2")
		shift 2
		;;
	--driver)
		[[ ${2:-} =~ ^net_af_(packet|xdp)$ ]] || wrong "--driver is net_af_packet or net_af_xdp"
		demo+=(--driver "$2")
		shift 2
		;;
	*) wrong "unknown option $1" ;;
	esac
done
[ -z "$file" ] || [ ${#demo[@]} -eq 0 ] || wrong "-c goes with no other option"

if [ "$(id -u)" -ne 0 ]; then
	command -v sudo >/dev/null || { echo "run.sh: ports and namespaces need root" >&2; exit 77; }
	exec sudo "$here/run.sh" "${given[@]}"
fi

cd "$here"
. packaging/prepare.sh
prepare_kernel
if [ -n "$file" ]; then
	packaging/deps.sh build
else
	packaging/deps.sh build run
fi
[ -e build/release/build.ninja ] || echo "building ..."
prepare_build build/release --buildtype=release
trap restore_hugepages EXIT
if [ -n "$file" ]; then
	needed=$(build/release/control/switchbackd -c "$file" --check) || exit # it has said what is wrong
	needed=${needed% MB}
	grep -qE '^hugepages: *"?no\b' "$file" || prepare_hugepages "${needed##* }"
	run_to_end build/release/control/switchbackd -c "$file"
else
	prepare_hugepages 160 # one port of either driver
	run_to_end /usr/bin/python3 tests/sipp/demo.py --build build/release "${demo[@]}"
fi

#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# A failure says how to replay it, a crash too, and leaves a trace that others can read: tcpdump finds IPv4, IPv6, SIP, ICMP and fragments in it,
# and no wrong checksum where nothing was damaged. usage: trace.sh SIM
set -euo pipefail
here=$(mktemp -d)
trap 'rm -rf "$here"' EXIT
sim=$(realpath "$1")
cd "$here"

fails() {
	local rc=0
	"$@" >out 2>err || rc=$?
	[ "$rc" -eq 1 ] || { echo "$*: exit status $rc instead of 1"; cat out err; exit 1; }
	grep -q '^FAIL INV-NONE: ' out || { echo "$*: no FAIL line"; cat out; exit 1; }
}

# wants TEXT COUNT: so many lines of what tcpdump made of the trace have TEXT
wants() {
	local n
	n=$(sed -n "\\#$1#p" read | wc -l)
	[ "$n" -ge "$2" ] || { echo "the trace has $1 $n times, $2 were due"; head -n 20 read; exit 1; }
}

fails "$sim" --seed 11 --calls 200 --profile fragments --break 12
read -r -a again < <(sed -n 's/^replay: //p' out)
trace=sim-fragments-11.pcap
[ "${#again[@]}" -gt 8 ] && [ -s "$trace" ]
mv "$trace" first.pcap
fails "${again[@]}"
cmp first.pcap "$trace"
tcpdump -nvvr "$trace" >read 2>tcpdump.err || { cat tcpdump.err; exit 1; }
wants 'IP (tos' 300
wants 'IP6 (' 100
wants 'INVITE sip:' 50
wants 'SIP/2.0 200' 20
wants 'flags \[+\]' 20
wants 'frag (' 20

fails "$sim" --seed 8 --calls 300 --profile operator --break 40
tcpdump -nvvr sim-operator-8.pcap >read 2>tcpdump.err || { cat tcpdump.err; exit 1; }
wants 'udp sum ok' 300
wants 'unreachable' 1
! grep -E 'bad udp cksum|bad cksum|truncated|invalid' read

rc=0
"$sim" --seed 5 --seeds 3 --calls 100 --profile calm --crash >out 2>err || rc=$?
[ "$rc" -eq 134 ] || { echo "a crash: exit status $rc"; cat out err; exit 1; }
[ "$(grep -c '^FAIL INV-CRASH' out)" -eq 2 ] || { echo "a crash: not once by itself and once with its trace"; cat out; exit 1; }
read -r -a again < <(sed -n 's/^replay: //p' out)
rc=0
"${again[@]}" >out 2>err || rc=$?
[ "$rc" -eq 134 ] && grep -q '^replay: .* --seed 5 ' out || { echo "a crash that is replayed: exit status $rc"; cat out err; exit 1; }

#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# One seed, run twice, gives one trace, byte for byte; with or without writing it. usage: same-seed.sh SIM PROFILE
set -euo pipefail
here=$(mktemp -d)
trap 'rm -rf "$here"' EXIT
sim=$(realpath "$1")
cd "$here"
for n in 1 2; do
	"$sim" --seed 7 --calls 300 --profile "$2" --trace "$n.pcap" >"$n.txt" 2>"$n.err" || { cat "$n.txt" "$n.err"; exit 1; }
done
"$sim" --seed 7 --calls 300 --profile "$2" >3.txt 2>3.err || { cat 3.txt 3.err; exit 1; }
[ "$(stat -c %s 1.pcap)" -gt 100000 ] || { echo "there is no trace"; exit 1; }
cmp 1.pcap 2.pcap
diff 1.txt 2.txt
diff 1.txt 3.txt

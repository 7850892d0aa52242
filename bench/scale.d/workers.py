# SPDX-License-Identifier: BSD-3-Clause
"""One worker and two, thousands of caller addresses and a single 5-tuple: ticks a message by stage from the daemon's own counters, over
net_memif. Generator, control and workers share the machine's two cores, so throughput would measure the generator: the rate is
fixed and low, and ticks, which count only the bursts that had work, are compared. Needs root."""
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import bed  # noqa: E402

RATE = 8000      # calls a second
SECONDS = 1.0
ROUNDS = 2       # the one with fewer ticks counts: whatever else runs on the machine adds some, and takes none
# Until a message is its owner's; in a single 5-tuple one worker does this for all of them.
TAKING = ("receive", "decode", "index", "handoff")


def measure(build, workers, callers):
    with tempfile.TemporaryDirectory() as directory:
        settings = bed.config(Path(directory), bed.memif(directory, "server"), workers=workers, limits={"transactions": 100000})
        beds, daemon = bed.start(Path(build), Path(directory), settings)
        try:
            generator = bed.loadgen_start(build, bed.memif(directory, "client"), "--body", 250, "--callers", callers, "--rate", RATE,
                                          "--hold", 0.5, "--seconds", SECONDS + 1.5, "--slots", 40000, "--report", 0)
            until = time.monotonic() + 20
            while daemon.counter("calls") < RATE // 4 and time.monotonic() < until:
                time.sleep(0.05)
            before = daemon.counters()
            time.sleep(SECONDS)
            after = daemon.counters()
            made = bed.loadgen_end(generator)[-1]
        finally:
            daemon.stop(books=False)
            beds.close()
    n = after["rx_frames"] - before["rx_frames"] or 1
    stages = {key[6:]: (after[key] - before[key]) / n for key in after if key.startswith("ticks_") and key != "ticks_idle"}
    own = {key: value for key, value in stages.items() if key not in ("receive", "transmit")}
    return {"workers": len(workers), "callers": callers, "messages": n, "failed": made["failed_calls"],
            "handed_over": round((after["handoff"] - before["handoff"]) / n, 3), "ticks": round(sum(stages.values())),
            "without_rx_tx": round(sum(own.values())), "handoff": round(stages.get("handoff", 0)),
            "taking": round(sum(value for key, value in stages.items() if key in TAKING)),
            "stages": {key: round(value, 1) for key, value in stages.items()}}


def run(build, quick):
    """Rows; with each the ratio of its ticks to those of one worker with thousands of callers."""
    cpus = bed.CPUS
    cases = [((cpus[-1],), 10000), ((cpus[-1],), 1)]
    if len(cpus) > 1:
        cases += [(tuple(cpus[:2]), 10000), (tuple(cpus[:2]), 1)]
    rows = []
    for workers, callers in cases[:1 if quick else None]:
        rounds = [measure(build, workers, callers) for _ in range(1 if quick else ROUNDS)]
        rows.append(min(rounds, key=lambda row: row["without_rx_tx"]))
    for row in rows:
        row["cost"] = round(row["without_rx_tx"] / rows[0]["without_rx_tx"], 2)
    return rows


def single_tuple(rows):
    """Ticks a message of two workers with thousands of addresses, over those with a single 5-tuple: the share of the rate that a single one
    would leave, were the workers' cores their own and neither the port nor the receiving worker the limit. Over one memif all
    frames come by one queue in both cases, so what it cannot show is a NIC that spreads thousands over two."""
    two = [row["without_rx_tx"] for row in rows if row["workers"] == 2]
    return round(two[0] / two[1], 2) if len(two) == 2 else None


def model(rows, hz, workers=(1, 2, 4, 8, 16)):
    """Messages a second with N cores of their own. Thousands of 5-tuples: the NIC spreads them over N queues, no worker waits for
    another, and all but 1/N are handed over, at the cost that was measured with two. Single 5-tuple: one queue, so one
    worker takes every message in and keeps 1/N of them; it is the limit once taking in fills it."""
    one = min(row["ticks"] for row in rows if row["workers"] == 1)
    two = [row for row in rows if row["workers"] == 2]
    if len(two) < 2:
        return []
    over = max(0.0, two[1]["ticks"] - one) / max(two[1]["handed_over"], 0.01)
    made = []
    for n in workers:
        whole = one + over * (n - 1) / n
        taking = two[1]["taking"]
        made.append({"workers": n, "thousands": round(n * hz / whole), "single": round(min(n * hz / whole, hz / taking))})
    return made

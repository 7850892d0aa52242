# SPDX-License-Identifier: BSD-3-Clause
"""bench/loadgen against the daemon over a memif, at a rate that any machine keeps: what it counts is what the daemon counts."""
import subprocess
import sys
from pathlib import Path

from harness.case import test
from harness.daemon import CPUS

sys.path.insert(0, str(Path(__file__).resolve().parents[3] / "bench"))

import bed  # noqa: E402

MIX = ("--refused", 5, "--icmp", 5, "--silent", 5, "--options", 10, "--register", 10, "--repeat", 10)


def generate(t, *options):
    """The daemon with the generator's trunks, a run of the generator, and what the daemon counted meanwhile."""
    settings = bed.config(t.directory, bed.memif(t.directory, "server"), workers=(CPUS[-1],), hugepages="no", memory="256MB")
    for trunk in settings["trunks"]:
        trunk.update(trying_timer="500ms", invite_retries=0)
    t.start(settings)
    t.network.dut.run("ip", "route", "add", "198.18.0.0/15", "via", bed.GATEWAY, "dev", "sb-edge")
    before = t.daemon.counters()
    process = bed.loadgen_start(t.build, bed.memif(t.directory, "client"), *options, "--slots", 20000, "--hold", 0.5, "--give-up", 20,
                                "--report", 0, memory=128, show=subprocess.DEVNULL)
    made = bed.loadgen_end(process)[-1]
    assert process.returncode == 0, made
    return made, {key: value - before[key] for key, value in t.daemon.counters().items()}


def all_well(made):
    assert made["completed"] == made["started"] > 0, made
    assert not any(made[key] for key in ("failed_calls", "lost", "wrong", "refused", "shed", "not_started", "open")), made


@test(drivers=("net_memif",), capture=False)
def generator_and_daemon_count_alike(t):
    """Calls, calls that fail over for 503, ICMP and silence, OPTIONS and REGISTER, some sent twice: all complete, and both sides
    have counted the same. S2.1, S2.3."""
    made, counted = generate(t, "--rate", 200, "--seconds", 3, *MIX)
    all_well(made)
    kinds, behaviours = made["kinds"], made["behaviours"]
    assert all(kinds.values()) and all(behaviours.values()) and sum(kinds.values()) == made["started"], made
    assert counted["calls"] == counted["calls_answered"] == kinds["calls"] == made["answered"], (made, counted)
    assert counted["requests"] == kinds["options"] + kinds["register"], (made, counted)
    assert counted["failovers"] == behaviours["refuses"] + behaviours["icmp"] + behaviours["silent"], (made, counted)
    assert made["refusals_acked"] >= behaviours["refuses"], made
    assert counted["in_dialog"] >= 2 * kinds["calls"] and counted["retransmissions_in"] > 0, (made, counted)
    # More than that, too: what the kernel says, of which some is dropped before the generator is there.
    assert counted["rx_frames"] >= made["sent"] and counted["tx_frames"] >= made["received"], (made, counted)
    for kind in ("invite", "trying", "ringing", "ok", "ack", "bye", "bye_ok", "other"):
        shares = made["latency_us"][kind]
        assert 0 < shares["p50"] <= shares["p99"] <= shares["p999"] <= shares["max"], (kind, shares)


@test(drivers=("net_memif",), capture=False)
def generator_calls_from_a_single_address(t):
    """--callers 1: one 5-tuple, longer messages, and all complete."""
    made, counted = generate(t, "--rate", 100, "--seconds", 1, "--callers", 1, "--extra", 170)
    all_well(made)
    assert counted["calls_answered"] == made["completed"], (made, counted)
    assert made["mean_sent_bytes"] > 650, made


@test(drivers=("net_memif",), capture=False)
def generator_finds_a_rate_without_failed_calls(t):
    """--ramp ends with the highest rate asked for, where the daemon can do it, though the last step is a shorter one."""
    made, _ = generate(t, "--ramp", "--rate", 90, "--from", 50, "--seconds", 0.5, "--t1", 5)
    assert made["phase"] == "highest" and made["calls_per_second"] == 90, made

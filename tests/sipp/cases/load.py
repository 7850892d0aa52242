# SPDX-License-Identifier: BSD-3-Clause
"""Calls in number. None of these depends on how fast the machine is beyond 1 000 calls a second."""
import json
import re

from harness.case import test
from harness.daemon import CPUS


@test(capture=False, sanitized=False)
def thousand_calls_a_second_for_30_s(t):
    """No call fails, nothing is sent twice, and the counters' identity holds (checked after every test). A run in which the
    machine did not run sipp for half a second says nothing and is made again, twice at most."""
    t.start(limits={"transactions": 200000})
    t.meet("caller", "t1")
    for _ in range(3):
        trunk = t.sipp_trunk("t1")
        before = t.daemon.counters()
        caller = t.sipp_caller(calls=30000, rate=1000).wait(90)
        if not (caller.was_starved() or trunk.was_starved()):
            break
        trunk.stop()
    caller.all_good(30000, retransmissions=0)
    made = {name: value - before[name] for name, value in t.daemon.counters().items()}
    assert made["calls_answered"] == 30000 and made["retransmissions_out"] == 0, made


@test(capture=False)
def primary_dies_under_load_and_no_call_fails(t):
    """P1 P2 S1.6: the primary's process is killed at 100 calls a second: calls go on through the secondary and come back."""
    settings = t.config(trunks=("t1", "t2"))
    for one in settings["trunks"]:
        one.update({"probe": {"interval": "200ms", "timeout": "150ms", "failures": 2, "successes": 2, "min": "100ms", "max": "300ms"},
                    "traffic": {"failures": 3, "window": 8}, "ramp": "1s"})
    t.start(settings)
    first = t.sipp_trunk("t1")
    t.sipp_trunk("t2")
    t.daemon.wait_trunk("t1", "UP")
    t.daemon.wait_trunk("t2", "UP")
    caller = t.sipp_caller(calls=800, rate=100)
    t.daemon.wait_counter("calls", 200, timeout=20)
    first.stop()
    t.daemon.wait_trunk("t1", "DOWN")
    t.daemon.wait_counter("calls", 400, timeout=20)
    t.sipp_trunk("t1")
    t.daemon.wait_trunk("t1", "UP", timeout=15)
    # A call that rings at the primary, or is answered there, when that dies, dies with it: no more than two at this rate.
    t.daemon.wait_counter("calls", 800, timeout=20)
    t.daemon.events.wait(lambda: caller.figures()["successful"] >= 798, 10, f"798 good calls, but {caller.figures()}")
    assert t.daemon.counter("failovers") >= 1
    back = t.daemon.trunks()["t1"]["calls"]
    assert back > 250, t.daemon.trunks()


def heap_figures(daemon):
    """Every number of `memory`, by its path."""
    found = {}

    def walk(path, value):
        if isinstance(value, dict):
            for key, inner in value.items():
                walk(f"{path}.{key}", inner)
        elif isinstance(value, list):
            for number, inner in enumerate(value):
                walk(f"{path}[{number}]", inner)
        elif isinstance(value, (int, float)):
            found[path] = value

    walk("", daemon.call("memory"))
    return found


@test(capture=False)
def two_workers_hand_over_what_the_other_owns(t):
    """Sharding by Call-ID: whatever queue a packet came by, its transaction's worker gets it; ICMP errors too (P1)."""
    settings = t.config(trunks=("t1", "t2"))
    settings["workers"] = CPUS[:2]
    t.start(settings)
    t.meet("caller", "t1", "t2")
    t.sipp_trunk("t2")
    t.sipp_caller(calls=300, rate=100).wait(60).all_good(300)
    counters = t.daemon.counters()
    assert counters["failovers"] + t.daemon.trunks()["t2"]["calls"] >= 300 and counters["handoff"] > 0, counters
    assert counters["failovers"] > 0 and counters["calls_answered"] == 300, counters


@test(capture=False, slow=True, sanitized=False)
def memory_stands_still_for_ten_minutes(t):
    """1 000 calls a second for 10 minutes: no figure of memory grows after the first minute. Prints them."""
    t.start(limits={"transactions": 200000})
    t.meet("caller", "t1")
    t.sipp_trunk("t1")
    caller = t.sipp_caller(calls=600000, rate=1000)
    t.daemon.wait_counter("calls", 60000, timeout=120)
    early = heap_figures(t.daemon)
    t.daemon.wait_counter("calls", 595000, timeout=700)
    late = heap_figures(t.daemon)
    print(json.dumps({path: [early.get(path), late[path]] for path in late if early.get(path) != late[path]}, indent=1))
    caller.wait(60).all_good(600000, retransmissions=0)
    held = [path for path in late if re.search(r"allocated|active|resident|osip|peak", path) and early.get(path)]
    grown = {path: (early[path], late[path]) for path in held if late[path] > early[path] * 1.02 + 65536}
    assert not grown, grown

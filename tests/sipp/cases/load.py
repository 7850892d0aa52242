# SPDX-License-Identifier: BSD-3-Clause
"""Calls in number. None of these depends on how fast the machine is beyond 1 000 calls a second."""
import json
import os
import re
import time

from harness.case import test
from harness.daemon import CPUS
from harness.endpoint import answering


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


class Mortal:
    """Answers as `answering` does until it is `dying`: then it dies with the next INVITE in its hands, but not before the calls
    that it has answered are over. A trunk that dies amid a call takes the call with it, whatever a proxy does."""

    def __init__(self):
        self.dying, self._begun, self._answer = False, set(), answering()

    def answer(self, endpoint, message):
        if message.method == "INVITE":
            if self.dying and not self._begun:
                endpoint.socket.close()  # by the thread that reads it: what comes now is told "unreachable"
                return True
            self._begun.add(message.call_id)
        elif message.method == "BYE":
            self._begun.discard(message.call_id)
        return self._answer(endpoint, message)


@test(capture=False)
def primary_dies_under_load_and_no_call_fails(t):
    """P1 P2 S1.6: the primary dies at 100 calls a second: all 800 calls come through, by the secondary while it is away."""
    settings = t.config(trunks=("t1", "t2"))
    for one in settings["trunks"]:
        one.update({"probe": {"interval": "200ms", "timeout": "150ms", "failures": 2, "successes": 2, "min": "100ms", "max": "300ms"},
                    "traffic": {"failures": 3, "window": 8}, "ramp": "1s"})
    t.start(settings)
    first = Mortal()
    t.trunk("t1", answer=first.answer)
    t.sipp_trunk("t2")
    t.daemon.wait_trunk("t1", "UP")
    t.daemon.wait_trunk("t2", "UP")
    caller = t.sipp_caller(calls=800, rate=100)
    t.daemon.wait_counter("calls", 200, timeout=20)
    first.dying = True
    t.daemon.wait_trunk("t1", "DOWN")
    t.daemon.wait_counter("calls", 400, timeout=20)
    t.trunk("t1", answer=answering())
    t.daemon.wait_trunk("t1", "UP", timeout=15)
    caller.wait(30).all_good(800)
    assert t.daemon.counter("failovers") >= 1 and t.daemon.counter("calls_answered") == 800, t.daemon.counters()
    back = t.daemon.trunks()["t1"]["calls"]
    assert back > 250, t.daemon.trunks()


@test(capture=False)
def two_workers_hand_over_what_the_other_owns(t):
    """Sharding by Call-ID: whatever queue a packet came by, its transaction's worker gets it; ICMP errors too (P1): no call waits
    for the dead primary's trying timer."""
    settings = t.config(trunks=("t1", "t2"))
    settings["workers"] = CPUS[:2]
    settings["trunks"][0]["trying_timer"] = "1s"
    t.start(settings)
    t.meet("caller", "t1", "t2")
    t.sipp_trunk("t2")
    t.sipp_caller(calls=60, rate=50).wait(60).all_good(60)  # three more failures and the dead one is DOWN
    counters = t.daemon.counters()
    assert counters["failovers"] == counters["calls_answered"] == t.daemon.trunks()["t2"]["calls"] == 60, counters
    assert counters["retransmissions_out"] == 0 and counters["handoff"] > 0, counters
    begun = [worker["calls"] for worker in t.daemon.call("stats")["workers"]]
    assert sum(begun) == 60 and min(begun) >= 10, f"calls of each worker: {begun}"


def memory_figures(daemon):
    """Every figure of use in `memory`, by its path; pools by their names. Bounds (max) are not among them."""
    memory = daemon.call("memory")
    found = {f"heap.{name}": memory["heap"][name] for name in ("allocated", "active", "resident")}
    found |= {f"osip[{one['worker']}].peak": one["peak"] for one in memory["osip"]}
    found |= {f"packets[{one['name']}].in_use": one["in_use"] for one in memory["packets"]}
    found |= {f"{name}.in_use": memory[name]["in_use"] for name in ("transactions", "lingering")}
    return found | {"text.bytes": memory["text"]["bytes"]}


def watched(t, seconds):
    """The figures, once a second for so long."""
    seen, until = [], time.monotonic() + seconds
    while time.monotonic() < until:
        seen.append(memory_figures(t.daemon))
        t.daemon.events.wait(lambda at=min(until, time.monotonic() + 1): time.monotonic() >= at, 2, "second passed")
    return seen


# Held at any moment for calls on their way: its high water is the machine's pace, a leak lifts the low water. Two calls may
# differ; what is left when all are over may not.
ON_THEIR_WAY = re.compile(r"packets|transactions|text")
# What the heap may gain, bytes: a request of the control socket on its way. Other figures may gain nothing.
HEAP_SLACK = 512


def grown_under_load(early, late):
    """{path: (before, after)} of what grew from one watch to the next."""
    found = {}
    for path in late[0]:
        pick = min if ON_THEIR_WAY.match(path) else max
        before, after = (pick(figures[path] for figures in watch) for watch in (early, late))
        if path == "lingering.in_use":  # calls of the last 32 s: sipp's pace wavers
            before *= 1.05
        elif ON_THEIR_WAY.match(path):
            before += 2 * 1600 if path == "text.bytes" else 2
        elif path == "heap.allocated":
            before += HEAP_SLACK
        if after > before:
            found[path] = (before, after)
    return found


def seconds_of_load():
    """SWITCHBACK_MEMORY_SECONDS, or ten minutes. What lingers does so for 32 s: less than a minute tells nothing."""
    return max(60, int(os.environ.get("SWITCHBACK_MEMORY_SECONDS", "600")))


@test(capture=False, slow=True, sanitized=False)
def memory_stands_still_for_ten_minutes(t):
    """1 000 calls a second, one in ten for libosip2 to read: after the first minute no figure of heap, arenas, packet buffers,
    transactions, records or texts grows; and when all calls are over nothing is held for them. Prints the figures: before all,
    after the first minute, at the end of the load, after all."""
    seconds = seconds_of_load()
    t.start(limits={"transactions": 200000})
    t.meet("caller", "t1")
    t.sipp_trunk("t1")
    # libosip2's peak is that of the longest message, and sipp's counted tags and Call-IDs grow by a digit at the 10 000th call: one
    # call longer than they will ever be goes ahead.
    t.sipp_caller(port=5063, number="44{20}001" + "0" * 96).wait(10).all_good(1)
    idle = watched(t, 2)[-1]
    plain = t.sipp_caller(calls=900 * seconds, rate=900)
    odd = t.sipp_caller(calls=100 * seconds, rate=100, port=5062, number="44{20}001")
    watched(t, min(55, seconds * 0.6))
    early = watched(t, 5)
    late = watched(t, seconds - min(60, seconds * 0.6 + 5) - 2)
    figures = {path: [idle[path], early[-1][path], late[-1][path]] for path in idle}
    for caller, calls in ((plain, 900 * seconds), (odd, 100 * seconds)):
        caller.wait(60).all_good(calls, retransmissions=None if caller.was_starved() else 0)
    assert t.daemon.counter("sip_osip") >= 100 * seconds * 6, t.daemon.counters()
    t.daemon.events.wait(lambda: memory_figures(t.daemon)["lingering.in_use"] == 0, 40, "last record gone")
    after = watched(t, 2)[-1]
    print(json.dumps({path: [*figures[path], after[path]] for path in idle}, indent=1))
    grown = grown_under_load(early, late)
    assert not grown, f"grew under load: {grown}"
    kept = {path: (idle[path], after[path]) for path in idle if ON_THEIR_WAY.match(path) and after[path] != idle[path]}
    assert not kept, f"held when no call is left: {kept}"

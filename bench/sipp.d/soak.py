# SPDX-License-Identifier: BSD-3-Clause
"""bench/sipp soak: one rate for a long time; failed calls and the daemon's memory are watched."""
import time
from pathlib import Path

from peers import PATIENCE_S, wait_quiet
from harness.endpoint import Nothing

SETTLED_S = 35  # answered calls leave records for 64 T1 = 32 s; until then more are held each second
GROWN = 0.01  # of what there was when settled; more is a failure
RECORD = 64  # bytes. Records of answered calls are a ring set aside at the start: its first lap touches this for each call
POINTS = 2000  # samples kept, whatever the time
ROW = "{:>6} {:>9} {:>9} {:>7} {:>9} {:>10} {:>12} {:>10} {:>10}"
HEAD = ("s", "calls", "calls/s", "failed", "repeated", "heap KiB", "resident KiB", "lingering", "packets")


def resident_kib(pid):
    for line in Path(f"/proc/{pid}/status").read_text(encoding="ascii").splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1])
    return 0


class Watch:
    """A sample a second; the table and the progress want fewer."""

    def __init__(self, bed, caller, options, out, tell):
        self.bed, self.caller, self.options, self.out, self.tell = bed, caller, options, out, tell
        self.began, self.samples, self.told = time.monotonic(), [], -1.0
        self.past = None
        self.every = max(1, options.time // POINTS)
        self.row_every = max(5, options.time // 12)
        out(ROW.format(*HEAD))

    def sample(self):
        now = self.caller.last().get("CurrentTime", "\t\t0").split("\t")[2]
        made = {"second": round(time.monotonic() - self.began, 1), "row_at": float(now), **self.caller.figures()}
        if self.bed.daemon:
            memory = self.bed.daemon.call("memory")
            made |= {"heap_kib": memory["heap"]["allocated"] // 1024, "resident_kib": resident_kib(self.bed.daemon.process.pid),
                     "lingering": memory["lingering"]["in_use"], "lingering_max": memory["lingering"]["max"],
                     "packets": sum(one["in_use"] for one in memory["packets"])}
        return made

    def rate(self, made):
        """Calls a second between two of sipp's own rows."""
        past, self.past = self.past, (made["created"], made.pop("row_at"))
        return (self.past[0] - past[0]) / (self.past[1] - past[1]) if past and self.past[1] > past[1] else made["created"]

    def second(self):
        made = self.sample()
        made["per_second"] = round(self.rate(made), 1)
        if not self.samples or made["second"] - self.samples[-1]["second"] >= self.every - 0.5:
            self.samples.append(made)
        self.tell(f"{made['second']:.0f} of {self.options.time} s, {made['created']} calls, {made['failed']} failed")
        if made["second"] - self.told >= self.row_every:
            self.told = made["second"]
            self.row(made)

    def row(self, made):
        memory = [made.get(name, "-") for name in ("heap_kib", "resident_kib", "lingering", "packets")]
        self.out(ROW.format(f"{made['second']:.0f}", made["created"], f"{made['per_second']:.0f}", made["failed"],
                            made["retransmissions"], *memory))


def growth(samples, seconds):
    """{figure: [when settled, at the end, the most it may be]}: the lowest of a fifth of the time, as calls on their way come and
    go."""
    settled = [one for one in samples if one["second"] >= min(SETTLED_S, seconds / 2) and "heap_kib" in one]
    fifth = max(1, len(settled) // 5)
    if len(settled) < 2:
        return {}
    early, late = settled[:fifth], settled[-fifth:]
    lap = min(late[-1]["created"] - early[0]["created"], late[-1]["lingering_max"]) * RECORD // 1024
    found = {}
    for name, slack in (("heap_kib", 0), ("resident_kib", lap), ("packets", 0)):
        before, after = (min(one[name] for one in some) for some in (early, late))
        found[name] = [before, after, int(before * (1 + GROWN)) + slack + (2 if name == "packets" else 0)]
    return found


def verdict(made, grown):
    wrong = [f"calls failed: {made['failed_calls']}"] if made["failed_calls"] else []
    wrong += [f"{name} grew from {before} to {after}" for name, (before, after, most) in grown.items() if after > most]
    return "; ".join(wrong + ([made["books"]] if made["books"] else []))


def play(bed, options, out, tell):
    bed.start()
    calls = options.rate * options.time
    caller = bed.caller(options.rate, calls, every=0)
    watch = Watch(bed, caller, options, out, tell)
    ended = wait_quiet(caller, bed, time.monotonic() + options.time * 1.5 + PATIENCE_S, watch.second)
    took, figures = time.monotonic() - watch.began, caller.figures()
    if not figures["created"]:
        raise Nothing(f"sipp, the caller, made no call: {caller.complaint()}")
    grown = growth(watch.samples, options.time)
    made = {"asked_per_second": options.rate, "seconds": round(took, 1), "calls": figures["created"],
            "calls_per_second": round(figures["created"] / took, 1), "failed_calls": calls - figures["successful"],
            "repeated": figures["retransmissions"], "memory": grown, "ended": ended, "books": bed.books(),
            "starved": caller.was_starved(), "samples": watch.samples}
    made["wrong"] = verdict(made, grown)
    out("")
    out(f"calls         {made['calls']} in {took:.0f} s, {made['failed_calls']} failed, {made['repeated']} messages repeated by the caller"
        + (" (sipp was not run for half a second at least once)" if made["starved"] else ""))
    for name, (before, after, most) in grown.items():
        out(f"{name:<13} {before:>8} -> {after:>8}  from when it had settled to the end; at most {most} was allowed")
    out("verdict       " + (made["wrong"] or ("nothing failed, nothing grew" if grown else "nothing failed")))
    return made, not made["wrong"]

# SPDX-License-Identifier: BSD-3-Clause
"""bench/sipp failover: amid load the primary trunk is killed or frozen, and later comes back. How wide is the dip?"""
import contextlib
import signal
import subprocess
import sys
import time
from pathlib import Path

from peers import BIN_S, PATIENCE_S, Nothing, demo
from ramp import part

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
import svg  # noqa: E402

SLIDE_S = 0.05  # the dip is looked for in steps of this
WINDOW_S = 0.2  # calls a second are counted over this
BACK = 0.95  # of the calls a second before the kill
AGAIN_S = 0.5  # what is sent again is shown by bins of this
QUIET_S = 1.0  # so long it must stay there


class Story:
    """The play, with a note of when what happened (wall clock, as sipp writes it)."""

    def __init__(self, bed, options, tell):
        self.bed, self.options, self.tell = bed, options, tell
        self.when, self.samples, self.dead = {}, [], []

    def until(self, moment, what):
        """Watches until so many seconds after the beginning."""
        told = 0.0
        while time.time() < self.when["begun"] + moment:
            self.bed.alive()
            self.bed.look()
            if self.caller.process.poll() is not None:
                raise Nothing(f"sipp, the caller, ended too soon: {self.caller.complaint()}")
            counters = self.bed.counters()
            self.samples.append((time.time(), counters.get("retransmissions_out"), counters.get("failovers")))
            if time.time() - told >= 1:
                told = time.time()
                figures = self.caller.figures()
                self.tell(f"{told - self.when['begun']:3.0f} s  {what}: {figures['created']} calls, {figures['failed']} failed")
            time.sleep(0.1)

    def play(self):
        options = self.options
        third = options.time / 3
        self.caller = self.bed.caller(options.rate, options.rate * options.time, arguments=["-trace_counts"])
        self.when["begun"] = time.time()
        self.until(third, "steady")
        first = self.bed.trunks["primary"]
        first.look()
        first.killed = True
        self.when["killed"] = time.time()
        first.process.send_signal(signal.SIGKILL if options.how == "killed" else signal.SIGSTOP)
        self.until(2 * third, f"primary {options.how}")
        first.process.kill()
        first.process.wait()
        self.bed.trunks["primary"] = again = self.bed.trunk("primary")
        self.when["back"] = time.time()
        self.until(options.time - 0.5, "primary back")
        self.dead = [first, again]
        self._end()

    def _end(self):
        """Calls whose far end died are given up by sipp after their BYE's repetitions."""
        limit = time.monotonic() + PATIENCE_S + (self.options.ring + self.options.hold) / 1000
        while self.caller.process.poll() is None and time.monotonic() < limit:
            time.sleep(0.1)
        self.ended = self.caller.process.poll() is not None
        if not self.ended:
            self.caller.process.terminate()
            self.caller.process.wait(5)
        for peer in self.bed.trunks.values():  # they write what they have
            peer.process.send_signal(signal.SIGINT)
            with contextlib.suppress(subprocess.TimeoutExpired):  # it is ended for good later
                peer.process.wait(3)


def paced(times, start, end):
    return sum(start <= at < end for at in times) / (end - start)


def dip(times, before, killed, end):
    """(width in s, lowest calls/s, when it was back): from the kill until calls/s are back at BACK of `before` and stay there for
    QUIET_S; what falls later has another cause. Only windows after the kill count; 0 if none is below."""
    low, back, at = before, killed, killed
    while at + WINDOW_S <= end and at - back <= QUIET_S:
        now = paced(times, at, at + WINDOW_S)
        low = min(low, now)
        if now < BACK * before:
            back = at + WINDOW_S
        at += SLIDE_S
    return back - killed, low, back


def binned(times, start, end, width=BIN_S):
    counts = [0] * max(1, int((end - start) / width))
    for at in times:
        number = int((at - start) / width)
        if 0 <= number < len(counts):
            counts[number] += 1
    return [((n + 0.5) * width, count / width) for n, count in enumerate(counts)]


def slices(answered, start, end, share):
    """Set-up time, ms, of the calls answered in each bin: None where none was. sipp counts whole ms."""
    bins = {}
    for at, ms in answered:
        bins.setdefault(int((at - start) / BIN_S), []).append(ms)
    return [((n + 0.5) * BIN_S, max(1.0, part(sorted(bins[n]), share)) if n in bins else None)
            for n in range(int((end - start) / BIN_S))]


def repeats(story, start, end):
    """[(second, messages sent again a second)]: by the caller, and by the proxy where the daemon tells."""
    caller = [(float(line["CurrentTime"].split("\t")[2]), int(line["Retransmissions(P)"] or 0)) for line in story.caller.rows()]
    counts = [(at, sent) for at, sent, _ in story.samples if sent is not None]
    proxy = [(counts[n][0], counts[n][1] - counts[n - 1][1]) for n in range(1, len(counts))]
    return [binned([at for at, times in source for _ in range(times)], start, end, AGAIN_S) for source in (caller, proxy)]


def shown(made):
    return f"{made['dip_ms']} ms" if made["dip_ms"] else f"none within {WINDOW_S * 1000:.0f} ms"


def plot(path, story, made, lists):
    """Three panels over the same seconds."""
    start, end = story.when["begun"], story.when["begun"] + story.options.time
    killed, back = story.when["killed"] - start, story.when["back"] - start
    formula = f"; formula {demo.TRYING_MS} ms x (2^{demo.RETRIES + 1} - 1) = {demo.FORMULA_MS} ms" if story.bed.daemon else ""
    figure = svg.Figure(f"The primary is {story.options.how} at {story.options.rate} calls/s", "seconds",
                        f"dip {shown(made)}{formula if story.options.how == 'frozen' else ''}; of {made['calls']} calls "
                        f"{made['setups_lost']} never rang, {made['calls_lost']} lost in progress",
                        x_range=(0, story.options.time))
    figure.band(killed, back)
    figure.mark(killed, "primary " + story.options.how)
    figure.mark(back, "primary back")
    rate = figure.panel("calls/s answered", 200)
    rate.area(binned(lists["primary"], start, end), "by the primary", svg.COLOURS[0])
    rate.area(binned(lists["secondary"], start, end), "by the secondary", svg.COLOURS[1])
    rate.line(binned(lists["times"], start, end), "as the caller sees it", "#333", 1.2)
    setup = figure.panel("set-up time, ms", 150, log=True, low=1)
    setup.line(slices(lists["answered"], start, end, 0.5), "median of 0.2 s", svg.COLOURS[0])
    setup.line(slices(lists["answered"], start, end, 1), "longest of 0.2 s", svg.COLOURS[3])
    again = figure.panel("sent again, 1/s", 120, high=None if any(made["repeated"].values()) else 10)
    caller, proxy = repeats(story, start, end)
    if story.bed.daemon:
        again.area(svg.steps(proxy, AGAIN_S), "by the proxy, to trunks", svg.COLOURS[2])
    again.area(svg.steps(caller, AGAIN_S), "by the caller", svg.COLOURS[3])
    figure.save(path)


def judged(story):
    """The figures, and the lists they come from."""
    options, when = story.options, story.when
    answered = story.caller.answered()
    times = [at for at, _ in answered]
    figures = story.caller.figures()
    calls = options.rate * options.time
    reached = max(story.caller.received(180), len(times))  # one that rings goes nowhere else: its far end is dead
    before = paced(times, when["begun"] + 1, when["killed"])
    width, low, back = dip(times, before, when["killed"], when["back"])
    lists = {"answered": answered, "times": times, "primary": [at for peer in story.dead for at, _ in peer.answered()],
             "secondary": [at for at, _ in story.bed.trunks["secondary"].answered()]}
    last = when["begun"] + options.time
    counters = story.bed.counters()
    made = {"how": options.how, "rate": options.rate, "seconds": options.time, "hold_ms": options.hold, "calls": calls,
            "before_per_second": round(before, 1), "lowest_per_second": round(low, 1), "dip_ms": round(width * 1000),
            "dip_calls": round(before * width - sum(when["killed"] <= at < back for at in times)),
            "setups_lost": calls - reached, "calls_lost": reached - figures["successful"],
            "longest_setup_ms": max((ms for _, ms in answered), default=0),
            "repeated": {"caller": figures["retransmissions"], "proxy": counters.get("retransmissions_out")},
            "failovers": counters.get("failovers"),
            "primary_share_at_end": round(paced(lists["primary"], last - 2, last) / max(paced(times, last - 2, last), 1), 3),
            "starved": story.caller.was_starved(), "books": story.bed.books()}
    return made, lists


def play(bed, options, out, tell):
    bed.start()
    story = Story(bed, options, tell)
    story.play()
    made, lists = judged(story)
    plot(options.plot, story, made, lists)
    made["plot"] = str(options.plot)
    unknown = lambda value: "-" if value is None else value  # noqa: E731
    for name, value in (
            (f"primary {options.how} at", f"{options.rate} calls/s, of {options.time} s the middle third"),
            ("before", f"{made['before_per_second']:.0f} calls/s answered"),
            ("dip", f"{shown(made)}, from then to {BACK:.0%} again ({WINDOW_S * 1000:.0f} ms windows); lowest "
                    f"{made['lowest_per_second']:.0f} calls/s"),
            ("longest set-up", f"{made['longest_setup_ms']:.0f} ms"),
            ("calls", f"{made['calls']}"),
            ("  never rang", f"{made['setups_lost']}"),
            ("  lost in progress", f"{made['calls_lost']}" + ("  (their far end died)" if made["calls_lost"] else "")),
            ("re-routed", unknown(made["failovers"])),
            ("sent again", f"by the caller {made['repeated']['caller']}, by the proxy {unknown(made['repeated']['proxy'])}"),
            ("primary's share again", f"{made['primary_share_at_end']:.0%}"),
            ("plot", made["plot"])):
        out(f"{name:<22} {value}")
    if made["starved"]:
        out("sipp was not run for half a second at least once: this run says little about its peer")
    wrong = made["setups_lost"] > 0 or made["books"] or not story.ended
    if made["books"]:
        out(made["books"])
    return made, not wrong

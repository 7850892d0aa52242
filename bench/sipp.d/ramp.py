# SPDX-License-Identifier: BSD-3-Clause
"""bench/sipp ramp: a step for each rate, a fresh sipp for each step, until the rate asked for or the first step that fails."""
import time

from peers import PATIENCE_S, PEER_CPUS, wait_quiet
from harness.endpoint import Nothing

RATE_KEPT = 0.97  # of the rate asked for; below it the step failed
REPEATED = 0.001  # messages sent again for each call; above it the step failed
BUSY = 0.9  # of their cores: sipps that take more have no more to give
HEAD = ("asked/s", "answered/s", "calls", "failed", "repeated", "p50 ms", "p99 ms", "max ms", "sipp CPU %", "sipp lost", "step")
ROW = "{:>8} {:>11} {:>8} {:>7} {:>9} {:>7} {:>7} {:>7} {:>11} {:>10}  {}"


def part(values, share):
    return values[min(len(values) - 1, int(share * len(values)))] if values else 0


def pace(times):
    """Calls a second, of the middle 98 of a hundred: one call that had to repeat itself is not the pace."""
    cut = len(times) // 100
    kept = times[cut:len(times) - cut]
    return (len(kept) - 1) / (kept[-1] - kept[0]) if len(kept) > 1 and kept[-1] > kept[0] else 0.0


def step(bed, rate, seconds, tell):
    calls = rate * seconds
    began, lost, seen = time.monotonic(), bed.overflowed(), [(time.monotonic(), bed.cpu_s())]
    caller = bed.caller(rate, calls, every=max(1, rate // 200))
    tell(f"{rate} calls/s for {seconds} s ...")
    ended = wait_quiet(caller, bed, began + seconds * 2 + PATIENCE_S,
                        lambda: seen.append((time.monotonic(), bed.cpu_s())))
    answered, figures = caller.answered(), caller.figures()
    times, setup = [at for at, _ in answered], sorted(ms for _, ms in answered)
    if not figures["created"]:
        raise Nothing(f"sipp, the caller, made no call: {caller.complaint()}")
    made = {"asked_per_second": rate, "answered_per_second": round(pace(times), 1), "calls": figures["created"],
            "failed_calls": calls - figures["successful"], "repeated": figures["retransmissions"],
            "setup_ms": {"p50": part(setup, 0.5), "p99": part(setup, 0.99), "max": part(setup, 1)},
            "sipp_cpu_percent": busiest(seen + [(time.monotonic(), bed.cpu_s())]), "sipp_lost": bed.overflowed() - lost,
            "starved": caller.was_starved()}
    made["wrong"] = why(made, ended)
    made["sipp_is_the_limit"] = bool(made["wrong"]) and (made["sipp_lost"] > 0 or made["starved"] or
                                                         made["sipp_cpu_percent"] > BUSY * 100 * len(PEER_CPUS))
    caller.forget()
    return made


def busiest(seen):
    """Per cent of a core that all sipps took together, in the second in which it was most."""
    shares = [(cpu - seen[n][1]) / (at - seen[n][0]) for n, (at, cpu) in enumerate(seen[1:]) if at - seen[n][0] > 0.5]
    return round(max(shares, default=0) * 100, 1)


def why(made, ended):
    """"" or what makes it a failing step."""
    if not ended:
        return "calls did not end"
    if made["failed_calls"]:
        return f"calls failed: {made['failed_calls']}"
    if made["answered_per_second"] < made["asked_per_second"] * RATE_KEPT:
        return "rate not reached"
    if made["repeated"] > made["calls"] * REPEATED:
        return "messages repeated"
    return ""


def row(made):
    setup = made["setup_ms"]
    verdict = "ok" if not made["wrong"] else made["wrong"] + (", sipp has no more to give" if made["sipp_is_the_limit"] else "")
    return ROW.format(made["asked_per_second"], f"{made['answered_per_second']:.1f}", made["calls"], made["failed_calls"],
                      made["repeated"], f"{setup['p50']:.0f}", f"{setup['p99']:.0f}", f"{setup['max']:.0f}",
                      f"{made['sipp_cpu_percent']:.0f}", made["sipp_lost"], verdict)


def rates(options):
    """The rates of the steps; the last is the one asked for."""
    return [*range(options.begin, options.rate, options.step), options.rate]


def play(bed, options, out, tell):
    bed.start()
    out(ROW.format(*HEAD))
    steps = []
    for rate in rates(options):
        steps.append(step(bed, rate, options.time, tell))
        out(row(steps[-1]))
        if steps[-1]["wrong"]:
            break
        time.sleep(0.5)
    clean = [one["answered_per_second"] for one in steps if not one["wrong"]]
    last = steps[-1]
    out("")
    if clean:
        out(f"highest clean rate  {max(clean):.0f} calls/s" + ("" if last["wrong"] else ", as asked"))
    if last["wrong"]:
        out(f"first failing step  {last['asked_per_second']} calls/s: {last['wrong']}; " + limit(last))
    return {"steps": steps, "clean_calls_per_second": max(clean, default=0), "reached": not last["wrong"]}, not last["wrong"]


def limit(made):
    cores = f"took up to {made['sipp_cpu_percent']:.0f} % of the {len(PEER_CPUS)} core(s) they have"
    if not made["sipp_is_the_limit"]:
        return f"not sipp's doing: its processes {cores} and lost nothing"
    return (f"sipp is the limit here: its processes {cores}; {made['sipp_lost']} datagrams found their sockets full"
            + (", and they were not run for half a second" if made["starved"] else ""))

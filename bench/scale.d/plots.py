# SPDX-License-Identifier: BSD-3-Clause
"""bench/scale's pictures: one a dimension."""
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import svg  # noqa: E402


def series(rows, x, y, factor=1.0):
    return [(row[x], row[y] * factor) for row in rows if row.get(y) is not None]


def prefixes(rows, hz):
    ns = 1e9 / hz
    figure = svg.Figure("Dialled prefixes", "prefixes", "one look-up alone between fences, median", x_log=True)
    rows = [row for row in rows if row["prefixes"] >= 1000]
    panel = figure.panel("ns")
    for name, text in (("warm", "warm"), ("cold", "cold"), ("random", "random"), ("cold_load", "one cold load"),
                       ("random_load", "one random load")):
        panel.line(series(rows, "prefixes", name + "_p50", ns), text, dots=True)
    figure.panel("seconds", height=110, log=True).line(series(rows, "prefixes", "load_s"), "load of the file", dots=True)
    return figure


def timers(rows, _):
    figure = svg.Figure("Timers", "others armed", "control's engine at 1.2 M ARM and as many FIRED a second, a 65 s bucket of the wheel begins in the run",
                        x_log=True)
    panel = figure.panel("us behind the deadline", log=True)
    for name in ("p50", "p99", "p999"):
        panel.line(series(rows, "armed", "late_us_" + name), "lateness " + name.replace("999", "99.9"), dots=True)
    panel = figure.panel("us", height=130, log=True)
    for name in ("p50", "p99", "max"):
        panel.line(series(rows, "armed", "tick_cpu_us_" + name), "a tick's CPU time, " + name, dots=True)
    return figure


def trunks(rows, hz):
    figure = svg.Figure("Trunks", "trunks", "groups of ten, and groups of 256 (all members are looked at)", x_log=True)
    panel = figure.panel("ns", log=True)
    for shape in ("tens", "wide"):
        chosen = [row for row in rows if row["shape"] == shape]
        panel.line(series(chosen, "trunks", "steer_p50", 1e9 / hz), "choice, " + {"tens": "groups of ten", "wide": "groups of 256"}[shape],
                   dots=True)
    panel = figure.panel("ms", height=120, log=True)
    panel.line(series([row for row in rows if row["shape"] == "tens"], "trunks", "load_ms"), "load of the configuration", dots=True)
    return figure


def sizes(rows, _):
    figure = svg.Figure("Message sizes", "bytes of INVITE", "reading and acting, ticks of the TSC; calls in the caches (bench/micro's)")
    panel = figure.panel("ticks a message")
    for name in ("read_invite", "act_invite", "read_200", "act_200"):
        panel.line(series(rows, "bytes", name), name.replace("_", " ").replace("invite", "INVITE"), dots=True)
    return figure


def transactions(rows, _):
    figure = svg.Figure("Calls that ring", "calls ringing in one worker", "bursts of messages of all kinds, ticks of the TSC; as many calls linger", x_log=True)
    panel = figure.panel("ticks a message")
    panel.line(series(rows, "ringing", "ticks_p50"), "median of bursts", dots=True)
    panel.line(series(rows, "ringing", "ticks_p25"), "best quarter", dots=True)
    panel.line(series(rows, "ringing", "read_p25"), "of it reading", dots=True)
    panel = figure.panel("bytes", height=110)
    panel.line(series(rows, "ringing", "bytes_each"), "a call that rings", dots=True)
    return figure


def model(rows, _):
    figure = svg.Figure("Workers: a model", "workers, each on a core of its own", "from ticks measured with one and two workers; nothing beyond two has been run")
    panel = figure.panel("M messages a second")
    panel.line(series(rows, "workers", "thousands", 1e-6), "thousands of 5-tuples", dots=True)
    panel.line(series(rows, "workers", "single", 1e-6), "single 5-tuple", dots=True)
    return figure


def draw(out, directory):
    for name, make in (("prefixes", prefixes), ("timers", timers), ("trunks", trunks), ("sizes", sizes), ("transactions", transactions), ("model", model)):
        if out.get(name):
            make(out[name], out["cpu_hz"]).save(Path(directory) / f"scale-{name}.svg")

# SPDX-License-Identifier: BSD-3-Clause
"""bench/sipp in small: does it measure, and does it say so when a step fails?"""
import json
import subprocess
from pathlib import Path

from harness.case import test

SIPP = Path(__file__).resolve().parents[3] / "bench/sipp"


def measured(run):
    """The exit status and what it tells. A run in which the machine did not run sipp says nothing and is made again, twice at most."""
    for _ in range(3):
        done = run()
        lines = done.stdout.splitlines()
        assert len(lines) == 1, (done.returncode, done.stdout, done.stderr)
        made = json.loads(lines[0])
        if not any(one["starved"] for one in made.get("steps", [made])):
            break
    return done.returncode, made


@test(capture=False, sanitized=False)
def bench_sipp_measures_a_failover(t):
    """In namespaces of its own: the primary falls silent at 50 calls a second. What rings there (100 ms each) is lost with it, and told
    so; every other call is set up, and the dip is what the formula says, 100 ms x (2^3 - 1)."""
    plot = t.directory / "plot.svg"
    status, made = measured(lambda: subprocess.run(
        [SIPP, "failover", "--how", "frozen", "--rate", "50", "--ring", "100", "--time", "6", "--build", t.build, "--plot", plot, "--json"],
        capture_output=True, text=True, timeout=60, check=False))
    assert status == 0 and made["calls"] == 300 and made["setups_lost"] == 0 and 1 <= made["calls_lost"] <= 20, made
    assert 500 <= made["dip_ms"] <= 2500 and 790 <= made["longest_setup_ms"] <= 2600, made
    assert plot.read_text(encoding="utf-8").rstrip().endswith("</svg>")


@test(capture=False, sanitized=False)
def bench_sipp_finds_the_first_failing_step(t):
    """Against a proxy at another address that sheds what is over 30 calls a second: 20 pass, 100 do not, 180 are not tried."""
    settings = t.config(trunks=("t1",), limits={"transactions": 20000, "invite_rate_per_source": 30})
    settings["trunks"][0]["address"] = "192.0.2.21:5060"
    t.start(settings)
    host = t.network["caller"].ns
    host.run("ip", "addr", "add", "192.0.2.21/24", "dev", "eth0")
    try:
        t.meet("caller")
        status, made = measured(lambda: host.run(
            str(SIPP), "ramp", "--begin", "20", "--step", "80", "--rate", "180", "--time", "1", "--json",
            "--proxy", t.proxy[0], "--local", "192.0.2.1:5070", "--trunks", "192.0.2.21", check=False))
    finally:
        host.run("ip", "addr", "del", "192.0.2.21/24", "dev", "eth0")
    assert status == 1 and [one["asked_per_second"] for one in made["steps"]] == [20, 100], made
    first, second = made["steps"]
    assert not first["wrong"] and first["calls"] == 20 and second["failed_calls"] > 0 and not made["reached"], made


# SPDX-License-Identifier: BSD-3-Clause
"""What the benchmarks share: switchbackd in a namespace of its own, the load generator at the other end of its port."""
import json
import os
import re
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tests/sipp"))

from harness import daemon as daemons  # noqa: E402
from harness.daemon import Daemon, find_program  # noqa: E402
from harness.netns import Failed, Namespace, end  # noqa: E402

CPUS = sorted(os.sched_getaffinity(0))
PROXY, GATEWAY = "192.0.2.10", "192.0.2.1"
BEHAVIOURS = ("answers", "refuses", "icmp", "silent")


class Bed:
    """A namespace with the proxy in it. What Daemon asks of a network is here."""

    def __init__(self):
        self.dut = Namespace("dut")

    def forget_neighbours(self):
        pass

    def close(self):
        self.dut.close()


def trunk_address(behaviour, number=0):
    return f"198.19.{100 + 10 * BEHAVIOURS.index(behaviour) + number // 100}.{100 + number % 100}"


def config(directory, device, trunks=1, workers=(CPUS[-1],), **top):
    """Calls of behaviour B (the digit in +4420B...) meet a first trunk of that kind, and then those that answer."""
    quiet = {"listener": "access", "probe": {"method": "none"}, "traffic": {"failures": 64, "window": 64}, "ramp": "0s",
             "trying_timer": "100ms", "invite_retries": 1}
    answers = [f"a{n}" for n in range(trunks)]
    made = [{"name": name, "address": f"{trunk_address('answers', n)}:5060", **quiet} for n, name in enumerate(answers)]
    made += [{"name": name, "address": f"{trunk_address(name)}:5060", **quiet} for name in BEHAVIOURS[1:]]
    last = [{"trunk": name, "priority": 2} for name in answers]
    groups = [{"name": "answers", "members": last}]
    groups += [{"name": name, "members": [{"trunk": name, "priority": 1}] + last} for name in BEHAVIOURS[1:]]
    whole = {
        "control": {"socket": f"{directory}/control.sock", "lcore": CPUS[0], "state_dir": f"{directory}/state"},
        "workers": list(workers), "hugepages": "auto", "memory": "512MB",
        "ports": [{"name": "edge", "device": device, "tap": "sb-edge", "addresses": [f"{PROXY}/24"]}],
        "listeners": [{"name": "access", "port": "edge", "address": PROXY, "trust": ["198.18.0.0/15"]}],
        "trunks": made, "groups": groups,
        "routes": [{"prefix": f"+4420{n}", "groups": [name]} for n, name in enumerate(BEHAVIOURS)],
        "limits": {"transactions": 200000},
    }
    whole.update(top)
    return whole


def start(build, directory, settings, bed=None):
    bed = bed or Bed()
    daemon = Daemon(build, bed, directory, settings)
    daemon.start()
    bed.dut.run("ip", "route", "add", "198.18.0.0/15", "via", GATEWAY, "dev", "sb-edge")
    return bed, daemon


def memif(directory, role):
    return f"net_memif0,role={role},socket={directory}/memif.sock,socket-abstract=no,bsize=2048,rsize=10"


def loadgen(build, device, *options, cpu=CPUS[0], json_lines=True, memory=512, namespace=None, show=None):
    """Runs the generator to its end; the JSON lines it prints."""
    command = ["taskset", "-c", str(cpu), find_program(build, "loadgen"), "--no-pci", "--no-huge", "-m", str(memory), "--no-telemetry",
               "--no-shconf", "--lcores", f"0@{cpu}", "--log-level", "error", "--", "--device", device, "--proxy", PROXY, "--gateway", GATEWAY]
    command += [str(option) for option in options] + (["--json"] if json_lines else [])
    if namespace:
        process = namespace.spawn(command, stdout=subprocess.PIPE, stderr=show, text=True)
    else:
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=show, text=True)
    out, _ = process.communicate()
    lines = [json.loads(line) for line in out.splitlines() if line.startswith("{")] if json_lines else out
    if not lines:
        raise Failed(f"loadgen ended with {process.returncode}: {out}")
    return lines

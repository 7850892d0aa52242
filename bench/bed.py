# SPDX-License-Identifier: BSD-3-Clause
"""What the benchmarks share: switchbackd in a namespace of its own, the load generator at the other end of its port."""
import contextlib
import json
import mmap
import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tests/sipp"))

from harness import daemon as daemons  # noqa: E402
from harness.daemon import Daemon, find_program  # noqa: E402
from harness.netns import Failed, Namespace, end  # noqa: E402

# Control and generator on the first, the worker on the last. A virtual machine's CPUs may differ: SWITCHBACK_CPUS=1,0 has the order.
CPUS = [int(cpu) for cpu in os.environ.get("SWITCHBACK_CPUS", "").split(",") if cpu] or sorted(os.sched_getaffinity(0))
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


def wire(bed):
    """A veth pair: edge0 is the proxy's end; the other, gen0, is in a namespace of the generator's, which is returned."""
    generator = Namespace("gen")
    for namespace in (generator, bed.dut):
        namespace.sysctl(net__ipv6__conf__all__disable_ipv6=1, net__ipv6__conf__default__disable_ipv6=1)
    generator.ip(f"link add gen0 type veth peer name edge0 netns {bed.dut.path}\nlink set gen0 up\n")
    bed.dut.ip("link set edge0 up\n")
    return generator


def memif(directory, role):
    return f"net_memif0,role={role},socket={directory}/memif.sock,socket-abstract=no,bsize=2048,rsize=10"


def loadgen_start(build, device, *options, cpu=CPUS[0], json_lines=True, memory=512, namespace=None, show=None, hugepages=False, nice=0):
    """The generator as a process; read its end with loadgen_end()."""
    pages = ["--in-memory"] if hugepages else ["--no-huge", "-m", str(memory), "--no-shconf"]
    command = ["taskset", "-c", str(cpu), *(["nice", "-n", str(nice)] if nice else []), find_program(build, "loadgen"), "--no-pci", *pages,
               "--no-telemetry", "--lcores", f"0@{cpu}", "--log-level", "*:error", "--", "--device", device, "--proxy", PROXY,
               "--gateway", GATEWAY]
    command += [str(option) for option in options] + (["--json"] if json_lines else [])
    if namespace:
        return namespace.spawn(command, stdout=subprocess.PIPE, stderr=show, text=True)
    return subprocess.Popen(["setpriv", "--pdeathsig", "KILL", *command], stdout=subprocess.PIPE, stderr=show, text=True)


def loadgen_end(process, json_lines=True):
    """Waits for its end; the JSON lines that it printed."""
    out, _ = process.communicate()
    lines = [json.loads(line) for line in out.splitlines() if line.startswith("{")] if json_lines else out
    if not lines:
        raise Failed(f"loadgen ended with {process.returncode}: {out}")
    return lines


def loadgen(build, device, *options, json_lines=True, **keys):
    """Runs the generator to its end; the JSON lines it prints."""
    return loadgen_end(loadgen_start(build, device, *options, json_lines=json_lines, **keys), json_lines)


PREPARE = f". {ROOT}/packaging/prepare.sh; "
NR_HUGEPAGES = Path("/sys/kernel/mm/hugepages/hugepages-2048kB/nr_hugepages")


@contextlib.contextmanager
def huge_pages(megabytes):
    """The kernel sets so much aside where it can, and gets it back. Yields whether it did."""
    before = NR_HUGEPAGES.read_text() if NR_HUGEPAGES.exists() else None
    try:
        subprocess.run(["bash", "-c", PREPARE + f"prepare_hugepages {megabytes}"], check=False)
        free = NR_HUGEPAGES.with_name("free_hugepages")
        yield before is not None and int(free.read_text()) * 2 >= megabytes
    finally:
        if before is not None:
            subprocess.run(["bash", "-c", PREPARE + f"hugepages_before={int(before)}; restore_hugepages"], check=False)


def warm_memory(megabytes):
    """A virtual machine gets memory of its host when it first touches it, which takes it milliseconds a huge page. So it is
    touched before anything is measured."""
    with mmap.mmap(-1, megabytes << 20) as area:
        with contextlib.suppress(OSError, AttributeError, ValueError):
            area.madvise(mmap.MADV_HUGEPAGE)
        for at in range(0, megabytes << 20, 4096):
            area[at] = 1


class Threads:
    """How long each thread of a process ran, and how long it waited for a CPU, in seconds since the last look."""

    def __init__(self, pid):
        self.pid, self.before = pid, {}
        self.look()

    def look(self):
        made, now = {}, {}
        for task in Path(f"/proc/{self.pid}/task").iterdir():
            with contextlib.suppress(OSError, ValueError):
                run, wait, _ = (int(field) for field in (task / "schedstat").read_text().split())
                name = (task / "comm").read_text().strip()
                old = self.before.get(task.name, (run, wait))
                now[task.name] = (run, wait)
                sum_run, sum_wait = made.get(name, (0.0, 0.0))
                made[name] = (sum_run + (run - old[0]) / 1e9, sum_wait + (wait - old[1]) / 1e9)
        self.before = now
        return made

# SPDX-License-Identifier: BSD-3-Clause
"""Who takes part in a load test: sipp as callers and as trunks, and switchbackd between them or a proxy that is there already."""
import contextlib
import os
import socket
import struct
import sys
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
sys.path.insert(0, str(ROOT / "tests/sipp"))

import demo  # noqa: E402
from harness.daemon import PEER_CPUS, Daemon  # noqa: E402
from harness.endpoint import Nothing  # noqa: E402
from harness.netns import Here, Network  # noqa: E402
from harness.sipp import Sipp  # noqa: E402

TICKS = os.sysconf("SC_CLK_TCK")
TRUNKS = ("primary", "secondary")
DEAD_CALL_MS = 5000  # how long sipp knows a call that is over: it answers what is repeated. Its own 33 s cost memory
PATIENCE_S = 40  # what calls may take that meet failures: 64 T1, and more
GIVE_UP_S = 34  # how much longer than --ring a caller lets it ring
OWN_GIVE_UP_S = 3  # where the far end is sipp in our own namespaces
BIN_S = 0.2


class Host:
    """What Sipp asks of a host: an address, a namespace."""

    def __init__(self, label, address):
        self.label, self.ns, self._address = label, Here(), address

    def address(self, v6=False, segment=0):
        return self._address


class Peer(Sipp):
    """sipp that tells the time of each answered call, and what it took of the CPU."""

    def __init__(self, host, directory, scenario, **keys):
        arguments = ["-fd", f"{keys.pop('report_s', BIN_S) * 1000:.0f}ms", "-deadcall_wait", str(DEAD_CALL_MS), *keys.pop("arguments", ())]
        super().__init__(host, directory, HERE / scenario, arguments=arguments, **keys)
        self.cpu_s, self.overflowed = 0.0, 0

    def look(self):
        """Reads the CPU time so far, and how many datagrams found its socket full; call it while the process runs."""
        with contextlib.suppress(OSError, IndexError):
            fields = Path(f"/proc/{self.process.pid}/stat").read_text(encoding="ascii").rsplit(")", 1)[1].split()
            self.cpu_s = max(self.cpu_s, (int(fields[11]) + int(fields[12])) / TICKS)
        with contextlib.suppress(OSError):
            for line in Path(f"/proc/{self.process.pid}/net/udp").read_text(encoding="ascii").splitlines()[1:]:
                if self.bound_to(line.split()[1]):
                    self.overflowed = max(self.overflowed, int(line.split()[12]))

    def bound_to(self, address):
        """ADDRESS:PORT as /proc/net/udp writes it."""
        return address == f"{struct.unpack('=I', socket.inet_aton(self.host.address()))[0]:08X}:{self.port:04X}"

    def answered(self):
        """[(wall clock, ms from INVITE to 200)] of the calls answered, in order. Needs -trace_rtt."""
        rows = self.rows()
        if not rows:
            return []
        begun = float(rows[0]["StartTime"].split("\t")[2])
        found = []
        for path in self.stem.parent.glob(f"*_{self.process.pid}_rtt.csv"):
            for line in path.read_text(encoding="ascii").splitlines()[1:]:
                at, took, *_ = line.split(";")
                with contextlib.suppress(ValueError):  # the last line of one that was killed
                    found.append((begun + float(at) / 1000, float(took)))
        return sorted(found)

    def received(self, status):
        """How many calls saw such a response. Needs -trace_counts."""
        for path in self.stem.parent.glob(f"*_{self.process.pid}_counts.csv"):
            names, *rows = [line.split(";") for line in path.read_text(encoding="ascii").splitlines()]
            return max((int(row[n]) for row in rows[-1:] for n, name in enumerate(names) if name.endswith(f"_{status}_Recv")), default=0)
        return 0

    def forget(self):
        """Its files of one run: a long ramp leaves none behind."""
        for path in [*self.stem.parent.glob(f"*_{self.process.pid}_rtt.csv"), self.stats]:
            path.unlink(missing_ok=True)


def traced(every):
    """sipp logs the time of calls answered, so many at once; the last that do not fill a lot it never writes. 0: none."""
    return ("-trace_rtt", "-rtt_freq", str(every)) if every else ()


class Bed:
    """switchbackd in namespaces of its own, or with --proxy nothing but peers."""

    def __init__(self, options, directory):
        self.options, self.directory, self.peers = options, directory, []
        self.network = self.daemon = None
        self.report_s = 1 if options.mode == "soak" else BIN_S  # a row of sipp's statistics has 1.5 KB
        os.sched_setaffinity(0, PEER_CPUS)
        if options.proxy:
            self.target = options.proxy
            self.caller_host = Host("caller", options.local[0])
            self.caller_port = options.local[1]
            self.trunk_hosts = {name: (Host(name, address), port) for name, (address, port) in zip(TRUNKS, options.trunks)}
        else:
            self.network = Network()
            self.target = (self.network.listener(), 5060)
            self.caller_host, self.caller_port = self.network["caller"], 5060
            self.trunk_hosts = {name: (self.network[demo.NAMES[name]], 5060) for name in TRUNKS}

    def start(self):
        """The trunks answer, then the daemon, until both are UP."""
        self.trunks = {name: self.trunk(name) for name in self.trunk_hosts}
        if not self.network:
            return self
        settings = demo.settings(self.network, self.directory, self.options.driver)
        settings["limits"] = {"transactions": 200000}
        self.daemon = Daemon(self.options.build, self.network, self.directory, settings).start()
        for name in TRUNKS:
            self.daemon.wait_trunk(name, "UP")
        self.network["caller"].ns.run("ping", "-c", "1", "-W", "3", self.target[0])
        return self

    def trunk(self, name):
        host, port = self.trunk_hosts[name]
        every = 1 if self.options.mode == "failover" else 0
        return self._keep(Peer(host, self.directory, "trunk", port=port, ring=self.options.ring, arguments=traced(every),
                               report_s=self.report_s)).bound()

    def caller(self, rate, calls, every=1, arguments=()):
        patience = self.options.ring + 1000 * (OWN_GIVE_UP_S if self.network else GIVE_UP_S)
        keys = {"rate": rate, "calls": calls, "limit": max(1000, rate * PATIENCE_S), "report_s": self.report_s}
        return self._keep(Peer(self.caller_host, self.directory, "caller", port=self.caller_port, target=self.target,
                               number=self.options.number, hold=self.options.hold, patience=patience,
                               arguments=["-max_non_invite_retrans", "4", "-aa", *traced(every), *arguments], **keys))

    def _keep(self, peer):
        self.peers.append(peer)
        return peer

    def look(self):
        for peer in self.peers:
            if peer.process.poll() is None:
                peer.look()

    def cpu_s(self):
        return sum(peer.cpu_s for peer in self.peers)

    def overflowed(self):
        return sum(peer.overflowed for peer in self.peers)

    def counters(self):
        return self.daemon.counters() if self.daemon else {}

    def alive(self):
        if self.daemon and not self.daemon.alive():
            raise Nothing("switchbackd ended: " + self.daemon.tail())
        for name, peer in self.trunks.items():
            if peer.process.poll() is not None and not getattr(peer, "killed", False):
                raise Nothing(f"sipp, the {name} trunk, ended by itself: {peer.complaint()}")

    def books(self):
        """"" or what is wrong with the daemon's counters."""
        return self.daemon.check_identity() if self.daemon else ""

    def close(self):
        for peer in self.peers:
            if peer.process.poll() is None:
                peer.process.kill()
            peer.stop()
        if self.daemon:
            self.daemon.stop(3.0, books=False)
        if self.network:
            self.network.close()


def wait_quiet(caller, bed, until, each=lambda: None):
    """Watches until the caller has ended, calling `each` once a second; ends it when `until` (monotonic) is over."""
    second = time.monotonic() + 1
    while caller.process.poll() is None:
        bed.alive()
        bed.look()
        now = time.monotonic()
        if now >= second:
            each()
            second = now + 1
        if now > until:
            caller.process.terminate()
            caller.process.wait(5)
            return False
        time.sleep(0.05)
    return True

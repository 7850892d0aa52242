# SPDX-License-Identifier: BSD-3-Clause
"""The other side of a memif: ../bridge.c between it and a segment, in a namespace of its own, so that no kernel has a say."""
import os
import select
import signal
import subprocess

from .daemon import PEER_CPUS, find_program
from .endpoint import Nothing
from .netns import Namespace, end


class Bridge:
    """Carries between memif `role` at `path` and the wire that dut's edge interface had."""

    def __init__(self, build, network, path, role="server", segment=0, log=None):
        self.network, self.edge = network, f"edge{segment}"
        self.ns = Namespace("bridge")
        self._move(network.dut, self.ns)
        self.ns.run("ethtool", "-K", self.edge, "gro", "off")
        self.log = open(log or os.devnull, "ab")  # closed in close()
        command = [find_program(build, "sb-bridge"), "--no-huge", "--no-shconf", "-m", "128", "--no-pci", "--no-telemetry",
                   "--file-prefix", f"bridge{os.getpid()}-{segment}", "--lcores", f"0@{PEER_CPUS[0]}", "--log-level", "*:error",
                   "--vdev", f"net_memif0,role={role},socket={path},socket-abstract=no",
                   "--vdev", f"net_af_packet0,iface={self.edge},blocksz=8192,framesz=8192,framecnt=512"]
        self.process = self.ns.spawn(command, cpus=PEER_CPUS, stdout=subprocess.PIPE, stderr=self.log)

    def _move(self, come, go):
        come.ip(f"link set {self.edge} netns {go.path}\n")
        go.ip(f"link set {self.edge} up\n")

    def ready(self, timeout=10.0):
        """Until both ports are started."""
        found, _, _ = select.select([self.process.stdout], [], [], timeout)
        if not found or b"ready" not in os.read(self.process.stdout.fileno(), 64):
            raise Nothing("the bridge did not start")
        return self

    def hold(self):
        """It stops in its tracks and reads nothing more, until go()."""
        self.process.send_signal(signal.SIGSTOP)

    def go(self):
        self.process.send_signal(signal.SIGCONT)

    def end(self):
        """The peer goes away; the wire stays where it is."""
        self.go()
        end(self.process)
        self.process.stdout.close()

    def close(self):
        if self.ns.fd < 0:
            return
        if self.process.poll() is None:
            self.end()
        self._move(self.ns, self.network.dut)
        self.ns.close()
        self.log.close()

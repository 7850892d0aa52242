# SPDX-License-Identifier: BSD-3-Clause
"""One test: what it may use, what is checked after it, and the list of all tests."""
import shutil
from pathlib import Path

from . import daemon as daemons
from .capture import Capture
from .daemon import Daemon
from .endpoint import Call, Endpoint, Trunk
from .sipp import Sipp
from .vlan import Vlan

TESTS = {}


def test(capture=True, sanitized=True, drivers=None, slow=False):
    """Registers a test: `capture` False where the wire carries more than Python reads, `sanitized` False where a sanitized
    daemon is too slow to tell anything, `drivers` when it is about one driver alone, `slow` runs only when named."""

    def register(function):
        function.capture, function.sanitized, function.drivers, function.slow = capture, sanitized, drivers, slow
        TESTS[function.__name__] = function
        return function

    return register


class Skipped(Exception):
    """This machine cannot show what the test is about; says why."""


class Case:
    """What a test function is handed: makes peers and the daemon, and ends them."""

    def __init__(self, name, network, build, driver, directory, sanitized=False, capture=True):
        self.name, self.network, self.build, self.driver = name, network, build, driver
        self.directory = Path(directory) / name
        self.directory.mkdir(parents=True)
        self.sanitized = sanitized
        self.daemon = None
        self.daemons, self._peers = [], []
        self.capture = Capture(network) if capture else None
        self.proxy = (network.listener(), 5060)
        self.proxy6 = (network.listener(v6=True), 5060)

    # -- the daemon ---------------------------------------------------------------------------------------------------

    def config(self, **keys):
        return daemons.config(self.network, self.directory, self.driver, **keys)

    def new_daemon(self, settings):
        made = Daemon(self.build, self.network, self.directory, settings, self.sanitized)
        self.daemons.append(made)
        return made

    def start(self, settings=None, **keys):
        """A daemon on settings, or on the ordinary ones with keys changed; ready, its neighbours known."""
        self.daemon = self.new_daemon(settings or self.config(**keys)).start()
        return self.daemon

    def restart(self):
        """The same daemon again, on the same file and state."""
        self.daemon.start()
        return self.daemon

    def meet(self, *names, v6=False):
        """The daemon and these hosts know each other's MAC addresses: a ping each way round."""
        for name in names:
            self.ping(name, v6)

    def ping(self, name, v6=False, size=56, source_segment=0):
        self.network[name].ns.run("ping", "-c", "1", "-W", "3", "-s", str(size),
                                  self.network.listener(v6, source_segment))

    # -- peers --------------------------------------------------------------------------------------------------------

    def _keep(self, peer):
        self._peers.append(peer)
        return peer

    def endpoint(self, name="caller", **keys):
        return self._keep(Endpoint(self.network[name], **keys))

    def vlan(self, name, number, address):
        return self._keep(Vlan(self.network[name], number, address))

    def trunk(self, name, **keys):
        return self._keep(Trunk(self.network[name], **keys))

    def address(self, name, v6=False, segment=0):
        return self.network[name].address(v6, segment)

    def call(self, endpoint=None, number="4420001", v6=False, proxy=None):
        """A call of an endpoint; on the caller's host unless told."""
        endpoint = endpoint or self.endpoint("caller", v6=v6)
        return Call(endpoint, proxy or (self.proxy6 if v6 else self.proxy), number)

    def sipp_trunk(self, name, scenario="uas_call", ring=0, **keys):
        return self._keep(Sipp(self.network[name], self.directory, scenario, ring=ring, **keys)).bound()

    def sipp_caller(self, scenario="uac_call", calls=1, rate=10, number="4420001", hold=0, name="caller", v6=False, **keys):
        """sipp takes a 180 behind its 200 for an error. That can be at the first contact alone, while what waits for the
        caller's MAC goes by the kernel: so they meet before."""
        if self.daemon and self.daemon.alive():
            self.meet(name, v6=v6)
        return self._keep(Sipp(self.network[name], self.directory, scenario, calls=calls, rate=rate, number=number, hold=hold,
                               v6=v6, target=self.proxy6 if v6 else self.proxy, **keys))

    # -- the end ------------------------------------------------------------------------------------------------------

    def check(self):
        """What must be true after every test: the daemon lives, its books balance, it ends well."""
        if self.daemon and self.daemon.alive():
            status = self.daemon.stop()
            assert status == 0, f"switchbackd ended with {status} on SIGTERM"
        elif self.daemon and self.daemon.status is None:
            raise AssertionError(f"switchbackd died with {self.daemon.process.returncode}")
        self.check_sanitizers()

    def check_sanitizers(self):
        for one in self.daemons:
            reports = one.sanitizer_reports()
            assert not reports, "sanitizer: " + "\n".join(reports[0].splitlines()[:12])

    def close(self, keep):
        for peer in self._peers:
            peer.stop() if isinstance(peer, Sipp) else peer.close()
        for one in self.daemons:
            if one.alive():
                one.stop(3.0, books=False)
            elif one.events:
                one.drop_connections()
        if self.capture:
            if keep:
                self.capture.save(self.directory / "wire.pcap")
            self.capture.close()
        if not keep:
            shutil.rmtree(self.directory, ignore_errors=True)

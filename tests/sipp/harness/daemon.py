# SPDX-License-Identifier: BSD-3-Clause
"""switchbackd under test: its configuration, its start and end, its control socket."""
import json
import os
import re
import signal
import socket
import threading
import time
from pathlib import Path

from .endpoint import Nothing
from .netns import Failed, end

COUNTERS = Path(__file__).resolve().parents[3] / "include/switchback/counters.def"
LEAKS = Path(__file__).resolve().with_name("leaks.supp")
CPUS = sorted(os.sched_getaffinity(0))
WORKER_CPU = CPUS[1] if len(CPUS) > 1 else CPUS[0]
PEER_CPUS = [cpu for cpu in CPUS if cpu != WORKER_CPU] or CPUS
QUIET = {"method": "none"}


def trunk(name, address, **keys):
    """Unprobed (UP from the start, judged by traffic alone, and that hardly) unless keys say otherwise."""
    made = {"name": name, "address": address, "listener": "access", "trying_timer": "200ms", "invite_retries": 3,
            "probe": QUIET, "traffic": {"failures": 64, "window": 64}, "ramp": "0s"}
    made.update(keys)
    return made


def device(driver, segment=0):
    """The worker's CPU is the machine's too: the ring of net_af_packet holds what comes while it is away."""
    return f"{driver}{segment},iface=edge{segment}" + (",framecnt=2048" if driver == "net_af_packet" else "")


def config(network, directory, driver, trunks=("t1", "t2", "t3"), v6=False, **top):
    """The ordinary set-up: one port, one listener a family, the trunks in order of priority behind the default route."""
    v4_address, v6_address = network.listener(), network.listener(v6=True)
    trust = ["192.0.2.0/24"], ["2001:db8:1::/64"]
    listeners = [{"name": "access", "port": "edge", "address": v4_address, "trust": trust[0]},
                 {"name": "access6", "port": "edge", "address": v6_address, "trust": trust[1]}]
    made = []
    for name in trunks:
        host = network[name].address(v6)
        made.append(trunk(name, f"[{host}]:5060" if v6 else f"{host}:5060", listener="access6" if v6 else "access"))
    whole = {
        "control": {"socket": f"{directory}/control.sock", "lcore": CPUS[0], "state_dir": f"{directory}/state"},
        "workers": [WORKER_CPU], "hugepages": "no", "memory": "256MB",
        "ports": [{"name": "edge", "device": device(driver), "tap": "sb-edge",
                   "addresses": [f"{v4_address}/24", f"{v6_address}/64"]}],
        "listeners": listeners,
        "trunks": made,
        "groups": [{"name": "all", "members": [{"trunk": name, "priority": n + 1} for n, name in enumerate(trunks)]}],
        "routes": [{"default": True, "groups": ["all"]}],
        "limits": {"transactions": 20000},
    }
    whole.update(top)
    return whole


def ends():
    """Names of the counters that are ends of a frame, and of the frames received."""
    rows = re.findall(r"^X\((\w+), (RX|END|DROP|INFO),", COUNTERS.read_text(encoding="utf-8"), re.M)
    return [name for name, kind in rows if kind in ("END", "DROP")], [name for name, kind in rows if kind == "RX"]


def find_program(build, name):
    """Where meson put it: in the folder of its source."""
    return next((str(path) for path in sorted(Path(build).glob(f"**/{name}")) if path.is_file()), f"{build}/{name}")


class Refused(Exception):
    """The control socket answered with an error."""


class Control:
    """One connection to the control socket: JSON-RPC 2.0, an object a line."""

    def __init__(self, path, timeout=10.0):
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.socket.settimeout(timeout)
        self.socket.connect(str(path))
        self.file = self.socket.makefile("r", encoding="utf-8")
        self.number = 0

    def send(self, method, **params):
        self.number += 1
        request = {"jsonrpc": "2.0", "id": self.number, "method": method}
        if params:
            request["params"] = params
        self.socket.sendall(json.dumps(request).encode() + b"\n")
        return self.number

    def read(self):
        line = self.file.readline()
        if not line:
            raise ConnectionError("the control socket closed")
        return json.loads(line)

    def call(self, method, **params):
        number = self.send(method, **params)
        while True:
            answer = self.read()
            if answer.get("id") == number:
                if "error" in answer:
                    raise Refused(json.dumps(answer["error"]))
                return answer["result"]

    def close(self):
        try:
            self.socket.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass
        self.file.close()
        self.socket.close()


class Events:
    """Follows the event log in a thread."""

    def __init__(self, path):
        self.control = Control(path, timeout=None)
        self.list = []
        self._changed = threading.Condition()
        self.control.send("events", follow=True)
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    def _read(self):
        try:
            while True:
                answer = self.control.read()
                found = answer.get("params") or answer.get("result") or {}
                found = found.get("events", found) if isinstance(found, dict) else found
                with self._changed:
                    self.list += found if isinstance(found, list) else [found]
                    self._changed.notify_all()
        except (OSError, ValueError):
            pass

    def find(self, kind, **fields):
        with self._changed:
            return [e for e in self.list if e.get("kind") == kind and all(e.get(k) == v for k, v in fields.items())]

    def wait(self, test, timeout, what):
        """Until test() is true; it is asked again at each event."""
        until = time.monotonic() + timeout
        with self._changed:
            while True:
                result = test()
                if result:
                    return result
                left = until - time.monotonic()
                if left <= 0:
                    raise Nothing(f"no {what} within {timeout} s; last events: "
                                  + "; ".join(f"{e.get('kind')} {e.get('trunk', '')} {e.get('detail', '')}"
                                              for e in self.list[-6:]))
                self._changed.wait(min(left, 0.2))

    def close(self):
        self.control.close()
        self._thread.join(1.0)


class Daemon:
    def __init__(self, build, network, directory, settings, sanitized=False):
        self.build, self.network, self.directory = Path(build), network, Path(directory)
        self.settings, self.sanitized = settings, sanitized
        self.file = self.directory / "switchback.yaml"
        self.log = self.directory / "daemon.log"
        self.process, self.events, self._control = None, None, None
        self.status = None

    @property
    def program(self):
        return find_program(self.build, "switchbackd")

    def write(self, settings=None):
        """JSON is YAML too."""
        if settings is not None:
            self.settings = settings
        content = self.settings if isinstance(self.settings, str) else json.dumps(self.settings, indent=1)
        self.file.write_text(content + "\n", encoding="utf-8")

    def environment(self):
        made = dict(os.environ)
        made["ASAN_OPTIONS"] = f"log_path={self.directory}/asan:detect_leaks=1:abort_on_error=0:exitcode=99"
        made["LSAN_OPTIONS"] = f"suppressions={LEAKS}:print_suppressions=0"
        made["UBSAN_OPTIONS"] = f"log_path={self.directory}/ubsan:print_stacktrace=1:halt_on_error=1"
        return made

    def spawn(self, *arguments, **popen):
        env = self.environment() | popen.pop("env", {})
        return self.network.dut.spawn([self.program, *arguments], cpus=CPUS, env=env, **popen)

    def start(self, timeout=30.0):
        self.write()
        Path(self.directory / "state").mkdir(exist_ok=True)
        self.network.forget_neighbours()
        notify = self.directory / "notify.sock"
        notify.unlink(missing_ok=True)
        ready = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        ready.bind(str(notify))
        ready.settimeout(0.1)
        self.status = None
        with open(self.log, "ab") as log:
            self.process = self.spawn("-c", str(self.file), env={"NOTIFY_SOCKET": str(notify)}, stdout=log, stderr=log)
        try:
            self._await_ready(ready, time.monotonic() + timeout)
        finally:
            ready.close()
        self._control = Control(self.settings["control"]["socket"])
        self.events = Events(self.settings["control"]["socket"])
        return self

    def _await_ready(self, ready, until):
        while time.monotonic() < until:
            try:
                if b"READY=1" in ready.recv(4096):
                    return
            except TimeoutError:
                if self.process.poll() is not None:
                    raise Failed(f"switchbackd ended with {self.process.returncode} before it was ready: {self.tail()}") from None
        raise Failed(f"switchbackd was not ready in time: {self.tail()}")

    def tail(self, lines=12):
        if not self.log.exists():
            return ""
        return "\n".join(self.log.read_text(encoding="utf-8", errors="replace").splitlines()[-lines:])

    def call(self, method, **params):
        return self._control.call(method, **params)

    def ctl(self, *arguments):
        """Runs switchbackctl; returns the completed process."""
        return self.network.dut.run(find_program(self.build, "switchbackctl"), "--socket", self.settings["control"]["socket"],
                                    *arguments, check=False)

    def counters(self):
        stats = self.call("stats")
        return stats.get("counters", stats)

    def counter(self, name):
        return self.counters()[name]

    def trunks(self):
        found = self.call("trunks")
        found = found.get("trunks", found) if isinstance(found, dict) else found
        return {one["name"]: one for one in found}

    def wait_event(self, kind, timeout=5.0, **fields):
        return self.events.wait(lambda: self.events.find(kind, **fields), timeout, f"event {kind} {fields}")[0]

    def wait_trunk(self, name, state, timeout=10.0):
        return self.events.wait(lambda: self.trunks()[name]["state"] == state, timeout, f"{name} {state}")

    def wait_counter(self, name, value, timeout=5.0):
        """Until a counter is at least value."""
        self.events.wait(lambda: self.counter(name) >= value, timeout, f"{name} >= {value}")

    def reload(self, settings):
        self.write(settings)
        return self.call("reload")

    def alive(self):
        return self.process is not None and self.process.poll() is None

    def drop_connections(self):
        for one in (self.events, self._control):
            if one:
                one.close()
        self.events = self._control = None

    def stop(self, timeout=10.0, books=True):
        """SIGTERM and the exit status; 0 is what it must be. The books of this life are checked before."""
        if self.alive() and books:
            wrong = self.check_identity()
            assert not wrong, wrong
        self.drop_connections()
        if self.alive():
            self.process.send_signal(signal.SIGTERM)
            end(self.process, timeout)
        self.status = self.process.returncode if self.process else None
        return self.status

    def kill(self):
        self.drop_connections()
        self.process.kill()
        self.process.wait()

    def sanitizer_reports(self):
        return [path.read_text(encoding="utf-8", errors="replace") for kind in ("asan", "ubsan")
                for path in sorted(self.directory.glob(f"{kind}.*"))]

    def check_identity(self, timeout=3.0):
        """rx = sum of ends: every frame taken in ended somewhere, once. Returns "" or what is wrong. Handled means counted, so
        two readings that agree are enough; frames on their way are waited for."""
        end_names, rx_names = ends()
        until = time.monotonic() + timeout
        while True:
            counted = self.counters()
            rx, ended = sum(counted[name] for name in rx_names), sum(counted[name] for name in end_names)
            if rx == ended:
                return ""
            if time.monotonic() > until:
                shown = ", ".join(f"{name} {counted[name]}" for name in end_names if counted[name])
                return f"counters' identity: {rx} frames received, {ended} ended ({shown})"
            self.process.poll()
            time.sleep(0.02)

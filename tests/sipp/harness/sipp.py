# SPDX-License-Identifier: BSD-3-Clause
"""sipp: started on a scenario (of ../scenarios, or a path without its .xml), awaited by its port or its end, judged by its own statistics."""
import csv
import os
import select
import subprocess
import time
from pathlib import Path

from .daemon import PEER_CPUS
from .endpoint import Nothing
from .netns import end

SCENARIOS = Path(__file__).resolve().parents[1] / "scenarios"
BUFFER = 212992  # bytes; Linux grants no more. sipp's own 64 KB overflow when it is not run for some 50 ms
TAIL = 65536  # bytes: many rows
COLUMNS = {"successful": "SuccessfulCall(C)", "failed": "FailedCall(C)", "retransmissions": "Retransmissions(C)",
           "created": "TotalCallCreated"}


class Sipp:
    """One sipp process. Values: @NAME@ in the scenario is replaced."""
    count = 0

    def __init__(self, host, directory, scenario, *, port=5060, target=None, calls=None, rate=None, v6=False, segment=0,
                 limit=None, arguments=(), **values):
        Sipp.count += 1
        self.host = host
        self.stem = Path(directory) / f"sipp{Sipp.count}-{host.label}-{Path(scenario).name}"
        content = (SCENARIOS / f"{scenario}.xml").read_text(encoding="ascii")
        for name, value in values.items():
            content = content.replace(f"@{name.upper()}@", str(value))
        content = content.replace('  <pause milliseconds="0"/>\n', "")  # it would cost a turn of sipp's scheduler
        file = Path(f"{self.stem}.xml")
        file.write_text(content, encoding="ascii")
        self.port, self.stats, self.errors = port, Path(f"{self.stem}.csv"), Path(f"{self.stem}.err")
        address = host.address(v6, segment)
        command = ["sipp", "-sf", str(file), "-i", f"[{address}]" if v6 else address, "-p", str(port), "-nostdin",
                   "-buff_size", str(BUFFER), "-trace_stat", "-stf", str(self.stats), "-fd", "1", "-trace_err", "-error_file", str(self.errors)]
        if calls is not None:
            command += ["-m", str(calls)]
        if rate is not None:
            command += ["-r", str(rate)]
        if limit is not None:
            command += ["-l", str(limit)]
        command += list(arguments)
        if target:
            command.append(f"[{target[0]}]:{target[1]}" if ":" in target[0] else f"{target[0]}:{target[1]}")
        self._output = open(f"{self.stem}.out", "wb")  # closed in stop()
        self.process = host.ns.spawn(command, cpus=PEER_CPUS, stdout=self._output, stderr=subprocess.STDOUT,
                                     cwd=directory, env=dict(os.environ, TERM="dumb"))

    def bound(self, timeout=10.0):
        """Until its socket is there."""
        wanted = f":{self.port:04X} "
        until = time.monotonic() + timeout
        while time.monotonic() < until:
            if self.process.poll() is not None:
                raise Nothing(f"sipp on {self.host.label} ended at once: {self.complaint()}")
            for table in ("udp", "udp6"):
                path = Path(f"/proc/{self.process.pid}/net/{table}")
                if path.exists() and wanted in path.read_text(encoding="ascii"):
                    return self
            time.sleep(0.01)
        raise Nothing(f"sipp on {self.host.label} did not bind port {self.port}")

    def wait(self, timeout=30.0):
        """Until it has made its calls."""
        handle = os.pidfd_open(self.process.pid)
        try:
            ready, _, _ = select.select([handle], [], [], timeout)
        finally:
            os.close(handle)
        if not ready:
            end(self.process)
            raise Nothing(f"sipp on {self.host.label} was not done within {timeout} s: {self.figures()} {self.complaint()}")
        self.process.wait()
        return self

    def rows(self):
        """All that it wrote of its statistics, by sipp's own names."""
        try:
            with open(self.stats, newline="", encoding="latin-1") as file:
                return list(csv.DictReader(file, delimiter=";"))
        except FileNotFoundError:
            return []

    def last(self):
        """The last whole row; {} before there is one. Read from the end: a long run writes much."""
        try:
            with open(self.stats, "rb") as file:
                names = file.readline()
                start = max(file.tell(), os.fstat(file.fileno()).st_size - TAIL)
                file.seek(start)
                lines = file.read().split(b"\n")[:-1]
        except FileNotFoundError:
            return {}
        text = (names + lines[-1]).decode("latin-1") if lines else ""
        return next(csv.DictReader(text.splitlines(), delimiter=";"), {})

    def figures(self):
        """{successful, failed, retransmissions, created} of the last line it wrote; sipp writes one a second and at its end."""
        last = self.last()
        return {name: int(last.get(column) or 0) for name, column in COLUMNS.items()}

    def complaint(self):
        if not self.errors.exists():
            return ""
        return self.errors.read_text(encoding="latin-1", errors="replace")[:600]

    def was_starved(self):
        """sipp's watchdog noticed that it had not been run for half a second: what it measured is not about its peer."""
        return "watchdog" in self.complaint()

    def all_good(self, calls, retransmissions=None):
        """Every call came through as the scenario says."""
        figures = self.figures()
        assert figures["successful"] == calls and figures["failed"] == 0, \
            f"sipp on {self.host.label}: {figures}, {calls} good calls wanted; {self.complaint()}"
        if retransmissions is not None:
            assert figures["retransmissions"] <= retransmissions, f"sipp on {self.host.label} had to repeat itself: {figures}"

    def stop(self):
        end(self.process)
        self._output.close()

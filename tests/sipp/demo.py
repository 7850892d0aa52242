#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""The demonstration behind ../../run.sh: sipp calls cross switchbackd, the primary trunk dies twice (told by ICMP, then by
silence), calls go on, the primary is probed back and ramped. Draws on a terminal, prints a line a second elsewhere."""
import argparse
import os
import shutil
import signal
import sys
import tempfile
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.dont_write_bytecode = True
sys.path.insert(0, str(HERE))

from harness.daemon import PEER_CPUS, Daemon, config  # noqa: E402
from harness.endpoint import Nothing  # noqa: E402
from harness.netns import Failed, Network  # noqa: E402
from harness.sipp import Sipp  # noqa: E402

PROBE = {"method": "OPTIONS", "interval": "2s", "timeout": "1s", "failures": 3, "successes": 2, "min": "500ms", "max": "2s"}
TRYING_MS, RETRIES = 100, 2
FORMULA_MS = TRYING_MS * (2 ** (RETRIES + 1) - 1)
NAMES = {"primary": "t1", "secondary": "t2"}


def settings(network, directory, driver):
    made = config(network, directory, driver, trunks=("t1", "t2"), hugepages="auto", late_2xx="bye",
                  limits={"transactions": 100000})
    for one, name in zip(made["trunks"], NAMES):
        one.update({"name": name, "trying_timer": f"{TRYING_MS}ms", "invite_retries": RETRIES, "probe": PROBE,
                    "traffic": {"failures": 3, "window": 8}, "ramp": "6s"})
    made["groups"] = [{"name": "both", "members": [{"trunk": "primary", "priority": 1}, {"trunk": "secondary", "priority": 2}]}]
    made["routes"] = [{"prefix": "+4420", "groups": ["both"]}, {"default": True, "groups": ["both"]}]
    return made


class Rates:
    """Calls a second of each trunk, from two readings."""

    def __init__(self, daemon):
        self.daemon = daemon
        self.before, self.when = {}, 0.0
        self.rate = dict.fromkeys(NAMES, 0.0)
        self.trunks, self.counters = {}, {}

    def read(self):
        self.trunks, self.counters = self.daemon.trunks(), self.daemon.counters()
        now = time.monotonic()
        calls = {name: self.trunks[name]["calls"] for name in NAMES}
        if self.before:
            self.rate = {name: (calls[name] - self.before[name]) / (now - self.when) for name in NAMES}
        self.before, self.when = calls, now

    def share(self, name):
        total = sum(self.rate.values())
        return self.rate[name] / total if total else 0.0


class View:
    """At most 80 columns and 24 lines, redrawn; or a line a second where there is no terminal."""
    COLOURS = {"UP": 32, "RAMPING": 33, "HALF_OPEN": 33, "SUSPECT": 33, "PROBING": 33, "DOWN": 31}
    BAR = 28

    def __init__(self):
        self.live = sys.stdout.isatty() and os.environ.get("TERM", "dumb") != "dumb"
        self.printed = 0.0
        self.told = 0
        if self.live:
            sys.stdout.write("\033[?1049h\033[?25l")

    def close(self):
        if self.live:
            sys.stdout.write("\033[?25h\033[?1049l")
            sys.stdout.flush()
            self.live = False

    def show(self, demo):
        if self.live:
            body = "\033[K\r\n".join(self.lines(demo)[:23])
            sys.stdout.write("\033[H" + body + "\033[K\033[J")
            sys.stdout.flush()
        elif time.monotonic() - self.printed >= 0.95:
            self.printed = time.monotonic()
            self.plain(demo)

    def lines(self, demo):
        rates = demo.rates
        out = [f"\033[1mswitchback\033[0m  sipp -> switchbackd ({demo.driver}) -> two sipp trunks{demo.clock():>12}", "",
               f"\033[1m{demo.title}\033[0m", demo.note, "",
               f"calls {rates.counters.get('calls', 0):>8}   {sum(rates.rate.values()):6.0f}/s   answered "
               f"{rates.counters.get('calls_answered', 0):>8}   re-routed {rates.counters.get('failovers', 0):>5}",
               f"first call re-routed: {demo.first_rerouted()}", "",
               "trunk      health     calls/s  share of new calls"]
        for name in NAMES:
            state = rates.trunks.get(name, {}).get("state", "?")
            filled = round(rates.share(name) * self.BAR)
            out.append(f"{name:<10} \033[{self.COLOURS.get(state, 0)}m{state:<10}\033[0m {rates.rate[name]:6.0f}   "
                       f"{'#' * filled}{'.' * (self.BAR - filled)} {rates.share(name) * 100:3.0f} %")
        out += ["", "last events"] + [event_text(event)[:79] for event in demo.told_events()[-10:]]
        return out

    def plain(self, demo):
        rates = demo.rates
        for event in demo.told_events()[self.told:]:
            print("  event: " + event_text(event))
        self.told = len(demo.told_events())
        trunks = ", ".join(f"{name} {rates.trunks.get(name, {}).get('state', '?')} {rates.share(name) * 100:.0f} %"
                           for name in NAMES)
        print(f"{demo.clock().strip():>5}  {demo.title}: {sum(rates.rate.values()):.0f} calls/s; {trunks}", flush=True)


def event_text(event):
    when = time.strftime("%H:%M:%S", time.localtime(event.get("wall_ms", 0) / 1000))
    trunks = " -> ".join(name for name in (event.get("trunk"), event.get("trunk2")) if name)
    taken = f" in {event['elapsed_us'] / 1000:.1f} ms" if event.get("elapsed_us") else ""
    return f"{when} {event.get('kind', ''):<9} {trunks}{taken}  {event.get('detail', '')}"


class Demo:
    def __init__(self, options, directory):
        self.driver = options.driver
        self.rate = options.rate
        self.directory = Path(directory)
        self.begun = time.monotonic()
        self.title, self.note = "getting ready", ""
        self.peers = []
        self.network = Network()
        self.daemon = Daemon(options.build, self.network, directory, settings(self.network, directory, options.driver))
        self.measured = {}
        self.view = None

    def clock(self):
        return f"{time.monotonic() - self.begun:.0f} s"

    def told_events(self):
        """The first failover of each burst is news, the hundred after it are not."""
        told, bursts = [], set()
        for event in self.daemon.events.list:
            if event.get("kind") in ("failover", "late_2xx", "skipped", "exhausted"):
                burst = (event.get("kind"), event.get("trunk"), event.get("detail", "")[:12], event.get("wall_ms", 0) // 5000)
                if burst in bursts:
                    continue
                bursts.add(burst)
            told.append(event)
        return told

    def sipp(self, name, scenario, **keys):
        made = Sipp(self.network[name], self.directory, scenario, **keys)
        self.peers.append(made)
        return made

    def answer_as(self, name):
        return self.sipp(NAMES[name], "uas_call", ring=0).bound()

    def play(self, title, note, until, at_least=0.0, at_most=30.0):
        """Shows until the condition holds and at_least seconds are over; at_most is the end of patience."""
        self.title, self.note = title, note
        start = time.monotonic()
        while True:
            self.rates.read()
            self.view.show(self)
            passed = time.monotonic() - start
            if passed >= at_least and until():
                return
            if passed > at_most:
                raise Nothing(f"{title}: this did not come to its end within {at_most:.0f} s")
            if not self.daemon.alive():
                raise Failed("switchbackd ended: " + self.daemon.tail())
            time.sleep(0.5)

    def state(self, name):
        return self.rates.trunks.get(name, {}).get("state")

    def failovers(self):
        return self.daemon.events.find("failover", trunk="primary")

    def first_rerouted(self):
        told = {"icmp": "told by ICMP {:.1f} ms", "silence": "by silence {:.1f} ms (formula " + f"{FORMULA_MS} ms)"}
        return ", ".join(told[how].format(ms) for how, ms in self.measured.items()) or "none yet"

    def begin(self):
        self.secondary, self.primary = self.answer_as("secondary"), self.answer_as("primary")
        self.daemon.start()
        self.rates = Rates(self.daemon)
        self.view = View()
        self.daemon.wait_trunk("primary", "UP")
        self.daemon.wait_trunk("secondary", "UP")
        self.caller = self.sipp("caller", "uac_call", number="+442079460123", hold=0, rate=self.rate,
                                target=(self.network.listener(), 5060), arguments=["-aa"])

    def primary_returns(self):
        self.primary = self.answer_as("primary")
        self.play("The primary is back", "It is probed; two good answers in a row, then its share grows over 6 s.",
                  lambda: self.state("primary") == "UP" and self.rates.share("primary") > 0.9)

    def first_failover(self, how, seen):
        """Until a call has left the primary (after the `seen` ones before) and the primary is known to be dead."""

        def test():
            left = self.failovers()[seen:]
            if left:
                self.measured[how] = left[0]["elapsed_us"] / 1000
            return bool(left) and self.state("primary") in ("DOWN", "HALF_OPEN")

        return test

    def story(self):
        self.play("Steady: every call goes to the primary", f"{self.rate} calls a second, priority 1 before priority 2.",
                  lambda: True, at_least=6)
        seen = len(self.failovers())
        self.primary.process.kill()
        self.play("The primary's process is killed: its host answers with ICMP",
                  "The call that meets it goes to the secondary at once.", self.first_failover("icmp", seen), at_least=6)
        self.primary_returns()
        seen = len(self.failovers())
        self.primary.process.send_signal(signal.SIGSTOP)
        self.play("The primary is frozen: silence, no ICMP",
                  f"trying_timer {TRYING_MS} ms, {RETRIES} retries: given up after {TRYING_MS} x (2^{RETRIES + 1} - 1) = "
                  f"{FORMULA_MS} ms.", self.first_failover("silence", seen), at_least=6)
        self.primary.process.kill()
        self.primary_returns()
        self.play("Steady again", "", lambda: True, at_least=2)

    def summary(self):
        share = self.rates.share("primary")
        self.caller.process.send_signal(signal.SIGUSR1)  # no new calls; ends when the last is over
        try:
            self.caller.wait(3)
        except Nothing:
            pass
        self.rates.read()
        figures, counters = self.caller.figures(), self.rates.counters
        lost = figures["created"] - figures["successful"]
        wrong = self.daemon.check_identity()
        return [
            f"calls made               {figures['created']:>8}",
            f"came through             {figures['successful']:>8}",
            f"lost                     {lost:>8}" + ("   with the primary: it had them when it died" if lost else ""),
            f"re-routed                {counters['failovers']:>8}",
            f"first one, told by ICMP  {self.measured['icmp']:>8.2f} ms after its INVITE came in",
            f"first one, by silence    {self.measured['silence']:>8.1f} ms; the formula says {FORMULA_MS} ms",
            f"primary's share again    {share * 100:>8.0f} %",
            "every frame accounted for: " + (wrong or "rx = sum of ends"),
        ]

    def close(self):
        if self.view:
            self.view.close()
        for peer in self.peers:
            if peer.process.poll() is None:
                peer.process.kill()
            peer.stop()
        self.daemon.stop(3.0)
        self.network.close()


def arguments():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--build", required=True)
    parser.add_argument("--rate", type=int, default=100)
    parser.add_argument("--driver", default="net_af_packet", choices=["net_af_packet", "net_af_xdp"])
    return parser.parse_args()


def main():
    options = arguments()
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    signal.signal(signal.SIGHUP, signal.default_int_handler)
    os.sched_setaffinity(0, PEER_CPUS)
    directory = tempfile.mkdtemp(prefix="switchback-demo-")
    demo, lines, status = None, [], 0
    try:
        demo = Demo(options, directory)
        demo.begin()
        demo.story()
        lines = demo.summary()
    except KeyboardInterrupt:
        lines, status = ["stopped"], 130
    except (Failed, Nothing, OSError) as error:
        lines, status = [f"the demonstration broke off: {error}"], 70
        if demo:
            lines.append(demo.daemon.tail())
    finally:
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        if demo:
            demo.close()
        shutil.rmtree(directory, ignore_errors=True)
    print("\n".join(lines))
    return status


if __name__ == "__main__":
    sys.exit(main())

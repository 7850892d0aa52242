# SPDX-License-Identifier: BSD-3-Clause
"""What the operator does: starts, checks, reloads, asks."""
import contextlib
import json
import os
import re
import signal
import subprocess
import time
from pathlib import Path

from harness.case import test
from harness.daemon import QUIET, Refused, trunk
from harness.endpoint import answering
from harness.stall import held


def run_daemon(t, *arguments, **popen):
    """switchbackd to its end: (exit status, what it said)."""
    daemon = t.new_daemon(t.config())
    process = daemon.spawn(*arguments, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, **popen)
    output, _ = process.communicate(timeout=20)
    return process.returncode, output


@test(capture=False)
def check_names_file_line_and_key(t):
    """P7: --check lists each mistake as file:line: key: what is wrong and exits 78; a good file exits 0."""
    bad = t.directory / "bad.yaml"
    good = json.dumps(t.config(), indent=1).splitlines()
    line = next(n for n, text in enumerate(good) if '"trying_timer"' in text)
    good_file = t.directory / "good.yaml"
    good_file.write_text("\n".join(good) + "\n", encoding="utf-8")
    good[line] = good[line].replace("200ms", "200 parsecs")
    good.insert(line + 1, '   "colour": "green",')
    bad.write_text("\n".join(good) + "\n", encoding="utf-8")
    status, output = run_daemon(t, "-c", str(bad), "--check")
    assert status == 78, (status, output)
    assert re.search(rf"bad\.yaml:{line + 1}: .*trying_timer", output) and re.search(rf"bad\.yaml:{line + 2}: .*colour", output), \
        output
    status, output = run_daemon(t, "-c", str(good_file), "--check")
    assert status == 0, (status, output)
    status, output = run_daemon(t, "-c", str(t.directory / "absent.yaml"), "--check")
    assert status in (66, 74, 78) and "absent.yaml" in output, (status, output)
    status, output = run_daemon(t, "--no-such-option")
    assert status == 64, (status, output)


@test(capture=False)
def configuration_is_a_regular_file(t):
    """P7: a FIFO that nobody writes to, a directory or a device holds up neither start nor reload; a check reads a pipe."""
    fifo = t.directory / "fifo"
    os.mkfifo(fifo)
    for arguments in (("-c", fifo), ("-c", t.directory), ("-c", "/dev/zero", "--check")):
        status, output = run_daemon(t, *map(str, arguments))
        assert status == 78 and f"{arguments[1]}: is not a regular file" in output, (arguments, status, output)
    ours, its = os.pipe()
    os.write(its, json.dumps(t.config()).encode())
    os.close(its)
    status, output = run_daemon(t, "-c", f"/dev/fd/{ours}", "--check", pass_fds=[ours])
    os.close(ours)
    assert status == 0, (status, output)
    t.start()
    t.daemon.file.unlink()
    os.mkfifo(t.daemon.file)
    try:
        t.daemon.call("reload")
        raise AssertionError("a FIFO was taken")
    except Refused as error:
        assert f"{t.daemon.file}: is not a regular file" in str(error), error
    t.daemon.file.unlink()
    t.daemon.reload(t.daemon.settings)


@test(capture=False)
def missing_port_is_a_clear_error(t):
    """A device that is not there: one line that names it, exit status 69, no hang."""
    settings = t.config()
    settings["ports"][0]["device"] = f"{t.driver}0,iface=nowhere0"
    daemon = t.new_daemon(settings)
    daemon.write()
    (daemon.directory / "state").mkdir()
    status, output = run_daemon(t, "-c", str(daemon.file))
    assert status == 69, (status, output)  # EX_UNAVAILABLE, as switchbackd(8) says
    assert "there is no network interface" in output and "nowhere0" in output and "edge" in output, output


@test(capture=False)
def reload_under_load_fails_no_call(t):
    """P7: 200 calls a second that ring for 200 ms each, five reloads meanwhile, every call comes through."""
    settings = t.config()
    t.start(settings)
    t.sipp_trunk("t1", ring=200)
    rate, seconds = (50, 6) if t.sanitized else (200, 8)
    caller = t.sipp_caller(calls=rate * seconds, rate=rate, hold=100)
    for number in range(5):
        t.daemon.wait_counter("calls", (number + 1) * rate * seconds // 7, timeout=20)
        for one in settings["trunks"]:
            one["trying_timer"] = f"{300 + number}ms"
        t.daemon.reload(settings)
    caller.wait(60).all_good(rate * seconds, retransmissions=rate if t.sanitized else 0)
    assert len(t.daemon.events.find("reload")) >= 5
    t.daemon.events.wait(lambda: t.daemon.counter("calls_answered") == rate * seconds, 5, "all calls answered")


@test()
def changed_timers_are_for_later_calls(t):
    """S4.3: an INVITE in flight keeps the trying timer and the retries it began with; one after the reload has the new."""
    settings = t.config(trunks=("t1", "t2"))
    t.start(settings)
    t.meet("caller", "t1", "t2")
    t1 = t.trunk("t1", alive=0)
    t.trunk("t2", answer=answering())
    caller = t.endpoint("caller")
    old = t.call(caller).send("INVITE")
    t1.expect("INVITE", call_id=old.call_id)
    settings["trunks"][0].update({"trying_timer": "20ms", "invite_retries": 1})
    t.daemon.reload(settings)
    new = t.call(caller).send("INVITE")
    new.final(200)
    old.final(200)
    for call, wanted in ((old, [0, 0.2, 0.6, 1.4, 3.0]), (new, [0, 0.02, 0.06])):
        sends = [m.time for m in t.capture.sip("INVITE", source=t.proxy[0], call_id=call.call_id)]
        off = [at - sends[0] - due for at, due in zip(sends, wanted)]
        assert len(sends) == len(wanted) and abs(off[-1]) < 0.02 and all(abs(one) < 0.06 for one in off), (wanted, off)
        assert t.capture.sip("INVITE", destination=t.address("t2"), call_id=call.call_id)[0].time == sends[-1]


@test()
def refused_reload_keeps_what_runs(t):
    """P7: a bad file is refused with file:line: key, over the socket and by switchbackctl; calls go on as before."""
    t.start()
    t.trunk("t1", answer=answering())
    good = t.daemon.settings
    bad = json.loads(json.dumps(good))
    bad["trunks"][0]["address"] = "not an address"
    bad["groups"][0]["members"][0]["trunk"] = "nobody"
    try:
        t.daemon.reload(bad)
        raise AssertionError("a bad file was taken")
    except Refused as error:
        text = str(error)
        assert re.search(r"switchback\.yaml:\d+: .*address", text) and re.search(r"switchback\.yaml:\d+: .*nobody", text), text
    done = t.daemon.ctl("reload")
    assert done.returncode != 0 and re.search(r"switchback\.yaml:\d+: ", done.stdout + done.stderr), done
    t.call().send("INVITE").final(200)
    t.daemon.reload(good)


@test()
def trunks_come_and_go_by_reload(t):
    """P20: a trunk removed takes no calls, one added does; the others keep their state: one that is DOWN stays DOWN."""

    def with_dead(*members):
        settings = t.config(trunks=members)
        settings["trunks"].append(trunk("dead", f"{t.address('t1')}:5099", traffic={"failures": 1, "window": 8},
                                        probe=QUIET | {"min": "60s", "max": "60s"}))
        for one in settings["groups"][0]["members"]:
            one["priority"] += 1
        settings["groups"][0]["members"].append({"trunk": "dead", "priority": 1})
        return settings

    t.start(with_dead("t1", "t2", "t3"))
    for name in ("t1", "t2", "t3"):
        t.trunk(name, answer=answering())
    caller = t.endpoint("caller")
    t.call(caller).send("INVITE").final(200)
    t.daemon.wait_trunk("dead", "DOWN")
    for members in (("t2",), ("t3", "t1"), ("t1",)):
        t.daemon.reload(with_dead(*members))
        assert t.daemon.trunks()["dead"]["state"] == "DOWN", members
        call = t.call(caller).send("INVITE")
        call.final(200)
        assert t.capture.sip("INVITE", destination=t.address(members[0]), call_id=call.call_id), members
        assert set(t.daemon.trunks()) == {"dead", *members}
    assert t.daemon.counter("failovers") == 1, "calls were sent to a trunk that was known to be dead"


@test()
def disable_outlives_the_trunks_absence(t):
    """P9 P20: disabled, removed by reload, restarted without it, added by reload: the operator's switch is as it was."""
    t.start(t.config(trunks=("t1", "t2")))
    assert t.daemon.ctl("trunk", "t2", "disable").returncode == 0
    t.daemon.reload(t.config(trunks=("t1",)))
    t.daemon.stop()
    t.restart()
    t.daemon.reload(t.config(trunks=("t1", "t2")))
    assert t.daemon.trunks()["t2"]["admin"] == "disabled", t.daemon.trunks()["t2"]


@test(capture=False)
def lost_twin_ends_the_daemon_with_a_word(t):
    """Without its TAP twin a port has no ARP: the daemon says so and exits for its supervisor, it does not spin."""
    t.start()
    t.network.dut.ip("link del sb-edge")
    process = t.daemon.process
    assert process.wait(10) == 69, process.returncode
    assert "TAP twin of a port is gone" in t.daemon.log.read_text(), t.daemon.log.read_text()
    t.daemon.status = process.returncode


@test()
def explain_tells_route_candidates_and_worst_case(t):
    """S4.5 P22: the matched route, each candidate with its health, its formula and the running total."""
    settings = t.config(routes=[{"prefix": "+4420", "groups": ["second", "all"]}, {"default": True, "groups": ["all"]}])
    settings["trunks"].append(trunk("off", f"{t.address('t1')}:5099"))
    settings["groups"][0]["members"] += [{"trunk": "off", "priority": 1}]
    settings["groups"].append({"name": "second", "members": [{"trunk": "t2"}]})
    del settings["trunks"][0]["trying_timer"], settings["trunks"][0]["invite_retries"]
    t.start(settings)
    assert t.daemon.ctl("trunk", "off", "disable").returncode == 0
    told = json.loads(t.daemon.ctl("--json", "explain", "+442079460000").stdout)
    assert told["found"] and told["route"] == "prefix +4420", told
    # t2 is in both groups, so it is tried in its first: 200 ms (2^4 - 1); t1 500 ms (2^7 - 1); the last has 64 T1.
    wanted = [("t2", "second", "UP", 200, 4, 3000, 3000), ("t1", "all", "UP", 500, 7, 63500, 66500),
              ("t3", "all", "UP", 200, 4, 32000, 98500)]
    keys = ("trunk", "group", "state", "trying_timer_ms", "sends", "formula_ms", "running_ms")
    assert [tuple(row[key] for key in keys) for row in told["candidates"]] == wanted, told["candidates"]
    assert [(row["trunk"], row["admin"]) for row in told["passed_over"]] == [("off", "disabled"), ("t2", "enabled")], told
    done = t.daemon.ctl("explain", "+442079460000")
    assert done.returncode == 0 and re.search(r"^route +prefix \+4420$", done.stdout, re.M), done.stdout
    rows = [line.split() for line in done.stdout.splitlines()]
    for place, (name, _, state, a, n, *_), worst, total in zip("123", wanted, ("3.0", "63.5", "32.0"), ("3.0", "66.5", "98.5")):
        row = next(" ".join(row) for row in rows if row[:2] == [place, name])
        formula = f"{n} sends x {a} ms" + (", the last: 64*T1" if place == "3" else "")
        assert f" {state} " in row and f" {formula} {worst} s {total} s " in row, row
    assert re.search(r"^off .*disabled", done.stdout, re.M), done.stdout
    other = json.loads(t.daemon.ctl("--json", "explain", "+33123").stdout)
    assert other["route"] == "default" and [row["trunk"] for row in other["candidates"]] == ["t1", "t2", "t3"], other


@test()
def every_command_answers_in_both_forms(t):
    """P22: status, trunks, routes, stats, events, memory, version: text for people, JSON for programs."""
    t.start()
    t.trunk("t2", answer=answering())
    t.call().send("INVITE").final(200)
    t.daemon.wait_event("failover")
    wanted = {"status": (), "trunks": ("t1", "t2", "t3", "UP"), "routes": ("all",), "stats": ("rx_frames", "end_forwarded"),
              "events": ("failover", "t1", "t2"), "memory": (), "version": ("0.",)}
    for command, words in wanted.items():
        done = t.daemon.ctl(command)
        assert done.returncode == 0 and done.stdout.strip(), (command, done)
        for word in words:
            assert word in done.stdout, f"{command}: no {word} in:\n{done.stdout}"
        json.loads(t.daemon.ctl("--json", command).stdout.splitlines()[0] if command == "events" else
                   t.daemon.ctl("--json", command).stdout)
    memory = t.daemon.ctl("memory").stdout.lower()
    for word in ("jemalloc" if not t.sanitized else "heap", "osip", "packets"):
        assert word in memory, f"no {word} in:\n{memory}"
    assert t.daemon.ctl("no-such-command").returncode == 64
    assert t.daemon.ctl("trunk").returncode == 64


@test(capture=False)
def stop_is_quick_and_clean_under_load(t):
    """SIGTERM while calls run: exit status 0 within seconds, the control socket gone."""
    t.start()
    t.sipp_trunk("t1")
    t.sipp_caller(calls=2000, rate=100)
    t.daemon.wait_counter("calls", 50)
    assert t.daemon.stop() == 0
    assert not (t.directory / "control.sock").exists()


def hold_the_loader(t, stack):
    """The thread that reads a reload, held as soon as it is seen. Nothing tells that it has begun, so it is looked for."""
    tasks = Path(f"/proc/{t.daemon.process.pid}/task")
    for _ in range(20000):
        for task in tasks.iterdir():
            try:
                if (task / "comm").read_text().strip() == "sb-load":
                    return stack.enter_context(held(int(task.name)))
            except (FileNotFoundError, ProcessLookupError):
                pass  # it has just ended
        time.sleep(0.0005)
    raise AssertionError("no thread loads")


@test(capture=False)
def stop_amid_a_reload_does_not_wait_for_its_end(t):
    """SIGTERM while a million prefixes are read: the load is given up, exit status 0."""
    t.start()
    prefixes = t.directory / "prefixes"
    with open(prefixes, "w", encoding="ascii") as f:
        f.writelines(f"+{number}\n" for number in range(1000000, 2000000))
    settings = json.loads(json.dumps(t.daemon.settings))
    settings["routes"].append({"prefixes_file": str(prefixes), "groups": ["all"]})
    t.daemon.write(settings)
    with contextlib.ExitStack() as stack:
        t.daemon.process.send_signal(signal.SIGHUP)
        hold_the_loader(t, stack)
        t.daemon.process.send_signal(signal.SIGTERM)
        t.daemon.events.wait(lambda: "stopping" in t.daemon.tail(), 10, "word that it stops")
    assert t.daemon.stop(books=False) == 0
    assert "the reload under way is given up" in t.daemon.tail(), t.daemon.tail()


def worker_rest(t, seconds=2.0):
    """For so long: of one CPU, what the workers took; how often a second they gave it away of themselves."""
    tasks = [task for task in Path(f"/proc/{t.daemon.process.pid}/task").iterdir()
             if re.match(r"(rte|lcore)-worker", (task / "comm").read_text())]
    assert tasks

    def look():
        ticks = sum(sum(map(int, (task / "stat").read_text().rpartition(")")[2].split()[11:13])) for task in tasks)
        naps = sum(int(re.search(r"^voluntary\D*(\d+)", (task / "status").read_text(), re.M)[1]) for task in tasks)
        return ticks / os.sysconf("SC_CLK_TCK"), naps, time.monotonic()
    before = look()
    time.sleep(seconds)
    busy, naps, passed = (now - then for now, then in zip(look(), before))
    return busy / passed, naps / passed


@test()
def idle_worker_leaves_its_cpu_and_still_answers(t):
    """idle: adaptive, the default: a worker without work naps, and with a millisecond to spend takes little of its CPU. A call after
    that is answered as ever. idle: poll takes all of the CPU from the reload on."""
    t.start()
    _, naps = worker_rest(t, 1.0)
    assert naps > 200, naps
    t.daemon.reload(t.config(idle_latency="1ms"))
    busy, naps = worker_rest(t)
    assert busy < 0.5 and naps > 50, (busy, naps)
    t.sipp_trunk("t1")
    t.sipp_caller().wait().all_good(1, retransmissions=0)
    t.daemon.reload(t.config(idle="poll"))
    _, naps = worker_rest(t, 1.0)
    assert naps < 50, naps

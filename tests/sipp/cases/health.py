# SPDX-License-Identifier: BSD-3-Clause
"""Trunk health: probes, evidence, backoff, ramp, hold, and the operator's switch beside them."""
from harness.case import test
from harness.endpoint import answering

FAST = {"method": "OPTIONS", "interval": "100ms", "timeout": "80ms", "failures": 2, "successes": 3, "min": "50ms", "max": "100ms"}


def probed(t, **keys):
    """Every trunk probed ten times a second."""
    settings = t.config(trunks=("t1", "t2"))
    for one in settings["trunks"]:
        one.update({"probe": FAST, "ramp": "500ms"} | keys)
    return settings


def goes_to(t, caller, name):
    """One new call; which trunk took it."""
    call = t.call(caller).send("INVITE")
    call.final(200)
    return bool(t.capture.sip("INVITE", destination=t.address(name), call_id=call.call_id))


@test()
def probes_leave_from_the_listener_and_bring_a_trunk_up(t):
    """P8 P18: the start state is PROBING; OPTIONS come by the data path with the From and User-Agent configured."""
    settings = probed(t)
    settings["trunks"][0]["probe"] = FAST | {"from": "sip:ping@example.net", "user_agent": "carrier-check"}
    t1, t2 = t.trunk("t1"), t.trunk("t2")
    t.start(settings)
    for name in ("t1", "t2"):
        t.daemon.wait_trunk(name, "UP")
    probe = t1.log[0]
    assert probe.source == t.proxy and "sip:ping@example.net" in probe.get("from"), probe.headers
    assert probe.get("user-agent") == "carrier-check" and t2.log[0].get("user-agent") == ""


@test()
def primary_is_probed_back_and_takes_calls_again(t):
    """S1.6 P3: while the secondary serves the primary is probed; successes in a row and a ramp bring it back."""
    t1 = t.trunk("t1", answer=answering())
    t.trunk("t2", answer=answering())
    caller = t.endpoint("caller")
    t.start(probed(t))
    t.daemon.wait_trunk("t1", "UP")
    t.daemon.wait_trunk("t2", "UP")
    assert goes_to(t, caller, "t1")
    t1.alive = 0
    t.daemon.wait_trunk("t1", "DOWN")
    assert goes_to(t, caller, "t2")
    t1.alive = 200
    t.daemon.wait_trunk("t1", "RAMPING")
    t.daemon.wait_trunk("t1", "UP")
    assert goes_to(t, caller, "t1")
    changes = [e["detail"] for e in t.daemon.events.find("health", trunk="t1")]
    assert any("HALF_OPEN" in text for text in changes), changes


@test(capture=False)
def returning_primary_is_ramped_not_flooded(t):
    """P3 P4: of the calls that arrive while it ramps the primary takes some and the secondary the rest."""
    settings = probed(t, ramp="3s")
    t.start(settings)
    t.sipp_trunk("t2")
    t.daemon.wait_trunk("t1", "DOWN")
    t.daemon.wait_trunk("t2", "UP")
    t.sipp_trunk("t1")
    t.daemon.wait_trunk("t1", "RAMPING")
    t.sipp_caller(calls=400, rate=200).wait().all_good(400)
    during = {name: one["calls"] for name, one in t.daemon.trunks().items()}
    assert during["t1"] > 20 and during["t2"] > 100, during
    t.daemon.wait_trunk("t1", "UP")
    t.sipp_caller(calls=50, rate=100, port=5062).wait().all_good(50)
    after = {name: one["calls"] for name, one in t.daemon.trunks().items()}
    assert after["t1"] == during["t1"] + 50, (during, after)


@test()
def flapping_trunk_stays_out(t):
    """P3: every other probe answered never makes the successes in a row; the trunk takes no calls."""
    settings = probed(t)
    t1 = t.trunk("t1", alive=0)
    t.trunk("t2", answer=answering())
    caller = t.endpoint("caller")
    t.start(settings)
    t.daemon.wait_trunk("t1", "DOWN")
    t.daemon.wait_trunk("t2", "UP")
    seen = t1.probes
    t1.flap = True
    t.daemon.events.wait(lambda: t1.probes >= seen + 12, 15, "twelve probes")
    assert not [e for e in t.daemon.events.find("health", trunk="t1") if "RAMPING" in e["detail"] or "-> UP" in e["detail"]]
    assert goes_to(t, caller, "t2")
    assert t1.count("INVITE") == 0


@test()
def in_traffic_failures_take_a_trunk_down(t):
    """P2: three failed calls of the last eight are evidence enough, without any probe; the fourth call does not try it."""
    settings = t.config()
    settings["trunks"][0]["traffic"] = {"failures": 3, "window": 8}
    t.start(settings)
    t.trunk("t2", answer=answering())
    caller = t.endpoint("caller")
    for _ in range(3):
        t.call(caller).send("INVITE").final(200)
    t.daemon.wait_trunk("t1", "DOWN")
    failovers = t.daemon.counter("failovers")
    assert failovers == 3
    t.call(caller).send("INVITE").final(200)
    assert t.daemon.counter("failovers") == failovers
    trunk = t.daemon.trunks()["t1"]
    assert "icmp" in str(trunk).lower(), trunk


@test()
def retry_after_holds_the_trunk_down(t):
    """A 503's Retry-After keeps the trunk out for that long, whatever other calls say, and it is not probed meanwhile."""
    settings = probed(t)
    t.start(settings)
    t2 = t.trunk("t2", answer=answering())
    t1 = t.trunk("t1")
    caller = t.endpoint("caller")
    t.daemon.wait_trunk("t1", "UP")
    t.daemon.wait_trunk("t2", "UP")
    waiting = t.call(caller).send("INVITE")
    earlier = t1.expect("INVITE")
    t1.reply(earlier, 100)  # it stays; not yet a sign of life
    call = t.call(caller).send("INVITE")
    t1.reply(t1.expect("INVITE"), 503, extra=[("Retry-After", "2")])
    call.final(200)
    told = t.capture.sip(503, source=t.address("t1"))[0].time
    t.daemon.wait_trunk("t1", "DOWN")
    t1.reply(earlier, 200)  # now it is one
    waiting.final(200)
    t.call(caller).send("INVITE").final(200)
    assert t1.count("INVITE") == 2 and t2.count("INVITE") == 2
    t.daemon.wait_trunk("t1", "UP")
    probes = [m.time - told for m in t.capture.sip("OPTIONS", destination=t.address("t1")) if m.time - told > 0.1]
    assert min(probes) > 1.95, probes
    back = [e["wall_ms"] / 1000 - told for e in t.daemon.events.find("health", trunk="t1")
            if "RAMPING" in e["detail"] and e["wall_ms"] / 1000 > told]
    assert back and back[0] > 1.95, back


@test()
def trunk_that_goes_down_gives_up_its_waiting_calls(t):
    """P6: a call waiting for its first provisional moves on when probes find its trunk dead, long before the formula's end."""
    settings = probed(t)
    settings["trunks"][0].update({"trying_timer": "10s"})
    t.start(settings)
    t1 = t.trunk("t1")
    t2 = t.trunk("t2")
    t.daemon.wait_trunk("t1", "UP")
    t.daemon.wait_trunk("t2", "UP")
    call = t.call().send("INVITE")
    t1.expect("INVITE")
    t1.alive = 0
    t2.reply(t2.expect("INVITE", 5.0), 200)
    call.final(200)


@test()
def trunk_found_dead_meanwhile_is_skipped(t):
    """P6 P22: the second candidate went DOWN after the call came; its turn is skipped and the event log says so."""
    settings = t.config()
    settings["trunks"][0].update({"trying_timer": "400ms", "invite_retries": 1})
    settings["trunks"][1].update({"probe": FAST})
    t.start(settings)
    t.trunk("t1", alive=0)
    t2, t3 = t.trunk("t2"), t.trunk("t3")
    t.daemon.wait_trunk("t2", "UP")
    call = t.call().send("INVITE")
    t2.alive = 0
    t.daemon.wait_trunk("t2", "DOWN")
    t3.reply(t3.expect("INVITE"), 200)
    call.final(200)
    assert t2.count("INVITE") == 0
    assert t.daemon.wait_event("skipped", trunk="t2")


@test()
def all_trunks_down_panic_tries_the_least_bad(t):
    """P5: no candidate is up, so one is tried all the same; counted and logged; the call goes through if it works."""
    t.start(probed(t))
    for name in ("t1", "t2"):
        t.trunk(name, alive=0, answer=answering())
        t.daemon.wait_trunk(name, "DOWN")
    t.call().send("INVITE").final(200)
    assert t.daemon.counter("panics") == 1
    assert t.daemon.wait_event("panic")


@test()
def drained_trunk_takes_no_new_calls_and_keeps_the_old(t):
    """P9: drain steers new calls away; calls it has go on; enable brings it back at once."""
    t.start()
    t1 = t.trunk("t1")
    t.trunk("t2", answer=answering())
    caller = t.endpoint("caller")
    call = t.call(caller).send("INVITE")
    t1.reply(t1.expect("INVITE"), 180)
    call.expect(180)
    assert t.daemon.ctl("trunk", "t1", "drain").returncode == 0
    assert goes_to(t, caller, "t2")
    t1.reply(t1.log[0], 200)
    call.final(200)
    call.send("BYE")
    t1.reply(t1.expect("BYE"), 200)
    call.final(200, method="BYE")
    assert t1.count("INVITE") == 1
    assert t.daemon.ctl("trunk", "t1", "enable").returncode == 0
    again = t.call(caller).send("INVITE")
    t1.reply(t1.expect("INVITE"), 200)
    again.final(200)


@test()
def operators_disable_outlives_reload_and_restart(t):
    """P9: the switch is the operator's: neither health, a reload nor a restart undoes it."""
    t.start(probed(t))
    t.trunk("t1", answer=answering())
    t.trunk("t2", answer=answering())
    caller = t.endpoint("caller")
    assert t.daemon.ctl("trunk", "t1", "disable").returncode == 0
    for name in ("t1", "t2"):  # healthy both, or it would be health that keeps calls away
        t.daemon.wait_trunk(name, "UP")
    assert goes_to(t, caller, "t2")
    t.daemon.call("reload")
    assert goes_to(t, caller, "t2") and t.daemon.trunks()["t1"]["admin"] == "disabled", t.daemon.trunks()["t1"]
    t.daemon.stop()
    t.restart()
    for name in ("t1", "t2"):  # healthy both, or it would be health that keeps calls away
        t.daemon.wait_trunk(name, "UP")
    assert t.daemon.trunks()["t1"]["admin"] == "disabled", t.daemon.trunks()["t1"]
    assert goes_to(t, caller, "t2")
    assert t.daemon.ctl("trunk", "nobody", "disable").returncode != 0


@test()
def restarted_daemon_probes_trunks_that_were_down(t):
    """P8: whatever was known before, the start state is PROBING, and a live trunk is found."""
    t.start(probed(t))
    t1 = t.trunk("t1", alive=0)
    t.trunk("t2")
    t.daemon.wait_trunk("t1", "DOWN")
    t.daemon.stop()
    t1.alive = 200
    t.restart()
    t.daemon.wait_trunk("t1", "UP")

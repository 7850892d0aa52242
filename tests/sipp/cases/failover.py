# SPDX-License-Identifier: BSD-3-Clause
"""Calls whose first trunk does not take them: how soon, where to, and what the caller is told."""
import statistics

from harness.case import test
from harness.daemon import QUIET, trunk as a_trunk
from harness.endpoint import answering


def impatient(t, **keys):
    """t1, t2, t3 where t1 is given up after a(2^n - 1) = 60 ms, unless told otherwise."""
    settings = t.config()
    settings["trunks"][0].update({"trying_timer": "20ms", "invite_retries": 1} | keys)
    return settings


@test()
def dead_primary_told_by_icmp_costs_milliseconds(t):
    """S2.3 P1: nothing listens at the primary; from INVITE in to INVITE out at the secondary it takes less than 5 ms.
    The wire also shows how long the worker waited for a CPU that others use: there most calls must do it. The daemon's own time,
    from the INVITE in its hands, must be less in every call; one of the nine may have met with the CPU being taken away."""
    t.start()
    t.meet("caller", "t1", "t2")
    t.sipp_trunk("t2")
    t.sipp_caller(calls=9, rate=20).wait().all_good(9, retransmissions=0)
    taken = []
    for asked in t.capture.wait("INVITE", count=9, source=t.address("caller")):
        sent = t.capture.wait("INVITE", destination=t.address("t2"), call_id=asked.call_id)[0]
        taken.append((sent.time - asked.time) * 1000)
    allowed = 25 if t.sanitized else 5
    t.daemon.events.wait(lambda: len(t.daemon.events.find("failover", trunk="t1", trunk2="t2")) == 9, 5, "nine failovers")
    told = [event["elapsed_us"] / 1000 for event in t.daemon.events.find("failover")]
    measured = f"milliseconds on the wire {[round(ms, 2) for ms in taken]}, told by events {told}"
    assert statistics.median(taken) < allowed, measured
    assert len([ms for ms in told if not 0 < ms < allowed]) <= 1, measured
    assert all(own < wire + 0.5 for own, wire in zip(told, taken)), measured
    assert t.daemon.counter("failovers") == 9


@test()
def dead_primary_told_by_icmp_ipv6(t):
    """S2.3 P1 over IPv6: no call waits for the trying timer of 200 ms."""
    t.start(v6=True)
    t.meet("caller", "t1", "t2", v6=True)
    t.sipp_trunk("t2", v6=True)
    t.sipp_caller(calls=3, rate=20, v6=True).wait().all_good(3, retransmissions=0)
    counters = t.daemon.counters()
    assert counters["failovers"] == 3 and counters["retransmissions_out"] == 0, counters
    t.daemon.events.wait(lambda: len(t.daemon.events.find("failover", detail="ICMP unreachable")) == 3, 5, "three told by ICMP")


def silent_schedule(t, a_ms, retries):
    """A call over a silent t1, taken by t2. Returns the ms of each INVITE at t1 after its first, and of that at t2."""
    settings = t.config(trunks=("t1", "t2"))
    settings["trunks"][0].update({"trying_timer": f"{a_ms}ms", "invite_retries": retries})
    t.start(settings)
    t.meet("caller", "t1", "t2")
    t.trunk("t1", alive=0)
    t.sipp_trunk("t2")
    t.sipp_caller().wait().all_good(1, retransmissions=0)
    sends = [m.time for m in t.capture.sip("INVITE", destination=t.address("t1"))]
    moved = t.capture.sip("INVITE", destination=t.address("t2"))[0].time
    return [(when - sends[0]) * 1000 for when in sends], (moved - sends[0]) * 1000


def assert_near(measured, wanted, tolerance):
    assert len(measured) == len(wanted) and all(abs(m - w) <= tolerance for m, w in zip(measured, wanted)), \
        f"ms measured {[round(m, 1) for m in measured]}, wanted {wanted} +- {tolerance}"


@test()
def silent_primary_is_left_after_3_s_at_200_ms_and_3_retries(t):
    """S4.2 S2.1: sends at 0, 200, 600, 1400 ms, the next trunk at 3000 ms, each within 20 ms on the wire."""
    sends, moved = silent_schedule(t, 200, 3)
    assert_near(sends + [moved], [0, 200, 600, 1400, 3000], 20)
    detail = t.daemon.wait_event("failover", trunk="t1", trunk2="t2")
    assert 2_980_000 < detail["elapsed_us"] < 3_030_000, detail


@test()
def silent_primary_gets_seven_sends(t):
    """S4.1 scaled by 1/25 (a = 20 ms): sends at 0, a, 3a, 7a, 15a, 31a, 63a, the next trunk at 127a."""
    sends, moved = silent_schedule(t, 20, 6)
    assert_near(sends + [moved], [20 * n for n in (0, 1, 3, 7, 15, 31, 63, 127)], 20)


@test()
def provisional_stops_the_repetitions(t):
    """S4.1: after a 100 from the trunk no INVITE is sent again, and the formula no longer runs out."""
    t.start(impatient(t))
    t1 = t.trunk("t1")
    call = t.call().send("INVITE")
    t1.reply(t1.expect("INVITE"), 100)
    t.capture.quiet("INVITE", 0.3, source=t.proxy[0])
    invite = t1.log[0]
    t1.reply(invite, 200)
    call.final(200)


@test()
def unavailable_primary_is_acked_and_left(t):
    """S2.1 P14 P15 R3263: 503 is ACKed before the secondary is tried, with a new branch, from the listener's address."""
    t.start()
    t.sipp_trunk("t1", "uas_refuse", code=503)
    t.sipp_trunk("t2")
    t.sipp_caller().wait().all_good(1, retransmissions=0)
    t1, t2 = t.address("t1"), t.address("t2")
    first = t.capture.wait("INVITE", destination=t1)[0]
    ack = t.capture.wait("ACK", destination=t1)[0]
    second = t.capture.wait("INVITE", destination=t2)[0]
    assert ack.branch == first.branch and ack.cseq == (1, "ACK") and ack.time < second.time
    assert ack.to_tag == t.capture.sip(503, source=t1)[0].to_tag
    assert second.branch != first.branch and second.source == t.proxy
    assert len(t.capture.sip("ACK", destination=t1)) == 1 and not t.capture.sip(503, destination=t.address("caller"))
    assert t.daemon.wait_event("failover", trunk="t1", trunk2="t2")


@test()
def third_trunk_takes_what_two_refuse(t):
    """S2.1 S4.4: every trunk of the list is tried in order."""
    t.start()
    t.sipp_trunk("t1", "uas_refuse", code=503)
    t.sipp_trunk("t2", "uas_refuse", code=500)
    t.sipp_trunk("t3")
    t.sipp_caller(calls=3).wait().all_good(3, retransmissions=0)


@test()
def lone_503_goes_up_as_500(t):
    """R3261-16.7 P12: every trunk answers 503, the caller is told 500."""
    t.start()
    for name in ("t1", "t2", "t3"):
        t.sipp_trunk(name, "uas_refuse", code=503)
    t.sipp_caller("uac_fail", code=500).wait().all_good(1, retransmissions=0)
    assert t.daemon.wait_event("exhausted")


@test()
def best_refusal_goes_up(t):
    """R3261-16.7: of 503 and 404 the caller is told 404, whichever came first."""
    settings = t.config(trunks=("t1", "t2"))
    for one in settings["trunks"]:
        one["failover_on"] = ["404", "500-599"]
    orders = {"a": ("t1", "t2"), "b": ("t2", "t1")}
    settings["groups"] = [{"name": name, "members": [{"trunk": trunk, "priority": n + 1} for n, trunk in enumerate(order)]}
                          for name, order in orders.items()]
    settings["routes"] = [{"prefix": "1", "groups": ["a"]}, {"prefix": "2", "groups": ["b"]}]
    t.start(settings)
    t.sipp_trunk("t1", "uas_refuse", code=503)
    t.sipp_trunk("t2", "uas_refuse", code=404)
    for number in ("1", "2"):
        t.sipp_caller("uac_fail", code=404, number=number, port=5070 + int(number)).wait().all_good(1, retransmissions=0)
        assert t.capture.sip("INVITE", destination=t.address("t1")) and t.capture.sip("INVITE", destination=t.address("t2"))
    assert len(t.capture.sip("INVITE", source=t.proxy[0])) == 4


@test()
def silence_of_all_trunks_is_408_in_time(t):
    """S2.2 R3261-16.7: the first is given up by its formula, the last after 64 T1 (T1 = 50 ms): 140 + 3200 ms."""
    settings = t.config(trunks=("t1", "t2"), timers={"t1": "50ms"})
    settings["trunks"][0].update({"trying_timer": "20ms", "invite_retries": 2})
    settings["trunks"][1].update({"trying_timer": "20ms", "invite_retries": 2})
    t.start(settings)
    t.meet("caller", "t1", "t2")
    t.trunk("t1", alive=0)
    t.trunk("t2", alive=0)
    t.sipp_caller("uac_fail", code=408).wait().all_good(1)
    asked = t.capture.sip("INVITE", source=t.address("caller"))[0]
    told = t.capture.sip((408, "INVITE"), destination=t.address("caller"))[0]
    assert_near([(told.time - asked.time) * 1000], [3340], 40)


@test()
def refusals_of_all_trunks_by_icmp_are_told_at_once(t):
    """S2.3 R3261-16.7: nobody listens anywhere; the caller has its final answer within a second."""
    t.start()
    call = t.call().send("INVITE")
    answer = call.expect("final", 2.0)
    assert answer.status in (408, 500), answer
    call.ack(answer)


@test()
def busy_goes_straight_up(t):
    """R3261-16.7: 486 is an answer, not a failure; no other trunk is tried."""
    t.start()
    t.sipp_trunk("t1", "uas_refuse", code=486)
    t.trunk("t2")
    t.sipp_caller("uac_fail", code=486).wait().all_good(1, retransmissions=0)
    assert not t.capture.sip("INVITE", destination=t.address("t2"))
    assert t.capture.wait("ACK", destination=t.address("t1"))


@test()
def decline_everywhere_ends_the_hunt(t):
    """R3261-16.7: 6xx ends the hunt, even where failover_on lists it."""
    t.start(impatient(t, failover_on=["500-699"], trying_timer="200ms"))
    t.sipp_trunk("t1", "uas_refuse", code=603)
    t.trunk("t2")
    t.sipp_caller("uac_fail", code=603).wait().all_good(1, retransmissions=0)
    assert not t.capture.sip("INVITE", destination=t.address("t2"))


@test()
def ringing_call_stays_where_it_rings(t):
    """P19: after 180 neither silence nor a 503 sends the call to another trunk."""
    t.start(impatient(t))
    t1, t2 = t.trunk("t1"), t.trunk("t2")
    call = t.call().send("INVITE")
    invite = t1.expect("INVITE")
    t1.reply(invite, 180)
    call.expect(180)
    t.capture.quiet("INVITE", 0.3, source=t.proxy[0])
    t1.reply(invite, 503)
    call.final(500)
    assert t2.count("INVITE") == 0


@test()
def ringing_call_moves_on_where_configured(t):
    """P19: failover_after_ringing lets a 503 after 180 try the next trunk."""
    t.start(impatient(t, failover_after_ringing=True))
    t1, t2 = t.trunk("t1"), t.trunk("t2")
    call = t.call().send("INVITE")
    invite = t1.expect("INVITE")
    t1.reply(invite, 180)
    call.expect(180)
    t1.reply(invite, 503)
    t2.reply(t2.expect("INVITE"), 200)
    call.final(200)


@test()
def late_200_of_a_trunk_given_up_is_forwarded(t):
    """R3261-16.10 late_2xx forward: the caller gets it, its ACK reaches that trunk, the other leg is cancelled."""
    t.start(impatient(t))
    t1, t2 = t.trunk("t1"), t.trunk("t2")
    call = t.call().send("INVITE")
    first, second = t1.expect("INVITE"), t2.expect("INVITE")
    t2.reply(second, 180, tag="two")
    call.expect(180)
    t1.reply(first, 200, tag="one")
    answer = call.final(200)
    assert answer.to_tag == "one", answer.headers
    t1.expect("ACK")
    cancel = t2.expect("CANCEL")
    t2.reply(cancel, 200)
    t2.reply(second, 487, tag="two")
    t2.expect("ACK")
    assert t.daemon.wait_event("late_2xx", trunk="t1") and t.daemon.counter("late_2xx") == 1
    call.send("BYE")
    t1.reply(t1.expect("BYE"), 200)
    call.final(200, method="BYE")


@test()
def late_200_is_acked_and_hung_up_where_configured(t):
    """R3261-16.10 late_2xx bye: ACK and BYE go to the late trunk, the caller talks to the other."""
    t.start(impatient(t) | {"late_2xx": "bye"})
    t1, t2 = t.trunk("t1"), t.trunk("t2")
    call = t.call().send("INVITE")
    first, second = t1.expect("INVITE"), t2.expect("INVITE")
    t2.reply(second, 180, tag="two")
    call.expect(180)
    t1.reply(first, 200, tag="one")
    ack = t1.expect("ACK")
    bye = t1.expect("BYE")
    assert ack.to_tag == bye.to_tag == "one" and bye.cseq[0] == ack.cseq[0] + 1 and bye.call_id == call.call_id
    t1.reply(bye, 200)
    t2.reply(second, 200, tag="two")
    assert call.final(200).to_tag == "two"
    t2.expect("ACK")
    assert call.count((200, "INVITE")) == 1


@test()
def late_ringing_of_a_trunk_given_up_is_cancelled(t):
    """R3261-16.10: a leg left for silence that rings late gets CANCEL, and its 487 an ACK; the call goes on elsewhere."""
    t.start(impatient(t))
    t1, t2 = t.trunk("t1"), t.trunk("t2")
    call = t.call().send("INVITE")
    first, second = t1.expect("INVITE"), t2.expect("INVITE")
    t1.reply(first, 180, tag="one")
    cancel = t1.expect("CANCEL")
    assert cancel.branch == first.branch
    t1.reply(cancel, 200)
    t1.reply(first, 487, tag="one")
    t1.expect("ACK")
    t2.reply(second, 200, tag="two")
    assert call.final(200).to_tag == "two"


@test()
def other_requests_fail_over_too(t):
    """S1.2: a MESSAGE that the first trunk leaves unanswered is answered by the second."""
    t.start(impatient(t, trying_timer="50ms", invite_retries=2) | {"timers": {"t1": "50ms"}})
    t.trunk("t1", alive=0)
    t.sipp_trunk("t2", "uas_request", method="MESSAGE", code=200)
    t.sipp_caller("uac_request", method="MESSAGE", code=200).wait().all_good(1)


@test()
def request_that_no_trunk_answers_gets_no_408(t):
    """R4320: a non-INVITE whose trunks are silent is not answered 408, nor with a late response."""
    t.start(t.config(trunks=("t1",), timers={"t1": "20ms"}))
    t1 = t.trunk("t1", alive=0)
    t.call().send("MESSAGE")
    message = t1.expect("MESSAGE")
    t.capture.quiet((408, "MESSAGE"), 2.0, seen=0, destination=t.address("caller"))
    t1.reply(message, 200)
    t.daemon.events.wait(lambda: t.daemon.counter("drop_late") + t.daemon.counter("drop_stray_response") >= 1, 3,
                         "late response counted")
    assert not t.capture.sip((200, "MESSAGE"), destination=t.address("caller"))


@test()
def longest_prefix_chooses_the_group(t):
    """S4.4: +4420 before +44 before the default, each with its own trunk."""
    settings = t.config(
        groups=[{"name": name, "members": [{"trunk": name}]} for name in ("t1", "t2", "t3")],
        routes=[{"prefix": "+44", "groups": ["t2"]}, {"prefix": "+4420", "groups": ["t1"]}, {"default": True, "groups": ["t3"]}])
    t.start(settings)
    for name in ("t1", "t2", "t3"):
        t.trunk(name, answer=answering())
    caller = t.endpoint("caller")
    for number, name in (("+442071234", "t1"), ("+441212", "t2"), ("+33123", "t3"), ("+4420", "t1"), ("+442", "t2")):
        call = t.call(caller, number=number).send("INVITE")
        call.final(200)
        assert t.capture.sip("INVITE", destination=t.address(name), call_id=call.call_id), f"{number} did not go to {name}"


@test()
def second_group_takes_over_from_the_first(t):
    """S4.4: ordered groups of a route."""
    settings = t.config(groups=[{"name": "a", "members": [{"trunk": "t1"}]}, {"name": "b", "members": [{"trunk": "t2"}]}],
                        routes=[{"default": True, "groups": ["a", "b"]}])
    t.start(settings)
    t.sipp_trunk("t1", "uas_refuse", code=503)
    t.sipp_trunk("t2")
    t.sipp_caller(calls=2).wait().all_good(2, retransmissions=0)


@test(capture=False)
def weights_share_the_calls_of_one_priority(t):
    """S4.4: 3 to 1 among equals of priority, by Call-ID."""
    settings = t.config(groups=[{"name": "all", "members": [{"trunk": "t1", "weight": 3}, {"trunk": "t2", "weight": 1}]}])
    t.start(settings)
    t.sipp_trunk("t1")
    t.sipp_trunk("t2")
    t.sipp_caller(calls=400, rate=200).wait().all_good(400)
    calls = {name: one["calls"] for name, one in t.daemon.trunks().items()}
    assert calls["t1"] + calls["t2"] == 400 and 250 < calls["t1"] < 350, calls


@test()
def trunk_on_another_port_number_is_another_trunk(t):
    """P10 P20: health and failover are by IP:port; two trunks of one host do not share: one is DOWN, the other takes the calls."""
    settings = t.config(trunks=("t1", "t2"))
    one_is_enough = {"traffic": {"failures": 1, "window": 8}, "probe": QUIET | {"min": "60s", "max": "60s"}}
    settings["trunks"][0].update(one_is_enough)
    settings["trunks"][1] = a_trunk("t2", f"{t.address('t1')}:5080", **one_is_enough)
    t.start(settings)
    t.trunk("t1", port=5080, answer=answering())
    caller = t.endpoint("caller")
    for _ in range(2):
        t.call(caller).send("INVITE").final(200)
        t.daemon.wait_trunk("t1", "DOWN")
        assert t.daemon.trunks()["t2"]["state"] == "UP"
    assert t.daemon.counter("failovers") == 1 and not t.daemon.events.find("health", trunk="t2"), t.daemon.events.list

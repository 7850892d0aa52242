# SPDX-License-Identifier: BSD-3-Clause
"""Callers who give up."""
from harness.case import test
from harness.endpoint import answering


@test()
def cancel_while_ringing_ends_both_sides(t):
    """R3261-16.10 P16: 200 to the CANCEL, CANCEL to the trunk, 487 ACKed hop by hop and sent up."""
    t.start()
    t.sipp_trunk("t1", "uas_ring")
    t.sipp_caller("uac_cancel", calls=3).wait().all_good(3, retransmissions=0)
    t1 = t.address("t1")
    for invite in t.capture.wait("INVITE", count=3, destination=t1):
        cancel = t.capture.wait("CANCEL", destination=t1, call_id=invite.call_id)[0]
        ack = t.capture.wait("ACK", destination=t1, call_id=invite.call_id)[0]
        assert cancel.branch == ack.branch == invite.branch and len(cancel.all("via")) == 1
    assert t.daemon.counter("calls_cancelled") == 3


@test()
def cancel_waits_for_the_trunks_first_provisional(t):
    """R3261-16.10 P16: the caller has its 200 at once, the trunk its CANCEL only after it has shown life."""
    t.start()
    t1 = t.trunk("t1")
    call = t.call().send("INVITE")
    invite = t1.expect("INVITE")
    call.cancel()
    call.expect((200, "CANCEL"))
    t.capture.quiet("CANCEL", 0.15, seen=0, destination=t.address("t1"))
    t1.reply(invite, 180)
    cancel = t1.expect("CANCEL")
    assert cancel.branch == invite.branch and cancel.cseq == (invite.cseq[0], "CANCEL") and cancel.uri == invite.uri
    t1.reply(cancel, 200)
    t1.reply(invite, 487)
    t1.expect("ACK")
    call.final(487)


@test()
def cancelled_call_of_a_silent_trunk_goes_nowhere_else(t):
    """Invariant 5, R3261-16.10: the caller gets its one final answer, no other trunk an INVITE."""
    settings = t.config(timers={"t1": "50ms"})
    settings["trunks"][0].update({"trying_timer": "50ms", "invite_retries": 2})
    t.start(settings)
    t1, t2 = t.trunk("t1", alive=0), t.trunk("t2")
    call = t.call().send("INVITE")
    t1.expect("INVITE")
    call.cancel()
    call.expect((200, "CANCEL"))
    answer = call.expect("final", 8.0)
    assert answer.status in (487, 408), answer
    call.ack(answer)
    assert t2.count("INVITE") == 0


@test()
def answer_that_crosses_a_cancel_is_not_lost(t):
    """R3261-16.10 P16: the trunk answers 200 before it has seen the CANCEL; the caller gets the 200 and can hang up."""
    t.start()
    t1 = t.trunk("t1")
    call = t.call().send("INVITE")
    invite = t1.expect("INVITE")
    t1.reply(invite, 180, tag="x")
    call.expect(180)
    call.cancel()
    call.expect((200, "CANCEL"))
    cancel = t1.expect("CANCEL")
    t1.reply(invite, 200, tag="x")
    t1.reply(cancel, 481, tag="x")
    call.final(200)
    t1.expect("ACK")
    call.send("BYE")
    t1.reply(t1.expect("BYE"), 200)
    call.final(200, method="BYE")


@test()
def cancel_of_nothing_is_481(t):
    """R3261-16.10: a CANCEL that matches no INVITE is not relayed."""
    t.start()
    t.trunk("t1", answer=answering())
    call = t.call()
    call.branch, call.cseq = "z9hG4bKnobody", 1
    call.cancel()
    call.expect((481, "CANCEL"))
    assert not t.capture.sip("CANCEL", destination=t.address("t1"))

# SPDX-License-Identifier: BSD-3-Clause
"""What the proxy will not relay, what it throws away, and what it does when it is full."""
import os
import socket
import struct

from harness import sip
from harness.case import test
from harness.endpoint import Call, answering


def refused(call, method, status, **keys):
    call.send(method, **keys)
    answer = call.expect((status, method))
    if method == "INVITE":
        call.ack(answer)
    return answer


@test()
def requests_are_refused_by_the_book(t):
    """R3261-16.3: 483, 420 with Unsupported, 416; none of them reaches a trunk. OPTIONS to the proxy itself is 200."""
    t.start()
    t1 = t.trunk("t1", answer=answering())
    caller = t.endpoint("caller")
    refused(t.call(caller), "INVITE", 483, max_forwards=0)
    answer = refused(t.call(caller), "INVITE", 420, extra=[("Proxy-Require", "teleport")])
    assert answer.get("unsupported") == "teleport", answer.headers
    refused(t.call(caller), "INVITE", 416, uri="carrier-pigeon:4420001")
    assert t1.count("INVITE") == 0
    call = t.call(caller)
    call.send("OPTIONS", uri=f"sip:{t.proxy[0]}")
    call.expect((200, "OPTIONS"))
    call = t.call(caller).send("INVITE", max_forwards=None)
    call.final(200)
    assert t1.log[0].get("max-forwards") == "70"
    assert t.daemon.counter("end_replied") >= 4


@test()
def content_length_beyond_the_datagram_is_400(t):
    """R3261-18: Content-Length over the datagram is 400; bytes after it are ignored."""
    t.start()
    t1 = t.trunk("t1", answer=answering())
    caller = t.endpoint("caller")
    refused(t.call(caller), "INVITE", 400, extra=[("Content-Length", "5000")])
    call = t.call(caller)
    call.send("INVITE", extra=[("Content-Length", str(len(sip.SDP)))], body=sip.SDP + "trailing rubbish")
    call.final(200)
    assert t1.log[0].body == sip.SDP.encode(), t1.log[0].body


@test()
def loop_is_482(t):
    """R3261-16.3 R5393: a trunk that sends the INVITE straight back is told 482; the call fails over to the next."""
    t.start()
    t2 = t.trunk("t2")

    def boomerang(endpoint, message):
        if message.method == "INVITE":
            head, _, rest = message.data.partition(b"\r\n")
            via = f"Via: SIP/2.0/UDP {sip.hostport(endpoint.address)};branch={sip.token('z9hG4bK')}".encode()
            endpoint.send(head + b"\r\n" + via + b"\r\n" + rest, t.proxy)
        return False

    t1 = t.trunk("t1", answer=boomerang)
    call = t.call().send("INVITE")
    t1.expect((482, "INVITE"))
    assert t1.count("INVITE") == 1 and t2.count("INVITE") == 0
    t1.reply(t1.expect("INVITE"), 503)
    t2.reply(t2.expect("INVITE"), 200)
    call.final(200)


@test()
def unsigned_route_is_403(t):
    """Invariant 6: an in-dialog request whose Route the proxy did not sign, or another's token, is no open relay."""
    t.start()
    t1, t3 = t.trunk("t1", answer=answering()), t.trunk("t3", answer=answering())
    call = t.call().send("INVITE")
    call.final(200)
    victim = f"sip:uas@{sip.hostport(t3.address)}"
    good = call.routes[0]
    spoiled = good[:good.index("sb=") + 3] + ("A" if good[good.index("sb=") + 3] != "A" else "B") + \
        good[good.index("sb=") + 4:]
    for route in (f"<sip:{t.proxy[0]}:5060;lr>", spoiled):
        call.send("BYE", uri=victim, routes=[route])
        call.expect((403, "BYE"))
    assert t3.count("BYE") == 0 and t1.count("BYE") == 0
    call.send("BYE")
    call.final(200, method="BYE")


@test()
def untrusted_source_gets_one_403_a_datagram(t):
    """P21: no retransmission, no relaying, no more bytes than came in, nothing at all to what is not a request."""
    settings = t.config(timers={"t1": "50ms"})
    settings["listeners"][0]["trust"] = ["192.0.2.1/32"]
    t.start(settings)
    t1 = t.trunk("t1")
    stranger = t.endpoint("t3")
    call = Call(stranger, t.proxy)
    call.send("INVITE")
    answer = call.expect((403, "INVITE"))
    assert len(answer.data) <= len(call.last), "an amplifier"
    t.capture.quiet((403, "INVITE"), 0.5, seen=1, destination=t.address("t3"))
    call.again()
    call.expect((403, "INVITE"))
    call.send("ACK")
    stranger.send(sip.text("SIP/2.0 200 OK", [("Via", f"SIP/2.0/UDP {t.proxy[0]};branch=z9hG4bKx"), ("From", "<sip:a@b>;tag=1"),
                                              ("To", "<sip:a@b>;tag=2"), ("Call-ID", "x"), ("CSeq", "1 INVITE")]), t.proxy)
    t.capture.quiet(None, 0.3, source=t.proxy[0], destination=t.address("t3"))
    assert t1.count("INVITE") == 0
    good = t.call().send("INVITE")
    t1.reply(t1.expect("INVITE"), 200)
    good.final(200)


def udp_frame(source, destination, payload, *, length=None, checksum=0, total=None, first=0x45):
    udp = struct.pack("!HHHH", 5060, 5060, length if length is not None else 8 + len(payload), checksum) + payload
    head = struct.pack("!BBHHHBBH4s4s", first, 0, total if total is not None else 20 + len(udp), 7, 0, 64, 17, 0,
                       socket.inet_aton(source), socket.inet_aton(destination))
    words = struct.unpack("!10H", head)
    total_sum = sum(words)
    total_sum = (total_sum & 0xffff) + (total_sum >> 16)
    total_sum = (total_sum & 0xffff) + (total_sum >> 16)
    return head[:10] + struct.pack("!H", ~total_sum & 0xffff) + head[12:] + udp


def raw_frames(t, packets):
    """Sends IP packets to the daemon's port as they are."""
    neighbours = t.network["caller"].ns.run("ip", "neigh", "show", t.proxy[0]).stdout.split()
    mac = bytes.fromhex(neighbours[neighbours.index("lladdr") + 1].replace(":", ""))
    with t.network["caller"].ns.entered(), socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0) as raw:
        raw.bind(("eth0", 0))
        own = raw.getsockname()[4]
        for kind, packet in packets:
            raw.send(mac + own + struct.pack("!H", kind) + packet)


def counted(t, caller, send):
    """What send() adds to the counters of answers and of drops. A request to the proxy itself shows where its frames end."""
    before = t.daemon.counters()
    send()
    t.call(caller).send("OPTIONS", uri=f"sip:{t.proxy[0]}").expect((200, "OPTIONS"))
    after = t.daemon.counters()
    after["end_replied"] -= 1
    return {name: after[name] - before[name] for name in after
            if name.startswith(("drop_", "end_replied")) and after[name] != before[name]}


def rubbish(whole):
    """(what it is, datagrams, how each of them ends) on the SIP port. whole: a good INVITE."""
    stun = struct.pack("!HHI", 1, 0, 0x2112a442) + os.urandom(12)
    rtp = struct.pack("!BBHII", 0x80, 8, 1, 160, 1)
    before_cseq, behind_cseq = whole.index(b"CSeq"), whole.index(b"Max-Forwards")
    return [
        ("empty", [b""], "drop_keepalive"),
        ("keep-alive", [b"\r\n\r\n", b"\r\n"], "drop_keepalive"),
        ("STUN-like", [stun, stun + bytes(40)], "drop_stun"),
        ("RTP-like", [rtp + bytes(160), rtp[:1] + bytes([200]) + bytes(26), b"\xbf" + os.urandom(1100)], "drop_rtp"),
        ("garbage", [b"\x00" * 100, b"\xff" * 1000, b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", b"SIP/2.0 "], "drop_not_sip"),
        ("cut in its first line", [whole[:cut] for cut in (1, 6, 20)], "drop_not_sip"),
        ("cut before all that an answer needs", [whole[:cut] for cut in range(before_cseq - 90, before_cseq, 17)], "drop_bad_request"),
        ("cut behind it: told 400", [whole[:cut] for cut in (behind_cseq, behind_cseq + 30, len(whole) - 1)], "end_replied"),
        ("without Via", [whole.replace(b"Via:", b"Vla:")], "drop_bad_request"),
        ("without From, with an impossible CSeq: told 400",
         [whole.replace(b"From", b"From\x00"), whole.replace(b"CSeq: 1", b"CSeq: 99999999999999999999")], "end_replied"),
        ("a field of 60 000 bytes and nothing else", [b"INVITE sip:a@b SIP/2.0\r\nX: " + b"y" * 60000 + b"\r\n\r\n"],
         "drop_bad_request"),
        ("no status", [b"SIP/2.0 abc\r\n\r\n"], "drop_bad_response"),
    ]


@test(drivers=("net_af_packet",))
def rubbish_is_counted_and_survived(t):
    """P17: each kind of rubbish on the SIP port, empty, truncated and oversized datagrams, keep-alives, STUN and RTP, broken IP and
    UDP, is counted as what it is and as nothing else; no ICMP answers it; a call afterwards goes through."""
    t.start()
    t.meet("caller", "t1")
    t1 = t.trunk("t1", answer=answering())
    caller = t.endpoint("caller")
    whole = Call(caller, t.proxy).build("INVITE", 1, "z9hG4bKcut", body=sip.SDP)
    # More than the driver takes, which here is 60 kB: it arrives cut off.
    kinds = rubbish(whole) + [("oversized", [whole + b"x" * (size - len(whole)) for size in (61500, 65507)], "drop_bad_ip")]
    for what, datagrams, end in kinds:
        for one in datagrams:
            found = counted(t, caller, lambda one=one: caller.send(one, t.proxy))
            assert found == {end: 1}, f"{what} ({len(one)} bytes {one[:20]!r} ...): {found} and not {end}"
    c, p = t.address("caller"), t.proxy[0]
    frames = {"drop_bad_checksum": [udp_frame(c, p, whole, checksum=0xdead), udp_frame(c, p, whole, first=0x4f)],
              "drop_bad_ip": [udp_frame(c, p, whole, length=9000), udp_frame(c, p, whole, length=3), b"", b"\x45\x00",
                              udp_frame(c, p, whole, total=9000), udp_frame(c, p, whole, first=0x41)]}
    for end, packets in frames.items():
        for number, packet in enumerate(packets):
            found = counted(t, caller, lambda packet=packet: raw_frames(t, [(0x0800, packet)]))
            assert found == {end: 1}, f"IP packet {number}: {found} and not {end}"
    found = counted(t, caller, lambda: raw_frames(t, [(0x86dd, b"\x60" + bytes(10)), (0x86dd, b"\x60" + bytes(60))]))
    assert found == {"drop_bad_ip": 2}, found
    for one in [os.urandom(1200) for _ in range(20)] + [whole[:cut] for cut in range(1, len(whole), 37)]:
        caller.send(one, t.proxy)
    assert t1.count("INVITE") == 0
    call = t.call(caller).send("INVITE")
    call.final(200, timeout=10)
    assert not [packet for packet in t.capture.icmp(source=p) if packet.icmp[0] == 3], "the kernel beside the daemon answered SIP port traffic with ICMP"


@test()
def requests_of_another_sip_are_refused(t):
    """R3261-16.3: a version that is not 2.0 is told 505 and goes no further; its repetition likewise, without state."""
    t.start()
    t1 = t.trunk("t1", answer=answering())
    caller = t.endpoint("caller")
    for method in ("INVITE", "MESSAGE"):
        call = t.call(caller)
        request = call.build(method, 1, sip.token("z9hG4bK")).replace(b" SIP/2.0\r\n", b" SIP/7.0\r\n", 1)
        for _ in range(2):
            caller.send(request, t.proxy)
            answer = call.expect((505, method))
            assert answer.start == "SIP/2.0 505 Version Not Supported" and answer.to_tag, answer.data
        t.capture.quiet((505, method), 0.2, seen=2, destination=caller.address[0])
    assert not t1.log and t.daemon.counter("calls") == t.daemon.counter("requests") == 0


def table_size(t):
    """Slots of the transaction table as the daemon has it."""
    return t.daemon.call("memory")["transactions"]["max"]


@test(capture=False)
def full_transaction_table_sheds_new_calls_only(t):
    """P13: with every slot taken a new INVITE gets 503 with Retry-After; calls in progress are finished."""
    t.start(limits={"transactions": 10, "retry_after": "7s"})
    t1 = t.trunk("t1")
    caller = t.endpoint("caller")
    held = []
    for _ in range(table_size(t)):
        call = t.call(caller).send("INVITE")
        held.append((call, t1.expect("INVITE", call_id=call.call_id)))
        t1.reply(held[-1][1], 180)
        call.expect(180)
    for _ in range(3):
        over = t.call(caller).send("INVITE")
        answer = over.expect((503, "INVITE"))
        assert answer.get("retry-after") == "7", answer.headers
        over.ack(answer)
    assert t1.count("INVITE") == len(held)
    for call, invite in held:
        t1.reply(invite, 200)
        call.final(200)
    assert t.daemon.counter("shed_table_full") == 3
    assert t.daemon.wait_event("table_full")
    again = t.call(caller).send("INVITE")
    t1.reply(t1.expect("INVITE", call_id=again.call_id), 200)
    again.final(200)


@test()
def every_slot_of_a_full_table_has_its_timer(t):
    """S4.1 with the table full: each of the calls leaves a silent trunk in time."""
    settings = t.config(trunks=("t1", "t2"), limits={"transactions": 10})
    settings["trunks"][0].update({"trying_timer": "50ms", "invite_retries": 2})
    t.start(settings)
    t.meet("caller", "t1", "t2")  # a burst to a neighbour not yet known overflows its host's ARP queue
    t.trunk("t1", alive=0)
    t.trunk("t2", answer=answering())
    caller = t.endpoint("caller")
    calls = [t.call(caller).send("INVITE") for _ in range(min(table_size(t), 200))]
    for call in calls:
        call.final(200, timeout=5)
    assert t.daemon.counter("failovers") == len(calls)


@test()
def source_over_its_rate_is_told_503(t):
    """P13: invite_rate_per_source bounds what one source may start in a second."""
    t.start(limits={"transactions": 1000, "invite_rate_per_source": 10, "retry_after": "5s"})
    t1 = t.trunk("t1", answer=answering())
    caller = t.endpoint("caller")
    calls = [t.call(caller).send("INVITE") for _ in range(40)]
    statuses = [call.expect("final") for call in calls]
    shed = [answer for answer in statuses if answer.status == 503]
    assert 10 <= len(shed) <= 30 and all(answer.get("retry-after") for answer in shed), [a.status for a in statuses]
    # Calls, not INVITEs: a trunk that the machine lets wait gets some of them twice.
    assert t.daemon.counter("shed_rate") == len(shed) and t.daemon.counter("calls") == 40 - len(shed), t.daemon.counters()
    assert t1.count("INVITE") >= 40 - len(shed)


@test()
def stray_and_forged_responses_go_nowhere(t):
    """R6026: responses to nothing, with a foreign Via or a forged branch of ours, are counted and dropped."""
    t.start()
    t1 = t.trunk("t1")
    call = t.call().send("INVITE")
    invite = t1.expect("INVITE")
    branch = invite.branch
    forged = branch[:-1] + ("0" if branch[-1] != "0" else "1")
    real = sip.response(invite, 200, "t", sip.hostport(t1.address))
    t1.send(real.replace(branch.encode(), forged.encode()), t.proxy)
    t1.send(real.replace(branch.encode(), b"z9hG4bKsomebody-else"), t.proxy)
    t.daemon.events.wait(lambda: t.daemon.counter("drop_forged_cookie") + t.daemon.counter("drop_stray_response") >= 2, 3,
                         "two responses dropped")
    assert t.daemon.counter("drop_forged_cookie") >= 1
    assert call.count((200, "INVITE")) == 0
    t1.reply(invite, 200)
    call.final(200)

# SPDX-License-Identifier: BSD-3-Clause
"""Calls that go well: relaying, record-routing, addresses, fragments, ports, and dialogs that outlive the proxy."""
import socket

from harness import sip
from harness.case import test
from harness.daemon import config, device, trunk
from harness.endpoint import answering, Dialog
from harness.frames import ethernet


def sipp_call(t, v6=False):
    t.start(v6=v6)
    t.sipp_trunk("t1", v6=v6)
    t.sipp_caller(v6=v6).wait().all_good(1, retransmissions=0)


@test()
def plain_call_goes_through(t):
    """S4.4 R3261-16.6: INVITE 100 180 200 ACK BYE 200; Via, Record-Route, Max-Forwards as a proxy owes them."""
    sipp_call(t)
    caller, t1, proxy = t.address("caller"), t.address("t1"), t.proxy[0]
    asked = t.capture.wait("INVITE", source=caller)[0]
    sent = t.capture.wait("INVITE", destination=t1)[0]
    assert sent.source == t.proxy, f"relayed from {sent.source}"
    vias = sent.all("via")
    assert len(vias) == 2 and vias[0].startswith(f"SIP/2.0/UDP {proxy}") and "branch=z9hG4bK" in vias[0], vias
    assert sent.branch != asked.branch
    assert sent.via_param(1, "rport") == "5060" and sent.via_param(1, "received") == caller, vias[1]
    route = sent.all("record-route")
    assert len(route) == 1 and proxy in route[0] and ";lr" in route[0], route
    assert sent.get("max-forwards") == "69"
    assert sent.body == asked.body and sent.get("contact") == asked.get("contact")
    answer = t.capture.wait((200, "INVITE"), destination=caller)[0]
    assert len(answer.all("via")) == 1 and answer.all("record-route") == route
    bye = t.capture.wait("BYE", destination=t1)[0]
    assert not bye.all("route") and not bye.all("record-route") and len(bye.all("via")) == 2, bye.headers
    trying = t.capture.wait((100, "INVITE"), destination=caller)[0]
    assert trying.source == t.proxy and trying.time < t.capture.sip(180, source=t1)[0].time
    counters = t.daemon.counters()
    assert counters["calls"] == 1 and counters["calls_answered"] == 1, counters


@test(drivers=("net_af_xdp",))
def plain_call_goes_through_af_xdp(t):
    """The same call with the port driven by net_af_xdp."""
    sipp_call(t)


@test()
def plain_call_read_by_libosip2_alone(t):
    """parser: osip reads every message with libosip2 and comes to the same."""
    t.start(parser="osip")
    t.sipp_trunk("t1")
    t.sipp_caller(calls=3).wait().all_good(3, retransmissions=0)
    counters = t.daemon.counters()
    assert counters["sip_osip"] >= 3 * 6 and counters["sip_fast"] == 0, counters


@test()
def ipv6_call_goes_through(t):
    """The plain call over IPv6."""
    sipp_call(t, v6=True)
    sent = t.capture.wait("INVITE", destination=t.address("t1", True))[0]
    assert f"[{t.proxy6[0]}]" in sent.get("via") and f"[{t.proxy6[0]}]" in sent.get("record-route"), sent.headers


@test()
def ping_is_answered_by_the_kernel_twin(t):
    """ARP, neighbour discovery and echo at the listener's address, in one frame and in fragments, IPv4 and IPv6."""
    t.start()
    for v6 in (False, True):
        t.ping("caller", v6)
        t.ping("caller", v6, size=4000)
    assert t.daemon.counter("end_punted") >= 4


@test()
def interface_beneath_a_port_keeps_quiet(t):
    """P17: the kernel's own interface gets a copy of each frame; it answers neither ARP nor echo nor SIP a second time, for as
    long as the daemon has it, and is as before afterwards."""
    before = t.network.dut.read("net/ipv4/conf/edge0/arp_ignore")
    t.start()
    t.trunk("t1", answer=answering())
    t.call().send("INVITE").final(200)
    for v6 in (False, True):
        done = t.network["caller"].ns.run("ping", "-c", "3", "-i", "0.2", "-W", "3", t.network.listener(v6))
        assert "DUP" not in done.stdout and "3 received" in done.stdout, done.stdout
    unreachable = [packet for packet in t.network["caller"].ns.run("cat", "/proc/net/snmp").stdout.splitlines()
                   if packet.startswith("IcmpMsg:") and " InType3" in packet]
    assert not unreachable, unreachable
    assert t.network.dut.read("net/ipv4/conf/edge0/arp_ignore") == "8"
    assert t.daemon.stop() == 0
    assert t.network.dut.read("net/ipv4/conf/edge0/arp_ignore") == before


@test()
def frames_of_other_hosts_and_vlans_make_no_calls(t):
    """P21: trust is given to a network: neither a frame flooded our way nor one tagged for another VLAN crosses into it."""
    t.start()
    t.trunk("t1", answer=answering())
    t.meet("caller")
    caller = t.network["caller"]
    words = caller.ns.run("ip", "neigh", "show", t.network.listener()).stdout.split()
    ours = bytes.fromhex(words[words.index("lladdr") + 1].replace(":", ""))
    invite = ("INVITE sip:1@x SIP/2.0\r\nVia: SIP/2.0/UDP {0}:5060;branch=z9hG4bK-{1}\r\nFrom: <sip:a@x>;tag=1\r\n"
              "To: <sip:1@x>\r\nCall-ID: raw{1}\r\nCSeq: 1 INVITE\r\nContent-Length: 0\r\n\r\n")
    before = t.daemon.counter("drop_not_ours")
    with caller.ns.entered(), socket.socket(socket.AF_PACKET, socket.SOCK_RAW) as raw:
        raw.bind(("eth0", 0))
        for number, (mac, vlan) in enumerate(((ours[:5] + bytes([ours[5] ^ 1]), 0), (ours, 77), (ours, 0))):
            payload = invite.format(caller.address(), number).encode()
            raw.send(ethernet(mac, vlan, caller.address(), t.network.listener(), payload))
    t.daemon.wait_counter("calls_answered", 1)
    assert [message.get("call-id") for message in t.capture.sip("INVITE", destination=t.address("t1"))] == ["raw2"]
    assert t.daemon.counter("calls") == 1 and t.daemon.counter("drop_not_ours") == before + 2, t.daemon.counters()


def large_body_crosses(t, v6):
    t.start(v6=v6)
    large = sip.SDP + "a=x:" + "0123456789" * 600 + "\r\n"
    t1 = t.trunk("t1", v6=v6)
    call = t.call(v6=v6).send("INVITE", body=large)
    invite = t1.expect("INVITE")
    assert invite.body == large.encode(), f"{len(invite.body)} bytes of {len(large)} came through"
    t1.reply(invite, 200, body=large)
    answer = call.final(200)
    assert answer.body == large.encode()
    t1.expect("ACK")


@test()
def invite_of_6000_bytes_crosses_in_fragments(t):
    """R3261-18: datagrams larger than the MTU are reassembled in and made out, both ways, IPv4."""
    large_body_crosses(t, v6=False)


@test()
def invite_of_6000_bytes_crosses_in_fragments_ipv6(t):
    """R3261-18: the same over IPv6."""
    large_body_crosses(t, v6=True)


def two_ports(t):
    """Callers on one segment, trunks on the other."""
    settings = config(t.network, t.directory, t.driver, trunks=("t1",))
    core = t.network.listener(segment=1)
    settings["ports"].append({"name": "core", "device": device(t.driver, 1), "tap": "sb-core", "addresses": [f"{core}/24"]})
    settings["listeners"].append({"name": "core", "port": "core", "address": core, "trust": ["198.51.100.0/24"]})
    settings["trunks"] = [trunk("t1", f"{t.address('t1', segment=1)}:5060", listener="core")]
    t.start(settings)
    return core


@test()
def call_enters_one_port_and_leaves_the_other(t):
    """P15 R3261-16.6: from the trunk's own listener; two Record-Routes; BYE works from either side."""
    core = two_ports(t)
    proxy2 = (core, 5060)
    t1 = t.trunk("t1", segment=1)
    for hangs_up in ("caller", "trunk"):
        endpoint = t.endpoint("caller", port=5060 if hangs_up == "caller" else 5062)
        call = t.call(endpoint).send("INVITE")
        invite = t1.expect("INVITE")
        assert invite.source == proxy2, f"sent from {invite.source}"
        routes = invite.all("record-route")
        assert len(routes) == 2 and core in routes[0] and t.proxy[0] in routes[1], routes
        assert core in invite.get("via")
        t1.reply(invite, 200, tag="callee")
        call.final(200)
        ack = t1.expect("ACK")
        assert not ack.all("route"), ack.headers
        if hangs_up == "caller":
            call.send("BYE")
            t1.reply(t1.expect("BYE"), 200)
            call.final(200, method="BYE")
        else:
            Dialog(t1, invite, "callee", proxy2).send("BYE")
            bye = call.expect("BYE")
            assert not bye.all("route") and bye.source == t.proxy, (bye.headers, bye.source)
            endpoint.reply(bye, 200)
            t1.expect((200, "BYE"))


@test()
def sipp_calls_cross_from_port_to_port(t):
    """The same with sipp's own idea of dialogs."""
    two_ports(t)
    t.sipp_trunk("t1", segment=1)
    t.sipp_caller(calls=20, rate=50).wait().all_good(20, retransmissions=0)


@test()
def calls_outlive_kill_and_restart(t):
    """Invariant 6: re-INVITE and BYE of a call set up before kill -9 are routed by the restarted daemon, from both sides."""
    t.start()
    t1 = t.trunk("t1")
    calls = []
    for port in (5060, 5062):
        call = t.call(t.endpoint("caller", port=port)).send("INVITE")
        invite = t1.expect("INVITE")
        t1.reply(invite, 200, tag="callee")
        call.final(200)
        t1.expect("ACK")
        calls.append((call, invite))
    t.daemon.kill()
    t.restart()
    call, invite = calls[0]
    call.send("INVITE", body=sip.SDP)
    again = t1.expect("INVITE")
    assert again.to_tag == "callee" and not again.all("route"), again.headers
    t1.reply(again, 200, tag="callee")
    call.final(200)
    t1.expect("ACK")
    call.send("BYE")
    t1.reply(t1.expect("BYE"), 200)
    call.final(200, method="BYE")
    other, invite = calls[1]
    Dialog(t1, invite, "callee", t.proxy).send("BYE")
    other.endpoint.reply(other.expect("BYE"), 200)
    t1.expect((200, "BYE"))


@test()
def retransmitted_invite_is_absorbed(t):
    """R3261-17: the trunk sees one INVITE; the caller's repetition is answered with the last provisional."""
    t.start()
    t1 = t.trunk("t1")
    call = t.call().send("INVITE")
    t1.reply(t1.expect("INVITE"), 180)
    call.expect(180)
    call.again()
    call.expect(180)
    assert t1.count("INVITE") == 1
    assert t.daemon.counter("retransmissions_in") == 1 and t.daemon.counter("responses_resent") >= 1


def old_request(call, method, cseq, branch="", uri=None):
    """As an RFC 2543 client writes it: no branch, or one without the magic cookie; no rport, no Max-Forwards."""
    request = call.build(method, cseq, branch or "gone", uri, max_forwards=None).replace(b";rport\r\n", b"\r\n", 1)
    return request if branch else request.replace(b";branch=gone", b"", 1)


@test()
def callers_of_rfc_2543_have_their_calls(t):
    """R3261-17 (17.2.3): without a branch, or with one that is no cookie, requests are told apart by Request-URI, tags, Call-ID,
    CSeq and top Via: a repeated INVITE is absorbed, its CANCEL and its ACK find it, another call is another, and so is another fork
    of the same call."""
    t.start()
    t1 = t.trunk("t1")
    caller = t.endpoint("caller")
    for branch in ("", "1"):
        calls = [t.call(caller) for _ in range(2)]
        for call in calls:
            for _ in range(2):
                caller.send(old_request(call, "INVITE", 1, branch), t.proxy)
                call.expect(100)
        invites = {invite.call_id: invite for invite in (t1.expect("INVITE"), t1.expect("INVITE"))}
        assert all(len(invite.all("via")) == 2 and invite.branch.startswith("z9hG4bK") for invite in invites.values())
        first, second = calls
        t1.reply(invites[first.call_id], 180)
        first.expect(180)
        caller.send(old_request(first, "CANCEL", 1, branch), t.proxy)
        first.expect((200, "CANCEL"))
        cancel = t1.expect("CANCEL", call_id=first.call_id)
        t1.reply(cancel, 200)
        for invite, status in ((invites[first.call_id], 487), (invites[second.call_id], 486)):
            t1.reply(invite, status)
            t1.expect("ACK", call_id=invite.call_id)
        for call, status in ((first, 487), (second, 486)):
            call.to = call.expect((status, "INVITE")).get("to")
            caller.send(old_request(call, "ACK", 1, branch), t.proxy)
        t.capture.quiet("final", 0.7, destination=caller.address[0])  # Timer G, 500 ms, has been told
    assert t1.count("INVITE") == 4 and t1.count("CANCEL") == 2, t1.log
    call = t.call(caller)
    forks = [f"sip:{number}@{t.proxy[0]}" for number in (1, 2)]
    for uri in forks * 2:
        caller.send(old_request(call, "INVITE", 1, uri=uri), t.proxy)
        call.expect(100)
    for uri in forks:
        invite = t1.expect("INVITE")
        assert invite.uri == uri, invite
        t1.reply(invite, 486)
        t1.expect("ACK")
        call.to = call.expect((486, "INVITE")).get("to")
        caller.send(old_request(call, "ACK", 1, uri=uri), t.proxy)
    t.capture.quiet("final", 0.7, destination=caller.address[0])
    counters = t.daemon.counters()
    assert counters["calls"] == counters["retransmissions_in"] == 6 and counters["drop_stray_ack"] == 0, counters


@test()
def refusal_is_repeated_until_acked(t):
    """R3261-17 timer G: a non-2xx final is sent again upstream at T1, 3 T1 ... until its ACK comes."""
    t.start(timers={"t1": "100ms"})
    t1 = t.trunk("t1")
    call = t.call().send("INVITE")
    t1.reply(t1.expect("INVITE"), 486)
    t1.expect("ACK")
    caller = t.address("caller")
    sent = t.capture.wait((486, "INVITE"), count=3, destination=caller)
    gaps = [sent[n + 1].time - sent[n].time for n in (0, 1)]
    assert abs(gaps[0] - 0.1) < 0.03 and abs(gaps[1] - 0.2) < 0.03, gaps
    call.final(486)
    t.capture.quiet((486, "INVITE"), 0.6, destination=caller)


@test()
def repeated_2xx_is_relayed(t):
    """R3261-17 R6026: each 2xx of the accepted call goes up, the proxy makes none itself; the ACK goes end to end."""
    t.start(timers={"t1": "50ms"})
    t1 = t.trunk("t1")
    call = t.call().send("INVITE")
    invite = t1.expect("INVITE")
    for _ in range(3):
        t1.reply(invite, 200)
        call.expect((200, "INVITE"))
    t.capture.quiet((200, "INVITE"), 0.4, seen=3, destination=t.address("caller"))
    assert t1.count("ACK") == 0


@test()
def other_requests_are_relayed(t):
    """S1.2: MESSAGE, REGISTER, SUBSCRIBE and a method nobody knows go to the first live trunk."""
    t.start()
    for number, method in enumerate(("MESSAGE", "REGISTER", "SUBSCRIBE", "WHATEVER")):
        t1 = t.sipp_trunk("t1", "uas_request", method=method, code=202, port=5060)
        t.sipp_caller("uac_request", method=method, code=202, port=5070 + number).wait().all_good(1, retransmissions=0)
        t1.stop()


@test()
def tagged_port_carries_calls(t):
    """A listener on a VLAN of the port; the other trunk side is untagged."""
    host = t.network["caller"]
    settings = t.config(trunks=("t1",))
    settings["ports"][0]["vlans"] = [{"id": 100, "addresses": ["203.0.113.10/24"]}]
    settings["listeners"].append({"name": "tagged", "port": "edge", "address": "203.0.113.10", "trust": ["203.0.113.0/24"]})
    t.start(settings)
    t.vlan("caller", 100, "203.0.113.1")
    host.ns.run("ping", "-c", "1", "-W", "3", "203.0.113.10")
    t1 = t.trunk("t1")
    endpoint = t.endpoint("caller", address="203.0.113.1")
    call = t.call(endpoint, proxy=("203.0.113.10", 5060)).send("INVITE")
    invite = t1.expect("INVITE")
    assert invite.source == t.proxy, invite.source
    t1.reply(invite, 200, tag="callee")
    call.final(200)
    t1.expect("ACK")
    Dialog(t1, invite, "callee", t.proxy).send("BYE")
    endpoint.reply(call.expect("BYE"), 200)
    t1.expect((200, "BYE"))
    assert t.capture.sip("INVITE", source="203.0.113.1")[0].vlan == 100
    assert t.capture.wait((200, "INVITE"), destination="203.0.113.1")[0].vlan == 100
    assert t.capture.sip("INVITE", destination=t.address("t1"))[0].vlan == 0

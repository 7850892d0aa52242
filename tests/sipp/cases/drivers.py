# SPDX-License-Identifier: BSD-3-Clause
"""Ports of every driver that the daemon is proven on, besides the one that all other tests run on."""
from harness import sip
from harness.bridge import Bridge
from harness.capture import Parser
from harness.case import test
from harness.daemon import CPUS
from harness.endpoint import Call
from harness.frames import arp_request, ethernet, read_pcap, write_pcap

PCAP_MAC = bytes.fromhex("027063617000")  # net_pcap's own for its first port


def on(t, device, **keys):
    """The ordinary settings with this device as the port."""
    settings = t.config(**keys)
    settings["ports"][0]["device"] = device
    return settings


def real_calls(t, calls=5, port=5060, trunk=True):
    """sipp's calls from INVITE to BYE, none sent twice, no frame lost at the port."""
    if trunk:
        t.sipp_trunk("t1")
    t.meet("caller", "t1")
    before = t.daemon.counters()
    t.sipp_caller(calls=calls, rate=60, port=port).wait().all_good(calls, retransmissions=0)
    made = {key: value - before[key] for key, value in t.daemon.counters().items()}
    assert made["calls_answered"] == made["calls"] == calls and made["tx_dropped"] == 0, made
    return made


def large_call(t):
    """An INVITE of 6 000 bytes, and an answer as long, past t1 to t2."""
    large = sip.SDP + "a=x:" + "0123456789" * 600 + "\r\n"
    assert t.daemon.ctl("trunk", "t1", "disable").returncode == 0
    t2 = t.trunk("t2")
    call = t.call(t.endpoint("caller", port=5064)).send("INVITE", body=large)
    invite = t2.expect("INVITE")
    assert invite.body == large.encode(), f"{len(invite.body)} bytes of {len(large)} came through"
    t2.reply(invite, 200, body=large)
    assert call.final(200).body == large.encode()
    t2.expect("ACK")


# -- net_memif: shared memory to another DPDK process, which has the wire ----------------------------------------------

def bridge(t, role):
    return t._keep(Bridge(t.build, t.network, t.directory / "memif.sock", role, log=t.directory / "bridge.log"))


def memif(t, role, more=""):
    return f"net_memif0,role={role},socket={t.directory}/memif.sock,socket-abstract=no{more}"


@test(drivers=("net_memif",))
def memif_server_carries_calls(t):
    """The daemon made the memif, its peer comes later; calls and large datagrams cross."""
    t.start(on(t, memif(t, "server")))
    bridge(t, "client").ready()
    real_calls(t)
    large_call(t)


@test(drivers=("net_memif",))
def memif_client_outlives_its_server(t):
    """The server is absent at the start, comes, goes and comes again: calls cross as soon as it is there."""
    t.start(on(t, memif(t, "client")))
    t.sipp_trunk("t1")
    for port in (5060, 5062):
        peer = bridge(t, "server").ready()
        t.daemon.events.wait(lambda: t.network["caller"].ns.run(
            "ping", "-c", "1", "-W", "1", t.proxy[0], check=False).returncode == 0, 10, "ping by way of the memif")
        real_calls(t, port=port, trunk=False)
        peer.close()


@test(drivers=("net_memif",))
def memif_has_one_queue_for_all_workers(t):
    """A peer may grant fewer queues than there are workers: all enters by the first worker and is handed to the second."""
    t.start(on(t, memif(t, "server"), workers=CPUS[:2]))
    bridge(t, "client").ready()
    made = real_calls(t, calls=30)
    taken = [one["rx_frames"] for one in t.daemon.call("stats")["workers"]]
    assert taken[0] > 0 and taken[1:] == [0] * (len(taken) - 1), taken
    assert made["handoff"] > 0 or len(taken) == 1, made


# -- net_tap: an interface that the driver makes -----------------------------------------------------------------------

def plug_tap(t, name="dtap0"):
    """The kernel's side of the daemon's net_tap becomes a port of the switch. Its MAC address is the daemon's; a switch would
    keep frames to the address of one of its own ports, so that port gets another."""
    t.network.dut.ip(f"link set {name} netns {t.network.switch.path}\n")
    t.network.switch.ip(f"link set {name} address 02:00:00:00:00:78\nlink set {name} master br0 up\n")
    t.capture.listen(t.network, name)


@test(drivers=("net_tap",))
def tap_port_carries_calls(t):
    """A port of net_tap, whose interface is not there before the daemon is."""
    t.start(on(t, "net_tap0,iface=dtap0"))
    plug_tap(t)
    real_calls(t)
    large_call(t)


def each_worker_takes(t):
    """Calls on several flows: every worker receives some of them."""
    t.sipp_trunk("t1")
    for port in range(5060, 5072, 2):
        real_calls(t, calls=4, port=port, trunk=False)
    taken = [one["rx_frames"] for one in t.daemon.call("stats")["workers"]]
    assert all(taken), taken


@test(drivers=("net_tap",))
def tap_port_has_a_queue_for_each_worker(t):
    """Two workers, calls on several flows: both receive, and hand over what the other owns."""
    t.start(on(t, "net_tap0,iface=dtap0", workers=CPUS[:2]))
    plug_tap(t)
    each_worker_takes(t)


# -- net_pcap: an interface by way of libpcap, and files ---------------------------------------------------------------

@test(drivers=("net_pcap",))
def pcap_port_carries_calls(t):
    """A port of net_pcap on a live interface; the kernel's own, which sees the same frames, keeps quiet (P17)."""
    t.start(on(t, "net_pcap0,iface=edge0,phy_mac=1"))
    real_calls(t)
    done = t.network["caller"].ns.run("ping", "-c", "3", "-i", "0.2", "-W", "3", t.proxy[0])
    assert "DUP" not in done.stdout and "3 received" in done.stdout, done.stdout
    large_call(t)
    assert not t.capture.icmp(source=t.proxy[0]) or all(p.icmp[0] != 3 for p in t.capture.icmp(source=t.proxy[0]))


@test(drivers=("net_pcap",))
def pcap_port_has_one_queue_for_all_workers(t):
    """The same with two workers."""
    t.start(on(t, "net_pcap0,iface=edge0", workers=CPUS[:2]))
    real_calls(t, calls=30)
    taken = [one["rx_frames"] for one in t.daemon.call("stats")["workers"]]
    assert taken[0] > 0 and taken[1:] == [0] * (len(taken) - 1), taken


class Recorded:
    """Stands for an endpoint whose words go into a file."""

    def __init__(self, address):
        self.address, self.sent = address, b""

    def send(self, data, _):
        self.sent = data


@test(drivers=("net_pcap",), capture=False)
def recorded_invite_is_replayed_from_file_to_file(t):
    """An INVITE recorded in one file is answered 100 and relayed, and sent again when nobody answers, in the other."""
    caller, t1, proxy = t.address("caller"), t.address("t1"), t.proxy[0]
    call = Call(Recorded((caller, 5060)), t.proxy).send("INVITE")
    frames = [arp_request(caller, proxy), arp_request(t1, proxy), ethernet(PCAP_MAC, 0, caller, proxy, call.endpoint.sent),
              ethernet(PCAP_MAC, 0, caller, proxy, call.endpoint.sent)]
    given, made = t.directory / "in.pcap", t.directory / "out.pcap"
    write_pcap(given, frames)
    t.start(on(t, f"net_pcap0,rx_pcap={given},tx_pcap={made}", trunks=("t1",)))
    t.daemon.wait_counter("retransmissions_out", 1)
    counters = t.daemon.counters()
    assert counters["rx_frames"] == len(frames) and counters["end_punted"] == 2 and counters["calls"] == 1, counters
    assert counters["retransmissions_in"] == 1, counters
    assert t.daemon.stop() == 0
    parser = Parser()
    packets = [packet for packet in (parser.frame(when, frame) for when, frame in read_pcap(made)) if packet]
    seen = [(packet.destination, sip.Message(packet.payload)) for packet in packets
            if packet.source == t.proxy and sip.looks_like_sip(packet.payload)]
    assert [to for to, message in seen if message.status == 100] == [(caller, 5060)] * 2, seen
    relayed = [message for to, message in seen if message.method == "INVITE" and to == (t1, 5060)]
    assert len(relayed) >= 2 and len({message.data for message in relayed}) == 1, seen
    assert relayed[0].call_id == call.call_id and len(relayed[0].all("via")) == 2, relayed[0].headers


# -- net_af_xdp ---------------------------------------------------------------------------------------------------------

@test(drivers=("net_af_xdp",))
def xdp_port_leaves_tags_in_their_frames(t):
    """P21: an interface that takes VLAN tags out would show XDP the frames of every VLAN as untagged. It is told not to, and
    told again what it was at the end."""

    def takes_tags_out():
        return "rx-vlan-offload: on" in t.network.dut.run("ethtool", "-k", "edge0").stdout

    assert takes_tags_out(), "the test bed's interface does not take tags out, it can show nothing"
    t.start()
    assert not takes_tags_out()
    real_calls(t)
    assert t.daemon.stop() == 0
    assert takes_tags_out()


# -- net_af_packet: what the devargs leave open ------------------------------------------------------------------------

@test(drivers=("net_af_packet",))
def af_packet_frames_are_as_large_as_the_devargs_say(t):
    """The operator's own framesz is kept, and its frames get buffers that they fit in; what does not fit a frame is cut by the
    driver, and counted."""
    t.start(on(t, "net_af_packet0,iface=edge0,blocksz=16384,framesz=16384,framecnt=512"))
    large_call(t)
    t.call(t.endpoint("caller", port=5066)).send("INVITE", body=sip.SDP * 200)
    t.daemon.wait_counter("drop_bad_ip", 1)


@test(drivers=("net_af_packet",))
def af_packet_has_a_queue_for_each_worker(t):
    """Nobody said how many queues: each worker has its own and takes from it."""
    t.start(on(t, "net_af_packet0,iface=edge0", workers=CPUS[:2]))
    each_worker_takes(t)


@test(drivers=("net_af_packet",))
def af_packet_queues_are_as_many_as_the_devargs_say(t):
    """qpairs=1 with two workers: the first has it, the second sends by it."""
    t.start(on(t, "net_af_packet0,iface=edge0,qpairs=1", workers=CPUS[:2]))
    real_calls(t, calls=30)
    taken = [one["rx_frames"] for one in t.daemon.call("stats")["workers"]]
    assert taken[0] > 0 and not any(taken[1:]), taken

# SPDX-License-Identifier: BSD-3-Clause
"""What runs out while the daemon lives on: rings, packet buffers, known neighbours, threads' time. Each is provoked, counted,
and over when its cause is; the identity of the counters is checked after every test."""
import contextlib
import os
import re
import socket
import struct
import subprocess
from pathlib import Path

from harness import sip
from harness.bridge import Bridge
from harness.case import Skipped, test
from harness.daemon import CPUS, config, trunk
from harness.endpoint import Call, answering
from harness.stall import held

LARGE = sip.SDP + "a=x:" + "0123456789" * 600 + "\r\n"


def pool(t, name):
    """Buffers of a pool that are in use."""
    return next(one["in_use"] for one in t.daemon.call("memory")["packets"] if one["name"] == name)


def until_known(t, caller, **keys):
    """Calls until one leaves by the port alone: the workers know the way."""
    for _ in range(100):
        before = t.daemon.counter("tx_kernel")
        t.call(caller, **keys).send("INVITE").final(200)
        if t.daemon.counter("tx_kernel") == before:
            return
    raise AssertionError("a hundred calls, and still the kernel is asked for the way")


def flood(t, endpoint, count, payload):
    for number in range(count):
        endpoint.send(payload(number), t.proxy)


# -- a full transmit ring ----------------------------------------------------------------------------------------------

def ok_alone(endpoint, message):
    """A 200 and no 180: whichever message is lost, the proxy goes on sending the INVITE, and it is answered again."""
    if message.method == "INVITE":
        endpoint.reply(message, 200, body=sip.SDP)
    return bool(message.method)


@test(drivers=("net_af_packet",))
def full_transmit_ring_is_counted_and_calls_go_on(t):
    """The trunk's port is a memif of 32 slots whose peer stops reading: what does not fit is dropped and counted, sent again
    by the calls' timers, and every call comes through once the peer reads again. The calls begin one after another: on a
    machine that does not run the peer for a while, timers that fire together would fill the ring again at each try."""
    settings = config(t.network, t.directory, t.driver, trunks=("t1",))
    core = t.network.listener(segment=1)
    socket_path = t.directory / "memif.sock"
    settings["ports"].append({"name": "core", "tap": "sb-core", "addresses": [f"{core}/24"],
                              "device": f"net_memif0,role=client,rsize=5,socket={socket_path},socket-abstract=no"})
    settings["listeners"].append({"name": "core", "port": "core", "address": core, "trust": ["198.51.100.0/24"]})
    settings["trunks"] = [trunk("t1", f"{t.address('t1', segment=1)}:5060", listener="core", invite_retries=6)]
    peer = t._keep(Bridge(t.build, t.network, socket_path, segment=1, log=t.directory / "bridge.log")).ready()
    t.start(settings)
    t.meet("caller")
    t.network["t1"].ns.run("ping", "-c", "1", "-W", "3", core)
    t.trunk("t1", segment=1, answer=ok_alone)
    caller = t.endpoint("caller")
    before, buffers = t.daemon.counter("tx_dropped"), pool(t, "small")
    peer.hold()
    calls = []
    for _ in range(48):
        calls.append(t.call(caller).send("INVITE"))
        calls[-1].expect(100)
    t.daemon.wait_counter("tx_dropped", before + 16)
    peer.go()
    for call in calls:
        call.final(200, timeout=20)
    t.call(caller).send("INVITE").final(200)
    counters = t.daemon.counters()
    assert counters["retransmissions_out"] >= 16 and counters["calls_answered"] == 49, counters
    t.daemon.events.wait(lambda: pool(t, "small") <= buffers, 5, "buffers of what was dropped back")


# -- a control thread that is not run ----------------------------------------------------------------------------------

@test()
def workers_wait_for_nobody(t):
    """Invariant 1: with the control thread held, calls are set up and hung up; frames for the kernel fill their ring, the rest
    of them is counted as dropped; then all is as before."""
    t.start()
    t.meet("caller", "t1")
    t.trunk("t1", answer=answering())
    caller, noise = t.endpoint("caller"), t.endpoint("caller", port=7000)
    until_known(t, caller)
    before = t.daemon.counter("calls_answered")
    with held(t.daemon.process.pid):
        for _ in range(15):  # to a port where no listener is: the kernel's
            for _ in range(200):
                noise.send(b"not for the proxy", (t.proxy[0], 9))
            call = t.call(caller).send("INVITE")
            call.final(200)
            call.send("BYE")
            call.final(200, method="BYE")
    t.daemon.wait_counter("calls_answered", before + 15)
    counters = t.daemon.counters()
    assert counters["drop_ring_full"] > 0 and counters["end_punted"] >= 1000, counters
    t.ping("caller")
    t.call(caller).send("INVITE").final(200)


# -- no free buffer ----------------------------------------------------------------------------------------------------

def first_fragment(t):
    """The beginning of a datagram whose rest never comes."""
    with t.network["caller"].ns.entered(), socket.socket(socket.AF_INET6, socket.SOCK_RAW, 44) as raw:
        raw.sendto(struct.pack("!BBHI", 17, 0, 1, 0x5eed) + struct.pack("!HHHH", 5060, 5060, 2000, 0) + bytes(1000),
                   (t.proxy6[0], 0))


@test(capture=False)
def no_free_buffer_is_counted_and_calls_go_on(t):
    """Large INVITEs to a next hop not yet known wait for the control thread, which is held, until the large buffers are all
    taken: the next cannot be relayed, a datagram in fragments cannot be put together, small calls go on. When control runs
    again the timers send what was missing, every call comes through, and every buffer is back."""
    t.start(t.config(v6=True, trunks=("t1", "t2"), groups=[{"name": name, "members": [{"trunk": name}]} for name in ("t1", "t2")],
                     routes=[{"prefix": "1", "groups": ["t1"]}, {"prefix": "2", "groups": ["t2"]}]))
    t.meet("caller", "t2", v6=True)
    for name in ("t1", "t2"):
        t.trunk(name, v6=True, answer=answering())
    caller = t.endpoint("caller", v6=True)
    until_known(t, caller, number="2", v6=True)
    with held(t.daemon.process.pid):
        calls = []
        for _ in range(270):
            calls.append(t.call(caller, number="1", v6=True).send("INVITE", body=LARGE))
            calls[-1].expect(100)
        first_fragment(t)
        unseen = t.call(caller, number="1", v6=True).send("INVITE", body=LARGE)
        small = t.call(caller, number="2", v6=True).send("INVITE")
        small.final(200)
        assert unseen.count(100) == 0
    counters = t.daemon.counters()
    assert counters["tx_no_buffer"] > 0 and counters["drop_no_buffer"] > 0 and counters["tx_kernel"] > 200, counters
    unseen.again()
    for call in [*calls, unseen]:
        call.final(200, timeout=10)
    t.daemon.events.wait(lambda: pool(t, "large") <= 1, 5, "large buffers back, save the one that waits for fragments")


# -- a worker that is not run ------------------------------------------------------------------------------------------

def worker_thread(t, number):
    """The TID of the n-th worker."""
    found = {}
    for task in Path(f"/proc/{t.daemon.process.pid}/task").iterdir():
        comm = (task / "comm").read_text(encoding="ascii").strip()
        if "worker" in comm:
            found[int(comm.rsplit("-", 1)[1])] = int(task.name)
    return found[number + 1]  # lcore 0 is control


@test(drivers=("net_af_packet",), capture=False)
def stalled_worker_fills_its_own_ring_only(t):
    """All enters by the first worker; the second is held. What it owns waits in its ring, what does not fit is counted; calls
    that the first owns go on, those of the second are finished when it runs again."""
    t.start(t.config(workers=CPUS[:2]) | {"ports": [t.config()["ports"][0] | {"device": "net_af_packet0,iface=edge0,qpairs=1"}]})
    t.meet("caller", "t1")
    t.trunk("t1", answer=answering())
    caller, noise = t.endpoint("caller"), t.endpoint("caller", port=7000)
    stray = Call(noise, t.proxy)
    with held(worker_thread(t, 1)):
        calls = [t.call(caller).send("INVITE") for _ in range(20)]

        def stray_ack(_):
            stray.call_id = os.urandom(6).hex()
            return stray.build("ACK", 1, sip.token("z9hG4bK"))

        flood(t, noise, 6000, stray_ack)
        t.daemon.wait_counter("drop_ring_full", 1)
        t.daemon.wait_counter("calls_answered", 1)
    for call in calls:
        call.final(200)
    counters = t.daemon.counters()
    assert counters["calls_answered"] == 20 and counters["handoff"] > 2000, counters


# -- a next hop that is not known --------------------------------------------------------------------------------------

@test()
def burst_to_an_unknown_next_hop_leaves_by_the_kernel(t):
    """S4.1: what comes before the trunk's MAC address is known leaves through the kernel, which asks for it; nothing is lost for
    good, and later calls leave by the port."""
    t.start()
    t.meet("caller")
    t.trunk("t1", answer=answering())
    caller = t.endpoint("caller")
    for call in [t.call(caller).send("INVITE") for _ in range(60)]:
        call.final(200)
    first = t.daemon.counters()
    assert first["tx_kernel"] > 0 and first["calls_answered"] == 60, first
    relayed = t.capture.sip("INVITE", destination=t.address("t1"))
    assert {message.source for message in relayed} == {t.proxy}
    for _ in range(3):
        t.call(caller).send("INVITE").final(200)
    assert t.daemon.counter("tx_kernel") == first["tx_kernel"]


@test()
def burst_to_an_unknown_next_hop_ipv6(t):
    """The same over IPv6, with datagrams that the kernel must cut."""
    t.start(v6=True)
    t.meet("caller", v6=True)
    t.trunk("t1", v6=True, answer=answering())
    caller = t.endpoint("caller", v6=True)
    for call in [t.call(caller, v6=True).send("INVITE", body=LARGE) for _ in range(10)]:
        call.final(200)
    assert t.daemon.counter("tx_kernel") > 0


@test()
def next_hop_that_nobody_has_is_told_by_the_kernel(t):
    """S2.3: no host has the trunk's address; the kernel gives up asking and says so, and the call moves on long before the
    formula's end (15 s here)."""
    settings = t.config(trunks=("t1", "t2"))
    settings["trunks"][0].update({"address": "192.0.2.99:5060", "trying_timer": "1s"})
    t.start(settings)
    t.network.dut.sysctl(**{"net__ipv4__neigh__sb-edge__retrans_time_ms": 100})
    t.meet("caller", "t2")
    t.trunk("t2", answer=answering())
    call = t.call().send("INVITE")
    call.final(200, timeout=8)
    event = t.daemon.wait_event("failover", trunk="t1", trunk2="t2")
    assert "icmp" in event["detail"].lower() and event["elapsed_us"] < 5_000_000, event
    assert t.daemon.counter("tx_kernel") >= 1


# -- huge pages --------------------------------------------------------------------------------------------------------

PAGES = Path("/sys/kernel/mm/hugepages/hugepages-2048kB")


def free_pages():
    return int((PAGES / "free_hugepages").read_text(encoding="ascii"))


@contextlib.contextmanager
def pages_set_aside(count):
    """So many huge pages of 2 MB are free within, and as many as before afterwards."""
    pool = PAGES / "nr_hugepages"
    if not os.access(pool, os.W_OK):
        raise Skipped("this kernel has no huge pages to give")
    before = pool.read_text(encoding="ascii")
    try:
        pool.write_text(str(int(before) - free_pages() + count), encoding="ascii")
        if free_pages() != count:
            raise Skipped(f"{free_pages()} huge pages are free, the kernel could not make that {count}")
        yield
    finally:
        pool.write_text(before, encoding="ascii")


def run_to_end(t, settings, *more):
    daemon = t.new_daemon(settings)
    daemon.write()
    process = daemon.spawn("-c", str(daemon.file), *more, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    try:
        return process.communicate(timeout=20)[0], process.returncode
    finally:
        process.kill()


def pages_needed(t, settings):
    said, _ = run_to_end(t, settings, "--check")
    return (int(re.search(r"(\d+) MB", said).group(1)) + 1) // 2


def one_call(t):
    t.trunk("t1", answer=answering())
    t.call().send("INVITE").final(200)


@test()
def huge_pages_are_used_where_they_suffice(t):
    """hugepages auto: what --check says that is needed is free, so it is taken; given back at the end."""
    settings = t.config(hugepages="auto")
    with pages_set_aside(pages_needed(t, settings)):
        given = free_pages()
        t.start(settings)
        assert "huge pages are used" in t.daemon.tail() and free_pages() < given, (t.daemon.tail(), free_pages())
        one_call(t)
        assert t.daemon.stop() == 0
        assert free_pages() == given


@test()
def too_few_huge_pages_are_left_alone(t):
    """hugepages auto with one page less than needed: the daemon says so and runs on ordinary memory."""
    settings = t.config(hugepages="auto")
    with pages_set_aside(pages_needed(t, settings) - 1):
        given = free_pages()
        t.start(settings)
        assert "too few" in t.daemon.tail() and free_pages() == given, (t.daemon.tail(), free_pages())
        one_call(t)


@test(capture=False)
def huge_pages_asked_for_and_absent_are_a_clear_error(t):
    """hugepages yes, and none is free: one line that says so, and an exit status of its own."""
    with pages_set_aside(0):
        said, status = run_to_end(t, t.config(hugepages="yes"))
    assert status == 69 and "huge" in said.lower(), (status, said)

# SPDX-License-Identifier: BSD-3-Clause
"""The 49 messages of RFC 4475 over UDP to a running daemon: which bytes of those forwarded change, how the others are answered,
where the rest are counted. The table is tests/data/rfc4475/treatment.tsv, which its README explains."""
import contextlib
import re
import time
from pathlib import Path

from harness.case import test
from harness.daemon import ends
from harness.endpoint import Nothing

DATA = Path(__file__).resolve().parents[2] / "data/rfc4475"
NOISE = ("end_punted", "drop_not_ours")  # ARP and the like: they come when they like
COMPACT = {"via": b"v", "from": b"f", "to": b"t", "call-id": b"i"}
MTU = 1500


class Wrong(Exception):
    """A message did not get its treatment; says how."""


def table():
    rows = []
    for line in (DATA / "treatment.tsv").read_text(encoding="ascii").splitlines():
        if not line.startswith("#"):
            rows.append((line.split("\t") + [""] * 3)[:6])
    return rows


def message(name):
    return (DATA / f"{name}.dat").read_bytes()


def lines(data):
    """Start line, header lines with their folding, and what follows them: all with their line ends."""
    head, gap, rest = data.partition(b"\r\n\r\n")
    whole = re.split(rb"(?<=\r\n)(?![ \t])", head + (b"\r\n" if gap else b""))
    return whole[0], [line for line in whole[1:] if line], (b"\r\n" if gap else b"") + rest


def named(line, name):
    found = line.partition(b":")[0].rstrip(b" ").lower()
    return found in (name.encode(), COMPACT.get(name))


def fields(data, name):
    return [line for line in lines(data)[1] if named(line, name)]


def relayed(row, left, proxy, source):
    """A message as it must leave; our branch and our token are taken from what left."""
    _, _, _, max_forwards, behind, more = row
    start, header, rest = lines(message(row[0]))
    at = f"{proxy[0]}:{proxy[1]}".encode()
    branch = re.search(rb"Via: SIP/2.0/UDP " + re.escape(at) + rb";branch=z9hG4bK[0-9a-f]{40}\r\n", left)
    token = re.search(rb"Record-Route: <sip:" + re.escape(at) + rb";lr;sb=[0-9a-f]{16}>\r\n", left)
    if not branch or bool(token) != (more == "Record-Route"):
        raise Wrong(f"our own lines are not as they should be: {left[:300]}")
    made = []
    top, routed = True, not token
    for line in header:
        if token and not routed and (named(line, "record-route") or
                                     named(line, "via") and not fields(message(row[0]), "record-route")):
            routed = True
            record = token[0]
        else:
            record = b""
        if named(line, "via") and top:
            top = False
            received = b";received=" + source[0].encode()
            value = b"=%d" % source[1] if more == "rport" else b""
            line = line.replace(behind.encode(), behind.encode() + value + received, 1)
            record = branch[0] + record + (b"Max-Forwards: 70\r\n" if max_forwards == "+70" else b"")
        elif named(line, "max-forwards"):
            line = re.sub(rb"\d+", max_forwards.encode(), line, count=1)
        made.append(record + line)
    whole = start + b"".join(made) + rest
    return whole[:len(whole) - int(more[4:])] if more.startswith("cut=") else whole


def answer_to(request):
    """200, as the far end makes it."""
    to = fields(request, "to")[0]
    copied = fields(request, "via") + fields(request, "record-route") + fields(request, "from")
    copied += [to if b"tag" in to else to[:-2] + b";tag=uas\r\n"] + fields(request, "call-id") + fields(request, "cseq")
    return b"SIP/2.0 200 OK\r\n" + b"".join(copied) + b"Content-Length: 0\r\n\r\n"


def popped(response):
    """A response without the first Via line."""
    return response.replace(fields(response, "via")[0], b"", 1)


def in_call(name, invite):
    """The file's response as an answer to an INVITE that the far end got."""
    start, header, rest = lines(message(name))
    own_below = len(fields(message(name), "via")) > 1
    made, top = [], True
    for line in header:
        if named(line, "via") and top:
            top = False
            line = b"".join(fields(invite, "via")[:1 if own_below else None])
        elif named(line, "to"):
            line = fields(invite, "to")[0][:-2] + b";tag=uas\r\n"
        elif named(line, "from") or named(line, "call-id") or named(line, "cseq") and b"INVITE" in line:
            line = fields(invite, "cseq" if named(line, "cseq") else "from" if named(line, "from") else "call-id")[0]
        made.append(line)
    return start + b"".join(made) + rest


class Bed:
    """Daemon, caller and trunk, and what each message did to the daemon's books. The caller's address is none that a message
    claims for itself."""

    def __init__(self, t, parser):
        self.t = t
        settings = t.config(trunks=("t1",), parser=parser)
        settings["trunks"][0]["trying_timer"] = "5s"  # a slow machine sees no retransmissions
        t.start(settings)
        t.meet("t3", "t1")
        self.trunk = t.endpoint("t1")
        self.caller = t.endpoint("t3")
        self.caller_5050 = t.endpoint("t3", port=5050)  # a sent-by of one message says so
        self.ends = [name for name in ends()[0] if name not in NOISE]
        self.before = self.counters()

    def counters(self):
        counted = self.t.daemon.counters()
        return {name: counted[name] for name in self.ends}

    def ended(self, data, expected, timeout=5.0):
        """What was sent came to its end, in one counter: so it was one message, and nothing else came of it. Fragments but the
        last end as consumed; with net_af_packet it is the kernel that puts them together."""
        want = {expected: 1}
        pieces = -(-(len(data) + 8) // (MTU - 20)) - 1
        if pieces and self.t.driver != "net_af_packet":
            want["end_consumed"] = want.get("end_consumed", 0) + pieces
        until = time.monotonic() + timeout
        while True:
            now = self.counters()
            found = {name: now[name] - self.before[name] for name in self.ends if now[name] != self.before[name]}
            if found == want or time.monotonic() > until or sum(found.values()) > sum(want.values()):
                break
        self.before = now
        if found != want:
            raise Wrong(f"ended in {found}, not {want}")

    def taken(self, endpoint, what):
        try:
            return endpoint.expect(what)
        except Nothing as error:
            raise Wrong(str(error)) from None

    def same(self, got, want, what):
        if got == want:
            return
        at = next((n for n, (a, b) in enumerate(zip(got, want)) if a != b), min(len(got), len(want)))
        raise Wrong(f"{what}, byte {at}: {got[at:at + 50]} instead of {want[at:at + 50]}")

    def source(self):
        return self.caller.address

    def forwarded(self, row):
        data = message(row[0])
        method = data.split(b" ", 1)[0].decode("latin-1")
        self.caller.send(data, self.t.proxy)
        self.ended(data, "end_forwarded")
        left = self.taken(self.trunk, method).data
        self.same(left, relayed(row, left, self.t.proxy, self.source()), "at the trunk")
        if method == "INVITE":
            self.taken(self.caller, 100)
        answer = answer_to(left)
        self.trunk.send(answer, self.t.proxy)
        self.ended(answer, "end_forwarded")
        self.same(self.taken(self.caller, 200).data, popped(answer), "its answer at the caller")

    def replied(self, row):
        data, status = message(row[0]), int(row[2])
        self.caller.send(data, self.t.proxy)
        self.ended(data, "end_replied")
        to = self.caller_5050 if b":5050;" in fields(data, "via")[0] else self.caller
        got = self.taken(to, status).data
        for name in ("from", "call-id", "cseq"):
            self.same(b"".join(fields(got, name)), b"".join(fields(data, name)[:1]), f"{name} of the answer")
        if len(fields(got, "via")) != len(fields(data, "via")) or \
                b";received=" + self.source()[0].encode() not in fields(got, "via")[0]:
            raise Wrong(f"the answer's Via is {fields(got, 'via')}")
        if status == 420 and fields(got, "unsupported") != [
                b"Unsupported: noProxiesSupportThis, norDoAnyProxiesSupportThis\r\n"]:
            raise Wrong(f"the answer says {fields(got, 'unsupported')}")

    def dropped(self, row):
        self.caller.send(message(row[0]), self.t.proxy)
        self.ended(message(row[0]), row[2])

    def answered_in_call(self, row):
        call = self.t.call(self.caller).send("INVITE")
        self.ended(call.last, "end_forwarded")
        call.expect(100)
        invite = self.taken(self.trunk, "INVITE")
        odd = in_call(row[0], invite.data)
        self.trunk.send(odd, self.t.proxy)
        self.ended(odd, row[2])
        if row[2] != "end_forwarded":
            odd = answer_to(invite.data)  # the good one
            self.trunk.send(odd, self.t.proxy)
            self.ended(odd, "end_forwarded")
        self.same(call.expect((200, "INVITE")).data, popped(odd), "the answer at the caller")

    def settle(self):
        """After something went wrong: what is going on is ended, so that the next message is judged by itself."""
        with contextlib.suppress(Nothing):
            while True:
                self.trunk.send(answer_to(self.trunk.expect("INVITE", timeout=0.5).data), self.t.proxy)
        for endpoint in (self.trunk, self.caller, self.caller_5050):
            endpoint._waiting = []
        self.before = self.counters()

    def quiet(self):
        """Nobody was sent anything that was not looked at."""
        for endpoint in (self.trunk, self.caller, self.caller_5050):
            if endpoint._waiting:
                raise Wrong(f"{endpoint.label} got besides: {endpoint._waiting}")


def treat(bed, row):
    """"" or what is wrong."""
    try:
        if row[1] == "in-call":
            bed.answered_in_call(row)
        elif row[2] == "forwarded":
            bed.forwarded(row)
        elif row[2].isdigit():
            bed.replied(row)
        else:
            bed.dropped(row)
        bed.quiet()
        return ""
    except Wrong as error:
        bed.settle()
        return str(error)


def fragments(t, source, destination):
    """Pieces of UDP datagrams on the wire between two addresses."""
    found = 0
    for _, frame in t.capture.frames:
        ip = frame[14:34]
        if frame[12:14] != b"\x08\x00" or ip[9] != 17 or not (int.from_bytes(ip[6:8], "big") & 0x3fff):
            continue
        found += ip[12:16] == bytes(map(int, source.split("."))) and ip[16:20] == bytes(map(int, destination.split(".")))
    return found


def all_messages(t, parser):
    bed = Bed(t, parser)
    rows = table()
    assert len([row for row in rows if row[1] != "in-call"]) == 49
    outcome = [(row, treat(bed, row)) for row in rows]
    wrong = sum(1 for _, why in outcome if why)
    assert not wrong, f"{wrong} of {len(rows)} not treated as the table says:\n" + "\n".join(
        f"{row[0]:10} {row[1]:12} {row[2]:20} {why or 'ok'}" for row, why in outcome)
    t.capture.sip()  # reads what is there
    for source, destination in ((t.address("t3"), t.proxy[0]), (t.proxy[0], t.address("t1")), (t.address("t1"), t.proxy[0]),
                                (t.proxy[0], t.address("t3"))):
        assert fragments(t, source, destination) >= 2, f"longreq did not go from {source} to {destination} in fragments"
    refused = sum(1 for row in rows if row[1].startswith("bad-") or row[2] == "drop_bad_response" and row[1] == "in-call")
    counters = t.daemon.counters()
    if parser == "osip":  # all that the vector pass has not refused already
        assert counters["sip_fast"] == refused, counters
    else:
        assert counters["sip_fast"] > refused and counters["sip_osip"] > 0, counters


@test()
def torture_messages_get_their_treatment(t):
    """R4475 R3261-16.3 R3261-16.6 R3261-18: all 49, each in one counter, every byte looked at; libosip2 asked where needed."""
    all_messages(t, "auto")


@test()
def torture_messages_get_their_treatment_from_libosip2(t):
    """R4475 P17: the same with every message read by libosip2."""
    all_messages(t, "osip")

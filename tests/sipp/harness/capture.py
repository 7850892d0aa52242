# SPDX-License-Identifier: BSD-3-Clause
"""Every frame to and from dut, with the kernel's time stamps, read on the switch's ports to it; parsed as far as SIP and
ICMP; kept as a pcap when a test fails."""
import os
import select
import socket
import struct
import threading
import time

from . import sip
from .endpoint import SO_RCVBUFFORCE, Nothing

SO_TIMESTAMPNS, PACKET_AUXDATA, SOL_PACKET = 35, 8, 263
ETH_P_ALL, TP_STATUS_VLAN_VALID, UDP, ICMP4, ICMP6, FRAGMENT6 = 3, 0x10, 17, 1, 58, 44


def vlan_of(control):
    """The tag control field that the kernel took out of a frame; None if there was none."""
    for level, kind, value in control:
        if level == SOL_PACKET and kind == PACKET_AUXDATA:
            status, tci = struct.unpack("I12xH", value[:18])
            return tci if status & TP_STATUS_VLAN_VALID else None
    return None


class Packet:
    """One IP datagram's last frame, reassembled: protocol, source, destination, payload, ICMP (type, code)."""

    def __init__(self, when, protocol, source, destination, payload, vlan):
        self.time, self.protocol, self.payload, self.vlan = when, protocol, payload, vlan
        self.source, self.destination = (source, 0), (destination, 0)
        self.icmp = None
        if protocol == UDP and len(payload) >= 8:
            sport, dport = struct.unpack("!HH", payload[:4])
            self.source, self.destination, self.payload = (source, sport), (destination, dport), payload[8:]
        elif protocol in (ICMP4, ICMP6) and len(payload) >= 2:
            self.icmp = (payload[0], payload[1])


class Parser:
    def __init__(self):
        self.fragments = {}

    def frame(self, when, data):
        kind, offset, vlan = struct.unpack("!H", data[12:14])[0], 14, 0
        if kind == 0x8100 and len(data) >= 18:
            vlan, kind = struct.unpack("!HH", data[14:18])
            vlan, offset = vlan & 0xfff, 18
        if kind == 0x0800 and len(data) >= offset + 20:
            return self._v4(when, data[offset:], vlan)
        if kind == 0x86dd and len(data) >= offset + 40:
            return self._v6(when, data[offset:], vlan)
        return None

    def _v4(self, when, ip, vlan):
        size = (ip[0] & 15) * 4
        total, ident, flags = struct.unpack("!HHH", ip[2:8])
        source, destination = (socket.inet_ntop(socket.AF_INET, ip[at:at + 4]) for at in (12, 16))
        payload = self._whole((source, destination, ident), (flags & 0x1fff) * 8, flags & 0x2000, ip[size:total])
        return None if payload is None else Packet(when, ip[9], source, destination, payload, vlan)

    def _v6(self, when, ip, vlan):
        source, destination = (socket.inet_ntop(socket.AF_INET6, ip[at:at + 16]) for at in (8, 24))
        payload, following = ip[40:40 + struct.unpack("!H", ip[4:6])[0]], ip[6]
        if following == FRAGMENT6 and len(payload) >= 8:
            following, place, ident = payload[0], *struct.unpack("!HI", payload[2:8])
            payload = self._whole((source, destination, ident), place & 0xfff8, place & 1, payload[8:])
        return None if payload is None else Packet(when, following, source, destination, payload, vlan)

    def _whole(self, key, offset, more, data):
        if not offset and not more:
            return data
        parts = self.fragments.setdefault(key, {})
        parts[offset] = (data, bool(more))
        whole, at = b"", 0
        while at in parts:
            whole, last = whole + parts[at][0], not parts[at][1]
            if last:
                del self.fragments[key]
                return whole
            at = len(whole)
        return None


class Capture:
    """A message that some peer has received is here already, waiting in a socket; so whoever asks reads the sockets first, and
    never sees less than the peers do. A thread reads when nobody asks, for those who wait."""

    def __init__(self, network):
        self.frames, self.packets, self.messages = [], [], []
        self._changed = threading.Condition()
        self._parser = Parser()
        self._sockets = []
        self._stop, self._stopped = os.pipe()
        for port in ("dut-0", "dut-1"):
            self.listen(network, port)
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    def listen(self, network, port):
        """One more port of the switch."""
        with network.switch.entered():
            tap = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
            tap.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, 64 << 20)
            tap.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
            tap.setsockopt(SOL_PACKET, PACKET_AUXDATA, 1)
            tap.bind((port, ETH_P_ALL))
        tap.setblocking(False)
        with self._changed:
            self._sockets.append(tap)

    def _read(self):
        while True:
            ready, _, _ = select.select([*self._sockets, self._stop], [], [], 0.5)  # there may be more sockets by then
            if self._stop in ready:
                return
            with self._changed:
                self._drain()
                self._changed.notify_all()

    def _drain(self):
        """All that the sockets hold. The lock is held."""
        for tap in self._sockets:
            while True:
                try:
                    data, control, _, _ = tap.recvmsg(70000, 256)
                except BlockingIOError:
                    break
                except OSError:
                    return
                self._take(data, control)

    def _take(self, data, control):
        when = time.time()
        for level, kind, value in control:
            if level == socket.SOL_SOCKET and kind == SO_TIMESTAMPNS:
                seconds, nanoseconds = struct.unpack("qq", value[:16])
                when = seconds + nanoseconds / 1e9
        tci = vlan_of(control)
        if tci is not None:
            data = data[:12] + struct.pack("!HH", 0x8100, tci) + data[12:]
        self.frames.append((when, data))
        packet = self._parser.frame(when, data)
        if not packet:
            return
        self.packets.append(packet)
        if packet.protocol == UDP and sip.looks_like_sip(packet.payload):
            message = sip.Message(packet.payload, packet.source, when, packet.destination)
            message.vlan = packet.vlan
            self.messages.append(message)

    def _match(self, what, source, destination, call_id):
        return [m for m in self.messages if (what is None or m.is_(what)) and
                (source is None or m.source[0] == source) and (destination is None or m.destination[0] == destination) and
                (call_id is None or m.call_id == call_id)]

    def sip(self, what=None, source=None, destination=None, call_id=None):
        """The messages seen so far, in order. source, destination: IP addresses."""
        with self._changed:
            self._drain()
            return self._match(what, source, destination, call_id)

    def wait(self, what=None, count=1, timeout=5.0, source=None, destination=None, call_id=None):
        until = time.monotonic() + timeout
        with self._changed:
            while True:
                self._drain()
                found = self._match(what, source, destination, call_id)
                if len(found) >= count:
                    return found
                left = until - time.monotonic()
                if left <= 0:
                    raise Nothing(f"the wire showed {len(found)} of {count} {what or 'messages'} from {source or 'anyone'} to "
                                  f"{destination or 'anyone'} within {timeout} s")
                self._changed.wait(left)

    def quiet(self, what, seconds, seen=None, source=None, destination=None, call_id=None):
        """Nothing more of the kind for so long: the one way to see that something does not come. seen: how many there may be
        already; None: any number."""
        found = self.sip(what, source, destination, call_id)
        before = len(found)
        assert seen in (None, before), f"on the wire already: {found}"
        try:
            more = self.wait(what, before + 1, seconds, source, destination, call_id)
        except Nothing:
            return
        raise AssertionError(f"unexpected on the wire: {more[-1]}")

    def icmp(self, source=None):
        with self._changed:
            self._drain()
            return [p for p in self.packets if p.icmp and (source is None or p.source[0] == source)]

    def save(self, path):
        with self._changed, open(path, "wb") as file:
            self._drain()
            file.write(struct.pack("<IHHiIII", 0xa1b23c4d, 2, 4, 0, 0, 262144, 1))
            for when, data in sorted(self.frames, key=lambda frame: frame[0]):
                seconds = int(when)
                file.write(struct.pack("<IIII", seconds, int((when - seconds) * 1e9), len(data), len(data)) + data)

    def close(self):
        os.write(self._stopped, b"x")
        self._thread.join()
        for tap in self._sockets:
            tap.close()
        self._sockets = []
        os.close(self._stop)
        os.close(self._stopped)

# SPDX-License-Identifier: BSD-3-Clause
"""A host on a VLAN where the kernel need know nothing of 802.1Q: a TAP interface whose frames we tag ourselves."""
import fcntl
import os
import select
import socket
import struct
import threading

from .capture import ETH_P_ALL, PACKET_AUXDATA, SOL_PACKET, vlan_of

TUNSETIFF, IFF_TAP, IFF_NO_PI = 0x400454ca, 2, 0x1000


class Vlan:
    """Interface `name` with `address` in the host's namespace, tagged `number` on the wire of `parent`."""

    def __init__(self, host, number, address, name="vlan0", parent="eth0"):
        self.number = number
        with host.ns.entered():
            self.tap = os.open("/dev/net/tun", os.O_RDWR | os.O_CLOEXEC)
            fcntl.ioctl(self.tap, TUNSETIFF, struct.pack("16sH22x", name.encode(), IFF_TAP | IFF_NO_PI))
            self.wire = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
            self.wire.setsockopt(SOL_PACKET, PACKET_AUXDATA, 1)
            self.wire.bind((parent, ETH_P_ALL))
        host.ns.sysctl(**{f"net__ipv6__conf__{name}__disable_ipv6": 1})
        # The parent's own MAC address: its interface would not take frames to another.
        mac = ":".join(f"{byte:02x}" for byte in self.wire.getsockname()[4])
        host.ns.ip(f"link set {name} address {mac} up\naddr add {address}/24 dev {name}\n")
        self._stop, self._stopped = os.pipe()
        self._thread = threading.Thread(target=self._relay, daemon=True)
        self._thread.start()

    def _relay(self):
        while True:
            ready, _, _ = select.select([self.tap, self.wire, self._stop], [], [])
            if self._stop in ready:
                return
            if self.tap in ready:
                frame = os.read(self.tap, 65536)
                self.wire.send(frame[:12] + struct.pack("!HH", 0x8100, self.number) + frame[12:])
            if self.wire in ready:
                data, control, _, source = self.wire.recvmsg(65536, 256)
                if source[2] != socket.PACKET_OUTGOING and (vlan_of(control) or 0) & 0xfff == self.number:
                    os.write(self.tap, data)

    def close(self):
        os.write(self._stopped, b"x")
        self._thread.join()
        for one in (self.tap, self._stop, self._stopped):
            os.close(one)
        self.wire.close()

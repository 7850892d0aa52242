# SPDX-License-Identifier: BSD-3-Clause
"""Frames made by hand, and files of them (pcap, as tcpdump writes it)."""
import socket
import struct

SENDER = bytes.fromhex("020000000077")


def ethernet(destination, vlan, source_ip, target_ip, payload):
    """A whole frame: Ethernet, a VLAN tag if not 0, IPv4, UDP without checksum."""
    addresses = socket.inet_aton(source_ip) + socket.inet_aton(target_ip)
    head = struct.pack("!BBHHHBBH", 0x45, 0, 28 + len(payload), 1, 0, 64, 17, 0) + addresses
    total = sum(struct.unpack("!10H", head))
    total = (total & 0xffff) + (total >> 16)
    head = head[:10] + struct.pack("!H", ~(total + (total >> 16)) & 0xffff) + head[12:]
    tag = struct.pack("!HH", 0x8100, vlan) if vlan else b""
    return destination + SENDER + tag + b"\x08\x00" + head + struct.pack(
        "!HHHH", 5060, 5060, 8 + len(payload), 0) + payload


def arp_request(sender_ip, target_ip):
    """Who has target_ip? Whoever answers knows sender_ip's MAC address (SENDER) as well."""
    return b"\xff" * 6 + SENDER + struct.pack("!HHHBBH", 0x0806, 1, 0x0800, 6, 4, 1) + SENDER + socket.inet_aton(sender_ip) + \
        bytes(6) + socket.inet_aton(target_ip)


def write_pcap(path, frames):
    with open(path, "wb") as file:
        file.write(struct.pack("<IHHiIII", 0xa1b2c3d4, 2, 4, 0, 0, 65535, 1))
        for frame in frames:
            file.write(struct.pack("<IIII", 0, 0, len(frame), len(frame)) + frame)


def read_pcap(path):
    """[(seconds, frame)], whichever of micro- and nanoseconds the file counts in."""
    with open(path, "rb") as file:
        data = file.read()
    magic, at, found = struct.unpack("<I", data[:4])[0], 24, []
    while at < len(data):
        seconds, fraction, size, _ = struct.unpack("<IIII", data[at:at + 16])
        found.append((seconds + fraction / (1e9 if magic == 0xa1b23c4d else 1e6), data[at + 16:at + 16 + size]))
        at += 16 + size
    return found

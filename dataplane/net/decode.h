/* SPDX-License-Identifier: BSD-3-Clause */
/* decode.h - one Ethernet frame read from L2 to L4: offsets and addresses, nothing copied, nothing kept.
 * Pure: bytes in, verdict out; knows nothing of DPDK, listeners or counters. Every offset it returns lies inside the
 * frame. */
#pragma once
#include <switchback/addr.h>
#include <stdbool.h>
#include <stdint.h>

enum sb_frame_kind {
	SB_FRAME_UDP,          /* whole datagram; its checksum is not verified yet */
	SB_FRAME_ICMP_ERROR,   /* ICMP error that quotes a UDP datagram; its checksum is not verified yet */
	SB_FRAME_FRAGMENT,     /* piece of a UDP datagram (RFC 791, RFC 8200 4.5) */
	SB_FRAME_OTHER,        /* sound, but the kernel's business: ARP, ND, TCP, ping ... */
	SB_FRAME_BAD_L2,       /* too short for Ethernet, or more than one VLAN tag */
	SB_FRAME_BAD_IP,       /* broken or truncated IP or UDP header */
	SB_FRAME_BAD_CHECKSUM, /* of the IPv4 header */
};

struct sb_frame {
	struct sb_addr src, dst; /* ports: of UDP, else 0 */
	struct sb_addr from, to; /* ICMP_ERROR: of the datagram it quotes, with ports */
	uint32_t l4, l4_len;     /* what follows the IP headers: UDP header, ICMP header or fragment */
	uint32_t data, data_len; /* UDP payload, or as much of it as an ICMP error quotes */
	uint32_t frag_id;
	uint16_t frag_off; /* bytes */
	uint16_t vlan;     /* 0: untagged */
	uint8_t l2_len;    /* where the IP header begins */
	bool frag_more;
	bool fatal; /* ICMP_ERROR: unreachable or parameter problem (RFC 3261 18.4), not "too big" or "time exceeded" */
};

/* Reads len bytes. f is filled as far as the kind says. */
enum sb_frame_kind sb_frame_decode(const uint8_t *p, uint32_t len, struct sb_frame *f);

/* The UDP or ICMP checksum of a whole datagram or ICMP_ERROR. IPv4 UDP without one is right; IPv6 must have one. */
bool sb_frame_checksum_ok(const uint8_t *p, const struct sb_frame *f, enum sb_frame_kind kind);

/* SPDX-License-Identifier: BSD-3-Clause */
/* wire.h - the headers of a datagram that we send: UDP, then Ethernet and IP in front of it, whole or in fragments.
 * Pure: bytes in a buffer of the caller. */
#pragma once
#include <switchback/addr.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SB_UDP_HEAD      8
#define SB_WIRE_HEAD_MAX (18 + 40 + 8) /* tagged Ethernet, IPv6, fragment header */
#define SB_UDP_MAX_4     65507         /* payload bytes of the biggest IPv4 datagram */

struct sb_wire {
	const uint8_t *dst_mac, *src_mac;
	const struct sb_addr *from, *to;
	uint32_t id;     /* of the datagram's fragments; IPv4 takes 16 bits of it */
	uint16_t vlan;   /* 0: untagged */
	bool ip_offload; /* the port fills in the IPv4 header checksum */
};

/* The ids of one worker's datagrams. Several send to one peer from one address, and of an id IPv4 takes 16 bits: the
 * low ones tell the worker, so that no two have fragments with the same id on the way at the same time (RFC 6864 4.3).
 */
struct sb_wire_ids {
	uint32_t next, step;
};

/* seed: any number. */
static inline void sb_wire_ids_init(struct sb_wire_ids *ids, uint32_t worker, uint32_t n_workers, uint32_t seed)
{
	ids->step = 1;
	while (ids->step < n_workers)
		ids->step *= 2;
	ids->next = (seed & ~(ids->step - 1)) | worker;
}

static inline uint32_t sb_wire_id(struct sb_wire_ids *ids)
{
	uint32_t id = ids->next;
	ids->next += ids->step;
	return id;
}

/* A piece of a datagram; {0} for a whole one. */
struct sb_wire_piece {
	uint16_t off;
	bool more;
};

/* Writes the UDP header at l4, in front of len bytes of payload. offload: only the pseudo header's sum, as ports want
 * it. */
void sb_wire_udp(const struct sb_wire *w, uint8_t *l4, uint32_t len, bool offload);

/* Bytes of Ethernet and IP headers, with the fragment header of IPv6 for a piece. */
size_t sb_wire_head_len(const struct sb_wire *w, bool piece);

/* Writes them at out; l4_len bytes follow. piece NULL: not fragmented. */
void sb_wire_head(const struct sb_wire *w, uint8_t *out, uint32_t l4_len, const struct sb_wire_piece *piece);

/* Most L4 bytes that one packet of mtu carries: all of a whole one, or of a piece (a multiple of 8). */
uint32_t sb_wire_room(const struct sb_wire *w, uint32_t mtu, bool piece);

/* SPDX-License-Identifier: BSD-3-Clause */
/* frag.h - puts the fragments of UDP datagrams together again, IPv4 and IPv6, straight into one flat buffer each.
 * It is not librte_ip_frag: as Debian builds that, a datagram has at most 8 fragments (RTE_LIBRTE_IP_FRAG_MAX_FRAG),
 * 11.8 kB, and SIP over UDP goes up to 65 507 bytes in 45. Overlaps end a datagram (RFC 5722).
 * Owner: one worker. Pure: buffers come from and go back to the caller. */
#pragma once
#include "dataplane/net/decode.h"
#include <switchback/addr.h>

#define SB_FRAG_BYTES    65535 /* UDP header and payload that a buffer must take */
#define SB_FRAG_SLOTS    64    /* most datagrams under way a worker */
#define SB_FRAG_LIFE_US  5000000
#define SB_FRAG_L2_BYTES 14

struct sb_frag_ops {
	void *(*alloc)(void *ctx, uint8_t **l4); /* a buffer's handle and its SB_FRAG_BYTES; NULL: none free */
	void (*free)(void *ctx, void *buf);
	void *ctx;
};

/* A datagram under way. */
struct sb_frag {
	void *buf; /* NULL: slot is free */
	uint8_t *l4;
	struct sb_addr src, dst;
	uint32_t id;
	uint16_t port, vlan;
	uint32_t got, total; /* bytes there; bytes in all, 0: not known yet */
	uint64_t born_us;
	uint64_t seen[8192 / 64];     /* 8-byte blocks that are there */
	uint8_t l2[SB_FRAG_L2_BYTES]; /* of the piece that began it: to punt it whole */
};

struct sb_frag_table {
	struct sb_frag slot[SB_FRAG_SLOTS];
	uint32_t n_slots; /* used of them */
	uint32_t n_busy;
	struct sb_frag_ops ops;
};

enum sb_frag_answer {
	SB_FRAG_WAITS, /* kept, more must come */
	SB_FRAG_DONE,  /* *done is the datagram; its buffer is the caller's now */
	SB_FRAG_BAD,   /* overlapping, oversized or inconsistent: it and its datagram are gone */
	SB_FRAG_NO_BUFFER,
};

void sb_frag_init(struct sb_frag_table *t, uint32_t n_slots, const struct sb_frag_ops *ops);

/* One piece: f was decoded from frame as SB_FRAME_FRAGMENT on port. */
enum sb_frag_answer sb_frag_add(struct sb_frag_table *t, const uint8_t *frame, const struct sb_frame *f, uint16_t port,
        uint64_t now_us, struct sb_frag *done);

/* Gives up datagrams that are older than SB_FRAG_LIFE_US; returns how many. */
uint32_t sb_frag_expire(struct sb_frag_table *t, uint64_t now_us);

/* Gives every buffer back. */
void sb_frag_fini(struct sb_frag_table *t);

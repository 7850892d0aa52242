/* SPDX-License-Identifier: BSD-3-Clause */
/* peers.h - callers and trunks around one worker, in that worker's own thread: they give its core SIP text and get what
 * it sends. Nothing of theirs is shared with another thread. */
#pragma once
#include "dataplane/net/net.h"

#define PEERS_QUEUE 256

struct peers_msg {
	char text[2048];
	uint32_t len;
	struct sb_addr to;
};

struct peers {
	struct sb_worker *w;
	uint64_t random;
	uint32_t calls_max, calls; /* to be made, made */
	uint32_t finals, probes;   /* final answers that reached a caller; probes that reached a trunk */
	uint64_t datagrams;        /* handed to the core */
	uint32_t head, tail;       /* of queue */
	uint64_t lost;             /* sent while the queue was full */
	struct peers_msg queue[PEERS_QUEUE];
};

/* How the cores send; their ctx is the worker, and this finds the worker's peers. */
const struct sb_core_ops *peers_ops(void);
void peers_init(struct peers *p, struct sb_worker *w, uint64_t seed, uint32_t calls_max);

/* A few new calls, and answers to some of what the core has sent. Within the worker's turn: between sb_worker_look()
 * and the end of sb_worker_step(). */
void peers_turn(struct peers *p);

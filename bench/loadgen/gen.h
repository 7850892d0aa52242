/* SPDX-License-Identifier: BSD-3-Clause */
/* gen.h - the load generator: callers and trunks of one proxy in one DPDK program, on one core.
 *
 * Every call is a slot. Its index and generation stand in Call-ID, tags and branches, so that whatever comes in names
 * its call, and everything about it can be checked. Time is in TSC ticks. All waits of one kind are equally long, so
 * each kind is a first-in, first-out queue and needs no sorting. Written from RFC 3261; shares nothing with the proxy
 * but the checksum. */
#pragma once
#include "histogram.h"
#include <rte_mbuf.h>
#include <stdbool.h>
#include <stdint.h>

#define GEN_BURST   32
#define GEN_LINES   64
#define GEN_EXTRA   "P-Charging-Vector" /* what makes messages as long as is asked for */
#define GEN_RETRIES 7                   /* T1 doubles that often: RFC 3261 timers A, E and G within 64 T1 */

/* What a trunk does with an INVITE; which one does what stands in the third byte of its address. */
enum gen_behaviour { GEN_ANSWERS, GEN_REFUSES, GEN_ICMP, GEN_SILENT, GEN_BEHAVIOURS };
enum gen_kind { GEN_CALL, GEN_OPTIONS, GEN_REGISTER, GEN_KINDS };
enum gen_state { GEN_FREE, GEN_INVITED, GEN_TALKING, GEN_HUNG_UP, GEN_ASKED, GEN_REFUSED };
/* What was measured from sending to arriving, by message. */
enum gen_latency {
	GEN_L_INVITE,
	GEN_L_TRYING,
	GEN_L_RINGING,
	GEN_L_OK,
	GEN_L_ACK,
	GEN_L_BYE,
	GEN_L_BYE_OK,
	GEN_L_OTHER,
	GEN_L_AFTER_503, /* from the caller's INVITE to that at the second trunk, the first having refused it, */
	GEN_L_AFTER_ICMP,
	GEN_L_AFTER_SILENCE, /* said so by ICMP, or said nothing */
	GEN_LATENCIES
};

#define GEN_F_AT_TRUNK 1  /* the INVITE came to a trunk that answers */
#define GEN_F_ANSWERED 2  /* the trunk has sent its 200 */
#define GEN_F_ACKED    4  /* the trunk has the ACK */
#define GEN_F_RANG     8  /* the caller has the 180 */
#define GEN_F_REPEATED 16 /* something was sent twice: latencies of this call tell nothing */

/* 1 KiB: the first cache line is looked at for every message, the next two or three for ACK and BYE, the block when
 * the trunk answers later. */
struct gen_call {
	uint32_t gen;
	uint8_t state, kind, flags, behaviour;
	uint16_t caller;
	uint16_t trunk; /* that has it */
	uint16_t route_len, block_len;
	uint16_t tag_len, target_len;
	uint64_t due;    /* when the INVITE ought to have gone: latency is counted from here */
	uint64_t sent;   /* the last message of the caller or the trunk whose way is being measured */
	char tag[24];    /* the trunk's To tag as the caller knows it */
	char target[64]; /* its Contact */
	char route[192]; /* Record-Route values, as the caller must send them in Route */
	char block[704]; /* Via to CSeq of the INVITE at the trunk, without To's tag: what its answers begin with */
} __attribute__((aligned(64)));
_Static_assert(sizeof(struct gen_call) == 1024, "a power of two, so that slots are cheap to find");

struct gen_wait {
	uint64_t due;
	uint32_t slot;
	uint16_t gen; /* low bits, enough to tell a stale one */
	uint8_t op, tries;
};
struct gen_queue {
	struct gen_wait *ring;
	uint32_t mask, head, tail;
	uint64_t delay;
};
enum gen_op {
	GEN_OP_ANSWER,
	GEN_OP_HANG_UP,
	GEN_OP_REPEAT_INVITE,
	GEN_OP_REPEAT_OK,
	GEN_OP_REPEAT_BYE,
	GEN_OP_REPEAT_OTHER,
	GEN_OP_GIVE_UP
};

struct gen_options {
	const char *device, *proxy, *gateway;
	double rate, seconds, hold, ring, give_up, report;
	double t1;
	double from; /* where a ramp begins */
	unsigned slots, callers, body, extra, numbers;
	unsigned percent[GEN_KINDS], repeat;
	unsigned behaviour[GEN_BEHAVIOURS]; /* parts of a hundred of the calls */
	bool json, retransmit, ramp;
};

struct gen_figures {
	uint64_t started, answered, completed, shed, refused, lost, wrong, late, repeated, strays, others;
	uint64_t rx, tx, tx_bytes, rx_bytes, refusals_acked, not_started;
	uint64_t kind[GEN_KINDS], behaviour[GEN_BEHAVIOURS]; /* of those started; behaviour of calls alone */
	uint64_t busy, idle;                                 /* ticks of turns with and without work */
	struct gen_histogram latency[GEN_LATENCIES];
	char first_wrong[256];
};

/* One header block, read. Spans point into the message. */
struct gen_span {
	const char *p;
	uint32_t len;
};
struct gen_message {
	const char *text;
	uint32_t len;
	unsigned status; /* 0: a request */
	char method;     /* of CSeq: I, A, C, B, O, R or ? */
	char start;      /* of the request line, alike */
	bool routed;     /* has a Route */
	unsigned n_vias, n_routes;
	int max_forwards, content_length; /* -1: none, or no number */
	struct gen_span uri, via[4], routes, call_id, from, to, cseq, contact, extra, body;
};

struct gen {
	struct gen_options o;
	struct gen_figures f;
	struct gen_call *calls;
	uint32_t *free_slots;
	uint32_t free_head, free_tail, free_mask, open;
	struct gen_queue answer, hang_up, give_up, repeat[GEN_RETRIES];
	struct rte_mempool *pool;
	struct rte_mbuf *out[512];
	unsigned n_out;
	uint16_t port;
	uint8_t mac[6], proxy_mac[6];
	bool met; /* the proxy's MAC is known */
	uint32_t proxy_ip, gateway_ip;
	uint64_t now, hz;
	uint64_t random;
	char body[1024], extra[1024];
	uint32_t proxy_len, extra_len;
	uint32_t hint_caller, hint_trunk; /* where in a Via the branch stood the last time */
	bool stopping;
	uint32_t sampled;
};

/* text.c: SIP as text. Writers append at p and return its new end. */
int gen_read(struct gen_message *m, const char *text, uint32_t len);
bool gen_find(const struct gen_message *m, uint32_t *slot, uint32_t *generation);
size_t gen_write_request(const struct gen *g, char *p, uint32_t slot, const char *method);
size_t gen_write_own(const struct gen *g, char *p, uint32_t slot, const char *method);
size_t gen_write_response(const struct gen *g, const struct gen_message *m, char *p, uint32_t slot, uint32_t generation,
        const char *status);
size_t gen_write_answer(
        const struct gen *g, char *p, const struct gen_call *c, uint32_t slot, const char *status, bool sdp);
size_t gen_write_block(const struct gen_message *m, char *p, size_t size);
char *gen_identity(char *p, uint32_t slot, uint32_t generation);
struct gen_span gen_tag(struct gen_span field);
bool gen_branch_is(struct gen_span via, char method, uint32_t slot, uint32_t generation, uint32_t *hint);
/* Is the extra header field in a message that had it? */
bool gen_extra_kept(const struct gen *g, const struct gen_message *m);
/* Its texts as the options ask for them: body and extra header field. */
void gen_make_texts(struct gen *g);
/* The same digits everywhere: 198.18.1xx.1xx calls, 198.19.10B.1xx is a trunk of behaviour B. */
uint32_t gen_caller_ip(unsigned caller);
uint32_t gen_trunk_ip(unsigned behaviour, unsigned trunk);
char *gen_ip_text(char *p, uint32_t ip);

/* net.c: frames. */
int gen_net_open(struct gen *g);
void gen_net_meet(struct gen *g);
char *gen_net_begin(struct gen *g, struct rte_mbuf **m);
void gen_net_send(struct gen *g, struct rte_mbuf *m, uint32_t from, size_t len);
void gen_net_icmp(struct gen *g, const struct rte_mbuf *offending);
void gen_net_flush(struct gen *g);
/* Answers ARP; for UDP to us, tells the text and whom it is for. False: nothing for SIP. */
bool gen_net_read(
        struct gen *g, const struct rte_mbuf *m, const char **text, uint32_t *len, uint32_t *to, bool *checksum_wrong);

/* call.c and trunk.c. */
void gen_start_call(struct gen *g, uint64_t due);
void gen_make_slots(struct gen *g, uint32_t generation);
void gen_at_caller(struct gen *g, const struct gen_message *m);
void gen_at_trunk(struct gen *g, const struct gen_message *m, const struct rte_mbuf *frame, uint32_t to);
void gen_due(struct gen *g);
void gen_wrong(struct gen *g, const char *why, const struct gen_message *m);
void gen_close_call(struct gen *g, uint32_t slot);
void gen_wait(struct gen *g, struct gen_queue *q, uint32_t slot, enum gen_op op, unsigned tries);
void gen_trunk_answer(struct gen *g, uint32_t slot, unsigned tries);
void gen_abandon(struct gen *g);
void gen_measure(struct gen *g, struct gen_call *c, enum gen_latency what);

/* report.c */
void gen_report(const struct gen *g, double seconds, const char *phase);

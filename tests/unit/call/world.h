/* SPDX-License-Identifier: BSD-3-Clause */
/* world.h - a core with nothing real around it: packets go into arrays, timers into a table, time moves by hand. */
#pragma once
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include "dataplane/call/core.h"
#include "dataplane/call/steer.h"
#include <switchback/err.h>

#define WORLD_SENT_MAX 2048
#define WORLD_TRUNKS   4

#define T1 "192.0.2.1:5060"
#define T2 "192.0.2.2:5060"
#define T3 "192.0.2.3:5060"

struct world_sent {
	char text[4096]; /* NUL-terminated */
	uint32_t len;
	struct sb_addr to;
	char from[SB_ADDR_TEXT_MAX]; /* hostport of the listener it left from */
	uint64_t at_ms;
};

struct world {
	struct sb_core *core;
	struct sb_core_config cfg;
	struct sb_snapshot snap[2]; /* [1] for reloads */
	struct sb_snap_listener listeners[2];
	const struct sb_snap_listener *many; /* where packets come in, if not at listeners */
	struct sb_snap_trunk trunks[2][WORLD_TRUNKS];
	struct sb_snap_member members[WORLD_TRUNKS];
	struct sb_snap_group group;
	struct sb_snap_route route;
	uint32_t route_group;
	struct sb_net nets[1];
	uint16_t trunk_of_slot[SB_TRUNKS_MAX];
	struct sb_health_table *health;
	struct sb_counters counters;
	struct sb_trunk_stats *stats;
	struct sb_mailbox mail;
	struct {
		uint64_t at_ms;
		uint32_t gen;
	} timer[64];              /* by slot */
	struct sb_mail told[256]; /* evidence, events, probe results */
	unsigned n_told;
	struct world_sent sent[WORLD_SENT_MAX];
	unsigned n_sent, seen;
	unsigned n_trunks;
	uint64_t now_us;
	bool parser_osip; /* every message is read with libosip2 */
	bool refuse_sends;
	int refuse_buffers; /* the next n are not to be had; -1: none is */
	uint32_t cap_max;   /* largest buffer asked for */
	int buffers;        /* that the core holds now */
	bool deaf;          /* mail from the core stays in its ring */
	/* Looks at what is sent, instead of its being kept in sent[]. NULL: none. */
	void (*on_send)(struct world *w, const struct sb_pkt *pkt);
};

extern const char *const world_caller; /* 192.0.2.99:5070 */

/* A core with one listener 192.0.2.10:5060 (and 198.51.100.10:5060), n trunks 192.0.2.(1..n):5060 in one group by
 * priority, a = 200 ms, 4 sends, T1 500 ms; 16 slots. */
struct world *world_new(unsigned n_trunks);
void world_free(struct world *w);
/* After a long time nothing is held: no transaction, no record, no stored text, no snapshot, no active leg (P11); and
 * frees the world. */
void world_end(struct world *w);
void world_restart(struct world *w); /* the same configuration, a new core: nothing is remembered but the fleet key */
void world_reset(struct world *w);   /* as world_new() made it, without a fresh allocation: for many short lives */
/* A new core that is worker of so many. */
void world_worker(struct world *w, unsigned worker, unsigned n_workers);
void world_health(struct world *w, unsigned trunk, enum sb_health_state state, enum sb_admin admin, uint32_t share);

/* Hands in a datagram; returns the counter it ended in. */
enum sb_counter world_rx(struct world *w, const char *from, const char *text);
enum sb_counter world_rx_at(struct world *w, unsigned listener, const char *from, const char *text);
enum sb_counter world_rx_bytes(struct world *w, unsigned listener, const char *from, const void *bytes, uint32_t len);
enum sb_counter world_rx_from(
        struct world *w, unsigned listener, const struct sb_addr *from, const void *bytes, uint32_t len);
/* A fatal ICMP error about a datagram sent to `to` that begins like quote. */
enum sb_counter world_icmp(struct world *w, const char *to, const char *quote);
/* Lets ms pass, firing timers at their times. */
void world_pass(struct world *w, uint64_t ms);
/* Timers and mail from the core, without time passing. */
void world_mail(struct world *w);

/* The next message sent that nobody has looked at; fails the test if there is none. */
const struct world_sent *world_next(struct world *w);
const struct world_sent *world_expect(struct world *w, const char *start, const char *to);
void world_quiet(struct world *w); /* fails if anything was sent since the last look */
/* How many messages that begin so were sent since the from-th; to: NULL for anyone. */
unsigned world_count_sent(const struct world *w, unsigned from, const char *start, const char *to);
/* INVITE n comes in: looks at the 100 and returns what the first trunk got. */
const struct world_sent *world_call(struct world *w, unsigned n);
/* The caller's request gets an answer that begins so, nothing else is sent and no state is kept. */
const struct world_sent *world_reply(struct world *w, const char *request, const char *start);
/* Takes every chunk of the text store. */
void world_fill_store(struct world *w);

/* Requests of the caller. n: makes call-id, branch and tag of their own. */
const char *world_invite(unsigned n);
const char *world_request(const char *method, unsigned n, const char *to_tag, const char *extra);
/* A response to a request as a trunk would make it: Vias, From, To (tagged), Call-ID, CSeq, Record-Route copied. */
const char *world_answer(const char *request, unsigned status, const char *extra);
/* Value of the first header line of that name (copied into a static buffer); "" if none. */
const char *world_header(const char *text, const char *name);
unsigned world_count_header(const char *text, const char *name);
unsigned world_told(const struct world *w, enum sb_mail_op op, unsigned kind);

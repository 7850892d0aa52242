/* SPDX-License-Identifier: BSD-3-Clause */
/* bed.c - a worker's core with nothing around it, and the messages of calls through it. Packets go from one array to
 * the next, in bursts as a port's. */
#include "bed.h"
#include "dataplane/sip/osip.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <x86intrin.h>

#define ROOM (SB_BENCH_BODY_MAX + 1804)

const char *const step_name[ALL_STEPS] = {"INVITE", "100", "180", "200", "ACK", "BYE", "200 BYE", "shed", "shed's ACK"};

struct buffer {
	struct sb_pkt pkt;
	struct buffer *next;
	char text[ROOM];
};

static struct {
	struct sb_core *core;
	struct sb_snapshot snapshot;
	struct sb_snap_listener listener;
	struct sb_addr caller;
	struct sb_snap_trunk trunk;
	struct sb_snap_member member;
	struct sb_snap_group group;
	struct sb_snap_route route;
	uint32_t route_group;
	struct sb_net trust;
	uint16_t trunk_of_slot[SB_TRUNKS_MAX];
	struct sb_health_table *health;
	struct sb_trunk_stats *stats;
	struct sb_counters counters;
	struct sb_mailbox mail;
	struct buffer *free;
	struct buffer *sent[2 * BED_CALLS]; /* what the core sent in this step, in order */
	unsigned n_sent;
	uint64_t now_us;
	bool sheds;
} bed;

static struct sb_pkt *take_buffer(void *ctx, uint32_t size)
{
	struct buffer *b = bed.free;
	if (!b || size > ROOM - SB_SIP_PAD)
		return NULL;
	bed.free = b->next;
	b->pkt.text = b->text;
	b->pkt.cap = ROOM - SB_SIP_PAD;
	return &b->pkt;
}

static void free_buffer(void *ctx, struct sb_pkt *pkt)
{
	struct buffer *b = (struct buffer *)(void *)pkt;
	b->next = bed.free;
	bed.free = b;
}

/* Kept until the step is over: what is timed copies nothing. */
static bool send_buffer(void *ctx, struct sb_pkt *pkt)
{
	bed.sent[bed.n_sent++] = (struct buffer *)(void *)pkt;
	return true;
}

static void free_sent(void)
{
	while (bed.n_sent)
		free_buffer(NULL, &bed.sent[--bed.n_sent]->pkt);
}

static const struct sb_core_ops ops = {take_buffer, free_buffer, send_buffer};

static void set_address(struct sb_addr *a, const char *text)
{
	if (sb_addr_parse(text, 5060, a))
		abort();
}

static void make_snapshot(void)
{
	set_address(&bed.listener.addr, "192.0.2.10:5060");
	bed.listener.hostport_len = (uint8_t)sb_addr_format(&bed.listener.addr, bed.listener.hostport);
	bed.listener.n_trust = 1;
	if (sb_net_parse("198.18.0.0/15", &bed.trust))
		abort();
	set_address(&bed.caller, "198.18.100.144:5060");
	set_address(&bed.trunk.addr, "198.19.100.100:5060");
	bed.trunk.trying_timer_ms = 500;
	bed.trunk.sends = 7;
	memset(bed.trunk_of_slot, 0xff, sizeof bed.trunk_of_slot);
	bed.trunk_of_slot[0] = 0;
	bed.member = (struct sb_snap_member){0, 1, 1};
	bed.group = (struct sb_snap_group){.name = "g", .n_members = 1};
	bed.route = (struct sb_snap_route){.kind = SB_ROUTE_DEFAULT, .n_groups = 1};
	bed.snapshot = (struct sb_snapshot){.generation = 1,
	        .t1_ms = 500,
	        .t2_ms = 4000,
	        .t4_ms = 5000,
	        .timer_c_ms = 190000,
	        .retry_after_s = 5,
	        .n_listeners = 1,
	        .n_trunks = 1,
	        .n_groups = 1,
	        .n_routes = 1,
	        .listeners = &bed.listener,
	        .trunks = &bed.trunk,
	        .members = &bed.member,
	        .groups = &bed.group,
	        .routes = &bed.route,
	        .route_groups = &bed.route_group,
	        .nets = &bed.trust,
	        .n_other_routes = 1,
	        .trunk_of_slot = bed.trunk_of_slot};
}

void bed_config(struct sb_core_config *cfg)
{
	cfg->n_workers = 1;
	cfg->ops = &ops;
	cfg->counters = &bed.counters;
	cfg->mail = &bed.mail;
	memset(&cfg->keys, 7, sizeof cfg->keys);
}

struct sb_core *bed_make(struct sb_core_config *cfg, void *memory)
{
	static char arena[1 << 16];
	sb_osip_init();
	sb_osip_arena(arena, sizeof arena);
	make_snapshot();
	cfg->health = bed.health = calloc(1, sizeof *bed.health);
	cfg->trunk_stats = bed.stats = calloc(SB_TRUNKS_MAX, sizeof *bed.stats);
	bed.health->line[0].word = sb_health_word(SB_UP, SB_ENABLED, SB_SHARE_FULL);
	for (unsigned i = 0; i < 2 * BED_CALLS; i++) {
		struct buffer *b = aligned_alloc(64, (sizeof *b + 63) & ~(size_t)63);
		memset(b, 0, sizeof *b);
		free_buffer(NULL, &b->pkt);
	}
	if (sb_mailbox_init(&bed.mail, 1 << 14))
		abort();
	cfg->memory = memory;
	bed.core = sb_core_init(cfg);
	sb_core_snapshot(bed.core, &bed.snapshot);
	bed.now_us = 5000000;
	return bed.core;
}

static char in[BED_CALLS][ROOM];
static struct sb_sip sip[BED_CALLS];
static struct sb_look look[BED_CALLS];
static struct sb_pkt pkt[BED_CALLS];

#define VIA    "Via: SIP/2.0/UDP 198.18.100.144:5060;rport"
#define BRANCH ";branch=z9hG4bK%c%08x0e1bd34c"
#define OURS   "sip:192.0.2.10:5060;lr;sb="
#define DIALOG                                                                                                         \
	"From: \"Caller\" <sip:+441632960000@198.18.100.144>;tag=c%08x\r\n"                                            \
	"To: <sip:+4420000041456@192.0.2.10>%s\r\nCall-ID: %08x0e1bd34c@bench\r\n"

static bool of_caller(enum step step)
{
	return step == INVITE || step == ACK || step == BYE || step >= SHED;
}

static char branch_letter(enum step step)
{
	return "IIIIABBII"[step];
}

/* With a body of so many zeros, or none. */
static char *write_end(char *p, unsigned body)
{
	if (!body)
		return p + sprintf(p, "Content-Length: 0\r\n\r\n");
	p += sprintf(p, "Content-Type: application/sdp\r\nContent-Length: %u\r\n\r\n", body);
	memset(p, '0', body);
	return p + body;
}

static char *write_request(enum step step, const struct call *call, char *p)
{
	bool invite = step == INVITE || step == SHED, ack = step == ACK || step == SHED_ACK;
	const char *method = invite ? "INVITE" : ack ? "ACK" : "BYE";
	char tag[32] = "";
	if (step == SHED_ACK)
		snprintf(tag, sizeof tag, ";tag=%.16s", call->token);
	else if (!invite)
		strcpy(tag, ";tag=t1");
	if (invite || step == SHED_ACK)
		p += sprintf(p, "%s sip:+4420000041456@192.0.2.10:5060 SIP/2.0\r\n", method);
	else
		p += sprintf(p, "%s sip:trunk@198.19.100.100:5060 SIP/2.0\r\n", method);
	p += sprintf(p, VIA BRANCH "\r\nMax-Forwards: 70\r\n", branch_letter(step), call->id);
	if (step == ACK || step == BYE)
		p += sprintf(p, "Route: <" OURS "%.16s>\r\n", call->token);
	p += sprintf(p, DIALOG "CSeq: %d %s\r\n", call->id, tag, call->id, step == BYE ? 2 : 1, method);
	if (invite)
		p += sprintf(p, "Contact: <sip:caller@198.18.100.144:5060>\r\nAllow: INVITE, ACK, CANCEL, BYE, "
		                "OPTIONS\r\nSupported: timer\r\nUser-Agent: bench\r\n");
	return write_end(p, invite ? call->body : 0);
}

/* What a trunk says to what it was sent. */
static char *write_response(enum step step, const struct call *call, char *p)
{
	bool bye = step == BYE_OK;
	p += sprintf(p, "SIP/2.0 %s\r\n", step == TRYING ? "100 Trying" : step == RINGING ? "180 Ringing" : "200 OK");
	p += sprintf(p, "Via: SIP/2.0/UDP 192.0.2.10:5060;branch=%.*s\r\n", SB_BRANCH_LEN, call->branch);
	if (!bye)
		p += sprintf(p, "Record-Route: <" OURS "%.16s>\r\n", call->token);
	p += sprintf(p, VIA "=5060" BRANCH ";received=198.18.100.144\r\n", branch_letter(step), call->id);
	p += sprintf(p, DIALOG "CSeq: %s\r\n", call->id, step == TRYING ? "" : ";tag=t1", call->id,
	        bye ? "2 BYE" : "1 INVITE");
	if (step == RINGING || step == OK)
		p += sprintf(p, "Contact: <sip:trunk@198.19.100.100:5060>\r\n");
	return write_end(p, step == OK ? call->body : 0);
}

uint32_t bed_write(unsigned i, enum step step, const struct call *call)
{
	char *end = of_caller(step) ? write_request(step, call, in[i]) : write_response(step, call, in[i]);
	*end = 0;
	pkt[i] = (struct sb_pkt){.text = in[i],
	        .len = (uint32_t)(end - in[i]),
	        .cap = ROOM - SB_SIP_PAD,
	        .peer = of_caller(step) ? bed.caller : bed.trunk.addr,
	        .listener = &bed.listener};
	return pkt[i].len;
}

/* What follows name in the text of a message that was sent. */
static void copy_behind(const char *text, const char *name, char *out, size_t n)
{
	const char *at = strstr(text, name);
	if (!at) {
		fprintf(stderr, "no %s in what was sent:\n%s", name, text);
		exit(1);
	}
	memcpy(out, at + strlen(name), n);
}

void bed_keep(const enum step *steps, struct call *const *calls, unsigned n)
{
	for (unsigned i = 0, sent = 0; i < n; i++) {
		sent += steps[i] == INVITE;                     /* a 100 goes up before it */
		if (steps[i] == TRYING || steps[i] == SHED_ACK) /* which go no further */
			continue;
		struct buffer *b = bed.sent[sent++];
		b->text[b->pkt.len] = 0;
		if (steps[i] == INVITE || steps[i] == BYE)
			copy_behind(b->text, ":5060;branch=", calls[i]->branch, sizeof calls[i]->branch);
		if (steps[i] == INVITE)
			copy_behind(b->text, "Record-Route: <" OURS, calls[i]->token, sizeof calls[i]->token);
		if (steps[i] == SHED)
			copy_behind(b->text, "@192.0.2.10>;tag=", calls[i]->token, sizeof calls[i]->token);
	}
	free_sent();
}

static void check(unsigned i, bool asked, struct sb_end end)
{
	bool good = end.counter == SB_C_end_forwarded || end.counter == SB_C_end_consumed;
	if (bed.sheds)
		good = end.counter == (in[i][0] == 'I' ? SB_C_end_replied : SB_C_drop_stray_ack);
	if (!asked && good)
		return;
	fprintf(stderr, "this came to nothing (%u):\n%s", end.counter, in[i]);
	exit(1);
}

void bed_shed(bool all)
{
	bed.sheds = all;
	sb_core_shed(bed.core, all ? SB_SHED_ALL : 0);
}

void bed_burst(unsigned first, uint64_t took[2])
{
	struct sb_end end[BED_BURST];
	bool asked = false, any_asked = false;
	uint64_t t0 = __rdtsc();
	for (unsigned i = 0; i < BED_BURST; i++) {
		struct sb_pkt *p = &pkt[first + i];
		sb_core_read(bed.core, &sip[first + i], p, false, &look[first + i], &asked);
		any_asked |= asked;
	}
	uint64_t t1 = __rdtsc();
	for (unsigned i = 0; i < BED_BURST; i++)
		sb_core_prefetch(bed.core, &look[first + i]);
	for (unsigned i = 0; i < BED_BURST; i++)
		sb_core_prefetch_more(bed.core, &look[first + i]);
	for (unsigned i = 0; i < BED_BURST; i++)
		end[i] = sb_core_packet(bed.core, &pkt[first + i], &sip[first + i], &look[first + i], bed.now_us);
	took[0] = t1 - t0;
	took[1] = __rdtsc() - t1;
	for (unsigned i = 0; i < BED_BURST; i++)
		check(first + i, any_asked, end[i]);
}

uint64_t bed_tick(uint32_t us)
{
	bed.now_us += us;
	uint64_t start = __rdtsc();
	sb_core_tick(bed.core, bed.now_us);
	return __rdtsc() - start;
}

void bed_drain(void)
{
	struct sb_mail m;
	while (sb_ring_take(&bed.mail.up, &m)) {
	}
}

unsigned bed_draw(unsigned below)
{
	static uint64_t x = 88172645463325252ull;
	x ^= x << 13;
	x ^= x >> 7;
	x ^= x << 17;
	return (unsigned)(x % below);
}

static int by_size(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
	return x < y ? -1 : x > y;
}

double bed_quarter(uint64_t *ticks, unsigned n)
{
	qsort(ticks, n, sizeof *ticks, by_size);
	return (double)ticks[n / 4];
}

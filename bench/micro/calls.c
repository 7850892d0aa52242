/* SPDX-License-Identifier: BSD-3-Clause */
/* calls.c - whole calls through a worker's core, message by message: ticks of reading each and of acting on it. No
 * network: packets go from one array to the next. Batches as a port's bursts; the least of many rounds. */
#include "calls.h"
#include "dataplane/call/core.h"
#include "dataplane/sip/osip.h"
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <x86intrin.h>

#define BATCH  32
#define ROUNDS 400
#define ROOM   2304
#define SLOTS  16384

enum step { INVITE, TRYING, RINGING, OK, ACK, BYE, BYE_OK, STEPS };
static const char *const step_name[STEPS] = {"INVITE", "100", "180", "200", "ACK", "BYE", "200 BYE"};

struct buffer {
	struct sb_pkt pkt;
	struct buffer *next;
	char text[ROOM];
};

static struct {
	struct sb_core *core;
	struct sb_snapshot snapshot;
	struct sb_snap_listener listener;
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
	/* What the last message given to the core had it send, the newest first. */
	char sent[2][ROOM];
	unsigned n_sent;
	uint64_t now_us;
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

static bool keep_sent;

static bool send_buffer(void *ctx, struct sb_pkt *pkt)
{
	if (keep_sent) {
		char *to = bed.sent[bed.n_sent++ & 1];
		memcpy(to, pkt->text, pkt->len);
		to[pkt->len] = 0;
	}
	free_buffer(ctx, pkt);
	return true;
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

static void make_bed(void)
{
	static char arena[1 << 16];
	struct sb_core_config cfg = {.n_workers = 1,
	        .ops = &ops,
	        .transactions_max = SLOTS,
	        .linger_max = SLOTS,
	        .text_bytes_max = 64 << 20,
	        .counters = &bed.counters,
	        .mail = &bed.mail};
	sb_osip_init();
	sb_osip_arena(arena, sizeof arena);
	make_snapshot();
	cfg.health = bed.health = calloc(1, sizeof *bed.health);
	cfg.trunk_stats = bed.stats = calloc(SB_TRUNKS_MAX, sizeof *bed.stats);
	bed.health->line[0].word = sb_health_word(SB_UP, SB_ENABLED, SB_SHARE_FULL);
	for (unsigned i = 0; i < 256; i++) {
		struct buffer *b = calloc(1, sizeof *b);
		free_buffer(NULL, &b->pkt);
	}
	memset(&cfg.keys, 7, sizeof cfg.keys);
	if (sb_mailbox_init(&bed.mail, 1 << 14))
		abort();
	cfg.memory = aligned_alloc(4096, sb_core_memory(&cfg));
	bed.core = sb_core_init(&cfg);
	sb_core_snapshot(bed.core, &bed.snapshot);
	bed.now_us = 5000000;
}

/* The answer a trunk would give to what it was sent. */
static void answer(const char *request, const char *status, bool tag, const char *rest, char *out)
{
	char *p = out + sprintf(out, "SIP/2.0 %s\r\n", status);
	const char *line = strstr(request, "\r\n") + 2, *end;
	for (; (end = strstr(line, "\r\n")) != line; line = end + 2) {
		bool to = strncmp(line, "To:", 3) == 0;
		if (!to && strncmp(line, "Via:", 4) && strncmp(line, "From:", 5) && strncmp(line, "Call-ID:", 8) &&
		        strncmp(line, "CSeq:", 5) && strncmp(line, "Record-Route:", 13))
			continue;
		p += sprintf(p, "%.*s%s\r\n", (int)(end - line), line,
		        to && tag && !memmem(line, (size_t)(end - line), ";tag=", 5) ? ";tag=t1" : "");
	}
	strcpy(p, rest);
}

struct call {
	char invite_at_trunk[ROOM], bye_at_trunk[ROOM], route[256];
};

#define SDP_TAIL "Content-Type: application/sdp\r\nContent-Length: 200\r\n\r\n%0200d"

static void write_step(enum step step, struct call *call, uint32_t id, char *out)
{
	char via[128], dialog[512];
	snprintf(via, sizeof via, "Via: SIP/2.0/UDP 198.18.100.144:5060;rport;branch=z9hG4bK%c%08x0e1bd34c\r\n",
	        "I...ABB"[step], id);
	snprintf(dialog, sizeof dialog,
	        "From: \"Caller\" <sip:+441632960000@198.18.100.144>;tag=c%08x\r\nTo: "
	        "<sip:+4420000041456@192.0.2.10>%s\r\n"
	        "Call-ID: %08x0e1bd34c@bench\r\n",
	        id, step == INVITE ? "" : ";tag=t1", id);
	switch (step) {
	case INVITE:
		sprintf(out,
		        "INVITE sip:+4420000041456@192.0.2.10:5060 SIP/2.0\r\n%sMax-Forwards: 70\r\n%sCSeq: 1 "
		        "INVITE\r\n"
		        "Contact: <sip:caller@198.18.100.144:5060>\r\nAllow: INVITE, ACK, CANCEL, BYE, "
		        "OPTIONS\r\nSupported: timer\r\n"
		        "User-Agent: bench\r\n" SDP_TAIL,
		        via, dialog, 0);
		break;
	case TRYING:
		answer(call->invite_at_trunk, "100 Trying", false, "Content-Length: 0\r\n\r\n", out);
		break;
	case RINGING:
		answer(call->invite_at_trunk, "180 Ringing", true,
		        "Contact: <sip:trunk@198.19.100.100:5060>\r\nContent-Length: 0\r\n\r\n", out);
		break;
	case OK: {
		char rest[512];
		snprintf(rest, sizeof rest, "Contact: <sip:trunk@198.19.100.100:5060>\r\n" SDP_TAIL, 0);
		answer(call->invite_at_trunk, "200 OK", true, rest, out);
		break;
	}
	case ACK:
	case BYE:
		sprintf(out,
		        "%s sip:trunk@198.19.100.100:5060 SIP/2.0\r\n%sMax-Forwards: 70\r\nRoute: %s\r\n%sCSeq: %d "
		        "%s\r\nContent-Length: 0\r\n\r\n",
		        step_name[step], via, call->route, dialog, step == ACK ? 1 : 2, step_name[step]);
		break;
	default:
		answer(call->bye_at_trunk, "200 OK", true, "Content-Length: 0\r\n\r\n", out);
	}
}

static void keep_what_was_sent(enum step step, struct call *call)
{
	const char *last = bed.sent[(bed.n_sent - 1) & 1];
	if (step == INVITE)
		strcpy(call->invite_at_trunk, strncmp(last, "INVITE", 6) == 0 ? last : bed.sent[bed.n_sent & 1]);
	if (step == BYE)
		strcpy(call->bye_at_trunk, last);
	const char *rr = step == OK ? strstr(last, "Record-Route: ") : NULL;
	if (rr)
		snprintf(call->route, sizeof call->route, "%.*s", (int)(strstr(rr, "\r\n") - rr - 14), rr + 14);
}

static const char *const from_caller = "198.18.100.144:5060", *const from_trunk = "198.19.100.100:5060";

/* One step of a batch of calls; the least ticks of reading and acting so far. */
static void run_step(enum step step, struct call *calls, uint32_t first, uint64_t best[2])
{
	static char in[BATCH][ROOM];
	static struct sb_sip sip[BATCH];
	static struct sb_pkt pkt[BATCH];
	enum sb_read read[BATCH];
	struct sb_addr peer;
	bool asked = false;
	set_address(&peer, step == INVITE || step == ACK || step == BYE ? from_caller : from_trunk);
	for (unsigned i = 0; i < BATCH; i++) {
		write_step(step, &calls[i], first + i, in[i]);
		pkt[i] = (struct sb_pkt){.text = in[i],
		        .len = (uint32_t)strlen(in[i]),
		        .cap = ROOM - SB_SIP_PAD,
		        .peer = peer,
		        .listener = &bed.listener};
	}
	uint64_t t0 = __rdtsc();
	for (unsigned i = 0; i < BATCH; i++) {
		read[i] = sb_sip_read(&sip[i], in[i], pkt[i].len, false, &asked);
		sb_core_prefetch(bed.core, &sip[i], read[i]);
	}
	uint64_t t1 = __rdtsc(), act = 0;
	for (unsigned i = 0; i < BATCH; i++) {
		keep_sent = true;
		bed.n_sent = 0;
		uint64_t a = __rdtsc();
		struct sb_end end = sb_core_packet(bed.core, &pkt[i], &sip[i], read[i], bed.now_us);
		act += __rdtsc() - a;
		if (asked || (end.counter != SB_C_end_forwarded && end.counter != SB_C_end_consumed)) {
			fprintf(stderr, "%s came to nothing (%u):\n%s", step_name[step], end.counter, in[i]);
			exit(1);
		}
		keep_what_was_sent(step, &calls[i]);
	}
	best[0] = t1 - t0 < best[0] ? t1 - t0 : best[0];
	best[1] = act < best[1] ? act : best[1];
}

void time_calls(void)
{
	static struct call calls[BATCH];
	uint64_t best[STEPS][2], sum[2] = {0, 0};
	struct sb_mail m;
	make_bed();
	memset(best, 0xff, sizeof best);
	for (unsigned round = 0; round < ROUNDS; round++) {
		for (unsigned s = 0; s < STEPS; s++)
			run_step((enum step)s, calls, round * BATCH, best[s]);
		while (sb_ring_take(&bed.mail.up, &m)) {
		}
		bed.now_us += 1000000;
		for (unsigned i = 0; i < 8; i++)
			sb_core_tick(bed.core, bed.now_us);
	}
	printf("%-10s %10s %10s\n", "message", "read", "act");
	for (unsigned s = 0; s < STEPS; s++) {
		printf("%-10s %10.0f %10.0f\n", step_name[s], (double)best[s][0] / BATCH, (double)best[s][1] / BATCH);
		sum[0] += best[s][0];
		sum[1] += best[s][1];
	}
	printf("%-10s %10.0f %10.0f   %10.0f\n", "mean", (double)sum[0] / BATCH / STEPS, (double)sum[1] / BATCH / STEPS,
	        (double)(sum[0] + sum[1]) / BATCH / STEPS);
}

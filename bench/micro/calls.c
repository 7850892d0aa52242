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

#define CALLS  1024 /* at a time, as packet buffers in use: more than the first cache holds */
#define BURST  32
#define ROUNDS 60
#define ROOM   (SB_BENCH_BODY_MAX + 1804)
#define SLOTS  16384
#define LINGER 65536 /* more than linger at a time: expiry is timed as it comes */

/* A call's messages, and those of one that is shed past capacity. */
enum step { INVITE, TRYING, RINGING, OK, ACK, BYE, BYE_OK, STEPS, SHED = STEPS, SHED_ACK, ALL_STEPS };
static const char *const step_name[ALL_STEPS] = {
        "INVITE", "100", "180", "200", "ACK", "BYE", "200 BYE", "shed", "shed's ACK"};

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
	struct buffer *sent[2 * CALLS]; /* what the core sent in this step, in order */
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
	        .linger_max = LINGER,
	        .text_bytes_max = (size_t)SLOTS * 2 * ROOM,
	        .counters = &bed.counters,
	        .mail = &bed.mail};
	sb_osip_init();
	sb_osip_arena(arena, sizeof arena);
	make_snapshot();
	cfg.health = bed.health = calloc(1, sizeof *bed.health);
	cfg.trunk_stats = bed.stats = calloc(SB_TRUNKS_MAX, sizeof *bed.stats);
	bed.health->line[0].word = sb_health_word(SB_UP, SB_ENABLED, SB_SHARE_FULL);
	for (unsigned i = 0; i < 2 * CALLS; i++) {
		struct buffer *b = aligned_alloc(64, (sizeof *b + 63) & ~(size_t)63);
		memset(b, 0, sizeof *b);
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

static unsigned body; /* bytes of INVITE's and its 200's */

struct call {
	char invite_at_trunk[ROOM], bye_at_trunk[ROOM], route[256], shed[ROOM];
};

#define SDP_TAIL "Content-Type: application/sdp\r\nContent-Length: %u\r\n\r\n%0*d"

/* Has the branch of its INVITE, and the To of its answer (17.1.1.3). */
static void write_shed_ack(const char *answer, char *out)
{
	char *p = out + sprintf(out, "ACK sip:+4420000041456@192.0.2.10:5060 SIP/2.0\r\n");
	const char *via = strstr(answer, "Via: "), *from = strstr(answer, "From: "), *cseq = strstr(answer, "CSeq: ");
	const char *received = strstr(via, ";received=");
	sprintf(p, "%.*s\r\nMax-Forwards: 70\r\n%.*sCSeq: 1 ACK\r\nContent-Length: 0\r\n\r\n", (int)(received - via),
	        via, (int)(cseq - from), from);
}

static void write_step(enum step step, struct call *call, uint32_t id, char *out)
{
	char via[128], dialog[512];
	snprintf(via, sizeof via, "Via: SIP/2.0/UDP 198.18.100.144:5060;rport;branch=z9hG4bK%c%08x0e1bd34c\r\n",
	        "I...ABB.."[step], id);
	snprintf(dialog, sizeof dialog,
	        "From: \"Caller\" <sip:+441632960000@198.18.100.144>;tag=c%08x\r\nTo: "
	        "<sip:+4420000041456@192.0.2.10>%s\r\n"
	        "Call-ID: %08x0e1bd34c@bench\r\n",
	        id, step == INVITE || step == SHED ? "" : ";tag=t1", id);
	switch (step) {
	case INVITE:
	case SHED:
		sprintf(out,
		        "INVITE sip:+4420000041456@192.0.2.10:5060 SIP/2.0\r\n%sMax-Forwards: 70\r\n%sCSeq: 1 "
		        "INVITE\r\n"
		        "Contact: <sip:caller@198.18.100.144:5060>\r\nAllow: INVITE, ACK, CANCEL, BYE, "
		        "OPTIONS\r\nSupported: timer\r\n"
		        "User-Agent: bench\r\n" SDP_TAIL,
		        via, dialog, body, (int)body, 0);
		break;
	case TRYING:
		answer(call->invite_at_trunk, "100 Trying", false, "Content-Length: 0\r\n\r\n", out);
		break;
	case RINGING:
		answer(call->invite_at_trunk, "180 Ringing", true,
		        "Contact: <sip:trunk@198.19.100.100:5060>\r\nContent-Length: 0\r\n\r\n", out);
		break;
	case OK: {
		char rest[SB_BENCH_BODY_MAX + 128];
		snprintf(
		        rest, sizeof rest, "Contact: <sip:trunk@198.19.100.100:5060>\r\n" SDP_TAIL, body, (int)body, 0);
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
	case SHED_ACK:
		write_shed_ack(call->shed, out);
		break;
	default:
		answer(call->bye_at_trunk, "200 OK", true, "Content-Length: 0\r\n\r\n", out);
	}
}

static void keep_what_was_sent(enum step step, struct call *call, struct buffer *b)
{
	b->text[b->pkt.len] = 0;
	if (step == INVITE)
		strcpy(call->invite_at_trunk, b->text);
	if (step == BYE)
		strcpy(call->bye_at_trunk, b->text);
	if (step == SHED)
		strcpy(call->shed, b->text);
	const char *rr = step == OK ? strstr(b->text, "Record-Route: ") : NULL;
	if (rr)
		snprintf(call->route, sizeof call->route, "%.*s", (int)(strstr(rr, "\r\n") - rr - 14), rr + 14);
}

static const char *const from_caller = "198.18.100.144:5060", *const from_trunk = "198.19.100.100:5060";

static char in[CALLS][ROOM];
static struct sb_sip sip[CALLS];
static struct sb_look look[CALLS];
static struct sb_pkt pkt[CALLS];

static void write_messages(enum step step, struct call *calls, uint32_t first)
{
	struct sb_addr peer;
	bool caller = step == INVITE || step == ACK || step == BYE || step >= SHED;
	set_address(&peer, caller ? from_caller : from_trunk);
	for (unsigned i = 0; i < CALLS; i++) {
		write_step(step, &calls[i], first + i + (step >= SHED ? 1u << 31 : 0), in[i]);
		pkt[i] = (struct sb_pkt){.text = in[i],
		        .len = (uint32_t)strlen(in[i]),
		        .cap = ROOM - SB_SIP_PAD,
		        .peer = peer,
		        .listener = &bed.listener};
	}
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

/* One burst, as a worker takes it: all are read, then all are acted on. */
static void run_burst(unsigned first, uint64_t took[2])
{
	struct sb_end end[BURST];
	bool asked = false, any_asked = false;
	uint64_t t0 = __rdtsc();
	for (unsigned i = 0; i < BURST; i++) {
		struct sb_pkt *p = &pkt[first + i];
		sb_core_read(bed.core, &sip[first + i], p, false, &look[first + i], &asked);
		any_asked |= asked;
	}
	uint64_t t1 = __rdtsc();
	for (unsigned i = 0; i < BURST; i++)
		sb_core_prefetch(bed.core, &look[first + i]);
	for (unsigned i = 0; i < BURST; i++)
		sb_core_prefetch_more(bed.core, &look[first + i]);
	for (unsigned i = 0; i < BURST; i++)
		end[i] = sb_core_packet(bed.core, &pkt[first + i], &sip[first + i], &look[first + i], bed.now_us);
	took[0] = t1 - t0;
	took[1] = __rdtsc() - t1;
	for (unsigned i = 0; i < BURST; i++)
		check(first + i, any_asked, end[i]);
}

#define BURSTS (ROUNDS * CALLS / BURST)
static uint64_t took[ALL_STEPS][2][BURSTS];
static uint32_t bytes[ALL_STEPS];

static int by_size(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
	return x < y ? -1 : x > y;
}

static double quarter(uint64_t *ticks, unsigned n)
{
	qsort(ticks, n, sizeof *ticks, by_size);
	return (double)ticks[n / 4];
}

/* What remains of calls goes, a bounded number each time the worker comes round. */
static uint64_t expire(void)
{
	uint64_t start = __rdtsc();
	for (unsigned i = 0; i < 2 * CALLS / 64; i++)
		sb_core_tick(bed.core, bed.now_us);
	return __rdtsc() - start;
}

static void run_step(enum step step, struct call *calls, unsigned round)
{
	uint64_t ticks[2];
	write_messages(step, calls, round * CALLS);
	bytes[step] = pkt[0].len;
	for (unsigned burst = 0; burst < CALLS / BURST; burst++) {
		run_burst(burst * BURST, ticks);
		for (unsigned k = 0; k < 2; k++)
			took[step][k][round * (CALLS / BURST) + burst] = ticks[k];
	}
	/* The last thing sent for each call: its relayed message. INVITE sends a 100 up before it. */
	for (unsigned i = 0; i < CALLS && bed.n_sent; i++)
		keep_what_was_sent(step, &calls[i], bed.sent[step == INVITE ? 2 * i + 1 : i]);
	free_sent();
}

/* ---- messages of all kinds in a burst, as a worker meets them: each is of a call of its own, at any step. What a
 * processor learns of branches from one kind alone does not help it here. */

static struct {
	struct call call;
	uint32_t id;
	enum step step;
} mixed[CALLS];
static unsigned order[CALLS], n_order;

static unsigned draw(unsigned below)
{
	static uint64_t x = 88172645463325252ull;
	x ^= x << 13;
	x ^= x >> 7;
	x ^= x << 17;
	return (unsigned)(x % below);
}

/* In the first rounds a seventh of the calls begins in each. */
static void shuffle(unsigned round)
{
	n_order = 0;
	for (unsigned i = 0; i < CALLS; i++) {
		if (i % STEPS > round)
			continue;
		unsigned at = draw(++n_order);
		order[n_order - 1] = order[at];
		order[at] = i;
	}
	n_order -= n_order % BURST;
}

static void write_mixed(unsigned round)
{
	static uint32_t next_id = 1u << 30;
	struct sb_addr caller, trunk;
	set_address(&caller, from_caller);
	set_address(&trunk, from_trunk);
	shuffle(round);
	for (unsigned i = 0; i < n_order; i++) {
		enum step step = mixed[order[i]].step;
		if (step == INVITE)
			mixed[order[i]].id = next_id++;
		write_step(step, &mixed[order[i]].call, mixed[order[i]].id, in[i]);
		pkt[i] = (struct sb_pkt){.text = in[i],
		        .len = (uint32_t)strlen(in[i]),
		        .cap = ROOM - SB_SIP_PAD,
		        .peer = step == INVITE || step == ACK || step == BYE ? caller : trunk,
		        .listener = &bed.listener};
	}
}

static void keep_mixed(void)
{
	for (unsigned i = 0, sent = 0; i < n_order; i++) {
		enum step step = mixed[order[i]].step;
		sent += step == INVITE;
		if (step != TRYING) /* which goes no further */
			keep_what_was_sent(step, &mixed[order[i]].call, bed.sent[sent++]);
		mixed[order[i]].step = (enum step)((step + 1) % STEPS);
	}
	free_sent();
}

static void time_mixed(double mean[2])
{
	static uint64_t mixed_took[2][BURSTS];
	uint64_t ticks[2];
	struct sb_mail m;
	unsigned n = 0;
	for (unsigned round = 0; round < ROUNDS; round++) {
		write_mixed(round);
		for (unsigned first = 0; first < n_order; first += BURST, n++) {
			run_burst(first, ticks);
			for (unsigned k = 0; k < 2; k++)
				mixed_took[k][n] = ticks[k];
		}
		keep_mixed();
		while (sb_ring_take(&bed.mail.up, &m)) {
		}
		bed.now_us += 1000000 / STEPS;
		expire();
	}
	for (unsigned k = 0; k < 2; k++)
		mean[k] = quarter(mixed_took[k], n) / BURST;
}

static void print_step(enum step step, const double ticks[2])
{
	printf("%-10s %6u %10.0f %10.0f\n", step_name[step], bytes[step], ticks[0], ticks[1]);
}

void time_calls(unsigned body_bytes)
{
	static struct call calls[CALLS];
	double sum[2] = {0, 0};
	uint64_t over[ROUNDS];
	struct sb_mail m;
	body = body_bytes;
	make_bed();
	for (unsigned round = 0; round < ROUNDS; round++) {
		for (unsigned s = 0; s < ALL_STEPS; s++) {
			bed.sheds = s >= SHED;
			sb_core_shed(bed.core, bed.sheds ? SB_SHED_ALL : 0);
			run_step((enum step)s, calls, round);
		}
		while (sb_ring_take(&bed.mail.up, &m)) {
		}
		bed.now_us += 1000000;
		over[round] = expire();
	}
	printf("%-10s %6s %10s %10s\n", "message", "bytes", "read", "act");
	double parts[ALL_STEPS][2];
	for (unsigned s = 0; s < ALL_STEPS; s++)
		for (unsigned k = 0; k < 2; k++)
			sum[k] += (parts[s][k] = quarter(took[s][k], BURSTS) / BURST) * (s < STEPS);
	for (unsigned s = 0; s < STEPS; s++)
		print_step((enum step)s, parts[s]);
	/* Only in the later half of the rounds is there something as old as that. */
	double last = quarter(over + ROUNDS - ROUNDS / 3, ROUNDS / 3) / CALLS;
	printf("%-10s %6s %10s %10.0f\n", "expiry", "", "", last);
	sum[1] += last;
	printf("%-10s %6s %10.0f %10.0f   %10.0f\n", "mean", "", sum[0] / STEPS, sum[1] / STEPS,
	        (sum[0] + sum[1]) / STEPS);
	double shed = 0;
	for (unsigned s = SHED; s < ALL_STEPS; s++) {
		print_step((enum step)s, parts[s]);
		shed += parts[s][0] + parts[s][1];
	}
	printf("%-10s %6s %10s %10s   %10.3f\n", "of a call", "", "", "", shed / (sum[0] + sum[1]));
	sb_core_shed(bed.core, 0);
	bed.sheds = false;
	time_mixed(sum);
	sum[1] += last / STEPS;
	printf("%-10s %6s %10.0f %10.0f   %10.0f\n", "mixed", "", sum[0], sum[1], sum[0] + sum[1]);
}

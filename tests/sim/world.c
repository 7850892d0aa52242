/* SPDX-License-Identifier: BSD-3-Clause */
/* world.c - the profiles, and the life of one world: calls come, things go wrong, all heals, it must become quiet and
 * empty. */
#include "sim.h"
#include <stdarg.h>

const struct profile profiles[] = {
        {.name = "calm",
                .frames_pm = 300,
                .big_pm = 200,
                .rate = 40,
                .slots_min = 1024,
                .slots_max = 4096,
                .ring_min = 1024,
                .ring_max = 4096,
                .late_ms = 4},
        {.name = "faults",
                .loss_pm = 60,
                .dup_pm = 40,
                .reorder_pm = 100,
                .reorder_ms = 120,
                .garbage_pm = 100,
                .corrupt_pm = 5,
                .frames_pm = 300,
                .big_pm = 200,
                .alloc_fail_pm = 300,
                .send_fail_pm = 200,
                .shortage_s = 20,
                .mode_s = 12,
                .rate = 40,
                .slots_min = 1024,
                .slots_max = 4096,
                .ring_min = 256,
                .ring_max = 4096,
                .late_ms = 6},
        {.name = "chaos",
                .loss_pm = 80,
                .dup_pm = 60,
                .reorder_pm = 150,
                .reorder_ms = 300,
                .garbage_pm = 100,
                .corrupt_pm = 5,
                .frames_pm = 300,
                .big_pm = 200,
                .alloc_fail_pm = 300,
                .send_fail_pm = 200,
                .shortage_s = 15,
                .oper_s = 6,
                .stall_s = 4,
                .stall_ms = 300,
                .kill_s = 40,
                .mode_s = 8,
                .rate = 40,
                .slots_min = 512,
                .slots_max = 4096,
                .ring_min = 64,
                .ring_max = 1024,
                .queues_min = 16,
                .late_ms = 1200},
        {.name = "operator",
                .oper_s = 2,
                .mode_s = 10,
                .rate = 40,
                .slots_min = 1024,
                .slots_max = 4096,
                .ring_min = 1024,
                .ring_max = 4096,
                .late_ms = 4},
        {.name = "overload",
                .loss_pm = 20,
                .dup_pm = 10,
                .stall_s = 2,
                .stall_ms = 200,
                .shed_pm = 400,
                .mode_s = 10,
                .rate = 400,
                .slots_min = 16,
                .slots_max = 256,
                .ring_min = 16,
                .ring_max = 64,
                .queues_min = 8,
                .late_ms = 3000},
        {.name = "fragments",
                .loss_pm = 15,
                .dup_pm = 30,
                .reorder_pm = 200,
                .reorder_ms = 60,
                .garbage_pm = 100,
                .corrupt_pm = 10,
                .frames_pm = 1000,
                .big_pm = 500,
                .mode_s = 15,
                .rate = 40,
                .slots_min = 1024,
                .slots_max = 4096,
                .ring_min = 256,
                .ring_max = 4096,
                .late_ms = 6},
};
const unsigned n_profiles = sizeof profiles / sizeof profiles[0];

struct arena_block {
	struct arena_block *next;
	size_t used;
	char bytes[1 << 18];
};

uint64_t rnd64(struct sim *s)
{
	uint64_t z = s->rng += 0x9e3779b97f4a7c15ull;
	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9ull;
	z = (z ^ z >> 27) * 0x94d049bb133111ebull;
	return z ^ z >> 31;
}

uint32_t rnd(struct sim *s, uint32_t n)
{
	return n ? (uint32_t)(rnd64(s) >> 32) % n : 0;
}

uint32_t rnd_in(struct sim *s, uint32_t a, uint32_t b)
{
	return a + rnd(s, b - a + 1);
}

bool chance(struct sim *s, unsigned pm)
{
	return pm && rnd(s, 1000) < pm;
}

char *keep(struct sim *s, const void *p, size_t n)
{
	if (!s->arena || s->arena->used + n > sizeof s->arena->bytes) {
		struct arena_block *b = malloc(sizeof *b);
		assert(b);
		b->next = s->arena;
		b->used = 0;
		s->arena = b;
	}
	char *at_p = s->arena->bytes + s->arena->used;
	memcpy(at_p, p, n);
	s->arena->used += n;
	return at_p;
}

void breach(struct sim *s, const char *invariant, const char *format, ...)
{
	va_list args;
	if (s->failed)
		return;
	s->failed = true;
	int n = snprintf(s->why, sizeof s->why, "%s: ", invariant);
	va_start(args, format);
	vsnprintf(s->why + n, sizeof s->why - (size_t)n, format, args);
	va_end(args);
}

/* About every mean_s seconds. 0: never. */
static void plan(struct sim *s, enum ev kind, uint32_t a, unsigned mean_s)
{
	if (mean_s && !s->quiet)
		at(s, s->now + rnd(s, mean_s * 2000) * MS + MS, kind, a, 0);
}

/* A response or an ICMP error's cousin with a branch that looks like ours. */
static uint32_t forged_branch(struct sim *s, char *text, unsigned status, struct ep *src)
{
	struct uas *u = &s->uas[rnd(s, s->n_uas)];
	const char *eol = memmem(u->request, u->request_len, "\r\n", 2);
	uint32_t n = (uint32_t)snprintf(
	        text, TEXT_MAX, "SIP/2.0 %u Forged%.*s", status, (int)(u->request + u->request_len - eol), eol);
	char *branch = memmem(text, n, "z9hG4bK", 7);
	if (branch)
		branch[8 + rnd(s, 38)] ^= 1;
	*src = u->me;
	saw(s, SEEN_forged_branch);
	return n;
}

/* Cut off somewhere, or whole and from nobody whom we trust. */
static uint32_t nobodys_call(struct sim *s, char *text, bool whole)
{
	caller_build(s, rnd(s, s->calls_started), "INVITE");
	uint32_t n = whole ? s->out.n : rnd(s, s->out.n);
	memcpy(text, s->out.text, n);
	char *id = memmem(text, n, "Call-ID: s", 10);
	if (id)
		id[9] = 'x';
	return n;
}

static void garbage(struct sim *s)
{
	char text[TEXT_MAX];
	uint32_t n = 0, what = rnd(s, 10);
	struct ep src = {IP(10, 1, 0, 1 + rnd(s, CALLERS / 2)), 5060, false}, dst = listener_ep(rnd(s, 2));
	if (what < 2) {
		saw(s, SEEN_garbage);
		n = rnd(s, 400);
		for (uint32_t i = 0; i < n; i++)
			text[i] = (char)rnd(s, what ? 256 : 128);
	} else if (what == 2) {
		n = 4;
		memcpy(text, "\r\n\r\n", 4);
	} else if (what < 5 && s->n_uas) {
		n = forged_branch(s, text, what == 3 ? 200 : 503, &src);
		dst.v6 = src.v6;
	} else if (what < 7 && s->calls_started) {
		uint32_t call = rnd(s, s->calls_started);
		if (!caller_forge(s, call))
			return;
		saw(s, SEEN_forged_route);
		n = s->out.n;
		memcpy(text, s->out.text, n);
		src = caller_ep(s, call);
		dst = listener_ep(s->ucall[call].listener);
	} else if (s->calls_started) {
		n = nobodys_call(s, text, what < 9);
		if (what < 9)
			src.ip = IP(10, 9, 0, 1 + rnd(s, 3));
	}
	net_send(s, src, dst, text, n);
}

/* Now and then one source calls as often as it can. */
static uint64_t until_next(struct sim *s)
{
	if (s->flood)
		s->flood--;
	else if (s->confs[s->n_confs - 1].rate && chance(s, 8))
		s->flood = rnd_in(s, 10, 30);
	return s->flood ? rnd(s, 4000) : rnd(s, 2 * (unsigned)SEC / s->profile->rate);
}

static void new_call(struct sim *s)
{
	if (s->calls_started == s->n_calls)
		return;
	caller_start(s, s->calls_started++);
	if (chance(s, s->profile->garbage_pm))
		garbage(s);
	at(s, s->now + until_next(s), EV_CALL, 0, 0);
}

static void disaster(struct sim *s, const struct event *e)
{
	if (s->quiet)
		return;
	switch (e->kind) {
	case EV_OPER:
		if (e->a) {
			oper_enable(s);
			break;
		}
		oper_act(s);
		plan(s, EV_OPER, 0, s->profile->oper_s);
		break;
	case EV_STALL:
		proxy_stall(s);
		plan(s, EV_STALL, 0, s->profile->stall_s);
		break;
	case EV_KILL:
		proxy_kill(s);
		plan(s, EV_KILL, 0, s->profile->kill_s);
		break;
	default:
		s->shortage_until = s->now + rnd(s, 2000) * MS;
		plan(s, EV_SHORTAGE, 0, s->profile->shortage_s);
		break;
	}
}

static void arrive(struct sim *s, struct packet *p)
{
	if (ep_is_ours(p->dst)) {
		proxy_rx(s, p);
		return;
	}
	if (p->kind == PACKET_FRAME) {
		struct packet *whole = frame_take(s, &s->pieces, (const uint8_t *)p->text, p->len, !p->corrupt);
		packet_free(s, p);
		p = whole;
	}
	if (!p)
		return;
	if (ep_is_caller(p->dst))
		caller_rx(s, p);
	else if (trunk_at(p->dst) >= 0)
		trunk_rx(s, p);
	packet_free(s, p);
}

static void happen(struct sim *s, const struct event *e)
{
	switch (e->kind) {
	case EV_PACKET:
	case EV_FRAME:
	case EV_ICMP:
		arrive(s, e->p);
		break;
	case EV_CALL:
		new_call(s);
		break;
	case EV_UAS:
	case EV_UAS_AGAIN:
	case EV_UAS_MID:
	case EV_UAS_MID_AGAIN:
		trunk_event(s, e);
		break;
	case EV_DEADLINE:
		if (e->b == s->px.boot)
			oracle_deadline(s, e->a);
		break;
	case EV_LEG_DUE:
		again_leg_due(s, e->a, e->b);
		break;
	case EV_AGAIN_DUE:
		again_due(s, e->a, e->b);
		break;
	case EV_HELD:
		oracle_held(s);
		at(s, s->now + SEC, EV_HELD, 0, 0);
		break;
	case EV_MODE:
		if (!s->quiet)
			trunk_mode(s, e->a);
		break;
	case EV_OPER:
	case EV_STALL:
	case EV_KILL:
	case EV_SHORTAGE:
		disaster(s, e);
		break;
	default:
		caller_event(s, e);
		break;
	}
}

static void pass_to(struct sim *s, uint64_t when)
{
	s->now = when > s->now ? when : s->now;
}

/* Nothing happens before due. After a while without messages what calls held must be free, and again after the next if
 * one still comes; when every trunk has had time to return, too, the world is over. */
static bool is_over(struct sim *s, uint64_t due)
{
	uint64_t free_at, live = s->healed_at + 60 * SEC;
	if (due <= s->last_message + 64 * s->t1_max_ms * MS || due <= (free_at = oracle_free_at(s)) || oracle_open(s))
		return false;
	if (s->found_free != s->last_message) {
		pass_to(s, free_at);
		proxy_settle(s);
		oracle_free(s);
		s->found_free = s->last_message;
		return false;
	}
	if (due <= live)
		return false;
	pass_to(s, live);
	proxy_settle(s);
	oracle_over(s);
	return true;
}

/* Calls come to an end: what rings has Timer C, what it leaves behind 64 * T1, and callers hang up within a minute. */
static uint64_t rest_by(const struct sim *s)
{
	return s->healed_at + 4 * 64 * s->t1_max_ms * MS + 400 * SEC;
}

void world(struct sim *s)
{
	struct event e;
	uint64_t last_start = 0;
	while (!s->failed) {
		uint64_t due = proxy_due(s);
		bool event = s->n_heap && s->heap[0].at <= due;
		due = event ? s->heap[0].at : due;
		if (s->calls_started < s->n_calls)
			last_start = s->now;
		else if (!s->quiet && (s->calls_over == s->n_calls || s->now > last_start + 900 * SEC)) {
			s->quiet = true;
			s->shortage_until = 0;
			oper_heal(s);
		}
		uint64_t last_message = s->found_free;
		if (s->quiet && is_over(s, due))
			return;
		if (s->found_free != last_message)
			continue;
		if (s->quiet && due > rest_by(s))
			breach(s, "INV-REST", "%llu s after the last call there are still messages, or calls",
			        (unsigned long long)((due - s->healed_at) / SEC));
		pass_to(s, due);
		if (s->break_at && s->now >= s->break_at)
			breach(s, "INV-NONE", "as asked for");
		if (event && event_next(s, &e))
			happen(s, &e);
		else
			proxy_run(s);
	}
}

static uint32_t power_between(struct sim *s, uint32_t a, uint32_t b)
{
	uint32_t n = a;
	while (n * 2 <= b && chance(s, 600))
		n *= 2;
	return n;
}

void world_begin(struct sim *s)
{
	const struct profile *p = s->profile;
	s->rng = s->seed * 0x9e3779b97f4a7c15ull + (uint64_t)p->name[0];
	/* Some begin a little before clocks of 24 or 32 bits of milliseconds come round. */
	static const uint64_t epochs[] = {0, 0, (1ull << 24) - 20000, (1ull << 32) - 30000};
	s->now = epochs[rnd(s, 4)] * MS + 5 * SEC + rnd(s, 1000000);
	s->hash = s->seed;
	s->ucall = calloc(s->n_calls + 1, sizeof *s->ucall);
	s->ocall = calloc(s->n_calls + 1, sizeof *s->ocall);
	s->uas_heads = malloc(4096 * sizeof *s->uas_heads);
	assert(s->ucall && s->ocall && s->uas_heads);
	memset(s->uas_heads, 0xff, 4096 * sizeof *s->uas_heads);
	s->px.n_workers = rnd_in(s, 1, WORKERS_MAX);
	s->px.slots_max = rnd_in(s, p->slots_min, p->slots_max);
	s->px.ring = power_between(s, p->ring_min, p->ring_max);
	s->px.rx_max = power_between(s, p->queues_min ? p->queues_min : RX_MAX, RX_MAX);
	s->px.in_max = power_between(s, p->queues_min ? p->queues_min : IN_MAX, IN_MAX);
	struct conf c;
	conf_make(s, &c);
	s->t1_ms = c.t1_ms;
	s->frames = chance(s, p->frames_pm);
	s->mtu = rnd_in(s, 576, 1500);
	proxy_start(s);
	conf_load(s, &c);
	at(s, s->now + 3 * SEC, EV_CALL, 0, 0);
	at(s, s->now + 4 * SEC, EV_HELD, 0, 0);
	for (unsigned t = 0; t < TRUNKS_MAX; t++)
		plan(s, EV_MODE, t, p->mode_s);
	plan(s, EV_OPER, 0, p->oper_s);
	plan(s, EV_STALL, 0, p->stall_s);
	plan(s, EV_KILL, 0, p->kill_s);
	plan(s, EV_SHORTAGE, 0, p->shortage_s);
}

void world_end(struct sim *s)
{
	proxy_stop(s);
	frames_free(s);
	for (uint32_t i = 0; i < s->n_heap; i++)
		free(s->heap[i].p);
	while (s->free_packets) {
		struct packet *p = s->free_packets;
		s->free_packets = p->next;
		free(p);
	}
	while (s->arena) {
		struct arena_block *b = s->arena;
		s->arena = b->next;
		free(b);
	}
	free(s->heap);
	free(s->ucall);
	free(s->ocall);
	free(s->uas);
	free(s->uas_heads);
	free(s->byes);
	if (s->pcap)
		fclose(s->pcap);
}

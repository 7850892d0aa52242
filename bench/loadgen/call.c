/* SPDX-License-Identifier: BSD-3-Clause */
/* call.c - the generator's callers: one slot a call, from INVITE to the answer of its BYE (RFC
 * 3261 8.1, 13.2, 15.1, 17.1). */
#include "gen.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void gen_wrong(struct gen *g, const char *why, const struct gen_message *m)
{
	g->f.wrong++;
	if (!*g->f.first_wrong)
		snprintf(g->f.first_wrong, sizeof g->f.first_wrong, "%s: %.*s", why, (int)(m->len < 160 ? m->len : 160),
		        m->text);
}

/* 32 bits of xorshift: what to do next, repeatably. */
static uint32_t draw(struct gen *g)
{
	g->random ^= g->random << 13;
	g->random ^= g->random >> 7;
	g->random ^= g->random << 17;
	return (uint32_t)(g->random >> 32);
}

void gen_wait(struct gen *g, struct gen_queue *q, uint32_t slot, enum gen_op op, unsigned tries)
{
	if (!g->o.retransmit && op != GEN_OP_ANSWER && op != GEN_OP_HANG_UP && op != GEN_OP_GIVE_UP)
		return;
	q->ring[q->tail++ & q->mask] =
	        (struct gen_wait){g->now + q->delay, slot, (uint16_t)g->calls[slot].gen, (uint8_t)op, (uint8_t)tries};
}

/* From the last sending of this call to now; nothing where something was sent twice. */
void gen_measure(struct gen *g, struct gen_call *c, enum gen_latency what)
{
	if (!(c->flags & GEN_F_REPEATED))
		gen_histogram_add(&g->f.latency[what], g->now - c->sent);
}

void gen_make_slots(struct gen *g, uint32_t generation)
{
	g->free_head = g->free_tail = g->open = 0;
	for (uint32_t i = 0; i < g->o.slots; i++) {
		g->free_slots[g->free_tail++] = i;
		g->calls[i].gen = generation;
	}
}

/* All calls at once, without a word: what still comes of them is stray. */
void gen_abandon(struct gen *g)
{
	for (uint32_t i = 0; i < g->o.slots && g->open; i++) {
		if (g->calls[i].state != GEN_FREE)
			gen_close_call(g, i);
	}
}

void gen_close_call(struct gen *g, uint32_t slot)
{
	g->calls[slot].state = GEN_FREE;
	g->calls[slot].gen++;
	g->free_slots[g->free_tail++ & g->free_mask] = slot;
	g->open--;
}

static void send_request(struct gen *g, uint32_t slot, const char *method)
{
	struct rte_mbuf *m;
	char *p = gen_net_begin(g, &m);
	if (p)
		gen_net_send(g, m, gen_caller_ip(g->calls[slot].caller), gen_write_request(g, p, slot, method));
}

static void send_own(struct gen *g, uint32_t slot, const char *method)
{
	struct rte_mbuf *m;
	char *p = gen_net_begin(g, &m);
	if (p)
		gen_net_send(g, m, gen_caller_ip(g->calls[slot].caller), gen_write_own(g, p, slot, method));
}

static const char *const own_method[GEN_KINDS] = {"INVITE", "OPTIONS", "REGISTER"};

static enum gen_kind draw_kind(struct gen *g)
{
	uint32_t r = draw(g) % 100;
	if (r < g->o.percent[GEN_OPTIONS])
		return GEN_OPTIONS;
	return r < g->o.percent[GEN_OPTIONS] + g->o.percent[GEN_REGISTER] ? GEN_REGISTER : GEN_CALL;
}

static enum gen_behaviour draw_behaviour(struct gen *g)
{
	uint32_t r = draw(g) % 100, sum = 0;
	for (unsigned b = GEN_REFUSES; b < GEN_BEHAVIOURS; b++) {
		sum += g->o.behaviour[b];
		if (r < sum)
			return b;
	}
	return GEN_ANSWERS;
}

void gen_start_call(struct gen *g, uint64_t due)
{
	if (g->open == g->o.slots) {
		g->f.not_started++;
		return;
	}
	uint32_t slot = g->free_slots[g->free_head++ & g->free_mask];
	__builtin_prefetch(&g->calls[g->free_slots[(g->free_head + 8) & g->free_mask]], 1);
	struct gen_call *c = &g->calls[slot];
	g->open++;
	c->flags = 0;
	c->kind = (uint8_t)draw_kind(g);
	c->behaviour = (uint8_t)(c->kind == GEN_CALL ? draw_behaviour(g) : GEN_ANSWERS);
	c->state = c->kind == GEN_CALL ? GEN_INVITED : GEN_ASKED;
	c->caller = (uint16_t)(slot % g->o.callers);
	c->tag_len = c->route_len = c->target_len = c->block_len = 0;
	c->due = due;
	c->sent = due;
	g->f.started++;
	g->f.kind[c->kind]++;
	g->f.behaviour[c->behaviour] += c->kind == GEN_CALL;
	send_request(g, slot, own_method[c->kind]);
	if (g->o.repeat && draw(g) % 100 < g->o.repeat) {
		c->flags |= GEN_F_REPEATED;
		send_request(g, slot, own_method[c->kind]);
	}
	gen_wait(g, &g->give_up, slot, GEN_OP_GIVE_UP, 0);
	gen_wait(g, &g->repeat[0], slot, c->kind == GEN_CALL ? GEN_OP_REPEAT_INVITE : GEN_OP_REPEAT_OTHER, 1);
}

/* What is true of every response that comes to a caller: only its own Via is left, with the branch of the request it
 * answers, and From is as it was. */
static const char *response_is_wrong(struct gen *g, const struct gen_message *m, uint32_t slot)
{
	const struct gen_call *c = &g->calls[slot];
	char tag[17] = "c";
	struct gen_span from = gen_tag(m->from);
	gen_identity(tag + 1, slot, c->gen);
	if (m->n_vias != 1 || !gen_branch_is(m->via[0], m->method, slot, c->gen, &g->hint_caller))
		return "a response with other Vias than the caller's one";
	if (from.len != 17 || memcmp(from.p, tag, 17) != 0)
		return "a response whose From is not the caller's";
	if (m->status > 100 && m->status < 300 && !gen_extra_kept(g, m))
		return "a response that has lost a header field";
	return NULL;
}

static bool keep(char *to, size_t size, uint16_t *len, const char *from, size_t n)
{
	if (n > size)
		return false;
	memcpy(to, from, n);
	*len = (uint16_t)n;
	return true;
}

static bool keep_tag(struct gen_call *c, const struct gen_message *m)
{
	struct gen_span tag = gen_tag(m->to);
	return tag.p && keep(c->tag, sizeof c->tag, &c->tag_len, tag.p, tag.len);
}

/* Where the dialog goes: Contact, and the Record-Route values in the order they stand (one line here: one proxy or
 * few). */
static bool keep_dialog(struct gen_call *c, const struct gen_message *m, uint32_t slot)
{
	const char *from = m->contact.p ? memchr(m->contact.p, '<', m->contact.len) : NULL;
	const char *end = from ? memchr(from, '>', m->contact.len - (size_t)(from - m->contact.p)) : NULL;
	char wanted[18] = "t";
	gen_identity(wanted + 1, slot, c->gen);
	return end && keep_tag(c, m) && c->tag_len == 17 && memcmp(c->tag, wanted, 17) == 0 &&
	       keep(c->target, sizeof c->target, &c->target_len, from + 1, (size_t)(end - from - 1)) &&
	       keep(c->route, sizeof c->route, &c->route_len, m->routes.p, m->routes.len);
}

static void take_2xx(struct gen *g, const struct gen_message *m, uint32_t slot)
{
	struct gen_call *c = &g->calls[slot];
	if (c->state == GEN_INVITED) {
		if (!keep_dialog(c, m, slot) || m->body.len != g->o.body ||
		        memcmp(m->body.p, g->body, g->o.body) != 0) {
			gen_wrong(g, "a 200 that is not the trunk's", m);
			return;
		}
		gen_measure(g, c, GEN_L_OK);
		c->state = GEN_TALKING;
		g->f.answered++;
		gen_wait(g, &g->hang_up, slot, GEN_OP_HANG_UP, 0);
	} else if (c->state == GEN_TALKING || c->state == GEN_HUNG_UP) {
		c->flags |= GEN_F_REPEATED;
	} else {
		gen_wrong(g, "a 200 after a refusal", m);
		return;
	}
	c->sent = g->now;
	send_own(g, slot, "ACK");
}

static void take_refusal(struct gen *g, const struct gen_message *m, uint32_t slot)
{
	struct gen_call *c = &g->calls[slot];
	if (c->state != GEN_INVITED && c->state != GEN_REFUSED) {
		gen_wrong(g, "a refusal after an answer", m);
		return;
	}
	if (!keep_tag(c, m))
		c->tag_len = 0;
	c->state = GEN_REFUSED;
	send_request(g, slot, "ACK");
	if (m->status == 503)
		g->f.shed++;
	else
		g->f.refused++;
	gen_close_call(g, slot);
}

static void take_invite_response(struct gen *g, const struct gen_message *m, uint32_t slot)
{
	struct gen_call *c = &g->calls[slot];
	if (m->status >= 300) {
		take_refusal(g, m, slot);
	} else if (m->status >= 200) {
		take_2xx(g, m, slot);
	} else if (m->status == 100) {
		if (!(c->flags & (GEN_F_AT_TRUNK | GEN_F_REPEATED)))
			gen_histogram_add(&g->f.latency[GEN_L_TRYING], g->now - c->due);
	} else if (!(c->flags & GEN_F_RANG)) {
		c->flags |= GEN_F_RANG;
		gen_measure(g, c, GEN_L_RINGING);
	}
}

void gen_at_caller(struct gen *g, const struct gen_message *m)
{
	uint32_t slot, generation;
	if (!m->status || !gen_find(m, &slot, &generation)) {
		gen_wrong(g, m->status ? "a response to nothing" : "a request at a caller", m);
		return;
	}
	if (slot >= g->o.slots || g->calls[slot].gen != generation || g->calls[slot].state == GEN_FREE) {
		g->f.strays++; /* repeated, after the call was over */
		return;
	}
	struct gen_call *c = &g->calls[slot];
	const char *why = response_is_wrong(g, m, slot);
	if (why) {
		gen_wrong(g, why, m);
	} else if (m->method == 'I') {
		take_invite_response(g, m, slot);
	} else if (m->status < 200) {
		return;
	} else if (m->method == 'B' && m->status == 200) {
		if (c->state != GEN_HUNG_UP)
			return;
		gen_measure(g, c, GEN_L_BYE_OK);
		if (!(c->flags & GEN_F_ACKED))
			gen_wrong(g, "a call whose ACK was lost", m);
		g->f.completed++;
		gen_close_call(g, slot);
	} else if (c->state == GEN_ASKED && m->status == 200) {
		if (!(c->flags & GEN_F_REPEATED))
			gen_histogram_add(&g->f.latency[GEN_L_OTHER], g->now - c->due);
		g->f.completed++;
		gen_close_call(g, slot);
	} else if (m->status == 503) {
		g->f.shed++;
		gen_close_call(g, slot);
	} else {
		gen_wrong(g, "a refusal in a call", m);
	}
}

static void repeat(struct gen *g, const struct gen_wait *w)
{
	struct gen_call *c = &g->calls[w->slot];
	switch (w->op) {
	case GEN_OP_REPEAT_INVITE:
		if (c->state != GEN_INVITED || (c->flags & GEN_F_RANG))
			return;
		send_request(g, w->slot, "INVITE");
		break;
	case GEN_OP_REPEAT_OTHER:
		if (c->state != GEN_ASKED)
			return;
		send_request(g, w->slot, own_method[c->kind]);
		break;
	default:
		if (c->state != GEN_HUNG_UP)
			return;
		send_own(g, w->slot, "BYE");
	}
	g->f.repeated++;
	c->flags |= GEN_F_REPEATED;
	if (w->tries < GEN_RETRIES)
		gen_wait(g, &g->repeat[w->tries], w->slot, w->op, w->tries + 1u);
}

static void act(struct gen *g, const struct gen_wait *w)
{
	struct gen_call *c = &g->calls[w->slot];
	if ((uint16_t)c->gen != w->gen || c->state == GEN_FREE)
		return;
	switch (w->op) {
	case GEN_OP_ANSWER:
		gen_trunk_answer(g, w->slot, 0);
		break;
	case GEN_OP_REPEAT_OK:
		if (w->tries < GEN_RETRIES)
			gen_trunk_answer(g, w->slot, w->tries);
		break;
	case GEN_OP_HANG_UP:
		c->state = GEN_HUNG_UP;
		c->sent = g->now;
		send_own(g, w->slot, "BYE");
		gen_wait(g, &g->repeat[0], w->slot, GEN_OP_REPEAT_BYE, 1);
		gen_wait(g, &g->give_up, w->slot, GEN_OP_GIVE_UP, 1);
		break;
	case GEN_OP_GIVE_UP:
		if (w->tries ? c->state != GEN_HUNG_UP : c->state != GEN_INVITED && c->state != GEN_ASKED)
			return;
		g->f.lost++;
		gen_close_call(g, w->slot);
		break;
	default:
		repeat(g, w);
	}
}

static void run_queue(struct gen *g, struct gen_queue *q)
{
	for (int i = 0; i < GEN_BURST && q->head != q->tail; i++) {
		struct gen_wait w = q->ring[q->head & q->mask];
		if (w.due > g->now)
			return;
		const struct gen_call *ahead = &g->calls[q->ring[(q->head + 8) & q->mask].slot];
		__builtin_prefetch(ahead, 1);
		if (q == &g->hang_up) {
			__builtin_prefetch(ahead->target);
			__builtin_prefetch(ahead->route);
		}
		q->head++;
		act(g, &w);
	}
}

void gen_due(struct gen *g)
{
	run_queue(g, &g->answer);
	run_queue(g, &g->hang_up);
	run_queue(g, &g->give_up);
	for (int i = 0; i < GEN_RETRIES; i++)
		run_queue(g, &g->repeat[i]);
}

/* SPDX-License-Identifier: BSD-3-Clause */
/* trunk.c - the generator's trunks: four ways to meet an INVITE (RFC 3261 8.2, 13.3, 17.2). */
#include "gen.h"
#include <string.h>

static enum gen_behaviour behaviour_of(uint32_t address)
{
	return ((address >> 8 & 255) - 100) / 10;
}

static void respond(struct gen *g, const struct gen_message *m, uint32_t from, uint32_t slot, const char *status)
{
	struct rte_mbuf *frame;
	char *p = gen_net_begin(g, &frame);
	if (p)
		gen_net_send(g, frame, from, gen_write_response(g, m, p, slot, g->calls[slot].gen, status));
}

static void answer(struct gen *g, uint32_t slot, const char *status, bool sdp)
{
	struct gen_call *c = &g->calls[slot];
	struct rte_mbuf *frame;
	char *p = gen_net_begin(g, &frame);
	if (!p)
		return;
	c->sent = g->now;
	gen_net_send(g, frame, gen_trunk_ip(GEN_ANSWERS, c->trunk), gen_write_answer(g, p, c, slot, status, sdp));
}

/* The 200 and, until the ACK comes, its repetitions (13.3.1.4). */
void gen_trunk_answer(struct gen *g, uint32_t slot, unsigned tries)
{
	struct gen_call *c = &g->calls[slot];
	if ((c->flags & GEN_F_ACKED) || (c->state != GEN_INVITED && c->state != GEN_TALKING))
		return;
	if (tries) {
		g->f.repeated++;
		c->flags |= GEN_F_REPEATED;
	}
	c->flags |= GEN_F_ANSWERED;
	answer(g, slot, "200 OK", true);
	gen_wait(g, &g->repeat[tries], slot, GEN_OP_REPEAT_OK, tries + 1);
}

/* What a proxy may change is what differs: one hop less, its Via on top, our branch beneath, its Route taken off, all
 * else as it was (RFC 3261 16.6). CANCEL and the ACK of a refusal are the proxy's own. */
static const char *request_is_wrong(struct gen *g, const struct gen_message *m, uint32_t slot)
{
	static const uint32_t nothing;
	uint32_t body = m->start == 'I' ? g->o.body : nothing;
	if (m->start != m->method)
		return "a request whose CSeq is of another method";
	if (m->n_vias < 2)
		return "a request without the proxy's Via";
	if (!gen_branch_is(m->via[m->n_vias - 1], m->start, slot, g->calls[slot].gen, &g->hint_trunk))
		return "a request whose last Via is not the caller's";
	if (m->max_forwards != 69)
		return "Max-Forwards is not one less";
	if (m->routed)
		return "a request that still has a Route";
	if (m->body.len != body || memcmp(m->body.p, g->body, body) != 0)
		return "a request's body has changed";
	return gen_extra_kept(g, m) ? NULL : "a request that has lost a header field";
}

static void take_invite(struct gen *g, const struct gen_message *m, uint32_t slot, uint32_t to)
{
	struct gen_call *c = &g->calls[slot];
	if (c->flags & GEN_F_AT_TRUNK) { /* again: it has missed our provisional */
		c->flags |= GEN_F_REPEATED;
		respond(g, m, to, slot, "100 Trying");
		return;
	}
	size_t len = gen_write_block(m, c->block, sizeof c->block);
	if (!len) {
		gen_wrong(g, "an INVITE with more Via and Record-Route than fit", m);
		return;
	}
	c->block_len = (uint16_t)len;
	c->flags |= GEN_F_AT_TRUNK;
	c->trunk = (uint16_t)((to >> 8 & 255) % 10 * 100 + (to & 255) - 100);
	if (c->behaviour != GEN_ANSWERS)
		gen_histogram_add(&g->f.latency[GEN_L_AFTER_503 + c->behaviour - GEN_REFUSES], g->now - c->due);
	else if (!(c->flags & GEN_F_REPEATED))
		gen_histogram_add(&g->f.latency[GEN_L_INVITE], g->now - c->due);
	respond(g, m, to, slot, "100 Trying");
	answer(g, slot, "180 Ringing", false);
	if (g->answer.delay)
		gen_wait(g, &g->answer, slot, GEN_OP_ANSWER, 0);
	else
		gen_trunk_answer(g, slot, 0);
}

static void meet_invite(
        struct gen *g, const struct gen_message *m, uint32_t slot, const struct rte_mbuf *frame, uint32_t to)
{
	switch (behaviour_of(to)) {
	case GEN_REFUSES:
		respond(g, m, to, slot, "503 Service Unavailable");
		break;
	case GEN_ICMP:
		gen_net_icmp(g, frame);
		break;
	case GEN_SILENT:
		break;
	default:
		take_invite(g, m, slot, to);
	}
}

static void take_ack(struct gen *g, const struct gen_message *m, uint32_t slot, uint32_t to)
{
	struct gen_call *c = &g->calls[slot];
	if (behaviour_of(to) == GEN_REFUSES) {
		g->f.refusals_acked++; /* the proxy's own (17.1.1.3) */
		return;
	}
	if (!(c->flags & GEN_F_ANSWERED)) {
		gen_wrong(g, "an ACK for nothing", m);
		return;
	}
	if (!(c->flags & GEN_F_ACKED))
		gen_measure(g, c, GEN_L_ACK);
	c->flags |= GEN_F_ACKED;
}

void gen_at_trunk(struct gen *g, const struct gen_message *m, const struct rte_mbuf *frame, uint32_t to)
{
	uint32_t slot, generation;
	if (m->status) {
		gen_wrong(g, "a response at a trunk", m);
		return;
	}
	if (!gen_find(m, &slot, &generation)) {
		g->f.others++; /* a probe, say: any answer will do */
		if (m->method != 'A' && m->len < 1200) {
			struct rte_mbuf *out;
			char *p = gen_net_begin(g, &out);
			if (p)
				gen_net_send(g, out, to, gen_write_response(g, m, p, 0, 0, "200 OK"));
		}
		return;
	}
	if (slot >= g->o.slots || g->calls[slot].gen != generation) {
		g->f.strays++;
		return;
	}
	struct gen_call *c = &g->calls[slot];
	bool own = m->start == 'C' || (m->start == 'A' && behaviour_of(to) == GEN_REFUSES);
	const char *why = own ? NULL : request_is_wrong(g, m, slot);
	if (why) {
		gen_wrong(g, why, m);
		return;
	}
	switch (m->start) {
	case 'I':
		meet_invite(g, m, slot, frame, to);
		break;
	case 'A':
		take_ack(g, m, slot, to);
		break;
	case 'B':
		if (!(c->flags & GEN_F_REPEATED) && c->state == GEN_HUNG_UP)
			gen_measure(g, c, GEN_L_BYE);
		c->sent = g->now;
		respond(g, m, to, slot, "200 OK");
		break;
	default:
		respond(g, m, to, slot, "200 OK");
	}
}

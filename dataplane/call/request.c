/* SPDX-License-Identifier: BSD-3-Clause */
/* request.c - a request that belongs to no transaction yet: is it in a dialog, is it welcome, where does it go (16.3
 * to 16.6). */
#include "dataplane/call/txn.h"

bool sb_request_trusted(const struct sb_core *c, const struct sb_pkt *pkt)
{
	const struct sb_snap_listener *l = pkt->listener;
	for (uint32_t i = 0; i < l->n_trust; i++)
		if (sb_net_has(&c->snap->nets[l->trust + i], &pkt->peer))
			return true;
	return false;
}

/* The bucket of a source: its own, or the one of its set that has rested longest. */
static struct sb_rate *bucket(struct sb_core *c, uint64_t h)
{
	struct sb_rate *set = &c->rates[h & (SB_RATE_SOURCES - 1) & ~(SB_RATE_WAYS - 1ull)], *oldest = set;
	for (unsigned i = 0; i < SB_RATE_WAYS; i++) {
		if (set[i].hash == h)
			return &set[i];
		if (set[i].at_ms < oldest->at_ms)
			oldest = &set[i];
	}
	oldest->hash = h;
	oldest->at_ms = 0;
	return oldest;
}

/* Token bucket, one second deep. Call-IDs spread a source's calls over the workers, so each lets its part through. */
static bool over_rate(struct sb_core *c, const struct sb_addr *source)
{
	uint32_t rate = (c->snap->invite_rate_per_source + c->cfg.n_workers - 1u) / c->cfg.n_workers;
	if (rate == 0)
		return false;
	const struct sb_piece piece = {source->ip, sizeof source->ip};
	struct sb_rate *r = bucket(c, sb_hash(c->table_key, 0, &piece, 1));
	uint64_t full = (uint64_t)rate * 1000, passed = c->now_ms - r->at_ms;
	uint64_t tokens = r->at_ms && passed < 1000 ? r->milli + passed * rate : full;
	if (tokens > full)
		tokens = full;
	r->at_ms = c->now_ms;
	r->milli = (uint32_t)(tokens >= 1000 ? tokens - 1000 : tokens);
	return tokens < 1000;
}

/* What must be the same when a request comes round again (16.6 step 8). */
static uint32_t loop_hash(const struct sb_core *c, const struct sb_sip *sip)
{
	const struct sb_piece pieces[] = {{sb_at(sip, sip->uri_text), sip->uri_text.len},
	        {sb_at(sip, sip->from_tag), sip->from_tag.len}, {sb_at(sip, sip->call_id), sip->call_id.len}};
	return (uint32_t)sb_hash(c->loop_key, sip->cseq, pieces, 3);
}

/* A Via of ours below the top with the same loop hash: our own request has come back unchanged (R3261-16.3). */
static bool looped(const struct sb_core *c, const struct sb_sip *sip, uint32_t loop)
{
	struct sb_via via = sip->via;
	struct sb_cookie k;
	for (unsigned i = 0; i < SB_SIP_VALUES_MAX; i++) {
		if (via.branch.len == SB_BRANCH_LEN &&
		        sb_cookie_read(&c->cfg.keys, sb_at(sip, via.branch), via.branch.len, &k) == 0 &&
		        k.kind == SB_COOKIE_TXN && k.loop == loop)
			return true;
		uint16_t next = via.next;
		if (!next || sb_sip_via_at(sip, next, &via))
			return false;
	}
	return true; /* more Vias than anything sane: it is going round */
}

/* OPTIONS addressed to the proxy itself: a neighbour's keepalive. */
static bool to_ourselves(const struct sb_core *c, const struct sb_sip *sip)
{
	struct sb_addr a;
	memset(&a, 0, sizeof a);
	if (sip->method != SB_M_OPTIONS || sip->uri.user.len || sip->uri.scheme == SB_SCHEME_TEL ||
	        sb_addr_parse_ip(sip->text + sip->uri.host.off, sip->uri.host.len, &a))
		return false;
	a.port = sip->uri.port ? sip->uri.port : 5060;
	return sb_listener_at(c->snap, &a) != NULL;
}

static void steer(struct sb_core *c, const struct sb_pkt *pkt, const struct sb_sip *sip, const struct sb_look *look,
        struct sb_candidates *out)
{
	char number[SB_PREFIX_MAX];
	struct sb_steer_key key = {.number = number,
	        .number_len = sb_uri_number(sip->text, &sip->uri, number, sizeof number),
	        .domain = sip->text + sip->uri.host.off,
	        .domain_len = sip->uri.host.len,
	        .source = pkt->peer,
	        .hash = look->call,
	        .now_ms = c->now_ms};
	sb_steer(c->snap, c->cfg.health, &key, out);
}

/* P22: what was passed over is told, and a panic is told and counted (P5). */
static void tell_choice(
        struct sb_core *c, const struct sb_txn *t, const struct sb_candidates *cand, const struct sb_sip *sip)
{
	for (unsigned i = 0; i < cand->n_skipped; i++) {
		const struct sb_candidate *s = &cand->skipped[i];
		if (s->pick != SB_PICK_DOWN && s->pick != SB_PICK_ADMIN)
			continue;
		uint16_t slot = c->snap->trunks[s->trunk].slot;
		struct sb_mail m = {.kind = SB_EVENT_SKIPPED, .trunk = slot, .trunk2 = SB_NO_TRUNK, .code = s->state};
		m.event.code2 = (uint8_t)sb_health_read(c->cfg.health, slot).admin;
		sb_tell_event(c, t, &m, sip);
	}
	if (cand->n && cand->list[0].pick == SB_PICK_PANIC) {
		struct sb_mail m = {.kind = SB_EVENT_PANIC,
		        .trunk = c->snap->trunks[cand->list[0].trunk].slot,
		        .trunk2 = SB_NO_TRUNK,
		        .code = SB_DOWN};
		sb_count(c->cfg.counters, SB_C_panics);
		sb_tell_event(c, t, &m, sip);
	}
}

static void fill(struct sb_core *c, struct sb_txn *t, const struct sb_pkt *pkt, const struct sb_sip *sip,
        const struct sb_candidates *cand)
{
	t->method = sip->method;
	t->up = sb_out_target(sip, &pkt->peer); /* only the port differs */
	t->source_port = pkt->peer.port;
	t->up_listener = (uint16_t)(pkt->listener - c->snap->listeners);
	t->n_legs = cand->n;
	for (unsigned i = 0; i < cand->n; i++)
		t->leg[i] = (struct sb_leg){.trunk = cand->list[i].trunk, .next = SB_NEVER, .end = SB_NEVER};
}

static struct sb_end begin(struct sb_core *c, const struct sb_pkt *pkt, const struct sb_sip *sip,
        const struct sb_candidates *cand, unsigned strip, uint32_t loop, const struct sb_look *look)
{
	bool invite = sip->method == SB_M_INVITE;
	if (sip->len + SB_RELAY_GROWTH > SB_SIP_MAX)
		return sb_out_reply(c, pkt, sip, 513, NULL, NULL);
	struct sb_text text = sb_store_put(&c->store, sip->text, sip->len);
	struct sb_txn *t = text.at ? sb_txn_new(c, invite ? SB_TXN_INVITE : SB_TXN_OTHER) : NULL;
	if (!t) {
		sb_store_drop(&c->store, &text);
		return sb_shed_table_full(c, pkt, sip);
	}
	fill(c, t, pkt, sip, cand);
	t->request = text;
	t->strip_routes = strip & 3;
	t->loop = loop;
	t->keyed.key = look->key;
	t->keyed.key2 = look->key2;
	t->magic = look->magic;
	sb_table_add(&c->table, sb_txn_slot(c, t));
	tell_choice(c, t, cand, sip);
	return invite ? sb_invite_new(c, t, pkt, sip) : sb_other_new(c, t, pkt, sip);
}

/* A request that no trunk is needed to refuse. status 0: it may go on. */
static unsigned refusal(const struct sb_core *c, const struct sb_sip *sip, const struct sb_own_route *own)
{
	if (sip->method == SB_M_CANCEL)
		return 481;
	if (own->owner == SB_ROUTE_UNSIGNED && sip->to_tag.len)
		return 403; /* in a dialog that we never signed: the proxy is no open relay */
	if (sip->max_forwards.len && sip->max_forwards_value == 0)
		return 483;
	if (to_ourselves(c, sip))
		return 200;
	return 0;
}

struct sb_end sb_request_in_dialog(
        struct sb_core *c, const struct sb_pkt *pkt, const struct sb_sip *sip, const struct sb_own_route *own)
{
	char extra[SB_UNSUPPORTED_MAX];
	bool ack = sip->method == SB_M_ACK;
	if (sip->max_forwards.len && sip->max_forwards_value == 0)
		return ack ? sb_ended(SB_C_drop_stray_ack) : sb_out_reply(c, pkt, sip, 483, NULL, NULL);
	if (sip->proxy_require_line && !ack && sip->method != SB_M_CANCEL) {
		sb_compose_unsupported(sip, extra, sizeof extra);
		return sb_out_reply(c, pkt, sip, 420, NULL, extra);
	}
	return sb_dialog_request(c, pkt, sip, own);
}

struct sb_end sb_request_new(struct sb_core *c, const struct sb_pkt *pkt, const struct sb_sip *sip,
        const struct sb_look *look, const struct sb_own_route *own)
{
	struct sb_own_route walked;
	struct sb_candidates cand;
	char extra[SB_UNSUPPORTED_MAX];
	if (!own) {
		sb_dialog_own_route(c, sip, &walked);
		own = &walked;
	}
	/* Without a To tag it begins a dialog, whatever it carries; unless who is called never had one. */
	if (own->owner == SB_ROUTE_SIGNED && (sip->to_tag.len || own->to_initiator))
		return sb_request_in_dialog(c, pkt, sip, own);
	if (sip->method == SB_M_ACK)
		return sb_ended(SB_C_drop_stray_ack);
	if (!sb_request_trusted(c, pkt))
		return sb_out_reply(c, pkt, sip, 403, NULL, NULL); /* one answer, no state, nothing resent (P21) */
	unsigned status = refusal(c, sip, own);
	if (status)
		return sb_out_reply(c, pkt, sip, status, NULL, NULL);
	if (sip->proxy_require_line) {
		sb_compose_unsupported(sip, extra, sizeof extra);
		return sb_out_reply(c, pkt, sip, 420, NULL, extra);
	}
	if (sip->method == SB_M_INVITE && sb_shed_call(c, look->call))
		return sb_shed_overload(c, pkt, sip, look); /* before all that costs */
	uint32_t loop = loop_hash(c, sip);
	if (looped(c, sip, loop))
		return sb_out_reply(c, pkt, sip, 482, NULL, NULL);
	if (sip->method == SB_M_INVITE && over_rate(c, &pkt->peer)) {
		sb_count(c->cfg.counters, SB_C_shed_rate);
		return sb_shed_reply(c, pkt, sip);
	}
	steer(c, pkt, sip, look, &cand);
	if (!cand.route)
		return sb_out_reply(c, pkt, sip, 404, NULL, NULL);
	if (cand.n == 0)
		return sb_shed_reply(
		        c, pkt, sip); /* the operator has switched every trunk off: another edge may do better */
	return begin(c, pkt, sip, &cand, own->n, loop, look);
}

/* SPDX-License-Identifier: BSD-3-Clause */
/* leg.c - what goes to one trunk: the request, its retransmissions, ACK, CANCEL, and the end of a 2xx nobody wants. */
#include "dataplane/call/txn.h"

const struct sb_snap_trunk *sb_leg_trunk(const struct sb_txn *t, unsigned leg)
{
	return &t->snap->trunks[t->leg[leg].trunk];
}

static const struct sb_snap_listener *leg_listener(const struct sb_txn *t, unsigned leg)
{
	return &t->snap->listeners[sb_leg_trunk(t, leg)->listener];
}

void sb_leg_branch(const struct sb_core *c, const struct sb_txn *t, unsigned leg, char branch[SB_BRANCH_LEN])
{
	struct sb_cookie k = {.kind = SB_COOKIE_TXN,
	        .worker = c->cfg.worker,
	        .leg = (uint8_t)leg,
	        .slot = sb_txn_slot(c, t),
	        .gen = t->gen,
	        .loop = t->loop};
	sb_cookie_write(&c->cfg.keys, &k, branch);
}

/* Only requests that make a dialog are record-routed; in ACK and CANCEL it would mean nothing. */
static bool makes_dialog(uint8_t method)
{
	return method == SB_M_INVITE || method == SB_M_SUBSCRIBE || method == SB_M_REFER;
}

static void sign_route(
        const struct sb_core *c, const struct sb_sip *sip, const struct sb_snap_listener *l, struct sb_relay *r)
{
	unsigned i = r->n_record_routes++;
	r->record_route[i].hostport = l->hostport;
	r->record_route[i].hostport_len = l->hostport_len;
	sb_rr_token(&c->cfg.keys, sb_at(sip, sip->call_id), sip->call_id.len, sb_at(sip, sip->from_tag),
	        sip->from_tag.len, l->hostport, l->hostport_len, r->record_route[i].token);
}

/* The same request to the same leg always gives the same bytes: retransmissions are composed anew, not stored. */
static void relay_of(const struct sb_core *c, const struct sb_txn *t, unsigned leg, const struct sb_sip *sip,
        struct sb_relay *r, char branch[SB_BRANCH_LEN])
{
	const struct sb_snap_listener *out = leg_listener(t, leg), *in = &t->snap->listeners[t->up_listener];
	sb_leg_branch(c, t, leg, branch);
	r->via_hostport = out->hostport;
	r->via_hostport_len = out->hostport_len;
	r->branch = branch;
	r->source = sb_txn_source(t);
	r->strip_routes = t->strip_routes;
	r->n_record_routes = 0;
	if (!makes_dialog(t->method))
		return;
	sign_route(c, sip, out, r);
	if (out != in) /* two listeners, two values, the one nearer to the callee on top (RFC 5658) */
		sign_route(c, sip, in, r);
}

static bool send_to_leg(struct sb_core *c, struct sb_txn *t, unsigned leg, struct sb_pkt *pkt, int n)
{
	return sb_out_send(c, pkt, n, &sb_leg_trunk(t, leg)->addr, leg_listener(t, leg));
}

/* BYE of ours is stored as composed, so it goes out as it is. */
static bool resend_bye(struct sb_core *c, struct sb_txn *t)
{
	return sb_out_text(c, t->request, &t->up, &t->snap->listeners[t->up_listener]);
}

bool sb_leg_send(struct sb_core *c, struct sb_txn *t, unsigned leg, const struct sb_sip *sip)
{
	struct sb_sip stored;
	struct sb_relay r;
	char branch[SB_BRANCH_LEN];
	if (t->leg[leg].sends < 255)
		t->leg[leg].sends++;
	if (t->leg[leg].on_wire)
		sb_count(c->cfg.counters, SB_C_retransmissions_out);
	else if (t->cancelled)
		return true; /* it never left: there is nothing to begin now */
	if (t->kind == SB_TXN_BYE)
		return resend_bye(c, t);
	if (!sip) {
		sb_sip_index(&stored, sb_store_text(&c->store, t->request), t->request.len);
		sip = &stored;
	}
	struct sb_pkt *pkt = sb_out_alloc(c, sip->len + SB_RELAY_GROWTH);
	if (!pkt)
		return true; /* our want, not the trunk's fault: as if lost on the way; the next send makes it good */
	t->leg[leg].on_wire = 1;
	relay_of(c, t, leg, sip, &r, branch);
	return send_to_leg(c, t, leg, pkt, sb_compose_request(sip, &r, pkt->text, pkt->cap));
}

void sb_leg_last(struct sb_txn *t, unsigned leg)
{
	struct sb_leg *l = &t->leg[leg];
	uint64_t end = (uint64_t)l->started + 64 * t->snap->t1_ms;
	l->flags |= SB_LEG_LAST;
	l->end = (uint32_t)end;
	for (unsigned i = leg; i + 1 < t->n_legs; i++)
		end += sb_formula_ms(sb_leg_trunk(t, i));
	if (t->hunt_end == SB_NEVER)
		t->hunt_end = (uint32_t)end; /* no formula is a day long */
	else if (l->end > t->hunt_end)
		l->end = t->hunt_end;
}

void sb_leg_begin(struct sb_core *c, struct sb_txn *t, unsigned leg, bool last)
{
	struct sb_leg *l = &t->leg[leg];
	const struct sb_snap_trunk *trunk = sb_leg_trunk(t, leg);
	struct sb_trunk_stats *st = sb_stats_of(c, t, l->trunk);
	uint32_t now = sb_txn_now(c, t);
	uint64_t end = now + sb_formula_ms(trunk);

	l->state = SB_LEG_CALLING;
	l->started = now;
	l->next = now + trunk->trying_timer_ms;
	l->end = end < t->hunt_end ? (uint32_t)end : t->hunt_end;
	if (!last && trunk->sends <= 1)
		l->next = SB_NEVER;
	if (last)
		sb_leg_last(t, leg);
	sb_stat_add(t->kind == SB_TXN_INVITE ? &st->calls : &st->requests, 1);
	sb_stat_add(&st->active, 1);
}

static bool active(const struct sb_leg *l)
{
	return (l->state == SB_LEG_CALLING || l->state == SB_LEG_PROCEEDING) && !(l->flags & SB_LEG_GIVEN_UP);
}

void sb_leg_give_up(struct sb_core *c, struct sb_txn *t, unsigned leg)
{
	struct sb_leg *l = &t->leg[leg];
	if (active(l))
		sb_stat_add(&sb_stats_of(c, t, l->trunk)->active, -1);
	l->flags |= SB_LEG_GIVEN_UP;
	if (l->state == SB_LEG_CALLING)
		l->next = l->end = SB_NEVER; /* silent, but a late answer is still listened to */
}

bool sb_leg_retransmit(struct sb_core *c, struct sb_txn *t, unsigned leg)
{
	struct sb_leg *l = &t->leg[leg];
	uint64_t a = t->kind == SB_TXN_BYE ? t->snap->t1_ms : sb_leg_trunk(t, leg)->trying_timer_ms;
	uint64_t step = a << (l->sends < 24 ? l->sends : 24);
	bool sent = sb_leg_send(c, t, leg, NULL);
	if (t->kind != SB_TXN_INVITE && (step > t->snap->t2_ms || l->state == SB_LEG_PROCEEDING))
		step = t->snap->t2_ms; /* Timer E (17.1.2.2) */
	l->next += step < SB_NEVER / 2 ? (uint32_t)step : SB_NEVER / 2;
	if (t->kind == SB_TXN_INVITE && !(l->flags & SB_LEG_LAST) && l->sends >= sb_leg_trunk(t, leg)->sends)
		l->next = SB_NEVER; /* the formula's n sends are out: only its end is awaited */
	return sent;
}

void sb_leg_settle(struct sb_core *c, struct sb_txn *t, unsigned leg, enum sb_leg_state state)
{
	struct sb_leg *l = &t->leg[leg];
	bool was = active(l) && t->kind != SB_TXN_BYE;
	l->state = (uint8_t)state;
	if (was != (active(l) && t->kind != SB_TXN_BYE)) /* a leg thought dead may come to life again */
		sb_stat_add(&sb_stats_of(c, t, l->trunk)->active, was ? -1 : 1);
	if (!active(l))
		l->next = l->end = SB_NEVER;
}

void sb_leg_alive(struct sb_core *c, struct sb_txn *t, unsigned leg)
{
	if (t->leg[leg].flags & SB_LEG_ALIVE_TOLD)
		return;
	t->leg[leg].flags |= SB_LEG_ALIVE_TOLD;
	if (sb_tell_still_there(c, t, t->leg[leg].trunk))
		sb_stat_add(&sb_stats_of(c, t, t->leg[leg].trunk)->alive, 1);
}

void sb_leg_ack(struct sb_core *c, struct sb_txn *t, unsigned leg, const struct sb_sip *response)
{
	struct sb_sip sip;
	struct sb_relay r;
	char branch[SB_BRANCH_LEN];
	sb_sip_index(&sip, sb_store_text(&c->store, t->request), t->request.len);
	struct sb_pkt *pkt = sb_out_alloc(c, sip.body + response->to_line.len + SB_RELAY_GROWTH);
	if (!pkt)
		return; /* the trunk resends its final and is ACKed then */
	relay_of(c, t, leg, &sip, &r, branch);
	send_to_leg(c, t, leg, pkt,
	        sb_compose_ack(
	                &sip, &r, sb_at(response, response->to_line), response->to_line.len, pkt->text, pkt->cap));
}

static void send_cancel(struct sb_core *c, struct sb_txn *t, unsigned leg)
{
	struct sb_sip sip;
	struct sb_relay r;
	char branch[SB_BRANCH_LEN];
	sb_sip_index(&sip, sb_store_text(&c->store, t->request), t->request.len);
	struct sb_pkt *pkt = sb_out_alloc(c, sip.body + SB_RELAY_GROWTH);
	if (!pkt)
		return; /* Timer E sends it again */
	relay_of(c, t, leg, &sip, &r, branch);
	send_to_leg(c, t, leg, pkt, sb_compose_cancel(&sip, &r, pkt->text, pkt->cap));
}

void sb_leg_cancel(struct sb_core *c, struct sb_txn *t, unsigned leg)
{
	struct sb_leg *l = &t->leg[leg];
	if (l->flags & SB_LEG_CANCEL_SENT)
		return;
	if (l->state != SB_LEG_PROCEEDING) {
		l->flags |= SB_LEG_CANCEL_WANTED;
		return;
	}
	l->flags |= SB_LEG_CANCEL_SENT;
	l->end = sb_txn_now(c, t) + 64 * t->snap->t1_ms; /* 9.1: then it counts as ended */
	sb_leg_cancel_again(c, t, leg);
}

void sb_leg_cancel_again(struct sb_core *c, struct sb_txn *t, unsigned leg)
{
	struct sb_leg *l = &t->leg[leg];
	uint64_t wait = (uint64_t)t->snap->t1_ms << (l->cancel_sends < 16 ? l->cancel_sends : 16);
	l->next = sb_txn_now(c, t) + (uint32_t)(wait < t->snap->t2_ms ? wait : t->snap->t2_ms);
	if (l->cancel_sends < 127)
		l->cancel_sends++;
	send_cancel(c, t, leg);
}

/* Where the ACK and BYE of a 2xx go: to the peer it came from if somebody there record-routed or its Contact is a name,
 * else to its Contact, as a UAC would. */
static struct sb_addr after_2xx_target(
        const struct sb_pkt *pkt, const struct sb_sip *r, const char *own, size_t own_len)
{
	struct sb_addr to;
	struct sb_route_walk walk = {.line = r->record_route_line};
	struct sb_route route;
	struct sb_uri uri;
	bool bad;
	if (r->record_route_line && sb_sip_route_next(r, &walk, &route, &bad) &&
	        !memmem(sb_at(r, route.uri), route.uri.len, own, own_len))
		return pkt->peer;
	if (!r->contact.len || sb_uri_parse(r->text, r->contact, &uri) ||
	        sb_addr_parse_ip(r->text + uri.host.off, uri.host.len, &to) || to.family != pkt->peer.family)
		return pkt->peer;
	to.port = uri.port ? uri.port : 5060;
	return to;
}

/* 13.2.2.4: the ACK to a 2xx has a branch of its own; nothing ever answers it. */
static void stateless_branch(const struct sb_core *c, const struct sb_txn *t, char branch[SB_BRANCH_LEN])
{
	const uint64_t words[SB_MAC_WORDS] = {t->keyed.key, t->keyed.key2};
	struct sb_cookie k = {
	        .kind = SB_COOKIE_STATELESS, .mac = sb_branch_mac(&c->cfg.keys, words, NULL, 0), .loop = t->loop};
	sb_cookie_write(&c->cfg.keys, &k, branch);
}

static struct sb_txn *bye_txn(struct sb_core *c, struct sb_txn *t, unsigned leg, const struct sb_addr *to)
{
	struct sb_txn *bye = sb_txn_new(c, SB_TXN_BYE);
	if (!bye)
		return NULL;
	/* It lives by the snapshot of its call, whatever was loaded since. */
	sb_snapshot_drop(bye->snap, c->cfg.worker);
	bye->snap = t->snap;
	sb_snapshot_hold(bye->snap, c->cfg.worker);
	bye->method = SB_M_BYE;
	bye->up = *to;
	bye->up_listener = sb_leg_trunk(t, leg)->listener;
	bye->n_legs = 1;
	bye->leg[0] = (struct sb_leg){.trunk = t->leg[leg].trunk,
	        .state = SB_LEG_CALLING,
	        .sends = 1,
	        .on_wire = 1,
	        .next = t->snap->t1_ms,
	        .end = 64 * t->snap->t1_ms};
	return bye;
}

/* The BYE is a client transaction of its own: retransmitted until it is answered or 64*T1 are over. Without room for
 * one it goes out once for each 2xx that is repeated. True: it need not be started again. */
static bool send_bye(struct sb_core *c, struct sb_txn *t, unsigned leg, const struct sb_addr *to,
        const struct sb_sip *r, const struct sb_sip *request)
{
	const struct sb_snap_listener *from = leg_listener(t, leg);
	char branch[SB_BRANCH_LEN];
	struct sb_pkt *pkt = sb_out_alloc(c, r->len + SB_RELAY_GROWTH);
	if (!pkt)
		return false;
	struct sb_txn *bye = bye_txn(c, t, leg, to);
	if (bye)
		sb_leg_branch(c, bye, 0, branch);
	else
		stateless_branch(c, t, branch);
	int n = sb_compose_after_2xx(
	        r, request, SB_M_BYE, from->hostport, from->hostport_len, branch, pkt->text, pkt->cap);
	if (bye && n > 0)
		bye->request = sb_store_put(&c->store, pkt->text, (uint32_t)n);
	sb_out_send(c, pkt, n, to, from);
	if (bye && bye->request.at)
		sb_txn_arm(c, bye);
	else if (bye)
		sb_txn_free(c, bye);
	return bye && bye->kind == SB_TXN_BYE;
}

void sb_leg_unwanted(
        struct sb_core *c, struct sb_txn *t, unsigned leg, const struct sb_pkt *pkt, const struct sb_sip *response)
{
	const struct sb_snap_listener *from = leg_listener(t, leg);
	struct sb_sip request;
	char branch[SB_BRANCH_LEN];
	sb_sip_index(&request, sb_store_text(&c->store, t->request), t->request.len);
	struct sb_addr to = after_2xx_target(pkt, response, from->hostport, from->hostport_len);
	struct sb_pkt *ack = sb_out_alloc(c, response->len + SB_RELAY_GROWTH);
	if (ack) {
		stateless_branch(c, t, branch);
		int n = sb_compose_after_2xx(
		        response, &request, SB_M_ACK, from->hostport, from->hostport_len, branch, ack->text, ack->cap);
		sb_out_send(c, ack, n, &to, from);
	}
	/* A fork behind the trunk may send several 2xx: each dialog, told by its To tag, has its BYE. */
	struct sb_leg *l = &t->leg[leg];
	const struct sb_piece tag = {sb_at(response, response->to_tag), response->to_tag.len};
	uint32_t dialog = (uint32_t)sb_hash(c->table_key, 0, &tag, 1);
	if (((l->flags & SB_LEG_BYE_SENT) && l->started == dialog) || !send_bye(c, t, leg, &to, response, &request))
		return;
	l->flags |= SB_LEG_BYE_SENT;
	l->started = dialog; /* when it began matters no more */
}

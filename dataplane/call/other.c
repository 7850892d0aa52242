/* SPDX-License-Identifier: BSD-3-Clause */
/* other.c - requests other than INVITE, outside a dialog (RFC 3261 17.1.2, 17.2.2; R4320; S1.2), and our own BYE. */
#include "dataplane/call/txn.h"

static const struct sb_snap_listener *up_listener(const struct sb_txn *t)
{
	return &t->snap->listeners[t->up_listener];
}

/* The final that went up is kept 64*T1 for retransmissions (Timer J). The request is not needed any more. */
static void complete(struct sb_core *c, struct sb_txn *t, unsigned status)
{
	t->srv = SB_SRV_COMPLETED;
	t->up_status = status;
	/* Told nothing, the caller repeats itself until its own Timer F, and the network may be slow about the last
	 * one. */
	t->up_end = sb_txn_now(c, t) + 64 * t->snap->t1_ms + (t->last.at ? 0 : t->snap->t4_ms);
	for (unsigned i = 0; i < t->n_legs; i++)
		if (t->leg[i].state == SB_LEG_CALLING || t->leg[i].state == SB_LEG_PROCEEDING)
			sb_leg_settle(c, t, i, SB_LEG_DEAD);
	sb_store_drop(&c->store, &t->request);
}

static bool send_final(struct sb_core *c, struct sb_txn *t, unsigned status)
{
	sb_store_drop(&c->store, &t->last);
	t->last = t->best;
	memset(&t->best, 0, sizeof t->best);
	bool sent = sb_out_text(c, t->last, &t->up, up_listener(t));
	complete(c, t, status);
	return sent;
}

static bool send_own(struct sb_core *c, struct sb_txn *t, unsigned status)
{
	struct sb_sip sip;
	char tag[16];
	sb_sip_index(&sip, sb_store_text(&c->store, t->request), t->request.len);
	sb_out_tag(c, &sip, tag);
	struct sb_reply reply = {.status = status,
	        .reason = sb_reason(status),
	        .to_tag = tag,
	        .to_tag_len = sizeof tag,
	        .source = sb_txn_source(t)};
	struct sb_pkt *pkt = sb_out_alloc(c, sip.body + SB_RELAY_GROWTH);
	int n = pkt ? sb_compose_reply(&sip, &reply, pkt->text, pkt->cap) : -1;
	if (n > 0)
		t->last = sb_store_put(&c->store, pkt->text, (uint32_t)n);
	bool sent = pkt && sb_out_send(c, pkt, n, &t->up, up_listener(t));
	complete(c, t, status);
	return sent;
}

/* Nobody is left to ask: the best answer, 500 for an unreachable trunk, and nothing at all for silence (R4320). */
static bool exhausted(struct sb_core *c, struct sb_txn *t)
{
	if (t->best.at)
		return send_final(c, t, t->best_status);
	if (t->best_status && t->best_status != 408)
		return send_own(c, t, t->best_status == 503 ? 500 : t->best_status);
	complete(c, t, 0);
	return false;
}

struct sb_end sb_other_new(struct sb_core *c, struct sb_txn *t, const struct sb_pkt *pkt, const struct sb_sip *sip)
{
	sb_count(c->cfg.counters, SB_C_requests);
	bool sent = sb_hunt_next(c, t, SB_EV_SEND, sip);
	if (!sent)
		exhausted(c, t);
	sb_txn_arm(c, t);
	return sb_ended(sent ? SB_C_end_forwarded : SB_C_end_replied);
}

struct sb_end sb_other_again(struct sb_core *c, struct sb_txn *t)
{
	sb_count(c->cfg.counters, SB_C_retransmissions_in);
	if (t->srv == SB_SRV_COMPLETED && t->last.at) {
		sb_count(c->cfg.counters, SB_C_responses_resent);
		sb_out_text(c, t->last, &t->up, up_listener(t));
	}
	return sb_ended(SB_C_end_consumed);
}

static struct sb_end bye_response(struct sb_core *c, struct sb_txn *t, const struct sb_sip *sip)
{
	if (sip->status >= 200)
		sb_txn_free(c, t);
	return sb_ended(SB_C_end_consumed);
}

/* An answer is an answer, from whichever leg: it goes up, kept for retransmissions if there is room. 408 never (R4320).
 */
static struct sb_end answer(struct sb_core *c, struct sb_txn *t, unsigned status, struct sb_pkt *pkt, int n)
{
	if (status == 408) {
		c->cfg.ops->free(c->cfg.ops_ctx, pkt);
		return sb_ended(exhausted(c, t) ? SB_C_end_forwarded : SB_C_end_consumed);
	}
	sb_store_drop(&c->store, &t->best);
	if (n <= 0) {
		c->cfg.ops->free(c->cfg.ops_ctx, pkt);
		return sb_ended(send_own(c, t, status) ? SB_C_end_forwarded : SB_C_drop_no_route);
	}
	t->last = sb_store_put(&c->store, pkt->text, (uint32_t)n);
	bool sent = sb_out_send(c, pkt, n, &t->up, up_listener(t));
	complete(c, t, status);
	return sb_ended(sent ? SB_C_end_forwarded : SB_C_drop_no_route);
}

/* A final that makes the request try the next trunk. */
static struct sb_end failed(struct sb_core *c, struct sb_txn *t, unsigned leg, const struct sb_addr *from,
        const struct sb_sip *sip, struct sb_pkt *pkt)
{
	bool current = leg == t->cur && !(t->leg[leg].flags & SB_LEG_GIVEN_UP);
	sb_tell_refusal(c, t, t->leg[leg].trunk, from, sip, current);
	if (sip->status == 408)
		sb_hunt_virtual(c, t, 408); /* silence, told by somebody else: anything else is a better answer */
	else
		sb_hunt_best(c, t, sip->status, pkt, sb_hunt_compose(sip, pkt));
	c->cfg.ops->free(c->cfg.ops_ctx, pkt);
	if (!current)
		return sb_ended(SB_C_end_consumed);
	if (sip->status < 600 && sb_hunt_next(c, t, SB_EV_CODE, NULL))
		return sb_ended(SB_C_end_consumed);
	return sb_ended(exhausted(c, t) ? SB_C_end_forwarded : SB_C_end_consumed);
}

/* The request is over: late (R4320). */
static struct sb_end late(
        struct sb_core *c, struct sb_txn *t, unsigned leg, const struct sb_addr *from, const struct sb_sip *sip)
{
	bool first = t->leg[leg].state == SB_LEG_DEAD;
	if (sip->status < 200)
		return sb_ended(SB_C_end_consumed);
	if (first && sb_code_in(&sb_leg_trunk(t, leg)->failover_on, sip->status))
		sb_tell_refusal(c, t, t->leg[leg].trunk, from, sip, false);
	t->leg[leg].state = SB_LEG_FAILED; /* a copy tells nothing new */
	return sb_ended(SB_C_drop_late);
}

struct sb_end sb_other_response(
        struct sb_core *c, struct sb_txn *t, unsigned leg, const struct sb_pkt *in, const struct sb_sip *sip)
{
	struct sb_leg *l = &t->leg[leg];
	if (t->kind == SB_TXN_BYE)
		return bye_response(c, t, sip);
	if (t->srv != SB_SRV_PROCEEDING)
		return late(c, t, leg, &in->peer, sip);
	if (sip->method != t->method)
		return sb_ended(SB_C_drop_stray_response);
	if (sip->status < 200) {
		if (l->state == SB_LEG_CALLING)
			sb_leg_settle(c, t, leg, SB_LEG_PROCEEDING);
		return sb_ended(SB_C_end_consumed); /* R4320: no provisional goes up */
	}
	if (l->state == SB_LEG_FAILED)
		return sb_ended(SB_C_end_consumed); /* again */
	struct sb_pkt *pkt = sb_out_alloc(c, sip->len + 64);
	if (!pkt)
		return sb_ended(SB_C_drop_no_buffer); /* our retransmission asks for it again */
	struct sb_end end;
	bool failing = sb_code_in(&sb_leg_trunk(t, leg)->failover_on, sip->status);
	l->status = sip->status;
	sb_leg_settle(c, t, leg, SB_LEG_FAILED);
	if (failing) {
		end = failed(c, t, leg, &in->peer, sip, pkt);
	} else {
		sb_leg_alive(c, t, leg);
		end = answer(c, t, sip->status, pkt, sb_hunt_compose(sip, pkt));
	}
	sb_txn_arm(c, t);
	return end;
}

static void leg_time(struct sb_core *c, struct sb_txn *t, unsigned leg)
{
	struct sb_leg *l = &t->leg[leg];
	uint32_t now = sb_txn_now(c, t);
	if (l->state != SB_LEG_CALLING && l->state != SB_LEG_PROCEEDING)
		return;
	if (l->end <= now) {
		if (l->on_wire)
			sb_tell_evidence(c, t, l->trunk, SB_EV_TIMEOUT, 0, 0);
		sb_hunt_virtual(c, t, 408);
		sb_leg_give_up(c, t, leg);
		l->next = l->end = SB_NEVER;
		if (!sb_hunt_next(c, t, SB_EV_TIMEOUT, NULL))
			exhausted(c, t);
	} else if (l->next <= now && !sb_leg_retransmit(c, t, leg)) {
		sb_other_leg_failed(c, t, leg, SB_EV_SEND);
	}
}

static void bye_time(struct sb_core *c, struct sb_txn *t)
{
	uint32_t now = sb_txn_now(c, t);
	if (t->leg[0].end <= now) {
		sb_txn_free(c, t);
		return;
	}
	if (t->leg[0].next <= now)
		sb_leg_retransmit(c, t, 0);
	sb_txn_arm(c, t);
}

void sb_other_time(struct sb_core *c, struct sb_txn *t)
{
	if (t->kind == SB_TXN_BYE) {
		bye_time(c, t);
		return;
	}
	for (unsigned i = 0; i < t->n_legs && t->srv == SB_SRV_PROCEEDING; i++)
		leg_time(c, t, i);
	if (t->up_end <= sb_txn_now(c, t))
		sb_txn_free(c, t);
	else
		sb_txn_arm(c, t);
}

void sb_other_leg_failed(struct sb_core *c, struct sb_txn *t, unsigned leg, enum sb_evidence why)
{
	struct sb_leg *l = &t->leg[leg];
	if (t->kind == SB_TXN_BYE)
		return; /* its timers end it */
	if (l->state != SB_LEG_CALLING || (l->flags & SB_LEG_GIVEN_UP) || t->srv != SB_SRV_PROCEEDING)
		return;
	if (why == SB_EV_DOWN && !sb_hunt_more(c, t))
		return;
	if (why != SB_EV_DOWN) {
		sb_tell_evidence(c, t, l->trunk, why, 0, 0);
		sb_leg_settle(c, t, leg, SB_LEG_DEAD);
	}
	sb_hunt_virtual(c, t, why == SB_EV_DOWN ? 408 : 503);
	if (!sb_hunt_next(c, t, why, NULL))
		exhausted(c, t);
	sb_txn_arm(c, t);
}

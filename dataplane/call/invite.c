/* SPDX-License-Identifier: BSD-3-Clause */
/* invite.c - an INVITE: server side up, hunt over legs (RFC 3261 16.7, 16.10, 17.1.1, 17.2.1; RFC 6026). */
#include "dataplane/call/txn.h"

static const struct sb_snap_listener *up_listener(const struct sb_txn *t)
{
	return &t->snap->listeners[t->up_listener];
}

static bool send_own(struct sb_core *c, struct sb_txn *t, const struct sb_sip *sip, unsigned status, bool keep)
{
	char tag[16];
	if (status != 100)
		sb_out_tag(c, sip, tag);
	struct sb_reply reply = {.status = status,
	        .reason = sb_reason(status),
	        .to_tag = tag,
	        .to_tag_len = status == 100 ? 0 : sizeof tag,
	        .source = sb_txn_source(t)};
	if (keep)
		sb_store_drop(&c->store, &t->last);
	struct sb_pkt *pkt = sb_out_alloc(c, sip->body + SB_RELAY_GROWTH);
	if (!pkt)
		return false;
	int n = sb_compose_reply(sip, &reply, pkt->text, pkt->cap);
	if (keep && n > 0) {
		t->last = sb_store_put(&c->store, pkt->text, (uint32_t)n);
	}
	return sb_out_send(c, pkt, n, &t->up, up_listener(t));
}

/* The last response again; composed anew if there was no room to keep it. */
static void resend_up(struct sb_core *c, struct sb_txn *t)
{
	struct sb_sip sip;
	if (t->mute)
		return;
	sb_count(c->cfg.counters, SB_C_responses_resent);
	if (t->last.at) {
		sb_out_text(c, t->last, &t->up, up_listener(t));
		return;
	}
	sb_sip_index(&sip, sb_store_text(&c->store, t->request), t->request.len);
	send_own(c, t, &sip, t->up_status, false);
}

static void leave_proceeding(struct sb_core *c, struct sb_txn *t, enum sb_srv to)
{
	if (t->srv == SB_SRV_PROCEEDING)
		sb_stat_add(&c->usage.invites, -1);
	t->srv = (uint8_t)to;
	t->up_end = sb_txn_now(c, t) + 64 * t->snap->t1_ms;
}

/* No 2xx will come of it: to be resent until it is ACKed (Timers G and H). */
static void completed(struct sb_core *c, struct sb_txn *t, unsigned status)
{
	leave_proceeding(c, t, SB_SRV_COMPLETED);
	sb_count(c->cfg.counters, t->cancelled ? SB_C_calls_cancelled : SB_C_calls_failed);
	t->up_status = status;
	t->g_interval = (uint16_t)t->snap->t1_ms; /* a minute at most, as T2 */
	t->up_next = sb_txn_now(c, t) + t->g_interval;
	t->g_end = t->up_end;
}

/* The hunt is over: the best that came goes up, or what we say for silence. */
static void finish(struct sb_core *c, struct sb_txn *t)
{
	struct sb_sip sip;
	unsigned status = t->best_status;
	if (t->best.at) {
		completed(c, t, status == 503 ? 500 : status);
		sb_store_drop(&c->store, &t->last);
		t->last = t->best;
		memset(&t->best, 0, sizeof t->best);
		sb_out_text(c, t->last, &t->up, up_listener(t));
		return;
	}
	completed(c, t, t->cancelled ? 487 : status == 0 ? 408 : status == 503 ? 500 : status);
	sb_sip_index(&sip, sb_store_text(&c->store, t->request), t->request.len);
	send_own(c, t, &sip, t->up_status, true);
}

/* A trunk's final, n bytes composed into pkt, ends the call, unless an earlier one is the better answer. */
static void finish_with(struct sb_core *c, struct sb_txn *t, unsigned status, struct sb_pkt *pkt, int n)
{
	if (n <= 0 || (!t->cancelled && sb_hunt_kept_is_better(t, status))) {
		if (n <= 0 && !t->best.at)
			t->best_status = status;
		c->cfg.ops->free(c->cfg.ops_ctx, pkt);
		finish(c, t);
		return;
	}
	completed(c, t, status == 503 ? 500 : status);
	sb_store_drop(&c->store, &t->best);
	sb_store_drop(&c->store, &t->last);
	t->last = sb_store_put(&c->store, pkt->text, (uint32_t)n);
	t->mute = !t->last.at;
	sb_out_send(c, pkt, n, &t->up, up_listener(t));
}

/* A cancelled call ends as 487, whatever an earlier trunk said. */
static void forget_best(struct sb_core *c, struct sb_txn *t)
{
	sb_store_drop(&c->store, &t->best);
	t->best_status = 0;
}

static void next_or_finish(struct sb_core *c, struct sb_txn *t, enum sb_evidence why)
{
	if (t->cancelled)
		forget_best(c, t);
	if (!sb_hunt_next(c, t, why, NULL))
		finish(c, t);
}

struct sb_end sb_invite_new(struct sb_core *c, struct sb_txn *t, const struct sb_pkt *pkt, const struct sb_sip *sip)
{
	sb_count(c->cfg.counters, SB_C_calls);
	sb_stat_add(&c->usage.invites, 1);
	t->up_status = 100;
	send_own(c, t, sip, 100, false);
	bool sent = sb_hunt_next(c, t, SB_EV_SEND, sip);
	if (!sent)
		finish(c, t);
	sb_txn_arm(c, t);
	return sb_ended(sent ? SB_C_end_forwarded : SB_C_end_replied);
}

struct sb_end sb_invite_again(struct sb_core *c, struct sb_txn *t)
{
	sb_count(c->cfg.counters, SB_C_retransmissions_in);
	if (t->srv == SB_SRV_PROCEEDING || t->srv == SB_SRV_COMPLETED)
		resend_up(c, t);
	return sb_ended(SB_C_end_consumed);
}

struct sb_end sb_invite_acked(struct sb_core *c, struct sb_txn *t)
{
	if (t->srv == SB_SRV_PROCEEDING)
		return sb_ended(SB_C_drop_stray_ack);
	if (t->srv == SB_SRV_COMPLETED)
		t->srv = SB_SRV_CONFIRMED;
	t->up_next = SB_NEVER;
	return sb_ended(SB_C_end_consumed);
}

struct sb_end sb_invite_cancelled(
        struct sb_core *c, struct sb_txn *t, const struct sb_pkt *pkt, const struct sb_sip *sip)
{
	struct sb_end end = sb_out_reply(c, pkt, sip, 200, NULL, NULL);
	if (t->srv != SB_SRV_PROCEEDING || t->cancelled)
		return end;
	t->cancelled = 1;
	sb_leg_cancel(c, t, t->cur);
	sb_txn_arm(c, t);
	return end;
}

/* A provisional: up at once, 100 never (16.7 step 5); a leg given up or unwanted is CANCELled now (16.10). */
static struct sb_end provisional(struct sb_core *c, struct sb_txn *t, unsigned leg, const struct sb_sip *sip)
{
	struct sb_leg *l = &t->leg[leg];
	bool first = l->state == SB_LEG_CALLING || l->state == SB_LEG_DEAD; /* dead, we thought */
	if (first) {
		sb_leg_settle(c, t, leg, SB_LEG_PROCEEDING);
		l->next = SB_NEVER;
	}
	if (l->state != SB_LEG_PROCEEDING)
		return sb_ended(SB_C_end_consumed);
	if (sip->status > 100) {
		l->flags |= SB_LEG_RINGING;
		sb_leg_alive(c, t, leg);
	}
	if (l->flags & SB_LEG_CANCEL_SENT)
		return sb_ended(SB_C_end_consumed);
	if ((l->flags & (SB_LEG_CANCEL_WANTED | SB_LEG_GIVEN_UP)) || t->srv != SB_SRV_PROCEEDING) {
		sb_leg_cancel(c, t, leg);
		return sb_ended(SB_C_end_consumed);
	}
	if (first || sip->status > 100) { /* 16.7 step 2: a repeated 100 does not restart Timer C */
		l->end = sb_txn_now(c, t) + t->snap->timer_c_ms;
		t->hunt_end = SB_NEVER; /* should it fail after that, those behind it have all their time */
	}
	if (sip->status == 100)
		return sb_ended(SB_C_end_consumed);
	struct sb_pkt *out = sb_out_alloc(c, sip->len);
	if (!out)
		return sb_ended(SB_C_drop_no_buffer);
	int n = sb_compose_response(sip, 0, NULL, out->text, out->cap);
	if (n > 0) {
		sb_store_drop(&c->store, &t->last);
		t->last = sb_store_put(&c->store, out->text, (uint32_t)n);
		t->up_status = t->last.at ? sip->status : 100; /* not kept: a repeated INVITE gets our 100 */
	}
	return sb_ended(sb_out_send(c, out, n, &t->up, up_listener(t)) ? SB_C_end_forwarded : SB_C_drop_no_route);
}

/* Every other leg is to end: with a CANCEL now, or once a provisional comes. */
static void cancel_others(struct sb_core *c, struct sb_txn *t, unsigned but)
{
	for (unsigned i = 0; i < t->n_legs; i++) {
		if (i == but || (t->leg[i].state != SB_LEG_CALLING && t->leg[i].state != SB_LEG_PROCEEDING))
			continue;
		sb_leg_give_up(c, t, i);
		sb_leg_cancel(c, t, i);
	}
}

static void tell_late(struct sb_core *c, struct sb_txn *t, unsigned leg, bool forwarded)
{
	struct sb_mail m = {.kind = SB_EVENT_LATE_2XX,
	        .trunk = sb_leg_trunk(t, leg)->slot,
	        .trunk2 = SB_NO_TRUNK,
	        .code = forwarded ? 1 : 2};
	sb_count(c->cfg.counters, SB_C_late_2xx);
	sb_tell_event(c, t, &m, NULL);
}

/* What the first 2xx of a leg settles. */
static void leg_answered(struct sb_core *c, struct sb_txn *t, unsigned leg, unsigned status)
{
	sb_leg_settle(c, t, leg, SB_LEG_ANSWERED);
	t->leg[leg].status = (uint16_t)status;
	sb_leg_alive(c, t, leg);
	sb_stat_add(&sb_stats_of(c, t, t->leg[leg].trunk)->answered, 1);
}

static struct sb_end answered(
        struct sb_core *c, struct sb_txn *t, unsigned leg, const struct sb_pkt *pkt, const struct sb_sip *sip)
{
	struct sb_leg *l = &t->leg[leg];
	bool first = l->state != SB_LEG_ANSWERED;
	bool late = l->flags & SB_LEG_GIVEN_UP; /* repeated, too: what was hung up must not go up */
	bool may_go_up = t->srv == SB_SRV_PROCEEDING || t->srv == SB_SRV_ACCEPTED;
	bool up = may_go_up && !(l->flags & SB_LEG_BYE_SENT) && (!late || t->snap->late_2xx == SB_LATE_FORWARD);

	if (!up) { /* a failed call cannot become an answered one, and a 2xx is never lost (P16) */
		if (first) {
			leg_answered(c, t, leg, sip->status);
			tell_late(c, t, leg, false);
			if (t->up_end != SB_NEVER)
				t->up_end = sb_txn_now(c, t) + 64 * t->snap->t1_ms;
		}
		sb_leg_unwanted(c, t, leg, pkt, sip);
		return sb_ended(SB_C_end_consumed);
	}
	struct sb_pkt *out = sb_out_alloc(c, sip->len);
	if (!out)
		return sb_ended(SB_C_drop_no_buffer); /* nothing has changed: the trunk sends it again */
	int n = sb_compose_response(sip, 0, NULL, out->text, out->cap);
	if (!sb_out_send(c, out, n, &t->up, up_listener(t)))
		return sb_ended(SB_C_drop_no_route);
	if (first)
		leg_answered(c, t, leg, sip->status);
	if (first && late)
		tell_late(c, t, leg, true);
	if (first && t->srv == SB_SRV_ACCEPTED)
		t->up_end = sb_txn_now(c, t) + 64 * t->snap->t1_ms; /* it, too, may be repeated (RFC 6026) */
	if (t->srv == SB_SRV_PROCEEDING) {
		sb_count(c->cfg.counters, SB_C_calls_answered);
		leave_proceeding(c, t, SB_SRV_ACCEPTED);
		cancel_others(c, t, leg);
	}
	if (t->tries == 1 && t->magic)
		sb_txn_to_linger(c, t); /* nobody else owes anything: a record is enough from here */
	return sb_ended(SB_C_end_forwarded);
}

/* A non-2xx final: ACKed always (P14), then up or on to the next trunk (16.7 steps 4 to 8). */
static struct sb_end refused(
        struct sb_core *c, struct sb_txn *t, unsigned leg, const struct sb_pkt *pkt, const struct sb_sip *sip)
{
	struct sb_leg *l = &t->leg[leg];
	const struct sb_snap_trunk *trunk = sb_leg_trunk(t, leg);
	bool first = l->state == SB_LEG_CALLING || l->state == SB_LEG_PROCEEDING || l->state == SB_LEG_DEAD;
	bool current = first && leg == t->cur && !(l->flags & SB_LEG_GIVEN_UP) && t->srv == SB_SRV_PROCEEDING;
	struct sb_pkt *up = current ? sb_out_alloc(c, sip->len + 64) : NULL;

	if (current && !up)
		return sb_ended(SB_C_drop_no_buffer); /* not ACKed, so the trunk sends it again */
	sb_leg_ack(c, t, leg, sip);
	if (!first)
		return sb_ended(SB_C_end_consumed);
	sb_leg_settle(c, t, leg, SB_LEG_FAILED);
	l->status = sip->status;
	if (t->up_end != SB_NEVER)
		t->up_end = sb_txn_now(c, t) + 64 * t->snap->t1_ms; /* Timer D of this leg */
	bool failing = sb_code_in(&trunk->failover_on, sip->status);
	if (!failing)
		sb_leg_alive(c, t, leg);
	else
		sb_tell_refusal(c, t, l->trunk, &pkt->peer, sip, current && !t->cancelled);
	if (!current)
		return sb_ended(SB_C_end_consumed);
	int n = sb_hunt_compose(sip, up);
	bool rang = (l->flags & SB_LEG_RINGING) && !trunk->failover_after_ringing; /* P19 */
	if (!failing || rang || t->cancelled || sip->status >= 600) {
		finish_with(c, t, sip->status, up, n);
		return sb_ended(SB_C_end_forwarded);
	}
	sb_hunt_best(c, t, sip->status, up, n);
	c->cfg.ops->free(c->cfg.ops_ctx, up);
	next_or_finish(c, t, SB_EV_CODE);
	return sb_ended(SB_C_end_consumed);
}

struct sb_end sb_invite_response(
        struct sb_core *c, struct sb_txn *t, unsigned leg, const struct sb_pkt *pkt, const struct sb_sip *sip)
{
	struct sb_end end;
	if (sip->method == SB_M_CANCEL) {
		if (sip->status >= 200 && (t->leg[leg].flags & SB_LEG_CANCEL_SENT)) {
			t->leg[leg].flags |= SB_LEG_CANCEL_DONE;
			t->leg[leg].next = SB_NEVER;
		}
		return sb_ended(SB_C_end_consumed);
	}
	if (sip->method != SB_M_INVITE)
		return sb_ended(SB_C_drop_stray_response);
	uint32_t gen = t->gen;
	if (sip->status < 200)
		end = provisional(c, t, leg, sip);
	else if (sip->status < 300)
		end = answered(c, t, leg, pkt, sip);
	else
		end = refused(c, t, leg, pkt, sip);
	if (t->kind == SB_TXN_INVITE && t->gen == gen)
		sb_txn_arm(c, t);
	return end;
}

/* The formula ran out on a leg that never answered. The last candidate has the whole 64*T1 (S2.2). */
static void silent(struct sb_core *c, struct sb_txn *t, unsigned leg)
{
	struct sb_leg *l = &t->leg[leg];
	uint32_t now = sb_txn_now(c, t), whole = l->started + 64 * t->snap->t1_ms;
	if (!(l->flags & SB_LEG_LAST) && !t->cancelled && !sb_hunt_more(c, t) && whole > now && t->hunt_end > now) {
		sb_leg_last(t, leg); /* those behind it died meanwhile */
		if (l->next == SB_NEVER)
			l->next = now;
		return;
	}
	if (l->on_wire)
		sb_tell_evidence(c, t, l->trunk, SB_EV_TIMEOUT, 0, 0);
	sb_hunt_virtual(c, t, 408);
	sb_leg_give_up(c, t, leg);
	next_or_finish(c, t, SB_EV_TIMEOUT);
}

/* A leg that had a provisional has run out of time: Timer C, or its CANCEL was never followed by a final. */
static void stuck(struct sb_core *c, struct sb_txn *t, unsigned leg)
{
	struct sb_leg *l = &t->leg[leg];
	bool current = leg == t->cur && t->srv == SB_SRV_PROCEEDING && !(l->flags & SB_LEG_GIVEN_UP);
	if (l->flags & SB_LEG_CANCEL_SENT) {
		sb_leg_settle(c, t, leg, SB_LEG_DEAD);
		if (current) {
			forget_best(c, t);
			finish(c, t);
		}
		return;
	}
	if (!(l->flags & SB_LEG_RINGING)) /* nobody answering a ringing phone is no fault of the trunk's */
		sb_tell_evidence(c, t, l->trunk, SB_EV_TIMEOUT, 0, 0);
	sb_leg_cancel(c, t, leg);
	if (!current)
		return;
	sb_hunt_virtual(c, t, 408);
	if ((l->flags & SB_LEG_RINGING) || !sb_hunt_next(c, t, SB_EV_TIMEOUT, NULL))
		finish(c, t);
	sb_leg_give_up(c, t, leg);
}

static void leg_time(struct sb_core *c, struct sb_txn *t, unsigned leg)
{
	struct sb_leg *l = &t->leg[leg];
	uint32_t now = sb_txn_now(c, t);
	if (l->end <= now && l->state == SB_LEG_CALLING) {
		silent(c, t, leg);
	} else if (l->end <= now && l->state == SB_LEG_PROCEEDING) {
		stuck(c, t, leg);
	} else if (l->next <= now && l->state == SB_LEG_CALLING) {
		if (!sb_leg_retransmit(c, t, leg))
			sb_invite_leg_failed(c, t, leg, SB_EV_SEND);
	} else if (l->next <= now && l->state == SB_LEG_PROCEEDING) {
		sb_leg_cancel_again(c, t, leg);
	}
}

/* Until when some leg may still owe a final to its CANCEL, which the request is needed to ACK; 0: none does. */
static uint32_t legs_end(const struct sb_txn *t)
{
	uint32_t end = 0;
	for (unsigned i = 0; i < t->n_legs; i++)
		if (t->leg[i].state != SB_LEG_IDLE && t->leg[i].end != SB_NEVER && t->leg[i].end > end)
			end = t->leg[i].end;
	return end;
}

void sb_invite_time(struct sb_core *c, struct sb_txn *t)
{
	for (unsigned i = 0; i < t->n_legs; i++)
		if (t->leg[i].state != SB_LEG_IDLE)
			leg_time(c, t, i);
	uint32_t now = sb_txn_now(c, t);
	if (t->up_next <= now && t->srv == SB_SRV_COMPLETED) {
		resend_up(c, t);
		t->g_interval = (uint16_t)(t->g_interval * 2u < t->snap->t2_ms ? t->g_interval * 2u : t->snap->t2_ms);
		t->up_next = now + t->g_interval < t->g_end ? now + t->g_interval : SB_NEVER; /* Timer H */
	}
	if (t->up_end <= now) {
		t->up_end = legs_end(t);
		if (!t->up_end) {
			sb_txn_free(c, t);
			return;
		}
	}
	sb_txn_arm(c, t);
}

void sb_invite_leg_failed(struct sb_core *c, struct sb_txn *t, unsigned leg, enum sb_evidence why)
{
	struct sb_leg *l = &t->leg[leg];
	bool cancelling = l->state == SB_LEG_PROCEEDING && (l->flags & SB_LEG_CANCEL_SENT) && why != SB_EV_DOWN;
	if ((l->state != SB_LEG_CALLING && !cancelling) || (l->flags & SB_LEG_GIVEN_UP))
		return; /* it has answered, or nobody waits for it */
	if (why == SB_EV_DOWN && !sb_hunt_more(c, t))
		return; /* nothing better to do than to go on waiting */
	if (why != SB_EV_DOWN) {
		sb_tell_evidence(c, t, l->trunk, why, 0, 0);
		sb_leg_settle(c, t, leg, SB_LEG_DEAD);
	}
	if (leg == t->cur && t->srv == SB_SRV_PROCEEDING) {
		sb_hunt_virtual(c, t, why == SB_EV_DOWN ? 408 : 503);
		next_or_finish(c, t, why);
	}
	sb_txn_arm(c, t);
}

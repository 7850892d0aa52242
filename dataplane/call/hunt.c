/* SPDX-License-Identifier: BSD-3-Clause */
/* hunt.c - which candidate next, and which final answer is the best of those that came (16.7, S2.1, P6). */
#include "dataplane/call/txn.h"

/* The first usable candidate behind the current one; n_legs if there is none. Health is asked again here (P6). */
static unsigned next_usable(const struct sb_core *c, const struct sb_txn *t, unsigned from)
{
	while (from < t->n_legs && !sb_steer_usable(t->snap, c->cfg.health, t->leg[from].trunk))
		from++;
	return from;
}

bool sb_hunt_more(struct sb_core *c, const struct sb_txn *t)
{
	return !t->cancelled && next_usable(c, t, t->cur + 1u) < t->n_legs;
}

static void tell_skipped(struct sb_core *c, const struct sb_txn *t, unsigned leg, const struct sb_sip *sip)
{
	uint16_t slot = sb_leg_trunk(t, leg)->slot;
	struct sb_health_view v = sb_health_read(c->cfg.health, slot);
	struct sb_mail m = {.kind = SB_EVENT_SKIPPED, .trunk = slot, .trunk2 = SB_NO_TRUNK, .code = (uint16_t)v.state};
	m.event.code2 = (uint8_t)v.admin;
	sb_tell_event(c, t, &m, sip);
}

static void tell_move(struct sb_core *c, const struct sb_txn *t, unsigned from, unsigned to, enum sb_evidence why,
        const struct sb_sip *sip)
{
	struct sb_mail m = {.kind = to < t->n_legs ? SB_EVENT_FAILOVER : SB_EVENT_EXHAUSTED,
	        .trunk = sb_leg_trunk(t, from)->slot,
	        .trunk2 = to < t->n_legs ? sb_leg_trunk(t, to)->slot : SB_NO_TRUNK,
	        .code = why == SB_EV_CODE ? t->leg[from].status : t->best_status};
	m.event.why = (uint8_t)why;
	m.event.code2 = t->leg[from].sends;
	sb_tell_event(c, t, &m, sip);
}

/* A non-INVITE's hunt must end before its caller's Timer F: each candidate gets an equal share of what is left, if its
 * formula asks for more (S1.2 with R4320: there is no 408 to tell the caller later). */
static void fit_other(const struct sb_core *c, struct sb_txn *t, unsigned leg)
{
	uint32_t now = sb_txn_now(c, t), left = 64 * t->snap->t1_ms - now, n = 1; /* time_left() was asked */
	for (unsigned i = leg + 1; i < t->n_legs; i++)
		n += sb_steer_usable(t->snap, c->cfg.health, t->leg[i].trunk);
	if (t->leg[leg].end > now + left / n)
		t->leg[leg].end = now + left / n;
}

/* Beyond its caller's Timer F nobody waits for the answer to a non-INVITE. */
static bool time_left(const struct sb_core *c, const struct sb_txn *t)
{
	return sb_txn_now(c, t) < (t->kind == SB_TXN_INVITE ? t->hunt_end : 64 * t->snap->t1_ms);
}

static bool begin(struct sb_core *c, struct sb_txn *t, unsigned leg, const struct sb_sip *sip)
{
	t->cur = (uint8_t)leg;
	t->tries++;
	sb_leg_begin(c, t, leg, next_usable(c, t, leg + 1) >= t->n_legs);
	if (t->kind == SB_TXN_OTHER)
		fit_other(c, t, leg);
	if (sb_leg_send(c, t, leg, sip))
		return true;
	sb_leg_settle(c, t, leg, SB_LEG_DEAD);
	sb_hunt_virtual(c, t, 503);
	return false;
}

bool sb_hunt_next(struct sb_core *c, struct sb_txn *t, enum sb_evidence why, const struct sb_sip *sip)
{
	bool first = t->tries == 0;
	unsigned from = t->cur, i = first ? 0 : from + 1u;
	if (!first)
		sb_leg_give_up(c, t, from);
	while (!t->cancelled && i < t->n_legs && time_left(c, t)) {
		/* The first may be a panic choice, which is DOWN by definition. */
		if (!first && !sb_steer_usable(t->snap, c->cfg.health, t->leg[i].trunk)) {
			tell_skipped(c, t, i++, sip);
			continue;
		}
		if (!first)
			sb_count(c->cfg.counters, SB_C_failovers);
		if (begin(c, t, i, sip)) {
			if (!first)
				tell_move(c, t, from, i, why, sip);
			return true;
		}
		sb_tell_evidence(c, t, t->leg[i].trunk, SB_EV_SEND, 0, 0);
		why = SB_EV_SEND;
		from = i++;
		first = false;
	}
	if (!t->cancelled)
		tell_move(c, t, from, t->n_legs, why, sip);
	return false;
}

/* Lower is better: 6xx, then the lowest class; in 4xx those that a caller can act on; 503 last of 5xx (16.7 step 6). */
static unsigned rank(unsigned status)
{
	if (status >= 600)
		return 0;
	switch (status) {
	case 401:
	case 407:
	case 415:
	case 420:
	case 484:
		return 400;
	case 503:
		return 599;
	default:
		return status < 400 ? status : status < 500 ? 401 : 500;
	}
}

static bool better(const struct sb_txn *t, unsigned status)
{
	if (t->kind == SB_TXN_OTHER && t->best_status == 408)
		return true; /* silence is no answer to these (R4320) */
	return t->best_status == 0 || rank(status) < rank(t->best_status);
}

int sb_hunt_compose(const struct sb_sip *response, struct sb_pkt *pkt)
{
	if (!response->via.next)
		return 0;
	unsigned as = response->status == 503 ? 500 : 0; /* it speaks of that trunk, not of us */
	return sb_compose_response(response, as, as ? sb_reason(as) : NULL, pkt->text, pkt->cap);
}

bool sb_hunt_kept_is_better(const struct sb_txn *t, unsigned status)
{
	return t->best.at && rank(t->best_status) < rank(status);
}

void sb_hunt_best(struct sb_core *c, struct sb_txn *t, unsigned status, const struct sb_pkt *pkt, int n)
{
	if (n <= 0) {
		sb_hunt_virtual(c, t, status);
		return;
	}
	if (!better(t, status))
		return;
	sb_store_drop(&c->store, &t->best);
	t->best = sb_store_put(&c->store, pkt->text, (uint32_t)n);
	t->best_status = status;
}

void sb_hunt_virtual(struct sb_core *c, struct sb_txn *t, unsigned status)
{
	bool silence = t->kind == SB_TXN_OTHER && status == 408;
	if (silence ? t->best_status != 0 : !better(t, status))
		return;
	sb_store_drop(&c->store, &t->best);
	t->best_status = status;
}

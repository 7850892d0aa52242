/* SPDX-License-Identifier: BSD-3-Clause */
/* oracle_step.c - what must have happened by the time the core hands back a datagram, and by the time a call is over.
 */
#include "sim.h"

static void end_invite(struct sim *s, struct step *st)
{
	struct ocall *c = st->call;
	if (st->aged && st->n_out == 0 && s->last_failure == s->now)
		oracle_anew(s); /* it may have been taken anew, and found no buffer */
	if (st->fresh) {
		if (!c->shed && !c->message)
			s->o_calls++;
		if (st->n_out == 0 && !st->disturbed)
			breach(s, "INV-TRYING", "call %u came and nothing was done", st->in.call);
		if (!c->message && !st->replies && !st->disturbed)
			breach(s, "INV-TRYING", "the INVITE of call %u got neither 100 nor an answer", st->in.call);
		if (st->disturbed)
			c->disturbed = true;
		if (st->disturbed && st->n_out == 0)
			c->maybe = true;
		return;
	}
	if (!st->live || st->disturbed || (c->message && shaken(s, c)))
		return;
	if (st->new_legs || st->requests_out)
		breach(s, "INV-RETRANSMIT", "a retransmitted %.*s made %u requests", (int)st->in.method.n,
		        st->in.method.p, st->requests_out);
	/* Its failure, too, until it is ACKed (17.2.1), if there was room to keep it. */
	const struct sb_core_usage *u = sb_core_usage(st->w->core);
	bool due = !c->final || (c->final >= 300 && !c->up.done && u->text_bytes < u->text_bytes_max / 8);
	if (due && !c->message && !st->replies && !shaken(s, c))
		breach(s, "INV-RETRANSMIT", "a retransmitted INVITE of call %u was not answered", st->in.call);
}

static void end_cancel(struct sim *s, struct step *st)
{
	struct ocall *c = st->call;
	const struct oleg *l = c->n_legs ? &c->leg[c->n_legs - 1] : NULL;
	if (!st->live || st->disturbed || shaken(s, c))
		return;
	if (st->reply_status != 200)
		breach(s, "INV-CANCEL", "the CANCEL of call %u got %u", st->in.call, st->reply_status);
	if (!st->was_cancelled && !st->final_before && l && l->prov && !l->final && !l->dead && !st->cancels)
		breach(s, "INV-CANCEL", "call %u was cancelled, t%u was not told", st->in.call, l->trunk);
}

/* Within a dialog: on to the far end's Contact, without state, by the listener that the last Route of ours names
 * (design, invariant 6). */
static void end_in_dialog(struct sim *s, struct step *st)
{
	struct ep to, leave;
	if (st->disturbed || !ep_of_uri(st->in.uri, &to) ||
	        !ep_of_uri(uri_of(st->in.route[st->in.n_route - 1]), &leave))
		return;
	if (st->relayed != 1 || !ep_eq(st->relayed_to, to) || !ep_eq(st->relayed_from, leave))
		breach(s, "INV-DIALOG", "%.*s of call %u was relayed %u times, or to another place",
		        (int)st->in.method.n, st->in.method.p, st->in.call, st->relayed);
	s->o_in_dialog++;
	if (st->call->arrived && st->call->boot != s->px.boot && !str_is(st->in.method, "ACK"))
		saw(s, SEEN_dialog_after_kill);
}

/* Nobody but us says that a call is ours (design, invariant 6), and nobody whom we do not trust begins one (P21). */
static void end_refused_at_once(struct sim *s, struct step *st, const char *what)
{
	if (st->disturbed || (st->n_out == 1 && st->reply_status == 403 && !st->relayed))
		return;
	breach(s, "INV-TRUST", "%s led to %u messages, the last answer was %u", what, st->n_out, st->reply_status);
}

static void end_request(struct sim *s, struct step *st)
{
	bool invite = str_is(st->in.method, "INVITE") || str_is(st->in.method, "MESSAGE");
	if (invite && !st->in.to_tag.n)
		end_invite(s, st);
	else if (str_is(st->in.method, "CANCEL"))
		end_cancel(s, st);
	else if (st->in.n_route)
		end_in_dialog(s, st);
}

static void end_2xx(struct sim *s, struct step *st)
{
	struct ocall *c = st->call;
	struct oleg *l = st->leg;
	bool bye_it =
	        st->late && conf_of(s, c)->late_bye && (st->final_before < 200 || st->final_before >= 300 || l->byed);
	if (st->own_acks) {
		if (!l->byed && !st->byes)
			breach(s, "INV-2XX", "the unwanted 2xx of t%u was ACKed and not BYEd", l->trunk);
		if (!bye_it && !l->byed && !(c->final >= 300))
			breach(s, "INV-2XX", "the 2xx of t%u was hung up, it should have gone up", l->trunk);
		l->byed = true;
	} else if (!st->up_2xx) {
		breach(s, "INV-2XX", "the 2xx of t%u was lost (call %u, final %u)", l->trunk, st->in.call, c->final);
	} else if (bye_it) {
		breach(s, "INV-2XX", "the late 2xx of t%u went up, it should have been hung up", l->trunk);
	}
}

static void end_provisional(struct sim *s, struct step *st)
{
	struct ocall *c = st->call;
	struct oleg *l = st->leg;
	if (l->final || l->dead)
		return;
	bool unwanted = st->late || c->final || st->was_cancelled;
	if (unwanted && !l->cancel_sent)
		breach(s, "INV-CANCEL", "t%u rings for a call that is over there, and is not cancelled", l->trunk);
	if (!unwanted && st->in.status > 100 && !st->up_prov)
		breach(s, "INV-PROVISIONAL", "a %u of t%u did not go up", st->in.status, l->trunk);
	if (st->in.status == 100 && st->up_prov)
		breach(s, "INV-PROVISIONAL", "a 100 of t%u went up", l->trunk);
}

static void end_refused(struct sim *s, struct step *st)
{
	struct ocall *c = st->call;
	struct oleg *l = st->leg;
	bool was_answered = st->final_before >= 200 && st->final_before < 300;
	bool failing = st->in.status == 408 || (st->in.status >= 500 && st->in.status < 600);
	bool rang = l->ringing && !conf_of(s, c)->trunk[l->trunk].after_ringing;
	if (!st->acks && !was_answered)
		breach(s, "INV-ACK", "the %u of t%u was not ACKed (call %u)", st->in.status, l->trunk, st->in.call);
	if (st->final_before || st->late || st->was_cancelled || st->was_over || l->dead)
		return;
	if (failing && !rang && !st->new_legs && more(s, c))
		breach(s, "INV-HUNT", "t%u said %u and nobody else was asked at once", l->trunk, st->in.status);
	if ((!failing || rang) && !c->final)
		breach(s, "INV-HUNT", "the %u of t%u did not go up at once", st->in.status, l->trunk);
}

/* A request other than INVITE: nobody is left to ask, and somebody has answered. 408 is no answer (RFC 4320). */
static void end_other_refused(struct sim *s, struct step *st)
{
	struct ocall *c = st->call;
	bool answered = false;
	for (unsigned i = 0; i < c->n_legs; i++)
		answered |= c->leg[i].final && c->leg[i].final != 408;
	if (!st->goes_on || st->final_before || st->late || st->leg->dead || st->new_legs || more(s, c) || !answered)
		return;
	if (!c->final)
		breach(s, "INV-FINAL", "a %.*s ends in silence, though its trunks have answered (call %u)",
		        (int)st->in.method.n, st->in.method.p, st->in.call);
}

static void end_other(struct sim *s, struct step *st)
{
	struct ocall *c = st->call;
	c->answered |= st->goes_on && st->in.status >= 200 && st->in.status != 408;
	if (failing(st->in.status))
		end_other_refused(s, st);
	else if (st->goes_on && st->in.status >= 200 && !st->final_before && !c->final)
		breach(s, "INV-FINAL", "the %u of t%u did not go up (call %u)", st->in.status, st->leg->trunk,
		        st->in.call);
}

static void end_response(struct sim *s, struct step *st)
{
	bool invite = str_is(st->in.method, "INVITE");
	struct str below = st->in.n_via > 1 ? param(st->in.via[1], "branch") : (struct str){NULL, 0};
	if (!st->leg) {
		bool in_dialog = below.n > 7 && below.p[7] != 'c';
		if (in_dialog && st->relayed != 1 && !st->disturbed)
			breach(s, "INV-DIALOG", "the %u to a %.*s of call %u was relayed %u times", st->in.status,
			        (int)st->in.method.n, st->in.method.p, st->in.call, st->relayed);
		else if (!in_dialog && (invite || str_is(st->in.method, "CANCEL")) && st->n_out)
			breach(s, "INV-FORGED",
			        "a response with a branch that is not ours led to %u messages (call "
			        "%u, %.*s)",
			        st->n_out, st->in.call, (int)st->in.branch.n, st->in.branch.p);
		return;
	}
	if (!st->live || st->disturbed || shaken(s, st->call) || (!invite && !st->call->message))
		return;
	if (st->call->message) {
		end_other(s, st);
		return;
	}
	if (st->in.status < 200)
		end_provisional(s, st);
	else if (st->in.status < 300)
		end_2xx(s, st);
	else
		end_refused(s, st);
}

static void end_icmp(struct sim *s, struct step *st)
{
	struct ocall *c = st->call;
	if (!st->live || st->disturbed || shaken(s, c) || c->cancelled || (c->message && !st->goes_on))
		return;
	c->answered = true;
	if (!st->new_legs && !c->final && more(s, c))
		breach(s, "INV-HUNT", "t%u is unreachable and nobody else was asked at once", st->leg->trunk);
	else if (!st->new_legs && !c->final)
		breach(s, "INV-HUNT", "the last trunk, t%u, is unreachable and the caller is not told", st->leg->trunk);
}

void oracle_end(struct sim *s, const struct worker *w)
{
	struct step *st = &s->step;
	if (st->disturbed && st->call)
		st->call->disturbed = true;
	if (st->disturbed && st->call && st->kind == STEP_RESPONSE && st->in.status / 100 == 2 && !st->byes)
		again_bye_unseen(s, st->in.call);
	if (sb_counter_get(&w->counters, SB_C_linger_full))
		return; /* too many accepted calls for the records there are: told by that counter */
	if (st->kind == STEP_REQUEST)
		end_request(s, st);
	else if (st->kind == STEP_RESPONSE)
		end_response(s, st);
	else if (st->kind == STEP_ICMP)
		end_icmp(s, st);
	else if (st->kind == STEP_STRANGER)
		end_refused_at_once(s, st, "an INVITE from nobody whom we trust");
	else if (st->kind == STEP_FORGED)
		end_refused_at_once(s, st, "a BYE with a forged Route");
	memset(st, 0, sizeof *st);
}

/* Nothing of it comes after its caller's Timer F; only if nobody has answered, nothing comes at all (RFC 4320). */
static void other_deadline(struct sim *s, const struct ocall *c, uint32_t call)
{
	if (s->now < c->arrived + 64 * conf_of(s, c)->t1_ms * MS + late_us(s))
		return; /* another one, told by that number now */
	if (c->arrived && c->boot == s->px.boot && c->answered && !c->final && !shaken(s, c))
		breach(s, "INV-DEADLINE", "trunks have answered call %u, a MESSAGE, and its caller is not told", call);
}

/* Every INVITE has its final answer within what its candidates may take (and Timer C for those that rang). */
void oracle_deadline(struct sim *s, uint32_t call)
{
	struct ocall *c = &s->ocall[call];
	const struct conf *k = conf_of(s, c);
	uint64_t whole = 64 * k->t1_ms * MS, sum = whole + late_us(s), due;
	uint32_t all = c->untried;
	if (c->message) {
		other_deadline(s, c, call);
		return;
	}
	for (unsigned i = 0; i < c->n_legs; i++)
		all |= 1u << c->leg[i].trunk;
	if (!c->arrived || c->boot != s->px.boot || c->shed || c->final || (c->maybe && !c->n_legs))
		return;
	for (unsigned t = 0; t < TRUNKS_MAX; t++)
		if (all >> t & 1)
			sum += formula_us(&k->trunk[t]);
	sum += c->n_legs * late_us(s);
	due = c->arrived + sum;
	if (c->last_prov) /* whoever comes after it may have another */
		due = c->last_prov + 181 * SEC + whole + sum;
	if (shaken(s, c))
		due += whole;
	if (s->now >= due)
		breach(s, "INV-DEADLINE", "call %u has waited %llu ms for a final answer, %u legs", call,
		        (unsigned long long)((s->now - c->arrived) / MS), c->n_legs);
	else
		at(s, due, EV_DEADLINE, call, s->px.boot);
}

/* kill -9: calls in set-up are lost with it, and nobody says so to their callers. */
void oracle_killed(struct sim *s)
{
	for (uint32_t i = 0; i < s->calls_started; i++)
		if (s->ocall[i].arrived && !s->ocall[i].final)
			at(s, s->now + 5 * SEC, EV_CALLER_OVER, i, 1);
}

static void check_counters(struct sim *s)
{
	uint64_t rx = proxy_count(s, SB_C_rx_frames), missed = proxy_count(s, SB_C_rx_missed), ends = 0, queued = 0,
	         rest = 0;
	for (unsigned i = 0; i < SB_COUNTERS; i++) {
		enum sb_counter_kind kind = sb_counter_rows()[i].kind;
		if (kind == SB_KIND_END || kind == SB_KIND_DROP)
			ends += proxy_count(s, (enum sb_counter)i);
	}
	for (unsigned i = 0; i < s->px.n_workers; i++)
		queued += s->px.w[i].n_in, rest += s->px.w[i].rx.n;
	if (s->px.came != rx + missed + rest + s->px.gone)
		breach(s, "INV-COUNT", "%llu frames came, %llu were taken, %llu missed", (unsigned long long)s->px.came,
		        (unsigned long long)rx, (unsigned long long)missed);
	if (rx != ends + queued)
		breach(s, "INV-COUNT", "%llu frames came, %llu ended, %llu wait", (unsigned long long)rx,
		        (unsigned long long)ends, (unsigned long long)queued);
	if (s->profile->alloc_fail_pm || s->px.boot > 1)
		return;
	uint64_t calls = proxy_count(s, SB_C_calls), answered = proxy_count(s, SB_C_calls_answered);
	uint64_t failed = proxy_count(s, SB_C_calls_failed) + proxy_count(s, SB_C_calls_cancelled),
	         legs = s->px.leg_stats;
	for (unsigned i = 0; i < s->px.n_workers; i++)
		for (unsigned t = 0; t < 64; t++)
			legs += s->px.w[i].stats[t].calls + s->px.w[i].stats[t].requests;
	if (proxy_count(s, SB_C_in_dialog) != s->o_in_dialog && !proxy_count(s, SB_C_linger_full))
		breach(s, "INV-COUNT", "counted %llu requests in dialogs, the wire says %llu",
		        (unsigned long long)proxy_count(s, SB_C_in_dialog), (unsigned long long)s->o_in_dialog);
	if (calls != s->o_calls || answered != s->o_answered || failed != s->o_failed || legs != s->o_legs)
		breach(s, "INV-COUNT",
		        "counted %llu calls, %llu answered, %llu failed, %llu legs; the wire says %llu, %llu, %llu, "
		        "%llu",
		        (unsigned long long)calls, (unsigned long long)answered, (unsigned long long)failed,
		        (unsigned long long)legs, (unsigned long long)s->o_calls, (unsigned long long)s->o_answered,
		        (unsigned long long)s->o_failed, (unsigned long long)s->o_legs);
}

/* Its caller may have gone away meanwhile: Timer C ends it. */
bool oracle_open(const struct sim *s)
{
	for (uint32_t i = 0; i < s->calls_started; i++) {
		const struct ocall *c = &s->ocall[i];
		if (c->arrived && c->boot == s->px.boot && !c->final && !c->shed && !c->message &&
		        !(c->maybe && !c->n_legs))
			return true;
	}
	return false;
}

/* Where nothing gets lost and nobody dies, each caller has heard how its call ended. */
static void check_callers(struct sim *s)
{
	const struct profile *p = s->profile;
	if (p->loss_pm || p->corrupt_pm || p->send_fail_pm || p->stall_s || p->kill_s)
		return;
	for (uint32_t i = 0; i < s->calls_started; i++) {
		const struct ucall *u = &s->ucall[i];
		const struct ocall *c = &s->ocall[i];
		if (!u->final && (c->final || !u->message))
			breach(s, "INV-FINAL", "the caller of call %u has never heard how it ended (%u)", i, c->final);
	}
}

void oracle_over(struct sim *s)
{
	const struct conf *k = &s->confs[s->n_confs - 1];
	check_counters(s);
	check_callers(s);
	oracle_free(s);
	steer_over(s);
	for (unsigned t = 0; t < TRUNKS_MAX; t++) {
		struct sb_health_view v = sb_health_read(s->px.health, s->px.slot[t]);
		if (k->trunk[t].present && (k->trunk[t].probed ? v.state != SB_UP : v.state == SB_DOWN))
			breach(s, "INV-LIVE", "t%u is %s %llu s after all is well again", t, sb_health_name(v.state),
			        (unsigned long long)((s->now - s->healed_at) / SEC));
	}
}

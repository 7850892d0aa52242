/* SPDX-License-Identifier: BSD-3-Clause */
/* oracle_out.c - what the proxy sends, message by message, against what the RFCs and the rows of behaviours allow at
 * that moment. */
#include "sim.h"

static void request_to_trunk(struct sim *s, const struct msg *m, struct ep src, struct ep dst, int t)
{
	struct step *st = &s->step;
	if (str_is(m->method, "OPTIONS") && m->call >= s->n_calls) {
		oracle_probe_out(s, (unsigned)t, m);
		return;
	}
	if (m->call >= s->n_calls)
		return;
	st->requests_out++;
	struct ocall *c = &s->ocall[m->call];
	struct oleg *l = c->boot == s->px.boot ? leg_of(c, m->branch) : NULL;
	bool invite = str_is(m->method, "INVITE") && !m->to_tag.n;
	bool first = (invite || str_is(m->method, "MESSAGE")) && !l;
	if (l && (!ep_eq(src, listener_ep(conf_of(s, c)->trunk[l->trunk].listener)) ||
	                 !ep_eq(dst, trunk_ep(conf_of(s, c), l->trunk))))
		breach(s, "INV-PLACE", "%.*s to t%d leaves by the wrong listener, or to another address",
		        (int)m->method.n, m->method.p, t);
	if (l && t != l->trunk)
		breach(s, "INV-PLACE", "%.*s of t%u's leg goes to t%d", (int)m->method.n, m->method.p, l->trunk, t);
	if (first) {
		steer_leg(s, c, m, (unsigned)t, src, dst);
	} else if (l && (invite || str_is(m->method, "MESSAGE"))) {
		again_leg(s, c, l);
	} else if (str_is(m->method, "CANCEL")) {
		st->cancels++;
		if (!l || !l->prov || (l->final && !shaken(s, c)))
			breach(s, "INV-CANCEL", "CANCEL to t%d, whose INVITE %s", t,
			        !l         ? "is unknown"
			        : l->final ? "is answered"
			                   : "had no provisional");
		if (l) {
			l->cancel_sent = true;
			again_cancel(s, c, l, m->call);
		}
	} else if (str_is(m->method, "ACK") && l) {
		st->acks++;
		bool now =
		        st->kind == STEP_RESPONSE && st->leg == l && st->in.status >= 300; /* after a 2xx, by a twin */
		if (l->final < 300 && !now && !shaken(s, c))
			breach(s, "INV-ACK", "t%d gets the ACK of a failure that it did not send", t);
	}
}

/* ---- what the callers get */
static void shed(struct sim *s, struct ocall *c, const struct msg *m)
{
	if (!m->retry_after)
		breach(s, "INV-RATE", "call %u is shed, and not told when to come back", m->call);
	steer_shed(s, c, m->call);
	if (!c->shed && !c->final && c->n_legs == 0)
		s->o_shed++;
	if (c->n_legs || c->final)
		breach(s, "INV-FINAL", "a 503 goes up for a call that has been on its way");
	c->shed = true;
}

static void final_up(struct sim *s, struct ocall *c, const struct msg *m, uint64_t hash)
{
	struct step *st = &s->step;
	if (m->status == 503) {
		shed(s, c, m);
		return;
	}
	if (m->status < 300)
		st->up_2xx++;
	if (c->final && (m->status < 300) != (c->final < 300))
		breach(s, "INV-FINAL", "call %u had %u and gets %u", m->call, c->final, m->status);
	if (c->final >= 300 && (m->status != c->final || hash != c->final_hash))
		breach(s, "INV-FINAL", "call %u had %u and gets another final (%u)", m->call, c->final, m->status);
	if (!c->message && m->status >= 300 && (!c->final || c->final >= 300))
		again_final(s, c, m->call);
	if (c->final)
		return;
	const struct oleg *l = c->n_legs ? &c->leg[c->n_legs - 1] : NULL;
	if (l)
		steer_bound_wait(s, c, l);
	bool forced = c->cancelled || (l && l->final && !failing(l->final)) || (l && l->ringing) || impatient(s, c);
	if (m->status >= 300 && !forced && more(s, c) && !shaken(s, c))
		breach(s, "INV-HUNT", "call %u ends with %u, trunks %x were not tried", m->call, m->status, more(s, c));
	if (m->status == 408 && c->message)
		breach(s, "INV-FINAL", "408 to a %s (RFC 4320)", "MESSAGE");
	if (m->status == 408 && l && !l->first_response && !l->dead && !c->cancelled && !shaken(s, c) &&
	        !impatient(s, c) && s->now - l->start / MS * MS < 64 * conf_of(s, c)->t1_ms * MS)
		breach(s, "INV-SCHEDULE", "call %u gets 408 before the last candidate, t%u, had its 64*T1", m->call,
		        l->trunk);
	if (c->cancelled && !shaken(s, c) && m->status >= 300 && m->status != 487 && !(l && l->final == m->status) &&
	        !(l && l->final == 503 && m->status == 500))
		breach(s, "INV-FINAL", "a cancelled call ends with %u", m->status);
	if (m->status < 300)
		saw(s, SEEN_answered);
	c->final = (uint16_t)m->status;
	c->final_at = s->now;
	c->final_hash = hash;
	if (!c->message)
		*(m->status < 300 ? &s->o_answered : &s->o_failed) += 1;
	at(s, s->now + 70 * conf_of(s, c)->t1_ms * MS, EV_CALLER_OVER, m->call, 1);
}

/* What goes on within a dialog goes back to where its request came from (18.2.2, RFC 3581). */
static void in_dialog_response(struct sim *s, const struct msg *m, struct ep src, struct ep dst)
{
	struct ep to;
	if (!ep_of_via(m->via[0], &to) || !ep_eq(to, dst))
		breach(s, "INV-PLACE", "a %u to %.*s of call %u goes to the wrong place", m->status, (int)m->method.n,
		        m->method.p, m->call);
	s->step.relayed++;
	s->step.relayed_to = dst;
	s->step.relayed_from = src;
}

static void response_to_caller(struct sim *s, const struct msg *m, struct ep src, struct ep dst, uint64_t hash)
{
	char branch[32];
	struct ocall *c = &s->ocall[m->call];
	if (!ep_eq(dst, caller_ep(s, m->call)) || !ep_eq(src, listener_ep(s->ucall[m->call].listener)))
		breach(s, "INV-PLACE", "a %u of call %u goes to the wrong place", m->status, m->call);
	s->step.replies++;
	s->step.reply_status = m->status;
	if (s->step.kind == STEP_FORGED)
		return;
	if (m->branch.n > 7 && m->branch.p[7] != 'c') {
		in_dialog_response(s, m, src, dst);
		return;
	}
	snprintf(branch, sizeof branch, "z9hG4bKc%u.1", m->call);
	if (!str_is(m->branch, branch) || (!c->arrived && !str_is(m->method, "CANCEL")))
		breach(s, "INV-PLACE", "a %u that call %u did not ask for", m->status, m->call);
	if (str_is(m->method, "CANCEL"))
		return;
	if (m->status >= 200) {
		final_up(s, c, m, hash);
		return;
	}
	s->step.up_prov++;
	if (c->final)
		breach(s, "INV-FINAL", "call %u had its %u and gets a %u", m->call, c->final, m->status);
	if (c->message)
		breach(s, "INV-FINAL", "a provisional to a MESSAGE (RFC 4320)%s", "");
}

/* What a proxy must and must not do to any request that it passes on (16.6). */
static void relayed(struct sim *s, const struct msg *m, struct ep src, struct ep dst)
{
	struct step *st = &s->step;
	struct ep via;
	bool fresh = !m->to_tag.n && (str_is(m->method, "INVITE") || str_is(m->method, "MESSAGE"));
	if (fresh && m->max_forwards != 69)
		breach(s, "INV-RELAY", "%.*s leaves with Max-Forwards %u", (int)m->method.n, m->method.p,
		        m->max_forwards);
	if (!ep_of_via(m->via[0], &via) || !ep_eq(via, src))
		breach(s, "INV-RELAY", "%.*s leaves with a Via that is not where it leaves from", (int)m->method.n,
		        m->method.p);
	if (st->in.request && m->to_tag.n && st->in.to_tag.n && str_eq(m->method, st->in.method)) {
		st->relayed++;
		st->relayed_to = dst;
		st->relayed_from = src;
		if (m->max_forwards != 69 || m->n_route || !str_eq(m->body, st->in.body))
			breach(s, "INV-RELAY", "%.*s of call %u is not passed on as it came", (int)m->method.n,
			        m->method.p, m->call);
	}
}

static void request_out(struct sim *s, const struct msg *m, struct ep src, struct ep dst, int t)
{
	struct step *st = &s->step;
	bool ours = m->call < s->n_calls;
	if (t >= 0 && str_is(m->method, "ACK") && !(st->in.request && str_is(st->in.method, "ACK")) && ours &&
	        !leg_of(&s->ocall[m->call], m->branch))
		st->own_acks++;
	if (str_is(m->method, "BYE") && !(st->in.request && str_is(st->in.method, "BYE"))) {
		st->byes++;
		if (ours)
			again_bye(s, m);
	}
	relayed(s, m, src, dst);
	if (t >= 0)
		request_to_trunk(s, m, src, dst, t);
}

void oracle_out(struct sim *s, struct ep src, struct ep dst, const char *text, uint32_t len)
{
	struct msg m;
	struct step *st = &s->step;
	int t = trunk_at(dst);
	bool caller = ep_is_caller(dst);
	uint64_t hash = len;
	st->n_out++;
	if (!msg_read(&m, text, len)) {
		breach(s, "INV-TEXT", "what goes out is no SIP: %.60s", text);
		return;
	}
	if (m.call < s->n_calls)
		s->last_message = s->now;
	if (t < 0 && !caller && st->kind != STEP_JUNK && st->kind != STEP_STRANGER)
		breach(s, "INV-PLACE", "%.20s goes to nobody", text);
	bool begins =
	        m.request ? t >= 0 && !m.to_tag.n && !str_is(m.method, "CANCEL") : m.status == 100 || m.status == 503;
	if (st->aged && begins && m.call == st->in.call)
		oracle_anew(s);
	if (st->kind == STEP_STRANGER) {
		st->reply_status = m.status;
		st->relayed_to = dst;
	} else if (m.request) {
		request_out(s, &m, src, dst, t);
	} else if (caller && m.call < s->n_calls) {
		for (uint32_t i = 0; i < len; i++)
			hash = (hash ^ (uint8_t)text[i]) * 0x100000001b3ull;
		response_to_caller(s, &m, src, dst, hash);
	} else if (t >= 0 && m.call < s->n_calls) {
		if (m.branch.n < 8 || m.branch.p[7] != 'u')
			breach(s, "INV-PLACE", "a response to %.*s goes to a trunk", (int)m.method.n, m.method.p);
		in_dialog_response(s, &m, src, dst);
	}
}

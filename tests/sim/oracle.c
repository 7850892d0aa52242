/* SPDX-License-Identifier: BSD-3-Clause */
/* oracle.c - what the proxy sends, message by message, against what the RFCs and the rows of behaviours allow at that
 * moment. oracle_step.c judges whole steps, oracle_health.c trunks, oracle_end.c the end of the world. */
#include "sim.h"

const struct conf *conf_of(const struct sim *s, const struct ocall *c)
{
	return &s->confs[c->conf];
}

int trunk_at(const struct sim *s, struct ep e)
{
	unsigned t = (e.ip & 0xff) - 1u;
	(void)s;
	return e.ip >> 8 == IP(10, 2, 0, 0) >> 8 && t < TRUNKS_MAX ? (int)t : -1;
}

uint64_t formula_us(const struct conf_trunk *t)
{
	return t->a_ms * ((1ull << t->n) - 1) * MS;
}

uint64_t late_us(const struct sim *s)
{
	return s->profile->late_ms * MS;
}

bool shaken(const struct sim *s, const struct ocall *c)
{
	return c->disturbed || s->last_failure >= c->arrived;
}

/* What the table says now; it is control's word to the workers, judged in oracle_health.c. */
static bool usable(const struct sim *s, unsigned t)
{
	struct sb_health_view v = sb_health_read(s->px.health, s->px.slot[t]);
	return v.admin == SB_ENABLED && v.state != SB_DOWN;
}

static bool loaded(const struct sim *s, unsigned t)
{
	return s->confs[s->n_confs - 1].trunk[t].present;
}

/* Trunks not tried yet that were candidates when the call came and still are. */
static unsigned left(const struct sim *s, const struct ocall *c)
{
	unsigned mask = c->candidates;
	for (unsigned i = 0; i < c->n_legs; i++)
		mask &= ~(1u << c->leg[i].trunk);
	for (unsigned t = 0; t < TRUNKS_MAX; t++)
		if (!loaded(s, t) || !usable(s, t))
			mask &= ~(1u << t);
	return mask;
}

static struct oleg *leg_of(struct ocall *c, struct str branch)
{
	for (unsigned i = 0; i < c->n_legs; i++)
		if (c->leg[i].branch_len == branch.n && memcmp(c->leg[i].branch, branch.p, branch.n) == 0)
			return &c->leg[i];
	return NULL;
}

static bool failing(unsigned status)
{
	return status == 408 || (status >= 500 && status < 600);
}

/* ---- a step begins */
static void arrived(struct sim *s, const struct worker *w, struct ocall *c, uint32_t call)
{
	struct ep from = s->step.in_src;
	*c = (struct ocall){.arrived = s->now, .from = from, .boot = s->px.boot, .conf = w->conf};
	c->message = str_is(s->step.in.method, "MESSAGE");
	for (unsigned t = 0; t < TRUNKS_MAX; t++)
		if (conf_of(s, c)->trunk[t].present && loaded(s, t) && usable(s, t))
			c->candidates |= (uint8_t)(1u << t);
	c->untried = c->candidates;
	uint64_t due = s->now + 64 * conf_of(s, c)->t1_ms * MS + late_us(s);
	for (unsigned t = 0; t < TRUNKS_MAX; t++)
		if (conf_of(s, c)->trunk[t].present)
			due += formula_us(&conf_of(s, c)->trunk[t]);
	if (!c->message)
		at(s, due, EV_DEADLINE, call, s->px.boot);
}

static void begin_request(struct sim *s, const struct worker *w)
{
	struct step *st = &s->step;
	uint64_t life = 64 * s->confs[0].t1_ms * MS;
	struct ocall *c = &s->ocall[st->in.call];
	bool known = c->arrived && c->boot == s->px.boot && !c->shed;
	st->call = c;
	st->live = known && !c->maybe && (!c->final || s->now + SEC < c->final_at + life);
	bool gone = !known || (c->final && s->now > c->final_at + life + 5 * SEC);
	if (!st->live && !gone)
		st->disturbed = true; /* about to be forgotten: either is right */
	if (st->in.to_tag.n || (!str_is(st->in.method, "INVITE") && !str_is(st->in.method, "MESSAGE")))
		return;
	st->fresh = gone;
	if (gone)
		arrived(s, w, c, st->in.call);
}

/* Leg facts that the core must know from here on. */
static void begin_response(struct sim *s)
{
	struct step *st = &s->step;
	struct ocall *c = &s->ocall[st->in.call];
	struct oleg *l = st->leg = leg_of(c, st->in.branch);
	uint64_t life = 64 * s->confs[0].t1_ms * MS;
	st->call = c;
	st->live = l && c->boot == s->px.boot && c->arrived && !c->shed &&
	           (!c->final || s->now + SEC < c->final_at + life);
	st->final_before = l ? l->final : 0;
	st->was_cancelled = c->cancelled;
	st->was_over = c->final;
	if (!l || c->boot != s->px.boot || !str_is(st->in.method, c->message ? "MESSAGE" : "INVITE"))
		return;
	st->late = l != &c->leg[c->n_legs - 1];
	/* What a trunk says counts as long as it is where this call looked for it (P10). */
	bool there = conf_of(s, c)->trunk[l->trunk].port == s->confs[s->n_confs - 1].trunk[l->trunk].port;
	bool counts = !l->final && there && !shaken(s, c); /* Retry-After does so even if the call is over */
	oracle_call_in(s, l->trunk, &st->in, counts && (st->live || !c->final));
	if (!l->first_response)
		l->first_response = s->now;
	if (st->in.status < 200) {
		l->prov = true;
		l->ringing |= st->in.status > 100;
		c->last_prov = s->now;
		if (!st->late)
			c->patience = 0;
	} else if (!l->final || (st->in.status < 300 && l->final >= 300)) {
		l->final = (uint16_t)st->in.status;
	}
}

static void begin_icmp(struct sim *s, const struct packet *p)
{
	struct msg m;
	s->step.kind = STEP_ICMP;
	const char *branch = memmem(p->text, p->len, "z9hG4bK", 7);
	if (!p->fatal || !branch || p->text + p->len - branch < SB_BRANCH_LEN || !msg_read(&m, p->text, p->whole))
		return;
	int t = trunk_at(s, p->src);
	if (m.call >= s->n_calls && t >= 0 && str_is(m.branch, s->otrunk[t].probe_branch) &&
	        !s->otrunk[t].probe_answered) {
		s->otrunk[t].good_row = 0;
		s->otrunk[t].probe_answered = true;
	}
	if (m.call >= s->n_calls)
		return;
	struct ocall *c = &s->ocall[m.call];
	struct oleg *l = leg_of(c, m.branch);
	s->step.in = m;
	s->step.leg = l;
	s->step.call = c;
	if (!l || c->boot != s->px.boot || c->shed)
		return;
	s->step.live = !c->final && l == &c->leg[c->n_legs - 1] && !l->first_response && !l->dead;
	l->dead = true;
}

void oracle_begin(struct sim *s, const struct worker *w, const struct packet *p, bool icmp)
{
	struct step *st = &s->step;
	memset(st, 0, sizeof *st);
	if (!p)
		return;
	st->in_src = p->src;
	if (icmp) {
		begin_icmp(s, p);
		return;
	}
	st->kind = STEP_JUNK;
	if (!msg_read(&st->in, p->text, p->len))
		return;
	int t = trunk_at(s, p->src);
	if (st->in.call >= s->n_calls) {
		if (!st->in.request && t >= 0 && str_is(st->in.method, "OPTIONS"))
			oracle_probe_in(s, (unsigned)t, &st->in);
		return;
	}
	s->last_message = s->now;
	st->kind = st->in.request ? STEP_REQUEST : STEP_RESPONSE;
	if (st->in.request)
		begin_request(s, w);
	else
		begin_response(s);
	if (st->in.request && str_is(st->in.method, "CANCEL")) {
		st->was_cancelled = st->call->cancelled;
		st->final_before = st->call->final;
		if (st->call->boot == s->px.boot && !st->call->shed && !st->call->final)
			st->call->cancelled = true;
	}
}

/* ---- INVITE and MESSAGE to a trunk */
/* A leg that was thought the last has had more than its formula (S2.2). Candidates that are usable again may have
 * theirs (S4.4), but the caller waits no longer than their formulas and that one 64*T1. The last of them has no formula
 * to add; which one that is, only the product knows: the one with the longest here. */
static void bound_wait(struct sim *s, struct ocall *c, const struct oleg *l)
{
	const struct conf *k = conf_of(s, c);
	uint64_t sum = formula_us(&k->trunk[l->trunk]), longest = sum;
	if (c->patience || l->prov || s->now < l->start + sum)
		return;
	for (unsigned t = 0; t < TRUNKS_MAX; t++) {
		uint64_t f = c->untried >> t & 1 ? formula_us(&k->trunk[t]) : 0;
		sum += f;
		longest = f > longest ? f : longest;
	}
	c->patience = l->start / MS * MS + 64 * k->t1_ms * MS + sum - longest;
}

static bool impatient(const struct sim *s, const struct ocall *c)
{
	return c->patience && s->now >= c->patience;
}

static void check_turn(struct sim *s, struct ocall *c, unsigned t)
{
	const struct conf *k = conf_of(s, c);
	struct oleg *prev = c->n_legs ? &c->leg[c->n_legs - 1] : NULL;
	if (!prev || shaken(s, c))
		return;
	if (prev->final &&
	        (!failing(prev->final) || (prev->ringing && !k->trunk[prev->trunk].after_ringing && !c->message)))
		breach(s, "INV-HUNT", "call %u moves to t%u after a %u", s->step.in.call, t, prev->final);
	if (prev->first_response || prev->dead || c->message)
		return;
	if (sb_health_read(s->px.health, s->px.slot[prev->trunk]).state == SB_DOWN)
		return;
	uint64_t gone = s->now - prev->start / MS * MS, f = prev->a_ms * ((1ull << prev->n) - 1) * MS;
	uint64_t whole = 64 * k->t1_ms * MS;
	if (c->patience && gone + late_us(s) >= f && gone <= whole + late_us(s))
		return; /* the last again, but not for long */
	bool formula = gone >= f && gone <= f + late_us(s), last = gone >= whole && gone <= whole + late_us(s);
	if (!formula && !last)
		breach(s, "INV-SCHEDULE", "t%u was given up after %llu us, its formula is %llu us", prev->trunk,
		        (unsigned long long)gone, (unsigned long long)f);
	else if (formula && !last && prev->sends != prev->n && late_us(s) <= 10 * MS)
		breach(s, "INV-SCHEDULE", "t%u was sent to %u times instead of %u", prev->trunk, prev->sends, prev->n);
}

/* The trunk must be one that may be asked, and the best there is for the first try. */
static void check_choice(struct sim *s, struct ocall *c, unsigned t)
{
	const struct conf *k = conf_of(s, c);
	struct sb_health_view v = sb_health_read(s->px.health, s->px.slot[t]);
	unsigned first = 0;
	for (unsigned i = 0; i < TRUNKS_MAX && s->step.in.call < s->n_calls; i++)
		first |= s->ucall[s->step.in.call].route && k->trunk[i].present && k->trunk[i].group;
	if (!k->trunk[t].present && !c->maybe)
		breach(s, "INV-STEER", "t%u is not in the configuration of this call", t);
	if (v.admin != SB_ENABLED && !shaken(s, c))
		breach(s, "INV-STEER", "a new request goes to t%u, which is %s", t, sb_admin_name(v.admin));
	if (v.state == SB_DOWN && (c->n_legs > 0 || c->candidates) && !shaken(s, c))
		breach(s, "INV-STEER", "a new request goes to t%u, which is DOWN, with others alive (%x)", t,
		        c->candidates);
	if (c->n_legs > 0 || k->fallback_ms || shaken(s, c))
		return;
	for (unsigned i = 0; i < TRUNKS_MAX; i++) {
		const struct conf_trunk *o = &k->trunk[i];
		struct sb_health_view ov = sb_health_read(s->px.health, s->px.slot[i]);
		if (!(c->candidates >> i & 1) || o->group != first || (ov.state != SB_UP && ov.state != SB_SUSPECT))
			continue;
		if (k->trunk[t].group != first || k->trunk[t].priority > o->priority)
			breach(s, "INV-STEER", "t%u is asked before t%u, which is %s and comes first", t, i,
			        sb_health_name(ov.state));
	}
}

static void new_leg(struct sim *s, struct ocall *c, const struct msg *m, unsigned t)
{
	const struct conf_trunk *k = &conf_of(s, c)->trunk[t];
	s->step.new_legs++;
	s->o_legs++;
	for (unsigned i = 0; i < c->n_legs; i++)
		if (c->leg[i].trunk == t)
			breach(s, "INV-HUNT", "call %u goes to t%u twice", m->call, t);
	if (c->final)
		breach(s, "INV-HUNT", "call %u has had its %u and goes on to t%u", m->call, c->final, t);
	if (c->cancelled && !shaken(s, c))
		breach(s, "INV-HUNT", "call %u was cancelled and goes on to t%u", m->call, t);
	check_turn(s, c, t);
	check_choice(s, c, t);
	if (c->n_legs)
		bound_wait(s, c, &c->leg[c->n_legs - 1]);
	c->untried &= (uint8_t) ~(1u << t);
	c->candidates &= (uint8_t)(left(s, c) | 1u << t); /* who is passed over now has had its turn */
	if (c->n_legs == LEGS_MAX || m->branch.n > sizeof c->leg[0].branch)
		return;
	struct oleg *l = &c->leg[c->n_legs++];
	*l = (struct oleg){.trunk = (uint8_t)t, .sends = 1, .start = s->now, .a_ms = k->a_ms, .n = k->n};
	l->branch_len = (uint8_t)m->branch.n;
	memcpy(l->branch, m->branch.p, m->branch.n);
}

static void leg_again(struct sim *s, struct ocall *c, struct oleg *l)
{
	uint64_t due = l->start / MS * MS + l->a_ms * ((1ull << l->sends) - 1) * MS;
	l->sends++;
	if (c->message)
		return;
	if (l->first_response && !shaken(s, c))
		breach(s, "INV-SCHEDULE", "the INVITE is sent again to t%u, which has responded", l->trunk);
	if (c->final || l != &c->leg[c->n_legs - 1])
		breach(s, "INV-SCHEDULE", "the INVITE is sent again to t%u, whose turn is over", l->trunk);
	if (!shaken(s, c) && (s->now < due || s->now > due + late_us(s)))
		breach(s, "INV-SCHEDULE", "send %u to t%u is due at %llu us", l->sends, l->trunk,
		        (unsigned long long)due);
}

static void request_to_trunk(struct sim *s, const struct msg *m, struct ep src, int t)
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
	if (!ep_eq(src, listener_ep(t & 1)) && (invite || l))
		breach(s, "INV-PLACE", "%.*s to t%d leaves by the wrong listener", (int)m->method.n, m->method.p, t);
	if (l && t != l->trunk)
		breach(s, "INV-PLACE", "%.*s of t%u's leg goes to t%d", (int)m->method.n, m->method.p, l->trunk, t);
	if (invite || str_is(m->method, "MESSAGE")) {
		if (l)
			leg_again(s, c, l);
		else
			new_leg(s, c, m, (unsigned)t);
	} else if (str_is(m->method, "CANCEL")) {
		st->cancels++;
		if (!l || !l->prov || (l->final && !shaken(s, c)))
			breach(s, "INV-CANCEL", "CANCEL to t%d, whose INVITE %s", t,
			        !l         ? "is unknown"
			        : l->final ? "is answered"
			                   : "had no provisional");
		if (l)
			l->cancel_sent = true;
	} else if (str_is(m->method, "ACK") && l) {
		st->acks++;
		if (l->final < 300 && !shaken(s, c))
			breach(s, "INV-ACK", "t%d gets the ACK of a failure that it did not send", t);
	}
}

/* ---- what the callers get */
static void shed(struct sim *s, struct ocall *c)
{
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
		shed(s, c);
		return;
	}
	if (m->status < 300)
		st->up_2xx++;
	if (c->final && (m->status < 300) != (c->final < 300))
		breach(s, "INV-FINAL", "call %u had %u and gets %u", m->call, c->final, m->status);
	if (c->final >= 300 && (m->status != c->final || hash != c->final_hash))
		breach(s, "INV-FINAL", "call %u had %u and gets another final (%u)", m->call, c->final, m->status);
	if (c->final)
		return;
	const struct oleg *l = c->n_legs ? &c->leg[c->n_legs - 1] : NULL;
	if (l)
		bound_wait(s, c, l);
	bool forced = c->cancelled || (l && l->final && !failing(l->final)) || (l && l->ringing) || impatient(s, c);
	if (m->status >= 300 && !forced && left(s, c) && !shaken(s, c))
		breach(s, "INV-HUNT", "call %u ends with %u, trunks %x were not tried", m->call, m->status, left(s, c));
	if (m->status == 408 && c->message)
		breach(s, "INV-FINAL", "408 to a %s (RFC 4320)", "MESSAGE");
	if (m->status == 408 && l && !l->first_response && !l->dead && !c->cancelled && !shaken(s, c) &&
	        !impatient(s, c) && s->now - l->start / MS * MS < 64 * conf_of(s, c)->t1_ms * MS)
		breach(s, "INV-SCHEDULE", "call %u gets 408 before the last candidate, t%u, had its 64*T1", m->call,
		        l->trunk);
	if (c->cancelled && !shaken(s, c) && m->status >= 300 && m->status != 487 && !(l && l->final == m->status) &&
	        !(l && l->final == 503 && m->status == 500))
		breach(s, "INV-FINAL", "a cancelled call ends with %u", m->status);
	c->final = (uint16_t)m->status;
	c->final_at = s->now;
	c->final_hash = hash;
	if (!c->message)
		*(m->status < 300 ? &s->o_answered : &s->o_failed) += 1;
	at(s, s->now + 70 * conf_of(s, c)->t1_ms * MS, EV_CALLER_OVER, m->call, 1);
}

static void response_to_caller(struct sim *s, const struct msg *m, struct ep src, struct ep dst, uint64_t hash)
{
	char branch[32];
	struct ocall *c = &s->ocall[m->call];
	if (!ep_eq(dst, caller_ep(m->call, s->ucall[m->call].rport)) || !ep_eq(src, listener_ep(0)))
		breach(s, "INV-PLACE", "a %u of call %u goes to the wrong place", m->status, m->call);
	s->step.replies++;
	s->step.reply_status = m->status;
	if (str_is(m->method, "BYE")) {
		s->step.relayed++;
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

void oracle_out(struct sim *s, struct ep src, struct ep dst, const char *text, uint32_t len)
{
	struct msg m;
	struct step *st = &s->step;
	int t = trunk_at(s, dst);
	bool caller = dst.ip >> 16 == IP(10, 1, 0, 0) >> 16;
	uint64_t hash = len;
	st->n_out++;
	if (!msg_read(&m, text, len)) {
		breach(s, "INV-TEXT", "what goes out is no SIP: %.60s", text);
		return;
	}
	if (m.call < s->n_calls)
		s->last_message = s->now;
	if (t < 0 && !caller && st->kind != STEP_JUNK)
		breach(s, "INV-PLACE", "%.20s goes to nobody", text);
	if (t >= 0 && m.request && str_is(m.method, "ACK") && !(st->in.request && str_is(st->in.method, "ACK")) &&
	        m.call < s->n_calls && !leg_of(&s->ocall[m.call], m.branch))
		st->own_acks++;
	if (m.request && str_is(m.method, "BYE") && !(st->in.request && str_is(st->in.method, "BYE")))
		st->byes++;
	if (m.request && st->in.request && m.to_tag.n && st->in.to_tag.n && str_eq(m.method, st->in.method)) {
		st->relayed++;
		st->relayed_to = dst;
	}
	if (m.request && t >= 0) {
		request_to_trunk(s, &m, src, t);
	} else if (!m.request && caller && m.call < s->n_calls) {
		for (uint32_t i = 0; i < len; i++)
			hash = (hash ^ (uint8_t)text[i]) * 0x100000001b3ull;
		response_to_caller(s, &m, src, dst, hash);
	} else if (!m.request && t >= 0) {
		st->relayed++;
		if (!str_is(m.method, "BYE"))
			breach(s, "INV-PLACE", "a response to %.*s goes to a trunk", (int)m.method.n, m.method.p);
	}
}

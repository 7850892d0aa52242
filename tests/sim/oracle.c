/* SPDX-License-Identifier: BSD-3-Clause */
/* oracle.c - what is handed to the core, and what must be known of it from there on. oracle_out.c judges each message
 * that leaves, oracle_again.c what is sent again, oracle_steer.c where calls go, oracle_step.c whole steps, calls and
 * worlds, oracle_held.c what is kept, oracle_health.c trunks. */
#include "sim.h"

const struct conf *conf_of(const struct sim *s, const struct ocall *c)
{
	return &s->confs[c->conf];
}

int trunk_at(struct ep e)
{
	unsigned t = (e.ip & 0xff) - 1u;
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
bool usable(const struct sim *s, unsigned t)
{
	struct sb_health_view v = sb_health_read(s->px.health, s->px.slot[t]);
	return v.admin == SB_ENABLED && v.state != SB_DOWN;
}

bool loaded(const struct sim *s, unsigned t)
{
	return s->confs[s->n_confs - 1].trunk[t].present;
}

uint32_t left(const struct sim *s, const struct ocall *c)
{
	uint32_t mask = c->candidates;
	for (unsigned i = 0; i < c->n_legs; i++)
		mask &= ~(1u << c->leg[i].trunk);
	for (unsigned t = 0; t < TRUNKS_MAX; t++)
		if (!loaded(s, t) || !usable(s, t))
			mask &= ~(1u << t);
	return mask;
}

uint32_t more(const struct sim *s, const struct ocall *c)
{
	uint32_t mask = left(s, c), all = (uint32_t)__builtin_popcount(c->untried) + c->n_legs;
	uint32_t beyond = all > LEGS_MAX ? all - LEGS_MAX : 0; /* no request tries more (P12) */
	return (uint32_t)__builtin_popcount(mask) > beyond ? mask : 0;
}

struct oleg *leg_of(struct ocall *c, struct str branch)
{
	for (unsigned i = 0; i < c->n_legs; i++)
		if (c->leg[i].branch_len == branch.n && memcmp(c->leg[i].branch, branch.p, branch.n) == 0)
			return &c->leg[i];
	return NULL;
}

bool failing(unsigned status)
{
	return status == 408 || (status >= 500 && status < 600);
}

/* ---- a step begins */
static void arrived(struct sim *s, const struct worker *w, struct ocall *c, uint32_t call)
{
	struct ep from = s->step.in_src;
	*c = (struct ocall){.arrived = s->now, .from = from, .boot = s->px.boot, .conf = w->conf};
	c->message = str_is(s->step.in.method, "MESSAGE");
	steer_arrived(s, c, call);
	steer_came(s, c, call);
	uint64_t due = s->now + 64 * conf_of(s, c)->t1_ms * MS + late_us(s);
	for (unsigned t = 0; t < TRUNKS_MAX && !c->message; t++)
		if (c->candidates >> t & 1)
			due += formula_us(&conf_of(s, c)->trunk[t]);
	at(s, due, EV_DEADLINE, call, s->px.boot);
}

static void begin_request(struct sim *s, const struct worker *w)
{
	struct step *st = &s->step;
	struct ocall *c = &s->ocall[st->in.call];
	uint64_t life = 64 * conf_of(s, c)->t1_ms * MS, longest = 64 * s->t1_max_ms * MS;
	/* A request other than INVITE may end in silence, after 64*T1 at the latest (RFC 4320), and is then known for
	 * T4 more. */
	bool silent = c->message && !c->final;
	uint64_t over = c->final ? c->final_at : c->message ? c->arrived : NEVER / 2;
	uint64_t slow = silent ? longest + 6 * SEC : 5 * SEC;
	bool known = c->arrived && c->boot == s->px.boot && !c->shed;
	life += silent ? 5 * SEC : 0;
	st->call = c;
	st->live = known && !c->maybe && s->now + SEC < over + life;
	bool gone = !known || s->now > over + longest + slow;
	if (st->in.to_tag.n)
		return;
	st->aged = !gone && s->now + SEC >= over + life;
	st->disturbed |= !st->live && !gone;
	if (!str_is(st->in.method, "INVITE") && !str_is(st->in.method, "MESSAGE"))
		return;
	st->fresh = gone;
	if (gone)
		arrived(s, w, c, st->in.call);
	else if (c->maybe)
		steer_came(s, c, st->in.call); /* perhaps it is a new one */
}

void oracle_anew(struct sim *s)
{
	s->step.fresh = true;
	s->step.aged = false;
	arrived(s, s->step.w, s->step.call, s->step.in.call);
}

/* Leg facts that the core must know from here on. */
static void begin_response(struct sim *s)
{
	struct step *st = &s->step;
	struct ocall *c = &s->ocall[st->in.call];
	struct oleg *l = st->leg = leg_of(c, st->in.branch);
	uint64_t life = 64 * conf_of(s, c)->t1_ms * MS;
	st->call = c;
	st->live = l && c->boot == s->px.boot && c->arrived && !c->shed &&
	           (!c->final || s->now + SEC < c->final_at + life);
	st->final_before = l ? l->final : 0;
	st->goes_on = st->live && other_goes_on(s, c);
	st->was_cancelled = c->cancelled;
	st->was_over = c->final;
	again_answered(s, c, &st->in);
	if (l)
		c->touched = s->now;
	if (!l || c->boot != s->px.boot || !str_is(st->in.method, c->message ? "MESSAGE" : "INVITE"))
		return;
	st->late = l != &c->leg[c->n_legs - 1];
	/* What a trunk says counts as long as it is where this call looked for it (P10). */
	const struct conf *now = &s->confs[s->n_confs - 1];
	bool there = loaded(s, l->trunk) && ep_eq(trunk_ep(conf_of(s, c), l->trunk), trunk_ep(now, l->trunk));
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
		if (l->final < 300 && st->was_cancelled)
			saw(s, SEEN_late_200_after_cancel);
		else if (l->final < 300 && st->late)
			saw(s, SEEN_late_200_after_give_up);
	}
}

static void begin_icmp(struct sim *s, const struct packet *p)
{
	struct msg m;
	s->step.kind = STEP_ICMP;
	const char *branch = memmem(p->text, p->len, "z9hG4bK", 7);
	if (!p->fatal || !branch || p->text + p->len - branch < SB_BRANCH_LEN || !msg_read(&m, p->text, p->whole))
		return;
	int t = trunk_at(p->src);
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
	s->step.goes_on = s->step.live && other_goes_on(s, c);
	l->dead = true;
}

/* In a dialog, by the branches that callers and trunks give such requests; and one that is signed falsely. */
static bool is_forged(const struct msg *m)
{
	return m->request && m->branch.n > 8 && memcmp(m->branch.p, "z9hG4bKx", 8) == 0;
}

static void begin_sip(struct sim *s, const struct worker *w)
{
	struct step *st = &s->step;
	s->last_message = s->now;
	st->kind = !st->in.request ? STEP_RESPONSE : is_forged(&st->in) ? STEP_FORGED : STEP_REQUEST;
	st->call = &s->ocall[st->in.call];
	if (st->kind == STEP_FORGED)
		return;
	if (st->in.request)
		begin_request(s, w);
	else
		begin_response(s);
	if (st->in.request && str_is(st->in.method, "ACK") && st->call->final >= 300 && st->in.branch.n > 7 &&
	        st->in.branch.p[7] == 'c')
		st->call->up.done = true;
	if (st->in.request && str_is(st->in.method, "CANCEL")) {
		st->was_cancelled = st->call->cancelled;
		st->final_before = st->call->final;
		if (st->call->boot == s->px.boot && !st->call->shed && !st->call->final)
			st->call->cancelled = true;
	}
}

void oracle_begin(struct sim *s, const struct worker *w, const struct packet *p)
{
	struct step *st = &s->step;
	memset(st, 0, sizeof *st);
	st->w = w;
	st->shed_rate = sb_counter_get(&w->counters, SB_C_shed_rate);
	st->shed_overload = sb_counter_get(&w->counters, SB_C_shed_overload);
	st->shed_full = sb_counter_get(&w->counters, SB_C_shed_table_full);
	if (!p)
		return;
	st->in_src = p->src;
	st->in_dst = p->dst;
	if (p->kind == PACKET_ICMP) {
		begin_icmp(s, p);
		return;
	}
	st->kind = STEP_JUNK;
	if (!msg_read(&st->in, p->text, p->len))
		return;
	int t = trunk_at(p->src);
	if (st->in.call < s->n_calls) {
		begin_sip(s, w);
	} else if (p->src.ip >> 16 == IP(10, 9, 0, 0) >> 16 && str_is(st->in.method, "INVITE")) {
		st->kind = STEP_STRANGER;
		saw(s, SEEN_stranger);
	} else if (!st->in.request && t >= 0 && str_is(st->in.method, "OPTIONS")) {
		oracle_probe_in(s, (unsigned)t, &st->in);
	}
}

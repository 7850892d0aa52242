/* SPDX-License-Identifier: BSD-3-Clause */
/* oracle_steer.c - which trunk a request may go to, and which it may go to next: the longest prefix, then the domain,
 * the source, the default; groups in order; priorities in order; shares by weight; nobody who is down, switched off or
 * held back before others (S2, S4.4, design 4). And who is sent away: a source over its rate, anybody at a full table.
 */
#include "sim.h"

#define NO_PLACE 0xffffu

/* ---- routes and places */
static bool dials(const struct conf_route *r, const struct ucall *u, uint32_t call)
{
	char number[32];
	snprintf(number, sizeof number, "%s%u", dial_prefix[u->dial], 1000000 + call);
	return strncmp(number, r->text, strlen(r->text)) == 0;
}

static uint8_t route_of(const struct conf *k, const struct ucall *u, uint32_t call)
{
	int best = -1;
	for (uint8_t i = 0; i < k->n_routes; i++) {
		const struct conf_route *r = &k->route[i];
		if (r->by == BY_PREFIX && dials(r, u, call) &&
		        (best < 0 || strlen(r->text) > strlen(k->route[best].text)))
			best = i;
	}
	for (uint8_t by = BY_DOMAIN; best < 0; by++)
		for (uint8_t i = 0; i < k->n_routes && best < 0; i++) {
			const struct conf_route *r = &k->route[i];
			if (r->by == by && (by == BY_DEFAULT || (by == BY_DOMAIN && u->other_domain) ||
			                           (by == BY_SOURCE && r->source == u->caller)))
				best = i;
		}
	return (uint8_t)best;
}

/* Where the trunk stands on the route: groups in order, priorities within; its first place if it has several. */
static unsigned place(const struct conf *k, uint8_t route, unsigned t)
{
	const struct conf_route *r = &k->route[route];
	for (unsigned i = 0; i < r->n; i++)
		if (k->group[r->group[i]].priority[t])
			return i << 8 | k->group[r->group[i]].priority[t];
	return NO_PLACE;
}

/* Did it come back so lately that its group leaves new calls to the others? slack: how sure. In any of its groups that
 * the route names, or in all. */
static bool held_back(const struct sim *s, const struct conf *k, uint8_t route, unsigned t, int64_t slack, bool all)
{
	const struct conf_route *r = &k->route[route];
	uint64_t back = s->otrunk[t].serving_since, told = s->px.health->line[s->px.slot[t]].up_since_ms * MS;
	if (!all && told > back) /* down and up again between two looks */
		back = told;
	unsigned in = 0, held = 0;
	for (unsigned i = 0; i < r->n; i++) {
		const struct conf_group *g = &k->group[r->group[i]];
		in += g->priority[t] != 0;
		held += g->priority[t] && g->fallback_ms && back &&
		        (int64_t)s->now < (int64_t)(back + g->fallback_ms * MS) + slack;
	}
	return all ? in && held == in : held > 0;
}

static bool up(const struct sim *s, unsigned t)
{
	struct sb_health_view v = sb_health_read(s->px.health, s->px.slot[t]);
	return v.state == SB_UP || v.state == SB_SUSPECT;
}

void steer_arrived(struct sim *s, struct ocall *c, uint32_t call)
{
	const struct ucall *u = &s->ucall[call];
	const struct conf *k = conf_of(s, c);
	c->route = route_of(k, u, call);
	for (unsigned t = 0; t < TRUNKS_MAX; t++) {
		if (!k->trunk[t].present || !loaded(s, t) || place(k, c->route, t) == NO_PLACE || !usable(s, t))
			continue;
		c->candidates |= 1u << t;
		if (up(s, t) && !held_back(s, k, c->route, t, (int64_t)late_us(s) + 2000, false))
			c->proven |= 1u << t;
		else
			c->shaky |= 1u << t;
		enum sb_health_state state = sb_health_read(s->px.health, s->px.slot[t]).state;
		if (state == SB_PROBING || state == SB_HALF_OPEN)
			c->unproven |= 1u << t;
	}
	c->untried = c->candidates;
	if (u->caller >= CALLERS / 2)
		saw(s, SEEN_ipv6_caller);
	if (u->listener == 4)
		saw(s, SEEN_second_listener);
}

/* ---- whose turn it is */
/* A leg that was thought the last has had more than its formula (S2.2). Candidates that are usable again may have
 * theirs (S4.4), but the caller waits no longer than their formulas and that one 64*T1 (oracle_deadline). How many were
 * still to come behind it only the product knows; it is no less than this. */
void steer_bound_wait(struct sim *s, struct ocall *c, const struct oleg *l)
{
	const struct conf *k = conf_of(s, c);
	uint64_t formula = formula_us(&k->trunk[l->trunk]);
	if (!c->patience && !l->prov && s->now >= l->start + formula)
		c->patience = l->start / MS * MS + 64 * k->t1_ms * MS + formula;
}

bool impatient(const struct sim *s, const struct ocall *c)
{
	return c->patience && s->now >= c->patience;
}

static void check_turn_of_other(struct sim *s, const struct ocall *c, const struct oleg *l)
{
	uint64_t gone = s->now - l->start / MS * MS;
	for (unsigned behind = l->behind_least; behind <= l->behind_most; behind++) {
		uint64_t end = other_turn_us(s, c, l, behind);
		if (gone >= end && gone <= end + late_us(s))
			return;
	}
	breach(s, "INV-SCHEDULE", "t%u was given up after %llu us, its part of 64*T1 is %llu us", l->trunk,
	        (unsigned long long)gone, (unsigned long long)other_turn_us(s, c, l, l->behind_least));
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
	if (prev->first_response || prev->dead)
		return;
	if (sb_health_read(s->px.health, s->px.slot[prev->trunk]).state == SB_DOWN)
		return;
	if (c->message) {
		check_turn_of_other(s, c, prev);
		return;
	}
	uint64_t gone = s->now - prev->start / MS * MS, f = prev->a_ms * ((1ull << prev->n) - 1) * MS;
	uint64_t whole = 64 * k->t1_ms * MS;
	bool formula = gone >= f && gone <= f + late_us(s), last = gone >= whole && gone <= whole + late_us(s);
	if (gone > f + late_us(s))
		saw(s, SEEN_revived);
	if (c->patience && gone + late_us(s) >= f && gone <= whole + late_us(s))
		return; /* the last again, but not for long */
	if (!formula && !last)
		breach(s, "INV-SCHEDULE", "t%u was given up after %llu us, its formula is %llu us", prev->trunk,
		        (unsigned long long)gone, (unsigned long long)f);
	else if (formula && !last && prev->sends != prev->n && late_us(s) <= 10 * MS)
		breach(s, "INV-SCHEDULE", "t%u was sent to %u times instead of %u", prev->trunk, prev->sends, prev->n);
}

/* The draw between equals: who was taken, and how often each should be. Only where nothing but the weights decides. */
static void weigh(struct sim *s, const struct ocall *c, unsigned taken)
{
	const struct conf *k = conf_of(s, c);
	const struct conf_route *r = &k->route[c->route];
	unsigned at_place = place(k, c->route, taken), sum = 0, n = 0;
	const uint8_t *weight = k->group[r->group[at_place >> 8]].weight;
	for (unsigned t = 0; t < TRUNKS_MAX; t++) {
		if (place(k, c->route, t) != at_place)
			continue;
		if (c->shaky >> t & 1)
			return;
		if (c->proven >> t & 1)
			sum += weight[t], n++;
	}
	if (n < 2 || !(c->proven >> taken & 1))
		return;
	saw(s, SEEN_weighted);
	s->oshare[taken].taken++;
	for (unsigned t = 0; t < TRUNKS_MAX; t++) {
		if (place(k, c->route, t) != at_place || !(c->proven >> t & 1))
			continue;
		double p = (double)weight[t] / sum;
		s->oshare[t].due += p;
		s->oshare[t].variance += p * (1 - p);
	}
}

/* Nobody who is proven and stands before it is passed over. */
static void check_order(struct sim *s, struct ocall *c, unsigned t)
{
	const struct conf *k = conf_of(s, c);
	unsigned own = place(k, c->route, t);
	uint32_t before = c->proven & left(s, c);
	for (unsigned i = 0; i < TRUNKS_MAX; i++)
		if (i != t && (before >> i & 1) && place(k, c->route, i) < own)
			breach(s, "INV-STEER", "t%u is asked before t%u, which comes first (call %u, hop %u)", t, i,
			        s->step.in.call, c->n_legs);
	if ((c->unproven >> t & 1) && (before & ~(1u << t)))
		breach(s, "INV-STEER", "t%u, of which nothing is known, is asked before others (%x)", t, before);
	if (c->n_legs)
		return;
	if (held_back(s, k, c->route, t, -(int64_t)late_us(s) - 2000, true)) {
		saw(s, SEEN_held_back);
		if (before & ~(1u << t))
			breach(s, "INV-FALLBACK", "t%u takes a call %llu ms after it came back, others (%x) were to", t,
			        (unsigned long long)((s->now - s->otrunk[t].serving_since) / MS), before);
	}
	weigh(s, c, t);
}

/* The trunk must be one that may be asked, and the best there is. */
static void check_choice(struct sim *s, struct ocall *c, unsigned t)
{
	const struct conf *k = conf_of(s, c);
	struct sb_health_view v = sb_health_read(s->px.health, s->px.slot[t]);
	bool sure = !shaken(s, c) && !c->maybe;
	if ((!k->trunk[t].present || place(k, c->route, t) == NO_PLACE) && !c->maybe)
		breach(s, "INV-STEER", "t%u is not on the route of this call", t);
	if (v.admin != SB_ENABLED && !shaken(s, c))
		breach(s, "INV-STEER", "a new request goes to t%u, which is %s", t, sb_admin_name(v.admin));
	if (v.state == SB_DOWN && (c->n_legs > 0 || c->candidates) && !shaken(s, c))
		breach(s, "INV-STEER", "a new request goes to t%u, which is DOWN, with others alive (%x)", t,
		        c->candidates);
	if (v.state == SB_DOWN)
		saw(s, SEEN_panic);
	if (sure)
		check_order(s, c, t);
}

static void saw_leg(struct sim *s, const struct ocall *c, const struct msg *m, struct ep dst)
{
	bool v6 = s->ucall[m->call].caller >= CALLERS / 2;
	if (c->n_legs)
		saw(s, SEEN_failover);
	if (c->n_legs == 9)
		saw(s, SEEN_ten_legs);
	if (dst.v6)
		saw(s, v6 ? SEEN_ipv6_trunk : SEEN_ipv4_to_ipv6);
	else if (v6)
		saw(s, SEEN_ipv6_to_ipv4);
}

/* A candidate that was not usable when a leg began is no longer in left(), though its turn may yet come: hence two. */
static void count_behind(const struct sim *s, const struct ocall *c, struct oleg *l)
{
	unsigned least = (unsigned)__builtin_popcount(left(s, c)), most = 0;
	for (unsigned t = 0; t < TRUNKS_MAX; t++)
		most += (c->untried >> t & 1) && usable(s, t);
	unsigned all = (unsigned)__builtin_popcount(c->untried) + c->n_legs;
	unsigned beyond = all > LEGS_MAX ? all - LEGS_MAX : 0; /* no request tries more (P12) */
	l->behind_least = (uint8_t)(least > beyond ? least - beyond : 0);
	l->behind_most = (uint8_t)most;
}

void steer_leg(struct sim *s, struct ocall *c, const struct msg *m, unsigned t, struct ep src, struct ep dst)
{
	const struct conf_trunk *k = &conf_of(s, c)->trunk[t];
	s->step.new_legs++;
	s->o_legs++;
	for (unsigned i = 0; i < c->n_legs; i++)
		if (c->leg[i].trunk == t)
			breach(s, "INV-HUNT", "call %u goes to t%u twice", m->call, t);
	if (c->n_legs == LEGS_MAX)
		breach(s, "INV-HUNT", "call %u goes to its 17th trunk", m->call);
	if (c->final)
		breach(s, "INV-HUNT", "call %u has had its %u and goes on to t%u", m->call, c->final, t);
	if (c->cancelled && !shaken(s, c))
		breach(s, "INV-HUNT", "call %u was cancelled and goes on to t%u", m->call, t);
	if (!c->maybe && (!ep_eq(src, listener_ep(k->listener)) || !ep_eq(dst, trunk_ep(conf_of(s, c), t))))
		breach(s, "INV-PLACE", "a new request to t%u leaves by the wrong listener, or to another address", t);
	check_turn(s, c, t);
	check_choice(s, c, t);
	saw_leg(s, c, m, dst);
	if (c->n_legs)
		steer_bound_wait(s, c, &c->leg[c->n_legs - 1]);
	else
		steer_passed(s, m->call);
	c->untried &= ~(1u << t);
	c->candidates &= left(s, c) | 1u << t; /* who is passed over now has had its turn */
	if (c->n_legs == LEGS_MAX || m->branch.n > sizeof c->leg[0].branch)
		return;
	struct oleg *l = &c->leg[c->n_legs++];
	*l = (struct oleg){.trunk = (uint8_t)t, .sends = 1, .start = s->now, .a_ms = k->a_ms, .n = k->n};
	l->branch_len = (uint8_t)m->branch.n;
	memcpy(l->branch, m->branch.p, m->branch.n);
	count_behind(s, c, l);
	again_expect(s, c, l);
}

/* ---- who is sent away */
/* limits.invite_rate_per_source: each worker lets its part of it through, a second's worth at once (P13). Of the
 * configuration that the worker goes by now: a call that got no answer for want of a buffer may have come under
 * another. */
static uint32_t share_of_rate(const struct sim *s)
{
	uint32_t rate = s->confs[s->step.w->conf].rate;
	return (rate + s->px.n_workers - 1) / s->px.n_workers;
}

static struct orate *rate_of(struct sim *s, uint32_t call)
{
	return &s->orate[s->step.w - s->px.w][s->ucall[call].caller];
}

/* A bucket that is a second deep is empty if, since some call, so many came as it holds and as have dripped in since,
 * in whole milliseconds. */
static bool spent(const struct sim *s, const struct orate *r, uint32_t share)
{
	for (uint32_t n = 1; n <= r->n_came && n <= 64; n++) {
		uint64_t since = r->came[(r->n_came - n) % 64];
		if (n >= share && (n - share) * SEC + SEC + 2 * MS * share > share * (s->now - since))
			return true;
	}
	return false;
}

static unsigned within_a_second(const struct sim *s, const uint64_t *ring, uint32_t n)
{
	unsigned there = 0;
	for (uint32_t i = 0; i < n && i < 64; i++)
		there += ring[i] + SEC >= s->now;
	return there;
}

void steer_passed(struct sim *s, uint32_t call)
{
	struct ocall *c = &s->ocall[call];
	struct orate *r = rate_of(s, call);
	uint32_t share = share_of_rate(s);
	if (c->message || !s->step.fresh)
		return;
	r->passed[r->n_passed++ % 64] = s->now;
	if (share && s->now > s->rate_at + 2 * SEC && within_a_second(s, r->passed, r->n_passed) > 2 * share + 1)
		breach(s, "INV-RATE", "%u INVITEs of a source pass in a second, its rate here is %u",
		        within_a_second(s, r->passed, r->n_passed), share);
}

void steer_shed(struct sim *s, struct ocall *c, uint32_t call)
{
	const struct worker *w = s->step.w;
	struct orate *r = rate_of(s, call);
	uint32_t share = share_of_rate(s), mask = 0;
	if (c->shed)
		return;
	if (sb_counter_get(&w->counters, SB_C_shed_rate) != s->step.shed_rate) {
		saw(s, SEEN_over_rate);
		r->n_came--;                         /* it costs its source nothing */
		bool sure = r->full_at > s->rate_at; /* what is left of another rate is no measure */
		if (!share || (sure && !spent(s, r, share)))
			breach(s, "INV-RATE", "call %u is shed for its rate: %u came within a second, %u may", call,
			        within_a_second(s, r->came, r->n_came), share);
	} else if (sb_counter_get(&w->counters, SB_C_shed_overload) != s->step.shed_overload) {
		saw(s, SEEN_overload);
		r->n_came--; /* nor does it cost its source anything */
		if (s->now > w->sheds_until)
			breach(s, "INV-RATE", "call %u is shed by a worker that is not past its capacity", call);
	} else if (sb_counter_get(&w->counters, SB_C_shed_table_full) != s->step.shed_full) {
		const struct sb_core_usage *u = sb_core_usage(w->core);
		saw(s, SEEN_table_full);
		if (u->transactions < u->transactions_max && u->text_bytes < u->text_bytes_max / 8)
			breach(s, "INV-RATE", "call %u is shed by a table with %llu of %llu slots taken", call,
			        (unsigned long long)u->transactions, (unsigned long long)u->transactions_max);
	} else {
		saw(s, SEEN_nobody_enabled);
		for (unsigned t = 0; t < TRUNKS_MAX; t++)
			if (place(conf_of(s, c), c->route, t) != NO_PLACE && loaded(s, t) &&
			        sb_health_read(s->px.health, s->px.slot[t]).admin == SB_ENABLED)
				mask |= 1u << t;
		if (mask)
			breach(s, "INV-RATE", "call %u is shed, and trunks %x are enabled", call, mask);
	}
}

void steer_came(struct sim *s, const struct ocall *c, uint32_t call)
{
	struct orate *r = rate_of(s, call);
	if (c->message)
		return;
	if (!r->n_came || s->now > r->came[(r->n_came - 1) % 64] + SEC + 2 * MS)
		r->full_at = s->now;
	r->came[r->n_came++ % 64] = s->now;
}

/* ---- at the end of the world */
/* Seven standard deviations: once in a million worlds it is chance. */
void steer_over(struct sim *s)
{
	for (unsigned t = 0; t < TRUNKS_MAX; t++) {
		const struct oshare *o = &s->oshare[t];
		double off = o->taken - o->due;
		if (o->variance >= 25 && off * off > 49 * o->variance)
			breach(s, "INV-WEIGHT", "t%u was taken %u times, its weight makes it %.0f", t, o->taken,
			        o->due);
	}
}

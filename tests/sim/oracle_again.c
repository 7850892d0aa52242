/* SPDX-License-Identifier: BSD-3-Clause */
/* oracle_again.c - what is sent more than once: when each send is due, that it comes then and not at another time, and
 * when there are no more of them (S4.1; RFC 3261 17.1.2.2). Timers count whole milliseconds. */
#include "sim.h"

/* When send number n + 1 of a leg is due: a, 2a, 4a ... after one another; of other requests T2 at the most (Timer E).
 */
static uint64_t leg_due(const struct sim *s, const struct ocall *c, const struct oleg *l, unsigned n)
{
	uint64_t due = l->start / MS, step = l->a_ms, t2 = 8 * conf_of(s, c)->t1_ms;
	for (; n > 0; n--) {
		due += step;
		step = c->message && 2 * step > t2 ? t2 : 2 * step;
	}
	return due * MS;
}

/* No turn is longer. That of a MESSAGE ends with its caller's Timer F; a formula may be longer than 64*T1. */
static uint64_t turn_end(const struct sim *s, const struct ocall *c, const struct oleg *l)
{
	uint64_t formula = leg_due(s, c, l, l->n), whole = 64 * conf_of(s, c)->t1_ms * MS;
	uint64_t from = (c->message ? c->arrived : l->start) / MS * MS;
	return c->message || formula < from + whole ? from + whole : formula;
}

void again_expect(struct sim *s, struct ocall *c, struct oleg *l)
{
	uint32_t call = (uint32_t)(c - s->ocall), leg = (uint32_t)(l - c->leg);
	at(s, leg_due(s, c, l, l->sends) + late_us(s) + 1, EV_LEG_DUE, call, leg << 8 | l->sends);
}

void again_leg(struct sim *s, struct ocall *c, struct oleg *l)
{
	const char *what = c->message ? "MESSAGE" : "INVITE";
	uint64_t due = leg_due(s, c, l, l->sends++), end = turn_end(s, c, l);
	if (c->final || l != &c->leg[c->n_legs - 1])
		breach(s, "INV-SCHEDULE", "the %s is sent again to t%u, whose turn is over", what, l->trunk);
	again_expect(s, c, l);
	if (shaken(s, c))
		return;
	if (l->first_response || l->dead)
		breach(s, "INV-SCHEDULE", "the %s is sent again to t%u, which has responded", what, l->trunk);
	if (s->now < due || s->now > due + late_us(s))
		breach(s, "INV-SCHEDULE", "send %u of the %s to t%u is due at %llu us", l->sends, what, l->trunk,
		        (unsigned long long)due);
	if (due >= end)
		breach(s, "INV-SCHEDULE", "the %s is sent to t%u beyond its 64*T1", what, l->trunk);
}

/* By now it was to be sent again, if it is still its turn and it has not responded. */
void again_leg_due(struct sim *s, uint32_t call, uint32_t which)
{
	struct ocall *c = &s->ocall[call];
	struct oleg *l = &c->leg[which >> 8];
	uint64_t due = leg_due(s, c, l, which & 255), end = turn_end(s, c, l);
	if (c->boot != s->px.boot || (which >> 8) + 1 != c->n_legs || l->sends != (which & 255) ||
	        s->now != due + late_us(s) + 1)
		return; /* it was, or another call is told by that number now */
	if (c->message) /* it may have ended in silence, and nobody sees when */
		end = l->start / MS * MS + other_turn_us(s, c, l, l->behind_most) - late_us(s);
	if (c->final || l->first_response || l->dead || shaken(s, c) || due >= end)
		return;
	breach(s, "INV-SCHEDULE", "send %u to t%u, which has not responded, was due at %llu us (call %u)", l->sends + 1,
	        l->trunk, (unsigned long long)due, call);
}

/* How long a request other than INVITE waits for a trunk with so many usable ones behind it: by its formula, but no
 * longer than its equal share of what is left until its caller's Timer F; the last has all of that. */
uint64_t other_turn_us(const struct sim *s, const struct ocall *c, const struct oleg *l, unsigned behind)
{
	uint64_t gone = l->start / MS - c->arrived / MS, whole = 64 * conf_of(s, c)->t1_ms;
	uint64_t share = gone < whole ? (whole - gone) / (behind + 1) * MS : 0;
	uint64_t formula = l->a_ms * ((1ull << l->n) - 1) * MS;
	return behind && formula < share ? formula : share;
}

/* Certainly not over: nobody says so when it ends in silence (RFC 4320). */
bool other_goes_on(const struct sim *s, const struct ocall *c)
{
	const struct oleg *l = c->n_legs ? &c->leg[c->n_legs - 1] : NULL;
	return l && !c->final && s->now < l->start / MS * MS + other_turn_us(s, c, l, l->behind_most);
}

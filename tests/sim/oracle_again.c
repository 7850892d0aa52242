/* SPDX-License-Identifier: BSD-3-Clause */
/* oracle_again.c - what is sent more than once: when each send is due, that it comes then and not at another time, and
 * when there are no more of them (S4.1; RFC 3261 9.1, 17.1.2.2, 17.2.1). Timers count whole milliseconds. */
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
	return l && !l->final && !l->dead && !c->final &&
	       s->now < l->start / MS * MS + other_turn_us(s, c, l, l->behind_most);
}

/* ---- what goes out until it is answered: T1, 2 * T1, 4 * T1 ... T2 after one another, until 64 * T1 */
enum { AGAIN_FINAL, AGAIN_CANCEL, AGAIN_BYE };

/* drifts: each wait begins when the last one ended, not when it was to end. */
static void sent(struct sim *s, const struct ocall *c, struct oagain *a, bool drifts)
{
	uint64_t now = s->now / MS * MS;
	if (!a->sends)
		*a = (struct oagain){.first = now, .next = now, .t1_ms = conf_of(s, c)->t1_ms};
	a->next = (drifts ? now : a->next) + (a->t1_ms * MS << (a->sends < 3 ? a->sends : 3));
	a->sends++;
}

static bool beyond(const struct oagain *a, uint64_t late)
{
	return a->next + late >= a->first + 64 * a->t1_ms * MS;
}

static void expect(struct sim *s, const struct oagain *a, unsigned kind, uint32_t who, unsigned leg)
{
	at(s, a->next + late_us(s) + 1, EV_AGAIN_DUE, who, kind << 16 | leg << 8 | a->sends);
}

/* It is sent again: is it its time? */
static void judge(struct sim *s, const struct oagain *a, const char *what, uint32_t call)
{
	if (a->done)
		breach(s, "INV-AGAIN", "%s of call %u is sent again, and has been answered", what, call);
	if (beyond(a, 0))
		breach(s, "INV-AGAIN", "%s of call %u is sent beyond its 64*T1", what, call);
	if (s->now < a->next || s->now > a->next + late_us(s))
		breach(s, "INV-AGAIN", "send %u of %s of call %u is due at %llu us", a->sends + 1u, what, call,
		        (unsigned long long)a->next);
}

/* A failure that goes up: by Timer G, and whenever the INVITE is repeated. */
void again_final(struct sim *s, struct ocall *c, uint32_t call)
{
	struct oagain *a = &c->up;
	if (a->sends && s->step.kind == STEP_REQUEST) {
		if (a->done && !shaken(s, c))
			breach(s, "INV-AGAIN", "call %u gets its %u again, and has ACKed it", call, c->final);
		return;
	}
	if (a->sends && !shaken(s, c))
		judge(s, a, "the failure", call);
	sent(s, c, a, true);
	expect(s, a, AGAIN_FINAL, call, 0);
}

void again_cancel(struct sim *s, struct ocall *c, struct oleg *l, uint32_t call)
{
	struct oagain *a = &l->cancel;
	if (a->sends && !l->dead && !shaken(s, c))
		judge(s, a, "the CANCEL", call);
	c->touched = s->now;
	sent(s, c, a, true);
	expect(s, a, AGAIN_CANCEL, call, (unsigned)(l - c->leg));
}

static struct obye *bye_of(struct sim *s, const struct msg *m)
{
	for (uint32_t i = s->n_byes; i > 0; i--)
		if (s->byes[i - 1].call == m->call && str_is(m->branch, s->byes[i - 1].branch))
			return &s->byes[i - 1];
	return NULL;
}

static struct obye *bye_add(struct sim *s, uint32_t call)
{
	if (s->n_byes == s->byes_max) {
		s->byes_max = s->byes_max ? s->byes_max * 2 : 64;
		s->byes = realloc(s->byes, s->byes_max * sizeof *s->byes);
		assert(s->byes);
	}
	struct obye *b = &s->byes[s->n_byes++];
	*b = (struct obye){.call = call, .boot = s->px.boot, .born = s->now};
	return b;
}

/* A 2xx came amid a shortage: if nobody wants it, its BYE is kept, and may not have left yet. */
void again_bye_unseen(struct sim *s, uint32_t call)
{
	bye_add(s, call);
}

static struct obye *bye_new(struct sim *s, const struct msg *m)
{
	const struct sb_core_usage *u = sb_core_usage(s->step.w->core);
	struct obye *b = bye_add(s, m->call);
	/* Without room to keep it, it goes out whenever the 2xx comes. And it may be that only the first got lost here.
	 */
	b->kept = u->transactions < u->transactions_max && u->text_bytes < u->text_bytes_max / 8 &&
	          !shaken(s, &s->ocall[m->call]);
	snprintf(b->branch, sizeof b->branch, "%.*s", (int)m->branch.n, m->branch.p);
	return b;
}

/* Ours, for a 2xx that nobody wants. */
void again_bye(struct sim *s, const struct msg *m)
{
	struct ocall *c = &s->ocall[m->call];
	struct obye *b = bye_of(s, m);
	if (!b)
		b = bye_new(s, m);
	if (!b->kept)
		return;
	if (b->again.sends && s->last_failure < b->born)
		judge(s, &b->again, "the BYE", m->call);
	sent(s, c, &b->again, false);
	expect(s, &b->again, AGAIN_BYE, (uint32_t)(b - s->byes), 0);
}

/* An answer comes that ends one of these. */
void again_answered(struct sim *s, struct ocall *c, const struct msg *m)
{
	struct oleg *l = leg_of(c, m->branch);
	struct obye *b = str_is(m->method, "BYE") ? bye_of(s, m) : NULL;
	if (m->status >= 200 && b)
		b->again.done = true;
	if (m->status >= 200 && l && str_is(m->method, "CANCEL"))
		l->cancel.done = true;
}

static void missing(struct sim *s, const struct oagain *a, const char *what, uint32_t call)
{
	breach(s, "INV-AGAIN", "%s of call %u was due at %llu us, for the %uth time, and is not sent", what, call,
	        (unsigned long long)a->next, a->sends + 1u);
}

void again_due(struct sim *s, uint32_t who, uint32_t which)
{
	unsigned kind = which >> 16;
	const struct obye *b = kind == AGAIN_BYE ? &s->byes[who] : NULL;
	const struct ocall *c = &s->ocall[b ? b->call : who];
	const struct oleg *l = &c->leg[which >> 8 & 255];
	const struct oagain *a = b ? &b->again : kind == AGAIN_CANCEL ? &l->cancel : &c->up;
	if (a->done || a->sends != (which & 255) || s->now != a->next + late_us(s) + 1)
		return;
	if (beyond(a, late_us(s))) /* acted upon as late as that, its end may have come first */
		return;
	if (b && b->boot == s->px.boot && s->last_failure < b->born)
		missing(s, a, "the BYE", b->call);
	else if (kind == AGAIN_CANCEL && c->boot == s->px.boot && !shaken(s, c) && !l->final && !l->dead)
		missing(s, a, "the CANCEL", who);
	else if (kind == AGAIN_FINAL && c->boot == s->px.boot && !shaken(s, c))
		missing(s, a, "the failure", who);
}

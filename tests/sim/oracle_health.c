/* SPDX-License-Identifier: BSD-3-Clause */
/* oracle_health.c - the health table, looked at after each of control's ticks, against what was seen on the wire. */
#include "sim.h"
#include <math.h>

void oracle_health_reset(struct sim *s, unsigned trunk)
{
	s->otrunk[trunk] = (struct otrunk){.ramp_free = true};
}

void oracle_probe_out(struct sim *s, unsigned trunk, const struct msg *m)
{
	struct otrunk *o = &s->otrunk[trunk];
	const struct conf_trunk *k = &s->confs[s->n_confs - 1].trunk[trunk];
	if (m->branch.n >= sizeof o->probe_branch || str_is(m->branch, o->probe_branch))
		return; /* sent again (17.1.2) */
	memcpy(o->probe_branch, m->branch.p, m->branch.n);
	o->probe_branch[m->branch.n] = 0;
	o->probe_answered = false;
	uint64_t last = o->last_probe, gap = s->now - last;
	o->last_probe = s->now;
	if (o->state != SB_DOWN || !last || last < o->down_since || o->ramp_free)
		return;
	if (gap + late_us(s) < k->min_ms * MS)
		breach(s, "INV-BACKOFF", "t%u is DOWN and probed after %llu us, min is %u ms", trunk,
		        (unsigned long long)gap, k->min_ms);
	/* Full jitter: the wait is drawn from min to a ceiling that doubles up to max. Waits near min are nothing odd
	 * each, but a row of them as likely as 1 in 2^27 is. */
	uint64_t near_ms = k->timeout_ms + 60, ceiling_ms = (uint64_t)k->min_ms << (o->gaps < 16 ? o->gaps : 16);
	ceiling_ms = ceiling_ms < k->max_ms ? ceiling_ms : k->max_ms;
	o->gaps++;
	if (gap > (k->min_ms + near_ms) * MS)
		o->odds = 0;
	else if (ceiling_ms > k->min_ms + near_ms)
		o->odds += log2((double)(ceiling_ms - k->min_ms) / (double)near_ms);
	if (o->odds > 27)
		breach(s, "INV-BACKOFF", "t%u is DOWN, the last %u waits are all near min: no backoff", trunk, o->gaps);
}

static void hold(struct sim *s, struct otrunk *o, uint32_t retry_after)
{
	if (!retry_after)
		return;
	o->hold_at = s->now;
	if (s->verbose)
		printf("%10.3f hold t%d for %u s, call %u\n", (double)s->now / 1e6, (int)(o - s->otrunk), retry_after,
		        s->step.in.call);
	if (s->now + retry_after * SEC > o->hold_until)
		o->hold_until = s->now + retry_after * SEC;
}

void oracle_probe_in(struct sim *s, unsigned trunk, const struct msg *m)
{
	struct otrunk *o = &s->otrunk[trunk];
	if (!str_is(m->branch, o->probe_branch) || m->status < 200 || o->probe_answered)
		return;
	o->probe_answered = true;
	o->spoke_at = s->now;
	if (m->status < 500)
		o->good_row++;
	else if (m->status == 503)
		o->good_row = 0;
}

/* counts: the leg's own first final, its turn not over and the call not cancelled. */
void oracle_call_in(struct sim *s, unsigned trunk, const struct msg *m, bool counts)
{
	struct otrunk *o = &s->otrunk[trunk];
	if (m->status == 503 && counts)
		hold(s, o, m->retry_after);
	else if (m->status > 100)
		o->alive_since++, o->spoke_at = s->now;
}

static void left_down(struct sim *s, unsigned t, struct otrunk *o, const struct conf_trunk *k)
{
	if (s->now + 2 * MS < o->hold_until && s->now > o->hold_at + late_us(s) && s->last_failure < o->hold_at &&
	        !proxy_count(s, SB_C_mail_full))
		breach(s, "INV-HOLD", "t%u is used again %llu ms before its Retry-After is over", t,
		        (unsigned long long)((o->hold_until - s->now) / MS));
	if (k->probed && !o->good_row && !o->alive_since)
		breach(s, "INV-RAMP", "t%u left DOWN, and nothing speaks for it", t);
}

static void serving(struct sim *s, unsigned t, struct otrunk *o, const struct conf_trunk *k, uint32_t share)
{
	if (!o->serving_since)
		o->serving_since = s->now;
	uint64_t gone = s->now - o->serving_since + MS;
	if (o->ramp_free)
		return;
	if (k->ramp_ms && share > gone * SB_SHARE_FULL / (k->ramp_ms * MS) + 20)
		breach(s, "INV-RAMP", "t%u has %u/1024 of its share %llu us after it came back, the ramp is %u ms", t,
		        share, (unsigned long long)gone, k->ramp_ms);
	if (k->probed && o->good_row < k->successes)
		breach(s, "INV-RAMP", "t%u serves after %u good probes, %u are asked for", t, o->good_row,
		        k->successes);
}

static void look(struct sim *s, unsigned t, const struct conf_trunk *k)
{
	struct otrunk *o = &s->otrunk[t];
	struct sb_health_view v = sb_health_read(s->px.health, s->px.slot[t]);
	bool serves = v.state == SB_UP || v.state == SB_SUSPECT || v.state == SB_RAMPING;
	if (v.state == SB_DOWN && o->state != SB_DOWN) {
		o->was_down = true;
		o->ramp_free = false;
		o->down_since = s->now;
		o->serving_since = 0;
		o->gaps = 0;
		o->odds = 0;
		if (s->now > o->spoke_at + late_us(s)) /* what was said just now may still be on its way to control */
			o->good_row = o->alive_since = 0;
	} else if (v.state != SB_DOWN && o->state == SB_DOWN) {
		left_down(s, t, o, k);
	}
	if (o->was_down && serves)
		serving(s, t, o, k, v.share);
	if (v.state == SB_UP)
		o->was_down = false;
	if (v.state != SB_DOWN && s->now < o->hold_until && s->now > o->hold_at + late_us(s) &&
	        s->last_failure < o->hold_at && proxy_count(s, SB_C_mail_full) == 0)
		breach(s, "INV-HOLD", "t%u is %s though it asked for a pause", t, sb_health_name(v.state));
	o->state = v.state;
}

void oracle_health(struct sim *s)
{
	const struct conf *c = &s->confs[s->n_confs - 1];
	for (unsigned t = 0; t < TRUNKS_MAX; t++)
		if (c->trunk[t].present)
			look(s, t, &c->trunk[t]);
}

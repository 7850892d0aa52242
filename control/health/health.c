/* SPDX-License-Identifier: BSD-3-Clause */
/* health.c - see health.h. An event is first counted, then the table says where it leads, and what it led to is asked
 * again with the same event (DOWN -> HALF_OPEN -> RAMPING on one good probe if one is enough). */
#include "control/health/health.h"

/* What must be true for a change. */
enum guard {
	STAY, /* no change */
	ALWAYS,
	ENOUGH_FAILED, /* probes in a row, or K of the last N calls (P2) */
	LIFE,          /* no failure pending: see life() */
	NOT_HELD,      /* no Retry-After runs */
	ENOUGH_GOOD,   /* probes in a row (P3) */
	TRIAL_DUE,     /* no probes here, and the backoff is over */
	NO_PROBE,      /* no probes here */
	RAMP_OVER,
};

struct change {
	enum guard guard;
	enum sb_health_state next;
};

#define S_(state) [SB_##state]
#define E_(event) [SB_HE_##event]
static const struct change table[SB_HEALTH_STATES][SB_HEALTH_EVENTS] =
        {
                S_(PROBING) =
                        {
                                E_(PROBE_GOOD) = {ALWAYS, SB_UP},
                                E_(PROBE_BAD) = {ENOUGH_FAILED, SB_DOWN},
                                E_(ALIVE) = {ALWAYS, SB_UP},
                                E_(FAILURE) = {ENOUGH_FAILED, SB_DOWN},
                                E_(HOLD) = {ALWAYS, SB_DOWN},
                                E_(DUE) = {NO_PROBE, SB_UP},
                        },
                S_(UP) =
                        {
                                E_(PROBE_BAD) = {ALWAYS, SB_SUSPECT},
                                E_(FAILURE) = {ALWAYS, SB_SUSPECT},
                                E_(HOLD) = {ALWAYS, SB_DOWN},
                        },
                S_(SUSPECT) =
                        {
                                E_(PROBE_GOOD) = {LIFE, SB_UP},
                                E_(PROBE_BAD) = {ENOUGH_FAILED, SB_DOWN},
                                E_(ALIVE) = {LIFE, SB_UP},
                                E_(FAILURE) = {ENOUGH_FAILED, SB_DOWN},
                                E_(HOLD) = {ALWAYS, SB_DOWN},
                        },
                S_(DOWN) =
                        {
                                E_(PROBE_GOOD) = {NOT_HELD, SB_HALF_OPEN},
                                E_(ALIVE) = {NOT_HELD, SB_HALF_OPEN},
                                E_(DUE) = {TRIAL_DUE, SB_HALF_OPEN},
                        },
                S_(HALF_OPEN) =
                        {
                                E_(PROBE_GOOD) = {ENOUGH_GOOD, SB_RAMPING},
                                E_(PROBE_BAD) = {ALWAYS, SB_DOWN},
                                E_(ALIVE) = {NO_PROBE, SB_RAMPING},
                                E_(FAILURE) = {ALWAYS, SB_DOWN},
                                E_(HOLD) = {ALWAYS, SB_DOWN},
                                E_(DUE) = {NO_PROBE, SB_RAMPING},
                        },
                S_(RAMPING) =
                        {
                                E_(PROBE_GOOD) = {RAMP_OVER, SB_UP},
                                E_(PROBE_BAD) = {ALWAYS, SB_DOWN},
                                E_(ALIVE) = {RAMP_OVER, SB_UP},
                                E_(FAILURE) = {ALWAYS, SB_DOWN},
                                E_(HOLD) = {ALWAYS, SB_DOWN},
                                E_(DUE) = {RAMP_OVER, SB_UP},
                        },
};

uint64_t sb_rng_next(struct sb_rng *r)
{
	uint64_t z = (r->state += 0x9e3779b97f4a7c15ull);
	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9ull;
	z = (z ^ z >> 27) * 0x94d049bb133111ebull;
	return z ^ z >> 31;
}

uint64_t sb_rng_between(struct sb_rng *r, uint64_t low, uint64_t high)
{
	uint64_t span = high - low;
	if (high <= low)
		return low;
	return span == UINT64_MAX ? sb_rng_next(r) : low + sb_rng_next(r) % (span + 1);
}

struct sb_health sb_health_start(const struct sb_trunk_policy *p, uint64_t now_ms)
{
	return (struct sb_health){.state = p->probe ? SB_PROBING : SB_UP, .changed_ms = now_ms};
}

uint32_t sb_health_window_failures(const struct sb_health *h, const struct sb_trunk_policy *p)
{
	uint64_t mask = p->traffic_window >= 64 ? ~0ull : (1ull << p->traffic_window) - 1;
	return (uint32_t)__builtin_popcountll(h->window & mask);
}

uint32_t sb_health_backoff_ms(const struct sb_health *h, const struct sb_trunk_policy *p)
{
	uint64_t most = (uint64_t)p->min_ms << (h->backoff_step < 31 ? h->backoff_step : 31);
	uint64_t top = p->max_ms > p->min_ms ? p->max_ms : p->min_ms;
	return (uint32_t)(most < top ? most : top);
}

/* Full jitter between min_ms and the doubled ceiling (P4). */
static uint64_t draw_backoff(const struct sb_health *h, const struct sb_trunk_policy *p, struct sb_rng *rng)
{
	return sb_rng_between(rng, p->min_ms, sb_health_backoff_ms(h, p));
}

static void window_push(struct sb_health *h, uint32_t n, bool failed)
{
	h->window = n >= 64 ? 0 : h->window << n | failed;
	h->window_used = n >= 64 - h->window_used ? 64 : h->window_used + n;
}

static void count_failure(struct sb_health *h, uint64_t now_ms)
{
	h->failed_ms = now_ms;
	if (h->state == SB_DOWN && h->down_failures < UINT32_MAX)
		h->down_failures++;
}

static void count_bad_probe(struct sb_health *h, bool refused)
{
	h->probe_bad_row++;
	h->probe_good_row = 0;
	h->refused = refused;
}

static void count_alive(struct sb_health *h, uint32_t n, uint64_t now_ms)
{
	window_push(h, n ? n : 1, false);
	if (!h->refused)
		h->probe_bad_row = 0;
	if (h->state == SB_RAMPING && h->trial) {
		h->trial = false;
		h->ramp_from_ms = now_ms;
	}
}

static void count_hold(struct sb_health *h, const struct sb_health_input *in, uint64_t now_ms)
{
	uint64_t until = now_ms + (in->hold_ms < SB_HOLD_MS_MAX ? in->hold_ms : SB_HOLD_MS_MAX);
	if (in->by_probe)
		count_bad_probe(h, true);
	else
		window_push(h, 1, true);
	count_failure(h, now_ms);
	if (until > h->hold_until_ms)
		h->hold_until_ms = until;
}

static void count(struct sb_health *h, const struct sb_trunk_policy *p, const struct sb_health_input *in,
        uint64_t now_ms, struct sb_rng *rng)
{
	switch (in->event) {
	case SB_HE_PROBE_GOOD:
		h->probe_good_row++;
		h->probe_bad_row = 0;
		h->refused = false;
		break;
	case SB_HE_PROBE_BAD:
		count_bad_probe(h, in->refused);
		count_failure(h, now_ms);
		if (h->state == SB_DOWN) {
			h->backoff_step++;
			h->retry_ms = now_ms + draw_backoff(h, p, rng);
		}
		break;
	case SB_HE_ALIVE:
		count_alive(h, in->count, now_ms);
		break;
	case SB_HE_FAILURE:
		window_push(h, 1, true);
		count_failure(h, now_ms);
		break;
	case SB_HE_HOLD:
		count_hold(h, in, now_ms);
		break;
	case SB_HE_DUE:
		if (now_ms >= h->hold_until_ms)
			h->hold_until_ms = 0;
		break;
	case SB_HEALTH_EVENTS:
		break;
	}
}

/* A trunk that fails some of its calls would change sides with each: after a failure it stays SUSPECT for min_ms. */
static bool life(const struct sb_health *h, const struct sb_trunk_policy *p, uint64_t now_ms)
{
	return (h->probe_bad_row == 0 || !p->probe) && now_ms >= h->failed_ms + p->min_ms;
}

static bool ramp_over(const struct sb_health *h, const struct sb_trunk_policy *p, uint64_t now_ms)
{
	return !h->trial && now_ms >= h->ramp_from_ms + p->ramp_ms;
}

static bool holds(enum guard g, const struct sb_health *h, const struct sb_trunk_policy *p, uint64_t now_ms)
{
	switch (g) {
	case STAY:
		return false;
	case ALWAYS:
		return true;
	case ENOUGH_FAILED:
		return (p->probe && p->failures && h->probe_bad_row >= p->failures) ||
		       (p->traffic_failures && sb_health_window_failures(h, p) >= p->traffic_failures);
	case LIFE:
		return life(h, p, now_ms);
	case NOT_HELD:
		return now_ms >= h->hold_until_ms;
	case ENOUGH_GOOD:
		return h->probe_good_row >= p->successes;
	case TRIAL_DUE:
		return !p->probe && now_ms >= h->retry_ms && now_ms >= h->hold_until_ms;
	case NO_PROBE:
		return !p->probe;
	case RAMP_OVER:
		return ramp_over(h, p, now_ms);
	}
	return false;
}

static void enter_down(struct sb_health *h, const struct sb_trunk_policy *p, uint64_t now_ms, struct sb_rng *rng)
{
	if (!h->down_since_ms)
		h->down_since_ms = now_ms;
	h->down_failures++;
	h->probe_good_row = 0;
	h->backoff_step++;
	h->retry_ms = now_ms + draw_backoff(h, p, rng);
}

static void enter(struct sb_health *h, enum sb_health_state next, const struct sb_trunk_policy *p,
        enum sb_health_event event, uint64_t now_ms, struct sb_rng *rng)
{
	switch (next) {
	case SB_UP:
		if (h->state == SB_PROBING)
			h->window = h->window_used = 0;
		h->backoff_step = h->down_failures = 0;
		h->down_since_ms = 0;
		break;
	case SB_DOWN:
		enter_down(h, p, now_ms, rng);
		break;
	case SB_HALF_OPEN:
		h->probe_good_row = event == SB_HE_PROBE_GOOD;
		h->probe_bad_row = 0;
		break;
	case SB_RAMPING:
		h->window = h->window_used = 0;
		h->up_since_ms = h->ramp_from_ms = now_ms;
		h->trial = event == SB_HE_DUE;
		break;
	case SB_PROBING:
	case SB_SUSPECT:
	case SB_HEALTH_STATES:
		break;
	}
	h->state = next;
	h->changed_ms = now_ms;
}

struct sb_health sb_health_step(struct sb_health h, const struct sb_trunk_policy *p, const struct sb_health_input *in,
        uint64_t now_ms, struct sb_rng *rng, struct sb_health_path *path)
{
	path->n = 0;
	path->state[path->n++] = h.state;
	count(&h, p, in, now_ms, rng);
	while (path->n <= SB_HEALTH_PATH_MAX) {
		const struct change *c = &table[h.state][in->event];
		if (!holds(c->guard, &h, p, now_ms))
			break;
		enter(&h, c->next, p, in->event, now_ms, rng);
		path->state[path->n++] = h.state;
	}
	/* No probe and no trial while Retry-After runs; and not all trunks at the very end of it. */
	if (h.state == SB_DOWN && h.retry_ms < h.hold_until_ms)
		h.retry_ms = h.hold_until_ms + sb_rng_between(rng, 0, p->min_ms);
	return h;
}

uint64_t sb_health_due_ms(const struct sb_health *h, const struct sb_trunk_policy *p)
{
	switch (h->state) {
	case SB_DOWN:
		if (h->hold_until_ms)
			return h->hold_until_ms;
		return p->probe ? UINT64_MAX : h->retry_ms;
	case SB_RAMPING:
		return h->trial ? UINT64_MAX : h->ramp_from_ms + p->ramp_ms;
	case SB_PROBING:
	case SB_HALF_OPEN:
		return p->probe ? UINT64_MAX : 0;
	default:
		return UINT64_MAX;
	}
}

uint64_t sb_health_probe_ms(const struct sb_health *h, const struct sb_trunk_policy *p, uint64_t sent_ms,
        uint64_t now_ms, struct sb_rng *rng)
{
	uint64_t often = p->min_ms < p->interval_ms ? p->min_ms : p->interval_ms, at;
	switch (h->state) {
	case SB_DOWN:
		return h->retry_ms > now_ms ? h->retry_ms : now_ms + draw_backoff(h, p, rng);
	case SB_UP:
	case SB_RAMPING:
		often = p->interval_ms;
		break;
	default: /* something is to be found out: as often as allowed */
		break;
	}
	at = sent_ms + sb_rng_between(rng, often - often / 10, often + often / 10);
	return at > now_ms ? at : now_ms;
}

uint32_t sb_health_share(const struct sb_health *h, const struct sb_trunk_policy *p, uint64_t now_ms)
{
	uint64_t share, gone = now_ms > h->ramp_from_ms ? now_ms - h->ramp_from_ms : 0;
	switch (h->state) {
	case SB_UP:
	case SB_SUSPECT:
		return SB_SHARE_FULL;
	case SB_RAMPING:
		if (h->trial)
			return SB_SHARE_FLOOR;
		if (gone >= p->ramp_ms)
			return SB_SHARE_FULL;
		share = gone * SB_SHARE_FULL / p->ramp_ms;
		return share > SB_SHARE_FLOOR ? (uint32_t)share : SB_SHARE_FLOOR;
	default:
		return 0;
	}
}

uint32_t sb_health_badness(const struct sb_health *h, uint64_t now_ms)
{
	uint64_t down_s = now_ms > h->down_since_ms ? (now_ms - h->down_since_ms) / 1000 : 0;
	uint32_t failures = h->down_failures < 0x7fff ? h->down_failures : 0x7fff;
	if (h->state != SB_DOWN)
		return 0;
	return (h->hold_until_ms > now_ms ? 1u << 31 : 0) | failures << 16 |
	       (down_s < 0xffff ? (uint32_t)down_s : 0xffff);
}

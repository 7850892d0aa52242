/* SPDX-License-Identifier: BSD-3-Clause */
#include "mixed.h"

static struct {
	struct call call[BED_CALLS];
	enum step step[BED_CALLS];
	unsigned order[BED_CALLS], n; /* of calls: this round's messages */
	unsigned round;
	unsigned body_least, body_most;
} mixed;

void mixed_begin(unsigned least, unsigned most)
{
	mixed.body_least = least;
	mixed.body_most = most;
}

/* In the first rounds a seventh of the calls begins in each. */
static void shuffle(void)
{
	mixed.n = 0;
	for (unsigned i = 0; i < BED_CALLS; i++) {
		if (i % STEPS > mixed.round)
			continue;
		unsigned at = bed_draw(++mixed.n);
		mixed.order[mixed.n - 1] = mixed.order[at];
		mixed.order[at] = i;
	}
	mixed.n -= mixed.n % BED_BURST;
	mixed.round++;
}

static void write_all(void)
{
	static uint32_t next_id = 1u << 30;
	for (unsigned i = 0; i < mixed.n; i++) {
		struct call *call = &mixed.call[mixed.order[i]];
		enum step step = mixed.step[mixed.order[i]];
		if (step == INVITE) {
			call->id = next_id++;
			call->body = (uint16_t)(mixed.body_least + bed_draw(mixed.body_most - mixed.body_least + 1));
		}
		bed_write(i, step, call);
	}
}

static void keep_all(struct call *ringing, unsigned n)
{
	enum step steps[BED_CALLS];
	struct call *calls[BED_CALLS];
	for (unsigned i = 0; i < mixed.n; i++) {
		steps[i] = mixed.step[mixed.order[i]];
		calls[i] = &mixed.call[mixed.order[i]];
	}
	bed_keep(steps, calls, mixed.n);
	for (unsigned i = 0; i < mixed.n; i++) {
		mixed.step[mixed.order[i]] = (enum step)((steps[i] + 1) % STEPS);
		if (steps[i] != RINGING || !n)
			continue;
		struct call *other = &ringing[bed_draw(n)], rung = *calls[i];
		*calls[i] = *other;
		*other = rung;
	}
}

unsigned mixed_round(uint32_t us, struct call *ringing, unsigned n, uint64_t *read, uint64_t *act)
{
	uint64_t ticks[2];
	shuffle();
	write_all();
	unsigned bursts = mixed.n / BED_BURST;
	for (unsigned burst = 0; burst < bursts; burst++) {
		bed_burst(burst * BED_BURST, ticks);
		read[burst] = ticks[0];
		act[burst] = ticks[1] + bed_tick(us / bursts);
	}
	keep_all(ringing, n);
	bed_drain();
	return bursts;
}

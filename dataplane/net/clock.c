/* SPDX-License-Identifier: BSD-3-Clause */
/* clock.c - the time stamp counter on the scale of CLOCK_MONOTONIC: control and every worker agree within microseconds.
 */
#include "dataplane/net/net.h"
#include <rte_cycles.h>
#include <time.h>

#define ANCHORS_PER_SECOND 20 /* a TSC frequency wrong by 100 ppm is 5 µs out by then */

uint64_t sb_dataplane_now_us(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000 + (uint64_t)t.tv_nsec / 1000;
}

static void anchor(struct sb_clock *c)
{
	c->us = sb_dataplane_now_us();
	c->tsc = rte_rdtsc();
	c->anchor_again = c->tsc + rte_get_tsc_hz() / ANCHORS_PER_SECOND;
}

void sb_clock_init(struct sb_clock *c)
{
	c->scale = (1000000ull << 32) / rte_get_tsc_hz();
	c->last_us = 0;
	anchor(c);
}

/* Never goes back: where a new anchor lies behind, time stands still until it has caught up. */
uint64_t sb_clock_now(struct sb_clock *c)
{
	uint64_t tsc = rte_rdtsc();
	if (tsc >= c->anchor_again || tsc < c->tsc) {
		anchor(c);
		tsc = c->tsc;
	}
	uint64_t us = c->us + (uint64_t)((unsigned __int128)(tsc - c->tsc) * c->scale >> 32);
	if (us > c->last_us)
		c->last_us = us;
	return c->last_us;
}

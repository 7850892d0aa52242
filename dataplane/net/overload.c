/* SPDX-License-Identifier: BSD-3-Clause */
/* overload.c - see overload.h. The share let through falls by a factor and rises by a step, as TCP's window does: so it
 * comes to rest just below what the worker can do, whatever a call costs. */
#include "dataplane/net/overload.h"

#define ALL  65536u
#define LEFT (ALL / 64) /* always let through: how it would be with more is not known otherwise */
#define STEP (ALL / 1024)

static void judge(struct sb_overload *o)
{
	uint32_t through = ALL - o->share;
	if (o->full * 8 >= o->turns * 7) {
		through -= through / 16;
		o->share = ALL - (through > LEFT ? through : LEFT);
	} else if (o->full * 2 < o->turns) {
		o->share -= o->share < STEP ? o->share : STEP;
	}
}

void sb_overload_turn(struct sb_overload *o, bool full, uint64_t now_us)
{
	o->run = full ? o->run + (o->run < SB_OVERLOAD_TURNS) : 0;
	if (!o->share && o->run < SB_OVERLOAD_TURNS) {
		o->turns = 0;
		return;
	}
	if (o->turns++ == 0) {
		o->since_us = now_us;
		o->full = 0;
	}
	o->full += full;
	if (o->turns < SB_OVERLOAD_WINDOW || now_us - o->since_us < SB_OVERLOAD_WINDOW_US)
		return;
	judge(o);
	o->turns = 0;
}

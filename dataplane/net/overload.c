/* SPDX-License-Identifier: BSD-3-Clause */
/* overload.c - see overload.h. The share let through falls by a factor and rises by a step, as TCP's window does: so it
 * comes to rest just below what the worker can do, whatever a call costs. */
#include "dataplane/net/overload.h"

#define ALL  65536u
#define LEFT (ALL / 64) /* always let through: how it would be with more is not known otherwise */
#define STEP (ALL / 256)
#define MOST (16 * STEP) /* given back at once: a worker that was not run for long knows no more for it */

static void judge(struct sb_overload *o, uint64_t took_us)
{
	uint32_t through = ALL - o->share;
	if (o->run >= SB_OVERLOAD_STILL && o->last_us >= o->excused_us) {
		through -= through / 32;
		o->share = ALL - (through > LEFT ? through : LEFT);
	} else if (o->idle || o->full * 2 < o->turns) {
		uint64_t back = took_us / SB_OVERLOAD_WINDOW_US * STEP;
		back = back < MOST ? back : MOST;
		o->share -= o->share < back ? o->share : (uint32_t)back;
	}
}

/* The row of full turns, and what a pause in it excuses. */
static void look_at_row(struct sb_overload *o, bool full, uint64_t now_us)
{
	const uint64_t took_us = now_us - o->last_us;
	o->last_us = now_us;
	if (took_us > SB_OVERLOAD_PAUSE_US && !o->paused) {
		const uint64_t excused = took_us * SB_OVERLOAD_EXCUSED;
		o->run = 0;
		o->paused = true; /* full or not: perhaps one port was looked at before it */
		o->excused_us = now_us + (excused < SB_OVERLOAD_EXCUSED_MAX_US ? excused : SB_OVERLOAD_EXCUSED_MAX_US);
	} else if (full) {
		o->run += o->run < SB_OVERLOAD_TURNS;
	} else {
		o->run = 0;
		o->paused = false;
	}
}

void sb_overload_turn(struct sb_overload *o, enum sb_turn turn, uint64_t now_us)
{
	const bool full = turn == SB_TURN_FULL;
	look_at_row(o, full, now_us);
	if (!o->share && (o->run < SB_OVERLOAD_TURNS || now_us < o->excused_us)) {
		o->turns = 0;
		return;
	}
	if (o->turns++ == 0) {
		o->since_us = now_us;
		o->full = o->idle = 0;
	}
	o->full += full;
	o->idle += turn == SB_TURN_IDLE;
	if (now_us - o->since_us < SB_OVERLOAD_WINDOW_US)
		return;
	judge(o, now_us - o->since_us);
	o->turns = 0;
}

/* SPDX-License-Identifier: BSD-3-Clause */
/* overload.h - is a worker past its capacity, and which share of new calls must it turn away to keep up (P13)? Told by
 * its turns: whether the queues it takes from filled a burst, which is to say that more is waiting.
 * Owner: one worker. Pure: time is handed in. Knows nothing of DPDK. */
#pragma once
#include <stdbool.h>
#include <stdint.h>

/* So many turns with a full burst, without one that was not, are past capacity: eight times what a receive queue holds
 * (1 024 frames). After a pause of the worker, with its queues full, it has worked them off by then at 7/8 of what it
 * can do; counted in turns, not in time, it is as patient with a slow port as it must be. */
#define SB_OVERLOAD_TURNS 256

/* How it looks from then on: by windows of so many turns, and so long, at least. A window with 7/8 of its turns full
 * takes 1/16 of what is let through; one with less than half of them full gives 1/1024 of all back: down in a
 * millisecond, up in a tenth of a second. Where the two balance, the queues are a burst long: the worker never waits
 * for work, and nothing is lost. */
#define SB_OVERLOAD_WINDOW    16
#define SB_OVERLOAD_WINDOW_US 100

struct sb_overload {
	uint32_t share; /* of 65536 new INVITEs: to be turned away */
	uint32_t run;   /* full turns in a row */
	uint32_t turns, full;
	uint64_t since_us; /* of the window */
};

/* One turn of the worker is over. full: one of its queues filled a burst. */
void sb_overload_turn(struct sb_overload *o, bool full, uint64_t now_us);

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

/* A turn that took so long was none: the thread was not run, or waited for memory. What came meanwhile, and what
 * senders held back, has been worked off in seven times as long at 7/8 of what the worker can do; until then full turns
 * say nothing. That is granted once in a row of full turns: if the next pause comes before the queues have been worked
 * off, pauses are part of what the worker can do, and where many ports are full, or every message goes through
 * libosip2, it is turns that take so long. */
#define SB_OVERLOAD_PAUSE_US       1000
#define SB_OVERLOAD_EXCUSED        7
#define SB_OVERLOAD_EXCUSED_MAX_US 200000

/* How it looks from then on: by windows of so long, at least. One at whose end so many turns in a row were full, which
 * is four times a receive queue, takes 1/32 of what is let through; one with a turn without work, or with less than
 * half of its turns full, gives 1/256 of all back for each 100 us: up as fast as in 26 ms. Where the two balance, the
 * queues are some bursts long: the worker hardly ever waits for work, and nothing is lost. */
#define SB_OVERLOAD_STILL     128
#define SB_OVERLOAD_WINDOW_US 100

struct sb_overload {
	uint32_t share; /* of 65536 new INVITEs: to be turned away */
	uint32_t run;   /* full turns in a row */
	uint32_t turns, full, idle;
	bool paused;         /* in this row */
	uint64_t excused_us; /* until when full turns say nothing */
	uint64_t since_us;   /* of the window */
	uint64_t last_us;    /* the turn before */
};

enum sb_turn {
	SB_TURN_IDLE, /* no queue had anything */
	SB_TURN_SOME,
	SB_TURN_FULL, /* one of them filled a burst */
};

/* One turn of the worker is over. */
void sb_overload_turn(struct sb_overload *o, enum sb_turn turn, uint64_t now_us);

/* SPDX-License-Identifier: BSD-3-Clause */
/* ahead.h - memory that is there before it is used: a thread of its own touches what comes next, so that no worker
 * waits for a page (0.1 to 4 ms for a huge one, more than a thousand messages). What is never near use stays untouched.
 * Knows nothing of DPDK. */
#pragma once
#include "dataplane/call/core.h"
#include <pthread.h>

#define SB_AHEAD_BYTES                                                                                                 \
	(32u << 20) /* at 570 000 calls a second: a sixteenth of a second of slots, half of one of records */

/* One area and how much of it is known to be there. */
struct sb_ahead_area {
	const struct sb_core *core;
	unsigned index;
	size_t there;
};

struct sb_ahead {
	pthread_t thread;
	bool running;
	_Atomic bool stop;
	unsigned n;
	struct sb_ahead_area area[SB_WORKERS_MAX * SB_CORE_AREAS];
};

/* Before sb_ahead_start: this core's memory, too. It outlives sb_ahead_stop. */
void sb_ahead_watch(struct sb_ahead *a, const struct sb_core *core);

/* Makes present what is within SB_AHEAD_BYTES of use: all of it once, now, and then from a thread of its own.
 * SB_E_NOMEM: there is no thread, and pages come as they are touched. */
int sb_ahead_start(struct sb_ahead *a);
void sb_ahead_stop(struct sb_ahead *a);

/* One look at all of it: the bytes made present. */
size_t sb_ahead_step(struct sb_ahead *a);

/* SPDX-License-Identifier: BSD-3-Clause */
/* events.c - see events.h. Record seq stands in slot (seq - 1) % SB_EVENTS_KEPT. */
#include "control/events.h"
#include "control/log.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

struct sb_events {
	uint64_t last; /* seq of the newest; 0: none yet */
	struct sb_event_record kept[SB_EVENTS_KEPT];
};

struct sb_events *sb_events_new(void)
{
	return calloc(1, sizeof(struct sb_events));
}

void sb_events_free(struct sb_events *e)
{
	free(e);
}

static enum sb_log_level level_of(const char *kind)
{
	static const char *const grave[] = {"panic", "exhausted", "table_full", "overload"};
	for (unsigned i = 0; i < sizeof grave / sizeof grave[0]; i++) {
		if (strcmp(kind, grave[i]) == 0)
			return SB_LOG_WARN;
	}
	return SB_LOG_INFO;
}

static void tell(const struct sb_event_record *rec)
{
	char elapsed[16] = "";
	const char *all[] = {"trunk", rec->trunk, "next", rec->trunk2, "detail", rec->detail, "call_id", rec->call_id,
	        "elapsed_us", elapsed};
	const char *pairs[sizeof all / sizeof all[0]];
	unsigned n = 0;
	if (rec->elapsed_us)
		snprintf(elapsed, sizeof elapsed, "%u", rec->elapsed_us);
	for (unsigned i = 0; i < sizeof all / sizeof all[0]; i += 2) {
		if (!*all[i + 1])
			continue;
		pairs[2 * n] = all[i];
		pairs[2 * n + 1] = all[i + 1];
		n++;
	}
	sb_log_pairs(level_of(rec->kind), rec->kind, pairs, n);
}

static uint64_t wall_ms(void)
{
	struct timespec now;
	clock_gettime(CLOCK_REALTIME, &now);
	return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

void sb_events_add(struct sb_events *e, const struct sb_event_record *rec)
{
	struct sb_event_record *kept = &e->kept[e->last % SB_EVENTS_KEPT];
	*kept = *rec;
	/* Readers find records by seq, so it must run on without gaps: one of the past cannot be put back. */
	kept->seq = ++e->last;
	if (!kept->wall_ms)
		kept->wall_ms = wall_ms();
	kept->kind[sizeof kept->kind - 1] = 0;
	kept->trunk[sizeof kept->trunk - 1] = 0;
	kept->trunk2[sizeof kept->trunk2 - 1] = 0;
	kept->detail[sizeof kept->detail - 1] = 0;
	kept->call_id[sizeof kept->call_id - 1] = 0;
	tell(kept);
}

const struct sb_event_record *sb_events_after(const struct sb_events *e, uint64_t seq)
{
	uint64_t oldest = e->last > SB_EVENTS_KEPT ? e->last - SB_EVENTS_KEPT + 1 : 1;
	uint64_t next = seq + 1 < oldest ? oldest : seq + 1;
	if (seq >= e->last)
		return NULL;
	return &e->kept[(next - 1) % SB_EVENTS_KEPT];
}

uint64_t sb_events_last(const struct sb_events *e)
{
	return e->last;
}

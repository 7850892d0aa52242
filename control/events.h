/* SPDX-License-Identifier: BSD-3-Clause */
/* events.h - the event log: the last SB_EVENTS_KEPT things worth telling, in order, bounded.
 * Owner: control. Readers (control socket followers) remember the sequence number they have seen. */
#pragma once
#include <stdint.h>

#define SB_EVENTS_KEPT 4096

struct sb_event_record {
	uint64_t seq;     /* 1, 2, ... */
	uint64_t wall_ms; /* Unix time */
	char kind[20];    /* "failover", "exhausted", "skipped", "panic", "late_2xx", "table_full", "overload",
	                     "health", "admin", "reload", "start" ... */
	char trunk[32];   /* "" none */
	char trunk2[32];  /* next trunk; "" none */
	char detail[160]; /* the evidence in words: "no answer in 3000 ms (4 sends)", "UP -> SUSPECT: icmp, 1 of last 8"
	                   */
	char call_id[40]; /* first bytes; "" none */
	uint32_t elapsed_us; /* from the INVITE's arrival; 0 none */
};

struct sb_events;
struct sb_events *sb_events_new(void);
void sb_events_free(struct sb_events *e);

/* Copies rec in, gives it its seq and wall time if 0, and logs it. */
void sb_events_add(struct sb_events *e, const struct sb_event_record *rec);

/* The record after seq (0: the oldest kept); NULL when there is none yet. Skips to the oldest kept if seq fell out. */
const struct sb_event_record *sb_events_after(const struct sb_events *e, uint64_t seq);
uint64_t sb_events_last(const struct sb_events *e);

/* SPDX-License-Identifier: BSD-3-Clause */
/* bench.h - an engine with real rings and nothing else around it; time moves by hand. */
#pragma once
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "control/engine.h"
#include "tests/unit/health/policy.h"

#define T0      1000000ull
#define WORKERS 2
#define RING    64
#define TRUNKS  3
#define EVENTS  256
#define BUDGET  1000

struct bench {
	struct sb_engine *e;
	struct sb_mailbox mail[WORKERS];
	struct sb_health_table *health;
	struct sb_trunk_stats *stats[WORKERS];
	struct sb_snap_trunk trunks[TRUNKS];
	struct sb_trunk_policy policy[TRUNKS];
	struct sb_snapshot snap;
	struct sb_event_record event[EVENTS];
	unsigned n_events;
	uint64_t now_ms;
};

void config(struct bench *b, unsigned n_trunks);
struct bench *bench_new(uint32_t ring);
void bench_free(struct bench *b);
void tick(struct bench *b);
void run(struct bench *b, uint64_t ms);
void post(struct bench *b, unsigned worker, struct sb_mail m);
bool next_mail(struct bench *b, uint8_t op, struct sb_mail *m, unsigned *worker);
void drop_mail(struct bench *b);
bool wait_probe(struct bench *b, struct sb_mail *m, uint64_t ms_max);
void answer(struct bench *b, const struct sb_mail *probe, uint16_t code, uint32_t retry_after_s);
void fail_call(struct bench *b, uint16_t slot, enum sb_evidence kind, uint16_t code, uint32_t retry_after_s);
void alive(struct bench *b, unsigned worker, uint16_t slot, uint64_t n);
struct sb_health_view view(struct bench *b, uint16_t slot);
void assert_state(struct bench *b, uint16_t slot, enum sb_health_state s);
void bring_up(struct bench *b, unsigned n);
const struct sb_event_record *last_event(const struct bench *b);
unsigned events_with(const struct bench *b, const char *kind, const char *part);
void *zeroed(size_t size);

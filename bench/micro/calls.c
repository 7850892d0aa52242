/* SPDX-License-Identifier: BSD-3-Clause */
/* calls.c - whole calls through a worker's core, message by message: ticks of reading each and of acting on it. Batches
 * as a port's bursts; the best quarter of many rounds. */
#include "calls.h"
#include "mixed.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ROUNDS 60
#define SLOTS  16384
#define LINGER 65536 /* more than linger at a time: expiry is timed as it comes */
#define TEXT   (2 * (SB_BENCH_BODY_MAX + 1804))
#define BURSTS (ROUNDS * BED_CALLS / BED_BURST)

static uint64_t took[ALL_STEPS][2][BURSTS];
static uint32_t bytes[ALL_STEPS];
static struct call calls[BED_CALLS];
static struct call *call_of[BED_CALLS];

static void make_bed(void)
{
	struct sb_core_config cfg = {
	        .transactions_max = SLOTS, .linger_max = LINGER, .text_bytes_max = (size_t)SLOTS * TEXT};
	bed_config(&cfg);
	bed_make(&cfg, aligned_alloc(4096, sb_core_memory(&cfg)));
}

/* What remains of calls goes, a bounded number each time the worker comes round. */
static uint64_t expire(void)
{
	uint64_t ticks = bed_tick(1000000);
	for (unsigned i = 1; i < 2 * BED_CALLS / 64; i++)
		ticks += bed_tick(0);
	return ticks;
}

static void run_step(enum step step, unsigned round)
{
	static enum step steps[BED_CALLS];
	uint64_t ticks[2];
	for (unsigned i = 0; i < BED_CALLS; i++) {
		steps[i] = step;
		bytes[step] = bed_write(i, step, &calls[i]);
	}
	for (unsigned burst = 0; burst < BED_CALLS / BED_BURST; burst++) {
		bed_burst(burst * BED_BURST, ticks);
		for (unsigned k = 0; k < 2; k++)
			took[step][k][round * (BED_CALLS / BED_BURST) + burst] = ticks[k];
	}
	bed_keep(steps, call_of, BED_CALLS);
}

static void time_mixed(unsigned body)
{
	static uint64_t mixed_took[2][BURSTS];
	unsigned n = 0;
	mixed_begin(body, body);
	for (unsigned round = 0; round < ROUNDS; round++)
		n += mixed_round(1000000 / STEPS, NULL, 0, &mixed_took[0][n], &mixed_took[1][n]);
	double read = bed_quarter(mixed_took[0], n) / BED_BURST, act = bed_quarter(mixed_took[1], n) / BED_BURST;
	printf("%-10s %6s %10.0f %10.0f   %10.0f\n", "mixed", "", read, act, read + act);
}

/* Of the last third of the rounds: by then as much expires as comes, and no table grows any more. */
static double quarter(uint64_t *bursts)
{
	return bed_quarter(bursts + BURSTS - BURSTS / 3, BURSTS / 3) / BED_BURST;
}

static void print_step(enum step step, double sum[2])
{
	double read = quarter(took[step][0]), act = quarter(took[step][1]);
	printf("%-10s %6u %10.0f %10.0f\n", step_name[step], bytes[step], read, act);
	sum[0] += read;
	sum[1] += act;
}

void time_calls(unsigned body)
{
	double sum[2] = {0, 0}, shed[2] = {0, 0};
	uint64_t over[ROUNDS];
	make_bed();
	for (unsigned i = 0; i < BED_CALLS; i++) {
		calls[i].body = (uint16_t)body;
		call_of[i] = &calls[i];
	}
	for (unsigned round = 0; round < ROUNDS; round++) {
		for (unsigned i = 0; i < BED_CALLS; i++)
			calls[i].id = round * BED_CALLS + i;
		for (unsigned s = 0; s < STEPS; s++)
			run_step((enum step)s, round);
		bed_shed(true);
		for (unsigned i = 0; i < BED_CALLS; i++)
			calls[i].id += 1u << 31;
		for (unsigned s = SHED; s < ALL_STEPS; s++)
			run_step((enum step)s, round);
		bed_shed(false);
		bed_drain();
		over[round] = expire();
	}
	printf("%-10s %6s %10s %10s\n", "message", "bytes", "read", "act");
	for (unsigned s = 0; s < STEPS; s++)
		print_step((enum step)s, sum);
	double last = bed_quarter(over + ROUNDS - ROUNDS / 3, ROUNDS / 3) / BED_CALLS;
	printf("%-10s %6s %10s %10.0f\n", "expiry", "", "", last);
	sum[1] += last;
	printf("%-10s %6s %10.0f %10.0f   %10.0f\n", "mean", "", sum[0] / STEPS, sum[1] / STEPS,
	        (sum[0] + sum[1]) / STEPS);
	for (unsigned s = SHED; s < ALL_STEPS; s++)
		print_step((enum step)s, shed);
	printf("%-10s %6s %10s %10s   %10.3f\n", "of a call", "", "", "", (shed[0] + shed[1]) / (sum[0] + sum[1]));
	time_mixed(body);
}

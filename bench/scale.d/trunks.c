/* SPDX-License-Identifier: BSD-3-Clause */
/* trunks.c - what a configuration with many trunks costs: trunks FILE SAMPLES. Loads it as the daemon does, then times
 * the choice of trunks for a dialled number, all of them up: groups drawn at random, each choice alone between fences.
 * One JSON object on stdout, times of a choice in ticks of the TSC. */
#include "control/config/config.h"
#include "dataplane/call/steer.h"
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <x86intrin.h>

#define FENCE __asm__ volatile("lfence" ::: "memory")
#define LOADS 5

static struct sb_health_table health;

static int by_size(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
	return x < y ? -1 : x > y;
}

static double ms_since(const struct timespec *a)
{
	struct timespec b;
	clock_gettime(CLOCK_MONOTONIC, &b);
	return (double)(b.tv_sec - a->tv_sec) * 1e3 + (double)(b.tv_nsec - a->tv_nsec) / 1e6;
}

/* The least of some: the file is in the page cache then. */
static struct sb_config *load(const char *file, double *least_ms)
{
	struct sb_config *c = NULL;
	for (unsigned i = 0; i < LOADS; i++) {
		struct sb_config_errors errors = {0};
		struct timespec a;
		if (c) {
			sb_snapshot_free(c->snapshot);
			c->snapshot = NULL;
			sb_config_free(c);
		}
		clock_gettime(CLOCK_MONOTONIC, &a);
		if (sb_config_load(file, NULL, 0, NULL, &c, &errors)) {
			fprintf(stderr, "%s\n", errors.n ? errors.line[0] : "not loaded");
			exit(1);
		}
		double ms = ms_since(&a);
		*least_ms = i && *least_ms < ms ? *least_ms : ms;
	}
	return c;
}

static uint32_t choose(const struct sb_snapshot *s, uint64_t draw, unsigned *n)
{
	struct sb_candidates out;
	char number[SB_PREFIX_MAX + 8];
	sb_prefix_get(&s->prefixes, (uint32_t)(draw % s->prefixes.n), number);
	struct sb_steer_key key = {
	        .number = number, .number_len = strlen(number), .domain = "", .hash = draw * 7, .now_ms = 1};
	FENCE;
	uint64_t start = __rdtsc();
	FENCE;
	sb_steer(s, &health, &key, &out);
	FENCE;
	*n = out.n;
	return (uint32_t)(__rdtsc() - start);
}

int main(int argc, char **argv)
{
	uint32_t n = argc > 2 ? (uint32_t)atoi(argv[2]) : 0, *ticks = calloc((size_t)n + 1, sizeof *ticks);
	uint64_t seed = 1;
	unsigned candidates = 0;
	double load_ms = 0;
	if (argc < 3 || !ticks || !n)
		return 64;
	struct sb_config *c = load(argv[1], &load_ms);
	for (uint32_t i = 0; i < SB_TRUNKS_MAX; i++)
		health.line[i].word = sb_health_word(SB_UP, SB_ENABLED, SB_SHARE_FULL);
	for (uint32_t i = 0; i < n; i++) {
		seed = seed * 6364136223846793005ull + 1442695040888963407ull;
		ticks[i] = choose(c->snapshot, seed >> 33, &candidates);
		if (!candidates)
			return 1;
	}
	qsort(ticks, n, sizeof *ticks, by_size);
	printf("{\"trunks\": %u, \"groups\": %u, \"candidates\": %u, \"load_ms\": %.2f, \"steer_p50\": %u, "
	       "\"steer_p99\": %u}\n",
	        c->snapshot->n_trunks, c->snapshot->n_groups, candidates, load_ms, ticks[n / 2],
	        ticks[(uint64_t)n * 99 / 100]);
	return 0;
}

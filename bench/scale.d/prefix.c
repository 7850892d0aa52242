/* SPDX-License-Identifier: BSD-3-Clause */
/* prefix.c - time and memory of dialled prefixes: prefix FILE SAMPLES. FILE is a configuration with a prefixes_file.
 * Loads it as the daemon does, then times single look-ups of prefixes drawn from it, each alone between fences:
 *   cold     the lines that a look-up asks for are flushed from every cache before; the page tables are not
 *   random   nothing is flushed: what the caches and the TLB keep of a table larger than they are, they keep
 *   warm     the same look-up again
 * and what one cold load and one random load of a line of the table cost here, below which no look-up can be.
 * One JSON object on stdout, times in ticks of the TSC. */
#include "control/config/config.h"
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <time.h>
#include <x86intrin.h>

#define FENCE __asm__ volatile("lfence" ::: "memory")

static uint64_t seed = 1, sink;

static uint32_t draw(uint32_t below)
{
	seed = seed * 6364136223846793005ull + 1442695040888963407ull;
	return (uint32_t)(((seed >> 33) * below) >> 31);
}

static int by_size(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
	return x < y ? -1 : x > y;
}

static void tell(const char *name, uint32_t *ticks, uint32_t n, uint32_t clock_ticks)
{
	qsort(ticks, n, sizeof *ticks, by_size);
	uint32_t p50 = ticks[n / 2], p99 = ticks[(uint64_t)n * 99 / 100];
	printf(", \"%s_p50\": %u, \"%s_p99\": %u", name, p50 - (p50 < clock_ticks ? p50 : clock_ticks), name,
	        p99 - (p99 < clock_ticks ? p99 : clock_ticks));
}

enum mode { CLOCK, COLD, RANDOM, WARM, COLD_LOAD, RANDOM_LOAD };

static void flush(const struct sb_prefix_table *t, const char *number, size_t len)
{
	for (size_t n = 1; n <= len && n <= SB_PREFIX_KEY_MAX; n++)
		if (t->lengths >> n & 1)
			_mm_clflush(&t->line[sb_prefix_line_of(t, sb_prefix_key(number, n))]);
	_mm_mfence();
	for (volatile int i = 0; i < 200; i++) /* the last flush is over by then */
		;
}

static uint32_t once(const struct sb_snapshot *s, enum mode mode)
{
	const struct sb_prefix_table *t = &s->prefixes;
	char number[SB_PREFIX_MAX];
	const struct sb_prefix_line *line = &t->line[draw(t->n_lines)];
	if (mode == COLD_LOAD) {
		_mm_clflush(line);
		_mm_mfence();
	}
	sb_prefix_get(t, draw(t->n), number);
	size_t len = strlen(number);
	memcpy(number + len, "5550123", 8); /* a caller dials more than the prefix */
	len += 7;
	if (mode == COLD)
		flush(t, number, len);
	if (mode == WARM)
		sink += (uintptr_t)sb_prefix_find(s, number, len);
	FENCE;
	uint64_t start = __rdtsc();
	FENCE;
	if (mode == COLD_LOAD || mode == RANDOM_LOAD)
		sink += *(const volatile uint32_t *)&line->over;
	else if (mode != CLOCK)
		sink += (uintptr_t)sb_prefix_find(s, number, len);
	FENCE;
	return (uint32_t)(__rdtsc() - start);
}

int main(int argc, char **argv)
{
	static const char *const names[] = {"clock", "cold", "random", "warm", "cold_load", "random_load"};
	struct sb_config_errors errors = {0};
	struct sb_config *c;
	struct timespec a, b;
	struct rusage use;
	uint32_t n = argc > 2 ? (uint32_t)atoi(argv[2]) : 100000, clock_ticks = 0;
	uint32_t *ticks = calloc(n, sizeof *ticks);
	if (argc < 2 || !ticks || !n)
		return 64;
	clock_gettime(CLOCK_MONOTONIC, &a);
	int rc = sb_config_load(argv[1], NULL, 0, NULL, &c, &errors);
	clock_gettime(CLOCK_MONOTONIC, &b);
	for (uint32_t i = 0; i < errors.n && i < 5; i++)
		fprintf(stderr, "%s\n", errors.line[i]);
	if (rc)
		return 1;
	getrusage(RUSAGE_SELF, &use);
	const struct sb_prefix_table *t = &c->snapshot->prefixes;
	printf("{\"prefixes\": %u, \"lengths\": %d, \"load_s\": %.3f, \"bytes_each\": %.1f, \"peak_mb\": %ld", t->n,
	        __builtin_popcount(t->lengths), (double)(b.tv_sec - a.tv_sec) + (double)(b.tv_nsec - a.tv_nsec) / 1e9,
	        ((double)t->n_lines * sizeof *t->line + (double)t->n * sizeof *t->place) / t->n, use.ru_maxrss / 1024);
	for (enum mode m = CLOCK; m <= RANDOM_LOAD; m++) {
		for (uint32_t i = 0; i < n; i++)
			ticks[i] = once(c->snapshot, m);
		if (m == CLOCK) {
			qsort(ticks, n, sizeof *ticks, by_size);
			clock_ticks = ticks[n / 2];
		} else {
			tell(names[m], ticks, n, clock_ticks);
		}
	}
	clock_gettime(CLOCK_MONOTONIC, &a);
	sb_snapshot_free(c->snapshot);
	clock_gettime(CLOCK_MONOTONIC, &b);
	printf(", \"free_ms\": %.1f}\n", (double)(b.tv_sec - a.tv_sec) * 1e3 + (double)(b.tv_nsec - a.tv_nsec) / 1e6);
	return sink == 1;
}

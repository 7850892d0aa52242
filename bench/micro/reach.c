/* SPDX-License-Identifier: BSD-3-Clause */
/* reach.c - what a touch of memory costs beyond the caches: extra ticks of work that prefetches or loads one random
 * line of an area as it goes. A prefetch is free as long as the processor knows the page; where it does not, the walk
 * through the page tables is paid at once, and in a virtual machine whose host has small pages, huge pages of the guest
 * do not help. */
#include "reach.h"
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <x86intrin.h>

#define LARGEST_MB 1024
#define TOUCHES    20000
#define ROUNDS     7

enum touch { NOTHING, PREFETCH, LOAD, N_TOUCHES };

/* Some 100 multiplications, each of which waits for the one before it. */
static uint64_t work(uint64_t x)
{
	for (unsigned i = 0; i < 100; i++)
		x = x * 0x9e3779b97f4a7c15ull + 1;
	return x;
}

static uint64_t once(const volatile uint8_t *area, size_t size, enum touch touch)
{
	static uint64_t drawn = 88172645463325252ull;
	uint64_t x = drawn, seen = 0, start = __rdtsc();
	for (unsigned i = 0; i < TOUCHES; i++) {
		drawn ^= drawn << 13;
		drawn ^= drawn >> 7;
		drawn ^= drawn << 17;
		const volatile uint8_t *at = area + (drawn & (size - 1));
		if (touch == PREFETCH)
			__builtin_prefetch((const void *)(uintptr_t)at);
		if (touch == LOAD)
			seen += *at;
		x = work(x);
	}
	uint64_t took = __rdtsc() - start;
	drawn ^= (x + seen) & 1; /* all of it is needed */
	return took / TOUCHES;
}

static void row(const uint8_t *area, unsigned mb)
{
	uint64_t best[N_TOUCHES];
	memset(best, 0xff, sizeof best);
	for (unsigned round = 0; round < ROUNDS; round++)
		for (unsigned t = 0; t < N_TOUCHES; t++) {
			uint64_t took = once(area, (size_t)mb << 20, (enum touch)t);
			best[t] = took < best[t] ? took : best[t];
		}
	printf("%6u %10.0f %10.0f\n", mb, (double)best[PREFETCH] - (double)best[NOTHING],
	        (double)best[LOAD] - (double)best[NOTHING]);
}

int time_reach(void)
{
	uint8_t *area = mmap(NULL, (size_t)LARGEST_MB << 20, PROT_READ | PROT_WRITE,
	        MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (area == MAP_FAILED)
		return 1;
	(void)madvise(area, (size_t)LARGEST_MB << 20, MADV_HUGEPAGE);
	memset(area, 1, (size_t)LARGEST_MB << 20);
	printf("%6s %10s %10s\n", "MB", "prefetch", "load");
	for (unsigned mb = 1; mb <= LARGEST_MB; mb *= 4)
		row(area, mb);
	munmap(area, (size_t)LARGEST_MB << 20);
	return 0;
}

/* SPDX-License-Identifier: BSD-3-Clause */
#include "dataplane/net/ahead.h"
#include <switchback/err.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#define PIECE   (2u << 20) /* a huge page */
#define LOOK_NS 5000000

#ifndef MADV_POPULATE_WRITE
#define MADV_POPULATE_WRITE 23 /* Linux 5.14 */
#endif

void sb_ahead_watch(struct sb_ahead *a, const struct sb_core *core)
{
	for (unsigned i = 0; i < SB_CORE_AREAS; i++)
		a->area[a->n++] = (struct sb_ahead_area){.core = core, .index = i};
}

/* Whole pages around [from, to) of base. Where the kernel can not, or has no memory, it is as if nobody had asked. */
static void populate(uint8_t *base, size_t from, size_t to)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);
	uintptr_t first = (uintptr_t)(base + from) & ~(page - 1),
	          last = ((uintptr_t)(base + to) + page - 1) & ~(page - 1);
	(void)madvise((void *)first, last - first, MADV_POPULATE_WRITE);
}

static size_t step(struct sb_ahead *a, struct sb_ahead_area *area)
{
	struct sb_area areas[SB_CORE_AREAS];
	size_t done = 0;
	for (;;) {
		sb_core_areas(area->core, areas);
		const struct sb_area *now = &areas[area->index];
		if (area->there < now->high)
			area->there = now->high; /* its worker was faster */
		size_t wanted = now->size - now->high > SB_AHEAD_BYTES ? now->high + SB_AHEAD_BYTES : now->size;
		if (area->there >= wanted || atomic_load_explicit(&a->stop, memory_order_relaxed))
			return done;
		size_t to = wanted - area->there > PIECE ? area->there + PIECE : wanted;
		populate(now->base, area->there, to);
		done += to - area->there;
		area->there = to;
	}
}

size_t sb_ahead_step(struct sb_ahead *a)
{
	size_t done = 0;
	for (unsigned i = 0; i < a->n; i++)
		done += step(a, &a->area[i]);
	return done;
}

static void *run(void *ahead)
{
	struct sb_ahead *a = ahead;
	const struct timespec look = {.tv_nsec = LOOK_NS};
	while (!atomic_load_explicit(&a->stop, memory_order_relaxed)) {
		sb_ahead_step(a);
		nanosleep(&look, NULL);
	}
	return NULL;
}

int sb_ahead_start(struct sb_ahead *a)
{
	atomic_store(&a->stop, false);
	sb_ahead_step(a);
	a->running = pthread_create(&a->thread, NULL, run, a) == 0;
	return a->running ? 0 : SB_E_NOMEM;
}

void sb_ahead_stop(struct sb_ahead *a)
{
	atomic_store(&a->stop, true);
	if (a->running)
		pthread_join(a->thread, NULL);
	a->running = false;
}

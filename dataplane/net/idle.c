/* SPDX-License-Identifier: BSD-3-Clause */
/* idle.c - what a worker does with a turn that found no work: it polls on, or naps within a latency that the
 * configuration allows, so that an idle daemon does not burn a core. */
#include "dataplane/net/net.h"
#include <rte_pause.h>
#include <time.h>

#define SPIN_US       50   /* without work, before the first nap: at load there is none */
#define NAP_FIRST_NS  5000 /* doubled by each nap that found no work, up to the budget */
#define NAP_LEAST_NS  1000
#define SHARED_NAP_US 50 /* idle: poll, but the CPU is control's or another worker's as well */

/* The longest that a frame may wait for the end of a nap; 0: no naps. */
static uint32_t budget_ns(const struct sb_worker *w)
{
	uint32_t us = w->view->snapshot->idle_latency_us;
	if (!us && w->shares_cpu)
		us = SHARED_NAP_US;
	return us * 1000;
}

static uint64_t now_ns(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

/* Naps so long that, with what the kernel takes to wake a thread, ns have passed at the end. */
static void nap(struct sb_rest *r, uint32_t ns)
{
	uint32_t asked = ns > r->over_ns + NAP_LEAST_NS ? ns - r->over_ns : NAP_LEAST_NS;
	const struct timespec t = {.tv_nsec = asked};
	uint64_t start = now_ns();
	nanosleep(&t, NULL);
	uint64_t took = now_ns() - start;
	uint32_t over = took > asked ? (uint32_t)RTE_MIN(took - asked, (uint64_t)ns) : 0;
	r->over_ns += (over >> 3) - (r->over_ns >> 3);
}

void sb_rest(struct sb_worker *w, bool worked)
{
	struct sb_rest *r = &w->rest;
	uint32_t budget;
	if (worked) {
		r->since_us = 0;
		return;
	}
	if (!r->since_us) {
		r->since_us = w->now_us;
		r->nap_ns = NAP_FIRST_NS;
	}
	rte_pause();
	if (w->now_us - r->since_us < SPIN_US || !(budget = budget_ns(w)))
		return;
	nap(r, RTE_MIN(r->nap_ns, budget));
	r->nap_ns = RTE_MIN(r->nap_ns * 2, budget);
}

/* SPDX-License-Identifier: BSD-3-Clause */
/* idle.c - what a worker does with a turn that found no work: it polls on, or naps within a latency that the
 * configuration allows, so that an idle daemon does not burn a core. */
#include "dataplane/net/net.h"
#include <rte_pause.h>
#include <time.h>

#define SPIN_US       50   /* without work, before the first nap: at load there is none */
#define NAP_FIRST_NS  5000 /* doubled by each nap that found no work, up to the budget */
#define SHARED_NAP_US 50   /* idle: poll, but the CPU is control's or another worker's as well */

/* The longest nap; 0: none. */
static uint32_t budget_ns(const struct sb_worker *w)
{
	uint32_t us = w->view->snapshot->idle_latency_us;
	if (!us && w->shares_cpu)
		us = SHARED_NAP_US;
	return us * 1000;
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
	const struct timespec nap = {.tv_nsec = RTE_MIN(r->nap_ns, budget)};
	nanosleep(&nap, NULL);
	r->nap_ns = RTE_MIN(r->nap_ns * 2, budget);
}

/* SPDX-License-Identifier: BSD-3-Clause */
#include "control/config/check.h"
#include "control/config/value.h"
#include <unistd.h>

#define NEAREST_MAX 50 /* mistakes after which nobody waits for suggestions: each looks through all names */

uint32_t sb_check_name(struct sb_check *c, const struct sb_names *names, const char *kind, const char *name,
        uint32_t line, const char *path)
{
	if (!name)
		return SB_NAME_NONE;
	uint32_t index = sb_names_get(names, name);
	if (index != SB_NAME_NONE)
		return index;
	const char *near = c->m->n < NEAREST_MAX && !sb_mistakes_stopped(c->m) ? sb_names_nearest(names, name) : NULL;
	sb_mistake(c->m, line, "%s: there is no %s \"%s\"%s%s%s, allowed: the name of a %s", path, kind, name,
	        near ? " (did you mean \"" : "", near ? near : "", near ? "\"?)" : "", kind);
	return SB_NAME_NONE;
}

void sb_check_unique(
        struct sb_check *c, struct sb_names *names, const char *kind, const char *name, uint32_t index, uint32_t line)
{
	if (!name)
		return;
	uint32_t first = sb_names_put(names, name, index);
	if (first != SB_NAME_NONE)
		sb_mistake(c->m, line, "%ss[%u].name: \"%s\" is the name of %ss[%u] too, allowed: a name for each %s",
		        kind, index, name, kind, first, kind);
}

static void check_workers(struct sb_check *c)
{
	const struct sb_raw *raw = c->raw;
	long cpus = sysconf(_SC_NPROCESSORS_CONF);
	if (raw->control.lcore >= (uint32_t)cpus)
		sb_mistake(c->m, raw->control.at.key[K_CONTROL_LCORE],
		        "control.lcore: there is no CPU %u, allowed: 0 to %ld", raw->control.lcore, cpus - 1);
	for (uint32_t i = 0; i < raw->workers.n; i++) {
		const struct sb_raw_number *w = &raw->workers.list[i];
		if (w->value >= (uint32_t)cpus)
			sb_mistake(c->m, w->line, "workers[%u]: there is no CPU %u, allowed: 0 to %ld", i, w->value,
			        cpus - 1);
		for (uint32_t j = 0; j < i; j++) {
			if (raw->workers.list[j].value == w->value) {
				sb_mistake(c->m, w->line,
				        "workers[%u]: CPU %u is given twice, allowed: a CPU for each worker", i,
				        w->value);
				break;
			}
		}
	}
}

/* A transaction's slot has 24 bits in the Via cookie, and each worker needs at least one. */
static void check_limits(struct sb_check *c)
{
	const struct sb_raw_limits *l = &c->raw->limits;
	uint32_t workers = c->raw->workers.n ? c->raw->workers.n : 1;
	if (l->transactions < workers || l->transactions / workers > 1u << 24 ||
	        (l->transactions / workers == 1u << 24 && l->transactions % workers))
		sb_mistake(c->m, l->at.key[K_LIMITS_TRANSACTIONS],
		        "limits.transactions: %u is out of range, allowed: %u to %u, which is 16777216 for each worker",
		        l->transactions, workers, workers << 24);
}

static void check_timers(struct sb_check *c)
{
	const struct sb_raw_timers *t = &c->raw->timers;
	char t1[SB_TIME_TEXT_MAX], t2[SB_TIME_TEXT_MAX];
	if (t->t2 >= t->t1)
		return;
	sb_value_time(t->t1, t1);
	sb_value_time(t->t2, t2);
	sb_mistake(c->m, t->at.key[t->at.key[K_TIMERS_T2] ? K_TIMERS_T2 : K_TIMERS_T1],
	        "timers.t2: %s is shorter than t1, allowed: %s or longer", t2, t1);
}

static void names_fini(struct sb_check *c)
{
	sb_names_fini(&c->ports);
	sb_names_fini(&c->listeners);
	sb_names_fini(&c->trunks);
	sb_names_fini(&c->groups);
}

int sb_check(struct sb_raw *raw, struct sb_mistakes *m)
{
	struct sb_check c = {.raw = raw, .m = m};
	int rc = SB_E_NOMEM;
	if (sb_names_init(&c.ports, raw->ports.n) || sb_names_init(&c.listeners, raw->listeners.n) ||
	        sb_names_init(&c.trunks, raw->trunks.n) || sb_names_init(&c.groups, raw->groups.n))
		goto out;
	check_workers(&c);
	check_limits(&c);
	check_timers(&c);
	sb_check_ports(&c);
	sb_check_listeners(&c);
	sb_check_trunks(&c);
	sb_check_groups(&c);
	rc = sb_check_routes(&c);
	if (rc == 0)
		rc = sb_check_prefixes(&c);
out:
	names_fini(&c);
	return rc;
}

/* SPDX-License-Identifier: BSD-3-Clause */
/* yaml.c - a configuration as an operator would write it down, and the mistakes that one would make. */
#include "sim.h"
#include <stdarg.h>

void say(struct yaml *y, const char *format, ...)
{
	va_list args;
	va_start(args, format);
	y->n += (size_t)vsnprintf(y->buf + y->n, sizeof y->buf - y->n, format, args);
	va_end(args);
	assert(y->n < sizeof y->buf);
}

static const char *const listener_name[LISTENERS] = {"access", "core", "access6", "core6", "edge"};

static void say_ep(struct yaml *y, struct ep e, bool port)
{
	if (e.v6)
		say(y, port ? "[fd00::%x:%x]" : "fd00::%x:%x", e.ip >> 16, e.ip & 0xffff);
	else
		say(y, "%u.%u.%u.%u", e.ip >> 24, e.ip >> 16 & 255, e.ip >> 8 & 255, e.ip & 255);
	if (port)
		say(y, ":%u", e.port);
}

static void say_listeners(struct yaml *y)
{
	say(y, "ports: [ { name: p, device: \"net_null0\", addresses: [10.0.0.1/8, 10.0.0.2/8, \"fd00::a00:1/64\", "
	       "\"fd00::a00:2/64\"] } ]\nlisteners:\n");
	for (unsigned i = 0; i < LISTENERS; i++) {
		struct ep e = listener_ep(i);
		say(y, "  - { name: %s, port: p, udp: %u, address: \"", listener_name[i], e.port);
		say_ep(y, e, false);
		say(y, "\"%s }\n", i % 2 ? "" : e.v6 ? ", trust: [\"fd00::a01:0/112\"]" : ", trust: [10.1.0.0/16]");
	}
}

static void say_trunk(struct yaml *y, const struct conf *c, unsigned i)
{
	const struct conf_trunk *k = &c->trunk[i];
	say(y, "  - { name: t%u, address: \"", i);
	say_ep(y, trunk_ep(c, i), true);
	say(y, "\", listener: %s, trying_timer: %ums, invite_retries: %u, ramp: %ums,\n", listener_name[k->listener],
	        k->a_ms, k->n - 1, k->ramp_ms);
	say(y, "      failover_after_ringing: %s, probe: { ", k->after_ringing ? "true" : "false");
	if (k->probed)
		say(y, "interval: %ums, timeout: %ums, failures: %u, successes: %u, ", k->interval_ms, k->timeout_ms,
		        k->failures, k->successes);
	else
		say(y, "method: none, ");
	say(y, "min: %ums, max: %ums } }\n", k->min_ms, k->max_ms);
}

static void say_group(struct yaml *y, const struct conf *c, unsigned g)
{
	const struct conf_group *k = &c->group[g];
	unsigned n = 0;
	for (unsigned i = 0; i < TRUNKS_MAX; i++) {
		if (!k->priority[i])
			continue;
		if (n++ == 0)
			say(y, "  - { name: g%u, fallback_interval: %ums, members: [", g, k->fallback_ms);
		say(y, "%s{ trunk: t%u, priority: %u, weight: %u }", n > 1 ? ", " : "", i, k->priority[i],
		        k->weight[i]);
	}
	if (n)
		say(y, "] }\n");
}

static void say_route(struct yaml *y, const struct conf_route *r)
{
	say(y, "  - { ");
	if (r->by == BY_PREFIX)
		say(y, "prefix: \"%s\"", r->text);
	else if (r->by == BY_DOMAIN)
		say(y, "domain: %s", r->text);
	else if (r->by == BY_SOURCE && r->source >= CALLERS / 2)
		say(y, "source: \"fd00::a01:%x/128\"", 1u + r->source);
	else if (r->by == BY_SOURCE)
		say(y, "source: 10.1.0.%u/32", 1u + r->source);
	else
		say(y, "default: true");
	say(y, ", groups: [");
	for (unsigned i = 0; i < r->n; i++)
		say(y, "%sg%u", i ? ", " : "", r->group[i]);
	say(y, "] }\n");
}

void yaml_write(struct yaml *y, const struct conf *c)
{
	y->n = 0;
	say(y, "workers: [0]\nmemory: 256MB\nparser: %s\nlate_2xx: %s\n", c->osip ? "osip" : "auto",
	        c->late_bye ? "bye" : "forward");
	say(y, "timers: { t1: %ums, t2: %ums, timer_c: 181s }\n", c->t1_ms, c->t1_ms * 8);
	say(y, "limits: { invite_rate_per_source: %u, transactions: 1000 }\n", c->rate);
	say_listeners(y);
	say(y, "trunks:\n");
	for (unsigned i = 0; i < TRUNKS_MAX; i++)
		if (c->trunk[i].present)
			say_trunk(y, c, i);
	say(y, "groups:\n");
	for (unsigned g = 0; g < GROUPS_MAX; g++)
		say_group(y, c, g);
	say(y, "routes:\n");
	for (unsigned r = 0; r < c->n_routes; r++)
		say_route(y, &c->route[r]);
}

/* Each is wrong whatever else stands there. */
static const struct {
	const char *old, *new;
} spoilt[] = {
        {"workers: [0]", "workers: []"},
        {"workers: [0]", "workers: [0]\ntrunk: x"},
        {"parser: ", "parser: best #"},
        {"timer_c: 181s", "timer_c: 180s"},
        {"timer_c: 181s", "timer_c: 181"},
        {"t1: ", "t1: -"},
        {"name: core, ", "name: access, "},
        {"address: \"10.0.0.2\"", "address: \"10.0.0.1\""},
        {"address: \"10.0.0.2\"", "address: \"10.0.0.999\""},
        {"trunks:\n", "trunks:\n  - { name: extra }\n"},
        {"trunks:\n", "trunks:\n  - { name: extra, address: \"10.2.0.99:5060\", listener: nowhere }\n"},
        {"trunks:\n", "trunks:\n  - { name: extra, address: \"10.2.0.99:5060\", listener: access6 }\n"},
        {"trunks:\n", "trunks:\n  - { name: t0, address: \"10.2.0.99:5060\", listener: access }\n"},
        {"trying_timer: ", "trying_timer: x"},
        {"invite_retries: ", "invite_retries: 99"},
        {"groups:\n", "groups:\n  - { name: extra, members: [ { trunk: nobody } ] }\n"},
        {"groups:\n", "groups:\n  - { name: extra, members: [ ] }\n"},
        {"priority: ", "priority: 9999"},
        {"weight: ", "weight: 0 #"},
        {"routes:\n", "routes:\n  - { prefix: \"+999\", groups: [nothing] }\n"},
        {"routes:\n", "routes:\n  - { groups: [g0] }\n"},
        {"routes:\n", "routes:\n  - { default: true, groups: [g0] }\n"},
        {"routes:\n", "routes:\n  - { default: true, prefix: \"+999\", groups: [g0] }\n"},
        {"routes:\n", "routes: {\n"},
        {"limits: {", "limits: ["},
};

void yaml_spoil(struct sim *s, struct yaml *y)
{
	uint32_t which = rnd(s, sizeof spoilt / sizeof spoilt[0]);
	char *p = memmem(y->buf, y->n, spoilt[which].old, strlen(spoilt[which].old));
	size_t old = strlen(spoilt[which].old), new = strlen(spoilt[which].new);
	assert(p && y->n + new < sizeof y->buf);
	memmove(p + new, p + old, (size_t)(y->buf + y->n - p) - old);
	memcpy(p, spoilt[which].new, new);
	y->n += new - old;
}

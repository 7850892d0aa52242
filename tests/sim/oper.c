/* SPDX-License-Identifier: BSD-3-Clause */
/* oper.c - the operator: writes configurations, has the product load them, switches trunks off and on. */
#include "sim.h"
#include <stdarg.h>

static void trunk_make(struct sim *s, struct conf_trunk *t, unsigned i, unsigned n_trunks)
{
	*t = (struct conf_trunk){.present = i < n_trunks,
	        .probed = chance(s, 850),
	        .after_ringing = chance(s, 250),
	        .a_ms = rnd_in(s, 40, 500),
	        .n = rnd_in(s, 1, 5),
	        .interval_ms = rnd_in(s, 1000, 5000),
	        .timeout_ms = rnd_in(s, 300, 1000),
	        .failures = rnd_in(s, 1, 3),
	        .successes = rnd_in(s, 1, 3),
	        .min_ms = rnd_in(s, 200, 1000),
	        .max_ms = rnd_in(s, 4000, 10000),
	        .ramp_ms = chance(s, 200) ? 0 : rnd_in(s, 1000, 8000),
	        .group = (uint8_t)(i < 2 ? i : rnd(s, 2)),
	        .priority = (uint8_t)rnd_in(s, 1, 2),
	        .weight = (uint8_t)rnd_in(s, 1, 4),
	        .port = 5060};
}

void conf_make(struct sim *s, struct conf *c)
{
	static const uint32_t t1[] = {100, 200, 500};
	unsigned n_trunks = rnd_in(s, 1, TRUNKS_MAX);
	*c = (struct conf){.late_bye = chance(s, 500), .osip = chance(s, 100), .t1_ms = t1[rnd(s, 3)]};
	c->fallback_ms = chance(s, 200) ? 3000 : 0;
	for (unsigned i = 0; i < TRUNKS_MAX; i++)
		trunk_make(s, &c->trunk[i], i, n_trunks);
}

struct text {
	char buf[8192];
	size_t n;
};

static void __attribute__((format(printf, 2, 3))) say(struct text *t, const char *format, ...)
{
	va_list args;
	va_start(args, format);
	t->n += (size_t)vsnprintf(t->buf + t->n, sizeof t->buf - t->n, format, args);
	va_end(args);
	assert(t->n < sizeof t->buf);
}

static void say_trunk(struct text *t, const struct conf *c, unsigned i)
{
	const struct conf_trunk *k = &c->trunk[i];
	say(t,
	        "  - { name: t%u, address: \"10.2.0.%u:%u\", listener: %s, trying_timer: %ums, invite_retries: %u, "
	        "ramp: %ums,\n",
	        i, i + 1, k->port, i & 1 ? "core" : "access", k->a_ms, k->n - 1, k->ramp_ms);
	say(t, "      failover_after_ringing: %s, probe: { ", k->after_ringing ? "true" : "false");
	if (k->probed)
		say(t, "interval: %ums, timeout: %ums, failures: %u, successes: %u, ", k->interval_ms, k->timeout_ms,
		        k->failures, k->successes);
	else
		say(t, "method: none, ");
	say(t, "min: %ums, max: %ums } }\n", k->min_ms, k->max_ms);
}

static unsigned say_group(struct text *t, const struct conf *c, unsigned g)
{
	unsigned n = 0;
	for (unsigned i = 0; i < TRUNKS_MAX; i++) {
		const struct conf_trunk *k = &c->trunk[i];
		if (!k->present || k->group != g)
			continue;
		if (n++ == 0)
			say(t, "  - { name: g%u, fallback_interval: %ums, members: [", g, c->fallback_ms);
		say(t, "%s{ trunk: t%u, priority: %u, weight: %u }", n > 1 ? ", " : "", i, k->priority, k->weight);
	}
	if (n)
		say(t, "] }\n");
	return n;
}

void conf_load(struct sim *s, const struct conf *c)
{
	struct text t = {.n = 0};
	struct sb_config *cfg = NULL;
	struct sb_config_errors errors = {0};
	say(&t, "workers: [0]\nparser: %s\nlate_2xx: %s\n", c->osip ? "osip" : "auto", c->late_bye ? "bye" : "forward");
	say(&t, "timers: { t1: %ums, t2: %ums, timer_c: 181s }\n", c->t1_ms, c->t1_ms * 8);
	say(&t, "ports: [ { name: p, device: \"net_null0\", addresses: [10.0.0.1/8, 10.0.0.2/8] } ]\n"
	        "listeners:\n  - { name: access, port: p, address: 10.0.0.1, trust: [10.1.0.0/16] }\n"
	        "  - { name: core, port: p, address: 10.0.0.2 }\ntrunks:\n");
	for (unsigned i = 0; i < TRUNKS_MAX; i++)
		if (c->trunk[i].present)
			say_trunk(&t, c, i);
	say(&t, "groups:\n");
	bool two = (say_group(&t, c, 0), say_group(&t, c, 1)) > 0;
	say(&t, "routes:\n  - { prefix: \"+7\", groups: [%s] }\n  - { default: true, groups: [%s] }\n",
	        two ? "g1, g0" : "g0", two ? "g0, g1" : "g0");
	if (sb_config_load("sim.yaml", t.buf, t.n, s->px.slots, &cfg, &errors)) {
		breach(s, "INV-CONFIG", "a good configuration was refused: %s", errors.n ? errors.line[0] : "?");
		return;
	}
	s->confs[s->n_confs++] = *c;
	proxy_use(s, cfg);
}

static void reload(struct sim *s)
{
	struct conf c = s->confs[s->n_confs - 1];
	unsigned i = rnd(s, TRUNKS_MAX), what = rnd(s, 10);
	struct conf_trunk *t = &c.trunk[i];
	if (s->n_confs >= 250 || s->px.n_old >= 60)
		return;
	if (what < 3 && i >= 2) {
		t->present = !t->present;
	} else if (what < 4) {
		t->port ^= 5060 ^ 5062;
	} else if (what < 5) {
		c.late_bye = !c.late_bye;
	} else if (what < 6 && i >= 2) {
		t->group ^= 1;
	} else {
		t->a_ms = rnd_in(s, 40, 500);
		t->n = rnd_in(s, 1, 5);
		t->ramp_ms = rnd_in(s, 0, 8000);
		t->priority ^= 3;
	}
	conf_load(s, &c);
}

static void admin(struct sim *s, unsigned i, enum sb_admin a)
{
	if (!s->confs[s->n_confs - 1].trunk[i].present)
		return;
	s->px.admin[i] = a;
	sb_engine_admin(s->px.engine, s->px.slot[i], a, s->now / 1000);
	if (sb_health_read(s->px.health, s->px.slot[i]).admin != a)
		breach(s, "INV-OPER", "t%u was switched to %s and the workers do not see it", i, sb_admin_name(a));
}

void oper_act(struct sim *s)
{
	if (chance(s, 500))
		reload(s);
	else
		admin(s, rnd(s, TRUNKS_MAX), chance(s, 500) ? SB_ENABLED : chance(s, 500) ? SB_DRAIN : SB_DISABLED);
}

void oper_heal(struct sim *s)
{
	for (unsigned i = 0; i < TRUNKS_MAX; i++) {
		s->mode[i] = MODE_OK;
		admin(s, i, SB_ENABLED);
	}
	s->healed_at = s->now;
}

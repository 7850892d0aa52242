/* SPDX-License-Identifier: BSD-3-Clause */
/* oper.c - the operator: makes configurations, right ones and wrong ones, has the product load them, switches trunks
 * off and on. */
#include "sim.h"

static uint8_t listener_for(struct sim *s, bool v6)
{
	static const uint8_t v4[] = {0, 1, 1, 4};
	return v6 ? (uint8_t)rnd_in(s, 2, 3) : v4[rnd(s, 4)];
}

static void trunk_make(struct sim *s, struct conf_trunk *t, bool present)
{
	*t = (struct conf_trunk){.present = present,
	        .probed = chance(s, 850),
	        .after_ringing = chance(s, 250),
	        .v6 = chance(s, 300),
	        .a_ms = rnd_in(s, 40, 500),
	        .n = rnd_in(s, 1, 5),
	        .interval_ms = rnd_in(s, 1000, 5000),
	        .timeout_ms = rnd_in(s, 300, 1000),
	        .failures = rnd_in(s, 1, 3),
	        .successes = rnd_in(s, 1, 3),
	        .min_ms = rnd_in(s, 200, 1000),
	        .max_ms = rnd_in(s, 4000, 10000),
	        .ramp_ms = chance(s, 200) ? 0 : rnd_in(s, 1000, 8000),
	        .port = 5060};
	t->listener = listener_for(s, t->v6);
}

static unsigned members(const struct conf *c, unsigned g)
{
	unsigned n = 0;
	for (unsigned i = 0; i < TRUNKS_MAX; i++)
		n += c->group[g].priority[i] != 0;
	return n;
}

static void join(struct sim *s, struct conf *c, unsigned g, unsigned i)
{
	c->group[g].priority[i] = (uint8_t)rnd_in(s, 1, 2);
	c->group[g].weight[i] = (uint8_t)(chance(s, 500) ? 1 : rnd_in(s, 1, 9));
}

/* Groups without members do not exist; the routes name those that do. */
static void route_make(struct sim *s, struct conf *c, unsigned by)
{
	struct conf_route *r = &c->route[c->n_routes];
	*r = (struct conf_route){.by = (uint8_t)by};
	for (unsigned n = rnd_in(s, 1, 3); n > 0; n--) {
		uint8_t g = (uint8_t)rnd(s, GROUPS_MAX);
		bool there = members(c, g) == 0;
		for (unsigned i = 0; i < r->n; i++)
			there |= r->group[i] == g;
		if (!there)
			r->group[r->n++] = g;
	}
	if (!r->n) /* the first group has t0, always */
		r->group[r->n++] = 0;
	if (by == BY_PREFIX)
		snprintf(r->text, sizeof r->text, "%s", dial_prefix[c->n_routes]);
	else if (by == BY_DOMAIN)
		snprintf(r->text, sizeof r->text, "other.example");
	r->source = (uint8_t)rnd(s, CALLERS);
	c->n_routes++;
}

void conf_make(struct sim *s, struct conf *c)
{
	static const uint32_t t1[] = {100, 200, 500};
	bool many = chance(s, 400);
	unsigned n_trunks = many ? rnd_in(s, 16, TRUNKS_MAX) : rnd_in(s, 1, 8), n_groups = many ? GROUPS_MAX : 2;
	*c = (struct conf){.late_bye = chance(s, 500), .osip = chance(s, 100), .t1_ms = t1[rnd(s, 3)]};
	c->rate = chance(s, 150) ? rnd_in(s, 3, 12) : 0;
	for (unsigned i = 0; i < TRUNKS_MAX; i++) {
		trunk_make(s, &c->trunk[i], i < n_trunks);
		if (i >= n_trunks)
			continue;
		join(s, c, many && chance(s, 300) ? 0 : i < n_groups ? i : rnd(s, n_groups), i);
		if (i && chance(s, 100))
			join(s, c, rnd(s, n_groups), i);
	}
	for (unsigned g = 0; g < GROUPS_MAX; g++)
		c->group[g].fallback_ms = chance(s, 200) ? rnd_in(s, 1000, 8000) : 0;
	for (unsigned n = rnd(s, many ? 6 : 3); n > 0; n--)
		route_make(s, c, BY_PREFIX);
	if (chance(s, 300))
		route_make(s, c, BY_DOMAIN);
	if (chance(s, 300))
		route_make(s, c, BY_SOURCE);
	route_make(s, c, BY_DEFAULT);
}

static void refused(struct sim *s, struct sb_config_errors *errors, const char *what)
{
	if (!errors->n || strncmp(errors->line[0], "sim.yaml:", 9) != 0)
		breach(s, "INV-CONFIG", "%s was refused, and nobody says why: %s", what,
		        errors->n ? errors->line[0] : "");
	sb_config_errors_free(errors);
}

void conf_load(struct sim *s, const struct conf *c)
{
	struct yaml y;
	struct sb_config *cfg = NULL;
	struct sb_config_errors errors = {0};
	yaml_write(&y, c);
	if (sb_config_load("sim.yaml", y.buf, y.n, s->px.slots, &cfg, &errors) ||
	        (s->px.cfg && sb_config_reloadable(s->px.cfg, cfg, &errors))) {
		breach(s, "INV-CONFIG", "a good configuration was refused: %s", errors.n ? errors.line[0] : "?");
		sb_config_errors_free(&errors);
		sb_config_free(cfg);
		return;
	}
	if (s->n_confs && s->confs[s->n_confs - 1].rate != c->rate)
		s->rate_at = s->now;
	s->confs[s->n_confs++] = *c;
	if (c->t1_ms > s->t1_max_ms)
		s->t1_max_ms = c->t1_ms;
	proxy_use(s, cfg);
}

/* One with a mistake: whatever it would have changed stays as it was. */
static void load_bad(struct sim *s, struct conf *c)
{
	struct yaml y;
	struct sb_config *cfg = NULL;
	struct sb_config_errors errors = {0};
	saw(s, SEEN_reload_refused);
	c->t1_ms = 300;
	c->trunk[0].a_ms = 77;
	yaml_write(&y, c);
	yaml_spoil(s, &y);
	int rc = sb_config_load("sim.yaml", y.buf, y.n, s->px.slots, &cfg, &errors);
	if (rc != SB_E_CONFIG || cfg)
		breach(s, "INV-CONFIG", "a wrong configuration was taken: %.200s", y.buf);
	refused(s, &errors, "a wrong configuration");
	sb_config_free(cfg);
}

/* One that is right, and asks for what only a restart can give. */
static void load_other(struct sim *s, const struct conf *c)
{
	static const char *const old[] = {"memory: 256MB", "transactions: 1000", "net_null0", "name: p, device"};
	static const char *const new[] = {
	        "memory: 128MB", "transactions: 2000", "net_null1", "mtu: 1400, name: p, device"};
	struct yaml y;
	struct sb_config *cfg = NULL;
	struct sb_config_errors errors = {0};
	unsigned what = rnd(s, 4);
	saw(s, SEEN_needs_restart);
	yaml_write(&y, c);
	char *p = memmem(y.buf, y.n, old[what], strlen(old[what]));
	size_t n = strlen(old[what]), m = strlen(new[what]);
	memmove(p + m, p + n, (size_t)(y.buf + y.n - p) - n);
	memcpy(p, new[what], m);
	y.n += m - n;
	if (sb_config_load("sim.yaml", y.buf, y.n, s->px.slots, &cfg, &errors) ||
	        sb_config_reloadable(s->px.cfg, cfg, &errors) != SB_E_CONFIG)
		breach(s, "INV-CONFIG", "%s was taken without a restart", new[what]);
	refused(s, &errors, "what needs a restart");
	sb_config_free(cfg);
}

/* A trunk goes for good, or one comes. */
static void come_or_go(struct sim *s, struct conf *c, unsigned i)
{
	bool go = c->trunk[i].present;
	for (unsigned g = 0; g < GROUPS_MAX; g++)
		if (go && c->group[g].priority[i] && members(c, g) == 1)
			return; /* its group would be empty */
	c->trunk[i].present = !go;
	saw(s, go ? SEEN_trunk_removed : SEEN_trunk_added);
	for (unsigned g = 0; g < GROUPS_MAX; g++)
		c->group[g].priority[i] = 0;
	for (unsigned g = rnd(s, GROUPS_MAX), n = 0; !go && n < GROUPS_MAX; n++, g = (g + 1) % GROUPS_MAX)
		if (members(c, g)) {
			join(s, c, g, i);
			return;
		}
}

static void move_away(struct sim *s, struct conf_trunk *t)
{
	saw(s, SEEN_trunk_moved);
	if (chance(s, 600)) {
		t->port ^= 5060 ^ 5062;
	} else {
		t->v6 ^= true;
		t->listener = listener_for(s, t->v6);
	}
}

static void reshuffle(struct sim *s, struct conf *c, unsigned i)
{
	unsigned g = rnd(s, GROUPS_MAX);
	if (!c->group[g].priority[i])
		return;
	join(s, c, g, i);
	c->group[g].fallback_ms = chance(s, 300) ? rnd_in(s, 1000, 8000) : 0;
}

static void change(struct sim *s, struct conf *c)
{
	static const uint32_t t1[] = {100, 200, 500};
	unsigned i = rnd(s, TRUNKS_MAX), what = rnd(s, 12);
	struct conf_trunk *t = &c->trunk[i];
	if (what < 3 && i >= 1) {
		come_or_go(s, c, i);
	} else if (what < 5) {
		move_away(s, t);
	} else if (what < 6) {
		c->late_bye = !c->late_bye;
	} else if (what < 7) {
		c->t1_ms = t1[rnd(s, 3)];
		saw(s, SEEN_reload_t1);
	} else if (what < 8) {
		c->rate = chance(s, 300) ? rnd_in(s, 3, 12) : 0;
	} else if (what < 10) {
		reshuffle(s, c, i);
	} else {
		t->a_ms = rnd_in(s, 40, 500);
		t->n = rnd_in(s, 1, 5);
		t->ramp_ms = rnd_in(s, 0, 8000);
	}
}

static void reload(struct sim *s)
{
	struct conf c = s->confs[s->n_confs - 1];
	if (s->n_confs >= 250 || s->px.n_old >= 60)
		return;
	if (chance(s, 150)) {
		load_bad(s, &c);
		return;
	}
	if (chance(s, 100)) {
		load_other(s, &c);
		return;
	}
	saw(s, SEEN_reload);
	change(s, &c);
	conf_load(s, &c);
}

static void admin(struct sim *s, unsigned i, enum sb_admin a)
{
	if (!s->confs[s->n_confs - 1].trunk[i].present)
		return;
	if (a != SB_ENABLED)
		saw(s, a == SB_DRAIN ? SEEN_drain : SEEN_disable);
	s->px.admin[i] = a;
	sb_engine_admin(s->px.engine, s->px.slot[i], a, s->now / 1000);
	if (sb_health_read(s->px.health, s->px.slot[i]).admin != a)
		breach(s, "INV-OPER", "t%u was switched to %s and the workers do not see it", i, sb_admin_name(a));
}

void oper_enable(struct sim *s)
{
	for (unsigned i = 0; i < TRUNKS_MAX; i++)
		admin(s, i, SB_ENABLED);
}

/* Maintenance: all but one are off, for a while in which a call finds that one alone. */
static void blackout(struct sim *s)
{
	unsigned stays = rnd(s, TRUNKS_MAX);
	for (unsigned i = 0; i < TRUNKS_MAX; i++)
		if (i != stays)
			admin(s, i, SB_DRAIN);
	at(s, s->now + rnd_in(s, 200, 6000) * MS, EV_OPER, 1, 0);
}

void oper_act(struct sim *s)
{
	if (chance(s, 500))
		reload(s);
	else if (chance(s, 100))
		blackout(s);
	else
		admin(s, rnd(s, TRUNKS_MAX), chance(s, 500) ? SB_ENABLED : chance(s, 500) ? SB_DRAIN : SB_DISABLED);
}

void oper_heal(struct sim *s)
{
	for (unsigned i = 0; i < TRUNKS_MAX; i++)
		s->mode[i] = MODE_OK;
	oper_enable(s);
	s->healed_at = s->now;
}

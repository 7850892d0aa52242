/* SPDX-License-Identifier: BSD-3-Clause */
/* engine.c - see engine.h: the engine's life, its mail, its tick, and what it tells people. */
#include "control/engine-parts.h"

#define MAILS_AT_ONCE       16 /* whose timers' nodes are asked for before the first is armed */
#define SCAN_PER_TICK       64 /* trunks whose alive counters one tick reads: bounds the cache lines touched */
#define FIRST_PROBE_MS      50 /* a new trunk is probed within this ... */
#define FIRST_PROBES_PER_MS 20 /* ... unless so many come at once that they would flood the rings */

/* Takes all memory. False: some is missing; what was taken is in *e. */
static bool take_memory(struct sb_engine *e)
{
	size_t size = sb_wheel_memory(e->cfg.transactions_per_worker);
	e->trunk = calloc(SB_TRUNKS_MAX, sizeof *e->trunk);
	e->active = calloc(SB_TRUNKS_MAX, sizeof *e->active);
	e->alive_seen = calloc((size_t)SB_TRUNKS_MAX * e->cfg.n_workers, sizeof *e->alive_seen);
	e->trunks_memory = calloc(1, sb_wheel_memory(SB_TRUNKS_MAX));
	if (!e->trunk || !e->active || !e->alive_seen || !e->trunks_memory)
		return false;
	for (uint32_t w = 0; w < e->cfg.n_workers; w++) {
		e->txns_memory[w] = calloc(1, size);
		if (!e->txns_memory[w])
			return false;
		if (e->cfg.advise)
			e->cfg.advise(e->txns_memory[w], size);
	}
	return true;
}

struct sb_engine *sb_engine_new(const struct sb_engine_config *cfg)
{
	struct sb_engine *e;
	if (cfg->n_workers < 1 || cfg->n_workers > SB_WORKERS_MAX || cfg->transactions_per_worker > SB_WHEEL_IDS_MAX)
		return NULL;
	e = calloc(1, sizeof *e);
	if (!e)
		return NULL;
	e->cfg = *cfg;
	if (!take_memory(e)) {
		sb_engine_free(e);
		return NULL;
	}
	e->rng.state = cfg->seed;
	e->now_ms = cfg->now_ms;
	e->t1_ms = 500;
	e->t2_ms = 4000;
	sb_wheel_init(&e->trunks, e->trunks_memory, SB_TRUNKS_MAX, cfg->now_ms);
	for (uint32_t w = 0; w < cfg->n_workers; w++)
		sb_wheel_init(&e->txns[w], e->txns_memory[w], cfg->transactions_per_worker, cfg->now_ms);
	return e;
}

void sb_engine_free(struct sb_engine *e)
{
	if (!e)
		return;
	for (uint32_t w = 0; w < SB_WORKERS_MAX; w++)
		free(e->txns_memory[w]);
	free(e->trunks_memory);
	free(e->alive_seen);
	free(e->active);
	free(e->trunk);
	free(e);
}

static void configure_trunk(struct sb_engine *e, const struct sb_snap_trunk *from, const struct sb_trunk_policy *policy,
        uint64_t first_probe_ms)
{
	struct trunk *t = &e->trunk[from->slot];
	bool known = t->present, moved = known && !sb_addr_eq(&t->addr, &from->addr);
	char why[EVIDENCE_MAX], addr[SB_ADDR_TEXT_MAX];
	if (t->config_seen == e->configs)
		return; /* two trunks with one slot: the first counts */
	memcpy(t->name, from->name, sizeof t->name);
	t->policy = *policy;
	t->addr = from->addr;
	t->trying_timer_ms = from->trying_timer_ms;
	t->sends = from->sends;
	t->present = true;
	t->config_seen = e->configs;
	e->active[e->n_active++] = from->slot;
	if (known && !moved) {
		sb_engine_trunk_policy(e, from->slot);
		return;
	}
	if (!t->probe_seq)
		t->probe_seq = (uint32_t)sb_rng_next(&e->rng) & (UINT32_MAX / SB_TRUNKS_MAX);
	sb_addr_format(&from->addr, addr);
	sb_engine_text(why, sizeof why, moved ? "its address is now %s" : "new, at %s", addr);
	if (!known)
		t->health.state = policy->probe ? SB_PROBING : SB_UP; /* nothing to tell: it begins there */
	sb_engine_trunk_begin(e, from->slot, first_probe_ms, why);
}

void sb_engine_config(
        struct sb_engine *e, const struct sb_snapshot *s, const struct sb_trunk_policy *policy, uint64_t now_ms)
{
	uint64_t spread = FIRST_PROBE_MS + s->n_trunks / FIRST_PROBES_PER_MS;
	e->now_ms = now_ms > e->now_ms ? now_ms : e->now_ms;
	e->t1_ms = s->t1_ms ? s->t1_ms : 500;
	e->t2_ms = s->t2_ms ? s->t2_ms : 4000;
	/* First whoever the new configuration does not name goes. */
	e->configs++;
	for (uint32_t i = 0; i < s->n_trunks; i++) {
		if (s->trunks[i].slot < SB_TRUNKS_MAX)
			e->trunk[s->trunks[i].slot].config_seen = e->configs;
	}
	for (uint32_t i = 0; i < e->n_active; i++) {
		if (e->trunk[e->active[i]].config_seen != e->configs)
			sb_engine_trunk_end(e, e->active[i]);
	}
	e->configs++;
	e->n_active = e->scan = 0;
	for (uint32_t i = 0; i < s->n_trunks; i++) {
		if (s->trunks[i].slot < SB_TRUNKS_MAX)
			configure_trunk(e, &s->trunks[i], &policy[i], e->now_ms + sb_rng_between(&e->rng, 0, spread));
	}
}

static void arm(struct sb_engine *e, uint32_t worker, const struct sb_mail *m)
{
	if (sb_wheel_arm(&e->txns[worker], m->timer.slot, m->timer.gen, m->timer.deadline_ms))
		e->counts.mail_bad++;
	else
		e->counts.timers_armed++;
}

static void take_mail(struct sb_engine *e, uint32_t worker, const struct sb_mail *m)
{
	e->counts.mails++;
	switch (m->op) {
	case SB_MAIL_ARM:
		arm(e, worker, m);
		break;
	case SB_MAIL_EVIDENCE:
		if (m->trunk >= SB_TRUNKS_MAX || !e->trunk[m->trunk].present) {
			e->counts.mail_bad++;
			break;
		}
		/* What this worker saw alive before the failure comes before it, so that the window keeps the order. */
		sb_engine_trunk_alive(e, m->trunk, worker, worker + 1);
		sb_engine_trunk_evidence(e, m);
		break;
	case SB_MAIL_PROBE_RESULT:
		sb_engine_probe_result(e, m);
		break;
	case SB_MAIL_EVENT:
		sb_engine_event(e, m);
		break;
	default:
		e->counts.mail_bad++;
		break;
	}
}

struct fire_ctx {
	struct sb_engine *e;
	uint32_t worker;
};

static bool fire_txn(void *ctx, uint32_t id, uint32_t gen, uint64_t deadline_ms)
{
	struct fire_ctx *f = ctx;
	struct sb_mail m = {.op = SB_MAIL_FIRED, .timer = {.slot = id, .gen = gen, .deadline_ms = deadline_ms}};
	if (!sb_ring_put(&f->e->cfg.mail[f->worker]->down, &m)) {
		f->e->counts.mail_waits++;
		return false;
	}
	f->e->counts.timers_fired++;
	return true;
}

static bool fire_trunk(void *ctx, uint32_t id, uint32_t gen, uint64_t deadline_ms)
{
	sb_engine_trunk_due(ctx, (uint16_t)id);
	return true;
}

static void scan_alive(struct sb_engine *e)
{
	uint32_t n = e->n_active < SCAN_PER_TICK ? e->n_active : SCAN_PER_TICK;
	for (uint32_t i = 0; i < n; i++) {
		if (e->scan >= e->n_active)
			e->scan = 0;
		sb_engine_trunk_alive(e, e->active[e->scan++], 0, e->cfg.n_workers);
	}
}

/* Up to budget of a worker's mails. */
static uint32_t take_mails(struct sb_engine *e, uint32_t worker, uint32_t budget)
{
	struct sb_mail m[MAILS_AT_ONCE];
	uint32_t done = 0, n;
	do {
		uint32_t room = budget - done < MAILS_AT_ONCE ? budget - done : MAILS_AT_ONCE;
		for (n = 0; n < room && sb_ring_take(&e->cfg.mail[worker]->up, &m[n]); n++) {
			if (m[n].op == SB_MAIL_ARM)
				sb_wheel_prefetch(&e->txns[worker], m[n].timer.slot);
		}
		for (uint32_t i = 0; i < n; i++)
			take_mail(e, worker, &m[i]);
		done += n;
	} while (n == MAILS_AT_ONCE);
	return done;
}

uint32_t sb_engine_tick(struct sb_engine *e, uint64_t now_ms, uint32_t budget)
{
	uint32_t done = 0;
	e->now_ms = now_ms > e->now_ms ? now_ms : e->now_ms;
	for (uint32_t w = 0; w < e->cfg.n_workers; w++)
		done += take_mails(e, w, budget);
	for (uint32_t w = 0; w < e->cfg.n_workers; w++) {
		struct fire_ctx f = {e, w};
		done += sb_wheel_advance(&e->txns[w], e->now_ms, budget, fire_txn, &f);
	}
	scan_alive(e);
	return done + sb_wheel_advance(&e->trunks, e->now_ms, budget, fire_trunk, e);
}

uint64_t sb_engine_next_ms(const struct sb_engine *e)
{
	uint64_t next = sb_wheel_next_ms(&e->trunks);
	for (uint32_t w = 0; w < e->cfg.n_workers; w++) {
		uint64_t at = sb_wheel_next_ms(&e->txns[w]);
		next = at < next ? at : next;
	}
	return next;
}

int sb_engine_admin(struct sb_engine *e, uint16_t slot, enum sb_admin admin, uint64_t now_ms)
{
	char detail[64];
	if (slot >= SB_TRUNKS_MAX || (unsigned)admin > SB_DISABLED)
		return SB_E_INVAL;
	struct trunk *t = &e->trunk[slot];
	enum sb_admin before = (enum sb_admin)t->admin;
	e->now_ms = now_ms > e->now_ms ? now_ms : e->now_ms;
	t->admin = (uint8_t)admin;
	sb_engine_line_write(e, slot);
	if (before != admin && t->present) {
		sb_engine_text(detail, sizeof detail, "%s -> %s", sb_admin_name(before), sb_admin_name(admin));
		sb_engine_say(e, "admin", t, detail);
	}
	return 0;
}

int sb_engine_trunk(const struct sb_engine *e, uint16_t slot, uint64_t now_ms, struct sb_engine_trunk *out)
{
	if (slot >= SB_TRUNKS_MAX || !e->trunk[slot].present)
		return SB_E_NOENT;
	const struct trunk *t = &e->trunk[slot];
	const struct sb_health *h = &t->health;
	*out = (struct sb_engine_trunk){
	        .name = t->name,
	        .addr = t->addr,
	        .state = h->state,
	        .admin = (enum sb_admin)t->admin,
	        .probed = t->policy.probe,
	        .share = sb_health_share(h, &t->policy, now_ms),
	        .badness = sb_health_badness(h, now_ms),
	        .changed_ms = h->changed_ms,
	        .up_since_ms = h->up_since_ms,
	        .hold_until_ms = h->hold_until_ms,
	        .evidence = t->evidence,
	        .evidence_ms = t->evidence_ms,
	        .alive_ms = t->alive_ms,
	        .next_probe_ms = !t->policy.probe && h->state == SB_DOWN ? h->retry_ms : t->next_probe_ms,
	        .backoff_ms = h->state == SB_DOWN ? sb_health_backoff_ms(h, &t->policy) : 0,
	        .probes_bad_row = h->probe_bad_row,
	        .probes_good_row = h->probe_good_row,
	        .window_failures = sb_health_window_failures(h, &t->policy),
	        .window = h->window_used < t->policy.traffic_window ? h->window_used : t->policy.traffic_window,
	        .probe_rtt_ms = t->rtt_ms,
	        .probes_sent = t->probes_sent,
	        .probes_good = t->probes_good,
	        .probes_bad = t->probes_bad,
	};
	return 0;
}

void sb_engine_counts(const struct sb_engine *e, struct sb_engine_counts *out)
{
	*out = e->counts;
	out->timers_pending = 0;
	for (uint32_t w = 0; w < e->cfg.n_workers; w++)
		out->timers_pending += e->txns[w].n_armed;
}

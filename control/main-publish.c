/* SPDX-License-Identifier: BSD-3-Clause */
/* main-publish.c - swaps snapshots and fibs under running workers, and frees the old ones when nobody uses them (P7).
 */
#include "control/main.h"

#define FIBS_KEPT     8   /* places that reloads leave to fibs: neighbours must go on changing */
#define FIB_SETTLE_MS 2   /* neighbours often change in company */
#define FIB_AGAIN_MS  100 /* without memory for it */

static bool may_free(struct sb_daemon *d, const struct sb_retired *r)
{
	return sb_dataplane_quiescent(d->dp, r->token) && !(r->snapshot && sb_snapshot_held(r->snapshot));
}

void sb_daemon_retire(struct sb_daemon *d)
{
	for (uint32_t i = 0; i < d->n_retired;) {
		struct sb_retired *r = &d->retired[i];
		if (!may_free(d, r)) {
			i++;
			continue;
		}
		if (r->snapshot)
			sb_daemon_bury(d, r->snapshot);
		sb_fib_free(r->fib);
		*r = d->retired[--d->n_retired];
	}
}

void sb_daemon_restore_operator(struct sb_daemon *d, const struct sb_snapshot *s)
{
	for (uint32_t i = 0; i < s->n_trunks; i++) {
		enum sb_admin admin = sb_opstate_get(d->opstate, s->trunks[i].name);
		if (sb_health_read(d->health, s->trunks[i].slot).admin != admin)
			sb_engine_admin(d->engine, s->trunks[i].slot, admin, sb_daemon_now_ms());
	}
}

int sb_daemon_publish(struct sb_daemon *d, struct sb_config *next)
{
	if (d->n_retired >= SB_RETIRED_MAX - FIBS_KEPT)
		return SB_E_FULL;
	struct sb_snapshot *old = d->snapshot;
	struct sb_config *old_config = d->config;
	uint64_t now = sb_daemon_now_ms(), token;

	sb_daemon_restore_operator(d, next->snapshot);
	next->snapshot->generation = d->snapshot_generation + 1;
	int err = sb_dataplane_snapshot(d->dp, next->snapshot, &token);
	if (err)
		return err; /* nobody has seen it */
	d->snapshot_generation++;
	d->snapshot = next->snapshot;
	next->snapshot = NULL;
	d->config = next;
	sb_engine_config(d->engine, d->snapshot, next->policy, now);
	if (old)
		d->retired[d->n_retired++] = (struct sb_retired){.snapshot = old, .token = token};
	if (old_config != next)
		sb_config_free(old_config);
	return 0;
}

static void tell_reload(struct sb_daemon *d, int err, const struct sb_config_errors *errors)
{
	struct sb_event_record rec = {.kind = "reload"};
	if (err)
		snprintf(rec.detail, sizeof rec.detail, "refused, generation %llu stays: %s",
		        (unsigned long long)d->snapshot_generation, errors->n ? errors->line[0] : sb_err_text(err));
	else
		snprintf(rec.detail, sizeof rec.detail, "generation %llu", (unsigned long long)d->snapshot_generation);
	sb_events_add(d->events, &rec);
}

int sb_daemon_take(struct sb_daemon *d, int err, struct sb_config *next, struct sb_config_errors *errors)
{
	const uint32_t slots = sb_slots_taken(d->slots);
	if (err == 0)
		err = sb_config_reloadable(d->config, next, errors);
	if (err == 0)
		err = sb_config_take_slots(next, d->slots, errors);
	if (err == 0)
		err = sb_daemon_publish(d, next);
	if (err) {
		sb_slots_give_back(d->slots, slots);
		if (next && next->snapshot)
			sb_daemon_bury(d, next->snapshot);
		if (next)
			next->snapshot = NULL;
		sb_config_free(next);
		d->reloads_failed++;
	} else {
		d->reloads++;
		sb_log_setup(d->config->control.log_level, d->config->control.log_format);
	}
	tell_reload(d, err, errors);
	return err;
}

static void publish_fib(struct sb_daemon *d, uint64_t now_ms)
{
	struct sb_fib *fib;
	int err = sb_netlink_build(d->netlink, d->fib_generation + 1, &fib);
	if (err == SB_E_NOMEM)
		d->fib_due_ms = now_ms + FIB_AGAIN_MS; /* the mirror will not tell the same change twice */
	if (err)
		return; /* a dump is under way; poll tells when it is whole */
	d->fib_generation++;
	uint64_t token = sb_dataplane_fib(d->dp, fib);
	d->retired[d->n_retired++] = (struct sb_retired){.fib = d->fib, .token = token};
	d->fib = fib;
}

void sb_daemon_fib_tick(struct sb_daemon *d, uint64_t now_ms)
{
	if (sb_netlink_poll(d->netlink) && d->fib_due_ms == 0)
		d->fib_due_ms = now_ms + FIB_SETTLE_MS;
	if (d->fib_due_ms == 0 || now_ms < d->fib_due_ms || d->n_retired >= SB_RETIRED_MAX)
		return;
	d->fib_due_ms = 0;
	publish_fib(d, now_ms);
}

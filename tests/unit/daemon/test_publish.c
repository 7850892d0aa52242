/* SPDX-License-Identifier: BSD-3-Clause */
/* Reloads and changed fibs under workers: what is refused leaves everything as it was, what is replaced is freed when
 * nobody uses it, and neither starves the other (S4.3, P7). */
#include "bench.h"
#include "control/manage/server.h"
#include "dataplane/call/txn.h"
#include "tests/unit/nomem.h"
#include <unistd.h>

#define RELOADS_MAX 200

static int begin(void **state)
{
	*state = bench_new(2, bench_config(2, 10, ""), NULL);
	bench_step(*state);
	sb_daemon_retire(&((struct bench *)*state)->d);
	return 0;
}

static int end(void **state)
{
	bench_free(*state);
	return 0;
}

/* What workers route by. */
static const struct sb_snapshot *seen(const struct bench *b, uint32_t worker)
{
	return b->d.dp->worker[worker]->core->snap;
}

static void settle(struct bench *b)
{
	bench_step(b);
	sb_daemon_retire(&b->d);
}

static uint8_t last_byte(const struct bench *b, uint16_t slot)
{
	struct sb_engine_trunk t;
	assert_int_equal(sb_engine_trunk(b->d.engine, slot, sb_daemon_now_ms(), &t), 0);
	return t.addr.ip[3];
}

/* One reload to other addresses with the n-th allocation failing, and `more` after it. *lost: how many blocks may still
 * be lost. True: one failed. */
static bool reload_failing(struct bench *b, unsigned n, unsigned more, unsigned *lost)
{
	struct sb_daemon *d = &b->d;
	struct sb_config_errors errors = {0};
	const struct sb_snapshot *before = d->snapshot;
	const struct sb_config *config = d->config;
	uint64_t generation = d->snapshot_generation, blocks = nomem_blocks(), failed = d->reloads_failed;
	nomem_arm(n, more);
	int err = bench_reload_told(b, &errors);
	bool met = nomem_disarm();
	assert_true(err == 0 || (met && err == SB_E_NOMEM));
	sb_config_errors_free(&errors);
	settle(b);
	assert_in_range(nomem_blocks(), blocks, blocks + *lost);
	*lost -= (unsigned)(nomem_blocks() - blocks);
	assert_int_equal(d->n_retired, 0);
	for (uint32_t w = 0; w < 2; w++)
		assert_ptr_equal(seen(b, w), d->snapshot);
	if (err) {
		assert_ptr_equal(d->snapshot, before);
		assert_ptr_equal(d->config, config);
		assert_int_equal(d->snapshot_generation, generation);
		assert_int_equal(d->reloads_failed, failed + 1);
		assert_int_equal(last_byte(b, 0), 10);
	} else {
		assert_int_equal(d->snapshot_generation, generation + 1);
		assert_int_equal(last_byte(b, 0), 20);
	}
	return met;
}

static void back(struct bench *b)
{
	bench_write(b, bench_config(2, 10, ""));
	assert_int_equal(bench_reload(b), 0);
	settle(b);
	bench_write(b, bench_config(2, 20, ""));
}

static void reload_without_memory_leaves_all_as_it_was(void **state)
{
	struct bench *b = *state;
	back(b);
	for (unsigned more = 0; more <= 1; more++) {
		unsigned n = 1, lost = NOMEM_LOST_BY_LIBYAML;
		while (reload_failing(b, n++, more ? UINT32_MAX : 0, &lost))
			if (last_byte(b, 0) == 20)
				back(b); /* it could do without what it did not get */
		assert_true(n > 150);
		back(b);
	}
}

/* Snapshots that calls hold on to fill their places and refuse further reloads, but neighbours go on changing. */
static void reloads_leave_places_to_fibs(void **state)
{
	struct bench *b = *state;
	struct sb_daemon *d = &b->d;
	unsigned reloads = 0, fibs = 0;
	uint64_t now = 1000;
	int err;
	do {
		d->snapshot->refs[0].n = 1; /* a call that lasts */
		err = bench_reload(b);
		settle(b);
	} while (err == 0 && ++reloads < RELOADS_MAX);
	assert_int_equal(err, SB_E_FULL);
	assert_int_equal(d->n_retired, reloads);
	uint32_t slots = sb_slots_taken(d->slots);
	bench_write(b, bench_config(3, 10, "")); /* a name more, which is not taken down either */
	assert_int_equal(bench_reload(b), SB_E_FULL);
	assert_int_equal(sb_slots_taken(d->slots), slots);
	bench_write(b, bench_config(2, 10, ""));
	for (; fibs < 100; fibs++) { /* no worker comes to rest meanwhile: each needs a place of its own */
		const struct sb_fib *before = d->fib;
		b->mirror_changed = true;
		sb_daemon_fib_tick(d, now);
		sb_daemon_fib_tick(d, now += 10);
		if (d->fib == before)
			break;
	}
	assert_in_range(fibs, 8, SB_RETIRED_MAX);
	uint64_t generation = d->fib->generation;
	settle(b); /* the places are free again: the change that waited is published */
	sb_daemon_fib_tick(d, now += 10);
	assert_int_equal(d->fib->generation, generation + 1);
	for (uint32_t i = 0; i < d->n_retired; i++)
		if (d->retired[i].snapshot)
			d->retired[i].snapshot->refs[0].n = 0;
	settle(b);
	assert_int_equal(d->n_retired, 0);
	assert_int_equal(bench_reload(b), 0);
}

static void old_snapshots_go_when_the_last_call_ends(void **state)
{
	struct bench *b = *state;
	struct sb_daemon *d = &b->d;
	assert_int_equal(bench_reload(b), 0);
	sb_daemon_retire(d);
	assert_int_equal(d->n_retired, 1); /* no call goes by it, but workers may be reading it */
	sb_worker_step(d->dp->worker[0]);
	sb_daemon_retire(d);
	assert_int_equal(d->n_retired, 1); /* the other one has not turned */
	settle(b);
	assert_int_equal(d->n_retired, 0);
	struct sb_snapshot *old = d->snapshot;
	old->refs[1].n = 2;
	assert_int_equal(bench_reload(b), 0);
	settle(b);
	assert_int_equal(d->n_retired, 1); /* two calls go by it */
	old->refs[1].n = 1;
	settle(b);
	assert_int_equal(d->n_retired, 1);
	old->refs[1].n = 0;
	settle(b);
	assert_int_equal(d->n_retired, 0);
}

/* Without memory for it, a changed fib is made later: the mirror tells each change once. */
static void fib_without_memory_is_made_later(void **state)
{
	struct bench *b = *state;
	struct sb_daemon *d = &b->d;
	const struct sb_fib *before = d->fib;
	uint64_t now = 1000;
	b->mirror_changed = true;
	sb_daemon_fib_tick(d, now);
	nomem_arm(1, 0);
	sb_daemon_fib_tick(d, now += 10);
	assert_true(nomem_disarm());
	assert_ptr_equal(d->fib, before);
	sb_daemon_fib_tick(d, now + 1000);
	assert_ptr_not_equal(d->fib, before);
	/* A dump under way is another matter: poll tells when it is whole. */
	before = d->fib;
	b->mirror_err = SB_E_FULL;
	b->mirror_changed = true;
	sb_daemon_fib_tick(d, now += 2000);
	sb_daemon_fib_tick(d, now += 10);
	b->mirror_err = 0;
	sb_daemon_fib_tick(d, now += 10);
	assert_ptr_equal(d->fib, before);
	b->mirror_changed = true;
	sb_daemon_fib_tick(d, now += 10);
	sb_daemon_fib_tick(d, now += 10);
	assert_ptr_not_equal(d->fib, before);
}

/* Bytes that a line at level info puts on stderr. */
static off_t bytes_logged(void)
{
	FILE *f = tmpfile();
	int saved = dup(STDERR_FILENO);
	assert_true(f && saved >= 0);
	assert_true(dup2(fileno(f), STDERR_FILENO) >= 0);
	sb_log(SB_LOG_INFO, "anybody there?", NULL);
	off_t n = lseek(STDERR_FILENO, 0, SEEK_END);
	dup2(saved, STDERR_FILENO);
	close(saved);
	fclose(f);
	return n;
}

static void log_level_changes_with_a_reload(void **state)
{
	struct bench *b = *state;
	bench_write(b, bench_config(2, 10, "control: { log_level: info }\n"));
	assert_int_equal(bytes_logged(), 0);
	assert_int_equal(bench_reload(b), 0);
	assert_true(bytes_logged() > 0);
	bench_write(b, bench_config(2, 10, "control: { log_level: error }\nnonsense: 1\n"));
	assert_int_equal(bench_reload(b), SB_E_CONFIG);
	assert_true(bytes_logged() > 0); /* refused: all of it */
	bench_write(b, bench_config(2, 10, "control: { log_level: error }\n"));
	assert_int_equal(bench_reload(b), 0);
	assert_int_equal(bytes_logged(), 0);
}

static enum sb_admin admin_seen(const struct bench *b, uint16_t slot)
{
	return sb_health_read(b->d.health, slot).admin;
}

/* P9: it holds, or it does not and the operator is told so; a later reload never undoes what was said to hold. */
static void operators_switch_without_memory_holds_or_does_not(void **state)
{
	struct bench *b = *state;
	struct sb_daemon *d = &b->d;
	uint16_t slot = d->snapshot->trunks[1].slot;
	char why[SB_MANAGE_WHY_MAX];
	bench_control(b);
	const struct sb_manage_view *view = &d->manage->view;
	for (unsigned n = 1, met = true; met; n++) {
		assert_int_equal(view->admin(d, slot, SB_ENABLED, why), 0);
		nomem_arm(n, 0);
		int err = view->admin(d, slot, SB_DISABLED, why);
		met = nomem_disarm();
		enum sb_admin want = err == 0 || err == SB_E_IO ? SB_DISABLED : SB_ENABLED;
		assert_true(met || err == 0);
		assert_int_equal(admin_seen(b, slot), want);
		assert_int_equal(bench_reload(b), 0);
		settle(b);
		assert_int_equal(admin_seen(b, slot), want);
	}
}

/* P9: what the operator switched off stays off when its trunk comes back, before any worker can send it a call. */
static void operators_switch_outlives_its_trunks_absence(void **state)
{
	struct bench *b = *state;
	struct sb_daemon *d = &b->d;
	assert_int_equal(sb_opstate_set(d->opstate, "t2", SB_DISABLED), 0);
	bench_write(b, bench_config(3, 10, ""));
	assert_int_equal(bench_reload(b), 0);
	assert_int_equal(admin_seen(b, d->snapshot->trunks[2].slot), SB_DISABLED);
	assert_int_equal(sb_opstate_set(d->opstate, "t2", SB_ENABLED), 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void)
{
	const struct CMUnitTest tests[] = {
	        TEST(reload_without_memory_leaves_all_as_it_was),
	        TEST(reloads_leave_places_to_fibs),
	        TEST(old_snapshots_go_when_the_last_call_ends),
	        TEST(fib_without_memory_is_made_later),
	        TEST(log_level_changes_with_a_reload),
	        TEST(operators_switch_without_memory_holds_or_does_not),
	        TEST(operators_switch_outlives_its_trunks_absence),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

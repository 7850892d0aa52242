/* SPDX-License-Identifier: BSD-3-Clause */
/* A worker's turn, without ports: what it sees of what control publishes. */
#include "bench.h"
#include "dataplane/call/txn.h"
#include "tests/unit/nomem.h"

static int begin(void **state)
{
	*state = bench_new(1, bench_config(1, 10, ""), NULL);
	return 0;
}

static int end(void **state)
{
	bench_free(*state);
	return 0;
}

static void publish(struct bench *b, const struct sb_snapshot *s)
{
	uint64_t token;
	assert_int_equal(sb_dataplane_snapshot(b->d.dp, s, &token), 0);
}

/* What it is given to look up listeners by is freed and allocated anew with each snapshot, so the next may well stand
 * where the last one that this worker saw stood. It must not be taken for it (P7). */
static void snapshot_published_where_an_old_one_stood_is_seen(void **state)
{
	struct bench *b = *state;
	struct sb_dataplane *dp = b->d.dp;
	struct sb_snapshot *s = calloc(3, sizeof *s);
	assert_non_null(s);
	sb_worker_step(dp->worker[0]);
	const struct sb_view *seen = dp->view;
	publish(b, &s[0]);
	rte_rcu_qsbr_quiescent(dp->rcu, 0); /* it ends the turn in which it looked before that */
	nomem_recycle(true);
	publish(b, &s[1]); /* nobody reads the first any more */
	publish(b, &s[2]);
	nomem_recycle(false);
	assert_ptr_equal(dp->view, seen); /* or this test shows nothing */
	sb_worker_step(dp->worker[0]);
	assert_ptr_equal(dp->worker[0]->core->snap, &s[2]);
	publish(b, b->d.snapshot);
	sb_worker_step(dp->worker[0]);
	free(s);
}

/* It says in each turn that it uses nothing older; asleep it does not, and nothing is freed. */
static void old_snapshot_is_kept_until_each_worker_has_turned(void **state)
{
	struct bench *b = *state;
	uint64_t token;
	assert_int_equal(sb_dataplane_snapshot(b->d.dp, b->d.snapshot, &token), 0);
	assert_false(sb_dataplane_quiescent(b->d.dp, token));
	sb_worker_step(b->d.dp->worker[0]);
	assert_true(sb_dataplane_quiescent(b->d.dp, token));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void)
{
	const struct CMUnitTest tests[] = {
	        TEST(snapshot_published_where_an_old_one_stood_is_seen),
	        TEST(old_snapshot_is_kept_until_each_worker_has_turned),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: BSD-3-Clause */
/* Engine and mailboxes made with the n-th allocation failing, for every n: none is made, nothing is kept. */
#include "bench.h"
#include "tests/unit/nomem.h"

static void engine_without_memory_is_not_made(void **state)
{
	struct sb_health_table *health = zeroed(sizeof *health);
	struct sb_engine_config cfg = {
	        .n_workers = 3, .transactions_per_worker = 100, .health = health, .now_ms = T0, .seed = 1};
	struct sb_engine *e = NULL;
	uint64_t blocks = nomem_blocks();
	unsigned n = 0;
	while (!e) {
		nomem_arm(++n, 0);
		e = sb_engine_new(&cfg);
		assert_int_equal(nomem_disarm(), !e);
		if (!e)
			assert_int_equal(nomem_blocks(), blocks);
	}
	assert_true(n > cfg.n_workers);
	sb_engine_free(e);
	assert_int_equal(nomem_blocks(), blocks);
	sb_engine_free(NULL);
	free(health);
}

static void engine_of_an_impossible_size_is_not_made(void **state)
{
	struct sb_engine_config cfg = {.n_workers = 0};
	assert_null(sb_engine_new(&cfg));
	cfg.n_workers = SB_WORKERS_MAX + 1;
	assert_null(sb_engine_new(&cfg));
	cfg.n_workers = 1;
	cfg.transactions_per_worker = UINT32_MAX;
	assert_null(sb_engine_new(&cfg));
}

static void mailbox_without_memory_is_not_made(void **state)
{
	struct sb_mailbox m;
	uint64_t blocks = nomem_blocks();
	for (unsigned n = 1; n <= 2; n++) {
		nomem_arm(n, 0);
		assert_int_equal(sb_mailbox_init(&m, 16), SB_E_NOMEM);
		assert_true(nomem_disarm());
		assert_int_equal(nomem_blocks(), blocks);
	}
	assert_int_equal(sb_mailbox_init(&m, 16), 0);
	sb_mailbox_fini(&m);
	assert_int_equal(nomem_blocks(), blocks);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(engine_without_memory_is_not_made),
	        cmocka_unit_test(engine_of_an_impossible_size_is_not_made),
	        cmocka_unit_test(mailbox_without_memory_is_not_made),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

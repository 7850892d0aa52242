/* SPDX-License-Identifier: BSD-3-Clause */
/* test_ahead.c - memory is there before a worker touches it, as far ahead as promised and no further. */
#include "world.h"
#include "dataplane/call/txn.h"
#include "dataplane/net/ahead.h"
#include <sys/mman.h>
#include <unistd.h>

#define SLOTS 1100000 /* of the least area, that of buckets, more than twice what is made present */

static struct sb_core *core;
static struct sb_core_config big;
static struct world *w;

/* Has the page around it ever been touched? */
static bool is_there(const uint8_t *at)
{
	unsigned char there = 0;
	size_t page = (size_t)sysconf(_SC_PAGESIZE);
	assert_int_equal(mincore((void *)((uintptr_t)at & ~(page - 1)), page, &there), 0);
	return there & 1;
}

static int make_core(void **state)
{
	(void)state;
	w = world_new(1);
	struct sb_core_config cfg = w->cfg;
	cfg.transactions_max = SLOTS;
	cfg.linger_max = 4 * SLOTS;
	cfg.text_bytes_max = 2048ull * SLOTS;
	cfg.memory = mmap(
	        NULL, sb_core_memory(&cfg), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (cfg.memory == MAP_FAILED || madvise(cfg.memory, sb_core_memory(&cfg), MADV_NOHUGEPAGE))
		return -1;
	big = cfg;
	core = sb_core_init(&cfg);
	return 0;
}

static int drop_core(void **state)
{
	(void)state;
	munmap(big.memory, sb_core_memory(&big));
	world_free(w);
	return 0;
}

static void what_comes_next_is_there(void **state)
{
	(void)state;
	static struct sb_ahead a;
	struct sb_area area[SB_CORE_AREAS];
	sb_ahead_watch(&a, core);
	size_t done = sb_ahead_step(&a);
	assert_int_equal(done, SB_CORE_AREAS * SB_AHEAD_BYTES);
	sb_core_areas(core, area);
	for (unsigned i = 0; i < SB_CORE_AREAS; i++) {
		assert_int_equal(area[i].high, 0);
		assert_true(area[i].size > 2 * SB_AHEAD_BYTES);
		for (size_t at = 0; at < SB_AHEAD_BYTES; at += 4096)
			assert_true(is_there(area[i].base + at));
		assert_false(is_there(area[i].base + SB_AHEAD_BYTES + 65536));
	}
	assert_int_equal(sb_ahead_step(&a), 0); /* nothing more is in use */
}

/* Records are a ring: once round it, all of it has been in use. */
static void what_is_in_use_is_told(void **state)
{
	(void)state;
	struct sb_area area[SB_CORE_AREAS];
	struct world *small = world_new(1);
	small->cfg.linger_max = 100; /* so many that the table grows */
	world_worker(small, 0, 1);
	for (unsigned call = 0; call < small->cfg.linger_max + 2; call++) {
		world_rx(small, T1, world_answer(world_call(small, call)->text, 200, ""));
		world_expect(small, "SIP/2.0 200", NULL);
		sb_core_tick(small->core, small->now_us);
		sb_core_areas(small->core, area);
		assert_int_equal(area[0].high, sizeof(struct sb_txn));
		assert_int_equal(area[1].high,
		        (call < small->cfg.linger_max ? call + 1 : small->cfg.linger_max) * sizeof(struct sb_linger));
		assert_int_equal(area[2].high, SB_STORE_PAGE);
		unsigned most = call < small->cfg.linger_max ? call + 1 : small->cfg.linger_max + 1;
		unsigned buckets = (most + SB_TABLE_SHARE - 1) / SB_TABLE_SHARE;
		assert_int_equal(
		        area[3].high, (buckets > SB_TABLE_LEAST ? buckets : SB_TABLE_LEAST) * sizeof(struct sb_bucket));
	}
	world_free(small);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test_setup_teardown(what_comes_next_is_there, make_core, drop_core),
	        cmocka_unit_test(what_is_in_use_is_told),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

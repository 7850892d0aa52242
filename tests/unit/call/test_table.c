/* SPDX-License-Identifier: BSD-3-Clause */
/* test_table.c - whatever was added is found until it is dropped, and nothing else is, as the table grows and when it
 * can grow no more. */
#include "dataplane/call/table.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

enum { OBJECTS = 100000 };

/* Two arrays of objects of different sizes, as transactions and records are. */
struct wide {
	struct sb_keyed keyed;
	uint8_t more[48];
};

static struct sb_table t;
static struct wide *wide;
static struct sb_keyed *narrow;
static bool in[OBJECTS];
static uint64_t drawn = 88172645463325252ull;

static uint64_t draw(void)
{
	drawn ^= drawn << 13;
	drawn ^= drawn >> 7;
	return drawn ^= drawn << 17;
}

static uint32_t ref_of(uint32_t i)
{
	return i % 2 ? (i / 2) | SB_REF_SECOND : i / 2;
}

static struct sb_keyed *object(uint32_t i)
{
	return i % 2 ? &narrow[i / 2] : &wide[i / 2].keyed;
}

static void make(uint32_t objects, uint64_t (*key)(void))
{
	uint32_t max = sb_table_buckets(objects);
	struct sb_bucket *buckets = aligned_alloc(64, max * sizeof *buckets);
	memset(buckets, 0x5a, max * sizeof *buckets);
	wide = calloc(OBJECTS / 2, sizeof *wide);
	narrow = calloc(OBJECTS / 2, sizeof *narrow);
	memset(in, 0, sizeof in);
	sb_table_init(&t, buckets, max, (struct sb_table_of){wide, sizeof *wide},
	        (struct sb_table_of){narrow, sizeof *narrow});
	for (uint32_t i = 0; i < OBJECTS; i++)
		*object(i) = (struct sb_keyed){.key = key(), .key2 = i};
}

static void unmake(void)
{
	free(t.bucket);
	free(wide);
	free(narrow);
}

static void add(uint32_t i)
{
	sb_table_add(&t, ref_of(i));
	in[i] = true;
}

static void drop(uint32_t i)
{
	sb_table_drop(&t, ref_of(i));
	in[i] = false;
}

/* Its neighbour of the other kind comes in its place, if it is free. */
static bool replace(uint32_t i)
{
	uint32_t by = i ^ 1;
	if (in[by])
		return false;
	*object(by) = *object(i);
	sb_table_replace(&t, ref_of(i), ref_of(by));
	assert_int_equal(sb_table_find(&t, object(i)->key, object(i)->key2), ref_of(by));
	in[i] = false;
	in[by] = true;
	*object(i) = (struct sb_keyed){.key = draw(), .key2 = i};
	return true;
}

static void check(uint32_t i)
{
	assert_int_equal(sb_table_find(&t, object(i)->key, object(i)->key2), in[i] ? ref_of(i) : SB_NONE);
	assert_int_equal(sb_table_find(&t, object(i)->key, object(i)->key2 + OBJECTS), SB_NONE);
	assert_int_equal(sb_table_find(&t, object(i)->key + 1, object(i)->key2), SB_NONE);
}

static void check_all(uint32_t all)
{
	uint32_t n = 0;
	for (uint32_t i = 0; i < all; i++) {
		check(i);
		n += in[i];
	}
	assert_int_equal(t.n, n);
}

/* Fills it, changes what is in it in any order, empties it. */
static void live(uint32_t all)
{
	for (uint32_t i = 0; i < all; i++) {
		add(i);
		check(i);
		check((uint32_t)(draw() % all));
	}
	check_all(all);
	for (unsigned n = 0; n < 4 * all; n++) {
		uint32_t i = (uint32_t)(draw() % all);
		if (!in[i])
			add(i);
		else if (n % 4 || !replace(i))
			drop(i);
		check(i);
	}
	check_all(all);
	for (uint32_t i = 0; i < all; i++)
		if (in[i])
			drop(i);
	check_all(all);
}

static void keeps_all_as_it_grows(void **state)
{
	(void)state;
	make(OBJECTS, draw);
	uint32_t before = t.n_buckets;
	live(OBJECTS);
	assert_true(before < t.n_buckets);
	assert_in_range(t.n_buckets, OBJECTS / SB_TABLE_SHARE - 1, t.max);
	unmake();
}

/* Only so much memory is used as was needed at once: what is not added does not make it grow, nor does what comes
 * again. */
static void grows_no_more_than_is_needed(void **state)
{
	(void)state;
	make(OBJECTS, draw);
	for (unsigned round = 0; round < 10; round++) {
		for (uint32_t i = 0; i < 10000; i++)
			add(i);
		for (uint32_t i = 0; i < 10000; i++)
			drop(i);
	}
	assert_in_range(t.n_buckets, 10000 / SB_TABLE_SHARE - 1, 10000 / SB_TABLE_SHARE + 1);
	unmake();
}

/* More objects than it was made for: slower, not wrong. */
static void keeps_all_when_it_cannot_grow(void **state)
{
	(void)state;
	make(1000, draw);
	live(20000);
	assert_int_equal(t.n_buckets, t.max);
	unmake();
}

static uint64_t few(void)
{
	return draw() & 7;
}

/* Keys that differ in a few bits only: what a bucket has no room for hangs behind it. */
static void tells_alike_keys_apart(void **state)
{
	(void)state;
	make(2000, few);
	for (uint32_t i = 0; i < 2000; i++)
		add(i);
	for (uint32_t i = 0; i < 2000; i++)
		check(i);
	for (uint32_t i = 0; i < 2000; i += 3)
		drop(i);
	for (uint32_t i = 0; i < 2000; i++)
		assert_int_equal(sb_table_find(&t, object(i)->key, i), in[i] ? ref_of(i) : SB_NONE);
	unmake();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(keeps_all_as_it_grows),
	        cmocka_unit_test(grows_no_more_than_is_needed),
	        cmocka_unit_test(keeps_all_when_it_cannot_grow),
	        cmocka_unit_test(tells_alike_keys_apart),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

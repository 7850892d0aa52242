/* SPDX-License-Identifier: BSD-3-Clause */
/* test_wheel.c - the timing wheel against a list that is searched from end to end. S4.1 and S4.2 stand on it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>
#include "control/timers/wheel.h"
#include <switchback/err.h>

#define IDS  512
#define MANY 200000

struct bench {
	struct sb_wheel wheel;
	void *memory;
	uint64_t deadline[IDS]; /* the reference: UINT64_MAX not armed */
	uint32_t gen[IDS];
	uint64_t now_ms, last_ms, floor_ms; /* floor: the advance before; what was armed late may come out of order */
	uint32_t fired;
	uint32_t refuse_after; /* UINT32_MAX: never */
	uint64_t rng;
};

static uint64_t draw(struct bench *b, uint64_t below)
{
	uint64_t z = (b->rng += 0x9e3779b97f4a7c15ull);
	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9ull;
	z = (z ^ z >> 27) * 0x94d049bb133111ebull;
	return (z ^ z >> 31) % below;
}

static void bench_init(struct bench *b, uint64_t now_ms, uint64_t seed)
{
	memset(b, 0, sizeof *b);
	b->memory = calloc(1, sb_wheel_memory(IDS));
	assert_non_null(b->memory);
	sb_wheel_init(&b->wheel, b->memory, IDS, now_ms);
	for (unsigned i = 0; i < IDS; i++)
		b->deadline[i] = UINT64_MAX;
	b->now_ms = now_ms;
	b->rng = seed;
	b->refuse_after = UINT32_MAX;
}

static void bench_fini(struct bench *b)
{
	free(b->memory);
}

static void arm(struct bench *b, uint32_t id, uint64_t deadline_ms)
{
	b->deadline[id] = deadline_ms;
	assert_int_equal(sb_wheel_arm(&b->wheel, id, ++b->gen[id], deadline_ms), 0);
}

static bool on_fire(void *ctx, uint32_t id, uint32_t gen, uint64_t deadline_ms)
{
	struct bench *b = ctx;
	if (b->fired >= b->refuse_after)
		return false;
	assert_true(id < IDS);
	assert_int_equal(deadline_ms, b->deadline[id]);
	assert_int_equal(gen, b->gen[id]);
	assert_true(deadline_ms <= b->now_ms);
	if (deadline_ms > b->floor_ms) {
		assert_true(deadline_ms >= b->last_ms);
		b->last_ms = deadline_ms;
	}
	b->deadline[id] = UINT64_MAX;
	b->fired++;
	return true;
}

static uint64_t earliest(const struct bench *b)
{
	uint64_t min = UINT64_MAX;
	for (unsigned i = 0; i < IDS; i++)
		min = b->deadline[i] < min ? b->deadline[i] : min;
	return min;
}

static void advance(struct bench *b, uint64_t now_ms, uint32_t budget)
{
	b->floor_ms = b->now_ms;
	b->now_ms = now_ms;
	b->last_ms = 0;
	sb_wheel_advance(&b->wheel, now_ms, budget, on_fire, b);
}

/* Deadlines of every size, from the past to beyond the wheel's own range. */
static uint64_t some_deadline(struct bench *b)
{
	static const uint64_t span[] = {4, 300, 70000, 20000000, 5000000000ull, 20000000000000ull};
	uint64_t at = b->now_ms + draw(b, span[draw(b, 6)]);
	return draw(b, 8) == 0 ? b->now_ms - draw(b, 1000) : at;
}

static uint64_t some_step(struct bench *b)
{
	static const uint64_t span[] = {2, 2, 2, 300, 70000, 20000000, 6000000000ull};
	return draw(b, span[draw(b, 7)]);
}

/* S4.2: never early, never later than the first advance at or after the deadline, whatever is armed, moved or cancelled
 * and however time leaps. */
static void every_timer_fires_at_its_millisecond(void **state)
{
	for (uint64_t seed = 1; seed <= 40; seed++) {
		struct bench b;
		bench_init(&b, seed % 2 ? 1000 : (seed << 32) - 5000, seed);
		for (unsigned round = 0; round < 1500; round++) {
			for (uint64_t n = draw(&b, 6); n; n--)
				arm(&b, (uint32_t)draw(&b, IDS), some_deadline(&b));
			if (draw(&b, 4) == 0) {
				uint32_t id = (uint32_t)draw(&b, IDS);
				sb_wheel_cancel(&b.wheel, id);
				b.deadline[id] = UINT64_MAX;
			}
			assert_true(sb_wheel_next_ms(&b.wheel) <= earliest(&b));
			advance(&b, b.now_ms + some_step(&b), UINT32_MAX);
			assert_true(earliest(&b) > b.now_ms);
		}
		bench_fini(&b);
	}
}

static void wheel_woken_only_when_it_asks_fires_on_time(void **state)
{
	struct bench b;
	bench_init(&b, 12345, 7);
	for (unsigned i = 0; i < IDS; i++)
		arm(&b, i, b.now_ms + draw(&b, 6000000000ull));
	unsigned wakes = 0;
	while (b.wheel.n_armed) {
		uint64_t next = sb_wheel_next_ms(&b.wheel), first = earliest(&b);
		assert_true(next <= first);
		advance(&b, next > b.now_ms ? next : b.now_ms, UINT32_MAX);
		assert_true(++wakes < IDS * 6);
	}
	assert_int_equal(sb_wheel_next_ms(&b.wheel), UINT64_MAX);
	assert_int_equal(b.fired, IDS);
	bench_fini(&b);
}

static void timer_armed_again_moves_and_fires_once(void **state)
{
	struct bench b;
	bench_init(&b, 100, 1);
	for (unsigned i = 0; i < 50; i++)
		arm(&b, 3, 200 + i * 1000);
	arm(&b, 3, 150);
	assert_int_equal(b.wheel.n_armed, 1);
	assert_int_equal(sb_wheel_deadline(&b.wheel, 3), 150);
	advance(&b, 149, 100);
	assert_int_equal(b.fired, 0);
	advance(&b, 1000000, 100);
	assert_int_equal(b.fired, 1);
	assert_int_equal(b.wheel.n_armed, 0);
	bench_fini(&b);
}

static void overdue_timer_fires_at_next_advance_even_without_time_passing(void **state)
{
	struct bench b;
	bench_init(&b, 100, 1);
	advance(&b, 500, 100);
	arm(&b, 1, 500);
	arm(&b, 2, 3);
	assert_int_equal(sb_wheel_next_ms(&b.wheel), 0);
	advance(&b, 500, 100);
	assert_int_equal(b.fired, 2);
	bench_fini(&b);
}

static void refused_timer_stays_due_and_keeps_its_place(void **state)
{
	struct bench b;
	bench_init(&b, 0, 1);
	for (unsigned i = 0; i < 10; i++)
		arm(&b, i, 10 + i / 7);
	b.refuse_after = 4;
	advance(&b, 100, 100);
	assert_int_equal(b.fired, 4);
	assert_int_equal(b.wheel.n_armed, 6);
	b.refuse_after = 5;
	advance(&b, 100, 100);
	assert_int_equal(b.deadline[4], UINT64_MAX);
	arm(&b, 5, 1000);
	sb_wheel_cancel(&b.wheel, 6);
	b.deadline[6] = UINT64_MAX;
	b.refuse_after = UINT32_MAX;
	advance(&b, 100, 100);
	assert_int_equal(b.fired, 8);
	assert_int_equal(b.wheel.n_armed, 1);
	bench_fini(&b);
}

static void budget_bounds_an_advance_and_nothing_is_lost(void **state)
{
	struct bench b;
	bench_init(&b, 0, 9);
	for (unsigned i = 0; i < IDS; i++)
		arm(&b, i, 70000 + i % 3);
	unsigned calls = 0;
	while (b.wheel.n_armed) {
		uint32_t before = b.fired;
		advance(&b, 80000, 7);
		assert_true(b.fired - before <= 7);
		assert_true(++calls < 3 * IDS);
	}
	assert_int_equal(b.fired, IDS);
	bench_fini(&b);
}

static bool rearm_on_fire(void *ctx, uint32_t id, uint32_t gen, uint64_t deadline_ms)
{
	struct bench *b = ctx;
	b->fired++;
	return sb_wheel_arm(&b->wheel, id, gen + 1, deadline_ms + 10) == 0;
}

static void timer_may_be_armed_again_while_it_fires(void **state)
{
	struct bench b;
	bench_init(&b, 0, 1);
	arm(&b, 0, 10);
	sb_wheel_advance(&b.wheel, 1000, 1000, rearm_on_fire, &b);
	assert_int_equal(b.fired, 100);
	assert_int_equal(sb_wheel_deadline(&b.wheel, 0), 1010);
	bench_fini(&b);
}

static void ids_out_of_range_and_time_going_back_do_no_harm(void **state)
{
	struct bench b;
	bench_init(&b, 1000, 1);
	assert_int_equal(sb_wheel_arm(&b.wheel, IDS, 1, 5), SB_E_INVAL);
	sb_wheel_cancel(&b.wheel, UINT32_MAX);
	sb_wheel_cancel(&b.wheel, 4);
	arm(&b, 4, 1500);
	sb_wheel_advance(&b.wheel, 3, 100, on_fire, &b);
	assert_int_equal(b.fired, 0);
	assert_int_equal(sb_wheel_arm(&b.wheel, 5, 1, UINT64_MAX), 0);
	advance(&b, 1500, 100);
	assert_int_equal(b.fired, 1);
	assert_int_equal(b.wheel.n_armed, 1);
	assert_int_equal(sb_wheel_deadline(&b.wheel, IDS), UINT64_MAX);
	assert_int_equal(sb_wheel_deadline(&b.wheel, 77), UINT64_MAX);
	bench_fini(&b);
}

static bool count_fire(void *ctx, uint32_t id, uint32_t gen, uint64_t deadline_ms)
{
	++*(unsigned *)ctx;
	return true;
}

static void end_of_time_is_reached_and_not_passed(void **state)
{
	struct bench b;
	unsigned fired = 0;
	bench_init(&b, UINT64_MAX - 100000, 1);
	for (unsigned round = 1; round <= 3; round++) {
		assert_int_equal(sb_wheel_arm(&b.wheel, round, 1, UINT64_MAX), 0);
		for (unsigned i = 0; i < 20; i++)
			sb_wheel_advance(&b.wheel, UINT64_MAX, 100, count_fire, &fired);
		assert_int_equal(fired, round);
		assert_int_equal(b.wheel.n_armed, 0);
	}
	bench_fini(&b);
}

/* Arms again whatever fires. */
static bool rearm_far(void *ctx, uint32_t id, uint32_t gen, uint64_t deadline_ms)
{
	struct bench *b = ctx;
	assert_true(deadline_ms <= b->now_ms && deadline_ms + 1 >= b->now_ms); /* its own tick, and never early */
	b->fired++;
	return sb_wheel_arm(&b->wheel, id, gen, b->now_ms + 1 + draw(b, 200000)) == 0;
}

/* With a tick each millisecond no tick has more to do than four times what a millisecond fires on average: once to
 * fire, and at each of three levels once to move. Where a bucket came down as a whole, one tick moved 65 536 ms worth
 * of timers. */
static void no_tick_moves_more_than_its_share(void **state)
{
	struct bench b;
	const uint32_t budget = 20; /* 200 000 timers within 200 s: one each millisecond; by chance several */
	bench_init(&b, 65536 * 7 - 70000, 3);
	free(b.memory);
	b.memory = calloc(1, sb_wheel_memory(MANY));
	assert_non_null(b.memory);
	sb_wheel_init(&b.wheel, b.memory, MANY, b.now_ms);
	for (uint32_t i = 0; i < MANY; i++)
		assert_int_equal(sb_wheel_arm(&b.wheel, i, 1, b.now_ms + 1 + draw(&b, 200000)), 0);
	for (uint32_t ms = 0; ms < 300000; ms++) {
		b.now_ms++;
		sb_wheel_advance(&b.wheel, b.now_ms, budget, rearm_far, &b);
	}
	assert_true(b.fired > 400000);
	assert_int_equal(b.wheel.n_armed, MANY);
	bench_fini(&b);
}

/* Ticks that come late, some of them far too late, among timers that are armed, moved and cancelled all the time. */
static void irregular_ticks_fire_all_that_is_due(void **state)
{
	for (uint64_t seed = 1; seed <= 20; seed++) {
		struct bench b;
		bench_init(&b, (seed << 24) - 3000, seed);
		for (unsigned round = 0; round < 4000; round++) {
			for (uint64_t n = draw(&b, 4); n; n--)
				arm(&b, (uint32_t)draw(&b, IDS), b.now_ms + draw(&b, draw(&b, 4) ? 700 : 140000));
			advance(&b, b.now_ms + 1 + (draw(&b, 50) ? draw(&b, 3) : draw(&b, 90000)), UINT32_MAX);
			assert_true(earliest(&b) > b.now_ms);
		}
		bench_fini(&b);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(every_timer_fires_at_its_millisecond),
	        cmocka_unit_test(wheel_woken_only_when_it_asks_fires_on_time),
	        cmocka_unit_test(timer_armed_again_moves_and_fires_once),
	        cmocka_unit_test(overdue_timer_fires_at_next_advance_even_without_time_passing),
	        cmocka_unit_test(refused_timer_stays_due_and_keeps_its_place),
	        cmocka_unit_test(budget_bounds_an_advance_and_nothing_is_lost),
	        cmocka_unit_test(timer_may_be_armed_again_while_it_fires),
	        cmocka_unit_test(ids_out_of_range_and_time_going_back_do_no_harm),
	        cmocka_unit_test(no_tick_moves_more_than_its_share),
	        cmocka_unit_test(irregular_ticks_fire_all_that_is_due),
	        cmocka_unit_test(end_of_time_is_reached_and_not_passed),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

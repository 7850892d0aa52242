/* SPDX-License-Identifier: BSD-3-Clause */
/* When a worker sheds, and how much: P13, judged by a queue that is worked off at so many frames a microsecond. */
#include "dataplane/net/overload.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#define BURST 32
#define RING  1024

/* A worker that needs 0.25 us a message and a little a turn, a ring of 1 024, calls of seven messages one of which is
 * the INVITE; one shed costs two cheaper ones. */
struct model {
	struct sb_overload o;
	double now_us, waiting, fresh; /* frames in the ring; whole calls offered that are not yet */
	double offered, taken, shed, lost, idle_us;
	bool patient; /* senders hold back what the ring has no room for */
	double held;
};

#define MESSAGE_US 0.25
#define TURN_US    0.1
#define SHED_COST  1.0 /* messages, in all */

static void turn(struct model *m, double calls_per_us)
{
	double n = m->waiting < BURST ? m->waiting : BURST;
	double took = TURN_US + n * MESSAGE_US, share = m->o.share / 65536.0;
	double calls = calls_per_us * took;
	if (n < 1)
		m->idle_us += took;
	m->waiting += calls * ((1 - share) * 7 + share * SHED_COST) - n;
	m->offered += calls;
	m->shed += calls * share;
	m->taken += calls * (1 - share);
	m->waiting += m->held;
	m->held = 0;
	if (m->waiting > RING) {
		*(m->patient ? &m->held : &m->lost) += m->waiting - RING;
		m->waiting = RING;
	}
	m->now_us += took;
	sb_overload_turn(&m->o, n >= BURST ? SB_TURN_FULL : n >= 1 ? SB_TURN_SOME : SB_TURN_IDLE, (uint64_t)m->now_us);
}

static void pass(struct model *m, double us, double calls_per_us)
{
	for (double until = m->now_us + us; m->now_us < until;)
		turn(m, calls_per_us);
}

#define CAPACITY (1 / (7 * (MESSAGE_US + TURN_US / BURST))) /* calls a microsecond */

static void nothing_is_shed_below_capacity(void **state)
{
	(void)state;
	struct model m = {0};
	for (double load = 0.1; load < 0.995; load += 0.05)
		pass(&m, 20000, load * CAPACITY);
	pass(&m, 100000, 0.99 * CAPACITY);
	assert_true(m.shed == 0 && m.lost == 0);
}

/* Not scheduled for a while, it finds its queue full; that alone is no reason, up to 7/8 of what it can do. */
static void pause_of_the_worker_sheds_nothing(void **state)
{
	(void)state;
	struct model m = {0};
	for (double load = 0.1; load < 0.86; load += 0.05) {
		pass(&m, 5000, load * CAPACITY);
		m.now_us += 20000;
		m.waiting = RING;
		pass(&m, 50000, load * CAPACITY);
	}
	assert_true(m.shed == 0);
}

/* The like where senders held back what they had: as many messages as came in the pause, whatever the queue holds. */
static void what_was_held_back_in_a_pause_is_no_overload(void **state)
{
	(void)state;
	for (double load = 0.1; load < 0.86; load += 0.05) {
		struct model m = {.patient = true};
		for (double pause_us = 1500; pause_us < SB_OVERLOAD_EXCUSED_MAX_US / SB_OVERLOAD_EXCUSED;
		        pause_us *= 1.5) {
			pass(&m, 5000, load * CAPACITY);
			m.now_us += pause_us;
			m.held = pause_us * load * CAPACITY * 7;
			m.offered += pause_us * load * CAPACITY;
			pass(&m, 9 * pause_us, load * CAPACITY);
			assert_true(m.held < 1 && m.waiting < RING);
		}
		assert_true(m.shed == 0);
	}
}

/* Three of thirteen milliseconds are somebody else's: what is left is what it can do, and beyond it calls are shed. */
static void overload_is_seen_between_pauses(void **state)
{
	(void)state;
	struct model m = {0};
	for (unsigned i = 0; i < 100; i++) {
		pass(&m, 10000, 1.2 * CAPACITY);
		m.now_us += 3000;
		m.waiting = RING;
	}
	assert_true(m.shed > m.offered / 8);
	assert_true(m.lost < m.offered / 8);
}

/* From twice what it can do on: within milliseconds as much is shed as must be, no more is lost, and it never idles. */
static void at_overload_the_queue_stays_short_and_the_worker_busy(void **state)
{
	(void)state;
	for (double load = 1.2; load < 6; load *= 1.3) {
		struct model m = {0};
		pass(&m, 30000, load * CAPACITY);
		assert_true(m.o.share > 0);
		double left = 1 - m.shed / m.offered;
		assert_true(left < 1);
		struct model steady = {.o = m.o, .now_us = m.now_us, .waiting = m.waiting};
		pass(&steady, 500000, load * CAPACITY);
		assert_true(steady.lost == 0);
		assert_true(steady.idle_us < 0.05 * 500000);
		/* what the worker could take if it knew the share beforehand */
		double best = (7 * CAPACITY - load * CAPACITY * SHED_COST) / (7 - SHED_COST);
		if (best < load * CAPACITY / 64)
			continue;
		assert_true(steady.taken > 0.93 * best * 500000);
	}
}

static void overload_that_ends_is_over_in_a_moment(void **state)
{
	(void)state;
	struct model m = {0};
	pass(&m, 50000, 4 * CAPACITY);
	assert_true(m.o.share > 65536 / 2);
	pass(&m, 150000, 0.8 * CAPACITY);
	assert_int_equal(m.o.share, 0);
	double shed = m.shed;
	pass(&m, 50000, 0.8 * CAPACITY);
	assert_true(m.shed == shed);
}

/* Full turns in a row, whatever time they take: a slow port is given as many. */
static void patience_is_counted_in_turns(void **state)
{
	(void)state;
	struct sb_overload o = {0};
	uint64_t now = 0;
	for (int i = 0; i < SB_OVERLOAD_TURNS - 1; i++)
		sb_overload_turn(&o, SB_TURN_FULL, now += 900);
	sb_overload_turn(&o, SB_TURN_SOME, now += 900);
	for (int i = 0; i < SB_OVERLOAD_TURNS - 1; i++)
		sb_overload_turn(&o, SB_TURN_FULL, now += 1);
	assert_int_equal(o.share, 0);
	for (int i = 0; i < 32; i++)
		sb_overload_turn(&o, SB_TURN_FULL, now += 900);
	assert_true(o.share > 0);
}

/* A thread that is not run now and then finds its queues full each time, and works them off. */
static void pauses_begin_the_row_anew(void **state)
{
	(void)state;
	struct sb_overload o = {0};
	uint64_t now = 0;
	for (int i = 0; i < 100 * SB_OVERLOAD_TURNS; i++)
		sb_overload_turn(&o, i % 400 == 399 ? SB_TURN_SOME : SB_TURN_FULL, now += i % 400 ? 8 : 4000);
	assert_int_equal(o.share, 0);
}

/* The port that was looked at just before the pause had little; it is the turns after that which are full. */
static void pause_counts_in_whatever_turn_it_falls(void **state)
{
	(void)state;
	struct sb_overload o = {0};
	uint64_t now = 5000;
	sb_overload_turn(&o, SB_TURN_SOME, now);
	sb_overload_turn(&o, SB_TURN_SOME, now += 10);
	sb_overload_turn(&o, SB_TURN_SOME, now += 10000);
	for (int i = 0; i < 2 * SB_OVERLOAD_TURNS; i++)
		sb_overload_turn(&o, SB_TURN_FULL, now += 8);
	assert_int_equal(o.share, 0);
	sb_overload_turn(&o, SB_TURN_FULL, now += SB_OVERLOAD_EXCUSED * 10000);
	sb_overload_turn(&o, SB_TURN_FULL, now += SB_OVERLOAD_WINDOW_US);
	assert_true(o.share > 0);
}

/* If it never has worked them off when the next pause comes, it cannot keep up, pauses or not. */
static void pause_upon_pause_is_overload(void **state)
{
	(void)state;
	struct sb_overload o = {0};
	uint64_t now = 0;
	for (int i = 0; i < 20 * SB_OVERLOAD_TURNS; i++)
		sb_overload_turn(&o, SB_TURN_FULL, now += i % 200 ? 8 : 4000);
	assert_true(o.share > 0);
}

/* P13: many ports, or libosip2 for every message: full turns that take long one after another are overload all the same
 */
static void slow_turns_in_a_row_are_overload(void **state)
{
	struct sb_overload o = {0};
	uint64_t now = 0;
	for (unsigned i = 0; i < 2 * SB_OVERLOAD_TURNS; i++)
		sb_overload_turn(&o, SB_TURN_FULL, now += 2 * SB_OVERLOAD_PAUSE_US);
	assert_int_not_equal(o.share, 0);
}

/* However long it lasts, some are let through: else nobody learned that there is room again. */
static void some_are_always_let_through(void **state)
{
	(void)state;
	struct sb_overload o = {0};
	for (uint64_t now = 0; now < 10000000; now += 10)
		sb_overload_turn(&o, SB_TURN_FULL, now);
	assert_in_range(o.share, 65536 / 2, 65536 - 65536 / 64);
}

/* Frames that come in heaps, or a worker that naps between them: most turns are full, and there is time to spare. */
static void full_bursts_between_naps_are_no_overload(void **state)
{
	(void)state;
	struct sb_overload o = {.share = 65536 / 2};
	uint64_t now = 0;
	for (int i = 0; i < 20000; i++)
		sb_overload_turn(&o, i % 30 ? SB_TURN_FULL : SB_TURN_IDLE, now += i % 30 ? 8 : 100);
	assert_int_equal(o.share, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(nothing_is_shed_below_capacity),
	        cmocka_unit_test(pause_of_the_worker_sheds_nothing),
	        cmocka_unit_test(what_was_held_back_in_a_pause_is_no_overload),
	        cmocka_unit_test(overload_is_seen_between_pauses),
	        cmocka_unit_test(at_overload_the_queue_stays_short_and_the_worker_busy),
	        cmocka_unit_test(overload_that_ends_is_over_in_a_moment),
	        cmocka_unit_test(patience_is_counted_in_turns),
	        cmocka_unit_test(slow_turns_in_a_row_are_overload),
	        cmocka_unit_test(some_are_always_let_through),
	        cmocka_unit_test(pauses_begin_the_row_anew),
	        cmocka_unit_test(pause_counts_in_whatever_turn_it_falls),
	        cmocka_unit_test(pause_upon_pause_is_overload),
	        cmocka_unit_test(full_bursts_between_naps_are_no_overload),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

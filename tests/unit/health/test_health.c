/* SPDX-License-Identifier: BSD-3-Clause */
/* test_health.c - the trunk's state machine: every cell of its table, and the promises it stands for. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "control/health/health.h"
#include "tests/unit/health/policy.h"

#define T0 1000000ull

struct bench {
	struct sb_trunk_policy p;
	struct sb_health h;
	struct sb_rng rng;
	struct sb_health_path path;
	uint64_t now_ms;
};

static struct bench bench(void)
{
	struct bench b = {.p = test_policy(), .rng = {42}, .now_ms = T0};
	b.h = sb_health_start(&b.p, b.now_ms);
	return b;
}

static enum sb_health_state give(struct bench *b, struct sb_health_input in)
{
	b->h = sb_health_step(b->h, &b->p, &in, b->now_ms, &b->rng, &b->path);
	assert_in_range(b->path.n, 1, SB_HEALTH_PATH_MAX + 1);
	assert_int_equal(b->path.state[b->path.n - 1], b->h.state);
	return b->h.state;
}

static enum sb_health_state on(struct bench *b, enum sb_health_event event)
{
	return give(b, (struct sb_health_input){.event = event, .hold_ms = event == SB_HE_HOLD ? 30000 : 0});
}

/* A trunk brought to a state by the way a real one would go. */
static struct bench bench_in(enum sb_health_state s)
{
	struct bench b = bench();
	if (s == SB_PROBING)
		return b;
	on(&b, SB_HE_PROBE_GOOD);
	if (s == SB_UP)
		return b;
	on(&b, SB_HE_PROBE_BAD);
	if (s == SB_SUSPECT)
		return b;
	on(&b, SB_HE_PROBE_BAD);
	on(&b, SB_HE_PROBE_BAD);
	b.now_ms += 2000;
	if (s == SB_DOWN)
		return b;
	on(&b, SB_HE_PROBE_GOOD);
	if (s == SB_HALF_OPEN)
		return b;
	on(&b, SB_HE_PROBE_GOOD);
	return b;
}

/* P8, P3: the whole table, one event each from a state just entered with the default settings. */
static void every_state_answers_every_event(void **state)
{
	enum { P = SB_PROBING, U = SB_UP, S = SB_SUSPECT, D = SB_DOWN, H = SB_HALF_OPEN, R = SB_RAMPING };
	static const uint8_t expect[SB_HEALTH_STATES][SB_HEALTH_EVENTS] = {
	        /* good, bad, alive, failure, hold, due */
	        [P] = {U, P, U, P, D, P},
	        [U] = {U, S, U, S, D, U},
	        [S] = {S, S, S, S, D, S}, /* a failure is still pending: min_ms has not gone by */
	        [D] = {H, D, H, D, D, D},
	        [H] = {R, D, H, D, D, H},
	        [R] = {R, D, R, D, D, R},
	};
	for (int s = 0; s < SB_HEALTH_STATES; s++) {
		for (int ev = 0; ev < SB_HEALTH_EVENTS; ev++) {
			struct bench b = bench_in((enum sb_health_state)s);
			assert_int_equal(b.h.state, s);
			if (on(&b, (enum sb_health_event)ev) != expect[s][ev])
				fail_msg("%s, event %d -> %s, not %s", sb_health_name((enum sb_health_state)s), ev,
				        sb_health_name(b.h.state), sb_health_name((enum sb_health_state)expect[s][ev]));
		}
	}
}

/* P8 */
static void trunk_starts_probing_and_one_sign_of_life_makes_it_up(void **state)
{
	struct bench b = bench();
	assert_int_equal(b.h.state, SB_PROBING);
	assert_int_equal(sb_health_share(&b.h, &b.p, b.now_ms), 0);
	assert_int_equal(on(&b, SB_HE_PROBE_GOOD), SB_UP);
	assert_int_equal(sb_health_share(&b.h, &b.p, b.now_ms), SB_SHARE_FULL);
	assert_int_equal(b.h.up_since_ms, 0);
	b = bench();
	assert_int_equal(on(&b, SB_HE_ALIVE), SB_UP);
	b = bench();
	on(&b, SB_HE_PROBE_BAD);
	on(&b, SB_HE_PROBE_BAD);
	assert_int_equal(on(&b, SB_HE_PROBE_BAD), SB_DOWN);
}

/* P2: three calls refused by ICMP in a row take it DOWN, no probe needed. */
static void three_failed_calls_in_a_row_take_it_down(void **state)
{
	struct bench b = bench_in(SB_UP);
	assert_int_equal(on(&b, SB_HE_FAILURE), SB_SUSPECT);
	assert_int_equal(on(&b, SB_HE_FAILURE), SB_SUSPECT);
	assert_int_equal(on(&b, SB_HE_FAILURE), SB_DOWN);
}

static void k_of_the_last_n_calls_take_it_down_and_older_ones_do_not(void **state)
{
	struct bench b = bench_in(SB_UP);
	on(&b, SB_HE_FAILURE);
	give(&b, (struct sb_health_input){.event = SB_HE_ALIVE, .count = 3});
	on(&b, SB_HE_FAILURE);
	give(&b, (struct sb_health_input){.event = SB_HE_ALIVE, .count = 2});
	assert_int_equal(sb_health_window_failures(&b.h, &b.p), 2);
	struct bench late = b;
	assert_int_equal(on(&b, SB_HE_FAILURE), SB_DOWN);
	on(&late, SB_HE_ALIVE); /* now the first failure is the ninth last */
	assert_int_equal(on(&late, SB_HE_FAILURE), SB_SUSPECT);
	give(&late, (struct sb_health_input){.event = SB_HE_ALIVE, .count = 1000000});
	assert_int_equal(late.h.window, 0);
	assert_int_equal(late.h.window_used, 64);
}

static void window_of_64_calls_counts_all_of_them(void **state)
{
	struct bench b = bench_in(SB_UP);
	b.p.traffic_window = 64;
	b.p.traffic_failures = 33;
	for (unsigned i = 0; i < 32; i++) {
		on(&b, SB_HE_FAILURE);
		on(&b, SB_HE_ALIVE);
	}
	assert_int_equal(sb_health_window_failures(&b.h, &b.p), 32);
	assert_int_not_equal(b.h.state, SB_DOWN);
	b.p.traffic_failures = 32;
	on(&b, SB_HE_ALIVE); /* pushes a failure out, and life does not take it down */
	assert_int_equal(sb_health_window_failures(&b.h, &b.p), 31);
	assert_int_equal(on(&b, SB_HE_FAILURE), SB_DOWN);
}

static void suspect_recovers_on_life_once_no_failure_is_pending(void **state)
{
	struct bench b = bench_in(SB_SUSPECT);
	b.now_ms += b.p.min_ms - 1;
	assert_int_equal(on(&b, SB_HE_PROBE_GOOD), SB_SUSPECT);
	b.now_ms += 1;
	assert_int_equal(on(&b, SB_HE_PROBE_GOOD), SB_UP);
	b = bench_in(SB_SUSPECT);
	b.now_ms += b.p.min_ms;
	assert_int_equal(on(&b, SB_HE_ALIVE), SB_UP);
	assert_int_equal(b.h.up_since_ms, 0);
}

static void answered_calls_do_not_speak_against_a_probe_that_was_refused(void **state)
{
	struct bench b = bench_in(SB_UP);
	for (unsigned i = 0; i < 2; i++) {
		give(&b, (struct sb_health_input){.event = SB_HE_PROBE_BAD, .refused = true});
		b.now_ms += 5000;
		assert_int_equal(on(&b, SB_HE_ALIVE), SB_SUSPECT);
	}
	assert_int_equal(give(&b, (struct sb_health_input){.event = SB_HE_PROBE_BAD, .refused = true}), SB_DOWN);
	b = bench_in(SB_UP); /* but probes lost on the way do not take down a trunk that carries calls */
	for (unsigned i = 0; i < 20; i++) {
		on(&b, SB_HE_PROBE_BAD);
		b.now_ms += 5000;
		assert_int_equal(on(&b, SB_HE_ALIVE), SB_UP);
	}
}

/* P3: one good reply does not bring a flapping trunk back; successes in a row do, and then a ramp. */
static void recovery_needs_successes_in_a_row_then_a_ramp(void **state)
{
	struct bench b = bench_in(SB_DOWN);
	b.p.successes = 3;
	assert_int_equal(on(&b, SB_HE_PROBE_GOOD), SB_HALF_OPEN);
	assert_int_equal(on(&b, SB_HE_PROBE_GOOD), SB_HALF_OPEN);
	assert_int_equal(on(&b, SB_HE_PROBE_BAD), SB_DOWN);
	assert_int_equal(on(&b, SB_HE_PROBE_GOOD), SB_HALF_OPEN);
	assert_int_equal(on(&b, SB_HE_PROBE_GOOD), SB_HALF_OPEN);
	assert_int_equal(b.h.up_since_ms, 0);
	b.now_ms += 7;
	assert_int_equal(on(&b, SB_HE_PROBE_GOOD), SB_RAMPING);
	assert_int_equal(b.h.up_since_ms, b.now_ms);
	assert_int_equal(sb_health_due_ms(&b.h, &b.p), b.now_ms + b.p.ramp_ms);
	uint64_t back = b.now_ms;
	b.now_ms += b.p.ramp_ms;
	assert_int_equal(on(&b, SB_HE_DUE), SB_UP);
	assert_int_equal(b.h.up_since_ms, back);
}

static void one_success_goes_all_the_way_if_one_is_enough(void **state)
{
	struct bench b = bench_in(SB_DOWN);
	b.p.successes = 1;
	b.p.ramp_ms = 0;
	assert_int_equal(on(&b, SB_HE_PROBE_GOOD), SB_UP);
	assert_int_equal(b.path.n, 4);
	assert_int_equal(b.path.state[1], SB_HALF_OPEN);
	assert_int_equal(b.path.state[2], SB_RAMPING);
	b = bench_in(SB_UP);
	b.p.failures = 1;
	assert_int_equal(on(&b, SB_HE_PROBE_BAD), SB_DOWN);
	assert_int_equal(b.path.state[1], SB_SUSPECT);
}

/* P4 */
static void ramp_grows_in_a_straight_line_from_a_floor(void **state)
{
	struct bench b = bench_in(SB_RAMPING);
	uint32_t last = 0;
	for (uint64_t t = 0; t <= b.p.ramp_ms; t += 50) {
		uint32_t share = sb_health_share(&b.h, &b.p, b.now_ms + t);
		uint32_t line = (uint32_t)(t * SB_SHARE_FULL / b.p.ramp_ms);
		assert_int_equal(share, line > SB_SHARE_FLOOR ? line : SB_SHARE_FLOOR);
		assert_true(share >= last);
		last = share;
	}
	assert_int_equal(last, SB_SHARE_FULL);
}

static void failure_while_ramping_goes_straight_down_and_backs_off_further(void **state)
{
	struct bench b = bench_in(SB_RAMPING);
	uint32_t before = sb_health_backoff_ms(&b.h, &b.p);
	assert_int_equal(on(&b, SB_HE_FAILURE), SB_DOWN);
	assert_int_equal(b.path.n, 2);
	assert_int_equal(sb_health_backoff_ms(&b.h, &b.p), before * 2);
	assert_int_equal(sb_health_share(&b.h, &b.p, b.now_ms), 0);
}

/* P4: full jitter between min and a ceiling that doubles up to max; UP forgets it. */
static void backoff_doubles_with_full_jitter_and_is_forgotten_when_up(void **state)
{
	uint64_t low[12], high[12];
	for (unsigned k = 0; k < 12; k++)
		low[k] = UINT64_MAX, high[k] = 0;
	struct bench b;
	for (uint64_t seed = 0; seed < 400; seed++) {
		b = bench_in(SB_SUSPECT);
		b.rng.state = seed;
		on(&b, SB_HE_PROBE_BAD);
		for (unsigned k = 0; k < 12; k++) {
			on(&b, SB_HE_PROBE_BAD);
			uint64_t wait = b.h.retry_ms - b.now_ms, top = 2000ull << k;
			top = top < b.p.max_ms ? top : b.p.max_ms;
			assert_int_equal(sb_health_backoff_ms(&b.h, &b.p), top);
			assert_in_range(wait, b.p.min_ms, top);
			low[k] = wait < low[k] ? wait : low[k];
			high[k] = wait > high[k] ? wait : high[k];
			b.now_ms = b.h.retry_ms;
		}
	}
	for (unsigned k = 0; k < 12; k++) { /* the whole range is drawn from */
		uint64_t top = (2000ull << k) < 60000 ? 2000ull << k : 60000, width = top - 1000;
		assert_true(low[k] < 1000 + width / 20);
		assert_true(high[k] > top - width / 20);
	}
	on(&b, SB_HE_PROBE_GOOD);
	on(&b, SB_HE_PROBE_GOOD);
	b.now_ms += b.p.ramp_ms;
	assert_int_equal(on(&b, SB_HE_PROBE_GOOD), SB_UP);
	assert_int_equal(sb_health_backoff_ms(&b.h, &b.p), b.p.min_ms);
}

/* P4: probes of well trunks are spread by a tenth; doubtful ones are asked as often as allowed. */
static void probe_times_are_jittered(void **state)
{
	static const struct {
		enum sb_health_state state;
		uint32_t wait_ms;
	} rows[] = {{SB_UP, 5000}, {SB_RAMPING, 5000}, {SB_PROBING, 1000}, {SB_SUSPECT, 1000}, {SB_HALF_OPEN, 1000}};
	for (unsigned r = 0; r < sizeof rows / sizeof rows[0]; r++) {
		struct bench b = bench_in(rows[r].state);
		uint64_t low = UINT64_MAX, high = 0, w = rows[r].wait_ms;
		for (unsigned i = 0; i < 500; i++) {
			uint64_t at = sb_health_probe_ms(&b.h, &b.p, b.now_ms, b.now_ms, &b.rng) - b.now_ms;
			assert_in_range(at, w - w / 10, w + w / 10);
			low = at < low ? at : low;
			high = at > high ? at : high;
		}
		assert_true(low < w - w / 12 && high > w + w / 12);
		assert_int_equal(sb_health_probe_ms(&b.h, &b.p, 0, b.now_ms, &b.rng), b.now_ms);
	}
}

static void retry_after_holds_it_down_and_no_good_probe_shortens_it(void **state)
{
	struct bench b = bench_in(SB_UP);
	assert_int_equal(on(&b, SB_HE_HOLD), SB_DOWN);
	assert_int_equal(b.h.hold_until_ms, b.now_ms + 30000);
	assert_true(b.h.retry_ms >= b.h.hold_until_ms);
	assert_true(sb_health_probe_ms(&b.h, &b.p, b.now_ms, b.now_ms, &b.rng) >= b.h.hold_until_ms);
	uint64_t until = b.h.hold_until_ms;
	for (; b.now_ms < until; b.now_ms += 1000) {
		assert_int_equal(on(&b, SB_HE_PROBE_GOOD), SB_DOWN);
		assert_int_equal(on(&b, SB_HE_ALIVE), SB_DOWN);
		assert_int_equal(b.h.hold_until_ms, until);
	}
	give(&b, (struct sb_health_input){.event = SB_HE_HOLD, .hold_ms = 1});
	b.now_ms += 1;
	on(&b, SB_HE_DUE);
	assert_int_equal(b.h.hold_until_ms, 0);
	assert_int_equal(on(&b, SB_HE_PROBE_GOOD), SB_HALF_OPEN);
	assert_int_equal(on(&b, SB_HE_PROBE_GOOD), SB_RAMPING);
}

static void shorter_retry_after_does_not_cut_a_longer_one_and_an_hour_is_the_most(void **state)
{
	struct bench b = bench_in(SB_DOWN);
	give(&b, (struct sb_health_input){.event = SB_HE_HOLD, .hold_ms = UINT32_MAX, .by_probe = true});
	assert_int_equal(b.h.hold_until_ms, b.now_ms + SB_HOLD_MS_MAX);
	on(&b, SB_HE_HOLD);
	assert_int_equal(b.h.hold_until_ms, b.now_ms + SB_HOLD_MS_MAX);
}

static void trunk_without_probes_starts_up_and_is_tried_by_calls_after_a_backoff(void **state)
{
	struct bench b = bench();
	b.p.probe = false;
	b.h = sb_health_start(&b.p, b.now_ms);
	assert_int_equal(b.h.state, SB_UP);
	for (unsigned i = 0; i < 3; i++)
		on(&b, SB_HE_FAILURE);
	assert_int_equal(b.h.state, SB_DOWN);
	uint64_t due = sb_health_due_ms(&b.h, &b.p);
	assert_in_range(due - b.now_ms, 1000, 2000);
	b.now_ms = due - 1;
	assert_int_equal(on(&b, SB_HE_DUE), SB_DOWN);
	b.now_ms = due;
	assert_int_equal(on(&b, SB_HE_DUE), SB_RAMPING);
	assert_int_equal(b.path.state[1], SB_HALF_OPEN);
	b.now_ms += 3600000; /* no call came: it stays at the floor */
	assert_int_equal(sb_health_share(&b.h, &b.p, b.now_ms), SB_SHARE_FLOOR);
	struct bench bad = b;
	assert_int_equal(on(&b, SB_HE_ALIVE), SB_RAMPING);
	assert_int_equal(sb_health_share(&b.h, &b.p, b.now_ms + 5000), SB_SHARE_FULL / 2);
	b.now_ms += b.p.ramp_ms;
	assert_int_equal(on(&b, SB_HE_DUE), SB_UP);
	assert_int_equal(on(&bad, SB_HE_FAILURE), SB_DOWN);
	assert_in_range(sb_health_due_ms(&bad.h, &bad.p) - bad.now_ms, 1000, 4000);
}

static void trunk_whose_probes_are_switched_off_is_not_stranded(void **state)
{
	for (int s = 0; s < SB_HEALTH_STATES; s++) {
		struct bench b = bench_in((enum sb_health_state)s);
		b.p.probe = false;
		for (unsigned i = 0; i < 100 && b.h.state != SB_UP; i++) {
			uint64_t due = sb_health_due_ms(&b.h, &b.p);
			b.now_ms = due != UINT64_MAX && due > b.now_ms ? due : b.now_ms + 1000;
			on(&b, i % 2 ? SB_HE_ALIVE : SB_HE_DUE);
		}
		assert_int_equal(b.h.state, SB_UP);
	}
}

/* P5: what panic goes by. */
static void held_is_worse_than_more_failures_is_worse_than_longer_down(void **state)
{
	struct bench up = bench_in(SB_UP), fresh = bench_in(SB_DOWN), failed = fresh, held = fresh;
	assert_int_equal(sb_health_badness(&up.h, up.now_ms), 0);
	on(&failed, SB_HE_PROBE_BAD);
	on(&held, SB_HE_HOLD);
	uint64_t now = fresh.now_ms + 5000;
	assert_true(sb_health_badness(&fresh.h, now) > sb_health_badness(&fresh.h, fresh.now_ms));
	assert_true(sb_health_badness(&failed.h, now) > sb_health_badness(&fresh.h, now + 100000));
	assert_true(sb_health_badness(&held.h, now) > sb_health_badness(&failed.h, now));
	assert_true(sb_health_badness(&held.h, now + 60000) < 1u << 31);
	/* Down for days is as bad as can be by time alone, and never looks like a failure more. */
	assert_int_equal(sb_health_badness(&fresh.h, now + 100000000), sb_health_badness(&fresh.h, now + 900000000));
	assert_true(sb_health_badness(&failed.h, now) > sb_health_badness(&fresh.h, now + 900000000));
}

/* P4: whole range, both ends included; a range of one value or of none is its lower end */
static void random_numbers_stay_in_their_range(void **state)
{
	struct sb_rng r = {7};
	bool low = false, high = false;
	for (unsigned i = 0; i < 1000; i++) {
		uint64_t v = sb_rng_between(&r, 5, 8);
		assert_in_range(v, 5, 8);
		low |= v == 5;
		high |= v == 8;
	}
	assert_true(low && high);
	assert_int_equal(sb_rng_between(&r, 5, 5), 5);
	assert_int_equal(sb_rng_between(&r, 5, 4), 5);
	assert_int_not_equal(sb_rng_between(&r, 0, UINT64_MAX), sb_rng_between(&r, 0, UINT64_MAX));
}

/* S1.5: codes that no response has are in no list */
static void status_lists_hold_final_codes_alone(void **state)
{
	static const unsigned never[] = {0, 99, 700, 1000, UINT32_MAX};
	struct sb_status_set s = {0};
	for (unsigned i = 0; i < sizeof never / sizeof *never; i++) {
		sb_status_add(&s, never[i]);
		assert_false(sb_status_in(&s, never[i]));
	}
	for (unsigned code = 100; code < 700; code++) {
		assert_false(sb_status_in(&s, code));
		sb_status_add(&s, code);
		assert_true(sb_status_in(&s, code));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(every_state_answers_every_event),
	        cmocka_unit_test(trunk_starts_probing_and_one_sign_of_life_makes_it_up),
	        cmocka_unit_test(three_failed_calls_in_a_row_take_it_down),
	        cmocka_unit_test(k_of_the_last_n_calls_take_it_down_and_older_ones_do_not),
	        cmocka_unit_test(window_of_64_calls_counts_all_of_them),
	        cmocka_unit_test(suspect_recovers_on_life_once_no_failure_is_pending),
	        cmocka_unit_test(answered_calls_do_not_speak_against_a_probe_that_was_refused),
	        cmocka_unit_test(recovery_needs_successes_in_a_row_then_a_ramp),
	        cmocka_unit_test(one_success_goes_all_the_way_if_one_is_enough),
	        cmocka_unit_test(ramp_grows_in_a_straight_line_from_a_floor),
	        cmocka_unit_test(failure_while_ramping_goes_straight_down_and_backs_off_further),
	        cmocka_unit_test(backoff_doubles_with_full_jitter_and_is_forgotten_when_up),
	        cmocka_unit_test(probe_times_are_jittered),
	        cmocka_unit_test(retry_after_holds_it_down_and_no_good_probe_shortens_it),
	        cmocka_unit_test(shorter_retry_after_does_not_cut_a_longer_one_and_an_hour_is_the_most),
	        cmocka_unit_test(trunk_without_probes_starts_up_and_is_tried_by_calls_after_a_backoff),
	        cmocka_unit_test(trunk_whose_probes_are_switched_off_is_not_stranded),
	        cmocka_unit_test(held_is_worse_than_more_failures_is_worse_than_longer_down),
	        cmocka_unit_test(random_numbers_stay_in_their_range),
	        cmocka_unit_test(status_lists_hold_final_codes_alone),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

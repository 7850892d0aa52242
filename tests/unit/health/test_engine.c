/* SPDX-License-Identifier: BSD-3-Clause */
/* test_engine.c - the engine at the control end of real rings: timers, probes, health, reloads, events. */
#include "bench.h"

/* S4.2: the worker's deadline comes back to the millisecond, to that worker, with its generation. */
static void armed_deadline_is_fired_back_to_its_worker(void **state)
{
	struct bench *b = bench_new(RING);
	struct sb_mail m;
	unsigned w;
	for (unsigned i = 0; i < 2; i++) /* the second moves the first */
		post(b, 1,
		        (struct sb_mail){.op = SB_MAIL_ARM,
		                .timer = {.slot = 77, .gen = 5 + i, .deadline_ms = T0 + 100 + 100 * i}});
	run(b, 199);
	assert_false(next_mail(b, SB_MAIL_FIRED, &m, &w));
	assert_true(sb_engine_next_ms(b->e) <= T0 + 200);
	run(b, 1);
	assert_true(next_mail(b, SB_MAIL_FIRED, &m, &w));
	assert_int_equal(w, 1);
	assert_int_equal(m.timer.slot, 77);
	assert_int_equal(m.timer.gen, 6);
	assert_false(next_mail(b, SB_MAIL_FIRED, &m, &w));
	assert_int_equal(sb_engine_next_ms(b->e), UINT64_MAX);
	bench_free(b);
}

static void full_ring_delays_timers_and_loses_none(void **state)
{
	struct bench *b = bench_new(4);
	bool seen[20] = {false};
	struct sb_mail m;
	unsigned w, n = 0;
	for (uint32_t i = 0; i < 20; i++) {
		post(b, 0, (struct sb_mail){.op = SB_MAIL_ARM, .timer = {.slot = i, .gen = i, .deadline_ms = T0 + 5}});
		tick(b);
	}
	run(b, 10);
	struct sb_engine_counts c;
	sb_engine_counts(b->e, &c);
	assert_int_equal(c.timers_fired, 4);
	assert_int_equal(c.timers_pending, 16);
	assert_true(c.mail_waits > 0);
	assert_int_equal(sb_engine_next_ms(b->e), 0);
	for (unsigned i = 0; i < 10; i++) {
		while (next_mail(b, SB_MAIL_FIRED, &m, &w)) {
			assert_false(seen[m.timer.slot]);
			seen[m.timer.slot] = true;
			n++;
		}
		tick(b);
	}
	assert_int_equal(n, 20);
	bench_free(b);
}

/* P8: probed at once after the start, and UP by its first answer. */
static void new_trunks_are_probed_at_once_and_come_up(void **state)
{
	struct bench *b = bench_new(RING);
	struct sb_mail m;
	unsigned w, mask = 0, workers = 0;
	config(b, TRUNKS);
	assert_state(b, 10, SB_PROBING);
	run(b, 60);
	while (next_mail(b, SB_MAIL_PROBE, &m, &w)) {
		mask |= 1u << (m.trunk - 10);
		workers |= 1u << w;
		answer(b, &m, 200, 0);
	}
	assert_int_equal(mask, 7);
	assert_int_equal(workers, 3); /* in turn */
	assert_state(b, 12, SB_UP);
	assert_int_equal(view(b, 12).share, SB_SHARE_FULL);
	assert_int_equal(events_with(b, "health", "PROBING -> UP: probe got 200 OK"), TRUNKS);
	bench_free(b);
}

/* P2: the probe is sent again after T1 and fails after its own timeout; failures in a row take the trunk DOWN. */
static void unanswered_probes_are_resent_time_out_and_take_it_down(void **state)
{
	struct bench *b = bench_new(RING);
	struct sb_mail first, again;
	unsigned w;
	bring_up(b, 1);
	assert_true(wait_probe(b, &first, 5600));
	run(b, 499);
	assert_false(next_mail(b, SB_MAIL_PROBE, &again, &w));
	run(b, 1);
	assert_true(next_mail(b, SB_MAIL_PROBE, &again, &w));
	assert_int_equal(again.probe.id, first.probe.id);
	run(b, 499);
	assert_state(b, 10, SB_UP);
	run(b, 1);
	assert_state(b, 10, SB_SUSPECT);
	assert_string_equal(last_event(b)->detail, "UP -> SUSPECT: probe timed out after 1000 ms (1 in a row)");
	for (unsigned i = 0; i < 2; i++) {
		drop_mail(b);
		run(b, 1101);
	}
	run(b, 1100);
	assert_state(b, 10, SB_DOWN);
	assert_int_equal(events_with(b, "health", "SUSPECT -> DOWN: probe timed out after 1000 ms (3 in a row)"), 1);
	assert_true(b->health->line[10].badness > 0);
	bench_free(b);
}

/* P1, P2: calls alone take it DOWN; every worker is told, so that waiting legs move on. */
static void three_icmp_calls_take_it_down_and_every_worker_is_told(void **state)
{
	struct bench *b = bench_new(RING);
	struct sb_mail m;
	unsigned w, told = 0;
	bring_up(b, 2);
	drop_mail(b);
	fail_call(b, 11, SB_EV_ICMP, 0, 0);
	assert_string_equal(last_event(b)->detail, "UP -> SUSPECT: call got ICMP unreachable (1 of last 8)");
	assert_string_equal(last_event(b)->trunk, "trunk-1");
	fail_call(b, 11, SB_EV_ICMP, 0, 0);
	fail_call(b, 11, SB_EV_ICMP, 0, 0);
	assert_state(b, 11, SB_DOWN);
	assert_state(b, 10, SB_UP);
	while (next_mail(b, SB_MAIL_TRUNK_DOWN, &m, &w)) {
		assert_int_equal(m.trunk, 11);
		told |= 1u << w;
	}
	assert_int_equal(told, 3);
	bench_free(b);
}

static void worker_with_a_full_ring_is_told_of_a_down_trunk_later(void **state)
{
	struct bench *b = bench_new(4);
	struct sb_mail m = {.op = SB_MAIL_FIRED};
	unsigned w, n = 0;
	bring_up(b, 1);
	drop_mail(b);
	while (sb_ring_put(&b->mail[1].down, &m))
		;
	for (unsigned i = 0; i < 3; i++)
		fail_call(b, 10, SB_EV_TIMEOUT, 0, 0);
	assert_state(b, 10, SB_DOWN);
	run(b, 5);
	assert_true(next_mail(b, SB_MAIL_TRUNK_DOWN, &m, &w));
	assert_int_equal(w, 0);
	drop_mail(b);
	run(b, 2);
	while (next_mail(b, SB_MAIL_TRUNK_DOWN, &m, &w)) {
		assert_int_equal(w, 1);
		n++;
	}
	assert_int_equal(n, 1);
	bench_free(b);
}

/* P3, S1.6: DOWN, HALF_OPEN, RAMPING with a growing share, UP. */
static void trunk_that_answers_again_ramps_back(void **state)
{
	struct bench *b = bench_new(RING);
	struct sb_mail m;
	bring_up(b, 1);
	for (unsigned i = 0; i < 3; i++)
		fail_call(b, 10, SB_EV_TIMEOUT, 0, 0);
	assert_int_equal(b->health->line[10].up_since_ms, 0);
	assert_true(wait_probe(b, &m, 2001));
	answer(b, &m, 200, 0);
	assert_state(b, 10, SB_HALF_OPEN);
	assert_int_equal(view(b, 10).share, 0);
	assert_true(wait_probe(b, &m, 1101));
	answer(b, &m, 200, 0);
	assert_state(b, 10, SB_RAMPING);
	uint64_t from = b->now_ms;
	assert_int_equal(b->health->line[10].up_since_ms, from);
	assert_int_equal(view(b, 10).share, SB_SHARE_FULL / 64);
	for (unsigned i = 0; i < 9990; i++) {
		if (i % 100 == 0 && wait_probe(b, &m, 0))
			answer(b, &m, 200, 0);
		run(b, 1);
		uint32_t line = (uint32_t)((b->now_ms - from) * SB_SHARE_FULL / 10000);
		line = line > SB_SHARE_FULL / 64 ? line : SB_SHARE_FULL / 64;
		assert_in_range(view(b, 10).share, line > 2 ? line - 2 : 0, line);
	}
	run(b, 10);
	assert_state(b, 10, SB_UP);
	assert_int_equal(b->health->line[10].up_since_ms, from);
	assert_int_equal(events_with(b, "health", "RAMPING -> UP"), 1);
	bench_free(b);
}

/* P4: probes to a DOWN trunk back off, and two trunks that fell together are not probed together. */
static void probes_to_down_trunks_back_off_apart(void **state)
{
	struct bench *b = bench_new(1024);
	uint64_t sent[TRUNKS][16];
	unsigned n[TRUNKS] = {0}, apart = 0, w;
	struct sb_mail m;
	uint32_t last_id[TRUNKS] = {0};
	bring_up(b, TRUNKS);
	for (unsigned i = 0; i < 3; i++) {
		for (uint16_t t = 0; t < TRUNKS; t++)
			fail_call(b, (uint16_t)(10 + t), SB_EV_TIMEOUT, 0, 0);
	}
	drop_mail(b);
	for (unsigned ms = 0; ms < 300000; ms++) {
		run(b, 1);
		while (next_mail(b, SB_MAIL_PROBE, &m, &w)) {
			unsigned t = m.trunk - 10u;
			if (m.probe.id != last_id[t] && n[t] < 16)
				sent[t][n[t]++] = b->now_ms;
			last_id[t] = m.probe.id;
		}
	}
	for (unsigned t = 0; t < TRUNKS; t++) {
		assert_in_range(n[t], 7, 16);
		for (unsigned i = 1; i < n[t]; i++) {
			uint64_t top = 4000ull << (i - 1) < 60000 ? 4000ull << (i - 1) : 60000;
			assert_in_range(sent[t][i] - sent[t][i - 1], 2000, top + 1001); /* timeout + backoff */
		}
	}
	for (unsigned i = 0; i < 7; i++)
		apart += sent[0][i] != sent[1][i] && sent[1][i] != sent[2][i] && sent[0][i] != sent[2][i];
	assert_true(apart >= 6);
	bench_free(b);
}

static void retry_after_of_a_call_or_a_probe_holds_it_down_unprobed(void **state)
{
	for (unsigned by_probe = 0; by_probe < 2; by_probe++) {
		struct bench *b = bench_new(RING);
		struct sb_mail m;
		bring_up(b, 1);
		if (by_probe) {
			assert_true(wait_probe(b, &m, 5600));
			answer(b, &m, 503, 20);
		} else {
			fail_call(b, 10, SB_EV_CODE, 503, 20);
		}
		assert_state(b, 10, SB_DOWN);
		assert_non_null(strstr(last_event(b)->detail, "503, Retry-After 20 s"));
		assert_int_equal(b->health->line[10].hold_until_ms, b->now_ms + 20000);
		assert_true(b->health->line[10].badness >> 31);
		alive(b, 0, 10, 3); /* calls that were on their way */
		assert_false(wait_probe(b, &m, 19998));
		assert_state(b, 10, SB_DOWN);
		assert_true(wait_probe(b, &m, 1100));
		assert_int_equal(b->health->line[10].badness >> 31, 0);
		answer(b, &m, 200, 0);
		assert_state(b, 10, SB_HALF_OPEN);
		bench_free(b);
	}
}

static void answered_calls_are_evidence_of_life(void **state)
{
	struct bench *b = bench_new(RING);
	struct sb_engine_trunk t;
	config(b, 1);
	alive(b, 1, 10, 1);
	run(b, 1);
	assert_state(b, 10, SB_UP); /* from PROBING */
	fail_call(b, 10, SB_EV_CODE, 500, 0);
	assert_state(b, 10, SB_SUSPECT);
	alive(b, 0, 10, 5);
	run(b, 1000);
	assert_state(b, 10, SB_SUSPECT);
	alive(b, 0, 10, 1);
	run(b, 1);
	assert_state(b, 10, SB_UP);
	assert_int_equal(sb_engine_trunk(b->e, 10, b->now_ms, &t), 0);
	assert_int_equal(t.alive_ms, b->now_ms);
	for (unsigned i = 0; i < 3; i++)
		fail_call(b, 10, SB_EV_TIMEOUT, 0, 0);
	assert_state(b, 10, SB_DOWN);
	alive(b, 0, 10, 1); /* tried in a panic, and it answered */
	run(b, 1);
	assert_state(b, 10, SB_HALF_OPEN);
	bench_free(b);
}

static void life_seen_before_a_failure_counts_before_it(void **state)
{
	struct bench *b = bench_new(RING);
	bring_up(b, 1);
	fail_call(b, 10, SB_EV_CODE, 500, 0);
	fail_call(b, 10, SB_EV_CODE, 500, 0);
	alive(b, 0, 10, 8); /* seen in the same tick as the third failure, but told before it */
	fail_call(b, 10, SB_EV_CODE, 500, 0);
	assert_state(b, 10, SB_SUSPECT);
	bench_free(b);
}

static void probe_answers_in_neither_list_and_provisionals_judge_nothing(void **state)
{
	struct bench *b = bench_new(RING);
	struct sb_engine_counts c;
	struct sb_mail m;
	config(b, 1);
	assert_true(wait_probe(b, &m, 100));
	answer(b, &m, 100, 0);
	answer(b, &m, 500, 0);
	assert_state(b, 10, SB_PROBING);
	sb_engine_counts(b->e, &c);
	assert_int_equal(c.probes_unjudged, 1);
	assert_true(wait_probe(b, &m, 1101));
	answer(b, &m, 0, 0);
	sb_engine_counts(b->e, &c);
	assert_int_equal(c.probes_bad, 1);
	bench_free(b);
}

/* P7, P9, P20: a reload keeps what is known and what was switched. */
static void reload_keeps_health_and_the_operators_switch(void **state)
{
	struct bench *b = bench_new(RING);
	struct sb_engine_trunk t;
	bring_up(b, 2);
	for (unsigned i = 0; i < 3; i++)
		fail_call(b, 10, SB_EV_TIMEOUT, 0, 0);
	assert_int_equal(sb_engine_admin(b->e, 11, SB_DRAIN, b->now_ms), 0);
	assert_string_equal(last_event(b)->kind, "admin");
	assert_string_equal(last_event(b)->detail, "enabled -> drain");
	unsigned before = b->n_events;
	b->policy[0].max_ms = 30000;
	struct sb_snap_trunk swap = b->trunks[0]; /* in another order */
	b->trunks[0] = b->trunks[1];
	b->trunks[1] = swap;
	config(b, 2);
	assert_state(b, 10, SB_DOWN);
	assert_state(b, 11, SB_UP);
	assert_int_equal(view(b, 11).admin, SB_DRAIN);
	assert_int_equal(b->n_events, before);
	assert_int_equal(sb_engine_trunk(b->e, 11, b->now_ms, &t), 0);
	assert_string_equal(t.name, "trunk-1");
	bench_free(b);
}

/* P9: health goes its way whatever the operator says, and the other way round. */
static void health_and_the_operators_switch_do_not_touch_each_other(void **state)
{
	struct bench *b = bench_new(RING);
	struct sb_mail m;
	assert_int_equal(
	        sb_engine_admin(b->e, 10, SB_DISABLED, b->now_ms), 0); /* kept over a restart: before the config */
	assert_int_equal(view(b, 10).admin, SB_DISABLED);
	bring_up(b, 1);
	assert_int_equal(view(b, 10).admin, SB_DISABLED);
	for (unsigned i = 0; i < 3; i++)
		fail_call(b, 10, SB_EV_TIMEOUT, 0, 0);
	assert_int_equal(sb_engine_admin(b->e, 10, SB_ENABLED, b->now_ms), 0);
	assert_state(b, 10, SB_DOWN);
	assert_int_equal(sb_engine_admin(b->e, 10, SB_DISABLED, b->now_ms), 0);
	assert_true(wait_probe(b, &m, 2001)); /* still probed */
	assert_int_equal(view(b, 10).admin, SB_DISABLED);
	assert_int_equal(sb_engine_admin(b->e, SB_TRUNKS_MAX, SB_DRAIN, b->now_ms), SB_E_INVAL);
	bench_free(b);
}

/* P7: an answer to a probe of before the reload must not undo it. P10: health is the address's. */
static void late_answer_from_an_earlier_address_is_ignored(void **state)
{
	struct bench *b = bench_new(RING);
	struct sb_engine_counts c;
	struct sb_mail old, m;
	bring_up(b, 1);
	assert_true(wait_probe(b, &old, 5600));
	b->trunks[0].addr.port = 5090;
	config(b, 1);
	assert_state(b, 10, SB_PROBING);
	assert_string_equal(last_event(b)->detail, "UP -> PROBING: its address is now 198.51.100.1:5090");
	answer(b, &old, 200, 0);
	assert_state(b, 10, SB_PROBING);
	assert_true(wait_probe(b, &m, 60));
	assert_int_not_equal(m.probe.id, old.probe.id);
	answer(b, &old, 200, 0);
	assert_state(b, 10, SB_PROBING);
	sb_engine_counts(b->e, &c);
	assert_int_equal(c.probes_stale, 2);
	answer(b, &m, 200, 0);
	assert_state(b, 10, SB_UP);
	bench_free(b);
}

static void removed_trunk_is_probed_no_more_and_comes_back_probing(void **state)
{
	struct bench *b = bench_new(RING);
	struct sb_engine_counts c;
	struct sb_engine_trunk t;
	struct sb_mail m, late;
	bring_up(b, 2);
	assert_int_equal(sb_engine_admin(b->e, 11, SB_DRAIN, b->now_ms), 0);
	do
		assert_true(wait_probe(b, &late, 5600));
	while (late.trunk != 11);
	config(b, 1);
	assert_int_equal(sb_engine_trunk(b->e, 11, b->now_ms, &t), SB_E_NOENT);
	answer(b, &late, 200, 0);
	fail_call(b, 11, SB_EV_TIMEOUT, 0, 0);
	sb_engine_counts(b->e, &c);
	assert_int_equal(c.probes_stale, 1);
	assert_int_equal(c.mail_bad, 1);
	for (unsigned i = 0; i < 30000; i++) {
		run(b, 1);
		if (!wait_probe(b, &m, 0))
			continue;
		assert_int_equal(m.trunk, 10);
		answer(b, &m, 200, 0);
	}
	config(b, 2);
	assert_state(b, 11, SB_PROBING);
	assert_int_equal(view(b, 11).admin, SB_DRAIN);
	bench_free(b);
}

static void trunk_without_probes_is_up_and_never_probed(void **state)
{
	struct bench *b = bench_new(RING);
	struct sb_mail m;
	b->policy[0].probe = false;
	config(b, 1);
	assert_state(b, 10, SB_UP);
	assert_false(wait_probe(b, &m, 12000));
	for (unsigned i = 0; i < 3; i++)
		fail_call(b, 10, SB_EV_SEND, 0, 0);
	assert_state(b, 10, SB_DOWN);
	run(b, 2001);
	assert_state(b, 10, SB_RAMPING);
	assert_int_equal(view(b, 10).share, SB_SHARE_FULL / 64);
	alive(b, 0, 10, 1);
	run(b, 10001);
	assert_state(b, 10, SB_UP);
	assert_false(wait_probe(b, &m, 0));
	bench_free(b);
}

static void probes_switched_off_and_on_by_reload(void **state)
{
	struct bench *b = bench_new(RING);
	struct sb_mail m;
	config(b, 1);
	b->policy[0].probe = false;
	config(b, 1);
	run(b, 2);
	assert_state(b, 10, SB_UP);
	assert_false(wait_probe(b, &m, 12000));
	b->policy[0].probe = true;
	config(b, 1);
	assert_state(b, 10, SB_UP);
	assert_true(wait_probe(b, &m, 5600));
	bench_free(b);
}

/* P22, P5: what workers report becomes words: who, why, how sure, how old. */
static void events_say_why_with_the_evidence_and_its_age(void **state)
{
	struct bench *b = bench_new(RING);
	struct sb_mail m = {.op = SB_MAIL_EVENT, .kind = SB_EVENT_FAILOVER, .trunk = 10, .trunk2 = 11};
	bring_up(b, 2);
	m.event.elapsed_us = 3000123;
	m.event.why = SB_EV_TIMEOUT;
	m.event.code2 = 4;
	m.event.text_len = SB_MAIL_TEXT_MAX;
	memset(m.event.text, 'c', sizeof m.event.text);
	m.event.text[3] = '\n';
	post(b, 0, m);
	tick(b);
	const struct sb_event_record *r = last_event(b);
	assert_string_equal(r->kind, "failover");
	assert_string_equal(r->trunk, "trunk-0");
	assert_string_equal(r->trunk2, "trunk-1");
	assert_string_equal(r->detail, "no answer in 3000 ms (4 sends)");
	assert_string_equal(r->call_id, "ccc?cccccccccccccccccccccccccccccccccc");
	assert_int_equal(r->elapsed_us, 3000123);
	m = (struct sb_mail){
	        .op = SB_MAIL_EVENT, .kind = SB_EVENT_EXHAUSTED, .trunk = 11, .trunk2 = SB_NO_TRUNK, .code = 503};
	m.event.why = SB_EV_CODE;
	post(b, 0, m);
	tick(b);
	assert_string_equal(last_event(b)->detail, "503 Service Unavailable; no trunk is left, best response 503");
	assert_string_equal(last_event(b)->trunk2, "");
	m.event.why = SB_EV_TIMEOUT;
	m.event.code2 = 1;
	m.code = 0; /* nobody has said anything */
	post(b, 0, m);
	tick(b);
	assert_non_null(strstr(last_event(b)->detail, "; no trunk is left"));
	assert_null(strstr(last_event(b)->detail, "best response"));
	for (unsigned i = 0; i < 3; i++)
		fail_call(b, 10, SB_EV_CODE, 503, 0);
	b->now_ms += 3250;
	m = (struct sb_mail){
	        .op = SB_MAIL_EVENT, .kind = SB_EVENT_SKIPPED, .trunk = 10, .trunk2 = SB_NO_TRUNK, .code = SB_DOWN};
	post(b, 1, m);
	m.kind = SB_EVENT_PANIC;
	post(b, 1, m);
	m.kind = 99;
	post(b, 1, m);
	tick(b);
	assert_int_equal(
	        events_with(b, "skipped",
	                "DOWN, enabled; last evidence: call got 503 Service Unavailable (3 of last 8), 3.2 s ago"),
	        1);
	assert_int_equal(events_with(b, "panic", "every candidate is DOWN"), 1);
	struct sb_engine_counts c;
	sb_engine_counts(b->e, &c);
	assert_int_equal(c.mail_bad, 1);
	bench_free(b);
}

/* No mail, however wrong, does harm. */
static void nonsense_mail_is_counted_and_harmless(void **state)
{
	struct bench *b = bench_new(RING);
	uint64_t x = 88172645463325252ull;
	bring_up(b, TRUNKS);
	for (unsigned i = 0; i < 200000; i++) {
		union {
			struct sb_mail m;
			uint64_t word[8];
		} any;
		for (unsigned k = 0; k < 8; k++) {
			x ^= x << 13, x ^= x >> 7, x ^= x << 17;
			any.word[k] = x;
		}
		any.m.op %= 10;
		any.m.kind %= 10;
		if (i % 3 == 0)
			any.m.trunk = 10 + any.m.trunk % 4;
		post(b, i % WORKERS, any.m);
		b->now_ms += i % 50 == 0;
		tick(b);
		if (i % 7 == 0)
			drop_mail(b);
	}
	bench_free(b);
}

/* P2: a probe that finds no room to be sent again is, as soon as there is, and by the same worker */
static void probe_waits_for_room_to_be_sent_again(void **state)
{
	struct bench *b = bench_new(4);
	struct sb_mail first, m, junk = {.op = SB_MAIL_EVENT};
	struct sb_engine_counts c;
	unsigned w, by = 0;
	config(b, 1);
	for (unsigned ms = 0; ms < 100 && !next_mail(b, SB_MAIL_PROBE, &first, &by); ms++)
		run(b, 1);
	while (sb_ring_put(&b->mail[by].down, &junk))
		;
	run(b, 510);
	sb_engine_counts(b->e, &c);
	assert_int_equal(c.probes_resent, 0);
	assert_true(c.mail_waits >= 5);
	drop_mail(b);
	run(b, 1);
	assert_true(next_mail(b, SB_MAIL_PROBE, &m, &w));
	assert_int_equal(m.probe.id, first.probe.id);
	assert_int_equal(w, by);
	bench_free(b);
}

/* P2: a probe leaves by whichever worker has room for it, and at once when none had any and one has */
static void probe_leaves_by_the_worker_that_has_room(void **state)
{
	for (unsigned full = 1; full <= WORKERS; full++) {
		struct bench *b = bench_new(4);
		struct sb_mail m, junk = {.op = SB_MAIL_EVENT};
		struct sb_engine_counts c;
		unsigned w;
		for (unsigned i = 0; i < full; i++)
			while (sb_ring_put(&b->mail[i].down, &junk))
				;
		config(b, TRUNKS);
		run(b, 100);
		sb_engine_counts(b->e, &c);
		assert_int_equal(c.probes_sent, full < WORKERS ? TRUNKS : 0);
		assert_true(c.mail_waits > 0);
		if (full == WORKERS) {
			drop_mail(b);
			run(b, 1);
		}
		for (unsigned i = 0; i < TRUNKS; i++) {
			assert_true(next_mail(b, SB_MAIL_PROBE, &m, &w));
			assert_true(full == WORKERS || w == WORKERS - 1);
		}
		bench_free(b);
	}
}

/* No configuration, however odd, does harm: a slot that two trunks claim is the first one's, one that there is not is
 * nobody's, and timers that are not set are the standard ones (RFC 3261 17.1.1.1) */
static void odd_configuration_is_survived(void **state)
{
	struct bench *b = bench_new(RING);
	struct sb_engine_trunk t;
	struct sb_mail m, again;
	b->trunks[1].slot = b->trunks[0].slot;
	b->trunks[2].slot = SB_TRUNKS_MAX;
	b->snap.t1_ms = b->snap.t2_ms = 0;
	config(b, 3);
	assert_int_equal(sb_engine_trunk(b->e, b->trunks[0].slot, b->now_ms, &t), 0);
	assert_string_equal(t.name, "trunk-0");
	assert_int_equal(sb_engine_trunk(b->e, SB_TRUNKS_MAX, b->now_ms, &t), SB_E_NOENT);
	assert_int_equal(sb_engine_trunk(b->e, 999, b->now_ms, &t), SB_E_NOENT);
	assert_int_equal(sb_engine_admin(b->e, SB_TRUNKS_MAX, SB_DRAIN, b->now_ms), SB_E_INVAL);
	assert_int_equal(sb_engine_admin(b->e, 10, (enum sb_admin)(SB_DISABLED + 1), b->now_ms), SB_E_INVAL);
	assert_true(wait_probe(b, &m, 100));
	assert_false(wait_probe(b, &again, 499));
	assert_true(wait_probe(b, &again, 1));
	assert_int_equal(m.probe.id, again.probe.id);
	bench_free(b);
}

/* A Retry-After of years, of a call or of a probe, is an hour (SB_HOLD_MS_MAX) */
static void endless_retry_after_is_bounded(void **state)
{
	for (unsigned by_probe = 0; by_probe < 2; by_probe++) {
		struct bench *b = bench_new(RING);
		struct sb_mail m;
		bring_up(b, 1);
		if (by_probe) {
			assert_true(wait_probe(b, &m, 5600));
			answer(b, &m, 503, UINT32_MAX);
		} else {
			fail_call(b, 10, SB_EV_CODE, 503, UINT32_MAX);
		}
		assert_state(b, 10, SB_DOWN);
		assert_int_equal(b->health->line[10].hold_until_ms, b->now_ms + 3600000);
		bench_free(b);
	}
}

/* A config of every slot there is: nothing is left unprobed, and rings that are too small for it only delay. */
static void sixteen_thousand_trunks_are_all_probed(void **state)
{
	struct bench *b = bench_new(256);
	struct sb_snap_trunk *trunks = zeroed(SB_TRUNKS_MAX * sizeof *trunks);
	struct sb_trunk_policy *policy = zeroed(SB_TRUNKS_MAX * sizeof *policy);
	bool *seen = zeroed(SB_TRUNKS_MAX);
	struct sb_mail m;
	unsigned w, n = 0;
	for (uint32_t i = 0; i < SB_TRUNKS_MAX; i++) {
		trunks[i] = b->trunks[0];
		trunks[i].slot = (uint16_t)i;
		policy[i] = test_policy();
	}
	b->snap.trunks = trunks;
	b->snap.n_trunks = SB_TRUNKS_MAX;
	sb_engine_config(b->e, &b->snap, policy, b->now_ms);
	for (unsigned ms = 0; ms < 950; ms++) {
		run(b, 1);
		while (next_mail(b, SB_MAIL_PROBE, &m, &w)) {
			n += !seen[m.trunk];
			seen[m.trunk] = true;
		}
	}
	assert_int_equal(n, SB_TRUNKS_MAX);
	free(trunks);
	free(policy);
	free(seen);
	bench_free(b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(armed_deadline_is_fired_back_to_its_worker),
	        cmocka_unit_test(full_ring_delays_timers_and_loses_none),
	        cmocka_unit_test(new_trunks_are_probed_at_once_and_come_up),
	        cmocka_unit_test(unanswered_probes_are_resent_time_out_and_take_it_down),
	        cmocka_unit_test(three_icmp_calls_take_it_down_and_every_worker_is_told),
	        cmocka_unit_test(worker_with_a_full_ring_is_told_of_a_down_trunk_later),
	        cmocka_unit_test(trunk_that_answers_again_ramps_back),
	        cmocka_unit_test(probes_to_down_trunks_back_off_apart),
	        cmocka_unit_test(retry_after_of_a_call_or_a_probe_holds_it_down_unprobed),
	        cmocka_unit_test(answered_calls_are_evidence_of_life),
	        cmocka_unit_test(life_seen_before_a_failure_counts_before_it),
	        cmocka_unit_test(probe_answers_in_neither_list_and_provisionals_judge_nothing),
	        cmocka_unit_test(reload_keeps_health_and_the_operators_switch),
	        cmocka_unit_test(health_and_the_operators_switch_do_not_touch_each_other),
	        cmocka_unit_test(late_answer_from_an_earlier_address_is_ignored),
	        cmocka_unit_test(removed_trunk_is_probed_no_more_and_comes_back_probing),
	        cmocka_unit_test(trunk_without_probes_is_up_and_never_probed),
	        cmocka_unit_test(probes_switched_off_and_on_by_reload),
	        cmocka_unit_test(events_say_why_with_the_evidence_and_its_age),
	        cmocka_unit_test(nonsense_mail_is_counted_and_harmless),
	        cmocka_unit_test(probe_waits_for_room_to_be_sent_again),
	        cmocka_unit_test(probe_leaves_by_the_worker_that_has_room),
	        cmocka_unit_test(odd_configuration_is_survived),
	        cmocka_unit_test(endless_retry_after_is_bounded),
	        cmocka_unit_test(sixteen_thousand_trunks_are_all_probed),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

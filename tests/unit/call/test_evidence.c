/* SPDX-License-Identifier: BSD-3-Clause */
/* test_evidence.c - what counts for and against a trunk, and what is nobody's fault. Each was wrong once. (P1, P2,
 * S2.3, R3261-16.7) */
#include "world.h"

/* R3261-16.7: Timer C of a leg that rings */
static void unanswered_phone_is_no_fault_of_the_trunk(void **state)
{
	(void)state;
	struct world *w = world_new(1);
	const struct world_sent *inv = world_call(w, 1);
	world_rx(w, T1, world_answer(inv->text, 180, ""));
	world_pass(w, 191000);
	assert_int_equal(world_told(w, SB_MAIL_EVIDENCE, SB_EV_TIMEOUT), 0);
	world_free(w);
}

/* R3261-17: a trunk repeats its refusal for as long as it likes */
static void repeated_refusal_is_one_piece_of_evidence(void **state)
{
	(void)state;
	struct world *w = world_new(2);
	world_rx(w, world_caller, world_request("OPTIONS", 1, "", ""));
	const struct world_sent *o = world_expect(w, "OPTIONS", T1);
	const char *a = world_answer(o->text, 503, "");
	for (int i = 0; i < 10; i++)
		world_rx(w, T1, a);
	assert_int_equal(world_told(w, SB_MAIL_EVIDENCE, SB_EV_CODE), 1);
	world_free(w);
}

/* S1.2: the first had all of the time, so the second is not begun, or not blamed */
static void no_candidate_is_blamed_for_time_it_never_had(void **state)
{
	(void)state;
	struct world *w = world_new(2);
	world_health(w, 1, SB_DOWN, SB_ENABLED, 0);
	/* both have to be candidates: it goes down right after the choice */
	world_health(w, 1, SB_UP, SB_ENABLED, SB_SHARE_FULL);
	w->trunks[0][0].sends = 7;
	w->trunks[0][0].trying_timer_ms = 500;
	world_rx(w, world_caller, world_request("OPTIONS", 1, "", ""));
	world_expect(w, "OPTIONS", T1);
	/* first 503 at once moves to t2?  no: leave t1 silent; t2 dies and comes back */
	world_pass(w, 15999);
	w->seen = w->n_sent;
	world_health(w, 1, SB_DOWN, SB_ENABLED, 0);
	world_pass(w, 1000);
	world_health(w, 1, SB_UP, SB_ENABLED, SB_SHARE_FULL);
	world_pass(w, 40000);
	for (unsigned i = 0; i < w->n_told; i++)
		if (w->told[i].op == SB_MAIL_EVIDENCE)
			assert_int_not_equal(w->told[i].trunk, 1);
	world_free(w);
}

/* P1 */
static void icmp_is_evidence_once_a_leg(void **state)
{
	(void)state;
	struct world *w = world_new(2);
	const struct world_sent *inv = world_call(w, 1);
	for (int i = 0; i < 20; i++)
		world_icmp(w, T1, inv->text);
	assert_int_equal(world_told(w, SB_MAIL_EVIDENCE, SB_EV_ICMP), 1);
	world_free(w);
}

static void icmp_about_another_address_is_stray(void **state)
{
	(void)state;
	struct world *w = world_new(2);
	const struct world_sent *inv = world_call(w, 1);
	assert_int_equal(world_icmp(w, "203.0.113.5:5060", inv->text), SB_C_drop_stray_icmp);
	assert_int_equal(world_told(w, SB_MAIL_EVIDENCE, SB_EV_ICMP), 0);
	world_free(w);
}

static void icmp_after_a_final_is_no_evidence(void **state)
{
	(void)state;
	struct world *w = world_new(2);
	const struct world_sent *inv = world_call(w, 1);
	world_rx(w, T1, world_answer(inv->text, 486, ""));
	world_icmp(w, T1, world_expect(w, "ACK", T1)->text);
	assert_int_equal(world_told(w, SB_MAIL_EVIDENCE, SB_EV_ICMP), 0);
	world_free(w);
}

/* R3261-16.10: a code in failover_on is a failure, too, when it comes late or after a CANCEL */
static void late_503_is_no_sign_of_life(void **state)
{
	(void)state;
	struct world *w = world_new(2);
	const struct world_sent *inv = world_call(w, 1);
	world_pass(w, 3000);
	world_rx(w, T1, world_answer(inv->text, 503, ""));
	assert_int_equal(w->stats[0].alive, 0);
	world_free(w);
}

static void refusal_of_a_cancelled_call_is_no_sign_of_life(void **state)
{
	(void)state;
	struct world *w = world_new(2);
	const struct world_sent *inv = world_call(w, 1);
	world_rx(w, world_caller, world_request("CANCEL", 1, "", ""));
	world_rx(w, T1, world_answer(inv->text, 503, "Retry-After: 30\r\n"));
	assert_int_equal(w->stats[0].alive, 0);
	world_free(w);
}

/* R3263: the branch is right, the address is not the trunk's */
static void strangers_response_is_no_evidence(void **state)
{
	(void)state;
	struct world *w = world_new(2);
	const struct world_sent *inv = world_call(w, 1);
	world_rx(w, "203.0.113.66:9", world_answer(inv->text, 503, "Retry-After: 86400\r\n"));
	assert_int_equal(world_told(w, SB_MAIL_EVIDENCE, SB_EV_CODE), 0);
	world_free(w);
}

/* P2 */
static void silence_then_503_is_one_piece_of_evidence(void **state)
{
	(void)state;
	struct world *w = world_new(2);
	world_rx(w, world_caller, world_request("OPTIONS", 1, "", ""));
	const struct world_sent *o = world_expect(w, "OPTIONS", T1);
	const char *a = world_answer(o->text, 503, "");
	world_pass(w, 3001);
	world_rx(w, T1, a);
	assert_int_equal(world_told(w, SB_MAIL_EVIDENCE, 0), 1);
	world_free(w);
}

/* P1, R3261-16.10: the trunk dies between its 180 and our CANCEL */
static void icmp_on_cancel_ends_the_call(void **state)
{
	(void)state;
	struct world *w = world_new(2);
	const struct world_sent *inv = world_call(w, 1);
	world_rx(w, T1, world_answer(inv->text, 180, ""));
	world_rx(w, world_caller, world_request("CANCEL", 1, "", ""));
	world_pass(w, 31000);
	assert_int_equal(world_count_sent(w, 0, "SIP/2.0 487", world_caller), 0);
	for (unsigned i = 0; i < w->n_sent; i++)
		if (!strncmp(w->sent[i].text, "CANCEL", 6))
			world_icmp(w, T1, w->sent[i].text);
	assert_int_equal(world_count_sent(w, 0, "SIP/2.0 487", world_caller), 1);
	assert_int_equal(world_told(w, SB_MAIL_EVIDENCE, SB_EV_ICMP), 1);
	world_end(w);
}

static void foreign_worker_drops_an_icmp_that_is_not_its(void **state)
{
	(void)state;
	/* ICMP for a leg of worker 1 given to worker 0 */
	struct world *w = world_new(2);
	struct world *v = world_new(2);
	world_worker(v, 1, 2);
	const struct world_sent *inv = world_call(v, 1);
	assert_int_equal(world_icmp(w, T1, inv->text), SB_C_drop_stray_icmp);
	world_free(v);
	world_free(w);
}

/* P1: what stands in a quote may look like a branch and be none */
static void branch_in_the_uri_hides_not_ours(void **state)
{
	(void)state;
	struct world *w = world_new(2);
	char m[3000];
	snprintf(m, sizeof m, "INVITE sip:z9hG4bK@example.com%s", strstr(world_invite(1), " SIP/2.0"));
	world_rx(w, world_caller, m);
	world_next(w);
	const struct world_sent *inv = world_expect(w, "INVITE", T1);
	assert_int_equal(world_icmp(w, T1, inv->text), SB_C_end_consumed);
	world_free(w);
}

static void expect_pause(struct world *w, unsigned seconds)
{
	assert_int_equal(world_told(w, SB_MAIL_EVIDENCE, 0), seconds ? 1 : 0);
	for (unsigned i = 0; i < w->n_told; i++)
		if (w->told[i].op == SB_MAIL_EVIDENCE)
			assert_int_equal(w->told[i].evidence.retry_after_s, seconds);
}

/* P13, R3261-16.7: Retry-After speaks of all calls to come: that the one it came to was cancelled matters not */
static void retry_after_of_a_cancelled_call_is_told_once(void **state)
{
	(void)state;
	static const char *const from[] = {T1, "203.0.113.66:9"};
	for (unsigned i = 0; i < 2; i++) {
		struct world *w = world_new(2);
		const struct world_sent *inv = world_call(w, 1);
		const char *pause = world_answer(inv->text, 503, "Retry-After: 30\r\n");
		world_rx(w, world_caller, world_request("CANCEL", 1, "", ""));
		world_rx(w, from[i], pause);
		world_rx(w, from[i], pause);
		expect_pause(w, i == 0 ? 30 : 0);
		world_end(w);
	}
}

/* The same of a leg that was given up, and of a request that ended in silence before its trunk said why */
static void retry_after_that_comes_late_is_told_once(void **state)
{
	(void)state;
	struct world *w = world_new(2);
	const struct world_sent *inv = world_call(w, 1);
	world_pass(w, 3001);
	w->n_told = 0; /* its silence */
	world_rx(w, T1, world_answer(inv->text, 503, "Retry-After: 30\r\n"));
	expect_pause(w, 30);
	world_end(w);

	w = world_new(1);
	world_rx(w, world_caller, world_request("OPTIONS", 1, "", ""));
	const struct world_sent *o = world_expect(w, "OPTIONS", T1);
	const char *pause = world_answer(o->text, 503, "Retry-After: 30\r\n");
	world_pass(w, 32001);
	w->n_told = 0;
	assert_int_equal(world_rx(w, T1, pause), SB_C_drop_late);
	assert_int_equal(world_rx(w, T1, pause), SB_C_drop_late);
	expect_pause(w, 30);
	world_end(w);
}

/* What a reload changes of the first trunk. */
enum moved { STAYS, MOVES, GOES };

static void reload(struct world *w, enum moved moved)
{
	if (moved == MOVES)
		w->trunks[1][0].addr.ip[3] = 77;
	if (moved == GOES)
		w->trunk_of_slot[0] = SB_NO_TRUNK;
	sb_core_snapshot(w->core, &w->snap[1]);
}

/* A call that the first trunk fails by silence, by 503, or by ICMP, after a reload. */
static unsigned told_of_a_failure(enum moved moved, unsigned way)
{
	struct world *w = world_new(2);
	const struct world_sent *inv = world_call(w, 1);
	reload(w, moved);
	if (way == 0)
		world_pass(w, 3000);
	else if (way == 1)
		world_rx(w, T1, world_answer(inv->text, 503, "Retry-After: 60\r\n"));
	else
		world_icmp(w, T1, inv->text);
	while (strncmp(world_next(w)->text, "INVITE", 6) != 0 || w->sent[w->seen - 1].to.ip[3] != 2)
		; /* the call itself goes on to the second */
	unsigned told = world_told(w, SB_MAIL_EVIDENCE, 0);
	const struct sb_trunk_stats *st = &w->stats[0];
	assert_int_equal(st->failed_timeout + st->failed_code + st->failed_icmp, told);
	world_end(w);
	return told;
}

/* P7, P10: what an address did is not told of the one that a reload has put in its place; the health of the trunk's
 * name has begun anew there. */
static void failures_of_an_old_address_are_not_told_of_the_new(void **state)
{
	(void)state;
	for (unsigned way = 0; way < 3; way++) {
		assert_int_equal(told_of_a_failure(STAYS, way), 1);
		assert_int_equal(told_of_a_failure(MOVES, way), 0);
		assert_int_equal(told_of_a_failure(GOES, way), 0);
	}
}

static uint64_t alive_after_an_answer(enum moved moved)
{
	struct world *w = world_new(2);
	const struct world_sent *inv = world_call(w, 1);
	reload(w, moved);
	world_rx(w, T1, world_answer(inv->text, 486, ""));
	uint64_t alive = w->stats[0].alive;
	world_end(w);
	return alive;
}

static void answers_of_an_old_address_are_no_sign_of_the_news_life(void **state)
{
	(void)state;
	assert_int_equal(alive_after_an_answer(STAYS), 1);
	assert_int_equal(alive_after_an_answer(MOVES), 0);
	assert_int_equal(alive_after_an_answer(GOES), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(unanswered_phone_is_no_fault_of_the_trunk),
	        cmocka_unit_test(repeated_refusal_is_one_piece_of_evidence),
	        cmocka_unit_test(no_candidate_is_blamed_for_time_it_never_had),
	        cmocka_unit_test(icmp_is_evidence_once_a_leg),
	        cmocka_unit_test(icmp_about_another_address_is_stray),
	        cmocka_unit_test(icmp_after_a_final_is_no_evidence),
	        cmocka_unit_test(late_503_is_no_sign_of_life),
	        cmocka_unit_test(refusal_of_a_cancelled_call_is_no_sign_of_life),
	        cmocka_unit_test(strangers_response_is_no_evidence),
	        cmocka_unit_test(silence_then_503_is_one_piece_of_evidence),
	        cmocka_unit_test(retry_after_of_a_cancelled_call_is_told_once),
	        cmocka_unit_test(retry_after_that_comes_late_is_told_once),
	        cmocka_unit_test(icmp_on_cancel_ends_the_call),
	        cmocka_unit_test(foreign_worker_drops_an_icmp_that_is_not_its),
	        cmocka_unit_test(failures_of_an_old_address_are_not_told_of_the_new),
	        cmocka_unit_test(answers_of_an_old_address_are_no_sign_of_the_news_life),
	        cmocka_unit_test(branch_in_the_uri_hides_not_ours),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

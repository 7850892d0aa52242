/* SPDX-License-Identifier: BSD-3-Clause */
/* test_answers.c - answers that come late, twice or maimed, and what is left of a call then. Each was wrong once.
 * (R3261-16.7, R3261-16.10, R3261-17, R4320, R6026, P16) */
#include "world.h"

/* R4320 */
static void other_requests_never_get_408(void **state)
{
	(void)state;
	for (unsigned listed = 0; listed < 2; listed++) {
		struct world *w = world_new(1);
		if (!listed) /* then it is no reason to try another trunk, but an answer all the same */
			memset(&w->trunks[0][0].failover_on, 0, sizeof w->trunks[0][0].failover_on);
		world_rx(w, world_caller, world_request("OPTIONS", 1, "", ""));
		const struct world_sent *o = world_expect(w, "OPTIONS", T1);
		assert_int_equal(world_rx(w, T1, world_answer(o->text, 408, "")), SB_C_end_consumed);
		world_quiet(w);
		world_end(w);
	}
}

/* R4320, R3261-17: told nothing, the caller repeats until its Timer F, and its last copy may be slow. Found by the
 * simulator: a trunk's 408 (faults, seed 27), and no buffer for our own answer (chaos, seed 20081) */
static void slow_last_copy_of_an_unanswered_request_is_absorbed(void **state)
{
	(void)state;
	for (int no_buffer = 0; no_buffer < 2; no_buffer++) {
		struct world *w = world_new(1);
		const char *request = world_request("MESSAGE", 1, "", "");
		world_rx(w, world_caller, request);
		const struct world_sent *m = world_expect(w, "MESSAGE", T1);
		w->refuse_buffers = -no_buffer;
		no_buffer ? world_icmp(w, T1, m->text) : world_rx(w, T1, world_answer(m->text, 408, ""));
		w->refuse_buffers = 0;
		world_pass(w, 32200);
		world_rx(w, world_caller, request);
		assert_int_equal(world_count_sent(w, 0, "MESSAGE", T1), 1);
		world_free(w);
	}
}

static void no_candidate_is_begun_without_time_left(void **state)
{
	(void)state;
	struct world *w = world_new(3);
	/* t2 and t3 DRAINed for the moment of t1's turn: t1 gets the whole 32 s; then they are back */
	const char *req = world_request("OPTIONS", 1, "", "");
	world_rx(w, world_caller, req);
	const struct world_sent *o = world_expect(w, "OPTIONS", T1);
	world_health(w, 2, SB_DOWN, SB_ENABLED, 0);
	world_rx(w, T1, world_answer(o->text, 503, ""));
	world_expect(w, "OPTIONS", T2); /* the last: the whole 32 s */
	world_pass(w, 20000);
	world_health(w, 2, SB_UP, SB_ENABLED, SB_SHARE_FULL);
	w->n_told = 0;
	world_pass(w, 20000);
	for (unsigned i = 0; i < w->n_told; i++)
		if (w->told[i].op == SB_MAIL_EVIDENCE)
			assert_int_not_equal(w->told[i].trunk, 2);
	world_free(w);
}

/* 16.10: a leg given up for ICMP that rings after all is CANCELled */
static void leg_given_up_for_icmp_that_rings_is_cancelled(void **state)
{
	(void)state;
	struct world *w = world_new(2);
	const struct world_sent *inv = world_call(w, 1);
	world_pass(w, 200); /* a second send of it is what the ICMP is about */
	world_expect(w, "INVITE", T1);
	world_icmp(w, T1, inv->text);
	world_expect(w, "INVITE", T2);
	world_rx(w, T1, world_answer(inv->text, 180, ""));
	world_expect(w, "CANCEL", T1);
	world_free(w);
}

/* R3261-16.7 step 2 */
static void repeated_100_does_not_restart_timer_c(void **state)
{
	(void)state;
	struct world *w = world_new(1);
	const struct world_sent *inv = world_call(w, 1);
	const char *try = world_answer(inv->text, 100, "");
	for (int i = 0; i < 30; i++) {
		world_rx(w, T1, try);
		world_pass(w, 30000);
	}
	assert_true(world_count_sent(w, 0, "SIP/2.0 4", world_caller) > 0);
	world_free(w);
}

/* An answer that has lost the Via below ours. */
static const char *lost(const struct world_sent *request, unsigned status)
{
	static char msg[4096];
	snprintf(msg, sizeof msg, "%s", world_answer(request->text, status, ""));
	char *v = strstr(strstr(msg, "Via:") + 4, "Via:"), *e = strstr(v, "\r\n") + 2;
	memmove(v, e, strlen(e) + 1);
	return msg;
}

/* R3261-16.7 step 3: there is nowhere to send it */
static void response_without_a_via_above_is_dropped(void **state)
{
	(void)state;
	struct world *w = world_new(1);
	const struct world_sent *inv = world_call(w, 1);
	assert_int_equal(world_rx(w, T1, lost(inv, 180)), SB_C_drop_bad_response);
	assert_int_equal(world_rx(w, T1, lost(inv, 200)), SB_C_drop_bad_response);
	world_quiet(w);
	assert_int_equal(world_rx(w, T1, world_answer(inv->text, 200, "")), SB_C_end_forwarded);
	world_expect(w, "SIP/2.0 200", world_caller);
	assert_int_equal(world_rx(w, T1, lost(inv, 200)), SB_C_drop_bad_response); /* a record is left of the call */
	world_quiet(w);
	world_end(w);
}

/* R3261-16.7: it ends the leg all the same, and the caller is told by an answer of our own, with its status */
static void refusal_without_a_via_above_becomes_our_own(void **state)
{
	(void)state;
	static const struct {
		const char *method;
		unsigned status;
		const char *up;
	} rows[] = {{"INVITE", 486, "SIP/2.0 486"}, {"INVITE", 504, "SIP/2.0 504"}, {"INVITE", 503, "SIP/2.0 500"},
	        {"MESSAGE", 404, "SIP/2.0 404"}, {"MESSAGE", 504, "SIP/2.0 504"}, {"MESSAGE", 503, "SIP/2.0 500"}};
	for (unsigned i = 0; i < sizeof rows / sizeof *rows; i++) {
		struct world *w = world_new(1);
		const char *request = world_request(rows[i].method, 1, "", "");
		world_rx(w, world_caller, request);
		if (rows[i].method[0] == 'I')
			world_expect(w, "SIP/2.0 100", world_caller);
		world_rx(w, T1, lost(world_expect(w, rows[i].method, T1), rows[i].status));
		if (rows[i].method[0] == 'I')
			world_expect(w, "ACK", T1);
		const struct world_sent *s = world_expect(w, rows[i].up, world_caller);
		assert_int_equal(world_count_header(s->text, "Via"), 1);
		assert_non_null(strstr(s->text, "branch=z9hG4bKc1"));
		world_quiet(w);
		world_end(w);
	}
}

/* R3261-16.7 step 6 */
static void best_final_of_the_whole_hunt_goes_up(void **state)
{
	(void)state;
	struct world *w = world_new(2);
	sb_code_add(&w->trunks[0][0].failover_on, 480);
	memset(&w->trunks[0][1].failover_on, 0, sizeof w->trunks[0][1].failover_on);
	sb_code_add(&w->trunks[0][1].failover_on, 503);
	const struct world_sent *inv = world_call(w, 1);
	world_rx(w, T1, world_answer(inv->text, 480, ""));
	world_expect(w, "ACK", T1);
	const struct world_sent *i2 = world_expect(w, "INVITE", T2);
	world_rx(w, T2, world_answer(i2->text, 500, ""));
	world_expect(w, "ACK", T2);
	world_expect(w, "SIP/2.0 480", world_caller);
	world_free(w);
}

/* R3261-17: an answer to a CANCEL that was never sent */
static void answer_to_no_cancel_stops_nothing(void **state)
{
	(void)state;
	struct world *w = world_new(2);
	const struct world_sent *inv = world_call(w, 1);
	char msg[4096];
	snprintf(msg, sizeof msg, "%s", world_answer(inv->text, 200, ""));
	char *cs = strstr(msg, "CSeq: 1 INVITE");
	memcpy(cs + 8, "CANCEL", 6);
	world_rx(w, T1, msg);
	world_pass(w, 2900);
	assert_int_equal(world_count_sent(w, 0, "INVITE", T1), 4);
	world_free(w);
}

/* R3261-16.10: nor does it start Timer G again */
static void repeated_unwanted_2xx_keeps_nothing_alive(void **state)
{
	(void)state;
	struct world *w = world_new(1);
	const struct world_sent *inv = world_call(w, 1);
	const char *ok = world_answer(inv->text, 200, "Contact: <sip:b@192.0.2.1:5060>\r\n");
	world_pass(w, 32100);
	for (int i = 0; i < 40; i++) {
		world_rx(w, T1, ok);
		world_pass(w, 4000);
	}
	assert_int_equal(sb_core_usage(w->core)->transactions, 0);
	world_free(w);
}

/* R3261-17: a caller that never ACKs */
static void final_is_not_resent_beyond_timer_h(void **state)
{
	(void)state;
	struct world *w = world_new(2);
	w->snap[0].timer_c_ms = 190000;
	const struct world_sent *inv = world_call(w, 1);
	world_rx(w, T1, world_answer(inv->text, 486, ""));
	uint64_t t0 = w->now_us / 1000, last = t0;
	world_pass(w, 200000);
	for (unsigned i = 0; i < w->n_sent; i++)
		if (!strncmp(w->sent[i].text, "SIP/2.0 486", 11))
			last = w->sent[i].at_ms;
	assert_true(last - t0 < 32000);
	world_end(w);
}

/* R4320: the first trunk's silence is no answer, the second one's 500 is */
static void answer_outranks_silence_for_other_requests(void **state)
{
	(void)state;
	struct world *w = world_new(2);
	world_rx(w, world_caller, world_request("OPTIONS", 1, "", ""));
	world_expect(w, "OPTIONS", T1);
	world_pass(w, 3001);
	const struct world_sent *o = &w->sent[w->n_sent - 1];
	assert_int_equal(world_rx(w, T2, world_answer(o->text, 500, "")), SB_C_end_forwarded);
	assert_int_equal(world_count_sent(w, 0, "SIP/2.0 500", world_caller), 1);
	world_free(w);
}

/* R4320: a 408 of a trunk's is silence, too, whichever comes first: not kept for the caller, who gets the other answer
 */
static void an_answer_outranks_a_408_for_other_requests(void **state)
{
	(void)state;
	static const unsigned said[3][2] = {{503, 408}, {408, 503}, {503, 408}};
	for (unsigned i = 0; i < 3; i++) {
		struct world *w = world_new(2);
		if (i == 2) /* here it ends the hunt */
			w->trunks[0][1].failover_on = (struct sb_code_set){.bits = {0}};
		world_rx(w, world_caller, world_request("OPTIONS", 1, "", ""));
		const struct world_sent *o = world_expect(w, "OPTIONS", T1);
		world_rx(w, T1, world_answer(o->text, said[i][0], ""));
		o = world_expect(w, "OPTIONS", T2);
		world_rx(w, T2, world_answer(o->text, said[i][1], ""));
		world_expect(w, "SIP/2.0 500", world_caller);
		world_end(w);
	}
}

/* R3261-16.10: it forked further down: two 2xx with different tags */
static void each_dialog_of_an_unwanted_fork_is_hung_up(void **state)
{
	(void)state;
	struct world *w = world_new(1);
	const struct world_sent *inv = world_call(w, 1);
	world_pass(w, 33000);
	unsigned from = w->n_sent;
	char a[4096], b[4096];
	snprintf(a, sizeof a, "%s", world_answer(inv->text, 200, "Contact: <sip:b@192.0.2.1:5060>\r\n"));
	snprintf(b, sizeof b, "%s", a);
	memcpy(strstr(b, "tag=callee"), "tag=other1", 10);
	world_rx(w, T1, a);
	world_rx(w, T1, b);
	assert_int_equal(world_count_sent(w, from, "BYE", T1), 2);
	world_free(w);
}

/* R3261-17.1.1.3: an answer to something we never sent by that branch is stray */
static void answer_with_a_foreign_method_is_stray(void **state)
{
	(void)state;
	static const char *const methods[] = {"INVITE", "MESSAGE"};
	for (unsigned i = 0; i < 2; i++) {
		struct world *w = world_new(1);
		char text[4096];
		world_rx(w, world_caller, world_request(methods[i], 1, "", ""));
		if (i == 0)
			world_expect(w, "SIP/2.0 100", world_caller);
		snprintf(text, sizeof text, "%s", world_answer(world_expect(w, methods[i], T1)->text, 200, ""));
		memcpy(strstr(text, methods[i]), "BYE    ", strlen(methods[i]));
		assert_int_equal(world_rx(w, T1, text), SB_C_drop_stray_response);
		world_quiet(w);
		world_end(w);
	}
}

/* R6026: what an accepted call's trunk says besides its 2xx is absorbed by the record */
static void refusal_behind_a_2xx_is_absorbed(void **state)
{
	(void)state;
	struct world *w = world_new(1);
	const struct world_sent *inv = world_call(w, 1);
	world_rx(w, T1, world_answer(inv->text, 200, ""));
	world_expect(w, "SIP/2.0 200", world_caller);
	assert_int_equal(world_rx(w, T1, world_answer(inv->text, 180, "")), SB_C_end_consumed);
	assert_int_equal(world_rx(w, T1, world_answer(inv->text, 486, "")), SB_C_end_consumed);
	world_quiet(w);
	world_end(w);
}

/* R3261-9.1: only a final answer ends the CANCEL's retransmissions */
static void provisional_to_a_cancel_does_not_end_it(void **state)
{
	(void)state;
	struct world *w = world_new(1);
	const struct world_sent *inv = world_call(w, 1);
	world_rx(w, T1, world_answer(inv->text, 180, ""));
	world_rx(w, world_caller, world_request("CANCEL", 1, "", ""));
	w->seen = w->n_sent - 1;
	const struct world_sent *cancel = world_expect(w, "CANCEL", T1);
	assert_int_equal(world_rx(w, T1, world_answer(cancel->text, 100, "")), SB_C_end_consumed);
	world_pass(w, 500);
	world_expect(w, "CANCEL", T1);
	assert_int_equal(world_rx(w, T1, world_answer(cancel->text, 200, "")), SB_C_end_consumed);
	world_pass(w, 5000);
	world_quiet(w);
	world_end(w);
}

/* P11: a phone that rings on after its CANCEL has timed out counts as nobody's active leg in the end */
static void phone_that_rings_on_after_its_cancel_is_not_counted_for_ever(void **state)
{
	(void)state;
	struct world *w = world_new(1);
	const struct world_sent *inv = world_call(w, 1);
	const char *ringing = world_answer(inv->text, 180, "");
	world_rx(w, T1, ringing);
	world_rx(w, world_caller, world_request("CANCEL", 1, "", ""));
	world_pass(w, 32001);
	assert_int_equal(world_count_sent(w, 0, "SIP/2.0 487", world_caller) > 0, 1);
	assert_int_equal(w->stats[0].active, 0);
	assert_int_equal(world_rx(w, T1, ringing), SB_C_end_consumed);
	assert_int_equal(world_count_sent(w, 0, "SIP/2.0 180", world_caller), 1);
	world_end(w);
}

/* R3261-16.7 step 6: of 4xx those go up that a caller can act on, of all classes the lowest, and 503 last */
static void better_final_of_two_goes_up(void **state)
{
	(void)state;
	static const struct {
		unsigned first, second, up;
	} rows[] = {{404, 401, 401}, {401, 404, 401}, {404, 407, 407}, {480, 484, 484}, {500, 404, 404},
	        {404, 500, 404}, {503, 500, 500}, {504, 503, 504}, {404, 302, 302}};
	for (unsigned i = 0; i < sizeof rows / sizeof *rows; i++) {
		struct world *w = world_new(2);
		char start[32];
		for (unsigned code = 300; code < 600; code++) {
			sb_code_add(&w->trunks[0][0].failover_on, code);
			sb_code_add(&w->trunks[0][1].failover_on, code);
		}
		const struct world_sent *inv = world_call(w, 1);
		world_rx(w, T1, world_answer(inv->text, rows[i].first, ""));
		world_expect(w, "ACK", T1);
		inv = world_expect(w, "INVITE", T2);
		world_rx(w, T2, world_answer(inv->text, rows[i].second, ""));
		world_expect(w, "ACK", T2);
		snprintf(start, sizeof start, "SIP/2.0 %u", rows[i].up);
		world_expect(w, start, world_caller);
		world_end(w);
	}
}

/* R3261-16.7 step 5: a 6xx ends the hunt, whatever failover_on says */
static void global_refusal_ends_the_hunt_of_other_requests(void **state)
{
	(void)state;
	struct world *w = world_new(2);
	sb_code_add(&w->trunks[0][0].failover_on, 603);
	world_rx(w, world_caller, world_request("MESSAGE", 1, "", ""));
	const struct world_sent *m = world_expect(w, "MESSAGE", T1);
	world_rx(w, T1, world_answer(m->text, 603, ""));
	world_expect(w, "SIP/2.0 603", world_caller);
	assert_int_equal(world_rx(w, T1, world_answer(m->text, 100, "")), SB_C_end_consumed); /* late, and nothing */
	world_quiet(w);
	world_end(w);
}

/* R3261-16.10, 17.1.2: our BYE goes on until a final answer or 64*T1; neither a provisional nor ICMP ends it */
static void our_bye_goes_on_until_its_final_answer(void **state)
{
	(void)state;
	struct world *w = world_new(1);
	const struct world_sent *inv = world_call(w, 1);
	const char *ok = world_answer(inv->text, 200, "");
	world_pass(w, 33000);
	w->seen = w->n_sent;
	world_rx(w, T1, ok);
	world_expect(w, "ACK", T1);
	const struct world_sent *bye = world_expect(w, "BYE", T1);
	assert_int_equal(world_rx(w, T1, world_answer(bye->text, 100, "")), SB_C_end_consumed);
	assert_int_equal(world_icmp(w, T1, bye->text), SB_C_end_consumed);
	assert_int_equal(world_told(w, SB_MAIL_EVIDENCE, SB_EV_ICMP), 0);
	unsigned from = w->n_sent;
	world_pass(w, 500);
	assert_int_equal(world_count_sent(w, from, "BYE", T1), 1);
	assert_int_equal(world_rx(w, T1, world_answer(bye->text, 200, "")), SB_C_end_consumed);
	from = w->n_sent;
	world_pass(w, 20000);
	assert_int_equal(world_count_sent(w, from, "BYE", T1), 0);
	world_end(w);
}

/* R3261-13.2.2.4, 12.2.1.1: ACK and BYE of a 2xx that nobody wants go where a caller's would: to whom the first
 * Record-Route that is not ours belongs, which is the peer; else to the Contact, if it is an address of the family */
static void ack_of_an_unwanted_2xx_goes_where_the_callers_would(void **state)
{
	(void)state;
	static const struct {
		const char *lines, *to, *uri;
	} rows[] = {{"Contact: <sip:b@192.0.2.77:5090>\r\n", "192.0.2.77:5090", "sip:b@192.0.2.77:5090"},
	        {"Contact: <sip:b@192.0.2.77>\r\n", "192.0.2.77:5060", "sip:b@192.0.2.77"},
	        {"Contact: <sip:b@name.example>\r\n", T1, "sip:b@name.example"},
	        {"Contact: <sip:b@[2001:db8::1]>\r\n", T1, "sip:b@[2001:db8::1]"},
	        {"Contact: <mailto:b@example.com>\r\n", T1, "sip:+442079460000@example.com"},
	        {"", T1, "sip:+442079460000@example.com"},
	        {"Record-Route: <sip:192.0.2.55;lr>\r\nContact: <sip:b@192.0.2.77>\r\n", T1, "sip:b@192.0.2.77"}};
	for (unsigned i = 0; i < sizeof rows / sizeof *rows; i++) {
		struct world *w = world_new(1);
		char text[4096], start[128];
		const char *ok = world_answer(world_call(w, 1)->text, 200, rows[i].lines), *own;
		if (strncmp(rows[i].lines, "Record-Route", 12) == 0) { /* above ours: nearer to the callee */
			own = strstr(ok, "Record-Route: <sip:192.0.2.10");
			snprintf(text, sizeof text, "%.*s%s%s", (int)(own - ok), ok,
			        "Record-Route: <sip:192.0.2.55;lr>\r\n", own);
		} else {
			snprintf(text, sizeof text, "%s", ok);
		}
		world_pass(w, 33000);
		w->seen = w->n_sent;
		world_rx(w, T1, text);
		snprintf(start, sizeof start, "ACK %s SIP/2.0", rows[i].uri);
		world_expect(w, start, rows[i].to);
		snprintf(start, sizeof start, "BYE %s SIP/2.0", rows[i].uri);
		world_expect(w, start, rows[i].to);
		world_end(w);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(other_requests_never_get_408),
	        cmocka_unit_test(slow_last_copy_of_an_unanswered_request_is_absorbed),
	        cmocka_unit_test(no_candidate_is_begun_without_time_left),
	        cmocka_unit_test(leg_given_up_for_icmp_that_rings_is_cancelled),
	        cmocka_unit_test(repeated_100_does_not_restart_timer_c),
	        cmocka_unit_test(response_without_a_via_above_is_dropped),
	        cmocka_unit_test(refusal_without_a_via_above_becomes_our_own),
	        cmocka_unit_test(best_final_of_the_whole_hunt_goes_up),
	        cmocka_unit_test(answer_to_no_cancel_stops_nothing),
	        cmocka_unit_test(repeated_unwanted_2xx_keeps_nothing_alive),
	        cmocka_unit_test(final_is_not_resent_beyond_timer_h),
	        cmocka_unit_test(answer_outranks_silence_for_other_requests),
	        cmocka_unit_test(an_answer_outranks_a_408_for_other_requests),
	        cmocka_unit_test(each_dialog_of_an_unwanted_fork_is_hung_up),
	        cmocka_unit_test(answer_with_a_foreign_method_is_stray),
	        cmocka_unit_test(refusal_behind_a_2xx_is_absorbed),
	        cmocka_unit_test(provisional_to_a_cancel_does_not_end_it),
	        cmocka_unit_test(phone_that_rings_on_after_its_cancel_is_not_counted_for_ever),
	        cmocka_unit_test(better_final_of_two_goes_up),
	        cmocka_unit_test(global_refusal_ends_the_hunt_of_other_requests),
	        cmocka_unit_test(our_bye_goes_on_until_its_final_answer),
	        cmocka_unit_test(ack_of_an_unwanted_2xx_goes_where_the_callers_would),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

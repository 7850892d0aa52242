/* SPDX-License-Identifier: BSD-3-Clause */
/* test_shortage.c - what the core does when buffers, texts or slots are wanting, or nothing can leave: no call is lost
 * for good, nothing is made up, and no trunk is blamed. Each was wrong once. (R3261-16.7, R3261-16.10, P2, P16) */
#include "world.h"
#include "dataplane/sip/osip.h"

/* R3261-16.7: a 200 that cannot be sent on, and that its trunk does not repeat */
static void unsent_2xx_strands_no_transaction(void **state)
{
	(void)state;
	struct world *w = world_new(2);
	const struct world_sent *inv = world_call(w, 1);
	const char *ok = world_answer(inv->text, 200, "");
	w->refuse_buffers = 1;
	world_rx(w, T1, ok);
	w->refuse_buffers = 0;
	world_pass(w, 1000000);
	assert_true(world_count_sent(w, 0, "SIP/2.0 2", world_caller) +
	                            world_count_sent(w, 0, "SIP/2.0 4", world_caller) +
	                            world_count_sent(w, 0, "SIP/2.0 5", world_caller) >
	                    0 ||
	            0 == sb_core_usage(w->core)->transactions);
	world_free(w);
}

static void unroutable_caller_strands_no_transaction(void **state)
{
	(void)state;
	struct world *w = world_new(2);
	const struct world_sent *inv = world_call(w, 1);
	const char *ok = world_answer(inv->text, 200, "");
	w->refuse_sends = true; /* caller became unroutable */
	for (int i = 0; i < 10; i++) {
		world_rx(w, T1, ok);
		world_pass(w, 3200);
	}
	world_pass(w, 1000000);
	assert_int_equal(sb_core_usage(w->core)->transactions, 0);
	world_free(w);
}

static void call_whose_2xx_could_not_leave_can_be_cancelled(void **state)
{
	(void)state;
	struct world *w = world_new(2);
	const struct world_sent *inv = world_call(w, 1);
	const char *ok = world_answer(inv->text, 200, "");
	w->refuse_buffers = 1;
	world_rx(w, T1, ok);
	world_rx(w, world_caller, world_request("CANCEL", 1, "", ""));
	world_end(w);
}

/* R3261-17: our own final found no buffer */
static void no_provisional_is_resent_for_a_final(void **state)
{
	(void)state;
	struct world *w = world_new(1);
	const struct world_sent *inv = world_call(w, 1);
	world_rx(w, T1, world_answer(inv->text, 180, ""));
	world_expect(w, "SIP/2.0 180", world_caller);
	world_rx(w, world_caller, world_request("CANCEL", 1, "", ""));
	world_pass(w, 31900);
	w->seen = w->n_sent;
	unsigned from = w->n_sent;
	w->refuse_buffers = -1;
	world_pass(w, 200); /* CANCEL never answered: 487 of our own, no buffer */
	w->refuse_buffers = 0;
	world_pass(w, 31000);
	assert_int_equal(world_count_sent(w, from, "SIP/2.0 180", world_caller), 0);
	assert_true(world_count_sent(w, from, "SIP/2.0 487", world_caller) > 0);
	world_free(w);
}

/* R3261-16.7: sent on though nothing of it is kept */
static void answer_goes_up_as_it_came_without_room_to_keep_it(void **state)
{
	(void)state;
	struct world *w = world_new(1);
	world_rx(w, world_caller, world_request("REGISTER", 1, "", ""));
	const struct world_sent *o = world_expect(w, "REGISTER", T1);
	world_fill_store(w);
	world_rx(w, T1, world_answer(o->text, 200, "Contact: <sip:alice@192.0.2.99:5070>;expires=60\r\n"));
	const struct world_sent *ok = world_expect(w, "SIP/2.0 200", world_caller);
	assert_non_null(strstr(ok->text, "tag=callee"));
	assert_non_null(strstr(ok->text, "expires=60"));
	world_free(w);
}

static void challenge_goes_up_as_it_came_without_room_to_keep_it(void **state)
{
	(void)state;
	struct world *w = world_new(1);
	const struct world_sent *inv = world_call(w, 1);
	world_fill_store(w);
	world_rx(w, T1, world_answer(inv->text, 407, "Proxy-Authenticate: Digest realm=\"x\", nonce=\"y\"\r\n"));
	world_expect(w, "ACK", T1);
	const struct world_sent *f = world_expect(w, "SIP/2.0 407", world_caller);
	assert_non_null(strstr(f->text, "Proxy-Authenticate"));
	world_free(w);
}

/* R3261-17: its retransmissions are not taken for repetitions */
static void answer_lost_for_want_of_a_buffer_is_taken_again(void **state)
{
	(void)state;
	struct world *w = world_new(1);
	world_rx(w, world_caller, world_request("MESSAGE", 1, "", ""));
	const struct world_sent *o = world_expect(w, "MESSAGE", T1);
	const char *ok = world_answer(o->text, 200, "");
	w->refuse_buffers = 1;
	world_rx(w, T1, ok);
	w->refuse_buffers = 0;
	world_rx(w, world_caller, world_request("MESSAGE", 1, "", ""));
	world_rx(w, T1, ok);
	assert_int_equal(world_count_sent(w, 0, "SIP/2.0 200", world_caller), 1);
	world_free(w);
}

/* P16: ACK and BYE both, though the BYE finds no slot */
static void unwanted_2xx_is_hung_up_at_a_full_table(void **state)
{
	(void)state;
	struct world *w = world_new(1);
	w->snap[0].late_2xx = SB_LATE_BYE;
	const struct world_sent *inv = world_call(w, 1);
	const char *ok = world_answer(inv->text, 200, "Contact: <sip:b@192.0.2.1:5060>\r\n");
	world_pass(w, 33000);
	for (unsigned i = 2; i < 18; i++)
		world_rx(w, world_caller, world_invite(i));
	assert_int_equal(sb_core_usage(w->core)->transactions, 16);
	unsigned from = w->n_sent;
	world_rx(w, T1, ok);
	assert_int_equal(world_count_sent(w, from, "ACK", T1), 1);
	world_rx(w, T1, ok);
	assert_true(world_count_sent(w, from, "BYE", T1) >= 1);
	world_free(w);
}

/* R3261-16.10: found by the simulator (overload, seed 14): its BYE found no slot, and the 2xx came again */
static void repeated_unwanted_2xx_is_not_forwarded_at_a_full_table(void **state)
{
	(void)state;
	struct world *w = world_new(2);
	w->snap[0].late_2xx = SB_LATE_BYE;
	const struct world_sent *inv = world_call(w, 1);
	const char *ok = world_answer(inv->text, 200, "Contact: <sip:b@192.0.2.1:5060>\r\n");
	world_pass(w, 3100);
	for (unsigned i = 2; i < 18; i++)
		world_rx(w, world_caller, world_invite(i));
	assert_int_equal(sb_core_usage(w->core)->transactions, 16);
	unsigned from = w->n_sent;
	for (unsigned i = 0; i < 3; i++)
		world_rx(w, T1, ok);
	assert_int_equal(world_count_sent(w, from, "BYE", T1), 3);
	assert_int_equal(world_count_sent(w, from, "SIP/2.0 200", world_caller), 0);
	world_free(w);
}

static void unwanted_2xx_is_hung_up_once_there_is_a_buffer(void **state)
{
	(void)state;
	struct world *w = world_new(1);
	const struct world_sent *inv = world_call(w, 1);
	const char *ok = world_answer(inv->text, 200, "Contact: <sip:b@192.0.2.1:5060>\r\n");
	world_pass(w, 33000);
	unsigned from = w->n_sent;
	w->refuse_buffers = -1;
	world_rx(w, T1, ok);
	w->refuse_buffers = 0;
	for (int i = 0; i < 5; i++)
		world_rx(w, T1, ok);
	assert_true(world_count_sent(w, from, "BYE", T1) >= 1);
	world_free(w);
}

/* P2 */
static void want_of_buffers_blames_no_trunk(void **state)
{
	(void)state;
	struct world *w = world_new(3);
	w->refuse_buffers = -1;
	world_rx(w, world_caller, world_invite(1));
	w->refuse_buffers = 0;
	assert_int_equal(world_told(w, SB_MAIL_EVIDENCE, SB_EV_SEND), 0);
	world_free(w);
}

static void retransmission_without_a_buffer_blames_no_trunk(void **state)
{
	(void)state;
	struct world *w = world_new(2);
	world_call(w, 1);
	w->refuse_buffers = 1;
	world_pass(w, 200);
	w->refuse_buffers = 0;
	assert_int_equal(world_told(w, SB_MAIL_EVIDENCE, SB_EV_SEND), 0);
	assert_int_equal(world_count_sent(w, 0, "INVITE", T2), 0);
	world_free(w);
}

/* R3261-17: a repeated INVITE gets the 183 again, or our 100, but no 183 of ours with another tag */
static void provisional_not_kept_is_not_made_up(void **state)
{
	(void)state;
	struct world *w = world_new(1);
	const struct world_sent *inv = world_call(w, 1);
	world_fill_store(w);
	world_rx(w, T1, world_answer(inv->text, 183, ""));
	world_expect(w, "SIP/2.0 183", world_caller);
	world_rx(w, world_caller, world_invite(1));
	const struct world_sent *s = world_expect(w, "SIP/2.0 1", world_caller);
	assert_true(strstr(s->text, "tag=callee") || strncmp(s->text, "SIP/2.0 100", 11) == 0);
	world_free(w);
}

/* P2: nothing ever left for the trunk, so its silence tells nothing */
static void request_that_never_left_blames_no_trunk(void **state)
{
	(void)state;
	struct world *w = world_new(2);
	w->refuse_buffers = -1;
	world_rx(w, world_caller, world_invite(1));
	world_pass(w, 2000);
	w->refuse_buffers = 0;
	world_pass(w, 1000);
	assert_int_equal(world_count_sent(w, 0, "INVITE", T1), 0);
	assert_int_equal(world_told(w, SB_MAIL_EVIDENCE, SB_EV_TIMEOUT), 0);
	world_free(w);
}

static void single_send_that_never_left_blames_no_trunk(void **state)
{
	(void)state;
	struct world *w = world_new(2);
	w->trunks[0][0].sends = 1;
	w->refuse_buffers = 2; /* the 100 and the INVITE */
	world_rx(w, world_caller, world_invite(1));
	w->refuse_buffers = 0;
	world_pass(w, 200);
	assert_int_equal(world_told(w, SB_MAIL_EVIDENCE, 0), 0);
	world_free(w);
}

/* An INVITE that libosip2 is asked about, from the caller. */
static const char *odd_invite(unsigned n)
{
	char *text = (char *)(uintptr_t)world_invite(n);
	char *via = strstr(text, "Via: ");
	memcpy(via, "Via :", 5); /* a blank before the colon, and none behind it */
	return text;
}

/* 21.5.7: what libosip2 finds no room for, at each of its allocations in turn, is no malformed request. */
static void request_that_does_not_fit_the_arena_is_told_so(void **state)
{
	static char mem[8192], whole[1 << 16];
	struct world *w = world_new(1);
	unsigned refused = 0;
	enum sb_counter end = SB_C_end_replied;
	(void)state;
	for (size_t size = 0; end != SB_C_end_forwarded && size < sizeof mem; size += 16) {
		sb_osip_arena(mem, size);
		end = world_rx(w, world_caller, odd_invite(1));
		if (end == SB_C_end_forwarded)
			break;
		assert_int_equal(end, SB_C_end_replied);
		world_expect(w, "SIP/2.0 513 ", world_caller);
		assert_int_equal(sb_core_usage(w->core)->transactions, 0);
		refused++;
	}
	assert_true(refused > 50);
	world_expect(w, "SIP/2.0 100 ", world_caller);
	world_expect(w, "INVITE ", T1);
	sb_osip_arena(whole, sizeof whole);
	world_free(w);
}

/* A response can be told nothing: it is dropped and counted, and what its trunk repeats is taken once there is room. */
static void response_that_does_not_fit_the_arena_is_dropped(void **state)
{
	static char mem[8192], whole[1 << 16];
	struct world *w = world_new(1);
	const struct world_sent *inv = world_call(w, 1);
	char *odd = (char *)(uintptr_t)world_answer(inv->text, 200, "");
	unsigned refused = 0;
	enum sb_counter end = SB_C_drop_bad_response;
	(void)state;
	memcpy(strstr(odd, "Call-ID: "), "Call-ID :", 9);
	for (size_t size = 0; size < sizeof mem; size += 16) {
		sb_osip_arena(mem, size);
		end = world_rx(w, T1, odd);
		if (end != SB_C_drop_bad_response)
			break;
		world_quiet(w);
		refused++;
	}
	assert_true(refused > 50);
	assert_int_equal(end, SB_C_end_forwarded);
	world_expect(w, "SIP/2.0 200 ", world_caller);
	sb_osip_arena(whole, sizeof whole);
	world_free(w);
}

/* R3261-17: a final that could not be kept is not resent, rather than made up with another tag */
static void refusal_not_kept_is_not_resent(void **state)
{
	(void)state;
	struct world *w = world_new(1);
	const struct world_sent *inv = world_call(w, 1);
	world_fill_store(w);
	world_rx(w, T1, world_answer(inv->text, 486, ""));
	world_expect(w, "ACK", T1);
	world_expect(w, "SIP/2.0 486", world_caller);
	assert_int_equal(world_rx(w, world_caller, world_invite(1)), SB_C_end_consumed);
	world_pass(w, 40000);
	world_quiet(w);
	assert_int_equal(sb_core_usage(w->core)->transactions, 0);
	world_free(w);
}

/* P16: a BYE that cannot be kept is sent once for each 2xx, and holds no slot */
static void bye_that_cannot_be_kept_holds_no_slot(void **state)
{
	(void)state;
	struct world *w = world_new(1);
	const char *ok = world_answer(world_call(w, 1)->text, 200, "Contact: <sip:b@192.0.2.1:5060>\r\n");
	world_pass(w, 33000);
	world_fill_store(w);
	for (unsigned n = 1; n <= 3; n++) {
		w->seen = w->n_sent;
		world_rx(w, T1, ok);
		world_expect(w, "ACK", T1);
		world_expect(w, "BYE", T1);
		assert_int_equal(sb_core_usage(w->core)->transactions, 1);
	}
	world_free(w);
}

/* R3261-16.7: of a refusal that could not be kept the status goes up at least */
static void status_of_a_refusal_that_was_not_kept_goes_up(void **state)
{
	(void)state;
	static const struct {
		const char *method;
		unsigned status;
		const char *up;
	} rows[] = {{"MESSAGE", 504, "SIP/2.0 504"}, {"MESSAGE", 503, "SIP/2.0 500"}, {"INVITE", 504, "SIP/2.0 504"},
	        {"INVITE", 503, "SIP/2.0 500"}};
	for (unsigned i = 0; i < sizeof rows / sizeof *rows; i++) {
		struct world *w = world_new(1);
		world_rx(w, world_caller, world_request(rows[i].method, 1, "", ""));
		w->seen = w->n_sent - 1;
		const struct world_sent *m = world_expect(w, rows[i].method, T1);
		world_fill_store(w);
		world_rx(w, T1, world_answer(m->text, rows[i].status, ""));
		w->seen = w->n_sent - 1;
		assert_int_equal(world_count_header(world_expect(w, rows[i].up, world_caller)->text, "Via"), 1);
		world_free(w);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(unsent_2xx_strands_no_transaction),
	        cmocka_unit_test(unroutable_caller_strands_no_transaction),
	        cmocka_unit_test(call_whose_2xx_could_not_leave_can_be_cancelled),
	        cmocka_unit_test(no_provisional_is_resent_for_a_final),
	        cmocka_unit_test(answer_goes_up_as_it_came_without_room_to_keep_it),
	        cmocka_unit_test(challenge_goes_up_as_it_came_without_room_to_keep_it),
	        cmocka_unit_test(answer_lost_for_want_of_a_buffer_is_taken_again),
	        cmocka_unit_test(unwanted_2xx_is_hung_up_at_a_full_table),
	        cmocka_unit_test(repeated_unwanted_2xx_is_not_forwarded_at_a_full_table),
	        cmocka_unit_test(unwanted_2xx_is_hung_up_once_there_is_a_buffer),
	        cmocka_unit_test(want_of_buffers_blames_no_trunk),
	        cmocka_unit_test(retransmission_without_a_buffer_blames_no_trunk),
	        cmocka_unit_test(provisional_not_kept_is_not_made_up),
	        cmocka_unit_test(request_that_never_left_blames_no_trunk),
	        cmocka_unit_test(single_send_that_never_left_blames_no_trunk),
	        cmocka_unit_test(request_that_does_not_fit_the_arena_is_told_so),
	        cmocka_unit_test(response_that_does_not_fit_the_arena_is_dropped),
	        cmocka_unit_test(refusal_not_kept_is_not_resent),
	        cmocka_unit_test(bye_that_cannot_be_kept_holds_no_slot),
	        cmocka_unit_test(status_of_a_refusal_that_was_not_kept_goes_up),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

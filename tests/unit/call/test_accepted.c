/* SPDX-License-Identifier: BSD-3-Clause */
/* Accepted calls, and what of them comes late or again. */
#include "world.h"

/* R3261-17, R6026: what lingers absorbs the caller's INVITE and relays the trunk's 2xx again */
static void accepted_call_lingers_as_a_record(void **state)
{
	(void)state;
	struct world *w = world_new(1);
	const struct world_sent *inv = world_call(w, 1);
	const char *ok = world_answer(inv->text, 200, "");
	world_rx(w, T1, ok);
	world_expect(w, "SIP/2.0 200", world_caller);
	assert_int_equal(world_rx(w, world_caller, world_invite(1)), SB_C_end_consumed);
	world_quiet(w);
	assert_int_equal(world_rx(w, T1, ok), SB_C_end_forwarded);
	world_expect(w, "SIP/2.0 200", world_caller);
	world_pass(w, 32001);
	assert_int_equal(sb_core_usage(w->core)->lingering, 0);
	assert_int_equal(world_rx(w, T1, ok), SB_C_drop_stray_response);
	world_quiet(w);
	world_end(w);
}

/* The first such text becomes another of the same length. */
static void change(char *text, const char *from, const char *to)
{
	char *at = strstr(text, from);
	assert_non_null(at);
	memcpy(at, to, strlen(from));
}

/* 17.2.3: an RFC 2543 client's INVITE is known by more than its Via, which is all of it that a 2xx tells: no record
 * would be found */
static void accepted_call_of_an_rfc_2543_client_stays(void **state)
{
	(void)state;
	struct world *w = world_new(1);
	char invite[2048], ok[2048];
	strcpy(invite, world_invite(1));
	change(invite, "branch=z9hG4bK", "branch=z9hG4bA");
	world_rx(w, world_caller, invite);
	world_expect(w, "SIP/2.0 100", world_caller);
	strcpy(ok, world_answer(world_expect(w, "INVITE", T1)->text, 200, ""));
	for (unsigned n = 0; n < 3; n++) {
		assert_int_equal(world_rx(w, T1, ok), SB_C_end_forwarded);
		world_expect(w, "SIP/2.0 200", world_caller);
		assert_int_equal(world_rx(w, world_caller, invite), SB_C_end_consumed);
		world_quiet(w);
	}
	assert_int_equal(sb_core_usage(w->core)->lingering, 0);
	world_pass(w, 32001);
	assert_int_equal(world_rx(w, T1, ok), SB_C_drop_stray_response);
	world_end(w);
}

/* R6026: the Via below ours finds the record, ours says whose response it is */
static void record_serves_its_own_call_alone(void **state)
{
	(void)state;
	struct world *w = world_new(1);
	char ok[2][4096], below[2][4096], ours[2][4096];
	for (unsigned i = 0; i < 2; i++) {
		strcpy(ok[i], world_answer(world_call(w, i + 1)->text, 200, ""));
		strcpy(below[i], strstr(strstr(ok[i], "Via: ") + 5, "Via: "));
		*strchr(below[i], '\r') = 0;
		strcpy(ours[i], strstr(ok[i], "Via: "));
		*strchr(ours[i], '\r') = 0;
		world_rx(w, T1, ok[i]);
		world_expect(w, "SIP/2.0 200", world_caller);
	}
	assert_int_equal(sb_core_usage(w->core)->lingering, 2);
	assert_int_equal(strlen(below[0]), strlen(below[1]));
	for (unsigned i = 0; i < 2; i++) {
		char lost[4096], other[4096];
		strcpy(other, ok[i]);
		change(other, below[i], below[!i]); /* of no call */
		assert_int_equal(world_rx(w, T1, other), SB_C_drop_stray_response);
		strcpy(other, ok[i]);
		change(other, ours[i], ours[!i]); /* of the one that ours does not name */
		assert_int_equal(world_rx(w, T1, other), SB_C_drop_stray_response);
		strcpy(lost, ok[i]);
		char *at = strstr(lost, below[i]);
		memmove(at, strchr(at, '\n') + 1, strlen(strchr(at, '\n') + 1) + 1);
		assert_int_equal(world_rx(w, T1, lost), SB_C_drop_bad_response);
		world_quiet(w);
		assert_int_equal(world_rx(w, T1, ok[i]), SB_C_end_forwarded);
		world_expect(w, "SIP/2.0 200", world_caller);
	}
	world_end(w);
}

/* P16: 200 after our CANCEL wins the race and goes up */
static void answer_that_crosses_the_cancel_goes_up(void **state)
{
	(void)state;
	struct world *w = world_new(1);
	const struct world_sent *inv = world_call(w, 1);
	world_rx(w, T1, world_answer(inv->text, 180, ""));
	world_rx(w, world_caller, world_request("CANCEL", 1, "", ""));
	const struct world_sent *cancel = &w->sent[w->n_sent - 1];
	assert_memory_equal(cancel->text, "CANCEL", 6);
	w->seen = w->n_sent;
	assert_int_equal(world_rx(w, T1, world_answer(inv->text, 200, "")), SB_C_end_forwarded);
	world_expect(w, "SIP/2.0 200", world_caller);
	assert_int_equal(world_rx(w, T1, world_answer(cancel->text, 481, "")), SB_C_end_consumed); /* no stray */
	world_quiet(w);
	world_end(w);
}

/* The first trunk kept silent: what the second one got. */
static const struct world_sent *second_leg(struct world *w)
{
	world_pass(w, 3000);
	while (w->seen < w->n_sent - 1)
		world_next(w);
	return world_expect(w, "INVITE", T2);
}

/* R3261-16.10, P16: late 2xx of a leg that was given up */
static void late_2xx_is_forwarded_and_the_other_leg_cancelled(void **state)
{
	(void)state;
	struct world *w = world_new(2);
	const struct world_sent *first = world_call(w, 1), *second = second_leg(w);
	world_rx(w, T2, world_answer(second->text, 180, ""));
	world_expect(w, "SIP/2.0 180", world_caller);
	assert_int_equal(world_rx(w, T1, world_answer(first->text, 200, "")), SB_C_end_forwarded);
	world_expect(w, "SIP/2.0 200", world_caller);
	world_expect(w, "CANCEL", T2);
	world_rx(w, T2, world_answer(second->text, 487, ""));
	world_expect(w, "ACK", T2);
	assert_int_equal(world_told(w, SB_MAIL_EVENT, SB_EVENT_LATE_2XX), 1);
	world_end(w);
}

/* R3261-16.10, RFC 6026: a second 2xx goes up for its own 64*T1, however late it came */
static void late_2xx_is_relayed_again_for_its_own_time(void **state)
{
	(void)state;
	struct world *w = world_new(2);
	const struct world_sent *first = world_call(w, 1), *second = second_leg(w);
	world_rx(w, T2, world_answer(second->text, 200, ""));
	world_expect(w, "SIP/2.0 200", world_caller);
	world_pass(w, 31900);
	for (unsigned again = 0; again < 2; again++) {
		assert_int_equal(world_rx(w, T1, world_answer(first->text, 200, "")), SB_C_end_forwarded);
		world_expect(w, "SIP/2.0 200", world_caller);
		world_pass(w, 500);
	}
	world_quiet(w);
	world_end(w);
}

static void late_2xx_is_acked_and_byed_as_configured(void **state)
{
	(void)state;
	struct world *w = world_new(2);
	w->snap[0].late_2xx = SB_LATE_BYE;
	const struct world_sent *first = world_call(w, 1), *second = second_leg(w);
	const char *ok = world_answer(first->text, 200, "Contact: <sip:bob@192.0.2.1:5060>\r\n");
	assert_int_equal(world_rx(w, T1, ok), SB_C_end_consumed);
	const struct world_sent *ack = world_expect(w, "ACK sip:bob@192.0.2.1:5060 SIP/2.0", T1);
	assert_string_equal(world_header(ack->text, "CSeq"), "1 ACK");
	const struct world_sent *bye = world_expect(w, "BYE sip:bob@192.0.2.1:5060 SIP/2.0", T1);
	assert_string_equal(world_header(bye->text, "CSeq"), "2 BYE");
	assert_non_null(strstr(world_header(bye->text, "To"), "tag=callee"));
	world_rx(w, T1, ok);
	world_expect(w, "ACK", T1);
	world_quiet(w);
	world_pass(w, 500);
	world_expect(w, "INVITE", T2);
	while (w->seen < w->n_sent && strncmp(w->sent[w->seen].text, "INVITE", 6) == 0)
		world_next(w);
	world_expect(w, "BYE", T1); /* until it is answered */
	assert_int_equal(world_rx(w, T1, world_answer(bye->text, 200, "")), SB_C_end_consumed);
	world_rx(w, T2, world_answer(second->text, 200, ""));
	world_expect(w, "SIP/2.0 200", world_caller);
	world_end(w);
}

/* R3261-9.1: a leg that answers our CANCEL and never its INVITE counts as ended after 64*T1: not a moment longer is the
 * call kept for it. */
static void call_goes_when_its_last_leg_is_given_up(void **state)
{
	(void)state;
	struct world *w = world_new(2);
	const struct world_sent *first = world_call(w, 1);
	world_rx(w, T2, world_answer(second_leg(w)->text, 486, ""));
	world_expect(w, "ACK", T2);
	world_expect(w, "SIP/2.0 486", world_caller);
	world_rx(w, world_caller, world_request("ACK", 1, "callee", ""));
	world_pass(w, 1000);
	world_rx(w, T1, world_answer(first->text, 180, ""));
	world_rx(w, T1, world_answer(world_expect(w, "CANCEL", T1)->text, 200, ""));
	world_pass(w, 31999);
	assert_int_equal(sb_core_usage(w->core)->transactions, 1);
	world_pass(w, 1);
	assert_int_equal(sb_core_usage(w->core)->transactions, 0);
	world_quiet(w);
	world_end(w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(accepted_call_lingers_as_a_record),
	        cmocka_unit_test(accepted_call_of_an_rfc_2543_client_stays),
	        cmocka_unit_test(record_serves_its_own_call_alone),
	        cmocka_unit_test(answer_that_crosses_the_cancel_goes_up),
	        cmocka_unit_test(late_2xx_is_forwarded_and_the_other_leg_cancelled),
	        cmocka_unit_test(late_2xx_is_relayed_again_for_its_own_time),
	        cmocka_unit_test(late_2xx_is_acked_and_byed_as_configured),
	        cmocka_unit_test(call_goes_when_its_last_leg_is_given_up),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

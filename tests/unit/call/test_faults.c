/* SPDX-License-Identifier: BSD-3-Clause */
/* test_faults.c - what the core does when buffers, texts or slots are wanting, when answers come late, twice or from
 * strangers, and which of it counts against a trunk. Each was wrong once. (R3261-16.7, R3261-16.10, R3261-17, R4320,
 * R6026, P2, P16, P21) */
#include "world.h"
#include "dataplane/call/txn.h"
#define T1 "192.0.2.1:5060"
#define T2 "192.0.2.2:5060"

static const struct world_sent *start_call(struct world *w, unsigned n)
{
	assert_int_equal(world_rx(w, world_caller, world_invite(n)), SB_C_end_forwarded);
	world_expect(w, "SIP/2.0 100 ", world_caller);
	return world_expect(w, "INVITE sip:+442079460000@example.com SIP/2.0", T1);
}

static unsigned sent_of(struct world *w, unsigned from, const char *start, const char *to)
{
	unsigned n = 0;
	char got[SB_ADDR_TEXT_MAX];
	for (unsigned i = from; i < w->n_sent; i++) {
		sb_addr_format(&w->sent[i].to, got);
		n += strncmp(w->sent[i].text, start, strlen(start)) == 0 && (!to || !strcmp(got, to));
	}
	return n;
}

/* Takes every chunk of the text store. */
static void fill_store(struct world *w)
{
	static char text[65000];
	static const uint32_t sizes[] = {65000, 32000, 16000, 8000, 4000, 2000, 1500, 1000, 700, 500, 300};
	for (unsigned i = 0; i < sizeof sizes / sizeof *sizes; i++)
		while (sb_store_put(&w->core->store, text, sizes[i]).at)
			;
}

static void check_end(struct world *w)
{
	world_pass(w, 1000000);
	assert_int_equal(sb_core_usage(w->core)->transactions, 0);
	assert_int_equal(sb_core_usage(w->core)->text_bytes, 0);
	for (unsigned t = 0; t < WORLD_TRUNKS; t++)
		assert_int_equal(w->stats[t].active, 0);
}

static enum sb_counter icmp(struct world *w, const struct world_sent *inv)
{
	enum sb_counter e = sb_core_icmp(w->core, &inv->to, inv->text, strlen(inv->text), true, w->now_us).counter;
	world_mail(w);
	return e;
}

/* 200 arrives while no buffer is free (or unsendable up), trunk does not repeat: slot for ever, no final */
static void unsent_2xx_strands_no_transaction(void **state)
{
	(void)state;
	struct world *w = world_new(2);
	const struct world_sent *inv = start_call(w, 1);
	const char *ok = world_answer(inv->text, 200, "");
	w->refuse_buffers = 1;
	world_rx(w, T1, ok);
	w->refuse_buffers = 0;
	world_pass(w, 1000000);
	assert_true(sent_of(w, 0, "SIP/2.0 2", world_caller) + sent_of(w, 0, "SIP/2.0 4", world_caller) +
	                            sent_of(w, 0, "SIP/2.0 5", world_caller) >
	                    0 ||
	            0 == sb_core_usage(w->core)->transactions);
	world_free(w);
}

static void unroutable_caller_strands_no_transaction(void **state)
{
	(void)state;
	struct world *w = world_new(2);
	const struct world_sent *inv = start_call(w, 1);
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
	const struct world_sent *inv = start_call(w, 1);
	const char *ok = world_answer(inv->text, 200, "");
	w->refuse_buffers = 1;
	world_rx(w, T1, ok);
	world_rx(w, world_caller, world_request("CANCEL", 1, "", ""));
	check_end(w);
	world_free(w);
}

/* own final could not be allocated: the old 180 is resent as if it were the final */
static void no_provisional_is_resent_for_a_final(void **state)
{
	(void)state;
	struct world *w = world_new(1);
	const struct world_sent *inv = start_call(w, 1);
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
	assert_int_equal(sent_of(w, from, "SIP/2.0 180", world_caller), 0);
	assert_true(sent_of(w, from, "SIP/2.0 487", world_caller) > 0);
	world_free(w);
}

/* Timer C on a ringing leg counts as failed trunk */
static void unanswered_phone_is_no_fault_of_the_trunk(void **state)
{
	(void)state;
	struct world *w = world_new(1);
	const struct world_sent *inv = start_call(w, 1);
	world_rx(w, T1, world_answer(inv->text, 180, ""));
	world_pass(w, 191000);
	assert_int_equal(world_told(w, SB_MAIL_EVIDENCE, SB_EV_TIMEOUT), 0);
	world_free(w);
}

/* RFC 6026 7.1: ACK to an accepted INVITE with the INVITE's branch must pass */
static void ack_of_a_2xx_passes_whatever_its_branch(void **state)
{
	(void)state;
	struct world *w = world_new(1);
	const struct world_sent *inv = start_call(w, 1);
	char rr[300], route[400];
	world_rx(w, T1, world_answer(inv->text, 200, "Contact: <sip:b@192.0.2.1:5060>\r\n"));
	const struct world_sent *ok = world_expect(w, "SIP/2.0 200", world_caller);
	snprintf(rr, sizeof rr, "%s", world_header(ok->text, "Record-Route"));
	snprintf(route, sizeof route, "Route: %s\r\n", rr);
	char ack[2000];
	snprintf(ack, sizeof ack, "%s", world_request("ACK", 1, "callee", route));
	/* Request-URI: the callee's Contact */
	char msg[2000];
	snprintf(msg, sizeof msg, "ACK sip:b@192.0.2.1:5060%s", strstr(ack, " SIP/2.0"));
	assert_int_equal(world_rx(w, world_caller, msg), SB_C_end_forwarded);
	world_free(w);
}

/* repeated failing final to a non-INVITE is one piece of evidence */
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

/* text store full: finals are made up */
static void answer_goes_up_as_it_came_without_room_to_keep_it(void **state)
{
	(void)state;
	struct world *w = world_new(1);
	world_rx(w, world_caller, world_request("REGISTER", 1, "", ""));
	const struct world_sent *o = world_expect(w, "REGISTER", T1);
	fill_store(w);
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
	const struct world_sent *inv = start_call(w, 1);
	fill_store(w);
	world_rx(w, T1, world_answer(inv->text, 407, "Proxy-Authenticate: Digest realm=\"x\", nonce=\"y\"\r\n"));
	world_expect(w, "ACK", T1);
	const struct world_sent *f = world_expect(w, "SIP/2.0 407", world_caller);
	assert_non_null(strstr(f->text, "Proxy-Authenticate"));
	world_free(w);
}

/* no buffer for a moment: a non-INVITE's 200 is lost and its retransmissions are eaten */
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
	assert_int_equal(sent_of(w, 0, "SIP/2.0 200", world_caller), 1);
	world_free(w);
}

/* R4320 */
static void other_requests_never_get_408(void **state)
{
	(void)state;
	struct world *w = world_new(1);
	world_rx(w, world_caller, world_request("OPTIONS", 1, "", ""));
	const struct world_sent *o = world_expect(w, "OPTIONS", T1);
	world_rx(w, T1, world_answer(o->text, 408, ""));
	assert_int_equal(sent_of(w, 0, "SIP/2.0 408", world_caller), 0);
	world_free(w);
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
		no_buffer ? icmp(w, m) : world_rx(w, T1, world_answer(m->text, 408, ""));
		w->refuse_buffers = 0;
		world_pass(w, 32200);
		world_rx(w, world_caller, request);
		assert_int_equal(sent_of(w, 0, "MESSAGE", T1), 1);
		world_free(w);
	}
}

/* a candidate begun when nothing of the time is left */
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

/* full table: the unwanted 2xx is ACKed but its BYE never leaves */
static void unwanted_2xx_is_hung_up_at_a_full_table(void **state)
{
	(void)state;
	struct world *w = world_new(1);
	w->snap[0].late_2xx = SB_LATE_BYE;
	const struct world_sent *inv = start_call(w, 1);
	const char *ok = world_answer(inv->text, 200, "Contact: <sip:b@192.0.2.1:5060>\r\n");
	world_pass(w, 33000);
	for (unsigned i = 2; i < 18; i++)
		world_rx(w, world_caller, world_invite(i));
	assert_int_equal(sb_core_usage(w->core)->transactions, 16);
	unsigned from = w->n_sent;
	world_rx(w, T1, ok);
	assert_int_equal(sent_of(w, from, "ACK", T1), 1);
	world_rx(w, T1, ok);
	assert_true(sent_of(w, from, "BYE", T1) >= 1);
	world_free(w);
}

/* R3261-16.10: found by the simulator (overload, seed 14): its BYE found no slot, and the 2xx came again */
static void repeated_unwanted_2xx_is_not_forwarded_at_a_full_table(void **state)
{
	(void)state;
	struct world *w = world_new(2);
	w->snap[0].late_2xx = SB_LATE_BYE;
	const struct world_sent *inv = start_call(w, 1);
	const char *ok = world_answer(inv->text, 200, "Contact: <sip:b@192.0.2.1:5060>\r\n");
	world_pass(w, 3100);
	for (unsigned i = 2; i < 18; i++)
		world_rx(w, world_caller, world_invite(i));
	assert_int_equal(sb_core_usage(w->core)->transactions, 16);
	unsigned from = w->n_sent;
	for (unsigned i = 0; i < 3; i++)
		world_rx(w, T1, ok);
	assert_int_equal(sent_of(w, from, "BYE", T1), 3);
	assert_int_equal(sent_of(w, from, "SIP/2.0 200", world_caller), 0);
	world_free(w);
}

static void unwanted_2xx_is_hung_up_once_there_is_a_buffer(void **state)
{
	(void)state;
	struct world *w = world_new(1);
	const struct world_sent *inv = start_call(w, 1);
	const char *ok = world_answer(inv->text, 200, "Contact: <sip:b@192.0.2.1:5060>\r\n");
	world_pass(w, 33000);
	unsigned from = w->n_sent;
	w->refuse_buffers = -1;
	world_rx(w, T1, ok);
	w->refuse_buffers = 0;
	for (int i = 0; i < 5; i++)
		world_rx(w, T1, ok);
	assert_true(sent_of(w, from, "BYE", T1) >= 1);
	world_free(w);
}

/* no buffer is not the trunk's fault */
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
	start_call(w, 1);
	w->refuse_buffers = 1;
	world_pass(w, 200);
	w->refuse_buffers = 0;
	assert_int_equal(world_told(w, SB_MAIL_EVIDENCE, SB_EV_SEND), 0);
	assert_int_equal(sent_of(w, 0, "INVITE", T2), 0);
	world_free(w);
}

/* 16.10: a leg given up for ICMP that rings after all is CANCELled */
static void leg_given_up_for_icmp_that_rings_is_cancelled(void **state)
{
	(void)state;
	struct world *w = world_new(2);
	const struct world_sent *inv = start_call(w, 1);
	world_pass(w, 200); /* a second send of it is what the ICMP is about */
	world_expect(w, "INVITE", T1);
	icmp(w, inv);
	world_expect(w, "INVITE", T2);
	world_rx(w, T1, world_answer(inv->text, 180, ""));
	world_expect(w, "CANCEL", T1);
	world_free(w);
}

/* ICMP evidence once a leg, and only while it matters */
static void icmp_is_evidence_once_a_leg(void **state)
{
	(void)state;
	struct world *w = world_new(2);
	const struct world_sent *inv = start_call(w, 1);
	for (int i = 0; i < 20; i++)
		icmp(w, inv);
	assert_int_equal(world_told(w, SB_MAIL_EVIDENCE, SB_EV_ICMP), 1);
	world_free(w);
}

static void icmp_about_another_address_is_stray(void **state)
{
	(void)state;
	struct world *w = world_new(2);
	const struct world_sent *inv = start_call(w, 1);
	struct sb_addr to;
	sb_addr_parse("203.0.113.5:5060", 5060, &to);
	sb_core_icmp(w->core, &to, inv->text, strlen(inv->text), true, w->now_us);
	world_mail(w);
	assert_int_equal(world_told(w, SB_MAIL_EVIDENCE, SB_EV_ICMP), 0);
	world_free(w);
}

static void icmp_after_a_final_is_no_evidence(void **state)
{
	(void)state;
	struct world *w = world_new(2);
	const struct world_sent *inv = start_call(w, 1);
	world_rx(w, T1, world_answer(inv->text, 486, ""));
	icmp(w, world_expect(w, "ACK", T1));
	assert_int_equal(world_told(w, SB_MAIL_EVIDENCE, SB_EV_ICMP), 0);
	world_free(w);
}

/* late 503 of a given up leg / of a cancelled call is not a sign of life */
static void late_503_is_no_sign_of_life(void **state)
{
	(void)state;
	struct world *w = world_new(2);
	const struct world_sent *inv = start_call(w, 1);
	world_pass(w, 3000);
	world_rx(w, T1, world_answer(inv->text, 503, ""));
	assert_int_equal(w->stats[0].alive, 0);
	world_free(w);
}

static void refusal_of_a_cancelled_call_is_no_sign_of_life(void **state)
{
	(void)state;
	struct world *w = world_new(2);
	const struct world_sent *inv = start_call(w, 1);
	world_rx(w, world_caller, world_request("CANCEL", 1, "", ""));
	world_rx(w, T1, world_answer(inv->text, 503, "Retry-After: 30\r\n"));
	assert_int_equal(w->stats[0].alive, 0);
	world_free(w);
}

/* 100s do not restart Timer C (16.7 step 2) */
static void repeated_100_does_not_restart_timer_c(void **state)
{
	(void)state;
	struct world *w = world_new(1);
	const struct world_sent *inv = start_call(w, 1);
	const char *try = world_answer(inv->text, 100, "");
	for (int i = 0; i < 30; i++) {
		world_rx(w, T1, try);
		world_pass(w, 30000);
	}
	assert_true(sent_of(w, 0, "SIP/2.0 4", world_caller) > 0);
	world_free(w);
}

/* anyone's 503 */
static void strangers_response_is_no_evidence(void **state)
{
	(void)state;
	struct world *w = world_new(2);
	const struct world_sent *inv = start_call(w, 1);
	world_rx(w, "203.0.113.66:9", world_answer(inv->text, 503, "Retry-After: 86400\r\n"));
	assert_int_equal(world_told(w, SB_MAIL_EVIDENCE, SB_EV_CODE), 0);
	world_free(w);
}

/* signed Route on an initial INVITE of a stranger */
static void signed_route_begins_no_new_dialog(void **state)
{
	(void)state;
	struct world *w = world_new(1);
	const struct world_sent *inv = start_call(w, 1);
	char rr[300], route[400], msg[3000];
	snprintf(rr, sizeof rr, "%s", world_header(inv->text, "Record-Route"));
	snprintf(route, sizeof route, "Route: %s\r\n", rr);
	snprintf(msg, sizeof msg, "INVITE sip:+19005551234@192.0.2.3%s",
	        strstr(world_request("INVITE", 1, "", route), " SIP/2.0"));
	char *b = strstr(msg, "z9hG4bKc1");
	b[8] = 'x';
	assert_int_equal(world_rx(w, "203.0.113.66:5060", msg), SB_C_end_replied);
	world_free(w);
}

/* no Via left */
static void response_without_a_via_above_is_dropped(void **state)
{
	(void)state;
	struct world *w = world_new(1);
	const struct world_sent *inv = start_call(w, 1);
	char msg[4096];
	snprintf(msg, sizeof msg, "%s", world_answer(inv->text, 180, ""));
	char *v = strstr(strstr(msg, "Via:") + 4, "Via:"), *e = strstr(v, "\r\n") + 2;
	memmove(v, e, strlen(e) + 1);
	enum sb_counter c = world_rx(w, T1, msg);
	assert_int_not_equal(c, SB_C_end_forwarded);
	world_free(w);
}

/* best over the whole hunt */
static void best_final_of_the_whole_hunt_goes_up(void **state)
{
	(void)state;
	struct world *w = world_new(2);
	sb_code_add(&w->trunks[0][0].failover_on, 480);
	memset(&w->trunks[0][1].failover_on, 0, sizeof w->trunks[0][1].failover_on);
	sb_code_add(&w->trunks[0][1].failover_on, 503);
	const struct world_sent *inv = start_call(w, 1);
	world_rx(w, T1, world_answer(inv->text, 480, ""));
	world_expect(w, "ACK", T1);
	const struct world_sent *i2 = world_expect(w, "INVITE", T2);
	world_rx(w, T2, world_answer(i2->text, 500, ""));
	world_expect(w, "ACK", T2);
	world_expect(w, "SIP/2.0 480", world_caller);
	world_free(w);
}

/* CANCEL response before any CANCEL stops the INVITE's retransmissions */
static void answer_to_no_cancel_stops_nothing(void **state)
{
	(void)state;
	struct world *w = world_new(2);
	const struct world_sent *inv = start_call(w, 1);
	char msg[4096];
	snprintf(msg, sizeof msg, "%s", world_answer(inv->text, 200, ""));
	char *cs = strstr(msg, "CSeq: 1 INVITE");
	memcpy(cs + 8, "CANCEL", 6);
	world_rx(w, T1, msg);
	world_pass(w, 2900);
	assert_int_equal(sent_of(w, 0, "INVITE", T1), 4);
	world_free(w);
}

/* the first 2xx with a full store etc.: provisional not kept is resent as our own with another tag */
static void provisional_not_kept_is_not_made_up(void **state)
{
	(void)state;
	struct world *w = world_new(1);
	const struct world_sent *inv = start_call(w, 1);
	fill_store(w);
	world_rx(w, T1, world_answer(inv->text, 183, ""));
	world_expect(w, "SIP/2.0 183", world_caller);
	world_rx(w, world_caller, world_invite(1));
	const struct world_sent *s = world_expect(w, "SIP/2.0 1", world_caller);
	assert_true(strstr(s->text, "tag=callee") || strncmp(s->text, "SIP/2.0 100", 11) == 0);
	world_free(w);
}

/* retransmitted 2xx extends the transaction for ever, and Timer G with it */
static void repeated_unwanted_2xx_keeps_nothing_alive(void **state)
{
	(void)state;
	struct world *w = world_new(1);
	const struct world_sent *inv = start_call(w, 1);
	const char *ok = world_answer(inv->text, 200, "Contact: <sip:b@192.0.2.1:5060>\r\n");
	world_pass(w, 32100);
	for (int i = 0; i < 40; i++) {
		world_rx(w, T1, ok);
		world_pass(w, 4000);
	}
	assert_int_equal(sb_core_usage(w->core)->transactions, 0);
	world_free(w);
}

/* retransmissions of the INVITE are answered to t->up although Timer H has ended -- and: a caller that never ACKs */
static void final_is_not_resent_beyond_timer_h(void **state)
{
	(void)state;
	struct world *w = world_new(2);
	w->snap[0].timer_c_ms = 190000;
	const struct world_sent *inv = start_call(w, 1);
	world_rx(w, T1, world_answer(inv->text, 486, ""));
	uint64_t t0 = w->now_us / 1000, last = t0;
	world_pass(w, 200000);
	for (unsigned i = 0; i < w->n_sent; i++)
		if (!strncmp(w->sent[i].text, "SIP/2.0 486", 11))
			last = w->sent[i].at_ms;
	assert_true(last - t0 < 32000);
	check_end(w);
	world_free(w);
}

/* late final for other leg after completed, evidence TIMEOUT + CODE both for one leg (non-INVITE) */
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

/* 2xx on a cancelled leg that already sent 487? ICMP for CANCEL on ringing leg */
static void icmp_on_cancel_ends_the_call(void **state)
{
	(void)state;
	struct world *w = world_new(2);
	const struct world_sent *inv = start_call(w, 1);
	world_rx(w, T1, world_answer(inv->text, 180, ""));
	world_rx(w, world_caller, world_request("CANCEL", 1, "", ""));
	world_pass(w, 31000);
	unsigned n = 0;
	for (unsigned i = 0; i < w->n_sent; i++)
		if (!strncmp(w->sent[i].text, "CANCEL", 6)) {
			icmp(w, &w->sent[i]);
			n++;
		}
	assert_int_equal(world_told(w, SB_MAIL_EVIDENCE, SB_EV_ICMP), 1);
	world_free(w);
}

/* a virtual 408 outranks a real 500 of a non-INVITE, and then nothing is sent at all */
static void answer_outranks_silence_for_other_requests(void **state)
{
	(void)state;
	struct world *w = world_new(2);
	world_rx(w, world_caller, world_request("OPTIONS", 1, "", ""));
	world_expect(w, "OPTIONS", T1);
	world_pass(w, 3001);
	const struct world_sent *o = &w->sent[w->n_sent - 1];
	assert_int_equal(world_rx(w, T2, world_answer(o->text, 500, "")), SB_C_end_forwarded);
	assert_int_equal(sent_of(w, 0, "SIP/2.0 500", world_caller), 1);
	world_free(w);
}

static void foreign_worker_drops_an_icmp_that_is_not_its(void **state)
{
	(void)state;
	/* ICMP for a leg of worker 1 given to worker 0 */
	struct world *w = world_new(2);
	struct world *v = world_new(2);
	free(v->cfg.memory);
	v->cfg.worker = 1;
	v->cfg.n_workers = 2;
	v->cfg.memory = calloc(1, sb_core_memory(&v->cfg));
	v->core = sb_core_init(&v->cfg);
	sb_core_snapshot(v->core, &v->snap[0]);
	const struct world_sent *inv = start_call(v, 1);
	assert_int_equal(icmp(w, inv), SB_C_drop_stray_icmp);
	world_free(v);
	world_free(w);
}

/* quoted ICMP of 8 bytes beyond UDP */
static void branch_in_the_uri_hides_not_ours(void **state)
{
	(void)state;
	struct world *w = world_new(2);
	char m[3000];
	snprintf(m, sizeof m, "INVITE sip:z9hG4bK@example.com%s", strstr(world_invite(1), " SIP/2.0"));
	world_rx(w, world_caller, m);
	world_next(w);
	const struct world_sent *inv = world_expect(w, "INVITE", T1);
	assert_int_equal(icmp(w, inv), SB_C_end_consumed);
	world_free(w);
}

/* caller's ACK for a 2xx with the same branch when the slot is still there (two tries) */
static void stateless_response_goes_only_where_its_request_came_from(void **state)
{
	(void)state;
	/* stateless response reflected to anybody */
	struct world *w = world_new(1);
	const struct world_sent *inv = start_call(w, 1);
	char route[400], msg[3000];
	snprintf(route, sizeof route, "Route: %s\r\n", world_header(inv->text, "Record-Route"));
	snprintf(msg, sizeof msg, "BYE sip:b@192.0.2.1:5060%s",
	        strstr(world_request("BYE", 1, "callee", route), " SIP/2.0"));
	world_rx(w, world_caller, msg);
	const struct world_sent *bye = world_expect(w, "BYE", T1);
	char r[4096];
	snprintf(r, sizeof r, "%s", world_answer(bye->text, 200, ""));
	char *v = strstr(r, "192.0.2.99:5070;branch");
	memcpy(v, "203.0.113.7:11", 14);
	char *rc = strstr(r, ";received");
	if (rc)
		memcpy(rc, ";xeceived", 9);
	char *rp = strstr(r, ";rport");
	if (rp)
		memcpy(rp, ";xport", 6);
	enum sb_counter e = world_rx(w, "203.0.113.66:9", r);
	assert_int_not_equal(e, SB_C_end_forwarded);
	world_free(w);
}

/* two different 2xx (downstream fork) on an unwanted leg: each dialog needs its own BYE */
static void each_dialog_of_an_unwanted_fork_is_hung_up(void **state)
{
	(void)state;
	struct world *w = world_new(1);
	const struct world_sent *inv = start_call(w, 1);
	world_pass(w, 33000);
	unsigned from = w->n_sent;
	char a[4096], b[4096];
	snprintf(a, sizeof a, "%s", world_answer(inv->text, 200, "Contact: <sip:b@192.0.2.1:5060>\r\n"));
	snprintf(b, sizeof b, "%s", a);
	memcpy(strstr(b, "tag=callee"), "tag=other1", 10);
	world_rx(w, T1, a);
	world_rx(w, T1, b);
	assert_int_equal(sent_of(w, from, "BYE", T1), 2);
	world_free(w);
}

/* 38 (HEAD e7250e1): nothing ever left for the trunk, yet it is blamed for its silence */
static void request_that_never_left_blames_no_trunk(void **state)
{
	(void)state;
	struct world *w = world_new(2);
	w->refuse_buffers = -1;
	world_rx(w, world_caller, world_invite(1));
	world_pass(w, 2000);
	w->refuse_buffers = 0;
	world_pass(w, 1000);
	assert_int_equal(sent_of(w, 0, "INVITE", T1), 0);
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
int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(unsent_2xx_strands_no_transaction),
	        cmocka_unit_test(unroutable_caller_strands_no_transaction),
	        cmocka_unit_test(call_whose_2xx_could_not_leave_can_be_cancelled),
	        cmocka_unit_test(no_provisional_is_resent_for_a_final),
	        cmocka_unit_test(unanswered_phone_is_no_fault_of_the_trunk),
	        cmocka_unit_test(ack_of_a_2xx_passes_whatever_its_branch),
	        cmocka_unit_test(repeated_refusal_is_one_piece_of_evidence),
	        cmocka_unit_test(answer_goes_up_as_it_came_without_room_to_keep_it),
	        cmocka_unit_test(challenge_goes_up_as_it_came_without_room_to_keep_it),
	        cmocka_unit_test(answer_lost_for_want_of_a_buffer_is_taken_again),
	        cmocka_unit_test(other_requests_never_get_408),
	        cmocka_unit_test(slow_last_copy_of_an_unanswered_request_is_absorbed),
	        cmocka_unit_test(no_candidate_is_blamed_for_time_it_never_had),
	        cmocka_unit_test(no_candidate_is_begun_without_time_left),
	        cmocka_unit_test(unwanted_2xx_is_hung_up_at_a_full_table),
	        cmocka_unit_test(repeated_unwanted_2xx_is_not_forwarded_at_a_full_table),
	        cmocka_unit_test(unwanted_2xx_is_hung_up_once_there_is_a_buffer),
	        cmocka_unit_test(want_of_buffers_blames_no_trunk),
	        cmocka_unit_test(retransmission_without_a_buffer_blames_no_trunk),
	        cmocka_unit_test(leg_given_up_for_icmp_that_rings_is_cancelled),
	        cmocka_unit_test(icmp_is_evidence_once_a_leg),
	        cmocka_unit_test(icmp_about_another_address_is_stray),
	        cmocka_unit_test(icmp_after_a_final_is_no_evidence),
	        cmocka_unit_test(late_503_is_no_sign_of_life),
	        cmocka_unit_test(refusal_of_a_cancelled_call_is_no_sign_of_life),
	        cmocka_unit_test(repeated_100_does_not_restart_timer_c),
	        cmocka_unit_test(strangers_response_is_no_evidence),
	        cmocka_unit_test(signed_route_begins_no_new_dialog),
	        cmocka_unit_test(response_without_a_via_above_is_dropped),
	        cmocka_unit_test(best_final_of_the_whole_hunt_goes_up),
	        cmocka_unit_test(answer_to_no_cancel_stops_nothing),
	        cmocka_unit_test(provisional_not_kept_is_not_made_up),
	        cmocka_unit_test(repeated_unwanted_2xx_keeps_nothing_alive),
	        cmocka_unit_test(final_is_not_resent_beyond_timer_h),
	        cmocka_unit_test(silence_then_503_is_one_piece_of_evidence),
	        cmocka_unit_test(icmp_on_cancel_ends_the_call),
	        cmocka_unit_test(answer_outranks_silence_for_other_requests),
	        cmocka_unit_test(foreign_worker_drops_an_icmp_that_is_not_its),
	        cmocka_unit_test(branch_in_the_uri_hides_not_ours),
	        cmocka_unit_test(stateless_response_goes_only_where_its_request_came_from),
	        cmocka_unit_test(each_dialog_of_an_unwanted_fork_is_hung_up),
	        cmocka_unit_test(request_that_never_left_blames_no_trunk),
	        cmocka_unit_test(single_send_that_never_left_blames_no_trunk),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

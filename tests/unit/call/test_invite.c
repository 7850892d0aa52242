/* SPDX-License-Identifier: BSD-3-Clause */
/* INVITE transactions against a world moved by hand. */
#include "world.h"

/* R3261-16.6, R3261-16.7, R3581 */
static void plain_call_is_relayed_both_ways(void **state)
{
	(void)state;
	struct world *w = world_new(2);
	const struct world_sent *inv = world_call(w, 1);
	assert_int_equal(world_count_header(inv->text, "Via"), 2);
	assert_non_null(strstr(inv->text, "SIP/2.0/UDP 192.0.2.10:5060;branch=z9hG4bK"));
	assert_non_null(strstr(inv->text, "received=192.0.2.99"));
	assert_non_null(strstr(inv->text, "rport=5070"));
	assert_string_equal(world_header(inv->text, "Max-Forwards"), "69");
	assert_int_equal(world_count_header(inv->text, "Record-Route"), 1);
	assert_non_null(strstr(world_header(inv->text, "Record-Route"), "<sip:192.0.2.10:5060;lr;sb="));

	assert_int_equal(world_rx(w, T1, world_answer(inv->text, 100, "")), SB_C_end_consumed);
	world_quiet(w);
	assert_int_equal(world_rx(w, T1, world_answer(inv->text, 180, "")), SB_C_end_forwarded);
	assert_int_equal(world_count_header(world_expect(w, "SIP/2.0 180", world_caller)->text, "Via"), 1);
	assert_int_equal(world_rx(w, T1, world_answer(inv->text, 200, "")), SB_C_end_forwarded);
	world_expect(w, "SIP/2.0 200", world_caller);
	assert_int_equal(sb_core_usage(w->core)->transactions, 0);
	assert_int_equal(sb_core_usage(w->core)->lingering, 1);
	assert_int_equal(w->stats[0].answered, 1);
	world_end(w);
}

/* S4.1, S4.2, S2.1: sends at 0, a, 3a, 7a, next trunk at 15a */
static void silent_trunk_is_given_up_at_the_formula(void **state)
{
	(void)state;
	struct world *w = world_new(2);
	uint64_t t0 = w->now_us / 1000;
	world_call(w, 1);
	world_pass(w, 2999);
	assert_int_equal(world_expect(w, "INVITE", T1)->at_ms - t0, 200);
	assert_int_equal(world_expect(w, "INVITE", T1)->at_ms - t0, 600);
	assert_int_equal(world_expect(w, "INVITE", T1)->at_ms - t0, 1400);
	world_quiet(w);
	world_pass(w, 1);
	assert_int_equal(world_expect(w, "INVITE", T2)->at_ms - t0, 3000);
	assert_int_equal(world_told(w, SB_MAIL_EVIDENCE, SB_EV_TIMEOUT), 1);
	assert_int_equal(world_told(w, SB_MAIL_EVENT, SB_EVENT_FAILOVER), 1);
	world_end(w);
}

/* S4.1 with the defaults: seven sends, next trunk at 63.5 s */
static void default_formula_is_seven_sends_in_63_5_s(void **state)
{
	(void)state;
	static const uint64_t at[] = {500, 1500, 3500, 7500, 15500, 31500};
	struct world *w = world_new(2);
	w->trunks[0][0].trying_timer_ms = 500;
	w->trunks[0][0].sends = 7;
	uint64_t t0 = w->now_us / 1000;
	world_call(w, 1);
	world_pass(w, 63499);
	for (unsigned i = 0; i < 6; i++)
		assert_int_equal(world_expect(w, "INVITE", T1)->at_ms - t0, at[i]);
	world_quiet(w);
	world_pass(w, 1);
	world_expect(w, "INVITE", T2);
	world_end(w);
}

/* S2.2, S4.4: a trunk that comes back while the last candidate has its 64*T1 is tried, but the caller waits no longer
 * than its candidates' formulas and one 64*T1: here 3 + 3 + 32 s */
static void caller_waits_for_one_64_t1_only(void **state)
{
	(void)state;
	struct world *w = world_new(3);
	uint64_t t0 = w->now_us / 1000;
	world_call(w, 1);
	world_health(w, 1, SB_DOWN, SB_ENABLED, 0);
	world_health(w, 2, SB_DOWN, SB_ENABLED, 0);
	world_pass(w, 20000);
	world_health(w, 1, SB_UP, SB_ENABLED, SB_SHARE_FULL);
	world_health(w, 2, SB_UP, SB_ENABLED, SB_SHARE_FULL);
	world_pass(w, 11999);
	w->seen = w->n_sent;
	world_pass(w, 1);
	assert_int_equal(world_expect(w, "INVITE", T2)->at_ms - t0, 32000);
	world_pass(w, 2999);
	w->seen = w->n_sent;
	world_pass(w, 1);
	assert_int_equal(world_expect(w, "INVITE", "192.0.2.3:5060")->at_ms - t0, 35000);
	world_pass(w, 2999);
	w->seen = w->n_sent;
	world_pass(w, 1);
	assert_int_equal(world_expect(w, "SIP/2.0 408", world_caller)->at_ms - t0, 38000);
	world_end(w);
}

/* S2.1: a trunk that has responded has had its own bound, Timer C: whoever comes after it has all of its time */
static void whoever_follows_a_trunk_that_rang_has_its_time(void **state)
{
	(void)state;
	struct world *w = world_new(2);
	const struct world_sent *inv = world_call(w, 1);
	world_health(w, 1, SB_DOWN, SB_ENABLED, 0);
	world_pass(w, 31000);
	world_rx(w, T1, world_answer(inv->text, 100, ""));
	world_health(w, 1, SB_UP, SB_ENABLED, SB_SHARE_FULL);
	world_pass(w, 60000);
	w->seen = w->n_sent;
	world_rx(w, T1, world_answer(inv->text, 503, ""));
	world_expect(w, "ACK", T1);
	world_expect(w, "INVITE", T2);
	world_pass(w, 31999);
	while (w->seen < w->n_sent)
		world_expect(w, "INVITE", T2);
	world_pass(w, 1);
	world_expect(w, "SIP/2.0 408", world_caller);
	world_end(w);
}

/* S2.2: the last candidate has 64*T1, then 408 goes up and is resent until its ACK (Timer G) */
static void last_trunk_gets_64_t1_then_408(void **state)
{
	(void)state;
	struct world *w = world_new(1);
	uint64_t t0 = w->now_us / 1000;
	world_call(w, 1);
	world_pass(w, 31999);
	while (w->seen < w->n_sent)
		world_expect(w, "INVITE", T1);
	world_pass(w, 1);
	assert_int_equal(world_expect(w, "SIP/2.0 408", world_caller)->at_ms - t0, 32000);
	assert_int_equal(world_told(w, SB_MAIL_EVENT, SB_EVENT_EXHAUSTED), 1);
	world_pass(w, 500);
	const struct world_sent *again = world_expect(w, "SIP/2.0 408", world_caller);
	const char *ack = world_request("ACK", 1, "x", "");
	assert_int_equal(world_rx(w, world_caller, ack), SB_C_end_consumed);
	world_pass(w, 10000);
	world_quiet(w);
	assert_non_null(again);
	world_end(w);
}

/* P14, R3263, S2.1, P12 */
static void a_503_is_acked_and_the_next_trunk_tried(void **state)
{
	(void)state;
	struct world *w = world_new(2);
	const struct world_sent *inv = world_call(w, 1);
	char branch1[200], *via = strcpy(branch1, world_header(inv->text, "Via"));
	const char *busy = world_answer(inv->text, 503, "Retry-After: 7\r\n");
	assert_int_equal(world_rx(w, T1, busy), SB_C_end_consumed);
	const struct world_sent *ack = world_expect(w, "ACK sip:+442079460000@example.com SIP/2.0", T1);
	assert_string_equal(world_header(ack->text, "Via"), via);
	assert_non_null(strstr(world_header(ack->text, "To"), "tag=callee"));
	assert_string_equal(world_header(ack->text, "CSeq"), "1 ACK");
	inv = world_expect(w, "INVITE", T2);
	assert_string_not_equal(world_header(inv->text, "Via"), via);
	assert_int_equal(world_rx(w, T1, busy), SB_C_end_consumed);
	world_expect(w, "ACK", T1); /* a retransmitted final is ACKed again */
	assert_int_equal(world_told(w, SB_MAIL_EVIDENCE, SB_EV_CODE), 1);
	assert_int_equal(w->told[0].evidence.retry_after_s, 7);
	world_rx(w, T2, world_answer(inv->text, 200, ""));
	world_expect(w, "SIP/2.0 200", world_caller);
	world_end(w);
}

/* R3261-16.7: a lone 503 goes up as 500 */
static void a_lone_503_goes_up_as_500(void **state)
{
	(void)state;
	struct world *w = world_new(1);
	const struct world_sent *inv = world_call(w, 1);
	world_rx(w, T1, world_answer(inv->text, 503, ""));
	world_expect(w, "ACK", T1);
	const struct world_sent *up = world_expect(w, "SIP/2.0 500", world_caller);
	assert_int_equal(world_count_header(up->text, "Via"), 1);
	world_end(w);
}

/* R3261-16.7: codes not in failover_on and 6xx end the hunt */
static void a_busy_callee_ends_the_hunt(void **state)
{
	(void)state;
	static const unsigned codes[] = {486, 404, 302, 603};
	for (unsigned i = 0; i < 4; i++) {
		struct world *w = world_new(2);
		char start[16];
		const struct world_sent *inv = world_call(w, 1);
		assert_int_equal(world_rx(w, T1, world_answer(inv->text, codes[i], "")), SB_C_end_forwarded);
		world_expect(w, "ACK", T1);
		snprintf(start, sizeof start, "SIP/2.0 %u", codes[i]);
		world_expect(w, start, world_caller);
		world_quiet(w);
		assert_int_equal(w->stats[0].alive, 1);
		world_end(w);
	}
}

/* R3261-16.7: of several finals the best goes up */
static void best_final_goes_up(void **state)
{
	(void)state;
	struct world *w = world_new(3);
	const struct world_sent *inv = world_call(w, 1);
	world_rx(w, T1, world_answer(inv->text, 503, ""));
	world_expect(w, "ACK", T1);
	inv = world_expect(w, "INVITE", T2);
	world_rx(w, T2, world_answer(inv->text, 504, ""));
	world_expect(w, "ACK", T2);
	inv = world_expect(w, "INVITE", T3);
	world_rx(w, T3, world_answer(inv->text, 503, ""));
	world_expect(w, "ACK", T3);
	world_expect(w, "SIP/2.0 504", world_caller);
	world_end(w);
}

/* P1, S2.3 */
static void icmp_unreachable_moves_on_at_once(void **state)
{
	(void)state;
	struct world *w = world_new(2);
	const struct world_sent *inv = world_call(w, 1);
	assert_int_equal(world_icmp(w, T1, inv->text), SB_C_end_consumed);
	world_expect(w, "INVITE", T2);
	assert_int_equal(world_told(w, SB_MAIL_EVIDENCE, SB_EV_ICMP), 1);
	assert_int_equal(world_icmp(w, T1, inv->text), SB_C_end_consumed); /* the same again changes nothing */
	world_quiet(w);
	world_end(w);
}

static void forged_icmp_and_responses_are_dropped(void **state)
{
	(void)state;
	struct world *w = world_new(2);
	const struct world_sent *inv = world_call(w, 1);
	char text[8192];
	strcpy(text, inv->text);
	char *cookie = strstr(text, "z9hG4bK") + 10;
	*cookie = *cookie == '0' ? '1' : '0';
	assert_int_equal(world_icmp(w, T1, text), SB_C_drop_forged_cookie);
	assert_int_equal(
	        world_icmp(w, T1, "INVITE sip:x SIP/2.0\r\nVia: SIP/2.0/UDP 1.2.3.4;branch=z9"), SB_C_drop_stray_icmp);
	assert_int_equal(world_rx(w, T1, world_answer(text, 503, "")), SB_C_drop_forged_cookie);
	world_quiet(w);
	world_end(w);
}

/* R3261-16.10, P16 */
static void cancel_waits_for_the_first_provisional(void **state)
{
	(void)state;
	struct world *w = world_new(2);
	const struct world_sent *inv = world_call(w, 1);
	assert_int_equal(world_rx(w, world_caller, world_request("CANCEL", 1, "", "")), SB_C_end_replied);
	assert_non_null(strstr(world_header(world_expect(w, "SIP/2.0 200", world_caller)->text, "CSeq"), "CANCEL"));
	world_quiet(w);
	world_rx(w, T1, world_answer(inv->text, 100, ""));
	const struct world_sent *cancel = world_expect(w, "CANCEL sip:+442079460000@example.com SIP/2.0", T1);
	assert_string_equal(world_header(cancel->text, "Via"), world_header(inv->text, "Via"));
	assert_int_equal(world_count_header(cancel->text, "Via"), 1);
	assert_int_equal(world_rx(w, T1, world_answer(cancel->text, 200, "")), SB_C_end_consumed);
	assert_int_equal(world_rx(w, T1, world_answer(inv->text, 487, "")), SB_C_end_forwarded);
	world_expect(w, "ACK", T1);
	world_expect(w, "SIP/2.0 487", world_caller);
	world_pass(w, 499);
	world_quiet(w);
	assert_int_equal(w->counters.v[SB_C_calls_cancelled], 1);
	world_end(w);
}

/* R3261-16.10: CANCEL is retransmitted until answered; a silent leg ends the call as 487, and nobody else is tried */
static void cancelled_call_never_tries_another_trunk(void **state)
{
	(void)state;
	struct world *w = world_new(2);
	const struct world_sent *inv = world_call(w, 1);
	world_rx(w, T1, world_answer(inv->text, 180, ""));
	world_expect(w, "SIP/2.0 180", world_caller);
	world_rx(w, world_caller, world_request("CANCEL", 1, "", ""));
	world_expect(w, "SIP/2.0 200", world_caller);
	world_expect(w, "CANCEL", T1);
	world_pass(w, 500);
	world_expect(w, "CANCEL", T1);
	world_pass(w, 31499);
	while (w->seen < w->n_sent)
		world_expect(w, "CANCEL", T1);
	world_pass(w, 1);
	world_expect(w, "SIP/2.0 487", world_caller);

	world_call(w, 2);
	world_rx(w, world_caller, world_request("CANCEL", 2, "", ""));
	world_expect(w, "SIP/2.0 200", world_caller);
	world_pass(w, 3000);
	bool answered = false;
	while (w->seen < w->n_sent) {
		const struct world_sent *s = world_next(w);
		assert_null(strstr(s->text, "CANCEL"));
		assert_int_not_equal(s->to.ip[3], 2);
		answered |= strncmp(s->text, "SIP/2.0 487", 11) == 0 && strstr(s->text, "call2@");
	}
	assert_true(answered);
	world_end(w);
}

/* R3261-16.10: a leg given up that answers late with a provisional is CANCELled */
static void late_provisional_is_cancelled(void **state)
{
	(void)state;
	struct world *w = world_new(2);
	const struct world_sent *first = world_call(w, 1);
	world_pass(w, 3000);
	w->seen = w->n_sent;
	assert_int_equal(world_rx(w, T1, world_answer(first->text, 180, "")), SB_C_end_consumed);
	world_expect(w, "CANCEL", T1);
	world_quiet(w);
	world_end(w);
}

/* P19 */
static void no_failover_once_it_rang(void **state)
{
	(void)state;
	for (int allowed = 0; allowed < 2; allowed++) {
		struct world *w = world_new(2);
		w->trunks[0][0].failover_after_ringing = allowed;
		const struct world_sent *inv = world_call(w, 1);
		world_rx(w, T1, world_answer(inv->text, 180, ""));
		world_expect(w, "SIP/2.0 180", world_caller);
		world_rx(w, T1, world_answer(inv->text, 500, ""));
		world_expect(w, "ACK", T1);
		if (allowed)
			world_expect(w, "INVITE", T2);
		else
			world_expect(w, "SIP/2.0 500", world_caller);
		world_end(w);
	}
}

/* R3261-17 */
static void retransmitted_invite_is_absorbed(void **state)
{
	(void)state;
	struct world *w = world_new(2);
	const struct world_sent *inv = world_call(w, 1);
	assert_int_equal(world_rx(w, world_caller, world_invite(1)), SB_C_end_consumed);
	world_expect(w, "SIP/2.0 100", world_caller);
	world_quiet(w);
	world_rx(w, T1, world_answer(inv->text, 183, ""));
	world_expect(w, "SIP/2.0 183", world_caller);
	world_rx(w, world_caller, world_invite(1));
	world_expect(w, "SIP/2.0 183", world_caller);
	world_quiet(w);
	assert_int_equal(sb_core_usage(w->core)->transactions, 1);
	world_end(w);
}

/* Timer C, 16.8 */
static void ringing_for_ever_ends_with_timer_c(void **state)
{
	(void)state;
	struct world *w = world_new(2);
	const struct world_sent *inv = world_call(w, 1);
	world_rx(w, T1, world_answer(inv->text, 180, ""));
	world_expect(w, "SIP/2.0 180", world_caller);
	world_pass(w, 189999);
	world_quiet(w);
	world_pass(w, 1);
	world_expect(w, "CANCEL", T1);
	world_expect(w, "SIP/2.0 408", world_caller);
	world_end(w);
}

/* P6: health is looked at again at each hop; P22: and said */
static void trunk_that_died_meanwhile_is_skipped(void **state)
{
	(void)state;
	struct world *w = world_new(3);
	const struct world_sent *inv = world_call(w, 1);
	world_health(w, 1, SB_DOWN, SB_ENABLED, 0);
	world_rx(w, T1, world_answer(inv->text, 503, ""));
	world_expect(w, "ACK", T1);
	world_expect(w, "INVITE", T3);
	assert_int_equal(world_told(w, SB_MAIL_EVENT, SB_EVENT_SKIPPED), 1);
	world_end(w);
}

/* Give-up reason: the trunk goes DOWN while no provisional has come */
static void waiting_leg_moves_on_when_its_trunk_goes_down(void **state)
{
	(void)state;
	struct world *w = world_new(2);
	struct sb_mail down = {.op = SB_MAIL_TRUNK_DOWN, .trunk = 0};
	world_call(w, 1);
	world_call(w, 2);
	world_rx(w, T1, world_answer(w->sent[w->n_sent - 1].text, 100, ""));
	w->seen = w->n_sent;
	world_health(w, 0, SB_DOWN, SB_ENABLED, 0);
	sb_core_mail(w->core, &down, w->now_us);
	world_pass(w, 0);
	assert_non_null(strstr(world_expect(w, "INVITE", T2)->text, "call1@"));
	world_quiet(w); /* the second had a provisional */
	world_end(w);
}

/* At a full table new INVITEs get 503 and Retry-After, and what runs goes on */
static void full_table_sheds_new_calls_only(void **state)
{
	(void)state;
	struct world *w = world_new(2);
	const struct world_sent *first = world_call(w, 1);
	for (unsigned i = 2; i <= 16; i++)
		world_call(w, i);
	assert_int_equal(world_rx(w, world_caller, world_invite(17)), SB_C_end_replied);
	assert_string_equal(world_header(world_expect(w, "SIP/2.0 503", world_caller)->text, "Retry-After"), "5");
	assert_int_equal(w->counters.v[SB_C_shed_table_full], 1);
	assert_int_equal(world_rx(w, T1, world_answer(first->text, 200, "")), SB_C_end_forwarded);
	world_expect(w, "SIP/2.0 200", world_caller);
	world_call(w, 17);
	world_end(w);
}

/* S4.3: timers change for later INVITEs only */
static void call_in_flight_keeps_its_timers_over_a_reload(void **state)
{
	(void)state;
	struct world *w = world_new(2);
	uint64_t t0 = w->now_us / 1000;
	world_call(w, 1);
	w->trunks[1][0].trying_timer_ms = 50;
	w->trunks[1][0].sends = 1;
	sb_core_snapshot(w->core, &w->snap[1]);
	world_call(w, 2);
	assert_int_equal(w->snap[0].refs[0].n, 1);
	assert_int_equal(w->snap[1].refs[0].n, 1);
	world_pass(w, 50);
	assert_non_null(strstr(world_expect(w, "INVITE", T2)->text, "call2@"));
	world_pass(w, 3000);
	bool seen = false;
	while (w->seen < w->n_sent) {
		const struct world_sent *s = world_next(w);
		if (s->to.ip[3] == 2 && strstr(s->text, "call1@") && !seen) {
			assert_int_equal(s->at_ms - t0, 3000);
			seen = true;
		}
	}
	assert_true(seen);
	world_end(w);
}

/* A full mailbox delays a timer, never loses it */
static void timer_survives_a_full_mailbox(void **state)
{
	(void)state;
	struct world *w = world_new(2);
	struct sb_mail junk = {.op = SB_MAIL_EVENT};
	while (sb_ring_put(&w->mail.up, &junk))
		;
	char copy[2048];
	strcpy(copy, world_invite(1));
	strcat(copy, "                                                                 ");
	struct sb_pkt p = {.text = copy, .len = (uint32_t)strlen(world_invite(1)), .listener = &w->listeners[0]};
	struct sb_sip sip;
	bool asked;
	sb_addr_parse(world_caller, 0, &p.peer);
	enum sb_read read = sb_sip_read(&sip, p.text, p.len, false, &asked);
	struct sb_look look;
	sb_core_look(w->core, &sip, read, &look);
	sb_core_packet(w->core, &p, &sip, &look, w->now_us);
	assert_true(w->counters.v[SB_C_mail_full] > 0);
	world_mail(w); /* control takes its mail */
	world_pass(w, 0);
	w->seen = w->n_sent;
	world_pass(w, 200);
	world_expect(w, "INVITE", T1);
	world_end(w);
}

/* A packet that cannot be sent is a transport error: on to the next, and at the end the caller hears of it */
static void unsendable_legs_end_in_500(void **state)
{
	(void)state;
	struct world *w = world_new(2);
	w->refuse_sends = true;
	assert_int_equal(world_rx(w, world_caller, world_invite(1)), SB_C_end_replied);
	assert_int_equal(world_told(w, SB_MAIL_EVIDENCE, SB_EV_SEND), 2);
	w->refuse_sends = false;
	world_pass(w, 500);
	world_expect(w, "SIP/2.0 500", world_caller);
	world_end(w);
}

/* No free buffer: nothing is blamed on a trunk, and what could not be made is made good by the next retransmission */
static void want_of_buffers_is_made_good_by_retransmissions(void **state)
{
	(void)state;
	struct world *w = world_new(2);
	w->refuse_buffers = -1;
	assert_int_equal(world_rx(w, world_caller, world_invite(1)), SB_C_end_forwarded);
	world_quiet(w);
	assert_int_equal(world_told(w, SB_MAIL_EVIDENCE, 0), 0);
	w->refuse_buffers = 0;
	world_pass(w, 200);
	const struct world_sent *inv = world_expect(w, "INVITE", T1);
	const char *ok = world_answer(inv->text, 200, "");
	w->refuse_buffers = -1;
	assert_int_equal(world_rx(w, T1, ok), SB_C_drop_no_buffer);
	w->refuse_buffers = 0;
	assert_int_equal(world_rx(w, T1, ok), SB_C_end_forwarded);
	world_expect(w, "SIP/2.0 200", world_caller);
	assert_true(w->counters.v[SB_C_tx_no_buffer] > 0);
	world_end(w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(plain_call_is_relayed_both_ways),
	        cmocka_unit_test(silent_trunk_is_given_up_at_the_formula),
	        cmocka_unit_test(default_formula_is_seven_sends_in_63_5_s),
	        cmocka_unit_test(last_trunk_gets_64_t1_then_408),
	        cmocka_unit_test(caller_waits_for_one_64_t1_only),
	        cmocka_unit_test(whoever_follows_a_trunk_that_rang_has_its_time),
	        cmocka_unit_test(a_503_is_acked_and_the_next_trunk_tried),
	        cmocka_unit_test(a_lone_503_goes_up_as_500),
	        cmocka_unit_test(a_busy_callee_ends_the_hunt),
	        cmocka_unit_test(best_final_goes_up),
	        cmocka_unit_test(icmp_unreachable_moves_on_at_once),
	        cmocka_unit_test(forged_icmp_and_responses_are_dropped),
	        cmocka_unit_test(cancel_waits_for_the_first_provisional),
	        cmocka_unit_test(cancelled_call_never_tries_another_trunk),
	        cmocka_unit_test(late_provisional_is_cancelled),
	        cmocka_unit_test(no_failover_once_it_rang),
	        cmocka_unit_test(retransmitted_invite_is_absorbed),
	        cmocka_unit_test(ringing_for_ever_ends_with_timer_c),
	        cmocka_unit_test(trunk_that_died_meanwhile_is_skipped),
	        cmocka_unit_test(waiting_leg_moves_on_when_its_trunk_goes_down),
	        cmocka_unit_test(full_table_sheds_new_calls_only),
	        cmocka_unit_test(call_in_flight_keeps_its_timers_over_a_reload),
	        cmocka_unit_test(timer_survives_a_full_mailbox),
	        cmocka_unit_test(unsendable_legs_end_in_500),
	        cmocka_unit_test(want_of_buffers_is_made_good_by_retransmissions),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

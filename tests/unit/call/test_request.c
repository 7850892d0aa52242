/* SPDX-License-Identifier: BSD-3-Clause */
/* Requests outside an INVITE transaction: refusals, other methods, probes. */
#include "world.h"

/* R3261-16.3 */
static void hopless_request_gets_483(void **state)
{
	(void)state;
	struct world *w = world_new(1);
	char text[4096];
	strcpy(text, world_invite(1));
	memcpy(strstr(text, "Max-Forwards: 70"), "Max-Forwards: 0 ", 16);
	world_reply(w, text, "SIP/2.0 483");
	world_free(w);
}

/* R3261-16.3 */
static void proxy_require_gets_420_naming_every_tag(void **state)
{
	(void)state;
	struct world *w = world_new(1);
	const char *r = world_request("INVITE", 1, "", "Proxy-Require: foo, bar\r\nproxy-require: baz\r\n");
	const struct world_sent *s = world_reply(w, r, "SIP/2.0 420");
	assert_string_equal(world_header(s->text, "Unsupported"), "foo, bar");
	assert_int_equal(world_count_header(s->text, "Unsupported"), 2);
	/* a folded one is told whole (7.3.1), a name that only begins alike is another's */
	r = world_request("INVITE", 2, "", "Proxy-Require:\r\n foo\r\nProxy-Require-Not: bar\r\n");
	s = world_reply(w, r, "SIP/2.0 420");
	assert_non_null(strstr(s->text, "Unsupported:\r\n foo\r\n"));
	assert_int_equal(world_count_header(s->text, "Unsupported"), 1);
	world_free(w);
}

/* R3261-16.3: the same request comes back from the trunk */
static void own_loop_gets_482_and_a_spiral_goes_on(void **state)
{
	(void)state;
	struct world *w = world_new(1);
	world_rx(w, world_caller, world_invite(1));
	world_expect(w, "SIP/2.0 100", world_caller);
	const struct world_sent *inv = world_expect(w, "INVITE", T1);
	char text[4096];
	strcpy(text, inv->text);
	assert_int_equal(world_rx(w, T1, text), SB_C_end_replied);
	world_expect(w, "SIP/2.0 482", T1);
	memcpy(strstr(text, "+442079460000"), "+442079460001", 13); /* retargeted on its way: a spiral */
	assert_int_equal(world_rx(w, T1, text), SB_C_end_forwarded);
	world_free(w);
}

/* P21: one stateless answer a datagram, never a retransmission */
static void stranger_gets_one_403_and_no_state(void **state)
{
	(void)state;
	struct world *w = world_new(1);
	assert_int_equal(world_rx(w, "203.0.113.5:5060", world_invite(1)), SB_C_end_replied);
	const struct world_sent *s = world_expect(w, "SIP/2.0 403", "203.0.113.5:5060");
	assert_true(strlen(s->text) < strlen(world_invite(1)) + 100);
	world_pass(w, 60000);
	world_quiet(w);
	assert_int_equal(world_rx(w, "203.0.113.5:5060", world_request("ACK", 1, "x", "")), SB_C_drop_stray_ack);
	world_quiet(w);
	world_free(w);
}

static void options_to_the_proxy_is_answered(void **state)
{
	(void)state;
	struct world *w = world_new(1);
	char text[4096];
	snprintf(text, sizeof text, "OPTIONS sip:192.0.2.10 SIP/2.0\r\n%s",
	        strstr(world_request("OPTIONS", 1, "", ""), "Via:"));
	world_reply(w, text, "SIP/2.0 200");
	world_free(w);
}

static void unmatched_cancel_gets_481_and_ack_is_dropped(void **state)
{
	(void)state;
	struct world *w = world_new(1);
	world_reply(w, world_request("CANCEL", 1, "", ""), "SIP/2.0 481");
	assert_int_equal(world_rx(w, world_caller, world_request("ACK", 1, "x", "")), SB_C_drop_stray_ack);
	world_quiet(w);
	world_free(w);
}

static void unroutable_number_gets_404(void **state)
{
	(void)state;
	struct world *w = world_new(1);
	w->snap[0].n_other_routes = 0;
	world_reply(w, world_invite(1), "SIP/2.0 404");
	world_free(w);
}

/* P9: DISABLED and DRAIN take no new call, whatever health says; nobody left is 503, with Retry-After */
static void switched_off_trunks_take_no_calls(void **state)
{
	(void)state;
	struct world *w = world_new(2);
	world_health(w, 0, SB_UP, SB_DISABLED, 0);
	world_rx(w, world_caller, world_invite(1));
	world_expect(w, "SIP/2.0 100", world_caller);
	world_expect(w, "INVITE", T2);
	world_health(w, 1, SB_DOWN, SB_DRAIN, 0);
	assert_int_equal(world_rx(w, world_caller, world_invite(2)), SB_C_end_replied);
	assert_string_equal(world_header(world_expect(w, "SIP/2.0 503", world_caller)->text, "Retry-After"), "5");
	world_free(w);
}

static void source_over_its_rate_is_shed_alone(void **state)
{
	(void)state;
	struct world *w = world_new(1);
	w->snap[0].invite_rate_per_source = 2;
	for (unsigned i = 1; i <= 2; i++)
		assert_int_equal(world_rx(w, world_caller, world_invite(i)), SB_C_end_forwarded);
	assert_int_equal(world_rx(w, world_caller, world_invite(3)), SB_C_end_replied);
	assert_int_equal(w->counters.v[SB_C_shed_rate], 1);
	assert_int_equal(world_rx(w, "192.0.2.98:5060", world_invite(4)), SB_C_end_forwarded);
	world_pass(w, 600);
	assert_int_equal(world_rx(w, world_caller, world_invite(5)), SB_C_end_forwarded);
	world_free(w);
}

/* An initial request with a Route to us, as an outbound proxy is configured: the Route goes, the call is steered */
static void initial_request_routed_to_us_is_steered(void **state)
{
	(void)state;
	struct world *w = world_new(1);
	const char *r = world_request("INVITE", 1, "", "Route: <sip:192.0.2.10;lr>, <sip:elsewhere.example;lr>\r\n");
	assert_int_equal(world_rx(w, world_caller, r), SB_C_end_forwarded);
	world_expect(w, "SIP/2.0 100", world_caller);
	const struct world_sent *inv = world_expect(w, "INVITE", T1);
	assert_string_equal(world_header(inv->text, "Route"), "<sip:elsewhere.example;lr>");
	world_free(w);
}

/* S1.2, R4320: another request fails over in time for its caller, gets no 100 and no 408 */
static void other_request_fails_over_after_its_timeout(void **state)
{
	(void)state;
	struct world *w = world_new(2);
	uint64_t t0 = w->now_us / 1000;
	assert_int_equal(world_rx(w, world_caller, world_request("MESSAGE", 1, "", "")), SB_C_end_forwarded);
	const struct world_sent *m = world_expect(w, "MESSAGE", T1);
	assert_int_equal(world_count_header(m->text, "Record-Route"), 0);
	world_pass(w, 3000);
	for (unsigned i = 0; i < 3; i++)
		world_expect(w, "MESSAGE", T1);
	m = world_expect(w, "MESSAGE", T2);
	assert_int_equal(m->at_ms - t0, 3000);
	assert_int_equal(world_rx(w, T2, world_answer(m->text, 180, "")), SB_C_end_consumed);
	assert_int_equal(world_rx(w, T2, world_answer(m->text, 200, "")), SB_C_end_forwarded);
	world_expect(w, "SIP/2.0 200", world_caller);
	assert_int_equal(world_rx(w, world_caller, world_request("MESSAGE", 1, "", "")), SB_C_end_consumed);
	world_expect(w, "SIP/2.0 200", world_caller); /* Timer J */
	assert_int_equal(world_rx(w, T2, world_answer(m->text, 200, "")), SB_C_drop_late);
	world_pass(w, 32000);
	world_quiet(w);
	assert_int_equal(sb_core_usage(w->core)->transactions, 0);
	world_free(w);
}

/* S1.2: whoever answers provisionally is asked again after T2 (17.1.2.2) */
static void other_request_that_is_being_looked_at_is_sent_by_t2(void **state)
{
	(void)state;
	struct world *w = world_new(1);
	uint64_t t0 = w->now_us / 1000;
	world_rx(w, world_caller, world_request("MESSAGE", 1, "", ""));
	const struct world_sent *m = world_expect(w, "MESSAGE", T1);
	world_rx(w, T1, world_answer(m->text, 100, ""));
	world_pass(w, 9000);
	for (unsigned i = 0; i < 3; i++) /* the first was due when the answer came */
		assert_int_equal(world_expect(w, "MESSAGE", T1)->at_ms - t0, 200 + i * 4000);
	world_quiet(w);
	world_end(w);
}

static void silent_other_request_ends_without_408(void **state)
{
	(void)state;
	struct world *w = world_new(2);
	w->trunks[0][0].trying_timer_ms = 500;
	w->trunks[0][0].sends = 7; /* 63.5 s would be too long for a non-INVITE: half of 32 s each */
	uint64_t t0 = w->now_us / 1000, second = 0;
	world_rx(w, world_caller, world_request("OPTIONS", 1, "", ""));
	world_pass(w, 100000);
	while (w->seen < w->n_sent) {
		const struct world_sent *s = world_next(w);
		assert_int_equal(strncmp(s->text, "OPTIONS", 7), 0);
		if (s->to.ip[3] == 2 && !second)
			second = s->at_ms;
		assert_true(s->at_ms - t0 < 32000);
	}
	assert_int_equal(second - t0, 16000);
	assert_int_equal(sb_core_usage(w->core)->transactions, 0);
	world_free(w);
}

/* P15, P18: probes carry the trunk's From and leave from its listener; the answer goes to control, once signed */
static void probe_leaves_and_its_answer_reaches_control(void **state)
{
	(void)state;
	struct world *w = world_new(1);
	strcpy(w->trunks[0][0].probe_from, "sip:probe@carrier.example");
	strcpy(w->trunks[0][0].probe_user_agent, "edge/1");
	struct sb_mail m = {.op = SB_MAIL_PROBE, .trunk = 0};
	m.probe.id = 4242;
	sb_core_mail(w->core, &m, w->now_us);
	const struct world_sent *p = world_expect(w, "OPTIONS sip:192.0.2.1:5060", T1);
	assert_non_null(strstr(world_header(p->text, "From"), "sip:probe@carrier.example"));
	assert_string_equal(world_header(p->text, "User-Agent"), "edge/1");
	assert_int_equal(world_rx(w, T1, world_answer(p->text, 503, "Retry-After: 9\r\n")), SB_C_end_consumed);
	assert_int_equal(world_told(w, SB_MAIL_PROBE_RESULT, 0), 1);
	assert_int_equal(w->told[0].probe.id, 4242);
	assert_int_equal(w->told[0].code, 503);
	assert_int_equal(w->told[0].probe.retry_after_s, 9);
	struct sb_addr to = p->to;
	assert_int_equal(sb_core_icmp(w->core, &to, p->text, 200, true, w->now_us).counter, SB_C_end_consumed);
	world_mail(w);
	assert_int_equal(w->told[1].kind, SB_EV_ICMP);
	world_free(w);
}

/* R6026: nothing stray is relayed */
static void stray_responses_are_dropped(void **state)
{
	(void)state;
	struct world *w = world_new(1);
	const char *inv = world_invite(1);
	assert_int_equal(world_rx(w, T1, world_answer(inv, 200, "")), SB_C_drop_stray_response);
	world_quiet(w);
	world_free(w);
}

/* R3261-16.6 step 4: what makes a dialog is record-routed, nothing else is */
static void what_makes_a_dialog_is_record_routed(void **state)
{
	(void)state;
	static const char *const methods[] = {
	        "INVITE", "SUBSCRIBE", "REFER", "MESSAGE", "OPTIONS", "REGISTER", "NOTIFY", "PUBLISH", "WHATEVER"};
	for (unsigned i = 0; i < sizeof methods / sizeof *methods; i++) {
		struct world *w = world_new(1);
		world_rx(w, world_caller, world_request(methods[i], 1, "", ""));
		w->seen = w->n_sent - 1;
		assert_int_equal(world_count_header(world_expect(w, methods[i], T1)->text, "Record-Route"), i < 3);
		world_free(w);
	}
}

/* 16.3: OPTIONS is answered if it is addressed to one of our listeners, and relayed like any other if it is not */
static void options_is_ours_by_its_uri(void **state)
{
	(void)state;
	static const struct {
		const char *uri;
		bool ours;
	} rows[] = {{"sip:192.0.2.10", true}, {"sip:192.0.2.10:5060", true}, {"sip:198.51.100.10", true},
	        {"sip:192.0.2.10:5061", false}, {"sip:192.0.2.11", false}, {"sip:user@192.0.2.10", false},
	        {"sip:name.example", false}, {"tel:+44", false}};
	for (unsigned i = 0; i < sizeof rows / sizeof *rows; i++) {
		struct world *w = world_new(1);
		char text[4096];
		snprintf(text, sizeof text, "OPTIONS %s SIP/2.0\r\n%s", rows[i].uri,
		        strstr(world_request("OPTIONS", 1, "", ""), "Via:"));
		assert_int_equal(world_rx(w, world_caller, text), rows[i].ours ? SB_C_end_replied : SB_C_end_forwarded);
		world_expect(w, rows[i].ours ? "SIP/2.0 200" : "OPTIONS", rows[i].ours ? world_caller : T1);
		world_free(w);
	}
}

/* P22: what was passed over for health or by the operator is told; a trunk that is listed twice is not */
static void trunk_listed_twice_is_no_event(void **state)
{
	(void)state;
	struct world *w = world_new(2);
	w->members[2] = (struct sb_snap_member){0, 3, 1};
	w->group.n_members = 3;
	world_health(w, 1, SB_UP, SB_DRAIN, 0);
	assert_int_equal(world_rx(w, world_caller, world_invite(1)), SB_C_end_forwarded);
	assert_int_equal(world_told(w, SB_MAIL_EVENT, SB_EVENT_SKIPPED), 1);
	assert_int_equal(w->told[0].trunk, 1);
	assert_int_equal(w->told[0].event.code2, SB_DRAIN);
	world_free(w);
}

/* R5393: more Vias than can be walked is a loop; one below the top that cannot be read is none of a proxy's business */
static void vias_below_the_top_are_walked_as_far_as_they_go(void **state)
{
	(void)state;
	char vias[3000] = "Via: nonsense\r\n";
	struct world *w = world_new(1);
	assert_int_equal(world_rx(w, world_caller, world_request("INVITE", 1, "", vias)), SB_C_end_forwarded);
	vias[0] = 0;
	for (unsigned i = 0; i < SB_SIP_VALUES_MAX; i++)
		strcat(vias, "Via: SIP/2.0/UDP x;branch=z9hG4bKx\r\n");
	world_free(w);
	w = world_new(1);
	world_reply(w, world_request("INVITE", 2, "", vias), "SIP/2.0 482");
	world_free(w);
}

/* R3261-16.3 step 5: however much is required, the answer has a bound */
static void endless_proxy_require_gets_420_all_the_same(void **state)
{
	(void)state;
	char lines[3000] = "";
	struct world *w = world_new(1);
	for (unsigned i = 0; i < 40; i++)
		strcat(lines, "Proxy-Require: tag-that-nobody-knows-at-all\r\n");
	const struct world_sent *s = world_reply(w, world_request("INVITE", 1, "", lines), "SIP/2.0 420");
	assert_in_range(world_count_header(s->text, "Unsupported"), 1, 12);
	world_free(w);
}

/* 17.2.3 for clients without branches: the method is part of what makes a transaction, known to us or not */
static void unknown_methods_without_branches_are_told_apart(void **state)
{
	(void)state;
	static const char *const methods[] = {"FOO", "BAR"};
	struct world *w = world_new(1);
	char text[1024];
	for (unsigned i = 0; i < 2; i++) {
		snprintf(text, sizeof text,
		        "%s sip:+442079460000@example.com SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.99:5070\r\n"
		        "From: <sip:alice@example.org>;tag=a\r\nTo: <sip:+442079460000@example.com>\r\n"
		        "Call-ID: old@192.0.2.99\r\nCSeq: 7 %s\r\nMax-Forwards: 70\r\nContent-Length: 0\r\n\r\n",
		        methods[i], methods[i]);
		assert_int_equal(world_rx(w, world_caller, text), SB_C_end_forwarded);
		world_expect(w, methods[i], T1);
	}
	world_end(w);
}

/* P13: a source may save up a second's worth, not more */
static void rate_is_saved_up_for_one_second(void **state)
{
	(void)state;
	static const unsigned waits[] = {999, 1000, 100000};
	for (unsigned i = 0; i < sizeof waits / sizeof *waits; i++) {
		struct world *w = world_new(1);
		w->snap[0].invite_rate_per_source = 4;
		assert_int_equal(world_rx(w, world_caller, world_invite(1)), SB_C_end_forwarded);
		world_pass(w, waits[i]);
		for (unsigned n = 2; n <= 9; n++)
			assert_int_equal(world_rx(w, world_caller, world_invite(n)),
			        n < 2 + 4 ? SB_C_end_forwarded : SB_C_end_replied);
		assert_int_equal(w->counters.v[SB_C_shed_rate], 4);
		world_free(w);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(hopless_request_gets_483),
	        cmocka_unit_test(proxy_require_gets_420_naming_every_tag),
	        cmocka_unit_test(own_loop_gets_482_and_a_spiral_goes_on),
	        cmocka_unit_test(stranger_gets_one_403_and_no_state),
	        cmocka_unit_test(options_to_the_proxy_is_answered),
	        cmocka_unit_test(unmatched_cancel_gets_481_and_ack_is_dropped),
	        cmocka_unit_test(unroutable_number_gets_404),
	        cmocka_unit_test(switched_off_trunks_take_no_calls),
	        cmocka_unit_test(source_over_its_rate_is_shed_alone),
	        cmocka_unit_test(initial_request_routed_to_us_is_steered),
	        cmocka_unit_test(other_request_fails_over_after_its_timeout),
	        cmocka_unit_test(other_request_that_is_being_looked_at_is_sent_by_t2),
	        cmocka_unit_test(silent_other_request_ends_without_408),
	        cmocka_unit_test(probe_leaves_and_its_answer_reaches_control),
	        cmocka_unit_test(stray_responses_are_dropped),
	        cmocka_unit_test(what_makes_a_dialog_is_record_routed),
	        cmocka_unit_test(options_is_ours_by_its_uri),
	        cmocka_unit_test(trunk_listed_twice_is_no_event),
	        cmocka_unit_test(vias_below_the_top_are_walked_as_far_as_they_go),
	        cmocka_unit_test(endless_proxy_require_gets_420_all_the_same),
	        cmocka_unit_test(unknown_methods_without_branches_are_told_apart),
	        cmocka_unit_test(rate_is_saved_up_for_one_second),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: BSD-3-Clause */
/* test_dialog.c - requests in a dialog and their answers, relayed without state (design, invariant 6; R3261-16.11,
 * P21). */
#include "world.h"

/* A call through, from listener in_listener; returns the Record-Route as Route lines for caller (reversed) and callee.
 */
static void set_up(struct world *w, unsigned in, char caller_route[800], char callee_route[800])
{
	char rr[2][300] = {"", ""};
	assert_int_equal(world_rx_at(w, in, world_caller, world_invite(1)), SB_C_end_forwarded);
	world_expect(w, "SIP/2.0 100", world_caller);
	const struct world_sent *inv = world_expect(w, "INVITE", T1);
	const char *p = strstr(inv->text, "Record-Route: ");
	unsigned n = world_count_header(inv->text, "Record-Route");
	for (unsigned i = 0; i < n; i++) {
		sscanf(p, "Record-Route: %299[^\r]", rr[i]);
		p = strstr(p + 1, "Record-Route: ");
	}
	world_rx(w, T1, world_answer(inv->text, 200, "Contact: <sip:bob@192.0.2.1:5060>\r\n"));
	world_expect(w, "SIP/2.0 200", world_caller);
	snprintf(callee_route, 800, "Route: %s\r\n", rr[0]);
	if (n == 2) {
		snprintf(callee_route, 800, "Route: %s, %s\r\n", rr[0], rr[1]);
		snprintf(caller_route, 800, "Route: %s\r\nRoute: %s\r\n", rr[1], rr[0]);
	} else {
		strcpy(caller_route, callee_route);
	}
}

static const char *in_dialog(const char *method, const char *target, unsigned n, const char *route)
{
	static char text[4096];
	const char *r = world_request(method, 1, "callee", route);
	snprintf(text, sizeof text, "%s sip:%s SIP/2.0\r\n%s", method, target, strstr(r, "Via:"));
	memcpy(strstr(text, "z9hG4bKc1"), "z9hG4bKd", 8);
	strstr(text, "z9hG4bKd")[8] = (char)('0' + n);
	return text;
}

/* Invariant 6: the signed Record-Route is all that an in-dialog request needs, after a restart too */
static void in_dialog_requests_need_no_stored_state(void **state)
{
	(void)state;
	struct world *w = world_new(1);
	char caller[800], callee[800];
	set_up(w, 0, caller, callee);
	world_restart(w);
	assert_int_equal(
	        world_rx(w, world_caller, in_dialog("ACK", "bob@192.0.2.1:5060", 1, caller)), SB_C_end_forwarded);
	const struct world_sent *ack = world_expect(w, "ACK sip:bob@192.0.2.1:5060", T1);
	assert_int_equal(world_count_header(ack->text, "Route"), 0);
	assert_int_equal(
	        world_rx(w, world_caller, in_dialog("INVITE", "bob@192.0.2.1:5060", 2, caller)), SB_C_end_forwarded);
	char branch[300];
	const struct world_sent *re = world_expect(w, "INVITE sip:bob@192.0.2.1:5060", T1);
	strcpy(branch, world_header(re->text, "Via"));
	assert_int_equal(world_rx(w, T1, world_answer(re->text, 200, "")), SB_C_end_forwarded);
	world_expect(w, "SIP/2.0 200", world_caller);
	/* CANCEL and non-2xx ACK have their INVITE's branch, so they get its outgoing branch (16.11) */
	assert_int_equal(
	        world_rx(w, world_caller, in_dialog("CANCEL", "bob@192.0.2.1:5060", 2, caller)), SB_C_end_forwarded);
	assert_string_equal(world_header(world_expect(w, "CANCEL", T1)->text, "Via"), branch);
	world_restart(w);
	assert_int_equal(
	        world_rx(w, world_caller, in_dialog("BYE", "bob@192.0.2.1:5060", 3, caller)), SB_C_end_forwarded);
	const struct world_sent *bye = world_expect(w, "BYE", T1);
	world_restart(w); /* even between a request and its response */
	assert_int_equal(world_rx(w, T1, world_answer(bye->text, 200, "")), SB_C_end_forwarded);
	world_expect(w, "SIP/2.0 200", world_caller);
	assert_int_equal(sb_core_usage(w->core)->transactions, 0);
	world_free(w);
}

/* P13: whatever share of new calls is shed, those that are up can be held, changed and ended */
static void overload_spares_dialogs(void **state)
{
	(void)state;
	struct world *w = world_new(1);
	char caller[800], callee[800];
	const char *const method[] = {"ACK", "INVITE", "BYE"};
	set_up(w, 0, caller, callee);
	sb_core_shed(w->core, SB_SHED_ALL);
	for (unsigned i = 0; i < 3; i++) {
		assert_int_equal(world_rx(w, world_caller, in_dialog(method[i], "bob@192.0.2.1:5060", i, caller)),
		        SB_C_end_forwarded);
		world_expect(w, method[i], T1);
	}
	assert_int_equal(world_rx(w, world_caller, world_invite(2)), SB_C_end_replied);
	assert_int_equal(w->counters.v[SB_C_shed_overload], 1);
	world_free(w);
}

/* Two listeners: two Record-Routes, and each direction leaves by the other listener (P15) */
static void call_between_listeners_is_double_record_routed(void **state)
{
	(void)state;
	struct world *w = world_new(1);
	char caller[800], callee[800];
	set_up(w, 1, caller, callee);
	world_rx_at(w, 1, world_caller, in_dialog("BYE", "bob@192.0.2.1:5060", 1, caller));
	const struct world_sent *bye = world_expect(w, "BYE", T1);
	assert_string_equal(bye->from, "192.0.2.10:5060");
	assert_int_equal(world_count_header(bye->text, "Route"), 0);
	world_rx_at(w, 0, T1, world_answer(bye->text, 200, ""));
	assert_string_equal(world_expect(w, "SIP/2.0 200", world_caller)->from, "198.51.100.10:5060");
	/* from the callee: tags change places */
	char text[4096];
	snprintf(text, sizeof text,
	        "BYE sip:alice@192.0.2.99:5070 SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bKe\r\n%s"
	        "From: <sip:bob@x>;tag=callee\r\nTo: <sip:alice@example.org>;tag=a1\r\nCall-ID: call1@192.0.2.99\r\n"
	        "CSeq: 9 BYE\r\nContent-Length: 0\r\n\r\n",
	        callee);
	assert_int_equal(world_rx_at(w, 0, T1, text), SB_C_end_forwarded);
	bye = world_expect(w, "BYE", world_caller);
	assert_string_equal(bye->from, "198.51.100.10:5060");
	world_free(w);
}

/* The proxy is no open relay */
static void unsigned_route_gets_403(void **state)
{
	(void)state;
	struct world *w = world_new(1);
	char caller[800], callee[800];
	set_up(w, 0, caller, callee);
	world_reply(w, in_dialog("BYE", "victim@203.0.113.9", 1, "Route: <sip:192.0.2.10:5060;lr>\r\n"), "SIP/2.0 403");
	char *sig = strstr(caller, "sb=") + 4;
	*sig = *sig == '0' ? '1' : '0';
	world_reply(w, in_dialog("BYE", "bob@192.0.2.1", 2, caller), "SIP/2.0 403");
	*sig = *sig == '0' ? '1' : '0';
	const char *other = in_dialog("BYE", "bob@192.0.2.1", 3, caller); /* a true token of another dialog */
	memcpy(strstr(other, "call1@"), "call7@", 6);
	world_reply(w, other, "SIP/2.0 403");
	world_free(w);
}

/* RFC 6026 7.1: ACK to an accepted INVITE with the INVITE's branch must pass */
static void ack_of_a_2xx_passes_whatever_its_branch(void **state)
{
	(void)state;
	struct world *w = world_new(1);
	const struct world_sent *inv = world_call(w, 1);
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

/* P21: a token seen on the wire, in an initial INVITE of a stranger */
static void signed_route_begins_no_new_dialog(void **state)
{
	(void)state;
	struct world *w = world_new(1);
	const struct world_sent *inv = world_call(w, 1);
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

/* 17.1.1.3: an INVITE that begins a dialog with a Route of ours has a transaction; its ACK has a To tag and that Route,
 * and is its own all the same */
static void ack_of_a_refusal_is_not_the_dialogs(void **state)
{
	(void)state;
	struct world *w = world_new(1);
	const struct world_sent *inv = world_call(w, 1);
	char route[400], again[3000];
	snprintf(route, sizeof route, "Route: %s\r\n", world_header(inv->text, "Record-Route"));
	snprintf(again, sizeof again, "%s", world_request("INVITE", 1, "", route));
	strstr(again, "z9hG4bKc1")[8] = 'x';
	world_rx(w, world_caller, again);
	world_expect(w, "SIP/2.0 100", world_caller);
	inv = world_expect(w, "INVITE", T1);
	world_rx(w, T1, world_answer(inv->text, 486, ""));
	world_expect(w, "ACK", T1);
	world_expect(w, "SIP/2.0 486", world_caller);
	snprintf(again, sizeof again, "%s", world_request("ACK", 1, "callee", route));
	strstr(again, "z9hG4bKc1")[8] = 'x';
	assert_int_equal(world_rx(w, world_caller, again), SB_C_end_consumed);
	world_quiet(w);
	world_free(w);
}

/* P21: the Via below ours, edited by whoever answers, is no way to have us send a response to anybody */
static void stateless_response_goes_only_where_its_request_came_from(void **state)
{
	(void)state;
	struct world *w = world_new(1);
	const struct world_sent *inv = world_call(w, 1);
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

static const char *caller_at(const char *method, unsigned n, const char *route)
{
	return in_dialog(method, "bob@192.0.2.1:5060", n, route);
}

/* R3261-16.6, R3261-16.4: to the Route behind ours, else to the Request-URI; 5060 if neither says */
static void next_hop_is_the_route_behind_ours_or_the_uri(void **state)
{
	(void)state;
	static const struct {
		const char *uri, *behind, *to;
	} rows[] = {{"bob@192.0.2.77:5090", "", "192.0.2.77:5090"}, {"bob@192.0.2.77", "", "192.0.2.77:5060"},
	        {"bob@192.0.2.1", ", <sip:192.0.2.77:5091;lr>", "192.0.2.77:5091"},
	        {"bob@name.example", "\r\nRoute: <sip:192.0.2.78;lr>", "192.0.2.78:5060"}};
	for (unsigned i = 0; i < sizeof rows / sizeof *rows; i++) {
		struct world *w = world_new(1);
		char caller[800], callee[800], route[900];
		set_up(w, 0, caller, callee);
		snprintf(route, sizeof route, "%.*s%s\r\n", (int)strlen(caller) - 2, caller, rows[i].behind);
		assert_int_equal(
		        world_rx(w, world_caller, in_dialog("INFO", rows[i].uri, 1, route)), SB_C_end_forwarded);
		const struct world_sent *s = world_expect(w, "INFO", rows[i].to);
		assert_int_equal(world_count_header(s->text, "Route"), rows[i].behind[0] != 0);
		world_free(w);
	}
}

/* Nothing is resolved on the packet path, and nothing is sent in circles; what is an ACK gets no answer */
static void hop_that_cannot_be_reached_is_refused(void **state)
{
	(void)state;
	static const struct {
		const char *uri, *behind, *status;
	} rows[] = {{"bob@name.example", "", "SIP/2.0 502"},
	        {"bob@192.0.2.1", ", <sip:name.example;lr>", "SIP/2.0 502"},
	        {"bob@192.0.2.1", ", <sip:192.0.2.1", "SIP/2.0 502"}, {"bob@[2001:db8::1]", "", "SIP/2.0 502"},
	        {"bob@192.0.2.10", "", "SIP/2.0 404"}, {"bob@198.51.100.10:5060", "", "SIP/2.0 404"}};
	for (unsigned i = 0; i < sizeof rows / sizeof *rows; i++) {
		struct world *w = world_new(1);
		char caller[800], callee[800], route[900];
		set_up(w, 0, caller, callee);
		snprintf(route, sizeof route, "%.*s%s\r\n", (int)strlen(caller) - 2, caller, rows[i].behind);
		world_reply(w, in_dialog("BYE", rows[i].uri, 1, route), rows[i].status);
		assert_int_equal(
		        world_rx(w, world_caller, in_dialog("ACK", rows[i].uri, 2, route)), SB_C_drop_no_route);
		world_quiet(w);
		world_free(w);
	}
}

/* R3261-16.3 holds in dialogs, too: Max-Forwards and Proxy-Require; ACK and CANCEL are never challenged (20.29) */
static void requests_in_a_dialog_are_checked(void **state)
{
	(void)state;
	struct world *w = world_new(1);
	char caller[800], callee[800], route[900];
	set_up(w, 0, caller, callee);
	for (unsigned ack = 0; ack < 2; ack++) {
		char text[4096];
		strcpy(text, caller_at(ack ? "ACK" : "INFO", ack, caller));
		memcpy(strstr(text, "Max-Forwards: 70"), "Max-Forwards: 0 ", 16);
		if (ack)
			assert_int_equal(world_rx(w, world_caller, text), SB_C_drop_stray_ack);
		else
			world_reply(w, text, "SIP/2.0 483");
	}
	snprintf(route, sizeof route, "%sProxy-Require: foo\r\n", caller);
	assert_string_equal(
	        world_header(world_reply(w, caller_at("INFO", 2, route), "SIP/2.0 420")->text, "Unsupported"), "foo");
	assert_int_equal(world_rx(w, world_caller, caller_at("ACK", 3, route)), SB_C_end_forwarded);
	assert_int_equal(world_rx(w, world_caller, caller_at("CANCEL", 4, route)), SB_C_end_forwarded);
	world_free(w);
}

/* Invariant 6: of two values of ours both must be signed */
static void second_own_route_must_be_signed_too(void **state)
{
	(void)state;
	struct world *w = world_new(1);
	char caller[800], callee[800];
	set_up(w, 1, caller, callee);
	char *second = strstr(strstr(caller, "sb=") + 3, "sb=") + 4;
	*second = *second == '0' ? '1' : '0';
	assert_int_equal(world_rx_at(w, 1, world_caller, caller_at("BYE", 1, caller)), SB_C_end_replied);
	world_expect(w, "SIP/2.0 403", world_caller);
	world_free(w);
}

/* R3261-18: what would be too large once our Via is on it gets 513; an ACK is dropped */
static void request_too_large_to_relay_gets_513(void **state)
{
	(void)state;
	struct world *w = world_new(1);
	char caller[800], callee[800];
	static char text[SB_SIP_MAX];
	set_up(w, 0, caller, callee);
	for (unsigned ack = 0; ack < 2; ack++) {
		const char *r = caller_at(ack ? "ACK" : "INFO", ack, caller);
		const char *length = strstr(r, "Content-Length: 0");
		int head = snprintf(text, sizeof text, "%.*sContent-Length: 64700\r\n\r\n", (int)(length - r), r);
		memset(text + head, 'x', 64700);
		enum sb_counter end = world_rx_bytes(w, 0, world_caller, text, (uint32_t)head + 64700);
		assert_int_equal(end, ack ? SB_C_drop_too_large : SB_C_end_replied);
	}
	world_expect(w, "SIP/2.0 513", world_caller);
	world_quiet(w);
	world_free(w);
}

/* R4475 inv2543, 12.1.1: a caller without a From tag, whose tag is nothing, and without branches (8.1.1.7) */
static void dialog_of_an_rfc_2543_client_goes_on(void **state)
{
	(void)state;
	struct world *w = world_new(1);
	char text[4096], route[400], via[2][300];
	snprintf(text, sizeof text, "%s", world_invite(1));
	char *tag = strstr(text, ";tag=a1");
	memmove(tag, tag + 7, strlen(tag + 7) + 1);
	world_rx(w, world_caller, text);
	world_expect(w, "SIP/2.0 100", world_caller);
	const struct world_sent *inv = world_expect(w, "INVITE", T1);
	snprintf(route, sizeof route, "Route: %s\r\n", world_header(inv->text, "Record-Route"));
	world_rx(w, T1, world_answer(inv->text, 200, ""));
	world_expect(w, "SIP/2.0 200", world_caller);
	for (unsigned i = 0; i < 2; i++) {
		snprintf(text, sizeof text,
		        "INFO sip:bob@192.0.2.1 SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.99:5070\r\n%s"
		        "From: <sip:alice@example.org>\r\nTo: <sip:+442079460000@example.com>;tag=callee\r\n"
		        "Call-ID: call1@192.0.2.99\r\nCSeq: %u INFO\r\nContent-Length: 0\r\n\r\n",
		        route, 2 + i);
		assert_int_equal(world_rx(w, world_caller, text), SB_C_end_forwarded);
		const struct world_sent *info = world_expect(w, "INFO", T1);
		snprintf(via[i], sizeof via[i], "%s", world_header(info->text, "Via"));
		assert_int_equal(world_rx(w, T1, world_answer(info->text, 200, "")), SB_C_end_forwarded);
		world_expect(w, "SIP/2.0 200", world_caller);
	}
	assert_string_not_equal(via[0], via[1]); /* without branches it is CSeq that tells them apart */
	snprintf(text, sizeof text,
	        "BYE sip:alice@192.0.2.99:5070 SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bKe\r\n%s"
	        "From: <sip:+442079460000@example.com>;tag=callee\r\nTo: <sip:alice@example.org>\r\n"
	        "Call-ID: call1@192.0.2.99\r\nCSeq: 9 BYE\r\nContent-Length: 0\r\n\r\n",
	        route);
	assert_int_equal(world_rx(w, T1, text), SB_C_end_forwarded);
	world_expect(w, "BYE", world_caller);
	world_free(w);
}

/* Invariant 6: the answer leaves although a reload has taken its listener away, by another of the family, if there is
 * one */
static void answer_leaves_by_another_listener_after_a_reload(void **state)
{
	(void)state;
	for (unsigned left = 0; left < 2; left++) {
		struct world *w = world_new(1);
		char caller[800], callee[800];
		set_up(w, 1, caller, callee);
		world_rx_at(w, 1, world_caller, caller_at("BYE", 1, caller));
		const char *ok = world_answer(world_expect(w, "BYE", T1)->text, 200, "");
		w->snap[1].n_listeners = left; /* access alone, or none */
		sb_core_snapshot(w->core, &w->snap[1]);
		assert_int_equal(world_rx(w, T1, ok), left ? SB_C_end_forwarded : SB_C_drop_no_route);
		if (left)
			assert_string_equal(world_expect(w, "SIP/2.0 200", world_caller)->from, "192.0.2.10:5060");
		world_quiet(w);
		world_free(w);
	}
}

/* P15: the listener that a request came in by is the one that its answer leaves from, however many there are and
 * wherever a reload has put it meanwhile */
static void answer_leaves_by_its_requests_listener(void **state)
{
	(void)state;
	static struct sb_snap_listener many[300];
	struct world *w = world_new(1);
	char caller[800], callee[800];
	set_up(w, 0, caller, callee);
	many[0] = w->listeners[1]; /* "core", now the first */
	for (unsigned i = 1; i < 300; i++) {
		many[i] = w->listeners[1];
		many[i].addr.port = (uint16_t)(6000 + i);
		many[i].hostport_len = (uint8_t)sb_addr_format(&many[i].addr, many[i].hostport);
	}
	many[299] = w->listeners[0];
	world_rx(w, world_caller, caller_at("BYE", 1, caller));
	const char *ok = world_answer(world_expect(w, "BYE", T1)->text, 200, "");
	w->snap[1].listeners = many;
	w->snap[1].n_listeners = 300;
	sb_core_snapshot(w->core, &w->snap[1]);
	w->many = many;
	assert_int_equal(world_rx_at(w, 299, T1, ok), SB_C_end_forwarded);
	assert_string_equal(world_expect(w, "SIP/2.0 200", world_caller)->from, "192.0.2.10:5060");
	world_rx_at(w, 299, world_caller, caller_at("BYE", 2, caller));
	ok = world_answer(world_expect(w, "BYE", T1)->text, 200, "");
	assert_int_equal(world_rx_at(w, 299, T1, ok), SB_C_end_forwarded);
	assert_string_equal(world_expect(w, "SIP/2.0 200", world_caller)->from, "192.0.2.10:5060");
	world_free(w);
}

/* R6026: a repeated 2xx of an accepted call whose listener a reload has taken away has no way up */
static void repeated_2xx_ends_with_its_listener(void **state)
{
	(void)state;
	struct world *w = world_new(1);
	world_rx_at(w, 1, world_caller, world_invite(1));
	world_expect(w, "SIP/2.0 100", world_caller);
	const char *ok = world_answer(world_expect(w, "INVITE", T1)->text, 200, "");
	world_rx(w, T1, ok);
	assert_int_equal(world_rx(w, T1, ok), SB_C_end_forwarded);
	w->snap[1].n_listeners = 1;
	sb_core_snapshot(w->core, &w->snap[1]);
	assert_int_equal(world_rx(w, T1, ok), SB_C_drop_no_route);
	world_end(w);
}

/* R3261-16.7 step 9: where an answer goes stands below our Via; if that cannot be read, or is a name, nowhere */
static void stateless_answer_with_a_spoiled_via_is_stray(void **state)
{
	(void)state;
	static const char *const below[] = {"SIP/2.0/UDP name.example;branch=z9hG4bKd1", "nonsense", NULL};
	for (unsigned i = 0; i < 3; i++) {
		struct world *w = world_new(1);
		char caller[800], callee[800], text[4096], tail[2048];
		set_up(w, 0, caller, callee);
		world_rx(w, world_caller, caller_at("BYE", 1, caller));
		snprintf(text, sizeof text, "%s", world_answer(world_expect(w, "BYE", T1)->text, 200, ""));
		char *second = strstr(strstr(text, "Via: ") + 5, "Via: ");
		snprintf(tail, sizeof tail, "%s", strstr(second, "\r\n") + 2);
		if (below[i])
			sprintf(second, "Via: %s\r\n%s", below[i], tail);
		else
			strcpy(second, tail);
		assert_int_equal(world_rx(w, T1, text), SB_C_drop_stray_response);
		world_quiet(w);
		world_free(w);
	}
}

/* Without a buffer, or a way, requests and answers in a dialog are lost, and counted as that */
static void relaying_without_state_counts_what_it_loses(void **state)
{
	(void)state;
	struct world *w = world_new(1);
	char caller[800], callee[800];
	set_up(w, 0, caller, callee);
	const char *bye = caller_at("BYE", 1, caller);
	w->refuse_buffers = 1;
	assert_int_equal(world_rx(w, world_caller, bye), SB_C_drop_no_buffer);
	w->refuse_sends = true;
	assert_int_equal(world_rx(w, world_caller, bye), SB_C_drop_no_route);
	w->refuse_sends = false;
	world_rx(w, world_caller, bye);
	const char *ok = world_answer(world_expect(w, "BYE", T1)->text, 200, "");
	w->refuse_buffers = 1;
	assert_int_equal(world_rx(w, T1, ok), SB_C_drop_no_buffer);
	w->refuse_sends = true;
	assert_int_equal(world_rx(w, T1, ok), SB_C_drop_no_route);
	world_quiet(w);
	world_free(w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(in_dialog_requests_need_no_stored_state),
	        cmocka_unit_test(overload_spares_dialogs),
	        cmocka_unit_test(call_between_listeners_is_double_record_routed),
	        cmocka_unit_test(unsigned_route_gets_403),
	        cmocka_unit_test(ack_of_a_2xx_passes_whatever_its_branch),
	        cmocka_unit_test(signed_route_begins_no_new_dialog),
	        cmocka_unit_test(ack_of_a_refusal_is_not_the_dialogs),
	        cmocka_unit_test(stateless_response_goes_only_where_its_request_came_from),
	        cmocka_unit_test(next_hop_is_the_route_behind_ours_or_the_uri),
	        cmocka_unit_test(hop_that_cannot_be_reached_is_refused),
	        cmocka_unit_test(requests_in_a_dialog_are_checked),
	        cmocka_unit_test(second_own_route_must_be_signed_too),
	        cmocka_unit_test(request_too_large_to_relay_gets_513),
	        cmocka_unit_test(dialog_of_an_rfc_2543_client_goes_on),
	        cmocka_unit_test(answer_leaves_by_another_listener_after_a_reload),
	        cmocka_unit_test(answer_leaves_by_its_requests_listener),
	        cmocka_unit_test(repeated_2xx_ends_with_its_listener),
	        cmocka_unit_test(stateless_answer_with_a_spoiled_via_is_stray),
	        cmocka_unit_test(relaying_without_state_counts_what_it_loses),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

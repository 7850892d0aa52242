/* SPDX-License-Identifier: BSD-3-Clause */
/* What leaves: relayed requests and responses, our own replies and requests (R3261-16.6, R3261-16.7, R3581,
 * R3261-16.10). */
#include "tests/unit/sip/base.h"
#include <switchback/err.h>

#define BRANCH "z9hG4bK0123456789012345678901234567890123456789"
#define OWN    "192.0.2.10:5060"

static struct sb_relay relay_from(const char *source)
{
	struct sb_relay r = {.via_hostport = OWN, .via_hostport_len = strlen(OWN), .branch = BRANCH};
	assert_int_equal(sb_addr_parse(source, 5060, &r.source), 0);
	return r;
}

static void relayed_is(const char *text, const struct sb_relay *relay, const char *want)
{
	struct msg *m = msg_read(text);
	char out[4096] = "";
	assert_int_equal(m->read, SB_READ_REQUEST);
	int len = sb_compose_request(&m->sip, relay, out, sizeof out - 1);
	assert_true(len > 0);
	out[len] = 0;
	assert_string_equal(out, want);
	assert_true((size_t)len <= m->len + SB_RELAY_GROWTH);
	/* The very size is enough, one byte less is not. */
	assert_int_equal(sb_compose_request(&m->sip, relay, out, (size_t)len), len);
	assert_int_equal(sb_compose_request(&m->sip, relay, out, (size_t)len - 1), SB_E_NOSPACE);
	msg_free(m);
}

#define OWN_VIA "Via: SIP/2.0/UDP " OWN ";branch=" BRANCH "\r\n"
#define REST    FROM TO CALL_ID CSEQ
#define MF_LESS "Max-Forwards: 69\r\n"

static void a_request_gets_via_rport_and_one_hop_less(void **state)
{
	struct sb_relay r = relay_from("198.51.100.7:6060");
	relayed_is(REQUEST("X-Odd:  stays \r\n"), &r,
	        START OWN_VIA
	        "Via: SIP/2.0/UDP 198.51.100.7:5070;branch=z9hG4bKabc;rport=6060;received=198.51.100.7\r\n" REST MF_LESS
	        "X-Odd:  stays \r\n" END);
}

static void received_is_told_where_it_differs_and_never_twice(void **state)
{
	static const struct {
		const char *via, *want;
	} rows[] = {
	        {"SIP/2.0/UDP 198.51.100.7;branch=a", "SIP/2.0/UDP 198.51.100.7;branch=a"},
	        {"SIP/2.0/UDP 198.51.100.8;branch=a", "SIP/2.0/UDP 198.51.100.8;branch=a;received=198.51.100.7"},
	        {"SIP/2.0/UDP h.example;branch=a", "SIP/2.0/UDP h.example;branch=a;received=198.51.100.7"},
	        {"SIP/2.0/UDP h.example;received=9.9.9.9;branch=a",
	                "SIP/2.0/UDP h.example;received=198.51.100.7;branch=a"},
	        {"SIP/2.0/UDP h.example;received=[::1];branch=a",
	                "SIP/2.0/UDP h.example;received=198.51.100.7;branch=a"},
	        {"SIP/2.0/UDP 198.51.100.7;received=9.9.9.9;branch=a",
	                "SIP/2.0/UDP 198.51.100.7;received=198.51.100.7;branch=a"},
	        {"SIP/2.0/UDP h.example;rport=1;branch=a",
	                "SIP/2.0/UDP h.example;rport=6060;branch=a;received=198.51.100.7"},
	        {"SIP/2.0/UDP h.example;rport;received=9.9.9.9",
	                "SIP/2.0/UDP h.example;rport=6060;received=198.51.100.7"},
	        {"SIP/2.0/UDP h.example;branch=a, SIP/2.0/UDP x.example",
	                "SIP/2.0/UDP h.example;branch=a;received=198.51.100.7, SIP/2.0/UDP x.example"},
	};
	struct sb_relay r = relay_from("198.51.100.7:6060");
	for (unsigned i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		char in[1024], want[1024];
		snprintf(in, sizeof in, START "Via: %s\r\n" REST MF END, rows[i].via);
		snprintf(want, sizeof want, START OWN_VIA "Via: %s\r\n" REST MF_LESS END, rows[i].want);
		relayed_is(in, &r, want);
	}
	r = relay_from("[2001:db8::7]:6060");
	relayed_is(START "Via: SIP/2.0/UDP [2001:DB8::0007]:5060;branch=a\r\n" REST MF END, &r,
	        START OWN_VIA "Via: SIP/2.0/UDP [2001:DB8::0007]:5060;branch=a\r\n" REST MF_LESS END);
	relayed_is(START "Via: SIP/2.0/UDP 1.1.1.1;rport\r\n" REST MF END, &r,
	        START OWN_VIA "Via: SIP/2.0/UDP 1.1.1.1;rport=6060;received=2001:db8::7\r\n" REST MF_LESS END);
}

static void max_forwards_is_added_where_there_is_none(void **state)
{
	struct sb_relay r = relay_from("198.51.100.7:5060");
	relayed_is(START "v: SIP/2.0/UDP 198.51.100.7\r\n" REST END, &r,
	        START OWN_VIA "Max-Forwards: 70\r\nv: SIP/2.0/UDP 198.51.100.7\r\n" REST END);
}

#define RR_A "Record-Route: <sip:" OWN ";lr;sb=0123456789abcdef>\r\n"
#define RR_B "Record-Route: <sip:[2001:db8::a]:5060;lr;sb=fedcba9876543210>\r\n"

static void our_record_routes_go_on_top(void **state)
{
	struct sb_relay r = relay_from("198.51.100.7:5060");
	r.n_record_routes = 2;
	r.record_route[0].hostport = OWN;
	r.record_route[0].hostport_len = strlen(OWN);
	memcpy(r.record_route[0].token, "0123456789abcdef", 16);
	r.record_route[1].hostport = "[2001:db8::a]:5060";
	r.record_route[1].hostport_len = 18;
	memcpy(r.record_route[1].token, "fedcba9876543210", 16);
	relayed_is(START "v: SIP/2.0/UDP 198.51.100.7\r\n" REST MF END, &r,
	        START OWN_VIA RR_A RR_B "v: SIP/2.0/UDP 198.51.100.7\r\n" REST MF_LESS END);
	relayed_is(START "v: SIP/2.0/UDP 198.51.100.7\r\n" REST MF "Record-Route: <sip:x1;lr>\r\n" END, &r,
	        START OWN_VIA "v: SIP/2.0/UDP 198.51.100.7\r\n" REST MF_LESS RR_A RR_B
	                      "Record-Route: <sip:x1;lr>\r\n" END);
	relayed_is(START "Record-Route: <sip:x1;lr>\r\nv: SIP/2.0/UDP 198.51.100.7\r\n" REST MF END, &r,
	        START RR_A RR_B "Record-Route: <sip:x1;lr>\r\n" OWN_VIA
	                        "v: SIP/2.0/UDP 198.51.100.7\r\n" REST MF_LESS END);
}

static void own_routes_are_cut_and_no_more(void **state)
{
	static const struct {
		unsigned n;
		const char *in, *want;
	} rows[] = {
	        {1, "Route: <sip:a1;lr>\r\n", ""},
	        {1, "Route: <sip:a1;lr>, <sip:b1;lr>\r\n", "Route: <sip:b1;lr>\r\n"},
	        {2, "Route: <sip:a1;lr>,<sip:b1;lr>\r\nRoute: <sip:c1;lr>\r\n", "Route: <sip:c1;lr>\r\n"},
	        {2, "Route: <sip:a1;lr> , <sip:b1;lr>;x , <sip:c1;lr>\r\n", "Route: <sip:c1;lr>\r\n"},
	        {2, "Route: <sip:a1;lr>\r\nX: y\r\nRoute:\r\n <sip:b1;lr>,\r\n <sip:c1>\r\n",
	                "X: y\r\nRoute:\r\n <sip:c1>\r\n"},
	        {0, "Route: <sip:a1;lr>\r\n", "Route: <sip:a1;lr>\r\n"},
	};
	for (unsigned i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		struct sb_relay r = relay_from("198.51.100.7:5060");
		char in[1024], want[1024];
		r.strip_routes = rows[i].n;
		snprintf(in, sizeof in, START "v: SIP/2.0/UDP 198.51.100.7\r\n" REST MF "%s" END, rows[i].in);
		snprintf(want, sizeof want, START OWN_VIA "v: SIP/2.0/UDP 198.51.100.7\r\n" REST MF_LESS "%s" END,
		        rows[i].want);
		relayed_is(in, &r, want);
	}
}

static void trailing_bytes_and_leading_line_ends_are_not_relayed(void **state)
{
	struct sb_relay r = relay_from("198.51.100.7:5060");
	relayed_is("\r\n\n" START "v: SIP/2.0/UDP 198.51.100.7\r\n" REST MF "l: 3\r\n\r\nabcdef", &r,
	        START OWN_VIA "v: SIP/2.0/UDP 198.51.100.7\r\n" REST MF_LESS "l: 3\r\n\r\nabc");
}

static void response_is(const char *vias, unsigned status, const char *want)
{
	char in[1024], out[2048];
	snprintf(in, sizeof in, "SIP/2.0 486 Busy\r\n%s" REST END, vias);
	struct msg *m = msg_read(in);
	assert_int_equal(m->read, SB_READ_RESPONSE);
	int len = sb_compose_response(&m->sip, status, "Server Internal Error", out, sizeof out - 1);
	assert_true(len > 0);
	out[len] = 0;
	assert_string_equal(out, want);
	msg_free(m);
}

static void a_response_loses_our_via_alone(void **state)
{
	response_is("Via: SIP/2.0/UDP a1;branch=1\r\nVia: SIP/2.0/UDP b1\r\n", 0,
	        "SIP/2.0 486 Busy\r\nVia: SIP/2.0/UDP b1\r\n" REST END);
	response_is("Via:\r\n SIP/2.0/UDP a1 ;branch=1 , SIP/2.0/UDP b1\r\n", 0,
	        "SIP/2.0 486 Busy\r\nVia:\r\n SIP/2.0/UDP b1\r\n" REST END);
	response_is("v: SIP/2.0/UDP a1;\r\n branch=1\r\nVia: SIP/2.0/UDP b1\r\n", 500,
	        "SIP/2.0 500 Server Internal Error\r\nVia: SIP/2.0/UDP b1\r\n" REST END);
}

static void a_reply_says_what_8_2_6_asks(void **state)
{
	struct msg *m = msg_read(START VIA "X: y\r\nVia: SIP/2.0/UDP b1\r\n" REST MF "Timestamp: 5\r\n" END);
	struct sb_reply reply = {.status = 100, .reason = "Trying", .source = relay_from("198.51.100.9:6060").source};
	char out[2048];
	int len = sb_compose_reply(&m->sip, &reply, out, sizeof out - 1);
	out[len] = 0;
	assert_string_equal(out,
	        "SIP/2.0 100 Trying\r\n"
	        "Via: SIP/2.0/UDP 198.51.100.7:5070;branch=z9hG4bKabc;rport=6060;received=198.51.100.9\r\n"
	        "Via: SIP/2.0/UDP b1\r\n" REST "Timestamp: 5\r\nContent-Length: 0\r\n\r\n");
	reply = (struct sb_reply){.status = 503,
	        .reason = "Service Unavailable",
	        .to_tag = "t7",
	        .to_tag_len = 2,
	        .extra = "Retry-After: 5\r\n",
	        .source = reply.source};
	len = sb_compose_reply(&m->sip, &reply, out, sizeof out - 1);
	out[len] = 0;
	assert_non_null(strstr(out, "To: <sip:b@example.com>;tag=t7\r\n"));
	assert_non_null(strstr(out, "Retry-After: 5\r\nContent-Length: 0\r\n\r\n"));
	assert_null(strstr(out, "Timestamp"));
	assert_int_equal(sb_compose_reply(&m->sip, &reply, out, (size_t)len - 1), SB_E_NOSPACE);
	msg_free(m);
}

static void a_to_tag_that_is_there_is_kept(void **state)
{
	struct msg *m = msg_read(START VIA FROM "To: <sip:b@bb>;tag=old\r\n" CALL_ID CSEQ MF END);
	struct sb_reply reply = {.status = 403, .reason = "Forbidden", .to_tag = "new", .to_tag_len = 3};
	char out[2048];
	int len = sb_compose_reply(&m->sip, &reply, out, sizeof out - 1);
	out[len] = 0;
	assert_non_null(strstr(out, "To: <sip:b@bb>;tag=old\r\n"));
	msg_free(m);
}

static void ack_and_cancel_follow_their_invite(void **state)
{
	struct msg *m = msg_read(REQUEST("Route: <sip:own;lr>, <sip:x1;lr>\r\nRoute: <sip:y1>\r\n"));
	struct sb_relay r = relay_from("198.51.100.7:5060");
	char out[2048];
	const char *to = "To: <sip:b@example.com>;tag=9";
	r.strip_routes = 1;
	int len = sb_compose_ack(&m->sip, &r, to, strlen(to), out, sizeof out - 1);
	out[len] = 0;
	assert_string_equal(out, "ACK sip:+442071234567@192.0.2.10 SIP/2.0\r\n" OWN_VIA MF
	                         "Route: <sip:x1;lr>\r\nRoute: <sip:y1>\r\n" FROM
	                         "To: <sip:b@example.com>;tag=9\r\n" CALL_ID "CSeq: 7 ACK\r\n" END);
	len = sb_compose_cancel(&m->sip, &r, out, sizeof out - 1);
	out[len] = 0;
	assert_string_equal(out, "CANCEL sip:+442071234567@192.0.2.10 SIP/2.0\r\n" OWN_VIA MF
	                         "Route: <sip:x1;lr>\r\nRoute: <sip:y1>\r\n" FROM TO CALL_ID "CSeq: 7 CANCEL\r\n" END);
	msg_free(m);
}

static void after_2xx_is(const char *answer_fields, enum sb_method method, const char *want)
{
	char text[2048], out[2048];
	struct msg *request = msg_read(REQUEST("Record-Route: <sip:up1;lr>\r\n"));
	snprintf(text, sizeof text, "SIP/2.0 200 OK\r\n" VIA FROM "To: <sip:b@bb>;tag=2\r\n" CALL_ID CSEQ "%s" END,
	        answer_fields);
	struct msg *m = msg_read(text);
	assert_int_equal(m->read, SB_READ_RESPONSE);
	int len = sb_compose_after_2xx(&m->sip, &request->sip, method, OWN, strlen(OWN), BRANCH, out, sizeof out - 1);
	assert_true(len > 0);
	out[len] = 0;
	assert_string_equal(out, want);
	msg_free(request);
	msg_free(m);
}

#define END_2XX(cseq) FROM "To: <sip:b@bb>;tag=2\r\n" CALL_ID "CSeq: " cseq "\r\n" END

static void a_2xx_nobody_wants_is_ended_as_its_caller_would(void **state)
{
	after_2xx_is("Contact: <sip:b@203.0.113.5:5062?x=y>\r\nRecord-Route: <sip:far;lr>, <sip:near;lr>\r\n"
	             "Record-Route: <sip:" OWN ";lr;sb=1>\r\nRecord-Route: <sip:up1;lr>\r\n",
	        SB_M_BYE,
	        "BYE sip:b@203.0.113.5:5062 SIP/2.0\r\n" OWN_VIA MF
	        "Route: <sip:near;lr>\r\nRoute: <sip:far;lr>\r\n" END_2XX("8 BYE"));
	after_2xx_is("Contact: <sip:b@203.0.113.5>\r\nRecord-Route: <sip:near;lr>\r\nRecord-Route: <sip:up1;lr>\r\n",
	        SB_M_ACK, "ACK sip:b@203.0.113.5 SIP/2.0\r\n" OWN_VIA MF "Route: <sip:near;lr>\r\n" END_2XX("7 ACK"));
	after_2xx_is("Record-Route: <sip:strict?X-A=b>\r\nRecord-Route: <sip:" OWN ">\r\n", SB_M_ACK,
	        "ACK sip:strict SIP/2.0\r\n" OWN_VIA MF "Route: <sip:+442071234567@192.0.2.10>\r\n" END_2XX("7 ACK"));
}

static void a_probe_is_an_options_that_we_can_read(void **state)
{
	char out[2048];
	int len = sb_compose_probe("198.51.100.1:5060", OWN, BRANCH, "", "switchback", 77, out, sizeof out);
	assert_true(len > 0);
	struct msg *m = msg_new(out, (size_t)len, '\n');
	m->read = sb_sip_read(&m->sip, m->text, m->len, true, &m->asked);
	assert_int_equal(m->read, SB_READ_REQUEST);
	assert_int_equal(m->sip.method, SB_M_OPTIONS);
	assert_span(m, m->sip.uri_text, "sip:198.51.100.1:5060");
	assert_span(m, m->sip.via.branch, BRANCH);
	assert_non_null(memmem(out, (size_t)len, "From: <sip:switchback@" OWN ">;tag=", 30));
	msg_free(m);
	len = sb_compose_probe("198.51.100.1", OWN, BRANCH, "sip:ping@example.com", "", 77, out, sizeof out);
	assert_non_null(memmem(out, (size_t)len, "From: <sip:ping@example.com>;tag=", 33));
	assert_null(memmem(out, (size_t)len, "User-Agent", 10));
	assert_int_equal(sb_compose_probe("a\r\nX: y", OWN, BRANCH, "", "", 1, out, sizeof out), SB_E_INVAL);
}

static void reason_phrases_are_the_standard_ones(void **state)
{
	assert_string_equal(sb_reason(503), "Service Unavailable");
	assert_string_equal(sb_reason(482), "Loop Detected");
	assert_string_equal(sb_reason(599), "Unknown");
}

/* No more of Route is cut than there is: who asks for that is told, and nothing half cut leaves */
static void more_own_routes_than_there_are_is_an_error(void **state)
{
	struct sb_relay r = relay_from("198.51.100.7:5060");
	char out[2048];
	static const char *const routes[] = {"", "Route: <sip:a1;lr>\r\n", "Route: <sip:a1;lr>, broken\r\n"};
	r.strip_routes = 2;
	for (unsigned i = 0; i < 3; i++) {
		char in[1024];
		snprintf(in, sizeof in, START VIA REST MF "%s" END, routes[i]);
		struct msg *m = msg_read(in);
		assert_int_equal(m->read, SB_READ_REQUEST);
		assert_int_equal(sb_compose_request(&m->sip, &r, out, sizeof out), SB_E_INVAL);
		msg_free(m);
	}
}

/* R3261-12.2.1.1: ours is told from another's that begins like it, or has another scheme */
static void record_route_of_a_neighbour_is_not_ours(void **state)
{
	static const char *const others[] = {
	        "<sip:192.0.2.10:50601;lr>", "<sips:192.0.2.10:5060;lr>", "<sip:192.0.2.10;lr>"};
	for (unsigned i = 0; i < 3; i++) {
		char fields[512], want[1024];
		snprintf(fields, sizeof fields,
		        "Contact: <sip:b@203.0.113.5>\r\nRecord-Route: %s\r\nRecord-Route: <sip:" OWN ">\r\n",
		        others[i]);
		snprintf(want, sizeof want,
		        "ACK sip:b@203.0.113.5 SIP/2.0\r\n" OWN_VIA MF "Route: %s\r\n" END_2XX("7 ACK"), others[i]);
		after_2xx_is(fields, SB_M_ACK, want);
	}
}

/* P18: no text of the configuration breaks out of its line */
static void probe_texts_stay_on_their_line(void **state)
{
	char out[2048];
	for (unsigned which = 0; which < 4; which++) {
		static const char *const bad[] = {"a\nb", "a\rb", "a\x7f", "\x01"};
		for (unsigned i = 0; i < 4; i++) {
			const char *t[] = {"198.51.100.1", OWN, "sip:a@b", "ua"};
			t[which] = bad[i];
			assert_int_equal(
			        sb_compose_probe(t[0], t[1], BRANCH, t[2], t[3], 1, out, sizeof out), SB_E_INVAL);
		}
	}
	assert_int_equal(sb_compose_probe("198.51.100.1", OWN, BRANCH, "", "", 1, out, 100), SB_E_NOSPACE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(a_request_gets_via_rport_and_one_hop_less),
	        cmocka_unit_test(received_is_told_where_it_differs_and_never_twice),
	        cmocka_unit_test(max_forwards_is_added_where_there_is_none),
	        cmocka_unit_test(our_record_routes_go_on_top),
	        cmocka_unit_test(own_routes_are_cut_and_no_more),
	        cmocka_unit_test(trailing_bytes_and_leading_line_ends_are_not_relayed),
	        cmocka_unit_test(a_response_loses_our_via_alone),
	        cmocka_unit_test(a_reply_says_what_8_2_6_asks),
	        cmocka_unit_test(a_to_tag_that_is_there_is_kept),
	        cmocka_unit_test(ack_and_cancel_follow_their_invite),
	        cmocka_unit_test(a_2xx_nobody_wants_is_ended_as_its_caller_would),
	        cmocka_unit_test(a_probe_is_an_options_that_we_can_read),
	        cmocka_unit_test(reason_phrases_are_the_standard_ones),
	        cmocka_unit_test(more_own_routes_than_there_are_is_an_error),
	        cmocka_unit_test(record_route_of_a_neighbour_is_not_ours),
	        cmocka_unit_test(probe_texts_stay_on_their_line),
	};
	return cmocka_run_group_tests(tests, group_osip, NULL);
}

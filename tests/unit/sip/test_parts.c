/* SPDX-License-Identifier: BSD-3-Clause */
/* The parts that callers read by themselves: Via values and targets, URIs, dialled numbers, Route values (R3581,
 * R3261-16.6). */
#include "tests/unit/sip/base.h"

static struct msg *with_via(const char *via)
{
	char text[1024];
	snprintf(text, sizeof text, START "%s" FROM TO CALL_ID CSEQ MF END, via);
	struct msg *m = msg_read(text);
	assert_int_equal(m->read, SB_READ_REQUEST);
	return m;
}

static void target_is(const char *via, const char *want)
{
	struct msg *m = with_via(via);
	struct sb_addr to;
	char got[SB_ADDR_TEXT_MAX] = "a name";
	if (sb_via_target(&m->sip, &m->sip.via, &to) == 0)
		sb_addr_format(&to, got);
	assert_string_equal(got, want);
	msg_free(m);
}

static void responses_go_where_via_says(void **state)
{
	target_is("Via: SIP/2.0/UDP 192.0.2.1;branch=z\r\n", "192.0.2.1:5060");
	target_is("Via: SIP/2.0/UDP 192.0.2.1:5070;branch=z\r\n", "192.0.2.1:5070");
	target_is("Via: SIP/2.0/UDP host.example:5070;received=192.0.2.9;branch=z\r\n", "192.0.2.9:5070");
	target_is("Via: SIP/2.0/UDP 192.0.2.1:5070;received=192.0.2.9;rport=6001\r\n", "192.0.2.9:6001");
	target_is("Via: SIP/2.0/UDP 192.0.2.1:5070;rport\r\n", "192.0.2.1:5070");
	target_is("Via: SIP/2.0/UDP [2001:db8::1]:5070;branch=z\r\n", "[2001:db8::1]:5070");
	target_is("Via: SIP/2.0/UDP h.example;received=2001:db8::2\r\n", "[2001:db8::2]:5060");
	target_is("Via: SIP/2.0/UDP h.example;received=[2001:db8::2]\r\n", "[2001:db8::2]:5060");
	target_is("Via: SIP/2.0/UDP h.example;branch=z\r\n", "a name");
	target_is("Via: SIP/2.0/UDP 192.0.2.1:5070;rport=0\r\n", "192.0.2.1:5070");
	target_is("Via: SIP/2.0/UDP 192.0.2.1:5070;rport=70000\r\n", "192.0.2.1:5070");
	target_is("Via: SIP/2.0/UDP 192.0.2.1;received=nonsense\r\n", "a name");
}

static void offsets_of_via_fit_its_text(void **state)
{
	struct msg *m =
	        with_via("Via: SIP/2.0/UDP [2001:db8::1]:5070 ; received=[::1];rport = 12 ;branch=z;x=\"a,;b\"  \r\n");
	const struct sb_via *v = &m->sip.via;
	assert_span(m, v->host, "2001:db8::1");
	assert_span(m, v->received, "::1");
	assert_span(m, v->rport, "12");
	assert_span(m, v->branch, "z");
	assert_memory_equal(m->text + v->received_at, "; received", 10);
	assert_memory_equal(m->text + v->rport_at - 5, "rport = 12", 10);
	assert_int_equal(m->text[v->value.off + v->value.len - 1], '"');
	assert_int_equal(v->next, 0);
	msg_free(m);
}

static void via_values_are_walked_over_lines_and_commas(void **state)
{
	struct msg *m = with_via("Via: SIP/2.0/UDP a1;branch=1 , SIP/2.0/UDP b2;branch=2\r\nSubject: x\r\nv: "
	                         "SIP/2.0/UDP c3;branch=3\r\n");
	struct sb_via v = m->sip.via;
	assert_span(m, v.value, "SIP/2.0/UDP a1;branch=1");
	assert_true(v.multi);
	assert_int_equal(sb_sip_via_at(&m->sip, v.next, &v), 0);
	assert_span(m, v.host, "b2");
	assert_false(v.multi);
	assert_int_equal(sb_sip_via_at(&m->sip, v.next, &v), 0);
	assert_span(m, v.branch, "3");
	assert_int_equal(v.next, 0);
	assert_int_not_equal(sb_sip_via_at(&m->sip, 0, &v), 0);
	assert_int_not_equal(sb_sip_via_at(&m->sip, (uint16_t)(m->len - 1), &v), 0);
	msg_free(m);
}

/* What a URI comes to, as text: scheme, user, host, port, params, lr. */
static void uri_is(const char *text, const char *want)
{
	struct sb_uri u;
	char got[256] = "bad";
	size_t len = strlen(text);
	char *exact = malloc(len); /* sanitizers see an over-read */
	memcpy(exact, text, len);
	if (sb_uri_parse(exact, (struct sb_span){0, (uint16_t)len}, &u) == 0)
		snprintf(got, sizeof got, "%d|%.*s|%.*s|%u|%.*s|%d", u.scheme, u.user.len, exact + u.user.off,
		        u.host.len, exact + u.host.off, u.port, u.params.len, exact + u.params.off, u.lr);
	assert_string_equal(got, want);
	free(exact);
}

static void uris_are_taken_apart(void **state)
{
	uri_is("sip:a@b.example", "1|a|b.example|0||0");
	uri_is("SIPS:a:pw@b.example:5061;transport=tcp;lr?x=y", "2|a|b.example|5061|;transport=tcp;lr|1");
	uri_is("sip:+44;phone-context=x@h;lr=on", "1|+44|h|0|;lr=on|1");
	uri_is("sip:[2001:db8::1]:5070;%6C%72", "1||2001:db8::1|5070|;%6C%72|1");
	uri_is("sip:h;lrx", "1||h|0|;lrx|0");
	uri_is("tel:+1-201;isub=1", "3|+1-201||0|;isub=1|0");
	uri_is("urn:service:sos", "0|||0||0");
	uri_is("sip:", "bad");
	uri_is("sip:a@", "bad");
	uri_is("sip:a b@h", "bad");
	uri_is("sip:a@h:", "bad");
	uri_is("sip:a@[::1", "bad");
	uri_is("sip:a%4", "bad");
	uri_is("1sip:a@h", "bad");
	uri_is("nothing", "bad");
	uri_is("tel:", "bad");
	uri_is("tel:;isub=1", "bad");
	uri_is("tel:+1<2", "bad");
}

static void number_is(const char *text, const char *want, size_t cap)
{
	struct sb_uri u;
	char got[64] = "";
	assert_int_equal(sb_uri_parse(text, (struct sb_span){0, (uint16_t)strlen(text)}, &u), 0);
	got[sb_uri_number(text, &u, got, cap)] = 0;
	assert_string_equal(got, want);
}

static void dialled_numbers_come_out_plain(void **state)
{
	number_is("tel:+1-(201).555", "+1201555", 60);
	number_is("sip:%2B44%32-0@h", "+442-0", 60);
	number_is("sip:+4420@h", "+44", 3);
	number_is("sip:%2b%4a%4A@h", "+JJ", 60);
	number_is("sip:h", "", 60);
}

static void parameters_are_found_by_whole_name(void **state)
{
	const char *text = ";xsb=1;SB=0a;flag";
	struct sb_span all = {0, 17}, s = sb_uri_param(text, all, "sb");
	assert_int_equal(s.len, 2);
	assert_memory_equal(text + s.off, "0a", 2);
	s = sb_uri_param(text, all, "flag");
	assert_true(s.len == 0 && s.off == 17);
	s = sb_uri_param(text, all, "no");
	assert_true(s.len == 0 && s.off == 0);
}

static void route_values_are_walked_over_lines_and_commas(void **state)
{
	struct msg *m = msg_read(
	        REQUEST("Route: <sip:192.0.2.10;lr;sb=x>;p=\"<,>\" , \"n, m\" <sip:b@h2:5070>\r\nSubject: x\r\n"
	                "route:\r\n <sip:h3;lr>\r\n"));
	struct sb_route_walk walk = {.line = m->sip.route_line};
	struct sb_route r;
	bool bad;
	assert_int_equal(m->read, SB_READ_REQUEST);
	assert_true(sb_sip_route_next(&m->sip, &walk, &r, &bad));
	assert_span(m, r.value, "<sip:192.0.2.10;lr;sb=x>;p=\"<,>\"");
	assert_true(r.first && !r.last && r.parsed.lr);
	assert_true(sb_sip_route_next(&m->sip, &walk, &r, &bad));
	assert_span(m, r.uri, "sip:b@h2:5070");
	assert_true(!r.first && r.last && !r.parsed.lr);
	assert_memory_equal(m->text + r.line_end, "Subject", 7);
	assert_true(sb_sip_route_next(&m->sip, &walk, &r, &bad));
	assert_span(m, r.parsed.host, "h3");
	assert_false(sb_sip_route_next(&m->sip, &walk, &r, &bad));
	assert_false(bad);
	assert_int_equal(walk.n, 3);
	msg_free(m);
}

static void route_walk_tells_malformed_from_none(void **state)
{
	struct msg *m = msg_read(REQUEST("Route: <sip:h1;lr>, broken\r\n"));
	struct sb_route_walk walk = {.line = m->sip.route_line}, none = {0};
	struct sb_route r;
	bool bad;
	assert_true(sb_sip_route_next(&m->sip, &walk, &r, &bad));
	assert_false(sb_sip_route_next(&m->sip, &walk, &r, &bad));
	assert_true(bad);
	assert_false(sb_sip_route_next(&m->sip, &none, &r, &bad));
	assert_false(bad);
	msg_free(m);
}

static void route_walk_is_bounded(void **state)
{
	char text[8192] = START VIA FROM TO CALL_ID CSEQ MF;
	for (unsigned i = 0; i < SB_SIP_VALUES_MAX + 9; i++)
		strcat(text, "Route: <sip:h1;lr>\r\n");
	strcat(text, END);
	struct msg *m = msg_read(text);
	struct sb_route_walk walk = {.line = m->sip.route_line};
	struct sb_route r;
	bool bad;
	unsigned n = 0;
	while (sb_sip_route_next(&m->sip, &walk, &r, &bad))
		n++;
	assert_int_equal(n, SB_SIP_VALUES_MAX);
	assert_true(bad);
	msg_free(m);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(responses_go_where_via_says),
	        cmocka_unit_test(offsets_of_via_fit_its_text),
	        cmocka_unit_test(via_values_are_walked_over_lines_and_commas),
	        cmocka_unit_test(uris_are_taken_apart),
	        cmocka_unit_test(dialled_numbers_come_out_plain),
	        cmocka_unit_test(parameters_are_found_by_whole_name),
	        cmocka_unit_test(route_values_are_walked_over_lines_and_commas),
	        cmocka_unit_test(route_walk_tells_malformed_from_none),
	        cmocka_unit_test(route_walk_is_bounded),
	};
	return cmocka_run_group_tests(tests, group_osip, NULL);
}

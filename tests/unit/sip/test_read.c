/* SPDX-License-Identifier: BSD-3-Clause */
/* Reading datagrams: what is SIP, what is not, what is refused and why (R3261-16.3, R3261-18, P17). */
#include "tests/unit/sip/base.h"

static void expect(const char *text, enum sb_read read, unsigned error)
{
	for (int osip = 0; osip < 2; osip++) {
		struct msg *m = msg_new(text, strlen(text), '\n');
		m->read = sb_sip_read(&m->sip, m->text, m->len, osip, &m->asked);
		if (m->read != read || m->sip.error != error)
			print_message("%s: %s\n", text, m->sip.error_text ? m->sip.error_text : "");
		assert_int_equal(m->read, read);
		assert_int_equal(m->sip.error, error);
		msg_free(m);
	}
}

static void datagram(const void *text, size_t len, enum sb_read read)
{
	struct msg *m = msg_new(text, len, 'V');
	assert_int_equal(sb_sip_read(&m->sip, m->text, m->len, false, &m->asked), read);
	assert_false(m->asked);
	msg_free(m);
}

static void datagrams_that_are_not_sip_are_told_apart(void **state)
{
	datagram("", 0, SB_READ_KEEPALIVE);
	datagram("\r\n\r\n", 4, SB_READ_KEEPALIVE);
	datagram(" \t\r\n", 4, SB_READ_KEEPALIVE);
	datagram("\0\1\0\0\x21\x12\xa4\x42"
	         "aaaaaaaaaaaa",
	        20, SB_READ_STUN);
	datagram("\1\1\0\0\x21\x12\xa4\x43"
	         "aaaaaaaaaaaa",
	        20, SB_READ_NOT_SIP);
	datagram("\0\1\0\0", 4, SB_READ_NOT_SIP);
	datagram("\x80\x08 rtp", 6, SB_READ_RTP);
	datagram("\xbf\xc8 rtcp", 7, SB_READ_RTP);
	datagram("\xc0", 1, SB_READ_NOT_SIP);
	datagram("GET / HTTP/1.1\r\nHost: a\r\n\r\n", 27, SB_READ_NOT_SIP);
	datagram("hello", 5, SB_READ_NOT_SIP);
	datagram("INVITE sip:a@b SIP/2.0", 22, SB_READ_NOT_SIP);
	datagram("\r\n\r\nx", 5, SB_READ_NOT_SIP);
}

static void a_plain_invite_is_read_without_libosip2(void **state)
{
	struct msg *m = msg_read(REQUEST("Contact: <sip:a@198.51.100.7:5070>\r\n"));
	assert_int_equal(m->read, SB_READ_REQUEST);
	assert_false(m->asked);
	assert_false(m->sip.odd);
	assert_true(m->sip.answerable);
	assert_int_equal(m->sip.method, SB_M_INVITE);
	assert_int_equal(m->sip.cseq, 7);
	assert_int_equal(m->sip.max_forwards_value, 70);
	assert_span(m, m->sip.uri.user, "+442071234567");
	assert_span(m, m->sip.uri.host, "192.0.2.10");
	assert_span(m, m->sip.via.value, "SIP/2.0/UDP 198.51.100.7:5070;branch=z9hG4bKabc;rport");
	assert_int_equal(m->sip.via.port, 5070);
	assert_span(m, m->sip.from, "\"A\" <sip:a@example.com>;tag=f1");
	assert_span(m, m->sip.from_tag, "f1");
	assert_int_equal(m->sip.to_tag.len, 0);
	assert_span(m, m->sip.to_line, "To: <sip:b@example.com>");
	assert_span(m, m->sip.call_id, "c1@example.com");
	assert_span(m, m->sip.contact, "sip:a@198.51.100.7:5070");
	assert_int_equal(m->sip.len, m->len);
	assert_memory_equal(m->text + m->sip.header_end, "\r\n", 2);
	assert_int_equal(m->sip.body, m->len);
	msg_free(m);
}

static void a_response_takes_its_method_from_cseq(void **state)
{
	struct msg *m = msg_read(
	        "SIP/2.0 503 Down\r\n" VIA FROM TO CALL_ID "CSeq: 3 OPTIONS\r\nRetry-After: 120 (busy)\r\n" END);
	assert_int_equal(m->read, SB_READ_RESPONSE);
	assert_int_equal(m->sip.status, 503);
	assert_int_equal(m->sip.method, SB_M_OPTIONS);
	assert_span(m, m->sip.method_text, "OPTIONS");
	assert_int_equal(m->sip.retry_after_s, 120);
	msg_free(m);
}

static void compact_names_mean_the_same(void **state)
{
	struct msg *m =
	        msg_read(START "v: SIP/2.0/UDP 1.1.1.1;branch=z9hG4bKx\r\nf:sip:a@bb;tag=1\r\nt: sip:b@bb;tag=2\r\n"
	                       "i: id\r\nCSEQ: 1 INVITE\r\nm: sip:c@bb\r\nl: 2\r\n\r\nabcd");
	assert_int_equal(m->read, SB_READ_REQUEST);
	assert_span(m, m->sip.via.host, "1.1.1.1");
	assert_span(m, m->sip.from_tag, "1");
	assert_span(m, m->sip.to_tag, "2");
	assert_span(m, m->sip.call_id, "id");
	assert_span(m, m->sip.contact, "sip:c@bb");
	assert_int_equal(m->sip.content_length, 2);
	assert_int_equal(m->sip.len, m->len - 2);
	msg_free(m);
}

static void oddities_are_asked_of_libosip2_and_pass(void **state)
{
	static const char *const texts[] = {
	        START VIA FROM TO CALL_ID "CSeq: 7\r\n INVITE\r\n" MF END,
	        START VIA FROM "To : <sip:b@example.com>\r\n" CALL_ID CSEQ MF END,
	        START "Via: SIP/2.0/UDP 1.1.1.1;branch=z9hG4bKx, SIP/2.0/UDP 2.2.2.2\r\n" FROM TO CALL_ID CSEQ MF END,
	        START "Via: sip/2.0/udp host_a;branch=z9hG4bKx\r\n" FROM TO CALL_ID CSEQ MF END,
	        START VIA "From: \"q\\\"q\" <sip:a@bb>;tag=1\r\n" TO CALL_ID CSEQ MF END,
	        START VIA "From: <sip:a@bb>;tag=a=b@c\r\n" TO CALL_ID CSEQ MF END,
	        START VIA FROM "To: <http://www.example.com>\r\n" CALL_ID CSEQ MF END,
	        "INVITE sip:#31#@192.0.2.1 SIP/2.0\r\n" VIA FROM TO CALL_ID CSEQ MF END,
	        "INVITE sip:a@bb SIP/2.0\n"
	        "Via: SIP/2.0/UDP 1.1.1.1;branch=z9hG4bKx\n" FROM TO CALL_ID CSEQ MF "\r\n",
	};
	for (unsigned i = 0; i < sizeof texts / sizeof texts[0]; i++) {
		struct msg *m = msg_read(texts[i]);
		if (m->read != SB_READ_REQUEST || !m->asked)
			print_message("%s\n%s\n", texts[i], m->sip.error_text ? m->sip.error_text : "");
		assert_int_equal(m->read, SB_READ_REQUEST);
		assert_true(m->asked);
		msg_free(m);
	}
}

static void broken_parts_that_a_proxy_reads_are_refused(void **state)
{
	static const char *const texts[] = {
	        START FROM TO CALL_ID CSEQ MF END,
	        START VIA TO CALL_ID CSEQ MF END,
	        START VIA FROM CALL_ID CSEQ MF END,
	        START VIA FROM TO CSEQ MF END,
	        START VIA FROM TO CALL_ID MF END,
	        START VIA FROM TO CALL_ID CSEQ CSEQ MF END,
	        START VIA FROM FROM TO CALL_ID CSEQ MF END,
	        START VIA FROM TO CALL_ID CALL_ID CSEQ MF END,
	        START VIA FROM TO CALL_ID CSEQ MF MF END,
	        START VIA FROM TO CALL_ID CSEQ MF "l: 0\r\n" END,
	        START VIA FROM TO CALL_ID "CSeq: 2147483648 INVITE\r\n" MF END,
	        START VIA FROM TO CALL_ID "CSeq: 7INVITE\r\n" MF END,
	        START VIA FROM TO CALL_ID "CSeq: 7 ACK\r\n" MF END,
	        START VIA FROM TO "Call-ID: a b\r\n" CSEQ MF END,
	        START VIA FROM TO "Call-ID:\r\n" CSEQ MF END,
	        START VIA FROM TO CALL_ID CSEQ "Max-Forwards: 256\r\n" END,
	        START VIA FROM TO CALL_ID CSEQ "Max-Forwards: x\r\n" END,
	        START VIA FROM TO CALL_ID CSEQ MF "Content-Length: 1\r\n\r\n",
	        START VIA FROM TO CALL_ID CSEQ MF "Route: sip:a@bb\r\n" END,
	        START VIA FROM TO CALL_ID CSEQ MF "Route: <http://a>\r\n" END,
	        START VIA FROM TO CALL_ID CSEQ MF "no colon here\r\n" END,
	        START VIA FROM TO CALL_ID CSEQ MF ": no name\r\n" END,
	        START " folded start"
	              "\r\n" VIA FROM TO CALL_ID CSEQ MF END,
	        START VIA FROM TO CALL_ID CSEQ MF "Subject: a\rb\r\n" END,
	        START VIA FROM TO CALL_ID CSEQ MF,
	        START "Via: SIP/2.0/UDP 1.1.1.1;branch=a;branch=b\r\n" FROM TO CALL_ID CSEQ MF END,
	        START "Via: SIP/2.0/UDP 1.1.1.1:0;branch=a\r\n" FROM TO CALL_ID CSEQ MF END,
	        START "Via: SIP/2.0/UDP 1.1.1.1;branch=a,\r\n" FROM TO CALL_ID CSEQ MF END,
	        START "Via: SIP/2.0/UDP [::1;branch=a\r\n" FROM TO CALL_ID CSEQ MF END,
	        START "Via: SIP/2.0/UDP 1.1.1.1;rport;rport=1\r\n" FROM TO CALL_ID CSEQ MF END,
	        START "Via: SIP/2.0/UDP 1.1.1.1;rport=1x\r\n" FROM TO CALL_ID CSEQ MF END,
	        START "Via: SIP/2.0/UDP 1.1.1.1;received=1.1.1.1;received=2.2.2.2\r\n" FROM TO CALL_ID CSEQ MF END,
	        START VIA FROM "To: Bell, Alexander <sip:b@bb>\r\n" CALL_ID CSEQ MF END,
	        START VIA "From: <sip:a@bb>;tag=1;tag=2\r\n" TO CALL_ID CSEQ MF END,
	        START VIA "From: <sip:a@bb\r\n" TO CALL_ID CSEQ MF END,
	        START VIA "From: <sip:a@bb>, <sip:c@dd>\r\n" TO CALL_ID CSEQ MF END,
	        "INVITE  sip:a@bb SIP/2.0\r\n" VIA FROM TO CALL_ID CSEQ MF END,
	        "INVITE sip:a@bb@cc SIP/2.0\r\n" VIA FROM TO CALL_ID CSEQ MF END,
	        "INVITE sip:%zz@bb SIP/2.0\r\n" VIA FROM TO CALL_ID CSEQ MF END,
	        "INVITE sip:a@bb:70000 SIP/2.0\r\n" VIA FROM TO CALL_ID CSEQ MF END,
	        "INVITE sip:@bb SIP/2.0\r\n" VIA FROM TO CALL_ID CSEQ MF END,
	        "INVITE * SIP/2.0\r\n" VIA FROM TO CALL_ID CSEQ MF END,
	        "INVITE tel:1 SIP/2.0\r\n" VIA FROM TO CALL_ID CSEQ MF END,
	        START VIA FROM "To: <tel:1>\r\n" CALL_ID CSEQ MF END,
	        "INVITE sip:a@bb SIP/x\r\n" VIA FROM TO CALL_ID CSEQ MF END,
	        "IN@VITE sip:a@bb SIP/2.0\r\n" VIA FROM TO CALL_ID CSEQ MF END,
	};
	for (unsigned i = 0; i < sizeof texts / sizeof texts[0]; i++)
		expect(texts[i], SB_READ_BAD_REQUEST, 400);
	expect("INVITE sip:a@bb SIP/3.0\r\n" VIA FROM TO CALL_ID CSEQ MF END, SB_READ_BAD_REQUEST, 505);
	expect("INVITE urn:service:sos SIP/2.0\r\n" VIA FROM TO CALL_ID CSEQ MF END, SB_READ_BAD_REQUEST, 416);
	expect("SIP/2.0 99 x\r\n" VIA FROM TO CALL_ID CSEQ END, SB_READ_BAD_RESPONSE, 400);
	expect("SIP/2.0 700 x\r\n" VIA FROM TO CALL_ID CSEQ END, SB_READ_BAD_RESPONSE, 400);
	expect("SIP/1.0 200 x\r\n" VIA FROM TO CALL_ID CSEQ END, SB_READ_BAD_RESPONSE, 400);
	expect("SIP/2.0 200 x\r\n" VIA FROM TO CALL_ID CSEQ "Content-Length: 5\r\n\r\nabc", SB_READ_BAD_RESPONSE, 400);
}

static void broken_parts_that_a_proxy_does_not_read_pass(void **state)
{
	expect(REQUEST("Contact: <<<>\r\n"), SB_READ_REQUEST, 0);
	expect(REQUEST("Date: yesterday\r\nExpires: -1\r\nWarning:\r\n"), SB_READ_REQUEST, 0);
	expect(REQUEST("Via: broken further down\r\n"), SB_READ_REQUEST, 0);
	expect(REQUEST("Unknown-Header-With-A-Name-Longer-Than-32-Bytes: \x01\x02\r\n"), SB_READ_REQUEST, 0);
	expect("NEWMETHOD tel:+1-201-555-0123 SIP/2.0\r\n" VIA FROM TO CALL_ID "CSeq: 1 NEWMETHOD\r\n" END,
	        SB_READ_REQUEST, 0);
	expect("SIP/2.0 200 \r\n" VIA FROM TO CALL_ID CSEQ END, SB_READ_RESPONSE, 0);
	expect("\r\n\r\n" REQUEST(""), SB_READ_REQUEST, 0);
}

static void without_content_length_the_body_goes_to_the_end(void **state)
{
	struct msg *m = msg_read(START VIA FROM TO CALL_ID CSEQ MF "\r\nv=0\r\n");
	assert_int_equal(m->read, SB_READ_REQUEST);
	assert_int_equal(m->sip.content_length, 5);
	assert_int_equal(m->sip.len, m->len);
	msg_free(m);
}

static void header_lines_are_bounded(void **state)
{
	for (unsigned lines = SB_SIP_LINES_MAX; lines <= SB_SIP_LINES_MAX + 1; lines++) {
		char text[8192] = START VIA FROM TO CALL_ID CSEQ MF;
		for (unsigned i = 6; i < lines; i++)
			strcat(text, "a: b\r\n");
		strcat(text, "\r\n");
		struct msg *m = msg_read(text);
		assert_int_equal(m->read, lines > SB_SIP_LINES_MAX ? SB_READ_BAD_REQUEST : SB_READ_REQUEST);
		assert_true(m->sip.answerable);
		msg_free(m);
	}
	for (unsigned len = 0; len < 70; len++) { /* wherever in a step of the scan the bound is passed */
		static char text[SB_SIP_MAX];
		snprintf(text, sizeof text, START VIA FROM TO CALL_ID CSEQ MF "X: %.*s\r\n", (int)len,
		        "0123456789012345678901234567890123456789012345678901234567890123456789");
		for (unsigned i = 0; i < SB_SIP_LINES_MAX + 50; i++)
			strcat(text, "a:\r\n");
		strcat(text, "\r\n");
		expect(text, SB_READ_BAD_REQUEST, 400);
	}
}

static void the_largest_datagram_is_read(void **state)
{
	static char text[SB_SIP_MAX + 1];
	size_t head = strlen(START VIA FROM TO CALL_ID CSEQ MF "\r\n");
	memset(text, 'x', sizeof text);
	memcpy(text, START VIA FROM TO CALL_ID CSEQ MF "\r\n", head);
	struct msg *m = msg_new(text, SB_SIP_MAX, '\n');
	assert_int_equal(sb_sip_index(&m->sip, m->text, m->len), SB_READ_REQUEST);
	assert_int_equal(m->sip.len, SB_SIP_MAX);
	msg_free(m);
	memcpy(text + head - 2, "Subject: ", 9); /* no empty line at all */
	m = msg_new(text, SB_SIP_MAX, '\n');
	assert_int_equal(sb_sip_index(&m->sip, m->text, m->len), SB_READ_BAD_REQUEST);
	assert_true(m->sip.answerable);
	msg_free(m);
	m = msg_new(text, sizeof text, '\n'); /* no datagram is, and 16 bits do not tell its offsets */
	assert_int_equal(sb_sip_index(&m->sip, m->text, m->len), SB_READ_NOT_SIP);
	msg_free(m);
}

/* R4475 insuf, R3261-17: branch and CSeq are what a sender knows its answer by; a cut header may have held the rest */
static void request_that_lacks_fields_is_answered_if_its_header_is_whole(void **state)
{
	static const struct {
		const char *text;
		bool answerable;
	} rows[] = {{START VIA CSEQ "\r\n", true}, {START VIA CSEQ, false}, {START VIA FROM TO CALL_ID CSEQ, true},
	        {START VIA FROM TO CALL_ID "\r\n", false}, {START FROM TO CALL_ID CSEQ "\r\n", false}};
	for (unsigned i = 0; i < sizeof rows / sizeof *rows; i++) {
		struct msg *m = msg_read(rows[i].text);
		assert_int_equal(m->read, SB_READ_BAD_REQUEST);
		assert_int_equal(m->sip.error, 400);
		assert_int_equal(m->sip.answerable, rows[i].answerable);
		msg_free(m);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(datagrams_that_are_not_sip_are_told_apart),
	        cmocka_unit_test(a_plain_invite_is_read_without_libosip2),
	        cmocka_unit_test(a_response_takes_its_method_from_cseq),
	        cmocka_unit_test(compact_names_mean_the_same),
	        cmocka_unit_test(oddities_are_asked_of_libosip2_and_pass),
	        cmocka_unit_test(broken_parts_that_a_proxy_reads_are_refused),
	        cmocka_unit_test(broken_parts_that_a_proxy_does_not_read_pass),
	        cmocka_unit_test(without_content_length_the_body_goes_to_the_end),
	        cmocka_unit_test(request_that_lacks_fields_is_answered_if_its_header_is_whole),
	        cmocka_unit_test(header_lines_are_bounded),
	        cmocka_unit_test(the_largest_datagram_is_read),
	};
	return cmocka_run_group_tests(tests, group_osip, NULL);
}

/* SPDX-License-Identifier: BSD-3-Clause */
/* The 49 messages of RFC 4475, each read with both parsers (R4475, R3261-16.3, R3261-18, P17). */
#include "tests/unit/sip/base.h"

#define REQ  SB_READ_REQUEST
#define RESP SB_READ_RESPONSE
#define BADQ SB_READ_BAD_REQUEST
#define BADR SB_READ_BAD_RESPONSE

static const struct row {
	const char *file;
	enum sb_read read;
	unsigned error; /* of a BAD_REQUEST */
	bool answerable;
} rows[] = {
        /* 3.1.1: valid */
        {"wsinv", REQ, 0, true},
        {"intmeth", REQ, 0, true},
        {"esc01", REQ, 0, true},
        {"escnull", REQ, 0, true},
        {"esc02", REQ, 0, true},
        {"lwsdisp", REQ, 0, true},
        {"longreq", REQ, 0, true},
        {"dblreq", REQ, 0, true},
        {"semiuri", REQ, 0, true},
        {"transports", REQ, 0, true},
        {"mpart01", REQ, 0, true},
        {"unreason", RESP, 0, true},
        {"noreason", RESP, 0, true},
        /* 3.1.2: broken where a proxy reads */
        {"badinv01", BADQ, 400, true},
        {"clerr", BADQ, 400, true},
        {"ncl", BADQ, 400, true},
        {"scalar02", BADQ, 400, true},
        {"scalarlg", BADR, 0, true},
        {"quotbal", BADQ, 400, true},
        {"ltgtruri", BADQ, 400, true},
        {"lwsruri", BADQ, 400, true},
        {"lwsstart", BADQ, 400, true},
        {"trws", BADQ, 400, true},
        {"escruri", BADQ, 400, true},
        {"badaspec", BADQ, 400, true},
        {"baddn", BADQ, 400, true}, /* its file has no empty line either */
        {"badvers", BADQ, 505, true},
        {"mismatch01", BADQ, 400, true},
        {"mismatch02", BADQ, 400, true},
        {"bigcode", BADR, 0, true},
        /* 3.1.2: broken where a proxy does not read */
        {"baddate", REQ, 0, true},
        {"regbadct", REQ, 0, true},
        /* 3.2 */
        {"badbranch", REQ, 0, true},
        /* 3.3 */
        {"insuf", BADQ, 400, false},
        {"unkscm", BADQ, 416, true},
        {"novelsc", BADQ, 416, true},
        {"unksm2", REQ, 0, true},
        {"bext01", REQ, 0, true}, /* its caller answers 420 */
        {"invut", REQ, 0, true},
        {"regaut01", REQ, 0, true},
        {"multi01", BADQ, 400, true},
        {"mcl01", BADQ, 400, true},
        {"bcast", RESP, 0, true},
        {"zeromf", REQ, 0, true}, /* its caller answers 483 */
        {"cparam01", REQ, 0, true},
        {"cparam02", REQ, 0, true},
        {"regescrt", REQ, 0, true},
        {"sdp01", REQ, 0, true},
        /* 3.4 */
        {"inv2543", REQ, 0, true},
};

#define ROWS (sizeof rows / sizeof rows[0])

static struct msg *load(const char *name)
{
	char path[512], text[8192];
	snprintf(path, sizeof path, "%s/rfc4475/%s.dat", SB_TEST_DATA, name);
	FILE *f = fopen(path, "rb");
	assert_non_null(f);
	size_t len = fread(text, 1, sizeof text, f);
	fclose(f);
	return msg_new(text, len, '\r');
}

static void each_message_gets_its_treatment(bool parser_osip)
{
	for (unsigned i = 0; i < ROWS; i++) {
		struct msg *m = load(rows[i].file);
		m->read = sb_sip_read(&m->sip, m->text, m->len, parser_osip, &m->asked);
		print_message("%s\n", rows[i].file);
		assert_int_equal(m->read, rows[i].read);
		assert_int_equal(m->sip.answerable, rows[i].answerable);
		if (rows[i].read == BADQ) {
			assert_int_equal(m->sip.error, rows[i].error);
			assert_non_null(m->sip.error_text);
		}
		if (parser_osip && (rows[i].read == REQ || rows[i].read == RESP))
			assert_true(m->asked);
		msg_free(m);
	}
}

static void each_message_gets_its_treatment_from_the_vector_pass(void **state)
{
	each_message_gets_its_treatment(false);
}

static void each_message_gets_its_treatment_from_libosip2(void **state)
{
	each_message_gets_its_treatment(true);
}

static void all_49_are_there(void **state)
{
	assert_int_equal(ROWS, 49);
}

static struct sb_relay some_relay(void)
{
	return (struct sb_relay){.via_hostport = "192.0.2.10:5060",
	        .via_hostport_len = 15,
	        .branch = "z9hG4bK0123456789012345678901234567890123456789",
	        .source = {.ip = {10, 1, 1, 1}, .port = 5099, .family = 4}};
}

/* R3261-16.6: apart from our lines, received and Max-Forwards no byte changes. What relaying adds is taken out again.
 */
static void relayed_bytes_stay_as_they_are(void **state)
{
	for (unsigned i = 0; i < ROWS; i++) {
		struct msg *m = load(rows[i].file);
		char out[8192];
		struct sb_relay relay = some_relay();
		m->read = sb_sip_read(&m->sip, m->text, m->len, false, &m->asked);
		if (m->read == REQ && m->sip.max_forwards.len) {
			int len = sb_compose_request(&m->sip, &relay, out, sizeof out);
			uint32_t mf = m->sip.max_forwards.off + m->sip.max_forwards.len;
			uint32_t via = m->sip.via.value.off + m->sip.via.value.len;
			uint32_t last = mf > via ? mf : via;
			assert_true(len > 0);
			assert_memory_equal(out, m->text,
			        m->sip.via_line < m->sip.max_forwards.off ? m->sip.via_line : m->sip.max_forwards.off);
			assert_memory_equal(out + len - (m->sip.len - last), m->text + last, m->sip.len - last);
		}
		msg_free(m);
	}
}

static void each_broken_request_gets_an_answer_that_can_be_read(void **state)
{
	for (unsigned i = 0; i < ROWS; i++) {
		struct msg *m = load(rows[i].file);
		char out[8192];
		struct sb_reply reply = {.status = 400, .reason = "Bad Request", .source = some_relay().source};
		m->read = sb_sip_read(&m->sip, m->text, m->len, false, &m->asked);
		if (m->read == BADQ && m->sip.answerable) {
			int len = sb_compose_reply(&m->sip, &reply, out, sizeof out);
			assert_true(len > 0);
			struct msg *r = msg_new(out, (size_t)len, '\n');
			assert_int_not_equal(sb_sip_index(&r->sip, r->text, r->len), SB_READ_NOT_SIP);
			assert_int_equal(r->sip.status, 400);
			assert_int_equal(r->sip.call_id.len, m->sip.call_id.len);
			assert_memory_equal(
			        sb_at(&r->sip, r->sip.call_id), sb_at(&m->sip, m->sip.call_id), r->sip.call_id.len);
			msg_free(r);
		}
		msg_free(m);
	}
}

static struct msg *read_file(const char *name)
{
	struct msg *m = load(name);
	m->read = sb_sip_read(&m->sip, m->text, m->len, false, &m->asked);
	return m;
}

static void folded_and_spaced_fields_are_read_through(void **state)
{
	struct msg *m = read_file("wsinv");
	struct sb_via via;
	struct sb_route_walk walk = {.line = m->sip.route_line};
	struct sb_route route;
	bool bad;
	assert_true(m->asked);
	assert_span(m, m->sip.via.host, "192.0.2.2");
	assert_span(m, m->sip.via.branch, "390skdjuw");
	assert_int_equal(m->sip.n_via_lines, 2);
	assert_int_equal(m->sip.max_forwards_value, 68);
	assert_int_equal(m->sip.cseq, 9);
	assert_span(m, m->sip.from_tag, "98asjd8");
	assert_span(m, m->sip.to_tag, "1918181833n");
	assert_int_equal(sb_sip_via_at(&m->sip, m->sip.via.next, &via), 0);
	assert_span(m, via.host, "spindle.example.com");
	assert_true(via.multi);
	assert_int_equal(sb_sip_via_at(&m->sip, via.next, &via), 0);
	assert_span(m, via.branch, "z9hG4bK30239");
	assert_int_equal(via.next, 0);
	assert_true(sb_sip_route_next(&m->sip, &walk, &route, &bad));
	assert_span(m, route.parsed.host, "services.example.com");
	assert_true(route.parsed.lr && route.first && route.last);
	assert_false(sb_sip_route_next(&m->sip, &walk, &route, &bad));
	assert_false(bad);
	msg_free(m);
}

static void bytes_behind_content_length_do_not_count(void **state)
{
	struct msg *m = read_file("dblreq");
	char out[2048];
	struct sb_relay relay = some_relay();
	assert_int_equal(m->sip.len, 300);
	assert_int_equal(m->sip.content_length, 0);
	int len = sb_compose_request(&m->sip, &relay, out, sizeof out);
	assert_true(len > 0);
	assert_memory_equal(out + len - 4, "\r\n\r\n", 4);
	assert_null(memmem(out, (size_t)len, "INVITE", 6));
	msg_free(m);
}

static void what_the_caller_decides_is_left_to_it(void **state)
{
	struct msg *bext = read_file("bext01"), *zero = read_file("zeromf"), *branch = read_file("badbranch");
	assert_memory_equal(bext->text + bext->sip.proxy_require_line, "Proxy-Require:", 14);
	assert_int_equal(zero->sip.max_forwards.len, 1);
	assert_int_equal(zero->sip.max_forwards_value, 0);
	assert_span(branch, branch->sip.via.branch, "z9hG4bK");
	msg_free(bext);
	msg_free(zero);
	msg_free(branch);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(all_49_are_there),
	        cmocka_unit_test(each_message_gets_its_treatment_from_the_vector_pass),
	        cmocka_unit_test(each_message_gets_its_treatment_from_libosip2),
	        cmocka_unit_test(relayed_bytes_stay_as_they_are),
	        cmocka_unit_test(each_broken_request_gets_an_answer_that_can_be_read),
	        cmocka_unit_test(folded_and_spaced_fields_are_read_through),
	        cmocka_unit_test(bytes_behind_content_length_do_not_count),
	        cmocka_unit_test(what_the_caller_decides_is_left_to_it),
	};
	return cmocka_run_group_tests(tests, group_osip, NULL);
}

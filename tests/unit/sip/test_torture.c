/* SPDX-License-Identifier: BSD-3-Clause */
/* The 49 messages of RFC 4475, each read with both parsers (R4475, R3261-16.3, R3261-18, P17). */
#include "tests/unit/sip/base.h"
#include "tests/unit/torture.h"

static struct torture *table;

static int group_load(void **state)
{
	table = torture_load();
	return group_osip(state);
}

static int group_free(void **state)
{
	free(table);
	return 0;
}

static struct msg *copy_of(const struct torture_row *r)
{
	return msg_new(r->t.text, r->t.len, '\r');
}

static struct msg *read_row(const struct torture_row *r)
{
	struct msg *m = copy_of(r);
	m->read = sb_sip_read(&m->sip, m->text, m->len, false, &m->asked);
	return m;
}

static struct msg *read_file(const char *name)
{
	for (unsigned i = 0; i < table->n_messages; i++)
		if (strcmp(table->row[i].message, name) == 0)
			return read_row(&table->row[i]);
	fail_msg("there is no %s", name);
	return NULL;
}

static enum sb_read read_as(const char *name)
{
	static const char *const names[] = {[SB_READ_REQUEST] = "request",
	        [SB_READ_RESPONSE] = "response",
	        [SB_READ_BAD_REQUEST] = "bad-request",
	        [SB_READ_BAD_RESPONSE] = "bad-response"};
	for (unsigned i = 0; i < sizeof names / sizeof *names; i++)
		if (strcmp(names[i], name) == 0)
			return (enum sb_read)i;
	fail_msg("nothing is read as %s", name);
	return SB_READ_NOT_SIP;
}

static void each_message_is_read_as_it_should(bool parser_osip)
{
	for (unsigned i = 0; i < table->n_messages; i++) {
		const struct torture_row *r = &table->row[i];
		struct msg *m = copy_of(r);
		m->read = sb_sip_read(&m->sip, m->text, m->len, parser_osip, &m->asked);
		print_message("%s\n", r->message);
		assert_int_equal(m->read, read_as(r->reads));
		assert_true(m->sip.answerable);
		if (m->read == SB_READ_BAD_REQUEST) {
			assert_int_equal(m->sip.error, strtoul(r->end, NULL, 10));
			assert_non_null(m->sip.error_text);
		}
		if (parser_osip && (m->read == SB_READ_REQUEST || m->read == SB_READ_RESPONSE))
			assert_true(m->asked);
		msg_free(m);
	}
}

static void each_message_is_read_as_it_should_by_the_vector_pass(void **state)
{
	each_message_is_read_as_it_should(false);
}

static void each_message_is_read_as_it_should_by_libosip2(void **state)
{
	each_message_is_read_as_it_should(true);
}

static struct sb_relay some_relay(void)
{
	return (struct sb_relay){.via_hostport = "192.0.2.10:5060",
	        .via_hostport_len = 15,
	        .branch = "z9hG4bK0123456789012345678901234567890123456789",
	        .source = {.ip = {10, 1, 1, 1}, .port = 5099, .family = 4}};
}

static void each_broken_request_gets_an_answer_that_can_be_read(void **state)
{
	for (unsigned i = 0; i < table->n_messages; i++) {
		struct msg *m = read_row(&table->row[i]);
		char out[8192];
		struct sb_reply reply = {.status = 400, .reason = "Bad Request", .source = some_relay().source};
		if (m->read == SB_READ_BAD_REQUEST) {
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
	        cmocka_unit_test(each_message_is_read_as_it_should_by_the_vector_pass),
	        cmocka_unit_test(each_message_is_read_as_it_should_by_libosip2),
	        cmocka_unit_test(each_broken_request_gets_an_answer_that_can_be_read),
	        cmocka_unit_test(folded_and_spaced_fields_are_read_through),
	        cmocka_unit_test(bytes_behind_content_length_do_not_count),
	        cmocka_unit_test(what_the_caller_decides_is_left_to_it),
	};
	return cmocka_run_group_tests(tests, group_load, group_free);
}

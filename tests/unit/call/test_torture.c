/* SPDX-License-Identifier: BSD-3-Clause */
/* The 49 messages of RFC 4475 and the whole core, with both parsers: which bytes of a forwarded one change, how a
 * refused one is answered, where the rest end; and that nothing is held afterwards (R4475, R3261-16.3, R3261-16.6,
 * P17). */
#include "tests/unit/torture.h"
#include "world.h"

static struct torture *table;
static struct torture_text want;

static int group_load(void **state)
{
	table = torture_load();
	return 0;
}

static int group_free(void **state)
{
	free(table);
	return 0;
}

static const char *counter_name(enum sb_counter c)
{
	static const char *const names[] = {
#define X(name, kind, help) #name,
#include <switchback/counters.def>
#undef X
	};
	return names[c] ? names[c] : "nothing";
}

static enum sb_counter rx(struct world *w, const char *from, const struct torture_text *t)
{
	return world_rx_bytes(w, 0, from, t->text, t->len);
}

static struct torture_text text_of(const struct world_sent *s)
{
	struct torture_text t = {.len = s->len};
	memcpy(t.text, s->text, s->len);
	return t;
}

/* Says at which byte two texts part. */
static void assert_text(const char *got, uint32_t got_len, const struct torture_text *expected)
{
	uint32_t i = 0;
	while (i < got_len && i < expected->len && got[i] == expected->text[i])
		i++;
	if (i < got_len || i < expected->len)
		fail_msg("at byte %u: %.60s\ninstead of: %.60s", i, got + i, expected->text + i);
}

static bool counted(const struct torture_row *r, enum sb_counter end)
{
	const char *expected = strcmp(r->end, "forwarded") == 0       ? "end_forwarded"
	                       : r->end[0] >= '4' && r->end[0] <= '6' ? "end_replied"
	                                                              : r->end;
	if (strcmp(counter_name(end), expected) != 0)
		print_error("%s: ended in %s, not %s\n", r->message, counter_name(end), expected);
	return strcmp(counter_name(end), expected) == 0;
}

/* What left for the trunk, and its 200 that comes back to the caller as it was, without our Via. */
static void check_forwarded(struct world *w, const struct torture_row *r)
{
	struct torture_text left, ok;
	if (strncmp(r->t.text, "INVITE ", 7) == 0)
		world_expect(w, "SIP/2.0 100 ", NULL);
	const struct world_sent *s = world_expect(w, "", T1);
	left = text_of(s);
	torture_relayed(r, s->text, "192.0.2.99", 5070, &want);
	assert_text(s->text, s->len, &want);
	torture_answer(&left, &ok);
	assert_int_equal(rx(w, T1, &ok), SB_C_end_forwarded);
	s = world_expect(w, "SIP/2.0 200 OK", strcmp(r->more, "rport") ? "192.0.2.99:5060" : world_caller);
	torture_popped(&ok, &want);
	assert_text(s->text, s->len, &want);
}

/* One answer, with the caller's own lines (8.2.6): every Via, From, Call-ID and CSeq as they came, but for received. */
static void check_replied(struct world *w, const struct torture_row *r)
{
	static const struct {
		const char *name;
		char compact;
	} same[] = {{"From", 'f'}, {"Call-ID", 'i'}, {"CSeq", 0}};
	char start[64];
	snprintf(start, sizeof start, "SIP/2.0 %s ", r->end);
	const struct world_sent *s = world_expect(w, start, NULL);
	struct torture_text got = text_of(s);
	for (unsigned i = 0; i < sizeof same / sizeof *same; i++) {
		struct torture_line a = torture_line(&r->t, same[i].name, same[i].compact, 0),
		                    b = torture_line(&got, same[i].name, same[i].compact, 0);
		assert_int_equal(a.len, b.len);
		assert_memory_equal(a.at ? a.at : "", b.at ? b.at : "", a.len);
	}
	struct torture_line via = torture_line(&got, "Via", 'v', 0);
	assert_non_null(memmem(via.at, via.len, ";received=192.0.2.99", 20));
	assert_int_equal(torture_line(&r->t, "To", 't', 0).len > 0, torture_line(&got, "To", 't', 0).len > 0);
	if (strcmp(r->end, "420") == 0)
		assert_string_equal(
		        world_header(s->text, "Unsupported"), "noProxiesSupportThis, norDoAnyProxiesSupportThis");
}

static void each_message_gets_its_treatment(bool parser_osip)
{
	unsigned bad = 0;
	for (unsigned i = 0; i < table->n_messages; i++) {
		const struct torture_row *r = &table->row[i];
		struct world *w = world_new(1);
		w->parser_osip = parser_osip;
		print_message("%s: %s\n", r->message, r->end);
		enum sb_counter end = rx(w, world_caller, &r->t);
		bad += !counted(r, end);
		if (end == SB_C_end_forwarded)
			check_forwarded(w, r);
		else if (end == SB_C_end_replied)
			check_replied(w, r);
		world_quiet(w);
		world_end(w);
	}
	assert_int_equal(bad, 0);
}

static void each_message_gets_its_treatment_from_the_vector_pass(void **state)
{
	(void)state;
	each_message_gets_its_treatment(false);
}

static void each_message_gets_its_treatment_from_libosip2(void **state)
{
	(void)state;
	each_message_gets_its_treatment(true);
}

/* What is odd in a response does not matter, what is broken does not end the call: the trunk's good answer does. */
static void odd_and_broken_answers_come_to_a_call(bool parser_osip)
{
	for (unsigned i = table->n_messages; i < table->n; i++) {
		const struct torture_row *r = &table->row[i];
		struct world *w = world_new(2);
		struct torture_text invite, response;
		w->parser_osip = parser_osip;
		invite = text_of(world_call(w, 1));
		torture_in_call(r, &invite, &response);
		assert_true(counted(r, rx(w, T1, &response)));
		if (strcmp(r->end, "end_forwarded") == 0) {
			const struct world_sent *s = world_expect(w, "SIP/2.0 200", world_caller);
			torture_popped(&response, &want);
			assert_text(s->text, s->len, &want);
		} else {
			world_quiet(w);
			assert_int_equal(world_rx(w, T1, world_answer(invite.text, 200, "")), SB_C_end_forwarded);
			world_expect(w, "SIP/2.0 200", world_caller);
		}
		world_end(w);
	}
}

static void odd_and_broken_answers_come_to_a_call_of_the_vector_pass(void **state)
{
	(void)state;
	odd_and_broken_answers_come_to_a_call(false);
}

static void odd_and_broken_answers_come_to_a_call_of_libosip2(void **state)
{
	(void)state;
	odd_and_broken_answers_come_to_a_call(true);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(each_message_gets_its_treatment_from_the_vector_pass),
	        cmocka_unit_test(each_message_gets_its_treatment_from_libosip2),
	        cmocka_unit_test(odd_and_broken_answers_come_to_a_call_of_the_vector_pass),
	        cmocka_unit_test(odd_and_broken_answers_come_to_a_call_of_libosip2),
	};
	return cmocka_run_group_tests(tests, group_load, group_free);
}

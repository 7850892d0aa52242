/* SPDX-License-Identifier: BSD-3-Clause */
/* test_shed.c - P13: past capacity new calls are turned away, and nothing else is. */
#include "world.h"
#include "dataplane/call/txn.h"

/* An INVITE of a call with other copies under way: fork 0 is world_invite(n). */
static const char *forked_invite(unsigned n, unsigned fork)
{
	static char text[4096];
	const char *invite = world_invite(n), *rest = strstr(invite, ";rport");
	if (fork)
		snprintf(text, sizeof text, "%.*s.%u%s", (int)(rest - invite), invite, fork, rest);
	return fork ? text : invite;
}

/* Is it turned away? It is told when to come back then. */
static bool turned_away(struct world *w, const char *invite)
{
	unsigned before = w->n_sent;
	world_rx(w, world_caller, invite);
	if (strncmp(w->sent[before].text, "SIP/2.0 503", 11) != 0)
		return false;
	assert_string_equal(world_header(w->sent[before].text, "Retry-After"), "5");
	return true;
}

/* P13: past capacity so many new INVITEs are shed as was said, each told when to come back, and no state kept */
static void told_share_of_new_calls_is_shed(void **state)
{
	(void)state;
	const unsigned eighths[] = {0, 1, 3, 4, 7, 8};
	struct world *w = world_new(1);
	for (unsigned i = 0; i < sizeof eighths / sizeof *eighths; i++) {
		unsigned shed = 0, slack = eighths[i] % 8 ? 64 : 0; /* of 512: six sigma */
		for (unsigned n = 0; n < 512; n++) {
			if (n % 16 == 0)
				world_reset(w);
			sb_core_shed(w->core, eighths[i] * SB_SHED_ALL / 8);
			shed += turned_away(w, world_invite(n));
			unsigned counted = (unsigned)w->counters.v[SB_C_shed_overload];
			assert_int_equal(world_told(w, SB_MAIL_EVENT, SB_EVENT_OVERLOAD), counted ? 1 : 0);
			assert_int_equal(sb_core_usage(w->core)->transactions + counted, n % 16 + 1);
		}
		assert_in_range(shed + slack, 64 * eighths[i], 64 * eighths[i] + 2 * slack);
	}
	world_free(w);
}

/* P13: while the share stands, an INVITE sent again, a forked copy and one that follows a challenge fare as the first
 */
static void all_invites_of_a_call_are_shed_or_none(void **state)
{
	(void)state;
	struct world *w = world_new(1);
	unsigned shed = 0;
	for (unsigned n = 0; n < 64; n++) {
		world_reset(w);
		sb_core_shed(w->core, SB_SHED_ALL / 2);
		bool first = turned_away(w, world_invite(n));
		shed += first;
		world_pass(w, 100);
		for (unsigned fork = 0; fork < 4; fork++)
			assert_int_equal(turned_away(w, forked_invite(n, fork)), first);
		assert_int_equal(sb_core_usage(w->core)->transactions, first ? 0 : 4);
		assert_int_equal(w->counters.v[SB_C_retransmissions_in], !first);
	}
	assert_in_range(shed, 8, 56);
	world_free(w);
}

/* P13, P17: one that was taken is never shed when it comes again, be it over */
static void retransmission_is_absorbed_whatever_share_is_shed(void **state)
{
	(void)state;
	struct world *w = world_new(1);
	char again[4096], inv[4096];
	strcpy(again, world_invite(1));
	strcpy(inv, world_call(w, 1)->text);
	sb_core_shed(w->core, SB_SHED_ALL);
	assert_int_equal(world_rx(w, world_caller, again), SB_C_end_consumed);
	world_expect(w, "SIP/2.0 100", world_caller);
	world_rx(w, T1, world_answer(inv, 200, "Contact: <sip:b@192.0.2.1:5060>\r\n"));
	world_expect(w, "SIP/2.0 200", world_caller);
	assert_int_equal(world_rx(w, world_caller, again), SB_C_end_consumed);
	world_quiet(w);
	world_end(w);
}

/* The INVITE with `from` once replaced by `to`. */
static const char *with(const char *invite, const char *from, const char *to)
{
	static char text[4096];
	const char *at = strstr(invite, from);
	assert_non_null(at);
	snprintf(text, sizeof text, "%.*s%s%s", (int)(at - invite), invite, to, at + strlen(from));
	return text;
}

/* 7.3.1: blanks may stand before a colon. What is shed is answered as if they did not: by all its Vias, ... */
static void blanks_before_a_colon_hide_no_via(void **state)
{
	(void)state;
	struct world *w = world_new(1);
	sb_core_shed(w->core, SB_SHED_ALL);
	assert_true(turned_away(w,
	        with(world_invite(1), "\r\nMax-F", "\r\nVia : SIP/2.0/UDP 198.51.100.7;branch=z9hG4bKbelow\r\nMax-F")));
	assert_non_null(strstr(w->sent[w->n_sent - 1].text, "z9hG4bKbelow"));
	world_end(w);
}

/* ... known again by the top one, ... */
static void blanks_before_a_colon_hide_no_call_that_was_taken(void **state)
{
	(void)state;
	struct world *w = world_new(1);
	char invite[4096];
	strcpy(invite,
	        with(world_invite(1), "\r\nMax-F", "\r\nVia: SIP/2.0/UDP 198.51.100.7;branch=z9hG4bKbelow\r\nMax-F"));
	strcpy(invite, with(invite, "Via: ", "Via : "));
	world_rx(w, world_caller, invite);
	world_expect(w, "SIP/2.0 100", world_caller);
	world_expect(w, "INVITE", T1);
	sb_core_shed(w->core, SB_SHED_ALL);
	assert_int_equal(world_rx(w, world_caller, invite), SB_C_end_consumed);
	world_expect(w, "SIP/2.0 100", world_caller);
	world_free(w);
}

/* ... and what would be refused anyway is refused. */
static void blanks_hide_no_fault(void **state)
{
	(void)state;
	struct world *w = world_new(1);
	sb_core_shed(w->core, SB_SHED_ALL);
	world_reply(w, with(world_invite(1), "Max-Forwards: 70", "Max-Forwards:  0"), "SIP/2.0 483");
	world_reply(w, with(world_invite(2), "Max-Forwards: 70", "Max-Forwards:\t0"), "SIP/2.0 483");
	world_reply(w, with(world_invite(3), "Max-F", "Proxy-Require : x\r\nMax-F"), "SIP/2.0 420");
	world_reply(w, with(world_invite(4), "Max-F", "From : <sip:b@192.0.2.9>;tag=2\r\nMax-F"), "SIP/2.0 400");
	world_free(w);
}

/* P13: with all new INVITEs shed, what belongs to calls that were taken goes on, and other methods */
static void overload_sheds_new_calls_only(void **state)
{
	(void)state;
	struct world *w = world_new(1);
	char again[4096], inv[4096];
	strcpy(again, world_invite(1));
	strcpy(inv, world_call(w, 1)->text);
	world_rx(w, world_caller, world_invite(2));
	world_expect(w, "SIP/2.0 100", world_caller);
	const struct world_sent *second = world_expect(w, "INVITE", T1);
	world_rx(w, T1, world_answer(second->text, 180, ""));
	world_expect(w, "SIP/2.0 180", world_caller);
	sb_core_shed(w->core, SB_SHED_ALL);
	assert_int_equal(world_rx(w, world_caller, again), SB_C_end_consumed); /* a retransmission */
	world_expect(w, "SIP/2.0 100", world_caller);
	world_rx(w, world_caller, world_request("CANCEL", 2, "", ""));
	world_expect(w, "SIP/2.0 200", world_caller);
	world_expect(w, "CANCEL", T1);
	assert_int_equal(
	        world_rx(w, T1, world_answer(inv, 200, "Contact: <sip:b@192.0.2.1:5060>\r\n")), SB_C_end_forwarded);
	world_expect(w, "SIP/2.0 200", world_caller);
	assert_int_equal(world_rx(w, world_caller, world_request("MESSAGE", 4, "", "")), SB_C_end_forwarded);
	world_expect(w, "MESSAGE", T1);
	assert_int_equal(world_rx(w, world_caller, world_invite(3)), SB_C_end_replied);
	world_expect(w, "SIP/2.0 503", world_caller);
	sb_core_shed(w->core, 0);
	assert_int_equal(world_rx(w, world_caller, world_invite(3)), SB_C_end_forwarded);
	assert_int_equal(w->counters.v[SB_C_shed_overload], 1);
	world_free(w);
}

/* Only where there are vectors something is read in brief. */
static bool vectors(void)
{
#ifdef __x86_64__
	return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("bmi2");
#else
	return false;
#endif
}

/* How a datagram of the caller's is read. */
static enum sb_read read_as(struct world *w, const char *text, struct sb_look *look)
{
	struct sb_sip sip;
	char *copy = calloc(1, strlen(text) + SB_SIP_PAD);
	struct sb_pkt p = {.text = copy, .len = (uint32_t)strlen(text)};
	bool asked;
	memcpy(copy, text, p.len);
	enum sb_read read = sb_core_read(w->core, &sip, &p, w->parser_osip, look, &asked);
	free(copy);
	return read;
}

/* The tag that INVITE n's 503 gives To. */
static void shed_tag(struct world *w, unsigned n, char tag[32])
{
	sb_core_shed(w->core, SB_SHED_ALL);
	assert_int_equal(world_rx(w, world_caller, world_invite(n)), SB_C_end_replied);
	const char *to = world_header(world_expect(w, "SIP/2.0 503", world_caller)->text, "To");
	strcpy(tag, strstr(to, ";tag=") + 5);
	assert_int_equal(strlen(tag), 16);
}

/* RFC 3261 8.2.7: the same request gets the same answer, tag included, and whoever reads it */
static void answer_of_one_shed_is_the_same_however_it_is_read(void **state)
{
	(void)state;
	const char *const extra[] = {"", "Timestamp: 1\r\n", "Allow: INVITE\r\nSupported: timer\r\n"};
	struct world *w = world_new(1);
	sb_core_shed(w->core, SB_SHED_ALL);
	for (unsigned i = 0; i < 3; i++) {
		struct sb_look look;
		const char *invite = world_request("INVITE", i, "", extra[i]);
		w->parser_osip = false;
		read_as(w, invite, &look);
		assert_int_equal(look.brief, vectors());
		world_rx(w, world_caller, invite);
		const struct world_sent *first = world_expect(w, "SIP/2.0 503 Service Unavailable", world_caller);
		w->parser_osip = true;
		read_as(w, invite, &look);
		assert_false(look.brief);
		world_rx(w, world_caller, invite);
		assert_string_equal(world_next(w)->text, first->text);
	}
	assert_int_equal(w->counters.v[SB_C_shed_overload], 6);
	world_free(w);
}

/* An ACK of such an answer is dropped as one that matches nothing, and known by its tag alone; no other is. */
static void ack_of_one_shed_is_known_by_its_tag(void **state)
{
	(void)state;
	struct world *w = world_new(1);
	struct sb_look look;
	char tag[32];
	shed_tag(w, 1, tag);
	const char *ack = world_request("ACK", 1, tag, "");
	if (vectors())
		assert_int_equal(read_as(w, ack, &look), SB_READ_SHED_ACK);
	assert_int_equal(world_rx(w, world_caller, ack), SB_C_drop_stray_ack);
	w->parser_osip = true;
	assert_int_equal(read_as(w, ack, &look), SB_READ_REQUEST);
	assert_int_equal(world_rx(w, world_caller, ack), SB_C_drop_stray_ack);
	w->parser_osip = false;
	tag[0] ^= 1;
	assert_int_equal(read_as(w, world_request("ACK", 1, tag, ""), &look), SB_READ_REQUEST);
	tag[0] ^= 1;
	assert_int_equal(read_as(w, world_request("BYE", 1, tag, ""), &look), SB_READ_REQUEST);
	sb_core_shed(w->core, 0);
	assert_int_equal(read_as(w, ack, &look), SB_READ_REQUEST);
	assert_int_equal(world_rx(w, world_caller, ack), SB_C_drop_stray_ack);
	world_quiet(w);
	world_free(w);
}

/* A call that comes round by its trunk and is shed the second time: the refusal is relayed with our own tag, and its
 * ACK has a transaction to find (17.2.1). */
static void refusal_of_ours_that_comes_back_is_acked(void **state)
{
	(void)state;
	struct world *w = world_new(1);
	char tag[32], refusal[4096];
	shed_tag(w, 1, tag);
	sb_core_shed(w->core, 0);
	const struct world_sent *inv = world_call(w, 2);
	sb_core_shed(w->core, SB_SHED_ALL);
	strcpy(refusal, world_answer(inv->text, 503, ""));
	char *at = strstr(strstr(refusal, "\r\nTo:"), ";tag=") + 5, rest[4096];
	strcpy(rest, at + strcspn(at, ";\r"));
	sprintf(at, "%s%s", tag, rest);
	world_rx(w, T1, refusal);
	world_expect(w, "ACK", T1);
	assert_non_null(strstr(world_header(world_expect(w, "SIP/2.0 500", world_caller)->text, "To"), tag));
	assert_int_equal(world_rx(w, world_caller, world_request("ACK", 2, tag, "")), SB_C_end_consumed);
	world_pass(w, 64 * 500 - 1);
	world_quiet(w); /* it is not sent again */
	struct sb_look look;
	assert_int_equal(read_as(w, world_request("ACK", 2, tag, ""), &look), SB_READ_REQUEST);
	world_pass(w, 2);
	if (vectors())
		assert_int_equal(read_as(w, world_request("ACK", 2, tag, ""), &look), SB_READ_SHED_ACK);
	world_end(w);
}

/* Who would be refused anyway is told why. */
static void other_refusals_come_first(void **state)
{
	(void)state;
	struct world *w = world_new(1);
	char text[4096];
	sb_core_shed(w->core, SB_SHED_ALL);
	assert_int_equal(world_rx(w, "203.0.113.9:5060", world_invite(1)), SB_C_end_replied);
	world_expect(w, "SIP/2.0 403", NULL);
	strcpy(text, world_invite(2));
	memcpy(strstr(text, ": 70"), ": 0 ", 4);
	world_rx(w, world_caller, text);
	world_expect(w, "SIP/2.0 483", NULL);
	world_rx(w, world_caller, world_request("INVITE", 3, "", "Proxy-Require: x\r\n"));
	world_expect(w, "SIP/2.0 420", NULL);
	assert_int_equal(w->counters.v[SB_C_shed_overload], 0);
	world_free(w);
}

/* Each worker sheds by its own share, so it is for the owner to say. */
static void owner_alone_reads_in_brief(void **state)
{
	(void)state;
	struct world *w = world_new(1);
	unsigned brief = 0;
	world_worker(w, 1, 3);
	sb_core_shed(w->core, SB_SHED_ALL / 2);
	for (unsigned n = 0; n < 300; n++) {
		struct sb_look look;
		assert_int_equal(read_as(w, world_invite(n), &look), SB_READ_REQUEST);
		bool ours = sb_core_owner(w->core, &look) == 1;
		assert_int_equal(look.brief, vectors() && ours && sb_shed_call(w->core, look.call));
		brief += look.brief;
	}
	if (vectors())
		assert_in_range(brief, 20, 80);
	world_free(w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(told_share_of_new_calls_is_shed),
	        cmocka_unit_test(all_invites_of_a_call_are_shed_or_none),
	        cmocka_unit_test(retransmission_is_absorbed_whatever_share_is_shed),
	        cmocka_unit_test(blanks_before_a_colon_hide_no_via),
	        cmocka_unit_test(blanks_before_a_colon_hide_no_call_that_was_taken),
	        cmocka_unit_test(blanks_hide_no_fault),
	        cmocka_unit_test(overload_sheds_new_calls_only),
	        cmocka_unit_test(answer_of_one_shed_is_the_same_however_it_is_read),
	        cmocka_unit_test(ack_of_one_shed_is_known_by_its_tag),
	        cmocka_unit_test(refusal_of_ours_that_comes_back_is_acked),
	        cmocka_unit_test(other_refusals_come_first),
	        cmocka_unit_test(owner_alone_reads_in_brief),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: BSD-3-Clause */
/* test_mail.c - the core's edges: what every datagram ends as, whose it is, what mail from control does, and what
 * becomes of mail to control when the ring is full (design, invariants 1 and 4). */
#include "world.h"
#include "dataplane/call/txn.h"

static void fill_mailbox(struct world *w)
{
	struct sb_mail junk = {.op = SB_MAIL_EVENT};
	while (sb_ring_put(&w->mail.up, &junk))
		;
}

static void hand_mail(struct world *w, struct sb_mail m)
{
	sb_core_mail(w->core, &m, w->now_us);
	world_mail(w);
}

/* P17, P21: of these nothing is answered, and each is counted by what it is */
static void every_datagram_that_is_no_message_has_its_counter(void **state)
{
	(void)state;
	static const struct {
		const char *bytes;
		uint32_t len;
		enum sb_counter end;
	} rows[] = {
#define ROW(bytes, end) {bytes, sizeof bytes - 1, SB_C_##end}
	        ROW("\r\n\r\n", drop_keepalive),
	        ROW("", drop_keepalive),
	        ROW("\0\1\0\0\x21\x12\xa4\x42xxxxxxxxxxxx", drop_stun),
	        ROW("\x80\x08\0\1abcdefgh", drop_rtp),
	        ROW("GET / HTTP/1.1\r\n\r\n", drop_not_sip),
	        ROW("SIP/2.0 200 OK\r\n\r\n", drop_bad_response),
	        ROW("ACK sip:a@b SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.99\r\nCSeq: 1 ACK\r\n\r\n", drop_bad_request),
	        ROW("BYE sip:a@b SIP/2.0\r\n\r\n", drop_bad_request),
#undef ROW
	};
	struct world *w = world_new(1);
	for (unsigned i = 0; i < sizeof rows / sizeof *rows; i++)
		assert_int_equal(world_rx_bytes(w, 0, world_caller, rows[i].bytes, rows[i].len), rows[i].end);
	world_quiet(w);
	world_end(w);
}

static uint8_t owner_of(struct world *w, const char *text, enum sb_read *read)
{
	char copy[8192];
	struct sb_sip sip;
	bool asked;
	memset(copy, 0, sizeof copy);
	strcpy(copy, text);
	*read = sb_sip_read(&sip, copy, (uint32_t)strlen(text), false, &asked);
	struct sb_look look;
	sb_core_look(w->core, &sip, *read, &look);
	sb_core_prefetch(w->core, &look); /* these must bear whatever a branch claims */
	sb_core_prefetch_more(w->core, &look);
	return sb_core_owner(w->core, &look);
}

/* Sharding: a request goes by its Call-ID, a response to whoever signed its branch; what nobody signed stays where it
 * came in */
static void signed_branch_or_call_id_names_the_owner(void **state)
{
	(void)state;
	struct world *w = world_new(1);
	enum sb_read read;
	unsigned of_worker_1 = 0;
	world_worker(w, 1, 3);
	for (unsigned n = 1; n <= 12; n++) {
		const char *request = world_invite(n);
		uint8_t by_call_id = owner_of(w, request, &read);
		assert_in_range(by_call_id, 0, 2);
		of_worker_1 += by_call_id == 1;
		world_rx(w, world_caller, request);
		world_expect(w, "SIP/2.0 100", world_caller);
		const struct world_sent *inv = world_expect(w, "INVITE", T1);
		const char *answer = world_answer(inv->text, 200, "");
		assert_int_equal(owner_of(w, answer, &read), 1);
		assert_int_equal(read, SB_READ_RESPONSE);
		char *mac = strstr((char *)(uintptr_t)answer, "z9hG4bK") + 46;
		*mac = *mac == '0' ? '1' : '0';
		/* whoever gets it counts it: who forges makes no work for two workers */
		assert_int_equal(owner_of(w, answer, &read), 1);
		assert_int_equal(owner_of(w, world_answer(request, 200, ""), &read), 1);
	}
	assert_in_range(of_worker_1, 1, 11);
	assert_int_equal(owner_of(w, "nonsense", &read), 1); /* whoever got it may throw it away */
	world_end(w);
}

/* Invariant 1: a slot that no worker has, a leg that no transaction has: looked at by nobody, asked for by nobody */
static void claims_of_a_branch_are_not_believed(void **state)
{
	(void)state;
	struct world *w = world_new(1);
	static const struct sb_cookie claims[] = {{.kind = SB_COOKIE_TXN, .worker = 0, .slot = SB_COOKIE_SLOTS_MAX - 1},
	        {.kind = SB_COOKIE_TXN, .worker = 63}, {.kind = SB_COOKIE_TXN, .leg = 63, .gen = 1},
	        {.kind = SB_COOKIE_TXN, .gen = 2}, {.kind = SB_COOKIE_TXN, .gen = 1, .leg = 1}};
	const struct world_sent *inv = world_call(w, 1);
	for (unsigned i = 0; i < sizeof claims / sizeof *claims; i++) {
		enum sb_read read;
		char text[4096];
		snprintf(text, sizeof text, "%s", world_answer(inv->text, 200, ""));
		sb_cookie_write(&w->cfg.keys, &claims[i], strstr(text, "z9hG4bK")); /* signed, even so */
		owner_of(w, text, &read);
		assert_int_equal(world_rx(w, T1, text), SB_C_drop_stray_response);
		assert_int_equal(world_icmp(w, T1, text), SB_C_drop_stray_icmp);
	}
	world_quiet(w);
	world_end(w);
}

/* P1: what a kernel socket heard counts like what came by the port; a branch that nobody signed does not */
static void icmp_told_by_the_kernel_moves_on(void **state)
{
	(void)state;
	struct world *w = world_new(2);
	const struct world_sent *inv = world_call(w, 1);
	struct sb_mail m = {.op = SB_MAIL_ICMP};
	memcpy(m.icmp.branch, strstr(inv->text, "z9hG4bK"), SB_BRANCH_LEN);
	m.icmp.branch[20] ^= 1;
	hand_mail(w, m);
	world_quiet(w);
	m.icmp.branch[20] ^= 1;
	hand_mail(w, m);
	world_expect(w, "INVITE", T2);
	assert_int_equal(world_told(w, SB_MAIL_EVIDENCE, SB_EV_ICMP), 1);
	world_end(w);
}

/* P7: mail that a reload or the end of a call has overtaken does nothing */
static void overtaken_mail_does_nothing(void **state)
{
	(void)state;
	struct world *w = world_new(2);
	world_call(w, 1);
	w->trunk_of_slot[1] = SB_NO_TRUNK; /* removed */
	hand_mail(w, (struct sb_mail){.op = SB_MAIL_PROBE, .trunk = 1});
	hand_mail(w, (struct sb_mail){.op = SB_MAIL_PROBE, .trunk = SB_NO_TRUNK});
	hand_mail(w, (struct sb_mail){.op = SB_MAIL_FIRED, .timer = {.slot = 0, .gen = 77}});
	hand_mail(w, (struct sb_mail){.op = SB_MAIL_FIRED, .timer = {.slot = 15}});
	hand_mail(w, (struct sb_mail){.op = SB_MAIL_EVENT});
	world_quiet(w);
	world_end(w);
}

/* P18: what an operator wrote must not become lines of its own in a message */
static void probe_that_cannot_be_composed_is_not_sent(void **state)
{
	(void)state;
	struct world *w = world_new(1);
	strcpy(w->trunks[0][0].probe_from, "sip:a@b\r\nX: y");
	hand_mail(w, (struct sb_mail){.op = SB_MAIL_PROBE});
	w->trunks[0][0].probe_from[0] = 0;
	w->refuse_buffers = 1;
	hand_mail(w, (struct sb_mail){.op = SB_MAIL_PROBE});
	world_quiet(w);
	hand_mail(w, (struct sb_mail){.op = SB_MAIL_PROBE});
	world_expect(w, "OPTIONS", T1);
	world_free(w);
}

/* A probe's answer that finds no room is counted: to control the probe then is unanswered. Provisionals tell nothing */
static void probe_answers_wait_for_no_room(void **state)
{
	(void)state;
	struct world *w = world_new(1);
	hand_mail(w, (struct sb_mail){.op = SB_MAIL_PROBE, .probe = {.id = 5}});
	const struct world_sent *p = world_expect(w, "OPTIONS", T1);
	assert_int_equal(world_rx(w, T1, world_answer(p->text, 100, "")), SB_C_end_consumed);
	assert_int_equal(world_told(w, SB_MAIL_PROBE_RESULT, 0), 0);
	fill_mailbox(w);
	uint64_t before = w->counters.v[SB_C_mail_full];
	assert_int_equal(world_rx(w, T1, world_answer(p->text, 200, "")), SB_C_end_consumed);
	fill_mailbox(w);
	assert_int_equal(world_icmp(w, T1, p->text), SB_C_end_consumed);
	assert_int_equal(w->counters.v[SB_C_mail_full] - before, 2);
	assert_int_equal(world_told(w, SB_MAIL_PROBE_RESULT, 0), 0);
	world_free(w);
}

/* Invariant 1: evidence and events leave room for timers; what is not told is counted */
static void evidence_leaves_the_ring_to_timers(void **state)
{
	(void)state;
	struct world *w = world_new(2);
	struct sb_mail junk = {.op = SB_MAIL_EVENT};
	const struct world_sent *inv = world_call(w, 1);
	for (unsigned i = 0; i < 60; i++)
		sb_ring_put(&w->mail.up, &junk);
	world_rx(w, T1, world_answer(inv->text, 503, ""));
	world_expect(w, "ACK", T1);
	world_expect(w, "INVITE", T2);
	assert_int_equal(world_told(w, SB_MAIL_EVIDENCE, 0), 0);
	assert_int_equal(w->counters.v[SB_C_mail_full], 1);
	assert_true(w->counters.v[SB_C_events_suppressed] > 0);
	world_pass(w, 200);
	world_expect(w, "INVITE", T2); /* its timer was told */
	world_end(w);
}

/* A call that ends while its timer waits for room leaves nothing behind, and its slot's next call gets a timer of its
 * own */
static void waiting_timer_of_an_ended_call_is_dropped(void **state)
{
	(void)state;
	struct world *w = world_new(1);
	fill_mailbox(w);
	struct sb_mail m;
	char text[4096];
	snprintf(text, sizeof text, "%s", world_invite(1));
	memset(text + strlen(text) + 1, 0, SB_SIP_PAD);
	struct sb_pkt p = {.text = text, .len = (uint32_t)strlen(text), .listener = &w->listeners[0]};
	struct sb_sip sip;
	bool asked;
	sb_addr_parse(world_caller, 0, &p.peer);
	enum sb_read read = sb_sip_read(&sip, p.text, p.len, false, &asked);
	struct sb_look look;
	sb_core_look(w->core, &sip, read, &look);
	sb_core_packet(w->core, &p, &sip, &look, w->now_us);
	world_expect(w, "SIP/2.0 100", world_caller);
	const char *ok = world_answer(world_expect(w, "INVITE", T1)->text, 200, "");
	while (sb_ring_take(&w->mail.up, &m))
		assert_int_not_equal(m.op, SB_MAIL_ARM);
	world_rx(w, T1, ok);
	world_expect(w, "SIP/2.0 200", world_caller);
	assert_int_equal(sb_core_usage(w->core)->transactions, 0);
	world_pass(w, 0);
	assert_int_equal(w->timer[0].at_ms, 0);
	world_call(w, 2);
	world_pass(w, 200);
	world_expect(w, "INVITE", T1);
	world_end(w);
}

/* R6026: more accepted calls than there are records for: the oldest record goes, and that is counted */
static void oldest_record_goes_when_there_are_too_many(void **state)
{
	(void)state;
	struct world *w = world_new(1);
	static char answers[64][2048];
	unsigned n, calls = w->cfg.linger_max + 5;
	for (n = 0; n < calls; n++) {
		snprintf(answers[n], sizeof answers[n], "%s", world_answer(world_call(w, n)->text, 200, ""));
		assert_int_equal(world_rx(w, T1, answers[n]), SB_C_end_forwarded);
		world_expect(w, "SIP/2.0 200", world_caller);
	}
	assert_int_equal(w->counters.v[SB_C_linger_full], 5);
	assert_int_equal(sb_core_usage(w->core)->lingering, w->cfg.linger_max);
	for (n = 0; n < calls; n++) {
		assert_int_equal(world_rx(w, T1, answers[n]), n < 5 ? SB_C_drop_stray_response : SB_C_end_forwarded);
		if (n >= 5)
			world_expect(w, "SIP/2.0 200", world_caller);
	}
	world_end(w);
}

/* Handed to the wrong worker, a response to a call of another's is stray */
static void response_of_another_workers_call_is_stray(void **state)
{
	(void)state;
	struct world *w = world_new(1), *v = world_new(1);
	world_worker(v, 1, 2);
	const struct world_sent *inv = world_call(v, 1), *own = world_call(w, 2);
	assert_int_equal(world_rx(w, T1, world_answer(inv->text, 200, "")), SB_C_drop_stray_response);
	world_rx(w, T1, world_answer(own->text, 200, "")); /* a record now, of the same slot and generation */
	world_expect(w, "SIP/2.0 200", world_caller);
	assert_int_equal(world_rx(w, T1, world_answer(inv->text, 200, "")), SB_C_drop_stray_response);
	world_quiet(w);
	world_end(v);
	world_end(w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(every_datagram_that_is_no_message_has_its_counter),
	        cmocka_unit_test(signed_branch_or_call_id_names_the_owner),
	        cmocka_unit_test(claims_of_a_branch_are_not_believed),
	        cmocka_unit_test(icmp_told_by_the_kernel_moves_on),
	        cmocka_unit_test(overtaken_mail_does_nothing),
	        cmocka_unit_test(probe_that_cannot_be_composed_is_not_sent),
	        cmocka_unit_test(probe_answers_wait_for_no_room),
	        cmocka_unit_test(evidence_leaves_the_ring_to_timers),
	        cmocka_unit_test(waiting_timer_of_an_ended_call_is_dropped),
	        cmocka_unit_test(oldest_record_goes_when_there_are_too_many),
	        cmocka_unit_test(response_of_another_workers_call_is_stray),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

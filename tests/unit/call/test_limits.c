/* SPDX-License-Identifier: BSD-3-Clause */
/* test_limits.c - what is bounded and stays so: the text store, a source's rate (P13), candidates, answers to broken
 * requests. */
#include "world.h"
#include "dataplane/call/txn.h"

/* Invariant 1: pages of the store serve whatever size is wanted */
static void small_texts_gone_leave_room_for_large(void **state)
{
	(void)state;
	static _Alignas(64) uint8_t region[1 << 20];
	static char text[20000];
	struct sb_text t[4096];
	unsigned n = 0;
	struct sb_store s;
	sb_store_init(&s, region, sizeof region);
	while ((t[n] = sb_store_put(&s, text, 300)).at)
		n++;
	for (unsigned i = 0; i < n; i++)
		sb_store_drop(&s, &t[i]);
	assert_int_equal(s.in_use, 0);
	assert_int_not_equal(sb_store_put(&s, text, 6000).at, 0);
}

static void large_texts_gone_leave_room_for_small(void **state)
{
	(void)state;
	static _Alignas(64) uint8_t region[1 << 20];
	static char text[65535];
	struct sb_text t[4096];
	unsigned n = 0, m = 0;
	struct sb_store s;
	sb_store_init(&s, region, sizeof region);
	while ((t[n] = sb_store_put(&s, text, 65000)).at)
		n++;
	for (unsigned i = 0; i < n; i++)
		sb_store_drop(&s, &t[i]);
	while (sb_store_put(&s, text, 700).at)
		m++;
	assert_true(m > 500);
}

/* P13 */
static void rate_holds_for_sources_that_share_a_set(void **state)
{
	(void)state;
	struct world *w = world_new(1);
	w->snap[0].invite_rate_per_source = 2;
	/* two sources in one bucket slot */
	struct sb_addr a;
	unsigned slot[65536] = {0};
	uint8_t key[16];
	sb_hash_key(&w->cfg.keys, SB_KEY_TABLE, key);
	char A[40] = "", B[40] = "";
	for (unsigned i = 1; i < 254 * 254 && !B[0]; i++) {
		char t[40];
		snprintf(t, sizeof t, "192.0.%u.%u:5060", i / 254, i % 254 + 1);
		sb_addr_parse(t, 5060, &a);
		struct sb_piece p = {a.ip, sizeof a.ip};
		unsigned h = sb_hash(key, 0, &p, 1) & 4095;
		if (slot[h]) {
			snprintf(A, 40, "192.0.%u.%u:5060", slot[h] / 254, slot[h] % 254 + 1);
			snprintf(B, 40, "%s", t);
		}
		slot[h] = i;
	}
	assert_int_equal(sb_net_parse("192.0.0.0/16", &w->nets[0]), 0);
	for (unsigned i = 0; i < 10; i++)
		world_rx(w, i % 2 ? A : B, world_invite(i));
	assert_int_equal(w->counters.v[SB_C_shed_rate], 6);
	world_free(w);
}

static void rate_is_of_all_workers_together(void **state)
{
	(void)state;
	struct world *w[2];
	unsigned let = 0;
	for (unsigned i = 0; i < 2; i++) {
		w[i] = world_new(1);
		w[i]->snap[0].invite_rate_per_source = 4;
		world_worker(w[i], i, 2);
	}
	for (unsigned n = 1; n <= 20; n++) {
		const char *inv = world_invite(n);
		struct sb_sip sip;
		bool asked;
		enum sb_read rd = sb_sip_read(&sip, inv, strlen(inv), false, &asked);
		struct sb_look look;
		sb_core_look(w[0]->core, &sip, rd, &look);
		unsigned o = sb_core_owner(w[0]->core, &look);
		let += world_rx(w[o], world_caller, inv) == SB_C_end_forwarded;
	}
	assert_int_equal(let, 4);
	for (unsigned i = 0; i < 2; i++)
		world_free(w[i]);
}

/* S4.4 */
static void many_unproven_trunks_keep_their_order(void **state)
{
	(void)state;
	static struct sb_snap_trunk trunks[17];
	static struct sb_snap_member members[17];
	static struct sb_snap_group groups[2];
	static uint32_t rg[2] = {0, 1};
	struct sb_health_table *h = aligned_alloc(64, sizeof *h);
	memset(h, 0, sizeof *h);
	struct sb_snap_route r = {.kind = SB_ROUTE_DEFAULT, .n_groups = 2};
	for (unsigned i = 0; i < 17; i++) {
		trunks[i].slot = i;
		members[i] = (struct sb_snap_member){i, 1 + i, 1};
		h->line[i].word = sb_health_word(SB_PROBING, SB_ENABLED, 0);
	}
	groups[0] = (struct sb_snap_group){.member = 0, .n_members = 16};
	groups[1] = (struct sb_snap_group){.member = 16, .n_members = 1};
	struct sb_snapshot s = {.trunks = trunks,
	        .members = members,
	        .groups = groups,
	        .routes = &r,
	        .route_groups = rg,
	        .n_trunks = 17,
	        .n_groups = 2,
	        .n_routes = 1,
	        .n_other_routes = 1};
	struct sb_steer_key key = {.number = "1", .number_len = 1, .domain = "x", .domain_len = 1};
	struct sb_candidates out;
	sb_steer(&s, h, &key, &out);
	assert_int_equal(out.list[0].trunk, 0);
	free(h);
}

/* R3261-16.3: with a Via of 2.5 kB, and no empty line */
static void long_broken_request_is_answered(void **state)
{
	(void)state;
	struct world *w = world_new(1);
	char msg[8192], big[3000];
	memset(big, 'x', sizeof big);
	big[2500] = 0;
	snprintf(msg, sizeof msg,
	        "INVITE sip:1@example.com SIP/2.0\r\nVia: SIP/2.0/UDP "
	        "192.0.2.99:5070;branch=z9hG4bKc1;rport;p=%s\r\nFrom: <sip:a@b>;tag=1\r\nTo: "
	        "<sip:1@example.com>\r\nCall-ID: q\r\nCSeq: 1 INVITE\r\n",
	        big);
	assert_int_equal(world_rx(w, world_caller, msg), SB_C_end_replied);
	world_free(w);
}

/* R3261-18: no room for our Via is 513, whether body or header is so large; a buffer is never asked to hold more than a
 * datagram, or the daemon would have none */
static void request_too_large_to_relay_gets_513(void **state)
{
	(void)state;
	static char text[SB_SIP_MAX];
	for (unsigned header = 0; header < 2; header++) {
		struct world *w = world_new(1);
		const char *r = world_invite(1), *length = strstr(r, "Content-Length: 0");
		int n = snprintf(text, sizeof text, header ? "%.*sX: " : "%.*sContent-Length: 64700\r\n\r\n",
		        (int)(length - r), r);
		memset(text + n, 'x', 64700);
		if (header)
			memcpy(text + n + 64696, "\r\n\r\n", 4);
		assert_int_equal(world_rx_bytes(w, 0, world_caller, text, (uint32_t)n + 64700), SB_C_end_replied);
		world_expect(w, "SIP/2.0 513", world_caller);
		assert_true(w->cap_max <= SB_SIP_MAX);
		world_quiet(w);
		world_end(w);
	}
}

/* P16: of one late 2xx, however often it comes, one slot is held by its BYE */
static void repeated_late_2xx_holds_one_slot(void **state)
{
	(void)state;
	struct world *w = world_new(1);
	w->snap[0].late_2xx = SB_LATE_BYE;
	const struct world_sent *inv = world_call(w, 1);
	world_pass(w, 33000);
	for (int i = 0; i < 30; i++)
		world_rx(w, T1, world_answer(inv->text, 200, "Contact: <sip:b@192.0.2.1:5060>\r\n"));
	assert_int_equal(sb_core_usage(w->core)->transactions, 2);
	world_end(w);
}

/* What one more slot takes of a core's region: itself, and its share of buckets. */
static uint64_t slot_bytes(void)
{
	struct sb_core_config cfg = {.transactions_max = 1u << 20};
	uint64_t before = sb_core_memory(&cfg);
	cfg.transactions_max *= 2;
	return (sb_core_memory(&cfg) - before) >> 20;
}

/* Judged: 2 KiB for each ringing INVITE, its text and its 180 included, up to 1 100 bytes of text */
static void ringing_invite_takes_little(void **state)
{
	(void)state;
	struct world *w = world_new(1);
	for (unsigned len = 600; len <= 1150; len++, world_reset(w)) {
		char fill[1200] = "X-Fill: ", text[4096];
		strcpy(text, world_invite(1));
		size_t more = len - strlen(text) - strlen("X-Fill: \r\n");
		memset(fill + 8, 'x', more);
		strcpy(fill + 8 + more, "\r\n");
		strcpy(text, world_request("INVITE", 1, "", fill));
		assert_int_equal(strlen(text), len);
		world_rx(w, world_caller, text);
		world_expect(w, "SIP/2.0 100", world_caller);
		const struct world_sent *inv = world_expect(w, "INVITE", T1);
		world_rx(w, T1, world_answer(inv->text, 180, "Contact: <sip:bob@192.0.2.1:5060>\r\n"));
		sb_core_tick(w->core, w->now_us);
		uint64_t bytes = slot_bytes() + sb_core_usage(w->core)->text_bytes;
		assert_in_range(bytes, 1024, len <= 1100 ? 2048 : 2112);
	}
	world_free(w);
}

/* Of what millions of texts take little is rounding; and none reaches into the next, which begins where it ends */
static void stored_texts_lie_close_together(void **state)
{
	(void)state;
	static char text[SB_SIP_MAX], same[SB_SIP_MAX];
	static struct sb_text t[2000];
	struct sb_store s;
	uint64_t size = 64ull * SB_STORE_PAGE, before;
	uint8_t *region = aligned_alloc(64, size);
	sb_store_init(&s, region, size);
	for (uint32_t len = 1; len < 2000; len++) {
		memset(text, (int)(len % 251), len);
		before = s.in_use;
		t[len] = sb_store_put(&s, text, len);
		assert_int_not_equal(t[len].at, 0);
		assert_in_range(s.in_use - before, len, len <= 320 ? 320 : len <= 1536 ? len + 31 : 2048);
	}
	for (uint32_t len = 1; len < 2000; len++) {
		memset(same, (int)(len % 251), len);
		assert_memory_equal(sb_store_text(&s, t[len]), same, len);
	}
	for (uint32_t len = 2000; len-- > 1;)
		sb_store_drop(&s, &t[len]);
	assert_int_equal(s.in_use, 0);
	for (unsigned i = 0; i < 2 * 60; i++) /* every page serves the largest again */
		assert_int_not_equal(sb_store_put(&s, text, SB_SIP_MAX).at, 0);
	free(region);
}

/* Invariant 1: whatever the region's size, no chunk reaches beyond it; a text that no datagram holds is refused */
static void store_stays_in_its_region(void **state)
{
	(void)state;
	static char text[SB_SIP_MAX + 1];
	struct sb_store s;
	uint8_t *region = aligned_alloc(64, (SB_STORE_PAGE * 4 + 63) & ~63u);
	for (uint64_t size = 0; size < 3 * (SB_STORE_PAGE + 64); size += 13) {
		sb_store_init(&s, region, size);
		assert_true(s.n_pages == 0 || s.first + (uint64_t)s.n_pages * SB_STORE_PAGE <= region + size);
		assert_true((uint8_t *)&s.page[s.n_pages] <= s.first);
		assert_true(s.n_pages + 1 >= size / (SB_STORE_PAGE + 64));
	}
	sb_store_init(&s, region, SB_STORE_PAGE + 64);
	assert_int_equal(sb_store_put(&s, text, SB_SIP_MAX + 1).at, 0);
	assert_int_not_equal(sb_store_put(&s, text, SB_SIP_MAX).at, 0);
	free(region);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(small_texts_gone_leave_room_for_large),
	        cmocka_unit_test(large_texts_gone_leave_room_for_small),
	        cmocka_unit_test(rate_holds_for_sources_that_share_a_set),
	        cmocka_unit_test(rate_is_of_all_workers_together),
	        cmocka_unit_test(many_unproven_trunks_keep_their_order),
	        cmocka_unit_test(long_broken_request_is_answered),
	        cmocka_unit_test(request_too_large_to_relay_gets_513),
	        cmocka_unit_test(repeated_late_2xx_holds_one_slot),
	        cmocka_unit_test(store_stays_in_its_region),
	        cmocka_unit_test(stored_texts_lie_close_together),
	        cmocka_unit_test(ringing_invite_takes_little),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

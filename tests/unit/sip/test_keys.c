/* SPDX-License-Identifier: BSD-3-Clause */
/* Branch cookies, Record-Route tokens and table hashes: what is written is read again, what is forged is found out. */
#include "dataplane/sip/keys.h"
#include <switchback/err.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include "dataplane/sip/siphash.h"
#include <sodium.h>
#include <stdlib.h>

static const struct sb_keys keys = {
        .fleet = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15},
        .boot = {16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31},
};

static const struct sb_cookie cookies[] = {
        {.kind = SB_COOKIE_TXN,
                .worker = 63,
                .leg = 63,
                .slot = SB_COOKIE_SLOTS_MAX - 1,
                .gen = SB_COOKIE_GEN_MASK,
                .loop = ~0u},
        {.kind = SB_COOKIE_TXN, .worker = 1, .leg = 2, .slot = 3, .gen = 4, .loop = 5},
        {.kind = SB_COOKIE_STATELESS, .mac = 0x0123456789abcdef, .loop = 7},
        {.kind = SB_COOKIE_PROBE, .slot = 0xffff, .id = 0xffffffff},
};

static void cookies_are_read_as_written(void **state)
{
	for (unsigned i = 0; i < sizeof cookies / sizeof cookies[0]; i++) {
		char text[SB_BRANCH_LEN], upper[SB_BRANCH_LEN];
		struct sb_cookie c;
		sb_cookie_write(&keys, &cookies[i], text);
		assert_memory_equal(text, "z9hG4bK", 7);
		assert_int_equal(sb_cookie_read(&keys, text, sizeof text, &c), 0);
		assert_int_equal(c.kind, cookies[i].kind);
		assert_int_equal(c.worker, cookies[i].worker);
		assert_int_equal(c.leg, cookies[i].leg);
		assert_int_equal(c.slot, cookies[i].slot);
		assert_int_equal(c.gen, cookies[i].gen);
		assert_int_equal(c.id, cookies[i].id);
		assert_int_equal(c.mac, cookies[i].mac);
		assert_int_equal(c.loop, cookies[i].loop);
		for (unsigned j = 0; j < sizeof text; j++)
			upper[j] = (char)(text[j] >= 'a' && text[j] <= 'z' ? text[j] - 32 : text[j]);
		assert_int_equal(sb_cookie_read(&keys, upper, sizeof upper, &c), 0);
	}
}

static void any_changed_digit_is_forged(void **state)
{
	char text[SB_BRANCH_LEN];
	struct sb_cookie c;
	sb_cookie_write(&keys, &cookies[1], text);
	for (unsigned i = 7; i < sizeof text; i++) {
		char was = text[i];
		text[i] = was == '0' ? '1' : '0';
		assert_int_equal(sb_cookie_read(&keys, text, sizeof text, &c), SB_E_FORGED);
		text[i] = was;
	}
}

static void other_branches_are_not_of_our_shape(void **state)
{
	char text[SB_BRANCH_LEN + 1];
	struct sb_cookie c;
	sb_cookie_write(&keys, &cookies[1], text);
	text[SB_BRANCH_LEN] = '0';
	assert_int_equal(sb_cookie_read(&keys, text, SB_BRANCH_LEN + 1, &c), SB_E_INVAL);
	assert_int_equal(sb_cookie_read(&keys, text, SB_BRANCH_LEN - 1, &c), SB_E_INVAL);
	assert_int_equal(sb_cookie_read(&keys, text, 0, &c), SB_E_INVAL);
	text[20] = 'g';
	assert_int_equal(sb_cookie_read(&keys, text, SB_BRANCH_LEN, &c), SB_E_INVAL);
	text[20] = '0';
	text[0] = 'x';
	assert_int_equal(sb_cookie_read(&keys, text, SB_BRANCH_LEN, &c), SB_E_INVAL);
}

/* Invariant 6: a transaction's cookie dies with the process, the others live on with the fleet's key. */
static void only_transactions_depend_on_the_boot_key(void **state)
{
	struct sb_keys restarted = keys;
	restarted.boot[0] ^= 1;
	for (unsigned i = 0; i < sizeof cookies / sizeof cookies[0]; i++) {
		char text[SB_BRANCH_LEN];
		struct sb_cookie c;
		sb_cookie_write(&keys, &cookies[i], text);
		assert_int_equal(sb_cookie_read(&restarted, text, sizeof text, &c),
		        cookies[i].kind == SB_COOKIE_TXN ? SB_E_FORGED : 0);
	}
}

/* A fleet shares one key over versions: tokens in the field must stay valid. */
static void record_route_tokens_do_not_change_over_versions(void **state)
{
	static const char call[16] = "callt", tag[16] = "tag", host[24] = "192.0.2.1:5060",
	                  host2[24] = "192.0.2.1:5061";
	char a[SB_RR_TOKEN_LEN], b[SB_RR_TOKEN_LEN];
	sb_rr_token(&keys, call, 4, tag, 3, host, 14, a);
	assert_memory_equal(a, "7e9f62d7f71be945", SB_RR_TOKEN_LEN);
	sb_rr_token(&keys, call, 5, tag + 1, 2, host, 14, b);
	assert_memory_not_equal(a, b, SB_RR_TOKEN_LEN);
	sb_rr_token(&keys, call, 4, tag, 3, host2, 14, b);
	assert_memory_not_equal(a, b, SB_RR_TOKEN_LEN);
}

static void hashes_depend_on_key_number_order_and_lengths(void **state)
{
	static char longer[1100];
	const char *abc = strcpy(longer + 1040, "abc");
	const struct sb_piece ab_c[] = {{abc, 2}, {abc + 2, 1}}, a_bc[] = {{abc, 1}, {abc + 1, 2}},
	                      big[] = {{longer, 1000}, {abc + 2, 1}};
	assert_int_equal(sb_hash(keys.boot, 7, ab_c, 2), sb_hash(keys.boot, 7, ab_c, 2));
	assert_int_not_equal(sb_hash(keys.boot, 7, ab_c, 2), sb_hash(keys.boot, 8, ab_c, 2));
	assert_int_not_equal(sb_hash(keys.boot, 7, ab_c, 2), sb_hash(keys.boot, 7, a_bc, 2));
	assert_int_not_equal(sb_hash(keys.boot, 7, ab_c, 2), sb_hash(keys.fleet, 7, ab_c, 2));
	assert_int_not_equal(sb_hash(keys.boot, 7, ab_c, 2), sb_hash(keys.boot, 7, ab_c, 1));
	uint64_t before = sb_hash(keys.boot, 7, big, 2);
	longer[999] = 1;
	assert_int_not_equal(before, sb_hash(keys.boot, 7, big, 2));
	for (size_t len = 0; len < 260; len++) {
		const struct sb_piece one[] = {{longer, len}}, more[] = {{longer, len + 1}};
		assert_int_not_equal(sb_hash(keys.boot, 0, one, 1), sb_hash(keys.boot, 0, more, 1));
	}
}

/* Nothing need follow a piece whose length is a multiple of 16: sanitizers see what reads on. */
static void hashes_stay_within_whole_pieces(void **state)
{
	(void)state;
	for (size_t len = 16; len <= 64; len += 16) {
		char *exact = malloc(len), roomy[64 + SB_PIECE_OVER];
		memset(exact, 'x', len);
		memset(roomy, 'x', sizeof roomy);
		const struct sb_piece bare = {exact, len}, followed = {roomy, len};
		assert_int_equal(sb_hash(keys.boot, 3, &bare, 1), sb_hash(keys.boot, 3, &followed, 1));
		free(exact);
	}
}

/* What stands behind a piece does not count, whatever reads it. */
static void hashes_and_signatures_end_with_their_pieces(void **state)
{
	char text[64 + SB_PIECE_OVER], a[SB_RR_TOKEN_LEN], b[SB_RR_TOKEN_LEN];
	const uint64_t words[SB_MAC_WORDS] = {1, 2};
	for (size_t len = 0; len <= 64; len++) {
		const struct sb_piece piece = {text, len};
		memset(text, 'x', sizeof text);
		uint64_t hash = sb_hash(keys.boot, 3, &piece, 1), mac = sb_branch_mac(&keys, words, &piece, 1);
		sb_rr_token(&keys, text, len, text, len, text, len, a);
		memset(text + len, 'y', sizeof text - len);
		assert_int_equal(hash, sb_hash(keys.boot, 3, &piece, 1));
		assert_int_equal(mac, sb_branch_mac(&keys, words, &piece, 1));
		sb_rr_token(&keys, text, len, text, len, text, len, b);
		assert_memory_equal(a, b, sizeof a);
		if (len == 0)
			continue;
		text[len - 1]++;
		assert_int_not_equal(hash, sb_hash(keys.boot, 3, &piece, 1));
		assert_int_not_equal(mac, sb_branch_mac(&keys, words, &piece, 1));
	}
}

/* A hash that is shown must not tell the key of the tables. */
static void keys_of_hashes_are_one_for_each_purpose(void **state)
{
	uint8_t one[16], again[16], two[16];
	sb_hash_key(&keys, 1, one);
	sb_hash_key(&keys, 1, again);
	sb_hash_key(&keys, 2, two);
	assert_memory_equal(one, again, sizeof one);
	assert_memory_not_equal(one, two, sizeof one);
	assert_memory_not_equal(one, one + 8, 8);
}

/* libsodium is the judge of ours, at every length and alignment that a message can make. */
static void signatures_are_siphash_2_4(void **state)
{
	uint8_t text[300], key[16], theirs[8];
	srand(7);
	for (size_t i = 0; i < sizeof text; i++)
		text[i] = (uint8_t)rand();
	for (size_t len = 0; len + 8 < sizeof text; len++) {
		const uint8_t *at = text + len % 8;
		for (unsigned i = 0; i < sizeof key; i++)
			key[i] = (uint8_t)rand();
		crypto_shorthash(theirs, at, len, key);
		assert_true(siphash(key, at, len) == siphash_word(theirs));
	}
}

static void addresses_are_read_as_inet_pton_does(void **state)
{
	static const char *const texts[] = {"1.2.3.4", "255.255.255.255", "0.0.0.0", "256.1.1.1", "01.2.3.4", "1.2.3",
	        "1.2.3.4.", "1.2.3.4.5", "1..2.3", "", ".", "1.2.3.4 ", "1.2.3.0004", "1.2.3.00", "a.b.c.d", "1.2.3.-4",
	        "999999999999.1.1.1", "2001:db8::1", "::ffff:1.2.3.4"};
	for (unsigned i = 0; i < sizeof texts / sizeof texts[0]; i++) {
		uint8_t v4[4], v6[16];
		struct sb_addr a = {.port = 7};
		int family = inet_pton(AF_INET, texts[i], v4) == 1 ? 4 : inet_pton(AF_INET6, texts[i], v6) == 1 ? 6 : 0;
		assert_int_equal(sb_addr_parse_ip(texts[i], strlen(texts[i]), &a) == 0, family != 0);
		if (family) {
			assert_int_equal(a.family, family);
			assert_int_equal(a.port, 7);
			assert_memory_equal(a.ip, family == 4 ? v4 : v6, family == 4 ? 4 : 16);
		}
	}
}

/* A kind that no version has written yet is refused, though it is signed */
static void cookie_of_an_unknown_kind_is_forged(void **state)
{
	char text[SB_BRANCH_LEN];
	struct sb_cookie c, unknown = {.kind = (enum sb_cookie_kind)3};
	sb_cookie_write(&keys, &unknown, text);
	assert_int_equal(sb_cookie_read(&keys, text, sizeof text, &c), SB_E_FORGED);
}

/* P1: in what an ICMP error quotes, the first signed branch counts, wherever it stands and whatever stands before it */
static void signed_branch_is_found_in_a_quote(void **state)
{
	char good[SB_BRANCH_LEN + 1] = "", bad[SB_BRANCH_LEN + 1] = "", text[512];
	struct sb_cookie c;
	sb_cookie_write(&keys, &cookies[1], good);
	memcpy(bad, good, sizeof bad);
	bad[SB_BRANCH_LEN - 1] = bad[SB_BRANCH_LEN - 1] == '0' ? '1' : '0';
	snprintf(text, sizeof text, "z9hG4bKz9hG4bK %s;z9hG4bK%s x", bad, good);
	for (size_t len = 0; len <= strlen(text); len++) {
		char *exact = malloc(len ? len : 1); /* sanitizers see an over-read */
		memcpy(exact, text, len);
		bool whole = len >= strlen(text) - 2, forged = len >= 15 + SB_BRANCH_LEN;
		assert_int_equal(sb_cookie_find(&keys, exact, len, &c), whole ? 0 : forged ? SB_E_FORGED : SB_E_INVAL);
		free(exact);
	}
	sb_cookie_find(&keys, text, strlen(text), &c);
	assert_int_equal(c.slot, cookies[1].slot);
}

/* S2.3: of a stateless branch a quote cannot tell whose it is. One that a caller has written above ours hides nothing.
 */
static void stateless_look_alike_in_a_quote_hides_nothing(void **state)
{
	char stateless[SB_BRANCH_LEN + 1] = "", good[SB_BRANCH_LEN + 1] = "", text[512];
	struct sb_cookie c;
	sb_cookie_write(&keys, &cookies[2], stateless);
	sb_cookie_write(&keys, &cookies[1], good);
	int n = snprintf(text, sizeof text, "INVITE sip:1@h;x=%s SIP/2.0\r\nVia: x;branch=", stateless);
	assert_int_equal(sb_cookie_find(&keys, text, (size_t)n, &c), SB_E_FORGED);
	n += snprintf(text + n, sizeof text - (size_t)n, "%s\r\n", good);
	assert_int_equal(sb_cookie_find(&keys, text, (size_t)n, &c), 0);
	assert_int_equal(c.slot, cookies[1].slot);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(cookies_are_read_as_written),
	        cmocka_unit_test(any_changed_digit_is_forged),
	        cmocka_unit_test(other_branches_are_not_of_our_shape),
	        cmocka_unit_test(only_transactions_depend_on_the_boot_key),
	        cmocka_unit_test(record_route_tokens_do_not_change_over_versions),
	        cmocka_unit_test(signatures_are_siphash_2_4),
	        cmocka_unit_test(addresses_are_read_as_inet_pton_does),
	        cmocka_unit_test(hashes_depend_on_key_number_order_and_lengths),
	        cmocka_unit_test(hashes_stay_within_whole_pieces),
	        cmocka_unit_test(hashes_and_signatures_end_with_their_pieces),
	        cmocka_unit_test(keys_of_hashes_are_one_for_each_purpose),
	        cmocka_unit_test(cookie_of_an_unknown_kind_is_forged),
	        cmocka_unit_test(signed_branch_is_found_in_a_quote),
	        cmocka_unit_test(stateless_look_alike_in_a_quote_hides_nothing),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: BSD-3-Clause */
/* Reading frames: P1 (ICMP matched to its leg), R3261-18 (fragments), S2.3. */
#include "frames.h"
#include "dataplane/net/csum.h"
#include <stdlib.h>

static struct made m;

static enum sb_frame_kind decode(struct sb_frame *f)
{
	return sb_frame_decode(m.frame, m.len, f);
}

static void check_udp(const char *from, const char *to, uint16_t vlan)
{
	struct sb_addr a = at(from), b = at(to);
	struct sb_frame f;
	for (uint32_t len = 0; len < 40; len++) {
		make_udp(&m, &a, &b, vlan, len);
		assert_int_equal(decode(&f), SB_FRAME_UDP);
		assert_true(sb_addr_eq(&f.src, &a) && sb_addr_eq(&f.dst, &b));
		assert_int_equal(f.vlan, vlan);
		assert_int_equal(f.data_len, len);
		assert_memory_equal(m.frame + f.data, "abcdefghijklmnopqrstuvwxyzabcdefghijklmnopqr", len);
		assert_true(sb_frame_checksum_ok(m.frame, &f, SB_FRAME_UDP));
		m.frame[f.l4 + (len ? 8 : 0)] ^= 1;
		assert_false(sb_frame_checksum_ok(m.frame, &f, SB_FRAME_UDP));
	}
}

static void ipv4_and_ipv6_are_read_with_and_without_a_tag(void **s)
{
	check_udp("192.0.2.1:5060", "198.51.100.2:5080", 0);
	check_udp("192.0.2.1:5060", "198.51.100.2:5080", 100);
	check_udp("[2001:db8::1]:5060", "[2001:db8:1::2]:5080", 0);
	check_udp("[2001:db8::1]:5060", "[2001:db8:1::2]:5080", 4094);
}

/* Every cut ends in a verdict of brokenness and never reads past the cut (the copy is of exactly that size). */
static void a_frame_cut_anywhere_is_refused(void **s)
{
	const char *ends[2][2] = {
	        {"192.0.2.1:5060", "198.51.100.2:5080"}, {"[2001:db8::1]:5060", "[2001:db8::2]:5080"}};
	struct sb_frame f;
	for (int v = 0; v < 4; v++) {
		struct sb_addr a = at(ends[v % 2][0]), b = at(ends[v % 2][1]);
		make_udp(&m, &a, &b, v > 1 ? 7 : 0, 50);
		for (uint32_t len = 0; len < m.len; len++) {
			uint8_t *copy = malloc(len ? len : 1);
			memcpy(copy, m.frame, len);
			enum sb_frame_kind kind = sb_frame_decode(copy, len, &f);
			assert_true(kind == SB_FRAME_BAD_L2 || kind == SB_FRAME_BAD_IP);
			free(copy);
		}
	}
}

static void a_changed_ipv4_header_is_a_bad_checksum(void **s)
{
	struct sb_addr a = at("192.0.2.1:5060"), b = at("198.51.100.2:5080");
	struct sb_frame f;
	make_udp(&m, &a, &b, 0, 50);
	m.frame[14 + 8]--; /* TTL */
	assert_int_equal(decode(&f), SB_FRAME_BAD_CHECKSUM);
}

static void no_udp_checksum_is_fine_in_ipv4_alone(void **s)
{
	struct sb_addr a = at("192.0.2.1:5060"), b = at("198.51.100.2:5080");
	struct sb_addr a6 = at("[2001:db8::1]:1"), b6 = at("[2001:db8::2]:2");
	struct sb_frame f;
	make_udp(&m, &a, &b, 0, 50);
	assert_int_equal(decode(&f), SB_FRAME_UDP);
	memset(m.frame + f.l4 + 6, 0, 2);
	assert_true(sb_frame_checksum_ok(m.frame, &f, SB_FRAME_UDP));
	make_udp(&m, &a6, &b6, 0, 50);
	assert_int_equal(decode(&f), SB_FRAME_UDP);
	memset(m.frame + f.l4 + 6, 0, 2);
	assert_false(sb_frame_checksum_ok(m.frame, &f, SB_FRAME_UDP));
}

static void padding_behind_the_packet_is_not_payload(void **s)
{
	struct sb_addr a = at("192.0.2.1:5060"), b = at("198.51.100.2:5080");
	struct sb_frame f;
	make_udp(&m, &a, &b, 0, 4);
	assert_int_equal(sb_frame_decode(m.frame, 60, &f), SB_FRAME_UDP);
	assert_int_equal(f.data_len, 4);
}

/* Moves the L4 part behind n bytes of options or extension headers. */
static void widen(uint32_t ip_head, const uint8_t *options, uint32_t n)
{
	uint8_t *l4 = m.frame + 14 + ip_head;
	memmove(l4 + n, l4, m.len - 14 - ip_head);
	memcpy(l4, options, n);
	m.len += n;
}

static void ipv4_options_are_skipped(void **s)
{
	struct sb_addr a = at("192.0.2.1:5060"), b = at("198.51.100.2:5080");
	static const uint8_t nops[8] = {1, 1, 1, 1, 1, 1, 1, 0};
	struct sb_frame f;
	make_udp(&m, &a, &b, 0, 10);
	widen(20, nops, 8);
	uint8_t *ip = m.frame + 14;
	ip[0] = 0x47;
	ip[3] = (uint8_t)(ip[3] + 8);
	memset(ip + 10, 0, 2);
	uint16_t sum = sb_csum_end(sb_csum_add(0, ip, 28));
	memcpy(ip + 10, &sum, 2);
	assert_int_equal(decode(&f), SB_FRAME_UDP);
	assert_int_equal(f.data, 14 + 28 + 8);
	assert_true(sb_frame_checksum_ok(m.frame, &f, SB_FRAME_UDP));
	ip[0] = 0x44; /* shorter than a header */
	assert_int_equal(decode(&f), SB_FRAME_BAD_IP);
}

static void ipv6_extension_headers_are_skipped_up_to_a_bound(void **s)
{
	struct sb_addr a = at("[2001:db8::1]:1"), b = at("[2001:db8::2]:2");
	static const uint8_t ext[16] = {60, 0, 1, 4, 0, 0, 0, 0, 17, 0, 1, 4, 0, 0, 0, 0};
	static const uint8_t long_ext[8] = {17, 200, 1, 4, 0, 0, 0, 0};
	struct sb_frame f;
	make_udp(&m, &a, &b, 0, 10);
	widen(40, ext, 16);
	m.frame[14 + 5] = (uint8_t)(m.frame[14 + 5] + 16);
	m.frame[14 + 6] = 0; /* hop-by-hop, then destination options, then UDP */
	assert_int_equal(decode(&f), SB_FRAME_UDP);
	assert_int_equal(f.data, 14 + 40 + 16 + 8);
	assert_true(sb_frame_checksum_ok(m.frame, &f, SB_FRAME_UDP));
	memcpy(m.frame + 54, long_ext, 8); /* one that claims to be longer than the packet */
	assert_int_equal(decode(&f), SB_FRAME_BAD_IP);
	make_udp(&m, &a, &b, 0, 200);
	m.frame[14 + 6] = 60;
	for (int i = 0; i < 20; i++) /* a chain of destination options without end */
		memcpy(m.frame + 54 + i * 8, (uint8_t[8]){60, 0, 1, 4}, 8);
	assert_int_equal(decode(&f), SB_FRAME_OTHER);
}

static void what_is_not_udp_is_the_kernels(void **s)
{
	struct sb_frame f;
	uint8_t arp[60] = {255, 255, 255, 255, 255, 255, 2, 0, 0, 0, 0, 1, 8, 6};
	assert_int_equal(sb_frame_decode(arp, sizeof arp, &f), SB_FRAME_OTHER);
	struct sb_addr a = at("192.0.2.1:5060"), b = at("198.51.100.2:5080");
	make_udp(&m, &a, &b, 0, 10);
	m.frame[14 + 9] = 6; /* TCP */
	memset(m.frame + 14 + 10, 0, 2);
	uint16_t sum = sb_csum_end(sb_csum_add(0, m.frame + 14, 20));
	memcpy(m.frame + 14 + 10, &sum, 2);
	assert_int_equal(decode(&f), SB_FRAME_OTHER);
	uint8_t twice[60] = {2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 0x81, 0, 0, 1, 0x81, 0, 0, 2};
	assert_int_equal(sb_frame_decode(twice, sizeof twice, &f), SB_FRAME_BAD_L2);
}

/* An ICMP error from router about quoted bytes of the datagram in m. */
static void make_icmp(uint8_t type, uint8_t code, uint32_t quoted)
{
	static struct made icmp;
	bool v6 = m.frame[12] == 0x86;
	struct sb_addr router = at(v6 ? "2001:db8::99" : "192.0.2.99"), us = at(v6 ? "2001:db8::1" : "192.0.2.1");
	make_udp(&icmp, &router, &us, 0, quoted);
	uint8_t *ip = icmp.frame + 14, *l4 = icmp.room + FRAME_ROOM;
	memset(l4, 0, 8);
	l4[0] = type;
	l4[1] = code;
	memcpy(l4 + 8, m.frame + 14, quoted);
	ip[v6 ? 6 : 9] = v6 ? 58 : 1;
	uint64_t pseudo = v6 ? sb_csum_pseudo(&router, &us, 58, quoted + 8) : 0;
	uint16_t sum = sb_csum_end(sb_csum_add(pseudo, l4, quoted + 8));
	memcpy(l4 + 2, &sum, 2);
	if (!v6) {
		memset(ip + 10, 0, 2);
		sum = sb_csum_end(sb_csum_add(0, ip, 20));
		memcpy(ip + 10, &sum, 2);
	}
	memcpy(m.room, icmp.room, sizeof m.room);
	m.frame = m.room + (icmp.frame - icmp.room);
	m.len = icmp.len;
}

static void check_icmp(const char *from, const char *to, uint8_t type, uint8_t code, uint32_t quoted, bool fatal)
{
	struct sb_addr a = at(from), b = at(to);
	struct sb_frame f;
	uint32_t head = a.family == 6 ? 48 : 28;
	make_udp(&m, &a, &b, 0, 100);
	make_icmp(type, code, quoted);
	assert_int_equal(decode(&f), SB_FRAME_ICMP_ERROR);
	assert_true(sb_addr_eq(&f.from, &a) && sb_addr_eq(&f.to, &b));
	assert_int_equal(f.fatal, fatal);
	assert_int_equal(f.data_len, quoted - head);
	assert_memory_equal(m.frame + f.data, "abcdefghij", quoted - head < 10 ? quoted - head : 10);
	assert_true(sb_frame_checksum_ok(m.frame, &f, SB_FRAME_ICMP_ERROR));
	m.frame[f.l4 + 5] ^= 4;
	assert_false(sb_frame_checksum_ok(m.frame, &f, SB_FRAME_ICMP_ERROR));
}

static void icmp_error_tells_whose_datagram_it_quotes(void **s)
{
	const char *a = "192.0.2.1:5060", *b = "198.51.100.2:5080", *a6 = "[2001:db8::1]:5060",
	           *b6 = "[2001:db8::2]:5080";
	check_icmp(a, b, 3, 3, 128, true);
	check_icmp(a, b, 3, 1, 28, true); /* RFC 792: eight bytes and no payload */
	check_icmp(a, b, 3, 13, 60, true);
	check_icmp(a, b, 3, 4, 60, false); /* fragmentation needed */
	check_icmp(a, b, 11, 0, 60, false);
	check_icmp(a, b, 12, 0, 60, true);
	check_icmp(a, b, 4, 0, 60, false); /* source quench */
	check_icmp(a6, b6, 1, 4, 148, true);
	check_icmp(a6, b6, 2, 0, 48, false); /* packet too big */
	check_icmp(a6, b6, 3, 0, 100, false);
	check_icmp(a6, b6, 4, 1, 100, true);
}

static void icmp_error_with_too_short_a_quote_is_the_kernels(void **s)
{
	struct sb_addr a = at("192.0.2.1:5060"), b = at("198.51.100.2:5080");
	struct sb_frame f;
	for (uint32_t quoted = 0; quoted < 28; quoted++) {
		make_udp(&m, &a, &b, 0, 100);
		make_icmp(3, 3, quoted);
		assert_int_equal(decode(&f), SB_FRAME_OTHER);
	}
	make_udp(&m, &a, &b, 0, 100);
	make_icmp(8, 0, 56); /* a ping */
	assert_int_equal(decode(&f), SB_FRAME_OTHER);
}

/* No bytes at all may make it read or point outside: offsets are checked against the length. */
static void random_damage_never_leaves_the_frame(void **s)
{
	const char *ends[2][2] = {
	        {"192.0.2.1:5060", "198.51.100.2:5080"}, {"[2001:db8::1]:5060", "[2001:db8::2]:5080"}};
	struct sb_frame f;
	srand(1);
	for (int i = 0; i < 200000; i++) {
		struct sb_addr a = at(ends[i % 2][0]), b = at(ends[i % 2][1]);
		make_udp(&m, &a, &b, i % 3 ? 0 : 9, 60);
		if (i % 5 == 0)
			make_icmp(i % 2 ? 1 : 3, 1, 80);
		uint32_t len = m.len - (uint32_t)(rand() % 30);
		for (int k = 0; k < 3; k++)
			m.frame[12 + rand() % 60] = (uint8_t)rand();
		enum sb_frame_kind kind = sb_frame_decode(m.frame, len, &f);
		if (kind == SB_FRAME_UDP || kind == SB_FRAME_ICMP_ERROR)
			assert_true(f.data + f.data_len <= len);
		if (kind <= SB_FRAME_FRAGMENT)
			assert_true(f.l4 + f.l4_len <= len);
	}
}

/* What is tagged twice is none of our VLANs, whichever way it says so */
static void doubly_tagged_frames_are_foreign(void **s)
{
	static const uint16_t outer[] = {0x8100, 0x88a8}, inner[] = {0x8100, 0x88a8};
	struct sb_frame f;
	for (unsigned i = 0; i < 4; i++) {
		uint8_t frame[60] = {2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, (uint8_t)(outer[i / 2] >> 8),
		        (uint8_t)outer[i / 2], 0, 1, (uint8_t)(inner[i % 2] >> 8), (uint8_t)inner[i % 2], 0, 2, 8, 0};
		assert_int_equal(sb_frame_decode(frame, sizeof frame, &f), SB_FRAME_BAD_L2);
	}
}

/* RFC 8200 4.5: a fragment header that is cut off, alone or behind another extension header */
static void cut_fragment_header_is_broken(void **s)
{
	struct sb_addr a = at("[2001:db8::1]:1"), b = at("[2001:db8::2]:2");
	struct sb_frame f;
	for (uint32_t left = 0; left <= 8; left++) {
		make_udp(&m, &a, &b, 0, 40);
		m.frame[14 + 5] = (uint8_t)left;
		m.frame[14 + 6] = 44;
		memcpy(m.frame + 54, (uint8_t[8]){17, 0, 0, 1, 0, 0, 0, 9}, 8);
		assert_int_equal(
		        sb_frame_decode(m.frame, 54 + left, &f), left < 8 ? SB_FRAME_BAD_IP : SB_FRAME_FRAGMENT);
		m.frame[14 + 5] = (uint8_t)(8 + left);
		m.frame[14 + 6] = 60;
		memcpy(m.frame + 54, (uint8_t[16]){44, 0, 1, 4, 0, 0, 0, 0, 17, 0, 0, 1, 0, 0, 0, 9}, 16);
		assert_int_equal(
		        sb_frame_decode(m.frame, 62 + left, &f), left < 8 ? SB_FRAME_BAD_IP : SB_FRAME_FRAGMENT);
	}
}

/* The quoted UDP header's length may be anything: what is there counts */
static void icmp_quote_is_as_long_as_it_is(void **s)
{
	static const struct {
		uint16_t says;
		uint32_t data;
	} rows[] = {{0, 72}, {7, 72}, {8, 0}, {40, 32}, {80, 72}, {60000, 72}};
	struct sb_addr a = at("192.0.2.1:5060"), b = at("198.51.100.2:5080");
	struct sb_frame f;
	for (unsigned i = 0; i < sizeof rows / sizeof *rows; i++) {
		make_udp(&m, &a, &b, 0, 100);
		m.frame[14 + 20 + 4] = (uint8_t)(rows[i].says >> 8);
		m.frame[14 + 20 + 5] = (uint8_t)rows[i].says;
		make_icmp(3, 3, 100);
		assert_int_equal(decode(&f), SB_FRAME_ICMP_ERROR);
		assert_int_equal(f.data_len, rows[i].data);
	}
}

/* The same frame with a tag is read by the general way: it comes to the same, with everything four bytes further on. */
static void the_quick_way_and_the_general_one_agree(void **s)
{
	struct sb_addr a = at("192.0.2.1:5060"), b = at("198.51.100.2:5080");
	struct sb_frame plain, tagged;
	uint8_t copy[256] = {0};
	unsigned seed = 1, sound = 0;
	for (int round = 0; round < 200000; round++) {
		make_udp(&m, &a, &b, 0, 50);
		for (int k = rand_r(&seed) % 3; k; k--)
			m.frame[14 + rand_r(&seed) % 28] =
			        (uint8_t)(rand_r(&seed) % 4 ? rand_r(&seed) : rand_r(&seed) % 80);
		if (rand_r(&seed) % 8) {
			memset(m.frame + 24, 0, 2);
			uint16_t sum = sb_csum_end(sb_csum_add(0, m.frame + 14, 20));
			memcpy(m.frame + 24, &sum, 2);
		}
		uint32_t len = m.len - (rand_r(&seed) % 4 ? 0 : (uint32_t)rand_r(&seed) % 60);
		memcpy(copy, m.frame, 12);
		memcpy(copy + 12, "\x81\0\0\7", 4);
		memcpy(copy + 16, m.frame + 12, len - 12);
		enum sb_frame_kind kind = sb_frame_decode(m.frame, len, &plain);
		assert_int_equal(kind, sb_frame_decode(copy, len + 4, &tagged));
		if (kind != SB_FRAME_UDP)
			continue;
		sound++;
		assert_true(sb_addr_eq(&plain.src, &tagged.src) && sb_addr_eq(&plain.dst, &tagged.dst));
		assert_int_equal(plain.l4 + 4, tagged.l4);
		assert_int_equal(plain.l4_len, tagged.l4_len);
		assert_int_equal(plain.data + 4, tagged.data);
		assert_int_equal(plain.data_len, tagged.data_len);
		assert_int_equal(plain.l2_len + 4, tagged.l2_len);
		assert_int_equal(plain.vlan, 0);
	}
	assert_in_range(sound, 20000, 190000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(ipv4_and_ipv6_are_read_with_and_without_a_tag),
	        cmocka_unit_test(a_frame_cut_anywhere_is_refused),
	        cmocka_unit_test(a_changed_ipv4_header_is_a_bad_checksum),
	        cmocka_unit_test(no_udp_checksum_is_fine_in_ipv4_alone),
	        cmocka_unit_test(padding_behind_the_packet_is_not_payload),
	        cmocka_unit_test(ipv4_options_are_skipped),
	        cmocka_unit_test(ipv6_extension_headers_are_skipped_up_to_a_bound),
	        cmocka_unit_test(what_is_not_udp_is_the_kernels),
	        cmocka_unit_test(icmp_error_tells_whose_datagram_it_quotes),
	        cmocka_unit_test(icmp_error_with_too_short_a_quote_is_the_kernels),
	        cmocka_unit_test(random_damage_never_leaves_the_frame),
	        cmocka_unit_test(doubly_tagged_frames_are_foreign),
	        cmocka_unit_test(the_quick_way_and_the_general_one_agree),
	        cmocka_unit_test(cut_fragment_header_is_broken),
	        cmocka_unit_test(icmp_quote_is_as_long_as_it_is),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: BSD-3-Clause */
/* Writing headers: what we send is what we would accept. */
#include "frames.h"
#include "dataplane/net/csum.h"

static struct made m;

/* A known datagram, computed by hand: 192.0.2.1:5060 -> 192.0.2.2:5060 "hi". */
static void header_bytes_are_those_of_the_rfcs(void **s)
{
	static const uint8_t mac[6] = {2, 1, 2, 3, 4, 5};
	struct sb_addr a = at("192.0.2.1:5060"), b = at("192.0.2.2:5060");
	struct sb_wire w = {.dst_mac = mac, .src_mac = mac, .from = &a, .to = &b, .id = 1};
	uint8_t l4[10] = {0}, head[34];
	static const uint8_t ip[20] = {0x45, 0, 0, 30, 0, 1, 0, 0, 64, 17, 0xf6, 0xca, 192, 0, 2, 1, 192, 0, 2, 2};
	memcpy(l4 + 8, "hi", 2);
	sb_wire_udp(&w, l4, 2, false);
	sb_wire_head(&w, head, 10, NULL);
	assert_memory_equal(head + 14, ip, 20);
	assert_int_equal(l4[0] << 8 | l4[1], 5060);
	assert_int_equal(l4[4] << 8 | l4[5], 10);
	uint32_t sum = 0xc000 + 0x0201 + 0xc000 + 0x0202 + 17 + 10 + 5060 + 5060 + 10 + 0x6869;
	sum = (sum & 0xffff) + (sum >> 16);
	assert_int_equal(l4[6] << 8 | l4[7], ~sum & 0xffff);
}

/* What a port with UDP offload adds up must come to the checksum that we would have written. */
static void offloaded_checksum_is_the_pseudo_header_alone(void **s)
{
	static const uint8_t mac[6] = {2};
	struct sb_addr a = at("[2001:db8::1]:5060"), b = at("[2001:db8::2]:5070");
	struct sb_wire w = {.dst_mac = mac, .src_mac = mac, .from = &a, .to = &b};
	uint8_t soft[108], hard[108];
	memset(soft, 'x', sizeof soft);
	memset(hard, 'x', sizeof hard);
	sb_wire_udp(&w, soft, 100, false);
	sb_wire_udp(&w, hard, 100, true);
	uint16_t sum = sb_csum_end(sb_csum_add(0, hard, sizeof hard));
	assert_memory_equal(&sum, soft + 6, 2);
}

/* A sum of 0 is written as ffff: 0 would say that there is none (RFC 768). */
static void checksum_zero_is_never_written(void **s)
{
	struct sb_addr a = at("192.0.2.1:5060"), b = at("192.0.2.2:5060");
	static const uint8_t mac[6] = {2};
	struct sb_wire w = {.dst_mac = mac, .src_mac = mac, .from = &a, .to = &b};
	uint8_t l4[10];
	int seen = 0;
	for (uint32_t v = 0; v < 65536; v++) {
		l4[8] = (uint8_t)(v >> 8);
		l4[9] = (uint8_t)v;
		sb_wire_udp(&w, l4, 2, false);
		assert_true(l4[6] || l4[7]);
		seen += l4[6] == 0xff && l4[7] == 0xff;
	}
	assert_true(seen >= 1);
}

static void room_counts_headers_and_cuts_pieces_at_eight_bytes(void **s)
{
	struct sb_addr a = at("192.0.2.1:1"), b = at("[2001:db8::1]:1");
	struct sb_wire w4 = {.to = &a}, w6 = {.to = &b};
	assert_int_equal(sb_wire_room(&w4, 1500, false), 1480);
	assert_int_equal(sb_wire_room(&w4, 1499, true), 1472);
	assert_int_equal(sb_wire_room(&w6, 1500, false), 1460);
	assert_int_equal(sb_wire_room(&w6, 1500, true), 1448);
	assert_int_equal(sb_wire_room(&w6, 30, true), 0);
}

static void odd_pieces_add_up_like_one(void **s)
{
	struct sb_addr a = at("192.0.2.1:5060"), b = at("198.51.100.2:5080");
	make_udp(&m, &a, &b, 0, 1001);
	uint64_t whole = sb_csum_add(0, m.frame, 1001);
	uint64_t parts = sb_csum_add(sb_csum_add(0, m.frame, 402), m.frame + 402, 599);
	assert_int_equal(sb_csum_end(whole), sb_csum_end(parts));
}

/* R3261-18, RFC 6864: pieces of datagrams that two workers send to one peer must not be taken for one another's. Found
 * by the simulator (chaos, seed 72): counters of both began in the same millisecond and gave the same 16 bits. */
static void no_two_workers_give_an_id_at_the_same_time(void **s)
{
	static const uint32_t workers[] = {1, 2, 3, 5, 64};
	for (unsigned i = 0; i < sizeof workers / sizeof *workers; i++) {
		uint8_t of[65536];
		memset(of, 0xff, sizeof of);
		for (uint32_t w = 0; w < workers[i]; w++) {
			struct sb_wire_ids ids;
			sb_wire_ids_init(&ids, w, workers[i], 0xfffffff0 + 7 * w);
			for (unsigned n = 0; n < 65536 / 64; n++) {
				uint16_t id = (uint16_t)sb_wire_id(&ids);
				assert_int_equal(of[id], 0xff); /* neither another's nor its own of a moment ago */
				of[id] = (uint8_t)w;
			}
		}
	}
}

/* A port that does the header's sum gets it as 0, and adds up what we would have written */
static void offloaded_header_checksum_is_left_to_the_port(void **s)
{
	static const uint8_t mac[6] = {2};
	struct sb_addr a = at("192.0.2.1:5060"), b = at("192.0.2.2:5060");
	struct sb_wire w = {.dst_mac = mac, .src_mac = mac, .from = &a, .to = &b, .ip_offload = true};
	uint8_t hard[34], soft[34];
	sb_wire_head(&w, hard, 100, NULL);
	w.ip_offload = false;
	sb_wire_head(&w, soft, 100, NULL);
	assert_int_equal(hard[24] | hard[25], 0);
	uint16_t sum = sb_csum_end(sb_csum_add(0, hard + 14, 20));
	assert_memory_equal(&sum, soft + 24, 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(header_bytes_are_those_of_the_rfcs),
	        cmocka_unit_test(offloaded_checksum_is_the_pseudo_header_alone),
	        cmocka_unit_test(checksum_zero_is_never_written),
	        cmocka_unit_test(room_counts_headers_and_cuts_pieces_at_eight_bytes),
	        cmocka_unit_test(odd_pieces_add_up_like_one),
	        cmocka_unit_test(no_two_workers_give_an_id_at_the_same_time),
	        cmocka_unit_test(offloaded_header_checksum_is_left_to_the_port),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

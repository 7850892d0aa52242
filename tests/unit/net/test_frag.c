/* SPDX-License-Identifier: BSD-3-Clause */
/* Fragments, cut by wire.c and put together by frag.c: R3261-18 (datagrams up to 65 507 bytes, in fragments). */
#include "frames.h"
#include "dataplane/net/frag.h"
#include <stdlib.h>

#define PIECES_MAX 64

static struct made whole;
static struct sb_frag_table table;
static int buffers_out, buffers_max;

static void *buffer(void *ctx, uint8_t **l4)
{
	if (buffers_out == buffers_max)
		return NULL;
	buffers_out++;
	*l4 = malloc(SB_FRAG_BYTES);
	return *l4;
}

static void give_back(void *ctx, void *buf)
{
	buffers_out--;
	free(buf);
}

static int set_up(void **s)
{
	struct sb_frag_ops ops = {.alloc = buffer, .free = give_back};
	buffers_out = 0;
	buffers_max = 100;
	sb_frag_init(&table, 8, &ops);
	return 0;
}

static int tear_down(void **s)
{
	sb_frag_fini(&table);
	return buffers_out; /* every buffer came back */
}

struct pieces {
	uint32_t n;
	uint32_t len[PIECES_MAX];
	uint8_t *frame[PIECES_MAX];
};

static void cut(struct pieces *p, const char *from, const char *to, uint32_t id, uint32_t payload)
{
	static const uint8_t mac[6] = {2, 1, 2, 3, 4, 5};
	struct sb_addr a = at(from), b = at(to);
	struct sb_wire w = {.dst_mac = mac, .src_mac = mac, .from = &a, .to = &b, .id = id};
	make_udp(&whole, &a, &b, 0, payload);
	uint8_t *l4 = whole.room + FRAME_ROOM;
	uint32_t room = sb_wire_room(&w, 1500, true), len = payload + 8;
	size_t head = sb_wire_head_len(&w, true);
	p->n = 0;
	for (uint32_t off = 0; off < len; off += room) {
		uint32_t n = len - off < room ? len - off : room;
		struct sb_wire_piece piece = {(uint16_t)off, off + n < len};
		uint8_t *f = p->frame[p->n] = malloc(head + n);
		sb_wire_head(&w, f, n, &piece);
		memcpy(f + head, l4 + off, n);
		p->len[p->n++] = (uint32_t)head + n;
	}
}

static void drop(struct pieces *p)
{
	for (uint32_t i = 0; i < p->n; i++)
		free(p->frame[i]);
}

static enum sb_frag_answer give(const struct pieces *p, uint32_t i, uint64_t now_us, struct sb_frag *done)
{
	struct sb_frame f;
	assert_int_equal(sb_frame_decode(p->frame[i], p->len[i], &f), SB_FRAME_FRAGMENT);
	return sb_frag_add(&table, p->frame[i], &f, 0, now_us, done);
}

static void check_whole(const struct sb_frag *done, uint32_t payload)
{
	assert_int_equal(done->total, payload + 8);
	assert_memory_equal(done->l4, whole.room + FRAME_ROOM, payload + 8);
	give_back(NULL, done->buf);
}

/* In order, backwards, and from the middle. */
static void check_orders(const char *from, const char *to, uint32_t payload)
{
	struct pieces p;
	struct sb_frag done;
	for (uint32_t order = 0; order < 3; order++) {
		cut(&p, from, to, order, payload);
		assert_true(p.n > 1);
		for (uint32_t i = 0; i < p.n; i++) {
			uint32_t k = order == 0 ? i : order == 1 ? p.n - 1 - i : (i + p.n / 2) % p.n;
			assert_int_equal(give(&p, k, 0, &done), i + 1 < p.n ? SB_FRAG_WAITS : SB_FRAG_DONE);
		}
		check_whole(&done, payload);
		drop(&p);
	}
}

static void datagrams_up_to_the_largest_come_together_in_any_order(void **s)
{
	check_orders("192.0.2.1:5060", "192.0.2.2:5060", 1473);
	check_orders("192.0.2.1:5060", "192.0.2.2:5060", 6000);
	check_orders("192.0.2.1:5060", "192.0.2.2:5060", 65507);
	check_orders("[2001:db8::1]:5060", "[2001:db8::2]:5060", 1453);
	check_orders("[2001:db8::1]:5060", "[2001:db8::2]:5060", 6000);
	check_orders("[2001:db8::1]:5060", "[2001:db8::2]:5060", 65507);
}

static void a_repeated_piece_is_harmless(void **s)
{
	struct pieces p;
	struct sb_frag done;
	cut(&p, "192.0.2.1:5060", "192.0.2.2:5060", 1, 4000);
	assert_int_equal(give(&p, 0, 0, &done), SB_FRAG_WAITS);
	assert_int_equal(give(&p, 0, 0, &done), SB_FRAG_WAITS);
	assert_int_equal(give(&p, 2, 0, &done), SB_FRAG_WAITS);
	assert_int_equal(give(&p, 1, 0, &done), SB_FRAG_DONE);
	check_whole(&done, 4000);
	drop(&p);
}

/* RFC 5722: an overlap that says something else ends the whole datagram. */
static void an_overlap_ends_the_datagram(void **s)
{
	struct pieces p;
	struct sb_frag done;
	cut(&p, "[2001:db8::1]:5060", "[2001:db8::2]:5060", 1, 4000);
	assert_int_equal(give(&p, 0, 0, &done), SB_FRAG_WAITS);
	p.frame[0][p.len[0] - 1] ^= 1;
	assert_int_equal(give(&p, 0, 0, &done), SB_FRAG_BAD);
	assert_int_equal(buffers_out, 0);
	drop(&p);
}

static void a_piece_behind_the_end_is_refused(void **s)
{
	struct pieces p, q;
	struct sb_frag done;
	cut(&p, "192.0.2.1:5060", "192.0.2.2:5060", 1, 3000);
	cut(&q, "192.0.2.1:5060", "192.0.2.2:5060", 1, 6000);
	assert_int_equal(give(&p, p.n - 1, 0, &done), SB_FRAG_WAITS);
	assert_int_equal(give(&q, 3, 0, &done), SB_FRAG_BAD);
	/* and the other way round: an end in front of what is there already */
	assert_int_equal(give(&q, 3, 0, &done), SB_FRAG_WAITS);
	assert_int_equal(give(&p, p.n - 1, 0, &done), SB_FRAG_BAD);
	drop(&p);
	drop(&q);
}

static void a_datagram_that_stays_incomplete_is_given_up(void **s)
{
	struct pieces p;
	struct sb_frag done;
	cut(&p, "192.0.2.1:5060", "192.0.2.2:5060", 1, 4000);
	assert_int_equal(give(&p, 0, 1000, &done), SB_FRAG_WAITS);
	assert_int_equal(sb_frag_expire(&table, 1000 + SB_FRAG_LIFE_US), 0);
	assert_int_equal(sb_frag_expire(&table, 1001 + SB_FRAG_LIFE_US), 1);
	assert_int_equal(buffers_out, 0);
	drop(&p);
}

static void a_flood_of_first_pieces_pushes_the_oldest_out(void **s)
{
	struct pieces p;
	struct sb_frag done;
	for (uint32_t id = 0; id < 1000; id++) {
		cut(&p, "192.0.2.1:5060", "192.0.2.2:5060", id, 4000);
		assert_int_equal(give(&p, 0, id, &done), SB_FRAG_WAITS);
		assert_true(buffers_out <= 8);
		drop(&p);
	}
	for (uint32_t id = 992; id < 1000; id++) { /* the eight youngest are all still there */
		cut(&p, "192.0.2.1:5060", "192.0.2.2:5060", id, 4000);
		assert_int_equal(give(&p, 1, 1000, &done), SB_FRAG_WAITS);
		assert_int_equal(give(&p, 2, 1000, &done), SB_FRAG_DONE);
		check_whole(&done, 4000);
		drop(&p);
	}
}

static void without_buffers_it_says_so(void **s)
{
	struct pieces p;
	struct sb_frag done;
	buffers_max = 0;
	cut(&p, "192.0.2.1:5060", "192.0.2.2:5060", 1, 4000);
	assert_int_equal(give(&p, 0, 0, &done), SB_FRAG_NO_BUFFER);
	drop(&p);
}

static void datagrams_of_different_senders_do_not_mix(void **s)
{
	struct pieces p, q;
	struct sb_frag done;
	cut(&q, "192.0.2.3:5060", "192.0.2.2:5060", 1, 2000);
	cut(&p, "192.0.2.1:5060", "192.0.2.2:5060", 1, 2000);
	assert_int_equal(give(&q, 0, 0, &done), SB_FRAG_WAITS);
	assert_int_equal(give(&p, 1, 0, &done), SB_FRAG_WAITS);
	assert_int_equal(give(&p, 0, 0, &done), SB_FRAG_DONE);
	check_whole(&done, 2000);
	drop(&p);
	drop(&q);
}

/* RFC 791, RFC 8200 4.5: no piece is empty, none ends beyond the largest datagram, all but the last end on 8 bytes */
static void impossible_pieces_end_their_datagram(void **s)
{
	static const struct {
		uint32_t off, len;
		bool more;
		enum sb_frag_answer answer;
	} rows[] = {{0, 0, true, SB_FRAG_BAD}, {0, 7, true, SB_FRAG_BAD}, {0, 8, true, SB_FRAG_WAITS},
	        {65528, 8, true, SB_FRAG_BAD}, {65528, 7, false, SB_FRAG_WAITS}, {65528, 8, false, SB_FRAG_BAD},
	        {8, 1, false, SB_FRAG_WAITS}};
	static uint8_t frame[128];
	struct sb_frag done;
	for (unsigned i = 0; i < sizeof rows / sizeof *rows; i++) {
		struct sb_frame f = {.frag_id = i,
		        .frag_off = (uint16_t)rows[i].off,
		        .frag_more = rows[i].more,
		        .l4 = 34,
		        .l4_len = rows[i].len,
		        .src = at("192.0.2.1"),
		        .dst = at("192.0.2.2")};
		assert_int_equal(sb_frag_add(&table, frame, &f, 0, 0, &done), rows[i].answer);
	}
}

/* Whatever tells two datagrams apart: sender, receiver, id, port and VLAN */
static void pieces_meet_their_own_only(void **s)
{
	static uint8_t frame[128];
	struct sb_frag done;
	struct sb_frame first = {.frag_id = 1,
	        .frag_more = true,
	        .l4 = 34,
	        .l4_len = 8,
	        .vlan = 7,
	        .src = at("192.0.2.1"),
	        .dst = at("192.0.2.2")};
	assert_int_equal(sb_frag_add(&table, frame, &first, 3, 0, &done), SB_FRAG_WAITS);
	for (unsigned i = 0; i < 6; i++) {
		struct sb_frame last = first;
		last.frag_off = 8;
		last.frag_more = false;
		last.src = i == 0 ? at("192.0.2.3") : last.src;
		last.dst = i == 1 ? at("192.0.2.3") : last.dst;
		last.frag_id = i == 2 ? 2 : 1;
		last.vlan = i == 3 ? 0 : 7;
		uint16_t port = i == 4 ? 0 : 3;
		assert_int_equal(
		        sb_frag_add(&table, frame, &last, port, 0, &done), i == 5 ? SB_FRAG_DONE : SB_FRAG_WAITS);
	}
	assert_int_equal(done.total, 16);
	give_back(NULL, done.buf);
}

/* An end that contradicts the one that is known, before or behind it */
static void second_end_ends_the_datagram(void **s)
{
	static const uint32_t second[] = {16, 32};
	static uint8_t frame[128];
	struct sb_frag done;
	for (unsigned i = 0; i < 2; i++) {
		struct sb_frame f = {.frag_id = i,
		        .frag_off = 16,
		        .l4 = 34,
		        .l4_len = 8,
		        .src = at("192.0.2.1"),
		        .dst = at("192.0.2.2")};
		assert_int_equal(sb_frag_add(&table, frame, &f, 0, 0, &done), SB_FRAG_WAITS);
		f.frag_off = (uint16_t)(second[i] - 8);
		assert_int_equal(sb_frag_add(&table, frame, &f, 0, 0, &done), SB_FRAG_BAD);
	}
}

/* A worker that was given no room for fragments refuses them */
static void table_without_slots_takes_nothing(void **s)
{
	struct pieces p;
	struct sb_frag done;
	table.n_slots = 0;
	cut(&p, "192.0.2.1:5060", "192.0.2.2:5060", 1, 4000);
	assert_int_equal(give(&p, 0, 0, &done), SB_FRAG_NO_BUFFER);
	assert_int_equal(sb_frag_expire(&table, UINT64_MAX), 0);
	drop(&p);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
	        TEST(datagrams_up_to_the_largest_come_together_in_any_order),
	        TEST(a_repeated_piece_is_harmless),
	        TEST(an_overlap_ends_the_datagram),
	        TEST(a_piece_behind_the_end_is_refused),
	        TEST(a_datagram_that_stays_incomplete_is_given_up),
	        TEST(a_flood_of_first_pieces_pushes_the_oldest_out),
	        TEST(without_buffers_it_says_so),
	        TEST(datagrams_of_different_senders_do_not_mix),
	        TEST(impossible_pieces_end_their_datagram),
	        TEST(pieces_meet_their_own_only),
	        TEST(second_end_ends_the_datagram),
	        TEST(table_without_slots_takes_nothing),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

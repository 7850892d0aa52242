/* SPDX-License-Identifier: BSD-3-Clause */
/* The rings between two threads: nothing is lost, doubled, overtaken or torn, however small the ring and however the
 * two are run. Made for ThreadSanitizer; what is asserted holds without it, too. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <pthread.h>
#include <sched.h>
#include <switchback/mailbox.h>

#define MAILS 20000 /* a tenth through the smallest: there each one waits for the other thread */

struct line {
	struct sb_ring *ring;
	uint32_t mails;
	uint64_t full, empty; /* times it was */
	bool broken;          /* room that was not there, or mail that was not as sent */
};

/* A mail whose every byte tells its number. */
static struct sb_mail mail_of(uint32_t n)
{
	struct sb_mail m;
	uint32_t words[sizeof m / 4];
	for (unsigned i = 0; i < sizeof m / 4; i++)
		words[i] = n * 2654435761u + i;
	memcpy(&m, words, sizeof m);
	return m;
}

static void put_all(struct line *l)
{
	for (uint32_t n = 0; n < l->mails;) {
		uint32_t room = n % 3 ? 1 : sb_ring_room(l->ring); /* some look first, some just try */
		for (uint32_t i = 0; i < room && n < l->mails; i++) {
			struct sb_mail m = mail_of(n);
			if (sb_ring_put(l->ring, &m)) {
				n++;
				continue;
			}
			l->full++;
			l->broken |= room > 1; /* what it said would fit must fit */
			sched_yield();
		}
		if (!room)
			sched_yield();
	}
}

static void take_all(struct line *l)
{
	for (uint32_t n = 0; n < l->mails;) {
		struct sb_mail got, want = mail_of(n);
		if (!sb_ring_take(l->ring, &got)) {
			l->empty++;
			sched_yield();
			continue;
		}
		l->broken |= memcmp(&got, &want, sizeof got) != 0;
		n++;
	}
}

static void *producer(void *line)
{
	put_all(line);
	return NULL;
}

/* The far end of a mailbox: takes what comes down, then sends as much up. */
static void *far_end(void *lines)
{
	struct line *const *l = lines;
	take_all(l[0]);
	put_all(l[1]);
	return NULL;
}

static void ring_of(uint32_t slots)
{
	struct sb_ring ring;
	pthread_t id;
	assert_int_equal(sb_ring_init(&ring, slots, sizeof(struct sb_mail)), 0);
	struct line in = {.ring = &ring, .mails = ring.mask < 16 ? MAILS / 10 : MAILS}, out = in;
	assert_int_equal(pthread_create(&id, NULL, producer, &in), 0);
	take_all(&out);
	pthread_join(id, NULL);
	assert_false(in.broken || out.broken);
	struct sb_mail m;
	assert_false(sb_ring_take(&ring, &m));
	assert_int_equal(sb_ring_room(&ring), slots);
	sb_ring_fini(&ring);
}

static void mails_arrive_once_whole_and_in_order(void **state)
{
	for (uint32_t slots = 1; slots <= 1024; slots *= 4)
		ring_of(slots);
}

/* Numbers of slots run over their 32 bits after four billion mails. */
static void counters_that_run_over_lose_nothing(void **state)
{
	struct sb_ring ring;
	pthread_t id;
	assert_int_equal(sb_ring_init(&ring, 32, sizeof(struct sb_mail)), 0);
	ring.head = ring.tail = ring.head_seen = ring.tail_seen = UINT32_MAX - MAILS / 2;
	struct line in = {.ring = &ring, .mails = ring.mask < 16 ? MAILS / 10 : MAILS}, out = in;
	assert_int_equal(pthread_create(&id, NULL, producer, &in), 0);
	take_all(&out);
	pthread_join(id, NULL);
	assert_false(in.broken || out.broken);
	sb_ring_fini(&ring);
}

static void both_ways_of_a_mailbox_are_apart(void **state)
{
	struct sb_mailbox box;
	pthread_t id;
	assert_int_equal(sb_mailbox_init(&box, 8), 0);
	struct line down[2] = {{.ring = &box.down, .mails = MAILS / 10}, {.ring = &box.down, .mails = MAILS / 10}},
	            up[2] = {{.ring = &box.up, .mails = MAILS / 10}, {.ring = &box.up, .mails = MAILS / 10}};
	struct line *far[2] = {&down[1], &up[1]};
	assert_int_equal(pthread_create(&id, NULL, far_end, far), 0);
	put_all(&down[0]);
	take_all(&up[0]);
	pthread_join(id, NULL);
	assert_false(down[0].broken || down[1].broken || up[0].broken || up[1].broken);
	sb_mailbox_fini(&box);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(mails_arrive_once_whole_and_in_order),
	        cmocka_unit_test(counters_that_run_over_lose_nothing),
	        cmocka_unit_test(both_ways_of_a_mailbox_are_apart),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

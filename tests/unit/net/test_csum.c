/* SPDX-License-Identifier: BSD-3-Clause */
/* The Internet checksum, each way that this processor can, against RFC 1071 word by word. */
#include "dataplane/net/csum.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <cmocka.h>

#define LONGEST 700

/* 16 bits at a time, as the RFC tells it. */
static uint16_t by_the_book(uint64_t sum, const uint8_t *p, size_t len)
{
	uint16_t word;
	uint32_t total = (uint16_t)~sb_csum_end(sum);
	for (; len >= 2; p += 2, len -= 2) {
		memcpy(&word, p, 2);
		total += word;
		total = (total & 0xffff) + (total >> 16);
	}
	if (len) {
		word = 0;
		memcpy(&word, p, 1);
		total += word;
		total = (total & 0xffff) + (total >> 16);
	}
	return (uint16_t)~total;
}

static void fill(uint8_t *p, size_t len, int how, unsigned *seed)
{
	for (size_t i = 0; i < len; i++)
		p[i] = how == 0 ? 0xff : how == 1 ? 0 : (uint8_t)rand_r(seed);
}

/* Every length, the bytes behind it not read (the buffer ends there), and sums that carry. */
static void every_way_gives_the_same_checksum(void **state)
{
	const uint64_t sums[] = {0, 1, 0xffff, 0x123456789abcdef0, UINT64_MAX, UINT64_MAX - 1};
	unsigned seed = 1;
	for (size_t len = 0; len < LONGEST; len++) {
		uint8_t *p = malloc(len + 1);
		for (int how = 0; how < 4; how++) {
			fill(p, len + 1, how, &seed);
			const size_t off = how & 1; /* not aligned, either */
			for (unsigned i = 0; i < sizeof sums / sizeof *sums; i++) {
				uint16_t right = by_the_book(sums[i], p + off, len);
				assert_int_equal(sb_csum_end(sb_csum_payload(sums[i], p + off, len)), right);
				for (unsigned way = 0; way < SB_CSUM_WAYS; way++) {
					if (sb_csum_can(way))
						assert_int_equal(
						        sb_csum_end(sb_csum_payload_by(way, sums[i], p + off, len)),
						        right);
				}
			}
		}
		free(p);
	}
}

static void the_largest_datagram_does_not_overflow(void **state)
{
	const size_t len = 65535;
	uint8_t *p = malloc(len);
	memset(p, 0xff, len);
	for (unsigned way = 0; way < SB_CSUM_WAYS; way++) {
		if (sb_csum_can(way))
			assert_int_equal(sb_csum_end(sb_csum_payload_by(way, UINT64_MAX, p, len)),
			        by_the_book(UINT64_MAX, p, len));
	}
	free(p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(every_way_gives_the_same_checksum),
	        cmocka_unit_test(the_largest_datagram_does_not_overflow),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: BSD-3-Clause */
/* csum.h - the Internet checksum (RFC 1071): headers eight bytes at a time, payloads by vectors. Pure. */
#pragma once
#include <stdbool.h>
#include <switchback/addr.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* Adds a word: what is carried out of the top comes back in below. */
static inline uint64_t sb_csum_word(uint64_t sum, uint64_t word)
{
	sum += word;
	return sum + (sum < word);
}

/* Adds len bytes to a running sum. Every piece but the last has an even length. */
static inline uint64_t sb_csum_add(uint64_t sum, const void *data, size_t len)
{
	const uint8_t *p = data;
	uint64_t word;
	for (; len >= 8; p += 8, len -= 8) {
		memcpy(&word, p, 8);
		sum = sb_csum_word(sum, word);
	}
	if (len) {
		word = 0;
		memcpy(&word, p, len);
		sum = sb_csum_word(sum, word);
	}
	return sum;
}

/* The 16-bit complement, in the byte order it is stored in. 0 when a region that holds its own checksum is right. */
static inline uint16_t sb_csum_end(uint64_t sum)
{
	sum = (sum & 0xffffffff) + (sum >> 32);
	sum = (sum & 0xffffffff) + (sum >> 32);
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)~sum;
}

/* The same of as many bytes as there are: the widest vectors of this processor. The sums need not be equal to
 * sb_csum_add's, what sb_csum_end makes of them is. */
uint64_t sb_csum_payload(uint64_t sum, const void *data, size_t len);

/* Each way by itself, for tests. */
enum sb_csum_way { SB_CSUM_PORTABLE, SB_CSUM_256, SB_CSUM_512, SB_CSUM_WAYS };
bool sb_csum_can(enum sb_csum_way way);
uint64_t sb_csum_payload_by(enum sb_csum_way way, uint64_t sum, const void *data, size_t len);

/* The pseudo header of RFC 768 and RFC 8200 8.1; ports are not looked at. Behind an IPv4 address stand zeros. */
static inline uint64_t sb_csum_pseudo(const struct sb_addr *src, const struct sb_addr *dst, uint8_t proto, uint32_t len)
{
	return sb_csum_add(sb_csum_add((uint64_t)htonl(len) + htonl(proto), src->ip, 16), dst->ip, 16);
}

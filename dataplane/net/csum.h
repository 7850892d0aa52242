/* SPDX-License-Identifier: BSD-3-Clause */
/* csum.h - the Internet checksum (RFC 1071), eight bytes at a time. Pure. */
#pragma once
#include <switchback/addr.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* Adds len bytes to a running sum. Every piece but the last has an even length. */
static inline uint64_t sb_csum_add(uint64_t sum, const void *data, size_t len)
{
	const uint8_t *p = data;
	uint64_t word;
	for (; len >= 8; p += 8, len -= 8) {
		memcpy(&word, p, 8);
		sum += word;
		sum += sum < word;
	}
	if (len) {
		word = 0;
		memcpy(&word, p, len);
		sum += word;
		sum += sum < word;
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

/* The pseudo header of RFC 768 and RFC 8200 8.1; ports are not looked at. */
static inline uint64_t sb_csum_pseudo(const struct sb_addr *src, const struct sb_addr *dst, uint8_t proto, uint32_t len)
{
	size_t ip = src->family == 6 ? 16 : 4;
	uint32_t tail[2] = {htonl(len), htonl(proto)};
	return sb_csum_add(sb_csum_add(sb_csum_add(0, src->ip, ip), dst->ip, ip), tail, sizeof tail);
}

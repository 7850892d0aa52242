/* SPDX-License-Identifier: BSD-3-Clause */
/* siphash.h - SipHash-c-d (Aumasson and Bernstein, 2012), inlined where a worker hashes: several times a message. 2-4
 * is what libsodium's crypto_shorthash gives, and what signs; 1-3 is for hash tables. Inside the sip folder and its
 * tests only. */
#pragma once
#include <stddef.h>
#include <stdint.h>
#include <string.h>

static inline uint64_t siphash_word(const uint8_t *p)
{
	uint64_t v;
	memcpy(&v, p, 8);
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
	v = __builtin_bswap64(v);
#endif
	return v;
}

static inline uint64_t siphash_rotate(uint64_t v, unsigned n)
{
	return v << n | v >> (64 - n);
}

static inline void siphash_rounds(uint64_t v[4], unsigned n)
{
	for (unsigned i = 0; i < n; i++) {
		v[0] += v[1];
		v[2] += v[3];
		v[1] = siphash_rotate(v[1], 13) ^ v[0];
		v[3] = siphash_rotate(v[3], 16) ^ v[2];
		v[0] = siphash_rotate(v[0], 32) + v[3];
		v[2] += v[1];
		v[3] = siphash_rotate(v[3], 21) ^ v[0];
		v[1] = siphash_rotate(v[1], 17) ^ v[2];
		v[2] = siphash_rotate(v[2], 32);
	}
}

/* c and d are constants wherever this is called. */
static inline __attribute__((always_inline)) uint64_t siphash(
        const uint8_t key[16], const uint8_t *p, size_t len, unsigned c, unsigned d)
{
	uint64_t k0 = siphash_word(key), k1 = siphash_word(key + 8), last = (uint64_t)len << 56;
	uint64_t v[4] = {
	        k0 ^ 0x736f6d6570736575, k1 ^ 0x646f72616e646f6d, k0 ^ 0x6c7967656e657261, k1 ^ 0x7465646279746573};
	size_t at = 0;
	for (; at + 8 <= len; at += 8) {
		uint64_t m = siphash_word(p + at);
		v[3] ^= m;
		siphash_rounds(v, c);
		v[0] ^= m;
	}
	for (unsigned i = 0; at + i < len; i++)
		last |= (uint64_t)p[at + i] << 8 * i;
	v[3] ^= last;
	siphash_rounds(v, c);
	v[0] ^= last;
	v[2] ^= 0xff;
	siphash_rounds(v, d);
	return v[0] ^ v[1] ^ v[2] ^ v[3];
}

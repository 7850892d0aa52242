/* SPDX-License-Identifier: BSD-3-Clause */
/* siphash.h - SipHash-c-d (Aumasson and Bernstein, 2012), inlined where a worker hashes: several times a message. 2-4
 * is what libsodium's crypto_shorthash gives, and what signs; 1-3 is for hash tables where there is no AES. Inside the
 * sip folder and its tests only. */
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

static inline __attribute__((always_inline)) void siphash_rounds(uint64_t v[4], unsigned n)
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

/* A hash as it is made, a word at a time. c and d are constants wherever these are called. */
static inline __attribute__((always_inline)) void siphash_begin(uint64_t v[4], const uint8_t key[16])
{
	uint64_t k0 = siphash_word(key), k1 = siphash_word(key + 8);
	v[0] = k0 ^ 0x736f6d6570736575;
	v[1] = k1 ^ 0x646f72616e646f6d;
	v[2] = k0 ^ 0x6c7967656e657261;
	v[3] = k1 ^ 0x7465646279746573;
}

static inline __attribute__((always_inline)) void siphash_add(uint64_t v[4], uint64_t word, unsigned c)
{
	v[3] ^= word;
	siphash_rounds(v, c);
	v[0] ^= word;
}

/* last: what is left of the text, and its length in the topmost byte. */
static inline __attribute__((always_inline)) uint64_t siphash_end(uint64_t v[4], uint64_t last, unsigned c, unsigned d)
{
	siphash_add(v, last, c);
	v[2] ^= 0xff;
	siphash_rounds(v, d);
	return v[0] ^ v[1] ^ v[2] ^ v[3];
}

/* The last n bytes, n < 8, of what eight readable bytes are at p of. */
static inline uint64_t siphash_tail(const uint8_t *p, size_t n)
{
	return siphash_word(p) & ((1ull << 8 * n) - 1);
}

/* SipHash-2-4 of a text that eight readable bytes follow. */
static inline __attribute__((always_inline)) uint64_t siphash(const uint8_t key[16], const uint8_t *p, size_t len)
{
	uint64_t v[4];
	size_t at = 0;
	siphash_begin(v, key);
	for (; at + 8 <= len; at += 8)
		siphash_add(v, siphash_word(p + at), 2);
	return siphash_end(v, siphash_tail(p + at, len & 7) | (uint64_t)len << 56, 2, 4);
}

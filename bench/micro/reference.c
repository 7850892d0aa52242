/* SPDX-License-Identifier: BSD-3-Clause */
/* reference.c - work of the kind that a proxy does, fixed for all time and in portable C: line ends found, texts
 * copied, sums and a SipHash made, two places of a large table looked at. None of it is the proxy's own code, so a
 * message's ticks as a multiple of these say how good the code is, whatever the machine (bench/capacity
 * --most-references). Never make it faster. */
#include "reference.h"
#include <stdlib.h>
#include <string.h>
#include <x86intrin.h>

#define COPIES 32
#define BYTES  512
#define TABLE  (1u << 22) /* words of 8 bytes: more than the second-level caches hold */
#define ROUNDS 2000

static uint64_t rotl(uint64_t v, int by)
{
	return v << by | v >> (64 - by);
}

static void sip_round(uint64_t v[4])
{
	v[0] += v[1];
	v[1] = rotl(v[1], 13) ^ v[0];
	v[0] = rotl(v[0], 32);
	v[2] += v[3];
	v[3] = rotl(v[3], 16) ^ v[2];
	v[0] += v[3];
	v[3] = rotl(v[3], 21) ^ v[0];
	v[2] += v[1];
	v[1] = rotl(v[1], 17) ^ v[2];
	v[2] = rotl(v[2], 32);
}

static uint64_t hash(const uint8_t *p, unsigned words)
{
	uint64_t v[4] = {0x736f6d6570736575, 0x646f72616e646f6d, 0x6c7967656e657261, 0x7465646279746573};
	for (unsigned i = 0; i < words; i++) {
		uint64_t m;
		memcpy(&m, p + 8 * i, 8);
		v[3] ^= m;
		sip_round(v);
		sip_round(v);
		v[0] ^= m;
	}
	v[2] ^= 255;
	for (int i = 0; i < 4; i++)
		sip_round(v);
	return v[0] ^ v[1] ^ v[2] ^ v[3];
}

static uint64_t one(uint8_t *to, const uint8_t *from, const uint64_t *table, uint64_t seed)
{
	uint64_t sum = seed, lines = 0, word;
	const __m128i lf = _mm_set1_epi8('\n');
	for (unsigned at = 0; at < BYTES; at += 16) {
		unsigned mask =
		        (unsigned)_mm_movemask_epi8(_mm_cmpeq_epi8(_mm_loadu_si128((const void *)(from + at)), lf));
		for (; mask; mask &= mask - 1)
			lines += at + (unsigned)__builtin_ctz(mask);
	}
	memcpy(to, from, BYTES);
	for (unsigned at = 0; at < BYTES; at += 8) {
		memcpy(&word, from + at, 8);
		sum += word;
		sum += sum < word;
	}
	uint64_t key = hash(from, 8) ^ sum;
	return key ^ lines ^ table[key % TABLE] ^ table[(key >> 32) % TABLE];
}

double time_reference(void)
{
	uint8_t *from = aligned_alloc(64, (size_t)COPIES * BYTES), *to = aligned_alloc(64, (size_t)COPIES * BYTES);
	uint64_t *table = malloc((size_t)TABLE * sizeof *table);
	uint64_t best = UINT64_MAX, sink = 0;
	if (!from || !to || !table)
		abort();
	for (unsigned i = 0; i < COPIES * BYTES; i++)
		from[i] = (uint8_t)(i % 37 == 36 ? '\n' : 'a' + i % 23);
	for (unsigned i = 0; i < TABLE; i++)
		table[i] = i * 0x9e3779b97f4a7c15ull;
	for (unsigned round = 0; round < ROUNDS; round++) {
		uint64_t start = __rdtsc();
		for (unsigned i = 0; i < COPIES; i++)
			sink ^= one(to + i * BYTES, from + i * BYTES, table, sink + round);
		uint64_t took = __rdtsc() - start;
		best = took < best ? took : best;
	}
	volatile uint64_t kept = sink;
	(void)kept;
	free(from);
	free(to);
	free(table);
	return (double)best / COPIES;
}

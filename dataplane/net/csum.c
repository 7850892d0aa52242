/* SPDX-License-Identifier: BSD-3-Clause */
/* csum.c - the sum over a payload by the widest vectors that the processor has. Each way gives the same checksum: a sum
 * of 32-bit words and one of 64-bit words agree modulo 0xffff, and none is 0 but that of zeros. */
#include "dataplane/net/csum.h"

#if defined __x86_64__
#include <immintrin.h>

#define LOW_WORDS 0xffffffffll

/* 32-bit words are added in lanes of 64 bits, so that nothing is carried over. */
__attribute__((target("avx512f,avx512bw"))) static uint64_t add_512(uint64_t sum, const uint8_t *p, size_t len)
{
	const __m512i low = _mm512_set1_epi64(LOW_WORDS);
	__m512i even = _mm512_setzero_si512(), odd = even;
	for (; len >= 64; p += 64, len -= 64) {
		__m512i v = _mm512_loadu_si512(p);
		even = _mm512_add_epi64(even, _mm512_and_si512(v, low));
		odd = _mm512_add_epi64(odd, _mm512_srli_epi64(v, 32));
	}
	if (len) {
		__m512i v = _mm512_maskz_loadu_epi8(~0ull >> (64 - len), p);
		even = _mm512_add_epi64(even, _mm512_and_si512(v, low));
		odd = _mm512_add_epi64(odd, _mm512_srli_epi64(v, 32));
	}
	return sb_csum_word(sum, (uint64_t)_mm512_reduce_add_epi64(_mm512_add_epi64(even, odd)));
}

__attribute__((target("avx2"))) static uint64_t add_256(uint64_t sum, const uint8_t *p, size_t len)
{
	const __m256i low = _mm256_set1_epi64x(LOW_WORDS);
	__m256i even = _mm256_setzero_si256(), odd = even;
	for (; len >= 32; p += 32, len -= 32) {
		__m256i v = _mm256_loadu_si256((const void *)p);
		even = _mm256_add_epi64(even, _mm256_and_si256(v, low));
		odd = _mm256_add_epi64(odd, _mm256_srli_epi64(v, 32));
	}
	const __m256i all = _mm256_add_epi64(even, odd);
	const __m128i half = _mm_add_epi64(_mm256_castsi256_si128(all), _mm256_extracti128_si256(all, 1));
	sum = sb_csum_word(sum, (uint64_t)_mm_extract_epi64(half, 0) + (uint64_t)_mm_extract_epi64(half, 1));
	return sb_csum_add(sum, p, len);
}

static bool has_512(void)
{
	return __builtin_cpu_supports("avx512bw");
}

static bool has_256(void)
{
	return __builtin_cpu_supports("avx2");
}
#else
#define add_512   sb_csum_add
#define add_256   sb_csum_add
#define has_512() false
#define has_256() false
#endif

uint64_t sb_csum_payload_by(enum sb_csum_way way, uint64_t sum, const void *data, size_t len)
{
	switch (way) {
	case SB_CSUM_512:
		return add_512(sum, data, len);
	case SB_CSUM_256:
		return add_256(sum, data, len);
	default:
		return sb_csum_add(sum, data, len);
	}
}

bool sb_csum_can(enum sb_csum_way way)
{
	return way == SB_CSUM_PORTABLE || (way == SB_CSUM_256 && has_256()) || (way == SB_CSUM_512 && has_512());
}

uint64_t sb_csum_payload(uint64_t sum, const void *data, size_t len)
{
	if (has_512())
		return add_512(sum, data, len);
	if (has_256())
		return add_256(sum, data, len);
	return sb_csum_add(sum, data, len);
}

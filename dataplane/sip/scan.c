/* SPDX-License-Identifier: BSD-3-Clause */
#include "dataplane/sip/scan.h"
#ifdef __SSE2__
#include <immintrin.h>
#endif

/* What one block of 64 bytes tells the next. */
struct carry {
	uint64_t cr;  /* bit 0: the last byte was CR */
	uint64_t lf1; /* bit 0: the last byte was LF */
	uint64_t lf2; /* bits 0 and 1: which of the last two bytes were LF */
};

/* Takes one block's masks of CR and LF; bit i is the byte at base + i. True: the header's end, or the table's, is
 * reached. */
static inline bool step(struct carry *c, struct sb_lines *out, uint64_t lf, uint64_t cr, uint32_t base)
{
	uint64_t behind_cr = cr << 1 | c->cr;
	uint64_t empty = lf & ((lf << 1 | c->lf1) | (behind_cr & (lf << 2 | c->lf2)));
	uint64_t header = empty ? empty ^ (empty - 1) : ~0ull; /* up to and with the first empty line's LF */
	out->bare_lf |= (lf & ~behind_cr & header) != 0;
	out->bare_cr |= (behind_cr & ~lf & header) != 0;
	uint64_t ends = lf & header & ~(empty & -empty);
	uint32_t n = out->n + (uint32_t)__builtin_popcountll(ends);
	if (n > SB_SIP_LINES_MAX + 1) {
		for (; out->n < SB_SIP_LINES_MAX + 1; ends &= ends - 1)
			out->end[out->n++] = (uint16_t)(base + (uint32_t)__builtin_ctzll(ends));
		out->too_many = true;
		return true;
	}
	/* Four are written whether they are there or not: hardly a block has more, and no branch depends on how many.
	 */
	for (uint32_t i = out->n;; i += 4) {
		for (uint32_t j = i; j < i + 4; j++, ends &= ends - 1)
			out->end[j] = (uint16_t)(base + (uint32_t)__builtin_ctzll(ends | 1ull << 63));
		if (!ends)
			break;
	}
	out->n = n;
	if (empty) {
		out->body = base + (uint32_t)__builtin_ctzll(empty) + 1;
		return true;
	}
	*c = (struct carry){cr >> 63, lf >> 63, lf >> 62};
	return false;
}

static inline void start(struct sb_lines *out)
{
	out->n = 0;
	out->body = 0;
	out->too_many = out->bare_lf = out->bare_cr = false;
}

/* The bits of a block that lie before the text's end. */
static inline uint64_t within(uint32_t at, uint32_t len)
{
	return len - at >= 64 ? ~0ull : (1ull << (len - at)) - 1;
}

/* Which of the 64 bytes at s are LF, and which CR. */
static inline void line_ends(const char *s, uint64_t *lf, uint64_t *cr)
{
#if defined __AVX512BW__
	__m512i v = _mm512_loadu_si512(s);
	*lf = _mm512_cmpeq_epi8_mask(v, _mm512_set1_epi8('\n'));
	*cr = _mm512_cmpeq_epi8_mask(v, _mm512_set1_epi8('\r'));
#elif defined __AVX2__
	const __m256i lfs = _mm256_set1_epi8('\n'), crs = _mm256_set1_epi8('\r');
	__m256i a = _mm256_loadu_si256((const __m256i_u *)s), b = _mm256_loadu_si256((const __m256i_u *)(s + 32));
	*lf = (uint32_t)_mm256_movemask_epi8(_mm256_cmpeq_epi8(a, lfs)) |
	      (uint64_t)(uint32_t)_mm256_movemask_epi8(_mm256_cmpeq_epi8(b, lfs)) << 32;
	*cr = (uint32_t)_mm256_movemask_epi8(_mm256_cmpeq_epi8(a, crs)) |
	      (uint64_t)(uint32_t)_mm256_movemask_epi8(_mm256_cmpeq_epi8(b, crs)) << 32;
#elif defined __SSE2__
	const __m128i lfs = _mm_set1_epi8('\n'), crs = _mm_set1_epi8('\r');
	*lf = *cr = 0;
	for (unsigned i = 0; i < 64; i += 16) {
		__m128i v = _mm_loadu_si128((const __m128i_u *)(s + i));
		*lf |= (uint64_t)(uint32_t)_mm_movemask_epi8(_mm_cmpeq_epi8(v, lfs)) << i;
		*cr |= (uint64_t)(uint32_t)_mm_movemask_epi8(_mm_cmpeq_epi8(v, crs)) << i;
	}
#else
	*lf = *cr = 0;
	for (unsigned i = 0; i < 64; i++) {
		*lf |= (uint64_t)(s[i] == '\n') << i;
		*cr |= (uint64_t)(s[i] == '\r') << i;
	}
#endif
}

#ifdef __AVX512VBMI2__

/* Where all line ends are CRLF and the empty line is there: false if not, or if it is not certain. What is behind len
 * may be read as if it were text: that decides nothing. A block has 32 CRLF at most; what is written for one with more
 * LFs does not count. */
static inline bool scan_crlf(const char *text, uint32_t from, uint32_t len, struct sb_lines *out)
{
	const __m512i lfs = _mm512_set1_epi8('\n'), crs = _mm512_set1_epi8('\r');
	const __m512i counting = _mm512_set_epi8(63, 62, 61, 60, 59, 58, 57, 56, 55, 54, 53, 52, 51, 50, 49, 48, 47, 46,
	        45, 44, 43, 42, 41, 40, 39, 38, 37, 36, 35, 34, 33, 32, 31, 30, 29, 28, 27, 26, 25, 24, 23, 22, 21, 20,
	        19, 18, 17, 16, 15, 14, 13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0);
	__m512i base = _mm512_set1_epi16((short)from);
	uint64_t was_cr = 0, was_lf = 0, odd = 0;
	uint32_t n = 0;
	for (uint32_t at = from; at < len && n <= SB_SIP_LINES_MAX + 1; at += 64) {
		__m512i v = _mm512_loadu_si512(text + at);
		uint64_t lf = _mm512_cmpeq_epi8_mask(v, lfs), cr = _mm512_cmpeq_epi8_mask(v, crs);
		uint64_t mixed = (cr << 1 | was_cr) ^ lf, empty = lf & (lf << 2 | was_lf);
		__m512i ends = _mm512_cvtepu8_epi16(_mm512_castsi512_si256(_mm512_maskz_compress_epi8(lf, counting)));
		_mm512_storeu_si512(out->end + n, _mm512_add_epi16(ends, base));
		base = _mm512_add_epi16(base, _mm512_set1_epi16(64));
		if (empty) {
			uint64_t header = empty ^ (empty - 1); /* with the first empty line's LF */
			out->n = n + (uint32_t)__builtin_popcountll(lf & header) - 1;
			out->body = at + (uint32_t)__builtin_popcountll(header);
			return out->body <= len && !(odd | (mixed & header)) && out->n <= SB_SIP_LINES_MAX + 1;
		}
		odd |= mixed;
		n += (uint32_t)__builtin_popcountll(lf);
		was_cr = cr >> 63;
		was_lf = lf >> 62;
	}
	return false;
}

#endif

void sb_scan(const char *text, uint32_t from, uint32_t len, struct sb_lines *out)
{
	struct carry c = {0};
	uint64_t lf, cr;
	start(out);
#ifdef __AVX512VBMI2__
	if (scan_crlf(text, from, len, out))
		return;
	start(out);
#endif
	for (uint32_t at = from; at < len; at += 64) {
		line_ends(text + at, &lf, &cr);
		uint64_t mask = within(at, len);
		if (step(&c, out, lf & mask, cr & mask, at))
			return;
	}
}

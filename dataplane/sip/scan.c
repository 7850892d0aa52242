/* SPDX-License-Identifier: BSD-3-Clause */
#include "dataplane/sip/scan.h"
#ifdef __x86_64__
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
	uint32_t n = out->n;
	for (uint64_t ends = lf & header & ~(empty & -empty); ends; ends &= ends - 1) {
		if (n == SB_SIP_LINES_MAX + 1) {
			out->too_many = true;
			return true;
		}
		out->end[n++] = (uint16_t)(base + (uint32_t)__builtin_ctzll(ends));
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

void sb_scan_plain(const char *text, uint32_t from, uint32_t len, struct sb_lines *out)
{
	struct carry c = {0};
	start(out);
	for (uint32_t at = from; at < len; at += 64) {
		uint64_t lf = 0, cr = 0;
		for (uint32_t i = 0; i < 64; i++) {
			lf |= (uint64_t)(text[at + i] == '\n') << i;
			cr |= (uint64_t)(text[at + i] == '\r') << i;
		}
		uint64_t mask = within(at, len);
		if (step(&c, out, lf & mask, cr & mask, at))
			return;
	}
}

#ifdef __x86_64__

void sb_scan_sse2(const char *text, uint32_t from, uint32_t len, struct sb_lines *out)
{
	const __m128i lfs = _mm_set1_epi8('\n'), crs = _mm_set1_epi8('\r');
	struct carry c = {0};
	start(out);
	for (uint32_t at = from; at < len; at += 64) {
		uint64_t lf = 0, cr = 0;
		for (unsigned i = 0; i < 64; i += 16) {
			__m128i v = _mm_loadu_si128((const __m128i_u *)(text + at + i));
			lf |= (uint64_t)(uint32_t)_mm_movemask_epi8(_mm_cmpeq_epi8(v, lfs)) << i;
			cr |= (uint64_t)(uint32_t)_mm_movemask_epi8(_mm_cmpeq_epi8(v, crs)) << i;
		}
		uint64_t mask = within(at, len);
		if (step(&c, out, lf & mask, cr & mask, at))
			return;
	}
}

__attribute__((target("avx2"))) void sb_scan_avx2(const char *text, uint32_t from, uint32_t len, struct sb_lines *out)
{
	const __m256i lfs = _mm256_set1_epi8('\n'), crs = _mm256_set1_epi8('\r');
	struct carry c = {0};
	start(out);
	for (uint32_t at = from; at < len; at += 64) {
		__m256i a = _mm256_loadu_si256((const __m256i_u *)(text + at));
		__m256i b = _mm256_loadu_si256((const __m256i_u *)(text + at + 32));
		uint64_t lf = (uint32_t)_mm256_movemask_epi8(_mm256_cmpeq_epi8(a, lfs)) |
		              (uint64_t)(uint32_t)_mm256_movemask_epi8(_mm256_cmpeq_epi8(b, lfs)) << 32;
		uint64_t cr = (uint32_t)_mm256_movemask_epi8(_mm256_cmpeq_epi8(a, crs)) |
		              (uint64_t)(uint32_t)_mm256_movemask_epi8(_mm256_cmpeq_epi8(b, crs)) << 32;
		uint64_t mask = within(at, len);
		if (step(&c, out, lf & mask, cr & mask, at))
			return;
	}
}

bool sb_scan_has_avx2(void)
{
	return __builtin_cpu_supports("avx2");
}

void sb_scan(const char *text, uint32_t from, uint32_t len, struct sb_lines *out)
{
	if (sb_scan_has_avx2())
		sb_scan_avx2(text, from, len, out);
	else
		sb_scan_sse2(text, from, len, out);
}

#else

void sb_scan(const char *text, uint32_t from, uint32_t len, struct sb_lines *out)
{
	sb_scan_plain(text, from, len, out);
}

#endif

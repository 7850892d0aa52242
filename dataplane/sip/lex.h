/* SPDX-License-Identifier: BSD-3-Clause */
/* lex.h - character classes and the smallest pieces of SIP grammar (RFC 3261 25.1). Inside the sip folder only. */
#pragma once
#include "dataplane/sip/sip.h"
#include <string.h>
#ifdef __AVX2__
#include <immintrin.h>
#endif

#define LEX_TOKEN 0x01 /* token */
#define LEX_HOST  0x02 /* of a host name or IPv4 address */
#define LEX_DIGIT 0x04
#define LEX_USER  0x08 /* user part of a URI, '%' of an escape included */
#define LEX_PARAM 0x10 /* paramchar of a URI, '%' of an escape included */
#define LEX_LWS   0x20 /* blanks; CR and LF stand inside a header line only where it is folded */
#define LEX_VIS   0x40 /* all that is printed, and what is above ASCII */
#define LEX_HEX   0x80

/* clang-format off */
static const uint8_t lex_class[256] = {
	0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x20, 0x20, 0x00, 0x00, 0x20, 0x00, 0x00,
	0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
	0x20, 0x59, 0x40, 0x40, 0x58, 0x59, 0x58, 0x59, 0x58, 0x58, 0x59, 0x59, 0x48, 0x5b, 0x5b, 0x58,
	0xdf, 0xdf, 0xdf, 0xdf, 0xdf, 0xdf, 0xdf, 0xdf, 0xdf, 0xdf, 0x50, 0x48, 0x40, 0x48, 0x40, 0x48,
	0x40, 0xdb, 0xdb, 0xdb, 0xdb, 0xdb, 0xdb, 0x5b, 0x5b, 0x5b, 0x5b, 0x5b, 0x5b, 0x5b, 0x5b, 0x5b,
	0x5b, 0x5b, 0x5b, 0x5b, 0x5b, 0x5b, 0x5b, 0x5b, 0x5b, 0x5b, 0x5b, 0x50, 0x40, 0x50, 0x40, 0x59,
	0x41, 0xdb, 0xdb, 0xdb, 0xdb, 0xdb, 0xdb, 0x5b, 0x5b, 0x5b, 0x5b, 0x5b, 0x5b, 0x5b, 0x5b, 0x5b,
	0x5b, 0x5b, 0x5b, 0x5b, 0x5b, 0x5b, 0x5b, 0x5b, 0x5b, 0x5b, 0x5b, 0x40, 0x40, 0x40, 0x59, 0x00,
	0x40, 0x40, 0x40, 0x40, 0x40, 0x40, 0x40, 0x40, 0x40, 0x40, 0x40, 0x40, 0x40, 0x40, 0x40, 0x40,
	0x40, 0x40, 0x40, 0x40, 0x40, 0x40, 0x40, 0x40, 0x40, 0x40, 0x40, 0x40, 0x40, 0x40, 0x40, 0x40,
	0x40, 0x40, 0x40, 0x40, 0x40, 0x40, 0x40, 0x40, 0x40, 0x40, 0x40, 0x40, 0x40, 0x40, 0x40, 0x40,
	0x40, 0x40, 0x40, 0x40, 0x40, 0x40, 0x40, 0x40, 0x40, 0x40, 0x40, 0x40, 0x40, 0x40, 0x40, 0x40,
	0x40, 0x40, 0x40, 0x40, 0x40, 0x40, 0x40, 0x40, 0x40, 0x40, 0x40, 0x40, 0x40, 0x40, 0x40, 0x40,
	0x40, 0x40, 0x40, 0x40, 0x40, 0x40, 0x40, 0x40, 0x40, 0x40, 0x40, 0x40, 0x40, 0x40, 0x40, 0x40,
	0x40, 0x40, 0x40, 0x40, 0x40, 0x40, 0x40, 0x40, 0x40, 0x40, 0x40, 0x40, 0x40, 0x40, 0x40, 0x40,
	0x40, 0x40, 0x40, 0x40, 0x40, 0x40, 0x40, 0x40, 0x40, 0x40, 0x40, 0x40, 0x40, 0x40, 0x40, 0x40,
};
/* clang-format on */

static inline bool lex_is(char c, unsigned classes)
{
	return lex_class[(uint8_t)c] & classes;
}

#if defined __AVX512VBMI__

#define LEX_FOUR(c) (c) * 0x01010101u
#define LEX_FOURS(c)                                                                                                   \
	LEX_FOUR(c), LEX_FOUR(c + 1), LEX_FOUR(c + 2), LEX_FOUR(c + 3), LEX_FOUR(c + 4), LEX_FOUR(c + 5),              \
	        LEX_FOUR(c + 6), LEX_FOUR(c + 7)

/* Each ASCII character four times. */
static const uint32_t lex_four[128] = {LEX_FOURS(0), LEX_FOURS(8), LEX_FOURS(16), LEX_FOURS(24), LEX_FOURS(32),
        LEX_FOURS(40), LEX_FOURS(48), LEX_FOURS(56), LEX_FOURS(64), LEX_FOURS(72), LEX_FOURS(80), LEX_FOURS(88),
        LEX_FOURS(96), LEX_FOURS(104), LEX_FOURS(112), LEX_FOURS(120)};

/* c, below 128, 64 times. Four bytes of memory are spread while they are loaded; a byte, or a register, which is what
 * compilers make of a constant, goes through the one unit that compares. */
static inline __attribute__((always_inline)) __m512i lex_all(char c)
{
	__m512i v;
	__asm__("vpbroadcastd %1, %0" : "=v"(v) : "m"(lex_four[(unsigned)c]));
	return v;
}

/* 64 bytes of text, to be looked at for more than one thing. Loading reads into the pad at most. */
struct lex_block {
	__m512i v;
};

static inline struct lex_block lex_load64(const char *s)
{
	return (struct lex_block){_mm512_loadu_si512(s)};
}

/* Of a block, the bytes of none of the classes. All above ASCII is LEX_VIS and nothing else. */
static inline __attribute__((always_inline)) uint64_t lex_block_none(struct lex_block b, unsigned classes)
{
	__m512i low = _mm512_loadu_si512(lex_class), high = _mm512_loadu_si512(lex_class + 64);
	__m512i found = _mm512_permutex2var_epi8(low, b.v, high);
	if (__builtin_popcount(classes) == 1) {
		/* The class's bit becomes each byte's sign; then: above ASCII, or not found; for LEX_VIS: neither. */
		found = _mm512_slli_epi16(found, 7 - (unsigned)__builtin_ctz(classes));
		return _mm512_movepi8_mask(classes & LEX_VIS ? _mm512_ternarylogic_epi64(b.v, found, found, 0x03)
		                                             : _mm512_ternarylogic_epi64(b.v, found, found, 0xf3));
	}
	__mmask64 none = _mm512_testn_epi8_mask(found, lex_all((char)classes));
	__mmask64 beyond = _mm512_movepi8_mask(b.v);
	return classes & LEX_VIS ? none & ~beyond : none | beyond;
}

/* Of a block, the bytes that are c. */
static inline uint64_t lex_block_eq(struct lex_block b, char c)
{
	return _mm512_cmpeq_epi8_mask(b.v, lex_all(c));
}

#elif defined __AVX2__

/* lex_class turned on its side: bit h of lex_nibble[class][l] says whether the byte h << 4 | l, h < 8, is of class 1 <<
 * class. */
/* clang-format off */
static const uint8_t lex_nibble[8][16] = {
	{0xe8, 0xfc, 0xf8, 0xf8, 0xf8, 0xfc, 0xf8, 0xfc, 0xf8, 0xf8, 0xf4, 0x54, 0x50, 0x54, 0xd4, 0x70},
	{0xa8, 0xf8, 0xf8, 0xf8, 0xf8, 0xf8, 0xf8, 0xf8, 0xf8, 0xf8, 0xf0, 0x50, 0x50, 0x54, 0x54, 0x50},
	{0x08, 0x08, 0x08, 0x08, 0x08, 0x08, 0x08, 0x08, 0x08, 0x08, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00},
	{0xa8, 0xfc, 0xf8, 0xf8, 0xfc, 0xfc, 0xfc, 0xfc, 0xfc, 0xfc, 0xf4, 0x5c, 0x54, 0x5c, 0xd4, 0x7c},
	{0xa8, 0xfc, 0xf8, 0xf8, 0xfc, 0xfc, 0xfc, 0xfc, 0xfc, 0xfc, 0xfc, 0x74, 0x50, 0x74, 0xd4, 0x74},
	{0x04, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x01, 0x01, 0x00, 0x00, 0x01, 0x00, 0x00},
	{0xf8, 0xfc, 0xfc, 0xfc, 0xfc, 0xfc, 0xfc, 0xfc, 0xfc, 0xfc, 0xfc, 0xfc, 0xfc, 0xfc, 0xfc, 0x7c},
	{0x08, 0x58, 0x58, 0x58, 0x58, 0x58, 0x58, 0x08, 0x08, 0x08, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00},
};
/* clang-format on */

static inline uint32_t lex_half_none(__m256i v, unsigned classes)
{
	const __m256i bit = _mm256_setr_epi8(1, 2, 4, 8, 16, 32, 64, -128, 0, 0, 0, 0, 0, 0, 0, 0, 1, 2, 4, 8, 16, 32,
	        64, -128, 0, 0, 0, 0, 0, 0, 0, 0);
	__m256i table = _mm256_setzero_si256();
	for (unsigned c = 0; c < 8; c++)
		if (classes >> c & 1)
			table = _mm256_or_si256(
			        table, _mm256_broadcastsi128_si256(_mm_loadu_si128((const __m128i_u *)lex_nibble[c])));
	__m256i high = _mm256_and_si256(_mm256_srli_epi16(v, 4), _mm256_set1_epi8(15));
	__m256i hit = _mm256_and_si256(_mm256_shuffle_epi8(table, v), _mm256_shuffle_epi8(bit, high));
	uint32_t none = (uint32_t)_mm256_movemask_epi8(_mm256_cmpeq_epi8(hit, _mm256_setzero_si256()));
	return classes & LEX_VIS ? none & ~(uint32_t)_mm256_movemask_epi8(v) : none; /* all above ASCII is LEX_VIS */
}

struct lex_block {
	__m256i a, b;
};

static inline struct lex_block lex_load64(const char *s)
{
	return (struct lex_block){
	        _mm256_loadu_si256((const __m256i_u *)s), _mm256_loadu_si256((const __m256i_u *)(s + 32))};
}

static inline uint64_t lex_block_none(struct lex_block b, unsigned classes)
{
	return lex_half_none(b.a, classes) | (uint64_t)lex_half_none(b.b, classes) << 32;
}

static inline uint64_t lex_block_eq(struct lex_block b, char c)
{
	__m256i cs = _mm256_set1_epi8(c);
	return (uint32_t)_mm256_movemask_epi8(_mm256_cmpeq_epi8(b.a, cs)) |
	       (uint64_t)(uint32_t)_mm256_movemask_epi8(_mm256_cmpeq_epi8(b.b, cs)) << 32;
}

#endif

#ifdef __AVX2__

/* Of the 64 bytes at s, those of none of the classes. */
static inline uint64_t lex_none_of64(const char *s, unsigned classes)
{
	return lex_block_none(lex_load64(s), classes);
}

/* Of the 64 bytes at s, those that are c. */
static inline uint64_t lex_eq64(const char *s, char c)
{
	return lex_block_eq(lex_load64(s), c);
}

/* The first offset from at whose bit is set in `hits`, an expression over the 64 bytes at text + at; end if there is
 * none. */
#define LEX_FIRST(hits)                                                                                                \
	for (; at < end; at += 64) {                                                                                   \
		uint64_t found = (hits);                                                                               \
		if (found) {                                                                                           \
			at += (uint32_t)__builtin_ctzll(found);                                                        \
			return at < end ? at : end;                                                                    \
		}                                                                                                      \
	}                                                                                                              \
	return end

#else

#define LEX_FIRST_PLAIN(stop)                                                                                          \
	while (at < end && !(stop))                                                                                    \
		at++;                                                                                                  \
	return at

#endif

/* Offset of the first byte from at that is of none of the classes; end if there is none. */
static inline __attribute__((always_inline)) uint32_t lex_run(
        const char *text, uint32_t at, uint32_t end, unsigned classes)
{
#ifdef __AVX2__
	LEX_FIRST(lex_none_of64(text + at, classes));
#else
	LEX_FIRST_PLAIN(!lex_is(text[at], classes));
#endif
}

/* The same, but it stops at a and b too. */
static inline __attribute__((always_inline)) uint32_t lex_until(
        const char *text, uint32_t at, uint32_t end, unsigned classes, char a, char b)
{
#ifdef __AVX2__
	LEX_FIRST(lex_none_of64(text + at, classes) | lex_eq64(text + at, a) | lex_eq64(text + at, b));
#else
	LEX_FIRST_PLAIN(!lex_is(text[at], classes) || text[at] == a || text[at] == b);
#endif
}

/* Offset of the first c from at; end if there is none. */
static inline __attribute__((always_inline)) uint32_t lex_find(const char *text, uint32_t at, uint32_t end, char c)
{
#ifdef __AVX2__
	LEX_FIRST(lex_eq64(text + at, c));
#else
	LEX_FIRST_PLAIN(text[at] == c);
#endif
}

/* Offset of the first a or b. */
static inline __attribute__((always_inline)) uint32_t lex_find2(
        const char *text, uint32_t at, uint32_t end, char a, char b)
{
#ifdef __AVX2__
	LEX_FIRST(lex_eq64(text + at, a) | lex_eq64(text + at, b));
#else
	LEX_FIRST_PLAIN(text[at] == a || text[at] == b);
#endif
}

/* There are few, if any: byte by byte. */
static inline uint32_t lex_blanks(const char *text, uint32_t at, uint32_t end)
{
	while (at < end && lex_is(text[at], LEX_LWS))
		at++;
	return at;
}

/* The end without the blanks before it. */
static inline uint32_t lex_trim(const char *text, uint32_t at, uint32_t end)
{
	while (end > at && lex_is(text[end - 1], LEX_LWS))
		end--;
	return end;
}

static inline struct sb_span lex_span(uint32_t at, uint32_t end)
{
	return (struct sb_span){(uint16_t)at, (uint16_t)(end - at)};
}

/* lower holds letters, digits, '-', '/', '.' or ':' alone: of what matches them with bit 5 set, only control bytes are
 * not meant. */
static inline bool lex_same(const char *s, const char *lower, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if ((s[i] | 0x20) != lower[i])
			return false;
	return true;
}

static inline bool lex_span_is(const char *text, struct sb_span s, const char *lower)
{
	size_t n = strlen(lower);
	return s.len == n && lex_same(text + s.off, lower, n);
}

static inline int lex_hex(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* The number that the digits of a span make; max if it is larger. */
static inline uint32_t lex_number(const char *text, struct sb_span digits, uint32_t max)
{
	uint64_t v = 0;
	for (uint32_t i = 0; i < digits.len && v <= max; i++)
		v = v * 10 + (uint64_t)(text[digits.off + i] - '0');
	return v > max ? max : (uint32_t)v;
}

/* at stands on a '"'. Offset behind the closing one; 0: there is none. *odd is set where it holds escapes or controls.
 */
static inline uint32_t lex_quoted(const char *text, uint32_t at, uint32_t end, bool *odd)
{
	for (uint32_t i = lex_until(text, at + 1, end, LEX_VIS | LEX_LWS, '"', '\\'); i < end; i++) {
		if (text[i] == '"')
			return i + 1;
		if (text[i] == '\\') {
			*odd = true;
			i++;
		} else if (!lex_is(text[i], LEX_VIS | LEX_LWS)) {
			*odd = true;
		}
	}
	return 0;
}

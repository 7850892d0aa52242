/* SPDX-License-Identifier: BSD-3-Clause */
/* names.h - the names of the header fields that a proxy reads, and their compact forms (RFC 3261 7.3.3), in a table
 * where a few bits of a name say which row it could only be in. Inside the sip folder only. */
#pragma once
#include "dataplane/sip/lex.h"
#include "dataplane/sip/line.h"
#ifdef __SSE2__
#include <emmintrin.h>
#endif

#define NAME_MAX_LEN 14 /* Content-Length */
#define NAME_ROWS    64

/* What tells the names and their colons apart: the first two letters whatever their case, and a bit each of the third
 * and the fifth byte. Where a name is so short that these are its value's, it has a row for each. */
#define NAME_BITS   0x400101f1full
#define NAME_FACTOR 0x828804000020403ull
#define NAME_SHIFT  58

/* In lower case with its colon, and the bit that makes letters so; which bytes of that count, and the field. */
#define NAME(text, lower, len, field)                                                                                  \
	{                                                                                                              \
		text, lower, (1u << ((len) + 1)) - 1, (field)                                                          \
	}
static const struct name_row {
	_Alignas(64) char text[16];
	char lower[16];
	uint32_t bytes, field;
} name_rows[NAME_ROWS] = {
        [1] = NAME("to:", "  ", 2, SB_F_TO),
        [2] = NAME("from:", "    ", 4, SB_F_FROM),
        [3] = NAME("timestamp:", "         ", 9, SB_F_TIMESTAMP),
        [6] = NAME("cseq:", "    ", 4, SB_F_CSEQ),
        [7] = NAME("via:", "   ", 3, SB_F_VIA),
        [8] = NAME("via:", "   ", 3, SB_F_VIA),
        [16] = NAME("call-id:", "    \0  ", 7, SB_F_CALL_ID),
        [19] = NAME("f:", " ", 1, SB_F_FROM),
        [20] = NAME("f:", " ", 1, SB_F_FROM),
        [22] = NAME("proxy-require:", "     \0       ", 13, SB_F_PROXY_REQUIRE),
        [23] = NAME("record-route:", "      \0     ", 12, SB_F_RECORD_ROUTE),
        [24] = NAME("retry-after:", "     \0     ", 11, SB_F_RETRY_AFTER),
        [25] = NAME("i:", " ", 1, SB_F_CALL_ID),
        [26] = NAME("i:", " ", 1, SB_F_CALL_ID),
        [29] = NAME("contact:", "       ", 7, SB_F_CONTACT),
        [30] = NAME("content-length:", "       \0      ", 14, SB_F_CONTENT_LENGTH),
        [31] = NAME("l:", " ", 1, SB_F_CONTENT_LENGTH),
        [32] = NAME("l:", " ", 1, SB_F_CONTENT_LENGTH),
        [33] = NAME("m:", " ", 1, SB_F_CONTACT),
        [34] = NAME("m:", " ", 1, SB_F_CONTACT),
        [37] = NAME("max-forwards:", "   \0        ", 12, SB_F_MAX_FORWARDS),
        [48] = NAME("t:", " ", 1, SB_F_TO),
        [49] = NAME("t:", " ", 1, SB_F_TO),
        [52] = NAME("v:", " ", 1, SB_F_VIA),
        [53] = NAME("v:", " ", 1, SB_F_VIA),
        [61] = NAME("route:", "     ", 5, SB_F_ROUTE),
};
#undef NAME

/* The field whose name and colon are at s; SB_F_OTHER: none of ours. Reads 16 bytes, into the pad at most. */
static inline enum sb_field name_field(const char *s)
{
	uint64_t first;
	memcpy(&first, s, 8);
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
	first = __builtin_bswap64(first);
#endif
	const struct name_row *row = &name_rows[(first & NAME_BITS) * NAME_FACTOR >> NAME_SHIFT];
	uint32_t other = 0;
#ifdef __SSE2__
	__m128i lower = _mm_load_si128((const __m128i *)(const void *)row->lower);
	__m128i v = _mm_or_si128(_mm_loadu_si128((const __m128i_u *)s), lower);
	__m128i same = _mm_cmpeq_epi8(v, _mm_load_si128((const __m128i *)(const void *)row->text));
	other = ~(uint32_t)_mm_movemask_epi8(same) & row->bytes;
#else
	for (unsigned k = 0; k < 16; k++)
		other |= ((s[k] | row->lower[k]) != row->text[k]) << k;
	other &= row->bytes;
#endif
	/* No branch: which names there are is anybody's guess. */
	return (enum sb_field)(row->field & (uint32_t)((int32_t)(other - 1) >> 31));
}

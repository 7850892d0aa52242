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

/* In lower case with its colon, and the bit that makes letters so. */
static const struct {
	_Alignas(32) char text[16], lower[16];
} name_rows[NAME_ROWS] = {
        [1] = {"to:", "  "},
        [2] = {"from:", "    "},
        [3] = {"timestamp:", "         "},
        [6] = {"cseq:", "    "},
        [7] = {"via:", "   "},
        [8] = {"via:", "   "},
        [16] = {"call-id:", "    \0  "},
        [19] = {"f:", " "},
        [20] = {"f:", " "},
        [22] = {"proxy-require:", "     \0       "},
        [23] = {"record-route:", "      \0     "},
        [24] = {"retry-after:", "     \0     "},
        [25] = {"i:", " "},
        [26] = {"i:", " "},
        [29] = {"contact:", "       "},
        [30] = {"content-length:", "       \0      "},
        [31] = {"l:", " "},
        [32] = {"l:", " "},
        [33] = {"m:", " "},
        [34] = {"m:", " "},
        [37] = {"max-forwards:", "   \0        "},
        [48] = {"t:", " "},
        [49] = {"t:", " "},
        [52] = {"v:", " "},
        [53] = {"v:", " "},
        [61] = {"route:", "     "},
};

/* Which bytes of the row count, and the field. */
#define NAME(len, field)                                                                                               \
	{                                                                                                              \
		(1u << ((len) + 1)) - 1, (field)                                                                       \
	}
static const struct {
	uint32_t bytes, field;
} name_fields[NAME_ROWS] = {
        [1] = NAME(2, SB_F_TO),
        [2] = NAME(4, SB_F_FROM),
        [3] = NAME(9, SB_F_TIMESTAMP),
        [6] = NAME(4, SB_F_CSEQ),
        [7] = NAME(3, SB_F_VIA),
        [8] = NAME(3, SB_F_VIA),
        [16] = NAME(7, SB_F_CALL_ID),
        [19] = NAME(1, SB_F_FROM),
        [20] = NAME(1, SB_F_FROM),
        [22] = NAME(13, SB_F_PROXY_REQUIRE),
        [23] = NAME(12, SB_F_RECORD_ROUTE),
        [24] = NAME(11, SB_F_RETRY_AFTER),
        [25] = NAME(1, SB_F_CALL_ID),
        [26] = NAME(1, SB_F_CALL_ID),
        [29] = NAME(7, SB_F_CONTACT),
        [30] = NAME(14, SB_F_CONTENT_LENGTH),
        [31] = NAME(1, SB_F_CONTENT_LENGTH),
        [32] = NAME(1, SB_F_CONTENT_LENGTH),
        [33] = NAME(1, SB_F_CONTACT),
        [34] = NAME(1, SB_F_CONTACT),
        [37] = NAME(12, SB_F_MAX_FORWARDS),
        [48] = NAME(1, SB_F_TO),
        [49] = NAME(1, SB_F_TO),
        [52] = NAME(1, SB_F_VIA),
        [53] = NAME(1, SB_F_VIA),
        [61] = NAME(5, SB_F_ROUTE),
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
	uint32_t i = (uint32_t)((first & NAME_BITS) * NAME_FACTOR >> NAME_SHIFT), other = 0;
#ifdef __SSE2__
	__m128i lower = _mm_load_si128((const __m128i *)(const void *)name_rows[i].lower);
	__m128i v = _mm_or_si128(_mm_loadu_si128((const __m128i_u *)s), lower);
	__m128i same = _mm_cmpeq_epi8(v, _mm_load_si128((const __m128i *)(const void *)name_rows[i].text));
	other = ~(uint32_t)_mm_movemask_epi8(same) & name_fields[i].bytes;
#else
	for (unsigned k = 0; k < 16; k++)
		other |= ((s[k] | name_rows[i].lower[k]) != name_rows[i].text[k]) << k;
	other &= name_fields[i].bytes;
#endif
	/* No branch: which names there are is anybody's guess. */
	return (enum sb_field)(name_fields[i].field & (uint32_t)((int32_t)(other - 1) >> 31));
}

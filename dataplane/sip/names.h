/* SPDX-License-Identifier: BSD-3-Clause */
/* names.h - the names of the header fields that a proxy reads, and their compact forms (RFC 3261 7.3.3), in a table
 * where two letters and the length say which row a name could only be in. Inside the sip folder only. */
#pragma once
#include "dataplane/sip/lex.h"
#include "dataplane/sip/line.h"
#ifdef __SSE2__
#include <emmintrin.h>
#endif

#define NAME_MAX_LEN 14 /* Content-Length */

static const struct name_row {
	_Alignas(32) char name[16];
	uint8_t len, field;
} name_rows[32] = {
        [0] = {"to", 2, SB_F_TO},
        [2] = {"route", 5, SB_F_ROUTE},
        [3] = {"call-id", 7, SB_F_CALL_ID},
        [4] = {"proxy-require", 13, SB_F_PROXY_REQUIRE},
        [6] = {"via", 3, SB_F_VIA},
        [9] = {"max-forwards", 12, SB_F_MAX_FORWARDS},
        [10] = {"f", 1, SB_F_FROM},
        [11] = {"contact", 7, SB_F_CONTACT},
        [12] = {"timestamp", 9, SB_F_TIMESTAMP},
        [13] = {"i", 1, SB_F_CALL_ID},
        [14] = {"from", 4, SB_F_FROM},
        [16] = {"l", 1, SB_F_CONTENT_LENGTH},
        [17] = {"m", 1, SB_F_CONTACT},
        [18] = {"retry-after", 11, SB_F_RETRY_AFTER},
        [23] = {"cseq", 4, SB_F_CSEQ},
        [24] = {"t", 1, SB_F_TO},
        [26] = {"v", 1, SB_F_VIA},
        [30] = {"record-route", 12, SB_F_RECORD_ROUTE},
        [31] = {"content-length", 14, SB_F_CONTENT_LENGTH},
};

/* The row that a name of n bytes would be in by its first two; behind a name of one comes its colon. */
static inline const struct name_row *name_row(char first, char second, uint32_t n)
{
	uint32_t a = (uint8_t)(first | 0x20), b = (uint8_t)(second | 0x20);
	return &name_rows[(a + 12 * (b + n)) & 31];
}

/* The field of the name of n bytes at s, 0 < n < 32, whose row, if it has one, is row. Reads 16 bytes, into the pad at
 * most. */
static inline enum sb_field name_field(const char *s, uint32_t n, const struct name_row *row)
{
#ifdef __SSE2__
	__m128i v = _mm_or_si128(_mm_loadu_si128((const __m128i_u *)s), _mm_set1_epi8(0x20));
	__m128i same = _mm_cmpeq_epi8(v, _mm_load_si128((const __m128i *)(const void *)row->name));
	uint32_t other = (~(uint32_t)_mm_movemask_epi8(same) & ((1u << n) - 1)) | (n ^ row->len);
	return other ? SB_F_OTHER : (enum sb_field)row->field;
#else
	return n == row->len && lex_same(s, row->name, n) ? (enum sb_field)row->field : SB_F_OTHER;
#endif
}

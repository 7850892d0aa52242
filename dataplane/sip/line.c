/* SPDX-License-Identifier: BSD-3-Clause */
#include "dataplane/sip/line.h"
#include "dataplane/sip/lex.h"
#ifdef __SSE2__
#include <emmintrin.h>
#endif

#define NAME_MAX_LEN 14 /* Content-Length */

/* Offset from s of the first colon in the first 32 bytes; 32: none there. Reads up to 32 bytes, into the pad at most.
 */
static inline uint32_t colon_at(const char *s)
{
#ifdef __SSE2__
	const __m128i colons = _mm_set1_epi8(':');
	uint32_t m = (uint32_t)_mm_movemask_epi8(_mm_cmpeq_epi8(_mm_loadu_si128((const __m128i_u *)s), colons)) |
	             (uint32_t)_mm_movemask_epi8(_mm_cmpeq_epi8(_mm_loadu_si128((const __m128i_u *)(s + 16)), colons))
	                     << 16;
	return m ? (uint32_t)__builtin_ctz(m) : 32;
#else
	const char *p = memchr(s, ':', 32);
	return p ? (uint32_t)(p - s) : 32;
#endif
}

static enum sb_field one_letter(char c)
{
	switch (c | 0x20) {
	case 'v':
		return SB_F_VIA;
	case 'f':
		return SB_F_FROM;
	case 't':
		return SB_F_TO;
	case 'i':
		return SB_F_CALL_ID;
	case 'm':
		return SB_F_CONTACT;
	case 'l':
		return SB_F_CONTENT_LENGTH;
	default:
		return SB_F_OTHER;
	}
}

/* The names of each length: two at most. */
static const struct name_row {
	char name[16];
	uint8_t field;
} names[NAME_MAX_LEN + 1][2] = {
        [2] = {{"to", SB_F_TO}},
        [3] = {{"via", SB_F_VIA}},
        [4] = {{"from", SB_F_FROM}, {"cseq", SB_F_CSEQ}},
        [5] = {{"route", SB_F_ROUTE}},
        [7] = {{"call-id", SB_F_CALL_ID}, {"contact", SB_F_CONTACT}},
        [9] = {{"timestamp", SB_F_TIMESTAMP}},
        [11] = {{"retry-after", SB_F_RETRY_AFTER}},
        [12] = {{"max-forwards", SB_F_MAX_FORWARDS}, {"record-route", SB_F_RECORD_ROUTE}},
        [13] = {{"proxy-require", SB_F_PROXY_REQUIRE}},
        [14] = {{"content-length", SB_F_CONTENT_LENGTH}},
};

/* Whether the n bytes at s, n < 16, are the row's, whatever their case. Reads 16 bytes, into the pad at most. */
static inline bool row_is(const char *s, const struct name_row *row, uint32_t n)
{
#ifdef __SSE2__
	__m128i v = _mm_or_si128(_mm_loadu_si128((const __m128i_u *)s), _mm_set1_epi8(0x20));
	__m128i same = _mm_cmpeq_epi8(v, _mm_loadu_si128((const __m128i_u *)row->name));
	return (~(uint32_t)_mm_movemask_epi8(same) & ((1u << n) - 1)) == 0;
#else
	return lex_same(s, row->name, n);
#endif
}

static enum sb_field named(const char *s, uint32_t n)
{
	if (n > NAME_MAX_LEN)
		return SB_F_OTHER;
	if (n == 1)
		return one_letter(s[0]);
	const struct name_row *row = names[n];
	return (enum sb_field)(row_is(s, row, n) ? row->field : row_is(s, row + 1, n) ? row[1].field : SB_F_OTHER);
}

void sb_line_name(const char *text, struct sb_line *line)
{
	uint32_t colon = line->off + colon_at(text + line->off);
	line->field = SB_F_BAD;
	line->value = line->end;
	if (colon >= line->end || text[colon] != ':') {
		/* A long name or many blanks before the colon: rare. */
		const char *p = memchr(text + line->off, ':', line->end - line->off);
		if (!p)
			return;
		colon = (uint32_t)(p - text);
	}
	uint32_t name_end = colon;
	if (colon > line->off && lex_is(text[colon - 1], LEX_LWS)) {
		name_end = lex_trim(text, line->off, colon);
		line->odd = true;
	}
	if (name_end == line->off || lex_is(text[line->off], LEX_LWS))
		return;
	line->value = colon + 1;
	line->field = named(text + line->off, name_end - line->off);
}

bool sb_line_at(const struct sb_sip *sip, uint32_t off, struct sb_line *line)
{
	const char *text = sip->text;
	if (off >= sip->header_end)
		return false;
	line->off = off;
	line->odd = false;
	for (uint32_t at = off;;) {
		const char *lf = memchr(text + at, '\n', sip->header_end - at);
		line->next = lf ? (uint32_t)(lf - text) + 1 : sip->header_end;
		line->end = lf ? line->next - 1 : line->next;
		at = line->next;
		if (at >= sip->header_end || (text[at] != ' ' && text[at] != '\t'))
			break;
		line->odd = true;
	}
	if (line->end > off && text[line->end - 1] == '\r')
		line->end--;
	sb_line_name(text, line);
	return true;
}

bool sb_line_find(const struct sb_sip *sip, uint32_t off, enum sb_field field, struct sb_line *line)
{
	for (; sb_line_at(sip, off, line); off = line->next)
		if (line->field == field)
			return true;
	return false;
}

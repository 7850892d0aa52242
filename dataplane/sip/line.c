/* SPDX-License-Identifier: BSD-3-Clause */
#include "dataplane/sip/line.h"
#include "dataplane/sip/lex.h"
#include "dataplane/sip/names.h"

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

static enum sb_field named(const char *s, uint32_t n)
{
	char name[16] = {0};
	if (n > NAME_MAX_LEN)
		return SB_F_OTHER;
	if (s[n] == ':')
		return name_field(s);
	memcpy(name, s, n);
	name[n] = ':';
	return name_field(name);
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

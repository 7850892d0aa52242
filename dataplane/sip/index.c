/* SPDX-License-Identifier: BSD-3-Clause */
/* index.c - the vector pass: line ends first, then each header line by its name, then a last look. */
#include "dataplane/sip/lex.h"
#include "dataplane/sip/reader.h"
#include "dataplane/sip/scan.h"

/* What a datagram is that does not begin as SIP does. at: its first byte that is no line end. */
static enum sb_read not_sip(const char *text, uint32_t at, uint32_t len)
{
	static const uint8_t magic_cookie[4] = {0x21, 0x12, 0xa4, 0x42}; /* RFC 8489 5 */
	if (lex_blanks(text, at, len) == len)
		return SB_READ_KEEPALIVE;
	uint8_t first = (uint8_t)text[0];
	if (first <= 3 && len >= 8 && memcmp(text + 4, magic_cookie, 4) == 0)
		return SB_READ_STUN;
	return first >= 0x80 && first <= 0xbf ? SB_READ_RTP : SB_READ_NOT_SIP; /* RFC 7983 7 */
}

/* Header lines; those that are folded are put together. */
static void header(struct sb_reader *r, const struct sb_lines *lines)
{
	const char *text = r->sip->text;
	for (uint32_t i = 1; i < lines->n; i++) {
		struct sb_line line = {.off = lines->end[i - 1] + 1u};
		uint32_t end = lines->end[i];
		while (i + 1 < lines->n && (text[end + 1] == ' ' || text[end + 1] == '\t')) {
			end = lines->end[++i];
			line.odd = true;
		}
		line.next = end + 1;
		line.end = end > line.off && text[end - 1] == '\r' ? end - 1 : end;
		sb_line_name(text, &line);
		sb_read_field(r, &line);
	}
}

/* What the line ends alone tell. */
static void framing(struct sb_reader *r, const struct sb_lines *lines)
{
	struct sb_sip *sip = r->sip;
	sip->odd |= lines->bare_lf;
	sip->header_end = (uint16_t)(lines->end[lines->n - 1] + 1);
	sip->body = (uint16_t)lines->body;
	sip->first_header = (uint16_t)(lines->end[0] + 1);
	/* Some take a bare CR for a line end, others do not: what one forwards another would read differently. */
	if (lines->bare_cr)
		sb_reader_fail(r, 400, "CR Without LF");
	if (lines->too_many)
		sb_reader_fail(r, 400, "Too Many Header Lines");
	else if (lines->body == 0)
		sb_reader_fail(r, 400, "Header Without End");
}

/* All but text and start is zero. */
static void begin(struct sb_sip *sip, const char *text, uint32_t len, uint32_t start)
{
	memset(sip, 0, sizeof *sip);
	sip->text = text;
	sip->text_len = sip->len = len;
	sip->start = (uint16_t)start;
}

/* Start line and header in the order they stand. */
static enum sb_read line_by_line(struct sb_sip *sip, const struct sb_lines *lines)
{
	struct sb_reader r = {.sip = sip};
	uint32_t end = lines->end[0];
	enum sb_read read = sb_read_start_line(&r, end > sip->start && sip->text[end - 1] == '\r' ? end - 1 : end);
	if (read == SB_READ_NOT_SIP)
		return read;
	framing(&r, lines);
	header(&r, lines);
	sb_read_finish(&r);
	if (sip->error == 0)
		return read;
	return read == SB_READ_REQUEST ? SB_READ_BAD_REQUEST : SB_READ_BAD_RESPONSE;
}

enum sb_read sb_index(struct sb_sip *sip, const char *text, uint32_t len)
{
	struct sb_lines lines;
	uint32_t at = 0;
	begin(sip, text, len, 0);
	if (len > SB_SIP_MAX)
		return SB_READ_NOT_SIP;
	while (at < len && (text[at] == '\r' || text[at] == '\n'))
		at++;
	sip->start = (uint16_t)at;
	if (at == len || !lex_is(text[at], LEX_TOKEN))
		return not_sip(text, at, len);
	sb_scan(text, at, len, &lines);
	if (lines.n == 0)
		return SB_READ_NOT_SIP;
#ifdef __AVX2__
	struct sb_reader r = {.sip = sip};
	enum sb_read read;
	if (sb_read_plain(&r, &lines, &read))
		return read;
	begin(sip, text, len, at);
#endif
	return line_by_line(sip, &lines);
}

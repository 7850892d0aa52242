/* SPDX-License-Identifier: BSD-3-Clause */
/* start.c - request line and status line (RFC 3261 7.1, 7.2, 25.1). */
#include "dataplane/sip/lex.h"
#include "dataplane/sip/parse.h"
#include "dataplane/sip/reader.h"

/* First letter and length say which row a method could only be in. */
static const struct method_row {
	char name[16];
	uint8_t len, method;
} methods[32] = {
        [2] = {"ACK", 3, SB_M_ACK},
        [3] = {"BYE", 3, SB_M_BYE},
        [5] = {"CANCEL", 6, SB_M_CANCEL},
        [7] = {"PRACK", 5, SB_M_PRACK},
        [9] = {"REFER", 5, SB_M_REFER},
        [10] = {"REGISTER", 8, SB_M_REGISTER},
        [11] = {"INVITE", 6, SB_M_INVITE},
        [16] = {"NOTIFY", 6, SB_M_NOTIFY},
        [21] = {"INFO", 4, SB_M_INFO},
        [22] = {"SUBSCRIBE", 9, SB_M_SUBSCRIBE},
        [23] = {"UPDATE", 6, SB_M_UPDATE},
        [26] = {"MESSAGE", 7, SB_M_MESSAGE},
        [28] = {"OPTIONS", 7, SB_M_OPTIONS},
        [29] = {"PUBLISH", 7, SB_M_PUBLISH},
};

static inline const struct method_row *method_row(char first, uint32_t n)
{
	return &methods[((uint8_t)first + 11 * n) & 31];
}

enum sb_method sb_method_of(const char *text, struct sb_span name)
{
	const struct method_row *row = method_row(text[name.off], name.len);
	bool known = name.len && row->len == name.len && memcmp(row->name, text + name.off, name.len) == 0;
	return known ? (enum sb_method)row->method : SB_M_OTHER;
}

/* Is text[at, end) "SIP/" digits "." digits, and which version. */
enum version { VERSION_2, VERSION_OTHER, VERSION_BAD };

static enum version version(struct sb_reader *r, uint32_t at, uint32_t end)
{
	const char *text = r->sip->text;
	if (end - at == 7 && memcmp(text + at, "SIP/2.0", 7) == 0)
		return VERSION_2;
	r->sip->odd = true;
	uint32_t major = at + 4, p = lex_run(text, major, end, LEX_DIGIT);
	if (p == major || p == end || text[p] != '.')
		return VERSION_BAD;
	uint32_t minor = p + 1, last = lex_run(text, minor, end, LEX_DIGIT);
	if (last == minor || last != end)
		return VERSION_BAD;
	return end - at == 7 && text[major] == '2' && text[minor] == '0' ? VERSION_2 : VERSION_OTHER;
}

static void status_line(struct sb_reader *r, uint32_t end)
{
	struct sb_sip *sip = r->sip;
	const char *text = sip->text;
	uint32_t p = sip->start;
	while (p < end && text[p] != ' ')
		p++;
	sip->is_response = 1;
	if (version(r, sip->start, p) != VERSION_2)
		sb_reader_fail(r, 400, "Malformed Status Line");
	uint32_t digits = p < end ? p + 1 : end;
	p = lex_run(text, digits, end, LEX_DIGIT);
	if (p - digits != 3 || (p < end && text[p] != ' ') || text[digits] < '1' || text[digits] > '6') {
		sb_reader_fail(r, 400, "Malformed Status Line");
		return;
	}
	sip->status = (uint16_t)lex_number(text, lex_span(digits, p), 999);
}

static void request_uri(struct sb_reader *r)
{
	struct sb_sip *sip = r->sip;
	if (sb_uri_read(sip->text, sip->uri_text, &sip->uri, &sip->odd))
		sb_reader_fail(r, 400, "Malformed Request-URI");
	else if (sip->uri.scheme == SB_SCHEME_OTHER)
		sb_reader_fail(r, 416, "Unsupported URI Scheme");
	else if (sip->uri.params.off + sip->uri.params.len != sip->uri_text.off + sip->uri_text.len)
		sb_reader_fail(r, 400, "Request-URI With Header Fields"); /* 19.1.1: not allowed there */
}

static void request_line(struct sb_reader *r, uint32_t version_at, uint32_t version_end, uint32_t end)
{
	struct sb_sip *sip = r->sip;
	const char *text = sip->text;
	uint32_t method_end = lex_run(text, sip->start, version_at, LEX_TOKEN);
	uint32_t uri = lex_blanks(text, method_end, version_at), uri_end = lex_trim(text, uri, version_at);
	sip->method_text = lex_span(sip->start, method_end);
	sip->method = (uint8_t)sb_method_of(text, sip->method_text);
	sip->uri_text = lex_span(uri, uri_end);
	enum version v = version(r, version_at, version_end);
	if (v == VERSION_OTHER)
		sb_reader_fail(r, 505, "Version Not Supported");
	/* Exactly one SP on either side of the URI, none inside or behind (R4475 3.1.2.7 to 3.1.2.9). */
	if (v == VERSION_BAD || method_end == sip->start || uri != method_end + 1 || text[method_end] != ' ' ||
	        uri_end + 1 != version_at || version_end != end)
		sb_reader_fail(r, 400, "Malformed Request Line");
	request_uri(r);
}

enum sb_read sb_read_start_line(struct sb_reader *r, uint32_t end)
{
	const char *text = r->sip->text;
	uint32_t at = r->sip->start;
	if (end - at >= 4 && lex_same(text + at, "sip/", 4)) {
		status_line(r, end);
		return SB_READ_RESPONSE;
	}
	uint32_t version_end = lex_trim(text, at, end);
	const char *blank = memrchr(text + at, ' ', version_end - at);
	if (!blank)
		return SB_READ_NOT_SIP;
	uint32_t version_at = (uint32_t)(blank - text) + 1;
	if (version_end - version_at < 4 || !lex_same(text + version_at, "sip/", 4))
		return SB_READ_NOT_SIP;
	request_line(r, version_at, version_end, end);
	return SB_READ_REQUEST;
}

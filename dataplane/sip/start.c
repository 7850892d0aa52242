/* SPDX-License-Identifier: BSD-3-Clause */
/* start.c - request line and status line (RFC 3261 7.1, 7.2, 25.1). */
#include "dataplane/sip/lex.h"
#include "dataplane/sip/parse.h"
#include "dataplane/sip/reader.h"

static const struct {
	uint8_t len, method;
	char name[10];
} methods[] = {
        {6, SB_M_INVITE, "INVITE"},
        {3, SB_M_ACK, "ACK"},
        {3, SB_M_BYE, "BYE"},
        {7, SB_M_OPTIONS, "OPTIONS"},
        {6, SB_M_CANCEL, "CANCEL"},
        {5, SB_M_PRACK, "PRACK"},
        {6, SB_M_UPDATE, "UPDATE"},
        {4, SB_M_INFO, "INFO"},
        {8, SB_M_REGISTER, "REGISTER"},
        {9, SB_M_SUBSCRIBE, "SUBSCRIBE"},
        {6, SB_M_NOTIFY, "NOTIFY"},
        {5, SB_M_REFER, "REFER"},
        {7, SB_M_MESSAGE, "MESSAGE"},
        {7, SB_M_PUBLISH, "PUBLISH"},
};

enum sb_method sb_method_of(const char *text, struct sb_span name)
{
	for (unsigned i = 0; i < sizeof methods / sizeof methods[0]; i++)
		if (methods[i].len == name.len && memcmp(methods[i].name, text + name.off, name.len) == 0)
			return (enum sb_method)methods[i].method;
	return SB_M_OTHER;
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

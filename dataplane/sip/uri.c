/* SPDX-License-Identifier: BSD-3-Clause */
/* uri.c - sip, sips and tel URIs (RFC 3261 19.1, RFC 3966). Others are known by their scheme alone. */
#include "dataplane/sip/lex.h"
#include "dataplane/sip/parse.h"
#include <switchback/err.h>
#ifdef __AVX2__
#include "dataplane/sip/quick.h"
#endif

/* True if text[at, end) is printed throughout and its escapes are whole. Bytes not of the classes make it odd. */
static bool clean(const char *text, uint32_t at, uint32_t end, unsigned classes, bool *odd)
{
	if (lex_run(text, at, end, classes) == end && lex_find(text, at, end, '%') == end)
		return true; /* the classes hold printed bytes alone, and neither <, > nor " */
	for (uint32_t p = at; p < end; p++) {
		char c = text[p];
		if (!lex_is(c, LEX_VIS) || c == '<' || c == '>' || c == '"')
			return false;
		if (c == '%' && (end - p < 3 || !lex_is(text[p + 1], LEX_HEX) || !lex_is(text[p + 2], LEX_HEX)))
			return false;
		*odd |= !lex_is(c, classes);
	}
	return true;
}

/* The scheme; returns the offset behind its colon, or 0. */
static uint32_t scheme(const char *text, uint32_t at, uint32_t end, struct sb_uri *uri)
{
	uint32_t p = lex_run(text, at, end, LEX_TOKEN);
	struct sb_span s = lex_span(at, p);
	if (p == at || p == end || text[p] != ':' || (text[at] | 0x20) < 'a' || (text[at] | 0x20) > 'z')
		return 0;
	if (lex_span_is(text, s, "sip"))
		uri->scheme = SB_SCHEME_SIP;
	else if (lex_span_is(text, s, "sips"))
		uri->scheme = SB_SCHEME_SIPS;
	else if (lex_span_is(text, s, "tel"))
		uri->scheme = SB_SCHEME_TEL;
	return p + 1;
}

/* user[;params][:password] in text[at, end). */
static int userinfo(const char *text, uint32_t at, uint32_t end, struct sb_uri *uri, bool *odd)
{
	uint32_t p = lex_find2(text, at, end, ':', ';');
	if (p == at || !clean(text, at, end, LEX_USER | LEX_PARAM, odd))
		return SB_E_INVAL;
	*odd |= text[end - 1] == ':'; /* an empty password */
	uri->user = lex_span(at, p);
	return 0;
}

int sb_host_read(const char *text, uint32_t *at, uint32_t end, struct sb_span *host, bool *odd)
{
	uint32_t p = *at, first = p;
	bool bracket = p < end && text[p] == '[';
	if (bracket) {
		first = ++p;
		while (p < end && (lex_is(text[p], LEX_HEX) || text[p] == ':' || text[p] == '.'))
			p++;
		if (p == end || text[p] != ']')
			return SB_E_INVAL;
	} else {
		p = lex_run(text, p, end, LEX_HOST);
		if (p < end && text[p] == '_') {
			*odd = true;
			p = lex_run(text, p, end, LEX_TOKEN);
		}
	}
	if (p == first)
		return SB_E_INVAL;
	*host = lex_span(first, p);
	*at = p + bracket;
	return 0;
}

/* host[:port]; *at is moved behind it. */
static int hostport(const char *text, uint32_t *at, uint32_t end, struct sb_uri *uri, bool *odd)
{
	if (sb_host_read(text, at, end, &uri->host, odd))
		return SB_E_INVAL;
	uint32_t p = *at;
	if (p < end && text[p] == ':') {
		uint32_t digits = ++p;
		p = lex_run(text, p, end, LEX_DIGIT);
		uint32_t port = lex_number(text, lex_span(digits, p), 65536);
		if (port == 0 || port == 65536)
			return SB_E_INVAL;
		uri->port = (uint16_t)port;
	}
	*at = p;
	*odd |= uri->host.len == 1;
	return p == end || text[p] == ';' || text[p] == '?' ? 0 : SB_E_INVAL;
}

/* What follows hostport or number, from at. */
static int tail(const char *text, uint32_t at, uint32_t end, struct sb_uri *uri, bool *odd)
{
	uint32_t stop = lex_find(text, at, end, '?');
	uri->params = lex_span(at, stop);
	*odd |= stop != end;
	if (!clean(text, at, end, LEX_PARAM | LEX_USER, odd))
		return SB_E_INVAL;
	uri->lr = stop > at && sb_uri_param(text, uri->params, "lr").off;
	return 0;
}

static int tel(const char *text, uint32_t at, uint32_t end, struct sb_uri *uri, bool *odd)
{
	uint32_t p = lex_find(text, at, end, ';');
	uri->user = lex_span(at, p);
	*odd |= end - at == 1; /* too short for libosip2 */
	if (p == at || !clean(text, at, p, LEX_USER, odd))
		return SB_E_INVAL;
	return tail(text, p, end, uri, odd);
}

int sb_uri_read(const char *text, struct sb_span span, struct sb_uri *uri, bool *odd)
{
	uint32_t end = (uint32_t)span.off + span.len;
#ifdef __AVX2__
	uint32_t quick_end;
	if (quick_uri(text, span.off, &quick_end, uri) && quick_end == end)
		return 0;
#endif
	memset(uri, 0, sizeof *uri);
	uint32_t at = scheme(text, span.off, end, uri);
	if (at == 0 || at == end)
		return SB_E_INVAL;
	if (uri->scheme == SB_SCHEME_OTHER)
		return 0;
	if (uri->scheme == SB_SCHEME_TEL)
		return tel(text, at, end, uri, odd);
	uint32_t user_end = lex_find(text, at, end, '@');
	if (user_end != end) {
		if (userinfo(text, at, user_end, uri, odd))
			return SB_E_INVAL;
		at = user_end + 1;
		if (lex_find(text, at, end, '@') != end)
			return SB_E_INVAL;
	}
	if (hostport(text, &at, end, uri, odd))
		return SB_E_INVAL;
	return tail(text, at, end, uri, odd);
}

int sb_uri_parse(const char *text, struct sb_span at, struct sb_uri *uri)
{
	bool odd = false;
	return sb_uri_read(text, at, uri, &odd);
}

/* One byte at *p, an escape counted as the byte it stands for (19.1.4: both are the same). */
static char unescaped(const char *text, uint32_t *p, uint32_t end)
{
	char c = text[*p];
	if (c == '%' && end - *p >= 3 && lex_is(text[*p + 1], LEX_HEX) && lex_is(text[*p + 2], LEX_HEX)) {
		c = (char)(lex_hex(text[*p + 1]) << 4 | lex_hex(text[*p + 2]));
		*p += 2;
	}
	*p += 1;
	return c;
}

static bool name_is(const char *text, uint32_t at, uint32_t end, const char *lower)
{
	while (at < end && *lower) {
		char c = unescaped(text, &at, end);
		if (c >= 'A' && c <= 'Z')
			c |= 0x20;
		if (c != *lower++)
			return false;
	}
	return at == end && *lower == 0;
}

struct sb_span sb_uri_param(const char *text, struct sb_span params, const char *name)
{
	uint32_t end = (uint32_t)params.off + params.len;
	for (uint32_t at = params.off; at < end;) {
		uint32_t p = ++at; /* behind the ';' */
		while (p < end && text[p] != ';' && text[p] != '=')
			p++;
		uint32_t name_end = p, value = p;
		if (p < end && text[p] == '=') {
			value = p + 1;
			while (p < end && text[p] != ';')
				p++;
		}
		if (name_is(text, at, name_end, name))
			return lex_span(value, p);
		at = p;
	}
	return (struct sb_span){0, 0};
}

size_t sb_uri_number(const char *text, const struct sb_uri *uri, char *out, size_t cap)
{
	uint32_t end = (uint32_t)uri->user.off + uri->user.len;
	size_t n = 0;
	for (uint32_t at = uri->user.off; at < end && n < cap;) {
		char c = unescaped(text, &at, end);
		if (uri->scheme == SB_SCHEME_TEL && (c == '-' || c == '.' || c == '(' || c == ')'))
			continue;
		out[n++] = c;
	}
	return n;
}

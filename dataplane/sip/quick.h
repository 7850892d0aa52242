/* SPDX-License-Identifier: BSD-3-Clause */
/* quick.h - the shapes that nearly every message has, read with a few vector compares and no loop over bytes. Each
 * returns false where it is not certain, having done no harm; the full grammar is then asked, and would have read the
 * same. Inside the sip folder, where there are vectors. Only quick_open's run may pass the end of a line: CR and LF are
 * of no other class asked for. */
#pragma once
#include "dataplane/sip/lex.h"

static inline bool quick_is4(const char *s, const char lower[4])
{
	uint32_t a, b;
	memcpy(&a, s, 4);
	memcpy(&b, lower, 4);
	return a == b;
}

static inline bool quick_is8(const char *s, const char lower[8])
{
	uint64_t a, b;
	memcpy(&a, s, 8);
	memcpy(&b, lower, 8);
	return a == b;
}

/* Length of the run of the classes at s; 64: it may go on. */
static inline uint32_t quick_run(const char *s, unsigned classes)
{
	uint64_t none = lex_none_of64(s, classes);
	return none ? (uint32_t)__builtin_ctzll(none) : 64;
}

/* ":port" at *at, if a colon is there. False: no number from 1 to 65535 of at most five digits. */
static inline bool quick_port(const char *text, uint32_t *at, uint16_t *port)
{
	*port = 0;
	if (text[*at] != ':')
		return true;
	const char *s = text + *at + 1;
	uint32_t n = 0, v = 0;
	for (; n < 6 && (uint8_t)(s[n] - '0') < 10; n++)
		v = v * 10 + (uint32_t)(s[n] - '0');
	*at += n + 1;
	*port = (uint16_t)v;
	return n > 0 && n < 6 && v > 0 && v < 65536;
}

/* sip:user@host or sip:user@host:port at at; *end is set behind it. */
static inline bool quick_uri(const char *text, uint32_t at, uint32_t *end, struct sb_uri *uri)
{
	if (!quick_is4(text + at, "sip:"))
		return false;
	uint32_t user = at + 4;
	uint64_t none = lex_none_of64(text + user, LEX_HOST) & ~lex_eq64(text + user, '+');
	uint32_t n = none ? (uint32_t)__builtin_ctzll(none) : 0, host = user + n + 1;
	if (n == 0 || text[user + n] != '@')
		return false;
	uint32_t host_n = quick_run(text + host, LEX_HOST);
	uint16_t port;
	*end = host + host_n;
	if (host_n < 2 || host_n == 64 || !quick_port(text, end, &port))
		return false;
	*uri = (struct sb_uri){.scheme = SB_SCHEME_SIP,
	        .user = lex_span(user, user + n),
	        .host = lex_span(host, host + host_n),
	        .port = port,
	        .params = lex_span(*end, *end)};
	return true;
}

/* "name" <uri>, name <uri> or <uri> at at: the offset of '<'; 0: not so. */
static inline uint32_t quick_open(const char *text, uint32_t at)
{
	if (text[at] == '<')
		return at;
	if (text[at] != '"') {
		uint32_t n = quick_run(text + at, LEX_TOKEN | LEX_LWS);
		return text[at + (n & 63)] == '<' ? at + n : 0;
	}
	const char *s = text + at + 1;
	uint64_t quote = lex_eq64(s, '"');
	if (!quote || ((lex_none_of64(s, LEX_VIS | LEX_LWS) | lex_eq64(s, '\\')) & (quote - 1) & ~quote))
		return 0;
	at += 2 + (uint32_t)__builtin_ctzll(quote);
	at += text[at] == ' ';
	return text[at] == '<' ? at : 0;
}

/* All of From's or To's value: [name] <sip:user@host> [;tag=token]. */
static inline bool quick_party(const char *text, uint32_t at, uint32_t end, struct sb_span *tag)
{
	struct sb_uri uri;
	uint32_t open = quick_open(text, at), p;
	/* Behind the line may be the text's end, and what follows the pad is not ours to read. */
	if (!open || open >= end || !quick_uri(text, open + 1, &p, &uri) || text[p] != '>')
		return false;
	if (++p == end)
		return true;
	if (!quick_is4(text + p, ";tag") || text[p + 4] != '=')
		return false;
	uint32_t n = quick_run(text + p + 5, LEX_TOKEN);
	*tag = lex_span(p + 5, p + 5 + n);
	return n > 0 && n < 64 && p + 5 + n == end;
}

/* One parameter of a Via at *at, which is moved behind it. */
static inline bool quick_via_param(const char *text, uint32_t *at, struct sb_via *via)
{
	uint32_t p = *at, n;
	if (quick_is8(text + p, ";branch=") && !via->branch.off) {
		n = quick_run(text + p + 8, LEX_TOKEN);
		via->branch = lex_span(p + 8, p + 8 + n);
		*at = p + 8 + n;
		return n > 0 && n < 64;
	}
	if (quick_is4(text + p, ";rpo") && text[p + 4] == 'r' && text[p + 5] == 't' && !via->rport_at) {
		via->rport_at = (uint16_t)(p + 6);
		*at = p + 6;
		if (text[p + 6] != '=')
			return true;
		n = quick_run(text + p + 7, LEX_DIGIT);
		via->rport = lex_span(p + 7, p + 7 + n);
		*at = p + 7 + n;
		return n > 0 && n < 64;
	}
	if (quick_is8(text + p, ";receive") && text[p + 8] == 'd' && text[p + 9] == '=' && !via->received_at) {
		n = quick_run(text + p + 10, LEX_HOST);
		via->received_at = (uint16_t)p;
		via->received = lex_span(p + 10, p + 10 + n);
		*at = p + 10 + n;
		return n > 0 && n < 64;
	}
	return false;
}

/* A Via value that is alone in its line: over UDP, no blanks within, no parameters but branch, rport and received. */
static inline bool quick_via(const char *text, uint32_t *at, uint32_t end, struct sb_via *via)
{
	uint32_t first = *at + (text[*at] == ' '), host = first + 12;
	if (end < host + 4 || !quick_is8(text + first, "SIP/2.0/") || !quick_is4(text + first + 8, "UDP "))
		return false;
	memset(via, 0, sizeof *via);
	uint32_t n = quick_run(text + host, LEX_HOST), p = host + n;
	if (n == 0 || n == 64 || !quick_port(text, &p, &via->port))
		return false;
	via->host = lex_span(host, host + n);
	while (p < end)
		if (text[p] != ';' || !quick_via_param(text, &p, via))
			return false;
	via->value = lex_span(first, p);
	*at = p;
	return p == end;
}

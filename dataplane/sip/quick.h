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

/* The number that the n digits before end make. False: more than eight, or others than digits. They are put at the high
 * end of eight bytes, zeros below, then added up in pairs, fours and eights. */
static __attribute__((noinline)) bool quick_long_number(const char *text, uint32_t end, uint32_t n, uint32_t *number)
{
	uint64_t v;
	if (n - 1 > 7 || end < 8)
		return false;
	memcpy(&v, text + end - 8, 8);
	v = (v ^ 0x3030303030303030) & ~0ull << (64 - 8 * n);
	if (((v + 0x7676767676767676) | v) & 0x8080808080808080)
		return false;
	v = v * 10 + (v >> 8);
	v = (v & 0xff000000ff) * (100 + (1000000ull << 32)) + (v >> 16 & 0xff000000ff) * (1 + (10000ull << 32));
	*number = (uint32_t)(v >> 32);
	return true;
}

/* The same; hardly a number that is counted has more than four. */
static inline bool quick_number(const char *text, uint32_t end, uint32_t n, uint32_t *number)
{
	uint32_t v;
	if (n - 1 > 3)
		return quick_long_number(text, end, n, number);
	memcpy(&v, text + end - 4, 4);
	v = (v ^ 0x30303030) & ~0u << (32 - 8 * n);
	if (((v + 0x76767676) | v) & 0x80808080)
		return false;
	v = v * 10 + (v >> 8);
	*number = (v & 0xff) * 100 + (v >> 16 & 0xff);
	return true;
}

/* The digits between a colon and end. False: no number from 1 to 65535 of at most five digits. */
static inline bool quick_port(const char *text, uint32_t at, uint32_t end, uint16_t *port)
{
	uint32_t number;
	if (end - at == 4 && quick_is4(text + at, "5060")) {
		*port = 5060;
		return true;
	}
	if (end - at > 5 || !quick_number(text, end, end - at, &number))
		return false;
	*port = (uint16_t)number;
	return number - 1 < 65535;
}

static inline uint32_t quick_first(uint64_t hits)
{
	return (uint32_t)__builtin_ctzll(hits);
}

/* Parameters of a URI from their ';' at at, no escapes among them; *end is set behind them, *lr if there is one "lr".
 */
static inline bool quick_uri_params(const char *text, uint32_t at, uint32_t *end, bool *lr)
{
	struct lex_block b = lex_load64(text + at);
	uint64_t stop = lex_block_none(b, LEX_PARAM | LEX_USER) | lex_block_eq(b, '?') | lex_block_eq(b, '%');
	if (!stop)
		return false;
	uint64_t semicolon = lex_block_eq(b, ';'), l = lex_block_eq(b, 'l') | lex_block_eq(b, 'L'),
	         r = lex_block_eq(b, 'r') | lex_block_eq(b, 'R');
	uint64_t behind = stop | semicolon | lex_block_eq(b, '=');
	*lr = (semicolon & l >> 1 & r >> 2 & behind >> 3 & ((stop & -stop) - 1)) != 0;
	*end = at + quick_first(stop);
	return true;
}

/* sip:host or sip:user@host at at, and port and parameters if there are any, in 64 bytes each; *end is set behind it.
 * at is before the text's end. */
static inline __attribute__((always_inline)) bool quick_uri(
        const char *text, uint32_t at, uint32_t *end, struct sb_uri *uri)
{
	struct lex_block b = lex_load64(text + at);
	uint64_t stop = lex_block_none(b, LEX_HOST) & ~0xfull, user_stop = stop & ~lex_block_eq(b, '+');
	if (!quick_is4(text + at, "sip:") || !user_stop)
		return false;
	uint32_t n = quick_first(user_stop), host = 4;
	uri->user = (struct sb_span){0, 0};
	if (text[at + n] == '@') {
		uri->user = lex_span(at + 4, at + n);
		host = n + 1;
		stop &= ~1ull << n;
		if (n == 4 || !stop)
			return false;
	}
	uint32_t host_end = quick_first(stop), p = host_end;
	uri->port = 0;
	if (text[at + p] == ':') {
		stop &= stop - 1;
		if (!stop)
			return false;
		p = quick_first(stop);
		if (!quick_port(text, at + host_end + 1, at + p, &uri->port))
			return false;
	}
	*end = at + p;
	uri->scheme = SB_SCHEME_SIP;
	uri->host = lex_span(at + host, at + host_end);
	uri->lr = false;
	uint32_t params = *end;
	if (text[params] == ';' && !quick_uri_params(text, params, end, &uri->lr))
		return false;
	uri->params = lex_span(params, *end);
	return host_end - host >= 2;
}

/* "name" <uri>, name <uri> or <uri> at at: the offset of '<'; 0: not so. */
static inline __attribute__((always_inline)) uint32_t quick_open(const char *text, uint32_t at)
{
	if (text[at] == '<')
		return at;
	struct lex_block b = lex_load64(text + at);
	if (text[at] != '"') {
		uint64_t stop = lex_block_none(b, LEX_TOKEN | LEX_LWS);
		uint32_t n = stop ? quick_first(stop) : 0;
		return text[at + n] == '<' ? at + n : 0;
	}
	uint64_t quote = lex_block_eq(b, '"') & ~1ull;
	uint64_t inside = (quote - 1) & ~quote;
	if (!quote || ((lex_block_none(b, LEX_VIS | LEX_LWS) | lex_block_eq(b, '\\')) & inside))
		return 0;
	at += 1 + quick_first(quote);
	at += text[at] == ' ';
	return text[at] == '<' ? at : 0;
}

/* Whether the bytes of a block before open, which is not its first, are a display name. */
static inline __attribute__((always_inline)) bool quick_name(struct lex_block b, const char *s, uint32_t open)
{
	uint64_t inside = (1ull << open) - 1;
	if (s[0] != '"')
		return !(lex_block_none(b, LEX_TOKEN | LEX_LWS) & inside);
	uint64_t quote = lex_block_eq(b, '"') & inside & ~1ull;
	uint64_t behind = quote << 1 | (quote << 2 & lex_block_eq(b, ' ') << 1);
	/* One more, that '<' or a blank and '<' follow. */
	return (behind >> open & 1) && !(quote & (quote - 1)) &&
	       !((lex_block_none(b, LEX_VIS | LEX_LWS) | lex_block_eq(b, '\\')) & inside);
}

/* [name] <sip:[user@]host[:port]> at at, all of it in 64 bytes. The offset behind the '>'; 0: not so. */
static inline __attribute__((always_inline)) uint32_t quick_bracketed(const char *text, uint32_t at)
{
	struct lex_block b = lex_load64(text + at);
	uint64_t opens = lex_block_eq(b, '<'), closes = lex_block_eq(b, '>');
	if (!opens || !closes)
		return 0;
	uint32_t open = quick_first(opens), close = quick_first(closes), host = open + 5, host_end = close;
	if (close < host || !quick_is4(text + at + open + 1, "sip:") || (open && !quick_name(b, text + at, open)))
		return 0;
	uint64_t others = lex_block_none(b, LEX_HOST) & ((1ull << close) - 1) & ~0ull << host;
	uint64_t behind_user = lex_block_eq(b, '@') & others;
	if (behind_user) {
		uint64_t user = behind_user ^ (behind_user - 1); /* with the first '@' */
		uint32_t user_len = quick_first(behind_user) - host;
		if (user_len == 0 || (others & user & ~lex_block_eq(b, '+') & ~behind_user))
			return 0;
		others &= ~user;
		host += user_len + 1;
	}
	if (others) {
		uint16_t port;
		host_end = quick_first(others);
		if (text[at + host_end] != ':' || !quick_port(text, at + host_end + 1, at + close, &port))
			return 0;
	}
	return host_end - host >= 2 && host_end > host ? at + close + 1 : 0;
}

/* The same with more in the URI, or longer. */
static __attribute__((noinline)) uint32_t quick_long_bracketed(const char *text, uint32_t at, uint32_t end)
{
	struct sb_uri uri;
	uint32_t open = quick_open(text, at), p;
	/* Behind the line may be the text's end, and what follows the pad is not ours to read. */
	return open && open < end && quick_uri(text, open + 1, &p, &uri) && text[p] == '>' ? p + 1 : 0;
}

/* All of From's or To's value: [name] <sip:user@host> [;tag=token]. */
static inline __attribute__((always_inline)) bool quick_party(
        const char *text, uint32_t at, uint32_t end, struct sb_span *tag)
{
	uint32_t p = quick_bracketed(text, at);
	if (!p)
		p = quick_long_bracketed(text, at, end);
	if (!p || p >= end)
		return p == end;
	if (!quick_is4(text + p, ";tag") || text[p + 4] != '=')
		return false;
	uint32_t n = quick_run(text + p + 5, LEX_TOKEN);
	*tag = lex_span(p + 5, p + 5 + n);
	return n > 0 && n < 64 && p + 5 + n == end;
}

/* One parameter of a Via at *at, which is moved behind it. */
static inline __attribute__((always_inline)) bool quick_via_param(const char *text, uint32_t *at, struct sb_via *via)
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

/* A Via value that is alone in its line: over UDP, no blanks within, no parameters but branch, rport and received. *via
 * is all zeros. */
static inline __attribute__((always_inline)) bool quick_via(
        const char *text, uint32_t value, uint32_t end, struct sb_via *via)
{
	uint32_t first = value + (text[value] == ' '), host = first + 12;
	if (end < host + 4 || !quick_is8(text + first, "SIP/2.0/") || !quick_is4(text + first + 8, "UDP "))
		return false;
	uint64_t stop = lex_none_of64(text + host, LEX_HOST);
	if (!stop || stop & 1)
		return false;
	uint32_t p = host + quick_first(stop);
	via->host = lex_span(host, p);
	if (text[p] == ':') {
		stop &= stop - 1;
		uint32_t port = p + 1;
		if (!stop)
			return false;
		p = host + quick_first(stop);
		if (!quick_port(text, port, p, &via->port))
			return false;
	}
	while (p < end)
		if (text[p] != ';' || !quick_via_param(text, &p, via))
			return false;
	via->value = lex_span(first, p);
	return p == end;
}

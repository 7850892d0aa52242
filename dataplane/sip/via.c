/* SPDX-License-Identifier: BSD-3-Clause */
/* via.c - Via values (RFC 3261 20.42, 18.2.2; RFC 3581). */
#include "dataplane/sip/lex.h"
#include "dataplane/sip/line.h"
#include "dataplane/sip/parse.h"
#include "dataplane/sip/compose.h"
#ifdef __AVX2__
#include "dataplane/sip/quick.h"
#endif
#include "dataplane/sip/reader.h"
#include <switchback/err.h>

/* "SIP/2.0/UDP" with whatever blanks, version and transport. Offset behind it; 0: malformed. */
static uint32_t protocol(const char *text, uint32_t at, uint32_t end, bool *odd)
{
	if (end - at > 12 && memcmp(text + at, "SIP/2.0/UDP ", 12) == 0)
		return at + 11;
	uint32_t p = at;
	*odd = true;
	for (int part = 0; part < 3; part++) {
		if (part > 0) {
			p = lex_blanks(text, p, end);
			if (p == end || text[p] != '/')
				return 0;
			p = lex_blanks(text, p + 1, end);
		}
		uint32_t word = p;
		p = lex_run(text, p, end, LEX_TOKEN);
		if (p == word)
			return 0;
	}
	return p < end && lex_is(text[p], LEX_LWS) ? p : 0;
}

/* sent-by at *at. */
static int sent_by(const char *text, uint32_t *at, uint32_t end, struct sb_via *via, bool *odd)
{
	uint32_t p = lex_blanks(text, *at, end);
	if (sb_host_read(text, &p, end, &via->host, odd))
		return SB_E_INVAL;
	*at = p;
	uint32_t q = lex_blanks(text, p, end);
	if (q == end || text[q] != ':')
		return 0;
	uint32_t digits = lex_blanks(text, q + 1, end);
	p = lex_run(text, digits, end, LEX_DIGIT);
	uint32_t port = lex_number(text, lex_span(digits, p), 65536);
	if (p == digits || port == 0 || port == 65536)
		return SB_E_INVAL;
	via->port = (uint16_t)port;
	*at = p;
	return 0;
}

/* Notes a parameter. Those that we act on may stand there once only. */
static int take_param(const char *text, struct sb_via *via, const struct sb_param *prm)
{
	struct sb_span behind_name = {(uint16_t)(prm->name.off + prm->name.len), 0};
	if (lex_span_is(text, prm->name, "branch")) {
		if (via->branch.off || prm->value.len == 0)
			return SB_E_INVAL;
		via->branch = prm->value;
	} else if (lex_span_is(text, prm->name, "rport")) {
		if (via->rport_at)
			return SB_E_INVAL;
		via->rport_at = behind_name.off;
		via->rport = prm->value;
		if (lex_run(text, prm->value.off, prm->value.off + prm->value.len, LEX_DIGIT) !=
		        (uint32_t)prm->value.off + prm->value.len)
			return SB_E_INVAL;
	} else if (lex_span_is(text, prm->name, "received")) {
		if (via->received_at)
			return SB_E_INVAL;
		via->received_at = (uint16_t)prm->semicolon;
		via->received = prm->value.off ? prm->value : behind_name;
		struct sb_span *r = &via->received;
		if (r->len >= 2 && text[r->off] == '[' && text[r->off + r->len - 1] == ']')
			*r = (struct sb_span){(uint16_t)(r->off + 1), (uint16_t)(r->len - 2)};
	}
	return 0;
}

int sb_via_read(const char *text, uint32_t *at, uint32_t end, struct sb_via *via, bool *odd)
{
	memset(via, 0, sizeof *via);
	uint32_t first = lex_blanks(text, *at, end);
	uint32_t p = protocol(text, first, end, odd);
	/* A value that cannot be read is still copied into our reply: all of the line. */
	via->value = lex_span(first, lex_trim(text, first, end));
	if (p == 0 || sent_by(text, &p, end, via, odd))
		return SB_E_INVAL;
	uint32_t last = p;
	struct sb_param prm;
	int more;
	while ((more = sb_param_next(text, &p, end, &prm, odd)) > 0) {
		last = p;
		if (take_param(text, via, &prm))
			return SB_E_INVAL;
	}
	if (more < 0 || (p < end && text[p] != ','))
		return SB_E_INVAL;
	via->value = lex_span(first, last);
	*at = p;
	if (p < end) {
		*odd = true;
		via->multi = true;
		via->next = (uint16_t)lex_blanks(text, p + 1, end);
	}
	return 0;
}

int sb_sip_via_at(const struct sb_sip *sip, uint16_t off, struct sb_via *via)
{
	struct sb_line line;
	bool odd = false;
	uint32_t at = off;
	memset(via, 0, sizeof *via);
	/* off stands inside a line: what sb_line_at makes of its name does not matter, only where it ends. */
	if (off == 0 || !sb_line_at(sip, off, &line) || sb_via_read(sip->text, &at, line.end, via, &odd))
		return SB_E_INVAL;
	if (!via->multi && sb_line_find(sip, line.next, SB_F_VIA, &line))
		via->next = (uint16_t)lex_blanks(sip->text, line.value, line.end);
	return 0;
}

int sb_via_below(const struct sb_sip *sip, struct sb_via *via)
{
	uint32_t at = sip->via.next;
	bool odd = false;
	memset(via, 0, sizeof *via);
	if (at == 0)
		return SB_E_INVAL;
#ifdef __AVX2__
	if (quick_via(sip->text, at, sip->via_next_end, via))
		return 0;
#endif
	return sb_via_read(sip->text, &at, sip->via_next_end, via, &odd);
}

int sb_via_target(const struct sb_sip *sip, const struct sb_via *via, struct sb_addr *to)
{
	struct sb_span host = via->received.len ? via->received : via->host;
	memset(to, 0, sizeof *to);
	if (host.len == 0 || sb_addr_parse_ip(sb_at(sip, host), host.len, to))
		return SB_E_INVAL;
	uint32_t rport = lex_number(sip->text, via->rport, 65536);
	if (rport > 0 && rport < 65536)
		to->port = (uint16_t)rport;
	else
		to->port = via->port ? via->port : 5060;
	return 0;
}

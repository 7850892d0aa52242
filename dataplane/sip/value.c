/* SPDX-License-Identifier: BSD-3-Clause */
/* value.c - parameters, and the name-addr or addr-spec of From, To, Contact and Route. */
#include "dataplane/sip/lex.h"
#include "dataplane/sip/parse.h"
#include <switchback/err.h>

/* Behind a parameter's value that is not quoted. Peers put more than tokens there ("tag=a==", "received=[::1]"). */
static uint32_t plain_value_end(const char *text, uint32_t at, uint32_t end, bool *odd)
{
	uint32_t p = lex_run(text, at, end, LEX_TOKEN);
	if (p > at && (p == end || text[p] == ';' || text[p] == ',' || lex_is(text[p], LEX_LWS)))
		return p;
	*odd |= p == at;
	while (p < end && lex_is(text[p], LEX_VIS) && !strchr(";,\"<>", text[p])) {
		*odd |= !lex_is(text[p], LEX_TOKEN) && !strchr("[]:", text[p]);
		p++;
	}
	return p;
}

int sb_param_next(const char *text, uint32_t *at, uint32_t end, struct sb_param *param, bool *odd)
{
	uint32_t p = lex_blanks(text, *at, end);
	*at = p;
	if (p == end || text[p] != ';')
		return 0;
	param->semicolon = p;
	uint32_t name = lex_blanks(text, p + 1, end);
	p = lex_run(text, name, end, LEX_TOKEN);
	if (p == name)
		return SB_E_INVAL;
	param->name = lex_span(name, p);
	param->value = (struct sb_span){0, 0};
	*at = p;
	p = lex_blanks(text, p, end);
	if (p == end || text[p] != '=')
		return 1;
	uint32_t value = lex_blanks(text, p + 1, end);
	if (value < end && text[value] == '"') {
		p = lex_quoted(text, value, end, odd);
		if (p == 0)
			return SB_E_INVAL;
	} else {
		p = plain_value_end(text, value, end, odd);
	}
	param->value = lex_span(value, p);
	*at = p;
	return 1;
}

/* at stands behind '<'. */
static int bracketed(const char *text, uint32_t at, uint32_t end, struct sb_name_addr *addr)
{
	uint32_t p = lex_until(text, at, end, LEX_VIS, '>', '<');
	if (p == end || text[p] != '>' || lex_find(text, at, p, ':') == p)
		return SB_E_INVAL;
	addr->uri = lex_span(at, p);
	addr->brackets = true;
	addr->end = p + 1;
	return 0;
}

/* A URI without <>: what follows its ';' are the header's parameters (20.10). */
static int bare(const char *text, uint32_t at, uint32_t end, struct sb_name_addr *addr, bool *odd)
{
	uint32_t p = at;
	while (p < end && lex_is(text[p], LEX_VIS) && text[p] != ';' && text[p] != ',') {
		if (text[p] == '<' || text[p] == '>' || text[p] == '"')
			return SB_E_INVAL;
		*odd |= text[p] == '?';
		p++;
	}
	addr->uri = lex_span(at, p);
	addr->brackets = false;
	addr->end = p;
	return 0;
}

int sb_name_addr_read(const char *text, uint32_t at, uint32_t end, struct sb_name_addr *addr, bool *odd)
{
	uint32_t p = lex_blanks(text, at, end);
	if (p == end)
		return SB_E_INVAL;
	if (text[p] == '<')
		return bracketed(text, p + 1, end, addr);
	if (text[p] == '"') {
		p = lex_quoted(text, p, end, odd);
		if (p == 0)
			return SB_E_INVAL;
		p = lex_blanks(text, p, end);
		return p < end && text[p] == '<' ? bracketed(text, p + 1, end, addr) : SB_E_INVAL;
	}
	uint32_t word = lex_run(text, p, end, LEX_TOKEN);
	if (word > p && word < end && text[word] == ':')
		return bare(text, p, end, addr, odd);
	uint32_t q = lex_run(text, word, end, LEX_TOKEN | LEX_LWS);
	if (q == end)
		return SB_E_INVAL;
	if (text[q] != '<') {
		/* A display name that ought to be quoted is for libosip2 to judge. */
		const char *open = memchr(text + q, '<', end - q);
		if (!open || memchr(text + q, '"', (size_t)(open - text) - q))
			return SB_E_INVAL;
		*odd = true;
		q = (uint32_t)(open - text);
	}
	return bracketed(text, q + 1, end, addr);
}

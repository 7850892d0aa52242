/* SPDX-License-Identifier: BSD-3-Clause */
/* route.c - walks Route and Record-Route values over all their lines (RFC 3261 20.30, 20.34). */
#include "dataplane/sip/lex.h"
#include "dataplane/sip/line.h"
#include "dataplane/sip/parse.h"
#include <switchback/err.h>

/* The value at at; *stop: where it stopped, on a comma or at end. */
static int read_value(const char *text, uint32_t at, uint32_t end, struct sb_route *route, uint32_t *stop, bool *odd)
{
	struct sb_name_addr addr;
	struct sb_param prm;
	uint32_t first = lex_blanks(text, at, end);
	if (sb_name_addr_read(text, first, end, &addr, odd) || !addr.brackets)
		return SB_E_INVAL;
	uint32_t p = addr.end, last = p;
	int more;
	while ((more = sb_param_next(text, &p, end, &prm, odd)) > 0)
		last = p;
	if (more < 0 || (p < end && text[p] != ','))
		return SB_E_INVAL;
	route->value = lex_span(first, last);
	route->uri = addr.uri;
	*stop = p;
	/* Nothing can be sent to a URI of another kind. */
	return sb_uri_read(text, addr.uri, &route->parsed, odd) || route->parsed.scheme == SB_SCHEME_OTHER ? SB_E_INVAL
	                                                                                                   : 0;
}

bool sb_route_step(const struct sb_sip *sip, struct sb_route_walk *walk, struct sb_route *route, bool *bad, bool *odd)
{
	struct sb_line line;
	uint32_t stop;
	*bad = false;
	if (walk->line == 0 || !sb_line_at(sip, walk->line, &line))
		return false;
	*bad = true;
	if (walk->n >= SB_SIP_VALUES_MAX || walk->at > line.end)
		return false;
	if (read_value(sip->text, walk->at ? walk->at : line.value, line.end, route, &stop, odd))
		return false;
	*bad = false;
	route->first = walk->at == 0;
	route->last = stop == line.end;
	route->line = walk->line;
	route->line_end = (uint16_t)line.next;
	walk->n++;
	if (!route->last) {
		walk->at = (uint16_t)lex_blanks(sip->text, stop + 1, line.end);
		return true;
	}
	enum sb_field field = line.field;
	walk->at = 0;
	walk->line = sb_line_find(sip, line.next, field, &line) ? (uint16_t)line.off : 0;
	return true;
}

bool sb_sip_route_next(const struct sb_sip *sip, struct sb_route_walk *walk, struct sb_route *route, bool *bad)
{
	bool odd = false;
	return sb_route_step(sip, walk, route, bad, &odd);
}

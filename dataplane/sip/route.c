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

/* Where a value stands in its line, and the walk behind it if the line holds more. */
static void placed(
        const char *text, const struct sb_line *line, uint32_t stop, struct sb_route *route, struct sb_route_walk *walk)
{
	route->first = walk->at == 0;
	route->last = stop == line->end;
	route->line = (uint16_t)line->off;
	route->line_end = (uint16_t)line->next;
	walk->n++;
	walk->at = route->last ? 0 : (uint16_t)lex_blanks(text, stop + 1, line->end);
}

int sb_route_first(const char *text, const struct sb_line *line, uint32_t next, struct sb_route *route,
        struct sb_route_walk *walk, bool *odd)
{
	uint32_t stop;
	*walk = (struct sb_route_walk){.line = (uint16_t)line->off};
	if (read_value(text, line->value, line->end, route, &stop, odd))
		return SB_E_INVAL;
	placed(text, line, stop, route, walk);
	if (route->last)
		walk->line = (uint16_t)next;
	return 0;
}

bool sb_sip_route_next(const struct sb_sip *sip, struct sb_route_walk *walk, struct sb_route *route, bool *bad)
{
	struct sb_line line;
	uint32_t stop;
	bool odd = false;
	*bad = false;
	if (walk->n == 0 && walk->line && walk->line == sip->route_line && sip->route.value.len) {
		*route = sip->route;
		*walk = sip->routes;
		return true;
	}
	if (walk->line == 0 || !sb_line_at(sip, walk->line, &line))
		return false;
	*bad = true;
	if (walk->n >= SB_SIP_VALUES_MAX || walk->at > line.end)
		return false;
	if (read_value(sip->text, walk->at ? walk->at : line.value, line.end, route, &stop, &odd))
		return false;
	*bad = false;
	placed(sip->text, &line, stop, route, walk);
	if (route->last) {
		enum sb_field field = line.field;
		walk->line = sb_line_find(sip, line.next, field, &line) ? (uint16_t)line.off : 0;
	}
	return true;
}

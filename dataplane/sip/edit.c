/* SPDX-License-Identifier: BSD-3-Clause */
#include "dataplane/sip/edit.h"
#include "dataplane/sip/lex.h"
#include <switchback/addr.h>
#include <switchback/err.h>
#include <assert.h>

/* Decimal digits of v at the end of buf; returns where they begin. */
static char *decimal(uint32_t v, char buf[10])
{
	char *p = buf + 10;
	do {
		*--p = (char)('0' + v % 10);
		v /= 10;
	} while (v);
	return p;
}

void out_number(struct sb_out *out, uint32_t v)
{
	char buf[10], *p = decimal(v, buf);
	out_put(out, p, (size_t)(buf + 10 - p));
}

void out_line(struct sb_out *out, const struct sb_sip *sip, struct sb_span line)
{
	if (line.len == 0)
		return;
	out_put(out, sb_at(sip, line), line.len);
	out_put(out, "\r\n", 2);
}

int out_end(const struct sb_out *out)
{
	return out->full ? SB_E_NOSPACE : (int)out->len;
}

void edit_add(struct sb_edits *edits, uint32_t at, uint32_t cut, const char *text, size_t len)
{
	assert(edits->n < SB_EDITS_MAX);
	unsigned i = edits->n++;
	for (; i > 0 && edits->e[i - 1].at > at; i--)
		edits->e[i] = edits->e[i - 1];
	edits->e[i] = (struct sb_edit){at, cut, text, (uint32_t)len};
}

void edit_number(struct sb_edits *edits, uint32_t at, uint32_t cut, uint16_t v)
{
	char buf[10], *p = decimal(v, buf), *room = edits->digits[edits->n_digits++];
	size_t len = (size_t)(buf + 10 - p);
	memcpy(room, p, len);
	edit_add(edits, at, cut, room, len);
}

void edit_apply(const struct sb_edits *edits, const char *text, uint32_t from, uint32_t to, struct sb_out *out)
{
	uint32_t at = from;
	for (unsigned i = 0; i < edits->n; i++) {
		const struct sb_edit *e = &edits->e[i];
		if (e->at < at || e->at > to)
			continue;
		out_put(out, text + at, e->at - at);
		out_put(out, e->text, e->len);
		at = e->at + e->cut;
	}
	if (at < to)
		out_put(out, text + at, to - at);
}

/* Does the Via's host already say where it came from? */
static bool host_is(const struct sb_sip *sip, const struct sb_via *via, const struct sb_addr *source)
{
	struct sb_addr host;
	memset(&host, 0, sizeof host);
	return via->host.len && sb_addr_parse_ip(sb_at(sip, via->host), via->host.len, &host) == 0 &&
	       sb_addr_same_ip(&host, source);
}

void edit_top_via(struct sb_edits *edits, const struct sb_sip *sip, const struct sb_addr *source)
{
	const struct sb_via *via = &sip->via;
	uint32_t via_end = (uint32_t)via->value.off + via->value.len;
	if (via->rport_at) {
		uint32_t end = via->rport.off ? (uint32_t)via->rport.off + via->rport.len : via->rport_at;
		edit_add(edits, via->rport_at, end - via->rport_at, "=", 1);
		edit_number(edits, end, 0, source->port);
	}
	/* An untrue received of the sender's own is never left standing. */
	if (!via->rport_at && !via->received_at && host_is(sip, via, source))
		return;
	uint32_t at = via_end, cut = 0;
	if (via->received_at) {
		uint32_t end = (uint32_t)via->received.off + via->received.len;
		at = via->received_at;
		cut = end - at + (end < via_end && sip->text[end] == ']');
	}
	inet_ntop(source->family == 6 ? AF_INET6 : AF_INET, source->ip, edits->ip, sizeof edits->ip);
	edit_add(edits, at, cut, ";received=", 10);
	edit_text(edits, at + cut, edits->ip);
}

int edit_strip_routes(struct sb_edits *edits, const struct sb_sip *sip, unsigned n)
{
	struct sb_route_walk walk = {.line = sip->route_line};
	struct sb_route route;
	bool bad;
	uint32_t first = 0; /* of the line's values that go */
	for (unsigned i = 0; i < n; i++) {
		if (!sb_sip_route_next(sip, &walk, &route, &bad))
			return SB_E_INVAL;
		if (route.first)
			first = route.value.off;
		if (route.last)
			edit_add(edits, route.line, route.line_end - route.line, NULL, 0);
		else if (i + 1 == n)
			edit_add(edits, first, walk.at - first, NULL, 0);
	}
	return 0;
}

/* SPDX-License-Identifier: BSD-3-Clause */
#include "dataplane/sip/edit.h"
#include "dataplane/sip/lex.h"
#include <switchback/addr.h>
#include <switchback/err.h>

/* The numbers to 255 as text: four bytes are copied whatever it is. */
#define TEN(tens) tens "0", tens "1", tens "2", tens "3", tens "4", tens "5", tens "6", tens "7", tens "8", tens "9"
static const char octets[256][4] = {TEN(""), TEN("1"), TEN("2"), TEN("3"), TEN("4"), TEN("5"), TEN("6"), TEN("7"),
        TEN("8"), TEN("9"), TEN("10"), TEN("11"), TEN("12"), TEN("13"), TEN("14"), TEN("15"), TEN("16"), TEN("17"),
        TEN("18"), TEN("19"), TEN("20"), TEN("21"), TEN("22"), TEN("23"), TEN("24"), "250", "251", "252", "253", "254",
        "255"};

static unsigned octet_len(unsigned v)
{
	return 1u + (v > 9) + (v > 99);
}

static unsigned digits_of(uint32_t v)
{
	unsigned n = 1;
	for (; v >= 10; v /= 10)
		n++;
	return n;
}

/* Digits go where they belong at once: copying what has just been written byte by byte would have to wait. */
void out_number(struct sb_out *out, uint32_t v)
{
	if (v < 256 && !out->full && out->cap - out->len >= sizeof octets[0]) {
		memcpy(out->p + out->len, octets[v], sizeof octets[0]);
		out->len += octet_len(v);
		return;
	}
	unsigned n = v < 10000 ? 1u + (v > 9) + (v > 99) + (v > 999) : digits_of(v);
	if (!out_room(out, n))
		return;
	for (char *p = out->p + out->len + n; p > out->p + out->len; v /= 10)
		*--p = (char)('0' + v % 10);
	out->len += n;
}

/* As inet_ntop does it, which takes ten times as long. */
static void out_ip4(struct sb_out *out, const uint8_t ip[4])
{
	char buf[20], *p = buf;
	bool roomy = !out->full && out->cap - out->len >= sizeof buf;
	if (roomy)
		p = out->p + out->len;
	for (unsigned i = 0; i < 4; i++) {
		memcpy(p, octets[ip[i]], 4);
		p += octet_len(ip[i]);
		*p++ = '.';
	}
	if (roomy)
		out->len = (size_t)(p - out->p) - 1;
	else
		out_put(out, buf, ((size_t)(p - buf) - 1) & 15); /* 15 at most: so the compiler knows */
}

void out_ip(struct sb_out *out, const struct sb_addr *a)
{
	char buf[INET6_ADDRSTRLEN];
	if (a->family != 6)
		out_ip4(out, a->ip);
	else if (inet_ntop(AF_INET6, a->ip, buf, sizeof buf))
		out_text(out, buf);
}

void out_line(struct sb_out *out, const struct sb_sip *sip, struct sb_span line)
{
	if (line.len == 0)
		return;
	out_padded(out, sb_at(sip, line), line.len);
	out_put(out, "\r\n", 2);
}

int out_end(const struct sb_out *out)
{
	return out->full ? SB_E_NOSPACE : (int)out->len;
}

/* Where there is room for all that it could be, nothing is asked piece by piece. */
static void apply_freely(const struct sb_edits *edits, const char *text, uint32_t from, uint32_t to, struct sb_out *out)
{
	char *p = out->p + out->len;
	uint32_t at = from;
	for (unsigned i = 0; i < edits->n; i++) {
		const struct sb_edit *e = &edits->e[i];
		if (e->at < at || e->at > to)
			continue;
		copy_over(p, text + at, e->at - at);
		p += e->at - at;
		copy_over(p, edits->room + e->text, e->len);
		p += e->len;
		at = e->at + e->cut;
	}
	if (at < to) {
		copy_over(p, text + at, to - at);
		p += to - at;
	}
	out->len = (size_t)(p - out->p);
}

void edit_apply(const struct sb_edits *edits, const char *text, uint32_t from, uint32_t to, struct sb_out *out)
{
	uint32_t at = from;
	if (!out->full && to > from && out->cap - out->len >= to - from + edits->out.len + SB_COPY_OVER) {
		apply_freely(edits, text, from, to, out);
		return;
	}
	for (unsigned i = 0; i < edits->n; i++) {
		const struct sb_edit *e = &edits->e[i];
		if (e->at < at || e->at > to)
			continue;
		out_padded(out, text + at, e->at - at);
		out_padded(out, edits->room + e->text, e->len);
		at = e->at + e->cut;
	}
	if (at < to)
		out_padded(out, text + at, to - at);
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
		size_t from = edits->out.len;
		out_put(&edits->out, "=", 1);
		out_number(&edits->out, source->port);
		edit_add(edits, via->rport_at, end - via->rport_at, from);
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
	size_t from = edits->out.len;
	out_text(&edits->out, ";received=");
	out_ip(&edits->out, source);
	edit_add(edits, at, cut, from);
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
			edit_add(edits, route.line, route.line_end - route.line, edits->out.len);
		else if (i + 1 == n)
			edit_add(edits, first, walk.at - first, edits->out.len);
	}
	return 0;
}

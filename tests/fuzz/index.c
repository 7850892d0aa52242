/* SPDX-License-Identifier: BSD-3-Clause */
/* index: the vector pass over any datagram. Nothing is read or pointed at beyond it, what lies behind it does not
 * matter, the readings for all processors agree, what was accepted is accepted again, and libosip2 as a second judge
 * only ever refuses. */
#include "tests/fuzz/fuzz.h"
#include "tests/unit/sip/msg.h"
#include "dataplane/sip/compose.h"
#include "dataplane/sip/osip.h"
#include "dataplane/sip/reader.h"
#include <stdio.h>

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	static char arena[1 << 18];
	sb_osip_init();
	sb_osip_arena(arena, sizeof arena);
	return 0;
}

static void inside(const struct sb_sip *s, struct sb_span p, const char *what)
{
	must((uint32_t)p.off + p.len <= s->text_len, "%s at %u+%u of %u", what, p.off, p.len, s->text_len);
}

static void all_inside(const struct sb_sip *s)
{
	const struct sb_span spans[] = {s->method_text, s->uri_text, s->uri.user, s->uri.host, s->uri.params,
	        s->via.value, s->via.host, s->via.branch, s->via.received, s->via.rport, s->from_line, s->to_line,
	        s->call_id_line, s->cseq_line, s->from, s->to, s->from_tag, s->to_tag, s->call_id, s->max_forwards,
	        s->contact, s->timestamp_line};
	const uint32_t offsets[] = {s->start, s->header_end, s->body, s->first_header, s->via_line, s->via.next,
	        s->via.rport_at, s->via.received_at, s->route_line, s->record_route_line, s->proxy_require_line};
	char what[24];
	for (unsigned i = 0; i < sizeof spans / sizeof spans[0]; i++) {
		snprintf(what, sizeof what, "span %u", i);
		inside(s, spans[i], what);
	}
	for (unsigned i = 0; i < sizeof offsets / sizeof offsets[0]; i++)
		must(offsets[i] <= s->text_len, "offset %u is %u of %u", i, offsets[i], s->text_len);
	must(s->len <= s->text_len, "len %u of %u", s->len, s->text_len);
}

static void walks_end_inside(const struct sb_sip *s)
{
	struct sb_via via = s->via;
	struct sb_addr to;
	struct sb_via below, next;
	bool readable = sb_sip_via_at(s, s->via.next, &next) == 0;
	must((sb_sip_via_below(s, &below) == 0) == readable, "the Via below is %sreadable", readable ? "" : "not ");
	below.next = next.next;
	must(!readable || memcmp(&below, &next, sizeof below) == 0, "the Via below is another than the next");
	for (unsigned i = 0; i < SB_SIP_VALUES_MAX && via.next; i++) {
		uint16_t at = via.next;
		if (sb_sip_via_at(s, at, &via))
			break;
		must(via.value.off >= at && via.host.len, "Via value at %u begins at %u", at, via.value.off);
		inside(s, via.value, "Via value");
		sb_via_target(s, &via, &to);
		must(!via.next || via.next > at, "Via values go backwards: %u after %u", via.next, at);
	}
	for (unsigned i = 0; i < 2; i++) {
		struct sb_route_walk walk = {.line = i ? s->record_route_line : s->route_line};
		struct sb_route route;
		bool bad;
		while (sb_sip_route_next(s, &walk, &route, &bad)) {
			char number[32];
			inside(s, route.value, "Route value");
			inside(s, route.uri, "Route URI");
			must(route.line_end <= s->header_end, "Route line ends at %u of %u", route.line_end,
			        s->header_end);
			must(sb_uri_number(s->text, &route.parsed, number, sizeof number) <= sizeof number, "number");
		}
		must(walk.n <= SB_SIP_VALUES_MAX, "%u Route values", walk.n);
	}
}

/* Compiled for other processors it reads the same. text: of another copy, with another pad. */
static void reads_the_same(const struct msg *m, const char *text,
        enum sb_read (*index)(struct sb_sip *, const char *, uint32_t), const char *name)
{
	struct sb_sip want = m->sip, other;
	enum sb_read read = index(&other, text, m->len);
	must(read == m->read, "%s reads %d, not %d", name, read, m->read);
	must(!want.error_text == !other.error_text && (!want.error_text || !strcmp(want.error_text, other.error_text)),
	        "%s finds another fault: %s, not %s", name, other.error_text ? other.error_text : "none",
	        want.error_text ? want.error_text : "none");
	want.error_text = other.error_text = want.text = other.text = NULL;
	must(memcmp(&want, &other, sizeof want) == 0, "%s reads another message", name);
}

static void all_read_the_same(const struct msg *m, const struct msg *other)
{
	reads_the_same(m, other->text, sb_sip_index, "another pad");
#ifdef SB_READINGS
	reads_the_same(m, m->text, sb_index, "the reading for any processor");
	reads_the_same(m, other->text, sb_index, "the reading for any processor, with another pad,");
	if (sb_has_v3())
		reads_the_same(m, other->text, sb_index_v3, "the reading for x86-64-v3");
	if (sb_has_v4())
		reads_the_same(m, other->text, sb_index_v4, "the reading for x86-64-v4");
#endif
}

/* The part that counts, by itself, is the same message. */
static void accepted_again(const struct msg *m)
{
	const struct sb_sip *s = &m->sip;
	struct msg *again = msg_new(m->text + s->start, s->len - s->start, 'x');
	struct sb_sip *t = &again->sip;
	must(s->via.host.len && s->call_id.len && s->from.len && s->to.len && s->cseq_line.len && s->answerable,
	        "accepted without what a proxy needs");
	must(s->body && s->len == s->body + s->content_length, "length %u, body at %u", s->len, s->body);
	must(sb_sip_index(t, again->text, again->len) == m->read, "by itself it is something else");
	must(t->odd == s->odd && t->cseq == s->cseq && t->method == s->method && t->status == s->status &&
	                t->content_length == s->content_length && t->call_id.off == s->call_id.off - s->start &&
	                t->call_id.len == s->call_id.len && t->n_via_lines == s->n_via_lines &&
	                t->via.branch.len == s->via.branch.len && t->max_forwards_value == s->max_forwards_value,
	        "by itself it is read otherwise");
	msg_free(again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct msg *m, *other;
	if (size > SB_SIP_MAX + 1)
		return 0;
	m = msg_new(data, size, '\n');
	other = msg_new(data, size, ':');
	m->read = sb_sip_index(&m->sip, m->text, m->len);
	all_read_the_same(m, other);
	if (m->read <= SB_READ_BAD_RESPONSE) {
		all_inside(&m->sip);
		walks_end_inside(&m->sip);
	}
	if (m->read == SB_READ_REQUEST || m->read == SB_READ_RESPONSE)
		accepted_again(m);
	enum sb_read fast = sb_sip_read(&m->sip, m->text, m->len, false, &m->asked);
	enum sb_read osip = sb_sip_read(&other->sip, other->text, other->len, true, &other->asked);
	must(fast == osip || fast == SB_READ_REQUEST || fast == SB_READ_RESPONSE, "libosip2 made it %d, not %d", osip,
	        fast);
	must(fast == m->read || (m->asked && (m->sip.error == 400 || m->sip.error == 513)), "refused without a reason");
	msg_free(m);
	msg_free(other);
	return 0;
}

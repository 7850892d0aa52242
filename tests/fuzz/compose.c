/* SPDX-License-Identifier: BSD-3-Clause */
/* compose: whatever is accepted and goes out parses again, with both parsers, and differs from what came in only where
 * a proxy may touch it (RFC 3261 16.6, 16.7, 16.11): our Via and Record-Route, Max-Forwards, received and rport of the
 * sender's Via, our own Route values, the status line of a trunk's 503. What we answer ourselves holds what it is to,
 * a 420 what the caller required. How it is relayed or answered is drawn from a hash of the message. */
#include "tests/fuzz/fuzz.h"
#include "tests/unit/sip/msg.h"
#include "dataplane/sip/compose.h"
#include "dataplane/sip/osip.h"
#include <stdio.h>
#include <strings.h>

#define SIZE_MAX_IN 16384
#define LINES       600
#define OWN         "192.0.2.10:5060"
#define BRANCH      "z9hG4bK0123456789012345678901234567890123456789"

/* A header line with its folds and line ends. */
struct line {
	const char *p;
	size_t len;
};

struct header {
	struct line line[LINES];
	unsigned n;
	const char *body; /* the empty line */
	size_t body_len;
};

static struct header in_lines, out_lines;
static char buffer[SIZE_MAX_IN + 4096];

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	static char arena[1 << 18];
	sb_osip_init();
	sb_osip_arena(arena, sizeof arena);
	return 0;
}

/* By itself, not by the product's way of finding lines. */
static void split(const char *text, size_t len, struct header *h)
{
	const char *p = text, *end = text + len;
	h->n = 0;
	h->body = end;
	h->body_len = 0;
	while (p < end && h->n < LINES) {
		const char *lf = memchr(p, '\n', (size_t)(end - p)), *next = lf ? lf + 1 : end;
		if (next - p == 1 || (next - p == 2 && *p == '\r')) {
			h->body = p;
			h->body_len = (size_t)(end - p);
			break;
		}
		if (h->n > 1 && (*p == ' ' || *p == '\t'))
			h->line[h->n - 1].len += (size_t)(next - p);
		else
			h->line[h->n++] = (struct line){p, (size_t)(next - p)};
		p = next;
	}
}

static bool named(const struct line *l, const char *name)
{
	const char *colon = memchr(l->p, ':', l->len);
	size_t n = colon ? (size_t)(colon - l->p) : 0;
	while (n && l->p[n - 1] && strchr(" \t\r\n", l->p[n - 1]))
		n--;
	return n == strlen(name) && strncasecmp(l->p, name, n) == 0;
}

static bool same_line(const struct line *a, const struct line *b)
{
	return a->len == b->len && memcmp(a->p, b->p, a->len) == 0;
}

static bool line_is(const struct line *l, const char *text)
{
	return l->len == strlen(text) && memcmp(l->p, text, l->len) == 0;
}

static bool same_span(const struct sb_sip *a, struct sb_span x, const struct sb_sip *b, struct sb_span y)
{
	return x.len == y.len && memcmp(sb_at(a, x), sb_at(b, y), x.len) == 0;
}

/* The Max-Forwards line with its digits one less. */
static bool counted_down(const struct sb_sip *s, const struct line *in, const struct line *out)
{
	char want[16];
	size_t before = (size_t)(s->text + s->max_forwards.off - in->p), after = in->len - before - s->max_forwards.len;
	unsigned value = s->max_forwards_value ? s->max_forwards_value - 1u : 0;
	size_t n = (size_t)snprintf(want, sizeof want, "%u", value);
	return out->len == before + n + after && memcmp(out->p, in->p, before) == 0 &&
	       memcmp(out->p + before, want, n) == 0 &&
	       memcmp(out->p + before + n, in->p + before + s->max_forwards.len, after) == 0;
}

/* A Via line without what RFC 3581 lets a proxy write into its first value. */
static size_t bare_via(const struct sb_sip *s, const struct sb_via *v, const struct line *l, char *out)
{
	size_t n = 0, end = (size_t)(l->p - s->text) + l->len;
	size_t received_end = (size_t)v->received.off + v->received.len;
	size_t rport_end = v->rport.off ? (size_t)v->rport.off + v->rport.len : v->rport_at;
	if (v->received_at && s->text[received_end] == ']' && received_end < (size_t)v->value.off + v->value.len)
		received_end++;
	for (size_t at = (size_t)(l->p - s->text); at < end; at++) {
		if (v->received_at && at >= v->received_at && at < received_end)
			continue;
		if (v->rport_at && at >= v->rport_at && at < rport_end)
			continue;
		out[n++] = s->text[at];
	}
	return n;
}

static void sender_via(const struct sb_sip *in, const struct line *in_line, const struct sb_sip *out,
        const struct line *out_line, const struct sb_addr *source)
{
	static char a[SIZE_MAX_IN + 64], b[SIZE_MAX_IN + 64];
	struct sb_via via;
	struct sb_addr host;
	must(out->via.next && sb_sip_via_at(out, out->via.next, &via) == 0, "the sender's Via cannot be read any more");
	must(same_span(in, in->via.host, out, via.host) && in->via.port == via.port &&
	                same_span(in, in->via.branch, out, via.branch),
	        "the sender's Via names another");
	size_t n = bare_via(in, &in->via, in_line, a), m = bare_via(out, &via, out_line, b);
	must(n == m && memcmp(a, b, n) == 0, "the sender's Via is changed: %.*s", (int)out_line->len, out_line->p);
	must(!in->via.rport_at == !via.rport_at, "rport came or went");
	if (via.rport_at) {
		char digits[8] = "";
		snprintf(digits, sizeof digits, "%u", source->port);
		must(via.rport.len == strlen(digits) && memcmp(sb_at(out, via.rport), digits, via.rport.len) == 0,
		        "rport is not the source port");
	}
	memset(&host, 0, sizeof host);
	if (sb_via_target(out, &via, &host) == 0)
		must(sb_addr_same_ip(&host, source), "an answer would go elsewhere than to the source");
	else
		must(0, "an answer would not know where to go");
}

static unsigned route_values(const struct sb_sip *s, struct sb_span value[SB_SIP_VALUES_MAX], bool *bad)
{
	struct sb_route_walk walk = {.line = s->route_line};
	struct sb_route route;
	unsigned n = 0;
	while (sb_sip_route_next(s, &walk, &route, bad))
		value[n++] = route.value;
	return n;
}

static void routes_but(const struct sb_sip *in, unsigned strip, const struct sb_sip *out)
{
	struct sb_span a[SB_SIP_VALUES_MAX], b[SB_SIP_VALUES_MAX];
	bool bad;
	unsigned n = route_values(in, a, &bad), m = route_values(out, b, &bad);
	must(n <= m + strip, "%u Route values, %u cut, %u left", n, strip, m);
	for (unsigned i = strip; i < n; i++)
		must(same_span(in, a[i], out, b[i - strip]), "Route value %u is another", i);
}

struct relaying {
	struct sb_relay r;
	char record_route[2][80];
	char max_forwards[24];
};

/* Line by line. Our own lines may stand in between. */
static void nothing_else_changed(const struct msg *m, const struct relaying *how, const struct msg *out)
{
	unsigned rr = 0, via = 0, mf = 0, j = 0;
	bool by_values = how->r.strip_routes > 0;
	split(m->text + m->sip.start, m->sip.len - m->sip.start, &in_lines);
	split(out->text, out->len, &out_lines);
	for (unsigned i = 0; i <= in_lines.n; i++) {
		const struct line *in = &in_lines.line[i];
		if (i < in_lines.n && by_values && named(in, "Route"))
			continue;
		for (; j < out_lines.n; j++) {
			const struct line *o = &out_lines.line[j];
			if (via == 0 && line_is(o, "Via: SIP/2.0/UDP " OWN ";branch=" BRANCH "\r\n"))
				via++;
			else if (rr < how->r.n_record_routes && line_is(o, how->record_route[rr]))
				rr++;
			else if (mf == 0 && !m->sip.max_forwards.len && line_is(o, "Max-Forwards: 70\r\n"))
				mf++;
			else if (!by_values || !named(o, "Route"))
				break;
		}
		if (i == in_lines.n)
			break;
		must(j < out_lines.n, "a line is gone: %.*s", (int)in->len, in->p);
		const struct line *o = &out_lines.line[j++];
		if (in->p == m->text + m->sip.via_line)
			sender_via(&m->sip, in, &out->sip, o, &how->r.source);
		else if (m->sip.max_forwards.len && m->text + m->sip.max_forwards.off > in->p &&
		         m->text + m->sip.max_forwards.off < in->p + in->len)
			must(counted_down(&m->sip, in, o), "Max-Forwards: %.*s", (int)o->len, o->p);
		else
			must(same_line(in, o), "changed: %.*s into %.*s", (int)in->len, in->p, (int)o->len, o->p);
	}
	must(j == out_lines.n, "a line too many: %.*s", (int)out_lines.line[j].len, out_lines.line[j].p);
	must(via == 1 && rr == how->r.n_record_routes && mf == !m->sip.max_forwards.len, "our own lines: %u %u %u", via,
	        rr, mf);
	must(in_lines.body_len == out_lines.body_len && memcmp(in_lines.body, out_lines.body, in_lines.body_len) == 0,
	        "the body is another");
	routes_but(&m->sip, how->r.strip_routes, &out->sip);
}

static void draw(const struct msg *m, uint32_t h, struct relaying *how)
{
	static const struct sb_addr sources[] = {{.ip = {10, 1, 1, 1}, .port = 5099, .family = 4},
	        {.ip = {0x20, 1, 0xd, 0xb8, [15] = 7}, .port = 65535, .family = 6}};
	static const char *const own[] = {OWN, "[2001:db8::a]:5060"};
	struct sb_span values[SB_SIP_VALUES_MAX];
	bool bad;
	unsigned n = route_values(&m->sip, values, &bad);
	*how = (struct relaying){.r = {.via_hostport = OWN, .via_hostport_len = strlen(OWN), .branch = BRANCH}};
	how->r.source = sources[h & 1];
	if (h & 2 && m->sip.via.host.len)
		sb_addr_parse_ip(sb_at(&m->sip, m->sip.via.host), m->sip.via.host.len, &how->r.source);
	if (!how->r.source.family)
		how->r.source = sources[0];
	how->r.n_record_routes = (h >> 2) % 3;
	how->r.strip_routes = (h >> 4) % 3;
	/* Only the top Route is read. A broken one that would come to stand there is for the next proxy to refuse. */
	n -= n && bad;
	if (how->r.strip_routes > n)
		how->r.strip_routes = n;
	for (unsigned i = 0; i < how->r.n_record_routes; i++) {
		how->r.record_route[i].hostport = own[i];
		how->r.record_route[i].hostport_len = strlen(own[i]);
		memcpy(how->r.record_route[i].token, "0123456789abcdef", SB_RR_TOKEN_LEN);
		snprintf(how->record_route[i], sizeof how->record_route[i],
		        "Record-Route: <sip:%s;lr;sb=0123456789abcdef>\r\n", own[i]);
	}
}

/* Of the same mind about what goes out as about what came in. */
static void libosip2_agrees(const struct msg *m, const struct msg *out)
{
	struct msg *a = msg_read_len(m->text, m->len, true), *b = msg_read_len(out->text, out->len, true);
	must(a->read == b->read, "libosip2 took what came in for %d, what goes out for %d", a->read, b->read);
	msg_free(a);
	msg_free(b);
}

/* A Route that came to stand on top is judged by libosip2 for the first time: the next proxy's business, too. */
static bool is_request(const struct msg *out, const struct relaying *how)
{
	return out->read == SB_READ_REQUEST || (how->r.strip_routes && out->asked && out->read == SB_READ_BAD_REQUEST);
}

static void relayed_request(const struct msg *m, const struct relaying *how)
{
	size_t room = m->sip.len + SB_RELAY_GROWTH;
	int len = sb_compose_request(&m->sip, &how->r, buffer, room);
	must(len > 0, "an accepted request of %u bytes is not relayed: %d", m->sip.len, len);
	struct msg *out = msg_read_len(buffer, (size_t)len, false);
	split(buffer, (size_t)len, &out_lines);
	if (out_lines.n <= SB_SIP_LINES_MAX) {
		must(is_request(out, how), "relayed it is no request but %d: %s", out->read,
		        out->sip.error_text ? out->sip.error_text : "");
		nothing_else_changed(m, how, out);
		if (!how->r.strip_routes)
			libosip2_agrees(m, out);
	}
	must(sb_compose_request(&m->sip, &how->r, buffer, (size_t)len) == len, "its own size is not enough");
	must(sb_compose_request(&m->sip, &how->r, buffer, (size_t)len - 1) < 0, "it went into one byte less");
	msg_free(out);
}

/* Everything but the top Via value; and the status line, if it becomes a 500. */
static void relayed_response(const struct msg *m, bool as_500)
{
	static const char status_line[] = "SIP/2.0 500 Server Internal Error\r\n";
	unsigned status = as_500 ? 500 : 0;
	int len = sb_compose_response(&m->sip, status, as_500 ? sb_reason(status) : NULL, buffer,
	        m->sip.len + (as_500 ? sizeof status_line : 0));
	struct sb_via below, v;
	bool readable = m->sip.via.next && sb_sip_via_at(&m->sip, m->sip.via.next, &below) == 0;
	unsigned j = 0;
	must(len > 0, "an accepted response is not relayed: %d", len);
	split(m->text + m->sip.start, m->sip.len - m->sip.start, &in_lines);
	split(buffer, (size_t)len, &out_lines);
	for (unsigned i = 0; i < in_lines.n; i++) {
		const struct line *in = &in_lines.line[i], *o = &out_lines.line[j];
		if (in->p == m->text + m->sip.via_line) {
			j += m->sip.via.multi;
			continue;
		}
		must(j < out_lines.n && (as_500 && i == 0 ? line_is(o, status_line) : same_line(in, o)),
		        "changed: %.*s", (int)in->len, in->p);
		j++;
	}
	must(j == out_lines.n && in_lines.body_len == out_lines.body_len, "%u lines of %u", out_lines.n, in_lines.n);
	must(memcmp(in_lines.body, out_lines.body, in_lines.body_len) == 0, "the body is another");
	struct msg *out = msg_read_len(buffer, (size_t)len, false);
	v = below;
	for (unsigned i = 0; readable && i < SB_SIP_VALUES_MAX && v.next; i++)
		readable = sb_sip_via_at(&m->sip, v.next, &v) == 0;
	readable = readable && !v.next; /* we read no more than so many, and now they are the top ones */
	if (readable && !out->asked) {
		must(out->read == SB_READ_RESPONSE && out->sip.status == (as_500 ? status : m->sip.status),
		        "relayed it is no response but %d, or says %u", out->read, out->sip.status);
		must(same_span(&m->sip, below.value, &out->sip, out->sip.via.value), "the Via below is another");
	}
	msg_free(out);
}

/* Each Proxy-Require line stands in the answer as Unsupported, if there is room for all. */
static void says_what_is_unsupported(const struct msg *m, const struct msg *out)
{
	size_t room = SB_UNSUPPORTED_MAX - 16;
	unsigned j = 0;
	split(m->text + m->sip.start, m->sip.len - m->sip.start, &in_lines);
	split(out->text, out->len, &out_lines);
	for (unsigned i = 0; i < in_lines.n; i++) {
		const struct line *in = &in_lines.line[i];
		if (!named(in, "Proxy-Require"))
			continue;
		const char *value = memchr(in->p, ':', in->len);
		size_t len = (size_t)(in->p + in->len - value) - 1;
		if (in->len >= room || memchr(value, 0, len)) /* it is written as a C string */
			return;
		room -= in->len;
		len -= len > 1 && value[len - 1] == '\r';
		while (j < out_lines.n && !named(&out_lines.line[j], "Unsupported"))
			j++;
		must(j < out_lines.n, "not said to be unsupported: %.*s", (int)in->len, in->p);
		const struct line *o = &out_lines.line[j++];
		must(o->len == sizeof "Unsupported" - 1 + len + 2 && memcmp(o->p + o->len - 2 - len, value, len) == 0,
		        "said to be unsupported: %.*s", (int)o->len, o->p);
	}
}

static void replied(const struct msg *m, const struct relaying *how, uint32_t h)
{
	char extra[SB_UNSUPPORTED_MAX];
	static const unsigned codes[] = {100, 200, 400, 403, 408, 420, 481, 483, 487, 500, 503, 505};
	unsigned status = m->sip.error ? m->sip.error : codes[h % (sizeof codes / sizeof codes[0])];
	if (m->sip.proxy_require_line && !m->sip.error)
		status = 420;
	struct sb_reply reply = {
	        .status = status, .reason = sb_reason(status), .to_tag = "0123456789abcdef", .source = how->r.source};
	reply.to_tag_len = status == 100 ? 0 : 16;
	if (status == 420 && m->sip.proxy_require_line) {
		sb_compose_unsupported(&m->sip, extra, sizeof extra);
		reply.extra = extra;
	}
	int len = sb_compose_reply(
	        &m->sip, &reply, buffer, (m->sip.body ? m->sip.body : m->sip.text_len) + SB_RELAY_GROWTH);
	must(len > 0, "no answer fits a message of %u bytes: %d", m->sip.text_len, len);
	struct msg *out = msg_read_len(buffer, (size_t)len, false);
	must(out->sip.status == status, "the answer says %u, not %u", out->sip.status, status);
	if (m->read == SB_READ_REQUEST) {
		/* libosip2 reads some oddities only at the end of a value ("x=", a host of one letter), and now our tag
		 * or received stands behind them. Whoever sends them must read them. */
		must(out->read == SB_READ_RESPONSE || (m->sip.odd && out->asked), "our answer is %d", out->read);
		must(same_span(&m->sip, m->sip.call_id, &out->sip, out->sip.call_id) && out->sip.cseq == m->sip.cseq &&
		                same_span(&m->sip, m->sip.from_line, &out->sip, out->sip.from_line) &&
		                same_span(&m->sip, m->sip.method_text, &out->sip, out->sip.method_text) &&
		                same_span(&m->sip, m->sip.via.branch, &out->sip, out->sip.via.branch) &&
		                out->sip.n_via_lines == m->sip.n_via_lines,
		        "our answer is to something else");
		must(out->sip.to_tag.len ? m->sip.to_tag.len == 0 ||
		                                   same_span(&m->sip, m->sip.to_tag, &out->sip, out->sip.to_tag)
		                         : status == 100,
		        "our answer's To tag");
		if (reply.extra)
			says_what_is_unsupported(m, out);
	}
	msg_free(out);
}

static void follows(const struct msg *m, const struct relaying *how, bool ack)
{
	static const char to[] = "To: <sip:b@example.com>;tag=9";
	size_t room = m->sip.len + SB_RELAY_GROWTH;
	int len = ack ? sb_compose_ack(&m->sip, &how->r, to, sizeof to - 1, buffer, room)
	              : sb_compose_cancel(&m->sip, &how->r, buffer, room);
	must(len > 0, "no ACK or CANCEL: %d", len);
	struct msg *out = msg_read_len(buffer, (size_t)len, false);
	must(is_request(out, how) && out->sip.method == (ack ? SB_M_ACK : SB_M_CANCEL), "ACK or CANCEL is %d: %s",
	        out->read, out->sip.error_text ? out->sip.error_text : "");
	must(same_span(&m->sip, m->sip.uri_text, &out->sip, out->sip.uri_text) && m->sip.cseq == out->sip.cseq &&
	                same_span(&m->sip, m->sip.from_line, &out->sip, out->sip.from_line) &&
	                same_span(&m->sip, m->sip.call_id, &out->sip, out->sip.call_id) &&
	                out->sip.via.branch.len == SB_BRANCH_LEN && out->sip.n_via_lines == 1,
	        "ACK or CANCEL of something else");
	must(ack || same_span(&m->sip, m->sip.to_line, &out->sip, out->sip.to_line), "CANCEL to somebody else");
	routes_but(&m->sip, how->r.strip_routes, &out->sip);
	msg_free(out);
}

static void unwanted_2xx(const struct msg *m)
{
	static const char text[] =
	        "INVITE sip:+4420@192.0.2.10 SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bKx\r\n"
	        "From: <sip:a@h>;tag=1\r\nTo: <sip:b@h>\r\nCall-ID: c\r\nCSeq: 1 INVITE\r\n"
	        "Record-Route: <sip:up1;lr>\r\n\r\n";
	struct msg *request = msg_read(text);
	for (int bye = 0; bye < 2; bye++) {
		if (m->sip.cseq + bye >= 1u << 31)
			break; /* there is no higher number: the far end refuses the BYE */
		int len = sb_compose_after_2xx(&m->sip, &request->sip, bye ? SB_M_BYE : SB_M_ACK, OWN, strlen(OWN),
		        BRANCH, buffer, 2 * m->sip.len + SB_RELAY_GROWTH);
		must(len > 0, "no ACK or BYE: %d", len);
		struct msg *out = msg_read_len(buffer, (size_t)len, false);
		/* Record-Route is not judged in a response: what libosip2 does not like of it goes back as it came. */
		must((out->read == SB_READ_REQUEST || out->asked) && out->sip.method == (bye ? SB_M_BYE : SB_M_ACK),
		        "ACK or BYE is %d: %s", out->read, out->sip.error_text ? out->sip.error_text : "");
		must(same_span(&m->sip, m->sip.call_id, &out->sip, out->sip.call_id) &&
		                same_span(&m->sip, m->sip.to_line, &out->sip, out->sip.to_line) &&
		                out->sip.cseq == m->sip.cseq + bye,
		        "ACK or BYE of something else");
		msg_free(out);
	}
	msg_free(request);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct relaying how;
	if (size > SIZE_MAX_IN)
		return 0;
	uint32_t h = fuzz_hash(data, size);
	struct msg *m = msg_read_len(data, size, false);
	if (m->read <= SB_READ_BAD_RESPONSE)
		draw(m, h, &how);
	if (m->read == SB_READ_REQUEST) {
		relayed_request(m, &how);
		follows(m, &how, true);
		follows(m, &how, false);
	}
	if (m->read == SB_READ_REQUEST || (m->read == SB_READ_BAD_REQUEST && m->sip.answerable && m->sip.error))
		replied(m, &how, h >> 8);
	if (m->read == SB_READ_RESPONSE) {
		relayed_response(m, false);
		relayed_response(m, true);
		if (m->sip.status >= 200 && m->sip.status < 300)
			unwanted_2xx(m);
	}
	msg_free(m);
	return 0;
}

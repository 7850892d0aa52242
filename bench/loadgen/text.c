/* SPDX-License-Identifier: BSD-3-Clause */
/* text.c - writing and reading the generator's SIP (RFC 3261 7, 8.1.1, 12.2.1.1). */
#include "gen.h"
#include <immintrin.h>
#include <string.h>

#define PUT(p, literal) ((char *)memcpy(p, literal, sizeof(literal) - 1) + sizeof(literal) - 1)

static char *put(char *p, const char *text, size_t len)
{
	memcpy(p, text, len);
	return p + len;
}

char *gen_hex(char *p, uint32_t value)
{
	static const char digits[] = "0123456789abcdef";
	for (int i = 7; i >= 0; i--, value >>= 4)
		p[i] = digits[value & 15];
	return p + 8;
}

static char *put_number(char *p, uint32_t value, int width)
{
	for (int i = width - 1; i >= 0; i--, value /= 10)
		p[i] = (char)('0' + value % 10);
	return p + width;
}

static char *put_length(char *p, uint32_t value)
{
	int width = 1;
	for (uint32_t v = value; v >= 10; v /= 10)
		width++;
	return put_number(p, value, width);
}

uint32_t gen_caller_ip(unsigned caller)
{
	return 198u << 24 | 18u << 16 | (100 + caller / 100 % 100) << 8 | (100 + caller % 100);
}

uint32_t gen_trunk_ip(unsigned behaviour, unsigned trunk)
{
	return 198u << 24 | 19u << 16 | (100 + behaviour * 10 + trunk / 100) << 8 | (100 + trunk % 100);
}

/* Every address of ours has 15 characters. */
char *gen_ip_text(char *p, uint32_t ip)
{
	p = PUT(p, "198.1");
	*p++ = (char)('0' + (ip >> 16 & 255) - 10);
	*p++ = '.';
	p = put_number(p, ip >> 8 & 255, 3);
	*p++ = '.';
	return put_number(p, ip & 255, 3);
}

static char *put_identity(char *p, uint32_t slot, uint32_t generation)
{
	p = gen_hex(p, slot);
	return gen_hex(p, generation);
}

/* The number called: its second group of digits chooses the route, hence what the first trunk does with it. */
static char *put_user(const struct gen *g, char *p, uint32_t slot)
{
	p = PUT(p, "+4420");
	p = put_number(p, g->calls[slot].behaviour, 1);
	return put_number(p, slot % g->o.numbers, 8);
}

static char *put_from_to(const struct gen *g, char *p, uint32_t slot, bool tagged)
{
	const struct gen_call *c = &g->calls[slot];
	p = PUT(p, "From: \"Caller\" <sip:+441632960000@");
	p = gen_ip_text(p, gen_caller_ip(c->caller));
	p = PUT(p, ">;tag=c");
	p = put_identity(p, slot, c->gen);
	p = PUT(p, "\r\nTo: <sip:");
	p = put_user(g, p, slot);
	*p++ = '@';
	p = put(p, g->o.proxy, strlen(g->o.proxy));
	*p++ = '>';
	if (tagged && c->tag_len) {
		p = PUT(p, ";tag=");
		p = put(p, c->tag, c->tag_len);
	}
	p = PUT(p, "\r\nCall-ID: ");
	p = put_identity(p, slot, c->gen);
	p = PUT(p, "@bench\r\nCSeq: ");
	return p;
}

static char *put_via(char *p, const struct gen_call *c, uint32_t slot, char method)
{
	p = PUT(p, "Via: SIP/2.0/UDP ");
	p = gen_ip_text(p, gen_caller_ip(c->caller));
	p = PUT(p, ":5060;rport;branch=z9hG4bK");
	*p++ = method == 'A' && c->state == GEN_REFUSED ? 'I' : method;
	p = put_identity(p, slot, c->gen);
	return PUT(p, "\r\n");
}

static char *put_sdp(const struct gen *g, char *p)
{
	p = PUT(p, "Content-Type: application/sdp\r\nContent-Length: ");
	p = put_length(p, g->o.body);
	p = PUT(p, "\r\n\r\n");
	return put(p, g->body, g->o.body);
}

/* A request outside a dialog, or the ACK of a refusal: to the number at the proxy, with the INVITE's branch. */
size_t gen_write_request(const struct gen *g, char *start, uint32_t slot, const char *method)
{
	const struct gen_call *c = &g->calls[slot];
	char *p = put(start, method, strlen(method));
	p = PUT(p, " sip:");
	p = put_user(g, p, slot);
	*p++ = '@';
	p = put(p, g->o.proxy, strlen(g->o.proxy));
	p = PUT(p, ":5060 SIP/2.0\r\n");
	p = put_via(p, c, slot, method[0]);
	p = PUT(p, "Max-Forwards: 70\r\n");
	p = put_from_to(g, p, slot, true);
	p = PUT(p, "1 ");
	p = put(p, method, strlen(method));
	p = PUT(p, "\r\n");
	if (method[0] == 'A') {
		p = PUT(p, "Content-Length: 0\r\n\r\n");
		return (size_t)(p - start);
	}
	p = PUT(p, "Contact: <sip:caller@");
	p = gen_ip_text(p, gen_caller_ip(c->caller));
	p = PUT(p, ":5060>\r\n");
	if (method[0] != 'I') {
		p = PUT(p, "Expires: 3600\r\nContent-Length: 0\r\n\r\n");
		return (size_t)(p - start);
	}
	p = PUT(p, "Allow: INVITE, ACK, CANCEL, BYE, OPTIONS\r\nSupported: timer\r\nUser-Agent: bench\r\n");
	p = put_sdp(g, p);
	return (size_t)(p - start);
}

/* A request within the dialog: to the trunk's Contact by the proxy's Record-Route (RFC 3261 12.2.1.1). */
size_t gen_write_own(const struct gen *g, char *start, uint32_t slot, const char *method)
{
	const struct gen_call *c = &g->calls[slot];
	char *p = put(start, method, strlen(method));
	*p++ = ' ';
	p = put(p, c->target, c->target_len);
	p = PUT(p, " SIP/2.0\r\n");
	p = put_via(p, c, slot, method[0]);
	p = PUT(p, "Max-Forwards: 70\r\n");
	if (c->route_len) {
		p = PUT(p, "Route: ");
		p = put(p, c->route, c->route_len);
		p = PUT(p, "\r\n");
	}
	p = put_from_to(g, p, slot, true);
	*p++ = method[0] == 'B' ? '2' : '1';
	*p++ = ' ';
	p = put(p, method, strlen(method));
	p = PUT(p, "\r\nContent-Length: 0\r\n\r\n");
	return (size_t)(p - start);
}

/* Via to CSeq of a request, To's tag left out where it has none yet; 0 when it does not fit. To comes last, so that a
 * tag may be put behind it. */
size_t gen_write_block(const struct gen_message *m, char *start, size_t size)
{
	size_t need = m->routes.len + m->call_id.len + m->from.len + m->to.len + m->cseq.len + 80;
	for (unsigned i = 0; i < m->n_vias; i++)
		need += m->via[i].len + 8;
	if (need > size)
		return 0;
	char *p = start;
	for (unsigned i = 0; i < m->n_vias; i++) {
		p = PUT(p, "Via: ");
		p = put(p, m->via[i].p, m->via[i].len);
		p = PUT(p, "\r\n");
	}
	if (m->routes.len) {
		p = PUT(p, "Record-Route: ");
		p = put(p, m->routes.p, m->routes.len);
		p = PUT(p, "\r\n");
	}
	p = PUT(p, "From: ");
	p = put(p, m->from.p, m->from.len);
	p = PUT(p, "\r\nCall-ID: ");
	p = put(p, m->call_id.p, m->call_id.len);
	p = PUT(p, "\r\nCSeq: ");
	p = put(p, m->cseq.p, m->cseq.len);
	p = PUT(p, "\r\nTo: ");
	p = put(p, m->to.p, m->to.len);
	return (size_t)(p - start);
}

static char *put_trunk_tag(char *p, uint32_t slot, uint32_t generation)
{
	p = PUT(p, ";tag=t");
	p = put_identity(p, slot, generation);
	return PUT(p, "\r\n");
}

/* An answer to a request that is at hand; status like "100 Trying". A request within a dialog has its To tag. */
size_t gen_write_response(const struct gen_message *m, char *start, uint32_t slot, uint32_t generation,
        const char *status, const char *more)
{
	char *p = PUT(start, "SIP/2.0 ");
	p = put(p, status, strlen(status));
	p = PUT(p, "\r\n");
	p += gen_write_block(m, p, 1200);
	if (m->to.len && !memmem(m->to.p, m->to.len, ";tag=", 5) && strncmp(status, "100", 3))
		p = put_trunk_tag(p, slot, generation);
	else
		p = PUT(p, "\r\n");
	p = put(p, more, strlen(more));
	p = PUT(p, "Content-Length: 0\r\n\r\n");
	return (size_t)(p - start);
}

/* The trunk's own answer, later, from the block kept. */
size_t gen_write_answer(
        const struct gen *g, char *start, const struct gen_call *c, uint32_t slot, const char *status, bool sdp)
{
	char *p = PUT(start, "SIP/2.0 ");
	p = put(p, status, strlen(status));
	p = PUT(p, "\r\n");
	p = put(p, c->block, c->block_len);
	p = put_trunk_tag(p, slot, c->gen);
	p = PUT(p, "Contact: <sip:trunk@");
	p = gen_ip_text(p, gen_trunk_ip(GEN_ANSWERS, c->trunk));
	p = PUT(p, ":5060>\r\n");
	if (sdp)
		p = put_sdp(g, p);
	else
		p = PUT(p, "Content-Length: 0\r\n\r\n");
	return (size_t)(p - start);
}

/* --- reading
 * ----------------------------------------------------------------------------------------------------------- */

/* Where the lines of the header block begin; lines[n] is where the body does. 0: no end of the block. The 63 bytes
 * behind the text can be read: it lies in a buffer of 2 KiB and more. */
__attribute__((target("avx2"))) static unsigned find_lines(const char *text, uint32_t len, uint32_t lines[GEN_LINES])
{
	unsigned n = 1;
	uint32_t last = 0;
	const __m256i lf = _mm256_set1_epi8('\n');
	lines[0] = 0;
	for (uint32_t at = 0; at < len; at += 32) {
		uint32_t mask = (uint32_t)_mm256_movemask_epi8(
		        _mm256_cmpeq_epi8(_mm256_loadu_si256((const void *)(text + at)), lf));
		if (len - at < 32)
			mask &= (1u << (len - at)) - 1;
		for (; mask; mask &= mask - 1) {
			uint32_t next = at + (uint32_t)__builtin_ctz(mask) + 1;
			lines[n] = next;
			if (next - last == 2 && text[last] == '\r')
				return n;
			last = next;
			if (++n == GEN_LINES)
				return 0;
		}
	}
	return 0;
}

static struct gen_span span(const char *from, const char *end)
{
	while (from < end && *from == ' ')
		from++;
	return (struct gen_span){from, (uint32_t)(end - from)};
}

static bool is(const char *name, size_t len, const char *wanted, size_t wanted_len)
{
	return len == wanted_len && strncasecmp(name, wanted, len) == 0;
}
#define IS(literal) is(line, len, literal, sizeof(literal) - 1)

/* Several values of one name come in one line, or in lines that follow one another: one span, so long as it is one
 * line. */
static void read_line(struct gen_message *m, const char *line, size_t len, struct gen_span value)
{
	switch (line[0] | 0x20) {
	case 'v':
		if ((IS("Via") || IS("v")) && m->n_vias < 4)
			m->via[m->n_vias++] = value;
		break;
	case 'r':
		if (IS("Record-Route")) {
			if (m->n_routes++)
				m->routes.len = (uint32_t)(value.p + value.len - m->routes.p);
			else
				m->routes = value;
		}
		break;
	case 'f':
		if (IS("From") || IS("f"))
			m->from = value;
		break;
	case 't':
		if (IS("To") || IS("t"))
			m->to = value;
		break;
	case 'i':
		if (IS("i"))
			m->call_id = value;
		break;
	case 'c':
		if (IS("Call-ID"))
			m->call_id = value;
		else if (IS("CSeq"))
			m->cseq = value;
		else if (IS("Contact"))
			m->contact = value;
		else if (IS("Content-Length"))
			m->content_length = atoi(value.p);
		break;
	case 'm':
		if (IS("Max-Forwards"))
			m->max_forwards = (unsigned)atoi(value.p);
		else if (IS("m"))
			m->contact = value;
		break;
	case 'l':
		if (IS("l"))
			m->content_length = atoi(value.p);
		break;
	default:
		break;
	}
}

/* 0, or -1: not a message that this generator can have been sent. */
int gen_read(struct gen_message *m, const char *text, uint32_t len)
{
	uint32_t lines[GEN_LINES];
	unsigned n = find_lines(text, len, lines);
	if (n < 6)
		return -1;
	memset(m, 0, sizeof *m);
	m->text = text;
	m->len = len;
	m->content_length = -1;
	if (memcmp(text, "SIP/2.0 ", 8) == 0) {
		m->status = (unsigned)((text[8] - '0') * 100 + (text[9] - '0') * 10 + text[10] - '0');
	} else {
		const char *uri = memchr(text, ' ', lines[1]);
		const char *end = uri ? memchr(uri + 1, ' ', (size_t)(text + lines[1] - uri - 1)) : NULL;
		if (!end)
			return -1;
		m->uri = span(uri + 1, end);
		m->start = text[0];
	}
	for (unsigned i = 1; i < n - 1; i++) {
		const char *line = text + lines[i], *end = text + lines[i + 1] - 2;
		const char *colon = memchr(line, ':', (size_t)(end > line ? end - line : 0));
		if (!colon)
			return -1;
		read_line(m, line, (size_t)(colon - line), span(colon + 1, end));
	}
	m->body = (struct gen_span){text + lines[n], len - lines[n]};
	const char *space = m->cseq.p ? memchr(m->cseq.p, ' ', m->cseq.len) : NULL;
	if (!space || !m->call_id.p || !m->from.p || !m->to.p || !m->n_vias)
		return -1;
	m->method = space[1];
	return m->content_length >= 0 && (uint32_t)m->content_length == m->body.len ? 0 : -1;
}

static int digit(char c)
{
	return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* Slot and generation out of the Call-ID. */
bool gen_find(const struct gen_message *m, uint32_t *slot, uint32_t *generation)
{
	if (m->call_id.len != 22 || memcmp(m->call_id.p + 16, "@bench", 6) != 0)
		return false;
	uint64_t value = 0;
	int bad = 0;
	for (int i = 0; i < 16; i++) {
		int d = digit(m->call_id.p[i]);
		bad |= d;
		value = value << 4 | (unsigned)(d & 15);
	}
	*slot = (uint32_t)(value >> 32);
	*generation = (uint32_t)value;
	return bad >= 0;
}

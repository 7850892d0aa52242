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

/* Sixteen digits at once: they stand in every message five times. */
char *gen_identity(char *p, uint32_t slot, uint32_t generation)
{
	const __m128i digits = _mm_loadu_si128((const void *)"0123456789abcdef"), low = _mm_set1_epi8(15);
	__m128i v = _mm_cvtsi64_si128((long long)__builtin_bswap64((uint64_t)slot << 32 | generation));
	__m128i nibbles = _mm_unpacklo_epi8(_mm_and_si128(_mm_srli_epi64(v, 4), low), _mm_and_si128(v, low));
	_mm_storeu_si128((void *)p, _mm_shuffle_epi8(digits, nibbles));
	return p + 16;
}

static char *put_number(char *p, uint32_t value, int width)
{
	for (int i = width - 1; i >= 0; i--, value /= 10)
		p[i] = (char)('0' + value % 10);
	return p + width;
}

static char *put_3(char *p, uint32_t value)
{
	p[0] = (char)('0' + value / 100);
	p[1] = (char)('0' + value / 10 % 10);
	p[2] = (char)('0' + value % 10);
	return p + 3;
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
	p = put_3(p, ip >> 8 & 255);
	*p++ = '.';
	return put_3(p, ip & 255);
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
	p = gen_identity(p, slot, c->gen);
	p = PUT(p, "\r\nTo: <sip:");
	p = put_user(g, p, slot);
	*p++ = '@';
	p = put(p, g->o.proxy, g->proxy_len);
	*p++ = '>';
	if (tagged && c->tag_len) {
		p = PUT(p, ";tag=");
		p = put(p, c->tag, c->tag_len);
	}
	p = PUT(p, "\r\nCall-ID: ");
	p = gen_identity(p, slot, c->gen);
	p = PUT(p, "@bench\r\nCSeq: ");
	return p;
}

static char *put_via(char *p, const struct gen_call *c, uint32_t slot, char method)
{
	p = PUT(p, "Via: SIP/2.0/UDP ");
	p = gen_ip_text(p, gen_caller_ip(c->caller));
	p = PUT(p, ":5060;rport;branch=z9hG4bK");
	*p++ = method == 'A' && c->state == GEN_REFUSED ? 'I' : method;
	p = gen_identity(p, slot, c->gen);
	return PUT(p, "\r\n");
}

/* A header field of no meaning to a proxy, so that messages are as long as those of carriers. */
static char *put_extra(const struct gen *g, char *p)
{
	return put(p, g->extra, g->extra_len);
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
	p = put(p, g->o.proxy, g->proxy_len);
	p = PUT(p, ":5060 SIP/2.0\r\n");
	p = put_via(p, c, slot, method[0]);
	p = PUT(p, "Max-Forwards: 70\r\n");
	p = put_extra(g, p);
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
	p = put_extra(g, p);
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
	p = gen_identity(p, slot, generation);
	return PUT(p, "\r\n");
}

/* An answer to a request that is at hand; status like "100 Trying". A request within a dialog has its To tag. */
size_t gen_write_response(const struct gen *g, const struct gen_message *m, char *start, uint32_t slot,
        uint32_t generation, const char *status)
{
	char *p = PUT(start, "SIP/2.0 ");
	p = put(p, status, strlen(status));
	p = PUT(p, "\r\n");
	p += gen_write_block(m, p, 1200);
	if (status[0] != '1' && !gen_tag(m->to).p)
		p = put_trunk_tag(p, slot, generation);
	else
		p = PUT(p, "\r\n");
	p = put_extra(g, p);
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
	p = put_extra(g, p);
	if (sdp)
		p = put_sdp(g, p);
	else
		p = PUT(p, "Content-Length: 0\r\n\r\n");
	return (size_t)(p - start);
}

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

static int take_number(struct gen_span value)
{
	int n = 0;
	for (uint32_t i = 0; i < value.len; i++) {
		if (value.p[i] < '0' || value.p[i] > '9' || n > 99999)
			return -1;
		n = n * 10 + value.p[i] - '0';
	}
	return value.len ? n : -1;
}

/* Is the line's name this one? Then its value. */
static bool named(const char *line, const char *end, const char *name, size_t len, struct gen_span *value)
{
	if ((size_t)(end - line) <= len || line[len] != ':' ||
	        (memcmp(line, name, len) != 0 && strncasecmp(line, name, len) != 0))
		return false;
	*value = span(line + len + 1, end);
	return true;
}
#define NAMED(literal) named(line, end, literal, sizeof(literal) - 1, &value)

/* Several values of one name come in one line, or in lines that follow one another: one span, so long as it is one
 * line. */
static void take_route(struct gen_message *m, struct gen_span value)
{
	if (m->n_routes++)
		m->routes.len = (uint32_t)(value.p + value.len - m->routes.p);
	else
		m->routes = value;
}

static void read_line_of_c(struct gen_message *m, const char *line, const char *end)
{
	struct gen_span value;
	if (NAMED("Call-ID"))
		m->call_id = value;
	else if (NAMED("CSeq"))
		m->cseq = value;
	else if (NAMED("Contact"))
		m->contact = value;
	else if (NAMED("Content-Length"))
		m->content_length = take_number(value);
}

static void read_line(struct gen_message *m, const char *line, const char *end)
{
	struct gen_span value;
	switch (line[0] | 0x20) {
	case 'v':
		if ((NAMED("Via") || NAMED("v")) && m->n_vias < 4)
			m->via[m->n_vias++] = value;
		break;
	case 'r':
		if (NAMED("Record-Route"))
			take_route(m, value);
		else if (NAMED("Route"))
			m->routed = true;
		break;
	case 'f':
		if (NAMED("From") || NAMED("f"))
			m->from = value;
		break;
	case 't':
		if (NAMED("To") || NAMED("t"))
			m->to = value;
		break;
	case 'i':
		if (NAMED("i"))
			m->call_id = value;
		break;
	case 'c':
		read_line_of_c(m, line, end);
		break;
	case 'm':
		if (NAMED("Max-Forwards"))
			m->max_forwards = take_number(value);
		else if (NAMED("m"))
			m->contact = value;
		break;
	case 'l':
		if (NAMED("l"))
			m->content_length = take_number(value);
		break;
	case 'p':
		if (NAMED(GEN_EXTRA))
			m->extra = value;
		break;
	default:
		break;
	}
}

static bool read_start(struct gen_message *m, const char *text, uint32_t len)
{
	if (memcmp(text, "SIP/2.0 ", 8) == 0) {
		m->status = (unsigned)((text[8] - '0') * 100 + (text[9] - '0') * 10 + text[10] - '0');
		return len > 11 && m->status >= 100 && m->status < 700;
	}
	const char *uri = memchr(text, ' ', len);
	const char *end = uri ? memchr(uri + 1, ' ', (size_t)(text + len - uri - 1)) : NULL;
	if (!end)
		return false;
	m->uri = span(uri + 1, end);
	m->start = text[0];
	return true;
}

/* 0, or -1: not a message that this generator can have been sent. */
int gen_read(struct gen_message *m, const char *text, uint32_t len)
{
	uint32_t lines[GEN_LINES];
	unsigned n = find_lines(text, len, lines);
	memset(m, 0, sizeof *m);
	m->text = text;
	m->len = len;
	m->content_length = -1;
	if (n < 6 || !read_start(m, text, lines[1]))
		return -1;
	for (unsigned i = 1; i < n - 1; i++)
		read_line(m, text + lines[i], text + lines[i + 1] - 2);
	m->body = (struct gen_span){text + lines[n], len - lines[n]};
	const char *space = m->cseq.p ? memchr(m->cseq.p, ' ', m->cseq.len) : NULL;
	if (!space || !m->call_id.p || !m->from.p || !m->to.p || !m->n_vias)
		return -1;
	m->method = space[1];
	return m->content_length >= 0 && (uint32_t)m->content_length == m->body.len ? 0 : -1;
}

/* The tag of a From or To: nearly always the last 17 characters, as long as those made here. */
struct gen_span gen_tag(struct gen_span field)
{
	const char *tag = NULL;
	if (field.len > 22 && memcmp(field.p + field.len - 22, ";tag=", 5) == 0)
		tag = field.p + field.len - 22;
	else if (field.len)
		tag = memmem(field.p, field.len, ";tag=", 5);
	return tag ? (struct gen_span){tag + 5, (uint32_t)(field.p + field.len - tag - 5)} : (struct gen_span){NULL, 0};
}

/* Is z9hG4bK, a letter and the identity the branch of this Via? *hint: where it stood the last time. */
bool gen_branch_is(struct gen_span via, char method, uint32_t slot, uint32_t generation, uint32_t *hint)
{
	char wanted[24] = "z9hG4bK";
	wanted[7] = method;
	gen_identity(wanted + 8, slot, generation);
	if (*hint + 24 <= via.len && memcmp(via.p + *hint, wanted, 24) == 0)
		return true;
	const char *at = memmem(via.p, via.len, wanted, 24);
	if (at)
		*hint = (uint32_t)(at - via.p);
	return at;
}

/* Slot and generation out of the Call-ID: sixteen digits at once. */
bool gen_find(const struct gen_message *m, uint32_t *slot, uint32_t *generation)
{
	if (m->call_id.len != 22 || memcmp(m->call_id.p + 16, "@bench", 6) != 0)
		return false;
	__m128i c = _mm_loadu_si128((const void *)m->call_id.p);
	__m128i number = _mm_sub_epi8(c, _mm_set1_epi8('0')), letter = _mm_sub_epi8(c, _mm_set1_epi8('a'));
	__m128i is_number = _mm_cmpeq_epi8(_mm_min_epu8(number, _mm_set1_epi8(9)), number);
	__m128i is_letter = _mm_cmpeq_epi8(_mm_min_epu8(letter, _mm_set1_epi8(5)), letter);
	if (_mm_movemask_epi8(_mm_or_si128(is_number, is_letter)) != 0xffff)
		return false;
	__m128i v = _mm_blendv_epi8(_mm_add_epi8(letter, _mm_set1_epi8(10)), number, is_number);
	__m128i pairs = _mm_maddubs_epi16(v, _mm_set1_epi16(0x0110));
	uint64_t value = __builtin_bswap64((uint64_t)_mm_cvtsi128_si64(_mm_packus_epi16(pairs, pairs)));
	*slot = (uint32_t)(value >> 32);
	*generation = (uint32_t)value;
	return true;
}

bool gen_extra_kept(const struct gen *g, const struct gen_message *m)
{
	static const uint32_t around = sizeof GEN_EXTRA ": " - 1 + 2;
	return !g->extra_len ||
	       (m->extra.len == g->extra_len - around && memcmp(m->extra.p, g->extra + around - 2, m->extra.len) == 0);
}

/* o.body bytes of SDP; an extra header field of o.extra bytes, name and line end included, or none. */
void gen_make_texts(struct gen *g)
{
	static const char sdp[] =
	        "v=0\r\no=- 3724394400 3724394405 IN IP4 198.18.100.100\r\ns=-\r\nc=IN IP4 198.18.100.100\r\nt=0 0\r\n"
	        "m=audio 49170 RTP/AVP 8 0 18 101\r\na=rtpmap:8 PCMA/8000\r\na=rtpmap:101 "
	        "telephone-event/8000\r\na=ptime:20\r\n";
	static const char more[] = "a=fmtp:101 0-16\r\n", start[] = GEN_EXTRA ": icid-value=";
	const uint32_t n = sizeof sdp - 1, head = sizeof start - 1;
	memcpy(g->body, sdp, n);
	for (uint32_t i = n; i < sizeof g->body; i++)
		g->body[i] = more[(i - n) % (sizeof more - 1)];
	g->extra_len = g->o.extra > head + 2 ? g->o.extra : 0;
	memcpy(g->extra, start, head);
	for (uint32_t i = head; i + 2 < g->extra_len; i++)
		g->extra[i] = "0123456789abcdef"[i % 16];
	if (g->extra_len)
		memcpy(g->extra + g->extra_len - 2, "\r\n", 2);
	g->proxy_len = (uint32_t)strlen(g->o.proxy);
}

/* SPDX-License-Identifier: BSD-3-Clause */
/* msg.c - SIP text as the peers and the oracle read and write it: a second pair of eyes, from RFC 3261 7 and 20, that
 * shares nothing with dataplane/sip. It reads what peers and a correct proxy write, not all that the grammar allows. */
#include "sim.h"
#include <strings.h>

bool str_is(struct str s, const char *text)
{
	return s.n == strlen(text) && memcmp(s.p, text, s.n) == 0;
}

bool str_eq(struct str a, struct str b)
{
	return a.n == b.n && memcmp(a.p, b.p, a.n) == 0;
}

static struct str trim(const char *p, const char *end)
{
	while (p < end && (*p == ' ' || *p == '\t'))
		p++;
	while (end > p && (end[-1] == ' ' || end[-1] == '\t'))
		end--;
	return (struct str){p, (uint32_t)(end - p)};
}

struct str param(struct str s, const char *name)
{
	size_t n = strlen(name);
	const char *end = s.p + s.n;
	for (const char *p = s.p; p + n < end; p++) {
		if (*p != ';' || strncasecmp(p + 1, name, n) != 0 || p + 1 + n >= end || p[1 + n] != '=')
			continue;
		const char *v = p + n + 2, *e = v;
		while (e < end && *e != ';' && *e != ',' && *e != '>' && *e != ' ')
			e++;
		return (struct str){v, (uint32_t)(e - v)};
	}
	return (struct str){NULL, 0};
}

static struct str tag_of(struct str value)
{
	const char *gt = memchr(value.p, '>', value.n);
	if (gt) {
		value.n -= (uint32_t)(gt - value.p);
		value.p = gt;
	}
	return param(value, "tag");
}

struct str uri_of(struct str value)
{
	const char *a = memchr(value.p, '<', value.n), *b = memchr(value.p, '>', value.n);
	return a && b && b > a ? (struct str){a + 1, (uint32_t)(b - a - 1)} : value;
}

uint32_t number(struct str s)
{
	uint32_t v = 0;
	for (uint32_t i = 0; i < s.n && s.p[i] >= '0' && s.p[i] <= '9'; i++)
		v = v * 10 + (uint32_t)(s.p[i] - '0');
	return v;
}

static uint32_t hex(const char **p, const char *end)
{
	uint32_t v = 0;
	for (; *p < end; (*p)++) {
		char c = **p;
		uint32_t d = c >= '0' && c <= '9'   ? (uint32_t)(c - '0')
		             : c >= 'a' && c <= 'f' ? (uint32_t)(c - 'a' + 10)
		                                    : 16;
		if (d == 16)
			break;
		v = v << 4 | d;
	}
	return v;
}

/* fd00::x:y, with brackets or without. */
static const char *read_ip6(const char *p, const char *end, struct ep *out)
{
	bool bracket = p < end && *p == '[';
	p += bracket;
	if (end - p < 7 || memcmp(p, "fd00::", 6) != 0)
		return NULL;
	p += 6;
	uint32_t high = hex(&p, end);
	if (p >= end || *p++ != ':')
		return NULL;
	out->ip = high << 16 | hex(&p, end);
	out->v6 = true;
	return !bracket ? p : p < end && *p == ']' ? p + 1 : NULL;
}

static const char *read_ip4(const char *p, const char *end, struct ep *out)
{
	uint32_t ip = 0;
	for (unsigned i = 0; i < 4; i++) {
		if (p >= end || *p < '0' || *p > '9')
			return NULL;
		ip = ip << 8 | number((struct str){p, (uint32_t)(end - p)});
		while (p < end && *p >= '0' && *p <= '9')
			p++;
		if (i < 3 && (p >= end || *p++ != '.'))
			return NULL;
	}
	out->ip = ip;
	out->v6 = false;
	return p;
}

static bool read_hostport(const char *p, const char *end, struct ep *out)
{
	bool v6 = p < end && (*p == '[' || *p == 'f');
	p = v6 ? read_ip6(p, end, out) : read_ip4(p, end, out);
	if (!p)
		return false;
	out->port = p < end && *p == ':' ? (uint16_t)number((struct str){p + 1, (uint32_t)(end - p - 1)}) : 5060;
	return true;
}

bool ep_of_uri(struct str uri, struct ep *out)
{
	const char *end = uri.p + uri.n, *at_sign = memchr(uri.p, '@', uri.n);
	const char *p = at_sign ? at_sign + 1 : uri.n > 4 ? uri.p + 4 : end;
	return read_hostport(p, end, out);
}

bool ep_of_via(struct str via, struct ep *out)
{
	struct str received = param(via, "received"), rport = param(via, "rport");
	struct ep from;
	if (via.n < 13 || !read_hostport(via.p + 12, via.p + via.n, out)) /* behind SIP/2.0/UDP and a space */
		return false;
	if (received.n && read_hostport(received.p, received.p + received.n, &from)) {
		out->ip = from.ip;
		out->v6 = from.v6;
	}
	if (rport.n)
		out->port = (uint16_t)number(rport);
	return true;
}

static void add(struct str *list, unsigned *n, unsigned max, struct str v)
{
	if (*n < max)
		list[(*n)++] = v;
}

/* Values of one line may be several, with commas between (7.3.1); ours have no commas inside. */
static void add_values(struct str *list, unsigned *n, unsigned max, struct str v)
{
	const char *end = v.p + v.n;
	for (const char *p = v.p; p <= end;) {
		const char *comma = memchr(p, ',', (size_t)(end - p)), *stop = comma ? comma : end;
		add(list, n, max, trim(p, stop));
		p = stop + 1;
	}
}

static void cseq(struct msg *m, struct str v)
{
	const char *sp = memchr(v.p, ' ', v.n);
	m->cseq_line = v;
	m->cseq = number(v);
	if (sp && !m->request)
		m->method = trim(sp, v.p + v.n);
}

static void header(struct msg *m, struct str name, struct str v)
{
	if (str_is(name, "Via"))
		add_values(m->via, &m->n_via, 8, v);
	else if (str_is(name, "Record-Route"))
		add_values(m->rr, &m->n_rr, 4, v);
	else if (str_is(name, "Route"))
		add_values(m->route, &m->n_route, 4, v);
	else if (str_is(name, "From"))
		m->from = v, m->from_tag = tag_of(v);
	else if (str_is(name, "To"))
		m->to = v, m->to_tag = tag_of(v);
	else if (str_is(name, "Call-ID"))
		m->call_id = v;
	else if (str_is(name, "CSeq"))
		cseq(m, v);
	else if (str_is(name, "Contact"))
		m->contact = uri_of(v);
	else if (str_is(name, "Retry-After"))
		m->retry_after = number(v);
	else if (str_is(name, "Max-Forwards"))
		m->max_forwards = number(v);
	else if (str_is(name, "Content-Length"))
		m->length = number(v);
}

static bool start_line(struct msg *m, const char *p, const char *end)
{
	const char *a = memchr(p, ' ', (size_t)(end - p)), *b = a ? memchr(a + 1, ' ', (size_t)(end - a - 1)) : NULL;
	if (!a || !b)
		return false;
	m->request = strncmp(p, "SIP/2.0", 7) != 0;
	if (m->request) {
		m->method = (struct str){p, (uint32_t)(a - p)};
		m->uri = (struct str){a + 1, (uint32_t)(b - a - 1)};
		return end - b == 8 && memcmp(b + 1, "SIP/2.0", 7) == 0;
	}
	m->status = number((struct str){a + 1, 3});
	return m->status >= 100 && m->status < 700;
}

/* Our Call-IDs are s<number>@... */
static uint32_t call_number(struct str id)
{
	return id.n > 2 && id.p[0] == 's' && memchr(id.p, '@', id.n) ? number((struct str){id.p + 1, id.n - 1})
	                                                             : UINT32_MAX;
}

bool msg_read(struct msg *m, const char *text, uint32_t len)
{
	const char *end = text + len, *eol = memmem(text, len, "\r\n", 2);
	memset(m, 0, sizeof *m);
	m->call = UINT32_MAX;
	if (!eol || !start_line(m, text, eol))
		return false;
	for (const char *p = eol + 2; p < end; p = eol + 2) {
		eol = memmem(p, (size_t)(end - p), "\r\n", 2);
		if (!eol)
			return false;
		if (eol == p) {
			m->body = (struct str){p + 2, (uint32_t)(end - p - 2)};
			break;
		}
		const char *colon = memchr(p, ':', (size_t)(eol - p));
		if (colon)
			header(m, trim(p, colon), trim(colon + 1, eol));
	}
	if (!m->n_via || !m->call_id.n || !m->cseq_line.n || !m->from.n || !m->to.n)
		return false;
	if (m->length != m->body.n)
		return false; /* bytes behind it would be ignored (18.3), but nobody here sends any */
	m->branch = param(m->via[0], "branch");
	m->call = call_number(m->call_id);
	return true;
}

static void put_bytes(struct out *o, const char *p, uint32_t n)
{
	assert(o->n + n <= TEXT_MAX);
	memcpy(o->text + o->n, p, n);
	o->n += n;
}

void put(struct out *o, const char *s)
{
	put_bytes(o, s, (uint32_t)strlen(s));
}

void put_str(struct out *o, struct str s)
{
	put_bytes(o, s.p, s.n);
}

void put_n(struct out *o, uint64_t n)
{
	char buf[20], *p = buf + sizeof buf;
	do
		*--p = (char)('0' + n % 10);
	while (n /= 10);
	put_bytes(o, p, (uint32_t)(buf + sizeof buf - p));
}

static void put_hex(struct out *o, uint32_t n)
{
	char buf[9];
	put_bytes(o, buf, (uint32_t)snprintf(buf, sizeof buf, "%x", n));
}

void put_ep(struct out *o, struct ep e)
{
	if (e.v6) {
		put(o, "[fd00::");
		put_hex(o, e.ip >> 16);
		put(o, ":");
		put_hex(o, e.ip & 0xffff);
		put(o, "]:");
	} else {
		for (int shift = 24; shift >= 0; shift -= 8) {
			put_n(o, e.ip >> shift & 255);
			put(o, shift ? "." : ":");
		}
	}
	put_n(o, e.port);
}

void put_line(struct out *o, const char *name, struct str value)
{
	put(o, name);
	put(o, ": ");
	put_str(o, value);
	put(o, "\r\n");
}

static char body_byte(uint32_t whose, uint32_t i)
{
	return (char)('!' + ((whose * 31 + i * 7 + (i >> 6) * whose) & 63));
}

void put_body(struct out *o, uint32_t whose, uint32_t n)
{
	put(o, "Content-Length: ");
	put_n(o, n);
	put(o, "\r\n\r\n");
	assert(o->n + n <= TEXT_MAX);
	for (uint32_t i = 0; i < n; i++)
		o->text[o->n++] = body_byte(whose, i);
}

bool body_is(struct str body, uint32_t whose)
{
	for (uint32_t i = 0; i < body.n; i++)
		if (body.p[i] != body_byte(whose, i))
			return false;
	return true;
}

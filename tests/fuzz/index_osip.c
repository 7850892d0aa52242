/* SPDX-License-Identifier: BSD-3-Clause */
/* index_osip: what the vector pass is certain of libosip2 accepts, and whatever both accept, both read the same fields
 * of, to the same bytes: each part shown by itself, and the whole message where libosip2 reads it as a whole.
 * Differences are known ones or findings: the table below. */
#include "tests/fuzz/fuzz.h"
#include "tests/unit/sip/msg.h"
#include "dataplane/sip/line.h"
#include "dataplane/sip/osip.h"
#include <osipparser2/osip_parser.h>
#include <osipparser2/osip_port.h>
#include <stdio.h>
#include <strings.h>

#define SIZE_MAX_IN 16384
#define ARENA       (1 << 20)
#define BYTES       4096

enum field {
	F_METHOD,
	F_STATUS,
	F_SCHEME,
	F_USER,
	F_HOST,
	F_PORT,
	F_TAG,
	F_PARTY_URI,
	F_CALL_ID,
	F_CSEQ,
	F_BRANCH,
	F_RECEIVED,
	F_RPORT,
	F_N_VIAS,
	F_N_ROUTES,
	F_N_RECORD_ROUTES,
	F_LENGTH,
	FIELDS
};

static const char *const field_names[FIELDS] = {"method", "status", "scheme", "user", "host", "port", "tag",
        "URI of From or To", "Call-ID", "CSeq", "branch", "received", "rport", "number of Vias", "number of Routes",
        "number of Record-Routes", "Content-Length"};

/* One field, as both have it. */
struct pair {
	const struct sb_sip *sip;
	enum field field;
	bool whole;            /* libosip2 was shown the whole message */
	struct sb_span within; /* the Via value it stands in */
	char ours[BYTES], theirs[BYTES];
	size_t ours_len, theirs_len;
};

static struct pair pair;

static char arena[ARENA];

/* ---- the documented differences */

/* Undoes escapes; a NUL ends the text, as it does for libosip2. */
static size_t unescape(const char *s, size_t n, char *out)
{
	size_t len = 0;
	for (size_t i = 0; i < n; i++) {
		unsigned v;
		char hex[3] = {0};
		if (s[i] == '%' && i + 2 < n + 0) {
			memcpy(hex, s + i + 1, 2);
			if (sscanf(hex, "%2x", &v) == 1) {
				if (v == 0)
					break;
				out[len++] = (char)v;
				i += 2;
				continue;
			}
		}
		out[len++] = s[i];
	}
	return len;
}

static bool same_unescaped(const struct pair *p)
{
	static char ours[BYTES];
	size_t n = unescape(p->ours, p->ours_len, ours);
	return n == p->theirs_len && memcmp(ours, p->theirs, n) == 0;
}

static bool no_content_length(const struct pair *p)
{
	struct sb_line line;
	return !sb_line_find(p->sip, p->sip->first_header, SB_F_CONTENT_LENGTH, &line) && p->theirs_len == 1 &&
	       p->theirs[0] == '0';
}

static bool via_comment(const struct pair *p)
{
	return p->within.len && memchr(sb_at(p->sip, p->within), '(', p->within.len);
}

static const struct {
	enum field field;
	const char *reason;
	bool (*applies)(const struct pair *p);
} differences[] = {
        {F_USER, "libosip2 undoes escapes; we route by unescaped digits and relay the bytes as they came (19.1.2)",
                same_unescaped},
        {F_LENGTH, "libosip2 takes a missing one for 0; over UDP the body is then all that is there (18.3)",
                no_content_length},
        {F_BRANCH, "to libosip2 a '(' begins a comment, as in RFC 2543; of the top Via we refuse it", via_comment},
        {F_RECEIVED, "as above", via_comment},
        {F_RPORT, "as above", via_comment},
};

static bool holds_nul(const struct sb_sip *s)
{
	return memchr(s->text + s->start, 0, s->body - s->start);
}

static bool no_reason(const struct sb_sip *s)
{
	const char *p = s->text + s->start, *code = s->is_response ? memchr(p, ' ', s->first_header - s->start) : NULL;
	return code && code[4] != ' ';
}

/* Messages that libosip2 cannot be shown as a whole. */
static const struct {
	const char *reason;
	bool (*applies)(const struct sb_sip *s);
} not_whole[] = {
        {"it takes C strings: a NUL, which may stand escaped in a quoted string (25.1), ends them", holds_nul},
        {"where no blank follows the status code, as it must (7.2), it takes the next line for the reason phrase",
                no_reason},
};

static bool may_be_whole(const struct sb_sip *s)
{
	for (unsigned i = 0; i < sizeof not_whole / sizeof not_whole[0]; i++)
		if (not_whole[i].applies(s))
			return false;
	return true;
}

static void compare(void)
{
	struct pair *p = &pair;
	if (p->ours_len == p->theirs_len && memcmp(p->ours, p->theirs, p->ours_len) == 0)
		return;
	for (unsigned i = 0; i < sizeof differences / sizeof differences[0]; i++)
		if (differences[i].field == p->field && differences[i].applies(p))
			return;
	must(0, "%s: we read \"%.*s\", libosip2 \"%.*s\" (%s)", field_names[p->field], (int)p->ours_len, p->ours,
	        (int)p->theirs_len, p->theirs, p->whole ? "whole" : "part");
}

static void bytes(enum field field, const char *ours, size_t ours_len, const char *theirs)
{
	size_t theirs_len = theirs ? strlen(theirs) : 0;
	if (ours_len > BYTES || theirs_len > BYTES)
		return;
	pair.field = field;
	pair.ours_len = ours_len;
	pair.theirs_len = theirs_len;
	memcpy(pair.ours, ours, ours_len);
	if (theirs_len)
		memcpy(pair.theirs, theirs, theirs_len);
	compare();
}

static void span(enum field field, struct sb_span ours, const char *theirs)
{
	bytes(field, sb_at(pair.sip, ours), ours.len, theirs);
}

static void number(enum field field, unsigned long ours, unsigned long theirs)
{
	char a[24], b[24];
	snprintf(a, sizeof a, "%lu", ours);
	snprintf(b, sizeof b, "%lu", theirs);
	bytes(field, a, strlen(a), b);
}

static unsigned long digits(const char *s)
{
	return s ? strtoul(s, NULL, 10) : 0;
}

static const char *param(osip_list_t *params, const char *name)
{
	osip_generic_param_t *prm = NULL;
	if (osip_uri_param_get_byname(params, (char *)(uintptr_t)name, &prm) || !prm)
		return NULL;
	return prm->gvalue ? prm->gvalue : "";
}

static void uri(const struct sb_uri *u, const osip_uri_t *o)
{
	static const char *const schemes[] = {
	        [SB_SCHEME_SIP] = "sip", [SB_SCHEME_SIPS] = "sips", [SB_SCHEME_TEL] = "tel"};
	if (!o || u->scheme == SB_SCHEME_OTHER)
		return;
	must(o->scheme && strcasecmp(o->scheme, schemes[u->scheme]) == 0, "scheme %s, not %s", o->scheme,
	        schemes[u->scheme]);
	if (u->scheme == SB_SCHEME_TEL) /* libosip2 keeps all of it as one string */
		return;
	/* Parameters of the user part are the user to libosip2: ours up to where theirs begin. */
	struct sb_span user = u->user;
	while (user.len && pair.sip->text[user.off + user.len] != '@' && pair.sip->text[user.off + user.len] != ':')
		user.len++;
	span(F_USER, user, o->username);
	span(F_HOST, u->host, o->host);
	number(F_PORT, u->port, digits(o->port));
}

static void via_value(const struct sb_via *v, const osip_via_t *o)
{
	const char *received = param((osip_list_t *)(uintptr_t)&o->via_params, "received");
	char bare[BYTES] = "";
	pair.within = v->value;
	span(F_HOST, v->host, o->host);
	number(F_PORT, v->port, digits(o->port));
	span(F_BRANCH, v->branch, param((osip_list_t *)(uintptr_t)&o->via_params, "branch"));
	span(F_RPORT, v->rport, param((osip_list_t *)(uintptr_t)&o->via_params, "rport"));
	size_t n = received ? strlen(received) : 0;
	if (n >= 2 && received[0] == '[' && received[n - 1] == ']') /* we cut the brackets, to compare addresses */
		snprintf(bare, sizeof bare, "%.*s", (int)(n - 2), received + 1);
	span(F_RECEIVED, v->received, bare[0] ? bare : received);
	pair.within.len = 0;
}

static void party(struct sb_span tag, const osip_from_t *o)
{
	span(F_TAG, tag, param((osip_list_t *)(uintptr_t)&o->gen_params, "tag"));
}

static void call_id(const osip_call_id_t *o)
{
	char text[BYTES];
	int n = snprintf(
	        text, sizeof text, "%s%s%s", o->number ? o->number : "", o->host ? "@" : "", o->host ? o->host : "");
	if (n < BYTES)
		span(F_CALL_ID, pair.sip->call_id, text);
}

/* ---- part by part */

/* NUL-terminated and on one line, as osip.c shows it. NULL: it holds a NUL. */
static char *part(struct sb_span s)
{
	char *p = malloc((size_t)s.len + 1);
	memcpy(p, sb_at(pair.sip, s), s.len);
	p[s.len] = 0;
	if (memchr(p, 0, s.len)) {
		free(p);
		return NULL;
	}
	for (char *c = p; *c; c++)
		if (*c == '\r' || *c == '\n' || *c == '\t')
			*c = ' ';
	return p;
}

static void part_uri(struct sb_span s, const struct sb_uri *u)
{
	osip_uri_t *o = NULL;
	char *text = part(s);
	if (text && !osip_uri_init(&o) && !osip_uri_parse(o, text))
		uri(u, o);
	free(text);
}

static bool on_one_line(struct sb_span s)
{
	const char *p = sb_at(pair.sip, s);
	return !memchr(p, '\t', s.len) && !memchr(p, '\r', s.len) && !memchr(p, '\n', s.len);
}

static bool part_via(const struct sb_via *v)
{
	osip_via_t *o = NULL;
	char *text = part(v->value);
	bool reads = text && !osip_via_init(&o) && !osip_via_parse(o, text);
	if (reads)
		via_value(v, o);
	free(text);
	return reads && on_one_line(v->value);
}

static bool part_route(const struct sb_route *r)
{
	osip_route_t *o = NULL;
	char *text = part(r->value);
	bool reads = text && !osip_route_init(&o) && !osip_route_parse(o, text) && o->url;
	if (reads)
		uri(&r->parsed, o->url);
	free(text);
	return reads && on_one_line(r->value);
}

static void part_party(struct sb_span value, struct sb_span tag)
{
	osip_from_t *o = NULL;
	char *text = part(value);
	if (text && !osip_from_init(&o) && !osip_from_parse(o, text))
		party(tag, o);
	free(text);
}

/* Lists of values, all of which both can read: libosip2 leaves out of a message what it cannot read, and a proxy reads
 * the topmost alone (16.3). It may leave out, too, what is folded or holds a TAB, which a part is shown without. */
struct lists {
	bool vias, routes, record_routes;
};

static bool all_vias(const struct sb_sip *s)
{
	struct sb_via via = s->via;
	for (unsigned i = 0; i < SB_SIP_VALUES_MAX; i++) {
		if (!part_via(&via))
			return false;
		if (!via.next)
			return true;
		if (sb_sip_via_at(s, via.next, &via))
			break;
	}
	return false;
}

static bool all_routes(const struct sb_sip *s, uint16_t line)
{
	struct sb_route_walk walk = {.line = line};
	struct sb_route route;
	bool bad, reads = true;
	while (sb_sip_route_next(s, &walk, &route, &bad))
		reads &= part_route(&route);
	return reads && !bad;
}

static struct lists all_parts(const struct sb_sip *s)
{
	pair.whole = false;
	if (!s->is_response)
		part_uri(s->uri_text, &s->uri);
	part_party(s->from, s->from_tag);
	part_party(s->to, s->to_tag);
	return (struct lists){all_vias(s), all_routes(s, s->route_line), all_routes(s, s->record_route_line)};
}

/* ---- the whole message */

static void whole_vias(const struct sb_sip *s, osip_message_t *o)
{
	struct sb_via via = s->via;
	int n = osip_list_size(&o->vias);
	for (int i = 0; i < n; i++) {
		via_value(&via, osip_list_get(&o->vias, i));
		if (i + 1 < n)
			must(via.next && !sb_sip_via_at(s, via.next, &via), "we know of %d Vias, libosip2 of %d", i + 1,
			        n);
	}
	number(F_N_VIAS, (unsigned long)n + (via.next != 0), (unsigned long)n);
}

static void whole_routes(const struct sb_sip *s, uint16_t line, osip_list_t *list, enum field field)
{
	struct sb_route_walk walk = {.line = line};
	struct sb_route route;
	bool bad;
	int n = 0;
	while (sb_sip_route_next(s, &walk, &route, &bad)) {
		osip_route_t *o = osip_list_get(list, n++);
		if (o)
			uri(&route.parsed, o->url);
	}
	number(field, (unsigned long)n, (unsigned long)osip_list_size(list));
}

static void whole(const struct sb_sip *s, osip_message_t *o, struct lists lists)
{
	pair.whole = true;
	span(F_METHOD, s->method_text, s->is_response ? o->cseq->method : o->sip_method);
	if (s->is_response)
		number(F_STATUS, s->status, (unsigned long)o->status_code);
	else
		uri(&s->uri, o->req_uri);
	party(s->from_tag, o->from);
	party(s->to_tag, o->to);
	call_id(o->call_id);
	number(F_CSEQ, s->cseq, digits(o->cseq->number));
	if (lists.vias)
		whole_vias(s, o);
	if (lists.routes)
		whole_routes(s, s->route_line, &o->routes, F_N_ROUTES);
	if (lists.record_routes)
		whole_routes(s, s->record_route_line, &o->record_routes, F_N_RECORD_ROUTES);
	if (o->content_length)
		number(F_LENGTH, s->content_length, digits(o->content_length->value));
}

static void quiet(const char *file, int line, osip_trace_level_t level, const char *format, va_list args)
{
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	sb_osip_init();
	osip_trace_initialize_func(END_TRACE_LEVEL, quiet);
	return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	osip_message_t *o = NULL;
	if (size > SIZE_MAX_IN)
		return 0;
	struct msg *m = msg_new(data, size, '\n');
	m->read = sb_sip_index(&m->sip, m->text, m->len);
	if (m->read == SB_READ_REQUEST || m->read == SB_READ_RESPONSE) {
		pair.sip = &m->sip;
		sb_osip_arena(arena, sizeof arena);
		bool accepts = sb_osip_accepts(&m->sip);
		must(accepts || m->sip.odd, "the vector pass is certain, libosip2 refuses");
		struct lists lists = {false, false, false};
		if (accepts)
			lists = all_parts(&m->sip);
		sb_osip_arena(arena, sizeof arena);
		const char *text = m->text + m->sip.start;
		if (accepts && may_be_whole(&m->sip) && !osip_message_init(&o) &&
		        !osip_message_parse(o, text, m->sip.len - m->sip.start) && o->from && o->to && o->call_id &&
		        o->cseq)
			whole(&m->sip, o, lists);
	}
	msg_free(m);
	return 0;
}

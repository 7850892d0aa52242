/* SPDX-License-Identifier: BSD-3-Clause */
/* index_osip: what the vector pass is certain of libosip2 accepts, and whatever both accept, both read the same fields
 * of, to the same bytes: each part shown by itself, and the whole message where libosip2 reads it as a whole.
 * Differences are known ones (index_osip_known.c, and the table below) or findings. */
#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/index_osip.h"
#include "tests/unit/sip/msg.h"
#include "dataplane/sip/lex.h"
#include "dataplane/sip/line.h"
#include "dataplane/sip/osip.h"
#include "dataplane/sip/parse.h"
#include <osipparser2/osip_parser.h>
#include <osipparser2/osip_port.h>
#include <ctype.h>
#include <stdio.h>
#include <strings.h>

#define ARENA (1 << 22)

static const char *const field_names[FIELDS] = {"method", "status", "scheme", "user", "host", "port",
        "number of URI parameters", "URI parameter", "lr", "tag", "Call-ID", "CSeq", "branch", "received", "rport",
        "number of Vias", "number of Routes", "number of Record-Routes", "Max-Forwards", "URI", "Contact", "Timestamp",
        "Proxy-Require", "Retry-After", "Content-Length", "body"};

static struct pair pair;

static char arena[ARENA];

/* ---- messages that libosip2 is not shown whole */

static bool holds_nul(const struct sb_sip *s)
{
	return memchr(s->text + s->start, 0, s->body - s->start);
}

static bool no_reason(const struct sb_sip *s)
{
	const char *p = s->text + s->start, *code = s->is_response ? memchr(p, ' ', s->first_header - s->start) : NULL;
	return code && code[4] != ' ';
}

/* Shows it the message. */
static bool refused(const struct sb_sip *s)
{
	return osip_message_init(&pair.osip) || osip_message_parse(pair.osip, s->text + s->start, s->len - s->start);
}

/* Messages that libosip2 does not read as a whole. */
static const struct {
	const char *reason;
	bool (*applies)(const struct sb_sip *s);
} not_whole[] = {
        {"a NUL ends it", holds_nul},
        {"where no blank follows the status code, as it must (7.2), it takes the next line for the reason phrase",
                no_reason},
        {"it refuses a message for any field that it cannot read, which may be none of a proxy's business (16.3)",
                refused},
};

static bool is_whole(const struct sb_sip *s)
{
	for (unsigned i = 0; i < sizeof not_whole / sizeof not_whole[0]; i++)
		if (not_whole[i].applies(s))
			return false;
	return true;
}

/* ---- one field */

static void compare(void)
{
	struct pair *p = &pair;
	if (p->ours_len == p->theirs_len && memcmp(p->ours, p->theirs, p->ours_len) == 0)
		return;
	if (difference_is_known(p))
		return;
	must(0, "%s: we read \"%.*s\", libosip2 \"%.*s\" (%s)", field_names[p->field], (int)p->ours_len, p->ours,
	        (int)p->theirs_len, p->theirs, p->osip ? "whole" : "part");
}

static void bytes(enum field field, const char *ours, size_t ours_len, const char *theirs, size_t theirs_len)
{
	pair.field = field;
	pair.ours = ours;
	pair.ours_len = ours_len;
	pair.theirs = theirs;
	pair.theirs_len = theirs_len;
	compare();
}

static void text(enum field field, const char *ours, const char *theirs)
{
	bytes(field, ours, strlen(ours), theirs, strlen(theirs));
}

static void span(enum field field, struct sb_span ours, const char *theirs)
{
	bytes(field, sb_at(pair.sip, ours), ours.len, theirs ? theirs : "", theirs ? strlen(theirs) : 0);
}

static void number(enum field field, unsigned long ours, unsigned long theirs)
{
	char a[24], b[24];
	snprintf(a, sizeof a, "%lu", ours);
	snprintf(b, sizeof b, "%lu", theirs);
	text(field, a, b);
}

static unsigned long digits(const char *s)
{
	return s && isdigit((unsigned char)*s) ? strtoul(s, NULL, 10) : 0;
}

static const char *param(const osip_list_t *params, const char *name)
{
	osip_generic_param_t *prm = NULL;
	if (osip_uri_param_get_byname((osip_list_t *)(uintptr_t)params, (char *)(uintptr_t)name, &prm) || !prm)
		return NULL;
	return prm->gvalue ? prm->gvalue : "";
}

/* NUL-terminated and on one line, as osip.c shows it. */
static const char *part(struct sb_span s)
{
	char *p = osip_malloc((size_t)s.len + 1);
	for (uint32_t i = 0; i < s.len; i++) {
		char c = pair.sip->text[s.off + i];
		p[i] = (char)(c == '\r' || c == '\n' || c == '\t' ? ' ' : c ? c : '0');
	}
	p[s.len] = 0;
	return p;
}

/* ---- URIs */

static void params(const struct sb_uri *u, const osip_list_t *list)
{
	char name[SIZE_MAX_IN];
	unsigned n = 0;
	pair.within = u->params;
	for (uint32_t i = 0; i < u->params.len; i++)
		n += pair.sip->text[u->params.off + i] == ';';
	number(F_N_PARAMS, n, (unsigned long)osip_list_size(list));
	for (int i = 0; i < osip_list_size(list); i++) {
		const osip_uri_param_t *prm = osip_list_get(list, i);
		snprintf(name, sizeof name, "%s", prm->gname);
		osip_tolower(name);
		struct sb_span ours = sb_uri_param(pair.sip->text, u->params, name);
		number(F_PARAM, ours.off != 0, 1);
		span(F_PARAM, ours, param(list, name));
	}
	number(F_LR, u->lr, param(list, "lr") != NULL);
	pair.within.len = 0;
}

/* libosip2 keeps a number with all that follows as one string. */
static void tel(const struct sb_uri *u, const char *theirs)
{
	size_t n = strcspn(theirs, ";"), behind = strcspn(theirs + n, "?");
	bytes(F_USER, sb_at(pair.sip, u->user), u->user.len, theirs, n);
	bytes(F_PARAM, sb_at(pair.sip, u->params), u->params.len, theirs + n, behind);
}

static void uri(const struct sb_uri *u, const osip_uri_t *o)
{
	static const char *const schemes[] = {"another", "sip", "sips", "tel"}; /* enum sb_scheme */
	enum sb_scheme scheme = SB_SCHEME_TEL;
	while (scheme > SB_SCHEME_OTHER && strcasecmp(o->scheme, schemes[scheme]))
		scheme--;
	text(F_SCHEME, schemes[u->scheme], schemes[scheme]);
	if (u->scheme == SB_SCHEME_OTHER) /* we know no more of it */
		return;
	if (u->scheme == SB_SCHEME_TEL) {
		tel(u, o->string);
		return;
	}
	must(!memchr(sb_at(pair.sip, u->user), ';', u->user.len), "parameters are part of the user");
	span(F_USER, u->user, o->username);
	span(F_HOST, u->host, o->host);
	number(F_PORT, u->port, digits(o->port));
	params(u, &o->url_params);
}

static void append(char *out, size_t *n, const char *before, const char *s)
{
	if (s)
		*n += (size_t)snprintf(out + *n, 3 * SIZE_MAX_IN - *n, "%s%s", before, s);
}

/* All that libosip2 knows of a URI. */
static const char *flat(const osip_uri_t *o, char out[3 * SIZE_MAX_IN])
{
	size_t n = 0;
	out[0] = 0;
	append(out, &n, "", o->scheme);
	append(out, &n, ":", o->string);
	append(out, &n, ":", o->username);
	append(out, &n, ":", o->password);
	append(out, &n, "@", o->host);
	append(out, &n, ":", o->port);
	const osip_list_t *lists[] = {&o->url_params, &o->url_headers};
	for (int k = 0; k < 2; k++)
		for (int i = 0; i < osip_list_size(lists[k]); i++) {
			const osip_uri_param_t *prm = osip_list_get(lists[k], i);
			append(out, &n, k ? "&" : ";", prm->gname);
			append(out, &n, "=", prm->gvalue);
		}
	return out;
}

/* Where a URI begins and ends: what libosip2 makes of ours is what it made of its own. o may be NULL. */
static void uri_text(enum field field, struct sb_span ours, const osip_uri_t *o)
{
	static char a[3 * SIZE_MAX_IN], b[3 * SIZE_MAX_IN];
	osip_uri_t *again = NULL;
	const char *p = part(ours);
	bool reads = ours.len && !osip_uri_init(&again) && !osip_uri_parse(again, p);
	pair.at = ours;
	text(field, reads ? flat(again, a) : p, o ? flat(o, b) : "");
	pair.at.len = 0;
}

/* ---- part by part */

static void via_value(const struct sb_via *v, const osip_via_t *o)
{
	pair.within = v->value;
	span(F_HOST, v->host, o->host);
	number(F_PORT, v->port, digits(o->port));
	span(F_BRANCH, v->branch, param(&o->via_params, "branch"));
	span(F_RPORT, v->rport, param(&o->via_params, "rport"));
	number(F_RPORT, v->rport_at != 0, param(&o->via_params, "rport") != NULL);
	number(F_RECEIVED, v->received_at != 0, param(&o->via_params, "received") != NULL);
	span(F_RECEIVED, v->received, param(&o->via_params, "received"));
	pair.within.len = 0;
}

static void route_value(const struct sb_route *r, const osip_route_t *o)
{
	uri(&r->parsed, o->url);
	uri_text(F_URI, r->uri, o->url);
}

static void party(struct sb_span value, struct sb_span tag, const osip_from_t *o)
{
	struct sb_name_addr addr;
	struct sb_uri u;
	bool odd = false;
	span(F_TAG, tag, param(&o->gen_params, "tag"));
	must(!sb_name_addr_read(pair.sip->text, value.off, (uint32_t)value.off + value.len, &addr, &odd) && o->url,
	        "From or To without a URI");
	uri_text(F_URI, addr.uri, o->url);
	if (!sb_uri_read(pair.sip->text, addr.uri, &u, &odd))
		uri(&u, o->url);
}

static void call_id(const osip_call_id_t *o)
{
	char whole[SIZE_MAX_IN + 2];
	snprintf(whole, sizeof whole, "%s%s%s", o->number ? o->number : "", o->host ? "@" : "", o->host ? o->host : "");
	span(F_CALL_ID, pair.sip->call_id, whole);
}

static void part_uri(struct sb_span s, const struct sb_uri *u)
{
	osip_uri_t *o = NULL;
	const char *p = part(s);
	if (!osip_uri_init(&o) && !osip_uri_parse(o, p))
		uri(u, o);
}

static void part_party(struct sb_span value, struct sb_span tag)
{
	osip_from_t *o = NULL;
	const char *p = part(value);
	if (!osip_from_init(&o) && !osip_from_parse(o, p))
		party(value, tag, o);
}

static bool on_one_line(struct sb_span s)
{
	const char *p = sb_at(pair.sip, s);
	return !memchr(p, '\t', s.len) && !memchr(p, '\r', s.len) && !memchr(p, '\n', s.len);
}

static bool part_via(const struct sb_via *v)
{
	osip_via_t *o = NULL;
	const char *p = part(v->value);
	bool reads = !osip_via_init(&o) && !osip_via_parse(o, p);
	if (reads)
		via_value(v, o);
	return reads;
}

static bool part_route(const struct sb_route *r)
{
	osip_route_t *o = NULL;
	const char *p = part(r->value);
	bool reads = !osip_route_init(&o) && !osip_route_parse(o, p) && o->url;
	if (reads)
		route_value(r, o);
	return reads;
}

static void one_more(struct list *l, struct sb_span value, bool reads)
{
	l->n++;
	if (l->next == ALL_SURE)
		l->next = !reads ? UNREAD : !on_one_line(value) ? FOLDED : ALL_SURE;
	l->sure += l->next == ALL_SURE;
}

static struct list part_vias(const struct sb_sip *s)
{
	struct list l = {0};
	struct sb_via via = s->via;
	bool bad = false;
	for (; !bad && l.n < SB_SIP_VALUES_MAX; bad = sb_sip_via_at(s, via.next, &via)) {
		one_more(&l, via.value, part_via(&via));
		if (!via.next)
			return l;
	}
	if (l.next == ALL_SURE)
		l.next = STOPPED;
	return l;
}

static struct list part_routes(const struct sb_sip *s, uint16_t line)
{
	struct list l = {0};
	struct sb_route_walk walk = {.line = line};
	struct sb_route route;
	bool bad;
	while (sb_sip_route_next(s, &walk, &route, &bad))
		one_more(&l, route.value, part_route(&route));
	if (bad && l.next == ALL_SURE)
		l.next = STOPPED;
	return l;
}

struct lists {
	struct list vias, routes, record_routes;
};

static struct lists parts(const struct sb_sip *s)
{
	pair.osip = NULL;
	if (!s->is_response)
		part_uri(s->uri_text, &s->uri);
	part_party(s->from, s->from_tag);
	part_party(s->to, s->to_tag);
	return (struct lists){part_vias(s), part_routes(s, s->route_line), part_routes(s, s->record_route_line)};
}

/* ---- the whole message */

static void length_of(enum field field, const struct list *l, const osip_list_t *theirs)
{
	pair.list = *l;
	number(field, l->n + (l->next == STOPPED), (unsigned long)osip_list_size(theirs));
}

static void whole_vias(const struct sb_sip *s, const struct list *l, const osip_list_t *theirs)
{
	struct sb_via via = s->via;
	length_of(F_N_VIAS, l, theirs);
	for (unsigned i = 0; i < l->sure; i++) {
		via_value(&via, osip_list_get(theirs, (int)i));
		if (via.next)
			sb_sip_via_at(s, via.next, &via);
	}
}

static void whole_routes(
        enum field field, const struct sb_sip *s, uint16_t line, const struct list *l, const osip_list_t *theirs)
{
	struct sb_route_walk walk = {.line = line};
	struct sb_route route;
	bool bad;
	length_of(field, l, theirs);
	for (unsigned i = 0; i < l->sure && sb_sip_route_next(s, &walk, &route, &bad); i++)
		route_value(&route, osip_list_get(theirs, (int)i));
}

/* The first line's value, or the n-th value, of a field that libosip2 keeps as text. NULL: there is none. */
static const char *value(const char *name, int n)
{
	osip_header_t *h = NULL;
	if (osip_message_header_get_byname(pair.osip, name, n, &h) < 0 || !h)
		return NULL;
	return h->hvalue ? h->hvalue : "";
}

/* ours: the line, from its name on. */
static void line_of(enum field field, struct sb_span ours, const char *theirs)
{
	const char *colon = memchr(sb_at(pair.sip, ours), ':', ours.len);
	if (!ours.off) {
		number(field, 0, theirs != NULL);
		return;
	}
	must(colon, "no line is there");
	uint32_t end = (uint32_t)ours.off + ours.len;
	uint32_t at = lex_blanks(pair.sip->text, (uint32_t)(colon - pair.sip->text) + 1, end);
	span(field, lex_span(at, lex_trim(pair.sip->text, at, end)), theirs);
}

static void texts(const struct sb_sip *s)
{
	unsigned long retry_after = 0;
	struct sb_line line;
	const char *p;
	for (int i = 0; !retry_after && (p = value("retry-after", i)); i++)
		retry_after = digits(p);
	if (s->is_response) {
		number(F_RETRY_AFTER, s->retry_after_s, retry_after < UINT32_MAX ? retry_after : UINT32_MAX);
	} else {
		span(F_MAX_FORWARDS, s->max_forwards, value("max-forwards", 0));
		number(F_MAX_FORWARDS, s->max_forwards_value, digits(value("max-forwards", 0)));
	}
	line_of(F_TIMESTAMP, s->timestamp_line, value("timestamp", 0));
	bool there = s->proxy_require_line && sb_line_at(s, s->proxy_require_line, &line);
	line_of(F_PROXY_REQUIRE, there ? lex_span(line.off, line.end) : (struct sb_span){0, 0},
	        value("proxy-require", 0));
}

static void whole(const struct sb_sip *s, const struct lists *lists)
{
	const osip_message_t *o = pair.osip;
	must(o->from && o->to && o->call_id && o->cseq, "libosip2 leaves out what it reads by itself");
	span(F_METHOD, s->method_text, o->cseq->method);
	if (s->is_response) {
		number(F_STATUS, s->status, (unsigned long)o->status_code);
	} else {
		span(F_METHOD, s->method_text, o->sip_method);
		uri(&s->uri, o->req_uri);
		uri_text(F_URI, s->uri_text, o->req_uri);
	}
	party(s->from, s->from_tag, o->from);
	party(s->to, s->to_tag, o->to);
	call_id(o->call_id);
	number(F_CSEQ, s->cseq, digits(o->cseq->number));
	whole_vias(s, &lists->vias, &o->vias);
	whole_routes(F_N_ROUTES, s, s->route_line, &lists->routes, &o->routes);
	whole_routes(F_N_RECORD_ROUTES, s, s->record_route_line, &lists->record_routes, &o->record_routes);
	const osip_contact_t *contact = osip_list_get(&o->contacts, 0);
	uri_text(F_CONTACT, s->contact, contact ? contact->url : NULL);
	texts(s);
	number(F_LENGTH, s->content_length, digits(o->content_length->value));
	const osip_body_t *b = osip_list_get(&o->bodies, 0);
	bytes(F_BODY, s->text + s->body, s->content_length, b ? b->body : "", b ? b->length : 0);
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
	if (size > SIZE_MAX_IN)
		return 0;
	struct msg *m = msg_new(data, size, '\n');
	m->read = sb_sip_index(&m->sip, m->text, m->len);
	if (m->read == SB_READ_REQUEST || m->read == SB_READ_RESPONSE) {
		pair.sip = &m->sip;
		sb_osip_arena(arena, sizeof arena);
		bool accepts = sb_osip_accepts(&m->sip);
		must(accepts || m->sip.odd, "the vector pass is certain, libosip2 refuses");
		if (accepts) {
			struct lists lists = parts(&m->sip);
			if (is_whole(&m->sip))
				whole(&m->sip, &lists);
			must(!sb_osip_no_room(), "the arena is too small");
		}
	}
	msg_free(m);
	return 0;
}

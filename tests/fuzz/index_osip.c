/* SPDX-License-Identifier: BSD-3-Clause */
/* index_osip: what the vector pass is certain of libosip2 accepts, and whatever both accept, both read the same fields
 * of, to the same bytes: each part shown by itself, and the whole message where libosip2 reads it as a whole.
 * Differences are known ones or findings: the tables below. */
#include "tests/fuzz/fuzz.h"
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

#define SIZE_MAX_IN 16384
#define ARENA       (1 << 22)

enum field {
	F_METHOD,
	F_STATUS,
	F_SCHEME,
	F_USER,
	F_HOST,
	F_PORT,
	F_N_PARAMS,
	F_PARAM,
	F_LR,
	F_TAG,
	F_CALL_ID,
	F_CSEQ,
	F_BRANCH,
	F_RECEIVED,
	F_RPORT,
	F_N_VIAS,
	F_N_ROUTES,
	F_N_RECORD_ROUTES,
	F_MAX_FORWARDS,
	F_URI,
	F_CONTACT,
	F_TIMESTAMP,
	F_PROXY_REQUIRE,
	F_RETRY_AFTER,
	F_LENGTH,
	F_BODY,
	FIELDS
};

static const char *const field_names[FIELDS] = {"method", "status", "scheme", "user", "host", "port",
        "number of URI parameters", "URI parameter", "lr", "tag", "Call-ID", "CSeq", "branch", "received", "rport",
        "number of Vias", "number of Routes", "number of Record-Routes", "Max-Forwards", "URI", "Contact", "Timestamp",
        "Proxy-Require", "Retry-After", "Content-Length", "body"};

/* Via, Route or Record-Route: how many values there are, and how many from the first on libosip2 has for certain. */
struct list {
	unsigned n, sure;
	enum { ALL_SURE, UNREAD, FOLDED, STOPPED } next; /* what is the matter with the value behind them */
};

/* One field, as both have it. */
struct pair {
	const struct sb_sip *sip;
	osip_message_t *osip; /* libosip2 was shown the whole message */
	enum field field;
	struct sb_span at;     /* where ours stands, if it is a URI */
	struct sb_span within; /* the Via value or the URI parameters it stands in */
	struct list list;      /* that it is the length of */
	const char *ours, *theirs;
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
		if (s[i] == '%' && i + 2 < n) {
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

static bool same_unescaped_up_to(const struct pair *p, size_t ours_len)
{
	static char ours[SIZE_MAX_IN];
	size_t n = unescape(p->ours, ours_len, ours);
	return n == p->theirs_len && memcmp(ours, p->theirs, n) == 0;
}

static bool same_unescaped(const struct pair *p)
{
	return same_unescaped_up_to(p, p->ours_len);
}

static bool with_user_params(const struct pair *p)
{
	size_t n = p->ours_len;
	if (p->ours[n] != ';')
		return false;
	while (p->ours[n] != '@' && p->ours[n] != ':')
		n++;
	return same_unescaped_up_to(p, n);
}

static bool blank_escaped(const struct pair *p)
{
	static const char *const codes[] = {"%00", "%09", "%0a", "%0d", "%20"};
	for (unsigned i = 0; i < sizeof codes / sizeof codes[0]; i++)
		for (unsigned k = 0; k + 3 <= p->within.len; k++)
			if (strncasecmp(sb_at(p->sip, p->within) + k, codes[i], 3) == 0)
				return true;
	return false;
}

static bool param_left_out(const struct pair *p)
{
	const char *s = sb_at(p->sip, p->within), *end = s + p->within.len;
	for (const char *c = s; c < end; c++) {
		bool last = c + 1 == end || c[1] == ';';
		if ((*c == ';' && (last || c[1] == '=')) || (*c == '=' && last))
			return true;
	}
	return false;
}

static bool escaped_nul(const struct pair *p)
{
	if (p->ours_len != p->theirs_len)
		return false;
	for (size_t i = 0; i < p->ours_len; i++)
		if (p->ours[i] != p->theirs[i] && (p->ours[i] || p->theirs[i] != '0'))
			return false;
	return true;
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

static bool in_brackets(const struct pair *p)
{
	return p->theirs_len == p->ours_len + 2 && p->theirs[0] == '[' && p->theirs[p->theirs_len - 1] == ']' &&
	       memcmp(p->ours, p->theirs + 1, p->ours_len) == 0;
}

static bool value_unread(const struct pair *p)
{
	return p->list.next == UNREAD && strtoul(p->theirs, NULL, 10) >= p->list.sure;
}

static bool value_folded(const struct pair *p)
{
	return p->list.next == FOLDED && strtoul(p->theirs, NULL, 10) >= p->list.sure;
}

static bool we_stopped(const struct pair *p)
{
	return p->list.next == STOPPED && strtoul(p->theirs, NULL, 10) >= p->list.sure;
}

/* The same, blanks of a fold aside, for n bytes. */
static bool unfolded(const char *ours, const char *theirs, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (ours[i] != theirs[i] && (theirs[i] != ' ' || !lex_is(ours[i], LEX_LWS)))
			return false;
	return true;
}

static bool same_unfolded(const struct pair *p)
{
	return p->ours_len == p->theirs_len && unfolded(p->ours, p->theirs, p->ours_len);
}

static bool first_value(const struct pair *p)
{
	uint32_t first = 0, end = (uint32_t)p->ours_len;
	while (first < end && (p->ours[first] == ',' || lex_is(p->ours[first], LEX_LWS)))
		first++;
	if (first == end || (first && !p->theirs_len)) /* of commas and blanks alone: left out, or empty */
		return first > 0;
	if (p->theirs_len > end - first || !unfolded(p->ours + first, p->theirs, p->theirs_len))
		return false;
	uint32_t at = lex_blanks(p->ours, first + (uint32_t)p->theirs_len, end);
	return at == end ? first > 0 : p->ours[at] == ',';
}

static bool ends_at_blank(const struct pair *p)
{
	return p->at.len && lex_is(p->sip->text[p->at.off + p->at.len], LEX_LWS);
}

static bool malformed_contact(const struct pair *p)
{
	struct sb_line line;
	struct sb_name_addr addr;
	bool odd = false;
	return sb_line_find(p->sip, p->sip->first_header, SB_F_CONTACT, &line) &&
	       sb_name_addr_read(p->sip->text, line.value, line.end, &addr, &odd);
}

static bool all_contacts(const struct pair *p)
{
	const osip_contact_t *contact = osip_list_get(&p->osip->contacts, 0);
	return contact && contact->displayname && contact->displayname[0] == '*' && !contact->url;
}

static bool no_content_type(const struct pair *p)
{
	return !p->osip->content_type && p->theirs_len == 0;
}

static bool multipart(const struct pair *p)
{
	const osip_content_type_t *type = p->osip->content_type;
	return type && type->type && strcasecmp(type->type, "multipart") == 0 &&
	       memmem(p->ours, p->ours_len, p->theirs, p->theirs_len);
}

static const struct {
	enum field first, last;
	const char *reason;
	bool (*applies)(const struct pair *p);
} differences[] = {
        {F_USER, F_USER,
                "libosip2 undoes escapes; we route by unescaped digits and relay the bytes as they came (19.1.2)",
                same_unescaped},
        {F_USER, F_USER, "parameters of the user part are user to libosip2; we route by what stands before them",
                with_user_params},
        {F_PARAM, F_PARAM, "libosip2 undoes escapes in values, too; of all values we read our own token's alone",
                same_unescaped},
        {F_PARAM, F_LR, "libosip2 cuts blanks at the ends even if they stood escaped, and all behind an escaped NUL",
                blank_escaped},
        {F_N_PARAMS, F_LR, "libosip2 reads no further than to one without a name, or without a value behind its '='",
                param_left_out},
        {F_URI, F_CONTACT, "no blank can stand in a URI: without <> ours ends there, libosip2's at the ';'",
                ends_at_blank},
        {F_CONTACT, F_CONTACT, "libosip2 takes a '*' that comes first for all of it (10.2.2); we look for a URI",
                all_contacts},
        {F_CONTACT, F_CONTACT, "one that we cannot read is no reason to refuse: we keep none, or the next line's",
                malformed_contact},
        {F_TIMESTAMP, F_PROXY_REQUIRE,
                "to libosip2 a comma begins a value of its own, if it is not empty; we keep the line", first_value},
        {F_BODY, F_BODY, "to libosip2 there is no body without a Content-Type", no_content_type},
        {F_TIMESTAMP, F_PROXY_REQUIRE, "libosip2 undoes folds, which we relay as they came", same_unfolded},
        {F_BODY, F_BODY, "it does so in a body, too, if line ends of two kinds divide it from the header",
                same_unfolded},
        {F_BODY, F_BODY, "libosip2 takes a multipart body apart", multipart},
        {F_LENGTH, F_LENGTH, "libosip2 takes a missing one for 0; over UDP the body is then all that is there (18.3)",
                no_content_length},
        {F_BRANCH, F_RPORT, "to libosip2 a '(' begins a comment, as in RFC 2543; of the top Via we refuse it",
                via_comment},
        {F_RECEIVED, F_RECEIVED, "we cut an IPv6 address's brackets, to compare addresses", in_brackets},
        {F_TAG, F_RPORT, "it takes C strings: a NUL, which may stand escaped in a quoted string (25.1), is shown as 0",
                escaped_nul},
        {F_N_VIAS, F_N_RECORD_ROUTES, "libosip2 leaves out what it cannot read; a proxy reads the topmost alone (16.3)",
                value_unread},
        {F_N_VIAS, F_N_RECORD_ROUTES,
                "it may leave out, too, what is folded or holds a TAB, which a part is shown without", value_folded},
        {F_N_VIAS, F_N_RECORD_ROUTES,
                "we read no further than to one that is malformed, or to the SB_SIP_VALUES_MAX-th", we_stopped},
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
	for (unsigned i = 0; i < sizeof differences / sizeof differences[0]; i++)
		if (differences[i].first <= p->field && p->field <= differences[i].last && differences[i].applies(p))
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

/* SPDX-License-Identifier: BSD-3-Clause */
/* Prefixes: those of routes, and those of the files that routes name, a line each:
 *   ; a comment
 *   +4420 london backup      the prefix and the groups it leads to, in this order
 *   +4421                    the groups of the route that names the file
 * Ten million lines are read in seconds: a line costs no allocation, and its groups are looked up only when they differ
 * from those of a line shortly before. */
#include "control/config/check.h"
#include "control/config/file.h"
#include "control/config/huge.h"
#include "control/config/value.h"
#include <errno.h>

#define BLANK " \t\r"
#define MEMOS 1024 /* lists of groups as they are written, that are remembered */

struct memo {
	const char *text; /* NULL: none */
	uint32_t len, list;
};

struct source {
	char *text; /* of the file, read whole; cut up as it is read */
	size_t len;
};

struct reading {
	struct sb_check *c;
	struct sb_prefixes *p;
	struct source *source; /* of each route; text NULL: it names no file */
	uint32_t *line;        /* of each prefix put, in its file */
	uint32_t route;        /* being read */
	uint32_t own;          /* list of its own groups; SB_PREFIX_NONE: it has none */
	struct memo memo[MEMOS];
};

static const struct sb_key prefix_key = {"prefix", SB_V_PREFIX};

static bool is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\r';
}

static struct sb_raw_route *route_of(const struct reading *r)
{
	return &r->c->raw->routes.list[r->route];
}

/* True every so many lines, once the load is given up. */
static bool stopped_at(struct reading *r, uint64_t line)
{
	return line % SB_STOP_LINES == 0 && sb_mistakes_stopped(r->c->m);
}

static uint64_t count_lines(struct reading *r, const struct source *s)
{
	const char *end = s->text ? s->text + s->len : NULL;
	uint64_t n = 0;
	for (const char *p = s->text; p && (p = memchr(p, '\n', (size_t)(end - p))) && !stopped_at(r, ++n);)
		p++;
	return n;
}

/* Reads the files and counts what may be in them. */
static int read_sources(struct reading *r, uint64_t *max)
{
	char path[60];
	struct sb_mistakes *m = r->c->m;
	for (r->route = 0; r->route < r->c->raw->routes.n; r->route++) {
		const struct sb_raw_route *route = route_of(r);
		struct source *s = &r->source[r->route];
		*max += route->kind == SB_ROUTE_PREFIX && route->prefix;
		if (route->kind != K_ROUTE_FILE || !route->prefixes_file)
			continue;
		int rc = sb_file_read(route->prefixes_file, false, m, &s->text, &s->len);
		if (rc == SB_E_NOMEM || rc == SB_E_STOPPED)
			return rc;
		snprintf(path, sizeof path, "routes[%u].prefixes_file", r->route);
		if (rc)
			sb_mistake(m, route->at.key[K_ROUTE_FILE],
			        "%s: \"%s\" cannot be read: %s, allowed: a regular file of at most 1 GB", path,
			        route->prefixes_file, rc == SB_E_INVAL ? "not a regular file" : strerror(errno));
		else
			++*max;
		*max += count_lines(r, s);
	}
	if (m->stopped)
		return SB_E_STOPPED;
	if (*max > SB_PREFIX_COUNT_MAX) {
		sb_mistake(m, r->c->raw->at.key[K_ROUTES], "routes: have %llu prefixes, allowed: at most %u",
		        (unsigned long long)*max, SB_PREFIX_COUNT_MAX);
		*max = 0;
	}
	return 0;
}

/* It is known already: tells where. */
static void tell_twice(struct reading *r, const char *text, size_t len, uint32_t line, uint32_t place)
{
	const struct sb_raw_route *route = route_of(r), *list = r->c->raw->routes.list;
	char what[80], where[320];
	uint32_t number = r->c->m->n < SB_MISTAKES_MAX ? sb_prefix_number(&r->p->table, place) : 0, i = r->route;
	while (i && (list[i].first > number || (list[i].kind != SB_ROUTE_PREFIX && list[i].kind != K_ROUTE_FILE)))
		i--;
	if (list[i].kind == K_ROUTE_FILE)
		snprintf(where, sizeof where, "line %u of %s", r->line[number], list[i].prefixes_file);
	else
		snprintf(where, sizeof where, "routes[%u]", i);
	if (route->kind == K_ROUTE_FILE)
		snprintf(what, sizeof what, "\"%.*s\"", (int)len, text);
	else
		snprintf(what, sizeof what, "routes[%u].prefix", r->route);
	sb_mistake(r->c->m, line, "%s: %s matches the same, allowed: one route for each prefix", what, where);
}

static int put(struct reading *r, const char *text, size_t len, uint32_t list, uint32_t line)
{
	uint32_t there, n = r->p->table.n;
	int rc = sb_prefixes_put(r->p, text, len, list, &there);
	if (rc == 0 && there != SB_PREFIX_NONE)
		tell_twice(r, text, len, line, there);
	else if (rc == 0)
		r->line[n] = line;
	return rc;
}

/* The groups that stand behind a prefix; SB_PREFIX_NONE: they are wrong, which was told, or there is no memory. */
static uint32_t read_groups(struct reading *r, char *text, uint32_t line)
{
	uint32_t groups[SB_CANDIDATES_MAX], n = 0, list;
	bool good = true;
	for (char *save, *name = strtok_r(text, BLANK ",", &save); name; name = strtok_r(NULL, BLANK ",", &save)) {
		uint32_t g = sb_check_name(r->c, &r->c->groups, "group", name, line, "groups");
		good &= g != SB_NAME_NONE;
		for (uint32_t i = 0; i < n && good; i++) {
			if (groups[i] != g)
				continue;
			sb_mistake(
			        r->c->m, line, "groups: \"%s\" is given twice, allowed: a group once in a route", name);
			good = false;
		}
		if (n == SB_CANDIDATES_MAX) {
			sb_mistake(r->c->m, line, "groups: are more than %d, allowed: 1 to %d", SB_CANDIDATES_MAX,
			        SB_CANDIDATES_MAX);
			return SB_PREFIX_NONE;
		}
		groups[n++] = g;
	}
	if (good && n == 0) {
		sb_mistake(r->c->m, line, "groups: are commas alone, allowed: names of groups");
		return SB_PREFIX_NONE;
	}
	list = good ? sb_prefixes_list(r->p, groups, n) : SB_PREFIX_NONE;
	r->c->m->nomem |= good && list == SB_PREFIX_NONE;
	return list;
}

/* The list for text[0..len), by memory if it was seen before. */
static uint32_t list_of(struct reading *r, const char *text, size_t len, uint32_t line)
{
	char copy[SB_CANDIDATES_MAX * (SB_NAME_MAX + 2)];
	uint64_t h = SB_PREFIX_SEED;
	for (size_t i = 0; i < len; i++)
		h = sb_prefix_step(h, (uint8_t)text[i]);
	struct memo *m = &r->memo[sb_prefix_finish(h) % MEMOS];
	if (m->text && m->len == len && memcmp(m->text, text, len) == 0)
		return m->list;
	if (len >= sizeof copy) {
		sb_mistake(
		        r->c->m, line, "groups: are too long, allowed: the names of 1 to %d groups", SB_CANDIDATES_MAX);
		return SB_PREFIX_NONE;
	}
	for (size_t i = 0; i < len; i++) /* it may be quoted in a mistake */
		copy[i] = (uint8_t)text[i] > ' ' || is_blank(text[i]) ? text[i] : '?';
	copy[len] = 0;
	uint32_t list = read_groups(r, copy, line);
	if (list != SB_PREFIX_NONE)
		*m = (struct memo){text, (uint32_t)len, list};
	return list;
}

/* What has no key may still be a prefix. False: it is none, which was told. */
static bool is_prefix(struct reading *r, const char *text, size_t len, uint32_t line)
{
	char copy[64], allowed[SB_ALLOWED_MAX];
	const char *out, *wrong = "is too long";
	if (sb_prefix_key(text, len))
		return true;
	size_t n = len < 40 ? len : 40;
	for (size_t i = 0; i < n; i++)
		copy[i] = text[i] > ' ' && text[i] < 127 ? text[i] : '?';
	copy[n] = 0;
	if (n == len && strlen(copy) == len)
		wrong = sb_value_read(&prefix_key, copy, &out);
	if (wrong)
		sb_mistake(r->c->m, line, "\"%s%s\" %s, allowed: %s", copy, n < len ? "..." : "", wrong,
		        sb_value_allowed(&prefix_key, allowed));
	return !wrong;
}

static int read_line(struct reading *r, const char *p, const char *end, uint32_t line)
{
	while (p < end && is_blank(*p))
		p++;
	while (end > p && is_blank(end[-1]))
		end--;
	if (p == end || *p == ';')
		return 0;
	const char *text = p;
	while (p < end && !is_blank(*p))
		p++;
	size_t len = (size_t)(p - text);
	while (p < end && is_blank(*p))
		p++;
	if (!is_prefix(r, text, len, line))
		return 0;
	uint32_t list = p < end ? list_of(r, p, (size_t)(end - p), line) : r->own;
	if (p == end && list == SB_PREFIX_NONE && !route_of(r)->groups.n) /* wrong ones were told with their route */
		sb_mistake(r->c->m, line,
		        "\"%.*s\" has no groups, allowed: names of groups behind it, or in routes[%u]", (int)len, text,
		        r->route);
	return list == SB_PREFIX_NONE ? 0 : put(r, text, len, list, line);
}

static int read_source(struct reading *r, const struct source *s)
{
	const char *p = s->text, *end = s->text + s->len;
	uint32_t line = 0, before = r->p->table.n;
	int rc = 0;
	uint32_t mistakes = r->c->m->n;
	memset(r->memo, 0, sizeof r->memo); /* they point into another text */
	r->c->m->in = route_of(r)->prefixes_file;
	while (p < end && !rc && !stopped_at(r, line + 1)) {
		const char *eol = memchr(p, '\n', (size_t)(end - p));
		if (!eol)
			eol = end;
		rc = read_line(r, p, eol, ++line);
		p = eol + 1;
	}
	bool told = r->c->m->n != mistakes || (r->own == SB_PREFIX_NONE && route_of(r)->groups.n);
	if (!rc && r->p->table.n == before && !told)
		sb_mistake(r->c->m, 0, "has no prefix, allowed: at least one");
	r->c->m->in = NULL;
	return rc;
}

/* The list of a route's own groups; SB_PREFIX_NONE: they are not there or not good, or there is no memory. */
static uint32_t own_list(struct reading *r)
{
	const struct sb_raw_route *route = route_of(r);
	uint32_t groups[SB_CANDIDATES_MAX], n = route->groups.n;
	for (uint32_t i = 0; i < n; i++) {
		groups[i] = route->groups.list[i].index;
		if (groups[i] == SB_NAME_NONE)
			return SB_PREFIX_NONE;
	}
	uint32_t list = n ? sb_prefixes_list(r->p, groups, n) : SB_PREFIX_NONE;
	r->c->m->nomem |= n && list == SB_PREFIX_NONE;
	return list;
}

static int read_routes(struct reading *r)
{
	int rc = 0;
	struct sb_mistakes *m = r->c->m;
	for (r->route = 0; r->route < r->c->raw->routes.n && !rc && !m->nomem && !sb_mistakes_stopped(m); r->route++) {
		struct sb_raw_route *route = route_of(r);
		const struct source *s = &r->source[r->route];
		route->first = r->p->table.n;
		if (route->kind == SB_ROUTE_PREFIX && route->prefix) {
			rc = put(r, route->prefix, strlen(route->prefix), own_list(r), route->at.key[K_ROUTE_PREFIX]);
		} else if (s->text) {
			r->own = own_list(r);
			rc = read_source(r, s);
		}
	}
	return rc;
}

int sb_check_prefixes(struct sb_check *c)
{
	struct reading *r = calloc(1, sizeof *r);
	uint64_t max = 0;
	int rc = SB_E_NOMEM;
	if (!r)
		return rc;
	*r = (struct reading){.c = c, .p = &c->raw->prefixes};
	r->source = calloc(c->raw->routes.n + 1, sizeof *r->source);
	if (r->source)
		rc = read_sources(r, &max);
	if (rc == 0)
		rc = sb_prefixes_init(r->p, (uint32_t)max);
	if (rc == 0 && max) {
		r->line = sb_huge_alloc(max * sizeof *r->line);
		rc = r->line ? read_routes(r) : SB_E_NOMEM;
	}
	for (uint32_t i = 0; r->source && i < c->raw->routes.n; i++)
		free(r->source[i].text);
	free(r->source);
	free(r->line);
	free(r);
	return rc;
}

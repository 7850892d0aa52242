/* SPDX-License-Identifier: BSD-3-Clause */
/* Groups and routes. */
#include "control/config/check.h"

void sb_check_groups(struct sb_check *c)
{
	for (uint32_t i = 0; i < c->raw->groups.n; i++) {
		struct sb_raw_group *g = &c->raw->groups.list[i];
		sb_check_unique(c, &c->groups, "group", g->name, i, g->at.key[K_GROUP_NAME]);
		for (uint32_t j = 0; j < g->members.n; j++) {
			struct sb_raw_member *m = &g->members.list[j];
			char path[60];
			snprintf(path, sizeof path, "groups[%u].members[%u].trunk", i, j);
			m->trunk_index =
			        sb_check_name(c, &c->trunks, "trunk", m->trunk, m->at.key[K_MEMBER_TRUNK], path);
			for (uint32_t k = 0; k < j && m->trunk_index != SB_NAME_NONE; k++) {
				if (g->members.list[k].trunk_index != m->trunk_index)
					continue;
				sb_mistake(c->m, m->at.key[K_MEMBER_TRUNK],
				        "%s: \"%s\" is members[%u] too, allowed: a trunk once in a group", path,
				        m->trunk, k);
				break;
			}
		}
	}
}

static const char route_kinds[] = "one of prefix, domain, source, default: true or prefixes_file";
static const char *const kind_names[] = {"prefix", "domain", "source", "default", "prefixes_file"};

/* Sets the route's kind. False: it has none or several, which is a mistake. */
static bool check_kind(struct sb_check *c, struct sb_raw_route *r, uint32_t i)
{
	int first = -1;
	r->kind = UINT32_MAX;
	for (int k = K_ROUTE_PREFIX; k <= K_ROUTE_FILE; k++) {
		if (!r->at.key[k])
			continue;
		if (first >= 0) {
			sb_mistake(c->m, r->at.key[k], "routes[%u].%s: stands beside %s, allowed: %s", i, kind_names[k],
			        kind_names[first], route_kinds);
			return false;
		}
		first = k;
	}
	if (first < 0) {
		sb_mistake(c->m, r->at.line, "routes[%u]: does not say what it matches, allowed: %s", i, route_kinds);
		return false;
	}
	r->kind = (uint32_t)first;
	return true;
}

static void check_route_groups(struct sb_check *c, struct sb_raw_route *r, uint32_t i)
{
	if (!r->at.key[K_ROUTE_GROUPS] && !r->at.key[K_ROUTE_FILE])
		sb_mistake(c->m, r->at.line, "routes[%u].groups: is missing, allowed: a list of 1 to %d", i,
		        SB_CANDIDATES_MAX);
	for (uint32_t j = 0; j < r->groups.n; j++) {
		struct sb_raw_name *g = &r->groups.list[j];
		char path[60];
		snprintf(path, sizeof path, "routes[%u].groups[%u]", i, j);
		g->index = sb_check_name(c, &c->groups, "group", g->text, g->line, path);
		for (uint32_t k = 0; k < j && g->index != SB_NAME_NONE; k++) {
			if (r->groups.list[k].index != g->index)
				continue;
			sb_mistake(c->m, g->line, "%s: \"%s\" is groups[%u] too, allowed: a group once in a route",
			        path, g->text, k);
			break;
		}
	}
}

/* What a route matches, as text that is equal for equal matches: dexample.com, s10.0.0.0/8, or "*" for default. False:
 * it has none; prefixes are told by their own table. */
static bool match_text(const struct sb_raw_route *r, char *out, size_t room)
{
	char ip[INET6_ADDRSTRLEN];
	switch (r->kind) {
	case SB_ROUTE_DOMAIN:
		if (!r->domain)
			return false;
		snprintf(out, room, "d%s", r->domain);
		for (char *p = out; *p; p++)
			*p = *p >= 'A' && *p <= 'Z' ? (char)(*p - 'A' + 'a') : *p;
		return true;
	case SB_ROUTE_SOURCE:
		if (!r->source.family)
			return false;
		inet_ntop(r->source.family == 6 ? AF_INET6 : AF_INET, r->source.ip, ip, sizeof ip);
		return snprintf(out, room, "s%s/%u", ip, r->source.bits) > 0;
	case SB_ROUTE_DEFAULT:
		return snprintf(out, room, "*") > 0;
	default:
		return false;
	}
}

static void check_default(struct sb_check *c, const struct sb_raw_route *r, uint32_t i)
{
	if (r->kind == SB_ROUTE_DEFAULT && !r->otherwise)
		sb_mistake(c->m, r->at.key[K_ROUTE_DEFAULT], "routes[%u].default: is false, allowed: true", i);
}

/* Room for all the texts at once: the table borrows them. */
struct matches {
	struct sb_names seen;
	char *text;
	size_t used, room;
};

#define MATCH_MAX 256

static int matches_init(struct matches *m, const struct sb_raw *raw)
{
	*m = (struct matches){.room = 1};
	for (uint32_t i = 0; i < raw->routes.n; i++)
		m->room += raw->routes.list[i].prefix ? 0 : MATCH_MAX;
	m->text = malloc(m->room);
	return m->text ? sb_names_init(&m->seen, raw->routes.n) : SB_E_NOMEM;
}

static void check_twice(struct sb_check *c, struct matches *m, const struct sb_raw_route *r, uint32_t i)
{
	char *text = m->text + m->used;
	if (!match_text(r, text, m->room - m->used))
		return;
	m->used += strlen(text) + 1;
	uint32_t first = sb_names_put(&m->seen, text, i);
	if (first != SB_NAME_NONE)
		sb_mistake(c->m, r->at.key[r->kind], "routes[%u].%s: routes[%u] matches the same, allowed: one %s%s", i,
		        kind_names[r->kind], first, r->kind == SB_ROUTE_DEFAULT ? "default route" : "route for each ",
		        r->kind == SB_ROUTE_DEFAULT ? "" : kind_names[r->kind]);
}

int sb_check_routes(struct sb_check *c)
{
	struct matches m;
	int rc = matches_init(&m, c->raw);
	for (uint32_t i = 0; i < c->raw->routes.n && !rc; i++) {
		struct sb_raw_route *r = &c->raw->routes.list[i];
		check_route_groups(c, r, i);
		if (!check_kind(c, r, i))
			continue;
		check_default(c, r, i);
		check_twice(c, &m, r, i);
	}
	sb_names_fini(&m.seen);
	free(m.text);
	return rc;
}

/* SPDX-License-Identifier: BSD-3-Clause */
/* config: any text as a configuration file. It is refused with mistakes that a person can find, or what comes of it is
 * whole: every index leads somewhere, every prefix is found, and the same text means the same again. */
#include "tests/fuzz/fuzz.h"
#include "control/config/config.h"
#include <switchback/mailbox.h>

#define SIZE_MAX_IN 16384
#define NAMES_MAX   8000

static struct sb_slots *slots;
static uint32_t names;

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	slots = sb_slots_new();
	return slots == NULL;
}

/* "file:line: key: what is wrong", on one line, nothing in it that a terminal would act on. */
static void readable(const struct sb_config_errors *e)
{
	static const char file[] = "fuzz.yaml:";
	must(e->n > 0, "refused without a reason");
	for (uint32_t i = 0; i < e->n; i++) {
		must(strncmp(e->line[i], file, sizeof file - 1) == 0 || e->line[i][0] == '/', "which file: %s",
		        e->line[i]); /* a prefixes_file has an absolute path */
		for (const char *c = e->line[i]; *c; c++)
			must((uint8_t)*c >= ' ' && *c != 0x7f, "control character %d in a mistake", *c);
	}
}

static void names_end(const char *name, size_t size, const char *what)
{
	must(strnlen(name, size) < size && name[0], "%s has no name", what);
}

static void group_whole(const struct sb_snapshot *s, const struct sb_snap_group *g)
{
	names_end(g->name, sizeof g->name, "a group");
	for (uint32_t i = 0; i < g->n_members; i++) {
		const struct sb_snap_member *m = &s->members[g->member + i];
		must(m->trunk < s->n_trunks && m->weight, "member %u is trunk %u", i, m->trunk);
		must(i == 0 || m->priority >= m[-1].priority, "members are not in order");
	}
}

static void route_whole(const struct sb_snapshot *s, uint32_t i)
{
	const struct sb_snap_route *r = &s->routes[i];
	must((r->kind != SB_ROUTE_PREFIX) == (i < s->n_other_routes), "route %u stands among others", i);
	must(r->n_groups > 0, "a route without groups");
	for (uint32_t g = 0; g < r->n_groups; g++)
		must(s->route_groups[r->group + g] < s->n_groups, "a route to group %u", s->route_groups[r->group + g]);
}

static void prefix_whole(const struct sb_snapshot *s, uint32_t i)
{
	char p[SB_PREFIX_MAX];
	uint32_t route = s->n_other_routes + sb_prefix_get(&s->prefixes, i, p);
	must(route < s->n_routes && s->routes[route].kind == SB_ROUTE_PREFIX, "prefix %s leads to %u", p, route);
	must(sb_prefix_find(s, p, strlen(p)) == &s->routes[route], "prefix %s is not found", p);
}

static void whole(const struct sb_config *c)
{
	const struct sb_snapshot *s = c->snapshot;
	must(s && c->n_trunks == s->n_trunks && c->n_workers && c->n_ports && s->n_listeners, "a part is missing");
	for (uint32_t i = 0; i < s->n_listeners; i++) {
		const struct sb_snap_listener *l = &s->listeners[i];
		names_end(l->name, sizeof l->name, "a listener");
		must(l->port < c->n_ports && l->addr.family && l->addr.port, "listener %u is on port %u", i, l->port);
		must(strlen(l->hostport) == l->hostport_len, "listener %u: %s", i, l->hostport);
	}
	for (uint32_t i = 0; i < s->n_trunks; i++) {
		const struct sb_snap_trunk *t = &s->trunks[i];
		names_end(t->name, sizeof t->name, "a trunk");
		must(t->listener < s->n_listeners && s->listeners[t->listener].addr.family == t->addr.family,
		        "trunk %u leaves by listener %u", i, t->listener);
		must(t->sends && t->trying_timer_ms && t->addr.port, "trunk %u sends %u times", i, t->sends);
		must(s->trunk_of_slot[t->slot] == i && strcmp(sb_slots_name(slots, t->slot), t->name) == 0,
		        "trunk %u has another's slot", i);
	}
	for (uint32_t i = 0; i < s->n_groups; i++)
		group_whole(s, &s->groups[i]);
	for (uint32_t i = 0; i < s->n_routes; i++)
		route_whole(s, i);
	for (uint32_t i = 0; i < s->prefixes.n; i++)
		prefix_whole(s, i);
}

static int load(const char *text, size_t size, struct sb_config **c)
{
	struct sb_config_errors e = {0};
	int rc = sb_config_load("fuzz.yaml", text, size, slots, c, &e);
	must(rc == 0 || rc == SB_E_CONFIG, "%s", sb_err_text(rc));
	if (rc)
		readable(&e);
	must(rc == 0 ? *c && e.n == 0 : !*c, "refused and taken at once");
	sb_config_errors_free(&e);
	return rc;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct sb_config *a = NULL, *b = NULL;
	struct sb_config_errors e = {0};
	if (size > SIZE_MAX_IN)
		return 0;
	char *text = malloc(size ? size : 1); /* of its very size, without a NUL behind it */
	if (size)
		memcpy(text, data, size);
	if (load(text, size, &a) == 0) {
		whole(a);
		must(load(text, size, &b) == 0, "the same text is refused the second time");
		must(sb_config_reloadable(a, b, &e) == 0 && e.n == 0, "the same text cannot be reloaded: %s",
		        e.n ? e.line[0] : "");
		sb_config_errors_free(&e);
		names += a->n_trunks;
	}
	sb_config_free(a);
	sb_config_free(b);
	free(text);
	if (names > NAMES_MAX) { /* slots are for ever: begin anew before they run out */
		names = 0;
		sb_slots_free(slots);
		slots = sb_slots_new();
	}
	return 0;
}

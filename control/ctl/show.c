/* SPDX-License-Identifier: BSD-3-Clause */
/* show.c - status, trunks, trunk, routes, explain, reload, version for people. */
#include "control/ctl/ctl.h"
#include <string.h>

#define N(o, key) ((long long)ctl_int(o, key))

/* True when --json has had its say and the result is done with. */
static bool as_json(const struct ctl *c, json_t *result)
{
	if (!c->json)
		return false;
	ctl_print_json(c, result);
	json_decref(result);
	return true;
}

/* "3 UP, 1 DOWN": what is zero is not told. */
static void print_counts(const json_t *counts, const char *not_this)
{
	const char *name, *comma = "";
	json_t *v;
	json_object_foreach((json_t *)(uintptr_t)counts, name, v)
	{
		if (json_integer_value(v) == 0 || strcmp(name, not_this) == 0)
			continue;
		printf("%s%lld %s", comma, (long long)json_integer_value(v), name);
		comma = ", ";
	}
}

static void print_reload(const json_t *reload)
{
	char when[CTL_TIME_MAX];
	if (!json_is_object(reload)) {
		printf("last load     none yet\n");
		return;
	}
	printf("last load     %s at %s", ctl_text(reload, "result"), ctl_wall(ctl_int(reload, "wall_ms"), when));
	if (*ctl_text(reload, "line"))
		printf(": %s", ctl_text(reload, "line"));
	putchar('\n');
}

int ctl_status(struct ctl *c)
{
	json_t *r = ctl_call(c, "status", NULL);
	if (as_json(c, r))
		return CTL_OK;
	const json_t *calls = json_object_get(r, "calls"), *trunks = json_object_get(r, "trunks");
	const json_t *slots = json_object_get(r, "transactions"), *lingering = json_object_get(r, "lingering");
	char age[CTL_TIME_MAX];
	printf("switchback    %s, pid %lld, up %s\n", ctl_text(r, "version"), N(r, "pid"),
	        ctl_age(ctl_int(r, "uptime_ms"), age));
	printf("configuration generation %lld, %lld worker%s\n", N(r, "generation"), N(r, "workers"),
	        ctl_int(r, "workers") == 1 ? "" : "s");
	print_reload(json_object_get(r, "last_reload"));
	printf("calls         %lld a second, %lld in set-up; since start %lld: %lld answered, %lld failed, %lld "
	       "cancelled\n",
	        N(calls, "per_second"), N(calls, "in_setup"), N(calls, "total"), N(calls, "answered"),
	        N(calls, "failed"), N(calls, "cancelled"));
	const json_t *overload = json_object_get(r, "overload");
	printf("overload      %.0f %% of new calls turned away; since start %lld\n",
	        100 * json_number_value(json_object_get(overload, "shed_share")), N(overload, "shed"));
	printf("transactions  %lld of %lld in use; %lld of %lld answered calls lingering\n", N(slots, "in_use"),
	        N(slots, "max"), N(lingering, "in_use"), N(lingering, "max"));
	printf("trunks        %lld: ", N(trunks, "total"));
	print_counts(json_object_get(trunks, "states"), "");
	const json_t *admin = json_object_get(trunks, "admin");
	if (ctl_int(admin, "drain") + ctl_int(admin, "disabled")) {
		printf("; by the operator ");
		print_counts(admin, "enabled");
	}
	putchar('\n');
	json_decref(r);
	return CTL_OK;
}

/* "probe timed out, 3.2 s ago" */
static void evidence_cell(struct ctl_table *t, const json_t *row)
{
	char age[CTL_TIME_MAX];
	if (*ctl_text(row, "evidence"))
		ctl_cell(t, "%s, %s ago", ctl_text(row, "evidence"), ctl_age(ctl_int(row, "evidence_age_ms"), age));
	else
		ctl_cell(t, "none yet");
}

static void share_cell(struct ctl_table *t, const json_t *row)
{
	ctl_cell(t, "%.0f%%", 100 * json_real_value(json_object_get(row, "share")));
}

static void trunk_row(struct ctl_table *t, const json_t *row)
{
	char time[CTL_TIME_MAX];
	ctl_cell(t, "%s", ctl_text(row, "name"));
	ctl_cell(t, "%s", ctl_text(row, "address"));
	ctl_cell_state(t, ctl_text(row, "state"));
	ctl_cell(t, "%s", ctl_age(ctl_int(row, "state_age_ms"), time));
	ctl_cell_state(t, ctl_text(row, "admin"));
	share_cell(t, row);
	ctl_cell(t, "%lld", N(row, "calls"));
	ctl_cell(t, "%lld", N(row, "active"));
	if (json_is_integer(json_object_get(row, "rtt_us")))
		ctl_cell(t, "%.1f ms", (double)ctl_int(row, "rtt_us") / 1000);
	else
		ctl_cell(t, "-");
	if (ctl_int(row, "hold_ms"))
		ctl_cell(t, "held %s", ctl_age(ctl_int(row, "hold_ms"), time));
	else if (json_is_integer(json_object_get(row, "next_probe_in_ms")))
		ctl_cell(t, "%s", ctl_age(ctl_int(row, "next_probe_in_ms"), time));
	else
		ctl_cell(t, "-");
	evidence_cell(t, row);
}

static const char *const trunk_heads[] = {"TRUNK", "ADDRESS", "STATE", ">FOR", "SWITCH", ">SHARE", ">CALLS", ">ACTIVE",
        ">RTT", ">NEXT PROBE", "LAST EVIDENCE", NULL};

int ctl_trunks(struct ctl *c)
{
	json_t *r = ctl_call_paged(c, "trunks", "trunks"), *row;
	struct ctl_table *t;
	size_t i;
	if (as_json(c, r))
		return CTL_OK;
	t = ctl_table_new(c, trunk_heads);
	json_array_foreach(json_object_get(r, "trunks"), i, row) trunk_row(t, row);
	ctl_table_end(t);
	json_decref(r);
	return CTL_OK;
}

int ctl_trunk(struct ctl *c)
{
	json_t *params = json_pack("{s:s, s:s*}", "name", c->arg[0], "action", c->arg[1]), *r;
	struct ctl_table *t;
	r = ctl_call(c, "trunk", params);
	if (as_json(c, r))
		return CTL_OK;
	if (json_is_false(json_object_get(r, "kept")))
		fprintf(stderr, "switchbackctl: switched, but a restart will forget it: %s\n", ctl_text(r, "warning"));
	t = ctl_table_new(c, trunk_heads);
	trunk_row(t, r);
	ctl_table_end(t);
	json_decref(r);
	return CTL_OK;
}

/* "london: lon-a 1/3, lon-b 1/1, man-a 2" (priority/weight; a weight of 1 among ones is not told) */
static void group_cell(struct ctl_table *t, const json_t *group)
{
	char text[512];
	size_t len = 0, i;
	json_t *m, *members = json_object_get(group, "members");
	char time[CTL_TIME_MAX];
	text[0] = 0;
	json_array_foreach(members, i, m)
	{
		if (len < sizeof text)
			len += (size_t)snprintf(text + len, sizeof text - len, "%s%s %lld/%lld", i ? ", " : "",
			        ctl_text(m, "trunk"), N(m, "priority"), N(m, "weight"));
	}
	ctl_cell(t, "%s", ctl_text(group, "name"));
	ctl_cell(t, "%s%s", text, len < sizeof text ? "" : "...");
	ctl_cell(t, "%s", ctl_age(ctl_int(group, "fallback_interval_ms"), time));
}

int ctl_routes(struct ctl *c)
{
	static const char *const heads[] = {"ROUTE", "GROUP", "TRUNKS (PRIORITY/WEIGHT)", ">FALLBACK AFTER", NULL};
	json_t *r = ctl_call_paged(c, "routes", "routes"), *route, *group;
	struct ctl_table *t;
	size_t i, k;
	if (as_json(c, r))
		return CTL_OK;
	t = ctl_table_new(c, heads);
	json_array_foreach(json_object_get(r, "routes"), i, route)
	{
		json_array_foreach(json_object_get(route, "groups"), k, group)
		{
			ctl_cell(t, "%s%s%s", k ? "" : ctl_text(route, "kind"), k ? "" : " ",
			        k ? "" : ctl_text(route, "key"));
			group_cell(t, group);
		}
	}
	ctl_table_end(t);
	json_decref(r);
	return CTL_OK;
}

/* a * (2^n - 1) is S4.2; the last candidate of all has what RFC 3261's timer B gives instead. */
static void formula_cell(struct ctl_table *t, const json_t *row)
{
	json_int_t a = ctl_int(row, "trying_timer_ms"), n = ctl_int(row, "sends");
	bool formula = n >= 0 && n < 32 && ctl_int(row, "formula_ms") == a * ((1ll << n) - 1);
	ctl_cell(t, "%lld sends x %lld ms%s", (long long)n, (long long)a, formula ? "" : ", the last: 64*T1");
}

static void candidate_row(struct ctl_table *t, const json_t *row, size_t place)
{
	char worst[CTL_TIME_MAX], total[CTL_TIME_MAX];
	ctl_cell(t, "%zu", place);
	ctl_cell(t, "%s", ctl_text(row, "trunk"));
	ctl_cell(t, "%s", ctl_text(row, "group"));
	ctl_cell(t, "%s", ctl_text(row, "address"));
	ctl_cell_state(t, ctl_text(row, "state"));
	share_cell(t, row);
	formula_cell(t, row);
	ctl_cell(t, "%s", ctl_age(ctl_int(row, "formula_ms"), worst));
	ctl_cell(t, "%s", ctl_age(ctl_int(row, "running_ms"), total));
	ctl_cell(t, "%s", ctl_text(row, "pick"));
	evidence_cell(t, row);
}

static void passed_over_row(struct ctl_table *t, const json_t *row)
{
	ctl_cell(t, "%s", ctl_text(row, "trunk"));
	ctl_cell(t, "%s", ctl_text(row, "group"));
	ctl_cell(t, "%s", ctl_text(row, "address"));
	ctl_cell_state(t, ctl_text(row, "state"));
	ctl_cell_state(t, ctl_text(row, "admin"));
	ctl_cell(t, "%s", ctl_text(row, "pick"));
	evidence_cell(t, row);
}

static void print_explained(struct ctl *c, json_t *r)
{
	static const char *const try_heads[] = {">TRY", "TRUNK", "GROUP", "ADDRESS", "STATE", ">SHARE", "FORMULA",
	        ">WORST", ">TOTAL", "WHY HERE", "LAST EVIDENCE", NULL};
	static const char *const over_heads[] = {
	        "PASSED OVER", "GROUP", "ADDRESS", "STATE", "SWITCH", "WHY", "LAST EVIDENCE", NULL};
	json_t *candidates = json_object_get(r, "candidates"), *over = json_object_get(r, "passed_over"), *row;
	struct ctl_table *t = ctl_table_new(c, try_heads);
	size_t i;
	json_array_foreach(candidates, i, row) candidate_row(t, row, i + 1);
	ctl_table_end(t);
	if (json_array_size(candidates) == 0)
		printf("no trunk would be tried\n");
	if (json_array_size(over))
		putchar('\n');
	t = ctl_table_new(c, over_heads);
	json_array_foreach(over, i, row) passed_over_row(t, row);
	ctl_table_end(t);
}

int ctl_explain(struct ctl *c)
{
	json_t *r = ctl_call(c, "explain",
	        json_pack("{s:s, s:s*, s:s*}", "number", c->arg[0], "source", c->from, "domain", c->domain));
	bool found = json_is_true(json_object_get(r, "found"));
	if (as_json(c, r))
		return found ? CTL_OK : CTL_REFUSED;
	printf("number  %s\nroute   %s\n\n", ctl_text(r, "number"), found ? ctl_text(r, "route") : "none matches: 404");
	if (found)
		print_explained(c, r);
	json_decref(r);
	return found ? CTL_OK : CTL_REFUSED;
}

int ctl_reload(struct ctl *c)
{
	json_t *r = ctl_call(c, "reload", NULL), *line;
	size_t i;
	if (as_json(c, r))
		return CTL_OK;
	json_array_foreach(json_object_get(r, "notes"), i, line)
	{
		ctl_clean((char *)(uintptr_t)json_string_value(line));
		printf("%s\n", json_string_value(line));
	}
	printf("reloaded: generation %lld\n", N(r, "generation"));
	json_decref(r);
	return CTL_OK;
}

/* The client's own version needs no daemon. */
int ctl_version(struct ctl *c)
{
	json_t *daemon = ctl_connect(c) == 0 ? ctl_call(c, "version", NULL) : NULL;
	if (c->json) {
		json_t *both = json_pack("{s:s, s:o?}", "client", SB_VERSION, "daemon", daemon);
		ctl_print_json(c, both);
		json_decref(both);
		return CTL_OK;
	}
	printf("switchbackctl %s\n", SB_VERSION);
	if (daemon)
		printf("switchbackd   %s\n", ctl_text(daemon, "version"));
	else
		printf("switchbackd   does not answer at %s\n", c->socket);
	json_decref(daemon);
	return CTL_OK;
}

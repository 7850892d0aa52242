/* SPDX-License-Identifier: BSD-3-Clause */
/* figures.c - stats, memory and events for people. */
#include "control/ctl/ctl.h"
#include <switchback/counters.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define N(o, key) ((long long)ctl_int(o, key))

static bool is_frames(enum sb_counter_kind kind)
{
	return kind == SB_KIND_RX || kind == SB_KIND_END;
}

static bool is_drop(enum sb_counter_kind kind)
{
	return kind == SB_KIND_DROP;
}

static bool is_info(enum sb_counter_kind kind)
{
	return kind == SB_KIND_INFO;
}

static const struct {
	const char *head;
	bool (*in)(enum sb_counter_kind kind);
} groups[] = {{"FRAMES", is_frames}, {"DROPPED", is_drop}, {"CALLS AND MESSAGES", is_info}};

/* The daemon's own order; what this client's table does not know comes with the last group. */
static const struct sb_counter_row *row_named(const char *name)
{
	static const struct sb_counter_row unknown = {"", "", SB_KIND_INFO};
	for (unsigned i = 0; i < SB_COUNTERS; i++) {
		if (strcmp(sb_counter_rows()[i].name, name) == 0)
			return &sb_counter_rows()[i];
	}
	return &unknown;
}

static void print_group(struct ctl *c, json_t *counters, unsigned g)
{
	const char *const heads[] = {groups[g].head, ">COUNT", "WHAT", NULL};
	struct ctl_table *t = ctl_table_new(c, heads);
	const char *name;
	json_t *v;
	bool any = false;
	json_object_foreach(counters, name, v)
	{
		const struct sb_counter_row *row = row_named(name);
		if (!groups[g].in(row->kind) || (!c->all && json_integer_value(v) == 0))
			continue;
		any = true;
		ctl_cell(t, "%s", name);
		ctl_cell(t, "%lld", (long long)json_integer_value(v));
		ctl_cell(t, "%s", row->help);
	}
	ctl_table_end(t);
	if (any)
		putchar('\n');
}

static void print_trunks(struct ctl *c, json_t *trunks)
{
	static const char *const heads[] = {"TRUNK", ">CALLS", ">ANSWERED", ">ALIVE", ">NO ANSWER", ">REFUSED", ">ICMP",
	        ">ACTIVE", ">REQUESTS", NULL};
	static const char *const keys[] = {
	        "calls", "answered", "alive", "failed_timeout", "failed_code", "failed_icmp", "active", "requests"};
	struct ctl_table *t = ctl_table_new(c, heads);
	json_t *row;
	size_t i;
	json_array_foreach(trunks, i, row)
	{
		long long sum = 0;
		for (unsigned k = 0; k < sizeof keys / sizeof keys[0]; k++)
			sum += N(row, keys[k]);
		if (!sum && !c->all)
			continue;
		ctl_cell(t, "%s", ctl_text(row, "name"));
		for (unsigned k = 0; k < sizeof keys / sizeof keys[0]; k++)
			ctl_cell(t, "%lld", N(row, keys[k]));
	}
	ctl_table_end(t);
}

int ctl_stats(struct ctl *c)
{
	json_t *r = ctl_call_paged(c, "stats", "trunks");
	const json_t *identity = json_object_get(r, "identity");
	if (c->json) {
		ctl_print_json(c, r);
	} else {
		for (unsigned g = 0; g < sizeof groups / sizeof groups[0]; g++)
			print_group(c, json_object_get(r, "counters"), g);
		printf("frames received %lld = ended %lld + in flight %lld\n\n", N(identity, "rx"), N(identity, "ends"),
		        N(identity, "in_flight"));
		print_trunks(c, json_object_get(r, "trunks"));
	}
	json_decref(r);
	return CTL_OK;
}

static void bytes_row(struct ctl_table *t, const char *what, json_int_t used, json_int_t max, const char *of)
{
	char a[CTL_TIME_MAX], b[CTL_TIME_MAX];
	ctl_cell(t, "%s", what);
	ctl_cell(t, "%s", ctl_bytes(used, a));
	ctl_cell(t, "%s", max >= 0 ? ctl_bytes(max, b) : "no bound");
	ctl_cell(t, "%s", of);
}

static void clients_row(struct ctl_table *t, const json_t *v)
{
	char of[48];
	snprintf(of, sizeof of, "%lld of %lld clients", N(v, "in_use"), N(v, "max"));
	bytes_row(t, "heap: control socket", ctl_int(v, "bytes"), ctl_int(v, "bytes_max"), of);
}

static void slots_row(struct ctl_table *t, const char *what, const json_t *v)
{
	ctl_cell(t, "%s", what);
	ctl_cell(t, "%lld", N(v, "in_use"));
	ctl_cell(t, "%lld", N(v, "max"));
	ctl_cell(t, "%s", "slots");
}

static void packet_rows(struct ctl_table *t, json_t *pools)
{
	json_t *p;
	size_t i;
	json_array_foreach(pools, i, p)
	{
		char a[CTL_TIME_MAX], b[CTL_TIME_MAX];
		ctl_cell(t, "packets: %s", ctl_text(p, "name"));
		ctl_cell(t, "%s", ctl_bytes(ctl_int(p, "bytes"), a));
		ctl_cell(t, "%s", ctl_bytes(ctl_int(p, "bytes_max"), b));
		ctl_cell(t, "%lld of %lld buffers of %lld bytes", N(p, "in_use"), N(p, "max"), N(p, "buffer_bytes"));
	}
}

int ctl_memory(struct ctl *c)
{
	static const char *const heads[] = {"MEMORY", ">IN USE", ">AT MOST", "OF", NULL};
	json_t *r = ctl_call(c, "memory", NULL), *arena;
	const json_t *heap = json_object_get(r, "heap"), *text = json_object_get(r, "text");
	struct ctl_table *t;
	char name[64];
	size_t i;
	if (c->json) {
		ctl_print_json(c, r);
		json_decref(r);
		return CTL_OK;
	}
	t = ctl_table_new(c, heads);
	snprintf(name, sizeof name, "heap (%.16s): allocated", ctl_text(heap, "allocator"));
	bytes_row(t, name, ctl_int(heap, "allocated"), -1, "configuration, kernel's routes; never packets or calls");
	bytes_row(t, "heap: active pages", ctl_int(heap, "active"), -1, "");
	bytes_row(t, "heap: resident", ctl_int(heap, "resident"), -1, "");
	clients_row(t, json_object_get(r, "clients"));
	json_array_foreach(json_object_get(r, "osip"), i, arena)
	{
		snprintf(name, sizeof name, "libosip2: worker %lld, peak of one message", N(arena, "worker"));
		bytes_row(t, name, ctl_int(arena, "peak"), ctl_int(arena, "max"), "");
	}
	packet_rows(t, json_object_get(r, "packets"));
	bytes_row(t, "stored requests and responses", ctl_int(text, "bytes"), ctl_int(text, "bytes_max"), "");
	slots_row(t, "transactions", json_object_get(r, "transactions"));
	slots_row(t, "answered calls lingering", json_object_get(r, "lingering"));
	ctl_table_end(t);
	json_decref(r);
	return CTL_OK;
}

static void print_event(struct ctl *c, json_t *e)
{
	char when[CTL_TIME_MAX];
	if (c->json) {
		ctl_print_json(c, e);
		return;
	}
	printf("%s  %-10s", ctl_wall(ctl_int(e, "wall_ms"), when), ctl_text(e, "kind"));
	if (*ctl_text(e, "trunk"))
		printf("  %s", ctl_text(e, "trunk"));
	if (*ctl_text(e, "trunk2"))
		printf(" -> %s", ctl_text(e, "trunk2"));
	if (*ctl_text(e, "detail"))
		printf("  %s", ctl_text(e, "detail"));
	if (ctl_int(e, "elapsed_us"))
		printf("  after %.3f ms", (double)ctl_int(e, "elapsed_us") / 1000);
	if (*ctl_text(e, "call_id"))
		printf("  call %s", ctl_text(e, "call_id"));
	putchar('\n');
}

static void print_lost(struct ctl *c, const json_t *o)
{
	if (ctl_int(o, "lost") == 0)
		return;
	if (c->json)
		printf("{\"lost\":%lld}\n", N(o, "lost"));
	else
		printf("... %lld events were lost\n", N(o, "lost"));
}

static int follow(struct ctl *c)
{
	json_t *note;
	fflush(stdout);
	for (;;) {
		errno = 0;
		note = ctl_read(c);
		if (!note && errno == EAGAIN) { /* nothing happened for a while */
			clearerr(c->in);
			continue;
		}
		if (!note) {
			fprintf(stderr, "switchbackctl: %s: the daemon closed the connection\n", c->socket);
			return CTL_UNAVAILABLE;
		}
		if (strcmp(ctl_text(note, "method"), "lost") == 0)
			print_lost(c, json_object_get(note, "params"));
		else
			print_event(c, json_object_get(note, "params"));
		json_decref(note);
		fflush(stdout);
	}
}

int ctl_events(struct ctl *c)
{
	json_t *params = json_object(), *r, *e;
	size_t i;
	if (c->after)
		json_object_set_new(params, "after", json_integer(atoll(c->after)));
	if (c->limit)
		json_object_set_new(params, "limit", json_integer(atoll(c->limit)));
	if (c->follow)
		json_object_set_new(params, "follow", json_true());
	r = ctl_call(c, "events", params);
	if (c->json && !c->follow) {
		ctl_print_json(c, r);
	} else {
		print_lost(c, r);
		json_array_foreach(json_object_get(r, "events"), i, e) print_event(c, e);
	}
	json_decref(r);
	return c->follow ? follow(c) : CTL_OK;
}

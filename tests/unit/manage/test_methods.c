/* SPDX-License-Identifier: BSD-3-Clause */
/* What each method of the control socket tells, and what it asks of the daemon. */
#include "world.h"
#include <sys/socket.h>
#include <unistd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int fd;

static int setup(void **state)
{
	struct world *w = world_new();
	fd = world_connect(w);
	*state = w;
	return 0;
}

static int teardown(void **state)
{
	close(fd);
	world_free(*state);
	return 0;
}

static json_int_t number(const json_t *o, const char *a, const char *b)
{
	const json_t *v = json_object_get(o, a);
	if (b)
		v = json_object_get(v, b);
	assert_true(json_is_integer(v));
	return json_integer_value(v);
}

static const char *text(const json_t *o, const char *key)
{
	const char *t = json_string_value(json_object_get(o, key));
	assert_non_null(t);
	return t;
}

static void status_sums_workers_and_states(void **state)
{
	struct world *w = *state;
	sb_count_add(&w->counters[0], SB_C_calls, 70);
	sb_count_add(&w->counters[1], SB_C_calls, 30);
	sb_count_add(&w->counters[1], SB_C_calls_answered, 25);
	w->usage[0].transactions = 3;
	w->usage[1].transactions = 4;
	w->usage[0].transactions_max = w->usage[1].transactions_max = 500;
	w->usage[1].invites = 2;
	w->usage[0].shed_share = 65536 / 4;
	w->usage[1].shed_share = 65536 / 2;
	sb_count_add(&w->counters[0], SB_C_shed_overload, 5);
	w->now_ms = 61000;
	json_t *r = world_result(w, fd, "status", NULL);
	assert_int_equal(number(r, "uptime_ms", NULL), 60000);
	assert_int_equal(number(r, "generation", NULL), 7);
	assert_int_equal(number(r, "workers", NULL), 2);
	assert_int_equal(number(r, "calls", "total"), 100);
	assert_int_equal(number(r, "calls", "answered"), 25);
	assert_int_equal(number(r, "calls", "in_setup"), 2);
	assert_int_equal(number(r, "overload", "shed"), 5);
	assert_true(json_real_value(json_object_get(json_object_get(r, "overload"), "shed_share")) == 0.5);
	assert_int_equal(number(r, "transactions", "in_use"), 7);
	assert_int_equal(number(r, "transactions", "max"), 1000);
	const json_t *trunks = json_object_get(r, "trunks");
	assert_int_equal(number(trunks, "total", NULL), 3);
	assert_int_equal(number(trunks, "states", "UP"), 1);
	assert_int_equal(number(trunks, "states", "DOWN"), 1);
	assert_int_equal(number(trunks, "states", "RAMPING"), 1);
	assert_int_equal(number(trunks, "states", "PROBING"), 0);
	assert_int_equal(number(trunks, "admin", "drain"), 1);
	assert_true(json_is_null(json_object_get(r, "last_reload")));
	json_decref(r);
}

static json_int_t calls_a_second(struct world *w)
{
	json_t *r = world_result(w, fd, "status", NULL);
	json_int_t n = number(r, "calls", "per_second");
	json_decref(r);
	return n;
}

static void calls_a_second_is_that_of_the_last_second(void **state)
{
	struct world *w = *state;
	sb_count_add(&w->counters[0], SB_C_calls, 500);
	assert_int_equal(calls_a_second(w), 0);
	w->now_ms += 1000;
	sb_manage_poll(w->m, 1);
	assert_int_equal(calls_a_second(w), 500);
	sb_count_add(&w->counters[1], SB_C_calls, 100);
	w->now_ms += 999;
	assert_int_equal(calls_a_second(w), 500);
	w->now_ms += 1;
	assert_int_equal(calls_a_second(w), 100);
	w->now_ms += 2000;
	assert_int_equal(calls_a_second(w), 0);
}

static void trunks_show_health_share_and_evidence_with_its_age(void **state)
{
	struct world *w = *state;
	strcpy(w->evidence, "no answer \xff");
	w->stats[0][1].calls = 5;
	w->stats[1][1].calls = 6;
	w->stats[1][1].active = 1;
	json_t *r = world_result(w, fd, "trunks", NULL), *all = json_object_get(r, "trunks");
	assert_int_equal(json_array_size(all), 3);
	const json_t *a = json_array_get(all, 0), *b = json_array_get(all, 1), *c = json_array_get(all, 2);
	assert_string_equal(text(a, "name"), "lon-a");
	assert_string_equal(text(a, "address"), "10.0.0.1:5060");
	assert_string_equal(text(a, "listener"), "access");
	assert_string_equal(text(a, "state"), "UP");
	assert_int_equal(number(a, "rtt_us", NULL), 1500);
	assert_int_equal(number(a, "next_probe_in_ms", NULL), 4000);
	assert_true(json_is_null(json_object_get(a, "evidence_age_ms")));
	assert_string_equal(text(b, "state"), "DOWN");
	assert_string_equal(text(b, "evidence"), "no answer ?");
	assert_int_equal(number(b, "evidence_age_ms", NULL), 3200);
	assert_true(json_is_null(json_object_get(b, "next_probe_in_ms")));
	assert_int_equal(number(b, "calls", NULL), 11);
	assert_int_equal(number(b, "active", NULL), 1);
	assert_string_equal(text(c, "state"), "RAMPING");
	assert_string_equal(text(c, "admin"), "drain");
	assert_true(json_real_value(json_object_get(c, "share")) == 0.5);
	json_decref(r);
}

static void long_tables_come_in_pages(void **state)
{
	struct world *w = *state;
	const uint32_t n = 2 * SB_MANAGE_PAGE_MAX + 10;
	world_trunks(w, n);
	for (unsigned m = 0; m < 2; m++) {
		const char *method = m ? "stats" : "trunks";
		json_int_t seen = 0;
		for (int page = 0; page < 3; page++) {
			char params[64], name[16];
			snprintf(params, sizeof params, "{\"offset\":%d}", (int)seen);
			json_t *r = world_result(w, fd, method, params), *rows = json_object_get(r, "trunks");
			assert_int_equal(number(r, "total", NULL), n);
			snprintf(name, sizeof name, "t%d", (int)seen);
			assert_string_equal(text(json_array_get(rows, 0), "name"), name);
			seen += (json_int_t)json_array_size(rows);
			if (page < 2)
				assert_int_equal(number(r, "next", NULL), seen);
			else
				assert_null(json_object_get(r, "next"));
			json_decref(r);
		}
		assert_int_equal(seen, n);
	}
	json_t *r = world_result(w, fd, "trunks", "{\"offset\":5,\"limit\":2}");
	assert_int_equal(json_array_size(json_object_get(r, "trunks")), 2);
	assert_int_equal(number(r, "next", NULL), 7);
	json_decref(r);
	r = world_result(w, fd, "trunks", "{\"offset\":9223372036854775807}");
	assert_int_equal(json_array_size(json_object_get(r, "trunks")), 0);
	json_decref(r);
}

/* P9 */
static void trunk_is_switched_by_name(void **state)
{
	struct world *w = *state;
	static const struct {
		const char *action, *admin;
		enum sb_admin want;
	} rows[] = {
	        {"drain", "drain", SB_DRAIN}, {"disable", "disabled", SB_DISABLED}, {"enable", "enabled", SB_ENABLED}};
	for (unsigned i = 0; i < 3; i++) {
		char params[64];
		snprintf(params, sizeof params, "{\"name\":\"lon-b\",\"action\":\"%s\"}", rows[i].action);
		json_t *r = world_result(w, fd, "trunk", params);
		assert_int_equal(w->admin_slot, 1);
		assert_int_equal(w->admin, rows[i].want);
		assert_string_equal(text(r, "admin"), rows[i].admin);
		assert_true(json_is_true(json_object_get(r, "kept")));
		json_decref(r);
	}
	json_t *r = world_result(w, fd, "trunk", "{\"name\":\"lon-b\"}");
	assert_string_equal(text(r, "name"), "lon-b");
	assert_int_equal(w->admin_calls, 3);
	json_decref(r);
}

/* P9: the operator is told when a restart would forget the switch. */
static void switch_that_is_not_kept_says_so(void **state)
{
	struct world *w = *state;
	w->admin_err = SB_E_IO;
	json_t *r = world_result(w, fd, "trunk", "{\"name\":\"lon-a\",\"action\":\"drain\"}");
	assert_true(json_is_false(json_object_get(r, "kept")));
	assert_string_equal(text(r, "warning"), "no room on the disk");
	json_decref(r);
	w->admin_err = SB_E_INVAL;
	r = world_ask(w, fd, "trunk", "{\"name\":\"lon-a\",\"action\":\"drain\"}");
	assert_int_equal(number(json_object_get(r, "error"), "code", NULL), -32002);
	json_decref(r);
}

static void routes_show_their_groups_in_order(void **state)
{
	struct world *w = *state;
	static const char *const want[][2] = {
	        {"domain", "example.com"}, {"source", "10.1.0.0/16"}, {"default", ""}, {"prefix", "+4420"}};
	json_t *r = world_result(w, fd, "routes", NULL), *all = json_object_get(r, "routes");
	assert_int_equal(json_array_size(all), 4);
	for (unsigned i = 0; i < 4; i++) {
		assert_string_equal(text(json_array_get(all, i), "kind"), want[i][0]);
		assert_string_equal(text(json_array_get(all, i), "key"), want[i][1]);
	}
	const json_t *groups = json_object_get(json_array_get(all, 3), "groups"), *london = json_array_get(groups, 0);
	assert_int_equal(json_array_size(groups), 2);
	assert_string_equal(text(london, "name"), "london");
	assert_string_equal(text(json_array_get(groups, 1), "name"), "manchester");
	assert_int_equal(number(json_array_get(groups, 1), "fallback_interval_ms", NULL), 60000);
	const json_t *members = json_object_get(london, "members");
	assert_int_equal(json_array_size(members), 2);
	assert_string_equal(text(json_array_get(members, 1), "trunk"), "lon-b");
	assert_int_equal(number(json_array_get(members, 1), "priority", NULL), 2);
	json_decref(r);
}

/* S4.5, P22 */
static void explain_tells_candidates_formulas_and_who_was_passed_over(void **state)
{
	struct world *w = *state;
	json_t *r = world_result(
	        w, fd, "explain", "{\"number\":\"+442012345\",\"source\":\"10.1.2.3\",\"domain\":\"example.com\"}");
	assert_string_equal(w->explain_number, "+442012345");
	assert_string_equal(w->explain_domain, "example.com");
	assert_int_equal(w->explain_source.family, 4);
	assert_string_equal(text(r, "route"), "prefix +4420");
	const json_t *candidates = json_object_get(r, "candidates"), *over = json_object_get(r, "passed_over");
	assert_int_equal(json_array_size(candidates), 2);
	assert_int_equal(json_array_size(over), 1);
	const json_t *second = json_array_get(candidates, 1), *down = json_array_get(over, 0);
	assert_string_equal(text(second, "trunk"), "man-a");
	assert_int_equal(number(second, "trying_timer_ms", NULL), 500);
	assert_int_equal(number(second, "sends", NULL), 7);
	assert_int_equal(number(second, "formula_ms", NULL), 63500);
	assert_int_equal(number(second, "running_ms", NULL), 66500);
	assert_string_equal(text(down, "state"), "DOWN");
	assert_string_equal(text(down, "evidence"), "no answer in 3000 ms (4 sends)");
	assert_int_equal(number(down, "evidence_age_ms", NULL), 61000);
	json_decref(r);
	r = world_result(w, fd, "explain", "{\"number\":\"0\"}");
	assert_true(json_is_false(json_object_get(r, "found")));
	assert_int_equal(w->explain_source.family, 0);
	assert_string_equal(w->explain_domain, "");
	json_decref(r);
	w->explain_err = SB_E_INVAL;
	r = world_ask(w, fd, "explain", "{\"number\":\"0\"}");
	assert_int_equal(number(json_object_get(r, "error"), "code", NULL), -32002);
	json_decref(r);
}

static void stats_tell_every_counter_and_the_identity(void **state)
{
	struct world *w = *state;
	for (unsigned i = 0; i < SB_COUNTERS; i++)
		sb_count_add(&w->counters[i % 2], (enum sb_counter)i, 1);
	sb_count_add(&w->counters[1], SB_C_rx_frames, 99);
	w->stats[0][2].failed_icmp = 4;
	json_t *r = world_result(w, fd, "stats", NULL);
	json_int_t ends = 0;
	for (unsigned i = 0; i < SB_COUNTERS; i++) {
		const struct sb_counter_row *row = &sb_counter_rows()[i];
		assert_int_equal(number(r, "counters", row->name), i == SB_C_rx_frames ? 100 : 1);
		ends += row->kind == SB_KIND_END || row->kind == SB_KIND_DROP;
	}
	assert_int_equal(number(r, "identity", "rx"), 100);
	assert_int_equal(number(r, "identity", "ends"), ends);
	assert_int_equal(number(r, "identity", "in_flight"), 100 - ends);
	const json_t *workers = json_object_get(r, "workers");
	assert_int_equal(json_array_size(workers), 2);
	assert_int_equal(number(json_array_get(workers, 1), "rx_frames", NULL), 99);
	assert_int_equal(number(json_array_get(json_object_get(r, "trunks"), 2), "failed_icmp", NULL), 4);
	json_decref(r);
}

static void memory_tells_three_kinds_and_their_bounds(void **state)
{
	struct world *w = *state;
	w->usage[1].osip_peak = 12000;
	w->usage[1].osip_size = 65536;
	w->usage[0].text_bytes = 10;
	w->usage[1].text_bytes = 20;
	w->usage[0].text_bytes_max = w->usage[1].text_bytes_max = 1000;
	json_t *r = world_result(w, fd, "memory", NULL);
	assert_string_equal(text(json_object_get(r, "heap"), "allocator"), "system"); /* not linked with jemalloc */
	number(r, "heap", "allocated");
	assert_int_equal(number(r, "clients", "in_use"), 1);
	assert_int_equal(number(r, "clients", "max"), SB_MANAGE_CLIENTS_MAX);
	assert_true(number(r, "clients", "bytes") >= SB_MANAGE_LINE_MAX);
	assert_int_equal(
	        number(r, "clients", "bytes_max"), SB_MANAGE_CLIENTS_MAX * (SB_MANAGE_LINE_MAX + SB_MANAGE_OUT_MAX));
	const json_t *osip = json_object_get(r, "osip"), *pool = json_array_get(json_object_get(r, "packets"), 0);
	assert_int_equal(number(json_array_get(osip, 1), "peak", NULL), 12000);
	assert_int_equal(number(json_array_get(osip, 1), "max", NULL), 65536);
	assert_string_equal(text(pool, "name"), "rx");
	assert_int_equal(number(pool, "bytes", NULL), 230400);
	assert_int_equal(number(pool, "bytes_max", NULL), 8192 * 2304);
	assert_int_equal(number(r, "text", "bytes"), 30);
	assert_int_equal(number(r, "text", "bytes_max"), 2000);
	json_decref(r);
}

static void refused_reload_tells_every_mistake_and_what_ran_goes_on(void **state)
{
	struct world *w = *state;
	w->reload_err = SB_E_CONFIG;
	w->reload_lines = SB_MANAGE_LINES_MAX + 5;
	json_t *r = world_ask(w, fd, "reload", NULL);
	const json_t *error = json_object_get(r, "error"), *data = json_object_get(error, "data");
	assert_int_equal(number(error, "code", NULL), -32002);
	assert_int_equal(json_array_size(json_object_get(data, "lines")), SB_MANAGE_LINES_MAX);
	assert_string_equal(json_string_value(json_array_get(json_object_get(data, "lines"), 1)),
	        "switchback.yaml:2: trunks.ramp: wrong");
	assert_int_equal(number(data, "omitted", NULL), 5);
	json_decref(r);
	r = world_result(w, fd, "status", NULL);
	assert_int_equal(number(r, "generation", NULL), 7);
	assert_true(json_is_false(json_object_get(json_object_get(r, "last_reload"), "ok")));
	assert_string_equal(text(json_object_get(r, "last_reload"), "line"), "switchback.yaml:1: trunks.ramp: wrong");
	json_decref(r);
	w->reload_err = 0;
	w->reload_lines = 1;
	r = world_result(w, fd, "reload", NULL);
	assert_int_equal(number(r, "generation", NULL), 8);
	assert_int_equal(json_array_size(json_object_get(r, "notes")), 1);
	json_decref(r);
	sb_manage_reloaded(w->m, SB_E_IO, "no such file");
	r = world_result(w, fd, "status", NULL);
	assert_string_equal(text(json_object_get(r, "last_reload"), "line"), "no such file");
	json_decref(r);
}

/* What runs then is not for the refused request to say: the one under way may be taken. Nor is the last reload it. */
static void reload_amid_another_says_what_became_of_it(void **state)
{
	struct world *w = *state;
	w->reload_err = SB_E_BUSY;
	json_t *r = world_ask(w, fd, "reload", NULL);
	const json_t *error = json_object_get(r, "error");
	assert_int_equal(number(error, "code", NULL), -32002);
	const char *message = text(error, "message");
	assert_non_null(strstr(message, "another reload is under way, this one was not begun: ask again"));
	assert_null(strstr(message, "running configuration stays"));
	json_decref(r);
	r = world_result(w, fd, "status", NULL);
	assert_true(json_is_null(json_object_get(r, "last_reload")));
	json_decref(r);
}

/* Who asked for it waits, others do not; who has gone meanwhile is not told. */
static void reload_beside_is_answered_when_it_is_over(void **state)
{
	struct world *w = *state;
	struct sb_manage_lines lines = {.n = 0};
	char byte;
	int other = world_connect(w), gone = world_connect(w);
	w->reload_err = SB_MANAGE_LATER;
	world_send(fd, "{\"jsonrpc\":\"2.0\",\"id\":5,\"method\":\"reload\"}\n"
	               "{\"jsonrpc\":\"2.0\",\"id\":6,\"method\":\"version\"}\n");
	json_decref(world_result(w, other, "version", NULL));
	assert_int_equal(recv(fd, &byte, 1, MSG_DONTWAIT), -1);
	sb_manage_line(&lines, "sb.yaml:1: wrong");
	sb_manage_reload_over(w->m, SB_E_CONFIG, &lines);
	json_t *first = world_json(w, fd), *second = world_json(w, fd);
	assert_int_equal(number(first, "id", NULL), 5);
	const json_t *data = json_object_get(json_object_get(first, "error"), "data");
	assert_string_equal(json_string_value(json_array_get(json_object_get(data, "lines"), 0)), "sb.yaml:1: wrong");
	assert_int_equal(number(second, "id", NULL), 6);
	json_decref(first);
	json_decref(second);

	world_send(gone, "{\"jsonrpc\":\"2.0\",\"id\":7,\"method\":\"reload\"}\n");
	sb_manage_poll(w->m, 8);
	close(gone);
	json_decref(world_result(w, other, "version", NULL));
	sb_manage_reload_over(w->m, 0, &lines);
	json_t *r = world_result(w, other, "status", NULL);
	assert_true(json_is_true(json_object_get(json_object_get(r, "last_reload"), "ok")));
	json_decref(r);
	close(other);
}

static void events_are_told_from_where_the_reader_stands(void **state)
{
	struct world *w = *state;
	for (int i = 0; i < 300; i++)
		world_event(w, "health", "x");
	json_t *r = world_result(w, fd, "events", NULL), *list = json_object_get(r, "events");
	assert_int_equal(json_array_size(list), 100);
	assert_int_equal(number(json_array_get(list, 0), "seq", NULL), 201);
	assert_int_equal(number(r, "last", NULL), 300);
	json_decref(r);
	r = world_result(w, fd, "events", "{\"after\":0,\"limit\":2}");
	assert_int_equal(number(r, "next", NULL), 2);
	assert_int_equal(json_array_size(json_object_get(r, "events")), 2);
	json_decref(r);
	r = world_result(w, fd, "events", "{\"after\":300}");
	assert_int_equal(json_array_size(json_object_get(r, "events")), 0);
	assert_int_equal(number(r, "next", NULL), 300);
	json_decref(r);
	for (int i = 0; i < SB_EVENTS_KEPT; i++)
		world_event(w, "health", "x");
	r = world_result(w, fd, "events", "{\"after\":10,\"limit\":1}");
	assert_int_equal(number(r, "lost", NULL), 290);
	assert_int_equal(number(json_array_get(json_object_get(r, "events"), 0), "seq", NULL), 301);
	json_decref(r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test_setup_teardown(status_sums_workers_and_states, setup, teardown),
	        cmocka_unit_test_setup_teardown(calls_a_second_is_that_of_the_last_second, setup, teardown),
	        cmocka_unit_test_setup_teardown(trunks_show_health_share_and_evidence_with_its_age, setup, teardown),
	        cmocka_unit_test_setup_teardown(long_tables_come_in_pages, setup, teardown),
	        cmocka_unit_test_setup_teardown(trunk_is_switched_by_name, setup, teardown),
	        cmocka_unit_test_setup_teardown(switch_that_is_not_kept_says_so, setup, teardown),
	        cmocka_unit_test_setup_teardown(routes_show_their_groups_in_order, setup, teardown),
	        cmocka_unit_test_setup_teardown(
	                explain_tells_candidates_formulas_and_who_was_passed_over, setup, teardown),
	        cmocka_unit_test_setup_teardown(stats_tell_every_counter_and_the_identity, setup, teardown),
	        cmocka_unit_test_setup_teardown(memory_tells_three_kinds_and_their_bounds, setup, teardown),
	        cmocka_unit_test_setup_teardown(
	                refused_reload_tells_every_mistake_and_what_ran_goes_on, setup, teardown),
	        cmocka_unit_test_setup_teardown(reload_amid_another_says_what_became_of_it, setup, teardown),
	        cmocka_unit_test_setup_teardown(reload_beside_is_answered_when_it_is_over, setup, teardown),
	        cmocka_unit_test_setup_teardown(events_are_told_from_where_the_reader_stands, setup, teardown),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

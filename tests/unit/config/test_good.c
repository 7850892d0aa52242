/* SPDX-License-Identifier: BSD-3-Clause */
/* What a good file means: defaults, every key, units, merges; and what a reload may not change. */
#include "base.h"
#include "control/config/value.h"
#include <unistd.h>

static struct sb_slots *slots_of(void **state)
{
	return *state;
}

static int new_slots(void **state)
{
	*state = sb_slots_new();
	return *state ? 0 : -1;
}

static int free_slots(void **state)
{
	sb_slots_free(*state);
	return 0;
}

static struct sb_config *load_line(void **state, unsigned line, const char *with)
{
	char text[8192];
	base_text(text, line, with);
	return load_good(text, slots_of(state));
}

static void what_is_not_said_has_its_default(void **state)
{
	struct sb_config *c = load_line(state, 1, "");
	assert_string_equal(c->file, "sb.yaml");
	assert_string_equal(c->control.socket, "/run/switchback/control.sock");
	assert_string_equal(c->control.state_dir, "/var/lib/switchback");
	assert_int_equal(c->control.lcore, 0);
	assert_int_equal(c->control.log_level, SB_LOG_INFO);
	assert_int_equal(c->control.log_format, SB_LOG_LOGFMT);
	assert_int_equal(c->n_workers, 1);
	assert_int_equal(c->workers[0], sysconf(_SC_NPROCESSORS_CONF) > 1 ? 1 : 0);
	assert_string_equal(c->hugepages, "auto");
	assert_int_equal(c->memory_mb, 256);
	assert_int_equal(c->transactions_max, 1000000);
	assert_int_equal(c->ports[0].mtu, 1500);
	assert_string_equal(c->ports[1].tap, "sb-core");
	const struct sb_snapshot *s = c->snapshot;
	assert_int_equal(s->parser, SB_PARSER_AUTO);
	assert_int_equal(s->late_2xx, SB_LATE_FORWARD);
	assert_int_equal(s->idle_latency_us, 100);
	assert_int_equal(s->t1_ms, 500);
	assert_int_equal(s->t2_ms, 4000);
	assert_int_equal(s->t4_ms, 5000);
	assert_int_equal(s->timer_c_ms, 190000);
	assert_int_equal(s->retry_after_s, 5);
	assert_int_equal(s->invite_rate_per_source, 0);
	assert_true(s->overload_shed);
	sb_config_free(c);
}

/* S4.1: the defaults make seven sends, 500 ms the first wait. */
static void a_trunk_that_says_nothing_has_the_defaults(void **state)
{
	struct sb_config *c = load_line(state, 0, "");
	const struct sb_snap_trunk *t = &c->snapshot->trunks[0];
	const struct sb_trunk_policy *p = &c->policy[0];
	assert_int_equal(c->n_trunks, 3);
	assert_int_equal(t->trying_timer_ms, 500);
	assert_int_equal(t->sends, 7);
	assert_false(t->failover_after_ringing);
	for (unsigned code = 300; code < 700; code++)
		assert_int_equal(sb_code_in(&t->failover_on, code), code == 408 || (code >= 500 && code <= 599));
	assert_string_equal(t->probe_from, "");
	assert_string_equal(t->probe_user_agent, "");
	assert_true(p->probe);
	assert_int_equal(p->interval_ms, 5000);
	assert_int_equal(p->timeout_ms, 1000);
	assert_int_equal(p->failures, 3);
	assert_int_equal(p->successes, 2);
	assert_int_equal(p->min_ms, 1000);
	assert_int_equal(p->max_ms, 60000);
	for (unsigned code = 100; code < 700; code++) {
		assert_int_equal(sb_status_in(&p->up_codes, code), code >= 200 && code <= 499);
		assert_int_equal(sb_status_in(&p->down_codes, code), code == 503);
	}
	assert_int_equal(p->traffic_failures, 3);
	assert_int_equal(p->traffic_window, 8);
	assert_int_equal(p->ramp_ms, 10000);
	sb_config_free(c);
}

/* S4.2, S4.3, P2, P18, P19: the knobs of a trunk reach the workers and the prober. */
static void every_key_of_a_trunk_is_read(void **state)
{
	struct sb_config *c = load_line(state, 10,
	        "  - name: lon-a\n    address: 10.0.0.1:0\n    listener: inner\n    trying_timer: 200ms\n    "
	        "invite_retries: 3\n"
	        "    failover_on: [ 404, 5xx, \"600, 603-604\" ]\n    failover_after_ringing: yes\n    ramp: 0\n"
	        "    probe: { method: OPTIONS, interval: 1m, timeout: 1.5s, failures: 5, successes: 4, min: 2s, max: "
	        "1h,\n"
	        "      up_codes: 200-299, down_codes: [], from: \"sip:probe@example.com\", user_agent: \"our eye\" }\n"
	        "    traffic: { failures: 2, window: 64 }");
	const struct sb_snap_trunk *t = &c->snapshot->trunks[0];
	const struct sb_trunk_policy *p = &c->policy[0];
	assert_int_equal(t->addr.port, 5060);
	assert_int_equal(t->trying_timer_ms, 200);
	assert_int_equal(t->sends, 4);
	assert_true(t->failover_after_ringing);
	for (unsigned code = 300; code < 700; code++)
		assert_int_equal(sb_code_in(&t->failover_on, code),
		        code == 404 || code / 100 == 5 || code == 600 || code == 603 || code == 604);
	assert_int_equal(p->interval_ms, 60000);
	assert_int_equal(p->timeout_ms, 1500);
	assert_int_equal(p->failures, 5);
	assert_int_equal(p->successes, 4);
	assert_int_equal(p->min_ms, 2000);
	assert_int_equal(p->max_ms, 3600000);
	for (unsigned code = 100; code < 700; code++) {
		assert_int_equal(sb_status_in(&p->up_codes, code), code / 100 == 2);
		assert_false(sb_status_in(&p->down_codes, code));
	}
	assert_string_equal(t->probe_from, "sip:probe@example.com");
	assert_string_equal(t->probe_user_agent, "our eye");
	assert_int_equal(p->traffic_failures, 2);
	assert_int_equal(p->traffic_window, 64);
	assert_int_equal(p->ramp_ms, 0);
	sb_config_free(c);
}

static void method_none_turns_probing_off(void **state)
{
	struct sb_config *c = load_line(
	        state, 10, "  - { name: lon-a, address: 10.0.0.1, listener: inner, probe: { method: none, min: 2m } }");
	assert_false(c->policy[0].probe);
	assert_true(c->policy[1].probe);
	sb_config_free(c);
}

static void every_key_of_the_process_is_read(void **state)
{
	struct sb_config *c = load_line(state, 19,
	        "control: { socket: /run/s, lcore: 0, state_dir: /s, log_level: debug, log_format: json }\nparser: "
	        "osip\n"
	        "hugepages: no\nmemory: 1GB\nlimits: { transactions: 5000, invite_rate_per_source: 50, retry_after: 1m "
	        "}\n"
	        "timers: { t1: 100ms, t2: 1s, t4: 2s, timer_c: 5m }\nlate_2xx: bye\nidle_latency: 0.2ms");
	assert_string_equal(c->control.socket, "/run/s");
	assert_string_equal(c->control.state_dir, "/s");
	assert_int_equal(c->control.log_level, SB_LOG_DEBUG);
	assert_int_equal(c->control.log_format, SB_LOG_JSON);
	assert_string_equal(c->hugepages, "no");
	assert_int_equal(c->memory_mb, 1024);
	assert_int_equal(c->transactions_max, 5000);
	const struct sb_snapshot *s = c->snapshot;
	assert_int_equal(s->parser, SB_PARSER_OSIP);
	assert_int_equal(s->invite_rate_per_source, 50);
	assert_int_equal(s->retry_after_s, 60);
	assert_int_equal(s->t1_ms, 100);
	assert_int_equal(s->t2_ms, 1000);
	assert_int_equal(s->t4_ms, 2000);
	assert_int_equal(s->timer_c_ms, 300000);
	assert_int_equal(s->late_2xx, SB_LATE_BYE);
	assert_int_equal(s->idle_latency_us, 200);
	sb_config_free(c);
}

static void a_worker_that_polls_has_no_latency_to_spend(void **state)
{
	struct sb_config *c = load_line(state, 19, "idle: poll\nidle_latency: 1ms");
	assert_int_equal(c->snapshot->idle_latency_us, 0);
	sb_config_free(c);
	c = load_line(state, 19, "idle: adaptive\nidle_latency: 1ms");
	assert_int_equal(c->snapshot->idle_latency_us, 1000);
	sb_config_free(c);
}

static void ports_carry_their_addresses_and_vlans(void **state)
{
	struct sb_config *c = load_line(state, 0, "");
	assert_int_equal(c->n_ports, 2);
	assert_string_equal(c->ports[0].name, "edge");
	assert_string_equal(c->ports[0].device, "net_null0");
	assert_string_equal(c->ports[0].tap, "sb-in");
	assert_int_equal(c->ports[0].addresses.n, 2);
	assert_int_equal(c->ports[0].addresses.list[0].ip.family, 4);
	assert_int_equal(c->ports[0].addresses.list[0].ip.ip[3], 10);
	assert_int_equal(c->ports[0].addresses.list[0].bits, 24);
	assert_int_equal(c->ports[0].addresses.list[1].ip.family, 6);
	assert_int_equal(c->ports[0].addresses.list[1].bits, 64);
	assert_int_equal(c->ports[1].addresses.n, 0);
	assert_int_equal(c->ports[1].n_vlans, 1);
	assert_int_equal(c->ports[1].vlans[0].id, 7);
	assert_int_equal(c->ports[1].vlans[0].addresses.n, 1);
	sb_config_free(c);
}

static void merged_keys_give_way_to_the_mappings_own(void **state)
{
	struct sb_config *c = load_line(state, 10,
	        "  - &base { name: lon-a, address: 10.0.0.1, listener: inner, ramp: 3s, trying_timer: 40ms }\n"
	        "  - &next { <<: *base, name: lon-c, address: 10.0.0.3, ramp: 4s }\n"
	        "  - { name: lon-d, address: 10.0.0.4, <<: *next, trying_timer: 50ms }");
	assert_string_equal(c->snapshot->trunks[1].name, "lon-c");
	assert_int_equal(c->policy[1].ramp_ms, 4000);
	assert_int_equal(c->snapshot->trunks[1].trying_timer_ms, 40);
	assert_string_equal(c->snapshot->trunks[2].name, "lon-d");
	assert_int_equal(c->policy[2].ramp_ms, 4000);
	assert_int_equal(c->snapshot->trunks[2].trying_timer_ms, 50);
	sb_config_free(c);
}

static void sections_left_empty_have_their_defaults(void **state)
{
	struct sb_config *c = load_line(state, 19, "control:\nlimits: ~\ntimers: {}");
	assert_int_equal(c->snapshot->t1_ms, 500);
	assert_int_equal(c->transactions_max, 1000000);
	sb_config_free(c);
}

/* Durations, by the schema's own reader. */
static void durations_carry_their_unit(void **state)
{
	static const struct {
		const char *text;
		int64_t ms; /* -1: refused */
	} rows[] = {
	        {"0", 0},
	        {"0s", 0},
	        {"1ms", 1},
	        {"500ms", 500},
	        {"1s", 1000},
	        {"0.5s", 500},
	        {"1.25s", 1250},
	        {"1.001s", 1001},
	        {"90s", 90000},
	        {"1.5m", 90000},
	        {"2h", 7200000},
	        {"24h", 86400000},
	        {"24.001h", -1},
	        {"25h", -1},
	        {"1", -1},
	        {"0.5ms", -1},
	        {"1.0005s", -1},
	        {"1.s", -1},
	        {".5s", -1},
	        {"s", -1},
	        {"", -1},
	        {"1 s", -1},
	        {" 1s", -1},
	        {"1s ", -1},
	        {"+1s", -1},
	        {"-1s", -1},
	        {"1S", -1},
	        {"1d", -1},
	        {"1e3s", -1},
	        {"0x1s", -1},
	        {"1s1s", -1},
	        {"1..5s", -1},
	        {"999999999999h", -1},
	        {"9999999999999h", -1},
	        {"0.0", 0},
	        {"0.1", -1},
	};
	const struct sb_key day = {"time", SB_V_TIME, .max = 86400000};
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		uint32_t ms = 12345;
		const char *wrong = sb_value_read(&day, rows[i].text, &ms);
		if ((wrong == NULL) != (rows[i].ms >= 0) || (!wrong && ms != rows[i].ms))
			fail_msg("\"%s\": %s, %u ms", rows[i].text, wrong ? wrong : "read", ms);
	}
}

static void durations_are_told_in_their_largest_unit(void **state)
{
	static const struct {
		uint32_t ms;
		const char *text;
	} rows[] = {{0, "0s"}, {1, "1ms"}, {1500, "1500ms"}, {1000, "1s"}, {90000, "90s"}, {120000, "2m"},
	        {86400000, "24h"}};
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		char text[SB_TIME_TEXT_MAX];
		sb_value_time(rows[i].ms, text);
		assert_string_equal(text, rows[i].text);
	}
}

/* The file that a carrier starts from loads as it is. */
static void the_packaged_example_is_good(void **state)
{
	struct sb_config *c = NULL;
	struct sb_config_errors e = {0};
	if (sysconf(_SC_NPROCESSORS_CONF) < 2)
		skip();
	int rc = sb_config_load(SB_EXAMPLE, NULL, 0, slots_of(state), &c, &e);
	for (uint32_t i = 0; i < e.n; i++)
		print_error("%s\n", e.line[i]);
	assert_int_equal(rc, 0);
	assert_int_equal(c->n_ports, 2);
	assert_int_equal(c->n_trunks, 5);
	assert_int_equal(c->snapshot->n_other_routes + c->snapshot->prefixes.n, 6);
	sb_config_free(c);
}

static void expect_reload(void **state, unsigned line, const char *with, const char *const *expect)
{
	struct sb_config *running = load_line(state, 0, "");
	struct sb_config *next = load_line(state, line, with);
	struct sb_config_errors e = {0};
	uint32_t n = 0;
	while (expect[n])
		n++;
	assert_int_equal(sb_config_reloadable(running, next, &e), n ? SB_E_CONFIG : 0);
	for (uint32_t i = 0; i < n && i < e.n; i++)
		assert_string_equal(e.line[i], expect[i]);
	assert_int_equal(e.n, n);
	sb_config_errors_free(&e);
	sb_config_free(running);
	sb_config_free(next);
}

static void what_needs_a_restart_is_told_line_by_line(void **state)
{
	expect_reload(state, 19,
	        "control: { socket: /run/s, state_dir: /s }\nhugepages: no\nmemory: 1GB\nlimits: { transactions: 7 }",
	        (const char *const[]){"sb.yaml: control.socket: changes from \"/run/switchback/control.sock\" to "
	                              "\"/run/s\", which needs a restart",
	                "sb.yaml: control.state_dir: changes from \"/var/lib/switchback\" to \"/s\", which needs a "
	                "restart",
	                "sb.yaml: hugepages: changes from \"auto\" to \"no\", which needs a restart",
	                "sb.yaml: memory: changes from 256 to 1024, which needs a restart",
	                "sb.yaml: limits.transactions: changes from 1000000 to 7, which needs a restart", NULL});
	expect_reload(state, 3,
	        "  - { name: edge, device: net_null9, mtu: 1400, addresses: [192.0.2.10/25, \"2001:db8::10/64\"], "
	        "vlans: [ { id: 9, "
	        "addresses: [10.9.0.1/24] } ] }",
	        (const char *const[]){
	                "sb.yaml: ports[0].device: changes from \"net_null0\" to \"net_null9\", which needs a restart",
	                "sb.yaml: ports[0].tap: changes from \"sb-in\" to \"sb-edge\", which needs a restart",
	                "sb.yaml: ports[0].mtu: changes from 1500 to 1400, which needs a restart",
	                "sb.yaml: ports[0].addresses: changes, which needs a restart",
	                "sb.yaml: ports[0].vlans: changes, which needs a restart", NULL});
	expect_reload(state, 4,
	        "  - { name: core, device: net_null1, vlans: [ { id: 7, addresses: [10.0.0.10/24] } ] }\n  - { name: "
	        "more, device: d }",
	        (const char *const[]){"sb.yaml: ports: changes from 2 to 3 ports, which needs a restart", NULL});
	if (sysconf(_SC_NPROCESSORS_CONF) > 1)
		expect_reload(state, 1, "workers: [1, 0]",
		        (const char *const[]){"sb.yaml: workers: changes, which needs a restart", NULL});
}

static void everything_else_is_reloadable(void **state)
{
	static const char *const none[] = {NULL};
	expect_reload(state, 0, "", none);
	expect_reload(
	        state, 7, "  - { name: inner, port: core, address: 10.0.0.10, udp: 5099, trust: [10.0.0.0/8] }", none);
	expect_reload(state, 11,
	        "  - { name: lon-b, address: 10.9.9.9, listener: inner, ramp: 1s }\n"
	        "  - { name: lon-z, address: 10.9.9.8, listener: inner }",
	        none);
	expect_reload(state, 17, "  - { prefix: \"+33\", groups: [far] }", none);
	expect_reload(state, 19,
	        "control: { log_level: debug }\nparser: osip\nlate_2xx: bye\ntimers: { t1: 1s }\n"
	        "limits: { retry_after: 9s, invite_rate_per_source: 3 }",
	        none);
}

#define WITH_SLOTS(f) cmocka_unit_test_setup_teardown(f, new_slots, free_slots)

int main(void)
{
	const struct CMUnitTest tests[] = {
	        WITH_SLOTS(what_is_not_said_has_its_default),
	        WITH_SLOTS(a_trunk_that_says_nothing_has_the_defaults),
	        WITH_SLOTS(every_key_of_a_trunk_is_read),
	        WITH_SLOTS(method_none_turns_probing_off),
	        WITH_SLOTS(every_key_of_the_process_is_read),
	        WITH_SLOTS(a_worker_that_polls_has_no_latency_to_spend),
	        WITH_SLOTS(ports_carry_their_addresses_and_vlans),
	        WITH_SLOTS(merged_keys_give_way_to_the_mappings_own),
	        WITH_SLOTS(sections_left_empty_have_their_defaults),
	        cmocka_unit_test(durations_carry_their_unit),
	        cmocka_unit_test(durations_are_told_in_their_largest_unit),
	        WITH_SLOTS(the_packaged_example_is_good),
	        WITH_SLOTS(what_needs_a_restart_is_told_line_by_line),
	        WITH_SLOTS(everything_else_is_reloadable),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

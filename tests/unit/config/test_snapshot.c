/* SPDX-License-Identifier: BSD-3-Clause */
/* What workers are given: indexes instead of names, sorted members, the prefix hash, and slots that stay (P20). */
#include "base.h"
#include <switchback/mailbox.h>

static void listeners_have_their_text_and_trust(void **state)
{
	char text[8192];
	struct sb_slots *slots = sb_slots_new();
	base_text(text, 0, "");
	struct sb_config *c = load_good(text, slots);
	const struct sb_snapshot *s = c->snapshot;
	assert_int_equal(s->generation, 0);
	assert_int_equal(s->n_listeners, 3);
	assert_string_equal(s->listeners[0].name, "access");
	assert_string_equal(s->listeners[0].hostport, "192.0.2.10:5060");
	assert_int_equal(s->listeners[0].hostport_len, 15);
	assert_int_equal(s->listeners[0].port, 0);
	assert_string_equal(s->listeners[1].hostport, "10.0.0.10:5070");
	assert_int_equal(s->listeners[1].port, 1);
	assert_int_equal(s->listeners[1].n_trust, 0);
	assert_string_equal(s->listeners[2].hostport, "[2001:db8::10]:5060");
	assert_int_equal(s->listeners[0].n_trust, 2);
	struct sb_addr in, out;
	sb_addr_parse("198.51.100.77", 0, &in);
	sb_addr_parse("198.51.101.77", 0, &out);
	assert_true(sb_net_has(&s->nets[s->listeners[0].trust], &in));
	assert_false(sb_net_has(&s->nets[s->listeners[0].trust], &out));
	sb_addr_parse("2001:db8:9:1::1", 0, &in);
	assert_true(sb_net_has(&s->nets[s->listeners[0].trust + 1], &in));
	sb_config_free(c);
	sb_slots_free(slots);
}

/* P15: a trunk is reached from its own listener. */
static void trunks_know_their_listener_and_slot(void **state)
{
	char text[8192], addr[SB_ADDR_TEXT_MAX];
	struct sb_slots *slots = sb_slots_new();
	base_text(text, 0, "");
	struct sb_config *c = load_good(text, slots);
	const struct sb_snapshot *s = c->snapshot;
	static const char *const addresses[] = {"10.0.0.1:5062", "10.0.0.2:5060", "[2001:db8::1]:5080"};
	static const uint16_t listeners[] = {1, 1, 2};
	assert_int_equal(s->n_trunks, 3);
	for (uint32_t i = 0; i < 3; i++) {
		sb_addr_format(&s->trunks[i].addr, addr);
		assert_string_equal(addr, addresses[i]);
		assert_int_equal(s->trunks[i].listener, listeners[i]);
		assert_int_equal(s->trunk_of_slot[s->trunks[i].slot], i);
		assert_string_equal(sb_slots_name(slots, s->trunks[i].slot), s->trunks[i].name);
	}
	uint32_t used = 0;
	for (uint32_t i = 0; i < SB_TRUNKS_MAX; i++)
		used += s->trunk_of_slot[i] != SB_NO_TRUNK;
	assert_int_equal(used, 3);
	sb_config_free(c);
	sb_slots_free(slots);
}

static void members_are_sorted_by_priority_then_the_files_order(void **state)
{
	char text[8192];
	struct sb_slots *slots = sb_slots_new();
	base_text(text, 14,
	        "  - { name: london, fallback_interval: 90s, members: [ { trunk: six, priority: 3, weight: 7 }, { "
	        "trunk: lon-b, "
	        "priority: 2 }, { trunk: lon-a, priority: 2, weight: 65535 } ] }");
	struct sb_config *c = load_good(text, slots);
	const struct sb_snapshot *s = c->snapshot;
	const struct sb_snap_group *g = &s->groups[0];
	assert_string_equal(g->name, "london");
	assert_int_equal(g->fallback_interval_ms, 90000);
	assert_int_equal(g->n_members, 3);
	assert_int_equal(s->members[g->member].trunk, 1);
	assert_int_equal(s->members[g->member].weight, 1);
	assert_int_equal(s->members[g->member + 1].trunk, 0);
	assert_int_equal(s->members[g->member + 1].weight, 65535);
	assert_int_equal(s->members[g->member + 2].trunk, 2);
	assert_int_equal(s->members[g->member + 2].priority, 3);
	assert_int_equal(s->groups[1].member, 3);
	assert_int_equal(s->groups[1].n_members, 1);
	sb_config_free(c);
	sb_slots_free(slots);
}

static void group_of_route_is(const struct sb_snapshot *s, const struct sb_snap_route *r, const char *name)
{
	assert_non_null(r);
	assert_string_equal(s->groups[s->route_groups[r->group]].name, name);
}

static void routes_stand_domains_sources_default_then_prefixes(void **state)
{
	char text[8192];
	struct sb_slots *slots = sb_slots_new();
	base_text(text, 17,
	        "  - { prefix: \"+44\", groups: [london, far] }\n  - { source: 10.0.0.0/8, groups: [london] }\n"
	        "  - { prefix: \"+4420\", groups: [far] }\n  - { source: 10.1.2.3, groups: [far] }\n"
	        "  - { domain: Far.Example.COM, groups: [far] }\n  - { source: 10.1.0.0/16, groups: [london] }");
	struct sb_config *c = load_good(text, slots);
	const struct sb_snapshot *s = c->snapshot;
	assert_int_equal(s->n_routes, 7);
	assert_int_equal(s->n_other_routes, 5);
	assert_int_equal(s->routes[0].kind, SB_ROUTE_DOMAIN);
	assert_string_equal(s->text + s->routes[0].key, "far.example.com");
	static const uint8_t bits[] = {32, 16, 8};
	for (uint32_t i = 0; i < 3; i++) {
		assert_int_equal(s->routes[1 + i].kind, SB_ROUTE_SOURCE);
		assert_int_equal(s->nets[s->routes[1 + i].key].bits, bits[i]);
	}
	assert_int_equal(s->routes[4].kind, SB_ROUTE_DEFAULT);
	assert_int_equal(s->routes[5].kind, SB_ROUTE_PREFIX);
	char prefix[SB_PREFIX_MAX];
	assert_int_equal(s->prefixes.n, 2);
	assert_int_equal(sb_prefix_get(&s->prefixes, 0, prefix), 0);
	assert_string_equal(prefix, "+44");
	assert_int_equal(s->routes[5].n_groups, 2);
	assert_int_equal(s->route_groups[s->routes[5].group], 0);
	assert_int_equal(s->route_groups[s->routes[5].group + 1], 1);
	assert_int_equal(s->prefixes.lengths, 1u << 3 | 1u << 5);
	sb_config_free(c);
	sb_slots_free(slots);
}

/* S4.4: a dialled number selects its route by the longest prefix. */
static void the_longest_prefix_wins(void **state)
{
	char text[8192];
	struct sb_slots *slots = sb_slots_new();
	base_text(text, 17,
	        "  - { prefix: \"+44\", groups: [london] }\n  - { prefix: \"+4420\", groups: [far] }\n"
	        "  - { prefix: \"1234567890123456789012345678901\", groups: [far] }\n  - { prefix: \"*#a.B_-\", "
	        "groups: [far] }");
	struct sb_config *c = load_good(text, slots);
	const struct sb_snapshot *s = c->snapshot;
	group_of_route_is(s, sb_prefix_find(s, "+44161496000", 12), "london");
	group_of_route_is(s, sb_prefix_find(s, "+442079460000", 13), "far");
	group_of_route_is(s, sb_prefix_find(s, "+4420", 5), "far");
	group_of_route_is(s, sb_prefix_find(s, "+442", 4), "london");
	group_of_route_is(s, sb_prefix_find(s, "+4420", 4), "london");
	group_of_route_is(s, sb_prefix_find(s, "1234567890123456789012345678901999", 34), "far");
	group_of_route_is(s, sb_prefix_find(s, "*#a.B_-1", 8), "far");
	assert_null(sb_prefix_find(s, "*#a.b_-1", 8));
	assert_null(sb_prefix_find(s, "+4", 2));
	assert_null(sb_prefix_find(s, "", 0));
	assert_null(sb_prefix_find(s, "123456789012345678901234567890", 30));
	sb_config_free(c);
	sb_slots_free(slots);
}

static void no_prefix_at_all_finds_none(void **state)
{
	char text[8192];
	struct sb_slots *slots = sb_slots_new();
	base_text(text, 17, "");
	struct sb_config *c = load_good(text, slots);
	assert_int_equal(c->snapshot->prefixes.n, 0);
	assert_null(sb_prefix_find(c->snapshot, "+44", 3));
	sb_config_free(c);
	sb_slots_free(slots);
}

#define MANY 100000

/* A route for each even number below 2 * MANY written with its own count of digits, groups by the number's parity of 4.
 */
static char *many_prefixes(size_t *len)
{
	size_t room = 8192 + MANY * 48, n;
	char *text = malloc(room);
	base_text(text, 17, "");
	n = strlen(text);
	for (unsigned i = 0; i < MANY; i++)
		n += (size_t)snprintf(
		        text + n, room - n, "  - { prefix: \"%u\", groups: [%s] }\n", 2 * i, i % 2 ? "far" : "london");
	*len = n;
	return text;
}

static void a_hundred_thousand_prefixes_are_found_each(void **state)
{
	size_t len;
	char *text = many_prefixes(&len), number[24];
	struct sb_slots *slots = sb_slots_new();
	struct sb_config *c = load_good(text, slots);
	const struct sb_snapshot *s = c->snapshot;
	assert_int_equal(s->prefixes.n, MANY);
	assert_int_equal(s->n_routes, 3); /* the default and one for each group */
	for (unsigned i = 0; i < 2 * MANY; i++) {
		/* 'x' ends every prefix: what matches is the longest even beginning of the digits. */
		int n = snprintf(number, sizeof number, "%ux99", i);
		const struct sb_snap_route *r = sb_prefix_find(s, number, (size_t)n);
		unsigned v = i;
		while (v % 2 && v > 9)
			v /= 10;
		if (v % 2) {
			assert_null(r);
			continue;
		}
		assert_non_null(r);
		size_t len_of = (size_t)n;
		sb_prefix_match(&s->prefixes, number, &len_of);
		assert_int_equal(len_of, snprintf(NULL, 0, "%u", v));
		assert_string_equal(s->groups[s->route_groups[r->group]].name, v / 2 % 2 ? "far" : "london");
	}
	sb_config_free(c);
	sb_slots_free(slots);
	free(text);
}

/* P20: over reloads, in another place of the file, away and back again: a name keeps its slot. A new name is a new
 * trunk, also at an address that another had. */
static void a_name_keeps_its_slot_over_reloads_and_renames(void **state)
{
	char text[8192];
	struct sb_slots *slots = sb_slots_new();
	base_text(text, 0, "");
	struct sb_config *c = load_good(text, slots);
	uint16_t a = c->snapshot->trunks[0].slot, b = c->snapshot->trunks[1].slot, six = c->snapshot->trunks[2].slot;
	assert_true(a != b && b != six && a != six);
	sb_config_free(c);

	/* A trunk put first, lon-b renamed, its address kept. */
	base_text(text, 10,
	        "  - { name: lon-0, address: 10.0.0.2, listener: inner }\n  - { name: lon-a, address: 10.0.0.9, "
	        "listener: inner }");
	c = load_good(text, slots);
	uint16_t zero = c->snapshot->trunks[0].slot;
	assert_true(zero != a && zero != b && zero != six);
	assert_int_equal(c->snapshot->trunks[1].slot, a);
	assert_int_equal(c->snapshot->trunks[2].slot, b);
	assert_int_equal(c->snapshot->trunk_of_slot[a], 1);
	assert_int_equal(c->snapshot->trunk_of_slot[zero], 0);
	sb_config_free(c);

	/* Back to the first file: lon-0 is gone from it, but its slot is not given away. */
	base_text(text, 0, "");
	c = load_good(text, slots);
	assert_int_equal(c->snapshot->trunks[0].slot, a);
	assert_int_equal(c->snapshot->trunks[1].slot, b);
	assert_int_equal(c->snapshot->trunk_of_slot[zero], SB_NO_TRUNK);
	assert_string_equal(sb_slots_name(slots, zero), "lon-0");
	sb_config_free(c);
	sb_slots_free(slots);
}

/* P20: two trunks at one address share nothing. */
static void two_trunks_at_one_address_have_two_slots(void **state)
{
	char text[8192];
	struct sb_slots *slots = sb_slots_new();
	base_text(text, 11, "  - { name: lon-b, address: \"10.0.0.1:5062\", listener: inner }");
	struct sb_config *c = load_good(text, slots);
	assert_true(sb_addr_eq(&c->snapshot->trunks[0].addr, &c->snapshot->trunks[1].addr));
	assert_int_not_equal(c->snapshot->trunks[0].slot, c->snapshot->trunks[1].slot);
	sb_config_free(c);
	sb_slots_free(slots);
}

static void slots_end_at_their_bound_and_the_file_is_told(void **state)
{
	char text[8192], name[SB_NAME_MAX];
	struct sb_slots *slots = sb_slots_new();
	struct sb_config *c;
	struct sb_config_errors e = {0};
	for (int i = 0; i < SB_TRUNKS_MAX; i++) {
		snprintf(name, sizeof name, "t%d", i);
		assert_int_equal(sb_slots_get(slots, name), i);
	}
	assert_int_equal(sb_slots_get(slots, "one-more"), SB_E_FULL);
	assert_int_equal(sb_slots_get(slots, "t77"), 77);
	assert_int_equal(sb_slots_get(slots, ""), SB_E_INVAL);
	assert_int_equal(sb_slots_get(slots, "a-name-that-is-too-long-for-a-slot"), SB_E_INVAL);
	base_text(text, 0, "");
	assert_int_equal(sb_config_load("sb.yaml", text, strlen(text), slots, &c, &e), SB_E_CONFIG);
	assert_null(c);
	assert_int_equal(sb_slots_taken(slots), SB_TRUNKS_MAX);
	assert_int_equal(e.n, 1);
	assert_string_equal(e.line[0], "sb.yaml:9: trunks: the process has known 16384 trunk names since it started, "
	                               "allowed: no new name before a restart");
	sb_config_errors_free(&e);
	sb_slots_free(slots);
}

/* A file that needs one slot too many takes none: without that name it is good. */
static void a_refused_file_keeps_no_slot(void **state)
{
	char text[8192], name[SB_NAME_MAX];
	struct sb_slots *slots = sb_slots_new();
	struct sb_config *c;
	struct sb_config_errors e = {0};
	for (int i = 0; i < SB_TRUNKS_MAX - 3; i++) {
		snprintf(name, sizeof name, "t%d", i);
		assert_int_equal(sb_slots_get(slots, name), i);
	}
	base_text(text, 9, "trunks:\n  - { name: more, address: 10.0.0.3, listener: inner }");
	assert_int_equal(sb_config_load("sb.yaml", text, strlen(text), slots, &c, &e), SB_E_CONFIG);
	sb_config_errors_free(&e);
	assert_int_equal(sb_slots_taken(slots), SB_TRUNKS_MAX - 3);
	assert_null(sb_slots_name(slots, SB_TRUNKS_MAX - 3));
	base_text(text, 0, "");
	c = load_good(text, slots);
	assert_int_equal(sb_slots_taken(slots), SB_TRUNKS_MAX);
	assert_string_equal(sb_slots_name(slots, c->snapshot->trunks[0].slot), "lon-a");
	assert_int_equal(sb_slots_get(slots, "t77"), 77);
	assert_int_equal(sb_slots_get(slots, "more"), SB_E_FULL);
	sb_config_free(c);
	sb_slots_free(slots);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(listeners_have_their_text_and_trust),
	        cmocka_unit_test(trunks_know_their_listener_and_slot),
	        cmocka_unit_test(members_are_sorted_by_priority_then_the_files_order),
	        cmocka_unit_test(routes_stand_domains_sources_default_then_prefixes),
	        cmocka_unit_test(the_longest_prefix_wins),
	        cmocka_unit_test(no_prefix_at_all_finds_none),
	        cmocka_unit_test(a_hundred_thousand_prefixes_are_found_each),
	        cmocka_unit_test(a_name_keeps_its_slot_over_reloads_and_renames),
	        cmocka_unit_test(two_trunks_at_one_address_have_two_slots),
	        cmocka_unit_test(slots_end_at_their_bound_and_the_file_is_told),
	        cmocka_unit_test(a_refused_file_keeps_no_slot),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: BSD-3-Clause */
/* Which trunks a call may try, and in which order. */
#include "world.h"

static struct sb_candidates steer(struct world *w, uint64_t hash, uint64_t now_ms)
{
	struct sb_candidates c;
	struct sb_steer_key key = {
	        .number = "+442079460000", .number_len = 13, .domain = "example.com", .domain_len = 11};
	key.hash = hash;
	key.now_ms = now_ms;
	key.source = w->trunks[0][0].addr;
	sb_steer(&w->snap[0], w->health, &key, &c);
	return c;
}

/* How many of 10 000 calls have trunk first. */
static unsigned first_share(struct world *w, unsigned trunk, uint64_t now_ms)
{
	unsigned n = 0;
	for (uint64_t i = 0; i < 10000; i++)
		n += steer(w, i * 0x9e3779b97f4a7c15ull, now_ms).list[0].trunk == trunk;
	return n;
}

/* S4.4 */
static void lower_priority_value_is_tried_first(void **state)
{
	(void)state;
	struct world *w = world_new(3);
	w->members[0].priority = 9;
	struct sb_candidates c = steer(w, 1, 0);
	assert_int_equal(c.n, 3);
	assert_int_equal(c.list[0].trunk, 1);
	assert_int_equal(c.list[1].trunk, 2);
	assert_int_equal(c.list[2].trunk, 0);
	world_free(w);
}

static void weights_share_one_priority_and_repeat_for_a_call(void **state)
{
	(void)state;
	struct world *w = world_new(2);
	w->members[0].priority = w->members[1].priority = 1;
	w->members[0].weight = 3;
	unsigned n = first_share(w, 0, 0);
	assert_in_range(n, 7300, 7700);
	assert_int_equal(steer(w, 77, 0).list[0].trunk, steer(w, 77, 5).list[0].trunk);
	world_free(w);
}

/* P3, P4: a returning trunk gets its share of the ramp, the rest goes to the secondary, and it stays a candidate */
static void ramping_trunk_gets_its_share(void **state)
{
	(void)state;
	struct world *w = world_new(2);
	world_health(w, 0, SB_RAMPING, SB_ENABLED, SB_SHARE_FULL / 4);
	assert_in_range(first_share(w, 0, 0), 2300, 2700);
	for (uint64_t i = 0; i < 100; i++)
		assert_int_equal(steer(w, i, 0).n, 2);
	world_free(w);
}

/* fallback_interval: the secondary keeps new calls that long after the primary is back */
static void fallback_interval_keeps_calls_on_the_secondary(void **state)
{
	(void)state;
	struct world *w = world_new(2);
	w->group.fallback_interval_ms = 60000;
	w->health->line[0].up_since_ms = 1000;
	assert_int_equal(steer(w, 1, 60999).list[0].trunk, 1);
	assert_int_equal(steer(w, 1, 61000).list[0].trunk, 0);
	world_free(w);
}

/* P8: unknown is not dead, but proven trunks go first */
static void unproven_trunks_come_last(void **state)
{
	(void)state;
	struct world *w = world_new(3);
	world_health(w, 0, SB_PROBING, SB_ENABLED, 0);
	world_health(w, 1, SB_HALF_OPEN, SB_ENABLED, 0);
	struct sb_candidates c = steer(w, 1, 0);
	assert_int_equal(c.list[0].trunk, 2);
	assert_int_equal(c.list[1].trunk, 0);
	assert_int_equal(c.list[2].trunk, 1);
	world_free(w);
}

/* P5: every one DOWN: the least bad is tried, and never one the operator switched off */
static void panic_picks_the_least_bad(void **state)
{
	(void)state;
	struct world *w = world_new(3);
	for (unsigned i = 0; i < 3; i++)
		world_health(w, i, SB_DOWN, i == 0 ? SB_DISABLED : SB_ENABLED, 0);
	w->health->line[1].badness = 9;
	w->health->line[2].badness = 5;
	struct sb_candidates c = steer(w, 1, 0);
	assert_int_equal(c.n, 1);
	assert_int_equal(c.list[0].trunk, 2);
	assert_int_equal(c.list[0].pick, SB_PICK_PANIC);
	assert_int_equal(c.n_skipped, 3);
	world_free(w);
}

static void a_trunk_in_two_groups_is_tried_once(void **state)
{
	(void)state;
	struct world *w = world_new(2);
	uint32_t twice[2] = {0, 0};
	w->snap[0].route_groups = twice;
	w->route.n_groups = 2;
	assert_int_equal(steer(w, 1, 0).n, 2);
	world_free(w);
}

/* S4.1, S4.2 */
static void formula_is_the_seed_formula(void **state)
{
	(void)state;
	struct sb_snap_trunk t = {.trying_timer_ms = 500, .sends = 7};
	assert_int_equal(sb_formula_ms(&t), 63500);
	t.trying_timer_ms = 200;
	t.sends = 4;
	assert_int_equal(sb_formula_ms(&t), 3000);
}

static struct sb_candidates steer_by(struct world *w, const char *domain, const char *source)
{
	struct sb_candidates c;
	struct sb_steer_key key = {.number = "1", .number_len = 1, .domain = domain, .domain_len = strlen(domain)};
	sb_addr_parse(source, 5060, &key.source);
	sb_steer(&w->snap[0], w->health, &key, &c);
	return c;
}

/* S4.4: without a prefix that fits, by domain, whatever its case, then by source, then the default; or by none */
static void route_is_found_by_domain_then_source_then_default(void **state)
{
	(void)state;
	static const struct {
		const char *domain, *source;
		unsigned n_routes;
		int route;
	} rows[] = {{"Carrier.Example", "198.51.100.1", 3, 0}, {"other.example", "198.51.100.1", 3, 1},
	        {"carrier.exampl", "192.0.2.1", 3, 2}, {"carrier.example.com", "2001:db8::1", 3, 2},
	        {"other.example", "192.0.2.1", 2, -1}, {"carrier.example", "192.0.2.1", 2, 0}};
	for (unsigned i = 0; i < sizeof rows / sizeof *rows; i++) {
		struct world *w = world_new(1);
		char text[] = "carrier.example";
		struct sb_net net;
		sb_net_parse("198.51.100.0/22", &net);
		struct sb_snap_route routes[] = {{.kind = SB_ROUTE_DOMAIN, .n_groups = 1},
		        {.kind = SB_ROUTE_SOURCE, .n_groups = 1}, {.kind = SB_ROUTE_DEFAULT, .n_groups = 1}};
		w->snap[0].routes = routes;
		w->snap[0].nets = &net;
		w->snap[0].text = text;
		w->snap[0].n_other_routes = rows[i].n_routes;
		const struct sb_snap_route *r = steer_by(w, rows[i].domain, rows[i].source).route;
		assert_ptr_equal(r, rows[i].route < 0 ? NULL : &routes[rows[i].route]);
		world_free(w);
	}
}

#define MANY 40

static struct sb_candidates steer_many(
        const uint16_t priority[MANY], unsigned first_group, enum sb_health_state state, struct sb_health_table *h)
{
	static struct sb_snap_trunk trunks[MANY];
	struct sb_snap_member members[MANY];
	struct sb_snap_group groups[2] = {
	        {.n_members = first_group}, {.member = first_group, .n_members = MANY - first_group}};
	uint32_t in_route[2] = {0, 1};
	struct sb_snap_route route = {.kind = SB_ROUTE_DEFAULT, .n_groups = 2};
	struct sb_snapshot s = {.trunks = trunks,
	        .members = members,
	        .groups = groups,
	        .routes = &route,
	        .route_groups = in_route,
	        .n_other_routes = 1};
	struct sb_steer_key key = {.number = "", .domain = ""};
	struct sb_candidates out;
	for (unsigned i = 0; i < MANY; i++) {
		trunks[i].slot = (uint16_t)i;
		members[i] = (struct sb_snap_member){(uint16_t)i, priority[i], 1};
		h->line[i].word = sb_health_word(state, SB_ENABLED, SB_SHARE_FULL);
	}
	sb_steer(&s, h, &key, &out);
	return out;
}

/* S4.4: of more trunks than a call can have the best are taken in order, from one group or from two, proven or not;
 * those that found no room are told as such, as far as there is room for that */
static void best_sixteen_of_many_trunks_are_taken(void **state)
{
	(void)state;
	struct sb_health_table *h = aligned_alloc(64, sizeof *h);
	uint16_t priority[MANY];
	for (unsigned i = 0; i < MANY; i++)
		priority[i] = (uint16_t)((i * 23) % MANY); /* each once, out of order */
	static const struct {
		unsigned first_group;
		enum sb_health_state state;
	} rows[] = {{MANY, SB_UP}, {10, SB_UP}, {MANY, SB_PROBING}, {10, SB_PROBING}, {20, SB_HALF_OPEN}};
	for (unsigned r = 0; r < sizeof rows / sizeof *rows; r++) {
		struct sb_candidates c = steer_many(priority, rows[r].first_group, rows[r].state, h);
		assert_int_equal(c.n, SB_CANDIDATES_MAX);
		assert_int_equal(c.n_skipped, SB_CANDIDATES_MAX);
		for (unsigned i = 1; i < c.n; i++) {
			unsigned a = c.list[i - 1].trunk, b = c.list[i].trunk;
			bool a_first = a < rows[r].first_group, b_first = b < rows[r].first_group;
			assert_true(a_first != b_first ? a_first : priority[a] < priority[b]);
		}
		for (unsigned i = 0; i < c.n_skipped; i++)
			assert_int_equal(c.skipped[i].pick, SB_PICK_OVER);
	}
	free(h);
}

/* S4.4: the longest prefix wins, whatever else falls on its place in the table; of a number 31 characters count */
static void longest_prefix_wins(void **state)
{
	(void)state;
	static const char *const prefixes[] = {"+44", "+4420", "+442071", "9", "1234567890123456789012345678901"};
	static const struct {
		const char *number;
		int route;
	} rows[] = {{"+442071234567", 2}, {"+44207", 1}, {"+4420", 1}, {"+4499", 0}, {"+4", -1}, {"", -1}, {"911", 3},
	        {"1234567890123456789012345678901", 4}, {"12345678901234567890123456789012345", 4},
	        {"123456789012345678901234567890", -1}};
	struct world *w = world_new(1);
	struct sb_snap_route routes[5];
	struct sb_prefix_line lines[1] = {{{0}}};
	struct sb_prefix_other other[8] = {{0}};
	uint32_t place[5];
	char text[256] = "";
	struct sb_prefix_table *t = &w->snap[0].prefixes;
	*t = (struct sb_prefix_table){
	        .line = lines, .n_lines = 1, .other = other, .other_mask = 7, .text = text, .place = place};
	for (uint32_t i = 0; i < 5; i++) {
		assert_int_equal(sb_prefix_put(t, prefixes[i], strlen(prefixes[i]), i), SB_PREFIX_NONE);
		routes[i] = (struct sb_snap_route){.kind = SB_ROUTE_PREFIX, .n_groups = 1};
	}
	w->snap[0].routes = routes;
	w->snap[0].n_other_routes = 0;
	for (unsigned i = 0; i < sizeof rows / sizeof *rows; i++) {
		struct sb_steer_key key = {
		        .number = rows[i].number, .number_len = strlen(rows[i].number), .domain = ""};
		assert_ptr_equal(sb_steer_route(&w->snap[0], &key), rows[i].route < 0 ? NULL : &routes[rows[i].route]);
	}
	world_free(w);
}

/* S1.5: codes that are no failure of a trunk are in no failover_on */
static void failover_lists_hold_failures_alone(void **state)
{
	(void)state;
	struct sb_code_set s = {0};
	static const unsigned never[] = {0, 100, 200, 299, 700, UINT32_MAX};
	for (unsigned i = 0; i < sizeof never / sizeof *never; i++) {
		sb_code_add(&s, never[i]);
		assert_false(sb_code_in(&s, never[i]));
	}
	sb_code_add(&s, 300);
	sb_code_add(&s, 699);
	assert_true(sb_code_in(&s, 300) && sb_code_in(&s, 699) && !sb_code_in(&s, 301));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(lower_priority_value_is_tried_first),
	        cmocka_unit_test(weights_share_one_priority_and_repeat_for_a_call),
	        cmocka_unit_test(ramping_trunk_gets_its_share),
	        cmocka_unit_test(fallback_interval_keeps_calls_on_the_secondary),
	        cmocka_unit_test(unproven_trunks_come_last),
	        cmocka_unit_test(panic_picks_the_least_bad),
	        cmocka_unit_test(a_trunk_in_two_groups_is_tried_once),
	        cmocka_unit_test(formula_is_the_seed_formula),
	        cmocka_unit_test(route_is_found_by_domain_then_source_then_default),
	        cmocka_unit_test(best_sixteen_of_many_trunks_are_taken),
	        cmocka_unit_test(longest_prefix_wins),
	        cmocka_unit_test(failover_lists_hold_failures_alone),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

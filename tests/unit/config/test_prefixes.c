/* SPDX-License-Identifier: BSD-3-Clause */
/* Dialled prefixes: the table against a naive search (S4.4), and the files they may come from. */
#include "base.h"
#include "control/config/prefixes.h"
#include <unistd.h>

#define PREFIXES 4000
#define NUMBERS  20000

static uint64_t seed;

static uint32_t draw(uint32_t below)
{
	seed = seed * 6364136223846793005ull + 1442695040888963407ull;
	return (uint32_t)((seed >> 33) % below);
}

/* Few distinct characters, so that prefixes nest, repeat and meet; now and then one that has no key. */
static size_t draw_text(char out[SB_PREFIX_MAX + 8], uint32_t max)
{
	static const char common[] = "+1122345", rare[] = "*#.-_aZ0";
	size_t len = 1 + draw(draw(8) ? 9 : max);
	for (size_t i = 0; i < len; i++)
		out[i] = draw(40) ? common[draw(8)] : rare[draw(8)];
	out[len] = 0;
	return len;
}

static char known[PREFIXES][SB_PREFIX_MAX + 8];
static uint32_t n_known;

static uint32_t naive(const char *number, size_t *len)
{
	uint32_t best = SB_PREFIX_NONE;
	size_t best_len = 0, max = *len < SB_PREFIX_MAX ? *len : SB_PREFIX_MAX - 1;
	for (uint32_t i = 0; i < n_known; i++) {
		size_t n = strlen(known[i]);
		if (n > max || n <= best_len || memcmp(known[i], number, n) != 0)
			continue;
		best = i;
		best_len = n;
	}
	*len = best_len;
	return best;
}

static void fill(struct sb_prefixes *p, uint32_t n, uint32_t max_len)
{
	char out[SB_PREFIX_MAX];
	assert_int_equal(sb_prefixes_init(p, n), 0);
	for (n_known = 0; n_known < n;) {
		char text[SB_PREFIX_MAX + 8];
		uint32_t there, twice = SB_PREFIX_NONE;
		size_t len = draw_text(text, max_len);
		for (uint32_t i = 0; i < n_known && twice == SB_PREFIX_NONE; i++)
			if (strcmp(known[i], text) == 0)
				twice = i;
		assert_int_equal(sb_prefixes_put(p, text, len, n_known, &there), 0);
		if (there != SB_PREFIX_NONE)
			assert_int_equal(sb_prefix_number(&p->table, there), twice);
		else
			strcpy(known[n_known++], text);
		assert_true((there == SB_PREFIX_NONE) == (twice == SB_PREFIX_NONE));
	}
	assert_int_equal(p->table.n, n_known);
	for (uint32_t i = 0; i < n_known; i++) {
		assert_int_equal(sb_prefix_get(&p->table, i, out), i);
		assert_string_equal(out, known[i]);
	}
}

/* S4.4 */
static void the_table_agrees_with_the_naive_search(void **state)
{
	static const uint32_t sizes[] = {1, 2, 3, 7, 40, 500, PREFIXES};
	for (unsigned round = 0; round < 2 * sizeof sizes / sizeof *sizes; round++) {
		struct sb_prefixes p;
		seed = round;
		fill(&p, sizes[round / 2], round % 2 ? 31 : 16);
		for (unsigned i = 0; i < NUMBERS / (round / 2 + 1); i++) {
			/* In memory of its own length: a read beyond it is a finding. */
			char text[SB_PREFIX_MAX + 8], *number;
			size_t len = draw(4) ? draw_text(text, 39) : strlen(strcpy(text, known[draw(n_known)]));
			size_t want_len = len, have_len = len;
			number = malloc(len);
			memcpy(number, text, len);
			uint32_t want = naive(number, &want_len), have = sb_prefix_match(&p.table, number, &have_len);
			free(number);
			if (want != have || want_len != have_len)
				fail_msg("round %u, %.*s: %u of %zu characters, not %u of %zu", round, (int)len, text,
				        have, have_len, want, want_len);
		}
		sb_prefixes_fini(&p);
	}
}

/* All belong to one line, and most of them find no room there. */
static void what_spills_over_is_found(void **state)
{
	struct sb_prefixes p;
	char text[16];
	assert_int_equal(sb_prefixes_init(&p, 2000), 0);
	uint32_t line = 7, n = 0, there, place;
	for (uint32_t i = 0; n < 40; i++) {
		size_t len = (size_t)snprintf(text, sizeof text, "%07u", i);
		if (sb_prefix_line_of(&p.table, sb_prefix_key(text, len)) != line)
			continue;
		assert_int_equal(sb_prefixes_put(&p, text, len, n++, &there), 0);
	}
	for (uint32_t i = 0, k = 0; i < 200000; i++) {
		size_t len = (size_t)snprintf(text, sizeof text, "%07u", i);
		if (sb_prefix_line_of(&p.table, sb_prefix_key(text, len)) != line)
			continue;
		place = sb_prefix_match(&p.table, text, &len);
		assert_int_equal(place, k < n ? k : SB_PREFIX_NONE);
		k++;
	}
	sb_prefixes_fini(&p);
}

static char file[] = "/tmp/sb-prefixes-XXXXXX";

static void write_file(const char *text, size_t len)
{
	FILE *f = fopen(file, "we");
	assert_non_null(f);
	assert_int_equal(fwrite(text, 1, len, f), len);
	assert_int_equal(fclose(f), 0);
}

static const char *group_for(const struct sb_snapshot *s, const char *number, unsigned at)
{
	const struct sb_snap_route *r = sb_prefix_find(s, number, strlen(number));
	return r && at < r->n_groups ? s->groups[s->route_groups[r->group + at]].name : "";
}

static struct sb_config *load(const char *routes, struct sb_config_errors *e)
{
	char text[8192], line[512];
	struct sb_slots *slots = sb_slots_new();
	struct sb_config *c = NULL;
	snprintf(line, sizeof line, routes, file);
	base_text(text, 17, line);
	sb_config_load("sb.yaml", text, strlen(text), slots, &c, e);
	sb_slots_free(slots);
	return c;
}

/* S4.4: from files as from routes; those that lead to the same groups share a route. */
static void a_file_gives_prefixes_with_their_groups(void **state)
{
	static const char text[] = "; ported numbers\n\n+4420 far\r\n\t+4421\tlondon, far \n+44220 far london\n"
	                           "+4423\n+4424   far\nnight_line far\n+1234567890123456789 london\n+4425 london";
	struct sb_config_errors e = {0};
	write_file(text, sizeof text - 1);
	struct sb_config *c = load("  - { prefix: \"+44\", groups: [london, far] }\n"
	                           "  - { prefixes_file: %s, groups: [london] }",
	        &e);
	assert_int_equal(e.n, 0);
	const struct sb_snapshot *s = c->snapshot;
	assert_int_equal(s->prefixes.n, 9);
	assert_int_equal(s->n_routes, s->n_other_routes + 4);
	static const struct {
		const char *number, *first, *second;
	} rows[] = {{"+4420123", "far", ""}, {"+44219", "london", "far"}, {"+442201", "far", "london"},
	        {"+44239", "london", ""}, {"+4424", "far", ""}, {"night_line7", "far", ""}, {"+4425", "london", ""},
	        {"+12345678901234567890", "london", ""}, {"+123456789012345678", "", ""}, {"+449", "london", "far"}};
	for (unsigned i = 0; i < sizeof rows / sizeof *rows; i++) {
		assert_string_equal(group_for(s, rows[i].number, 0), rows[i].first);
		assert_string_equal(group_for(s, rows[i].number, 1), rows[i].second);
	}
	sb_config_free(c);
}

static void refused(const char *routes, const char *text, size_t len, const char *const *want)
{
	struct sb_config_errors e = {0};
	char line[400];
	write_file(text, len);
	assert_null(load(routes, &e));
	for (uint32_t i = 0; i < e.n; i++) {
		if (!want[i])
			fail_msg("too much: %s", e.line[i]);
		size_t n = 0;
		for (const char *p = want[i]; *p; p++) /* "@" stands for the file's name */
			n += (size_t)snprintf(
			        line + n, sizeof line - n, *p == '@' ? "%s" : "%.1s", *p == '@' ? file : p);
		assert_string_equal(e.line[i], line);
	}
	assert_null(want[e.n]);
	sb_config_errors_free(&e);
}

#define PREFIX_RULE                ", allowed: 1 to 31 digits, letters, '+', '*', '#', '.', '_' or '-'"
#define REFUSED(routes, text, ...) refused(routes, text, sizeof text - 1, (const char *const[]){__VA_ARGS__, NULL})

static void mistakes_in_a_file_are_told_with_its_lines(void **state)
{
	REFUSED("  - { prefixes_file: %s }", "+1 far\n+4!4 far\n+2\n12345678901234567890123456789012 far\n\x01 far\n",
	        "@:2: \"+4!4\" is not a number's beginning" PREFIX_RULE,
	        "@:3: \"+2\" has no groups, allowed: names of groups behind it, or in routes[0]",
	        "@:4: \"12345678901234567890123456789012\" is too long" PREFIX_RULE,
	        "@:5: \"?\" is not a number's beginning" PREFIX_RULE);
	REFUSED("  - { prefixes_file: %s }", "+1 londn\n+2 far far\n+3 a b\x02\n",
	        "@:1: groups: there is no group \"londn\" (did you mean \"london\"?), allowed: the name of a group",
	        "@:2: groups: \"far\" is given twice, allowed: a group once in a route",
	        "@:3: groups: there is no group \"a\", allowed: the name of a group",
	        "@:3: groups: there is no group \"b?\", allowed: the name of a group");
	REFUSED("  - { prefixes_file: %s }", "; nothing\n", "@: has no prefix, allowed: at least one");
	REFUSED("  - { prefixes_file: %s }", "+1 ,\n+2 far\n",
	        "@:1: groups: are commas alone, allowed: names of groups");
	/* The route's own are wrong, which is told once, not for each line that goes by them. */
	REFUSED("  - { prefixes_file: %s, groups: [fat] }", "+1\n+2\n",
	        "sb.yaml:17: routes[0].groups[0]: there is no group \"fat\" (did you mean \"far\"?), allowed: the name "
	        "of "
	        "a group");
	/* Those of the first file stand first. */
	REFUSED("  - { prefixes_file: %s, groups: [far], colour: red }", "+4 x\n",
	        "sb.yaml:17: routes[0].colour: unknown key, allowed: prefix, domain, source, default, prefixes_file, "
	        "groups",
	        "@:1: groups: there is no group \"x\", allowed: the name of a group");
}

static void a_prefix_given_twice_is_told_wherever_it_stands(void **state)
{
	REFUSED("  - { prefix: \"+5\", groups: [far] }\n  - { prefixes_file: %s, groups: [far] }\n"
	        "  - { prefix: \"+2\", groups: [far] }",
	        "\n+1\n+2\n+1\n+5\n_\n_",
	        "sb.yaml:19: routes[2].prefix: line 3 of @ matches the same, allowed: one route for each prefix",
	        "@:4: \"+1\": line 2 of @ matches the same, allowed: one route for each prefix",
	        "@:5: \"+5\": routes[0] matches the same, allowed: one route for each prefix",
	        "@:7: \"_\": line 6 of @ matches the same, allowed: one route for each prefix");
}

static void a_file_that_cannot_be_read_is_told(void **state)
{
	struct sb_config_errors e = {0};
	assert_null(load("  - { prefixes_file: %s.none, groups: [far] }\n  - { prefixes_file: /tmp, groups: [far] }\n"
	                 "  - { prefixes_file: /dev/zero }",
	        &e));
	assert_int_equal(e.n, 3);
	assert_non_null(strstr(e.line[0], "sb.yaml:17: routes[0].prefixes_file: \"/tmp/sb-prefixes"));
	assert_non_null(strstr(e.line[0], "cannot be read: No such file or directory, allowed: a regular file"));
	assert_non_null(strstr(e.line[1], "\"/tmp\" cannot be read: not a regular file"));
	assert_non_null(strstr(e.line[2], "\"/dev/zero\" cannot be read: not a regular file"));
	sb_config_errors_free(&e);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(the_table_agrees_with_the_naive_search),
	        cmocka_unit_test(what_spills_over_is_found),
	        cmocka_unit_test(a_file_gives_prefixes_with_their_groups),
	        cmocka_unit_test(mistakes_in_a_file_are_told_with_its_lines),
	        cmocka_unit_test(a_prefix_given_twice_is_told_wherever_it_stands),
	        cmocka_unit_test(a_file_that_cannot_be_read_is_told),
	};
	int fd = mkstemp(file);
	if (fd < 0 || close(fd))
		return 1;
	int failed = cmocka_run_group_tests(tests, NULL, NULL);
	unlink(file);
	return failed;
}

/* SPDX-License-Identifier: BSD-3-Clause */
/* A load that is given up, at every place where it asks: it ends there, says so, and leaves nothing behind. Where it
 * asks is told by how much more often it does with more to read. */
#include "base.h"
#include "control/config/mistakes.h"
#include "tests/unit/nomem.h"
#include <unistd.h>

static char file[] = "/tmp/sb-stop-XXXXXX", prefixes[] = "/tmp/sb-stop-XXXXXX";

static struct {
	unsigned n, at; /* times asked; from which on the answer is yes, 0: never */
} asked;

static bool ask(void *ctx)
{
	return ++asked.n == asked.at;
}

/* The base with so many routes more, and a file of so many prefixes. */
static void write_files(unsigned routes, unsigned lines)
{
	char text[8192], line[200];
	FILE *f = fopen(file, "we"), *g = fopen(prefixes, "we");
	assert_true(f && g);
	snprintf(line, sizeof line, "  - { prefixes_file: %s, groups: [london] }", prefixes);
	base_text(text, 17, line);
	assert_true(fputs(text, f) >= 0);
	for (unsigned i = 0; i < routes; i++)
		fprintf(f, "  - { prefix: \"1%06u\", groups: [far] }\n", i);
	for (unsigned i = 0; i < lines; i++)
		fprintf(g, "2%06u\n", i);
	assert_int_equal(fclose(f), 0);
	assert_int_equal(fclose(g), 0);
}

static int load(unsigned at, struct sb_config **c, struct sb_config_errors *e)
{
	const struct sb_stop stop = {ask, NULL};
	asked.n = 0;
	asked.at = at;
	return sb_config_load_until(file, &stop, c, e);
}

/* How often it asks when nobody stops it. */
static unsigned count(unsigned routes, unsigned lines)
{
	struct sb_config *c = NULL;
	struct sb_config_errors e = {0};
	write_files(routes, lines);
	assert_int_equal(load(0, &c, &e), 0);
	assert_int_equal(e.n, 0);
	assert_int_equal(c->snapshot->prefixes.n, routes + lines);
	sb_config_free(c);
	return asked.n;
}

static void load_asks_between_rows_whether_to_go_on(void **state)
{
	unsigned base = count(0, 1), routes = count(1000, 1), lines = count(0, 1 + 3 * SB_STOP_LINES);
	/* Each as an entry of its list and a row of the table, its group, and libyaml for each few kilobytes of 40. */
	assert_true(routes >= base + 3002);
	/* Each so many lines when they are counted and when they are taken, and the file for the third 32 kilobytes. */
	assert_true(lines >= base + 7);
}

static void load_given_up_anywhere_ends_there_and_leaves_nothing(void **state)
{
	unsigned all = count(100, 2 * SB_STOP_LINES);
	uint64_t blocks = nomem_blocks();
	for (unsigned at = 1; at <= all; at++) {
		struct sb_config *c = NULL;
		struct sb_config_errors e = {0};
		assert_int_equal(load(at, &c, &e), SB_E_STOPPED);
		assert_int_equal(asked.n, at);
		assert_null(c);
		assert_int_equal(e.n, 0);
		assert_int_equal(nomem_blocks(), blocks);
	}
}

/* Suggestions for names that are not there take long where there are many. */
static void load_with_mistakes_is_given_up_likewise(void **state)
{
	char text[8192];
	unsigned at = 0;
	int rc;
	FILE *f = fopen(file, "we");
	base_text(text, 17, "  - { prefix: \"+44\", groups: [londn, fra] }");
	assert_non_null(f);
	assert_true(fputs(text, f) >= 0);
	assert_int_equal(fclose(f), 0);
	do {
		struct sb_config *c = NULL;
		struct sb_config_errors e = {0};
		rc = load(++at, &c, &e);
		assert_true(rc == SB_E_STOPPED || rc == SB_E_CONFIG);
		assert_int_equal(e.n, rc == SB_E_STOPPED ? 0 : 2);
		assert_null(c);
		sb_config_errors_free(&e);
	} while (rc == SB_E_STOPPED);
	assert_true(at > 10);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(load_asks_between_rows_whether_to_go_on),
	        cmocka_unit_test(load_given_up_anywhere_ends_there_and_leaves_nothing),
	        cmocka_unit_test(load_with_mistakes_is_given_up_likewise),
	};
	int fds[] = {mkstemp(file), mkstemp(prefixes)};
	if (fds[0] < 0 || fds[1] < 0 || close(fds[0]) || close(fds[1]))
		return 1;
	int failed = cmocka_run_group_tests(tests, NULL, NULL);
	unlink(file);
	unlink(prefixes);
	return failed;
}

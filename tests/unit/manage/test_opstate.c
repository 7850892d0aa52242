/* SPDX-License-Identifier: BSD-3-Clause */
/* P9, P20: what the operator switched is kept by trunk name over restarts, whatever happens to the file. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include "control/manage/opstate.h"
#include "tests/unit/nomem.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static char dir[64], file[128], bad[160];

static int enter(void **state)
{
	strcpy(dir, "/tmp/sb-opstate-XXXXXX");
	assert_non_null(mkdtemp(dir));
	snprintf(file, sizeof file, "%s/operator.json", dir);
	snprintf(bad, sizeof bad, "%s.bad", file);
	return 0;
}

static int leave(void **state)
{
	unlink(file);
	unlink(bad);
	assert_int_equal(rmdir(dir), 0); /* nothing else was left behind */
	return 0;
}

static void write_file(const char *text, size_t len)
{
	int fd = open(file, O_WRONLY | O_CREAT | O_TRUNC, 0600);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, len), len);
	close(fd);
}

static void switches_outlive_a_restart(void **state)
{
	struct sb_opstate *o = sb_opstate_open(dir);
	struct stat st;
	assert_int_equal(sb_opstate_get(o, "lon-a"), SB_ENABLED);
	assert_int_equal(sb_opstate_set(o, "lon-a", SB_DRAIN), 0);
	assert_int_equal(sb_opstate_set(o, "lon-b", SB_DISABLED), 0);
	assert_int_equal(sb_opstate_set(o, "man-a", SB_DISABLED), 0);
	assert_int_equal(sb_opstate_set(o, "man-a", SB_ENABLED), 0);
	sb_opstate_free(o);
	assert_int_equal(stat(file, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
	o = sb_opstate_open(dir);
	assert_int_equal(sb_opstate_get(o, "lon-a"), SB_DRAIN);
	assert_int_equal(sb_opstate_get(o, "lon-b"), SB_DISABLED);
	assert_int_equal(sb_opstate_get(o, "man-a"), SB_ENABLED);
	assert_int_equal(sb_opstate_get(o, "gone"), SB_ENABLED);
	sb_opstate_free(o);
	assert_int_equal(access(bad, F_OK), -1);
}

static void file_that_makes_no_sense_is_put_aside_and_none_of_it_counts(void **state)
{
	static const char *const texts[] = {"", "{", "[]", "null", "{\"version\":2,\"trunks\":{}}", "{\"version\":1}",
	        "{\"version\":1,\"trunks\":[]}", "{\"version\":1,\"trunks\":{\"lon-a\":\"drain\",\"lon-b\":\"off\"}}",
	        "{\"version\":1,\"trunks\":{\"lon-a\":\"drain\",\"lon-b\":5}}",
	        "{\"version\":1,\"trunks\":{\"lon-a\":\"drain\",\"a name of more than thirty-one bytes\":\"drain\"}}",
	        "{\"version\":1,\"trunks\":{\"lon-a\":\"drain\",\"lon-a\":\"disabled\"}}",
	        "{\"version\":1,\"trunks\":{\"lon-a\":\"drain\"}} rubbish", "\xff\xfe{}"};
	for (unsigned i = 0; i < sizeof texts / sizeof texts[0]; i++) {
		char kept[256];
		write_file(texts[i], strlen(texts[i]));
		struct sb_opstate *o = sb_opstate_open(dir);
		assert_non_null(o);
		assert_int_equal(sb_opstate_get(o, "lon-a"), SB_ENABLED);
		assert_int_equal(access(file, F_OK), -1);
		FILE *f = fopen(bad, "r");
		assert_non_null(f);
		kept[fread(kept, 1, sizeof kept - 1, f)] = 0;
		fclose(f);
		assert_string_equal(kept, texts[i]);
		assert_int_equal(sb_opstate_set(o, "lon-b", SB_DRAIN), 0);
		sb_opstate_free(o);
	}
}

static void huge_file_is_put_aside(void **state)
{
	size_t len = 3 * 1024 * 1024;
	char *text = malloc(len);
	memset(text, ' ', len);
	write_file(text, len);
	free(text);
	struct sb_opstate *o = sb_opstate_open(dir);
	assert_non_null(o);
	assert_int_equal(access(bad, F_OK), 0);
	sb_opstate_free(o);
}

static void switch_that_cannot_be_written_down_still_holds_and_says_so(void **state)
{
	struct sb_opstate *o = sb_opstate_open("/nonexistent/switchback");
	assert_int_equal(sb_opstate_set(o, "lon-a", SB_DRAIN), SB_E_IO);
	assert_int_equal(errno, ENOENT);
	assert_int_equal(sb_opstate_get(o, "lon-a"), SB_DRAIN);
	sb_opstate_free(o);
}

static void failed_save_leaves_the_old_file(void **state)
{
	char aside[160];
	struct sb_opstate *o = sb_opstate_open(dir);
	assert_int_equal(sb_opstate_set(o, "lon-a", SB_DRAIN), 0);
	snprintf(aside, sizeof aside, "%s.new", file);
	assert_int_equal(mkdir(aside, 0700), 0); /* root may write anywhere, but not over a directory */
	assert_int_equal(sb_opstate_set(o, "lon-a", SB_DISABLED), SB_E_IO);
	sb_opstate_free(o);
	rmdir(aside);
	o = sb_opstate_open(dir);
	assert_int_equal(sb_opstate_get(o, "lon-a"), SB_DRAIN);
	sb_opstate_free(o);
}

static void name_that_no_trunk_can_have_is_refused(void **state)
{
	struct sb_opstate *o = sb_opstate_open(dir);
	assert_int_equal(sb_opstate_set(o, "", SB_DRAIN), SB_E_INVAL);
	assert_int_equal(sb_opstate_set(o, "a name of more than thirty-one bytes", SB_DRAIN), SB_E_INVAL);
	sb_opstate_free(o);
}

/* One switch with the n-th allocation failing, and `more` after it. True: one failed. */
static bool set_failing(struct sb_opstate *o, enum sb_admin from, enum sb_admin to, unsigned n, unsigned more)
{
	assert_int_equal(sb_opstate_set(o, "lon-a", from), 0);
	nomem_arm(n, more);
	int err = sb_opstate_set(o, "lon-a", to);
	bool met = nomem_disarm();
	if (err == SB_E_IO)
		assert_int_equal(errno, ENOMEM);
	assert_true(met ? err == 0 || err == SB_E_IO || err == SB_E_NOMEM : err == 0);
	assert_int_equal(sb_opstate_get(o, "lon-a"), err == SB_E_NOMEM ? from : to);
	struct sb_opstate *after = sb_opstate_open(dir); /* a restart */
	assert_int_equal(sb_opstate_get(after, "lon-a"), err ? from : to);
	sb_opstate_free(after);
	return met;
}

static void switch_without_memory_holds_or_does_not_and_says_so(void **state)
{
	static const enum sb_admin change[][2] = {
	        {SB_ENABLED, SB_DRAIN}, {SB_DRAIN, SB_DISABLED}, {SB_DISABLED, SB_ENABLED}};
	struct sb_opstate *o = sb_opstate_open(dir);
	assert_int_equal(sb_opstate_set(o, "man-a", SB_DISABLED), 0);
	for (unsigned i = 0; i < 6; i++) {
		unsigned n = 1;
		while (set_failing(o, change[i / 2][0], change[i / 2][1], n, i % 2 ? UINT32_MAX : 0))
			n++;
		assert_true(n > 5);
	}
	assert_int_equal(sb_opstate_get(o, "man-a"), SB_DISABLED);
	sb_opstate_free(o);
}

/* A file that is whole is not put aside because memory was short for a moment. */
static void open_without_memory_leaves_the_file(void **state)
{
	struct sb_opstate *o = sb_opstate_open(dir);
	bool met = true;
	unsigned n = 0;
	assert_int_equal(sb_opstate_set(o, "lon-a", SB_DRAIN), 0);
	assert_int_equal(sb_opstate_set(o, "lon-b", SB_DISABLED), 0);
	sb_opstate_free(o);
	for (; met; n++) {
		uint64_t blocks = nomem_blocks();
		nomem_arm(n + 1, 0);
		o = sb_opstate_open(dir);
		met = nomem_disarm();
		assert_true(met || o);
		if (o)
			assert_int_equal(sb_opstate_get(o, "lon-b"), SB_DISABLED);
		sb_opstate_free(o);
		assert_int_equal(nomem_blocks(), blocks);
		assert_int_equal(access(file, F_OK), 0);
		assert_int_equal(access(bad, F_OK), -1);
	}
	assert_true(n > 10);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test_setup_teardown(switches_outlive_a_restart, enter, leave),
	        cmocka_unit_test_setup_teardown(
	                file_that_makes_no_sense_is_put_aside_and_none_of_it_counts, enter, leave),
	        cmocka_unit_test_setup_teardown(huge_file_is_put_aside, enter, leave),
	        cmocka_unit_test_setup_teardown(
	                switch_that_cannot_be_written_down_still_holds_and_says_so, enter, leave),
	        cmocka_unit_test_setup_teardown(failed_save_leaves_the_old_file, enter, leave),
	        cmocka_unit_test_setup_teardown(switch_without_memory_holds_or_does_not_and_says_so, enter, leave),
	        cmocka_unit_test_setup_teardown(open_without_memory_leaves_the_file, enter, leave),
	        cmocka_unit_test_setup_teardown(name_that_no_trunk_can_have_is_refused, enter, leave),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

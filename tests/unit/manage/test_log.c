/* SPDX-License-Identifier: BSD-3-Clause */
/* The log: a line is well-formed whatever is in it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include "control/log.h"
#include "control/utf8.h"
#include <fcntl.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static char line[2 * SB_LOG_LINE_MAX];
static int real_stderr, ends[2];

static int redirect(void **state)
{
	real_stderr = dup(STDERR_FILENO);
	assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
	assert_int_equal(fcntl(ends[0], F_SETFL, O_NONBLOCK), 0);
	dup2(ends[1], STDERR_FILENO);
	sb_log_setup(SB_LOG_INFO, SB_LOG_LOGFMT);
	return 0;
}

static int restore(void **state)
{
	dup2(real_stderr, STDERR_FILENO);
	close(real_stderr);
	close(ends[0]);
	close(ends[1]);
	return 0;
}

/* What was written since, after the "ts=... " of a logfmt line. */
static const char *written(void)
{
	ssize_t n = read(ends[0], line, sizeof line - 1);
	line[n > 0 ? n : 0] = 0;
	char *text = strncmp(line, "ts=", 3) == 0 ? strchr(line, ' ') : NULL;
	return text ? text + 1 : line;
}

static void logfmt_quotes_what_needs_it(void **state)
{
	sb_log(SB_LOG_INFO, "trunk changed state", "trunk", "lon-a", "why", "say \"no\"", "empty", "", "eq", "a=b",
	        "path", "c:\\d", NULL);
	assert_string_equal(written(),
	        "level=info msg=\"trunk changed state\" trunk=lon-a why=\"say \\\"no\\\"\" empty=\"\" "
	        "eq=\"a=b\" path=\"c:\\\\d\"\n");
}

static void no_value_can_begin_a_line_of_its_own(void **state)
{
	sb_log(SB_LOG_WARN, "x", "v", "a\nts=fake level=error\r\t\x1b[31m\x7f", NULL);
	assert_string_equal(written(), "level=warn msg=x v=\"a\\nts=fake level=error\\r\\t\\u001b[31m\\u007f\"\n");
}

static void bytes_that_are_no_utf8_are_replaced(void **state)
{
	sb_log(SB_LOG_INFO, "x", "v", "ok \xc3\xa9 bad \xff\xc3 cut \xe2\x82", NULL);
	assert_string_equal(written(),
	        "level=info msg=x v=\"ok \xc3\xa9 bad \xef\xbf\xbd\xef\xbf\xbd cut \xef\xbf\xbd\xef\xbf\xbd\"\n");
	assert_int_equal(sb_utf8_len("\xc0\x80"), 0);         /* overlong */
	assert_int_equal(sb_utf8_len("\xed\xa0\x80"), 0);     /* surrogate */
	assert_int_equal(sb_utf8_len("\xf4\x90\x80\x80"), 0); /* beyond U+10FFFF */
	assert_int_equal(sb_utf8_len("\xf0\x9f\x93\x9e"), 4);
}

static void json_line_parses_back_to_what_was_logged(void **state)
{
	const char *nasty = "q\" b\\ n\n r\r t\t bel\a del\x7f \xc3\xa9";
	json_error_t error;
	sb_log_setup(SB_LOG_INFO, SB_LOG_JSON);
	sb_log(SB_LOG_ERROR, "m\"sg", "k", nasty, "e", "", NULL);
	json_t *o = json_loads(written(), 0, &error);
	assert_non_null(o);
	assert_string_equal(json_string_value(json_object_get(o, "k")), nasty);
	assert_string_equal(json_string_value(json_object_get(o, "msg")), "m\"sg");
	assert_string_equal(json_string_value(json_object_get(o, "level")), "error");
	assert_string_equal(json_string_value(json_object_get(o, "e")), "");
	json_decref(o);
}

/* Every length around the limit, so that every place where a line can be cut is tried. */
static void line_too_long_is_cut_and_stays_well_formed(void **state)
{
	static char value[SB_LOG_LINE_MAX + 64];
	json_error_t error;
	sb_log_setup(SB_LOG_INFO, SB_LOG_JSON);
	for (size_t n = SB_LOG_LINE_MAX - 200; n < SB_LOG_LINE_MAX + 10; n++) {
		memset(value, '"', n / 4);
		memset(value + n / 4, 'x', n - n / 2);
		value[n - n / 4] = 0;
		sb_log(SB_LOG_INFO, "m", "first", value, "second", "abc", "third", "abc", NULL);
		const char *text = written();
		assert_true(strlen(text) <= SB_LOG_LINE_MAX);
		json_t *o = json_loads(text, 0, &error);
		if (!o)
			dprintf(real_stderr, "%s: %s\n", error.text, text); /* stderr is the log under test */
		assert_non_null(o);
		json_decref(o);
	}
	memset(value, 'x', sizeof value - 1);
	sb_log_setup(SB_LOG_INFO, SB_LOG_LOGFMT);
	sb_log(SB_LOG_INFO, "m", "v", value, "after", "1", NULL);
	const char *text = written();
	assert_string_equal(text + strlen(text) - 6, "x...\"\n");
}

static void level_below_the_set_one_is_not_written(void **state)
{
	sb_log(SB_LOG_DEBUG, "x", NULL);
	assert_string_equal(written(), "");
	sb_log_setup(SB_LOG_DEBUG, SB_LOG_LOGFMT);
	sb_log(SB_LOG_DEBUG, "x", NULL);
	assert_string_equal(written(), "level=debug msg=x\n");
}

static void missing_value_ends_the_list(void **state)
{
	sb_log(SB_LOG_INFO, "x", "a", "1", "b", NULL, NULL);
	assert_string_equal(written(), "level=info msg=x a=1 b=\"\"\n");
}

/* Nobody waits: a stderr that is full costs lines, never time, and the loss is told. */
static void full_stderr_loses_lines_and_says_how_many(void **state)
{
	char drop[4096];
	int written_lines = 0;
	for (int i = 0; i < 5000; i++)
		sb_log(SB_LOG_INFO, "filling up", "n", "1", NULL);
	ssize_t n;
	while ((n = read(ends[0], drop, sizeof drop)) > 0) {
		for (ssize_t i = 0; i < n; i++)
			written_lines += drop[i] == '\n';
	}
	assert_true(written_lines < 5000);
	sb_log(SB_LOG_INFO, "again", NULL);
	snprintf(drop, sizeof drop, " lost=%d\n", 5000 - written_lines);
	const char *text = written();
	assert_non_null(strstr(text, drop));
	assert_non_null(strstr(text, "msg=again\n"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test_setup_teardown(logfmt_quotes_what_needs_it, redirect, restore),
	        cmocka_unit_test_setup_teardown(no_value_can_begin_a_line_of_its_own, redirect, restore),
	        cmocka_unit_test_setup_teardown(bytes_that_are_no_utf8_are_replaced, redirect, restore),
	        cmocka_unit_test_setup_teardown(json_line_parses_back_to_what_was_logged, redirect, restore),
	        cmocka_unit_test_setup_teardown(line_too_long_is_cut_and_stays_well_formed, redirect, restore),
	        cmocka_unit_test_setup_teardown(level_below_the_set_one_is_not_written, redirect, restore),
	        cmocka_unit_test_setup_teardown(missing_value_ends_the_list, redirect, restore),
	        cmocka_unit_test_setup_teardown(full_stderr_loses_lines_and_says_how_many, redirect, restore),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

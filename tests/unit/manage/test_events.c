/* SPDX-License-Identifier: BSD-3-Clause */
/* The event log is a bounded ring read by sequence number (P22). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include "control/events.h"
#include "control/log.h"
#include <string.h>

static void add(struct sb_events *e, uint64_t n)
{
	for (uint64_t i = 0; i < n; i++)
		sb_events_add(e, &(struct sb_event_record){.kind = "health", .wall_ms = 1000 + i});
}

static void events_are_numbered_from_one_without_gaps(void **state)
{
	struct sb_events *e = sb_events_new();
	assert_null(sb_events_after(e, 0));
	assert_int_equal(sb_events_last(e), 0);
	add(e, 3);
	for (uint64_t seq = 0; seq < 3; seq++)
		assert_int_equal(sb_events_after(e, seq)->seq, seq + 1);
	assert_null(sb_events_after(e, 3));
	assert_null(sb_events_after(e, UINT64_MAX));
	assert_int_equal(sb_events_last(e), 3);
	sb_events_free(e);
}

static void reader_who_comes_too_late_gets_the_oldest_kept(void **state)
{
	struct sb_events *e = sb_events_new();
	add(e, SB_EVENTS_KEPT);
	assert_int_equal(sb_events_after(e, 0)->seq, 1);
	add(e, 1);
	assert_int_equal(sb_events_after(e, 0)->seq, 2);
	assert_int_equal(sb_events_after(e, 1)->seq, 2);
	assert_int_equal(sb_events_after(e, 2)->seq, 3);
	add(e, 3 * SB_EVENTS_KEPT);
	uint64_t seq = 0, n = 0;
	for (const struct sb_event_record *r; (r = sb_events_after(e, seq)); n++) {
		assert_true(seq == 0 || r->seq == seq + 1);
		seq = r->seq;
	}
	assert_int_equal(n, SB_EVENTS_KEPT);
	assert_int_equal(seq, 4 * SB_EVENTS_KEPT + 1);
	sb_events_free(e);
}

static void wall_time_is_set_only_when_it_is_missing(void **state)
{
	struct sb_events *e = sb_events_new();
	struct sb_event_record r = {.kind = "start"};
	sb_events_add(e, &r);
	assert_true(sb_events_after(e, 0)->wall_ms > 1000000000000);
	r.wall_ms = 5;
	sb_events_add(e, &r);
	assert_int_equal(sb_events_after(e, 1)->wall_ms, 5);
	sb_events_free(e);
}

static void text_without_its_nul_is_bounded(void **state)
{
	struct sb_events *e = sb_events_new();
	struct sb_event_record r;
	memset(&r, 'x', sizeof r);
	sb_events_add(e, &r);
	const struct sb_event_record *kept = sb_events_after(e, 0);
	assert_int_equal(strlen(kept->kind), sizeof kept->kind - 1);
	assert_int_equal(strlen(kept->detail), sizeof kept->detail - 1);
	assert_int_equal(strlen(kept->call_id), sizeof kept->call_id - 1);
	sb_events_free(e);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(events_are_numbered_from_one_without_gaps),
	        cmocka_unit_test(reader_who_comes_too_late_gets_the_oldest_kept),
	        cmocka_unit_test(wall_time_is_set_only_when_it_is_missing),
	        cmocka_unit_test(text_without_its_nul_is_bounded),
	};
	sb_log_setup(SB_LOG_ERROR, SB_LOG_LOGFMT);
	return cmocka_run_group_tests(tests, NULL, NULL);
}

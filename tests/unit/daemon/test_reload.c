/* SPDX-License-Identifier: BSD-3-Clause */
/* A reload beside control: who asked for it is told how it ended, whatever became of it (P7). */
#include "bench.h"
#include "control/manage/server.h"
#include <poll.h>
#include <pthread.h>
#include <unistd.h>

#define TOO_MUCH ((size_t)1 << 47) /* a stack that no address space has room for */

static size_t stack_size;

static int begin(void **state)
{
	pthread_attr_t attr;
	struct bench *b = *state = bench_new(1, bench_config(2, 10, ""), NULL);
	bench_control(b);
	assert_int_equal(pthread_getattr_default_np(&attr), 0);
	assert_int_equal(pthread_attr_getstacksize(&attr, &stack_size), 0);
	pthread_attr_destroy(&attr);
	return 0;
}

static int end(void **state)
{
	bench_free(*state);
	return 0;
}

/* From now on threads can be made, or not. */
static void threads(bool can_be_made)
{
	pthread_attr_t attr;
	assert_int_equal(pthread_attr_init(&attr), 0);
	assert_int_equal(pthread_attr_setstacksize(&attr, can_be_made ? stack_size : TOO_MUCH), 0);
	assert_int_equal(pthread_setattr_default_np(&attr), 0);
	pthread_attr_destroy(&attr);
}

static void await(struct bench *b)
{
	struct pollfd over = {.fd = b->d.load.fd, .events = POLLIN};
	assert_true(b->d.load.running);
	assert_int_equal(poll(&over, 1, -1), 1);
}

static char logged[4096];

/* What step writes to the log. */
static void listen_to(void (*step)(struct sb_daemon *d), struct sb_daemon *d)
{
	FILE *f = tmpfile();
	int saved = dup(STDERR_FILENO);
	assert_true(f && saved >= 0);
	assert_true(dup2(fileno(f), STDERR_FILENO) >= 0);
	step(d);
	dup2(saved, STDERR_FILENO);
	close(saved);
	rewind(f);
	logged[fread(logged, 1, sizeof logged - 1, f)] = 0;
	fclose(f);
}

static void check_no_thread_was_told(struct sb_daemon *d, uint64_t failed)
{
	assert_non_null(strstr(logged, "reload refused"));
	assert_non_null(strstr(logged, "there is no thread to read it"));
	assert_int_equal(d->reloads_failed, failed);
	assert_int_equal(d->manage->reloaded.err, SB_E_NOMEM);
	assert_non_null(strstr(d->manage->reloaded.line, "there is no thread to read it"));
	assert_false(d->load.running || d->signalled);
}

static void signal_without_a_thread_is_told_in_the_log(void **state)
{
	struct bench *b = *state;
	struct sb_daemon *d = &b->d;
	threads(false);
	listen_to(sb_daemon_hangup, d);
	threads(true);
	check_no_thread_was_told(d, 1);
	sb_daemon_hangup(d); /* the next one has a thread */
	await(b);
	listen_to(sb_daemon_loads, d);
	assert_string_equal(logged, "");
	assert_int_equal(d->reloads, 1);
	assert_int_equal(d->manage->reloaded.err, 0);
}

/* One that was asked for while another was under way is begun when that is over: then, too. */
static void later_reading_without_a_thread_is_told_in_the_log(void **state)
{
	struct bench *b = *state;
	struct sb_daemon *d = &b->d;
	sb_daemon_hangup(d);
	sb_daemon_hangup(d);
	await(b);
	threads(false);
	sb_daemon_loads(d);
	assert_true(d->signalled);
	assert_int_equal(d->reloads, 1);
	listen_to(sb_daemon_loads, d);
	threads(true);
	check_no_thread_was_told(d, 1);
}

static void refusal_without_a_line_is_told_in_the_log(void **state)
{
	struct bench *b = *state;
	struct sb_daemon *d = &b->d;
	d->n_retired = SB_RETIRED_MAX; /* calls hold on to all of them */
	sb_daemon_hangup(d);
	await(b);
	listen_to(sb_daemon_loads, d);
	d->n_retired = 0;
	assert_non_null(strstr(logged, "reload refused"));
	assert_non_null(strstr(logged, sb_err_text(SB_E_FULL)));
}

static void request_without_a_thread_is_told_why(void **state)
{
	struct bench *b = *state;
	struct sb_manage_lines lines = {.n = 0};
	const struct sb_manage_view *view = &b->d.manage->view;
	threads(false);
	assert_int_equal(view->reload(&b->d, &lines), SB_E_NOMEM);
	threads(true);
	assert_int_equal(lines.n, 1);
	assert_non_null(strstr(lines.line[0], "there is no thread to read it"));
	free(lines.line[0]);
	assert_int_equal(b->d.reloads_failed, 1);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void)
{
	const struct CMUnitTest tests[] = {
	        TEST(signal_without_a_thread_is_told_in_the_log),
	        TEST(later_reading_without_a_thread_is_told_in_the_log),
	        TEST(refusal_without_a_line_is_told_in_the_log),
	        TEST(request_without_a_thread_is_told_why),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: BSD-3-Clause */
/* switchbackctl, the program itself, against a control socket. argv[1] is its path. */
#include "world.h"
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define OUT_MAX   (256 * 1024)
#define WORDS_MAX 16

static const char *program;
static char out[OUT_MAX]; /* what it wrote, stdout and stderr */
static size_t out_len;

static int setup(void **state)
{
	*state = world_new();
	return 0;
}

static int teardown(void **state)
{
	world_free(*state);
	return 0;
}

static pid_t start(const char *socket, const char *words, int *from)
{
	char *line = strdup(words), *argv[WORDS_MAX + 4] = {(char *)(uintptr_t)program};
	int n = 1, ends[2];
	assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
	if (socket) {
		argv[n++] = (char *)(uintptr_t) "--socket";
		argv[n++] = (char *)(uintptr_t)socket;
	}
	for (char *w = strtok(line, " "); w && n < WORDS_MAX; w = strtok(NULL, " "))
		argv[n++] = w;
	pid_t pid = fork();
	if (pid == 0) {
		dup2(ends[1], STDOUT_FILENO);
		dup2(ends[1], STDERR_FILENO);
		execv(program, argv);
		_exit(127);
	}
	free(line);
	close(ends[1]);
	*from = ends[0];
	out_len = 0;
	out[0] = 0;
	return pid;
}

/* One turn of daemon and terminal; false: the program closed its output. */
static bool turn(struct world *w, int from)
{
	struct pollfd p[2] = {{.fd = from, .events = POLLIN}, {.fd = sb_manage_fd(w->m), .events = POLLIN}};
	assert_true(poll(p, 2, 10000) > 0);
	if (p[1].revents)
		sb_manage_poll(w->m, 16);
	if (!p[0].revents)
		return true;
	ssize_t n = read(from, out + out_len, OUT_MAX - 1 - out_len);
	out_len += n > 0 ? (size_t)n : 0;
	out[out_len] = 0;
	return n > 0;
}

static int finish(struct world *w, pid_t pid, int from)
{
	int status;
	while (turn(w, from))
		;
	close(from);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	return WEXITSTATUS(status);
}

static int run(struct world *w, const char *words)
{
	int from;
	pid_t pid = start(w->path, words, &from);
	return finish(w, pid, from);
}

static void shows(const char *text)
{
	if (!strstr(out, text))
		fail_msg("no \"%s\" in:\n%s", text, out);
}

static void shows_not(const char *text)
{
	if (strstr(out, text))
		fail_msg("\"%s\" in:\n%s", text, out);
}

static void wrong_command_lines_exit_64(void **state)
{
	struct world *w = *state;
	static const char *const rows[] = {"", "nonsense", "status more", "trunk", "trunk a drain more", "explain",
	        "explain 1 2", "--nonsense status", "status --follow", "explain 1 --after 3", "events --after x",
	        "events --limit", "stats --from 1.2.3.4"};
	for (unsigned i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		if (run(w, rows[i]) != 64)
			fail_msg("%s", rows[i]);
		shows("usage: switchbackctl");
	}
}

static void without_a_daemon_it_exits_69_and_says_so(void **state)
{
	struct world *w = *state;
	int from;
	pid_t pid = start("/nonexistent/control.sock", "status", &from);
	assert_int_equal(finish(w, pid, from), 69);
	shows("/nonexistent/control.sock");
	shows("is switchbackd running?");
	pid = start("/nonexistent/control.sock", "version", &from);
	assert_int_equal(finish(w, pid, from), 0);
	shows("switchbackctl " SB_VERSION);
	shows("does not answer");
	pid = start(NULL, "--help", &from);
	assert_int_equal(finish(w, pid, from), 0);
	shows("explain NUMBER");
}

static void daemon_that_dies_mid_command_is_exit_69(void **state)
{
	struct world *w = *state;
	int from;
	char why[SB_MANAGE_WHY_MAX];
	pid_t pid = start(w->path, "events --follow", &from);
	world_event(w, "start", "switchback runs");
	while (!strstr(out, "switchback runs"))
		assert_true(turn(w, from));
	sb_manage_free(w->m);
	assert_int_equal(world_serve(w, w->path, &w->m, why), 0);
	assert_int_equal(finish(w, pid, from), 69);
	shows("closed the connection");
}

static void every_command_shows_something_for_people_and_json(void **state)
{
	struct world *w = *state;
	static const struct {
		const char *words, *human, *json;
	} rows[] = {
	        {"status", "1 UP, 1 DOWN, 1 RAMPING; by the operator 1 drain", "\"uptime_ms\":"},
	        {"trunks", "man-a  10.0.0.3:5060  RAMPING  ", "\"trunks\":["},
	        {"trunk lon-a", "10.0.0.1:5060", "\"state\":\"UP\""},
	        {"trunk lon-a drain", "drain", "\"kept\":true"},
	        {"routes", "prefix +4420", "\"kind\":\"prefix\""},
	        {"explain +44201", "prefix +4420", "\"candidates\":["},
	        {"stats", "frames received 0 = ended 0 + in flight 0", "\"identity\":{"},
	        {"events", "no answer", "\"kind\":\"failover\""},
	        {"reload", "reloaded: generation", "\"generation\":"},
	        {"memory", "packets: rx", "\"packets\":["},
	        {"version", "switchbackd   " SB_VERSION, "\"daemon\":{"},
	};
	world_event(w, "failover", "no answer");
	for (unsigned i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		char words[128];
		json_error_t error;
		assert_int_equal(run(w, rows[i].words), 0);
		shows(rows[i].human);
		shows_not("\033"); /* no colours but on a terminal */
		snprintf(words, sizeof words, "--json %s", rows[i].words);
		assert_int_equal(run(w, words), 0);
		shows(rows[i].json);
		json_t *v = json_loads(out, 0, &error);
		assert_non_null(v);
		json_decref(v);
	}
}

/* S4.5, P22 */
static void explain_shows_formula_total_and_the_passed_over_with_evidence_and_age(void **state)
{
	struct world *w = *state;
	assert_int_equal(run(w, "explain +442012345 --from 10.1.2.3 --domain example.com"), 0);
	assert_string_equal(w->explain_domain, "example.com");
	assert_int_equal(w->explain_source.family, 4);
	shows("route   prefix +4420\n");
	shows("4 sends x 200 ms   3.0 s   3.0 s");
	shows("7 sends x 500 ms  63.5 s  66.5 s");
	shows("probe good, 900 ms ago");
	shows("PASSED OVER");
	shows("no answer in 3000 ms (4 sends), 61.0 s ago");
	assert_int_equal(run(w, "explain 0"), 1);
	shows("none matches");
}

static void refusals_exit_1_with_every_line(void **state)
{
	struct world *w = *state;
	assert_int_equal(run(w, "trunk nobody drain"), 1);
	shows("there is no trunk \"nobody\"");
	w->reload_err = SB_E_CONFIG;
	w->reload_lines = 2;
	assert_int_equal(run(w, "reload"), 1);
	shows("switchback.yaml:1: trunks.ramp: wrong\nswitchback.yaml:2: trunks.ramp: wrong\n");
	w->admin_err = SB_E_IO;
	assert_int_equal(run(w, "trunk lon-a disable"), 0);
	shows("a restart will forget it: no room on the disk");
}

static void zeros_are_hidden_unless_asked_for(void **state)
{
	struct world *w = *state;
	sb_count_add(&w->counters[0], SB_C_rx_frames, 12);
	sb_count_add(&w->counters[1], SB_C_drop_stun, 12);
	assert_int_equal(run(w, "stats"), 0);
	shows("rx_frames");
	shows("drop_stun");
	shows("frames received 12 = ended 12 + in flight 0");
	shows_not("drop_rtp");
	assert_int_equal(run(w, "stats --all"), 0);
	shows("drop_rtp");
}

static void long_tables_are_put_together(void **state)
{
	struct world *w = *state;
	world_trunks(w, 3 * SB_MANAGE_PAGE_MAX);
	assert_int_equal(run(w, "--json trunks"), 0);
	json_error_t error;
	json_t *v = json_loads(out, 0, &error);
	assert_int_equal(json_array_size(json_object_get(v, "trunks")), 3 * SB_MANAGE_PAGE_MAX);
	assert_null(json_object_get(v, "next"));
	json_decref(v);
}

static void follower_streams_and_text_from_the_wire_cannot_drive_the_terminal(void **state)
{
	struct world *w = *state;
	int from;
	pid_t pid = start(w->path, "events --follow", &from);
	world_event(w, "start", "one");
	while (!strstr(out, "one\n"))
		assert_true(turn(w, from));
	world_event(w, "failover", "evil \x1b]0;x\x07 \xc2\x9b end");
	sb_manage_poll(w->m, 16);
	while (!strstr(out, "end\n"))
		assert_true(turn(w, from));
	shows("evil ?]0;x? ?? end\n");
	kill(pid, SIGTERM);
	close(from);
	waitpid(pid, NULL, 0);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test_setup_teardown(wrong_command_lines_exit_64, setup, teardown),
	        cmocka_unit_test_setup_teardown(without_a_daemon_it_exits_69_and_says_so, setup, teardown),
	        cmocka_unit_test_setup_teardown(daemon_that_dies_mid_command_is_exit_69, setup, teardown),
	        cmocka_unit_test_setup_teardown(every_command_shows_something_for_people_and_json, setup, teardown),
	        cmocka_unit_test_setup_teardown(
	                explain_shows_formula_total_and_the_passed_over_with_evidence_and_age, setup, teardown),
	        cmocka_unit_test_setup_teardown(refusals_exit_1_with_every_line, setup, teardown),
	        cmocka_unit_test_setup_teardown(zeros_are_hidden_unless_asked_for, setup, teardown),
	        cmocka_unit_test_setup_teardown(long_tables_are_put_together, setup, teardown),
	        cmocka_unit_test_setup_teardown(
	                follower_streams_and_text_from_the_wire_cannot_drive_the_terminal, setup, teardown),
	};
	if (argc < 2)
		return 2;
	program = argv[1];
	return cmocka_run_group_tests(tests, NULL, NULL);
}

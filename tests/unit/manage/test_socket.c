/* SPDX-License-Identifier: BSD-3-Clause */
/* The control socket against whoever connects: garbage, floods, slow readers, leftovers of a killed daemon. */
#include "world.h"
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define VERSION "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"version\"}"

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

static bool readable(int fd)
{
	return poll(&(struct pollfd){.fd = fd, .events = POLLIN}, 1, 0) == 1;
}

static void wrong_requests_get_the_codes_of_json_rpc(void **state)
{
	struct world *w = *state;
	static const struct {
		int code;
		const char *line;
	} rows[] = {
	        {-32700, "garbage"},
	        {-32700, "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"version\""},
	        {-32700, "\x01\xff\xfe"},
	        {-32700, VERSION VERSION},
	        {-32600, "5"},
	        {-32600, "null"},
	        {-32600, "[]"},
	        {-32600, "[" VERSION "]"},
	        {-32600, "{}"},
	        {-32600, "{\"id\":1,\"method\":\"version\"}"},
	        {-32600, "{\"jsonrpc\":\"1.0\",\"id\":1,\"method\":\"version\"}"},
	        {-32600, "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":5}"},
	        {-32600, "{\"jsonrpc\":\"2.0\",\"id\":{},\"method\":\"version\"}"},
	        {-32601, "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"stop\"}"},
	        {-32601, "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"\"}"},
	        {-32602, "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"explain\"}"},
	        {-32602, "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"explain\",\"params\":[\"1\"]}"},
	        {-32602, "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"explain\",\"params\":{\"number\":1}}"},
	        {-32602, "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"explain\",\"params\":{\"number\":\"1\",\"x\":1}}"},
	        {-32602, "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"explain\",\"params\":{\"number\":\"1 2\"}}"},
	        {-32602, "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"explain\",\"params\":{\"number\":\"1\",\"source\":"
	                 "\"x\"}}"},
	        {-32602, "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"events\",\"params\":{\"after\":-1}}"},
	        {-32602, "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"events\",\"params\":{\"follow\":1}}"},
	        {-32602, "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"trunk\",\"params\":{\"name\":\"lon-a\",\"action\":"
	                 "\"kill\"}}"},
	        {-32001, "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"trunk\",\"params\":{\"name\":\"nobody\","
	                 "\"action\":\"drain\"}}"},
	        {0, VERSION},
	};
	int fd = world_connect(w);
	for (unsigned i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		int code = world_code(w, fd, rows[i].line);
		if (code != rows[i].code)
			fail_msg("%s: %d", rows[i].line, code);
	}
	assert_int_equal(w->admin_calls, 0);
	close(fd);
}

static void ids_come_back_as_they_were_and_notifications_get_no_answer(void **state)
{
	struct world *w = *state;
	static const char *const ids[] = {"7", "\"seven\"", "null", "1.5", "-3"};
	int fd = world_connect(w);
	for (unsigned i = 0; i < sizeof ids / sizeof ids[0]; i++) {
		char line[128], want[64];
		/* The reload is a notification: done, not answered. */
		snprintf(line, sizeof line, "{\"jsonrpc\":\"2.0\",\"method\":\"reload\"}\n\r\n \n");
		world_send(fd, line);
		snprintf(line, sizeof line, "{\"jsonrpc\":\"2.0\",\"id\":%s,\"method\":\"version\"}\n", ids[i]);
		world_send(fd, line);
		char *answer = world_line(w, fd);
		snprintf(want, sizeof want, "\"id\":%s,\"result\"", ids[i]);
		if (!strstr(answer, want))
			fail_msg("%s", answer);
		free(answer);
	}
	world_send(fd, "{\"jsonrpc\":\"2.0\",\"method\":\"nonsense\"}\n");
	sb_manage_poll(w->m, 16);
	assert_false(readable(fd));
	assert_int_equal(w->reload_calls, sizeof ids / sizeof ids[0]);
	close(fd);
}

static void line_in_pieces_and_lines_in_one_piece_are_all_answered(void **state)
{
	struct world *w = *state;
	int fd = world_connect(w);
	const char *text = VERSION "\n" VERSION "\r\n" VERSION "\n";
	for (const char *c = text; *c; c++) {
		assert_int_equal(send(fd, c, 1, 0), 1);
		sb_manage_poll(w->m, 16);
	}
	world_send(fd, text);
	for (int i = 0; i < 6; i++)
		json_decref(world_json(w, fd));
	assert_false(readable(fd));
	close(fd);
}

static void last_line_before_the_end_counts_and_then_it_closes(void **state)
{
	struct world *w = *state;
	int fd = world_connect(w);
	world_send(fd, VERSION "\n" VERSION);
	shutdown(fd, SHUT_WR);
	json_decref(world_json(w, fd));
	json_decref(world_json(w, fd));
	assert_null(world_line(w, fd));
	close(fd);
}

static void line_without_end_is_refused_and_the_client_let_go(void **state)
{
	struct world *w = *state;
	int fd = world_connect(w), other = world_connect(w);
	char *flood = malloc(SB_MANAGE_LINE_MAX);
	memset(flood, 'x', SB_MANAGE_LINE_MAX);
	for (size_t sent = 0; sent < SB_MANAGE_LINE_MAX;) {
		ssize_t n = send(fd, flood, SB_MANAGE_LINE_MAX - sent, MSG_DONTWAIT);
		sent += n > 0 ? (size_t)n : 0;
		sb_manage_poll(w->m, 16);
	}
	free(flood);
	json_t *answer = world_json(w, fd);
	assert_int_equal(json_integer_value(json_object_get(json_object_get(answer, "error"), "code")), -32600);
	assert_true(json_is_null(json_object_get(answer, "id")));
	json_decref(answer);
	assert_null(world_line(w, fd));
	assert_int_equal(world_code(w, other, VERSION), 0);
	close(fd);
	close(other);
}

static void longest_line_is_served(void **state)
{
	struct world *w = *state;
	int fd = world_connect(w);
	char *line = malloc(SB_MANAGE_LINE_MAX + 1);
	memset(line, ' ', SB_MANAGE_LINE_MAX);
	memcpy(line, VERSION, strlen(VERSION));
	line[SB_MANAGE_LINE_MAX - 1] = '\n';
	line[SB_MANAGE_LINE_MAX] = 0;
	world_send(fd, line);
	free(line);
	json_decref(world_result(w, fd, "version", NULL));
	json_decref(world_json(w, fd));
	close(fd);
}

static void client_beyond_the_last_place_is_told_so(void **state)
{
	struct world *w = *state;
	int fd[SB_MANAGE_CLIENTS_MAX + 1];
	for (int i = 0; i <= SB_MANAGE_CLIENTS_MAX; i++) {
		fd[i] = world_connect(w);
		for (int k = 0; k < 4; k++)
			sb_manage_poll(w->m, 1);
	}
	json_t *answer = world_json(w, fd[SB_MANAGE_CLIENTS_MAX]);
	assert_int_equal(json_integer_value(json_object_get(json_object_get(answer, "error"), "code")), -32004);
	json_decref(answer);
	assert_null(world_line(w, fd[SB_MANAGE_CLIENTS_MAX]));
	close(fd[SB_MANAGE_CLIENTS_MAX]);
	assert_int_equal(world_code(w, fd[0], VERSION), 0);
	close(fd[5]); /* its place is free again */
	sb_manage_poll(w->m, 1);
	fd[5] = world_connect(w);
	assert_int_equal(world_code(w, fd[5], VERSION), 0);
	for (int i = 0; i < SB_MANAGE_CLIENTS_MAX; i++)
		close(fd[i]);
}

/* One request of each client in turn, so a client with a thousand of them costs another one turn. */
static void flood_of_one_client_does_not_hold_up_another(void **state)
{
	struct world *w = *state;
	int flooder = world_connect(w), fd = world_connect(w);
	for (int i = 0; i < 100; i++)
		world_send(flooder, VERSION "\n");
	sb_manage_poll(w->m, 0);
	world_send(fd, VERSION "\n");
	assert_int_equal(sb_manage_poll(w->m, 4), 4);
	assert_true(readable(fd));
	close(flooder);
	close(fd);
}

/* It sends requests and reads nothing: the server stops reading, keeps a bounded amount, and answers all in the end. */
static void client_that_does_not_read_is_not_served_on(void **state)
{
	struct world *w = *state;
	int fd = world_connect(w), sent = 0, idle = 0;
	while (idle < 10) {
		ssize_t n = send(fd, "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"stats\"}\n", 42, MSG_DONTWAIT);
		idle = n == 42 ? 0 : idle + 1;
		sent += n == 42;
		assert_true(n == 42 || n < 0);
		sb_manage_poll(w->m, 16);
		assert_true(sent < 100000);
	}
	for (int i = 0; i < sent; i++)
		json_decref(world_json(w, fd));
	assert_int_equal(world_code(w, fd, VERSION), 0);
	close(fd);
}

static void client_that_vanishes_mid_answer_is_forgotten(void **state)
{
	struct world *w = *state;
	for (int i = 0; i < 3 * SB_MANAGE_CLIENTS_MAX; i++) {
		int fd = world_connect(w);
		for (int k = 0; k < 50; k++)
			world_send(fd, "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"stats\"}\n");
		if (i % 2)
			sb_manage_poll(w->m, 7);
		close(fd);
		for (int k = 0; k < 20; k++)
			sb_manage_poll(w->m, 16);
	}
	int fd = world_connect(w);
	assert_int_equal(world_code(w, fd, VERSION), 0);
	close(fd);
}

static void follower_gets_events_as_they_come(void **state)
{
	struct world *w = *state;
	int fd = world_connect(w);
	world_event(w, "start", "before");
	json_t *r = world_result(w, fd, "events", "{\"follow\":true}");
	assert_int_equal(json_array_size(json_object_get(r, "events")), 1);
	json_decref(r);
	world_event(w, "failover", "no answer in 3000 ms (4 sends)");
	world_event(w, "health", "bad \xff byte");
	r = world_json(w, fd);
	assert_string_equal(json_string_value(json_object_get(r, "method")), "event");
	assert_null(json_object_get(r, "id"));
	json_t *e = json_object_get(r, "params");
	assert_int_equal(json_integer_value(json_object_get(e, "seq")), 2);
	assert_string_equal(json_string_value(json_object_get(e, "kind")), "failover");
	assert_string_equal(json_string_value(json_object_get(e, "detail")), "no answer in 3000 ms (4 sends)");
	json_decref(r);
	r = world_json(w, fd);
	assert_string_equal(json_string_value(json_object_get(json_object_get(r, "params"), "detail")), "bad ? byte");
	json_decref(r);
	assert_int_equal(world_code(w, fd, VERSION), 0); /* and it may go on asking */
	close(fd);
}

/* Nobody waits: it loses the oldest, is told how many, and what it gets is in order and complete but for those. */
static void slow_follower_loses_the_oldest_and_is_told_how_many(void **state)
{
	struct world *w = *state;
	const uint64_t total = 6 * SB_EVENTS_KEPT;
	char detail[160];
	int fd = world_connect(w);
	uint64_t seq = 0, got = 0, lost = 0, notes = 0;
	json_decref(world_result(w, fd, "events", "{\"follow\":true}"));
	memset(detail, 'd', sizeof detail - 1);
	detail[sizeof detail - 1] = 0;
	for (uint64_t i = 0; i < total; i++) {
		world_event(w, "failover", detail);
		sb_manage_poll(w->m, 16);
	}
	while (seq < total) {
		json_t *note = world_json(w, fd), *params = json_object_get(note, "params");
		if (strcmp(json_string_value(json_object_get(note, "method")), "lost") == 0) {
			uint64_t n = (uint64_t)json_integer_value(json_object_get(params, "lost"));
			lost += n;
			seq += n;
			notes++;
		} else {
			assert_int_equal(json_integer_value(json_object_get(params, "seq")), ++seq);
			got++;
		}
		json_decref(note);
	}
	assert_int_equal(got + lost, total);
	assert_int_equal(notes, 1);
	assert_true(lost > 0 && got >= SB_EVENTS_KEPT);
	close(fd);
}

static void follower_that_only_closed_its_sending_side_goes_on_listening(void **state)
{
	struct world *w = *state;
	int fd = world_connect(w);
	json_decref(world_result(w, fd, "events", "{\"follow\":true}"));
	shutdown(fd, SHUT_WR);
	for (int i = 0; i < 5; i++)
		sb_manage_poll(w->m, 16);
	assert_false(readable(sb_manage_fd(w->m))); /* its end does not keep the loop awake */
	world_event(w, "start", "");
	json_decref(world_json(w, fd));
	close(fd);
	sb_manage_poll(w->m, 16);
	assert_false(readable(sb_manage_fd(w->m)));
}

static int bind_at(const char *path)
{
	struct sockaddr_un at = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);
	strcpy(at.sun_path, path);
	assert_int_equal(bind(fd, (struct sockaddr *)&at, sizeof at), 0);
	assert_int_equal(listen(fd, 1), 0);
	return fd;
}

static void live_socket_or_a_file_is_left_alone(void **state)
{
	struct world *w = *state;
	char why[SB_MANAGE_WHY_MAX], path[128];
	struct sb_manage *second;
	struct stat st;
	assert_int_equal(stat(w->path, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0660);
	assert_int_equal(world_serve(w, w->path, &second, why), SB_E_EXIST);
	assert_non_null(strstr(why, "another daemon"));
	assert_null(second);
	snprintf(path, sizeof path, "%s/file", w->dir);
	fclose(fopen(path, "w"));
	assert_int_equal(world_serve(w, path, &second, why), SB_E_EXIST);
	assert_non_null(strstr(why, "no socket"));
	assert_int_equal(unlink(path), 0);
	assert_int_equal(world_serve(w, "/nonexistent/control.sock", &second, why), SB_E_IO);
	assert_non_null(strstr(why, "No such file"));
	memset(path, 'x', sizeof path - 1);
	path[sizeof path - 1] = 0;
	assert_int_equal(world_serve(w, path, &second, why), SB_E_INVAL);
	int fd = world_connect(w);
	assert_int_equal(world_code(w, fd, VERSION), 0);
	close(fd);
}

/* A daemon too busy to accept is alive. */
static void socket_with_a_full_backlog_is_left_alone(void **state)
{
	struct world *w = *state;
	struct sockaddr_un at = {.sun_family = AF_UNIX};
	char why[SB_MANAGE_WHY_MAX];
	struct sb_manage *second;
	int fd[64], n = 0, busy;
	sb_manage_free(w->m);
	busy = bind_at(w->path);
	strcpy(at.sun_path, w->path);
	do {
		assert_true(n < 64);
		fd[n] = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);
	} while (connect(fd[n++], (struct sockaddr *)&at, sizeof at) == 0);
	assert_int_equal(world_serve(w, w->path, &second, why), SB_E_EXIST);
	while (n)
		close(fd[--n]);
	close(busy);
	assert_int_equal(world_serve(w, w->path, &w->m, why), 0);
}

static void socket_file_of_a_killed_daemon_is_replaced(void **state)
{
	struct world *w = *state;
	char why[SB_MANAGE_WHY_MAX];
	sb_manage_free(w->m);
	close(bind_at(w->path)); /* the file stays, nobody listens */
	assert_int_equal(access(w->path, F_OK), 0);
	assert_int_equal(world_serve(w, w->path, &w->m, why), 0);
	int fd = world_connect(w);
	assert_int_equal(world_code(w, fd, VERSION), 0);
	close(fd);
}

static void socket_file_of_the_next_daemon_is_not_removed(void **state)
{
	struct world *w = *state;
	char why[SB_MANAGE_WHY_MAX];
	unlink(w->path);
	int fd = bind_at(w->path);
	sb_manage_free(w->m);
	assert_int_equal(access(w->path, F_OK), 0);
	close(fd);
	assert_int_equal(world_serve(w, w->path, &w->m, why), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test_setup_teardown(wrong_requests_get_the_codes_of_json_rpc, setup, teardown),
	        cmocka_unit_test_setup_teardown(
	                ids_come_back_as_they_were_and_notifications_get_no_answer, setup, teardown),
	        cmocka_unit_test_setup_teardown(
	                line_in_pieces_and_lines_in_one_piece_are_all_answered, setup, teardown),
	        cmocka_unit_test_setup_teardown(last_line_before_the_end_counts_and_then_it_closes, setup, teardown),
	        cmocka_unit_test_setup_teardown(line_without_end_is_refused_and_the_client_let_go, setup, teardown),
	        cmocka_unit_test_setup_teardown(longest_line_is_served, setup, teardown),
	        cmocka_unit_test_setup_teardown(client_beyond_the_last_place_is_told_so, setup, teardown),
	        cmocka_unit_test_setup_teardown(flood_of_one_client_does_not_hold_up_another, setup, teardown),
	        cmocka_unit_test_setup_teardown(client_that_does_not_read_is_not_served_on, setup, teardown),
	        cmocka_unit_test_setup_teardown(client_that_vanishes_mid_answer_is_forgotten, setup, teardown),
	        cmocka_unit_test_setup_teardown(follower_gets_events_as_they_come, setup, teardown),
	        cmocka_unit_test_setup_teardown(slow_follower_loses_the_oldest_and_is_told_how_many, setup, teardown),
	        cmocka_unit_test_setup_teardown(
	                follower_that_only_closed_its_sending_side_goes_on_listening, setup, teardown),
	        cmocka_unit_test_setup_teardown(live_socket_or_a_file_is_left_alone, setup, teardown),
	        cmocka_unit_test_setup_teardown(socket_with_a_full_backlog_is_left_alone, setup, teardown),
	        cmocka_unit_test_setup_teardown(socket_file_of_a_killed_daemon_is_replaced, setup, teardown),
	        cmocka_unit_test_setup_teardown(socket_file_of_the_next_daemon_is_not_removed, setup, teardown),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: BSD-3-Clause */
/* The control socket with every allocation failing in turn, jansson's among them: a request is answered in full, or
 * with an error, or its connection is closed. Never half an answer, never a crash, never another connection's loss; and
 * afterwards nothing is left of it. */
#include "world.h"
#include "control/log.h"
#include "tests/unit/nomem.h"
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define POLLS      40
#define LINES_MAX  8
#define TEXT_BYTES (256 * 1024)

#define ASK(method, params) "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"" method "\",\"params\":{" params "}}\n"

struct heard {
	char *text; /* TEXT_BYTES, lines with their newlines */
	size_t len;
	unsigned lines;
	bool closed;
};

static int begin(void **state)
{
	struct world *w = world_new();
	strcpy(w->evidence, "no answer in 3000 ms (4 sends)");
	w->reload_lines = 2;
	for (int i = 0; i < 3; i++)
		world_event(w, "health", "UP -> DOWN");
	*state = w;
	return 0;
}

static int end(void **state)
{
	world_free(*state);
	return 0;
}

static void hear(int fd, struct heard *h)
{
	ssize_t n = recv(fd, h->text + h->len, TEXT_BYTES - 1 - h->len, MSG_DONTWAIT);
	if (n == 0)
		h->closed = true;
	for (ssize_t i = 0; i < n; i++)
		h->lines += h->text[h->len + (size_t)i] == '\n';
	h->len += n > 0 ? (size_t)n : 0;
	h->text[h->len] = 0;
}

/* Connects, sends, and listens until `lines` lines have come, it is closed, or nothing comes any more. With follow,
 * something happens as soon as the first line has come. Nothing of the test's own allocates meanwhile. True: an
 * allocation has failed. */
static bool converse(
        struct world *w, const char *request, unsigned lines, bool follow, unsigned n, unsigned more, struct heard *h)
{
	int fd = world_connect(w);
	bool told = false;
	h->len = h->lines = 0;
	h->closed = false;
	nomem_arm(n, more);
	world_send(fd, request);
	for (int i = 0; i < POLLS && h->lines < lines && !h->closed; i++) {
		sb_manage_poll(w->m, 16);
		hear(fd, h);
		if (follow && h->lines == 1 && !told)
			world_event(w, "health", "UP -> DOWN");
		told |= h->lines == 1;
	}
	bool met = nomem_disarm();
	for (int i = 0; i < 3; i++) { /* an event that found no memory comes as soon as there is some */
		sb_manage_poll(w->m, 16);
		hear(fd, h);
	}
	close(fd);
	for (int i = 0; i < 3; i++)
		sb_manage_poll(w->m, 16);
	return met;
}

/* A line that could not be kept is counted as omitted: what is told and what is not adds up. */
static void sum_up(json_t *of, const char *key)
{
	json_t *omitted = json_object_get(of, "omitted");
	json_int_t told = (json_int_t)json_array_size(json_object_get(of, key));
	if (omitted)
		json_object_set_new(of, key, json_integer(told + json_integer_value(omitted)));
	json_object_del(of, "omitted");
}

/* What may differ between two good answers. */
static void forget(json_t *answer)
{
	json_t *result = json_object_get(answer, "result"), *params = json_object_get(answer, "params");
	sum_up(result, "notes");
	sum_up(json_object_get(json_object_get(answer, "error"), "data"), "lines");
	json_object_del(result, "heap");
	json_object_del(result, "generation");
	json_object_del(params, "seq");
	json_object_del(result, "next");
	json_object_del(result, "last");
	for (size_t i = 0; i < json_array_size(json_object_get(result, "events")); i++)
		json_object_del(json_array_get(json_object_get(result, "events"), i), "seq");
}

/* The i-th line as JSON, the caller's. */
static json_t *line_of(const struct heard *h, unsigned i)
{
	const char *at = h->text;
	json_error_t error;
	while (i--)
		at = strchr(at, '\n') + 1;
	json_t *v = json_loadb(at, (size_t)(strchr(at, '\n') - at), 0, &error);
	assert_non_null(v);
	forget(v);
	return v;
}

/* An error that says so, for the right request. */
static void assert_error(const json_t *answer)
{
	json_t *error = json_object_get(answer, "error"), *id = json_object_get(answer, "id");
	const char *message = json_string_value(json_object_get(error, "message"));
	if (!message || !strstr(message, "out of memory"))
		fail_msg("%s", json_dumps(answer, JSON_COMPACT));
	assert_true(json_is_null(id) || json_integer_value(id) == 1);
	assert_null(json_object_get(answer, "result"));
}

static void assert_whole(const struct heard *h, const struct heard *good, bool follow)
{
	bool refused = false;
	for (unsigned i = 0; i < h->lines; i++) {
		json_t *got = line_of(h, i), *want = line_of(good, i);
		if (!json_equal(got, want)) {
			assert_error(got);
			refused = true;
		}
		json_decref(got);
		json_decref(want);
	}
	if (follow && refused)
		assert_int_equal(h->lines, 1); /* it follows nothing */
	else
		assert_true(h->lines == good->lines || h->closed);
	assert_true(h->len == 0 || h->text[h->len - 1] == '\n');
}

/* Each n-th allocation fails in turn, alone or with all that follow, until a conversation meets no failure. */
static void fail_each(struct world *w, const char *request, unsigned lines, bool follow)
{
	struct heard good = {.text = calloc(1, TEXT_BYTES)}, h = {.text = calloc(1, TEXT_BYTES)};
	int bystander = world_connect(w);
	assert_true(good.text && h.text);
	json_decref(world_ask(w, bystander, "version", NULL));
	assert_false(converse(w, request, lines, follow, 0, 0, &good));
	assert_int_equal(good.lines, lines);
	for (unsigned more = 0; more <= 1; more++) {
		unsigned n = 0;
		uint64_t blocks;
		bool met;
		do {
			blocks = nomem_blocks();
			met = converse(w, request, lines, follow, ++n, more ? UINT32_MAX : 0, &h);
			assert_int_equal(nomem_blocks(), blocks);
			assert_whole(&h, &good, follow);
			json_decref(world_result(w, bystander, "version", NULL)); /* it is served as ever */
		} while (met);
		assert_int_equal(h.lines, lines);
		assert_true(n > 2);
	}
	close(bystander);
	free(good.text);
	free(h.text);
}

static void each_method_without_memory_answers_in_full_or_not_at_all(void **state)
{
	static const char *const requests[] = {
	        ASK("status", ""),
	        ASK("trunks", ""),
	        ASK("trunks", "\"offset\":1,\"limit\":1"),
	        ASK("trunk", "\"name\":\"lon-b\""),
	        ASK("trunk", "\"name\":\"lon-b\",\"action\":\"drain\""),
	        ASK("trunk", "\"name\":\"nobody\""),
	        ASK("routes", ""),
	        ASK("explain", "\"number\":\"+442079460000\",\"source\":\"10.1.2.3\",\"domain\":\"example.com\""),
	        ASK("explain", "\"number\":\"0\""),
	        ASK("explain", "\"number\":\"\""),
	        ASK("stats", ""),
	        ASK("memory", ""),
	        ASK("version", ""),
	        ASK("events", ""),
	        ASK("events", "\"after\":1,\"limit\":1"),
	        ASK("reload", ""),
	        ASK("nothing", ""),
	        ASK("trunk", "\"nam\":1"),
	        "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"trunk\",\"params\":[]}\n",
	        "{\"jsonrpc\":\"1.0\",\"id\":1,\"method\":\"version\"}\n",
	        "[]\n",
	        "{\"jsonrpc\":\n",
	};
	for (unsigned i = 0; i < sizeof requests / sizeof *requests; i++)
		fail_each(*state, requests[i], 1, false);
}

static void switch_that_cannot_be_written_down_is_told_in_full_or_not_at_all(void **state)
{
	struct world *w = *state;
	w->admin_err = SB_E_IO;
	fail_each(w, ASK("trunk", "\"name\":\"lon-b\",\"action\":\"drain\""), 1, false);
	w->admin_err = SB_E_INVAL;
	fail_each(w, ASK("trunk", "\"name\":\"lon-b\",\"action\":\"drain\""), 1, false);
}

static void refused_reload_without_memory_says_what_it_leaves_out(void **state)
{
	struct world *w = *state;
	w->reload_err = SB_E_CONFIG;
	w->reload_lines = 3;
	fail_each(w, ASK("reload", ""), 1, false);
}

static void names_that_are_no_text_without_memory(void **state)
{
	struct world *w = *state;
	strcpy(w->trunks[0].name, "lon-\xff");
	fail_each(w, ASK("trunks", ""), 1, false);
}

static void pipelined_requests_without_memory(void **state)
{
	fail_each(*state, ASK("version", "") ASK("status", "") ASK("events", "\"limit\":2"), 3, false);
}

static void followers_without_memory_get_every_event(void **state)
{
	fail_each(*state, ASK("events", "\"limit\":2,\"follow\":true"), 2, true);
}

static void overlong_line_without_memory_ends_its_connection_alone(void **state)
{
	char *line = calloc(1, SB_MANAGE_LINE_MAX + 1);
	assert_non_null(line);
	memset(line, ' ', SB_MANAGE_LINE_MAX);
	fail_each(*state, line, 1, false);
	free(line);
}

/* A table of 256 rows makes an answer that outgrows the buffers of a connection. */
static void long_answers_without_memory(void **state)
{
	struct world *w = *state;
	struct heard good = {.text = calloc(1, TEXT_BYTES)}, h = {.text = calloc(1, TEXT_BYTES)};
	world_trunks(w, 256);
	assert_false(converse(w, ASK("trunks", ""), 1, false, 0, 0, &good));
	assert_int_equal(good.lines, 1);
	unsigned asked = nomem_asked(), tried = 0;
	for (unsigned n = 1; n <= asked + 1; n += 1 + asked / 200, tried++) { /* of the same kind by the thousand */
		uint64_t blocks = nomem_blocks();
		converse(w, ASK("trunks", ""), 1, false, n, 0, &h);
		assert_int_equal(nomem_blocks(), blocks);
		assert_whole(&h, &good, false);
	}
	assert_true(tried > 100);
	free(good.text);
	free(h.text);
}

static void server_without_memory_is_not_begun(void **state)
{
	struct world *w = *state;
	char path[128], why[SB_MANAGE_WHY_MAX];
	struct sb_manage *m = NULL;
	snprintf(path, sizeof path, "%s/other.sock", w->dir);
	for (unsigned n = 1;; n++) {
		uint64_t blocks = nomem_blocks();
		nomem_arm(n, 0);
		int err = world_serve(w, path, &m, why);
		if (!nomem_disarm()) {
			assert_int_equal(err, 0);
			sb_manage_free(m);
			return;
		}
		assert_int_equal(err, SB_E_NOMEM);
		assert_non_null(strstr(why, "memory"));
		assert_int_equal(nomem_blocks(), blocks);
		assert_int_equal(access(path, F_OK), -1);
	}
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void)
{
	const struct CMUnitTest tests[] = {
	        TEST(each_method_without_memory_answers_in_full_or_not_at_all),
	        TEST(switch_that_cannot_be_written_down_is_told_in_full_or_not_at_all),
	        TEST(refused_reload_without_memory_says_what_it_leaves_out),
	        TEST(names_that_are_no_text_without_memory),
	        TEST(pipelined_requests_without_memory),
	        TEST(followers_without_memory_get_every_event),
	        TEST(overlong_line_without_memory_ends_its_connection_alone),
	        TEST(long_answers_without_memory),
	        TEST(server_without_memory_is_not_begun),
	};
	sb_log(SB_LOG_ERROR, "the first line makes libc remember its time zone", NULL);
	return cmocka_run_group_tests(tests, NULL, NULL);
}

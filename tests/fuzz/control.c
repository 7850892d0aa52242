/* SPDX-License-Identifier: BSD-3-Clause */
/* control: bytes on the control socket, through a real one, in pieces. Whatever comes, every answer is one JSON-RPC 2.0
 * object a line, one to each line that asks for one (and events, if asked to follow), and the client that sent no end
 * is served as far as it went. The first byte of an input says how it is cut into pieces. */
#include "tests/unit/manage/world.h"
#include "tests/fuzz/fuzz.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define SIZE_MAX_IN 8192
#define POLLS_MAX   2000
#define ANSWERS_MAX (SB_MANAGE_OUT_MAX * 2)

static struct world *w;
static char answers[ANSWERS_MAX];

static void leave(void)
{
	world_free(w);
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	w = world_new();
	atexit(leave);
	return 0;
}

/* Every input meets the same daemon. */
static void begin(uint8_t how)
{
	w->now_ms += 10000;
	w->snapshot.generation = 7;
	w->admin_err = how & 0x10 ? SB_E_IO : 0;
	w->reload_err = how & 0x20 ? SB_E_CONFIG : 0;
	w->reload_lines = how & 0x40 ? 120 : 0;
	w->explain_err = how & 0x80 ? SB_E_INVAL : 0;
	w->health->line[0].word = sb_health_word(SB_UP, SB_ENABLED, SB_SHARE_FULL);
	w->health->line[1].word = sb_health_word(SB_DOWN, SB_ENABLED, 0);
	w->health->line[2].word = sb_health_word(SB_RAMPING, SB_DRAIN, SB_SHARE_FULL / 2);
}

static size_t take(int fd, size_t have, bool *closed)
{
	ssize_t n = recv(fd, answers + have, ANSWERS_MAX - have, MSG_DONTWAIT);
	*closed = n == 0 || (n < 0 && errno != EAGAIN);
	return n > 0 ? (size_t)n : 0;
}

/* One JSON-RPC object; true: an answer, false: a notification. */
static bool answer(const char *line, size_t len)
{
	json_error_t error;
	json_t *v = json_loadb(line, len, JSON_REJECT_DUPLICATES, &error);
	must(v && json_is_object(v), "no JSON: %.*s", (int)len, line);
	const char *version = json_string_value(json_object_get(v, "jsonrpc"));
	must(version && strcmp(version, "2.0") == 0, "no JSON-RPC 2.0: %.*s", (int)len, line);
	bool notification = json_object_get(v, "method") != NULL;
	if (!notification) {
		json_t *e = json_object_get(v, "error");
		must(json_object_get(v, "id"), "an answer without id: %.*s", (int)len, line);
		must(!e != !json_object_get(v, "result"), "neither or both of result and error: %.*s", (int)len, line);
		must(!e || (json_is_integer(json_object_get(e, "code")) &&
		                   json_is_string(json_object_get(e, "message"))),
		        "an error without code or message: %.*s", (int)len, line);
	}
	json_decref(v);
	return !notification;
}

/* Is a line answered? A blank one is not, nor is a notification: a request that is right but for having no id. */
static bool is_answered(const char *line, size_t len)
{
	json_error_t error;
	size_t n = len;
	while (n && line[n - 1] && strchr(" \t\r\n", line[n - 1]))
		n--;
	json_t *v = n ? json_loadb(line, len, JSON_REJECT_DUPLICATES | JSON_DECODE_ANY, &error) : NULL;
	const char *version = json_string_value(json_object_get(v, "jsonrpc"));
	bool notification = version && strcmp(version, "2.0") == 0 && json_is_string(json_object_get(v, "method")) &&
	                    !json_object_get(v, "id");
	json_decref(v);
	return n && !notification;
}

/* How many answers are due; a line without end counts if the client has ended. */
static unsigned answers_due(const char *p, size_t left, bool ended)
{
	unsigned n = 0;
	while (left) {
		const char *nl = memchr(p, '\n', left);
		size_t len = nl ? (size_t)(nl - p) + 1 : left;
		if (nl || ended)
			n += is_answered(p, len);
		p += len;
		left -= len;
	}
	return n;
}

/* all: the server had time for everything. */
static void check_answers(size_t have, unsigned due, bool all)
{
	unsigned n = 0;
	size_t at = 0;
	while (at < have) {
		const char *nl = memchr(answers + at, '\n', have - at);
		must(nl, "an answer without end");
		n += answer(answers + at, (size_t)(nl - answers) - at);
		at = (size_t)(nl - answers) + 1;
	}
	must(n == due || (n < due && !all), "%u answers, %u are due", n, due);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fuzz_bytes in = {data, size};
	uint8_t how = fuzz_u8(&in);
	size_t piece = (size_t[]){8192, 1000, 100, 17}[how & 3], have = 0, got;
	bool closed = false, sent = true;
	if (size > SIZE_MAX_IN)
		return 0;
	begin(how);
	unsigned due = answers_due((const char *)in.p, in.left, how & 4);
	int fd = world_connect(w);
	while (in.left && !closed && sent) {
		const uint8_t *p = fuzz_take(&in, piece, &got);
		sent = send(fd, p, got, MSG_NOSIGNAL) == (ssize_t)got;
		if (how & 8)
			world_event(w, "health", "something happened");
		sb_manage_poll(w->m, 64);
		have += take(fd, have, &closed);
	}
	if (how & 4)
		shutdown(fd, SHUT_WR);
	unsigned idle = 0;
	for (unsigned i = 0; i < POLLS_MAX && idle < 2 && !closed && have < ANSWERS_MAX; i++) {
		uint32_t served = sb_manage_poll(w->m, 64);
		size_t n = take(fd, have, &closed);
		have += n;
		idle = served || n ? 0 : idle + 1;
	}
	check_answers(have, due, sent && (closed || idle == 2));
	close(fd);
	sb_manage_poll(w->m, 64);
	return 0;
}

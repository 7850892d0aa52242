/* SPDX-License-Identifier: BSD-3-Clause */
/* client.c - the connection: one request a line out, one object a line in. */
#include "control/ctl/ctl.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#define ANSWER_S  60 /* a reload of millions of routes takes a while */
#define PAGES_MAX 100000

int ctl_connect(struct ctl *c)
{
	struct sockaddr_un at = {.sun_family = AF_UNIX};
	struct timeval patience = {.tv_sec = ANSWER_S};
	if (strlen(c->socket) >= sizeof at.sun_path)
		return ENAMETOOLONG;
	strcpy(at.sun_path, c->socket);
	c->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (c->fd < 0)
		return errno;
	if (connect(c->fd, (struct sockaddr *)&at, sizeof at)) {
		int error = errno;
		close(c->fd);
		return error;
	}
	setsockopt(c->fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
	setsockopt(c->fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
	c->in = fdopen(c->fd, "r");
	return c->in ? 0 : errno;
}

void ctl_connect_or_exit(struct ctl *c)
{
	int error = ctl_connect(c);
	if (!error)
		return;
	fprintf(stderr, "switchbackctl: %s: %s%s\n", c->socket, strerror(error),
	        error == ENOENT || error == ECONNREFUSED ? " (is switchbackd running?)" : "");
	exit(CTL_UNAVAILABLE);
}

json_t *ctl_read(struct ctl *c)
{
	json_error_t error;
	char *line = NULL;
	size_t size = 0;
	ssize_t n = getline(&line, &size, c->in);
	if (n <= 0) {
		free(line);
		return NULL;
	}
	json_t *v = json_loadb(line, (size_t)n, 0, &error);
	free(line);
	if (json_is_object(v))
		return v;
	fprintf(stderr, "switchbackctl: the daemon sent something that is no JSON object\n");
	exit(CTL_PROTOCOL);
}

static void send_request(struct ctl *c, const char *method, json_t *params)
{
	json_t *request = json_pack("{s:s, s:I, s:s}", "jsonrpc", "2.0", "id", ++c->id, "method", method);
	if (params)
		json_object_set_new(request, "params", params);
	char *text = json_dumps(request, JSON_COMPACT);
	if (!text)
		exit(CTL_NO_MEMORY);
	size_t len = strlen(text), done = 0;
	text[len++] = '\n'; /* in the place of the NUL */
	while (done < len) {
		ssize_t n = send(c->fd, text + done, len - done, MSG_NOSIGNAL);
		if (n < 0) {
			fprintf(stderr, "switchbackctl: %s: %s\n", c->socket, strerror(errno));
			exit(CTL_UNAVAILABLE);
		}
		done += (size_t)n;
	}
	free(text);
	json_decref(request);
}

static void refused(struct ctl *c, json_t *error)
{
	json_t *lines = json_object_get(json_object_get(error, "data"), "lines");
	json_int_t omitted = ctl_int(json_object_get(error, "data"), "omitted");
	if (c->json) {
		ctl_print_json(c, error);
		exit(CTL_REFUSED);
	}
	for (size_t i = 0; i < json_array_size(lines); i++) {
		ctl_clean((char *)(uintptr_t)json_string_value(json_array_get(lines, i)));
		fprintf(stderr, "%s\n", json_string_value(json_array_get(lines, i)));
	}
	if (omitted)
		fprintf(stderr, "and %lld more\n", (long long)omitted);
	fprintf(stderr, "switchbackctl: %s\n", ctl_text(error, "message"));
	exit(CTL_REFUSED);
}

json_t *ctl_call(struct ctl *c, const char *method, json_t *params)
{
	if (!c->in)
		ctl_connect_or_exit(c);
	send_request(c, method, params);
	json_t *answer = ctl_read(c);
	if (!answer) {
		fprintf(stderr, "switchbackctl: %s: the daemon closed the connection or did not answer\n", c->socket);
		exit(CTL_UNAVAILABLE);
	}
	json_t *error = json_object_get(answer, "error"), *result = json_object_get(answer, "result");
	json_incref(result);
	if (error)
		refused(c, error);
	json_decref(answer);
	if (json_is_object(result))
		return result;
	fprintf(stderr, "switchbackctl: the daemon's answer has no result\n");
	exit(CTL_PROTOCOL);
}

json_t *ctl_call_paged(struct ctl *c, const char *method, const char *key)
{
	json_t *whole = ctl_call(c, method, NULL), *next = json_object_get(whole, "next");
	for (int pages = 0; next && pages < PAGES_MAX; pages++) {
		json_t *page = ctl_call(c, method, json_pack("{s:O}", "offset", next));
		json_array_extend(json_object_get(whole, key), json_object_get(page, key));
		next = json_object_get(page, "next");
		if (next)
			json_object_set(whole, "next", next);
		else
			json_object_del(whole, "next");
		next = json_object_get(whole, "next");
		json_decref(page);
	}
	return whole;
}

void ctl_print_json(const struct ctl *c, const json_t *v)
{
	json_dumpf(v, stdout, c->colour && !c->follow ? JSON_INDENT(2) : JSON_COMPACT);
	putchar('\n');
}

/* SPDX-License-Identifier: BSD-3-Clause */
/* log.c - see log.h. A line is made whole in a buffer and leaves in one write, so lines never mix. */
#include "control/log.h"
#include "control/utf8.h"
#include <errno.h>
#include <poll.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define PAIRS_MAX 32
#define TAIL_ROOM 8 /* "...", the closing quote and brace, the newline */

/* The one piece of process-wide state log.h speaks of. */
static struct {
	enum sb_log_level level;
	enum sb_log_format format;
	uint64_t lost; /* lines stderr did not take */
	bool torn;     /* it took the first part of one */
} setup = {SB_LOG_INFO, SB_LOG_LOGFMT, 0, false};

struct line {
	char text[SB_LOG_LINE_MAX];
	size_t len;
	bool cut;
};

static const char *const level_name[] = {"error", "warn", "info", "debug"};

void sb_log_setup(enum sb_log_level level, enum sb_log_format format)
{
	setup.level = level;
	setup.format = format;
}

static void put(struct line *l, const char *bytes, size_t n)
{
	if (l->cut || l->len + n > sizeof l->text - TAIL_ROOM) {
		l->cut = true;
		return;
	}
	memcpy(l->text + l->len, bytes, n);
	l->len += n;
}

static void put_text(struct line *l, const char *text)
{
	put(l, text, strlen(text));
}

/* One character of a quoted string, both formats: JSON's escapes, U+FFFD for what is no UTF-8. Returns its bytes. */
static size_t put_char(struct line *l, const char *at)
{
	static const char short_form[] = "\"\"\\\\\nn\rr\tt\bb\ff";
	unsigned char c = (unsigned char)*at;
	size_t n = sb_utf8_len(at);
	char esc[8];
	if (n == 0) {
		put_text(l, "\xef\xbf\xbd");
		return 1;
	}
	for (const char *s = short_form; *s; s += 2) {
		if (*s == *at) {
			put(l, (char[]){'\\', s[1]}, 2);
			return 1;
		}
	}
	if (c < 0x20 || c == 0x7f) {
		put(l, esc, (size_t)snprintf(esc, sizeof esc, "\\u%04x", c));
		return 1;
	}
	put(l, at, n);
	return n;
}

static void put_quoted(struct line *l, const char *text)
{
	put_text(l, "\"");
	while (*text && !l->cut)
		text += put_char(l, text);
	/* TAIL_ROOM is kept for this. */
	if (l->cut) {
		memcpy(l->text + l->len, "...", 3);
		l->len += 3;
	}
	l->text[l->len++] = '"';
}

/* logfmt: bare unless it is empty or holds a blank, '=', '"', '\', a control character or a byte above 126. */
static bool is_bare(const char *text)
{
	for (const char *c = text; *c; c++) {
		if (*c <= ' ' || *c >= 0x7f || *c == '=' || *c == '"' || *c == '\\')
			return false;
	}
	return *text != 0;
}

/* A pair is begun only with room for its whole key: a cut value still leaves a well-formed line. */
static void put_pair(struct line *l, const char *key, const char *value)
{
	bool json = setup.format == SB_LOG_JSON;
	if (l->len + 6 * strlen(key) + 8 > sizeof l->text - TAIL_ROOM)
		l->cut = true;
	if (l->cut)
		return;
	if (json) {
		put_text(l, l->len ? "," : "{");
		put_quoted(l, key);
		put_text(l, ":");
	} else {
		put_text(l, l->len ? " " : "");
		put_text(l, key);
		put_text(l, "=");
	}
	if (!json && is_bare(value) && l->len + strlen(value) <= sizeof l->text - TAIL_ROOM)
		put_text(l, value);
	else
		put_quoted(l, value);
}

static void timestamp(char out[40])
{
	struct timespec now;
	struct tm tm;
	char seconds[24];
	clock_gettime(CLOCK_REALTIME, &now);
	gmtime_r(&now.tv_sec, &tm);
	strftime(seconds, sizeof seconds, "%Y-%m-%dT%H:%M:%S", &tm);
	snprintf(out, 40, "%s.%03ldZ", seconds, now.tv_nsec / 1000000);
}

/* Writes without waiting: the control thread runs everybody's timers. poll() alone would do for pipes, which are
 * writable only with room for a whole line; a socket (journald's) must be asked not to block. */
static ssize_t write_now(const char *text, size_t len)
{
	struct pollfd p = {.fd = STDERR_FILENO, .events = POLLOUT};
	ssize_t n = send(STDERR_FILENO, text, len, MSG_DONTWAIT | MSG_NOSIGNAL);
	if (n >= 0 || errno != ENOTSOCK)
		return n;
	if (poll(&p, 1, 0) != 1 || !(p.revents & POLLOUT))
		return -1;
	return write(STDERR_FILENO, text, len);
}

static void finish(struct line *l)
{
	if (setup.format == SB_LOG_JSON)
		l->text[l->len++] = '}';
	l->text[l->len++] = '\n';
	if (setup.torn && write_now("\n", 1) != 1) {
		setup.lost++;
		return;
	}
	setup.torn = false;
	ssize_t n = write_now(l->text, l->len);
	if (n == (ssize_t)l->len)
		return;
	setup.lost++;
	setup.torn = n > 0;
}

static void log_lost(void)
{
	struct line l = {.len = 0};
	char when[40], n[24];
	uint64_t before = setup.lost;
	snprintf(n, sizeof n, "%llu", (unsigned long long)before);
	timestamp(when);
	put_pair(&l, "ts", when);
	put_pair(&l, "level", level_name[SB_LOG_WARN]);
	put_pair(&l, "msg", "log lines were lost, stderr took no more");
	put_pair(&l, "lost", n);
	finish(&l);
	setup.lost = setup.lost == before ? 0 : before;
}

void sb_log_pairs(enum sb_log_level level, const char *message, const char *const *pairs, unsigned n)
{
	struct line l;
	char when[40];
	if (level > setup.level)
		return;
	if (setup.lost)
		log_lost();
	l.len = 0;
	l.cut = false;
	timestamp(when);
	put_pair(&l, "ts", when);
	put_pair(&l, "level", level_name[level]);
	put_pair(&l, "msg", message);
	for (unsigned i = 0; i < n; i++)
		put_pair(&l, pairs[2 * i], pairs[2 * i + 1] ? pairs[2 * i + 1] : "");
	finish(&l);
}

void sb_log(enum sb_log_level level, const char *message, ...)
{
	const char *pairs[2 * PAIRS_MAX];
	unsigned n = 0;
	va_list args;
	if (level > setup.level)
		return;
	va_start(args, message);
	while (n < PAIRS_MAX && (pairs[2 * n] = va_arg(args, const char *))) {
		pairs[2 * n + 1] = va_arg(args, const char *);
		if (!pairs[2 * n++ + 1]) /* a missing value: what follows cannot be told from the end */
			break;
	}
	va_end(args);
	sb_log_pairs(level, message, pairs, n);
}

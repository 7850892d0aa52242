/* SPDX-License-Identifier: BSD-3-Clause */
#include "tests/unit/torture.h"
#include <ctype.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <cmocka.h>

static void load_text(struct torture_row *r)
{
	char path[512];
	snprintf(path, sizeof path, "%s/rfc4475/%s.dat", SB_TEST_DATA, r->message);
	FILE *f = fopen(path, "rb");
	assert_non_null(f);
	r->t.len = (uint32_t)fread(r->t.text, 1, sizeof r->t.text - 1, f);
	assert_true(r->t.len > 0 && feof(f));
	fclose(f);
}

struct torture *torture_load(void)
{
	struct torture *t = calloc(1, sizeof *t);
	char line[1024];
	FILE *f = fopen(SB_TEST_DATA "/rfc4475/treatment.tsv", "r");
	assert_non_null(f);
	while (fgets(line, sizeof line, f)) {
		if (line[0] == '#')
			continue;
		assert_true(t->n < sizeof t->row / sizeof t->row[0]);
		struct torture_row *r = &t->row[t->n++];
		int n = sscanf(line, "%15[^\t]\t%15[^\t]\t%31[^\t\n]\t%7[^\t]\t%255[^\t\n]\t%31[^\t\n]", r->message,
		        r->reads, r->end, r->max_forwards, r->behind, r->more);
		assert_true(n == 3 || n == 5 || n == 6);
		t->n_messages += strcmp(r->reads, "in-call") != 0;
		load_text(r);
	}
	fclose(f);
	assert_int_equal(t->n_messages, TORTURE_MESSAGES);
	return t;
}

static void put(struct torture_text *o, const char *p, size_t len)
{
	assert_true(len < sizeof o->text - o->len);
	memcpy(o->text + o->len, p, len);
	o->len += (uint32_t)len;
	o->text[o->len] = 0;
}

static void put_line(struct torture_text *o, struct torture_line l)
{
	put(o, l.at, l.len);
}

/* Puts with in the place of cut bytes at an offset. */
static void edit(struct torture_text *o, size_t at, size_t cut, const char *with)
{
	size_t len = strlen(with);
	assert_true(at + cut <= o->len && o->len + len < sizeof o->text);
	memmove(o->text + at + len, o->text + at + cut, o->len - at - cut + 1);
	memcpy(o->text + at, with, len);
	o->len += (uint32_t)(len - cut);
}

/* Where the line at p ends, folding included. */
static const char *line_end(const char *p, const char *stop)
{
	const char *eol = memmem(p, (size_t)(stop - p), "\r\n", 2);
	while (eol && eol + 2 < stop && (eol[2] == ' ' || eol[2] == '\t'))
		eol = memmem(eol + 2, (size_t)(stop - eol - 2), "\r\n", 2);
	return eol ? eol + 2 : stop;
}

static bool named(const char *p, const char *end, const char *name, char compact)
{
	const char *colon = memchr(p, ':', (size_t)(end - p));
	if (!colon)
		return false;
	while (colon > p && colon[-1] == ' ')
		colon--;
	size_t len = (size_t)(colon - p);
	return (len == strlen(name) && strncasecmp(p, name, len) == 0) || (len == 1 && tolower(*p) == compact);
}

struct torture_line torture_line(const struct torture_text *t, const char *name, char compact, unsigned n)
{
	const char *stop = t->text + t->len, *end;
	for (const char *p = line_end(t->text, stop); p < stop && *p != '\r'; p = end) {
		end = line_end(p, stop);
		if (named(p, end, name, compact) && n-- == 0)
			return (struct torture_line){p, (uint32_t)(end - p)};
	}
	return (struct torture_line){NULL, 0};
}

static void max_forwards(struct torture_text *o, const char *value)
{
	struct torture_line l = torture_line(o, "Max-Forwards", 0, 0);
	assert_int_not_equal(l.len, 0);
	size_t at = (size_t)(l.at - o->text) + strcspn(l.at, "0123456789");
	edit(o, at, strspn(o->text + at, "0123456789"), value);
}

/* A line of ours as it left: what it must begin with, then n hex digits, then its end. */
static void own_line(char *line, size_t cap, const char *left, const char *begin, unsigned n, const char *end)
{
	const char *p = strstr(left, begin);
	if (!p)
		fail_msg("no %s in:\n%s", begin, left);
	size_t digits = strspn(p + strlen(begin), "0123456789abcdef");
	assert_int_equal(digits, n);
	snprintf(line, cap, "%.*s%s", (int)(strlen(begin) + n), p, end);
}

void torture_relayed(const struct torture_row *r, const char *left, const char *source_ip, unsigned source_port,
        struct torture_text *o)
{
	bool rport = strcmp(r->more, "rport") == 0, added = strcmp(r->max_forwards, "+70") == 0;
	char via[256], record_route[256] = "", behind[512];
	*o = r->t;
	if (strncmp(r->more, "cut=", 4) == 0)
		o->text[o->len -= (uint32_t)strtoul(r->more + 4, NULL, 10)] = 0;
	const char *at = memmem(o->text, o->len, r->behind, strlen(r->behind));
	assert_non_null(at);
	int n = rport ? snprintf(behind, sizeof behind, "=%u", source_port) : 0;
	snprintf(behind + n, sizeof behind - (size_t)n, ";received=%s", source_ip);
	edit(o, (size_t)(at - o->text) + strlen(r->behind), 0, behind);
	if (!added)
		max_forwards(o, r->max_forwards);
	own_line(via, sizeof via, left, "Via: SIP/2.0/UDP 192.0.2.10:5060;branch=z9hG4bK", 40, "\r\n");
	if (strstr(r->more, "Record-Route"))
		own_line(record_route, sizeof record_route, left, "Record-Route: <sip:192.0.2.10:5060;lr;sb=", 16,
		        ">\r\n");
	size_t top = (size_t)(torture_line(o, "Via", 'v', 0).at - o->text);
	struct torture_line rr = torture_line(o, "Record-Route", 0, 0);
	edit(o, rr.len ? (size_t)(rr.at - o->text) : top, 0, record_route);
	if (added)
		edit(o, top, 0, "Max-Forwards: 70\r\n");
	edit(o, top, 0, via);
}

static void put_all(struct torture_text *o, const struct torture_text *from, const char *name, char compact)
{
	struct torture_line l;
	for (unsigned n = 0; (l = torture_line(from, name, compact, n)).len; n++)
		put_line(o, l);
}

/* To, with a tag if it has none. */
static void put_to(struct torture_text *o, const struct torture_text *from)
{
	struct torture_line to = torture_line(from, "To", 't', 0);
	put_line(o, to);
	if (!memmem(to.at, to.len, "tag", 3))
		edit(o, o->len - 2, 0, ";tag=callee");
}

void torture_answer(const struct torture_text *request, struct torture_text *o)
{
	o->len = 0;
	put(o, "SIP/2.0 200 OK\r\n", 16);
	put_all(o, request, "Via", 'v');
	put_all(o, request, "Record-Route", 0);
	put_line(o, torture_line(request, "From", 'f', 0));
	put_to(o, request);
	put_line(o, torture_line(request, "Call-ID", 'i', 0));
	put_line(o, torture_line(request, "CSeq", 0, 0));
	put(o, "Content-Length: 0\r\n\r\n", 21);
}

void torture_in_call(const struct torture_row *r, const struct torture_text *invite, struct torture_text *o)
{
	const char *stop = r->t.text + r->t.len, *end, *p = line_end(r->t.text, stop);
	bool own_below = torture_line(&r->t, "Via", 'v', 1).len > 0, top = true;
	o->len = 0;
	put(o, r->t.text, (size_t)(p - r->t.text));
	for (; p < stop && *p != '\r'; p = end) {
		end = line_end(p, stop);
		if (named(p, end, "Via", 'v') && top) {
			top = false;
			if (own_below)
				put_line(o, torture_line(invite, "Via", 'v', 0));
			else
				put_all(o, invite, "Via", 'v');
		} else if (named(p, end, "From", 'f')) {
			put_line(o, torture_line(invite, "From", 'f', 0));
		} else if (named(p, end, "To", 't')) {
			put_to(o, invite);
		} else if (named(p, end, "Call-ID", 'i')) {
			put_line(o, torture_line(invite, "Call-ID", 'i', 0));
		} else if (named(p, end, "CSeq", 0) && memmem(p, (size_t)(end - p), "INVITE", 6)) {
			put_line(o, torture_line(invite, "CSeq", 0, 0));
		} else {
			put(o, p, (size_t)(end - p));
		}
	}
	put(o, p, (size_t)(stop - p));
}

void torture_popped(const struct torture_text *response, struct torture_text *o)
{
	struct torture_line top = torture_line(response, "Via", 'v', 0);
	*o = *response;
	edit(o, (size_t)(top.at - response->text), top.len, "");
}

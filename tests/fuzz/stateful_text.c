/* SPDX-License-Identifier: BSD-3-Clause */
#include "tests/fuzz/stateful.h"
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

static void __attribute__((format(printf, 2, 3))) add(struct text *t, const char *format, ...)
{
	va_list args;
	va_start(args, format);
	int n = vsnprintf(t->p + t->len, TEXT_MAX - t->len, format, args);
	va_end(args);
	if (n > 0)
		t->len += (uint32_t)n < TEXT_MAX - t->len ? (uint32_t)n : TEXT_MAX - t->len - 1;
}

static void add_bytes(struct text *t, const char *p, size_t n)
{
	if (n > TEXT_MAX - t->len)
		n = TEXT_MAX - t->len;
	memcpy(t->p + t->len, p, n);
	t->len += (uint32_t)n;
}

/* The line of that name at or behind *at, which is moved behind it. */
static const char *next_line(const struct text *t, size_t *at, const char *name, size_t *len)
{
	size_t n = strlen(name);
	while (*at < t->len) {
		const char *p = t->p + *at, *lf = memchr(p, '\n', t->len - *at);
		size_t end = lf ? (size_t)(lf - t->p) + 1 : t->len;
		*len = end - *at;
		*at = end;
		if (*len > n && p[n] == ':' && strncasecmp(p, name, n) == 0)
			return p;
		if (*len <= 2)
			break;
	}
	return NULL;
}

const char *text_line(const struct text *t, const char *name, size_t *len)
{
	size_t at = 0;
	return next_line(t, &at, name, len);
}

static void copy_lines(struct text *t, const struct text *from, const char *name, const char *as)
{
	size_t at = 0, len;
	const char *p;
	while ((p = next_line(from, &at, name, &len))) {
		add(t, "%s", as);
		add_bytes(t, p + strlen(name), len - strlen(name));
	}
}

/* Record-Route lines as Route lines, the last first: the caller's side of a dialog (12.1.2). */
static void reversed_routes(struct text *t, const struct text *from)
{
	const char *line[16];
	size_t len[16], at = 0;
	unsigned n = 0;
	while (n < 16 && (line[n] = next_line(from, &at, "Record-Route", &len[n])))
		n++;
	while (n-- > 0) {
		add(t, "Route");
		add_bytes(t, line[n] + 12, len[n] - 12);
	}
}

/* What stands in the <> of a line. */
static void add_uri(struct text *t, const struct text *from, const char *name)
{
	size_t len;
	const char *p = text_line(from, name, &len), *open = p ? memchr(p, '<', len) : NULL;
	const char *close = open ? memchr(open, '>', len - (size_t)(open - p)) : NULL;
	if (close)
		add_bytes(t, open + 1, (size_t)(close - open) - 1);
	else
		add(t, "sip:nobody@192.0.2.1");
}

static void add_from_to(struct text *t, const struct wording *w)
{
	if (!w->dialog) {
		add(t, "From: <sip:alice@example.org>;tag=a%u\r\nTo: <sip:+442079460000@example.com>\r\n", w->call);
		return;
	}
	copy_lines(t, w->dialog, w->uas ? "To" : "From", "From");
	if (w->uas && t->len > 2 && !memmem(t->p, t->len, ";tag=c", 6)) {
		t->len -= 2;
		add(t, ";tag=c0\r\n");
	}
	copy_lines(t, w->dialog, w->uas ? "From" : "To", "To");
}

void text_request(struct text *t, const struct wording *w)
{
	t->len = 0;
	add(t, "%s ", w->method);
	if (w->dialog)
		add_uri(t, w->dialog, "Contact");
	else
		add(t, w->to_us ? "sip:192.0.2.10" : "sip:+442079460000@example.com");
	add(t, " SIP/2.0\r\nVia: SIP/2.0/UDP %s;branch=%sx%u%s\r\n", w->source, w->old_branch ? "old" : "z9hG4bK",
	        w->branch, w->rport ? ";rport" : "");
	if (!w->no_max_forwards)
		add(t, "Max-Forwards: %d\r\n", w->no_hops ? 0 : 70);
	if (w->dialog && w->uas)
		copy_lines(t, w->dialog, "Record-Route", "Route");
	else if (w->dialog)
		reversed_routes(t, w->dialog);
	if (w->broken_route)
		add(t, "Route: <sip:192.0.2.10;lr;sb=0123456789abcdef>\r\n");
	add_from_to(t, w);
	add(t, "Call-ID: call%u@192.0.2.99\r\nCSeq: %u %s\r\n", w->call, w->cseq, w->method);
	add(t, "Contact: <sip:alice@%s>\r\n", w->source);
	if (w->proxy_require)
		add(t, "Proxy-Require: foo\r\n");
	if (w->big)
		add(t, "Subject: %02000u\r\n", 1u);
	add(t, "Content-Length: 0\r\n\r\n");
}

void text_follow(struct text *t, const struct text *invite, const char *method, const struct text *to)
{
	size_t len;
	const char *sp = memchr(invite->p, ' ', invite->len), *lf = memchr(invite->p, '\n', invite->len);
	const char *via = text_line(invite, "Via", &len), *cseq;
	t->len = 0;
	if (!sp || !lf || sp > lf || !via)
		return;
	add(t, "%s", method);
	add_bytes(t, sp, (size_t)(lf - sp) + 1);
	add_bytes(t, via, len);
	copy_lines(t, invite, "Route", "Route");
	copy_lines(t, invite, "From", "From");
	copy_lines(t, to ? to : invite, "To", "To");
	copy_lines(t, invite, "Call-ID", "Call-ID");
	cseq = text_line(invite, "CSeq", &len);
	sp = cseq ? memrchr(cseq, ' ', len) : NULL;
	if (sp)
		add_bytes(t, cseq, (size_t)(sp - cseq));
	add(t, " %s\r\nMax-Forwards: 70\r\nContent-Length: 0\r\n\r\n", method);
}

void text_answer(struct text *t, const struct text *request, const struct answer *a)
{
	size_t len = 0;
	const char *to = text_line(request, "To", &len), *via;
	t->len = 0;
	add(t, "SIP/2.0 %u Whatever\r\n", a->status);
	if (a->our_via_alone && (via = text_line(request, "Via", &len)))
		add_bytes(t, via, len);
	else
		copy_lines(t, request, "Via", "Via");
	if (a->forged && t->len > 80)
		t->p[80] ^= 1;
	copy_lines(t, request, "Record-Route", "Record-Route");
	copy_lines(t, request, "From", "From");
	copy_lines(t, request, "To", "To");
	if (a->status > 100 && to && t->len > 2 && !memmem(to, len, ";tag=", 5)) {
		t->len -= 2;
		add(t, ";tag=c%u\r\n", a->fork);
	}
	copy_lines(t, request, "Call-ID", "Call-ID");
	copy_lines(t, request, "CSeq", "CSeq");
	if (a->contact)
		add(t, "Contact: <sip:bob@%s>\r\n", a->contact);
	if (a->retry_after)
		add(t, "Retry-After: 30\r\n");
	add(t, "Content-Length: 0\r\n\r\n");
}

int text_branch(const char **p, const char *end)
{
	static const char mark[] = "branch=z9hG4bKx";
	const char *at = memmem(*p, (size_t)(end - *p), mark, sizeof mark - 1);
	int n = 0;
	if (!at)
		return -1;
	for (at += sizeof mark - 1; at < end && *at >= '0' && *at <= '9' && n < 1000; at++)
		n = n * 10 + *at - '0';
	*p = at;
	return n;
}

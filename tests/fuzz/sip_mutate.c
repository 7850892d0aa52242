/* SPDX-License-Identifier: BSD-3-Clause */
/* sip_mutate.c - libFuzzer's mutations of SIP text: by header field, not by byte, so that most of what comes out is
 * still a message. Every third mutation is libFuzzer's own, with the words of sip.dict. */
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

size_t LLVMFuzzerMutate(uint8_t *data, size_t size, size_t max_size);
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max_size, unsigned seed);
size_t LLVMFuzzerCustomCrossOver(const uint8_t *data1, size_t size1, const uint8_t *data2, size_t size2, uint8_t *out,
        size_t max_out, unsigned seed);

#define LINES_MAX 256

struct text {
	char *p;
	size_t len, max;
	size_t line[LINES_MAX + 1]; /* where each header line begins, start line first; [n]: where the header ends */
	unsigned n;
	uint32_t rnd;
};

static uint32_t rnd(struct text *t, size_t n)
{
	t->rnd ^= t->rnd << 13;
	t->rnd ^= t->rnd >> 17;
	t->rnd ^= t->rnd << 5;
	return n ? (uint32_t)(t->rnd % n) : 0;
}

static void find_lines(struct text *t)
{
	size_t at = 0;
	t->n = 0;
	while (at < t->len && t->n < LINES_MAX) {
		const char *lf = memchr(t->p + at, '\n', t->len - at);
		size_t next = lf ? (size_t)(lf - t->p) + 1 : t->len;
		if (next - at <= 2 && t->n)
			break;
		t->line[t->n++] = at;
		at = next;
	}
	t->line[t->n] = at;
}

/* In place of cut bytes at at. */
static void put(struct text *t, size_t at, size_t cut, const char *s, size_t len)
{
	if (t->len - cut + len > t->max)
		return;
	memmove(t->p + at + len, t->p + at + cut, t->len - at - cut);
	memcpy(t->p + at, s, len);
	t->len = t->len - cut + len;
}

static const char *const field_lines[] = {"Via: SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bKa1;rport\r\n",
        "v: SIP/2.0/UDP [2001:db8::1];received=192.0.2.9;branch=z9hG4bK2 , SIP/2.0/TCP h.example;ttl=1\r\n",
        "From: \"A \\\"B\\\"\" <sip:a@example.com;x=y>;tag=1\r\n", "f: sip:a@example.com;tag=2\r\n",
        "To: <sip:b@example.com>\r\n", "t: Bob <tel:+1-201;phone-context=x>;tag=3;q=\"a;b\"\r\n", "Call-ID: 1@h\r\n",
        "i: abc\r\n", "CSeq: 1 INVITE\r\n", "CSeq : 2147483647 ACK\r\n", "Max-Forwards: 70\r\n", "Max-Forwards: 0\r\n",
        "Content-Length: 0\r\n", "l: 5\r\n", "Route: <sip:192.0.2.10;lr>\r\n",
        "Route: <sip:p1.example;lr>, \"x\" <sip:p2.example:5070>;y=z\r\n",
        "Record-Route: <sip:192.0.2.10:5060;lr;sb=0123456789abcdef>\r\n", "Record-Route: <sip:far;lr>,<sip:near>\r\n",
        "Contact: <sip:c@192.0.2.5:5062;transport=udp>\r\n", "m: *\r\n", "Proxy-Require: foo, bar\r\n",
        "Timestamp: 54.2 1\r\n", "Retry-After: 18000;duration=3600\r\n", "Subject: x\r\n y\r\n", "X: \xc3\xa4\r\n",
        "Expires:\r\n"};

static const char *const pieces[] = {"\r\n ", ";rport", ";received=[::1]", ";branch=z9hG4bK", ", ", "\"", "\\\"",
        ";tag=1", "\t", " ", "%41", "?a=b", ";lr", "<", ">", "@", ":", ";", "=", "sips:", "tel:", "[2001:db8::1]:5060",
        "\n", "\r", "_", ";x", ";maddr=1.1.1.1", ";ttl=1", ":65535", ":0"};

static const char *const start_lines[] = {"INVITE sip:+442071234567@192.0.2.10 SIP/2.0\r\n",
        "ACK sip:b@h:5062;lr SIP/2.0\r\n", "CANCEL tel:+1-201-555;isub=1 SIP/2.0\r\n",
        "OPTIONS sips:[2001:db8::1]:5061 SIP/2.0\r\n", "NEWMETHOD sip:a;b=c:pw@h.example SIP/2.0\r\n",
        "SIP/2.0 200 OK\r\n", "SIP/2.0 503 \r\n", "SIP/2.0 180 R\xc3\xa4\r\n"};

static void put_text(struct text *t, size_t at, size_t cut, const char *s)
{
	put(t, at, cut, s, strlen(s));
}

#define ANY(t, list) (list)[rnd(t, sizeof(list) / sizeof(list)[0])]

/* Moves or doubles line i to where line j begins. */
static void copy_line(struct text *t, unsigned i, unsigned j, int move)
{
	char copy[1024];
	size_t at = t->line[i], len = t->line[i + 1] - at, to = t->line[j];
	if (len > sizeof copy)
		return;
	memcpy(copy, t->p + at, len);
	put(t, to, 0, copy, len);
	if (move && t->len >= at + 2 * len)
		put(t, to <= at ? at + len : at, len, "", 0);
}

/* libFuzzer's own mutation, within bytes [at, end) alone. */
static void inside(struct text *t, size_t at, size_t end)
{
	uint8_t part[512];
	size_t len = end - at;
	if (len == 0 || len > sizeof part / 2)
		return;
	memcpy(part, t->p + at, len);
	size_t n = LLVMFuzzerMutate(part, len, sizeof part);
	put(t, at, len, (const char *)part, n);
}

static void right_length(struct text *t)
{
	char digits[16];
	const char *empty = memmem(t->p, t->len, "\r\n\r\n", 4), *cl = memmem(t->p, t->len, "Content-Length:", 15);
	if (!empty || !cl || cl > empty)
		return;
	size_t at = (size_t)(cl - t->p) + 15, end = at;
	while (end < t->len && t->p[end] != '\r' && t->p[end] != '\n')
		end++;
	int n = snprintf(digits, sizeof digits, " %zu", (size_t)(t->p + t->len - (empty + 4)));
	put(t, at, end - at, digits, (size_t)n);
}

static void mutate_once(struct text *t)
{
	find_lines(t);
	if (t->n < 2) {
		put_text(t, 0, 0, ANY(t, field_lines));
		put_text(t, 0, 0, ANY(t, start_lines));
		return;
	}
	unsigned i = rnd(t, t->n), j = 1 + rnd(t, t->n);
	size_t at = t->line[i], end = t->line[i + 1], within = at + rnd(t, end - at);
	const char *colon = memchr(t->p + at, ':', end - at);
	switch (rnd(t, 12)) {
	case 0:
		copy_line(t, i ? i : 1, j, 0);
		break;
	case 1:
		copy_line(t, i ? i : 1, j, 1);
		break;
	case 2:
		put(t, at, end - at, "", 0);
		break;
	case 3:
	case 4:
		put_text(t, t->line[j], 0, ANY(t, field_lines));
		break;
	case 5:
		if (i)
			put_text(t, at, end - at, ANY(t, field_lines));
		else
			put_text(t, 0, end, ANY(t, start_lines));
		break;
	case 6:
	case 7:
		put_text(t, within, 0, ANY(t, pieces));
		break;
	case 8: /* a parameter, a value, a fold: at the line's end, or behind its name */
		put_text(t,
		        end - at >= 2 && rnd(t, 2) ? end - 2
		        : colon                    ? (size_t)(colon - t->p) + 1
		                                   : within,
		        0, ANY(t, pieces));
		break;
	case 9:
		inside(t, colon ? (size_t)(colon - t->p) : at, end);
		break;
	case 10:
		right_length(t);
		break;
	default:
		inside(t, at, end);
	}
}

size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max_size, unsigned seed)
{
	struct text t = {.p = (char *)data, .len = size, .max = max_size, .rnd = seed * 2654435761u | 1};
	if (rnd(&t, 3) == 0)
		return LLVMFuzzerMutate(data, size, max_size);
	for (unsigned n = 1 + rnd(&t, 3); n > 0; n--)
		mutate_once(&t);
	return t.len ? t.len : LLVMFuzzerMutate(data, size, max_size);
}

/* The first message with a few lines of the second. */
size_t LLVMFuzzerCustomCrossOver(const uint8_t *data1, size_t size1, const uint8_t *data2, size_t size2, uint8_t *out,
        size_t max_out, unsigned seed)
{
	static struct text a, b;
	if (size1 > max_out)
		return 0;
	memcpy(out, data1, size1);
	a = (struct text){.p = (char *)out, .len = size1, .max = max_out, .rnd = seed * 2654435761u | 1};
	b = (struct text){.p = (char *)(uintptr_t)data2, .len = size2, .max = size2};
	find_lines(&b);
	for (unsigned n = 1 + rnd(&a, 3); n > 0 && b.n > 1; n--) {
		unsigned i = rnd(&a, b.n);
		find_lines(&a);
		if (a.n < 2)
			break;
		unsigned j = i ? 1 + rnd(&a, a.n) : 0;
		put(&a, a.line[j], rnd(&a, 2) && j < a.n ? a.line[j + 1] - a.line[j] : 0, b.p + b.line[i],
		        b.line[i + 1] - b.line[i]);
	}
	return a.len;
}

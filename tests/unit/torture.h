/* SPDX-License-Identifier: BSD-3-Clause */
/* torture.h - the messages of RFC 4475 and the table of what each comes to (tests/data/rfc4475). */
#pragma once
#include <stdint.h>

#define TORTURE_MESSAGES 49
#define TORTURE_TEXT_MAX 8192

/* A text that may hold NULs; one more stands behind it. */
struct torture_text {
	char text[TORTURE_TEXT_MAX];
	uint32_t len;
};

/* A line of the table: its columns as they stand there, and the message. */
struct torture_row {
	char message[16], reads[16], end[32], max_forwards[8], behind[256], more[32];
	struct torture_text t;
};

struct torture {
	unsigned n, n_messages; /* the messages come first, then the in-call rows */
	struct torture_row row[64];
};

/* All of it; the caller frees it. */
struct torture *torture_load(void);

/* A header line, its folding and CRLF included; len 0: there is none. */
struct torture_line {
	const char *at;
	uint32_t len;
};

/* The n-th header line with this name or its compact form (a lower case letter, 0: none). */
struct torture_line torture_line(const struct torture_text *t, const char *name, char compact, unsigned n);

/* A forwarded row as it must leave, given what left (for our branch and token) and where it came from. */
void torture_relayed(const struct torture_row *r, const char *left, const char *source_ip, unsigned source_port,
        struct torture_text *out);

/* A 200 to a request as the far end makes it: all Via and Record-Route lines, From, To with a tag, Call-ID, CSeq. */
void torture_answer(const struct torture_text *request, struct torture_text *out);

/* An in-call row as the answer to an INVITE that the far end got. */
void torture_in_call(const struct torture_row *r, const struct torture_text *invite, struct torture_text *out);

/* A response without its first Via line. */
void torture_popped(const struct torture_text *response, struct torture_text *out);

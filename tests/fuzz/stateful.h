/* SPDX-License-Identifier: BSD-3-Clause */
/* stateful.h - the stateful target's texts: what callers and trunks say, written from the RFC and not by the product.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define TEXT_MAX 6144

struct text {
	uint32_t len;
	char p[TEXT_MAX];
};

/* How a caller words a new request. */
struct wording {
	const char *method;
	unsigned call, branch, cseq;
	const char *source;        /* "192.0.2.99:5070": its Via */
	const struct text *dialog; /* the 2xx that made its dialog; NULL: none yet */
	bool uas;                  /* the callee's side of it: dialog is the INVITE it got */
	bool rport, no_hops, no_max_forwards, old_branch, proxy_require, big, broken_route, to_us;
};

void text_request(struct text *t, const struct wording *w);

/* ACK to a failure, or CANCEL, of the request in invite. to: the response whose To it takes; NULL: the INVITE's. */
void text_follow(struct text *t, const struct text *invite, const char *method, const struct text *to);

/* How a trunk words an answer. */
struct answer {
	unsigned status;
	unsigned fork; /* To tag */
	const char *contact;
	bool retry_after, our_via_alone, forged;
};

void text_answer(struct text *t, const struct text *request, const struct answer *a);

/* The first header line of that name, with its CRLF; NULL: none. */
const char *text_line(const struct text *t, const char *name, size_t *len);

/* The number behind the next "branch=z9hG4bKx", which names a request of ours; *p is moved behind it. -1: none. */
int text_branch(const char **p, const char *end);

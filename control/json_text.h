/* SPDX-License-Identifier: BSD-3-Clause */
/* json_text.h - JSON as text. jansson 2.14's json_dumps() passes over an append that found no memory and returns text
 * that is none; this one does not. Header-only: the control socket and the operator's state share it. */
#pragma once
#include <jansson.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#define SB_JSON_TEXT_FIRST 4096 /* bytes: most answers fit */

struct sb_json_text {
	char *at;
	size_t len, room; /* without the NUL */
	bool failed;      /* for good: jansson may go on all the same */
};

static inline int sb_json_text_append(const char *bytes, size_t n, void *text)
{
	struct sb_json_text *t = text;
	if (!t->failed && n > t->room - t->len) {
		size_t room = t->room ? t->room : SB_JSON_TEXT_FIRST;
		while (room - t->len < n)
			room *= 2;
		char *more = realloc(t->at, room + 1);
		t->failed = !more;
		if (more) {
			t->at = more;
			t->room = room;
		}
	}
	if (t->failed)
		return -1;
	memcpy(t->at + t->len, bytes, n);
	t->len += n;
	return 0;
}

/* v as NUL-terminated text, the caller's. NULL: out of memory, or v is NULL, or neither a list nor an object. */
static inline char *sb_json_dump(const json_t *v, size_t flags)
{
	struct sb_json_text t = {0};
	if (json_dump_callback(v, sb_json_text_append, &t, flags) || t.failed || !t.at) {
		free(t.at);
		return NULL;
	}
	t.at[t.len] = 0;
	return t.at;
}

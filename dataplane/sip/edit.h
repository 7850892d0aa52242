/* SPDX-License-Identifier: BSD-3-Clause */
/* edit.h - a bounded writer, and a list of edits applied to a text in one pass of copies. Inside the sip folder only.
 * All pointers are borrowed until the text is written. */
#pragma once
#include "dataplane/sip/line.h"
#include "dataplane/sip/sip.h"
#include <string.h>

struct sb_out {
	char *p;
	size_t cap, len;
	bool full; /* something did not fit; nothing more is written */
};

static inline void out_put(struct sb_out *out, const void *p, size_t len)
{
	if (out->full || len > out->cap - out->len) {
		out->full = true;
		return;
	}
	if (len)
		memcpy(out->p + out->len, p, len);
	out->len += len;
}

static inline void out_text(struct sb_out *out, const char *s)
{
	out_put(out, s, strlen(s));
}

void out_number(struct sb_out *out, uint32_t v);

/* A header line of a message, with CRLF behind it; nothing if it is absent. */
void out_line(struct sb_out *out, const struct sb_sip *sip, struct sb_span line);

/* The length, or SB_E_NOSPACE. */
int out_end(const struct sb_out *out);

#define SB_EDITS_MAX 40

struct sb_edits {
	unsigned n;
	struct sb_edit {
		uint32_t at, cut; /* at this offset, this many bytes go */
		const char *text; /* and this comes in their place */
		uint32_t len;
	} e[SB_EDITS_MAX];
	char digits[3][8]; /* room for the numbers that edits insert */
	unsigned n_digits;
	char ip[48];
};

/* Kept in order of their offsets; those at one offset in order of their coming. */
void edit_add(struct sb_edits *edits, uint32_t at, uint32_t cut, const char *text, size_t len);
void edit_number(struct sb_edits *edits, uint32_t at, uint32_t cut, uint16_t v);

static inline void edit_text(struct sb_edits *edits, uint32_t at, const char *text)
{
	edit_add(edits, at, 0, text, strlen(text));
}

/* Writes text[from, to) as edited. Edits outside of it are not applied. */
void edit_apply(const struct sb_edits *edits, const char *text, uint32_t from, uint32_t to, struct sb_out *out);

/* The sender's Via gets what 18.2.1 and RFC 3581 4 ask for. */
struct sb_addr;
void edit_top_via(struct sb_edits *edits, const struct sb_sip *sip, const struct sb_addr *source);

/* The first n values of Route go. SB_E_INVAL: there are not that many that can be read. */
int edit_strip_routes(struct sb_edits *edits, const struct sb_sip *sip, unsigned n);

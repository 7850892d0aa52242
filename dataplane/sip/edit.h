/* SPDX-License-Identifier: BSD-3-Clause */
/* edit.h - a bounded writer, and a list of edits applied to a text in one pass of copies. Inside the sip folder only.
 */
#pragma once
#include "dataplane/sip/copy.h"
#include "dataplane/sip/line.h"
#include "dataplane/sip/sip.h"
#include <assert.h>

struct sb_out {
	char *p;
	size_t cap, len;
	bool full; /* something did not fit; nothing more is written */
};

static inline bool out_room(struct sb_out *out, size_t len)
{
	if (out->full || len > out->cap - out->len) {
		out->full = true;
		return false;
	}
	return true;
}

static inline void out_put(struct sb_out *out, const void *p, size_t len)
{
	if (!out_room(out, len))
		return;
	copy_short(out->p + out->len, p, len);
	out->len += len;
}

/* The same of a text that SB_SIP_PAD readable bytes follow. */
static inline void out_padded(struct sb_out *out, const char *p, size_t len)
{
	if (!out_room(out, len))
		return;
	if (out->cap - out->len - len >= SB_COPY_OVER)
		copy_over(out->p + out->len, p, len);
	else
		copy_short(out->p + out->len, p, len);
	out->len += len;
}
_Static_assert(SB_SIP_PAD >= SB_COPY_OVER, "messages are copied with their pad");

static inline void out_text(struct sb_out *out, const char *s)
{
	out_put(out, s, strlen(s));
}

void out_number(struct sb_out *out, uint32_t v);

/* An IP address without brackets. */
struct sb_addr;
void out_ip(struct sb_out *out, const struct sb_addr *a);

/* A header line of a message, with CRLF behind it; nothing if it is absent. */
void out_line(struct sb_out *out, const struct sb_sip *sip, struct sb_span line);

/* The length, or SB_E_NOSPACE. */
int out_end(const struct sb_out *out);

#define SB_EDITS_MAX  40
#define SB_EDITS_ROOM 640 /* what relaying may add (SB_RELAY_GROWTH) */

struct sb_edits {
	unsigned n;
	struct sb_edit {
		uint32_t at, cut;   /* at this offset, this many bytes go */
		uint16_t text, len; /* and these bytes of room come in their place */
	} e[SB_EDITS_MAX];
	struct sb_out out; /* into room */
	char room[SB_EDITS_ROOM + SB_COPY_OVER];
};

static inline void edit_begin(struct sb_edits *edits)
{
	edits->n = 0;
	edits->out = (struct sb_out){.p = edits->room, .cap = sizeof edits->room};
}

/* What was written to edits->out since its length was `from` comes at `at`, where `cut` bytes go. Kept in order of
 * their offsets; those at one offset in order of their coming. */
static inline void edit_add(struct sb_edits *edits, uint32_t at, uint32_t cut, size_t from)
{
	assert(edits->n < SB_EDITS_MAX && !edits->out.full);
	unsigned i = edits->n++;
	for (; i > 0 && edits->e[i - 1].at > at; i--)
		edits->e[i] = edits->e[i - 1];
	edits->e[i] = (struct sb_edit){at, cut, (uint16_t)from, (uint16_t)(edits->out.len - from)};
}

/* Writes text[from, to) as edited; SB_SIP_PAD readable bytes follow the text. Edits outside of it are not applied. */
void edit_apply(const struct sb_edits *edits, const char *text, uint32_t from, uint32_t to, struct sb_out *out);

/* The sender's Via gets what 18.2.1 and RFC 3581 4 ask for. */
void edit_top_via(struct sb_edits *edits, const struct sb_sip *sip, const struct sb_addr *source);

/* The first n values of Route go. SB_E_INVAL: there are not that many that can be read. */
int edit_strip_routes(struct sb_edits *edits, const struct sb_sip *sip, unsigned n);

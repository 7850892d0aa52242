/* SPDX-License-Identifier: BSD-3-Clause */
/* line.h - one header line: which field it is, where its value begins, where it ends. Inside the sip folder only. */
#pragma once
#include "dataplane/sip/sip.h"

/* The header fields that a proxy reads. */
enum sb_field {
	SB_F_OTHER,
	SB_F_VIA,
	SB_F_FROM,
	SB_F_TO,
	SB_F_CALL_ID,
	SB_F_CSEQ,
	SB_F_MAX_FORWARDS,
	SB_F_CONTENT_LENGTH,
	SB_F_CONTACT,
	SB_F_ROUTE,
	SB_F_RECORD_ROUTE,
	SB_F_PROXY_REQUIRE,
	SB_F_TIMESTAMP,
	SB_F_RETRY_AFTER,
	SB_F_BAD, /* no colon, no name, or it begins with a blank */
	SB_FIELDS
};

struct sb_line {
	uint32_t off;   /* of the name */
	uint32_t value; /* behind the colon */
	uint32_t end;   /* of the value: without its line end; folding included */
	uint32_t next;  /* where the next line begins */
	enum sb_field field;
	bool odd; /* folded, or blanks before the colon */
};

/* Names the field of the line whose off, end are set; sets value, field and perhaps odd. */
void sb_line_name(const char *text, struct sb_line *line);

/* The whole header line, folding included, that begins at off. False: off is not before sip->header_end. */
bool sb_line_at(const struct sb_sip *sip, uint32_t off, struct sb_line *line);

/* The next line of this field, from the line that begins at off on. */
bool sb_line_find(const struct sb_sip *sip, uint32_t off, enum sb_field field, struct sb_line *line);

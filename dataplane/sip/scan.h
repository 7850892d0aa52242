/* SPDX-License-Identifier: BSD-3-Clause */
/* scan.h - finds the line ends of a message's header, 64 bytes a step. Inside the sip folder and its tests only. */
#pragma once
#include "dataplane/sip/sip.h"

struct sb_lines {
	uint32_t n;    /* line ends found: start line and header lines, folded ones counted singly */
	uint32_t body; /* offset behind the empty line; 0: there is none */
	bool too_many; /* more than SB_SIP_LINES_MAX header lines: it stopped there */
	bool bare_lf;  /* a LF without CR before it, in the header */
	bool bare_cr;  /* a CR without LF behind it, in the header */
	/* offsets of the LFs, without the empty line's; room for what is written beyond them */
	uint16_t end[SB_SIP_LINES_MAX + 1 + 64];
};

/* text[from] is not a line end. SB_SIP_PAD readable bytes follow len. */
void sb_scan(const char *text, uint32_t from, uint32_t len, struct sb_lines *out);

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
	uint16_t end[SB_SIP_LINES_MAX + 1]; /* offsets of the LFs, without the empty line's */
};

/* text[from] is not a line end. SB_SIP_PAD readable bytes follow len. Takes the best way that the processor has. */
void sb_scan(const char *text, uint32_t from, uint32_t len, struct sb_lines *out);

/* The ways, all with one result. sb_scan_avx2 may be called only if sb_scan_has_avx2(). */
void sb_scan_plain(const char *text, uint32_t from, uint32_t len, struct sb_lines *out);
#ifdef __x86_64__
bool sb_scan_has_avx2(void);
void sb_scan_sse2(const char *text, uint32_t from, uint32_t len, struct sb_lines *out);
void sb_scan_avx2(const char *text, uint32_t from, uint32_t len, struct sb_lines *out);
#endif

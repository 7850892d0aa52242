/* SPDX-License-Identifier: BSD-3-Clause */
/* reader.h - the state of reading one message, handed from the start line to the header lines to the last look. Inside
 * the sip folder only. */
#pragma once
#include "dataplane/sip/line.h"
#include "dataplane/sip/sip.h"

struct sb_reader {
	struct sb_sip *sip;
	uint32_t via_value, via_end; /* of the first Via line; 0: none */
	uint32_t via2_value;         /* of the second Via line; 0: none */
	uint32_t via2_end;
	struct sb_line route; /* the first Route line */
	uint32_t route2;      /* offset of the second; 0: none */
	struct sb_span cseq_method;
	bool have_content_length;
	uint32_t content_length;
};

/* The first error is the one that is answered. */
static inline void sb_reader_fail(struct sb_reader *r, uint16_t code, const char *text)
{
	if (r->sip->error == 0) {
		r->sip->error = code;
		r->sip->error_text = text;
	}
}

/* index.c. The vector pass as the rest of this folder is compiled: sb_sip_index chooses between them. */
enum sb_read sb_index(struct sb_sip *sip, const char *text, uint32_t len);

/* brief.c. What sb_sip_brief and sb_sip_ack_of choose between. */
bool sb_brief(struct sb_sip *sip, const char *text, uint32_t len);
bool sb_ack_of(const char *text, uint32_t len, const char start[8]);

/* via.c. What sb_sip_via_below chooses between. */
int sb_via_below(const struct sb_sip *sip, struct sb_via *via);
#ifdef SB_READINGS
int sb_via_below_v3(const struct sb_sip *sip, struct sb_via *via);
int sb_via_below_v4(const struct sb_sip *sip, struct sb_via *via);
bool sb_brief_v3(struct sb_sip *sip, const char *text, uint32_t len);
bool sb_brief_v4(struct sb_sip *sip, const char *text, uint32_t len);
bool sb_ack_of_v3(const char *text, uint32_t len, const char start[8]);
bool sb_ack_of_v4(const char *text, uint32_t len, const char start[8]);
enum sb_read sb_index_v3(struct sb_sip *sip, const char *text, uint32_t len);
enum sb_read sb_index_v4(struct sb_sip *sip, const char *text, uint32_t len);

static inline bool sb_has_v3(void)
{
	return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("bmi2");
}

static inline bool sb_has_v4(void)
{
	return __builtin_cpu_supports("avx512vbmi") && __builtin_cpu_supports("avx512vbmi2") &&
	       __builtin_cpu_supports("avx512vl") && sb_has_v3();
}
#endif

/* start.c. The line is text[sip->start, end). REQUEST, RESPONSE or NOT_SIP; errors are noted in r. */
enum sb_read sb_read_start_line(struct sb_reader *r, uint32_t end);

/* fields.c. Notes what one header line says. */
void sb_read_field(struct sb_reader *r, const struct sb_line *line);

/* fields.c. All lines have been seen: reads the top Via, checks what must be there and what must agree. */
void sb_read_finish(struct sb_reader *r);

/* fields.c. Parts of that: the top Via and the rest of its line; CSeq's method, which a request's must agree with; the
 * top Route; what counts of the datagram. */
void sb_read_via(struct sb_reader *r);
void sb_read_cseq_method(struct sb_reader *r);
void sb_read_top_route(struct sb_reader *r);
void sb_read_length(struct sb_reader *r);

/* plain.c. All of a message whose lines have been found, if it is plain and without fault, and what it is. False: it is
 * to be read line by line, from the start. Where there are vectors. */
struct sb_lines;
bool sb_read_plain(struct sb_reader *r, const struct sb_lines *lines, enum sb_read *read);

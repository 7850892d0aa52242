/* SPDX-License-Identifier: BSD-3-Clause */
/* compose_reply.c - our own answers to a request (RFC 3261 8.2.6). */
#include "dataplane/sip/compose.h"
#include "dataplane/sip/edit.h"

/* All Via lines. One alone, as most have it, is copied with its line end. */
static void via_lines(const struct sb_sip *sip, const struct sb_addr *source, struct sb_out *o)
{
	struct sb_edits edits;
	struct sb_line line;
	uint32_t at = sip->via_line;
	if (at == 0)
		return;
	edit_begin(&edits);
	edit_top_via(&edits, sip, source);
	if (sip->n_via_lines == 1 && sip->text[sip->via_line_next - 2] == '\r') {
		edit_apply(&edits, sip->text, at, sip->via_line_next, o);
		return;
	}
	while (sb_line_find(sip, at, SB_F_VIA, &line)) {
		edit_apply(&edits, sip->text, line.off, line.end, o);
		out_put(o, "\r\n", 2);
		edits.n = 0;
		at = line.next;
	}
}

/* Lines that follow one another in the request are copied as one. */
static void out_lines(struct sb_out *o, const struct sb_sip *sip, const struct sb_span *lines, unsigned n)
{
	struct sb_span run = {0, 0};
	for (unsigned i = 0; i < n; i++) {
		uint32_t end = (uint32_t)run.off + run.len;
		if (run.len && lines[i].len && lines[i].off == end + 2 && sip->text[end] == '\r') {
			run.len = (uint16_t)(run.len + 2 + lines[i].len);
			continue;
		}
		out_line(o, sip, run);
		run = lines[i];
	}
	out_line(o, sip, run);
}

int sb_compose_reply(const struct sb_sip *sip, const struct sb_reply *reply, char *out, size_t cap)
{
	struct sb_out o = {.p = out, .cap = cap};
	out_text(&o, "SIP/2.0 ");
	out_number(&o, reply->status);
	out_text(&o, " ");
	out_text(&o, reply->reason);
	out_text(&o, "\r\n");
	via_lines(sip, &reply->source, &o);
	if (sip->to_line.len && sip->to_tag.len == 0 && reply->to_tag_len) {
		out_line(&o, sip, sip->from_line);
		out_padded(&o, sb_at(sip, sip->to_line), sip->to_line.len);
		out_text(&o, ";tag=");
		out_put(&o, reply->to_tag, reply->to_tag_len);
		out_text(&o, "\r\n");
		out_line(&o, sip, sip->call_id_line);
		out_line(&o, sip, sip->cseq_line);
	} else {
		const struct sb_span lines[] = {sip->from_line, sip->to_line, sip->call_id_line, sip->cseq_line};
		out_lines(&o, sip, lines, 4);
	}
	if (reply->status == 100)
		out_line(&o, sip, sip->timestamp_line);
	if (reply->extra)
		out_text(&o, reply->extra);
	out_text(&o, "Content-Length: 0\r\n\r\n");
	return out_end(&o);
}

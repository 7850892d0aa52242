/* SPDX-License-Identifier: BSD-3-Clause */
/* compose_reply.c - our own answers to a request (RFC 3261 8.2.6). */
#include "dataplane/sip/compose.h"
#include "dataplane/sip/edit.h"

static void via_lines(const struct sb_sip *sip, const struct sb_addr *source, struct sb_out *o)
{
	struct sb_edits edits = {.n = 0};
	struct sb_line line;
	uint32_t at = sip->via_line;
	if (at == 0)
		return;
	edit_top_via(&edits, sip, source);
	while (sb_line_find(sip, at, SB_F_VIA, &line)) {
		edit_apply(&edits, sip->text, line.off, line.end, o);
		out_put(o, "\r\n", 2);
		edits.n = 0;
		at = line.next;
	}
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
	out_line(&o, sip, sip->from_line);
	if (sip->to_line.len) {
		out_put(&o, sb_at(sip, sip->to_line), sip->to_line.len);
		if (sip->to_tag.len == 0 && reply->to_tag_len) {
			out_text(&o, ";tag=");
			out_put(&o, reply->to_tag, reply->to_tag_len);
		}
		out_text(&o, "\r\n");
	}
	out_line(&o, sip, sip->call_id_line);
	out_line(&o, sip, sip->cseq_line);
	if (reply->status == 100)
		out_line(&o, sip, sip->timestamp_line);
	if (reply->extra)
		out_text(&o, reply->extra);
	out_text(&o, "Content-Length: 0\r\n\r\n");
	return out_end(&o);
}

/* SPDX-License-Identifier: BSD-3-Clause */
/* compose_reply.c - our own answers to a request (RFC 3261 8.2.6). */
#include "dataplane/sip/compose.h"
#include "dataplane/sip/edit.h"
#include "dataplane/sip/line.h"
#include <stdio.h>

/* One Via line, whose sender asks for rport and has filled in nothing: as most are. */
static bool is_usual(const struct sb_sip *sip)
{
	const struct sb_via *via = &sip->via;
	return sip->n_via_lines == 1 && via->rport_at && !via->rport.off && !via->received_at &&
	       sip->text[sip->via_line_next - 2] == '\r';
}

/* It, with what is asked for: the same as edits make of it. */
static void usual_via(const struct sb_sip *sip, const struct sb_addr *source, struct sb_out *o)
{
	uint32_t rport = sip->via.rport_at, end = (uint32_t)sip->via.value.off + sip->via.value.len;
	out_padded(o, sip->text + sip->via_line, rport - sip->via_line);
	out_text(o, "=");
	out_number(o, source->port);
	out_padded(o, sip->text + rport, end - rport);
	out_text(o, ";received=");
	out_ip(o, source);
	out_padded(o, sip->text + end, sip->via_line_next - end);
}

/* All Via lines. One alone is copied with its line end. */
static void via_lines(const struct sb_sip *sip, const struct sb_addr *source, struct sb_out *o)
{
	struct sb_edits edits;
	struct sb_line line;
	uint32_t at = sip->via_line;
	if (at == 0)
		return;
	if (is_usual(sip)) {
		usual_via(sip, source, o);
		return;
	}
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

/* Do the two lines follow one another? */
static bool adjoin(const struct sb_sip *sip, struct sb_span line, struct sb_span next)
{
	uint32_t end = (uint32_t)line.off + line.len;
	return line.len && next.len && next.off == end + 2 && sip->text[end] == '\r';
}

/* Lines that follow one another in the request are copied as one. */
static void out_lines(struct sb_out *o, const struct sb_sip *sip, const struct sb_span *lines, unsigned n)
{
	struct sb_span run = {0, 0};
	for (unsigned i = 0; i < n; i++) {
		if (adjoin(sip, run, lines[i])) {
			run.len = (uint16_t)(run.len + 2 + lines[i].len);
			continue;
		}
		out_line(o, sip, run);
		run = lines[i];
	}
	out_line(o, sip, run);
}

/* From to CSeq, with a tag behind To: as a rule that is two pieces and the tag between them. */
static void tagged_lines(struct sb_out *o, const struct sb_sip *sip, const struct sb_reply *reply)
{
	uint32_t to_end = (uint32_t)sip->to_line.off + sip->to_line.len;
	uint32_t end = (uint32_t)sip->cseq_line.off + sip->cseq_line.len;
	if (adjoin(sip, sip->from_line, sip->to_line)) {
		out_padded(o, sb_at(sip, sip->from_line), to_end - sip->from_line.off);
	} else {
		out_line(o, sip, sip->from_line);
		out_padded(o, sb_at(sip, sip->to_line), sip->to_line.len);
	}
	out_text(o, ";tag=");
	out_put(o, reply->to_tag, reply->to_tag_len);
	if (adjoin(sip, sip->to_line, sip->call_id_line) && adjoin(sip, sip->call_id_line, sip->cseq_line)) {
		out_padded(o, sip->text + to_end, end - to_end);
		out_text(o, "\r\n");
		return;
	}
	out_text(o, "\r\n");
	out_line(o, sip, sip->call_id_line);
	out_line(o, sip, sip->cseq_line);
}

static void status_line(struct sb_out *o, unsigned status, const char *reason)
{
	if (!out_room(o, 12))
		return;
	char *p = o->p + o->len;
	memcpy(p, "SIP/2.0 ", 8);
	p[8] = (char)('0' + status / 100);
	p[9] = (char)('0' + status / 10 % 10);
	p[10] = (char)('0' + status % 10);
	p[11] = ' ';
	o->len += 12;
	out_text(o, reason);
	out_text(o, "\r\n");
}

int sb_compose_reply(const struct sb_sip *sip, const struct sb_reply *reply, char *out, size_t cap)
{
	struct sb_out o = {.p = out, .cap = cap};
	status_line(&o, reply->status, reply->reason);
	via_lines(sip, &reply->source, &o);
	if (sip->to_line.len && sip->to_tag.len == 0 && reply->to_tag_len) {
		tagged_lines(&o, sip, reply);
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

void sb_compose_unsupported(const struct sb_sip *sip, char *out, size_t cap)
{
	struct sb_line line;
	size_t at = 0;
	out[0] = 0;
	for (uint32_t off = sip->proxy_require_line; sb_line_find(sip, off, SB_F_PROXY_REQUIRE, &line);
	        off = line.next) {
		const char *value = sip->text + line.value;
		uint32_t len = line.end - line.value;
		if (at + len + 16 < cap)
			at += (size_t)snprintf(out + at, cap - at, "Unsupported:%.*s\r\n", (int)len, value);
	}
}

/* SPDX-License-Identifier: BSD-3-Clause */
/* compose_relay.c - messages that pass: the original's bytes with a proxy's edits (RFC 3261 16.6, 16.7). */
#include "dataplane/sip/compose.h"
#include "dataplane/sip/edit.h"
#include <switchback/err.h>

static void record_routes(struct sb_edits *edits, uint32_t at, const struct sb_relay *relay)
{
	for (unsigned i = 0; i < relay->n_record_routes && i < SB_OWN_ROUTES_MAX; i++) {
		edit_text(edits, at, "Record-Route: <sip:");
		edit_add(edits, at, 0, relay->record_route[i].hostport, relay->record_route[i].hostport_len);
		edit_text(edits, at, ";lr;sb=");
		edit_add(edits, at, 0, relay->record_route[i].token, SB_RR_TOKEN_LEN);
		edit_text(edits, at, ">\r\n");
	}
}

int sb_compose_request(const struct sb_sip *sip, const struct sb_relay *relay, char *out, size_t cap)
{
	struct sb_out o = {.p = out, .cap = cap};
	struct sb_edits edits = {.n = 0};
	uint32_t via = sip->via_line;
	edit_text(&edits, via, "Via: SIP/2.0/UDP ");
	edit_add(&edits, via, 0, relay->via_hostport, relay->via_hostport_len);
	edit_text(&edits, via, ";branch=");
	edit_add(&edits, via, 0, relay->branch, SB_BRANCH_LEN);
	edit_text(&edits, via, "\r\n");
	record_routes(&edits, sip->record_route_line ? sip->record_route_line : via, relay);
	if (sip->max_forwards.len)
		edit_number(&edits, sip->max_forwards.off, sip->max_forwards.len,
		        sip->max_forwards_value ? (uint16_t)(sip->max_forwards_value - 1) : 0);
	else
		edit_text(&edits, via, "Max-Forwards: 70\r\n");
	edit_top_via(&edits, sip, &relay->source);
	if (edit_strip_routes(&edits, sip, relay->strip_routes))
		return SB_E_INVAL;
	edit_apply(&edits, sip->text, sip->start, sip->len, &o);
	return out_end(&o);
}

int sb_compose_response(const struct sb_sip *sip, unsigned status, const char *reason, char *out, size_t cap)
{
	struct sb_out o = {.p = out, .cap = cap};
	struct sb_edits edits = {.n = 0};
	uint32_t from = sip->start;
	if (status) {
		out_text(&o, "SIP/2.0 ");
		out_number(&o, status);
		out_text(&o, " ");
		out_text(&o, reason);
		out_text(&o, "\r\n");
		from = sip->first_header;
	}
	if (sip->via.multi)
		edit_add(&edits, sip->via.value.off, sip->via.next - sip->via.value.off, NULL, 0);
	else
		edit_add(&edits, sip->via_line, sip->via_line_next - sip->via_line, NULL, 0);
	edit_apply(&edits, sip->text, from, sip->len, &o);
	return out_end(&o);
}

/* SPDX-License-Identifier: BSD-3-Clause */
/* compose_relay.c - messages that pass: the original's bytes with a proxy's edits (RFC 3261 16.6, 16.7). */
#include "dataplane/sip/compose.h"
#include "dataplane/sip/edit.h"
#include <switchback/err.h>

static void put_record_routes(struct sb_out *out, const struct sb_relay *relay)
{
	for (unsigned i = 0; i < relay->n_record_routes && i < SB_OWN_ROUTES_MAX; i++) {
		out_text(out, "Record-Route: <sip:");
		out_put(out, relay->record_route[i].hostport, relay->record_route[i].hostport_len);
		out_text(out, ";lr;sb=");
		out_put(out, relay->record_route[i].token, SB_RR_TOKEN_LEN);
		out_text(out, ">\r\n");
	}
}

static void put_via(struct sb_out *out, const struct sb_relay *relay)
{
	out_text(out, "Via: SIP/2.0/UDP ");
	out_put(out, relay->via_hostport, relay->via_hostport_len);
	out_text(out, ";branch=");
	out_put(out, relay->branch, SB_BRANCH_LEN);
	out_text(out, "\r\n");
}

/* What comes above the sender's Via. */
static void put_top(struct sb_out *out, const struct sb_sip *sip, const struct sb_relay *relay)
{
	put_via(out, relay);
	if (sip->max_forwards.len == 0)
		out_text(out, "Max-Forwards: 70\r\n");
	if (sip->record_route_line == 0)
		put_record_routes(out, relay);
}

/* Record-Route above those that are there. */
static void edit_record_routes(struct sb_edits *edits, const struct sb_sip *sip, const struct sb_relay *relay)
{
	size_t from = edits->out.len;
	if (sip->record_route_line == 0 || relay->n_record_routes == 0)
		return;
	put_record_routes(&edits->out, relay);
	edit_add(edits, sip->record_route_line, 0, from);
}

static void edit_max_forwards(struct sb_edits *edits, const struct sb_sip *sip)
{
	size_t from = edits->out.len;
	if (sip->max_forwards.len == 0)
		return;
	out_number(&edits->out, sip->max_forwards_value ? sip->max_forwards_value - 1u : 0);
	edit_add(edits, sip->max_forwards.off, sip->max_forwards.len, from);
}

/* The edits are made first and written last: copying what has just been written in small pieces would have to wait. */
int sb_compose_request(const struct sb_sip *sip, const struct sb_relay *relay, char *out, size_t cap)
{
	struct sb_out o = {.p = out, .cap = cap};
	struct sb_edits edits;
	edit_begin(&edits);
	edit_top_via(&edits, sip, &relay->source);
	edit_max_forwards(&edits, sip);
	edit_record_routes(&edits, sip, relay);
	if (relay->strip_routes && edit_strip_routes(&edits, sip, relay->strip_routes))
		return SB_E_INVAL;
	edit_apply(&edits, sip->text, sip->start, sip->via_line, &o);
	put_top(&o, sip, relay);
	edit_apply(&edits, sip->text, sip->via_line, sip->len, &o);
	return out_end(&o);
}

int sb_compose_response(const struct sb_sip *sip, unsigned status, const char *reason, char *out, size_t cap)
{
	struct sb_out o = {.p = out, .cap = cap};
	uint32_t from = sip->start, at = sip->via_line, behind = sip->via_line_next;
	if (status) {
		out_text(&o, "SIP/2.0 ");
		out_number(&o, status);
		out_text(&o, " ");
		out_text(&o, reason);
		out_text(&o, "\r\n");
		from = sip->first_header;
	}
	if (sip->via.multi) {
		at = sip->via.value.off;
		behind = sip->via.next;
	}
	out_padded(&o, sip->text + from, at - from);
	out_padded(&o, sip->text + behind, sip->len - behind);
	return out_end(&o);
}

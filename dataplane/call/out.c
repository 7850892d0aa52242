/* SPDX-License-Identifier: BSD-3-Clause */
/* out.c - sending, answering without state, and telling control. */
#include "dataplane/call/txn.h"

#define EVENTS_PER_SECOND 200 /* of one worker: the event log is for people */

struct sb_end sb_ended(enum sb_counter counter)
{
	return (struct sb_end){counter};
}

struct sb_pkt *sb_out_alloc(struct sb_core *c, uint32_t size)
{
	struct sb_pkt *pkt = c->cfg.ops->alloc(c->cfg.ops_ctx, size);
	if (!pkt)
		sb_count(c->cfg.counters, SB_C_tx_no_buffer);
	return pkt;
}

bool sb_out_send(
        struct sb_core *c, struct sb_pkt *pkt, int n, const struct sb_addr *to, const struct sb_snap_listener *from)
{
	if (n < 0) {
		c->cfg.ops->free(c->cfg.ops_ctx, pkt);
		return false;
	}
	pkt->len = (uint32_t)n;
	pkt->peer = *to;
	pkt->listener = from;
	return c->cfg.ops->send(c->cfg.ops_ctx, pkt);
}

bool sb_out_text(struct sb_core *c, struct sb_text text, const struct sb_addr *to, const struct sb_snap_listener *from)
{
	struct sb_pkt *pkt = text.at ? sb_out_alloc(c, text.len) : NULL;
	if (!pkt)
		return false;
	memcpy(pkt->text, sb_store_text(&c->store, text), text.len);
	return sb_out_send(c, pkt, text.len, to, from);
}

/* Back to the source address; to its source port if rport was asked for, else to the sent-by port (18.2.2, R3581). */
struct sb_addr sb_out_target(const struct sb_sip *sip, const struct sb_addr *source)
{
	struct sb_addr to = *source;
	if (!sip->via.rport_at)
		sb_addr_set_port(&to, sip->via.port ? sip->via.port : 5060);
	return to;
}

void sb_out_tag(const struct sb_core *c, const struct sb_sip *sip, char tag[16])
{
	const struct sb_piece pieces[] = {{sb_at(sip, sip->call_id), sip->call_id.len},
	        {sb_at(sip, sip->from_tag), sip->from_tag.len}, {sb_at(sip, sip->via.branch), sip->via.branch.len}};
	const uint64_t words[SB_MAC_WORDS] = {sip->cseq};
	sb_tag_write(sb_tag_mac(&c->cfg.keys, words, pieces, 3), tag);
}

struct sb_end sb_out_reply_tagged(struct sb_core *c, const struct sb_pkt *pkt, const struct sb_sip *sip,
        unsigned status, const char *reason, const char *extra, const char tag[16])
{
	struct sb_reply reply = {.status = status,
	        .reason = reason ? reason : sb_reason(status),
	        .to_tag = tag,
	        .to_tag_len = 16,
	        .extra = extra,
	        .source = pkt->peer};
	/* A broken request may have no body to begin at: then it is copied from as a whole. */
	uint32_t room = sip->body ? sip->body : sip->text_len;
	room += SB_RELAY_GROWTH + (extra ? (uint32_t)strlen(extra) : 0);
	struct sb_pkt *out = sb_out_alloc(c, room < SB_SIP_MAX ? room : SB_SIP_MAX);
	if (!out)
		return sb_ended(SB_C_drop_no_buffer);
	struct sb_addr to = sb_out_target(sip, &pkt->peer);
	int n = sb_compose_reply(sip, &reply, out->text, out->cap);
	if (!sb_out_send(c, out, n, &to, pkt->listener))
		return sb_ended(n < 0 ? SB_C_drop_too_large : SB_C_drop_no_route);
	return sb_ended(SB_C_end_replied);
}

struct sb_end sb_out_reply(struct sb_core *c, const struct sb_pkt *pkt, const struct sb_sip *sip, unsigned status,
        const char *reason, const char *extra)
{
	char tag[16];
	sb_out_tag(c, sip, tag);
	return sb_out_reply_tagged(c, pkt, sip, status, reason, extra, tag);
}

struct sb_trunk_stats *sb_stats_of(struct sb_core *c, const struct sb_txn *t, uint16_t trunk)
{
	return &c->cfg.trunk_stats[t->snap->trunks[trunk].slot];
}

bool sb_tell_still_there(const struct sb_core *c, const struct sb_txn *t, uint16_t trunk)
{
	const struct sb_snap_trunk *then = &t->snap->trunks[trunk];
	uint16_t now = c->snap->trunk_of_slot[then->slot];
	return now != SB_NO_TRUNK && sb_addr_eq(&c->snap->trunks[now].addr, &then->addr);
}

void sb_tell_evidence(struct sb_core *c, const struct sb_txn *t, uint16_t trunk, enum sb_evidence kind, uint16_t code,
        uint32_t retry_after_s)
{
	if (!sb_tell_still_there(c, t, trunk))
		return;
	struct sb_trunk_stats *st = sb_stats_of(c, t, trunk);
	sb_stat_add(kind == SB_EV_TIMEOUT ? &st->failed_timeout
	            : kind == SB_EV_CODE  ? &st->failed_code
	                                  : &st->failed_icmp,
	        1);
	struct sb_mail m = {.op = SB_MAIL_EVIDENCE,
	        .kind = (uint8_t)kind,
	        .trunk = t->snap->trunks[trunk].slot,
	        .code = code,
	        .evidence = {retry_after_s}};
	/* Timers come first: evidence leaves a quarter of the ring to them. The figures above are never lost. */
	if (sb_ring_room(&c->cfg.mail->up) <= c->cfg.mail->up.mask / 4 || !sb_ring_put(&c->cfg.mail->up, &m))
		sb_count(c->cfg.counters, SB_C_mail_full);
}

void sb_tell_refusal(struct sb_core *c, const struct sb_txn *t, uint16_t trunk, const struct sb_addr *from,
        const struct sb_sip *sip, bool counts)
{
	bool pause = sip->status == 503 && sip->retry_after_s;
	if (sb_addr_same_ip(from, &t->snap->trunks[trunk].addr) && (counts || pause)) /* from elsewhere: who says so? */
		sb_tell_evidence(c, t, trunk, SB_EV_CODE, sip->status, sip->retry_after_s);
}

static bool event_allowed(struct sb_core *c)
{
	if (c->now_ms - c->events_ms >= 1000) {
		c->events_ms = c->now_ms;
		c->events_n = 0;
	}
	return c->events_n++ < EVENTS_PER_SECOND && sb_ring_room(&c->cfg.mail->up) > c->cfg.mail->up.mask / 2;
}

void sb_tell_event(struct sb_core *c, const struct sb_txn *t, struct sb_mail *m, const struct sb_sip *sip)
{
	struct sb_sip stored;
	if (!event_allowed(c)) {
		sb_count(c->cfg.counters, SB_C_events_suppressed);
		return;
	}
	if (!sip && t && t->request.at) {
		sb_sip_index(&stored, sb_store_text(&c->store, t->request), t->request.len);
		sip = &stored;
	}
	m->op = SB_MAIL_EVENT;
	if (t)
		m->event.elapsed_us = (uint32_t)(c->now_us - (t->base_ms * 1000 + t->base_us));
	if (sip) {
		size_t n = sip->call_id.len < SB_MAIL_TEXT_MAX ? sip->call_id.len : SB_MAIL_TEXT_MAX;
		memcpy(m->event.text, sb_at(sip, sip->call_id), n);
		m->event.text_len = (uint8_t)n;
	}
	sb_ring_put(&c->cfg.mail->up, m); /* event_allowed() saw half of it free */
}

/* SPDX-License-Identifier: BSD-3-Clause */
/* shed.c - new calls that are turned away for want of room or time: 503 with Retry-After, no state, and least of all
 * work (P13). */
#include "dataplane/call/txn.h"
#include <stdio.h>

static const char reason[] = "Service Unavailable"; /* not looked up */

/* The tags of 503s past capacity all begin alike, so that their ACKs are known by no more. */
void sb_shed_init(struct sb_core *c)
{
	const uint64_t words[SB_MAC_WORDS] = {c->cfg.worker};
	char text[16];
	c->shed_tag = sb_tag_mac(&c->cfg.keys, words, NULL, 0) << 32;
	sb_tag_write(c->shed_tag, text);
	memcpy(c->shed_tag_text, text, sizeof c->shed_tag_text);
	sb_hash_key(&c->cfg.keys, SB_KEY_SHED, c->shed_key);
}

bool sb_shed_call(const struct sb_core *c, uint64_t call)
{
	return (uint16_t)(call >> 40) < c->shed_share;
}

bool sb_shed_acked(const struct sb_core *c, const struct sb_pkt *pkt)
{
	return c->now_ms >= c->shed_tag_until_ms && sb_sip_ack_of(pkt->text, pkt->len, c->shed_tag_text);
}

void sb_shed_came_back(struct sb_core *c, const struct sb_sip *sip)
{
	if (sip->to_tag.len == 16 && memcmp(sb_at(sip, sip->to_tag), c->shed_tag_text, sizeof c->shed_tag_text) == 0)
		c->shed_tag_until_ms = c->now_ms + 64ull * c->snap->t1_ms;
}

/* The line; made when it changes. */
static const char *retry_after(struct sb_core *c)
{
	if (!c->shed_extra[0] || c->shed_extra_s != c->snap->retry_after_s) {
		c->shed_extra_s = c->snap->retry_after_s;
		snprintf(c->shed_extra, sizeof c->shed_extra, "Retry-After: %u\r\n", c->shed_extra_s);
	}
	return c->shed_extra;
}

struct sb_end sb_shed_reply(struct sb_core *c, const struct sb_pkt *pkt, const struct sb_sip *sip)
{
	return sb_out_reply(c, pkt, sip, 503, reason, retry_after(c));
}

/* At most one event a second. */
static void tell(struct sb_core *c, enum sb_event kind, uint64_t *told_ms, uint16_t code, const struct sb_sip *sip)
{
	if (c->now_ms - *told_ms < 1000 && *told_ms)
		return;
	struct sb_mail m = {.kind = (uint8_t)kind, .trunk = SB_NO_TRUNK, .trunk2 = SB_NO_TRUNK, .code = code};
	*told_ms = c->now_ms;
	sb_tell_event(c, NULL, &m, sip);
}

struct sb_end sb_shed_table_full(struct sb_core *c, const struct sb_pkt *pkt, const struct sb_sip *sip)
{
	sb_count(c->cfg.counters, SB_C_shed_table_full);
	tell(c, SB_EVENT_TABLE_FULL, &c->full_event_ms, 503, sip);
	return sb_shed_reply(c, pkt, sip);
}

struct sb_end sb_shed_overload(
        struct sb_core *c, const struct sb_pkt *pkt, const struct sb_sip *sip, const struct sb_look *look)
{
	char tag[16];
	if (!sb_request_trusted(c, pkt))
		return sb_out_reply(c, pkt, sip, 403, NULL, NULL);
	sb_count(c->cfg.counters, SB_C_shed_overload);
	tell(c, SB_EVENT_OVERLOAD, &c->overload_event_ms, (uint16_t)(c->shed_share * 100 / SB_SHED_ALL), sip);
	sb_tag_write(c->shed_tag | (uint32_t)sb_hash(c->shed_key, look->key, NULL, 0), tag);
	return sb_out_reply_tagged(c, pkt, sip, 503, reason, retry_after(c), tag);
}

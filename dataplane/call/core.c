/* SPDX-License-Identifier: BSD-3-Clause */
/* core.c - lays a worker's memory out and hands each packet, mail and tick to the part it belongs to. */
#include "dataplane/call/txn.h"
#include "dataplane/sip/osip.h"
#include <switchback/err.h>

#define LINGER_PER_TICK  64
#define UNARMED_PER_TICK 64
#define SCAN_PER_TICK    256

/* Where the parts of the region begin. */
struct layout {
	size_t core, txn, linger, buckets, rates, text, total;
	uint32_t n_buckets;
};

static size_t pad(size_t n)
{
	return (n + 4095) & ~(size_t)4095;
}

static void lay_out(const struct sb_core_config *cfg, struct layout *l)
{
	l->n_buckets = sb_table_buckets((uint64_t)cfg->transactions_max + cfg->linger_max);
	l->core = 0;
	l->txn = pad(sizeof(struct sb_core));
	l->linger = l->txn + pad((size_t)cfg->transactions_max * sizeof(struct sb_txn));
	l->buckets = l->linger + pad((size_t)cfg->linger_max * sizeof(struct sb_linger));
	l->rates = l->buckets + pad((size_t)l->n_buckets * sizeof(struct sb_bucket));
	l->text = l->rates + pad(SB_RATE_SOURCES * sizeof(struct sb_rate));
	l->total = l->text + pad(cfg->text_bytes_max) + SB_SIP_PAD;
}

size_t sb_core_memory(const struct sb_core_config *cfg)
{
	struct layout l;
	lay_out(cfg, &l);
	return l.total;
}

struct sb_core *sb_core_init(const struct sb_core_config *cfg)
{
	struct layout l;
	uint8_t *mem = cfg->memory;
	struct sb_core *c = (struct sb_core *)cfg->memory;
	lay_out(cfg, &l);
	memset(c, 0, sizeof *c);
	c->cfg = *cfg;
	sb_hash_key(&cfg->keys, SB_KEY_TABLE, c->table_key);
	sb_hash_key(&cfg->keys, SB_KEY_LOOP, c->loop_key);
	sb_shed_init(c);
	c->txn = (struct sb_txn *)(void *)(mem + l.txn);
	c->linger = (struct sb_linger *)(void *)(mem + l.linger);
	c->rates = (struct sb_rate *)(void *)(mem + l.rates);
	c->txn_free = c->unarmed = SB_NONE;
	sb_table_init(&c->table, (struct sb_bucket *)(void *)(mem + l.buckets), l.n_buckets,
	        (struct sb_table_of){c->txn, sizeof *c->txn}, (struct sb_table_of){c->linger, sizeof *c->linger});
	sb_store_init(&c->store, mem + l.text, cfg->text_bytes_max);
	c->usage.transactions_max = cfg->transactions_max;
	c->usage.lingering_max = cfg->linger_max;
	c->usage.text_bytes_max = cfg->text_bytes_max;
	return c;
}

void sb_core_snapshot(struct sb_core *c, const struct sb_snapshot *snapshot)
{
	c->snap = snapshot;
}

void sb_core_shed(struct sb_core *c, uint32_t share)
{
	c->shed_share = share < SB_SHED_ALL ? share : SB_SHED_ALL;
	atomic_store_explicit(&c->usage.shed_share, c->shed_share, memory_order_relaxed);
}

void sb_core_areas(const struct sb_core *c, struct sb_area out[SB_CORE_AREAS])
{
	struct sb_core_usage *u = (struct sb_core_usage *)(uintptr_t)&c->usage; /* atomics have no loads from const */
	const uint64_t slots = atomic_load_explicit(&u->slots_high, memory_order_relaxed),
	               records = atomic_load_explicit(&u->records_high, memory_order_relaxed),
	               pages = atomic_load_explicit(&u->pages_high, memory_order_relaxed),
	               buckets = atomic_load_explicit(&u->buckets_high, memory_order_relaxed);
	const uint64_t slots_max = c->cfg.transactions_max, records_max = c->cfg.linger_max;
	out[0] = (struct sb_area){(uint8_t *)c->txn, slots * sizeof *c->txn, slots_max * sizeof *c->txn};
	out[1] = (struct sb_area){(uint8_t *)c->linger, records * sizeof *c->linger, records_max * sizeof *c->linger};
	out[2] = (struct sb_area){c->store.first, pages * SB_STORE_PAGE, (uint64_t)c->store.n_pages * SB_STORE_PAGE};
	out[3] = (struct sb_area){(uint8_t *)c->table.bucket, buckets * sizeof *c->table.bucket,
	        (uint64_t)c->table.max * sizeof *c->table.bucket};
}

static void tell_usage(struct sb_core *c)
{
	struct sb_core_usage *u = &c->usage;
	const struct sb_osip_usage *osip = sb_osip_usage();
	const uint64_t behind = (uint64_t)c->linger_head + c->linger_n,
	               records = atomic_load_explicit(&u->records_high, memory_order_relaxed);
	atomic_store_explicit(&u->osip_peak, osip->peak, memory_order_relaxed);
	atomic_store_explicit(&u->osip_size, osip->size, memory_order_relaxed);
	atomic_store_explicit(&u->text_bytes, c->store.in_use, memory_order_relaxed);
	atomic_store_explicit(&u->slots_high, c->txn_top, memory_order_relaxed);
	atomic_store_explicit(&u->pages_high, c->store.top, memory_order_relaxed);
	atomic_store_explicit(&u->buckets_high, c->table.n_buckets, memory_order_relaxed);
	if (behind > records) /* the ring goes round: then all of it was */
		atomic_store_explicit(&u->records_high, behind < c->cfg.linger_max ? behind : c->cfg.linger_max,
		        memory_order_relaxed);
}

const struct sb_core_usage *sb_core_usage(const struct sb_core *c)
{
	return &c->usage;
}

static void set_now(struct sb_core *c, uint64_t now_us)
{
	c->now_us = now_us;
	c->now_ms = now_us / 1000;
}

static bool in_slot(const struct sb_core *c, const struct sb_look *look)
{
	return look->read == SB_READ_RESPONSE && !look->cookie_err && look->cookie.kind == SB_COOKIE_TXN &&
	       look->cookie.slot < c->txn_top;
}

void sb_core_prefetch(const struct sb_core *c, const struct sb_look *look)
{
	if (look->read == SB_READ_REQUEST && !look->dialog)
		sb_table_prefetch(&c->table, look->key);
	if (!in_slot(c, look))
		return;
	const struct sb_txn *t = &c->txn[look->cookie.slot];
	__builtin_prefetch(t);
	__builtin_prefetch(&t->snap);
	__builtin_prefetch(&t->leg[look->cookie.leg < SB_CANDIDATES_MAX ? look->cookie.leg : 0]);
}

void sb_core_prefetch_more(const struct sb_core *c, const struct sb_look *look)
{
	if (in_slot(c, look) && look->final) /* it may make a record */
		sb_txn_prefetch_end(c, &c->txn[look->cookie.slot]);
}

/* It belongs to no transaction. */
static struct sb_end unknown(struct sb_core *c, const struct sb_pkt *pkt, const struct sb_sip *sip,
        const struct sb_look *look, const struct sb_own_route *own)
{
	return look->brief ? sb_shed_overload(c, pkt, sip, look) : sb_request_new(c, pkt, sip, look, own);
}

static struct sb_end request(
        struct sb_core *c, const struct sb_pkt *pkt, const struct sb_sip *sip, const struct sb_look *look)
{
	struct sb_linger *l;
	struct sb_own_route own, *known = NULL;
	if (look->dialog) {
		sb_dialog_own_route(c, sip, known = &own);
		if (own.owner == SB_ROUTE_SIGNED)
			return sb_request_in_dialog(c, pkt, sip, &own);
	}
	struct sb_txn *t = sb_txn_find(c, look->key, look->key2, &l);
	bool accepted = l || (t && t->srv == SB_SRV_ACCEPTED);
	if (accepted && sip->method == SB_M_ACK)
		return sb_request_new(c, pkt, sip, look, known); /* the callee's, whatever its branch (RFC 6026 7.1) */
	if (t && t->kind == SB_TXN_INVITE) {
		if (sip->method == SB_M_ACK)
			return sb_invite_acked(c, t);
		if (sip->method == SB_M_CANCEL)
			return sb_invite_cancelled(c, t, pkt, sip);
		return sb_invite_again(c, t);
	}
	if (t)
		return sb_other_again(c, t);
	if (l && sip->method == SB_M_CANCEL)
		return sb_out_reply(c, pkt, sip, 200, NULL, NULL); /* too late to matter (9.2) */
	if (l) { /* the method is part of the key: it is the INVITE again */
		sb_count(c->cfg.counters, SB_C_retransmissions_in);
		return sb_ended(SB_C_end_consumed); /* RFC 6026: absorbed */
	}
	return unknown(c, pkt, sip, look, known);
}

static struct sb_end probe_answered(struct sb_core *c, const struct sb_sip *sip, const struct sb_cookie *k)
{
	struct sb_mail m = {.op = SB_MAIL_PROBE_RESULT, .trunk = (uint16_t)k->slot, .code = sip->status};
	m.probe.id = (uint32_t)k->id;
	m.probe.retry_after_s = sip->retry_after_s;
	if (sip->status >= 200 && !sb_ring_put(&c->cfg.mail->up, &m))
		sb_count(c->cfg.counters, SB_C_mail_full);
	return sb_ended(SB_C_end_consumed);
}

/* The slot is gone: what an accepted call still may get (RFC 6026), else stray. A response brings the caller's Via
 * back, which its record is found by; that it is this call's response, our own Via says. */
static struct sb_end lingering(struct sb_core *c, const struct sb_sip *sip, const struct sb_cookie *k)
{
	struct sb_linger *l = NULL;
	struct sb_via below;
	uint64_t key;
	uint32_t key2;
	if (sip->method == SB_M_CANCEL)
		return sb_ended(SB_C_end_consumed); /* of ours: a 2xx has overtaken it */
	if (sip->method != SB_M_INVITE)
		return sb_ended(SB_C_drop_stray_response);
	if (!sip->via.next)
		return sb_ended(SB_C_drop_bad_response); /* it has lost the Vias above ours */
	if (!sb_sip_via_below(sip, &below) && sb_look_below(c, sip, &below, &key, &key2))
		sb_txn_find(c, key, key2, &l);
	if (!l || l->slot != k->slot || l->gen != k->gen)
		return sb_ended(SB_C_drop_stray_response);
	if (sip->status < 200 || sip->status >= 300)
		return sb_ended(SB_C_end_consumed);
	return sb_dialog_linger_response(c, sip, l);
}

static struct sb_end response(
        struct sb_core *c, const struct sb_pkt *pkt, const struct sb_sip *sip, const struct sb_look *look)
{
	const struct sb_cookie *k = &look->cookie;
	if (look->cookie_err)
		return sb_ended(look->cookie_err == SB_E_FORGED ? SB_C_drop_forged_cookie : SB_C_drop_stray_response);
	if (k->kind == SB_COOKIE_PROBE)
		return probe_answered(c, sip, k);
	if (sip->status >= 300)
		sb_shed_came_back(c, sip);
	if (k->kind == SB_COOKIE_STATELESS)
		return sb_dialog_response(c, sip, k);
	struct sb_txn *t = sb_txn_of_cookie(c, k);
	if (!t)
		return lingering(c, sip, k);
	if (!sip->via.next && t->kind != SB_TXN_BYE && sip->method != SB_M_CANCEL && sip->status < 300)
		return sb_ended(SB_C_drop_bad_response); /* nobody above us: it has lost its way */
	return t->kind == SB_TXN_INVITE ? sb_invite_response(c, t, k->leg, pkt, sip)
	                                : sb_other_response(c, t, k->leg, pkt, sip);
}

static struct sb_end bad_request(struct sb_core *c, const struct sb_pkt *pkt, const struct sb_sip *sip)
{
	if (sip->method == SB_M_ACK || !sip->answerable)
		return sb_ended(SB_C_drop_bad_request);
	return sb_out_reply(c, pkt, sip, sip->error, sip->error_text, NULL);
}

struct sb_end sb_core_packet(struct sb_core *c, const struct sb_pkt *pkt, const struct sb_sip *sip,
        const struct sb_look *look, uint64_t now_us)
{
	set_now(c, now_us);
	switch ((enum sb_read)look->read) {
	case SB_READ_REQUEST:
		return request(c, pkt, sip, look);
	case SB_READ_RESPONSE:
		return response(c, pkt, sip, look);
	case SB_READ_BAD_REQUEST:
		return bad_request(c, pkt, sip);
	case SB_READ_BAD_RESPONSE:
		return sb_ended(SB_C_drop_bad_response);
	case SB_READ_SHED_ACK:
		return sb_ended(SB_C_drop_stray_ack);
	case SB_READ_KEEPALIVE:
		return sb_ended(SB_C_drop_keepalive);
	case SB_READ_STUN:
		return sb_ended(SB_C_drop_stun);
	case SB_READ_RTP:
		return sb_ended(SB_C_drop_rtp);
	case SB_READ_NOT_SIP:
		break;
	}
	return sb_ended(SB_C_drop_not_sip);
}

/* A signed branch that an ICMP error quotes: nobody can make one up, so the leg is believed dead at once (P1, S2.3). */
static struct sb_end unreachable(struct sb_core *c, const struct sb_addr *to, const struct sb_cookie *k)
{
	if (k->kind == SB_COOKIE_PROBE) {
		struct sb_mail m = {.op = SB_MAIL_PROBE_RESULT, .kind = SB_EV_ICMP, .trunk = (uint16_t)k->slot};
		m.probe.id = (uint32_t)k->id;
		if (!sb_ring_put(&c->cfg.mail->up, &m))
			sb_count(c->cfg.counters, SB_C_mail_full);
		return sb_ended(SB_C_end_consumed);
	}
	struct sb_txn *t = k->kind == SB_COOKIE_TXN ? sb_txn_of_cookie(c, k) : NULL;
	if (!t || (to && !sb_addr_eq(to, &sb_leg_trunk(t, k->leg)->addr)))
		return sb_ended(SB_C_drop_stray_icmp);
	if (t->kind == SB_TXN_INVITE)
		sb_invite_leg_failed(c, t, k->leg, SB_EV_ICMP);
	else
		sb_other_leg_failed(c, t, k->leg, SB_EV_ICMP);
	return sb_ended(SB_C_end_consumed);
}

struct sb_end sb_core_icmp(
        struct sb_core *c, const struct sb_addr *to, const char *quote, size_t quote_len, bool fatal, uint64_t now_us)
{
	set_now(c, now_us);
	struct sb_cookie k;
	int err = fatal ? sb_cookie_find(&c->cfg.keys, quote, quote_len, &k) : SB_E_INVAL;
	if (err)
		return sb_ended(err == SB_E_FORGED ? SB_C_drop_forged_cookie : SB_C_drop_stray_icmp);
	return unreachable(c, to, &k);
}

static void fired(struct sb_core *c, const struct sb_mail *mail)
{
	if (mail->timer.slot >= c->txn_top)
		return;
	struct sb_txn *t = &c->txn[mail->timer.slot];
	if (t->kind == SB_TXN_FREE || t->arm_gen != mail->timer.gen)
		return; /* cancelled lazily, or moved */
	t->armed = SB_NEVER;
	if (t->kind == SB_TXN_INVITE)
		sb_invite_time(c, t);
	else
		sb_other_time(c, t);
}

static void send_probe(struct sb_core *c, const struct sb_mail *mail)
{
	if (mail->trunk >= SB_TRUNKS_MAX || c->snap->trunk_of_slot[mail->trunk] == SB_NO_TRUNK)
		return; /* removed by a reload meanwhile */
	const struct sb_snap_trunk *trunk = &c->snap->trunks[c->snap->trunk_of_slot[mail->trunk]];
	const struct sb_snap_listener *l = &c->snap->listeners[trunk->listener];
	struct sb_cookie k = {.kind = SB_COOKIE_PROBE, .slot = mail->trunk, .id = mail->probe.id};
	char branch[SB_BRANCH_LEN], target[SB_ADDR_TEXT_MAX];
	sb_cookie_write(&c->cfg.keys, &k, branch);
	sb_addr_format(&trunk->addr, target);
	struct sb_pkt *pkt = sb_out_alloc(c, 1500);
	if (!pkt)
		return; /* unanswered then: control counts it as such */
	int n = sb_compose_probe(target, l->hostport, branch, trunk->probe_from, trunk->probe_user_agent,
	        mail->probe.id, pkt->text, pkt->cap);
	sb_out_send(c, pkt, n, &trunk->addr, l);
}

static void kernel_icmp(struct sb_core *c, const struct sb_mail *mail)
{
	struct sb_cookie k;
	if (sb_cookie_read(&c->cfg.keys, mail->icmp.branch, SB_BRANCH_LEN, &k) == 0)
		unreachable(c, NULL, &k);
}

void sb_core_mail(struct sb_core *c, const struct sb_mail *mail, uint64_t now_us)
{
	set_now(c, now_us);
	switch (mail->op) {
	case SB_MAIL_FIRED:
		fired(c, mail);
		break;
	case SB_MAIL_PROBE:
		send_probe(c, mail);
		break;
	case SB_MAIL_TRUNK_DOWN: /* one walk serves every trunk that is DOWN when it passes */
		c->scan_left = c->txn_top;
		break;
	case SB_MAIL_ICMP:
		kernel_icmp(c, mail);
		break;
	default:
		break;
	}
}

/* A few slots each tick: legs that wait for a trunk that is DOWN and have somewhere better to go move on. */
static void scan(struct sb_core *c)
{
	for (unsigned n = SCAN_PER_TICK; n > 0 && c->scan_left > 0; n--, c->scan_left--) {
		if (c->scan_at >= c->txn_top)
			c->scan_at = 0;
		struct sb_txn *t = &c->txn[c->scan_at++];
		if ((t->kind != SB_TXN_INVITE && t->kind != SB_TXN_OTHER) || t->srv != SB_SRV_PROCEEDING ||
		        t->leg[t->cur].state != SB_LEG_CALLING ||
		        sb_health_read(c->cfg.health, sb_leg_trunk(t, t->cur)->slot).state != SB_DOWN)
			continue;
		if (t->kind == SB_TXN_INVITE)
			sb_invite_leg_failed(c, t, t->cur, SB_EV_DOWN);
		else
			sb_other_leg_failed(c, t, t->cur, SB_EV_DOWN);
	}
}

void sb_core_tick(struct sb_core *c, uint64_t now_us)
{
	set_now(c, now_us);
	sb_linger_expire(c, LINGER_PER_TICK);
	sb_txn_arm_pending(c, UNARMED_PER_TICK);
	if (c->scan_left)
		scan(c);
	tell_usage(c);
}

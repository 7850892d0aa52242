/* SPDX-License-Identifier: BSD-3-Clause */
/* pool.c - slots, lingering records and the one timer of each transaction. */
#include "dataplane/call/txn.h"

#define EXPIRY_AHEAD 8 /* records */
#define RECORD_AHEAD 8 /* more than a burst makes of them as a rule */

/* The slot that will be taken next: all of it that a new transaction writes. */
static void prefetch_slot(const struct sb_core *c, uint32_t slot)
{
	if (slot >= c->cfg.transactions_max)
		return;
	for (size_t at = 0; at <= offsetof(struct sb_txn, leg) + sizeof(struct sb_leg); at += 64)
		__builtin_prefetch((const char *)&c->txn[slot] + at, 1);
}

struct sb_txn *sb_txn_new(struct sb_core *c, enum sb_txn_kind kind)
{
	uint32_t slot = c->txn_free;
	struct sb_txn *t;
	if (slot != SB_NONE) {
		t = &c->txn[slot];
		c->txn_free = t->keyed.next;
		prefetch_slot(c, c->txn_free);
	} else if (c->txn_top < c->cfg.transactions_max) {
		t = &c->txn[c->txn_top++];
		t->gen = 1;
		prefetch_slot(c, c->txn_top);
	} else {
		return NULL;
	}
	/* The generation and the timer's number outlive the occupant: stale cookies and timers must not match the next.
	 */
	uint32_t gen = t->gen, arm_gen = t->arm_gen, unarmed = t->next_unarmed;
	memset(t, 0, offsetof(struct sb_txn, leg));
	t->gen = gen;
	t->arm_gen = arm_gen;
	t->next_unarmed = unarmed;
	t->kind = (uint8_t)kind;
	t->base_ms = c->now_ms;
	t->base_us = (uint16_t)(c->now_us % 1000);
	t->up_next = t->up_end = t->hunt_end = t->armed = SB_NEVER;
	t->snap = c->snap;
	sb_snapshot_hold(c->snap, c->cfg.worker);
	sb_stat_add(&c->usage.transactions, 1);
	return t;
}

uint32_t sb_txn_slot(const struct sb_core *c, const struct sb_txn *t)
{
	return (uint32_t)(t - c->txn);
}

/* All of it but what it is found by. */
static void release(struct sb_core *c, struct sb_txn *t)
{
	uint32_t slot = sb_txn_slot(c, t);
	for (unsigned i = 0; i < t->n_legs; i++)
		sb_leg_settle(c, t, i, SB_LEG_IDLE);
	sb_store_drop(&c->store, &t->request);
	sb_store_drop(&c->store, &t->last);
	sb_store_drop(&c->store, &t->best);
	sb_snapshot_drop(t->snap, c->cfg.worker);
	t->kind = SB_TXN_FREE;
	t->gen = (t->gen + 1) & SB_COOKIE_GEN_MASK;
	t->armed = SB_NEVER;
	t->keyed.next = c->txn_free;
	c->txn_free = slot;
	sb_stat_add(&c->usage.transactions, -1);
}

void sb_txn_free(struct sb_core *c, struct sb_txn *t)
{
	if (t->kind == SB_TXN_INVITE || t->kind == SB_TXN_OTHER)
		sb_table_drop(&c->table, sb_txn_slot(c, t));
	release(c, t);
}

struct sb_txn *sb_txn_find(struct sb_core *c, uint64_t key, uint32_t key2, struct sb_linger **linger)
{
	uint32_t ref = sb_table_find(&c->table, key, key2);
	*linger = NULL;
	if (ref == SB_NONE)
		return NULL;
	if (!(ref & SB_REF_SECOND))
		return &c->txn[ref];
	*linger = &c->linger[ref & ~SB_REF_SECOND];
	return NULL;
}

struct sb_txn *sb_txn_of_cookie(struct sb_core *c, const struct sb_cookie *k)
{
	if (k->worker != c->cfg.worker || k->slot >= c->txn_top)
		return NULL;
	struct sb_txn *t = &c->txn[k->slot];
	bool match = t->kind != SB_TXN_FREE && t->gen == k->gen && k->leg < t->n_legs;
	return match && t->leg[k->leg].state != SB_LEG_IDLE ? t : NULL;
}

void sb_txn_prefetch_end(const struct sb_core *c, const struct sb_txn *t)
{
	uint32_t next = c->linger_head + c->linger_n + RECORD_AHEAD;
	sb_table_prefetch(&c->table, t->keyed.key);
	if (next >= c->cfg.linger_max)
		next -= c->cfg.linger_max;
	__builtin_prefetch(&c->linger[next < c->cfg.linger_max ? next : 0], 1);
	sb_store_prefetch(&c->store, t->request);
	sb_store_prefetch(&c->store, t->last);
}

static void linger_drop_oldest(struct sb_core *c)
{
	uint32_t i = c->linger_head;
	sb_table_drop(&c->table, i | SB_REF_SECOND);
	c->linger_head = i + 1 == c->cfg.linger_max ? 0 : i + 1;
	c->linger_n--;
}

void sb_txn_to_linger(struct sb_core *c, struct sb_txn *t)
{
	if (c->linger_n == c->cfg.linger_max) {
		linger_drop_oldest(c);
		sb_count(c->cfg.counters, SB_C_linger_full);
	}
	uint32_t i = c->linger_head + c->linger_n;
	if (i >= c->cfg.linger_max)
		i -= c->cfg.linger_max;
	c->linger_n++;
	struct sb_linger *l = &c->linger[i];
	*l = (struct sb_linger){.keyed = t->keyed,
	        .slot = sb_txn_slot(c, t),
	        .gen = t->gen,
	        .expiry_ms = (uint32_t)(c->now_ms + 64ull * t->snap->t1_ms),
	        .up_port = t->up.port,
	        .up_family = t->up.family,
	        .listener_hash = sb_listener_hash(&t->snap->listeners[t->up_listener])};
	memcpy(l->up_ip, t->up.ip, 16);
	sb_table_replace(&c->table, sb_txn_slot(c, t), i | SB_REF_SECOND);
	release(c, t);
	atomic_store_explicit(&c->usage.lingering, c->linger_n, memory_order_relaxed);
}

/* The bucket of a record whose turn will come: it is anywhere. */
static void prefetch_expiry(const struct sb_core *c)
{
	uint32_t i = c->linger_head + EXPIRY_AHEAD;
	sb_table_prefetch(&c->table, c->linger[i < c->cfg.linger_max ? i : i - c->cfg.linger_max].keyed.key);
}

void sb_linger_expire(struct sb_core *c, unsigned budget)
{
	while (budget-- && c->linger_n && (int32_t)(c->linger[c->linger_head].expiry_ms - (uint32_t)c->now_ms) <= 0) {
		if (c->linger_n > EXPIRY_AHEAD)
			prefetch_expiry(c);
		linger_drop_oldest(c);
	}
	atomic_store_explicit(&c->usage.lingering, c->linger_n, memory_order_relaxed);
}

uint32_t sb_txn_now(const struct sb_core *c, const struct sb_txn *t)
{
	return (uint32_t)(c->now_ms - t->base_ms);
}

static uint32_t next_deadline(const struct sb_txn *t)
{
	uint32_t d = t->up_next < t->up_end ? t->up_next : t->up_end;
	for (unsigned i = 0; i < t->n_legs; i++) {
		if (t->leg[i].state == SB_LEG_IDLE)
			continue;
		if (t->leg[i].next < d)
			d = t->leg[i].next;
		if (t->leg[i].end < d)
			d = t->leg[i].end;
	}
	return d;
}

void sb_txn_arm(struct sb_core *c, struct sb_txn *t)
{
	uint32_t d = next_deadline(t);
	if (d == SB_NEVER)
		return;
	if (t->armed <= d)
		return; /* what is armed fires first; the deadline is looked at again then */
	t->arm_gen++;
	t->armed = d;
	struct sb_mail *m = sb_ring_begin(&c->cfg.mail->up);
	if (m) {
		m->op = SB_MAIL_ARM;
		m->timer.slot = sb_txn_slot(c, t);
		m->timer.gen = t->arm_gen;
		m->timer.deadline_ms = t->base_ms + d;
		sb_ring_commit(&c->cfg.mail->up);
		return;
	}
	sb_count(c->cfg.counters, SB_C_mail_full);
	if (t->next_unarmed == 0) { /* slot + 1, so that 0 means not on the list; UINT32_MAX ends it */
		t->next_unarmed = c->unarmed;
		c->unarmed = sb_txn_slot(c, t) + 1;
	}
}

void sb_txn_arm_pending(struct sb_core *c, unsigned budget)
{
	while (budget-- && c->unarmed != SB_NONE && sb_ring_room(&c->cfg.mail->up) > 0) {
		struct sb_txn *t = &c->txn[c->unarmed - 1];
		c->unarmed = t->next_unarmed;
		t->next_unarmed = 0;
		if (t->kind == SB_TXN_FREE)
			continue;
		t->armed = SB_NEVER;
		sb_txn_arm(c, t);
	}
}

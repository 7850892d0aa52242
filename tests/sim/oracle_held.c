/* SPDX-License-Identifier: BSD-3-Clause */
/* oracle_held.c - what the proxy may hold: of each call no longer than 64*T1 after its last message, and nothing after
 * the last message of all. */
#include "sim.h"

/* A slot: until the call is over, and 64*T1 from then on and from what a leg still had to say. A MESSAGE that ends in
 * silence does so within 64*T1, and is kept T4 longer. */
static bool slot_needed(const struct sim *s, const struct ocall *c)
{
	uint64_t whole = 64 * conf_of(s, c)->t1_ms * MS, slack = late_us(s) + 2 * SEC;
	if (!c->arrived || c->shed || c->boot != s->px.boot)
		return false;
	if (c->message && !c->final)
		return s->now <= c->arrived + 2 * whole + 5 * SEC + slack;
	return !c->final || s->now <= (c->touched > c->final_at ? c->touched : c->final_at) + whole + slack;
}

/* A record of an accepted call (RFC 6026). They leave in the order in which they came: one that came before T1 was made
 * shorter keeps those behind it. */
static bool record_needed(const struct sim *s, const struct ocall *c)
{
	uint64_t whole = 64 * s->t1_max_ms * MS;
	return !c->message && c->boot == s->px.boot && c->final >= 200 && c->final < 300 &&
	       s->now <= c->final_at + whole + late_us(s) + 2 * SEC;
}

static bool bye_needed(const struct sim *s, const struct obye *b)
{
	uint64_t whole = 64 * conf_of(s, &s->ocall[b->call])->t1_ms * MS;
	return b->boot == s->px.boot && !b->again.done && s->now <= b->born + whole + late_us(s) + 2 * SEC;
}

/* Now and then: no more than is needed. */
void oracle_held(struct sim *s)
{
	uint64_t slots = 0, records = 0, held = 0, lingering = 0;
	for (uint32_t i = 0; i < s->calls_started; i++) {
		slots += slot_needed(s, &s->ocall[i]);
		records += record_needed(s, &s->ocall[i]);
	}
	for (uint32_t i = 0; i < s->n_byes; i++)
		slots += bye_needed(s, &s->byes[i]);
	for (unsigned i = 0; i < s->px.n_workers; i++) {
		held += sb_core_usage(s->px.w[i].core)->transactions;
		lingering += sb_core_usage(s->px.w[i].core)->lingering;
	}
	if (held > slots)
		breach(s, "INV-LEAK", "%llu transactions are held, %llu are needed", (unsigned long long)held,
		        (unsigned long long)slots);
	if (lingering > records)
		breach(s, "INV-LEAK", "%llu records of accepted calls are held, %llu are needed",
		        (unsigned long long)lingering, (unsigned long long)records);
}

/* 64 * T1 after the last message; a MESSAGE that ends in silence does so without one, and is kept T4 longer. */
uint64_t oracle_free_at(const struct sim *s)
{
	uint64_t whole = 64 * s->t1_max_ms * MS, when = s->last_message + whole;
	for (uint32_t i = 0; i < s->calls_started; i++) {
		const struct ocall *c = &s->ocall[i];
		bool silent = c->message && c->arrived && !c->final && !c->shed && c->boot == s->px.boot;
		uint64_t kept = silent ? c->arrived + 128 * conf_of(s, c)->t1_ms * MS + 5 * SEC : 0;
		when = kept > when ? kept : when;
	}
	return when + 2 * SEC;
}

void oracle_free(struct sim *s)
{
	for (unsigned i = 0; i < s->px.n_workers; i++) {
		const struct worker *w = &s->px.w[i];
		const struct sb_core_usage *u = sb_core_usage(w->core);
		if (u->transactions || u->invites || u->lingering || u->text_bytes)
			breach(s, "INV-LEAK", "worker %u holds %llu transactions, %llu calls, %llu records, %llu bytes",
			        i, (unsigned long long)u->transactions, (unsigned long long)u->invites,
			        (unsigned long long)u->lingering, (unsigned long long)u->text_bytes);
		if (wire_busy(w->wire))
			breach(s, "INV-LEAK", "worker %u holds pieces of datagrams for ever", i);
		if (s->px.snap->refs[i].n)
			breach(s, "INV-LEAK", "worker %u holds the snapshot", i);
		for (unsigned t = 0; t < 64; t++)
			if (w->stats[t].active)
				breach(s, "INV-LEAK", "slot %u has %lld legs for ever", t,
				        (long long)w->stats[t].active);
	}
	if (s->px.n_old)
		breach(s, "INV-LEAK", "%u snapshots cannot be freed", s->px.n_old);
}

/* SPDX-License-Identifier: BSD-3-Clause */
#include "control/kernel/fib_build.h"

struct sb_fib_ranges {
	uint32_t holders; /* fibs, and whoever means to build one */
	uint32_t n4, n6;
	struct sb_fib_range *range4, *range6;
};

/* A prefix as the addresses it covers, in the order the sweep wants. */
struct span {
	uint8_t first[16], last[16];
	const struct sb_fib_prefix *prefix;
	uint32_t order; /* place in the input: makes qsort stable */
};

/* Prefixes either nest or are apart, so the open ones form a stack no deeper than there are lengths. */
struct sweep {
	const struct span *open[129];
	uint32_t depth;
	uint8_t cursor[16]; /* first address not yet given to a range */
	bool past_end;      /* the last address of the family has been given */
	uint32_t width;     /* bytes of an address: 4 or 16 */
	struct sb_fib_range *out;
	uint32_t n;
};

static struct span span_of(const struct sb_fib_prefix *p, uint32_t order)
{
	struct span s = {.prefix = p, .order = order};
	uint32_t width = p->net.family == 6 ? 16 : 4;
	for (uint32_t i = 0; i < width; i++) {
		uint32_t bits = p->net.bits > i * 8 ? p->net.bits - i * 8 : 0;
		uint8_t mask = bits >= 8 ? 0xff : (uint8_t)(0xff00 >> bits);
		s.first[i] = p->net.ip[i] & mask;
		s.last[i] = (uint8_t)(s.first[i] | ~mask);
	}
	return s;
}

/* By first address, shorter prefix first, best route first. */
static int span_order(const void *a, const void *b)
{
	const struct span *x = a, *y = b;
	int d = memcmp(x->first, y->first, 16);
	if (d == 0)
		d = (x->prefix->net.bits > y->prefix->net.bits) - (x->prefix->net.bits < y->prefix->net.bits);
	if (d == 0)
		d = (x->prefix->metric > y->prefix->metric) - (x->prefix->metric < y->prefix->metric);
	if (d == 0)
		d = (y->prefix->iface == SB_FIB_HOLE) - (x->prefix->iface == SB_FIB_HOLE);
	return d ? d : (x->order > y->order) - (x->order < y->order);
}

/* Adds or takes one; true when it wrapped. */
static bool step(uint8_t *ip, uint32_t width, bool up)
{
	for (uint32_t i = width; i-- > 0;) {
		uint8_t edge = up ? 0xff : 0;
		bool carry = ip[i] == edge;
		ip[i] = (uint8_t)(ip[i] + (up ? 1 : -1));
		if (!carry)
			return false;
	}
	return true;
}

/* True if r only goes on where the last range ended. */
static bool joins(const struct sweep *w, const struct sb_fib_range *r)
{
	uint8_t next[16];
	if (w->n == 0)
		return false;
	const struct sb_fib_range *last = &w->out[w->n - 1];
	memcpy(next, last->last, 16);
	return !step(next, w->width, true) && memcmp(next, r->first, 16) == 0 && last->iface == r->iface &&
	       sb_addr_eq(&last->gateway, &r->gateway);
}

/* Gives cursor..last to the prefix of s, and moves the cursor behind. */
static void emit(struct sweep *w, const struct span *s, const uint8_t last[16])
{
	if (w->past_end || memcmp(w->cursor, last, 16) > 0)
		return;
	struct sb_fib_range r = {.gateway = s->prefix->gateway, .iface = s->prefix->iface};
	memcpy(r.first, w->cursor, 16);
	memcpy(r.last, last, 16);
	r.gateway.port = 0;
	if (r.iface != SB_FIB_HOLE) {
		if (joins(w, &r))
			memcpy(w->out[w->n - 1].last, last, 16);
		else
			w->out[w->n++] = r;
	}
	memcpy(w->cursor, last, 16);
	w->past_end = step(w->cursor, w->width, true);
}

static void close_until(struct sweep *w, const uint8_t *first)
{
	while (w->depth && (!first || memcmp(w->open[w->depth - 1]->last, first, 16) < 0)) {
		const struct span *top = w->open[--w->depth];
		emit(w, top, top->last);
	}
}

/* out has room for 2 * n ranges: each span begins one and ends by resuming at most one. Returns how many there are. */
static uint32_t cut(const struct span *spans, uint32_t n, uint32_t width, struct sb_fib_range *out)
{
	struct sweep w = {.width = width, .out = out};
	for (uint32_t i = 0; i < n; i++) {
		const struct span *s = &spans[i];
		close_until(&w, s->first);
		if (w.depth) {
			const struct span *top = w.open[w.depth - 1];
			uint8_t before[16];
			if (top->prefix->net.bits == s->prefix->net.bits)
				continue; /* the same prefix again: a worse route */
			memcpy(before, s->first, 16);
			if (!step(before, width, false))
				emit(&w, top, before);
		}
		memcpy(w.cursor, s->first, 16);
		w.open[w.depth++] = s;
	}
	close_until(&w, NULL);
	return w.n;
}

static int build_ranges(const struct sb_fib_input *in, uint8_t family, struct sb_fib_range **ranges, uint32_t *n_ranges)
{
	uint32_t n = 0;
	for (uint32_t i = 0; i < in->n_prefixes; i++)
		n += in->prefixes[i].net.family == family;
	if (n == 0)
		return 0;
	struct span *spans = calloc(n, sizeof *spans);
	struct sb_fib_range *out = calloc((size_t)n * 2, sizeof *out), *fit;
	if (!spans || !out) {
		free(spans);
		free(out);
		return SB_E_NOMEM;
	}
	n = 0;
	for (uint32_t i = 0; i < in->n_prefixes; i++)
		if (in->prefixes[i].net.family == family)
			spans[n++] = span_of(&in->prefixes[i], i);
	qsort(spans, n, sizeof *spans, span_order);
	*n_ranges = cut(spans, n, family == 6 ? 16 : 4, out);
	free(spans);
	fit = realloc(out, ((size_t)*n_ranges + 1) * sizeof *out);
	*ranges = fit ? fit : out;
	return 0;
}

static int build_neighs(const struct sb_fib_input *in, struct sb_fib *f)
{
	uint32_t slots = 2;
	while (slots / 2 < in->n_neighs)
		slots *= 2;
	f->neigh = calloc(slots, sizeof *f->neigh);
	if (!f->neigh)
		return SB_E_NOMEM;
	f->neigh_mask = slots - 1;
	for (uint32_t i = 0; i < in->n_neighs; i++) {
		const struct sb_fib_neigh *e = &in->neighs[i];
		uint32_t at = sb_fib_neigh_hash(&e->ip, e->iface) & f->neigh_mask;
		while (f->neigh[at].ip.family &&
		        !(f->neigh[at].iface == e->iface && sb_addr_same_ip(&f->neigh[at].ip, &e->ip)))
			at = (at + 1) & f->neigh_mask; /* at most half full: an empty slot comes */
		f->neigh[at] = *e;
		f->neigh[at].ip.port = 0;
	}
	return 0;
}

static bool valid(const struct sb_fib_input *in)
{
	for (uint32_t i = 0; !in->ranges && i < in->n_prefixes; i++) {
		const struct sb_fib_prefix *p = &in->prefixes[i];
		if ((p->net.family != 4 && p->net.family != 6) || p->net.bits > (p->net.family == 6 ? 128 : 32))
			return false;
		if (p->iface != SB_FIB_HOLE && p->iface >= in->n_ifaces)
			return false;
	}
	for (uint32_t i = 0; i < in->n_neighs; i++)
		if ((in->neighs[i].ip.family != 4 && in->neighs[i].ip.family != 6) ||
		        in->neighs[i].iface >= in->n_ifaces)
			return false;
	return in->n_ifaces < SB_FIB_HOLE && in->n_neighs <= 1u << 30 && in->n_prefixes <= 1u << 30;
}

struct sb_fib_ranges *sb_fib_ranges_get(const struct sb_fib *f)
{
	f->held->holders++;
	return f->held;
}

void sb_fib_ranges_put(struct sb_fib_ranges *r)
{
	if (!r || --r->holders)
		return;
	free(r->range4);
	free(r->range6);
	free(r);
}

/* Those of somebody else, or new ones. */
static int hold_ranges(const struct sb_fib_input *in, struct sb_fib *f)
{
	struct sb_fib_ranges *r = in->ranges ? in->ranges : calloc(1, sizeof *r);
	if (!r)
		return SB_E_NOMEM;
	r->holders++;
	f->held = r;
	int err = in->ranges ? 0 : build_ranges(in, 4, &r->range4, &r->n4);
	if (!err && !in->ranges)
		err = build_ranges(in, 6, &r->range6, &r->n6);
	f->range4 = r->range4;
	f->range6 = r->range6;
	f->n_range4 = r->n4;
	f->n_range6 = r->n6;
	return err;
}

int sb_fib_build(const struct sb_fib_input *in, uint64_t generation, struct sb_fib **out)
{
	*out = NULL;
	if (!valid(in))
		return SB_E_INVAL;
	struct sb_fib *f = calloc(1, sizeof *f);
	if (!f)
		return SB_E_NOMEM;
	f->generation = generation;
	f->n_ifaces = in->n_ifaces;
	f->ifaces = calloc((size_t)in->n_ifaces + 1, sizeof *f->ifaces);
	int err = f->ifaces ? 0 : SB_E_NOMEM;
	if (!err && in->n_ifaces)
		memcpy(f->ifaces, in->ifaces, in->n_ifaces * sizeof *f->ifaces);
	if (!err)
		err = hold_ranges(in, f);
	if (!err)
		err = build_neighs(in, f);
	if (err) {
		sb_fib_free(f);
		return err;
	}
	*out = f;
	return 0;
}

void sb_fib_free(struct sb_fib *f)
{
	if (!f)
		return;
	free(f->ifaces);
	sb_fib_ranges_put(f->held);
	free(f->neigh);
	free(f);
}

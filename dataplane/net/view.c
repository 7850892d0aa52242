/* SPDX-License-Identifier: BSD-3-Clause */
/* view.c - which listener an address belongs to: a hash built once a snapshot, read by every packet. */
#include "dataplane/net/net.h"

static uint32_t hash(const uint8_t ip[16], uint16_t udp, uint16_t port)
{
	uint64_t a, b;
	memcpy(&a, ip, 8);
	memcpy(&b, ip + 8, 8);
	a = (a ^ b ^ (uint64_t)udp << 48 ^ port) * 0x9e3779b97f4a7c15ull;
	return (uint32_t)(a >> 32);
}

static struct sb_view_slot *probe(struct sb_view *v, uint16_t port, const struct sb_addr *a, uint16_t udp)
{
	uint32_t at = hash(a->ip, udp, port);
	for (;; at++) {
		struct sb_view_slot *s = &v->slot[at & v->mask];
		if (!s->listener)
			return s;
		if (s->udp == udp && s->listener->port == port && sb_addr_same_ip(&s->listener->addr, a))
			return s;
	}
}

struct sb_view *sb_view_new(const struct sb_snapshot *s)
{
	uint32_t slots = 8;
	while (slots < s->n_listeners * 4) /* two entries each, half empty: probe() always ends */
		slots *= 2;
	struct sb_view *v = calloc(1, sizeof *v + slots * sizeof v->slot[0]);
	if (!v)
		return NULL;
	v->snapshot = s;
	v->mask = slots - 1;
	for (uint32_t i = 0; i < s->n_listeners; i++) {
		const struct sb_snap_listener *l = &s->listeners[i];
		*probe(v, l->port, &l->addr, l->addr.port) = (struct sb_view_slot){l, l->addr.port};
		*probe(v, l->port, &l->addr, 0) = (struct sb_view_slot){l, 0};
	}
	return v;
}

const struct sb_snap_listener *sb_view_find(const struct sb_view *v, uint16_t port, const struct sb_addr *addr)
{
	if (!addr->port)
		return NULL;
	return probe((struct sb_view *)(uintptr_t)v, port, addr, addr->port)->listener;
}

bool sb_view_has_ip(const struct sb_view *v, uint16_t port, const struct sb_addr *addr)
{
	return probe((struct sb_view *)(uintptr_t)v, port, addr, 0)->listener;
}

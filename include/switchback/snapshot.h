/* SPDX-License-Identifier: BSD-3-Clause */
/* snapshot.h - the immutable result of one configuration load, as workers read it.
 * Owner: built and freed by control; published by pointer and never written again, save refs[], each by its worker.
 * Lifetime: until it is replaced, no worker can still be reading it (RCU) and no transaction holds a reference. */
#pragma once
#include <switchback/addr.h>
#include <switchback/health.h>
#include <switchback/prefix.h>
#include <stdalign.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#define SB_WORKERS_MAX    64
#define SB_NAME_MAX       32 /* with the NUL */
#define SB_PORTS_MAX      16
#define SB_CANDIDATES_MAX 16 /* trunks one request may try: bounds every hunt (P12) */

enum sb_parser { SB_PARSER_AUTO, SB_PARSER_OSIP };
enum sb_late_2xx { SB_LATE_FORWARD, SB_LATE_BYE };

struct sb_snap_listener {
	char name[SB_NAME_MAX];
	struct sb_addr addr;             /* what it is bound to; our Via sent-by and Record-Route host */
	char hostport[SB_ADDR_TEXT_MAX]; /* addr as text */
	uint8_t hostport_len;
	uint16_t port;    /* index into the daemon's ports: constant for the life of the process */
	uint16_t vlan;    /* of its port that the address is on; 0: untagged */
	uint32_t trust;   /* first of its networks in nets[] */
	uint32_t n_trust; /* 0: no new request is accepted here */
};

/* A set of final response codes 300..699. */
struct sb_code_set {
	uint64_t bits[7];
};

static inline bool sb_code_in(const struct sb_code_set *s, unsigned code)
{
	return code >= 300 && code < 700 && (s->bits[(code - 300) / 64] >> (code - 300) % 64 & 1);
}

static inline void sb_code_add(struct sb_code_set *s, unsigned code)
{
	if (code >= 300 && code < 700)
		s->bits[(code - 300) / 64] |= 1ull << (code - 300) % 64;
}

struct sb_snap_trunk {
	char name[SB_NAME_MAX];
	struct sb_addr addr;
	uint16_t listener;           /* index: the one it is reached from (P15) */
	uint16_t slot;               /* health slot: belongs to the name, stable over reloads (P20) */
	uint32_t trying_timer_ms;    /* a (S4.1) */
	uint32_t sends;              /* n = invite_retries + 1 */
	bool failover_after_ringing; /* P19 */
	struct sb_code_set failover_on;
	char probe_from[64];       /* From URI of probes, "" for sip:switchback@listener (P18) */
	char probe_user_agent[64]; /* "" none */
};

struct sb_snap_member {
	uint16_t trunk;    /* index into trunks[] */
	uint16_t priority; /* lower is tried first */
	uint16_t weight;   /* 1..65535: share within one priority */
};

struct sb_snap_group {
	char name[SB_NAME_MAX];
	uint32_t member, n_members; /* members[]: sorted by priority */
	uint64_t fallback_interval_ms;
};

enum sb_route_kind { SB_ROUTE_PREFIX, SB_ROUTE_DOMAIN, SB_ROUTE_SOURCE, SB_ROUTE_DEFAULT };

/* All prefixes that lead to the same groups share a route: of ten million, few routes are looked at, and they stay in
 * the cache. Which prefix it was: sb_prefix_match(). */
struct sb_snap_route {
	enum sb_route_kind kind;
	uint32_t key;             /* DOMAIN: offset in text[], NUL-terminated; SOURCE: index in nets[]; else 0 */
	uint32_t group, n_groups; /* route_groups[]: indexes into groups[], in order */
};

struct sb_snap_ref {
	alignas(64) _Atomic uint64_t
	        n; /* transactions of one worker that use this snapshot. That worker: rw, control: ro */
};

struct sb_snapshot {
	uint64_t generation;
	enum sb_parser parser;
	enum sb_late_2xx late_2xx;
	uint32_t idle_latency_us;                 /* how long a frame may wait for an idle worker; 0: it polls */
	uint32_t t1_ms, t2_ms, t4_ms, timer_c_ms; /* RFC 3261 17: 500, 4000, 5000; C > 180000 */
	uint32_t retry_after_s;                   /* told to whoever is shed */
	uint32_t invite_rate_per_source;          /* a second; 0: unlimited */
	bool overload_shed;                       /* a worker past its capacity turns new INVITEs away */
	uint32_t n_listeners, n_trunks, n_groups, n_routes;
	struct sb_snap_listener *listeners;
	struct sb_snap_trunk *trunks;
	struct sb_snap_member *members;
	struct sb_snap_group *groups;
	struct sb_snap_route *routes; /* non-prefix routes are few and searched in order: domain, source, default */
	uint32_t *route_groups;
	struct sb_net *nets;
	char *text;
	struct sb_prefix_table prefixes; /* they lead to routes[n_other_routes ...] */
	uint32_t n_other_routes;         /* routes[0..n_other_routes) are not PREFIX; the prefixes' follow */
	uint16_t *trunk_of_slot;         /* SB_TRUNKS_MAX entries: index in trunks[] or SB_NO_TRUNK */
	struct sb_snap_ref refs[SB_WORKERS_MAX];
};

/* One transaction more of that worker goes by s, which is the published one or held already. Relaxed: control looks at
 * the counts only when the worker has since said that it reads nothing older (RCU), which orders them. */
static inline void sb_snapshot_hold(const struct sb_snapshot *s, unsigned worker)
{
	_Atomic uint64_t *n = &((struct sb_snapshot *)(uintptr_t)s)->refs[worker].n;
	atomic_store_explicit(n, atomic_load_explicit(n, memory_order_relaxed) + 1, memory_order_relaxed);
}

/* One less. Release: with the last, control may free s at once, and what this worker has read of it must be read by
 * then.
 */
static inline void sb_snapshot_drop(const struct sb_snapshot *s, unsigned worker)
{
	_Atomic uint64_t *n = &((struct sb_snapshot *)(uintptr_t)s)->refs[worker].n;
	atomic_store_explicit(n, atomic_load_explicit(n, memory_order_relaxed) - 1, memory_order_release);
}

/* Control, once no worker can be reading s: does a transaction still go by it? Acquire: the other end of the drop. */
static inline bool sb_snapshot_held(const struct sb_snapshot *s)
{
	for (unsigned i = 0; i < SB_WORKERS_MAX; i++)
		if (atomic_load_explicit(&((struct sb_snapshot *)(uintptr_t)s)->refs[i].n, memory_order_acquire))
			return true;
	return false;
}

/* The route of the longest prefix of number[0..len); NULL if none. */
static inline const struct sb_snap_route *sb_prefix_find(const struct sb_snapshot *s, const char *number, size_t len)
{
	uint32_t route = sb_prefix_match(&s->prefixes, number, &len);
	return route == SB_PREFIX_NONE ? NULL : &s->routes[s->n_other_routes + route];
}

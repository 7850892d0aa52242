/* SPDX-License-Identifier: BSD-3-Clause */
/* snapshot.h - the immutable result of one configuration load, as workers read it.
 * Owner: built and freed by control; published by pointer and never written again, save refs[], each by its worker.
 * Lifetime: until it is replaced, no worker can still be reading it (RCU) and no transaction holds a reference. */
#pragma once
#include <switchback/addr.h>
#include <switchback/health.h>
#include <stdalign.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#define SB_WORKERS_MAX    64
#define SB_NAME_MAX       32 /* with the NUL */
#define SB_PORTS_MAX      16
#define SB_CANDIDATES_MAX 16 /* trunks one request may try: bounds every hunt (P12) */
#define SB_PREFIX_MAX     32 /* characters of a dialled number that count */

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

struct sb_snap_route {
	enum sb_route_kind kind;
	uint32_t key;             /* PREFIX, DOMAIN: offset in text[], NUL-terminated; SOURCE: index in nets[] */
	uint32_t group, n_groups; /* route_groups[]: indexes into groups[], in order */
};

/* Open-addressing hash of prefixes: a look-up hashes every length present, so their cache misses overlap. */
struct sb_prefix_slot {
	uint64_t hash;  /* of the prefix text; 0 empty */
	uint32_t text;  /* offset in text[] to verify */
	uint32_t route; /* index in routes[] */
};

struct sb_prefix_table {
	struct sb_prefix_slot *slot;
	uint64_t mask;    /* slots - 1 */
	uint64_t lengths; /* bit n set: some prefix has n characters (n < SB_PREFIX_MAX) */
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
	uint32_t n_listeners, n_trunks, n_groups, n_routes;
	struct sb_snap_listener *listeners;
	struct sb_snap_trunk *trunks;
	struct sb_snap_member *members;
	struct sb_snap_group *groups;
	struct sb_snap_route *routes; /* non-prefix routes are few and searched in order: domain, source, default */
	uint32_t *route_groups;
	struct sb_net *nets;
	char *text;
	struct sb_prefix_table prefixes;
	uint32_t n_other_routes; /* routes[0..n_other_routes) are not PREFIX */
	uint16_t *trunk_of_slot; /* SB_TRUNKS_MAX entries: index in trunks[] or SB_NO_TRUNK */
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

/* One step of the prefix hash: start with SB_PREFIX_SEED, feed characters, finish once a length. Never 0. */
#define SB_PREFIX_SEED 0x9e3779b97f4a7c15ull
static inline uint64_t sb_prefix_step(uint64_t h, uint8_t c)
{
	return (h ^ c) * 0xff51afd7ed558ccdull;
}

static inline uint64_t sb_prefix_finish(uint64_t h)
{
	h ^= h >> 32;
	h *= 0xc4ceb9fe1a85ec53ull;
	h ^= h >> 29;
	return h ? h : 1;
}

/* The route of the longest prefix of number[0..len); NULL if none. At most SB_PREFIX_MAX probes of short chains. */
static inline const struct sb_snap_route *sb_prefix_find(const struct sb_snapshot *s, const char *number, size_t len)
{
	const struct sb_prefix_table *t = &s->prefixes;
	uint64_t hash[SB_PREFIX_MAX], h = SB_PREFIX_SEED;
	if (!t->slot)
		return NULL;
	if (len >= SB_PREFIX_MAX)
		len = SB_PREFIX_MAX - 1;
	for (size_t n = 1; n <= len; n++) {
		h = sb_prefix_step(h, (uint8_t)number[n - 1]);
		hash[n] = sb_prefix_finish(h);
		if (t->lengths >> n & 1)
			__builtin_prefetch(&t->slot[hash[n] & t->mask]);
	}
	for (size_t n = len; n >= 1; n--) {
		if (!(t->lengths >> n & 1))
			continue;
		for (uint64_t i = hash[n] & t->mask; t->slot[i].hash; i = (i + 1) & t->mask) {
			const char *text = s->text + t->slot[i].text;
			if (t->slot[i].hash == hash[n] && memcmp(text, number, n) == 0 && !text[n])
				return &s->routes[t->slot[i].route];
		}
	}
	return NULL;
}

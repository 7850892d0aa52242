/* SPDX-License-Identifier: BSD-3-Clause */
/* core.h - one worker's SIP brain: packets, time and mail are handed in; packets and mail are handed out.
 * Owner: one worker thread, no locking. Lifetime: the worker's. Memory: one region handed over at init, never more.
 * Knows nothing of DPDK, sockets, clocks, config files. */
#pragma once
#include "dataplane/sip/keys.h"
#include "dataplane/sip/sip.h"
#include <switchback/counters.h>
#include <switchback/health.h>
#include <switchback/mailbox.h>
#include <switchback/snapshot.h>
#include <switchback/stats.h>

/* A datagram as the core sees it. In the daemon it lives in an mbuf's private area and text is the mbuf's data. */
struct sb_pkt {
	char *text;                              /* payload; SB_SIP_PAD readable bytes follow it */
	uint32_t len;                            /* bytes of payload */
	uint32_t cap;                            /* writable bytes at text */
	struct sb_addr peer;                     /* received: source; to send: destination */
	const struct sb_snap_listener *listener; /* received on, or to leave from; valid during the call */
};

/* How a datagram ended; the caller counts it: exactly one per datagram (rx = sum of ends). */
struct sb_end {
	enum sb_counter counter; /* SB_C_end_... or SB_C_drop_... */
};

/* What the environment does for the core. */
struct sb_core_ops {
	/* A fresh packet with cap >= size and SB_SIP_PAD more; NULL when there is none. The core owns it until
	 * send/free. */
	struct sb_pkt *(*alloc)(void *ctx, uint32_t size);
	void (*free)(void *ctx, struct sb_pkt *pkt);
	/* Takes the packet: peer, listener, text and len are set. False: it could not be sent and is gone all the same.
	 */
	bool (*send)(void *ctx, struct sb_pkt *pkt);
};

struct sb_core_config {
	uint8_t worker, n_workers;
	struct sb_keys keys;
	const struct sb_core_ops *ops;
	void *ops_ctx;
	struct sb_mailbox *mail;
	const struct sb_health_table *health;
	struct sb_counters *counters;
	struct sb_trunk_stats *trunk_stats; /* SB_TRUNKS_MAX of them */
	uint32_t transactions_max;          /* slots, <= SB_COOKIE_SLOTS_MAX */
	uint32_t linger_max;                /* compact records of accepted calls */
	uint64_t text_bytes_max;            /* bytes for stored requests and responses */
	void *memory;                       /* sb_core_memory(cfg) bytes, 64-aligned, zeroed; touched as it is used */
};

struct sb_core;

/* Bytes the core needs for these limits. */
size_t sb_core_memory(const struct sb_core_config *cfg);

/* Lays itself out in cfg->memory; returns it. Never fails if the memory is there. */
struct sb_core *sb_core_init(const struct sb_core_config *cfg);

/* The snapshot that new requests use from now on. Transactions keep the one they began with. */
void sb_core_snapshot(struct sb_core *core, const struct sb_snapshot *snapshot);

/* Who a message belongs to: made of its index alone, so that it may ride to another worker. */
struct sb_look {
	struct sb_cookie cookie; /* responses, if cookie_err is 0 */
	int cookie_err;          /* of sb_cookie_read() */
	uint64_t call;           /* requests: hash of Call-ID */
	uint64_t key;            /* requests: server transaction key (17.2.3), ... */
	uint32_t key2;           /* ... and what must agree as well */
	uint8_t read;            /* enum sb_read: which of these were set */
	bool final;              /* responses: it may end a transaction */
	bool magic;              /* requests: the key is made of what responses bring back: Via, Call-ID, CSeq */
	bool dialog; /* requests: as they come in a dialog; with a Route of ours, no transaction is looked for */
	bool brief;  /* requests: read in brief, to be turned away if it belongs to no transaction */
};

/* Reads a datagram, as sb_sip_read() does, and looks at it. Past capacity an INVITE of this worker that is to be shed,
 * and the ACK of such a 503, are read no further than that takes. */
enum sb_read sb_core_read(const struct sb_core *core, struct sb_sip *sip, const struct sb_pkt *pkt, bool osip,
        struct sb_look *look, bool *asked_osip);

/* The second half of that, for what has been read. */
void sb_core_look(const struct sb_core *core, const struct sb_sip *sip, enum sb_read read, struct sb_look *look);

/* The worker that owns a message (hash of Call-ID). Responses that no transaction waits for belong to whoever gets
 * them. */
uint8_t sb_core_owner(const struct sb_core *core, const struct sb_look *look);

/* Asks the caches for what sb_core_packet() will touch, in two steps: the first for all messages of a burst, then the
 * second, which reads what the first has asked for. */
void sb_core_prefetch(const struct sb_core *core, const struct sb_look *look);
void sb_core_prefetch_more(const struct sb_core *core, const struct sb_look *look);

/* One datagram of ours to handle. pkt stays the caller's, untouched. now_us: monotonic microseconds, never going back.
 */
struct sb_end sb_core_packet(struct sb_core *core, const struct sb_pkt *pkt, const struct sb_sip *sip,
        const struct sb_look *look, uint64_t now_us);

/* An ICMP error's quote of one of our datagrams: as much of the UDP payload as it holds (may be 0 bytes), where that
 * datagram went and from which listener. fatal: an unreachable, not e.g. "fragmentation needed". */
struct sb_end sb_core_icmp(struct sb_core *core, const struct sb_addr *to, const char *quote, size_t quote_len,
        bool fatal, uint64_t now_us);

/* One mail from control. */
void sb_core_mail(struct sb_core *core, const struct sb_mail *mail, uint64_t now_us);

/* Housekeeping: call once a loop. Bounded work: expires lingering records, posts timers that found no room, walks on
 * through legs of trunks that went DOWN. */
void sb_core_tick(struct sb_core *core, uint64_t now_us);

/* How many of SB_SHED_ALL new INVITEs are turned away from now on (P13): the worker is past what it can do, which only
 * its environment can know. */
#define SB_SHED_ALL 65536u
void sb_core_shed(struct sb_core *core, uint32_t share);

/* What of cfg->memory is touched for the first time as more comes into use: from base on, `high` bytes were, `size` may
 * be. Whoever makes the pages behind `high` present saves the worker the page faults. Any thread. */
#define SB_CORE_AREAS 4
struct sb_area {
	uint8_t *base;
	size_t high, size;
};
void sb_core_areas(const struct sb_core *core, struct sb_area out[SB_CORE_AREAS]);

/* What it holds now. */
const struct sb_core_usage *sb_core_usage(const struct sb_core *core);

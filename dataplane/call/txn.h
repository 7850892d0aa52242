/* SPDX-License-Identifier: BSD-3-Clause */
/* txn.h - one INVITE or non-INVITE exchange through the proxy: server side, current leg, past legs (RFC 3261 16, 17);
 * and the worker's core that holds them. Internal to dataplane/call.
 * Owner: one worker, no locking. Lifetime of a transaction: from the request until its last timer, 64*T1 after its end.
 * Knows nothing of DPDK, sockets, clocks, config files. */
#pragma once
#include "dataplane/call/core.h"
#include "dataplane/call/steer.h"
#include "dataplane/call/store.h"
#include "dataplane/call/table.h"
#include "dataplane/sip/compose.h"
#include <stdalign.h>

#define SB_NEVER        0xffffffffu
#define SB_RATE_WAYS    4    /* in a set */
#define SB_RATE_SOURCES 4096 /* token buckets of invite_rate_per_source */

/* What keys are derived for (sb_hash_key). */
enum { SB_KEY_TABLE = 1, SB_KEY_LOOP, SB_KEY_SHED };

enum sb_txn_kind {
	SB_TXN_FREE,
	SB_TXN_INVITE,
	SB_TXN_OTHER,
	SB_TXN_BYE /* ours: ends an unwanted 2xx; no server side */
};

/* Server side (17.2, RFC 6026). */
enum sb_srv {
	SB_SRV_PROCEEDING, /* no final answer has gone up */
	SB_SRV_COMPLETED,  /* non-2xx final sent; INVITE: until its ACK, resent by Timer G */
	SB_SRV_CONFIRMED,  /* ACKed */
	SB_SRV_ACCEPTED,   /* 2xx sent, other legs still owe something */
};

enum sb_leg_state {
	SB_LEG_IDLE,    /* its turn has not come */
	SB_LEG_CALLING, /* sent, no response */
	SB_LEG_PROCEEDING,
	SB_LEG_FAILED, /* non-2xx final received; INVITE: ACKed, and again for each retransmission (Timer D) */
	SB_LEG_ANSWERED,
	SB_LEG_DEAD, /* ICMP or unsendable: nothing more is expected, but what comes is handled */
};

enum {
	SB_LEG_GIVEN_UP = 1,      /* the hunt went on without it: a late answer is unexpected */
	SB_LEG_RINGING = 2,       /* a provisional other than 100 has come (P19) */
	SB_LEG_CANCEL_WANTED = 4, /* CANCEL goes out with the first provisional (16.10) */
	SB_LEG_CANCEL_SENT = 8,
	SB_LEG_CANCEL_DONE = 16, /* answered: no more retransmissions of it */
	SB_LEG_BYE_SENT = 32,    /* its 2xx was unwanted */
	SB_LEG_LAST = 64,        /* gets the full 64*T1 (S2.2) */
	SB_LEG_ALIVE_TOLD = 128, /* counted as evidence of life once */
};

/* Times are milliseconds since the transaction's base_ms. */
struct sb_leg {
	uint16_t trunk; /* index in the transaction's snapshot */
	uint8_t state;  /* enum sb_leg_state */
	uint8_t flags;
	uint8_t sends;            /* of the request */
	uint8_t cancel_sends : 7; /* of its CANCEL */
	uint8_t on_wire : 1;      /* the request has left at least once: no buffer was wanting */
	uint16_t status;          /* last final */
	uint32_t started;
	uint32_t next; /* next retransmission of the request or of its CANCEL; SB_NEVER: none */
	uint32_t end;  /* give-up time (formula, 64*T1, Timer C); SB_NEVER: none */
};

struct sb_txn {
	/* what every look-up reads */
	alignas(64) struct sb_keyed keyed; /* its next while the slot is free: of the free list */
	uint32_t gen;                      /* of the slot: in our cookies */
	uint8_t kind : 4, srv : 4;
	uint8_t method;
	uint8_t n_legs, cur;     /* candidates; the one whose turn it is */
	uint32_t up_status : 10; /* last response sent up */
	uint32_t best_status : 10;
	uint32_t tries : 5, strip_routes : 2, cancelled : 1;
	uint32_t mute : 1;     /* the final that went up could not be kept: it is not resent, rather than made up */
	uint32_t magic : 1;    /* its key is made of what responses bring with them */
	uint32_t arm_gen;      /* of the timer last asked for */
	uint32_t armed;        /* when it fires, since base_ms; SB_NEVER: none asked for */
	uint32_t next_unarmed; /* list: slot + 1, so that 0 means not on it */
	uint64_t base_ms;
	uint32_t up_next;    /* Timer G, since base_ms */
	uint32_t up_end;     /* the whole transaction's end, since base_ms; SB_NEVER while it hunts */
	uint16_t base_us;    /* it arrived so much after base_ms */
	uint16_t g_interval; /* of Timer G */
	uint32_t g_end;      /* Timer H, since base_ms */
	/* server side */
	alignas(64) const struct sb_snapshot *snap;
	struct sb_addr up;    /* where responses go (18.2.2, R3581) */
	uint16_t source_port; /* where the request came from, at the same address */
	uint16_t up_listener; /* index in snap */
	uint32_t hunt_end;    /* INVITE: beyond this nobody else is asked, since base_ms; SB_NEVER: not bounded yet */
	uint32_t loop;
	struct sb_text request;
	struct sb_text last; /* last response sent up, as sent */
	struct sb_text best; /* best final received so far, as it would go up */
	struct sb_leg leg[SB_CANDIDATES_MAX];
};
_Static_assert(offsetof(struct sb_txn, leg) == 128, "a message of a call with few legs finds it on three cache lines");
_Static_assert(sizeof(struct sb_txn) == 448, "with a request of 1 100 bytes and its 180 a ringing INVITE fits 2 KiB");

static inline struct sb_addr sb_txn_source(const struct sb_txn *t)
{
	struct sb_addr source = t->up;
	sb_addr_set_port(&source, t->source_port);
	return source;
}

/* What is left of an accepted INVITE for 64*T1 (RFC 6026): enough to absorb and to relay. */
struct sb_linger {
	struct sb_keyed keyed;
	uint32_t slot, gen; /* its cookie */
	uint32_t expiry_ms; /* low 32 bits */
	uint8_t up_ip[16];
	uint16_t up_port;
	uint8_t up_family;
	uint32_t listener_hash; /* of the listener's address it answers from: indexes change with reloads */
};
_Static_assert(sizeof(struct sb_linger) <= 64, "at 600 k calls/s 19 M of these are alive");

struct sb_rate {
	uint64_t hash;
	uint64_t at_ms;
	uint32_t milli; /* tokens * 1000 */
};

struct sb_core {
	struct sb_core_config cfg;
	const struct sb_snapshot *snap;
	uint64_t now_us, now_ms;
	uint8_t table_key[16]; /* of hashes that nobody is shown */
	uint8_t loop_key[16];  /* of the one in our branches */
	struct sb_store store;
	struct sb_txn *txn;
	uint32_t txn_top, txn_free; /* never-used slots begin at top; LIFO of used ones */
	struct sb_linger *linger;
	uint32_t linger_head, linger_n; /* ring: oldest, count */
	struct sb_table table;          /* of both, by server key */
	uint32_t unarmed;               /* list of slots whose ARM found no room */
	uint32_t scan_at, scan_left;    /* walk after a trunk went DOWN */
	uint64_t events_ms;             /* limiter of the event log */
	uint32_t events_n;
	uint64_t full_event_ms;
	uint32_t shed_share; /* of SB_SHED_ALL */
	char shed_extra[32]; /* "Retry-After: ...", of so many seconds */
	uint32_t shed_extra_s;
	uint64_t shed_tag;          /* what tags of its 503s begin with: the upper half */
	char shed_tag_text[8];      /* the same */
	uint8_t shed_key[16];       /* of the other half */
	uint64_t shed_tag_until_ms; /* one has come back by a trunk: until then ACKs with such tags are looked up */
	uint64_t overload_event_ms;
	struct sb_rate *rates;
	struct sb_core_usage usage;
};

/* ---- pool.c: slots, lingering records, timers */
struct sb_txn *sb_txn_new(struct sb_core *c, enum sb_txn_kind kind);
void sb_txn_free(struct sb_core *c, struct sb_txn *t);
uint32_t sb_txn_slot(const struct sb_core *c, const struct sb_txn *t);
/* By server key: the transaction, or a lingering record; both NULL: unknown. */
struct sb_txn *sb_txn_find(struct sb_core *c, uint64_t key, uint32_t key2, struct sb_linger **linger);
struct sb_txn *sb_txn_of_cookie(struct sb_core *c, const struct sb_cookie *k);
/* Asks the caches for what the end of a transaction touches. */
void sb_txn_prefetch_end(const struct sb_core *c, const struct sb_txn *t);
/* Frees the transaction and leaves a record for 64*T1. */
void sb_txn_to_linger(struct sb_core *c, struct sb_txn *t);
void sb_linger_expire(struct sb_core *c, unsigned budget);
/* Asks control for the transaction's next deadline if none that is early enough was asked for. */
void sb_txn_arm(struct sb_core *c, struct sb_txn *t);
void sb_txn_arm_pending(struct sb_core *c, unsigned budget);
uint32_t sb_txn_now(const struct sb_core *c, const struct sb_txn *t); /* ms since its base */

/* ---- look.c */
/* The keys of the INVITE that a response answers whose Via below ours is `below`. False: an RFC 2543 client's, whose
 * keys a response does not tell. */
bool sb_look_below(
        const struct sb_core *c, const struct sb_sip *sip, const struct sb_via *below, uint64_t *key, uint32_t *key2);

/* ---- out.c: sending, replying, telling */
struct sb_pkt *sb_out_alloc(struct sb_core *c, uint32_t size);
/* Sends n bytes composed into pkt, or frees it if n < 0. */
bool sb_out_send(
        struct sb_core *c, struct sb_pkt *pkt, int n, const struct sb_addr *to, const struct sb_snap_listener *from);
bool sb_out_text(struct sb_core *c, struct sb_text text, const struct sb_addr *to, const struct sb_snap_listener *from);
struct sb_addr sb_out_target(const struct sb_sip *sip, const struct sb_addr *source);
/* Answers a request without state. */
struct sb_end sb_out_reply(struct sb_core *c, const struct sb_pkt *pkt, const struct sb_sip *sip, unsigned status,
        const char *reason, const char *extra);
/* The same with a To tag of 16 bytes. */
struct sb_end sb_out_reply_tagged(struct sb_core *c, const struct sb_pkt *pkt, const struct sb_sip *sip,
        unsigned status, const char *reason, const char *extra, const char tag[16]);
/* The To tag of our own answers: the same for the same request, so that retransmissions get the same. 16 bytes. */
void sb_out_tag(const struct sb_core *c, const struct sb_sip *sip, char tag[16]);
struct sb_end sb_ended(enum sb_counter counter);
/* Has the trunk still the address it had when the call came? What an address did is not told of the one that a reload
 * has put in its place (P7, P10). */
bool sb_tell_still_there(const struct sb_core *c, const struct sb_txn *t, uint16_t trunk);
void sb_tell_evidence(struct sb_core *c, const struct sb_txn *t, uint16_t trunk, enum sb_evidence kind, uint16_t code,
        uint32_t retry_after_s);
/* A trunk's final of failover_on, from: who sent it. counts: it ends the turn of a leg that the caller still waits for.
 * If not, it is no evidence against the trunk, but a 503's Retry-After is meant for all calls to come: it is told, too.
 */
void sb_tell_refusal(struct sb_core *c, const struct sb_txn *t, uint16_t trunk, const struct sb_addr *from,
        const struct sb_sip *sip, bool counts);
void sb_tell_event(struct sb_core *c, const struct sb_txn *t, struct sb_mail *m, const struct sb_sip *sip);
struct sb_trunk_stats *sb_stats_of(struct sb_core *c, const struct sb_txn *t, uint16_t trunk);
static inline void sb_stat_add(_Atomic uint64_t *v, int64_t n)
{
	atomic_store_explicit(v, atomic_load_explicit(v, memory_order_relaxed) + (uint64_t)n, memory_order_relaxed);
}

/* ---- leg.c: what goes to a trunk */
/* Sends the request to the leg's trunk, first time or again. sip: of the request if the caller has it, or NULL. */
bool sb_leg_send(struct sb_core *c, struct sb_txn *t, unsigned leg, const struct sb_sip *sip);
void sb_leg_ack(struct sb_core *c, struct sb_txn *t, unsigned leg, const struct sb_sip *response);
/* CANCELs the leg now if a provisional has come, else as soon as one comes. */
void sb_leg_cancel(struct sb_core *c, struct sb_txn *t, unsigned leg);
void sb_leg_cancel_again(struct sb_core *c, struct sb_txn *t, unsigned leg);
/* ACKs a 2xx nobody wants, and BYEs it the first time. */
void sb_leg_unwanted(
        struct sb_core *c, struct sb_txn *t, unsigned leg, const struct sb_pkt *pkt, const struct sb_sip *response);
const struct sb_snap_trunk *sb_leg_trunk(const struct sb_txn *t, unsigned leg);
void sb_leg_branch(const struct sb_core *c, const struct sb_txn *t, unsigned leg, char branch[SB_BRANCH_LEN]);
/* The whole 64*T1 of a last candidate (S2.2). Those behind it are DOWN now; should they come back, they may have what
 * they would have had without that, so a caller waits no longer than the candidates of its call made it expect. */
void sb_leg_last(struct sb_txn *t, unsigned leg);
/* Retransmissions, give-up time and figures of a leg that begins now. */
void sb_leg_begin(struct sb_core *c, struct sb_txn *t, unsigned leg, bool last);
/* Sends again and sets the next time: a, 2a, 4a ... after one another (S4.1), counted from when it was due, not from
 * now. */
bool sb_leg_retransmit(struct sb_core *c, struct sb_txn *t, unsigned leg);
/* The hunt goes on without it. */
void sb_leg_give_up(struct sb_core *c, struct sb_txn *t, unsigned leg);
void sb_leg_settle(struct sb_core *c, struct sb_txn *t, unsigned leg, enum sb_leg_state state);
void sb_leg_alive(struct sb_core *c, struct sb_txn *t, unsigned leg);

/* ---- hunt.c: which leg next (INVITE and others) */
/* Gives the current leg up for why and tries the next usable candidate. False: none is left. */
bool sb_hunt_next(struct sb_core *c, struct sb_txn *t, enum sb_evidence why, const struct sb_sip *sip);
/* Is a usable candidate left behind the current one? */
bool sb_hunt_more(struct sb_core *c, const struct sb_txn *t);
/* A final as it goes up, composed into pkt: its length. A 503 goes up as 500 (P12). 0: it has lost the Vias above ours,
 * so what goes up can only be of our own making. */
int sb_hunt_compose(const struct sb_sip *response, struct sb_pkt *pkt);
/* Keeps the n bytes in pkt, a final with that status, if it is better than what is kept (16.7 step 6). n 0: its status
 * alone. */
void sb_hunt_best(struct sb_core *c, struct sb_txn *t, unsigned status, const struct sb_pkt *pkt, int n);
/* Is the final that is kept better than one with this status? */
bool sb_hunt_kept_is_better(const struct sb_txn *t, unsigned status);
/* A final that we make ourselves stands for a leg that gave none: 408 or 503. */
void sb_hunt_virtual(struct sb_core *c, struct sb_txn *t, unsigned status);

/* ---- invite.c, other.c: the two state machines */
struct sb_end sb_invite_new(struct sb_core *c, struct sb_txn *t, const struct sb_pkt *pkt, const struct sb_sip *sip);
struct sb_end sb_invite_again(struct sb_core *c, struct sb_txn *t);
struct sb_end sb_invite_acked(struct sb_core *c, struct sb_txn *t);
struct sb_end sb_invite_cancelled(
        struct sb_core *c, struct sb_txn *t, const struct sb_pkt *pkt, const struct sb_sip *sip);
struct sb_end sb_invite_response(
        struct sb_core *c, struct sb_txn *t, unsigned leg, const struct sb_pkt *pkt, const struct sb_sip *sip);
void sb_invite_time(struct sb_core *c, struct sb_txn *t);
void sb_invite_leg_failed(struct sb_core *c, struct sb_txn *t, unsigned leg, enum sb_evidence why);

struct sb_end sb_other_new(struct sb_core *c, struct sb_txn *t, const struct sb_pkt *pkt, const struct sb_sip *sip);
struct sb_end sb_other_again(struct sb_core *c, struct sb_txn *t);
struct sb_end sb_other_response(
        struct sb_core *c, struct sb_txn *t, unsigned leg, const struct sb_pkt *in, const struct sb_sip *sip);
void sb_other_time(struct sb_core *c, struct sb_txn *t);
void sb_other_leg_failed(struct sb_core *c, struct sb_txn *t, unsigned leg, enum sb_evidence why);

/* ---- shed.c: new calls that are turned away */
void sb_shed_init(struct sb_core *c);
/* Which calls are shed, their Call-ID's hash says: as long as the share stands, copies of an INVITE (sent again, or
 * forked) and the one that follows a challenge fare as the first did. None that was turned away rings all the same. The
 * bits are not those that choose a worker, and trunks are drawn by another mix of the hash. */
bool sb_shed_call(const struct sb_core *c, uint64_t call);
/* Is it an ACK of sb_shed_overload()'s answer? Only that bears such a tag, unless sb_shed_came_back() has seen one. */
bool sb_shed_acked(const struct sb_core *c, const struct sb_pkt *pkt);
/* A refusal comes from a trunk; if it is one of ours that has gone round, its tag will be in ACKs that mean something.
 */
void sb_shed_came_back(struct sb_core *c, const struct sb_sip *sip);
/* 503 with Retry-After: whoever is shed is told when to come back. */
struct sb_end sb_shed_reply(struct sb_core *c, const struct sb_pkt *pkt, const struct sb_sip *sip);
struct sb_end sb_shed_table_full(struct sb_core *c, const struct sb_pkt *pkt, const struct sb_sip *sip);
/* Of an INVITE that may have been read in brief. */
struct sb_end sb_shed_overload(
        struct sb_core *c, const struct sb_pkt *pkt, const struct sb_sip *sip, const struct sb_look *look);

/* ---- request.c: requests that belong to no transaction yet */
struct sb_own_route;
/* own: of sip, if the caller has it, or NULL. */
struct sb_end sb_request_new(struct sb_core *c, const struct sb_pkt *pkt, const struct sb_sip *sip,
        const struct sb_look *look, const struct sb_own_route *own);

bool sb_request_trusted(const struct sb_core *c, const struct sb_pkt *pkt);

/* ---- dialog.c: relaying without state */
enum sb_route_owner { SB_ROUTE_NONE, SB_ROUTE_FOREIGN, SB_ROUTE_UNSIGNED, SB_ROUTE_SIGNED };
struct sb_own_route {
	enum sb_route_owner owner;
	unsigned n;                           /* own Route values on top: 0..2 */
	bool to_initiator;                    /* it is who is in To that began the dialog */
	const struct sb_snap_listener *leave; /* listener of the last of them */
	struct sb_route_walk rest;            /* the walk behind them */
};
/* It is in a dialog; own: of sip, signed. In request.c. */
struct sb_end sb_request_in_dialog(
        struct sb_core *c, const struct sb_pkt *pkt, const struct sb_sip *sip, const struct sb_own_route *own);
void sb_dialog_own_route(struct sb_core *c, const struct sb_sip *sip, struct sb_own_route *own);
struct sb_end sb_dialog_request(
        struct sb_core *c, const struct sb_pkt *pkt, const struct sb_sip *sip, const struct sb_own_route *own);
struct sb_end sb_dialog_response(struct sb_core *c, const struct sb_sip *sip, const struct sb_cookie *k);
/* Pops our Via and sends a response to an address: for accepted calls whose slot is gone. */
struct sb_end sb_dialog_linger_response(struct sb_core *c, const struct sb_sip *sip, const struct sb_linger *l);
const struct sb_snap_listener *sb_listener_at(const struct sb_snapshot *s, const struct sb_addr *a);
uint32_t sb_listener_hash(const struct sb_snap_listener *l);

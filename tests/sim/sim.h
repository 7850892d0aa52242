/* SPDX-License-Identifier: BSD-3-Clause */
/* sim.h - a deterministic world around the shipping core of both planes: one seed, virtual time, no threads.
 * The peers and the oracle read SIP with their own eyes (msg.c), written from the RFCs: of the product they use the
 * public entry points and the shared structs alone. Owner: one run of one seed. */
#pragma once
#include "control/config/config.h"
#include "control/engine.h"
#include "dataplane/call/core.h"
#include "dataplane/sip/keys.h"
#include "dataplane/sip/osip.h"
#include <assert.h>
#include <stdio.h>

#define WORKERS_MAX 3
#define TRUNKS_MAX  20
#define GROUPS_MAX  5
#define ROUTES_MAX  8
#define LISTENERS   5
#define LEGS_MAX    16
#define TEXT_MAX    6000
#define BODY_MAX    4600
#define RX_MAX      512 /* frames in a port's queue */
#define IN_MAX      256 /* in a ring between workers */
#define CALLERS     16  /* the upper half by IPv6 */
#define MS          1000ull
#define SEC         1000000ull
#define NEVER       UINT64_MAX

/* ---- addresses: 10.a.b.c, or its twin fd00::0aaa:bbcc */
struct ep {
	uint32_t ip;
	uint16_t port;
	bool v6;
};
#define IP(a, b, c, d) ((uint32_t)(a) << 24 | (uint32_t)(b) << 16 | (uint32_t)(c) << 8 | (uint32_t)(d))
static inline bool ep_eq(struct ep a, struct ep b)
{
	return a.ip == b.ip && a.port == b.port && a.v6 == b.v6;
}

/* ---- profile: what may go wrong, in 1/1000 where it ends in _pm */
struct profile {
	const char *name;
	unsigned loss_pm, dup_pm, reorder_pm, reorder_ms, garbage_pm, corrupt_pm;
	unsigned frames_pm, big_pm;                           /* worlds with frames; calls with large bodies in them */
	unsigned alloc_fail_pm, send_fail_pm;                 /* while a shortage lasts */
	unsigned shortage_s, oper_s, stall_s, kill_s, mode_s; /* mean time between; 0: never */
	unsigned stall_ms;                                    /* longest */
	unsigned shed_pm; /* of new INVITEs: shed by a worker that was stalled, for as long again */
	unsigned rate;    /* calls a second */
	unsigned slots_min, slots_max, ring_min, ring_max; /* powers of two for rings */
	unsigned queues_min; /* of the port's queue and of the ring between workers; 0: as large as they get */
	unsigned late_ms;    /* how late a timer may be acted on */
};

/* What must have been seen in a run of many seeds: a scenario that no longer happens proves nothing. */
enum seen {
#define X(name) SEEN_##name,
#include "seen.def"
#undef X
	SEEN_MAX
};

/* ---- the configuration, as the oracle knows it; oper.c writes it as YAML for the product */
struct conf_trunk {
	bool present, probed, after_ringing, v6;
	uint32_t a_ms, n; /* trying timer, sends */
	uint32_t interval_ms, timeout_ms, failures, successes, min_ms, max_ms, ramp_ms;
	uint8_t listener;
	uint16_t port; /* of its address */
};
struct conf_group {
	uint32_t fallback_ms;
	uint8_t priority[TRUNKS_MAX]; /* 0: no member */
	uint8_t weight[TRUNKS_MAX];
};
enum { BY_PREFIX, BY_DOMAIN, BY_SOURCE, BY_DEFAULT };
struct conf_route {
	uint8_t by, n, group[GROUPS_MAX];
	char text[16];  /* prefix or domain */
	uint8_t source; /* caller */
};
struct conf {
	struct conf_trunk trunk[TRUNKS_MAX];
	struct conf_group group[GROUPS_MAX];
	struct conf_route route[ROUTES_MAX];
	uint8_t n_routes;
	bool late_bye, osip;
	uint32_t t1_ms, rate; /* INVITEs a second and source; 0: any */
};

/* ---- messages as the peers and the oracle see them */
struct str {
	const char *p;
	uint32_t n;
};
struct msg {
	bool request;
	unsigned status, cseq;
	struct str method; /* of a response: CSeq's */
	struct str uri, branch, via[8], rr[4], route[4], from, to, from_tag, to_tag, call_id, cseq_line, contact, body;
	unsigned n_via, n_rr, n_route;
	uint32_t retry_after, max_forwards, length;
	uint32_t call; /* number in our Call-IDs; UINT32_MAX: not ours */
};
bool msg_read(struct msg *m, const char *text, uint32_t len);
bool str_is(struct str s, const char *text);
bool str_eq(struct str a, struct str b);
struct str uri_of(struct str value); /* between < and > */
struct str param(struct str value, const char *name);
uint32_t number(struct str s);
bool ep_of_uri(struct str uri, struct ep *out);
bool ep_of_via(struct str via, struct ep *out); /* where its responses go (18.2.2, RFC 3581) */

struct out {
	char text[TEXT_MAX];
	uint32_t n;
};
void put(struct out *o, const char *s);
void put_str(struct out *o, struct str s);
void put_n(struct out *o, uint64_t n);
void put_ep(struct out *o, struct ep e);
void put_line(struct out *o, const char *name, struct str value);
/* n bytes of body that nobody else's is like, with their Content-Length and the empty line. */
void put_body(struct out *o, uint32_t whose, uint32_t n);
bool body_is(struct str body, uint32_t whose);

/* ---- time and packets */
enum ev {
	EV_PACKET,
	EV_FRAME,
	EV_ICMP,
	EV_CALL,
	EV_INVITE_AGAIN,
	EV_CANCEL,
	EV_BYE,
	EV_MID,
	EV_MID_AGAIN,
	EV_CALLER_OVER,
	EV_UAS,
	EV_UAS_AGAIN,
	EV_UAS_MID,
	EV_UAS_MID_AGAIN,
	EV_DEADLINE,
	EV_LEG_DUE,
	EV_AGAIN_DUE,
	EV_HELD,
	EV_MODE,
	EV_OPER,
	EV_STALL,
	EV_KILL,
	EV_SHORTAGE,
	EV_GARBAGE
};
enum packet_kind { PACKET_TEXT, PACKET_FRAME, PACKET_ICMP };
struct packet {
	struct packet *next;
	struct ep src, dst;
	uint32_t len, whole; /* whole: of an ICMP error's datagram, of which len bytes are quoted */
	enum packet_kind kind;
	bool fatal, corrupt;
	char text[TEXT_MAX + SB_SIP_PAD]; /* the datagram's; or Ethernet, IP and what it carries */
};
struct event {
	uint64_t at, seq;
	enum ev kind;
	uint32_t a, b;
	struct packet *p;
};

/* ---- callers */
enum { CALL_IDLE, CALL_CALLING, CALL_PROCEEDING, CALL_FAILED, CALL_UP, CALL_OVER };
struct fork {
	char tag[40];
	char *answer; /* the 2xx, for routes and contact */
	uint32_t answer_len;
	uint8_t state; /* 0 up, 1 BYE sent, 2 over */
	uint8_t bye_sends;
};
/* One request within a dialog: what one side has under way, and what the other last saw of it. */
struct mid {
	const char *method;
	uint16_t cseq, sends;
	bool done;
	uint16_t seen_cseq;
	uint64_t seen_dialog, seen_branch;
};
struct ucall {
	uint8_t state, sends, n_forks, cancel_sends, caller, listener, dial;
	bool message, cancel_wanted, cancel_done, counted, rport, other_domain, cursed, never_acks;
	uint16_t final, body;
	uint64_t started;
	struct mid mid; /* in fork[0] */
	struct fork fork[4];
};

/* ---- trunks */
enum mode { MODE_OK, MODE_SILENT, MODE_ICMP, MODE_REJECT, MODE_REJECT_AFTER, MODE_SLOW, MODE_FLAP, MODES };
struct uas {
	uint32_t next, call; /* hash chain */
	uint8_t trunk, plan, step, sends;
	bool acked, finalled, over, talks;
	struct ep me; /* where it was when the call came */
	struct mid mid;
	uint16_t status; /* last sent */
	uint8_t tag;     /* 1, or 2 for the second answer of a fork */
	char *request;
	uint32_t request_len, gen, retry_after;
	uint64_t wait_us;
	char branch[64];
	uint32_t branch_len;
};

/* ---- what the oracle remembers */
struct oagain { /* what is sent until it is answered */
	uint64_t first, next;
	uint32_t t1_ms;
	uint8_t sends;
	bool done;
};
struct obye { /* of the proxy's own */
	char branch[64];
	uint32_t call, boot;
	uint64_t born;
	bool kept;
	struct oagain again;
};
struct oleg {
	char branch[64];
	uint8_t branch_len, trunk, sends;
	bool prov, ringing, dead, cancel_sent, byed;
	uint16_t final;
	uint64_t start, first_response;
	uint32_t a_ms, n;
	struct oagain cancel;
	uint8_t behind_least, behind_most; /* usable candidates behind it when it began */
};
struct ocall {
	uint64_t arrived, final_at, last_prov, final_hash;
	uint64_t touched;  /* a leg's last response or CANCEL */
	uint64_t patience; /* a leg has had more than its formula: the others may have theirs until then; 0: not bounded
	                    */
	struct ep from;
	uint32_t boot;
	uint16_t final;
	uint8_t n_legs, conf, route;
	uint32_t candidates; /* bit t: trunk t was usable when the INVITE came */
	uint32_t untried;    /* of them, those not asked, be they DOWN meanwhile */
	uint32_t proven;     /* UP or SUSPECT then, and not held back */
	uint32_t shaky;      /* on the route and neither that nor DOWN nor switched off */
	uint32_t unproven;   /* of those, PROBING or HALF_OPEN */
	bool shed, disturbed, cancelled, message;
	bool answered;    /* a MESSAGE: a trunk has said, or its host, what the caller must be told in the end */
	bool maybe;       /* there was no buffer for any answer: it may have been taken or refused */
	struct oagain up; /* the failure that went up */
	struct oleg leg[LEGS_MAX];
};
struct otrunk {
	enum sb_health_state state;
	uint64_t serving_since, down_since, hold_at, hold_until, last_probe, spoke_at;
	uint32_t good_row, alive_since, gaps;
	double odds; /* log2 of how unlikely the waits between the last probes are */
	bool was_down, ramp_free, probe_answered;
	char probe_branch[64];
};
/* How often the draw by weight took a trunk, and how often it should have: the sums of p and of p * (1 - p). */
struct oshare {
	uint32_t taken;
	double due, variance;
};
struct orate { /* of one source and worker: when its last INVITEs came, and which of them were let through */
	uint64_t came[64], passed[64];
	uint32_t n_came, n_passed;
	uint64_t full_at; /* all of its rate was there then */
};
struct step { /* what one hand-over to the core led to */
	enum { STEP_TIME, STEP_REQUEST, STEP_RESPONSE, STEP_ICMP, STEP_JUNK, STEP_STRANGER, STEP_FORGED } kind;
	struct msg in;
	struct ep in_src, in_dst;
	const struct worker *w;
	struct ocall *call;
	struct oleg *leg;
	bool aged; /* known, or forgotten by now: either is right */
	bool fresh, live, late, was_cancelled, was_over, disturbed;
	bool goes_on; /* a MESSAGE that was certainly not over */
	uint16_t final_before;
	unsigned n_out, new_legs, requests_out, acks, own_acks, byes, cancels, up_2xx, up_prov, replies, relayed;
	unsigned reply_status;
	struct ep relayed_to, relayed_from;
	uint64_t shed_rate, shed_full, shed_overload; /* counted so far */
};

/* ---- the system under test */
struct queue {
	struct packet **at;
	uint32_t head, n, max;
};
struct handed {
	struct sb_look look;
	struct packet *p;
	struct sb_sip sip;
	enum sb_read read;
};
struct wire; /* wire.c: what of dataplane/net is pure, for one worker */
struct worker {
	struct sb_core *core;
	struct sb_core_config cfg;
	struct sb_mailbox mail;
	struct sb_counters counters;
	struct sb_trunk_stats *stats;
	struct queue rx;
	struct handed *in;
	uint32_t n_in;
	struct wire *wire; /* NULL: datagrams are handed over as they are */
	struct sb_snapshot *snap;
	uint8_t conf;
	uint64_t run_at, stall_until, busy_until, mail_full_seen, sheds_until;
	struct sim *sim;
};
struct proxy {
	unsigned n_workers, boot;
	struct worker w[WORKERS_MAX];
	struct sb_engine *engine;
	struct sb_health_table *health;
	struct sb_slots *slots;
	struct sb_keys keys;
	struct sb_snapshot *snap, *old[64];
	struct sb_config *cfg; /* what runs, without its snapshot */
	unsigned n_old;
	uint64_t control_at, control_stall;
	enum sb_admin admin[TRUNKS_MAX];
	uint16_t slot[TRUNKS_MAX];
	uint64_t totals[SB_COUNTERS], events; /* of lives that were killed */
	uint64_t leg_stats;                   /* calls by trunk, all lives */
	uint32_t slots_max, ring, rx_max, in_max;
	uint64_t came, gone; /* frames; and those that were killed with their process */
	int64_t buffers;
};

struct piece; /* frames.c: a datagram that a peer has in pieces */
struct sim {
	uint64_t seed, now, seq, rng, break_at;
	const struct profile *profile;
	uint32_t n_calls, calls_started, calls_over, flood;
	bool failed, quiet, verbose, frames;
	uint32_t mtu, t1_ms; /* t1_ms: the peers' own */
	char why[400];
	struct event *heap;
	uint32_t n_heap, heap_max;
	struct packet *free_packets;
	uint64_t hash, n_packets;
	FILE *pcap;
	struct conf confs[256]; /* every one that was loaded */
	uint8_t n_confs;
	uint32_t t1_max_ms; /* of them */
	struct ucall *ucall;
	struct ocall *ocall;
	struct uas *uas;
	uint32_t n_uas, uas_max, *uas_heads;
	enum mode mode[TRUNKS_MAX];
	bool flap_off[TRUNKS_MAX];
	uint64_t rate_at;                                               /* the rate of sources was last changed */
	uint64_t shortage_until, last_failure, last_message, healed_at; /* last_failure: no buffer, or not sent */
	uint64_t found_free; /* the last message after which nothing was held */
	struct otrunk otrunk[TRUNKS_MAX];
	struct oshare oshare[TRUNKS_MAX];
	struct orate orate[WORKERS_MAX][CALLERS];
	struct obye *byes;
	uint32_t n_byes, byes_max;
	struct step step;
	uint64_t o_calls, o_answered, o_failed, o_legs, o_shed, o_in_dialog;
	uint64_t seen[SEEN_MAX];
	struct piece *pieces, *proxy_pieces;
	uint32_t frame_id;
	struct arena_block *arena;
	struct proxy px;
	struct out out;
};

static inline void saw(struct sim *s, enum seen what)
{
	s->seen[what]++;
}

/* main.c */
uint64_t rnd64(struct sim *s);
uint32_t rnd(struct sim *s, uint32_t n);                /* 0 .. n-1 */
uint32_t rnd_in(struct sim *s, uint32_t a, uint32_t b); /* a .. b */
bool chance(struct sim *s, unsigned pm);
char *keep(struct sim *s, const void *p, size_t n); /* a copy that lives as long as the world */
void breach(struct sim *s, const char *invariant, const char *format, ...) __attribute__((format(printf, 3, 4)));

/* net.c */
void at(struct sim *s, uint64_t when, enum ev kind, uint32_t a, uint32_t b);
bool event_next(struct sim *s, struct event *e);
void net_send(struct sim *s, struct ep src, struct ep dst, const char *text, uint32_t len);
void net_frame(struct sim *s, struct ep src, struct ep dst, const uint8_t *frame, uint32_t len);
void net_icmp(struct sim *s, const struct packet *p);
struct packet *packet_new(struct sim *s);
void packet_free(struct sim *s, struct packet *p);
/* p: its kind and addresses. */
void trace(struct sim *s, const struct packet *p, const void *bytes, uint32_t len);
void trace_open(struct sim *s, const char *file);
struct ep listener_ep(unsigned i);
struct ep caller_ep(const struct sim *s, uint32_t call);
struct ep trunk_ep(const struct conf *c, unsigned trunk);
bool ep_is_ours(struct ep e);
bool ep_is_caller(struct ep e);

/* frames.c: Ethernet, IPv4, IPv6, UDP, ICMP and fragments with the peers' own eyes (RFC 768, 791, 792, 4443, 8200) */
#define FRAME_HEAD_MAX 66
uint32_t frame_udp(struct sim *s, struct ep src, struct ep dst, const char *text, uint32_t len, uint32_t mtu,
        void (*each)(struct sim *s, struct ep src, struct ep dst, const uint8_t *frame, uint32_t len));
uint32_t frame_icmp(const struct packet *p, uint8_t *out);
/* A frame came: the datagram it completes, or NULL. What a sender may not do is a breach of INV-WIRE. */
struct packet *frame_take(struct sim *s, struct piece **held, const uint8_t *frame, uint32_t len, bool from_proxy);
void frames_free(struct sim *s);

/* wire.c: dataplane/net's decode, reassembly and cutting, around one worker */
struct wire *wire_new(struct sim *s, unsigned worker);
uint32_t wire_free(struct wire *w); /* datagrams it still held */
bool wire_busy(const struct wire *w);
void wire_expire(struct sim *s, struct worker *w);
/* A frame in: its datagram or ICMP error, or NULL and how the frame ended. */
struct packet *wire_take(struct sim *s, struct worker *w, struct packet *frame, enum sb_counter *end);
void wire_send(struct sim *s, struct worker *w, const struct sb_pkt *p);
struct sb_addr to_addr(struct ep e);
struct ep to_ep(const struct sb_addr *a);

/* caller.c */
extern const char *const dial_prefix[];
unsigned dial_prefixes(void);
void caller_start(struct sim *s, uint32_t call);
void caller_rx(struct sim *s, const struct packet *p);
void caller_event(struct sim *s, const struct event *e);
void caller_build(struct sim *s, uint32_t call, const char *method);
bool caller_forge(struct sim *s, uint32_t call); /* a BYE whose Route is not quite signed, in s->out */
uint64_t mid_backoff(const struct sim *s, unsigned sends);
void mid_seen(struct sim *s, struct mid *mid, const struct msg *m);

/* trunk.c */
void trunk_rx(struct sim *s, const struct packet *p);
void trunk_event(struct sim *s, const struct event *e);
void trunk_mode(struct sim *s, unsigned trunk);
bool trunk_off(const struct sim *s, unsigned trunk);

/* oper.c */
void conf_make(struct sim *s, struct conf *c);
void conf_load(struct sim *s, const struct conf *c);
void oper_act(struct sim *s);
void oper_enable(struct sim *s); /* every trunk */
void oper_heal(struct sim *s);

/* yaml.c */
struct yaml {
	char buf[32768];
	size_t n;
};
void say(struct yaml *y, const char *format, ...) __attribute__((format(printf, 2, 3)));
void yaml_write(struct yaml *y, const struct conf *c);
void yaml_spoil(struct sim *s, struct yaml *y); /* one mistake, anywhere */

/* proxy.c */
void proxy_start(struct sim *s);
void proxy_stop(struct sim *s);
void proxy_kill(struct sim *s);
void proxy_rx(struct sim *s, struct packet *p);
void proxy_use(struct sim *s, struct sb_config *cfg);
uint64_t proxy_due(const struct sim *s);
void proxy_run(struct sim *s);
void proxy_settle(struct sim *s);
void proxy_stall(struct sim *s);
uint64_t proxy_count(const struct sim *s, enum sb_counter c);

/* oracle.c, oracle_out.c, oracle_again.c, oracle_steer.c, oracle_step.c, oracle_held.c, oracle_health.c */
void oracle_begin(struct sim *s, const struct worker *w, const struct packet *p);
void oracle_out(struct sim *s, struct ep src, struct ep dst, const char *text, uint32_t len);
void oracle_end(struct sim *s, const struct worker *w);
void oracle_anew(struct sim *s); /* the call that came again was forgotten: it is a new one */
void oracle_deadline(struct sim *s, uint32_t call);
void oracle_killed(struct sim *s);
void oracle_health(struct sim *s);
void oracle_health_reset(struct sim *s, unsigned trunk);
void oracle_probe_out(struct sim *s, unsigned trunk, const struct msg *m);
void oracle_probe_in(struct sim *s, unsigned trunk, const struct msg *m);
void oracle_call_in(struct sim *s, unsigned trunk, const struct msg *m, bool counts);
bool oracle_open(const struct sim *s);        /* some call still waits, within its deadline */
uint64_t oracle_free_at(const struct sim *s); /* when nothing may be held for calls any more */
void oracle_free(struct sim *s);
void oracle_held(struct sim *s);
void oracle_over(struct sim *s);
const struct conf *conf_of(const struct sim *s, const struct ocall *c);
int trunk_at(struct ep e);
uint64_t formula_us(const struct conf_trunk *t);
uint64_t late_us(const struct sim *s);
bool shaken(const struct sim *s, const struct ocall *c); /* buffers or sends failed in its time: less can be asked */
bool usable(const struct sim *s, unsigned t);
bool loaded(const struct sim *s, unsigned t);
bool failing(unsigned status);
struct oleg *leg_of(struct ocall *c, struct str branch);
uint32_t left(const struct sim *s, const struct ocall *c); /* candidates not tried yet that may still be asked */
uint32_t more(const struct sim *s, const struct ocall *c); /* those of them that there must be a try for */
bool impatient(const struct sim *s, const struct ocall *c);
/* A request leaves for a trunk again; one has left, when is the next?; it was to leave by now. */
void again_leg(struct sim *s, struct ocall *c, struct oleg *l);
void again_expect(struct sim *s, struct ocall *c, struct oleg *l);
void again_leg_due(struct sim *s, uint32_t call, uint32_t which);
void again_final(struct sim *s, struct ocall *c, uint32_t call);
void again_cancel(struct sim *s, struct ocall *c, struct oleg *l, uint32_t call);
void again_bye(struct sim *s, const struct msg *m);
void again_bye_unseen(struct sim *s, uint32_t call);
void again_answered(struct sim *s, struct ocall *c, const struct msg *m);
void again_due(struct sim *s, uint32_t who, uint32_t which);
uint64_t other_turn_us(const struct sim *s, const struct ocall *c, const struct oleg *l, unsigned behind);
bool other_goes_on(const struct sim *s, const struct ocall *c);
void steer_arrived(struct sim *s, struct ocall *c, uint32_t call);
void steer_leg(struct sim *s, struct ocall *c, const struct msg *m, unsigned t, struct ep src, struct ep dst);
void steer_shed(struct sim *s, struct ocall *c, uint32_t call);
void steer_came(struct sim *s, const struct ocall *c, uint32_t call);
void steer_passed(struct sim *s, uint32_t call);
void steer_bound_wait(struct sim *s, struct ocall *c, const struct oleg *l);
void steer_over(struct sim *s);

/* ---- world.c: the order of a life is begin, world, end */
extern const struct profile profiles[];
extern const unsigned n_profiles;
void world_begin(struct sim *s);
void world(struct sim *s);
void world_end(struct sim *s);

/* SPDX-License-Identifier: BSD-3-Clause */
/* engine-parts.h - what the engine's own files share; for nobody else. See engine.h. */
#pragma once
#include "control/engine.h"
#include "control/health/health.h"
#include "control/timers/wheel.h"

#define EVIDENCE_MAX 96
#define ALWAYS_OFF   UINT64_MAX

/* A health slot. It is there from the first configuration that names it, and keeps the operator's switch for ever. */
struct trunk {
	struct sb_health health;
	struct sb_trunk_policy policy;
	char name[SB_NAME_MAX];
	struct sb_addr addr;
	bool present;         /* in the running configuration */
	bool probe_out;       /* a probe waits for its answer */
	uint8_t admin;        /* enum sb_admin */
	uint8_t probe_worker; /* who sent it: sends it again, so that it is the same request */
	uint32_t probe_seq;   /* never repeats within a slot's memory: late answers to earlier probes are known by it */
	uint32_t resend_gap_ms;          /* T1 doubling to T2 */
	uint32_t trying_timer_ms, sends; /* for words alone */
	uint32_t rtt_ms;
	uint64_t sent_ms, resend_ms, probe_end_ms; /* of the probe that is out; sent_ms stays */
	uint64_t next_probe_ms;                    /* ALWAYS_OFF without probes */
	uint64_t config_seen;                      /* the last sb_engine_config() that named it */
	uint64_t down_pending;                     /* bit w: worker w has yet to be told it is DOWN */
	uint64_t evidence_ms, alive_ms;
	uint64_t probes_sent, probes_good, probes_bad;
	char evidence[EVIDENCE_MAX];
};

struct sb_engine {
	struct sb_engine_config cfg;
	struct sb_engine_counts counts;
	struct sb_rng rng;
	uint64_t now_ms;
	uint64_t configs;        /* calls of sb_engine_config() */
	uint32_t t1_ms, t2_ms;   /* of the running configuration */
	uint32_t probe_turn;     /* worker that sends the next probe */
	struct trunk *trunk;     /* SB_TRUNKS_MAX, touched as slots are used */
	uint16_t *active;        /* slots of the running configuration */
	uint32_t n_active, scan; /* scan: where the round of alive counters stands */
	uint64_t *alive_seen;    /* [worker][slot]: alive counters already taken as evidence */
	struct sb_wheel trunks;  /* one timer a slot: the next thing to do for it */
	struct sb_wheel txns[SB_WORKERS_MAX];
	void *trunks_memory, *txns_memory[SB_WORKERS_MAX];
};

/* engine-trunk.c */
void sb_engine_trunk_begin(struct sb_engine *e, uint16_t slot, uint64_t first_probe_ms, const char *why);
void sb_engine_trunk_policy(struct sb_engine *e, uint16_t slot);
void sb_engine_trunk_end(struct sb_engine *e, uint16_t slot);
void sb_engine_trunk_due(struct sb_engine *e, uint16_t slot);
void sb_engine_trunk_evidence(struct sb_engine *e, const struct sb_mail *m);
void sb_engine_trunk_alive(struct sb_engine *e, uint16_t slot, uint32_t first_worker, uint32_t end_worker);
void sb_engine_probe_result(struct sb_engine *e, const struct sb_mail *m);
void sb_engine_line_write(struct sb_engine *e, uint16_t slot);

/* engine-text.c */
/* snprintf for words that may be cut short. */
void sb_engine_text(char *out, size_t size, const char *format, ...) __attribute__((format(printf, 3, 4)));
const char *sb_engine_reason(unsigned code);
void sb_engine_say(struct sb_engine *e, const char *kind, const struct trunk *t, const char *detail);
void sb_engine_event(struct sb_engine *e, const struct sb_mail *m);

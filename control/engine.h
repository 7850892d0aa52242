/* SPDX-License-Identifier: BSD-3-Clause */
/* engine.h - what the control thread does for the workers: runs their timers, probes the trunks, judges health.
 * It is the mailboxes' control end and the health table's only writer.
 * Owner: the control thread, no locking. Lifetime: the process's. Memory: all taken at sb_engine_new().
 * Pure: time is handed in, packets leave as SB_MAIL_PROBE; it knows no socket, clock, DPDK or configuration file. */
#pragma once
#include "control/events.h"
#include "control/health/policy.h"
#include <switchback/err.h>
#include <switchback/health.h>
#include <switchback/mailbox.h>
#include <switchback/snapshot.h>
#include <switchback/stats.h>

struct sb_engine;

struct sb_engine_config {
	uint32_t n_workers; /* 1..SB_WORKERS_MAX */
	struct sb_mailbox *mail[SB_WORKERS_MAX];
	const struct sb_trunk_stats *trunk_stats[SB_WORKERS_MAX];    /* SB_TRUNKS_MAX lines each; NULL: none */
	uint32_t transactions_per_worker;                            /* slots: one timer each */
	struct sb_health_table *health;                              /* zeroed */
	void (*event)(void *ctx, const struct sb_event_record *rec); /* seq and wall_ms are left 0 for the receiver */
	void *event_ctx;
	uint64_t seed; /* of all jitter */
	uint64_t now_ms;
	/* Told of regions that are large and touched in any order, before they are: huge pages suit them. NULL: nobody
	 * is. */
	void (*advise)(void *memory, size_t size);
};

/* NULL: out of memory or n_workers out of range. Everything cfg points to outlives the engine. */
struct sb_engine *sb_engine_new(const struct sb_engine_config *cfg);
void sb_engine_free(struct sb_engine *e);

/* After the first load and each reload, once workers were given s; policy[i] belongs to s->trunks[i]. Everything needed
 * is copied. New trunks and trunks whose address changed start over in PROBING with a probe at once, the others keep
 * their state; trunks no longer there are probed no more. What the operator switched stays, by slot (P7, P9, P20). */
void sb_engine_config(
        struct sb_engine *e, const struct sb_snapshot *s, const struct sb_trunk_policy *policy, uint64_t now_ms);

/* All there is to do at now_ms: mail from workers, timers, probes, health. budget bounds the mails taken and the timers
 * fired of each worker. Call it every ms, or when sb_engine_next_ms() or mail says so. Returns mails plus timers
 * handled. */
uint32_t sb_engine_tick(struct sb_engine *e, uint64_t now_ms, uint32_t budget);

/* When a timer next needs a tick; mail may ask for one earlier. 0: now. UINT64_MAX: nothing is armed. */
uint64_t sb_engine_next_ms(const struct sb_engine *e);

/* The operator's switch. A slot that no trunk has yet may be switched: the trunk will find it so. 0 or SB_E_INVAL. */
int sb_engine_admin(struct sb_engine *e, uint16_t slot, enum sb_admin admin, uint64_t now_ms);

struct sb_engine_trunk {
	const char *name; /* the engine's, until the next sb_engine_config() */
	struct sb_addr addr;
	enum sb_health_state state;
	enum sb_admin admin;
	bool probed;            /* false: traffic alone judges it */
	uint32_t share;         /* 0..SB_SHARE_FULL */
	uint32_t badness;       /* see health.h */
	uint64_t changed_ms;    /* last change of state */
	uint64_t up_since_ms;   /* last return to service; 0: was never down */
	uint64_t hold_until_ms; /* Retry-After; 0: none */
	const char *evidence;   /* last evidence that counted, in words; "" none yet (P22) */
	uint64_t evidence_ms;   /* when that was */
	uint64_t alive_ms;      /* last sign of life, by probe or call; 0: none yet */
	uint64_t next_probe_ms; /* without probes: next trial of a DOWN trunk; UINT64_MAX: none planned */
	uint32_t backoff_ms;    /* ceiling of the next wait; 0 unless DOWN */
	uint32_t probes_bad_row, probes_good_row;
	uint32_t window_failures, window;              /* calls failed of the last so many */
	uint32_t probe_rtt_ms;                         /* of the last answered probe */
	uint64_t probes_sent, probes_good, probes_bad; /* since the trunk's first configuration */
};

/* 0, or SB_E_NOENT: no trunk of the running configuration has this slot. */
int sb_engine_trunk(const struct sb_engine *e, uint16_t slot, uint64_t now_ms, struct sb_engine_trunk *out);

struct sb_engine_counts {
	uint64_t mails;          /* taken from workers */
	uint64_t timers_armed;   /* ARM mails */
	uint64_t timers_fired;   /* FIRED mails posted */
	uint64_t timers_pending; /* armed now */
	uint64_t probes_sent, probes_resent, probes_good, probes_bad;
	uint64_t probes_unjudged; /* answered with a code in neither list */
	uint64_t probes_stale;    /* answers to no probe that is still out */
	uint64_t mail_waits;      /* times a full ring to a worker made something wait */
	uint64_t mail_bad;        /* mails that make no sense */
	uint64_t events;
};

void sb_engine_counts(const struct sb_engine *e, struct sb_engine_counts *out);

/* SPDX-License-Identifier: BSD-3-Clause */
/* health.h - what is known of one trunk: a state machine, (state, event, now) -> (state, actions), driven by a table.
 *
 *   PROBING -> UP -> SUSPECT -> DOWN -> HALF_OPEN -> RAMPING -> UP
 *
 * The operator's switch (enum sb_admin) is not in here and never mixed with it (P9); nor are probes themselves, only
 * when the next is due. Owner: the caller keeps the struct; a step copies it. Pure: time and randomness are handed in.
 */
#pragma once
#include "control/health/policy.h"
#include <switchback/health.h>

#define SB_HOLD_MS_MAX     3600000              /* longest Retry-After taken at its word */
#define SB_SHARE_FLOOR     (SB_SHARE_FULL / 64) /* a ramp starts here, so that a returning trunk is told about by calls */
#define SB_HEALTH_PATH_MAX 4 /* most changes of state one event can make: DOWN, HALF_OPEN, RAMPING, UP */

/* splitmix64: jitter need not be secret, it must be repeatable from a seed. */
struct sb_rng {
	uint64_t state;
};

uint64_t sb_rng_next(struct sb_rng *r);
/* Uniform in [low, high], low if high <= low. */
uint64_t sb_rng_between(struct sb_rng *r, uint64_t low, uint64_t high);

enum sb_health_event {
	SB_HE_PROBE_GOOD, /* a probe was answered with one of up_codes */
	SB_HE_PROBE_BAD,  /* one of down_codes, no answer in timeout_ms, ICMP, not sent */
	SB_HE_ALIVE,      /* count calls were answered with something that is no failure */
	SB_HE_FAILURE,    /* a call failed: timeout, a code of failover_on, ICMP, not sent */
	SB_HE_HOLD,       /* a 503 with Retry-After, to a probe or a call: down for hold_ms */
	SB_HE_DUE,        /* sb_health_due_ms() has come */
	SB_HEALTH_EVENTS
};

struct sb_health_input {
	enum sb_health_event event;
	uint32_t count;   /* ALIVE: how many; 0 counts as 1 */
	uint32_t hold_ms; /* HOLD */
	bool refused;     /* PROBE_BAD: it answered, and said no: live calls do not speak against that */
	bool by_probe;    /* HOLD: a probe's answer, not a call's */
};

struct sb_health {
	enum sb_health_state state;
	bool refused;            /* the last bad probe was an answer of down_codes */
	bool trial;              /* RAMPING without probes: the share stays at the floor until a call was answered */
	uint32_t probe_bad_row;  /* probes failed in a row */
	uint32_t probe_good_row; /* probes good in a row */
	uint32_t backoff_step;   /* doublings so far; back to 0 when UP */
	uint32_t down_failures;  /* failures since it went DOWN */
	uint32_t window_used;    /* outcomes in window, <= 64 */
	uint64_t window;         /* outcomes of calls, the last in bit 0, 1: failed */
	uint64_t changed_ms;     /* last change of state */
	uint64_t failed_ms;      /* last evidence of failure */
	uint64_t down_since_ms;  /* 0: not down, nor on its way back */
	uint64_t up_since_ms;    /* last time it served again after not serving; 0: was never down */
	uint64_t hold_until_ms;  /* Retry-After; 0 none */
	uint64_t retry_ms;       /* DOWN: next probe, or without probes next trial by calls */
	uint64_t ramp_from_ms;   /* RAMPING */
};

/* path[0] is the state before, then each state gone through; n - 1 changes. */
struct sb_health_path {
	uint32_t n;
	enum sb_health_state state[SB_HEALTH_PATH_MAX + 1];
};

/* At start: PROBING, nothing is believed of an earlier life (P8); a trunk without probes is UP. */
struct sb_health sb_health_start(const struct sb_trunk_policy *p, uint64_t now_ms);

struct sb_health sb_health_step(struct sb_health h, const struct sb_trunk_policy *p, const struct sb_health_input *in,
        uint64_t now_ms, struct sb_rng *rng, struct sb_health_path *path);

/* When SB_HE_DUE is to be handed in; UINT64_MAX: never. */
uint64_t sb_health_due_ms(const struct sb_health *h, const struct sb_trunk_policy *p);

/* When the next probe is to go out, the last having gone at sent_ms and being done with (P4): jittered; >= now_ms. */
uint64_t sb_health_probe_ms(const struct sb_health *h, const struct sb_trunk_policy *p, uint64_t sent_ms,
        uint64_t now_ms, struct sb_rng *rng);

/* The longest wait that the next backoff may draw: doubles from 2 * min_ms up to max_ms. */
uint32_t sb_health_backoff_ms(const struct sb_health *h, const struct sb_trunk_policy *p);

/* Share of calls it should get, 0..SB_SHARE_FULL. */
uint32_t sb_health_share(const struct sb_health *h, const struct sb_trunk_policy *p, uint64_t now_ms);

/* Orders the panic choice (P5): held by Retry-After, then failures since it went down, then time down. 0: not DOWN. */
uint32_t sb_health_badness(const struct sb_health *h, uint64_t now_ms);

/* Failures among the last traffic_window calls. */
uint32_t sb_health_window_failures(const struct sb_health *h, const struct sb_trunk_policy *p);

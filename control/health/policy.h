/* SPDX-License-Identifier: BSD-3-Clause */
/* policy.h - a trunk's settings that only control needs: probing and the health state machine. Filled by config. */
#pragma once
#include <stdbool.h>
#include <stdint.h>

/* Response codes 100..699 as a bit set. */
struct sb_status_set {
	uint64_t bits[10];
};

static inline bool sb_status_in(const struct sb_status_set *s, unsigned code)
{
	return code >= 100 && code < 700 && (s->bits[(code - 100) / 64] >> (code - 100) % 64 & 1);
}

static inline void sb_status_add(struct sb_status_set *s, unsigned code)
{
	if (code >= 100 && code < 700)
		s->bits[(code - 100) / 64] |= 1ull << (code - 100) % 64;
}

struct sb_trunk_policy {
	bool probe;              /* false: method none; the trunk starts UP and traffic alone judges it */
	uint32_t interval_ms;    /* between probes while it is well (5 s), jittered +-10 % */
	uint32_t timeout_ms;     /* a probe unanswered this long has failed (1 s) (P2) */
	uint32_t failures;       /* consecutive failures of probes that take it DOWN (3) */
	uint32_t successes;      /* good probes in a row that bring it back (2) (P3) */
	uint32_t min_ms, max_ms; /* backoff of probes to a DOWN trunk: full jitter, doubling (1 s, 60 s) (P4) */
	struct sb_status_set up_codes, down_codes; /* probe answers; in neither: no evidence. default 200-499, 503 */
	uint32_t traffic_failures;                 /* K: in-traffic failures ... (3) */
	uint32_t traffic_window;                   /* ... of the last N outcomes, N <= 64, that take it DOWN (8) */
	uint32_t ramp_ms;                          /* from first share to full share (10 s); 0: at once */
};

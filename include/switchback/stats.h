/* SPDX-License-Identifier: BSD-3-Clause */
/* stats.h - what workers tell control besides counters: per-trunk figures and what the core holds. Single writer. */
#pragma once
#include <stdalign.h>
#include <stdatomic.h>
#include <stdint.h>

/* Per trunk (health slot) and worker; the worker: rw, control: ro, relaxed. */
struct sb_trunk_stats {
	alignas(64) _Atomic uint64_t calls; /* INVITEs sent to this trunk, retransmissions not counted */
	_Atomic uint64_t requests;          /* other requests sent to it, likewise */
	_Atomic uint64_t answered;          /* 2xx to INVITE */
	_Atomic uint64_t alive;             /* final responses not in failover_on: evidence of life */
	_Atomic uint64_t failed_timeout;
	_Atomic uint64_t failed_code;
	_Atomic uint64_t failed_icmp;
	_Atomic uint64_t active; /* legs sent and not yet finally answered or given up */
};
_Static_assert(sizeof(struct sb_trunk_stats) == 64, "one line a trunk and worker");

/* What one core holds now; the worker: rw, control: ro, relaxed. The maxima are constant. */
struct sb_core_usage {
	_Atomic uint64_t transactions, transactions_max; /* slots */
	_Atomic uint64_t invites;                        /* of them INVITEs without a final answer: calls in set-up */
	_Atomic uint64_t lingering, lingering_max;       /* compact records of accepted calls */
	_Atomic uint64_t text_bytes, text_bytes_max;     /* stored requests and responses */
	_Atomic uint64_t slots_high, records_high, pages_high; /* of transactions, lingering, text: ever touched */
	_Atomic uint64_t buckets_high;                         /* of the table that finds the first two */
	_Atomic uint64_t shed_share;                           /* of 65536 new INVITEs: turned away for want of time */
	_Atomic uint64_t osip_peak, osip_size; /* libosip2's arena: most bytes one message took, bytes there */
};

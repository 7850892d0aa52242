/* SPDX-License-Identifier: BSD-3-Clause */
/* dataplane.h - the data plane as control's main sees it: ports, workers, pools, and the few ways in and out.
 * Owner: control thread (the EAL main lcore) calls everything here; workers run behind it. */
#pragma once
#include <switchback/counters.h>
#include <switchback/fib.h>
#include <switchback/health.h>
#include <switchback/mailbox.h>
#include <switchback/snapshot.h>
#include <switchback/stats.h>

struct sb_dataplane;

struct sb_dataplane_port {
	char name[SB_NAME_MAX];
	char device[256]; /* devargs or PCI address */
	uint16_t mtu;
};

struct sb_dataplane_config {
	int control_cpu;
	uint32_t n_workers;
	int worker_cpu[SB_WORKERS_MAX];
	uint32_t n_ports;
	struct sb_dataplane_port port[SB_PORTS_MAX];
	bool hugepages;     /* false: --no-huge */
	uint32_t memory_mb; /* for --no-huge */
	uint8_t fleet_key[16], boot_key[16];
	uint32_t transactions_max; /* of all workers together */
	const struct sb_health_table *health;
};

/* MB that packet buffers and DPDK itself take with these ports and workers. */
uint32_t sb_dataplane_memory_mb(const struct sb_dataplane_config *cfg);

/* Starts the EAL, opens every port, makes pools, rings and workers (not yet running). 0 or SB_E_DEVICE/NOMEM; why: one
 * line. */
int sb_dataplane_open(const struct sb_dataplane_config *cfg, struct sb_dataplane **out, char why[256]);
/* 0, SB_E_NOMEM: nothing runs. SB_E_DEVICE: a worker could not be launched; stop and close. */
int sb_dataplane_start(struct sb_dataplane *dp, const struct sb_snapshot *snapshot, const struct sb_fib *fib);
void sb_dataplane_stop(struct sb_dataplane *dp); /* workers finish their burst and return */
void sb_dataplane_close(struct sb_dataplane *dp);

/* Publishing: the old one may be freed when quiescent(*token) is true (and, for a snapshot, its refs are all zero).
 * A snapshot: 0, or SB_E_NOMEM: nothing was published, workers go on with the one they have. */
int sb_dataplane_snapshot(struct sb_dataplane *dp, const struct sb_snapshot *s, uint64_t *token);
uint64_t sb_dataplane_fib(struct sb_dataplane *dp, const struct sb_fib *f);
bool sb_dataplane_quiescent(struct sb_dataplane *dp, uint64_t token);

struct sb_mailbox *sb_dataplane_mail(struct sb_dataplane *dp, uint32_t worker);
const struct sb_counters *sb_dataplane_counters(
        const struct sb_dataplane *dp, uint32_t worker); /* worker n_workers: control's own */
const struct sb_trunk_stats *sb_dataplane_trunk_stats(
        const struct sb_dataplane *dp, uint32_t worker); /* by health slot */
const struct sb_core_usage *sb_dataplane_usage(const struct sb_dataplane *dp, uint32_t worker);
void sb_dataplane_port_mac(const struct sb_dataplane *dp, uint32_t port, uint8_t mac[6]);

struct sb_pool_usage {
	const char *name;
	uint32_t size, in_use; /* buffers */
	uint32_t buffer_bytes;
};
uint32_t sb_dataplane_pools(const struct sb_dataplane *dp, struct sb_pool_usage *out, uint32_t max);

/* The exception path. Drains what workers punted, at most budget frames: frame() gets whole L2 frames for the TAP twin
 * of a port; datagram() gets SIP datagrams whose next hop is unresolved, to go out by a kernel socket bound to from. */
struct sb_exception_ops {
	void (*frame)(void *ctx, uint32_t port, const void *data, uint32_t len);
	void (*datagram)(
	        void *ctx, const struct sb_addr *from, const struct sb_addr *to, const void *data, uint32_t len);
	void *ctx;
};
uint32_t sb_dataplane_exceptions(struct sb_dataplane *dp, const struct sb_exception_ops *ops, uint32_t budget);

/* A frame that the kernel sent out of the TAP twin: leaves through the port. False: dropped and counted. */
bool sb_dataplane_inject(struct sb_dataplane *dp, uint32_t port, const void *data, uint32_t len);

/* Now, in the clock that workers hand to their cores: microseconds, monotonic (CLOCK_MONOTONIC scale). */
uint64_t sb_dataplane_now_us(void);

/* SPDX-License-Identifier: BSD-3-Clause */
/* config.h - the configuration file as read, checked and defaulted; and the snapshot made of it.
 * Owner: control. Every pointer is the config's own; sb_config_free frees all. */
#pragma once
#include "control/health/policy.h"
#include "control/log.h"
#include <switchback/err.h>
#include <switchback/snapshot.h>

#define SB_VLANS_MAX     16
#define SB_ADDRESSES_MAX 16

struct sb_config_addresses {
	uint32_t n;
	struct {
		struct sb_addr ip; /* port 0 */
		uint8_t bits;
	} list[SB_ADDRESSES_MAX];
};

struct sb_config_port {
	char name[SB_NAME_MAX];
	char device[256]; /* DPDK devargs ("net_af_packet0,iface=eth1") or PCI address */
	char tap[16];     /* kernel twin */
	uint32_t mtu;     /* 1500 */
	struct sb_config_addresses addresses;
	uint32_t n_vlans;
	struct {
		uint16_t id;
		struct sb_config_addresses addresses;
	} vlans[SB_VLANS_MAX];
};

struct sb_config {
	char file[256];
	struct {
		char socket[108];
		char state_dir[256];
		int lcore; /* CPU of the control thread */
		enum sb_log_level log_level;
		enum sb_log_format log_format;
	} control;
	uint32_t n_workers;
	int workers[SB_WORKERS_MAX]; /* CPUs */
	char hugepages[8];           /* "auto", "yes", "no" */
	uint32_t memory_mb;          /* DPDK memory without hugepages: 256 */
	uint32_t n_ports;
	struct sb_config_port ports[SB_PORTS_MAX];
	uint32_t transactions_max; /* of all workers together: 1000000 */
	uint32_t n_trunks;
	uint32_t trunks_line;           /* of the file */
	struct sb_trunk_policy *policy; /* of snapshot trunk i */
	struct sb_snapshot *snapshot;   /* built from the same file; control takes it over (set NULL) when published */
};

/* Trunk names to health slots: a name keeps its slot as long as the process lives (P20). */
struct sb_slots;
struct sb_slots *sb_slots_new(void);
void sb_slots_free(struct sb_slots *s);
int sb_slots_get(struct sb_slots *s, const char *name); /* slot, made if new; SB_E_FULL beyond SB_TRUNKS_MAX */
const char *sb_slots_name(const struct sb_slots *s, uint16_t slot); /* NULL: unused */
uint32_t sb_slots_taken(const struct sb_slots *s);
/* Takes out those made since there were so many: nobody has used them. */
void sb_slots_give_back(struct sb_slots *s, uint32_t taken);

/* Every mistake found: "file:line: key: what is wrong, what is allowed". */
struct sb_config_errors {
	uint32_t n;
	char **line; /* the struct's own */
};
void sb_config_errors_free(struct sb_config_errors *e);

/* Reads and checks a regular file (or text of len bytes named file, if text is not NULL). slots NULL: the snapshot's
 * trunks have no health slots yet, and nothing but the arguments is touched, so that it may run beside control. 0, or
 * SB_E_CONFIG with errors, SB_E_IO. */
int sb_config_load(const char *file, const char *text, size_t len, struct sb_slots *slots, struct sb_config **out,
        struct sb_config_errors *errors);
void sb_config_free(struct sb_config *c);

/* Asked between the rows of a file, and wherever else a load would go on for long. */
struct sb_stop {
	bool (*asked)(void *ctx); /* true: the load is given up, and does not ask again */
	void *ctx;
};
/* The same of a file for a thread that may have to end before: without slots, and SB_E_STOPPED with nothing in errors
 * soon after stop said so. */
int sb_config_load_until(
        const char *file, const struct sb_stop *stop, struct sb_config **out, struct sb_config_errors *errors);
/* Gives the snapshot's trunks their health slots. 0, or SB_E_CONFIG with errors: they are too few, none is taken. */
int sb_config_take_slots(struct sb_config *c, struct sb_slots *slots, struct sb_config_errors *errors);

/* What of next cannot take effect without a restart (ports, workers, memory, socket ...): adds a line to errors for
 * each. */
int sb_config_reloadable(
        const struct sb_config *running, const struct sb_config *next, struct sb_config_errors *errors);

void sb_snapshot_free(struct sb_snapshot *s);

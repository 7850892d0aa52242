/* SPDX-License-Identifier: BSD-3-Clause */
/* netlink.h - keeps a mirror of the kernel's routes and neighbours on our TAP twins and makes fibs of it.
 * Owner: control, which polls fd(). Never blocks after open. Lost notifications (ENOBUFS) and changes that the kernel
 * does not tell in full lead to a new dump, taken in while the loop runs; until it is whole, build() refuses. */
#pragma once
#include "control/kernel/mirror.h"

struct sb_netlink;

struct sb_netlink_stats {
	uint64_t messages; /* taken in */
	uint64_t resyncs;  /* dumps after the first one */
	uint64_t overruns; /* times the kernel dropped notifications because we were slow */
	uint64_t probes;   /* stale neighbours asked about */
};

/* Subscribes and takes the first dump in. 0, SB_E_NOMEM, SB_E_IO; why: one line, set on error. */
int sb_netlink_open(const struct sb_mirror_twin *twins, uint32_t n, struct sb_netlink **out, char why[256]);
void sb_netlink_close(struct sb_netlink *nl);   /* NULL is allowed */
int sb_netlink_fd(const struct sb_netlink *nl); /* readable: call poll */

/* Takes in what is there, a bounded share at a time. True: a fib built now differs from the last; the caller may wait a
 * little for more before it builds. */
bool sb_netlink_poll(struct sb_netlink *nl);

/* 0, SB_E_NOMEM, or SB_E_FULL: a dump is under way, poll will tell. */
int sb_netlink_build(const struct sb_netlink *nl, uint64_t generation, struct sb_fib **out);

/* Workers use neighbours without the kernel noticing, so it lets them go stale. This has it probe at most n_max stale
 * ones; those that do not answer leave the mirror. Call every few seconds. Returns how many. */
uint32_t sb_netlink_refresh(struct sb_netlink *nl, uint32_t n_max);

struct sb_netlink_stats sb_netlink_stats(const struct sb_netlink *nl);

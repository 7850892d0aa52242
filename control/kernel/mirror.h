/* SPDX-License-Identifier: BSD-3-Clause */
/* mirror.h - what the kernel has told us of our TAP twins: interfaces, routes, neighbours; fed with rtnetlink messages.
 * Makes no syscall: netlink.h has the socket. Only the tables "local" and "main" count: policy rules, VRFs, routes by
 * TOS or source are not followed.
 * Owner: control. */
#pragma once
#include <switchback/err.h>
#include <switchback/fib.h>

#define SB_MIRROR_IFACES_MAX 512 /* beyond what a configuration can have: ports times VLANs */

struct nlmsghdr;
struct sb_mirror;

/* A TAP interface, and which of our ports and VLANs it stands for. */
struct sb_mirror_twin {
	int ifindex;
	uint16_t port;
	uint16_t vlan; /* 0: untagged */
};

enum sb_mirror_effect {
	SB_MIRROR_SAME,    /* workers would not notice */
	SB_MIRROR_CHANGED, /* a fib built now differs */
	SB_MIRROR_RESYNC,  /* the kernel has changed more than it tells: clear, dump again */
};

/* twins[] is copied, at most SB_MIRROR_IFACES_MAX. NULL: no memory. */
struct sb_mirror *sb_mirror_new(const struct sb_mirror_twin *twins, uint32_t n);
void sb_mirror_free(struct sb_mirror *m);
void sb_mirror_clear(struct sb_mirror *m); /* forgets all but the twins */

/* Takes in one message. live: a notification; else part of a dump, which never asks for a RESYNC except for want of
 * memory. A dump is taken in the order links, routes, neighbours. */
enum sb_mirror_effect sb_mirror_apply(struct sb_mirror *m, const struct nlmsghdr *nlh, bool live);

/* 0 or SB_E_NOMEM. While no route and no interface comes or goes, fibs share their ranges. */
int sb_mirror_build(struct sb_mirror *m, uint64_t generation, struct sb_fib **out);

/* Neighbours whose entries the kernel has not confirmed for long (NUD_STALE): at most n, with their interfaces. */
struct sb_mirror_stale {
	int ifindex;
	struct sb_addr ip;
};
uint32_t sb_mirror_stale(const struct sb_mirror *m, struct sb_mirror_stale *out, uint32_t n);

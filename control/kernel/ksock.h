/* SPDX-License-Identifier: BSD-3-Clause */
/* ksock.h - kernel UDP sockets for the few datagrams whose next hop workers cannot resolve: the kernel resolves it on
 * the way, fragments, and tells of ICMP errors. One socket a listener address, made when first needed. What arrives on
 * them is thrown away: the data plane takes SIP before the kernel sees it. ICMP errors that the kernel makes itself
 * (host unreachable) come through "lo", which must be up. Owner: control. */
#pragma once
#include <switchback/addr.h>
#include <switchback/err.h>

#define SB_KSOCK_MAX 256 /* sockets; beyond, the one unused longest is closed */

struct sb_ksock;

/* A datagram sent from `from` to `to` did not get there: what came of it, and as much of its payload as was quoted
 * (none is possible; valid during the call). */
struct sb_ksock_error {
	const struct sb_addr *from, *to;
	int err;   /* ECONNREFUSED, EHOSTUNREACH, ENETUNREACH, EMSGSIZE ... */
	bool icmp; /* type and code are those of the ICMP or ICMPv6 message; false: this host's kernel refused */
	uint8_t type, code;
	const void *payload;
	uint32_t len;
};

struct sb_ksock_ops {
	/* May call sb_ksock_send. */
	void (*error)(void *ctx, const struct sb_ksock_error *e);
	void *ctx;
};

struct sb_ksock_stats {
	uint64_t sent;    /* datagrams the kernel took */
	uint64_t refused; /* datagrams it did not take (error() was told) */
	uint64_t full;    /* of them: for want of buffer space (error() was not told) */
	uint64_t drained; /* datagrams that came in and were thrown away */
	uint64_t errors;  /* error queue entries */
};

/* 0, SB_E_NOMEM or SB_E_IO. */
int sb_ksock_open(const struct sb_ksock_ops *ops, struct sb_ksock **out);
void sb_ksock_close(struct sb_ksock *k);   /* NULL is allowed */
int sb_ksock_fd(const struct sb_ksock *k); /* readable: call poll */

/* 0; SB_E_FULL: no buffer space, lost and counted, as a full ring would; SB_E_IO: refused, error() has been called. */
int sb_ksock_send(
        struct sb_ksock *k, const struct sb_addr *from, const struct sb_addr *to, const void *data, uint32_t len);

/* Drains error queues and whatever came in, a bounded share at a time. */
void sb_ksock_poll(struct sb_ksock *k);

struct sb_ksock_stats sb_ksock_stats(const struct sb_ksock *k);

/* SPDX-License-Identifier: BSD-3-Clause */
#include "control/kernel/netlink.h"
#include "control/kernel/rtnl.h"
#include <errno.h>
#include <libmnl/libmnl.h>
#include <stdalign.h>
#include <linux/neighbour.h>
#include <linux/rtnetlink.h>
#include <poll.h>
#include <sys/socket.h>

#define READS_PER_POLL 32                /* of up to 32 KiB: a poll stays within a millisecond or two */
#define RECEIVE_BYTES  (8 * 1024 * 1024) /* some ten thousand notifications between two polls */
#define OPEN_WAIT_MS   1000              /* for each answer of the first dump */
#define REFRESH_MAX    256
#define GROUPS                                                                                                         \
	(RTMGRP_LINK | RTMGRP_NEIGH | RTMGRP_IPV4_IFADDR | RTMGRP_IPV6_IFADDR | RTMGRP_IPV4_ROUTE | RTMGRP_IPV6_ROUTE)

/* Interfaces come first: routes and neighbours are kept by them. */
static const uint16_t stages[] = {RTM_GETLINK, RTM_GETROUTE, RTM_GETNEIGH};
/* The caller polls every millisecond: a fifth of a second in which what was dumped can be published. */
#define REST_POLLS 200
#define N_STAGES   (sizeof stages / sizeof *stages)

struct sb_netlink {
	struct mnl_socket *nl;
	struct sb_mirror *mirror;
	uint32_t stage;         /* N_STAGES: in step with the kernel */
	uint32_t dump_seq, seq; /* of the dump under way; of the last request */
	bool asked;             /* an answer to dump_seq is under way */
	bool again;             /* something was missed: take another dump after this one */
	uint32_t rest;          /* polls until another dump may begin */
	bool dirty;             /* the mirror differs from what poll has told */
	int last_error;         /* errno of a dump that was refused */
	struct sb_netlink_stats stats;
	alignas(NLMSG_ALIGNTO) char buf[32768];
};

static void ask_stage(struct sb_netlink *nl)
{
	alignas(NLMSG_ALIGNTO) char buf[SB_RTNL_BUF] = {0};
	struct nlmsghdr *nlh = mnl_nlmsg_put_header(buf);
	nlh->nlmsg_type = stages[nl->stage];
	nlh->nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
	nlh->nlmsg_seq = nl->dump_seq = ++nl->seq;
	/* Every one of the three headers begins with the family and is no longer than a link's: unspecified, all. */
	mnl_nlmsg_put_extra_header(nlh, sizeof(struct ifinfomsg));
	nl->asked = mnl_socket_sendto(nl->nl, nlh, nlh->nlmsg_len) >= 0;
	if (!nl->asked)
		nl->last_error = errno;
}

static void start_dump(struct sb_netlink *nl)
{
	sb_mirror_clear(nl->mirror);
	nl->again = false;
	nl->stage = 0;
	ask_stage(nl);
}

/* The kernel runs one dump a socket: a new one waits for the end of the old. */
static void resync(struct sb_netlink *nl)
{
	if (nl->asked || nl->rest) {
		nl->again = true;
		return;
	}
	nl->stats.resyncs++;
	start_dump(nl);
}

static void end_stage(struct sb_netlink *nl, int error)
{
	nl->asked = false;
	if (error) {
		nl->last_error = error; /* refused: retry() comes back to it */
		return;
	}
	nl->stage++;
	if (nl->stage < N_STAGES) {
		ask_stage(nl);
		return;
	}
	/* Told even if something changed meanwhile: under a busy routing daemon something always does, and nearly right
	 * now is better than right never. */
	nl->dirty = true;
	nl->rest = REST_POLLS;
}

/* After a dump was refused, for want of memory: nothing else would start it again. */
static void retry(struct sb_netlink *nl)
{
	if (nl->rest)
		nl->rest--;
	if ((nl->stage < N_STAGES && !nl->asked) || (nl->again && !nl->asked && !nl->rest))
		resync(nl);
}

static int error_of(const struct nlmsghdr *nlh)
{
	const struct nlmsgerr *e = mnl_nlmsg_get_payload(nlh);
	if (nlh->nlmsg_type != NLMSG_ERROR)
		return 0;
	return mnl_nlmsg_get_payload_len(nlh) < sizeof e->error || !e->error ? EPROTO : -e->error;
}

static void take(struct sb_netlink *nl, const struct nlmsghdr *nlh)
{
	bool ours = nlh->nlmsg_pid == mnl_socket_get_portid(nl->nl) && nlh->nlmsg_seq != 0;
	bool dump = ours && nl->asked && nlh->nlmsg_seq == nl->dump_seq;
	nl->stats.messages++;
	if (dump && nlh->nlmsg_flags & NLM_F_DUMP_INTR)
		nl->again = true; /* it changed between two parts of the answer */
	if (nlh->nlmsg_type == NLMSG_DONE || nlh->nlmsg_type == NLMSG_ERROR) {
		if (dump)
			end_stage(nl, error_of(nlh));
		return; /* else: a neighbour we asked to probe is gone already */
	}
	switch (sb_mirror_apply(nl->mirror, nlh, !dump)) {
	case SB_MIRROR_SAME:
		break;
	case SB_MIRROR_CHANGED:
		nl->dirty = true;
		break;
	case SB_MIRROR_RESYNC:
		resync(nl);
		break;
	}
}

bool sb_netlink_poll(struct sb_netlink *nl)
{
	retry(nl);
	for (uint32_t i = 0; i < READS_PER_POLL; i++) {
		ssize_t n = mnl_socket_recvfrom(nl->nl, nl->buf, sizeof nl->buf);
		if (n < 0 && errno != ENOBUFS && errno != ENOSPC)
			break;
		if (n < 0) {
			nl->stats.overruns++;
			resync(nl);
			continue;
		}
		int left = (int)n;
		const struct nlmsghdr *nlh = (const void *)nl->buf;
		for (; mnl_nlmsg_ok(nlh, left); nlh = mnl_nlmsg_next(nlh, &left))
			take(nl, nlh);
	}
	bool changed = nl->dirty && nl->stage == N_STAGES;
	if (changed)
		nl->dirty = false;
	return changed;
}

static int open_socket(struct sb_netlink *nl)
{
	nl->nl = mnl_socket_open2(NETLINK_ROUTE, SOCK_CLOEXEC | SOCK_NONBLOCK);
	if (!nl->nl)
		return SB_E_IO;
	int bytes = RECEIVE_BYTES, fd = mnl_socket_get_fd(nl->nl);
	if (setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &bytes, sizeof bytes) < 0)
		setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &bytes, sizeof bytes); /* as much as we may */
	return mnl_socket_bind(nl->nl, GROUPS, MNL_SOCKET_AUTOPID) < 0 ? SB_E_IO : 0;
}

static int first_dump(struct sb_netlink *nl)
{
	start_dump(nl);
	while (nl->stage < N_STAGES) {
		struct pollfd p = {.fd = mnl_socket_get_fd(nl->nl), .events = POLLIN};
		if (!nl->asked) {
			errno = nl->last_error;
			return SB_E_IO;
		}
		int n = poll(&p, 1, OPEN_WAIT_MS);
		if (n < 0 && errno != EINTR)
			return SB_E_IO;
		if (n == 0) {
			errno = ETIMEDOUT;
			return SB_E_IO;
		}
		sb_netlink_poll(nl);
	}
	nl->dirty = true;
	return 0;
}

int sb_netlink_open(const struct sb_mirror_twin *twins, uint32_t n, struct sb_netlink **out, char why[256])
{
	struct sb_netlink *nl = calloc(1, sizeof *nl);
	*out = NULL;
	if (nl)
		nl->mirror = sb_mirror_new(twins, n);
	int err = nl && nl->mirror ? 0 : SB_E_NOMEM;
	if (!err)
		err = open_socket(nl);
	if (!err)
		err = first_dump(nl);
	if (err) {
		snprintf(why, 256, "cannot read the kernel's routes: %s", strerror(err == SB_E_NOMEM ? ENOMEM : errno));
		sb_netlink_close(nl);
		return err;
	}
	*out = nl;
	return 0;
}

void sb_netlink_close(struct sb_netlink *nl)
{
	if (!nl)
		return;
	if (nl->nl)
		mnl_socket_close(nl->nl);
	sb_mirror_free(nl->mirror);
	free(nl);
}

int sb_netlink_fd(const struct sb_netlink *nl)
{
	return mnl_socket_get_fd(nl->nl);
}

int sb_netlink_build(const struct sb_netlink *nl, uint64_t generation, struct sb_fib **out)
{
	*out = NULL;
	return nl->stage < N_STAGES ? SB_E_FULL : sb_mirror_build(nl->mirror, generation, out);
}

uint32_t sb_netlink_refresh(struct sb_netlink *nl, uint32_t n_max)
{
	struct sb_mirror_stale stale[REFRESH_MAX];
	retry(nl);
	uint32_t sent = 0, n = sb_mirror_stale(nl->mirror, stale, n_max < REFRESH_MAX ? n_max : REFRESH_MAX);
	for (uint32_t i = 0; i < n; i++) {
		alignas(NLMSG_ALIGNTO) char buf[SB_RTNL_BUF] = {0};
		struct nlmsghdr *nlh = sb_rtnl_neigh_request(buf, stale[i].ifindex, &stale[i].ip, NUD_PROBE, NULL);
		nlh->nlmsg_flags &= (uint16_t)~NLM_F_CREATE; /* one that has gone meanwhile stays gone */
		nlh->nlmsg_seq = ++nl->seq;
		sent += mnl_socket_sendto(nl->nl, nlh, nlh->nlmsg_len) >= 0;
	}
	nl->stats.probes += sent;
	return sent;
}

struct sb_netlink_stats sb_netlink_stats(const struct sb_netlink *nl)
{
	return nl->stats;
}

/* SPDX-License-Identifier: BSD-3-Clause */
#include "control/kernel/ksock.h"
#include <errno.h>
#include <linux/errqueue.h>
#include <netinet/in.h>
#include <stdalign.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#define EVENTS_PER_POLL  64
#define READS_PER_SOCKET 64
#define SEND_TRIES       8

struct sock {
	int fd; /* -1: free */
	struct sb_addr from;
	uint64_t used; /* sends so far when last used: orders by age */
};

struct sb_ksock {
	int epoll;
	struct sb_ksock_ops ops;
	struct sb_ksock_stats stats;
	uint64_t sends;
	struct sock socks[SB_KSOCK_MAX];
};

static socklen_t to_sockaddr(const struct sb_addr *a, struct sockaddr_storage *out)
{
	memset(out, 0, sizeof *out);
	if (a->family == 6) {
		struct sockaddr_in6 *in6 = (void *)out;
		in6->sin6_family = AF_INET6;
		in6->sin6_port = htons(a->port);
		memcpy(&in6->sin6_addr, a->ip, 16);
		return sizeof *in6;
	}
	struct sockaddr_in *in = (void *)out;
	in->sin_family = AF_INET;
	in->sin_port = htons(a->port);
	memcpy(&in->sin_addr, a->ip, 4);
	return sizeof *in;
}

static struct sb_addr from_sockaddr(const struct sockaddr_storage *s)
{
	struct sb_addr a = {0};
	if (s->ss_family == AF_INET6) {
		const struct sockaddr_in6 *in6 = (const void *)s;
		a.family = 6;
		a.port = ntohs(in6->sin6_port);
		memcpy(a.ip, &in6->sin6_addr, 16);
	} else if (s->ss_family == AF_INET) {
		const struct sockaddr_in *in = (const void *)s;
		a.family = 4;
		a.port = ntohs(in->sin_port);
		memcpy(a.ip, &in->sin_addr, 4);
	}
	return a;
}

int sb_ksock_open(const struct sb_ksock_ops *ops, struct sb_ksock **out)
{
	struct sb_ksock *k = calloc(1, sizeof *k);
	*out = NULL;
	if (!k)
		return SB_E_NOMEM;
	k->ops = *ops;
	for (uint32_t i = 0; i < SB_KSOCK_MAX; i++)
		k->socks[i].fd = -1;
	k->epoll = epoll_create1(EPOLL_CLOEXEC);
	if (k->epoll < 0) {
		free(k);
		return SB_E_IO;
	}
	*out = k;
	return 0;
}

static void sock_close(struct sock *s)
{
	if (s->fd >= 0)
		close(s->fd);
	s->fd = -1;
}

void sb_ksock_close(struct sb_ksock *k)
{
	if (!k)
		return;
	for (uint32_t i = 0; i < SB_KSOCK_MAX; i++)
		sock_close(&k->socks[i]);
	close(k->epoll);
	free(k);
}

int sb_ksock_fd(const struct sb_ksock *k)
{
	return k->epoll;
}

struct sb_ksock_stats sb_ksock_stats(const struct sb_ksock *k)
{
	return k->stats;
}

/* Errors are reported, oversized datagrams fragmented whatever the path MTU seems to be. */
static int set_options(int fd, uint8_t family)
{
	static const struct {
		int level, name, value;
		uint8_t family; /* 0 both */
	} options[] = {
	        {SOL_SOCKET, SO_REUSEADDR, 1, 0},
	        {SOL_SOCKET, SO_REUSEPORT, 1, 0},
	        {IPPROTO_IP, IP_RECVERR, 1, 4},
	        {IPPROTO_IP, IP_MTU_DISCOVER, IP_PMTUDISC_DONT, 4},
	        {IPPROTO_IPV6, IPV6_V6ONLY, 1, 6},
	        {IPPROTO_IPV6, IPV6_RECVERR, 1, 6},
	        {IPPROTO_IPV6, IPV6_MTU_DISCOVER, IPV6_PMTUDISC_DONT, 6},
	};
	for (size_t i = 0; i < sizeof options / sizeof *options; i++) {
		int value = options[i].value;
		if (options[i].family && options[i].family != family)
			continue;
		if (setsockopt(fd, options[i].level, options[i].name, &value, sizeof value) < 0)
			return SB_E_IO;
	}
	return 0;
}

static int sock_open(struct sb_ksock *k, struct sock *s, const struct sb_addr *from)
{
	struct sockaddr_storage sa;
	socklen_t len = to_sockaddr(from, &sa);
	struct epoll_event ev = {.events = EPOLLIN, .data.ptr = s};
	s->from = *from;
	s->fd = socket(sa.ss_family, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, IPPROTO_UDP);
	if (s->fd < 0)
		return SB_E_IO;
	if (set_options(s->fd, from->family) || bind(s->fd, (const void *)&sa, len) < 0 ||
	        epoll_ctl(k->epoll, EPOLL_CTL_ADD, s->fd, &ev) < 0) {
		int saved = errno;
		sock_close(s);
		errno = saved;
		return SB_E_IO;
	}
	return 0;
}

static struct sock *sock_for(struct sb_ksock *k, const struct sb_addr *from)
{
	struct sock *victim = &k->socks[0];
	for (uint32_t i = 0; i < SB_KSOCK_MAX; i++) {
		struct sock *s = &k->socks[i];
		if (s->fd >= 0 && sb_addr_eq(&s->from, from))
			return s;
		if (victim->fd >= 0 && (s->fd < 0 || s->used < victim->used))
			victim = s;
	}
	sock_close(victim);
	return sock_open(k, victim, from) ? NULL : victim;
}

/* One entry of the error queue; false: it is empty. */
static bool take_error(struct sb_ksock *k, struct sock *s)
{
	char payload[2048];
	alignas(struct cmsghdr) char control[512];
	struct sockaddr_storage sa = {0};
	struct iovec iov = {payload, sizeof payload};
	struct msghdr m = {&sa, sizeof sa, &iov, 1, control, sizeof control, 0};
	ssize_t n = recvmsg(s->fd, &m, MSG_ERRQUEUE);
	if (n < 0)
		return false;
	struct sb_addr from = s->from, to = from_sockaddr(&sa);
	struct sb_ksock_error e = {.from = &from, .to = &to, .payload = payload, .len = (uint32_t)n};
	for (struct cmsghdr *c = CMSG_FIRSTHDR(&m); c; c = CMSG_NXTHDR(&m, c)) {
		struct sock_extended_err ee;
		bool v4 = c->cmsg_level == IPPROTO_IP && c->cmsg_type == IP_RECVERR;
		bool v6 = c->cmsg_level == IPPROTO_IPV6 && c->cmsg_type == IPV6_RECVERR;
		if ((!v4 && !v6) || c->cmsg_len < CMSG_LEN(sizeof ee))
			continue;
		memcpy(&ee, CMSG_DATA(c), sizeof ee);
		e.err = (int)ee.ee_errno;
		e.type = ee.ee_type;
		e.code = ee.ee_code;
		e.icmp = ee.ee_origin == SO_EE_ORIGIN_ICMP || ee.ee_origin == SO_EE_ORIGIN_ICMP6;
	}
	k->stats.errors++;
	if (e.err)
		k->ops.error(k->ops.ctx, &e);
	return true;
}

/* A pending error of one datagram makes the kernel refuse the next: read, then, what it has to say and try again. */
static int send_tries(struct sock *s, const struct sb_addr *to, const void *data, uint32_t len)
{
	struct sockaddr_storage sa;
	socklen_t sa_len = to_sockaddr(to, &sa);
	for (uint32_t i = 0; i < SEND_TRIES; i++) {
		int pending = 0;
		socklen_t size = sizeof pending;
		if (sendto(s->fd, data, len, 0, (const void *)&sa, sa_len) >= 0)
			return 0;
		if (errno == EAGAIN || errno == ENOBUFS)
			return SB_E_FULL;
		int refused = errno;
		if (refused == EINTR)
			continue;
		getsockopt(s->fd, SOL_SOCKET, SO_ERROR, &pending, &size);
		errno = refused;
	}
	return SB_E_IO;
}

int sb_ksock_send(
        struct sb_ksock *k, const struct sb_addr *from, const struct sb_addr *to, const void *data, uint32_t len)
{
	struct sock *s = sock_for(k, from);
	int err = SB_E_IO;
	if (s) {
		s->used = ++k->sends;
		err = send_tries(s, to, data, len);
	}
	if (!err) {
		k->stats.sent++;
		return 0;
	}
	k->stats.refused++;
	if (err == SB_E_FULL) {
		k->stats.full++;
		return err;
	}
	struct sb_ksock_error e = {.from = from, .to = to, .err = errno, .payload = data, .len = len};
	k->ops.error(k->ops.ctx, &e);
	return err;
}

static void sock_poll(struct sb_ksock *k, struct sock *s, uint32_t events)
{
	char byte;
	if (events & EPOLLERR) {
		int pending = 0;
		socklen_t size = sizeof pending;
		for (uint32_t i = 0; i < READS_PER_SOCKET && s->fd >= 0 && take_error(k, s); i++) {
		}
		getsockopt(s->fd, SOL_SOCKET, SO_ERROR, &pending, &size);
	}
	for (uint32_t i = 0; i < READS_PER_SOCKET && s->fd >= 0; i++) {
		if (recv(s->fd, &byte, 1, MSG_DONTWAIT) < 0)
			break;
		k->stats.drained++;
	}
}

void sb_ksock_poll(struct sb_ksock *k)
{
	struct epoll_event ev[EVENTS_PER_POLL];
	int n = epoll_wait(k->epoll, ev, EVENTS_PER_POLL, 0);
	for (int i = 0; i < n; i++)
		sock_poll(k, ev[i].data.ptr, ev[i].events);
}

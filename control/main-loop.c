/* SPDX-License-Identifier: BSD-3-Clause */
/* main-loop.c - the control thread's loop: one tick a millisecond, and whatever is readable in between. */
#include "control/main.h"
#include "dataplane/sip/keys.h"
#include <errno.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <systemd/sd-daemon.h>
#include <unistd.h>

#define TICK_BUDGET      65536 /* mails and timers of each worker in one tick */
#define EXCEPTIONS_BURST 512
#define TAP_BURST        64
#define FRAME_MAX        10240
#define MANAGE_BURST     64
#define REFRESH_MS       5000
#define QUOTED_BRANCHES  4 /* of a quote, that are shown to workers: only one of them is signed */
#define REFRESH_N        64

static void frame_to_tap(void *ctx, uint32_t port, const void *data, uint32_t len)
{
	struct sb_daemon *d = ctx;
	if (port >= d->n_taps || sb_tap_write(&d->tap[port], data, len))
		d->tap_lost++;
}

static void datagram_to_kernel(
        void *ctx, const struct sb_addr *from, const struct sb_addr *to, const void *data, uint32_t len)
{
	struct sb_daemon *d = ctx;
	sb_ksock_send(d->ksock, from, to, data, len); /* what is refused comes back as an error */
}

/* Somebody has deleted the twin: without it there is no ARP and no way for the kernel's packets. A restart makes it
 * anew. */
static void twin_lost(struct sb_daemon *d, uint32_t port)
{
	const struct sb_config_port *p = &d->config->ports[port];
	sb_log(SB_LOG_ERROR, "the TAP twin of a port is gone", "port", p->name, "tap", p->tap, NULL);
	d->stop = true;
	d->exit_code = 69; /* EX_UNAVAILABLE */
}

static void taps(struct sb_daemon *d)
{
	static uint8_t frame[FRAME_MAX];
	for (uint32_t p = 0; p < d->n_taps; p++) {
		for (unsigned n = 0; n < TAP_BURST; n++) {
			int len = sb_tap_read(&d->tap[p], frame, sizeof frame);
			if (len == SB_E_IO)
				twin_lost(d, p);
			if (len <= 0)
				break;
			if (!sb_dataplane_inject(d->dp, p, frame, (uint32_t)len))
				d->tap_lost++;
		}
	}
}

/* The kernel's word that a datagram of ours did not arrive is as good as an ICMP error seen by a worker: its quote is
 * our own signed branch. The worker is named in the cookie; it is not worth decoding here, all of them are told. */
void sb_daemon_ksock_error(void *ctx, const struct sb_ksock_error *e)
{
	struct sb_daemon *d = ctx;
	bool underway = e->icmp && e->type == (e->from->family == 6 ? 3 : 11); /* time exceeded: not the trunk's word */
	if (underway || e->err == EMSGSIZE)
		return;
	const char *end = (const char *)e->payload + e->len, *at = e->len ? sb_branch_find(e->payload, end) : NULL;
	for (unsigned n = 0; at && n < QUOTED_BRANCHES; n++, at = sb_branch_find(at + 1, end)) {
		struct sb_mail m = {.op = SB_MAIL_ICMP};
		memcpy(m.icmp.branch, at, SB_BRANCH_LEN);
		for (uint32_t w = 0; w < d->config->n_workers; w++)
			sb_ring_put(&sb_dataplane_mail(d->dp, w)->down, &m); /* full: the leg's own timer decides */
	}
}

static void signals(struct sb_daemon *d)
{
	struct signalfd_siginfo si;
	while (read(d->signal_fd, &si, sizeof si) == (ssize_t)sizeof si) {
		if (si.ssi_signo == SIGHUP)
			sb_daemon_hangup(d);
		else
			d->stop = true;
	}
}

static void tick(struct sb_daemon *d)
{
	const struct sb_exception_ops ops = {frame_to_tap, datagram_to_kernel, d};
	uint64_t now = sb_daemon_now_ms();
	sb_engine_tick(d->engine, now, TICK_BUDGET);
	sb_dataplane_exceptions(d->dp, &ops, EXCEPTIONS_BURST);
	sb_ksock_poll(d->ksock);
	sb_daemon_fib_tick(d, now);
	if (d->n_retired)
		sb_daemon_retire(d);
	if (d->load.running || d->load.again || d->n_dead)
		sb_daemon_loads(d);
	if (now >= d->refresh_due_ms) {
		sb_netlink_refresh(d->netlink, REFRESH_N);
		d->refresh_due_ms = now + REFRESH_MS;
	}
}

int sb_daemon_loop(struct sb_daemon *d)
{
	struct epoll_event ev[16];
	while (!d->stop) {
		int n = epoll_wait(d->epoll_fd, ev, 16, 1000);
		if (n < 0 && errno != EINTR) {
			sb_log(SB_LOG_ERROR, "epoll failed", "why", strerror(errno), NULL);
			return 71; /* EX_OSERR */
		}
		for (int i = 0; i < n; i++) {
			uint64_t expired;
			if (ev[i].data.fd == d->timer_fd && read(d->timer_fd, &expired, sizeof expired) < 0)
				continue;
			if (ev[i].data.fd == d->signal_fd)
				signals(d);
		}
		taps(d);
		tick(d);
		sb_manage_poll(d->manage, MANAGE_BURST);
	}
	sb_daemon_load_stop(d);
	sd_notify(0, "STOPPING=1");
	sb_log(SB_LOG_INFO, "stopping", NULL);
	return d->exit_code;
}

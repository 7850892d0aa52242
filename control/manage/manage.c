/* SPDX-License-Identifier: BSD-3-Clause */
/* manage.c - the control socket's life and its loop. See manage.h. */
#include "control/manage/rpc.h"
#include "control/log.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define SAMPLE_MS   1000
#define LISTENER    SB_MANAGE_CLIENTS_MAX /* its epoll data; clients have their index */
#define ACCEPTS_MAX 8                     /* in one poll */

static void watch_listener(struct sb_manage *m)
{
	struct epoll_event ev = {.events = EPOLLIN, .data.u32 = LISTENER};
	if (!m->listening)
		m->listening = epoll_ctl(m->epoll_fd, EPOLL_CTL_ADD, m->listen_fd, &ev) == 0;
}

static void unwatch_listener(struct sb_manage *m)
{
	if (m->listening)
		epoll_ctl(m->epoll_fd, EPOLL_CTL_DEL, m->listen_fd, NULL);
	m->listening = false;
}

int sb_manage_new(
        const char *path, const struct sb_manage_view *view, struct sb_manage **out, char why[SB_MANAGE_WHY_MAX])
{
	struct sb_manage *m = calloc(1, sizeof *m);
	struct stat st;
	*out = NULL;
	snprintf(why, SB_MANAGE_WHY_MAX, "out of memory");
	if (!m)
		return SB_E_NOMEM;
	m->view = *view;
	for (uint32_t i = 0; i < SB_MANAGE_CLIENTS_MAX; i++)
		m->client[i].fd = -1;
	m->listen_fd = sb_listen_open(path, why);
	if (m->listen_fd < 0) {
		int err = m->listen_fd;
		free(m);
		return err;
	}
	snprintf(m->path, sizeof m->path, "%s", path);
	if (stat(path, &st) == 0) {
		m->dev = st.st_dev;
		m->ino = st.st_ino;
	}
	m->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	if (m->epoll_fd >= 0)
		watch_listener(m);
	if (!m->listening) {
		snprintf(why, SB_MANAGE_WHY_MAX, "epoll: %s", strerror(errno));
		sb_manage_free(m);
		return SB_E_IO;
	}
	m->started_ms = m->sampled_ms = view->now_ms(view->ctx);
	m->sampled_calls = sb_figures_total(m, SB_C_calls);
	why[0] = 0;
	*out = m;
	return 0;
}

void sb_manage_free(struct sb_manage *m)
{
	struct stat st;
	if (!m)
		return;
	for (uint32_t i = 0; i < SB_MANAGE_CLIENTS_MAX; i++) {
		if (m->client[i].fd < 0)
			continue;
		sb_client_flush(&m->client[i]);
		sb_client_fini(&m->client[i]);
	}
	if (stat(m->path, &st) == 0 && st.st_dev == m->dev && st.st_ino == m->ino)
		unlink(m->path);
	json_decref(m->waiting_id);
	close(m->listen_fd);
	if (m->epoll_fd >= 0)
		close(m->epoll_fd);
	free(m);
}

int sb_manage_fd(const struct sb_manage *m)
{
	return m->epoll_fd;
}

void sb_manage_reloaded(struct sb_manage *m, int err, const char *first_line)
{
	m->reloaded.known = true;
	m->reloaded.err = err;
	m->reloaded.wall_ms = (uint64_t)time(NULL) * 1000;
	snprintf(m->reloaded.line, sizeof m->reloaded.line, "%s", first_line ? first_line : "");
}

void sb_manage_line(struct sb_manage_lines *l, const char *text)
{
	char *copy = l->n < SB_MANAGE_LINES_MAX ? strdup(text) : NULL;
	if (copy)
		l->line[l->n++] = copy;
	else
		l->dropped++;
}

/* A client beyond the last place is told so; the answer is lost if even that would wait. */
static void turn_away(int fd)
{
	static const char text[] = "{\"jsonrpc\":\"2.0\",\"id\":null,\"error\":{\"code\":-32004,\"message\":"
	                           "\"too many clients are connected\"}}\n";
	(void)!send(fd, text, sizeof text - 1, MSG_DONTWAIT | MSG_NOSIGNAL);
	close(fd);
	sb_log(SB_LOG_WARN, "control socket: a client was turned away, all places are taken", NULL);
}

static void welcome(struct sb_manage *m, int fd)
{
	struct epoll_event ev = {.events = EPOLLIN};
	uint32_t i = 0;
	while (i < SB_MANAGE_CLIENTS_MAX && m->client[i].fd >= 0)
		i++;
	if (i == SB_MANAGE_CLIENTS_MAX) {
		turn_away(fd);
		return;
	}
	ev.data.u32 = i;
	if (sb_client_init(&m->client[i], fd)) {
		close(fd);
		return;
	}
	m->client[i].interest = EPOLLIN;
	if (epoll_ctl(m->epoll_fd, EPOLL_CTL_ADD, fd, &ev))
		sb_client_fini(&m->client[i]);
}

static void accept_some(struct sb_manage *m)
{
	for (uint32_t i = 0; i < ACCEPTS_MAX; i++) {
		int fd = accept4(m->listen_fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
		if (fd >= 0) {
			welcome(m, fd);
			continue;
		}
		if (errno == EINTR || errno == ECONNABORTED)
			continue;
		if (errno != EAGAIN) { /* no descriptors: do not spin, ask again with the next sample */
			sb_log(SB_LOG_ERROR, "control socket: accept failed", "why", strerror(errno), NULL);
			unwatch_listener(m);
		}
		return;
	}
}

static void take_in(struct sb_manage *m)
{
	struct epoll_event ev[SB_MANAGE_CLIENTS_MAX + 1];
	int n = epoll_wait(m->epoll_fd, ev, SB_MANAGE_CLIENTS_MAX + 1, 0);
	for (int i = 0; i < n; i++) {
		struct sb_client *c = &m->client[ev[i].data.u32 % SB_MANAGE_CLIENTS_MAX];
		if (ev[i].data.u32 == LISTENER)
			accept_some(m);
		else if (ev[i].events & EPOLLIN)
			sb_client_read(c);
		if (ev[i].data.u32 != LISTENER && ev[i].events & (EPOLLHUP | EPOLLERR) && !(ev[i].events & EPOLLIN))
			c->eof = c->closing = true;
	}
}

/* True if a request was answered. */
static bool serve_one(struct sb_manage *m, struct sb_client *c)
{
	if (c->fd < 0 || c->closing || c->waiting || sb_client_pending(c) > OUT_LOW)
		return false;
	if (!sb_client_has_line(c)) {
		if (c->in_len == SB_MANAGE_LINE_MAX) {
			sb_rpc_refuse(c, SB_RPC_REQUEST, "the line is longer than 65536 bytes");
			c->closing = true;
		}
		return false;
	}
	sb_rpc_serve(m, c, c->in, c->in_line);
	sb_client_drop_line(c);
	return true;
}

/* One request of each client in turn, so that no client starves another. */
static uint32_t serve(struct sb_manage *m, uint32_t budget)
{
	uint32_t served = 0, idle = 0;
	while (served < budget && idle < SB_MANAGE_CLIENTS_MAX) {
		struct sb_client *c = &m->client[m->turn++ % SB_MANAGE_CLIENTS_MAX];
		bool done = serve_one(m, c);
		served += done;
		idle = done ? 0 : idle + 1;
	}
	return served;
}

/* What to wait for. A client that reads nothing is not read from either: its requests wait in its own socket. */
static uint32_t interest_of(const struct sb_client *c)
{
	uint32_t want = 0;
	if (!c->eof && !c->closing && c->in_len < SB_MANAGE_LINE_MAX)
		want |= EPOLLIN;
	if (sb_client_pending(c))
		want |= EPOLLOUT;
	return want;
}

static void settle(struct sb_manage *m, uint32_t i)
{
	struct sb_client *c = &m->client[i];
	struct epoll_event ev = {.data.u32 = i};
	if (c->following && !c->closing)
		sb_follow_pump(m, c);
	sb_client_flush(c);
	bool idle = !sb_client_pending(c) && !sb_client_has_line(c) && !c->waiting;
	if ((c->closing && !sb_client_pending(c)) || (c->eof && idle && !c->following)) {
		sb_client_fini(c);
		return;
	}
	ev.events = interest_of(c);
	if (ev.events != c->interest && epoll_ctl(m->epoll_fd, EPOLL_CTL_MOD, c->fd, &ev) == 0)
		c->interest = ev.events;
}

static void sample(struct sb_manage *m)
{
	uint64_t now_ms = m->view.now_ms(m->view.ctx), calls;
	if (now_ms - m->sampled_ms < SAMPLE_MS)
		return;
	calls = sb_figures_total(m, SB_C_calls);
	m->calls_per_second = (calls - m->sampled_calls) * 1000 / (now_ms - m->sampled_ms);
	m->sampled_calls = calls;
	m->sampled_ms = now_ms;
	watch_listener(m);
}

uint32_t sb_manage_poll(struct sb_manage *m, uint32_t budget)
{
	sample(m);
	take_in(m);
	uint32_t served = serve(m, budget);
	for (uint32_t i = 0; i < SB_MANAGE_CLIENTS_MAX; i++) {
		if (m->client[i].fd >= 0)
			settle(m, i);
	}
	return served;
}

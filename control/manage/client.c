/* SPDX-License-Identifier: BSD-3-Clause */
/* client.c - one connection's bytes, both ways, bounded. */
#include "control/manage/server.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

int sb_client_init(struct sb_client *c, int fd)
{
	struct ucred peer = {.uid = (uid_t)-1};
	socklen_t len = sizeof peer;
	char *in = malloc(SB_MANAGE_LINE_MAX);
	if (!in)
		return SB_E_NOMEM;
	getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &len);
	*c = (struct sb_client){.fd = fd, .uid = peer.uid, .in = in};
	return 0;
}

void sb_client_fini(struct sb_client *c)
{
	close(c->fd);
	free(c->in);
	free(c->out);
	*c = (struct sb_client){.fd = -1};
}

/* Looks for the first newline in in[from..in_len). */
static void find_line(struct sb_client *c, size_t from)
{
	const char *end = memchr(c->in + from, '\n', c->in_len - from);
	c->in_line = end ? (size_t)(end - c->in) + 1 : 0;
}

void sb_client_read(struct sb_client *c)
{
	ssize_t n;
	if (c->eof || c->closing || c->in_len == SB_MANAGE_LINE_MAX)
		return;
	n = recv(c->fd, c->in + c->in_len, SB_MANAGE_LINE_MAX - c->in_len, 0);
	if (n == 0) {
		c->eof = true;
		/* Whatever it sent last without a newline is a line all the same. */
		if (!c->in_line)
			c->in_line = c->in_len;
	} else if (n < 0) {
		if (errno != EAGAIN && errno != EINTR)
			c->eof = c->closing = true;
	} else {
		c->in_len += (size_t)n;
		if (!c->in_line)
			find_line(c, c->in_len - (size_t)n);
	}
}

bool sb_client_has_line(const struct sb_client *c)
{
	return c->in_line != 0;
}

void sb_client_drop_line(struct sb_client *c)
{
	c->in_len -= c->in_line;
	memmove(c->in, c->in + c->in_line, c->in_len);
	find_line(c, 0);
	if (!c->in_line && c->eof)
		c->in_line = c->in_len;
}

static bool make_room(struct sb_client *c, size_t n)
{
	size_t pending = sb_client_pending(c), size;
	char *out;
	if (pending + n > SB_MANAGE_OUT_MAX)
		return false;
	if (c->out_start) {
		memmove(c->out, c->out + c->out_start, pending);
		c->out_start = 0;
		c->out_len = pending;
	}
	if (pending + n <= c->out_size)
		return true;
	size = (pending + n + 4095) & ~(size_t)4095;
	out = realloc(c->out, size);
	if (!out)
		return false;
	c->out = out;
	c->out_size = size;
	return true;
}

bool sb_client_send(struct sb_client *c, const char *text, size_t n)
{
	if (!make_room(c, n + 1))
		return false;
	memcpy(c->out + c->out_len, text, n);
	c->out[c->out_len + n] = '\n';
	c->out_len += n + 1;
	return true;
}

void sb_client_flush(struct sb_client *c)
{
	while (sb_client_pending(c)) {
		ssize_t n = send(c->fd, c->out + c->out_start, sb_client_pending(c), MSG_DONTWAIT | MSG_NOSIGNAL);
		if (n > 0) {
			c->out_start += (size_t)n;
			continue;
		}
		if (errno == EAGAIN || errno == EINTR)
			return;
		c->eof = c->closing = true; /* it is gone: nobody reads the rest */
		c->out_start = c->out_len;
	}
	c->out_start = c->out_len = 0;
	if (c->out_size > OUT_LOW) { /* one long answer must not keep its memory as long as the client stays */
		free(c->out);
		c->out = NULL;
		c->out_size = 0;
	}
}

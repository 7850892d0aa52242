/* SPDX-License-Identifier: BSD-3-Clause */
/* server.h - what the control socket's own files share; for nobody else. See manage.h.
 * manage.c: life and loop; listen.c: the socket file; client.c: one connection's bytes; rpc.c: JSON-RPC envelope;
 * show.c, act.c, figures.c, follow.c: the methods. */
#pragma once
#include "control/manage/manage.h"
#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#define OUT_LOW      65536 /* a client with more unread than this is not served, nor sent events */
#define ANSWER_MAX   (SB_MANAGE_OUT_MAX - OUT_LOW) /* so that an answer to a served client always fits */
#define FOLLOW_BATCH 256                           /* events handed to one follower in one poll */

struct sb_client {
	int fd; /* -1: free */
	uid_t uid;
	uint32_t interest; /* epoll events asked for */
	bool eof;          /* it will send no more */
	bool closing;      /* close once out is written */
	bool following;    /* wants events */
	bool waiting;      /* for the end of the reload it asked for: nothing else is served meanwhile */
	uint64_t seen;     /* last event handed to it */
	size_t in_len;     /* bytes in in[] */
	size_t in_line;    /* bytes of its first line with the newline; 0: none whole yet */
	char *in;          /* SB_MANAGE_LINE_MAX */
	char *out;         /* out[out_start..out_len) waits */
	size_t out_start, out_len, out_size;
};

struct sb_manage {
	struct sb_manage_view view;
	int epoll_fd, listen_fd;
	bool listening; /* listen_fd is in the epoll set */
	uint32_t turn;  /* who is served first */
	uint64_t started_ms;
	uint64_t sampled_ms, sampled_calls, calls_per_second;
	struct {
		bool known;
		int err;
		uint64_t wall_ms;
		char line[SB_MANAGE_WHY_MAX];
	} reloaded;
	struct json_t *waiting_id; /* of the request of the client that waits; NULL: it wants no answer */
	char path[108];
	dev_t dev; /* of our socket file: another daemon's is not removed */
	ino_t ino;
	struct sb_client client[SB_MANAGE_CLIENTS_MAX];
};

/* listen.c: a listening, non-blocking socket at path, or enum sb_err with why. */
int sb_listen_open(const char *path, char why[SB_MANAGE_WHY_MAX]);

/* client.c */
int sb_client_init(struct sb_client *c, int fd); /* takes fd over; SB_E_NOMEM: fd stays the caller's */
void sb_client_fini(struct sb_client *c);
void sb_client_read(struct sb_client *c);
bool sb_client_has_line(const struct sb_client *c);
void sb_client_drop_line(struct sb_client *c); /* the first */
bool sb_client_send(
        struct sb_client *c, const char *text, size_t n); /* adds the newline; false: no room, nothing added */
void sb_client_flush(struct sb_client *c);
static inline size_t sb_client_pending(const struct sb_client *c)
{
	return c->out_len - c->out_start;
}

/* rpc.c: answers one line to c. */
void sb_rpc_serve(struct sb_manage *m, struct sb_client *c, const char *line, size_t len);
void sb_rpc_refuse(struct sb_client *c, int code, const char *message); /* an error that answers no request */

/* follow.c: events since c->seen as notifications, as far as there is room; what fell out meanwhile is told. */
void sb_follow_pump(struct sb_manage *m, struct sb_client *c);

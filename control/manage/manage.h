/* SPDX-License-Identifier: BSD-3-Clause */
/* manage.h - the control socket: JSON-RPC 2.0, one object a line, over a Unix stream socket of mode 0660.
 * It knows the daemon only through struct sb_manage_view, which main fills; it decides nothing itself.
 * Owner: the control thread. Never blocks: clients, lines, answers and buffers are bounded. Lifetime: the process's. */
#pragma once
#include "control/events.h"
#include <switchback/addr.h>
#include <switchback/counters.h>
#include <switchback/err.h>
#include <switchback/health.h>
#include <switchback/snapshot.h>
#include <switchback/stats.h>

#define SB_MANAGE_CLIENTS_MAX  32
#define SB_MANAGE_LINE_MAX     65536         /* bytes of one request with its newline; longer: error and close */
#define SB_MANAGE_OUT_MAX      (1024 * 1024) /* bytes of answers that wait for a client; no answer is larger */
#define SB_MANAGE_POOLS_MAX    64
#define SB_MANAGE_PAGE_MAX     256 /* rows of a table in one answer; "next" says where to go on */
#define SB_MANAGE_LINES_MAX    100 /* mistakes of a refused reload that are told */
#define SB_MANAGE_WHY_MAX      256
#define SB_MANAGE_EVIDENCE_MAX 160
#define SB_MANAGE_LATER        1 /* no error: the answer comes later */
#define SB_EXPLAIN_ROWS_MAX    (2 * SB_CANDIDATES_MAX)

struct sb_manage_pool {
	const char *name;
	uint32_t size, in_use; /* buffers */
	uint32_t buffer_bytes;
};

/* What control knows of one trunk. */
struct sb_manage_trunk {
	enum sb_health_state state;
	enum sb_admin admin;
	bool probed;                           /* false: calls alone judge it */
	uint32_t share;                        /* 0..SB_SHARE_FULL */
	uint32_t rtt_us;                       /* of the last answered probe; 0: none */
	uint64_t changed_age_ms;               /* since the last change of state */
	uint64_t next_probe_in_ms;             /* UINT64_MAX: none planned */
	uint64_t hold_ms;                      /* left of a Retry-After; 0: none */
	char evidence[SB_MANAGE_EVIDENCE_MAX]; /* the last that counted, in words; "" none yet (P22) */
	uint64_t evidence_age_ms;
};

/* One trunk looked at for a call, in the order of trying; those passed over come after the candidates. */
struct sb_explain_row {
	char trunk[SB_NAME_MAX], group[SB_NAME_MAX];
	char address[SB_ADDR_TEXT_MAX];
	enum sb_health_state state;
	enum sb_admin admin;
	uint32_t share;
	char pick[64]; /* why it stands where it does, in words */
	uint32_t trying_timer_ms, sends;
	uint64_t formula_ms; /* the longest it may hold the call (S4.2) */
	uint64_t running_ms; /* that of all candidates up to it (S4.5) */
	char evidence[SB_MANAGE_EVIDENCE_MAX];
	uint64_t evidence_age_ms;
	bool skipped;
};

struct sb_explain {
	bool found;      /* false: no route matches, the caller would get 404 */
	char route[320]; /* "prefix +4420", "domain example.com", "source 10.0.0.0/8", "default" */
	uint32_t n;
	struct sb_explain_row row[SB_EXPLAIN_ROWS_MAX];
};

/* Lines for the operator, collected by a callback. */
struct sb_manage_lines {
	uint32_t n;       /* kept in line[] */
	uint32_t dropped; /* beyond SB_MANAGE_LINES_MAX */
	char *line[SB_MANAGE_LINES_MAX];
};

/* For callbacks: copies text in. */
void sb_manage_line(struct sb_manage_lines *l, const char *text);

/* The daemon as seen from here. Everything is called on the control thread, returns at once, and outlives the server.
 */
struct sb_manage_view {
	void *ctx;
	uint32_t n_workers;
	struct sb_events *events;
	const struct sb_health_table *health;
	uint64_t (*now_ms)(void *ctx);                    /* monotonic */
	const struct sb_snapshot *(*snapshot)(void *ctx); /* the one published; never NULL */
	const struct sb_counters *(*counters)(void *ctx, uint32_t worker);
	const struct sb_trunk_stats *(*trunk_stats)(void *ctx, uint32_t worker); /* by health slot; NULL: none */
	const struct sb_core_usage *(*usage)(void *ctx, uint32_t worker);
	uint32_t (*pools)(void *ctx, struct sb_manage_pool *out, uint32_t max); /* how many were filled */
	int (*trunk)(void *ctx, uint16_t slot, struct sb_manage_trunk *out);    /* 0 or SB_E_NOENT */
	/* Switches and keeps it (opstate.h). 0; SB_E_IO: switched, but a restart will forget, why says so; else
	 * refused. */
	int (*admin)(void *ctx, uint16_t slot, enum sb_admin admin, char why[SB_MANAGE_WHY_MAX]);
	/* Loads the configuration file anew. SB_MANAGE_LATER: it was begun, sb_manage_reload_over() tells how it ended,
	 * and who asked for it is answered then. SB_E_BUSY: another is under way, this one was not begun. Else 0, or
	 * SB_E_CONFIG and others: nothing changed, and lines tell every mistake. With 0, lines are what takes effect
	 * after a restart alone. */
	int (*reload)(void *ctx, struct sb_manage_lines *lines);
	/* What a call of number to domain ("" none) from source (family 0: none) would try now. out is zeroed. 0 or why
	 * not. */
	int (*explain)(void *ctx, const char *number, const char *domain, const struct sb_addr *source,
	        struct sb_explain *out);
};

struct sb_manage;

/* Listens at path. A socket file that nobody listens on any more is replaced. 0, SB_E_EXIST (somebody does, or it is no
 * socket), SB_E_IO, SB_E_NOMEM, SB_E_INVAL (path too long); why: one line. view is copied. */
int sb_manage_new(
        const char *path, const struct sb_manage_view *view, struct sb_manage **out, char why[SB_MANAGE_WHY_MAX]);

/* Closes every client and removes the socket file. NULL is fine. */
void sb_manage_free(struct sb_manage *m);

/* An epoll descriptor that is readable when clients want something. */
int sb_manage_fd(const struct sb_manage *m);

/* Serves at most budget requests and passes events on to followers. Call it when sb_manage_fd() is readable, and every
 * few milliseconds anyway: new events and the calls-a-second figure have no descriptor. Returns requests served. */
uint32_t sb_manage_poll(struct sb_manage *m, uint32_t budget);

/* Tells status of a load or reload that did not come through the socket (start, SIGHUP). err: 0 or enum sb_err. */
void sb_manage_reloaded(struct sb_manage *m, int err, const char *first_line);

/* A reload that was begun is over: tells status and the client that waits for it, if one does. Frees the lines. */
void sb_manage_reload_over(struct sb_manage *m, int err, struct sb_manage_lines *lines);

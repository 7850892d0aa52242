/* SPDX-License-Identifier: BSD-3-Clause */
/* world.h - a daemon that is none: the view the control socket is given in tests, a real socket in a directory of its
 * own, and the clients of it, all in one thread. */
#pragma once
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include "control/manage/manage.h"
#include <jansson.h>

#define WORLD_TRUNKS  3
#define WORLD_WORKERS 2

struct world {
	char dir[64], path[108];
	uint64_t now_ms;
	struct sb_manage *m;
	struct sb_events *events;
	struct sb_health_table *health;
	struct sb_snapshot snapshot;
	struct sb_snap_listener listener;
	struct sb_snap_trunk *trunks; /* WORLD_TRUNKS, or more by world_trunks() */
	struct sb_snap_member members[WORLD_TRUNKS];
	struct sb_snap_group groups[2];
	struct sb_snap_route routes[4];
	struct sb_prefix_line prefix_line;
	uint32_t prefix_place;
	uint32_t route_groups[3];
	struct sb_net nets[1];
	char text[64];
	struct sb_counters counters[WORLD_WORKERS];
	struct sb_trunk_stats *stats[WORLD_WORKERS];
	struct sb_core_usage usage[WORLD_WORKERS];
	/* what the callbacks answer, and what they were asked */
	int admin_err, reload_err, explain_err;
	uint32_t reload_lines;
	uint16_t admin_slot;
	enum sb_admin admin;
	unsigned admin_calls, reload_calls;
	char explain_number[64], explain_domain[64];
	struct sb_addr explain_source;
	char evidence[SB_MANAGE_EVIDENCE_MAX];
};

struct world *world_new(void);
void world_free(struct world *w);
int world_serve(struct world *w, const char *path, struct sb_manage **m, char why[SB_MANAGE_WHY_MAX]); /* one more */
void world_trunks(struct world *w, uint32_t n); /* t0, t1 ... instead */

int world_connect(struct world *w);
void world_send(int fd, const char *text);
/* The next line the server sends, without newline, the caller's; polls the server until it comes. NULL: it closed. */
char *world_line(struct world *w, int fd);
json_t *world_json(struct world *w, int fd);
/* Sends one request and returns its answer, the whole object. */
json_t *world_ask(struct world *w, int fd, const char *method, const char *params);
json_t *world_result(struct world *w, int fd, const char *method, const char *params); /* and its result; none: fails */
int world_code(struct world *w, int fd, const char *line); /* error code of the answer to line; 0: it is a result */
void world_event(struct world *w, const char *kind, const char *detail);

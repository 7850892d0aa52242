/* SPDX-License-Identifier: BSD-3-Clause */
/* ctl.h - switchbackctl: one command to a running switchbackd over its control socket, its answer for people or as
 * JSON. A small program of its own: jansson and libc, none of the daemon's code but the counters' table. */
#pragma once
#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

enum { CTL_OK = 0, CTL_REFUSED = 1, CTL_USAGE = 64, CTL_UNAVAILABLE = 69, CTL_NO_MEMORY = 71, CTL_PROTOCOL = 76 };

struct ctl {
	const char *socket;
	bool json, all, follow;
	bool colour; /* stdout is a terminal */
	const char *from, *domain, *after, *limit;
	const char *arg[2]; /* NULL: not given */
	FILE *in;           /* the connection; NULL: not connected */
	int fd;
	json_int_t id;
};

/* client.c */
int ctl_connect(struct ctl *c); /* 0 or errno */
void ctl_connect_or_exit(struct ctl *c);
/* One request and its result; takes params over (NULL: none). Ends the program on a refusal or a broken connection. */
json_t *ctl_call(struct ctl *c, const char *method, json_t *params);
/* The same for a table: asks for page after page and puts the rows together under key. */
json_t *ctl_call_paged(struct ctl *c, const char *method, const char *key);
json_t *ctl_read(struct ctl *c); /* the next object; NULL: the daemon closed */
void ctl_print_json(const struct ctl *c, const json_t *v);

/* text.c: what goes to the terminal. Text from the daemon may come from the wire: control characters become '?'. */
#define CTL_TIME_MAX 32
const char *ctl_text(const json_t *o, const char *key); /* cleaned in place; "" if it is not there */
json_int_t ctl_int(const json_t *o, const char *key);
void ctl_clean(char *text);
const char *ctl_age(json_int_t ms, char out[CTL_TIME_MAX]); /* "350 ms", "3.0 s", "2 m 5 s", "3 h 12 m", "5 d 4 h" */
const char *ctl_bytes(json_int_t bytes, char out[CTL_TIME_MAX]);
const char *ctl_wall(json_int_t wall_ms, char out[CTL_TIME_MAX]);

/* table.c: aligned columns. Heads that begin with '>' are right-aligned. */
struct ctl_table;
struct ctl_table *ctl_table_new(const struct ctl *c, const char *const *heads); /* NULL-terminated */
void ctl_cell(struct ctl_table *t, const char *format, ...) __attribute__((format(printf, 2, 3)));
void ctl_cell_state(struct ctl_table *t, const char *state); /* coloured by what it says */
void ctl_table_end(struct ctl_table *t);                     /* prints and frees; nothing if it has no row */

/* The commands. */
int ctl_status(struct ctl *c);
int ctl_trunks(struct ctl *c);
int ctl_trunk(struct ctl *c);
int ctl_routes(struct ctl *c);
int ctl_explain(struct ctl *c);
int ctl_stats(struct ctl *c);
int ctl_events(struct ctl *c);
int ctl_reload(struct ctl *c);
int ctl_memory(struct ctl *c);
int ctl_version(struct ctl *c);

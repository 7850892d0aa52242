/* SPDX-License-Identifier: BSD-3-Clause */
/* rpc.h - what a method of the control socket is given and gives back; for the files of this folder. */
#pragma once
#include "control/manage/server.h"
#include <jansson.h>

enum sb_rpc_code {
	SB_RPC_PARSE = -32700,
	SB_RPC_REQUEST = -32600,
	SB_RPC_METHOD = -32601,
	SB_RPC_PARAMS = -32602,
	SB_RPC_INTERNAL = -32603,
	SB_RPC_NO_TRUNK = -32001,
	SB_RPC_REFUSED = -32002, /* data.lines tells why */
	SB_RPC_TOO_LARGE = -32003,
	SB_RPC_BUSY = -32004, /* SB_MANAGE_CLIENTS_MAX are connected */
};

/* One request. params were checked against the method's table. */
struct sb_call {
	struct sb_manage *m;
	struct sb_client *client;
	const json_t *params; /* an object or NULL */
	const json_t *id;     /* NULL: it wants no answer */
	bool later;           /* it will be answered by sb_rpc_answer() */
	int code;             /* set by sb_call_fail() */
	char message[SB_MANAGE_WHY_MAX];
	json_t *data; /* of the error; the call's own */
};

/* Answers a call that was left for later, with its result or what sb_call_fail() said. Takes result over. */
void sb_rpc_answer(struct sb_call *c, const json_t *id, json_t *result);

/* Returns NULL, for the method to return. */
json_t *sb_call_fail(struct sb_call *c, int code, const char *format, ...) __attribute__((format(printf, 3, 4)));

const char *sb_call_text(const struct sb_call *c, const char *param); /* NULL: not given */
uint64_t sb_call_number(const struct sb_call *c, const char *param, uint64_t if_not_given);
bool sb_call_true(const struct sb_call *c, const char *param);

/* A table's page, as params offset and limit ask. rows stays the page's until sb_page_end(). */
struct sb_page {
	json_t *rows;
	uint64_t at, end, total;
};

void sb_page_begin(struct sb_page *p, const struct sb_call *c, uint64_t total);
/* Puts rows under key, "total", and "next" if there is more after p->at, as sb_json_set() does. */
void sb_page_end(struct sb_page *p, json_t **result, const char *key);

/* Puts v, which they take over, into a list or an object. If v or the list is NULL, or memory is out, the whole is
 * given up and NULL: so is all that is made of it in the end, and nothing is ever told by halves. */
void sb_json_add(json_t **list, json_t *v);
void sb_json_set(json_t **object, const char *key, json_t *v);

/* A JSON string of any bytes: what is no UTF-8 becomes '?'. */
json_t *sb_json_text(const char *text);
json_t *sb_json_event(const struct sb_event_record *rec);

/* The methods. A result, or NULL: sb_call_fail() was called, or memory is out. */
json_t *sb_show_status(struct sb_call *c);
json_t *sb_show_trunks(struct sb_call *c);
json_t *sb_show_routes(struct sb_call *c);
json_t *sb_show_explain(struct sb_call *c);
json_t *sb_show_version(struct sb_call *c);
json_t *sb_show_trunk_row(struct sb_call *c, const struct sb_snap_trunk *t);
json_t *sb_act_trunk(struct sb_call *c);
json_t *sb_act_reload(struct sb_call *c);
json_t *sb_figures_stats(struct sb_call *c);
json_t *sb_figures_memory(struct sb_call *c);
json_t *sb_follow_events(struct sb_call *c);

/* figures.c: a counter over all workers; what all workers hold; a trunk's figures over all workers. */
uint64_t sb_figures_total(const struct sb_manage *m, enum sb_counter i);

struct sb_usage_sum {
	uint64_t transactions, transactions_max, invites, lingering, lingering_max, text_bytes, text_bytes_max;
	uint64_t shed_share; /* of the worker that sheds most */
};

struct sb_usage_sum sb_figures_usage(const struct sb_manage *m);

struct sb_trunk_sum {
	uint64_t calls, requests, answered, alive, failed_timeout, failed_code, failed_icmp, active;
};

struct sb_trunk_sum sb_figures_trunk(const struct sb_manage *m, uint16_t slot);

/* SPDX-License-Identifier: BSD-3-Clause */
/* rpc.c - JSON-RPC 2.0's envelope: one object a line in, one out; the table of methods; what their parameters must be.
 */
#include "control/manage/rpc.h"
#include "control/log.h"
#include "control/json_text.h"
#include "control/utf8.h"
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PARAMS_MAX 3

enum param_kind { TEXT = 1, NUMBER, BOOL };

struct param {
	const char *name;
	enum param_kind kind;
	bool required;
};

struct method {
	const char *name;
	json_t *(*run)(struct sb_call *c);
	struct param param[PARAMS_MAX];
};

static const struct method methods[] = {
        {"status", sb_show_status, {{NULL}}},
        {"trunks", sb_show_trunks, {{"offset", NUMBER, false}, {"limit", NUMBER, false}}},
        {"trunk", sb_act_trunk, {{"name", TEXT, true}, {"action", TEXT, false}}},
        {"routes", sb_show_routes, {{"offset", NUMBER, false}, {"limit", NUMBER, false}}},
        {"explain", sb_show_explain, {{"number", TEXT, true}, {"source", TEXT, false}, {"domain", TEXT, false}}},
        {"stats", sb_figures_stats, {{"offset", NUMBER, false}, {"limit", NUMBER, false}}},
        {"events", sb_follow_events, {{"after", NUMBER, false}, {"limit", NUMBER, false}, {"follow", BOOL, false}}},
        {"reload", sb_act_reload, {{NULL}}},
        {"memory", sb_figures_memory, {{NULL}}},
        {"version", sb_show_version, {{NULL}}},
};

json_t *sb_call_fail(struct sb_call *c, int code, const char *format, ...)
{
	va_list args;
	c->code = code;
	va_start(args, format);
	vsnprintf(c->message, sizeof c->message, format, args);
	va_end(args);
	return NULL;
}

const char *sb_call_text(const struct sb_call *c, const char *param)
{
	return json_string_value(json_object_get(c->params, param));
}

uint64_t sb_call_number(const struct sb_call *c, const char *param, uint64_t if_not_given)
{
	const json_t *v = json_object_get(c->params, param);
	return v ? (uint64_t)json_integer_value(v) : if_not_given;
}

bool sb_call_true(const struct sb_call *c, const char *param)
{
	return json_is_true(json_object_get(c->params, param));
}

json_t *sb_json_text(const char *text)
{
	json_t *made = json_string(text);
	char *copy = made ? NULL : strdup(text);
	if (!copy)
		return made;
	for (char *c = copy; *c;) {
		size_t n = sb_utf8_len(c);
		if (n == 0)
			*c = '?';
		c += n ? n : 1;
	}
	made = json_string(copy);
	free(copy);
	return made;
}

void sb_json_add(json_t **list, json_t *v)
{
	if (json_array_append_new(*list, v) == 0)
		return;
	json_decref(*list);
	*list = NULL;
}

void sb_json_set(json_t **object, const char *key, json_t *v)
{
	if (json_object_set_new(*object, key, v) == 0)
		return;
	json_decref(*object);
	*object = NULL;
}

void sb_page_begin(struct sb_page *p, const struct sb_call *c, uint64_t total)
{
	uint64_t limit = sb_call_number(c, "limit", SB_MANAGE_PAGE_MAX);
	if (limit > SB_MANAGE_PAGE_MAX || limit == 0)
		limit = SB_MANAGE_PAGE_MAX;
	p->at = sb_call_number(c, "offset", 0);
	if (p->at > total)
		p->at = total;
	p->end = total - p->at < limit ? total : p->at + limit;
	p->total = total;
	p->rows = json_array();
}

void sb_page_end(struct sb_page *p, json_t **result, const char *key)
{
	sb_json_set(result, key, p->rows);
	sb_json_set(result, "total", json_integer((json_int_t)p->total));
	if (p->at < p->total)
		sb_json_set(result, "next", json_integer((json_int_t)p->at));
}

static bool param_ok(const struct param *p, const json_t *v)
{
	switch (p->kind) {
	case TEXT:
		return json_is_string(v);
	case NUMBER:
		return json_is_integer(v) && json_integer_value(v) >= 0;
	default:
		return json_is_boolean(v);
	}
}

static const struct param *param_named(const struct method *method, const char *name)
{
	for (unsigned i = 0; i < PARAMS_MAX && method->param[i].name; i++) {
		if (strcmp(method->param[i].name, name) == 0)
			return &method->param[i];
	}
	return NULL;
}

static const char *kind_name(enum param_kind k)
{
	return k == TEXT ? "a string" : k == NUMBER ? "a whole number of 0 or more" : "true or false";
}

/* False: sb_call_fail() was called. */
static bool check_params(struct sb_call *c, const struct method *method, json_t *params)
{
	const char *name;
	json_t *v;
	c->params = params;
	if (params && !json_is_object(params)) {
		sb_call_fail(c, SB_RPC_PARAMS, "params must be an object, by name");
		return false;
	}
	json_object_foreach(params, name, v)
	{
		const struct param *p = param_named(method, name);
		if (!p) {
			sb_call_fail(c, SB_RPC_PARAMS, "%s has no parameter \"%.64s\"", method->name, name);
			return false;
		}
		if (!param_ok(p, v)) {
			sb_call_fail(c, SB_RPC_PARAMS, "%s must be %s", name, kind_name(p->kind));
			return false;
		}
	}
	for (unsigned i = 0; i < PARAMS_MAX && method->param[i].name; i++) {
		if (method->param[i].required && !json_object_get(params, method->param[i].name)) {
			sb_call_fail(
			        c, SB_RPC_PARAMS, "%s needs the parameter \"%s\"", method->name, method->param[i].name);
			return false;
		}
	}
	return true;
}

static const struct method *method_named(const char *name)
{
	for (unsigned i = 0; name && i < sizeof methods / sizeof methods[0]; i++) {
		if (strcmp(methods[i].name, name) == 0)
			return &methods[i];
	}
	return NULL;
}

static json_t *run(struct sb_call *c, const char *name, json_t *params)
{
	const struct method *method = method_named(name);
	if (!method)
		return sb_call_fail(c, SB_RPC_METHOD, "there is no method \"%.64s\"", name);
	if (!check_params(c, method, params))
		return NULL;
	json_t *result = method->run(c);
	if (!result && !c->code && !c->later)
		sb_call_fail(c, SB_RPC_INTERNAL, "out of memory");
	return result;
}

/* The whole answer as text, the caller's; NULL: out of memory. Takes result over. */
static char *answer_text(struct sb_call *c, const json_t *id, json_t *result)
{
	json_t *whole = json_pack("{s:s}", "jsonrpc", "2.0"), *error;
	char *text;
	sb_json_set(&whole, "id", id ? json_incref((json_t *)(uintptr_t)id) : json_null()); /* shared */
	if (result) {
		sb_json_set(&whole, "result", result);
	} else {
		error = json_pack("{s:i, s:o}", "code", c->code, "message", sb_json_text(c->message));
		if (c->data)
			sb_json_set(&error, "data", json_incref(c->data));
		sb_json_set(&whole, "error", error);
	}
	text = sb_json_dump(whole, JSON_COMPACT);
	json_decref(whole);
	return text;
}

void sb_rpc_answer(struct sb_call *c, const json_t *id, json_t *result)
{
	char *text = answer_text(c, id, result);
	if (text && strlen(text) > ANSWER_MAX) {
		free(text);
		sb_call_fail(c, SB_RPC_TOO_LARGE, "the answer is larger than %d bytes: ask for less", ANSWER_MAX);
		text = answer_text(c, id, NULL);
	}
	/* Not silently: a client that waits for an answer that cannot be given is let go. */
	if (!text || !sb_client_send(c->client, text, strlen(text))) {
		sb_log(SB_LOG_ERROR, "control socket: out of memory, a client is dropped", NULL);
		c->client->closing = true;
	}
	free(text);
}

void sb_rpc_refuse(struct sb_client *client, int code, const char *message)
{
	struct sb_call c = {.client = client};
	sb_call_fail(&c, code, "%s", message);
	sb_rpc_answer(&c, NULL, NULL);
}

/* What is wrong with it as a request object; NULL: nothing. */
static const char *request_wrong(const json_t *request)
{
	const json_t *id = json_object_get(request, "id");
	const char *version = json_string_value(json_object_get(request, "jsonrpc"));
	if (json_is_array(request))
		return "batches are not supported: send one request a line";
	if (!json_is_object(request))
		return "a request is an object";
	if (!version || strcmp(version, "2.0") != 0)
		return "\"jsonrpc\" must be \"2.0\"";
	if (!json_is_string(json_object_get(request, "method")))
		return "\"method\" must be a string";
	if (id && !json_is_string(id) && !json_is_number(id) && !json_is_null(id))
		return "\"id\" must be a string, a number or null";
	return NULL;
}

static bool is_blank(const char *line, size_t len)
{
	while (len && strchr(" \t\r\n", line[len - 1]) && line[len - 1])
		len--;
	return len == 0;
}

void sb_rpc_serve(struct sb_manage *m, struct sb_client *client, const char *line, size_t len)
{
	struct sb_call c = {.m = m, .client = client};
	json_error_t error;
	const char *wrong;
	if (is_blank(line, len))
		return;
	errno = 0;
	json_t *request = json_loadb(line, len, JSON_REJECT_DUPLICATES | JSON_DECODE_ANY, &error);
	if (!request) {
		bool nomem = errno == ENOMEM; /* jansson says then whatever it was about to read next */
		sb_call_fail(&c, nomem ? SB_RPC_INTERNAL : SB_RPC_PARSE, nomem ? "out of memory" : "no JSON: %s",
		        error.text);
		sb_rpc_answer(&c, NULL, NULL);
		return;
	}
	wrong = request_wrong(request);
	if (wrong) {
		const json_t *id = json_object_get(request, "id");
		sb_call_fail(&c, SB_RPC_REQUEST, "%s", wrong);
		sb_rpc_answer(&c, json_is_string(id) || json_is_number(id) ? id : NULL, NULL);
	} else {
		const json_t *id = json_object_get(request, "id");
		c.id = id;
		json_t *result = run(
		        &c, json_string_value(json_object_get(request, "method")), json_object_get(request, "params"));
		if (id && !c.later)
			sb_rpc_answer(&c, id, result);
		else
			json_decref(result);
		json_decref(c.data);
	}
	json_decref(request);
}

/* SPDX-License-Identifier: BSD-3-Clause */
/* act.c - the methods that change something: trunk, reload. Each leaves a line in the log with who asked for it. */
#include "control/manage/rpc.h"
#include "control/log.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct {
	const char *name;
	enum sb_admin admin;
} actions[] = {{"enable", SB_ENABLED}, {"drain", SB_DRAIN}, {"disable", SB_DISABLED}};

static const struct sb_snap_trunk *trunk_named(const struct sb_snapshot *s, const char *name)
{
	for (uint32_t i = 0; i < s->n_trunks; i++) {
		if (strcmp(s->trunks[i].name, name) == 0)
			return &s->trunks[i];
	}
	return NULL;
}

static json_t *switch_trunk(struct sb_call *c, const struct sb_snap_trunk *t, const char *action, enum sb_admin admin)
{
	char why[SB_MANAGE_WHY_MAX] = "", uid[16];
	int err = c->m->view.admin(c->m->view.ctx, t->slot, admin, why);
	json_t *row;
	snprintf(uid, sizeof uid, "%u", (unsigned)c->client->uid);
	sb_log(err ? SB_LOG_WARN : SB_LOG_INFO, "operator switched a trunk", "trunk", t->name, "action", action, "uid",
	        uid, "result", err ? (*why ? why : sb_err_text(err)) : "ok", NULL);
	if (err && err != SB_E_IO)
		return sb_call_fail(c, SB_RPC_REFUSED, "%s", *why ? why : sb_err_text(err));
	row = sb_show_trunk_row(c, t);
	sb_json_set(&row, "kept", json_boolean(!err));
	if (err)
		sb_json_set(&row, "warning", sb_json_text(*why ? why : sb_err_text(err)));
	if (!row)
		return sb_call_fail(c, SB_RPC_INTERNAL, "switched, but out of memory to tell more");
	return row;
}

json_t *sb_act_trunk(struct sb_call *c)
{
	const char *name = sb_call_text(c, "name"), *action = sb_call_text(c, "action");
	const struct sb_snap_trunk *t = trunk_named(c->m->view.snapshot(c->m->view.ctx), name);
	if (!t)
		return sb_call_fail(c, SB_RPC_NO_TRUNK, "there is no trunk \"%.64s\"", name);
	if (!action)
		return sb_show_trunk_row(c, t);
	for (unsigned i = 0; i < sizeof actions / sizeof actions[0]; i++) {
		if (strcmp(actions[i].name, action) == 0)
			return switch_trunk(c, t, action, actions[i].admin);
	}
	return sb_call_fail(c, SB_RPC_PARAMS, "action must be enable, drain or disable");
}

static json_t *lines_json(const struct sb_manage_lines *l)
{
	json_t *lines = json_array();
	for (uint32_t i = 0; i < l->n; i++)
		sb_json_add(&lines, sb_json_text(l->line[i]));
	return lines;
}

/* What the client is told of a reload that is over. */
static json_t *reload_result(struct sb_call *c, int err, const struct sb_manage_lines *l)
{
	char uid[16], generation[24];
	uint64_t now = c->m->view.snapshot(c->m->view.ctx)->generation;
	snprintf(uid, sizeof uid, "%u", (unsigned)c->client->uid);
	snprintf(generation, sizeof generation, "%llu", (unsigned long long)now);
	sb_log(err ? SB_LOG_ERROR : SB_LOG_INFO, "operator reloaded the configuration", "uid", uid, "result",
	        sb_err_text(err), "generation", generation, NULL);
	if (err) {
		c->data = json_pack("{s:o, s:i}", "lines", lines_json(l), "omitted", (int)l->dropped);
		return sb_call_fail(c, SB_RPC_REFUSED, "%s: the running configuration stays%s", sb_err_text(err),
		        c->data ? "" : "; out of memory to tell why");
	}
	json_t *result = json_pack("{s:b, s:I, s:o, s:i}", "ok", 1, "generation", (json_int_t)now, "notes",
	        lines_json(l), "omitted", (int)l->dropped);
	return result ? result : sb_call_fail(c, SB_RPC_INTERNAL, "reloaded, but out of memory to tell more");
}

static void free_lines(struct sb_manage_lines *l)
{
	for (uint32_t i = 0; i < l->n; i++)
		free(l->line[i]);
	l->n = 0;
}

/* Nothing is said of what will run then: the one under way may be taken or refused, and may have read the file before
 * it was changed. */
static json_t *reload_busy(struct sb_call *c)
{
	char uid[16];
	snprintf(uid, sizeof uid, "%u", (unsigned)c->client->uid);
	sb_log(SB_LOG_WARN, "operator asked for a reload while another is under way", "uid", uid, NULL);
	return sb_call_fail(c, SB_RPC_REFUSED,
	        "another reload is under way, this one was not begun: ask again when that one is over, it may have "
	        "read the file before your change");
}

json_t *sb_act_reload(struct sb_call *c)
{
	struct sb_manage_lines l = {.n = 0};
	int err = c->m->view.reload(c->m->view.ctx, &l);
	json_t *result = NULL;
	if (err == SB_MANAGE_LATER) {
		c->later = c->client->waiting = true;
		c->m->waiting_id = json_incref((json_t *)(uintptr_t)c->id); /* shared */
	} else if (err == SB_E_BUSY) {
		result = reload_busy(c);
	} else {
		sb_manage_reloaded(c->m, err, l.n ? l.line[0] : "");
		result = reload_result(c, err, &l);
	}
	free_lines(&l);
	return result;
}

void sb_manage_reload_over(struct sb_manage *m, int err, struct sb_manage_lines *lines)
{
	sb_manage_reloaded(m, err, lines->n ? lines->line[0] : "");
	for (uint32_t i = 0; i < SB_MANAGE_CLIENTS_MAX; i++) {
		struct sb_call c = {.m = m, .client = &m->client[i]};
		if (!c.client->waiting)
			continue;
		c.client->waiting = false;
		json_t *result = reload_result(&c, err, lines);
		if (m->waiting_id)
			sb_rpc_answer(&c, m->waiting_id, result);
		else
			json_decref(result);
		json_decref(c.data);
	}
	json_decref(m->waiting_id);
	m->waiting_id = NULL;
	free_lines(lines);
}

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

json_t *sb_act_reload(struct sb_call *c)
{
	struct sb_manage_lines l = {.n = 0};
	char uid[16], generation[24];
	json_t *result = NULL;
	int err = c->m->view.reload(c->m->view.ctx, &l);
	uint64_t now = c->m->view.snapshot(c->m->view.ctx)->generation;
	snprintf(uid, sizeof uid, "%u", (unsigned)c->client->uid);
	snprintf(generation, sizeof generation, "%llu", (unsigned long long)now);
	sb_log(err ? SB_LOG_ERROR : SB_LOG_INFO, "operator reloaded the configuration", "uid", uid, "result",
	        sb_err_text(err), "generation", generation, NULL);
	sb_manage_reloaded(c->m, err, l.n ? l.line[0] : "");
	if (err) {
		c->data = json_pack("{s:o, s:i}", "lines", lines_json(&l), "omitted", (int)l.dropped);
		sb_call_fail(c, SB_RPC_REFUSED, "%s: the running configuration stays%s", sb_err_text(err),
		        c->data ? "" : "; out of memory to tell why");
	} else {
		result = json_pack("{s:b, s:I, s:o, s:i}", "ok", 1, "generation", (json_int_t)now, "notes",
		        lines_json(&l), "omitted", (int)l.dropped);
		if (!result)
			sb_call_fail(c, SB_RPC_INTERNAL, "reloaded, but out of memory to tell more");
	}
	for (uint32_t i = 0; i < l.n; i++)
		free(l.line[i]);
	return result;
}

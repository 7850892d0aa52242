/* SPDX-License-Identifier: BSD-3-Clause */
/* follow.c - events, once or as they come. The event log itself is the follower's queue: a slow one finds its next
 * event gone and is told how many it lost; nothing is kept for it, and nobody waits for it. */
#include "control/json_text.h"
#include "control/manage/rpc.h"
#include <stdlib.h>
#include <string.h>

#define LAST_EVENTS 100 /* told when after is not given */

/* Adds name unless text is empty. */
static void set_text(json_t **o, const char *name, const char *text)
{
	if (*text)
		sb_json_set(o, name, sb_json_text(text));
}

json_t *sb_json_event(const struct sb_event_record *rec)
{
	json_t *o = json_pack("{s:I, s:I, s:o}", "seq", (json_int_t)rec->seq, "wall_ms", (json_int_t)rec->wall_ms,
	        "kind", sb_json_text(rec->kind));
	set_text(&o, "trunk", rec->trunk);
	set_text(&o, "trunk2", rec->trunk2);
	set_text(&o, "detail", rec->detail);
	set_text(&o, "call_id", rec->call_id);
	if (rec->elapsed_us)
		sb_json_set(&o, "elapsed_us", json_integer((json_int_t)rec->elapsed_us));
	return o;
}

json_t *sb_follow_events(struct sb_call *c)
{
	const struct sb_events *e = c->m->view.events;
	uint64_t last = sb_events_last(e), limit = sb_call_number(c, "limit", SB_MANAGE_PAGE_MAX), lost = 0;
	uint64_t seen = sb_call_number(c, "after", UINT64_MAX);
	const struct sb_event_record *rec;
	json_t *list = json_array();
	if (limit > SB_MANAGE_PAGE_MAX)
		limit = SB_MANAGE_PAGE_MAX;
	if (seen == UINT64_MAX) {
		seen = last > LAST_EVENTS ? last - LAST_EVENTS : 0;
		if (json_object_get(c->params, "limit"))
			seen = last > limit ? last - limit : 0;
	}
	for (uint64_t n = 0; n < limit && (rec = sb_events_after(e, seen)); n++) {
		lost += rec->seq - seen - 1;
		seen = rec->seq;
		sb_json_add(&list, sb_json_event(rec));
	}
	json_t *result = json_pack("{s:o, s:I, s:I, s:I}", "events", list, "next", (json_int_t)seen, "last",
	        (json_int_t)last, "lost", (json_int_t)lost);
	if (result && sb_call_true(c, "follow")) {
		c->client->following = true;
		c->client->seen = seen;
	}
	return result;
}

/* False: no room. Takes params over. */
static bool notify(struct sb_client *c, const char *method, json_t *params)
{
	json_t *whole = json_pack("{s:s, s:s, s:o}", "jsonrpc", "2.0", "method", method, "params", params);
	char *text = sb_json_dump(whole, JSON_COMPACT);
	bool sent = text && sb_client_send(c, text, strlen(text));
	json_decref(whole);
	free(text);
	return sent;
}

void sb_follow_pump(struct sb_manage *m, struct sb_client *c)
{
	const struct sb_event_record *rec;
	for (uint32_t i = 0; i < FOLLOW_BATCH && sb_client_pending(c) < OUT_LOW; i++) {
		rec = sb_events_after(m->view.events, c->seen);
		if (!rec)
			return;
		uint64_t lost = rec->seq - c->seen - 1;
		if (lost && !notify(c, "lost", json_pack("{s:I}", "lost", (json_int_t)lost)))
			return;
		c->seen = rec->seq - 1;
		if (!notify(c, "event", sb_json_event(rec)))
			return;
		c->seen = rec->seq;
	}
}

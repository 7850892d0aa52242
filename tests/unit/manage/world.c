/* SPDX-License-Identifier: BSD-3-Clause */
#include "world.h"
#include "control/log.h"
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define POLLS_MAX 100000

static uint64_t now_ms(void *ctx)
{
	return ((struct world *)ctx)->now_ms;
}

static const struct sb_snapshot *snapshot(void *ctx)
{
	return &((struct world *)ctx)->snapshot;
}

static const struct sb_counters *counters(void *ctx, uint32_t worker)
{
	return &((struct world *)ctx)->counters[worker];
}

static const struct sb_trunk_stats *trunk_stats(void *ctx, uint32_t worker)
{
	return ((struct world *)ctx)->stats[worker];
}

static const struct sb_core_usage *usage(void *ctx, uint32_t worker)
{
	return &((struct world *)ctx)->usage[worker];
}

static uint32_t pools(void *ctx, struct sb_manage_pool *out, uint32_t max)
{
	assert_true(max >= 1);
	out[0] = (struct sb_manage_pool){"rx", 8192, 100, 2304};
	return 1;
}

static int trunk(void *ctx, uint16_t slot, struct sb_manage_trunk *out)
{
	struct world *w = ctx;
	struct sb_health_view v = sb_health_read(w->health, slot);
	if (slot == 2)
		return SB_E_NOENT; /* not yet with the engine: the health table alone knows it */
	out->state = v.state;
	out->admin = v.admin;
	out->share = v.share;
	out->probed = true;
	out->rtt_us = slot == 0 ? 1500 : 0;
	out->next_probe_in_ms = slot == 0 ? 4000 : UINT64_MAX;
	snprintf(out->evidence, sizeof out->evidence, "%s", slot == 1 ? w->evidence : "");
	out->evidence_age_ms = 3200;
	return 0;
}

static int admin(void *ctx, uint16_t slot, enum sb_admin a, char why[SB_MANAGE_WHY_MAX])
{
	struct world *w = ctx;
	struct sb_health_view v = sb_health_read(w->health, slot);
	w->admin_slot = slot;
	w->admin = a;
	w->admin_calls++;
	if (w->admin_err)
		snprintf(why, SB_MANAGE_WHY_MAX, "no room on the disk");
	w->health->line[slot].word = sb_health_word(v.state, a, v.share);
	return w->admin_err;
}

static int reload(void *ctx, struct sb_manage_lines *lines)
{
	struct world *w = ctx;
	char line[64];
	w->reload_calls++;
	for (uint32_t i = 0; i < w->reload_lines; i++) {
		snprintf(line, sizeof line, "switchback.yaml:%u: trunks.ramp: wrong", i + 1);
		sb_manage_line(lines, line);
	}
	w->snapshot.generation += !w->reload_err;
	return w->reload_err;
}

static int explain(
        void *ctx, const char *number, const char *domain, const struct sb_addr *source, struct sb_explain *out)
{
	struct world *w = ctx;
	snprintf(w->explain_number, sizeof w->explain_number, "%s", number);
	snprintf(w->explain_domain, sizeof w->explain_domain, "%s", domain);
	w->explain_source = *source;
	out->found = number[0] != '0';
	if (!out->found)
		return w->explain_err;
	snprintf(out->route, sizeof out->route, "prefix +4420");
	out->n = 3;
	out->row[0] = (struct sb_explain_row){"lon-a", "london", "10.0.0.1:5060", SB_UP, SB_ENABLED, 1024, "its turn",
	        200, 4, 3000, 3000, "", 0, false};
	out->row[1] = (struct sb_explain_row){"man-a", "manchester", "10.0.0.3:5060", SB_RAMPING, SB_ENABLED, 512,
	        "ramping", 500, 7, 63500, 66500, "probe good", 900, false};
	out->row[2] = (struct sb_explain_row){"lon-b", "london", "10.0.0.2:5060", SB_DOWN, SB_ENABLED, 0, "DOWN", 200,
	        4, 3000, 66500, "no answer in 3000 ms (4 sends)", 61000, true};
	return w->explain_err;
}

static void fill_snapshot(struct world *w)
{
	static const char *const name[WORLD_TRUNKS] = {"lon-a", "lon-b", "man-a"};
	struct sb_snapshot *s = &w->snapshot;
	w->trunks = calloc(WORLD_TRUNKS, sizeof *w->trunks);
	strcpy(w->listener.name, "access");
	for (uint16_t i = 0; i < WORLD_TRUNKS; i++) {
		char address[32];
		strcpy(w->trunks[i].name, name[i]);
		snprintf(address, sizeof address, "10.0.0.%d:5060", i + 1);
		assert_int_equal(sb_addr_parse(address, 5060, &w->trunks[i].addr), 0);
		w->trunks[i].slot = i;
		w->trunks[i].trying_timer_ms = 200;
		w->trunks[i].sends = 4;
		w->members[i] = (struct sb_snap_member){i, (uint16_t)(i + 1), 1};
	}
	strcpy(w->groups[0].name, "london");
	w->groups[0].n_members = 2;
	strcpy(w->groups[1].name, "manchester");
	w->groups[1].member = 2;
	w->groups[1].n_members = 1;
	w->groups[1].fallback_interval_ms = 60000;
	strcpy(w->text, "example.com");
	assert_int_equal(sb_net_parse("10.1.0.0/16", &w->nets[0]), 0);
	w->route_groups[0] = 0;
	w->route_groups[1] = 1;
	w->routes[0] = (struct sb_snap_route){SB_ROUTE_DOMAIN, 0, 1, 1};
	w->routes[1] = (struct sb_snap_route){SB_ROUTE_SOURCE, 0, 0, 1};
	w->routes[2] = (struct sb_snap_route){SB_ROUTE_DEFAULT, 0, 0, 2};
	w->routes[3] = (struct sb_snap_route){SB_ROUTE_PREFIX, 0, 0, 2};
	s->prefixes.line = &w->prefix_line;
	s->prefixes.place = &w->prefix_place;
	s->prefixes.n_lines = 1;
	assert_int_equal(sb_prefix_put(&s->prefixes, "+4420", 5, 0), SB_PREFIX_NONE);
	s->generation = 7;
	s->n_listeners = 1;
	s->n_trunks = WORLD_TRUNKS;
	s->n_groups = 2;
	s->n_routes = 4;
	s->n_other_routes = 3;
	s->listeners = &w->listener;
	s->trunks = w->trunks;
	s->members = w->members;
	s->groups = w->groups;
	s->routes = w->routes;
	s->route_groups = w->route_groups;
	s->nets = w->nets;
	s->text = w->text;
}

void world_trunks(struct world *w, uint32_t n)
{
	free(w->trunks);
	w->trunks = calloc(n, sizeof *w->trunks);
	assert_non_null(w->trunks);
	for (uint32_t i = 0; i < n; i++) {
		snprintf(w->trunks[i].name, SB_NAME_MAX, "t%u", i);
		w->trunks[i].slot = (uint16_t)i;
		w->trunks[i].addr.family = 4;
	}
	w->snapshot.trunks = w->trunks;
	w->snapshot.n_trunks = n;
}

struct world *world_new(void)
{
	struct world *w = aligned_alloc(64, (sizeof *w + 63) & ~(size_t)63);
	char why[SB_MANAGE_WHY_MAX];
	assert_non_null(w);
	memset(w, 0, sizeof *w);
	strcpy(w->dir, "/tmp/sb-manage-XXXXXX");
	assert_non_null(mkdtemp(w->dir));
	snprintf(w->path, sizeof w->path, "%s/control.sock", w->dir);
	w->now_ms = 1000;
	w->events = sb_events_new();
	w->health = aligned_alloc(64, sizeof *w->health);
	assert_non_null(w->health);
	memset(w->health, 0, sizeof *w->health);
	w->health->line[0].word = sb_health_word(SB_UP, SB_ENABLED, SB_SHARE_FULL);
	w->health->line[1].word = sb_health_word(SB_DOWN, SB_ENABLED, 0);
	w->health->line[2].word = sb_health_word(SB_RAMPING, SB_DRAIN, SB_SHARE_FULL / 2);
	for (int i = 0; i < WORLD_WORKERS; i++) {
		w->stats[i] = aligned_alloc(64, SB_TRUNKS_MAX * sizeof **w->stats);
		assert_non_null(w->stats[i]);
		memset(w->stats[i], 0, SB_TRUNKS_MAX * sizeof **w->stats);
	}
	fill_snapshot(w);
	sb_log_setup(SB_LOG_ERROR, SB_LOG_LOGFMT);
	assert_int_equal(world_serve(w, w->path, &w->m, why), 0);
	return w;
}

int world_serve(struct world *w, const char *path, struct sb_manage **m, char why[SB_MANAGE_WHY_MAX])
{
	const struct sb_manage_view view = {w, WORLD_WORKERS, w->events, w->health, now_ms, snapshot, counters,
	        trunk_stats, usage, pools, trunk, admin, reload, explain};
	return sb_manage_new(path, &view, m, why);
}

void world_free(struct world *w)
{
	sb_manage_free(w->m);
	assert_int_equal(access(w->path, F_OK), -1);
	rmdir(w->dir);
	sb_events_free(w->events);
	for (int i = 0; i < WORLD_WORKERS; i++)
		free(w->stats[i]);
	free(w->health);
	free(w->trunks);
	free(w);
}

int world_connect(struct world *w)
{
	struct sockaddr_un at = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);
	strcpy(at.sun_path, w->path);
	assert_int_equal(connect(fd, (struct sockaddr *)&at, sizeof at), 0);
	return fd;
}

void world_send(int fd, const char *text)
{
	size_t len = strlen(text);
	assert_int_equal(send(fd, text, len, MSG_NOSIGNAL), len);
}

char *world_line(struct world *w, int fd)
{
	size_t len = 0, room = 4096;
	char *line = malloc(room + 1);
	assert_non_null(line);
	for (int polls = 0; polls < POLLS_MAX && len < SB_MANAGE_OUT_MAX; polls++) {
		if (len == room)
			line = realloc(line, (room *= 4) + 1);
		assert_non_null(line);
		/* Looks before it takes, so that the next line stays in the socket. */
		ssize_t n = recv(fd, line + len, room - len, MSG_PEEK | MSG_DONTWAIT);
		if (n > 0) {
			char *end = memchr(line + len, '\n', (size_t)n);
			size_t take = end ? (size_t)(end - line) - len + 1 : (size_t)n;
			assert_int_equal(recv(fd, line + len, take, 0), take);
			len += take;
			line[len] = 0;
			if (!end)
				continue;
			*end = 0;
			return line;
		}
		if (n == 0 || errno != EAGAIN)
			break;
		sb_manage_poll(w->m, 16);
	}
	free(line);
	return NULL;
}

json_t *world_json(struct world *w, int fd)
{
	json_error_t error;
	char *line = world_line(w, fd);
	assert_non_null(line);
	json_t *v = json_loads(line, 0, &error);
	assert_non_null(v);
	free(line);
	return v;
}

json_t *world_ask(struct world *w, int fd, const char *method, const char *params)
{
	char *line;
	assert_true(asprintf(&line, "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"%s\"%s%s}\n", method,
	                    params ? ",\"params\":" : "", params ? params : "") > 0);
	world_send(fd, line);
	free(line);
	return world_json(w, fd);
}

json_t *world_result(struct world *w, int fd, const char *method, const char *params)
{
	json_t *answer = world_ask(w, fd, method, params), *result = json_object_get(answer, "result");
	assert_non_null(result);
	json_incref(result);
	json_decref(answer);
	return result;
}

int world_code(struct world *w, int fd, const char *line)
{
	world_send(fd, line);
	world_send(fd, "\n");
	json_t *answer = world_json(w, fd);
	int code = (int)json_integer_value(json_object_get(json_object_get(answer, "error"), "code"));
	assert_true(json_object_get(answer, "id") != NULL);
	json_decref(answer);
	return code;
}

void world_event(struct world *w, const char *kind, const char *detail)
{
	struct sb_event_record rec = {.wall_ms = 1};
	snprintf(rec.kind, sizeof rec.kind, "%s", kind);
	snprintf(rec.detail, sizeof rec.detail, "%s", detail);
	sb_events_add(w->events, &rec);
}

/* SPDX-License-Identifier: BSD-3-Clause */
#include "world.h"
#include "dataplane/call/txn.h"
#include "dataplane/sip/osip.h"
#include <strings.h>

const char *const world_caller = "192.0.2.99:5070";

static struct sb_addr addr(const char *text)
{
	struct sb_addr a;
	assert_int_equal(sb_addr_parse(text, 5060, &a), 0);
	return a;
}

static struct sb_pkt *pkt_alloc(void *ctx, uint32_t size)
{
	struct world *w = ctx;
	if (w->refuse_buffers) {
		w->refuse_buffers -= w->refuse_buffers > 0;
		return NULL;
	}
	w->cap_max = size > w->cap_max ? size : w->cap_max;
	struct sb_pkt *p = calloc(1, sizeof *p + size + SB_SIP_PAD);
	p->text = (char *)(p + 1);
	p->cap = size;
	w->buffers++;
	return p;
}

static void pkt_free(void *ctx, struct sb_pkt *p)
{
	struct world *w = ctx;
	w->buffers--;
	free(p);
}

static void keep(struct world *w, const struct sb_pkt *p)
{
	assert_true(w->n_sent < WORLD_SENT_MAX);
	struct world_sent *s = &w->sent[w->n_sent++];
	assert_true(p->len < sizeof s->text);
	memcpy(s->text, p->text, p->len);
	s->text[p->len] = 0;
	s->len = p->len;
	s->to = p->peer;
	memcpy(s->from, p->listener->hostport, sizeof s->from);
	s->at_ms = w->now_us / 1000;
}

static bool pkt_send(void *ctx, struct sb_pkt *p)
{
	struct world *w = ctx;
	bool sent = !w->refuse_sends;
	if (sent && w->on_send)
		w->on_send(w, p);
	else if (sent)
		keep(w, p);
	pkt_free(w, p);
	return sent;
}

static const struct sb_core_ops ops = {pkt_alloc, pkt_free, pkt_send};

static void make_listener(struct sb_snap_listener *l, const char *name, const char *hostport)
{
	snprintf(l->name, sizeof l->name, "%s", name);
	l->addr = addr(hostport);
	l->hostport_len = (uint8_t)sb_addr_format(&l->addr, l->hostport);
	l->n_trust = 1;
}

static void make_snapshot(struct world *w, unsigned i, unsigned n_trunks)
{
	struct sb_snapshot *s = &w->snap[i];
	*s = (struct sb_snapshot){.generation = i + 1,
	        .t1_ms = 500,
	        .t2_ms = 4000,
	        .t4_ms = 5000,
	        .timer_c_ms = 190000,
	        .retry_after_s = 5,
	        .n_listeners = 2,
	        .n_trunks = n_trunks,
	        .n_groups = 1,
	        .n_routes = 1,
	        .listeners = w->listeners,
	        .trunks = w->trunks[i],
	        .members = w->members,
	        .groups = &w->group,
	        .routes = &w->route,
	        .route_groups = &w->route_group,
	        .nets = w->nets,
	        .n_other_routes = 1,
	        .trunk_of_slot = w->trunk_of_slot};
	for (unsigned t = 0; t < n_trunks; t++) {
		struct sb_snap_trunk *k = &w->trunks[i][t];
		char text[32];
		snprintf(text, sizeof text, "192.0.2.%u:5060", t + 1);
		snprintf(k->name, sizeof k->name, "t%u", t + 1);
		k->addr = addr(text);
		k->slot = (uint16_t)t;
		k->trying_timer_ms = 200;
		k->sends = 4;
		sb_code_add(&k->failover_on, 408);
		for (unsigned c = 500; c < 600; c++)
			sb_code_add(&k->failover_on, c);
		w->trunk_of_slot[t] = (uint16_t)t;
	}
}

static void make_core(struct world *w)
{
	size_t size = (sb_core_memory(&w->cfg) + 63) & ~(size_t)63;
	w->cfg.memory = memset(aligned_alloc(64, size), 0, size);
	w->core = sb_core_init(&w->cfg);
	sb_core_snapshot(w->core, &w->snap[0]);
}

/* All that a life of the core leaves behind. */
static void make_state(struct world *w)
{
	memset(w->health, 0, WORLD_TRUNKS * sizeof w->health->line[0]);
	memset(w->stats, 0, WORLD_TRUNKS * sizeof *w->stats);
	memset(&w->counters, 0, sizeof w->counters);
	memset(w->timer, 0, sizeof w->timer);
	w->n_told = w->n_sent = w->seen = 0;
	w->refuse_sends = w->deaf = false;
	w->refuse_buffers = 0;
	w->now_us = 5000000;
	for (unsigned t = 0; t < w->n_trunks; t++)
		world_health(w, t, SB_UP, SB_ENABLED, SB_SHARE_FULL);
	make_snapshot(w, 0, w->n_trunks);
	make_snapshot(w, 1, w->n_trunks);
}

struct world *world_new(unsigned n_trunks)
{
	static char arena[1 << 16];
	sb_osip_init();
	sb_osip_arena(arena, sizeof arena);
	struct world *w = calloc(1, sizeof *w);
	w->n_trunks = n_trunks;
	w->health = aligned_alloc(64, sizeof *w->health);
	memset(w->health, 0, sizeof *w->health);
	w->stats = aligned_alloc(64, SB_TRUNKS_MAX * sizeof *w->stats);
	memset(w->stats, 0, SB_TRUNKS_MAX * sizeof *w->stats);
	memset(w->trunk_of_slot, 0xff, sizeof w->trunk_of_slot);
	assert_int_equal(sb_net_parse("192.0.2.0/24", &w->nets[0]), 0);
	make_listener(&w->listeners[0], "access", "192.0.2.10:5060");
	make_listener(&w->listeners[1], "core", "198.51.100.10:5060");
	for (unsigned t = 0; t < n_trunks; t++)
		w->members[t] = (struct sb_snap_member){(uint16_t)t, (uint16_t)(t + 1), 1};
	w->group = (struct sb_snap_group){.name = "g", .n_members = n_trunks};
	w->route = (struct sb_snap_route){.kind = SB_ROUTE_DEFAULT, .n_groups = 1};
	make_state(w);
	assert_int_equal(sb_mailbox_init(&w->mail, 64), 0);
	w->cfg = (struct sb_core_config){.n_workers = 1,
	        .ops = &ops,
	        .ops_ctx = w,
	        .mail = &w->mail,
	        .health = w->health,
	        .counters = &w->counters,
	        .trunk_stats = w->stats,
	        .transactions_max = 16,
	        .linger_max = 32,
	        .text_bytes_max = 1 << 20};
	memset(&w->cfg.keys, 7, sizeof w->cfg.keys);
	make_core(w);
	return w;
}

void world_reset(struct world *w)
{
	struct sb_mail m;
	make_state(w);
	while (sb_ring_take(&w->mail.up, &m) || sb_ring_take(&w->mail.down, &m))
		;
	memset(w->cfg.memory, 0, sb_core_memory(&w->cfg));
	w->core = sb_core_init(&w->cfg);
	sb_core_snapshot(w->core, &w->snap[0]);
}

void world_restart(struct world *w)
{
	free(w->cfg.memory);
	w->cfg.keys.boot[0]++;
	w->snap[0].refs[0].n = w->snap[1].refs[0].n = 0;
	memset(w->timer, 0, sizeof w->timer);
	make_core(w);
}

void world_worker(struct world *w, unsigned worker, unsigned n_workers)
{
	free(w->cfg.memory);
	w->cfg.worker = (uint8_t)worker;
	w->cfg.n_workers = (uint8_t)n_workers;
	make_core(w);
}

void world_end(struct world *w)
{
	const struct sb_core_usage *u = sb_core_usage(w->core);
	world_pass(w, 1000000);
	assert_int_equal(u->transactions, 0);
	assert_int_equal(u->invites, 0);
	assert_int_equal(u->lingering, 0);
	assert_int_equal(u->text_bytes, 0);
	assert_int_equal(w->snap[0].refs[w->cfg.worker].n + w->snap[1].refs[w->cfg.worker].n, 0);
	for (unsigned t = 0; t < WORLD_TRUNKS; t++)
		assert_int_equal(w->stats[t].active, 0);
	world_free(w);
}

void world_free(struct world *w)
{
	sb_mailbox_fini(&w->mail);
	free(w->cfg.memory);
	free(w->health);
	free(w->stats);
	free(w);
}

void world_health(struct world *w, unsigned trunk, enum sb_health_state state, enum sb_admin admin, uint32_t share)
{
	w->health->line[trunk].word = sb_health_word(state, admin, share);
}

void world_mail(struct world *w)
{
	struct sb_mail m;
	while (!w->deaf && sb_ring_take(&w->mail.up, &m)) {
		if (m.op == SB_MAIL_ARM) {
			assert_true(m.timer.slot < 64);
			w->timer[m.timer.slot].at_ms = m.timer.deadline_ms;
			w->timer[m.timer.slot].gen = m.timer.gen;
		} else if (w->n_told < 256) {
			w->told[w->n_told++] = m;
		}
	}
}

enum sb_counter world_rx_from(
        struct world *w, unsigned listener, const struct sb_addr *from, const void *bytes, uint32_t len)
{
	char *copy = calloc(1, len + SB_SIP_PAD); /* no more, so that sanitizers see an over-read */
	memcpy(copy, bytes, len);
	struct sb_pkt p = {
	        .text = copy, .len = len, .peer = *from, .listener = &(w->many ? w->many : w->listeners)[listener]};
	struct sb_sip sip;
	bool asked;
	struct sb_look look;
	sb_core_read(w->core, &sip, &p, w->parser_osip, &look, &asked);
	sb_core_prefetch(w->core, &look);
	sb_core_prefetch_more(w->core, &look);
	enum sb_counter end = sb_core_packet(w->core, &p, &sip, &look, w->now_us).counter;
	free(copy);
	world_mail(w);
	return end;
}

enum sb_counter world_rx_bytes(struct world *w, unsigned listener, const char *from, const void *bytes, uint32_t len)
{
	struct sb_addr a = addr(from);
	return world_rx_from(w, listener, &a, bytes, len);
}

enum sb_counter world_rx_at(struct world *w, unsigned listener, const char *from, const char *text)
{
	return world_rx_bytes(w, listener, from, text, (uint32_t)strlen(text));
}

enum sb_counter world_rx(struct world *w, const char *from, const char *text)
{
	return world_rx_at(w, 0, from, text);
}

enum sb_counter world_icmp(struct world *w, const char *to, const char *quote)
{
	struct sb_addr a = addr(to);
	enum sb_counter end = sb_core_icmp(w->core, &a, quote, strlen(quote), true, w->now_us).counter;
	world_mail(w);
	return end;
}

static int due(const struct world *w, uint64_t until)
{
	int slot = -1;
	for (int i = 0; i < 64; i++)
		if (w->timer[i].at_ms && w->timer[i].at_ms <= until &&
		        (slot < 0 || w->timer[i].at_ms < w->timer[slot].at_ms))
			slot = i;
	return slot;
}

void world_pass(struct world *w, uint64_t ms)
{
	uint64_t until = w->now_us / 1000 + ms;
	int slot;
	while ((slot = due(w, until)) >= 0) {
		struct sb_mail m = {.op = SB_MAIL_FIRED, .timer = {.slot = (uint32_t)slot, .gen = w->timer[slot].gen}};
		if (w->timer[slot].at_ms * 1000 > w->now_us)
			w->now_us = w->timer[slot].at_ms * 1000;
		w->timer[slot].at_ms = 0;
		sb_core_mail(w->core, &m, w->now_us);
		world_mail(w);
	}
	w->now_us = until * 1000;
	for (unsigned i = 0; i < 4; i++)
		sb_core_tick(w->core, w->now_us);
	world_mail(w);
}

const struct world_sent *world_next(struct world *w)
{
	if (w->seen >= w->n_sent)
		fail_msg("nothing more was sent");
	return &w->sent[w->seen++];
}

const struct world_sent *world_expect(struct world *w, const char *start, const char *to)
{
	const struct world_sent *s = world_next(w);
	char got[SB_ADDR_TEXT_MAX];
	sb_addr_format(&s->to, got);
	if (strncmp(s->text, start, strlen(start)) != 0 || (to && strcmp(got, to) != 0))
		fail_msg("expected %s to %s, got to %s:\n%s", start, to ? to : "anyone", got, s->text);
	return s;
}

void world_quiet(struct world *w)
{
	if (w->seen < w->n_sent)
		fail_msg("unexpected:\n%s", w->sent[w->seen].text);
}

unsigned world_count_sent(const struct world *w, unsigned from, const char *start, const char *to)
{
	unsigned n = 0;
	char got[SB_ADDR_TEXT_MAX];
	for (unsigned i = from; i < w->n_sent; i++) {
		sb_addr_format(&w->sent[i].to, got);
		n += strncmp(w->sent[i].text, start, strlen(start)) == 0 && (!to || !strcmp(got, to));
	}
	return n;
}

const struct world_sent *world_call(struct world *w, unsigned n)
{
	assert_int_equal(world_rx(w, world_caller, world_invite(n)), SB_C_end_forwarded);
	world_expect(w, "SIP/2.0 100 ", world_caller);
	return world_expect(w, "INVITE sip:+442079460000@example.com SIP/2.0", T1);
}

const struct world_sent *world_reply(struct world *w, const char *request, const char *start)
{
	assert_int_equal(world_rx(w, world_caller, request), SB_C_end_replied);
	const struct world_sent *s = world_expect(w, start, world_caller);
	world_quiet(w);
	assert_int_equal(sb_core_usage(w->core)->transactions, 0);
	return s;
}

void world_fill_store(struct world *w)
{
	static char text[65000];
	static const uint32_t sizes[] = {65000, 32000, 16000, 8000, 4000, 2000, 1500, 1000, 700, 500, 300};
	for (unsigned i = 0; i < sizeof sizes / sizeof *sizes; i++)
		while (sb_store_put(&w->core->store, text, sizes[i]).at)
			;
}

static char *buffer(void)
{
	static char ring[64][8192];
	static unsigned at;
	return ring[at++ % 64];
}

const char *world_request(const char *method, unsigned n, const char *to_tag, const char *extra)
{
	char *b = buffer();
	snprintf(b, 8192,
	        "%s sip:+442079460000@example.com SIP/2.0\r\n"
	        "Via: SIP/2.0/UDP 192.0.2.99:5070;branch=z9hG4bKc%u;rport\r\n"
	        "Max-Forwards: 70\r\n"
	        "From: <sip:alice@example.org>;tag=a%u\r\n"
	        "To: <sip:+442079460000@example.com>%s%s\r\n"
	        "Call-ID: call%u@192.0.2.99\r\n"
	        "CSeq: 1 %s\r\n"
	        "Contact: <sip:alice@192.0.2.99:5070>\r\n"
	        "%s"
	        "Content-Length: 0\r\n\r\n",
	        method, n, n, to_tag[0] ? ";tag=" : "", to_tag, n, method, extra);
	return b;
}

const char *world_invite(unsigned n)
{
	return world_request("INVITE", n, "", "");
}

/* Appends every header line of that name. */
static void copy_lines(const char *text, const char *name, char *out)
{
	for (const char *p = text; *p && strncmp(p, "\r\n", 2) != 0;) {
		const char *eol = strstr(p, "\r\n");
		if (strncasecmp(p, name, strlen(name)) == 0 && p[strlen(name)] == ':')
			strncat(out, p, (size_t)(eol + 2 - p));
		p = eol + 2;
	}
}

const char *world_answer(const char *request, unsigned status, const char *extra)
{
	char *b = buffer();
	snprintf(b, 200, "SIP/2.0 %u Whatever\r\n", status);
	copy_lines(request, "Via", b);
	copy_lines(request, "Record-Route", b);
	copy_lines(request, "From", b);
	copy_lines(request, "To", b);
	if (status > 100 && !strstr(world_header(request, "To"), "tag="))
		strcpy(b + strlen(b) - 2, ";tag=callee\r\n");
	copy_lines(request, "Call-ID", b);
	copy_lines(request, "CSeq", b);
	strcat(b, extra);
	strcat(b, "Content-Length: 0\r\n\r\n");
	return b;
}

const char *world_header(const char *text, const char *name)
{
	char *b = buffer();
	b[0] = 0;
	copy_lines(text, name, b);
	char *value = strchr(b, ':'), *eol = strstr(b, "\r\n");
	if (!value || !eol)
		return "";
	*eol = 0;
	value++;
	while (*value == ' ')
		value++;
	return value;
}

unsigned world_count_header(const char *text, const char *name)
{
	unsigned n = 0;
	for (const char *p = strstr(text, "\r\n"); p && strncmp(p, "\r\n\r\n", 4) != 0; p = strstr(p + 2, "\r\n"))
		n += strncasecmp(p + 2, name, strlen(name)) == 0 && p[2 + strlen(name)] == ':';
	return n;
}

unsigned world_told(const struct world *w, enum sb_mail_op op, unsigned kind)
{
	unsigned n = 0;
	for (unsigned i = 0; i < w->n_told; i++)
		n += w->told[i].op == op && (kind == 0 || w->told[i].kind == kind);
	return n;
}

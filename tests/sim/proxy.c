/* SPDX-License-Identifier: BSD-3-Clause */
/* proxy.c - switchback itself: real cores, mailboxes, engine and snapshots, and around them what dataplane/net and
 * control/main.c do in the daemon: queues, hand-over, ticks, swapping and freeing. Who runs next is drawn. */
#include "sim.h"

#define BURST       32
#define STORE_SPARE (12 * 70000) /* a page of the text store for each size of text */

struct buffer {
	struct sb_pkt pkt;
	uint64_t magic;
	char text[];
};
#define MAGIC 0x5b5b5b5b12345678ull

static bool shortage(struct sim *s, unsigned pm)
{
	if (s->now >= s->shortage_until || !chance(s, pm))
		return false;
	s->step.disturbed = true;
	s->last_failure = s->now;
	saw(s, SEEN_shortage);
	return true;
}

static struct sb_pkt *buffer_alloc(void *ctx, uint32_t size)
{
	struct worker *w = ctx;
	if (shortage(w->sim, w->sim->profile->alloc_fail_pm))
		return NULL;
	struct buffer *b = malloc(sizeof *b + size + SB_SIP_PAD);
	assert(b);
	b->pkt = (struct sb_pkt){.text = b->text, .cap = size};
	b->magic = MAGIC;
	w->sim->px.buffers++;
	return &b->pkt;
}

static void buffer_free(void *ctx, struct sb_pkt *p)
{
	struct worker *w = ctx;
	struct buffer *b = (struct buffer *)(void *)p;
	assert(b->magic == MAGIC); /* freed twice, or never ours */
	b->magic = 0;
	w->sim->px.buffers--;
	free(b);
}

static bool buffer_send(void *ctx, struct sb_pkt *p)
{
	struct worker *w = ctx;
	struct sim *s = w->sim;
	bool sent = !shortage(s, s->profile->send_fail_pm);
	assert(p->len <= p->cap);
	if (sent) {
		const struct packet out = {.src = to_ep(&p->listener->addr), .dst = to_ep(&p->peer)};
		oracle_out(s, out.src, out.dst, p->text, p->len);
		assert(p->len <= TEXT_MAX);
		if (w->wire) {
			wire_send(s, w, p);
		} else {
			trace(s, &out, p->text, p->len);
			net_send(s, out.src, out.dst, p->text, p->len);
		}
	}
	buffer_free(ctx, p);
	return sent;
}

static const struct sb_core_ops ops = {buffer_alloc, buffer_free, buffer_send};

static void queue_init(struct queue *q, uint32_t max)
{
	*q = (struct queue){.at = calloc(max, sizeof(struct packet *)), .max = max};
	assert(q->at);
}

static bool queue_put(struct queue *q, struct packet *p)
{
	if (q->n == q->max)
		return false;
	q->at[(q->head + q->n++) % q->max] = p;
	return true;
}

static struct packet *queue_take(struct queue *q)
{
	if (!q->n)
		return NULL;
	struct packet *p = q->at[q->head];
	q->head = (q->head + 1) % q->max;
	q->n--;
	return p;
}

static bool waiting(struct sb_ring *r)
{
	return r->head != r->tail;
}

static void soon(struct sim *s, struct worker *w, uint64_t when)
{
	if (when < w->stall_until)
		when = w->stall_until;
	if (when < w->run_at)
		w->run_at = when;
	(void)s;
}

/* The wake-up of a polling loop. */
static uint64_t shortly(struct sim *s)
{
	return s->now + 1 + rnd(s, 60);
}

static void worker_start(struct sim *s, struct worker *w, unsigned i)
{
	struct proxy *px = &s->px;
	memset(w, 0, sizeof *w);
	w->sim = s;
	w->run_at = NEVER;
	queue_init(&w->rx, px->rx_max);
	w->wire = s->frames ? wire_new(s, i) : NULL;
	w->in = calloc(px->in_max, sizeof *w->in);
	w->stats = aligned_alloc(64, SB_TRUNKS_MAX * sizeof *w->stats);
	assert(w->in && w->stats);
	for (unsigned t = 0; t < 64; t++) /* the slots there can be */
		memset(&w->stats[t], 0, sizeof w->stats[t]);
	assert(sb_mailbox_init(&w->mail, px->ring) == 0);
	w->cfg = (struct sb_core_config){.worker = (uint8_t)i,
	        .n_workers = (uint8_t)px->n_workers,
	        .keys = px->keys,
	        .ops = &ops,
	        .ops_ctx = w,
	        .mail = &w->mail,
	        .health = px->health,
	        .counters = &w->counters,
	        .trunk_stats = w->stats,
	        .transactions_max = px->slots_max,
	        .linger_max = px->slots_max * 2,
	        .text_bytes_max = (uint64_t)px->slots_max * 4096 + STORE_SPARE};
	size_t size = (sb_core_memory(&w->cfg) + 63) & ~(size_t)63;
	w->cfg.memory = aligned_alloc(64, size);
	assert(w->cfg.memory);
	memset(w->cfg.memory, 0, size);
	w->core = sb_core_init(&w->cfg);
}

static void on_event(void *ctx, const struct sb_event_record *rec)
{
	struct sim *s = ctx;
	s->px.events++;
	if (s->verbose)
		printf("%10.3f %s %s %s %s: %s\n", (double)s->now / 1e6, rec->kind, rec->trunk, rec->trunk2,
		        rec->call_id, rec->detail);
}

void proxy_start(struct sim *s)
{
	struct proxy *px = &s->px;
	px->boot++;
	for (unsigned i = 0; i < 16; i++) {
		px->keys.boot[i] = (uint8_t)rnd(s, 256);
		px->keys.fleet[i] = (uint8_t)(s->seed + i);
	}
	px->health = aligned_alloc(64, sizeof *px->health);
	assert(px->health);
	memset(px->health, 0, 64 * sizeof px->health->line[0]);
	struct sb_engine_config e = {.n_workers = px->n_workers,
	        .transactions_per_worker = px->slots_max,
	        .health = px->health,
	        .event = on_event,
	        .event_ctx = s,
	        .seed = rnd64(s),
	        .now_ms = s->now / 1000};
	for (unsigned i = 0; i < px->n_workers; i++) {
		worker_start(s, &px->w[i], i);
		e.mail[i] = &px->w[i].mail;
		e.trunk_stats[i] = px->w[i].stats;
	}
	px->engine = sb_engine_new(&e);
	px->slots = sb_slots_new();
	assert(px->engine && px->slots);
	px->control_at = s->now;
	px->control_stall = 0;
}

void proxy_use(struct sim *s, struct sb_config *cfg)
{
	struct proxy *px = &s->px;
	const struct conf *c = &s->confs[s->n_confs - 1];
	if (px->snap)
		px->old[px->n_old++] = px->snap;
	px->snap = cfg->snapshot;
	px->snap->generation = s->n_confs;
	cfg->snapshot = NULL;
	sb_config_free(px->cfg);
	px->cfg = cfg;
	for (unsigned i = 0; i < TRUNKS_MAX; i++) {
		char name[8];
		snprintf(name, sizeof name, "t%u", i);
		if (!c->trunk[i].present)
			continue;
		px->slot[i] = (uint16_t)sb_slots_get(px->slots, name);
		const struct conf *was = s->n_confs > 1 ? &s->confs[s->n_confs - 2] : NULL;
		if (!was || !was->trunk[i].present || !ep_eq(trunk_ep(was, i), trunk_ep(c, i)))
			oracle_health_reset(s, i);
		s->otrunk[i].ramp_free = true;
	}
	sb_engine_config(px->engine, px->snap, cfg->policy, s->now / 1000);
	px->control_at = s->now;
	for (unsigned i = 0; i < px->n_workers; i++)
		soon(s, &px->w[i], shortly(s));
}

static void worker_stop(struct sim *s, struct worker *w)
{
	struct packet *p;
	s->px.gone += w->rx.n + w->n_in;
	while ((p = queue_take(&w->rx)))
		packet_free(s, p);
	for (uint32_t i = 0; i < w->n_in; i++)
		packet_free(s, w->in[i].p);
	s->px.totals[SB_C_rx_frames] -= w->n_in; /* they end with their process */
	for (unsigned i = 0; i < SB_COUNTERS; i++)
		s->px.totals[i] += w->counters.v[i];
	for (unsigned t = 0; t < 64; t++)
		s->px.leg_stats += w->stats[t].calls;
	sb_mailbox_fini(&w->mail);
	wire_free(w->wire);
	free(w->rx.at);
	free(w->in);
	free(w->stats);
	free(w->cfg.memory);
}

void proxy_stop(struct sim *s)
{
	struct proxy *px = &s->px;
	for (unsigned i = 0; i < px->n_workers; i++)
		worker_stop(s, &px->w[i]);
	sb_engine_free(px->engine);
	sb_slots_free(px->slots);
	free(px->health);
	while (px->n_old)
		sb_snapshot_free(px->old[--px->n_old]);
	sb_snapshot_free(px->snap);
	sb_config_free(px->cfg);
	px->snap = NULL;
	px->cfg = NULL;
	frames_free(s); /* what peers have in pieces is lost with it: as if on the way */
}

/* kill -9: all that is remembered is on disk: the configuration, the fleet's key and the operator's switches. */
void proxy_kill(struct sim *s)
{
	struct conf c = s->confs[s->n_confs - 1];
	if (s->n_confs >= 250)
		return;
	saw(s, SEEN_kill);
	proxy_stop(s);
	oracle_killed(s);
	proxy_start(s);
	conf_load(s, &c);
	for (unsigned i = 0; i < TRUNKS_MAX; i++) {
		oracle_health_reset(s, i);
		if (c.trunk[i].present)
			sb_engine_admin(s->px.engine, s->px.slot[i], s->px.admin[i], s->now / 1000);
	}
}

/* Which queue: any; but the pieces of a datagram come by the same. */
void proxy_rx(struct sim *s, struct packet *p)
{
	uint32_t any = rnd(s, s->px.n_workers), same = (p->src.ip * 31 + p->dst.ip * 7 + p->src.v6) % s->px.n_workers;
	struct worker *w = &s->px.w[p->kind == PACKET_FRAME ? same : any];
	trace(s, p, p->text, p->len);
	s->px.came++;
	if (queue_put(&w->rx, p)) {
		soon(s, w, shortly(s));
		return;
	}
	saw(s, SEEN_rx_full);
	sb_count(&w->counters, SB_C_rx_missed);
	packet_free(s, p);
}

static void act(struct sim *s, struct worker *w, struct handed *h)
{
	struct packet *p = h->p;
	bool icmp = p->kind == PACKET_ICMP;
	struct sb_pkt pkt = {.text = p->text, .len = p->len, .peer = to_addr(p->src)};
	const struct sb_addr local = to_addr(p->dst);
	struct sb_end end = {SB_C_drop_not_ours};
	for (uint32_t i = 0; i < w->snap->n_listeners; i++)
		if (sb_addr_eq(&w->snap->listeners[i].addr, &local))
			pkt.listener = &w->snap->listeners[i];
	oracle_begin(s, w, p);
	if (icmp)
		end = sb_core_icmp(w->core, &pkt.peer, p->text, p->len, p->fatal, s->now);
	else if (pkt.listener)
		end = sb_core_packet(w->core, &pkt, &h->sip, &h->look, s->now);
	sb_count(&w->counters, end.counter);
	oracle_end(s, w);
	packet_free(s, p);
}

static unsigned owner_of_icmp(const struct sim *s, const struct packet *p, unsigned here)
{
	struct sb_cookie c;
	const char *b = memmem(p->text, p->len, "z9hG4bK", 7);
	if (!b || p->text + p->len - b < SB_BRANCH_LEN || sb_cookie_read(&s->px.keys, b, SB_BRANCH_LEN, &c) ||
	        c.kind != SB_COOKIE_TXN || c.worker >= s->px.n_workers)
		return here;
	return c.worker;
}

static void take(struct sim *s, struct worker *w, struct packet *p)
{
	unsigned here = (unsigned)(w - s->px.w), owner;
	enum sb_counter lost;
	bool asked;
	sb_count(&w->counters, SB_C_rx_frames);
	if (w->wire && !(p = wire_take(s, w, p, &lost))) {
		sb_count(&w->counters, lost);
		return;
	}
	struct handed h = {.p = p};
	if (p->kind == PACKET_ICMP) {
		owner = owner_of_icmp(s, p, here);
	} else {
		const struct sb_pkt pkt = {.text = p->text, .len = p->len};
		sb_core_read(w->core, &h.sip, &pkt, w->snap->parser == SB_PARSER_OSIP, &h.look, &asked);
		owner = sb_core_owner(w->core, &h.look);
	}
	if (owner == here) {
		act(s, w, &h);
		return;
	}
	struct worker *o = &s->px.w[owner];
	if (o->n_in == s->px.in_max) {
		saw(s, SEEN_handoff_full);
		sb_count(&w->counters, SB_C_drop_ring_full);
		packet_free(s, p);
		return;
	}
	o->in[o->n_in++] = h;
	sb_count(&w->counters, SB_C_handoff);
	soon(s, o, shortly(s));
}

static void mail(struct sim *s, struct worker *w)
{
	struct sb_mail m;
	for (unsigned n = 0; n < 64 && sb_ring_take(&w->mail.down, &m); n++) {
		if (m.op == SB_MAIL_TRUNK_DOWN)
			w->busy_until = s->now + (s->px.slots_max / 256 + 2) * 500;
		oracle_begin(s, w, NULL);
		sb_core_mail(w->core, &m, s->now);
		oracle_end(s, w);
	}
}

static void worker_again(struct sim *s, struct worker *w)
{
	uint64_t full = sb_counter_get(&w->counters, SB_C_mail_full);
	if (full != w->mail_full_seen) {
		w->busy_until = s->now + 2 * SEC;
		saw(s, SEEN_mailbox_full);
	}
	w->mail_full_seen = full;
	w->run_at = NEVER;
	if (w->rx.n || w->n_in || waiting(&w->mail.down))
		soon(s, w, shortly(s));
	else if (s->now < w->busy_until)
		soon(s, w, s->now + 400);
	else if (sb_core_usage(w->core)->lingering || wire_busy(w->wire))
		soon(s, w, s->now + SEC);
	if (waiting(&w->mail.up)) {
		uint64_t tick = (s->now / 1000 + 1) * 1000;
		if (tick < s->px.control_stall)
			tick = s->px.control_stall;
		if (tick < s->px.control_at)
			s->px.control_at = tick;
	}
}

static void worker_run(struct sim *s, struct worker *w)
{
	struct packet *p;
	if (w->snap != s->px.snap) {
		w->snap = s->px.snap;
		w->conf = (uint8_t)(s->n_confs - 1);
		sb_core_snapshot(w->core, w->snap);
	}
	sb_core_shed(w->core, s->now <= w->sheds_until ? s->profile->shed_pm * SB_SHED_ALL / 1000 : 0);
	for (unsigned n = 0; n < BURST && (p = queue_take(&w->rx)); n++)
		take(s, w, p);
	uint32_t n = w->n_in < BURST ? w->n_in : BURST;
	for (uint32_t i = 0; i < n; i++)
		act(s, w, &w->in[i]);
	w->n_in -= n;
	memmove(w->in, w->in + n, w->n_in * sizeof *w->in);
	mail(s, w);
	uint64_t records = sb_core_usage(w->core)->lingering;
	oracle_begin(s, w, NULL);
	sb_core_tick(w->core, s->now);
	oracle_end(s, w);
	if (sb_core_usage(w->core)->lingering + 64 <= records) /* there may be more to expire than one tick does */
		w->busy_until = s->now + MS;
	wire_expire(s, w);
	if (s->px.buffers)
		breach(s, "INV-BUFFER", "%lld buffers are neither sent nor freed", (long long)s->px.buffers);
	worker_again(s, w);
}

static bool in_use(const struct sim *s, const struct sb_snapshot *old)
{
	for (unsigned i = 0; i < s->px.n_workers; i++)
		if (s->px.w[i].snap == old)
			return true;
	return sb_snapshot_held(old);
}

static void control_run(struct sim *s)
{
	struct proxy *px = &s->px;
	sb_engine_tick(px->engine, s->now / 1000, 64 + rnd(s, 256));
	oracle_health(s);
	for (unsigned i = 0; i < px->n_old;) {
		if (in_use(s, px->old[i])) {
			i++;
			continue;
		}
		sb_snapshot_free(px->old[i]);
		px->old[i] = px->old[--px->n_old];
	}
	uint64_t next = sb_engine_next_ms(px->engine), tick = s->now / 1000 + 1;
	for (unsigned i = 0; i < px->n_workers; i++) {
		if (waiting(&px->w[i].mail.down))
			soon(s, &px->w[i], shortly(s));
		if (waiting(&px->w[i].mail.up))
			next = tick;
	}
	if (next < tick)
		next = tick;
	px->control_at = next > NEVER / 1000 ? NEVER : next * 1000;
}

uint64_t proxy_due(const struct sim *s)
{
	uint64_t due = s->px.control_at;
	for (unsigned i = 0; i < s->px.n_workers; i++)
		if (s->px.w[i].run_at < due)
			due = s->px.w[i].run_at;
	return due;
}

void proxy_run(struct sim *s)
{
	if (s->px.control_at <= s->now)
		control_run(s);
	for (unsigned i = 0; i < s->px.n_workers; i++)
		if (s->px.w[i].run_at <= s->now)
			worker_run(s, &s->px.w[i]);
}

/* What the daemon's loops do all the time, and these only when there is work: so often that a full table expires. */
void proxy_settle(struct sim *s)
{
	for (unsigned n = 0; n < 2 + s->px.slots_max / 32; n++) {
		for (unsigned i = 0; i < s->px.n_workers; i++)
			worker_run(s, &s->px.w[i]);
		control_run(s);
	}
}

/* Somebody is not scheduled for a while: mail and packets wait, and rings fill. */
void proxy_stall(struct sim *s)
{
	unsigned who = rnd(s, s->px.n_workers + 1);
	saw(s, SEEN_stall);
	uint64_t until = s->now + rnd_in(s, 1, s->profile->stall_ms) * MS;
	if (who == s->px.n_workers) {
		s->px.control_stall = until;
		if (s->px.control_at < until)
			s->px.control_at = until;
		return;
	}
	struct worker *w = &s->px.w[who];
	w->stall_until = until;
	w->sheds_until = s->profile->shed_pm ? until + (until - s->now) : 0;
	if (w->run_at < until)
		w->run_at = until;
}

uint64_t proxy_count(const struct sim *s, enum sb_counter c)
{
	uint64_t n = s->px.totals[c];
	for (unsigned i = 0; i < s->px.n_workers; i++)
		n += sb_counter_get(&s->px.w[i].counters, c);
	return n;
}

/* SPDX-License-Identifier: BSD-3-Clause */
/* trunk.c - user agent servers behind the trunks, from RFC 3261 8.2, 13.3, 15.1.2, 17.2 and RFC 6026: each INVITE gets
 * a plan (answer, ring long, refuse, keep silent, answer a CANCEL with a late 200, fork, retransmit madly), and each
 * trunk has moods that override it. */
#include "sim.h"

enum plan {
	PLAN_ANSWER,
	PLAN_RING,
	PLAN_REFUSE,
	PLAN_SILENT,
	PLAN_ONLY_100,
	PLAN_LATE_200,
	PLAN_FORK,
	PLAN_MAD,
	PLAN_SLOW,
	PLANS
};

static uint64_t t1_us(const struct sim *s)
{
	return s->confs[0].t1_ms * MS;
}

static uint32_t hash(struct str branch, unsigned trunk)
{
	uint32_t h = trunk * 0x9e3779b1u;
	for (uint32_t i = 0; i < branch.n; i++)
		h = (h ^ (uint8_t)branch.p[i]) * 0x01000193u;
	return h & 0xfff;
}

static struct uas *find(struct sim *s, struct str branch, unsigned trunk)
{
	for (uint32_t i = s->uas_heads[hash(branch, trunk)]; i != UINT32_MAX; i = s->uas[i].next)
		if (s->uas[i].trunk == trunk && s->uas[i].branch_len == branch.n &&
		        memcmp(s->uas[i].branch, branch.p, branch.n) == 0)
			return &s->uas[i];
	return NULL;
}

static struct uas *create(struct sim *s, const struct msg *m, const struct packet *p, unsigned trunk)
{
	if (s->n_uas == s->uas_max) {
		s->uas_max = s->uas_max ? s->uas_max * 2 : 1024;
		s->uas = realloc(s->uas, s->uas_max * sizeof *s->uas);
		assert(s->uas);
	}
	uint32_t h = hash(m->branch, trunk), i = s->n_uas++;
	struct uas *u = &s->uas[i];
	assert(m->branch.n < sizeof u->branch);
	*u = (struct uas){.next = s->uas_heads[h],
	        .call = m->call,
	        .trunk = (uint8_t)trunk,
	        .tag = 1,
	        .request = keep(s, p->text, p->len),
	        .request_len = p->len,
	        .branch_len = m->branch.n};
	memcpy(u->branch, m->branch.p, m->branch.n);
	s->uas_heads[h] = i;
	return u;
}

/* A response to m (8.2.6.2). u: of an INVITE, or NULL. */
static void respond(struct sim *s, unsigned trunk, const struct msg *m, const struct uas *u, unsigned status)
{
	struct out *o = &s->out;
	struct ep me = trunk_ep(&s->confs[s->n_confs - 1], trunk), dst;
	o->n = 0;
	put(o, "SIP/2.0 ");
	put_n(o, status);
	put(o, " Words\r\n");
	for (unsigned i = 0; i < m->n_via; i++)
		put_line(o, "Via", m->via[i]);
	for (unsigned i = 0; i < m->n_rr; i++)
		put_line(o, "Record-Route", m->rr[i]);
	put_line(o, "From", m->from);
	put(o, "To: ");
	put_str(o, m->to);
	if (!m->to_tag.n && status > 100) {
		put(o, ";tag=t");
		put_n(o, trunk * 10 + (u ? u->tag : 0));
		put(o, "x");
		put_n(o, u && u->branch_len ? (uint32_t)(u - s->uas) : 0);
	}
	put(o, "\r\n");
	put_line(o, "Call-ID", m->call_id);
	put_line(o, "CSeq", m->cseq_line);
	if (u && status > 100 && status < 300) {
		put(o, "Contact: <sip:t@");
		put_ep(o, me);
		put(o, ">\r\n");
	}
	if (u && u->retry_after && status == 503) {
		put(o, "Retry-After: ");
		put_n(o, u->retry_after);
		put(o, "\r\n");
	}
	put(o, "Content-Length: 0\r\n\r\n");
	struct str udp_host = {m->via[0].p + 8, m->via[0].n - 8}; /* "UDP host": as long as "sip:host" */
	if (ep_of_uri(udp_host, &dst))
		net_send(s, me, dst, o->text, o->n);
}

static void send_status(struct sim *s, struct uas *u, unsigned status)
{
	struct msg m;
	u->status = (uint16_t)status;
	if (!msg_read(&m, u->request, u->request_len))
		return;
	for (unsigned n = u->plan == PLAN_MAD ? 3 : 1; n > 0; n--)
		respond(s, u->trunk, &m, u, status);
}

/* A final: again after T1, doubling to T2, until the ACK or 64*T1 (13.3.1.4, Timer G). */
static void send_final(struct sim *s, struct uas *u, unsigned status)
{
	uint64_t d = t1_us(s) << (u->sends < 3 ? u->sends : 3);
	if (u->plan == PLAN_MAD)
		d /= 8;
	u->finalled = true;
	send_status(s, u, status);
	if (u->sends++ < (u->plan == PLAN_MAD ? 60 : 10))
		at(s, s->now + d, EV_UAS_AGAIN, (uint32_t)(u - s->uas), u->gen);
}

static unsigned refusal(struct sim *s, struct uas *u)
{
	static const unsigned codes[] = {486, 404, 480, 500, 502, 503, 503, 603, 408, 302};
	unsigned code = codes[rnd(s, sizeof codes / sizeof codes[0])];
	if (code == 503 && chance(s, 300))
		u->retry_after = rnd_in(s, 1, 8);
	return code;
}

static enum plan draw_plan(struct sim *s)
{
	static const uint16_t weight[PLANS] = {600, 60, 160, 30, 20, 40, 30, 40, 20};
	uint32_t pick = rnd(s, 1000);
	for (unsigned i = 0; i < PLANS; i++) {
		if (pick < weight[i])
			return (enum plan)i;
		pick -= weight[i];
	}
	return PLAN_ANSWER;
}

static void next_step(struct sim *s, struct uas *u, uint64_t wait_us)
{
	at(s, s->now + wait_us, EV_UAS, (uint32_t)(u - s->uas), u->gen);
}

static void new_invite(struct sim *s, const struct msg *m, const struct packet *p, unsigned trunk)
{
	struct uas *u = create(s, m, p, trunk);
	enum mode mode = s->mode[trunk];
	u->plan = s->quiet ? PLAN_ANSWER : (uint8_t)draw_plan(s);
	if (mode == MODE_REJECT || mode == MODE_REJECT_AFTER) {
		u->retry_after = mode == MODE_REJECT_AFTER ? rnd_in(s, 1, 12) : 0;
		send_final(s, u, 503);
		return;
	}
	if (mode == MODE_SLOW)
		u->plan = PLAN_SLOW;
	u->wait_us = u->plan == PLAN_SLOW ? rnd_in(s, 200, 20000) * MS : rnd_in(s, 5, 1500) * MS;
	if (u->plan != PLAN_SILENT && u->plan != PLAN_SLOW && (chance(s, 500) || u->plan == PLAN_ONLY_100))
		send_status(s, u, 100);
	if (u->plan != PLAN_SILENT && u->plan != PLAN_ONLY_100)
		next_step(s, u, u->plan == PLAN_SLOW ? u->wait_us : rnd_in(s, 1, 400) * MS);
}

static void step(struct sim *s, struct uas *u)
{
	if (u->finalled || s->mode[u->trunk] == MODE_SILENT || s->mode[u->trunk] == MODE_ICMP)
		return;
	bool rings = u->plan != PLAN_SLOW && (u->plan == PLAN_RING || u->plan == PLAN_LATE_200 || chance(s, 600));
	if (u->step++ == 0 && rings) {
		send_status(s, u, chance(s, 800) ? 180 : 183);
		if (u->plan != PLAN_RING && u->plan != PLAN_LATE_200)
			next_step(s, u, u->wait_us);
		else if (chance(s, 300)) /* rings on, and says so */
			u->step = 0, next_step(s, u, 60 * SEC);
		return;
	}
	if (u->plan == PLAN_RING || u->plan == PLAN_LATE_200)
		return;
	send_final(s, u, u->plan == PLAN_REFUSE ? refusal(s, u) : 200);
	if (u->plan == PLAN_FORK) {
		u->tag = 2;
		send_status(s, u, 200);
		u->tag = 1;
	}
}

static void cancelled(struct sim *s, const struct msg *m, unsigned trunk)
{
	struct uas *u = find(s, m->branch, trunk);
	respond(s, trunk, m, NULL, u ? 200 : 481);
	if (!u || u->finalled)
		return;
	if (u->plan == PLAN_LATE_200)
		send_final(s, u, 200);
	else if (u->plan != PLAN_SILENT)
		send_final(s, u, 487);
}

static void acked(struct sim *s, const struct msg *m, unsigned trunk)
{
	struct uas *u = find(s, m->branch, trunk);
	if (u) {
		u->acked = true; /* of a non-2xx: it has the INVITE's branch */
		return;
	}
	for (uint32_t i = s->n_uas; i > 0; i--) { /* of a 2xx: by dialog; the latest are the likeliest */
		u = &s->uas[i - 1];
		if (u->call != m->call || u->trunk != trunk || u->status < 200 || u->status >= 300)
			continue;
		if (!u->acked && !u->byed && chance(s, 200)) {
			u->byed = true;
			at(s, s->now + rnd_in(s, 100, 9000) * MS, EV_UAS_BYE, i - 1, 0);
		}
		u->acked = true;
		return;
	}
}

/* The callee hangs up: its route set is the Record-Route of the INVITE in order (12.1.1). */
static void send_bye(struct sim *s, struct uas *u)
{
	struct out *o = &s->out;
	struct msg m;
	struct ep dst;
	if (!msg_read(&m, u->request, u->request_len) || !m.n_rr || !ep_of_uri(uri_of(m.rr[0]), &dst))
		return;
	struct ep me = trunk_ep(&s->confs[s->n_confs - 1], u->trunk);
	o->n = 0;
	put(o, "BYE ");
	put_str(o, m.contact);
	put(o, " SIP/2.0\r\nVia: SIP/2.0/UDP ");
	put_ep(o, me);
	put(o, ";branch=z9hG4bKt");
	put_n(o, (uint32_t)(u - s->uas));
	put(o, "\r\nMax-Forwards: 70\r\n");
	for (unsigned i = 0; i < m.n_rr; i++)
		put_line(o, "Route", m.rr[i]);
	put(o, "From: ");
	put_str(o, m.to);
	put(o, ";tag=t");
	put_n(o, u->trunk * 10 + 1u);
	put(o, "x");
	put_n(o, (uint32_t)(u - s->uas));
	put(o, "\r\n");
	put_line(o, "To", m.from);
	put_line(o, "Call-ID", m.call_id);
	put(o, "CSeq: 7 BYE\r\nContent-Length: 0\r\n\r\n");
	net_send(s, me, dst, o->text, o->n);
}

static void probed(struct sim *s, const struct msg *m, unsigned trunk)
{
	struct uas dummy = {.retry_after = 0};
	enum mode mode = s->mode[trunk];
	if (mode == MODE_REJECT_AFTER)
		dummy.retry_after = rnd_in(s, 1, 6);
	bool refuse = mode == MODE_REJECT || mode == MODE_REJECT_AFTER;
	respond(s, trunk, m, refuse ? &dummy : NULL, refuse ? 503 : chance(s, 900) ? 200 : 404);
}

void trunk_rx(struct sim *s, const struct packet *p)
{
	const struct conf *c = &s->confs[s->n_confs - 1];
	unsigned trunk = (p->dst.ip & 0xff) - 1u;
	struct msg m;
	if (trunk >= TRUNKS_MAX || s->mode[trunk] == MODE_SILENT)
		return;
	if (s->mode[trunk] == MODE_ICMP || p->dst.port != c->trunk[trunk].port) {
		net_icmp(s, p);
		return;
	}
	if (!msg_read(&m, p->text, p->len) || !m.request)
		return;
	if (str_is(m.method, "INVITE")) {
		struct uas *u = find(s, m.branch, trunk);
		if (!u)
			new_invite(s, &m, p, trunk);
		else if (u->status && !u->acked)
			send_status(s, u, u->status);
	} else if (str_is(m.method, "ACK")) {
		acked(s, &m, trunk);
	} else if (str_is(m.method, "CANCEL")) {
		cancelled(s, &m, trunk);
	} else if (str_is(m.method, "OPTIONS")) {
		probed(s, &m, trunk);
	} else if (str_is(m.method, "MESSAGE")) {
		if (!chance(s, s->quiet ? 0 : 100))
			respond(s, trunk, &m, NULL, chance(s, 150) ? 503 : chance(s, 100) ? 408 : 200);
	} else {
		respond(s, trunk, &m, NULL, 200);
	}
}

void trunk_event(struct sim *s, const struct event *e)
{
	struct uas *u = &s->uas[e->a];
	if (e->kind == EV_UAS_BYE) {
		send_bye(s, u);
	} else if (u->gen != e->b) {
		return; /* it was restarted meanwhile */
	} else if (e->kind == EV_UAS) {
		step(s, u);
	} else if (!u->acked && s->mode[u->trunk] != MODE_SILENT && s->mode[u->trunk] != MODE_ICMP) {
		send_final(s, u, u->status);
	}
}

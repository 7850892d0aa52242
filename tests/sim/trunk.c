/* SPDX-License-Identifier: BSD-3-Clause */
/* trunk.c - user agent servers behind the trunks, from RFC 3261 8.2, 12, 13.3, 14, 15.1.2, 17.2 and RFC 6026: each
 * INVITE gets a plan (answer, ring long, refuse, keep silent, answer a CANCEL with a late 200, fork, retransmit madly,
 * talk nonsense), and each trunk has moods that override it. */
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
	PLAN_BROKEN,
	PLANS
};

static uint64_t t1_us(const struct sim *s)
{
	return s->t1_ms * MS;
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
	        .me = p->dst,
	        .request = keep(s, p->text, p->len),
	        .request_len = p->len,
	        .branch_len = m->branch.n};
	memcpy(u->branch, m->branch.p, m->branch.n);
	s->uas_heads[h] = i;
	return u;
}

bool trunk_off(const struct sim *s, unsigned trunk)
{
	enum mode m = s->mode[trunk];
	return m == MODE_SILENT || m == MODE_ICMP || (m == MODE_FLAP && s->flap_off[trunk]);
}

static bool is(struct str method, const char *name)
{
	return str_is(method, name);
}

static void put_tag(struct out *o, unsigned trunk, unsigned tag, uint32_t uas)
{
	put(o, ";tag=t");
	put_n(o, trunk * 10 + tag);
	put(o, "x");
	put_n(o, uas);
}

static void put_contact(struct out *o, struct ep me)
{
	put(o, "Contact: <sip:t@");
	put_ep(o, me);
	put(o, ">\r\n");
}

/* A response to m (8.2.6.2), from me, in s->out. u: of an INVITE, or NULL. */
static void build(
        struct sim *s, unsigned trunk, struct ep me, const struct msg *m, const struct uas *u, unsigned status)
{
	struct out *o = &s->out;
	uint32_t body = 0;
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
	if (!m->to_tag.n && status > 100)
		put_tag(o, trunk, u ? u->tag : 0, u && u->branch_len ? (uint32_t)(u - s->uas) : 0);
	put(o, "\r\n");
	put_line(o, "Call-ID", m->call_id);
	put_line(o, "CSeq", m->cseq_line);
	if (is(m->method, "INVITE") && status > 100 && status < 300)
		put_contact(o, me);
	if (u && u->retry_after && status == 503) {
		put(o, "Retry-After: ");
		put_n(o, u->retry_after);
		put(o, "\r\n");
	}
	if (u && u->branch_len && status >= 200 && status < 300 && m->body.n > 200)
		body = m->body.n;
	put_body(o, m->call ^ 1u << 30, body);
}

static void send_back(struct sim *s, struct ep me, const struct msg *m)
{
	struct ep dst;
	if (ep_of_via(m->via[0], &dst))
		net_send(s, me, dst, s->out.text, s->out.n);
}

static void respond(
        struct sim *s, unsigned trunk, struct ep me, const struct msg *m, const struct uas *u, unsigned status)
{
	build(s, trunk, me, m, u, status);
	send_back(s, me, m);
}

/* Something that looks like the answer and is none: cut off, without what a response needs, or with a body that is
 * shorter than it says. */
static void respond_badly(struct sim *s, struct uas *u, const struct msg *m)
{
	static const char *const spoilt[] = {"CSeq:", "Call-ID:", "SIP/2.0 ", "Via:", "Content-Length: 0"};
	struct out *o = &s->out;
	uint32_t what = rnd(s, 6);
	saw(s, SEEN_broken_response);
	build(s, u->trunk, u->me, m, NULL, 200);
	char *at_o = what < 5 ? memmem(o->text, o->n, spoilt[what], strlen(spoilt[what])) : NULL;
	if (what == 4 && at_o)
		at_o[16] = '9';
	else if (at_o)
		at_o[0] = '?';
	else
		o->n = rnd(s, o->n / 2);
	send_back(s, u->me, m);
}

static void send_status(struct sim *s, struct uas *u, unsigned status)
{
	struct msg m;
	u->status = (uint16_t)status;
	if (!msg_read(&m, u->request, u->request_len))
		return;
	for (unsigned n = u->plan == PLAN_MAD ? 3 : 1; n > 0; n--)
		respond(s, u->trunk, u->me, &m, u, status);
}

/* A final: again after T1, doubling to T2, until the ACK or 64*T1 (13.3.1.4, Timer G). */
static void send_final(struct sim *s, struct uas *u, unsigned status)
{
	uint64_t d = t1_us(s) << (u->sends < 3 ? u->sends : 3);
	if (u->plan == PLAN_MAD)
		d /= 8;
	if (u->plan == PLAN_MAD && u->sends == 4)
		saw(s, SEEN_mad_resend);
	u->finalled = true;
	send_status(s, u, status);
	if (u->sends++ < (u->plan == PLAN_MAD ? 60 : 10))
		at(s, s->now + d, EV_UAS_AGAIN, (uint32_t)(u - s->uas), u->gen);
}

static unsigned refusal(struct sim *s, struct uas *u)
{
	static const unsigned codes[] = {486, 486, 486, 404, 480, 302, 603, 500, 503, 503, 502, 408};
	unsigned code = codes[rnd(s, sizeof codes / sizeof codes[0])];
	if (code == 503 && chance(s, 300))
		u->retry_after = rnd_in(s, 1, 8);
	saw(s, code == 603 ? SEEN_six_hundred : code != 503 ? SEEN_refused : SEEN_plain_503);
	return code;
}

static enum plan draw_plan(struct sim *s)
{
	static const uint16_t weight[PLANS] = {590, 60, 160, 30, 20, 40, 30, 40, 20, 10};
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

static void saw_plan(struct sim *s, const struct uas *u)
{
	if (u->plan == PLAN_SILENT)
		saw(s, SEEN_silent);
	else if (u->plan == PLAN_ONLY_100)
		saw(s, SEEN_only_100);
	else if (u->plan == PLAN_SLOW)
		saw(s, SEEN_slow);
}

static void new_invite(struct sim *s, const struct msg *m, const struct packet *p, unsigned trunk)
{
	struct uas *u = create(s, m, p, trunk);
	enum mode mode = s->mode[trunk];
	u->plan = s->quiet ? PLAN_ANSWER : (uint8_t)draw_plan(s);
	if (!body_is(m->body, m->call) || m->body.n != s->ucall[m->call].body)
		breach(s, "INV-BODY", "the INVITE of call %u reached t%u with another body", m->call, trunk);
	if (mode == MODE_REJECT || mode == MODE_REJECT_AFTER) {
		u->retry_after = mode == MODE_REJECT_AFTER ? rnd_in(s, 1, 12) : 0;
		send_final(s, u, 503);
		return;
	}
	if (s->ucall[m->call].cursed) { /* by every trunk there is */
		send_final(s, u, 500);
		return;
	}
	if (mode == MODE_SLOW)
		u->plan = PLAN_SLOW;
	saw_plan(s, u);
	u->wait_us = u->plan == PLAN_SLOW ? rnd_in(s, 200, 20000) * MS : rnd_in(s, 5, 1500) * MS;
	if (u->plan == PLAN_BROKEN)
		respond_badly(s, u, m);
	if (u->plan == PLAN_BROKEN || u->plan == PLAN_SILENT)
		return;
	if (u->plan != PLAN_SLOW && (chance(s, 500) || u->plan == PLAN_ONLY_100))
		send_status(s, u, 100);
	if (u->plan != PLAN_ONLY_100)
		next_step(s, u, u->plan == PLAN_SLOW ? u->wait_us : rnd_in(s, 1, 400) * MS);
}

static void step(struct sim *s, struct uas *u)
{
	if (u->finalled || trunk_off(s, u->trunk))
		return;
	bool rings = u->plan != PLAN_SLOW && (u->plan == PLAN_RING || u->plan == PLAN_LATE_200 || chance(s, 600));
	if (u->step++ == 0 && rings) {
		send_status(s, u, chance(s, 800) ? 180 : 183);
		if (u->plan != PLAN_RING && u->plan != PLAN_LATE_200)
			next_step(s, u, u->wait_us);
		else if (!s->quiet && chance(s, 300)) /* rings on, and says so */
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

static void cancelled(struct sim *s, const struct msg *m, const struct packet *p, unsigned trunk)
{
	struct uas *u = find(s, m->branch, trunk);
	respond(s, trunk, p->dst, m, NULL, u ? 200 : 481);
	if (!u || u->finalled)
		return;
	if (u->plan == PLAN_RING)
		saw(s, SEEN_ring_long);
	if (u->plan == PLAN_LATE_200)
		send_final(s, u, 200);
	else if (u->plan != PLAN_SILENT)
		send_final(s, u, 487);
}

/* The callee of a call that is up has something to say, sooner or later. */
static void plan_talk(struct sim *s, struct uas *u)
{
	if (u->talks || u->over || !chance(s, 350))
		return;
	u->talks = true;
	at(s, s->now + rnd_in(s, 50, 9000) * MS, EV_UAS_MID, (uint32_t)(u - s->uas), u->gen);
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
		u->acked = true;
		plan_talk(s, u);
		return;
	}
}

/* A request of the callee's: its route set is the Record-Route of the INVITE in order (12.1.1). */
static void send_mid(struct sim *s, struct uas *u, const char *method, unsigned cseq, char kind)
{
	struct out *o = &s->out;
	struct msg m;
	struct ep dst;
	const char letter[2] = {kind, 0};
	if (!msg_read(&m, u->request, u->request_len) || !m.n_rr || !ep_of_uri(uri_of(m.rr[0]), &dst))
		return;
	o->n = 0;
	put(o, method);
	put(o, " ");
	put_str(o, m.contact);
	put(o, " SIP/2.0\r\nVia: SIP/2.0/UDP ");
	put_ep(o, u->me);
	put(o, ";branch=z9hG4bK");
	put(o, letter);
	put_n(o, (uint32_t)(u - s->uas));
	put(o, ".");
	put_n(o, cseq);
	put(o, "\r\nMax-Forwards: 70\r\n");
	for (unsigned i = 0; i < m.n_rr; i++)
		put_line(o, "Route", m.rr[i]);
	put(o, "From: ");
	put_str(o, m.to);
	put_tag(o, u->trunk, 1, (uint32_t)(u - s->uas));
	put(o, "\r\n");
	put_line(o, "To", m.from);
	put_line(o, "Call-ID", m.call_id);
	put(o, "CSeq: ");
	put_n(o, cseq);
	put(o, " ");
	put(o, method);
	put(o, "\r\n");
	if (method[0] == 'I' && method[2] == 'V')
		put_contact(o, u->me);
	put_body(o, 0, 0);
	net_send(s, u->me, dst, o->text, o->n);
}

static void mid(struct sim *s, struct uas *u, bool again)
{
	static const char *const methods[] = {"INVITE", "UPDATE", "INFO", "BYE", "BYE"};
	struct mid *m = &u->mid;
	if ((u->over && !again) || (again && m->done) || trunk_off(s, u->trunk))
		return;
	if (!again) {
		m->method = methods[rnd(s, 5)];
		m->cseq = m->cseq ? (uint16_t)(m->cseq + 1) : 7;
		m->sends = 0;
		m->done = false;
		u->over = m->method[0] == 'B';
	}
	uint64_t wait = mid_backoff(s, ++m->sends);
	send_mid(s, u, m->method, m->cseq, 'u');
	if (wait)
		at(s, s->now + wait, EV_UAS_MID_AGAIN, (uint32_t)(u - s->uas), m->cseq);
}

/* Of one of those: the branch names it. */
static void response(struct sim *s, const struct msg *m, const struct packet *p)
{
	struct msg req;
	struct ep via;
	if (m->branch.n < 9 || m->branch.p[7] != 'u' || m->status < 200)
		return;
	uint32_t i = number((struct str){m->branch.p + 8, m->branch.n - 8});
	if (i >= s->n_uas || !s->uas[i].mid.method || m->cseq != s->uas[i].mid.cseq)
		return;
	struct uas *u = &s->uas[i];
	const char *method = u->mid.method;
	if (msg_read(&req, u->request, u->request_len) && ep_of_uri(uri_of(req.rr[0]), &via) && !ep_eq(via, p->src))
		breach(s, "INV-PLACE", "the response to the %s of t%u's callee comes from another listener", method,
		        u->trunk);
	if (!u->mid.done)
		saw(s, method[0] == 'B'    ? SEEN_bye_down
		        : method[0] == 'U' ? SEEN_update_down
		        : method[2] == 'V' ? SEEN_reinvite_down
		                           : SEEN_info_down);
	if (!u->mid.done && method[0] != 'B' && chance(s, 600))
		at(s, s->now + rnd_in(s, 50, 4000) * MS, EV_UAS_MID, i, u->gen);
	u->mid.done = true;
	if (is(m->method, "INVITE"))
		send_mid(s, u, "ACK", m->cseq, m->status < 300 ? 'k' : 'u');
}

static void probed(struct sim *s, const struct msg *m, const struct packet *p, unsigned trunk)
{
	struct uas dummy = {.retry_after = 0};
	enum mode mode = s->mode[trunk];
	if (mode == MODE_REJECT_AFTER)
		dummy.retry_after = rnd_in(s, 1, 6);
	bool refuse = mode == MODE_REJECT || mode == MODE_REJECT_AFTER;
	respond(s, trunk, p->dst, m, refuse ? &dummy : NULL, refuse ? 503 : chance(s, 900) ? 200 : 404);
}

/* re-INVITE, UPDATE, INFO, BYE: its To tag names the dialog, of which nothing is known after a restart. */
static void in_dialog(struct sim *s, const struct msg *m, const struct packet *p, unsigned trunk)
{
	const char *x = memchr(m->to_tag.p, 'x', m->to_tag.n);
	uint32_t i = x ? number((struct str){x + 1, (uint32_t)(m->to_tag.p + m->to_tag.n - x - 1)}) : s->n_uas;
	struct uas *u = i < s->n_uas && s->uas[i].call == m->call ? &s->uas[i] : NULL;
	unsigned status = !u || !u->branch_len ? 481 : is(m->method, "INVITE") && chance(s, 100) ? 488 : 200;
	if (u) {
		mid_seen(s, &u->mid, m);
		if (is(m->method, "BYE"))
			u->over = true;
	}
	respond(s, trunk, p->dst, m, NULL, status);
}

static void request(struct sim *s, const struct msg *m, const struct packet *p, unsigned trunk)
{
	if (is(m->method, "ACK")) {
		acked(s, m, trunk);
	} else if (m->to_tag.n) {
		in_dialog(s, m, p, trunk);
	} else if (is(m->method, "INVITE")) {
		struct uas *u = find(s, m->branch, trunk);
		if (!u)
			new_invite(s, m, p, trunk);
		else if (u->status && !u->acked)
			send_status(s, u, u->status);
	} else if (is(m->method, "CANCEL")) {
		cancelled(s, m, p, trunk);
	} else if (is(m->method, "OPTIONS")) {
		probed(s, m, p, trunk);
	} else { /* the same for the same request, however often it comes (17.2.2) */
		uint32_t draw = hash(m->branch, trunk) % 100;
		if (s->quiet || draw >= 20)
			respond(s, trunk, p->dst, m, NULL, s->quiet || draw >= 50 ? 200 : draw >= 30 ? 503 : 408);
	}
}

void trunk_rx(struct sim *s, const struct packet *p)
{
	unsigned trunk = (p->dst.ip & 0xff) - 1u;
	struct msg m;
	if (trunk >= TRUNKS_MAX || (trunk_off(s, trunk) && s->mode[trunk] != MODE_ICMP))
		return;
	if (s->mode[trunk] == MODE_ICMP || !ep_eq(p->dst, trunk_ep(&s->confs[s->n_confs - 1], trunk))) {
		net_icmp(s, p);
		return;
	}
	if (!msg_read(&m, p->text, p->len))
		return;
	if (m.request)
		request(s, &m, p, trunk);
	else
		response(s, &m, p);
}

void trunk_mode(struct sim *s, unsigned trunk)
{
	static const enum mode moods[] = {MODE_OK, MODE_OK, MODE_OK, MODE_OK, MODE_SILENT, MODE_ICMP, MODE_REJECT,
	        MODE_REJECT_AFTER, MODE_SLOW, MODE_FLAP};
	static const enum seen seen[MODES] = {[MODE_SILENT] = SEEN_trunk_silent,
	        [MODE_ICMP] = SEEN_trunk_icmp,
	        [MODE_REJECT] = SEEN_trunk_rejects,
	        [MODE_REJECT_AFTER] = SEEN_retry_after,
	        [MODE_SLOW] = SEEN_slow,
	        [MODE_FLAP] = SEEN_trunk_flaps};
	if (s->mode[trunk] == MODE_FLAP && chance(s, 800)) { /* off and on, faster than anything is learned of it */
		s->flap_off[trunk] ^= true;
		at(s, s->now + rnd_in(s, 100, 2500) * MS, EV_MODE, trunk, 0);
		return;
	}
	s->mode[trunk] = moods[rnd(s, sizeof moods / sizeof moods[0])];
	if (s->mode[trunk] != MODE_OK)
		saw(s, seen[s->mode[trunk]]);
	s->flap_off[trunk] = false;
	if (chance(s, 100)) { /* it restarts: all it knew is gone */
		saw(s, SEEN_trunk_restarts);
		for (uint32_t i = 0; i < s->n_uas; i++)
			if (s->uas[i].trunk == trunk) {
				s->uas[i].gen++;
				s->uas[i].branch_len = 0;
			}
	}
	at(s, s->now + rnd(s, s->profile->mode_s * 2000) * MS + MS, EV_MODE, trunk, 0);
}

void trunk_event(struct sim *s, const struct event *e)
{
	struct uas *u = &s->uas[e->a];
	if (e->kind == EV_UAS_MID_AGAIN) {
		if (u->branch_len && u->mid.cseq == e->b)
			mid(s, u, true);
	} else if (u->gen != e->b) {
		return; /* it was restarted meanwhile */
	} else if (e->kind == EV_UAS_MID) {
		mid(s, u, false);
	} else if (e->kind == EV_UAS) {
		step(s, u);
	} else if (!u->acked && !trunk_off(s, u->trunk)) {
		send_final(s, u, u->status);
	}
}

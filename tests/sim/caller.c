/* SPDX-License-Identifier: BSD-3-Clause */
/* caller.c - user agent clients, from RFC 3261 9.1, 12, 13.2, 15 and 17.1: INVITE with Timer A, ACKs of both kinds,
 * CANCEL at any time after a provisional, BYE with the route set they learned; and MESSAGE outside dialogs. */
#include "sim.h"

static uint64_t t1_us(const struct sim *s)
{
	return s->confs[0].t1_ms * MS;
}

static uint64_t backoff(const struct sim *s, unsigned sends, bool capped)
{
	uint64_t d = t1_us(s) << (sends < 10 ? sends - 1 : 9);
	return capped && d > 8 * t1_us(s) ? 8 * t1_us(s) : d;
}

static void over(struct sim *s, struct ucall *u)
{
	u->state = CALL_OVER;
	if (!u->counted)
		s->calls_over++;
	u->counted = true;
}

static void put_dialog_id(struct out *o, uint32_t call, const char *method, unsigned cseq)
{
	put(o, "Max-Forwards: 70\r\nFrom: <sip:u");
	put_n(o, call);
	put(o, "@example.org>;tag=f");
	put_n(o, call);
	put(o, "\r\nCall-ID: s");
	put_n(o, call);
	put(o, "@sim\r\nCSeq: ");
	put_n(o, cseq);
	put(o, " ");
	put(o, method);
	put(o, "\r\n");
}

static void put_via(struct sim *s, uint32_t call, char kind, unsigned n)
{
	struct out *o = &s->out;
	char letter[2] = {kind, 0};
	put(o, "Via: SIP/2.0/UDP ");
	put_ep(o, caller_ep(call, false));
	put(o, ";branch=z9hG4bK");
	put(o, letter);
	put_n(o, call);
	put(o, ".");
	put_n(o, n);
	put(o, s->ucall[call].rport ? ";rport\r\n" : "\r\n");
}

static void put_uri(struct sim *s, uint32_t call)
{
	put(&s->out, s->ucall[call].route ? "sip:+7" : "sip:+44");
	put_n(&s->out, 1000000 + call);
	put(&s->out, "@example.com");
}

/* INVITE, CANCEL, the ACK of a non-2xx final (tagged To: to), MESSAGE: all of one transaction's kind. */
static void build(struct sim *s, uint32_t call, const char *method, struct str to)
{
	struct out *o = &s->out;
	bool invite = strcmp(method, "INVITE") == 0;
	o->n = 0;
	put(o, method);
	put(o, " ");
	put_uri(s, call);
	put(o, " SIP/2.0\r\n");
	put_via(s, call, 'c', 1);
	put_dialog_id(o, call, method, 1);
	if (to.n) {
		put_line(o, "To", to);
	} else {
		put(o, "To: <");
		put_uri(s, call);
		put(o, ">\r\n");
	}
	if (invite) {
		put(o, "Contact: <sip:u@");
		put_ep(o, caller_ep(call, s->ucall[call].rport));
		put(o, ">\r\nContent-Type: application/sdp\r\nContent-Length: 61\r\n\r\n"
		       "v=0\r\no=- 1 1 IN IP4 10.1.0.1\r\ns=-\r\nc=IN IP4 10.1.0.1\r\nt=0 0\r\n");
	} else {
		put(o, "Content-Length: 0\r\n\r\n");
	}
}

void caller_build(struct sim *s, uint32_t call, const char *method)
{
	build(s, call, method, (struct str){NULL, 0});
}

static void send_out(struct sim *s, uint32_t call, struct ep dst)
{
	net_send(s, caller_ep(call, s->ucall[call].rport), dst, s->out.text, s->out.n);
}

/* A request within a dialog: to the 2xx's Contact by its Record-Route, last first (12.1.2, 12.2.1.1). */
static void send_in_dialog(struct sim *s, uint32_t call, unsigned fork, const char *method)
{
	const struct fork *f = &s->ucall[call].fork[fork];
	struct out *o = &s->out;
	struct msg m;
	struct ep dst;
	bool ack = method[0] == 'A';
	if (!msg_read(&m, f->answer, f->answer_len))
		return;
	o->n = 0;
	put(o, method);
	put(o, " ");
	put_str(o, m.contact);
	put(o, " SIP/2.0\r\n");
	put_via(s, call, ack ? 'a' : 'b', fork);
	for (unsigned i = m.n_rr; i > 0; i--)
		put_line(o, "Route", m.rr[i - 1]);
	put_dialog_id(o, call, method, ack ? 1 : 2);
	put_line(o, "To", m.to);
	put(o, "Content-Length: 0\r\n\r\n");
	if (ep_of_uri(m.n_rr ? uri_of(m.rr[m.n_rr - 1]) : m.contact, &dst))
		send_out(s, call, dst);
}

void caller_start(struct sim *s, uint32_t call)
{
	struct ucall *u = &s->ucall[call];
	u->state = CALL_CALLING;
	u->message = !s->quiet && chance(s, 60);
	u->rport = chance(s, 500);
	u->route = (uint8_t)rnd(s, 2);
	u->sends = 1;
	u->started = s->now;
	caller_build(s, call, u->message ? "MESSAGE" : "INVITE");
	send_out(s, call, listener_ep(0));
	at(s, s->now + backoff(s, 1, false), EV_INVITE_AGAIN, call, 0);
	at(s, s->now + 64 * t1_us(s), EV_CALLER_OVER, call, 0);
	if (!u->message && chance(s, 200))
		at(s, s->now + rnd(s, chance(s, 500) ? 200000 : 8000000), EV_CANCEL, call, 0);
}

static void again(struct sim *s, uint32_t call)
{
	struct ucall *u = &s->ucall[call];
	if (u->state != CALL_CALLING || s->now >= u->started + 64 * t1_us(s))
		return;
	caller_build(s, call, u->message ? "MESSAGE" : "INVITE");
	send_out(s, call, listener_ep(0));
	at(s, s->now + backoff(s, ++u->sends, u->message), EV_INVITE_AGAIN, call, 0);
}

static void cancel(struct sim *s, uint32_t call)
{
	struct ucall *u = &s->ucall[call];
	if (u->state == CALL_CALLING) { /* not before a provisional (9.1) */
		at(s, s->now + 50 * MS, EV_CANCEL, call, 0);
		return;
	}
	if (u->cancel_done || u->cancel_sends > 10 || (u->state != CALL_PROCEEDING && !u->cancel_wanted))
		return;
	u->cancel_wanted = true;
	caller_build(s, call, "CANCEL");
	send_out(s, call, listener_ep(0));
	at(s, s->now + backoff(s, ++u->cancel_sends, true), EV_CANCEL, call, 0);
}

static void bye(struct sim *s, uint32_t call, unsigned fork)
{
	struct ucall *u = &s->ucall[call];
	struct fork *f = &u->fork[fork];
	if (f->state == 2)
		return;
	f->state = 1;
	if (f->bye_sends >= 11) {
		f->state = 2;
		if (fork == 0)
			over(s, u);
		return;
	}
	send_in_dialog(s, call, fork, "BYE");
	at(s, s->now + backoff(s, ++f->bye_sends, true), EV_BYE, call, fork);
}

void caller_event(struct sim *s, const struct event *e)
{
	struct ucall *u = &s->ucall[e->a];
	switch (e->kind) {
	case EV_INVITE_AGAIN:
		again(s, e->a);
		break;
	case EV_CANCEL:
		cancel(s, e->a);
		break;
	case EV_BYE:
		bye(s, e->a, e->b);
		break;
	default: /* nobody waits for ever; with b set, not even one that was told to wait */
		if (u->state == CALL_CALLING || (e->b && u->state == CALL_PROCEEDING))
			over(s, u);
		break;
	}
}

static struct fork *fork_of(struct sim *s, struct ucall *u, const struct msg *m, const struct packet *p)
{
	for (unsigned i = 0; i < u->n_forks; i++)
		if (str_is(m->to_tag, u->fork[i].tag))
			return &u->fork[i];
	if (u->n_forks == 4 || m->to_tag.n >= sizeof u->fork[0].tag)
		return NULL;
	struct fork *f = &u->fork[u->n_forks++];
	memcpy(f->tag, m->to_tag.p, m->to_tag.n);
	f->answer = keep(s, p->text, p->len);
	f->answer_len = p->len;
	uint64_t hold = u->n_forks == 1 ? rnd_in(s, 200, 12000) * MS : 0;
	at(s, s->now + hold, EV_BYE, (uint32_t)(u - s->ucall), u->n_forks - 1u);
	return f;
}

static void answered(struct sim *s, uint32_t call, const struct msg *m, const struct packet *p)
{
	struct ucall *u = &s->ucall[call];
	struct fork *f = fork_of(s, u, m, p);
	if (u->state == CALL_CALLING || u->state == CALL_PROCEEDING)
		u->state = CALL_UP;
	if (f)
		send_in_dialog(s, call, (unsigned)(f - u->fork), "ACK");
}

static void invite_response(struct sim *s, uint32_t call, const struct msg *m, const struct packet *p)
{
	struct ucall *u = &s->ucall[call];
	if (m->status < 200) {
		if (u->state == CALL_CALLING)
			u->state = CALL_PROCEEDING;
		return;
	}
	if (!u->final)
		u->final = (uint16_t)m->status;
	if (m->status < 300) {
		answered(s, call, m, p);
		return;
	}
	build(s, call, "ACK", m->to);
	send_out(s, call, listener_ep(0));
	if (u->state != CALL_UP)
		over(s, u);
}

/* The callee hangs up. */
static void request(struct sim *s, const struct msg *m, const struct packet *p)
{
	struct ucall *u = &s->ucall[m->call];
	struct out *o = &s->out;
	if (!str_is(m->method, "BYE"))
		return;
	o->n = 0;
	put(o, "SIP/2.0 200 OK\r\n");
	for (unsigned i = 0; i < m->n_via; i++)
		put_line(o, "Via", m->via[i]);
	put_line(o, "From", m->from);
	put_line(o, "To", m->to);
	put_line(o, "Call-ID", m->call_id);
	put_line(o, "CSeq", m->cseq_line);
	put(o, "Content-Length: 0\r\n\r\n");
	net_send(s, p->dst, p->src, o->text, o->n);
	for (unsigned i = 0; i < u->n_forks; i++)
		if (str_is(m->from_tag, u->fork[i].tag)) {
			u->fork[i].state = 2;
			if (i == 0)
				over(s, u);
		}
}

void caller_rx(struct sim *s, const struct packet *p)
{
	struct msg m;
	if (!msg_read(&m, p->text, p->len) || m.call >= s->n_calls || s->ucall[m.call].state == CALL_IDLE)
		return;
	struct ucall *u = &s->ucall[m.call];
	if (m.request) {
		request(s, &m, p);
	} else if (str_is(m.method, "INVITE")) {
		invite_response(s, m.call, &m, p);
	} else if (str_is(m.method, "CANCEL")) {
		u->cancel_done = true;
	} else if (str_is(m.method, "BYE") && m.status >= 200) {
		for (unsigned i = 0; i < u->n_forks; i++)
			if (str_is(m.to_tag, u->fork[i].tag))
				u->fork[i].state = 2;
		if (u->n_forks && u->fork[0].state == 2)
			over(s, u);
	} else if (str_is(m.method, "MESSAGE") && m.status >= 200) {
		u->final = (uint16_t)m.status;
		over(s, u);
	}
}

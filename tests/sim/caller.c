/* SPDX-License-Identifier: BSD-3-Clause */
/* caller.c - user agent clients, from RFC 3261 9.1, 12, 13.2, 14, 15 and 17.1, RFC 3311 and RFC 6086: INVITE with
 * Timer A, ACKs of both kinds, CANCEL at any time after a provisional, re-INVITE, UPDATE, INFO and BYE with the route
 * set they learned; and MESSAGE outside dialogs. Some forget the ACK of a failure. */
#include "sim.h"

/* What is dialled begins with one of these; conf_make() makes routes of some. */
const char *const dial_prefix[] = {"+44", "+4420", "+442079", "+7", "+1", "+1212", "00", ""};
#define DIAL_PREFIXES (sizeof dial_prefix / sizeof dial_prefix[0])

unsigned dial_prefixes(void)
{
	return DIAL_PREFIXES;
}

static uint64_t t1_us(const struct sim *s)
{
	return s->t1_ms * MS;
}

static uint64_t backoff(const struct sim *s, unsigned sends, bool capped)
{
	uint64_t d = t1_us(s) << (sends < 10 ? sends - 1 : 9);
	return capped && d > 8 * t1_us(s) ? 8 * t1_us(s) : d;
}

/* Timer E; 0: Timer F is over. */
uint64_t mid_backoff(const struct sim *s, unsigned sends)
{
	return sends > 10 ? 0 : backoff(s, sends, true);
}

static uint64_t hash_of(struct str v)
{
	uint64_t hash = v.n;
	for (uint32_t i = 0; i < v.n; i++)
		hash = (hash ^ (uint8_t)v.p[i]) * 0x100000001b3ull;
	return hash;
}

/* A request within a dialog that comes again has come by the same branch (16.11): else it would be another. */
void mid_seen(struct sim *s, struct mid *mid, const struct msg *m)
{
	if (m->n_via < 2)
		return; /* the proxy's own, for a 2xx that nobody wants */
	uint64_t branch = hash_of(m->branch), dialog = hash_of(m->to_tag) * 31 + hash_of(m->from_tag);
	if (mid->seen_cseq == m->cseq && mid->seen_dialog == dialog && mid->seen_branch != branch)
		breach(s, "INV-DIALOG", "%.*s %u of call %u comes again with another branch", (int)m->method.n,
		        m->method.p, m->cseq, m->call);
	mid->seen_cseq = (uint16_t)m->cseq;
	mid->seen_dialog = dialog;
	mid->seen_branch = branch;
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

static struct ep sent_by(const struct sim *s, uint32_t call)
{
	struct ep e = caller_ep(s, call);
	e.port = 5060;
	return e;
}

static void put_via(struct sim *s, uint32_t call, char kind, unsigned n)
{
	struct out *o = &s->out;
	char letter[2] = {kind, 0};
	put(o, "Via: SIP/2.0/UDP ");
	put_ep(o, sent_by(s, call));
	put(o, ";branch=z9hG4bK");
	put(o, letter);
	put_n(o, call);
	put(o, ".");
	put_n(o, n);
	put(o, s->ucall[call].rport ? ";rport\r\n" : "\r\n");
}

static void put_uri(struct sim *s, uint32_t call)
{
	put(&s->out, "sip:");
	put(&s->out, dial_prefix[s->ucall[call].dial]);
	put_n(&s->out, 1000000 + call);
	put(&s->out, s->ucall[call].other_domain ? "@other.example" : "@example.com");
}

static void put_contact(struct sim *s, uint32_t call)
{
	put(&s->out, "Contact: <sip:u@");
	put_ep(&s->out, caller_ep(s, call));
	put(&s->out, ">\r\n");
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
	if (invite)
		put_contact(s, call);
	put_body(o, call, invite ? s->ucall[call].body : 0);
}

void caller_build(struct sim *s, uint32_t call, const char *method)
{
	build(s, call, method, (struct str){NULL, 0});
}

static void send_out(struct sim *s, uint32_t call, struct ep dst)
{
	net_send(s, caller_ep(s, call), dst, s->out.text, s->out.n);
}

/* A request within a dialog: to the 2xx's Contact by its Record-Route, last first (12.1.2, 12.2.1.1). kind: of its
 * branch. */
static bool build_in_dialog(
        struct sim *s, uint32_t call, unsigned fork, const char *method, char kind, unsigned cseq, struct ep *dst)
{
	const struct fork *f = &s->ucall[call].fork[fork];
	struct out *o = &s->out;
	struct msg m;
	if (!msg_read(&m, f->answer, f->answer_len))
		return false;
	o->n = 0;
	put(o, method);
	put(o, " ");
	put_str(o, m.contact);
	put(o, " SIP/2.0\r\n");
	put_via(s, call, kind, cseq * 10 + fork);
	for (unsigned i = m.n_rr; i > 0; i--)
		put_line(o, "Route", m.rr[i - 1]);
	put_dialog_id(o, call, method, cseq);
	put_line(o, "To", m.to);
	if (method[0] == 'I' && method[2] == 'V')
		put_contact(s, call);
	put_body(o, call, method[0] == 'I' ? 40 : 0);
	return ep_of_uri(m.n_rr ? uri_of(m.rr[m.n_rr - 1]) : m.contact, dst);
}

static void send_in_dialog(struct sim *s, uint32_t call, unsigned fork, const char *method, char kind, unsigned cseq)
{
	struct ep dst;
	if (build_in_dialog(s, call, fork, method, kind, cseq, &dst))
		send_out(s, call, dst);
}

/* One digit of the signature in the first Route is another. */
bool caller_forge(struct sim *s, uint32_t call)
{
	struct ep dst;
	if (!s->ucall[call].n_forks || !build_in_dialog(s, call, 0, "BYE", 'x', 99, &dst))
		return false;
	char *sb = memmem(s->out.text, s->out.n, ";sb=", 4);
	if (!sb)
		return false;
	sb[4] = sb[4] == '0' ? '1' : '0';
	return true;
}

static uint8_t listener_of(struct sim *s, const struct ucall *u)
{
	if (u->caller >= CALLERS / 2)
		return 2;
	return chance(s, 250) ? 4 : 0;
}

void caller_start(struct sim *s, uint32_t call)
{
	struct ucall *u = &s->ucall[call];
	bool big = s->frames && chance(s, s->profile->big_pm);
	u->state = CALL_CALLING;
	u->message = !s->quiet && chance(s, 60);
	u->rport = chance(s, 500);
	u->dial = (uint8_t)rnd(s, DIAL_PREFIXES);
	u->other_domain = chance(s, 200);
	u->cursed = !s->quiet && chance(s, 10);
	u->never_acks = !s->quiet && chance(s, 15);
	u->caller = s->flood ? 3 : (uint8_t)rnd(s, CALLERS);
	u->listener = listener_of(s, u);
	u->body = (uint16_t)(big ? rnd_in(s, 500, BODY_MAX) : rnd_in(s, 40, 100));
	u->sends = 1;
	u->started = s->now;
	caller_build(s, call, u->message ? "MESSAGE" : "INVITE");
	send_out(s, call, listener_ep(u->listener));
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
	send_out(s, call, listener_ep(u->listener));
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
	if (!u->cancel_wanted)
		saw(s, SEEN_cancel);
	u->cancel_wanted = true;
	caller_build(s, call, "CANCEL");
	send_out(s, call, listener_ep(u->listener));
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
	send_in_dialog(s, call, fork, "BYE", 'b', 90);
	at(s, s->now + backoff(s, ++f->bye_sends, true), EV_BYE, call, fork);
}

/* In the middle of the call: something new, or the same again. */
static void mid(struct sim *s, uint32_t call, bool again_too)
{
	static const char *const methods[] = {"INVITE", "UPDATE", "INFO"};
	struct ucall *u = &s->ucall[call];
	struct mid *m = &u->mid;
	if (!u->n_forks || u->fork[0].state != 0 || (again_too && m->done))
		return;
	if (!again_too) {
		if (m->method && !m->done)
			return;
		m->method = methods[rnd(s, 3)];
		m->cseq = m->cseq ? (uint16_t)(m->cseq + 1) : 2;
		m->sends = 0;
		m->done = false;
	}
	uint64_t wait = mid_backoff(s, ++m->sends);
	send_in_dialog(s, call, 0, m->method, 'm', m->cseq);
	if (wait)
		at(s, s->now + wait, EV_MID_AGAIN, call, m->cseq);
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
	case EV_MID:
		mid(s, e->a, false);
		break;
	case EV_MID_AGAIN:
		if (u->mid.cseq == e->b)
			mid(s, e->a, true);
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
	uint32_t call = (uint32_t)(u - s->ucall);
	memcpy(f->tag, m->to_tag.p, m->to_tag.n);
	f->answer = keep(s, p->text, p->len);
	f->answer_len = p->len;
	uint64_t hold = u->n_forks == 1 ? rnd_in(s, 200, chance(s, 100) ? 60000 : 12000) * MS : 0;
	at(s, s->now + hold, EV_BYE, call, u->n_forks - 1u);
	for (unsigned i = 0; u->n_forks == 1 && i < 3; i++)
		if (chance(s, 200))
			at(s, s->now + 20 * MS + rnd64(s) % hold, EV_MID, call, 0);
	return f;
}

static void answered(struct sim *s, uint32_t call, const struct msg *m, const struct packet *p)
{
	struct ucall *u = &s->ucall[call];
	struct fork *f = fork_of(s, u, m, p);
	if (u->state == CALL_CALLING || u->state == CALL_PROCEEDING)
		u->state = CALL_UP;
	if (u->n_forks == 2 && f == &u->fork[1])
		saw(s, SEEN_fork_two_200);
	if (!body_is(m->body, call ^ 1u << 30))
		breach(s, "INV-BODY", "the body of the 2xx to call %u came changed", call);
	if (f)
		send_in_dialog(s, call, (unsigned)(f - u->fork), "ACK", 'a', 1);
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
	if (u->never_acks) {
		saw(s, SEEN_never_acks);
	} else {
		build(s, call, "ACK", m->to);
		send_out(s, call, listener_ep(u->listener));
	}
	if (u->state != CALL_UP)
		over(s, u);
}

/* The answer to what went out in the dialog of fork[0]; a re-INVITE's is ACKed, a failed one hop by hop. */
static void mid_response(struct sim *s, uint32_t call, const struct msg *m)
{
	struct mid *mid = &s->ucall[call].mid;
	if (m->status < 200 || m->cseq != mid->cseq || !mid->method || !str_is(m->method, mid->method))
		return;
	if (!mid->done)
		saw(s, mid->method[0] == 'U'    ? SEEN_update_up
		        : mid->method[2] == 'V' ? SEEN_reinvite_up
		                                : SEEN_info_up);
	mid->done = true;
	if (str_is(m->method, "INVITE"))
		send_in_dialog(s, call, 0, "ACK", m->status < 300 ? 'k' : 'm', m->cseq);
}

/* From the callee, within the dialog. */
static void request(struct sim *s, const struct msg *m, const struct packet *p)
{
	struct ucall *u = &s->ucall[m->call];
	struct out *o = &s->out;
	if (str_is(m->method, "ACK"))
		return;
	mid_seen(s, &u->mid, m);
	o->n = 0;
	put(o, "SIP/2.0 200 OK\r\n");
	for (unsigned i = 0; i < m->n_via; i++)
		put_line(o, "Via", m->via[i]);
	for (unsigned i = 0; i < m->n_rr; i++)
		put_line(o, "Record-Route", m->rr[i]);
	put_line(o, "From", m->from);
	put_line(o, "To", m->to);
	put_line(o, "Call-ID", m->call_id);
	put_line(o, "CSeq", m->cseq_line);
	if (str_is(m->method, "INVITE"))
		put_contact(s, m->call);
	put_body(o, 0, 0);
	net_send(s, p->dst, p->src, o->text, o->n);
	if (!str_is(m->method, "BYE"))
		return;
	for (unsigned i = 0; i < u->n_forks; i++)
		if (str_is(m->from_tag, u->fork[i].tag)) {
			u->fork[i].state = 2;
			if (i == 0)
				over(s, u);
		}
}

static void bye_response(struct sim *s, const struct msg *m)
{
	struct ucall *u = &s->ucall[m->call];
	for (unsigned i = 0; i < u->n_forks; i++)
		if (str_is(m->to_tag, u->fork[i].tag) && u->fork[i].state == 1) {
			u->fork[i].state = 2;
			saw(s, SEEN_bye_up);
		}
	if (u->n_forks && u->fork[0].state == 2)
		over(s, u);
}

void caller_rx(struct sim *s, const struct packet *p)
{
	struct msg m;
	if (!msg_read(&m, p->text, p->len) || m.call >= s->n_calls || s->ucall[m.call].state == CALL_IDLE)
		return;
	struct ucall *u = &s->ucall[m.call];
	if (m.request) {
		request(s, &m, p);
	} else if (m.branch.n > 7 && m.branch.p[7] == 'm') {
		mid_response(s, m.call, &m);
	} else if (str_is(m.method, "INVITE")) {
		invite_response(s, m.call, &m, p);
	} else if (str_is(m.method, "CANCEL")) {
		u->cancel_done = true;
	} else if (str_is(m.method, "BYE") && m.status >= 200) {
		bye_response(s, &m);
	} else if (str_is(m.method, "MESSAGE") && m.status >= 200) {
		u->final = (uint16_t)m.status;
		if (u->state != CALL_OVER)
			saw(s, SEEN_message);
		over(s, u);
	}
}

/* SPDX-License-Identifier: BSD-3-Clause */
/* stateful: an input is a play of callers, trunks, time, ICMP, health, reloads and troubles, fed to a worker's core
 * (the unit tests' world). Checked at every step: rx is the sum of its ends, no buffer is kept, snapshots are counted
 * right, answers go to whoever asked, requests to trunks, no INVITE gets two finals, a retransmission makes no second
 * transaction, and what is sent can be read, unless a mutant came before. And in the end: every INVITE taken has its
 * final, and 64*T1 after the last message nothing is held. */
#include "tests/unit/call/world.h"
#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/stateful.h"

#define N_TRUNKS      3
#define EXCHANGES_MAX 48
#define CALLS         6
#define HEARD_MAX     16
#define STEPS_MAX     300
#define SETTLE_MS     (4 * (190000 + 32000) + 3 * 32000)

/* A request of a caller and what came of it. */
struct exchange {
	struct text text, last; /* last: the last response to it */
	struct sb_addr source, via;
	unsigned listener, call;
	bool invite, tainted; /* tainted: mutants with its branch are about */
	bool taken;           /* a transaction was made for it */
	bool acked;
	unsigned final; /* of its transaction; 0: none yet */
	uint32_t final_hash;
	uint64_t made_ms, final_ms;
};

/* What was sent to a trunk. */
struct heard {
	struct text text;
	struct sb_addr to;
};

static struct play {
	struct world *w;
	struct sb_snap_group group[2];
	uint16_t trunk_of_slot[2][SB_TRUNKS_MAX];
	unsigned snap; /* current */
	struct exchange x[EXCHANGES_MAX];
	unsigned n_x;
	struct heard heard[HEARD_MAX]; /* a ring: n_heard is the next */
	unsigned n_heard;
	struct text answered[CALLS]; /* the last 2xx to an INVITE of that call; len 0: none */
	unsigned cseq[CALLS];
	int serving;         /* exchange whose datagram is handled; -1: none */
	bool wild;           /* a mutant is handled: it may go where it says */
	bool broken;         /* what is handled cannot be read: nor can its 400 */
	bool disturbed;      /* sends or buffers were refused: less can be asked of what was open */
	unsigned refuse_for; /* steps */
	uint64_t rx, ends;
	uint64_t made; /* transactions, when the datagram came that is handled */
} play;

static const char *const caller_at[2] = {"192.0.2.99:5070", "192.0.2.98:5060"};

/* With FUZZ_TRACE in the environment the play is told, for whoever reads a finding. */
static void tell(const char *what, const struct sb_addr *at, const char *text, size_t len, const char *end)
{
	static int on = -1;
	char hostport[SB_ADDR_TEXT_MAX] = "";
	if (on < 0)
		on = getenv("FUZZ_TRACE") != NULL;
	if (!on)
		return;
	if (at)
		sb_addr_format(at, hostport);
	const char *mark = text;
	int x = text_branch(&mark, text + len);
	const char *eol = len ? memchr(text, '\r', len) : NULL;
	int n = eol && eol - text < 44 ? (int)(eol - text) : len < 44 ? (int)len : 44;
	fprintf(stderr, "%10llu %-8s %-20s x%-3d %.*s  %s\n", (unsigned long long)play.w->now_us / 1000, what, hostport,
	        x, n, text, end);
}

static struct sb_addr addr(const char *text)
{
	struct sb_addr a;
	must(sb_addr_parse(text, 5060, &a) == 0, "%s", text);
	return a;
}

static void save(struct text *t, const struct sb_pkt *p)
{
	t->len = p->len < TEXT_MAX ? p->len : TEXT_MAX;
	memcpy(t->p, p->text, t->len);
}

static uint64_t transactions_made(void)
{
	const struct sb_counters *c = &play.w->counters;
	return sb_counter_get(c, SB_C_calls) + sb_counter_get(c, SB_C_requests);
}

/* A transaction was just made for the datagram that is handled: whatever is answered from now on is its answer. */
static void begins_anew(struct exchange *e, uint64_t now_ms)
{
	if (play.made == transactions_made())
		return;
	play.made = transactions_made();
	bool over = e->invite ? e->final && e->acked : now_ms - e->made_ms >= 32000; /* Timers I and F */
	must(!e->taken || over || e->tainted || play.disturbed,
	        "a retransmission of x%d made a second transaction after %d ms", play.serving,
	        (int)(now_ms - e->made_ms));
	e->made_ms = now_ms;
	e->taken = true;
	e->acked = false;
	e->final = 0;
}

static void final_sent(struct exchange *e, unsigned status, const struct sb_pkt *p)
{
	uint32_t h = fuzz_hash((const uint8_t *)p->text, p->len);
	if (!e->taken) /* an answer without state: the same request may fare better later */
		return;
	if (e->final) {
		bool ok = e->invite && e->final < 300 ? status < 300 : status == e->final && h == e->final_hash;
		must(ok, "final %u after %u:\n%.*s", status, e->final, (int)p->len, p->text);
		return;
	}
	e->final = status;
	e->final_hash = h;
	e->final_ms = play.w->now_us / 1000;
}

/* A response: to one of the requests, or to one that a mutant made up. */
static void to_caller(const struct sb_pkt *p)
{
	unsigned status = p->len > 12 ? (unsigned)atoi(p->text + 8) : 0;
	struct text t;
	size_t len;
	save(&t, p);
	const char *via = text_line(&t, "Via", &len);
	int branch = via ? text_branch(&via, via + len) : -1;
	if (branch < 0 || branch >= (int)play.n_x || play.x[branch].tainted)
		return;
	struct exchange *e = &play.x[branch];
	must(sb_addr_eq(&p->peer, &e->via), "an answer to x%d goes elsewhere:\n%.*s", branch, (int)p->len, p->text);
	must(p->listener->addr.port == play.w->listeners[e->listener].addr.port &&
	                sb_addr_same_ip(&p->listener->addr, &play.w->listeners[e->listener].addr),
	        "an answer to x%d leaves from elsewhere", branch);
	const char *cseq = text_line(&t, "CSeq", &len);
	if (!cseq || memmem(cseq, len, "CANCEL", 6))
		return;
	if (branch == play.serving)
		begins_anew(e, play.w->now_us / 1000);
	e->last = t;
	if (status >= 200) {
		final_sent(e, status, p);
		if (e->invite && status < 300)
			play.answered[e->call] = t;
	} else {
		must(!e->final || !e->taken, "%u after the final %u", status, e->final);
	}
}

static bool is_trunk(const struct sb_addr *a)
{
	for (unsigned s = 0; s < 2; s++)
		for (unsigned i = 0; i < N_TRUNKS; i++)
			if (sb_addr_same_ip(a, &play.w->trunks[s][i].addr))
				return true;
	return false;
}

/* Callers; who they say they are in Contact; and the stranger that answers in a trunk's stead, whose 2xx is ACKed. */
static bool is_peer(const struct sb_addr *a)
{
	static const char *const peers[] = {"192.0.2.99:5070", "192.0.2.98:5060", "192.0.2.77:5060"};
	bool found = false;
	for (unsigned i = 0; i < sizeof peers / sizeof peers[0]; i++) {
		struct sb_addr b = addr(peers[i]);
		found |= sb_addr_same_ip(a, &b);
	}
	return found;
}

static enum sb_read reads(const char *text, uint32_t len)
{
	static char padded[SB_SIP_MAX + SB_SIP_PAD];
	struct sb_sip sip;
	bool asked;
	memcpy(padded, text, len);
	return sb_sip_read(&sip, padded, len, false, &asked);
}

static void on_send(struct world *w, const struct sb_pkt *p)
{
	tell("sends", &p->peer, p->text, p->len, "");
	must(p->len <= p->cap && p->len > 0, "%u bytes in a buffer of %u", p->len, p->cap);
	enum sb_read read = play.wild || play.broken ? SB_READ_REQUEST : reads(p->text, p->len);
	must(read == SB_READ_REQUEST || read == SB_READ_RESPONSE, "it reads as %d:\n%.*s", read, (int)p->len, p->text);
	if (p->len > 8 && memcmp(p->text, "SIP/2.0 ", 8) == 0) {
		to_caller(p);
		return;
	}
	must(play.wild || is_trunk(&p->peer) || is_peer(&p->peer), "a request goes to nobody we know:\n%.*s",
	        (int)p->len, p->text);
	struct heard *h = &play.heard[play.n_heard++ % HEARD_MAX];
	save(&h->text, p);
	h->to = p->peer;
}

/* What holds whenever the core has handed back. */
static void check(void)
{
	struct world *w = play.w;
	const struct sb_core_usage *u = sb_core_usage(w->core);
	uint64_t sum = 0;
	must(w->buffers == 0, "%d buffers are neither sent nor freed", w->buffers);
	must(u->transactions <= w->cfg.transactions_max && u->invites <= u->transactions, "%d transactions, %d INVITEs",
	        (int)u->transactions, (int)u->invites);
	must(w->snap[0].refs[0].n + w->snap[1].refs[0].n == u->transactions,
	        "snapshots are referred to by %d and %d, not %d", (int)w->snap[0].refs[0].n, (int)w->snap[1].refs[0].n,
	        (int)u->transactions);
	for (unsigned t = 0; t < WORLD_TRUNKS; t++)
		sum += w->stats[t].active;
	must(sum <= u->transactions * SB_CANDIDATES_MAX, "%d legs of %d transactions", (int)sum, (int)u->transactions);
	must(play.rx == play.ends, "%d frames, %d ends", (int)play.rx, (int)play.ends);
}

/* Hands one datagram in. x: the exchange it belongs to; -1: none. */
static enum sb_counter receive(const struct text *t, unsigned listener, const struct sb_addr *from, int x)
{
	struct world *w = play.w;
	uint64_t before = transactions_made(), now_ms = w->now_us / 1000;
	struct exchange *e = x >= 0 ? &play.x[x] : NULL;
	/* 64*T1 after its final it is forgotten, and its like is new. The final may have been meant to leave long
	 * before. */
	if (e && e->final && now_ms - (play.disturbed ? e->made_ms : e->final_ms) >= 32000)
		e->taken = false;
	play.serving = x;
	play.made = before;
	play.rx++;
	play.broken = reads(t->p, t->len) > SB_READ_RESPONSE;
	enum sb_counter end = world_rx_from(w, listener, from, t->p, t->len);
	play.broken = false;
	enum sb_counter_kind kind = sb_counter_rows()[end].kind;
	play.ends += kind == SB_KIND_END || kind == SB_KIND_DROP;
	tell("is given", from, t->p, t->len, sb_counter_rows()[end].name);
	must(transactions_made() - before <= 1, "one datagram made %d transactions",
	        (int)(transactions_made() - before));
	if (e)
		begins_anew(e, now_ms);
	play.serving = -1;
	check();
	return end;
}

static int pick_exchange(uint8_t k)
{
	return play.n_x ? (int)(play.n_x - 1 - k % play.n_x) : -1;
}

static struct heard *pick_heard(uint8_t k)
{
	unsigned n = play.n_heard < HEARD_MAX ? play.n_heard : HEARD_MAX;
	return n ? &play.heard[(play.n_heard - 1 - k % n) % HEARD_MAX] : NULL;
}

static void say_new(struct fuzz_bytes *in)
{
	static const char *const methods[] = {
	        "INVITE", "INVITE", "INVITE", "OPTIONS", "BYE", "ACK", "MESSAGE", "PRACK"};
	uint8_t who = fuzz_u8(in), what = fuzz_u8(in), flags = fuzz_u8(in);
	unsigned call = who % CALLS, caller = call & 1;
	struct exchange *e = &play.x[play.n_x];
	if (play.n_x == EXCHANGES_MAX)
		return;
	struct wording w = {.method = methods[what & 7], .call = call, .branch = play.n_x, .source = caller_at[caller]};
	bool dialog = what & 8 && play.answered[call].len;
	bool ack = strcmp(w.method, "ACK") == 0;
	w.dialog = dialog ? &play.answered[call] : NULL;
	w.cseq = ack ? play.cseq[call] : ++play.cseq[call];
	w.rport = !(flags & 1);
	w.no_hops = (flags & 6) == 6;
	w.no_max_forwards = (flags & 6) == 4;
	w.proxy_require = (flags & 0x18) == 0x18;
	w.old_branch = (flags & 0x18) == 0x10;
	w.big = flags & 0x20;
	w.broken_route = (flags & 0xc0) == 0xc0;
	w.to_us = flags & 0x40 && what & 16;
	e->source = addr((flags & 0xc0) == 0x80 ? "203.0.113.9:5060" : caller_at[caller]);
	e->listener = what >> 5 & 1;
	e->via = e->source;
	if (!w.rport)
		e->via.port = addr(caller_at[caller]).port;
	e->call = call;
	e->invite = what % 8 < 3;
	e->tainted |= w.old_branch || ack;
	e->taken = e->acked = false;
	e->final = 0;
	e->last.len = 0;
	text_request(&e->text, &w);
	int x = (int)play.n_x++;
	receive(&e->text, e->listener, &e->source, x);
}

static void say_again(struct fuzz_bytes *in)
{
	int x = pick_exchange(fuzz_u8(in));
	if (x >= 0)
		receive(&play.x[x].text, play.x[x].listener, &play.x[x].source, x);
}

static void say_follow(struct fuzz_bytes *in, const char *method)
{
	int x = pick_exchange(fuzz_u8(in));
	struct text t;
	if (x < 0)
		return;
	struct exchange *e = &play.x[x];
	bool ack = method[0] == 'A';
	text_follow(&t, &e->text, method, ack && e->last.len ? &e->last : NULL);
	if (!t.len)
		return;
	e->acked |= ack;
	receive(&t, e->listener, &e->source, -1);
}

static void say_answer(struct fuzz_bytes *in)
{
	static const uint16_t codes[] = {
	        100, 180, 183, 200, 200, 299, 302, 404, 408, 481, 486, 487, 500, 503, 599, 603};
	struct heard *h = pick_heard(fuzz_u8(in));
	uint8_t what = fuzz_u8(in), flags = fuzz_u8(in);
	char contact[SB_ADDR_TEXT_MAX];
	struct text t;
	if (!h)
		return;
	struct sb_addr from = h->to;
	sb_addr_format(&h->to, contact);
	struct answer a = {.status = codes[what & 15], .fork = what >> 4 & 3, .contact = flags & 1 ? NULL : contact};
	a.retry_after = flags & 2;
	a.our_via_alone = (flags & 0x1c) == 4;
	a.forged = (flags & 0x1c) == 8;
	if ((flags & 0x1c) == 12)
		from = addr("192.0.2.77:5060");
	text_answer(&t, &h->text, &a);
	receive(&t, flags >> 5 & 1, &from, -1);
}

/* A request of the callee within the dialog that an INVITE began. */
static void say_callee(struct fuzz_bytes *in)
{
	static const char *const methods[] = {"BYE", "INFO", "INVITE", "PRACK"};
	struct heard *h = pick_heard(fuzz_u8(in));
	uint8_t what = fuzz_u8(in);
	char at[SB_ADDR_TEXT_MAX];
	struct text t;
	if (!h)
		return;
	sb_addr_format(&h->to, at);
	struct wording w = {.method = methods[what & 3], .call = what >> 2 & 7, .branch = 900 + what, .source = at};
	w.cseq = 100 + what;
	w.dialog = &h->text;
	w.uas = true;
	w.rport = what & 0x40;
	text_request(&t, &w);
	receive(&t, what >> 7, &h->to, -1);
}

static void pass(struct fuzz_bytes *in)
{
	static const uint32_t steps[] = {
	        1, 10, 100, 200, 401, 500, 1000, 2000, 3000, 4000, 5000, 16000, 31999, 32000, 64000, 190000};
	tell("passes", NULL, "", 0, "");
	world_pass(play.w, steps[fuzz_u8(in) & 15]);
	check();
}

static void icmp(struct fuzz_bytes *in)
{
	struct heard *h = pick_heard(fuzz_u8(in));
	uint8_t what = fuzz_u8(in);
	if (!h)
		return;
	uint32_t len = what & 1 ? h->text.len : (uint32_t)(what >> 2) * 8 % (h->text.len + 1);
	struct sb_addr to = what & 2 ? addr("192.0.2.1:5060") : h->to;
	char *quote = malloc(len ? len : 1); /* of its very size */
	memcpy(quote, h->text.p, len);
	play.rx++;
	tell("ICMP", &to, quote, len, "");
	enum sb_counter end = sb_core_icmp(play.w->core, &to, quote, len, what < 0xf0, play.w->now_us).counter;
	enum sb_counter_kind kind = sb_counter_rows()[end].kind;
	play.ends += kind == SB_KIND_END || kind == SB_KIND_DROP;
	free(quote);
	world_mail(play.w);
	check();
}

static void health(struct fuzz_bytes *in)
{
	uint8_t who = fuzz_u8(in), what = fuzz_u8(in);
	world_health(play.w, who % N_TRUNKS, (enum sb_health_state)(what % SB_HEALTH_STATES),
	        (enum sb_admin)((what >> 3) % 3), (uint32_t)(what >> 5) * SB_SHARE_FULL / 7);
	if (who & 0x80) {
		struct sb_mail m = {.op = SB_MAIL_TRUNK_DOWN, .trunk = who % N_TRUNKS};
		sb_core_mail(play.w->core, &m, play.w->now_us);
		sb_core_tick(play.w->core, play.w->now_us);
		world_mail(play.w);
	}
	check();
}

/* A new snapshot, if the one that is not current is no longer referred to. */
static void reload(struct fuzz_bytes *in)
{
	uint8_t a = fuzz_u8(in), b = fuzz_u8(in);
	unsigned next = !play.snap;
	struct sb_snapshot *s = &play.w->snap[next];
	if (s->refs[0].n)
		return;
	s->n_trunks = play.group[next].n_members = 1 + a % N_TRUNKS;
	s->late_2xx = a & 4 ? SB_LATE_BYE : SB_LATE_FORWARD;
	s->parser = a & 8 ? SB_PARSER_OSIP : SB_PARSER_AUTO;
	s->invite_rate_per_source = a & 16 ? 3 : 0;
	play.group[next].fallback_interval_ms = a & 32 ? 60000 : 0;
	for (unsigned i = 0; i < N_TRUNKS; i++) {
		struct sb_snap_trunk *t = &play.w->trunks[next][i];
		t->sends = 1 + (b & 3);
		t->trying_timer_ms = b & 4 ? 500 : 200;
		t->failover_after_ringing = b & 8;
		t->listener = b >> 4 & 1;
		t->addr.port = b & 32 ? 5062 : 5060;
		play.trunk_of_slot[next][i] = i < s->n_trunks ? (uint16_t)i : SB_NO_TRUNK;
	}
	tell("reloads", NULL, "", 0, "");
	play.snap = next;
	play.w->parser_osip = s->parser == SB_PARSER_OSIP;
	sb_core_snapshot(play.w->core, s);
	check();
}

static void trouble(struct fuzz_bytes *in)
{
	uint8_t what = fuzz_u8(in);
	play.refuse_for = what >> 3 & 7;
	play.w->refuse_sends = what & 1;
	play.w->refuse_buffers = what & 2 ? 1 + (what >> 6) : 0;
	play.w->deaf = what & 4;
	play.disturbed |= what & 3;
	tell("trouble", NULL, "", 0, what & 1 ? "sends" : what & 2 ? "buffers" : what & 4 ? "mail" : "none");
}

/* Of the requests that a mutant names nothing more can be said. */
static void taint(const struct text *t)
{
	const char *p = t->p;
	for (int x = text_branch(&p, t->p + t->len); x >= 0; x = text_branch(&p, t->p + t->len))
		if (x < EXCHANGES_MAX) /* those to come, too */
			play.x[x].tainted = true;
}

/* A message that was said or heard, with a few bytes changed. */
static void mutant(struct fuzz_bytes *in)
{
	uint8_t kind = fuzz_u8(in), k = fuzz_u8(in);
	int x = pick_exchange(k);
	struct heard *h = pick_heard(k);
	struct sb_addr from = addr(caller_at[kind >> 7]);
	struct text t = {0};
	if (kind & 1 && h) {
		struct answer a = {.status = kind & 2 ? 200 : 500, .contact = "192.0.2.1:5060"};
		text_answer(&t, &h->text, &a);
		from = h->to;
	} else if (kind & 2 && h) {
		t = h->text; /* a loop, or a spiral */
	} else if (x >= 0) {
		t = play.x[x].text;
	}
	taint(&t);
	for (unsigned n = 1 + (kind >> 4 & 7); n > 0 && t.len; n--) {
		uint16_t at = fuzz_u16(in);
		uint8_t byte = fuzz_u8(in);
		if (at & 0x8000)
			t.len -= t.len > (byte & 63u) ? byte & 63u : 0;
		else
			t.p[at % t.len] = (char)byte;
	}
	taint(&t);
	play.wild = true;
	receive(&t, kind >> 3 & 1, &from, -1);
}

static void raw(struct fuzz_bytes *in)
{
	size_t got;
	struct sb_addr from = addr(caller_at[0]);
	struct text t;
	const uint8_t *p = fuzz_take(in, fuzz_u16(in) % TEXT_MAX, &got);
	t.len = (uint32_t)got;
	if (got)
		memcpy(t.p, p, got);
	taint(&t);
	play.wild = true;
	receive(&t, 0, &from, -1);
}

static void mail(struct fuzz_bytes *in)
{
	uint8_t what = fuzz_u8(in), arg = fuzz_u8(in);
	struct sb_mail m = {.trunk = arg % (N_TRUNKS + 1)};
	struct heard *h = pick_heard(arg);
	switch (what & 3) {
	case 0:
		m.op = SB_MAIL_PROBE;
		m.probe.id = arg;
		break;
	case 1: {
		const char *b = h ? memmem(h->text.p, h->text.len, "z9hG4bK", 7) : NULL;
		m.op = SB_MAIL_ICMP;
		if (!b || h->text.p + h->text.len - b < SB_BRANCH_LEN)
			return;
		memcpy(m.icmp.branch, b, SB_BRANCH_LEN);
		break;
	}
	default: /* a timer that is stale, or early */
		m.op = SB_MAIL_FIRED;
		m.timer.slot = arg & 31;
		m.timer.gen = what >> 2;
	}
	sb_core_mail(play.w->core, &m, play.w->now_us);
	world_mail(play.w);
	check();
}

static void step(struct fuzz_bytes *in)
{
	switch (fuzz_u8(in) % 18) {
	case 0:
	case 1:
		say_new(in);
		break;
	case 2:
		say_again(in);
		break;
	case 3:
		say_follow(in, "ACK");
		break;
	case 4:
		say_follow(in, "CANCEL");
		break;
	case 5:
	case 6:
	case 7:
		say_answer(in);
		break;
	case 8:
		say_callee(in);
		break;
	case 9:
	case 10:
		pass(in);
		break;
	case 11:
		icmp(in);
		break;
	case 12:
		health(in);
		break;
	case 13:
		reload(in);
		break;
	case 14:
		trouble(in);
		break;
	case 15:
		mutant(in);
		break;
	case 16:
		raw(in);
		break;
	default:
		mail(in);
	}
	if (play.refuse_for && --play.refuse_for == 0) {
		play.w->refuse_sends = play.w->deaf = false;
		play.w->refuse_buffers = 0;
		world_mail(play.w);
	}
}

/* All is well again and nobody says anything more. */
static void settle(void)
{
	struct world *w = play.w;
	w->refuse_sends = w->deaf = false;
	w->refuse_buffers = 0;
	for (unsigned i = 0; i < 40; i++)
		world_pass(w, SETTLE_MS / 40);
	check();
	const struct sb_core_usage *u = sb_core_usage(w->core);
	must(u->transactions == 0 && u->invites == 0 && u->lingering == 0 && u->text_bytes == 0,
	        "held in the end: %d transactions, %d INVITEs, %d records, %d bytes", (int)u->transactions,
	        (int)u->invites, (int)u->lingering, (int)u->text_bytes);
	for (unsigned t = 0; t < WORLD_TRUNKS; t++)
		must(w->stats[t].active == 0, "trunk %u has %d legs in the end", t, (int)w->stats[t].active);
	for (unsigned i = 0; i < play.n_x; i++) {
		const struct exchange *e = &play.x[i];
		must(!e->invite || !e->taken || e->tainted || play.disturbed || e->final,
		        "INVITE x%u never got a final", i);
	}
}

static void begin(void)
{
	struct world *w = play.w;
	world_reset(w);
	for (unsigned s = 0; s < 2; s++) {
		play.group[s] = w->group;
		w->snap[s].groups = &play.group[s];
		w->snap[s].trunk_of_slot = play.trunk_of_slot[s];
		for (unsigned i = 0; i < WORLD_TRUNKS; i++)
			play.trunk_of_slot[s][i] = i < N_TRUNKS ? (uint16_t)i : SB_NO_TRUNK;
	}
	w->parser_osip = false;
	for (unsigned i = 0; i < EXCHANGES_MAX; i++)
		play.x[i].tainted = false;
	play.snap = play.n_x = play.n_heard = play.refuse_for = 0;
	play.wild = play.disturbed = false;
	play.rx = play.ends = 0;
	for (unsigned i = 0; i < CALLS; i++)
		play.answered[i].len = play.cseq[i] = 0;
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	struct world *w = world_new(N_TRUNKS);
	play.w = w;
	memset(play.trunk_of_slot, 0xff, sizeof play.trunk_of_slot);
	w->on_send = on_send;
	w->cfg.text_bytes_max = 400000;
	world_restart(w);
	return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fuzz_bytes in = {data, size};
	begin();
	for (unsigned n = 0; in.left && n < STEPS_MAX; n++)
		step(&in);
	settle();
	return 0;
}

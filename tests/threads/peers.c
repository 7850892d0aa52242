/* SPDX-License-Identifier: BSD-3-Clause */
#include "peers.h"
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

#define CALLS_A_TURN   2
#define BUSY           48 /* transactions, of 64: beyond it most calls wait, and a few are shed */
#define ANSWERS_A_TURN 16

static _Thread_local struct peers *mine; /* of the worker whose thread this is */

static uint32_t draw(struct peers *p, uint32_t below)
{
	p->random ^= p->random << 13;
	p->random ^= p->random >> 7;
	p->random ^= p->random << 17;
	return (uint32_t)(p->random >> 33) % below;
}

static struct sb_pkt *alloc(void *ctx, uint32_t size)
{
	struct sb_pkt *p = malloc(sizeof *p + size + SB_SIP_PAD);
	if (!p)
		return NULL;
	*p = (struct sb_pkt){.text = (char *)(p + 1), .cap = size};
	return p;
}

static void release(void *ctx, struct sb_pkt *p)
{
	free(p);
}

static bool take(void *ctx, struct sb_pkt *p)
{
	struct sb_fib_hop hop = {0};
	(void)sb_fib_lookup(mine->w->fib, &p->peer, p->listener->port, &hop); /* as the daemon finds the way out */
	if (mine->head - mine->tail == PEERS_QUEUE || p->len >= sizeof mine->queue[0].text) {
		mine->lost++;
	} else {
		struct peers_msg *m = &mine->queue[mine->head++ % PEERS_QUEUE];
		memcpy(m->text, p->text, p->len);
		m->text[p->len] = 0;
		m->len = p->len;
		m->to = p->peer;
	}
	free(p);
	return true;
}

const struct sb_core_ops *peers_ops(void)
{
	static const struct sb_core_ops ops = {.alloc = alloc, .free = release, .send = take};
	return &ops;
}

void peers_init(struct peers *p, struct sb_worker *w, uint64_t seed, uint32_t calls_max)
{
	memset(p, 0, sizeof *p);
	p->w = w;
	p->random = seed * 0x9e3779b97f4a7c15ull + 1;
	p->calls_max = calls_max;
	mine = p;
}

/* Hands a datagram to the core as classify.c does; false: another worker's. */
static bool give(struct peers *p, const struct sb_addr *from, const char *text, size_t len)
{
	char buf[2048 + SB_SIP_PAD] = "";
	struct sb_worker *w = p->w;
	struct sb_addr local;
	struct sb_sip sip;
	bool asked;
	memcpy(buf, text, len);
	sb_addr_parse("192.0.2.200", 5060, &local);
	struct sb_pkt pkt = {.text = buf, .len = (uint32_t)len, .cap = (uint32_t)len, .peer = *from};
	struct sb_look look;
	sb_core_read(w->core, &sip, &pkt, w->view->snapshot->parser == SB_PARSER_OSIP, &look, &asked);
	if (sb_core_owner(w->core, &look) != w->index)
		return false;
	sb_count(&w->counters, SB_C_rx_frames);
	p->datagrams++;
	pkt.listener = sb_view_find(w->view, 0, &local);
	struct sb_end end = {SB_C_drop_not_ours};
	if (pkt.listener)
		end = sb_core_packet(w->core, &pkt, &sip, &look, w->now_us);
	sb_count(&w->counters, end.counter);
	return true;
}

static struct sb_addr caller(void)
{
	struct sb_addr a;
	sb_addr_parse("192.0.2.99:5070", 5060, &a);
	return a;
}

/* The Call-ID decides which worker a call belongs to: tries until it is ours. */
static void call(struct peers *p)
{
	char text[1024];
	const struct sb_addr from = caller();
	for (unsigned try = 0; try < 64; try++) {
		unsigned id = (unsigned)p->w->index * 100000000 + p->calls * 64 + try;
		int n = snprintf(text, sizeof text,
		        "INVITE sip:+442079460000@example.com SIP/2.0\r\n"
		        "Via: SIP/2.0/UDP 192.0.2.99:5070;branch=z9hG4bKc%u;rport\r\n"
		        "Max-Forwards: 70\r\nFrom: <sip:alice@example.org>;tag=a%u\r\n"
		        "To: <sip:+442079460000@example.com>\r\nCall-ID: %u@threads\r\nCSeq: 1 INVITE\r\n"
		        "Contact: <sip:alice@192.0.2.99:5070>\r\nContent-Length: 0\r\n\r\n",
		        id, id, id);
		if (give(p, &from, text, (size_t)n))
			break;
	}
	p->calls++;
}

static void copy_lines(const char *text, const char *name, char *out)
{
	for (const char *at = text; *at && strncmp(at, "\r\n", 2) != 0;) {
		const char *eol = strstr(at, "\r\n");
		if (!eol)
			return;
		if (strncasecmp(at, name, strlen(name)) == 0 && at[strlen(name)] == ':')
			strncat(out, at, (size_t)(eol + 2 - at));
		at = eol + 2;
	}
}

/* A response as a trunk makes it. */
static void answer(struct peers *p, const struct peers_msg *m, unsigned status)
{
	char out[2048];
	snprintf(out, sizeof out, "SIP/2.0 %u Whatever\r\n", status);
	copy_lines(m->text, "Via", out);
	copy_lines(m->text, "Record-Route", out);
	copy_lines(m->text, "From", out);
	copy_lines(m->text, "To", out);
	if (status > 100 && out[strlen(out) - 3] == '>')
		strcpy(out + strlen(out) - 2, ";tag=callee\r\n");
	copy_lines(m->text, "Call-ID", out);
	copy_lines(m->text, "CSeq", out);
	strcat(out, "Content-Length: 0\r\n\r\n");
	give(p, &m->to, out, strlen(out));
}

/* What arrived at a trunk: most calls are answered, some refused, a few left alone. */
static void at_trunk(struct peers *p, const struct peers_msg *m)
{
	uint32_t mood = draw(p, 32);
	if (strncmp(m->text, "OPTIONS ", 8) == 0) {
		p->probes++;
		if (mood)
			answer(p, m, 200);
	} else if (strncmp(m->text, "INVITE ", 7) == 0) {
		if (mood == 0)
			return;
		if (mood % 2)
			answer(p, m, 180);
		answer(p, m, mood < 3 ? 503 : mood < 5 ? 486 : 200);
	} else if (strncmp(m->text, "CANCEL ", 7) == 0 || strncmp(m->text, "BYE ", 4) == 0) {
		answer(p, m, 200);
	}
}

/* A failure is ACKed with its INVITE's branch (17.1.1.3). */
static void at_caller(struct peers *p, const struct peers_msg *m)
{
	const struct sb_addr from = caller();
	unsigned status = (unsigned)strtoul(m->text + 8, NULL, 10);
	char ack[2048] = "ACK sip:+442079460000@example.com SIP/2.0\r\n";
	if (status < 200 || !strstr(m->text, "INVITE\r\n"))
		return;
	p->finals++;
	if (status < 300)
		return;
	copy_lines(m->text, "Via", ack);
	copy_lines(m->text, "From", ack);
	copy_lines(m->text, "To", ack);
	copy_lines(m->text, "Call-ID", ack);
	strcat(ack, "CSeq: 1 ACK\r\nContent-Length: 0\r\n\r\n");
	give(p, &from, ack, strlen(ack));
}

void peers_turn(struct peers *p)
{
	for (unsigned i = 0; i < CALLS_A_TURN && p->calls < p->calls_max; i++)
		if (draw(p, 3) == 0 && (sb_core_usage(p->w->core)->transactions < BUSY || draw(p, 100) == 0))
			call(p);
	for (unsigned i = 0; i < ANSWERS_A_TURN && p->tail != p->head; i++) {
		const struct peers_msg m = p->queue[p->tail++ % PEERS_QUEUE];
		if (strncmp(m.text, "SIP/2.0 ", 8) == 0)
			at_caller(p, &m);
		else
			at_trunk(p, &m);
	}
}

/* SPDX-License-Identifier: BSD-3-Clause */
/* The load generator (bench/loadgen) between its own ends and a proxy of a few lines: a plain call completes, and each
 * way to get a message wrong is noticed. */
#include "bench/loadgen/gen.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#define ROOM  4096
#define SENT  64
#define PROXY "192.0.2.10"

/* What left the generator and was not yet carried on. */
static struct {
	char text[ROOM];
	uint32_t from;
	size_t len;
} sent[SENT];
static unsigned n_sent;
static struct gen g;
static struct gen_call calls[16];
static uint32_t free_slots[16];

char *gen_net_begin(struct gen *gen, struct rte_mbuf **m)
{
	assert_true(n_sent < SENT);
	*m = NULL;
	memset(sent[n_sent].text, 0, ROOM);
	return sent[n_sent].text;
}

void gen_net_send(struct gen *gen, struct rte_mbuf *m, uint32_t from, size_t len)
{
	assert_true(len < ROOM - 64);
	sent[n_sent].from = from;
	sent[n_sent++].len = len;
	gen->f.tx++;
}

void gen_net_icmp(struct gen *gen, const struct rte_mbuf *offending)
{
}

static void make_queue(struct gen_queue *q)
{
	q->mask = 63;
	q->ring = calloc(64, sizeof *q->ring);
	q->delay = 0;
	q->head = q->tail = 0;
}

static void set_up(unsigned callers)
{
	memset(&g, 0, sizeof g);
	n_sent = 0;
	g.o = (struct gen_options){
	        .proxy = PROXY, .slots = 16, .callers = callers, .body = 250, .extra = 100, .numbers = 1000};
	g.calls = calls;
	g.free_slots = free_slots;
	g.free_mask = 15;
	g.random = 1;
	g.now = 100;
	memset(calls, 0, sizeof calls);
	gen_make_slots(&g, 0x9abcdef0);
	gen_make_texts(&g);
	make_queue(&g.answer);
	make_queue(&g.hang_up);
	make_queue(&g.give_up);
	g.give_up.delay = 1000;
}

static void tear_down(void)
{
	free(g.answer.ring);
	free(g.hang_up.ring);
	free(g.give_up.ring);
}

/* --- the proxy */

/* Takes the first line of that name out of a message; the name has the line end before it. */
static void drop_line(char *text, const char *name)
{
	char *line = strstr(text, name);
	char *end = line ? strstr(line + 2, "\r\n") : NULL;
	if (line)
		memmove(line, end, strlen(end) + 1);
}

static void put_in(char *text, const char *before, const char *what)
{
	char *at = strstr(text, before);
	assert_non_null(at);
	memmove(at + strlen(what), at, strlen(at) + 1);
	memcpy(at, what, strlen(what));
}

static void replace(char *text, const char *from, const char *to)
{
	char *at = strstr(text, from);
	if (!at) {
		print_error("no %s in:\n%s", from, text);
		fail();
	}
	memmove(at + strlen(to), at + strlen(from), strlen(at + strlen(from)) + 1);
	memcpy(at, to, strlen(to));
}

struct damage {
	const char *what;      /* what the message begins with */
	const char *from, *to; /* NULL: the message is lost */
	const char *noticed;   /* how what the generator says of it begins */
};

static bool damaged(const struct damage *d, char *text)
{
	if (!d || strncmp(text, d->what, strlen(d->what)) != 0)
		return false;
	if (d->from)
		replace(text, d->from, d->to);
	return !d->from;
}

/* Carries one message to its other side, as a proxy of one hop; not at all if it is to be lost. */
static void carry(const char *in, const struct damage *d)
{
	static char text[ROOM];
	struct gen_message m;
	bool response = strncmp(in, "SIP/2.0", 7) == 0;
	strcpy(text, in);
	if (response) {
		drop_line(text, "\r\nVia: ");
	} else {
		replace(text, "Max-Forwards: 70", "Max-Forwards: 69");
		drop_line(text, "\r\nRoute: ");
		put_in(text, "Via: ", "Via: SIP/2.0/UDP " PROXY ":5060;branch=z9hG4bKproxy\r\n");
		if (strncmp(text, "INVITE", 6) == 0)
			put_in(text, "Via: ", "Record-Route: <sip:" PROXY ";lr>\r\n");
	}
	if (damaged(d, text))
		return;
	uint32_t len = (uint32_t)strlen(text);
	if (gen_read(&m, text, len)) {
		m.text = text;
		m.len = len;
		gen_wrong(&g, "no SIP", &m);
	} else if (response) {
		gen_at_caller(&g, &m);
	} else {
		gen_at_trunk(&g, &m, NULL, gen_trunk_ip(GEN_ANSWERS, 0));
	}
}

/* One call, with one kind of damage to what passes the proxy. */
static void play(const struct damage *d)
{
	gen_start_call(&g, g.now);
	for (int turn = 0; turn < 16; turn++) {
		for (unsigned i = 0; i < n_sent; i++) {
			static char in[ROOM];
			memcpy(in, sent[i].text, ROOM);
			carry(in, d);
		}
		n_sent = 0;
		g.now += 10;
		gen_due(&g);
	}
}

static void plain_call_completes(void **s)
{
	set_up(10);
	play(NULL);
	assert_string_equal(g.f.first_wrong, "");
	assert_int_equal(g.f.wrong, 0);
	assert_int_equal(g.f.completed, 1);
	assert_int_equal(g.open, 0);
	assert_int_equal(g.f.latency[GEN_L_BYE_OK].count, 1);
	tear_down();
}

static const struct damage damages[] = {
        {"INVITE", "Max-Forwards: 69", "Max-Forwards: 70", "Max-Forwards"},
        {"INVITE", "Via: SIP/2.0/UDP " PROXY ":5060;branch=z9hG4bKproxy\r\n", "", "a request without the proxy's Via"},
        {"INVITE", "branch=z9hG4bKI", "branch=z9hG4bKX", "a request whose last Via"},
        {"INVITE", "m=audio", "m=video", "a request's body"},
        {"INVITE", "P-Charging-Vector", "P-Charging-Victor", "a request that has lost"},
        {"INVITE", "Content-Length: 250", "Content-Length: 249", "no SIP"},
        {"ACK", "Max-Forwards: 69", "Max-Forwards: 68", "Max-Forwards"},
        {"ACK", "Max-Forwards: 69\r\n", "Max-Forwards: 69\r\nRoute: <sip:" PROXY ";lr>\r\n",
                "a request that still has a Route"},
        {"ACK", NULL, NULL, "a call whose ACK was lost"},
        {"BYE", "CSeq: 2 BYE", "CSeq: 2 INFO", "a request whose CSeq"},
        {"SIP/2.0 180", "Via: ", "Via: SIP/2.0/UDP 1.2.3.4\r\nVia: ", "a response with other Vias"},
        {"SIP/2.0 180", ";tag=c", ";tag=d", "a response whose From"},
        {"SIP/2.0 180", "icid-value=", "icid-waste=", "a response that has lost"},
        {"SIP/2.0 200", "m=audio", "m=video", "a 200 that is not the trunk's"},
        {"SIP/2.0 200", ";tag=t", ";tag=u", "a 200 that is not the trunk's"},
        {"SIP/2.0 200", "Call-ID: ", "Call-ID: x", "a response to nothing"},
        {"SIP/2.0 200", "SIP/2.0 200 OK", "SIP/2.0 999 OK", "no SIP"},
};

static void wrong_messages_are_noticed(void **s)
{
	for (unsigned i = 0; i < sizeof damages / sizeof damages[0]; i++) {
		const struct damage *d = &damages[i];
		set_up(10);
		play(d);
		if (!g.f.wrong || strncmp(g.f.first_wrong, d->noticed, strlen(d->noticed)) != 0) {
			print_error("%s, %s to %s: wrong %lu, noticed: %s\n", d->what, d->from ? d->from : "lost",
			        d->to, g.f.wrong, g.f.first_wrong);
			fail();
		}
		tear_down();
	}
}

/* No answer at all: lost, and counted as such. */
static void silence_is_a_lost_call(void **s)
{
	static const struct damage lost = {.what = "INVITE"};
	set_up(10);
	play(&lost);
	g.now += 1000;
	gen_due(&g);
	assert_int_equal(g.f.lost, 1);
	assert_int_equal(g.f.completed, 0);
	assert_int_equal(g.open, 0);
	tear_down();
}

static void a_refusal_is_acked_and_counted(void **s)
{
	static const struct damage refused = {"SIP/2.0 200", "SIP/2.0 200 OK", "SIP/2.0 486 Busy", ""};
	set_up(10);
	play(&refused);
	assert_int_equal(g.f.refused, 1);
	assert_int_equal(g.f.answered, 0);
	assert_int_equal(g.open, 0);
	tear_down();
}

/* --callers 1: whatever callers send comes from one address; the port is the same for all, always (net.c). */
static void one_caller_is_one_address(void **s)
{
	set_up(1);
	for (int i = 0; i < 16; i++)
		gen_start_call(&g, g.now);
	assert_int_equal(n_sent, 16);
	for (unsigned i = 0; i < n_sent; i++) {
		assert_int_equal(sent[i].from, gen_caller_ip(0));
		assert_non_null(strstr(sent[i].text, "\r\nVia: SIP/2.0/UDP 198.18.100.100:5060;"));
	}
	tear_down();
	set_up(10);
	for (int i = 0; i < 16; i++)
		gen_start_call(&g, g.now);
	assert_int_equal(sent[3].from, gen_caller_ip(3));
	assert_int_not_equal(gen_caller_ip(3), gen_caller_ip(4));
	tear_down();
}

/* Messages are as long as asked for. */
static void extra_field_has_its_length(void **s)
{
	set_up(10);
	gen_start_call(&g, g.now);
	size_t with = sent[0].len;
	g.o.extra = 0;
	gen_make_texts(&g);
	gen_start_call(&g, g.now);
	assert_int_equal(with - sent[1].len, 100);
	tear_down();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(plain_call_completes),
	        cmocka_unit_test(wrong_messages_are_noticed),
	        cmocka_unit_test(silence_is_a_lost_call),
	        cmocka_unit_test(a_refusal_is_acked_and_counted),
	        cmocka_unit_test(one_caller_is_one_address),
	        cmocka_unit_test(extra_field_has_its_length),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

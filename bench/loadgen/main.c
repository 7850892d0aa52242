/* SPDX-License-Identifier: BSD-3-Clause */
/* main.c - options, the loop, and the phases of a run. */
#include "gen.h"
#include <getopt.h>
#include <rte_cycles.h>
#include <rte_eal.h>
#include <rte_ethdev.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <arpa/inet.h>
#include <sys/mman.h>

static struct gen gen;

static const char usage_text[] =
    "usage: loadgen [EAL options] -- --device DEVARGS --proxy IP --gateway IP [options]\n"
    "\n"
    "Plays callers (198.18.1xx.1xx) and trunks (198.19.10x.1xx answer, .11x. refuse with 503, .12x. send ICMP, .13x. are silent),\n"
    "all behind the gateway, against the SIP proxy at IP:5060. Numbers called: +4420Bnnnnnnnn, B the behaviour of the first trunk.\n"
    "\n"
    "  --rate N          calls started a second (1000)       --seconds S     how long (10)\n"
    "  --hold S          from answer to BYE (1)              --ring S        from INVITE to 200 at the trunk (0)\n"
    "  --slots N         calls open at most (1048576)        --callers N     caller addresses, 10000 at most (10000)\n"
    "  --body N          bytes of SDP (250)                  --numbers N     numbers called (100000000)\n"
    "  --options P, --register P      percent of the calls that are these requests instead\n"
    "  --refused P, --icmp P, --silent P   percent of the calls whose first trunk is such a one\n"
    "  --repeat P        percent of first requests sent twice\n"
    "  --no-retransmit   callers and trunks do not repeat what is not answered\n"
    "  --give-up S       a call without final answer is lost (8)\n"
    "  --t1 S            the first interval of repetitions (0.5)\n"
    "  --ramp            the highest rate, --rate at most, at which no call fails; --seconds each step\n"
    "  --report S        a line each S seconds on stderr (1; 0 none)\n"
    "  --json            results as JSON, a line a phase\n";

enum { O_DEVICE = 256, O_PROXY, O_GATEWAY, O_RATE, O_SECONDS, O_HOLD, O_RING, O_SLOTS, O_CALLERS, O_BODY, O_NUMBERS, O_OPTIONS, O_REGISTER,
       O_REFUSED, O_ICMP, O_SILENT, O_REPEAT, O_NO_RETRANSMIT, O_GIVE_UP, O_T1, O_RAMP, O_REPORT, O_JSON, O_HELP };

static const struct option long_options[] = {
    {"device", 1, NULL, O_DEVICE}, {"proxy", 1, NULL, O_PROXY}, {"gateway", 1, NULL, O_GATEWAY}, {"rate", 1, NULL, O_RATE},
    {"seconds", 1, NULL, O_SECONDS}, {"hold", 1, NULL, O_HOLD}, {"ring", 1, NULL, O_RING}, {"slots", 1, NULL, O_SLOTS},
    {"callers", 1, NULL, O_CALLERS}, {"body", 1, NULL, O_BODY}, {"numbers", 1, NULL, O_NUMBERS}, {"options", 1, NULL, O_OPTIONS},
    {"register", 1, NULL, O_REGISTER}, {"refused", 1, NULL, O_REFUSED}, {"icmp", 1, NULL, O_ICMP}, {"silent", 1, NULL, O_SILENT},
    {"repeat", 1, NULL, O_REPEAT}, {"no-retransmit", 0, NULL, O_NO_RETRANSMIT}, {"give-up", 1, NULL, O_GIVE_UP}, {"t1", 1, NULL, O_T1},
    {"ramp", 0, NULL, O_RAMP}, {"report", 1, NULL, O_REPORT}, {"json", 0, NULL, O_JSON}, {"help", 0, NULL, O_HELP}, {0}};

static void take_option(struct gen_options *o, int option, const char *value)
{
	switch (option) {
	case O_DEVICE: o->device = value; break;
	case O_PROXY: o->proxy = value; break;
	case O_GATEWAY: o->gateway = value; break;
	case O_RATE: o->rate = atof(value); break;
	case O_SECONDS: o->seconds = atof(value); break;
	case O_HOLD: o->hold = atof(value); break;
	case O_RING: o->ring = atof(value); break;
	case O_SLOTS: o->slots = (unsigned)atoi(value); break;
	case O_CALLERS: o->callers = (unsigned)atoi(value); break;
	case O_BODY: o->body = (unsigned)atoi(value); break;
	case O_NUMBERS: o->numbers = (unsigned)atoi(value); break;
	case O_OPTIONS: o->percent[GEN_OPTIONS] = (unsigned)atoi(value); break;
	case O_REGISTER: o->percent[GEN_REGISTER] = (unsigned)atoi(value); break;
	case O_REFUSED: o->behaviour[GEN_REFUSES] = (unsigned)atoi(value); break;
	case O_ICMP: o->behaviour[GEN_ICMP] = (unsigned)atoi(value); break;
	case O_SILENT: o->behaviour[GEN_SILENT] = (unsigned)atoi(value); break;
	case O_REPEAT: o->repeat = (unsigned)atoi(value); break;
	case O_NO_RETRANSMIT: o->retransmit = false; break;
	case O_GIVE_UP: o->give_up = atof(value); break;
	case O_T1: o->t1 = atof(value); break;
	case O_RAMP: o->ramp = true; break;
	case O_REPORT: o->report = atof(value); break;
	case O_JSON: o->json = true; break;
	case O_HELP: fputs(usage_text, stdout); exit(0);
	default: fputs(usage_text, stderr); exit(64);
	}
}

static void *reserve(size_t size)
{
	void *p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (p == MAP_FAILED) {
		perror("loadgen: memory");
		exit(71);
	}
	(void)madvise(p, size, MADV_HUGEPAGE);
	return p;
}

static uint32_t power_of_two(double at_least)
{
	uint32_t n = 1024;
	while (n < at_least && n < 1u << 30)
		n <<= 1;
	return n;
}

/* At most two waits of a kind a call are queued at once. */
static void make_queue(struct gen *g, struct gen_queue *q, double delay)
{
	uint32_t size = power_of_two(2 * (g->o.rate * (delay + 0.5)) + 2.0 * g->o.slots + 1);
	q->mask = size - 1;
	q->ring = reserve((size_t)size * sizeof *q->ring);
	q->delay = (uint64_t)(delay * (double)g->hz);
}

static void make_body(struct gen *g)
{
	int n = snprintf(g->body, sizeof g->body,
	                 "v=0\r\no=- 3724394400 3724394405 IN IP4 198.18.100.100\r\ns=-\r\nc=IN IP4 198.18.100.100\r\nt=0 0\r\n"
	                 "m=audio 49170 RTP/AVP 8 0 18 101\r\na=rtpmap:8 PCMA/8000\r\na=rtpmap:101 telephone-event/8000\r\na=ptime:20\r\n");
	for (unsigned i = (unsigned)n; i < sizeof g->body; i++)
		g->body[i] = "a=fmtp:101 0-16\r\n"[(i - (unsigned)n) % 17];
}

static void make(struct gen *g)
{
	uint32_t size = power_of_two(g->o.slots + 1.0);
	g->hz = rte_get_tsc_hz();
	g->random = 0x9e3779b97f4a7c15ull;
	g->calls = reserve((size_t)g->o.slots * sizeof *g->calls);
	g->free_slots = reserve((size_t)size * sizeof *g->free_slots);
	g->free_mask = size - 1;
	for (uint32_t i = 0; i < g->o.slots; i++)
		g->free_slots[g->free_tail++] = i;
	/* Calls of an earlier run may still be known to the proxy: other generations, other Call-IDs. */
	uint32_t first = (uint32_t)rte_rdtsc();
	for (uint32_t i = 0; i < g->o.slots; i++)
		g->calls[i].gen = first;
	make_queue(g, &g->answer, g->o.ring);
	make_queue(g, &g->hang_up, g->o.hold);
	make_queue(g, &g->give_up, g->o.give_up);
	double t1 = g->o.t1;
	for (int i = 0; i < GEN_RETRIES; i++, t1 *= 2)
		make_queue(g, &g->repeat[i], t1);
	make_body(g);
}

static void receive(struct gen *g, struct rte_mbuf *const *in, unsigned n)
{
	for (unsigned i = 0; i < n; i++) {
		struct gen_message m;
		const char *text;
		uint32_t len, to;
		bool checksum_wrong;
		if (i + 4 < n)
			rte_prefetch0(rte_pktmbuf_mtod(in[i + 4], void *));
		g->f.rx++;
		g->f.rx_bytes += in[i]->data_len;
		if (!gen_net_read(g, in[i], &text, &len, &to, &checksum_wrong))
			continue;
		g->f.bad_checksums += checksum_wrong;
		if (gen_read(&m, text, len)) {
			m.text = text;
			m.len = len;
			gen_wrong(g, "no SIP", &m);
		} else if ((to >> 16) == (198 << 8 | 19)) {
			gen_at_trunk(g, &m, in[i], to);
		} else {
			gen_at_caller(g, &m);
		}
	}
}

/* One turn of the loop; whether there was anything to do. */
static bool turn(struct gen *g, uint64_t *next, uint64_t step, uint64_t until)
{
	struct rte_mbuf *in[GEN_BURST];
	uint64_t before = g->f.tx;
	unsigned n = rte_eth_rx_burst(g->port, 0, in, GEN_BURST);
	g->now = rte_rdtsc();
	receive(g, in, n);
	for (int i = 0; i < 4 && *next <= g->now && *next < until; i++, *next += step) {
		if (g->now - *next > g->hz / 1000)
			g->f.late++;
		gen_start_call(g, *next);
	}
	gen_due(g);
	gen_net_flush(g);
	rte_pktmbuf_free_bulk(in, n);
	uint64_t took = rte_rdtsc() - g->now;
	bool worked = n || g->f.tx != before;
	*(worked ? &g->f.busy : &g->f.idle) += took;
	return worked;
}

static void say(const struct gen *g, double rate, const struct gen_figures *last, double seconds)
{
	fprintf(stderr, "  %9.0f/s wanted  %9.0f/s started  %9.0f/s completed  open %-8u lost %lu wrong %lu shed %lu repeated %lu\n", rate,
	        (double)(g->f.started - last->started) / seconds, (double)(g->f.completed - last->completed) / seconds, g->open, g->f.lost,
	        g->f.wrong, g->f.shed, g->f.repeated);
}

/* Calls at a rate for so long, then until the last has ended. Seconds from the first to the end of starting. */
static double run(struct gen *g, double rate, double seconds)
{
	static struct gen_figures last;
	uint64_t start = rte_rdtsc(), until = start + (uint64_t)(seconds * (double)g->hz), next = start;
	uint64_t step = (uint64_t)((double)g->hz / rate), every = (uint64_t)(g->o.report * (double)g->hz), report = start + every;
	uint64_t patience = until + (uint64_t)((g->o.hold + g->o.ring + 2 * g->o.give_up + 1) * (double)g->hz);
	memset(&g->f, 0, sizeof g->f);
	memset(&last, 0, sizeof last);
	g->now = start;
	while (!g->stopping && (g->now < until || (g->open && g->now < patience))) {
		turn(g, &next, step, until);
		if (every && g->now >= report) {
			say(g, g->now < until ? rate : 0, &last, g->o.report);
			last = g->f;
			report += every;
		}
	}
	return (double)(g->now < until ? g->now - start : until - start) / (double)g->hz;
}

static bool clean(const struct gen *g)
{
	return !(g->f.lost || g->f.wrong || g->f.refused || g->f.shed || g->f.not_started || g->f.repeated || g->f.late > g->f.started / 100);
}

/* Doubles to the first rate that is too high, then closes in on the highest that is not, to one part in 32. */
static void ramp(struct gen *g)
{
	double good = 0, bad = 0, rate = g->o.rate / 64;
	while (!g->stopping && rate <= g->o.rate && !(bad > 0 && bad - good < good / 32)) {
		double seconds = run(g, rate, g->o.seconds);
		bool ok = clean(g);
		gen_report(g, seconds, ok ? "clean" : "not clean");
		if (ok)
			good = rate;
		else
			bad = rate;
		if (bad > 0 && good <= 0)
			rate /= 2;
		else
			rate = bad > 0 ? (good + bad) / 2 : rate * 2;
		if (rate < 10)
			break;
	}
	printf(g->o.json ? "{\"phase\": \"highest\", \"calls_per_second\": %.0f}\n" : "highest clean rate: %.0f calls a second\n", good);
}

static void stop(int signal)
{
	(void)signal;
	gen.stopping = true;
}

/* ARP is answered and asked for until the proxy's MAC is known. */
static bool meet(struct gen *g)
{
	uint64_t never = UINT64_MAX, end = rte_rdtsc() + 20 * g->hz, ask = 0;
	while (!g->met && !g->stopping) {
		g->now = rte_rdtsc();
		if (g->now > end)
			return false;
		if (g->now > ask) {
			gen_net_meet(g);
			ask = g->now + g->hz / 5;
		}
		turn(g, &never, 1, 0);
	}
	return g->met;
}

int main(int argc, char **argv)
{
	struct gen *g = &gen;
	int skip = rte_eal_init(argc, argv), option;
	if (skip < 0)
		return 71;
	g->o = (struct gen_options){.rate = 1000, .seconds = 10, .hold = 1, .slots = 1 << 20, .callers = 10000, .body = 250, .numbers = 100000000,
	                            .retransmit = true, .give_up = 8, .t1 = 0.5, .report = 1};
	optind = 1;
	while ((option = getopt_long(argc - skip, argv + skip, "", long_options, NULL)) != -1)
		take_option(&g->o, option, optarg);
	struct in_addr proxy, gateway;
	if (!g->o.device || !g->o.proxy || !g->o.gateway || inet_pton(AF_INET, g->o.proxy, &proxy) != 1 ||
	    inet_pton(AF_INET, g->o.gateway, &gateway) != 1 || g->o.rate <= 0 || !g->o.slots || !g->o.callers || g->o.body > 1000 || !g->o.numbers) {
		fputs(usage_text, stderr);
		return 64;
	}
	g->proxy_ip = ntohl(proxy.s_addr);
	g->gateway_ip = ntohl(gateway.s_addr);
	signal(SIGINT, stop);
	signal(SIGTERM, stop);
	make(g);
	if (gen_net_open(g)) {
		fprintf(stderr, "loadgen: cannot open %s\n", g->o.device);
		return 69;
	}
	if (!meet(g)) {
		fprintf(stderr, "loadgen: %s does not answer ARP\n", g->o.proxy);
		return 69;
	}
	if (g->o.ramp) {
		ramp(g);
	} else {
		double seconds = run(g, g->o.rate, g->o.seconds);
		gen_report(g, seconds, g->open ? "open calls left" : "run");
	}
	rte_eth_dev_stop(g->port);
	rte_eal_cleanup();
	return g->f.wrong || g->f.lost ? 1 : 0;
}

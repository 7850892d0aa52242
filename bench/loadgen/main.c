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
        "Plays callers (198.18.1xx.1xx) and trunks (198.19.10x.1xx answer, .11x. refuse with 503, .12x. send ICMP, "
        ".13x. are silent),\n"
        "all behind the gateway, against the SIP proxy at IP:5060. Numbers called: +4420Bnnnnnnnn, B the behaviour of "
        "the first trunk.\n"
        "\n"
        "  --rate N          calls started a second (1000)       --seconds S     how long (10)\n"
        "  --hold S          from answer to BYE (1)              --ring S        from INVITE to 200 at the trunk (0)\n"
        "  --slots N         calls open at most (1048576)        --callers N     caller addresses, 10000 at most "
        "(10000)\n"
        "  --body N          bytes of SDP (250)                  --numbers N     numbers called (100000000)\n"
        "  --extra N         bytes of one header field more in each message (0)\n"
        "  --options P, --register P      percent of the calls that are these requests instead\n"
        "  --refused P, --icmp P, --silent P   percent of the calls whose first trunk is such a one\n"
        "  --repeat P        percent of first requests sent twice\n"
        "  --no-retransmit   callers and trunks do not repeat what is not answered\n"
        "  --give-up S       a call without final answer is lost (8)\n"
        "  --t1 S            the first interval of repetitions (0.5)\n"
        "  --ramp            the highest rate, --rate at most, at which no call fails; --seconds each step\n"
        "  --from N          the ramp's first rate (--rate / 64)\n"
        "  --report S        a line each S seconds on stderr (1; 0 none)\n"
        "  --json            results as JSON, a line a phase\n";

/* Where each option's value goes. */
enum kind { TEXT, REAL, COUNT, YES, NO, HELP };

static struct gen_options options = {.rate = 1000,
        .seconds = 10,
        .hold = 1,
        .slots = 1 << 20,
        .callers = 10000,
        .body = 250,
        .numbers = 100000000,
        .retransmit = true,
        .give_up = 8,
        .t1 = 0.5,
        .report = 1};

static const struct {
	const char *name;
	enum kind kind;
	void *to;
} known[] = {
        {"device", TEXT, &options.device},
        {"proxy", TEXT, &options.proxy},
        {"gateway", TEXT, &options.gateway},
        {"rate", REAL, &options.rate},
        {"seconds", REAL, &options.seconds},
        {"hold", REAL, &options.hold},
        {"ring", REAL, &options.ring},
        {"from", REAL, &options.from},
        {"give-up", REAL, &options.give_up},
        {"t1", REAL, &options.t1},
        {"report", REAL, &options.report},
        {"slots", COUNT, &options.slots},
        {"callers", COUNT, &options.callers},
        {"body", COUNT, &options.body},
        {"extra", COUNT, &options.extra},
        {"numbers", COUNT, &options.numbers},
        {"repeat", COUNT, &options.repeat},
        {"options", COUNT, &options.percent[GEN_OPTIONS]},
        {"register", COUNT, &options.percent[GEN_REGISTER]},
        {"refused", COUNT, &options.behaviour[GEN_REFUSES]},
        {"icmp", COUNT, &options.behaviour[GEN_ICMP]},
        {"silent", COUNT, &options.behaviour[GEN_SILENT]},
        {"no-retransmit", NO, &options.retransmit},
        {"ramp", YES, &options.ramp},
        {"json", YES, &options.json},
        {"help", HELP, NULL},
};
#define KNOWN (sizeof known / sizeof known[0])

static void usage(void)
{
	fputs(usage_text, stderr);
	exit(64);
}

static void take_option(unsigned i, const char *value)
{
	char *end = NULL;
	double number = value ? strtod(value, &end) : 0;
	if ((known[i].kind == REAL || known[i].kind == COUNT) && (end == value || *end || number < 0))
		usage();
	switch (known[i].kind) {
	case TEXT:
		*(const char **)known[i].to = value;
		break;
	case REAL:
		*(double *)known[i].to = number;
		break;
	case COUNT:
		*(unsigned *)known[i].to = (unsigned)number;
		break;
	case YES:
	case NO:
		*(bool *)known[i].to = known[i].kind == YES;
		break;
	case HELP:
		fputs(usage_text, stdout);
		exit(0);
	}
}

static void take_options(int argc, char **argv)
{
	struct option longs[KNOWN + 1] = {{0}};
	int option;
	for (unsigned i = 0; i < KNOWN; i++)
		longs[i] = (struct option){known[i].name, known[i].kind <= COUNT, NULL, (int)i};
	optind = 1;
	while ((option = getopt_long(argc, argv, "", longs, NULL)) != -1) {
		if (option < 0 || option >= (int)KNOWN)
			usage();
		take_option((unsigned)option, optarg);
	}
}

/* All of it is touched at once: the first touch of a huge page may take milliseconds, where the machine is virtual. */
static void *reserve(size_t size)
{
	void *p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (p == MAP_FAILED) {
		perror("loadgen: memory");
		exit(71);
	}
	(void)madvise(p, size, MADV_HUGEPAGE);
	(void)madvise(p, size, MADV_POPULATE_WRITE);
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
	double open = g->o.rate * (delay + 1);
	uint32_t size = power_of_two(2 * (open < g->o.slots ? open : g->o.slots) + 1);
	q->mask = size - 1;
	q->ring = reserve((size_t)size * sizeof *q->ring);
	q->delay = (uint64_t)(delay * (double)g->hz);
}

static void make(struct gen *g)
{
	uint32_t size = power_of_two(g->o.slots + 1.0);
	g->hz = rte_get_tsc_hz();
	g->random = 0x9e3779b97f4a7c15ull;
	g->calls = reserve((size_t)g->o.slots * sizeof *g->calls);
	g->free_slots = reserve((size_t)size * sizeof *g->free_slots);
	g->free_mask = size - 1;
	/* Calls of an earlier run may still be known to the proxy: other generations, other Call-IDs. */
	gen_make_slots(g, (uint32_t)rte_rdtsc());
	make_queue(g, &g->answer, g->o.ring);
	make_queue(g, &g->hang_up, g->o.hold);
	make_queue(g, &g->give_up, g->o.give_up);
	double t1 = g->o.t1;
	for (int i = 0; i < GEN_RETRIES; i++, t1 *= 2)
		make_queue(g, &g->repeat[i], t1);
	gen_make_texts(g);
}

/* In two passes, so that the slots of a burst come to the cache together. */
static void receive(struct gen *g, struct rte_mbuf *const *in, unsigned n)
{
	static struct gen_message message[GEN_BURST];
	uint32_t to[GEN_BURST], slot, generation;
	bool sip[GEN_BURST];
	for (unsigned i = 0; i < n; i++)
		rte_prefetch0(rte_pktmbuf_mtod(in[i], void *));
	for (unsigned i = 0; i < n; i++) {
		const char *text;
		uint32_t len;
		bool checksum_wrong;
		g->f.rx++;
		g->f.rx_bytes += in[i]->data_len;
		sip[i] = gen_net_read(g, in[i], &text, &len, &to[i], &checksum_wrong);
		if (!sip[i])
			continue;
		int bad = gen_read(&message[i], text, len);
		if (bad || checksum_wrong) {
			gen_wrong(g, bad ? "no SIP" : "a wrong checksum", &message[i]);
			sip[i] = false;
		} else if (gen_find(&message[i], &slot, &generation) && slot < g->o.slots) {
			__builtin_prefetch(&g->calls[slot], 1);
		}
	}
	for (unsigned i = 0; i < n; i++) {
		if (!sip[i])
			continue;
		if ((to[i] >> 16) == (198 << 8 | 19))
			gen_at_trunk(g, &message[i], in[i], to[i]);
		else
			gen_at_caller(g, &message[i]);
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
	for (int i = 0; i < 4 && *next <= g->now && g->now < until; i++, *next += step) {
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
	fprintf(stderr,
	        "  %9.0f/s wanted  %9.0f/s started  %9.0f/s completed  open %-8u lost %lu wrong %lu shed %lu repeated "
	        "%lu\n",
	        rate, (double)(g->f.started - last->started) / seconds,
	        (double)(g->f.completed - last->completed) / seconds, g->open, g->f.lost, g->f.wrong, g->f.shed,
	        g->f.repeated);
}

static bool clean(const struct gen *g)
{
	return !(g->f.lost || g->f.wrong || g->f.refused || g->f.shed || g->f.not_started || g->f.repeated);
}

/* Calls at a rate for so long, then until the last has ended. Seconds from the first to the end of starting. A step of
 * a ramp ends as soon as it is not clean: nothing more can be learned from it. */
static double run(struct gen *g, double rate, double seconds)
{
	static struct gen_figures last;
	uint64_t start = rte_rdtsc(), until = start + (uint64_t)(seconds * (double)g->hz), next = start;
	uint64_t step = (uint64_t)((double)g->hz / rate), every = (uint64_t)(g->o.report * (double)g->hz),
	         report = start + every;
	uint64_t patience = until + (uint64_t)((g->o.hold + g->o.ring + 2 * g->o.give_up + 1) * (double)g->hz);
	memset(&g->f, 0, sizeof g->f);
	memset(&last, 0, sizeof last);
	g->now = start;
	while (!g->stopping && (g->now < until || (g->open && g->now < patience))) {
		turn(g, &next, step, until);
		if (g->o.ramp && !clean(g))
			break;
		if (every && g->now >= report) {
			say(g, g->now < until ? rate : 0, &last, g->o.report);
			last = g->f;
			report += every;
		}
	}
	uint64_t end = g->now < until ? g->now : until;
	if (next < end &&
	        (end - next) / step > g->f.started / 100) /* more behind its rate than a moment's pause explains */
		g->f.not_started += (end - next) / step;
	return (double)(end - start) / (double)g->hz;
}

/* Takes what comes, and starts nothing, for so long. */
static void settle(struct gen *g, double seconds)
{
	uint64_t never = UINT64_MAX, end = rte_rdtsc() + (uint64_t)(seconds * (double)g->hz);
	while (!g->stopping && g->now < end)
		turn(g, &never, 1, 0);
}

/* Half as much again each step to the first rate that is too high, then closes in on the highest that is not, to one
 * part in 32. */
static void ramp(struct gen *g)
{
	double good = 0, bad = 0, rate = g->o.from > 0 ? g->o.from : g->o.rate / 64;
	while (!g->stopping && rate <= g->o.rate && rate >= 10 && !(bad > 0 && bad - good < good / 32)) {
		double seconds = run(g, rate, g->o.seconds);
		bool ok = clean(g);
		gen_report(g, seconds, ok ? "clean" : "not clean");
		if (ok) {
			good = rate;
		} else {
			bad = rate;
			gen_abandon(g);
			settle(g, 1);
		}
		if (bad > 0)
			rate = good > 0 ? (good + bad) / 2 : bad / 2;
		else
			rate = rate < g->o.rate && rate * 1.5 > g->o.rate ? g->o.rate : rate * 1.5;
	}
	printf(g->o.json ? "{\"phase\": \"highest\", \"calls_per_second\": %.0f}\n"
	                 : "highest clean rate: %.0f calls a second\n",
	        good);
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

static unsigned refusers(const struct gen *g)
{
	return g->o.behaviour[GEN_REFUSES] + g->o.behaviour[GEN_ICMP] + g->o.behaviour[GEN_SILENT];
}

int main(int argc, char **argv)
{
	struct gen *g = &gen;
	int skip = rte_eal_init(argc, argv);
	if (skip < 0)
		return 71;
	take_options(argc - skip, argv + skip);
	g->o = options;
	struct in_addr proxy, gateway;
	if (!g->o.device || !g->o.proxy || !g->o.gateway || inet_pton(AF_INET, g->o.proxy, &proxy) != 1 ||
	        inet_pton(AF_INET, g->o.gateway, &gateway) != 1 || g->o.rate <= 0 || !g->o.slots || !g->o.callers ||
	        g->o.callers > 10000 || g->o.body > 1000 || g->o.extra > 400 || !g->o.numbers ||
	        g->o.percent[GEN_OPTIONS] + g->o.percent[GEN_REGISTER] > 100 || refusers(g) > 100)
		usage();
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
	bool failed = false;
	if (g->o.ramp) {
		ramp(g);
	} else {
		double seconds = run(g, g->o.rate, g->o.seconds);
		gen_report(g, seconds, g->open ? "open calls left" : "run");
		failed = g->open || g->f.wrong || g->f.lost || g->f.refused;
	}
	rte_eth_dev_stop(g->port);
	rte_eal_cleanup();
	return failed ? 1 : 0;
}

/* SPDX-License-Identifier: BSD-3-Clause */
/* bridge.c - a wire between two DPDK ports, for the end-to-end tests: what comes in at one leaves by the other. The
 * arguments are the EAL's and name the two, as in: bridge --no-huge --vdev net_memif0,... --vdev net_af_packet0,iface=e
 * Says "ready" when both ports are started; a memif client waits for its server.
 * It loses nothing while both are connected: what one has no room for waits, what comes behind it waits in its ring.
 * Unlike dpdk-testpmd it lets the CPU go when nothing moves: the tests share two. */
#include <rte_eal.h>
#include <rte_ethdev.h>
#include <rte_mbuf.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <time.h>

#define BUFFERS     4095
#define ROOM        (9216 + RTE_PKTMBUF_HEADROOM) /* net_af_packet hands over whole what the kernel has reassembled */
#define DESCRIPTORS 256
#define BURST       32
#define IDLE_NS     50000
#define RETRY_NS    20000000

static volatile sig_atomic_t over;

static void on_signal(int number)
{
	(void)number;
	over = 1;
}

static void nap(long ns)
{
	const struct timespec t = {.tv_nsec = ns};
	nanosleep(&t, NULL);
}

static int open_port(uint16_t port, struct rte_mempool *pool)
{
	struct rte_eth_conf conf = {0};
	uint16_t rx = DESCRIPTORS, tx = DESCRIPTORS;
	int err = rte_eth_dev_configure(port, 1, 1, &conf);
	if (!err)
		err = rte_eth_dev_adjust_nb_rx_tx_desc(port, &rx, &tx);
	if (!err)
		err = rte_eth_rx_queue_setup(port, 0, rx, SOCKET_ID_ANY, NULL, pool);
	if (!err)
		err = rte_eth_tx_queue_setup(port, 0, tx, SOCKET_ID_ANY, NULL);
	return err;
}

/* Until it works: only a memif client can fail, when nobody listens. */
static void start(uint16_t port)
{
	while (!over && rte_eth_dev_start(port))
		nap(RETRY_NS);
	(void)rte_eth_promiscuous_enable(port);
}

/* One direction: what was read at `from` and is not yet written at `to`. */
struct way {
	uint16_t from, to, n;
	struct rte_mbuf *m[BURST];
};

static bool connected(uint16_t port)
{
	struct rte_eth_link link;
	return rte_eth_link_get_nowait(port, &link) || link.link_status; /* a port that cannot tell always is */
}

/* How many moved. */
static uint16_t carry(struct way *w)
{
	if (!w->n) {
		w->n = rte_eth_rx_burst(w->from, 0, w->m, BURST);
	} else if (!connected(w->to)) {
		rte_pktmbuf_free_bulk(w->m, w->n);
		w->n = 0;
	}
	uint16_t sent = rte_eth_tx_burst(w->to, 0, w->m, w->n);
	w->n -= sent;
	memmove(w->m, w->m + sent, w->n * sizeof(w->m[0]));
	return sent;
}

static void forward(void)
{
	struct way there = {.from = 0, .to = 1}, back = {.from = 1, .to = 0};
	for (unsigned idle = 0; !over; idle++) {
		if (carry(&there) + carry(&back))
			idle = 0;
		else if (idle > BURST)
			nap(IDLE_NS);
	}
	rte_pktmbuf_free_bulk(there.m, there.n);
	rte_pktmbuf_free_bulk(back.m, back.n);
}

int main(int argc, char **argv)
{
	if (rte_eal_init(argc, argv) < 0 || rte_eth_dev_count_avail() != 2) {
		fprintf(stderr, "bridge: needs two ports\n");
		return 1;
	}
	signal(SIGTERM, on_signal);
	prctl(PR_SET_TIMERSLACK, 1000ul, 0ul, 0ul, 0ul);
	struct rte_mempool *pool = rte_pktmbuf_pool_create("bridge", BUFFERS, 0, 0, ROOM, SOCKET_ID_ANY);
	if (!pool || open_port(0, pool) || open_port(1, pool)) {
		fprintf(stderr, "bridge: the ports cannot be opened\n");
		return 1;
	}
	start(0);
	start(1);
	puts("ready");
	fflush(stdout);
	forward();
	for (uint16_t port = 0; port < 2; port++) {
		(void)rte_eth_dev_stop(port);
		(void)rte_eth_dev_close(port);
	}
	rte_eal_cleanup();
	return 0;
}

/* SPDX-License-Identifier: BSD-3-Clause */
/* port.c - opens one port: finds or makes the device, asks for a queue pair a worker, and settles what it offloads. */
#include "dataplane/net/net.h"
#include <net/if.h>
#include <rte_dev.h>
#include <rte_errno.h>
#include <switchback/err.h>
#include <unistd.h>

#define DESCRIPTORS 1024
/* net_af_packet lets the kernel reassemble what it receives, and cuts what does not fit its frames: they are made to
 * fit. Its frames must fill whole blocks (it finds frame i at i * framesz), so both are 15 pages. */
#define AF_PACKET_FRAME      61440
#define AF_PACKET_FRAMES     512
#define AF_PACKET_FRAMES_MIN 128

static bool is_driver(const char *device, const char *driver)
{
	return strncmp(device, driver, strlen(driver)) == 0;
}

/* Value of key=... in devargs; false: not there. */
static bool devarg(const char *device, const char *key, char *out, size_t size)
{
	char pattern[32];
	snprintf(pattern, sizeof pattern, ",%s=", key);
	const char *at = strstr(device, pattern);
	if (!at)
		return false;
	at += strlen(pattern);
	snprintf(out, size, "%.*s", (int)strcspn(at, ","), at);
	return true;
}

static void settle_devargs(struct sb_port *p, const char *device, uint32_t n_workers)
{
	char value[64];
	int n = snprintf(p->device, sizeof p->device, "%s", device);
	if (!is_driver(device, "net_af_packet") && !is_driver(device, "eth_af_packet"))
		return;
	if (!devarg(device, "qpairs", value, sizeof value))
		n += snprintf(p->device + n, sizeof p->device - (size_t)n, ",qpairs=%u", n_workers);
	if (devarg(device, "framesz", value, sizeof value)) {
		p->wide = atoi(value) > 2048;
		return;
	}
	uint32_t frames = AF_PACKET_FRAMES / n_workers;
	p->wide = true;
	snprintf(p->device + n, sizeof p->device - (size_t)n, ",blocksz=%u,framesz=%u,framecnt=%u", AF_PACKET_FRAME,
	        AF_PACKET_FRAME, frames < AF_PACKET_FRAMES_MIN ? AF_PACKET_FRAMES_MIN : frames);
}

static int refuse(const struct sb_port *p, const char *device, const char *what, char why[256])
{
	char first[120];
	sb_eal_first_error(first, sizeof first);
	snprintf(why, 256, "port %s: device \"%.90s\": %.30s%s%.80s", p->name, device, what, *first ? ": " : "", first);
	return SB_E_DEVICE;
}

static int probe_device(struct sb_port *p, const char *device, char why[256])
{
	char name[64], iface[IF_NAMESIZE];
	snprintf(name, sizeof name, "%.*s", (int)strcspn(p->device, ","), p->device);
	bool own = !is_driver(name, "net_tap"); /* that one makes its interface */
	if (own && devarg(p->device, "iface", iface, sizeof iface) && !if_nametoindex(iface)) {
		snprintf(why, 256, "port %s: device \"%.120s\": there is no network interface \"%s\"", p->name, device,
		        iface);
		return SB_E_DEVICE;
	}
	if (rte_eth_dev_get_port_by_name(name, &p->id) == 0)
		return 0; /* PCI: the EAL has found it */
	if (rte_dev_probe(p->device) < 0)
		return refuse(p, device, "cannot be opened", why);
	if (rte_eth_dev_get_port_by_name(name, &p->id) < 0)
		return refuse(p, device, "is no network device", why);
	return 0;
}

int sb_port_probe(struct sb_port *p, const struct sb_dataplane_port *cfg, uint32_t n_workers, char why[256])
{
	struct rte_eth_dev_info info;
	struct rte_ether_addr mac;
	sb_eal_listen();
	snprintf(p->name, sizeof p->name, "%s", cfg->name);
	p->mtu = cfg->mtu ? cfg->mtu : 1500;
	settle_devargs(p, cfg->device, n_workers);
	int err = probe_device(p, cfg->device, why);
	if (err)
		return err;
	p->probed = true;
	if (rte_eth_dev_info_get(p->id, &info) < 0 || rte_eth_macaddr_get(p->id, &mac) < 0)
		return refuse(p, cfg->device, "tells nothing of itself", why);
	memcpy(p->mac, mac.addr_bytes, SB_MAC_LEN);
	uint32_t pairs = info.max_rx_queues < info.max_tx_queues ? info.max_rx_queues : info.max_tx_queues;
	uint32_t queues = RTE_MIN(pairs, n_workers);
	if (is_driver(p->device, "net_memif")) /* its peer decides how many there are, once it is connected */
		queues = 1;
	p->n_queues = (uint16_t)RTE_MAX(queues, 1u);
	p->n_rx_desc = p->n_tx_desc = DESCRIPTORS;
	return 0;
}

/* MTU is the port's alone if the driver can; where it cannot, frames beyond it are cut into fragments by us anyway. */
static int configure(struct sb_port *p, const struct sb_pools *pools)
{
	struct rte_eth_dev_info info;
	struct rte_eth_conf conf = {0};
	uint16_t mtu;
	int err = rte_eth_dev_info_get(p->id, &info);
	if (err)
		return err;
	conf.txmode.offloads = info.tx_offload_capa & (RTE_ETH_TX_OFFLOAD_IPV4_CKSUM | RTE_ETH_TX_OFFLOAD_UDP_CKSUM);
	conf.rxmode.offloads = info.rx_offload_capa & (RTE_ETH_RX_OFFLOAD_IPV4_CKSUM | RTE_ETH_RX_OFFLOAD_UDP_CKSUM);
	if (p->mtu + 22u > pools->small_room)
		conf.rxmode.offloads |= info.rx_offload_capa & RTE_ETH_RX_OFFLOAD_SCATTER;
	p->tx_ip_checksum = conf.txmode.offloads & RTE_ETH_TX_OFFLOAD_IPV4_CKSUM;
	p->tx_udp_checksum = conf.txmode.offloads & RTE_ETH_TX_OFFLOAD_UDP_CKSUM;
	conf.rx_adv_conf.rss_conf.rss_hf = info.flow_type_rss_offloads & (RTE_ETH_RSS_IP | RTE_ETH_RSS_UDP);
	if (p->n_queues > 1 && conf.rx_adv_conf.rss_conf.rss_hf)
		conf.rxmode.mq_mode = RTE_ETH_MQ_RX_RSS;
	err = rte_eth_dev_configure(p->id, p->n_queues, p->n_queues, &conf);
	if (err)
		return err;
	if (rte_eth_dev_get_mtu(p->id, &mtu) == 0 && mtu != p->mtu)
		(void)rte_eth_dev_set_mtu(p->id, p->mtu);
	return rte_eth_dev_adjust_nb_rx_tx_desc(p->id, &p->n_rx_desc, &p->n_tx_desc);
}

static int set_queues(struct sb_port *p, const struct sb_pools *pools)
{
	int socket = rte_eth_dev_socket_id(p->id), err;
	struct rte_mempool *pool = p->wide ? pools->wide : pools->small;
	unsigned at = socket < 0 ? SOCKET_ID_ANY : (unsigned)socket;
	for (uint16_t q = 0; q < p->n_queues; q++) {
		err = rte_eth_rx_queue_setup(p->id, q, p->n_rx_desc, at, NULL, pool);
		if (!err)
			err = rte_eth_tx_queue_setup(p->id, q, p->n_tx_desc, at, NULL);
		if (err)
			return err;
	}
	return 0;
}

/* A memif client whose server is not there yet: not a mistake, it may come any time (and go again). */
static bool is_client(const struct sb_port *p)
{
	char role[16];
	return is_driver(p->device, "net_memif") && devarg(p->device, "role", role, sizeof role) &&
	       (strcmp(role, "client") == 0 || strcmp(role, "slave") == 0);
}

static void run(struct sb_port *p)
{
	/* Neighbour discovery is multicast; drivers that know no filter need not be told. */
	(void)rte_eth_allmulticast_enable(p->id);
	atomic_store_explicit(&p->started, true, memory_order_release);
}

int sb_port_start(struct sb_port *p, const struct sb_pools *pools, char why[256])
{
	sb_eal_listen();
	if (configure(p, pools))
		return refuse(p, p->device, "refuses its configuration", why);
	if (set_queues(p, pools))
		return refuse(p, p->device, "refuses its queues", why);
	if (rte_eth_dev_start(p->id)) {
		p->waits = is_client(p);
		return p->waits ? 0 : refuse(p, p->device, "does not start", why);
	}
	run(p);
	return 0;
}

/* The server may refuse while it is starting, or go away: then the link is down, and only a new start asks it again. */
void sb_port_look(struct sb_dataplane *dp, struct sb_port *p)
{
	struct rte_eth_link link = {0};
	if (!is_client(p))
		return;
	if (!p->waits) {
		if (rte_eth_link_get_nowait(p->id, &link) == 0 && link.link_status == RTE_ETH_LINK_UP)
			return;
		atomic_store_explicit(&p->started, false, memory_order_release);
		p->token = rte_rcu_qsbr_start(dp->rcu);
		p->waits = true;
	} else if (sb_dataplane_quiescent(dp, p->token)) { /* no worker is in its queues any more */
		(void)rte_eth_dev_stop(p->id);
		if (rte_eth_dev_start(p->id))
			return;
		p->waits = false;
		run(p);
	}
}

/* What a driver counts may begin anew with its start. */
static uint64_t since(uint64_t now, uint64_t *before)
{
	uint64_t more = now >= *before ? now - *before : now;
	*before = now;
	return more;
}

void sb_port_losses(struct sb_port *p, struct sb_counters *c)
{
	struct rte_eth_stats s;
	if (rte_eth_stats_get(p->id, &s))
		return;
	sb_count_add(c, SB_C_rx_missed, since(s.imissed, &p->missed));
	sb_count_add(c, SB_C_rx_no_buffer, since(s.rx_nombuf, &p->no_buffer));
}

void sb_port_close(struct sb_port *p)
{
	if (atomic_load(&p->started))
		(void)rte_eth_dev_stop(p->id);
	if (p->probed)
		(void)rte_eth_dev_close(p->id);
	p->probed = false;
	atomic_store(&p->started, false);
}

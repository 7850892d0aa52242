/* SPDX-License-Identifier: BSD-3-Clause */
/* net.h - what the files of dataplane/net share: ports, packets, workers. Nobody outside includes it.
 * Owner: each struct names its own. Memory is fixed after sb_dataplane_open(). */
#pragma once
#include "dataplane/call/core.h"
#include "dataplane/net/dataplane.h"
#include "dataplane/net/decode.h"
#include "dataplane/net/frag.h"
#include "dataplane/net/ahead.h"
#include "dataplane/net/overload.h"
#include "dataplane/net/wire.h"
#include <rte_cycles.h>
#include <rte_ethdev.h>
#include <rte_mbuf.h>
#include <rte_mempool.h>
#include <rte_rcu_qsbr.h>
#include <rte_ring.h>

#define SB_BURST         32
#define SB_TX_BUFFER     128   /* what a burst of INVITEs makes, twice */
#define SB_LARGE_HEAD    128   /* room for headers in front of a large buffer's text */
#define SB_LARGE_BYTES   65600 /* from text on: the biggest frame, and room for a datagram of 65 535 bytes */
#define SB_LARGE_BUFFERS 255
#define SB_IN_RING       2048 /* messages handed to a worker */
#define SB_TX_RING       2048 /* frames handed to the owner of a queue */
#define SB_UP_RING       1024 /* frames and datagrams for the kernel */
#define SB_MAIL_SLOTS    65536
#define SB_MAIL_BURST    256 /* mails a loop */
#define SB_OSIP_ARENA    (1u << 20)

enum sb_net_kind {
	SB_NET_SIP,      /* a datagram, indexed */
	SB_NET_ICMP,     /* an ICMP error: text is the quoted payload, peer where it went */
	SB_NET_FRAME,    /* to control: a whole frame for the TAP twin */
	SB_NET_DATAGRAM, /* to control: text goes from local to peer by a kernel socket */
};

/* A packet on its way through: the private area of an mbuf, or the head of a large buffer. One owner at a time. */
struct sb_net_pkt {
	struct sb_pkt pkt;     /* first: the core hands it back by its address */
	struct rte_mbuf *mbuf; /* NULL: a large buffer */
	uint8_t *frame;        /* whole L2 frame */
	uint32_t frame_len;
	struct sb_addr local; /* our end; the listener itself belongs to a snapshot and is looked up by each worker */
	uint16_t port;
	uint8_t kind;  /* enum sb_net_kind */
	uint8_t read;  /* enum sb_read */
	uint8_t owner; /* of SIP: the worker it belongs to */
	bool fatal;    /* ICMP */
	struct sb_look look;
	struct sb_sip sip;
};

/* A large buffer: no mbuf, whose 16-bit lengths end at 65 535 bytes with headers and headroom. */
struct sb_large {
	alignas(64) struct sb_net_pkt pkt;
	alignas(64) uint8_t head[SB_LARGE_HEAD];
	uint8_t text[SB_LARGE_BYTES + SB_SIP_PAD];
};

/* Constant after open, save what says otherwise. */
struct sb_port {
	char name[SB_NAME_MAX];
	char device[320]; /* devargs as probed */
	uint16_t id;      /* ethdev */
	uint16_t mtu;
	uint16_t n_queues; /* pairs: queue i belongs to worker i */
	uint16_t n_rx_desc, n_tx_desc;
	bool probed;
	bool waits;                 /* control: a memif client without a server */
	uint64_t token;             /* control: when workers were told to leave it */
	uint64_t missed, no_buffer; /* control: what the driver had said of them when it was asked last */
	_Atomic bool started;       /* control: wo, workers: ro */
	bool wide;                  /* the driver writes frames bigger than a small buffer */
	bool tx_ip_checksum, tx_udp_checksum;
	uint8_t mac[SB_MAC_LEN];
};

struct sb_pools {
	struct rte_mempool *small; /* frames of the ports' MTU */
	struct rte_mempool *wide;  /* NULL, or for drivers that want frames of 60 kB */
	struct rte_mempool *large; /* struct sb_large */
	uint32_t small_room;       /* bytes behind the headroom */
};

/* Listeners by address, built by control with each snapshot. Immutable once published. */
struct sb_view {
	const struct sb_snapshot *snapshot;
	struct sb_view *older; /* control: published before this one and perhaps still read */
	uint64_t token;        /* control: when it was replaced */
	uint32_t mask;
	struct sb_view_slot {
		const struct sb_snap_listener *listener; /* NULL: empty */
		uint16_t udp;                            /* 0: stands for the IP address alone */
	} slot[];
};

struct sb_clock {
	uint64_t tsc, us;      /* anchor */
	uint64_t scale;        /* µs per tick, 32 bits behind the point */
	uint64_t anchor_again; /* tsc */
	uint64_t last_us;
};

/* How long there has been no work, and how long it naps. */
struct sb_rest {
	uint64_t since_us; /* the first turn without work; 0: the last one had some */
	uint32_t nap_ns;   /* the next nap */
};

struct sb_tx {
	uint32_t n;
	struct rte_mbuf *mbuf[SB_TX_BUFFER];
};

/* What the frames in hand left to do: SIP datagrams and ICMP errors, in the order they came. */
struct sb_burst {
	uint32_t n;
	struct sb_net_pkt *pkt[SB_BURST];
};

/* One worker; its thread's alone, save what says otherwise. */
struct sb_worker {
	struct sb_dataplane *dp;
	struct sb_core *core;
	const struct sb_view *view;
	const struct sb_fib *fib;
	uint64_t now_us;
	uint32_t index, lcore;
	struct sb_wire_ids ids; /* of datagrams sent */
	bool shares_cpu;        /* with control or another worker */
	struct sb_rest rest;
	struct sb_clock clock;
	uint64_t frags_looked_us;
	struct rte_ring *in;    /* any worker -> this: struct sb_net_pkt */
	struct rte_ring *tx_in; /* any worker, control -> this: mbufs whose port is our port's index */
	struct rte_ring *up;    /* this -> control: struct sb_net_pkt */
	struct sb_burst burst;
	struct sb_overload overload;
	struct sb_mailbox mail;
	struct sb_trunk_stats *trunk_stats; /* this: rw, control: ro */
	void *memory, *arena;
	size_t memory_size;
	struct sb_tx tx[SB_PORTS_MAX];
	struct sb_frag_table frags;
	struct sb_counters counters; /* this: rw, control: ro */
	uint64_t lap;                /* time stamp counter, as it stood at the end of the last stage */
};

struct sb_dataplane {
	struct sb_dataplane_config cfg;
	struct sb_port port[SB_PORTS_MAX];
	struct sb_pools pools;
	struct sb_keys keys;
	struct sb_worker *worker[SB_WORKERS_MAX];
	struct rte_rcu_qsbr *rcu;
	struct sb_ahead ahead;
	struct sb_view *views; /* control: newest first */
	bool eal, running;
	uint64_t looked_us;                               /* control: when ports were looked at */
	alignas(64) _Atomic(const struct sb_view *) view; /* control: wo, workers: ro */
	_Atomic(const struct sb_fib *) fib;               /* control: wo, workers: ro */
	_Atomic bool stop;                                /* control: wo, workers: ro */
	alignas(64) struct sb_counters control_counters;  /* control's own */
};

/* eal.c */
int sb_eal_start(const struct sb_dataplane_config *cfg, uint32_t memory_mb, char why[256]);
void sb_eal_stop(void);
void sb_eal_quiet(void);                         /* from now on drivers say nothing but what is critical */
void sb_eal_listen(void);                        /* what is logged from here on is about the next step */
void sb_eal_first_error(char *out, size_t size); /* the first line of it; "" nothing */

/* port.c: 0 or SB_E_DEVICE */
int sb_port_probe(struct sb_port *p, const struct sb_dataplane_port *cfg, uint32_t n_workers, char why[256]);
int sb_port_start(struct sb_port *p, const struct sb_pools *pools, char why[256]);
void sb_port_look(struct sb_dataplane *dp, struct sb_port *p); /* now and then: (re)connects what has no peer */
void sb_port_losses(struct sb_port *p, struct sb_counters *c); /* since the last look, as far as the driver knows */
void sb_port_close(struct sb_port *p);

/* pool.c */
uint32_t sb_pool_memory_mb(const struct sb_dataplane_config *cfg); /* what the pools of these ports take */
int sb_pool_open(struct sb_dataplane *dp, char why[256]);
void sb_pool_close(struct sb_pools *p);
struct sb_net_pkt *sb_pkt_small(struct sb_dataplane *dp);
struct sb_net_pkt *sb_pkt_large(struct sb_dataplane *dp);
struct sb_net_pkt *sb_pkt_received(struct sb_worker *w, struct rte_mbuf *m); /* NULL: no buffer; m is gone then */
void sb_pkt_free(struct sb_dataplane *dp, struct sb_net_pkt *np);
void sb_pkt_free_burst(struct sb_dataplane *dp, struct sb_burst *b);

/* view.c */
struct sb_view *sb_view_new(const struct sb_snapshot *s);
const struct sb_snap_listener *sb_view_find(const struct sb_view *v, uint16_t port, const struct sb_addr *addr);
bool sb_view_has_ip(const struct sb_view *v, uint16_t port, const struct sb_addr *addr);

/* burst.c: the stages of a burst, each over all of its frames before the next begins */
void sb_burst_received(struct sb_worker *w, uint16_t port, struct rte_mbuf **m, uint32_t n);
void sb_burst_handed(struct sb_worker *w); /* by others, into w->burst */

/* classify.c, idle.c, worker.c, send.c, up.c, clock.c */
void sb_classify(struct sb_worker *w, struct sb_net_pkt *np); /* into w->burst, or to its end */
void sb_end(struct sb_worker *w, struct sb_net_pkt *np, enum sb_counter end);
void sb_worker_look(struct sb_worker *w); /* at what is published, and the clock */
int sb_worker_run(void *worker);          /* until dp->stop */
void sb_worker_step(struct sb_worker *w); /* one turn of its loop */
void sb_rest(struct sb_worker *w, bool worked);
const struct sb_core_ops *sb_net_ops(void);
void sb_tx_put(struct sb_worker *w, uint16_t port, struct rte_mbuf *m);
void sb_tx_flush(struct sb_worker *w);
void sb_up_frame(struct sb_worker *w, struct sb_net_pkt *np);
bool sb_up_datagram(struct sb_worker *w, struct sb_net_pkt *np);
void sb_clock_init(struct sb_clock *c);
uint64_t sb_clock_now(struct sb_clock *c);

/* What has passed since the last lap goes to one stage's account. */
static inline void sb_lap(struct sb_worker *w, enum sb_counter stage)
{
	uint64_t now = rte_rdtsc();
	sb_count_add(&w->counters, stage, now - w->lap);
	w->lap = now;
}

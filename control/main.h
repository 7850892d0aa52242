/* SPDX-License-Identifier: BSD-3-Clause */
/* main.h - the daemon: the one place that knows both planes and wires them.
 * Owner: the control thread. Lifetime: the process's. */
#pragma once
#include "control/config/config.h"
#include "control/engine.h"
#include "control/events.h"
#include "control/kernel/fib_build.h"
#include "control/kernel/hugepages.h"
#include "control/kernel/ksock.h"
#include "control/kernel/netlink.h"
#include "control/kernel/tap.h"
#include "control/kernel/underlay.h"
#include "control/log.h"
#include "control/manage/manage.h"
#include "control/manage/opstate.h"
#include "dataplane/net/dataplane.h"
#include <pthread.h>
#include <sched.h>

#define SB_RETIRED_MAX 64 /* replaced snapshots that calls in flight still use; beyond that a reload is refused */

/* Replaced, to be freed once no worker and no transaction can be using it. */
struct sb_retired {
	struct sb_snapshot *snapshot; /* one of the two */
	struct sb_fib *fib;
	uint64_t token; /* of the data plane's quiescence */
};

#define SB_SMALL_SNAPSHOT 10000 /* prefixes: with fewer, control frees it itself in less than a millisecond */

/* The thread that loads (main-load.c). While it runs everything from file on is its own; file, dead, n_dead: control
 * writes them before, and reads them and the rest after it has joined it. */
struct sb_load {
	pthread_t thread;
	int fd;           /* eventfd: the thread's word that it is done. thread: wo, control: ro */
	atomic_bool stop; /* give up the load. thread: ro, control: wo */
	bool opened;      /* control alone */
	bool running;     /* control alone */
	bool again;       /* control alone: a reload was asked for meanwhile */
	cpu_set_t cpus;   /* constant while it runs */
	char file[256];   /* what to load; "" nothing */
	int err;
	struct sb_config *next;
	struct sb_config_errors errors;
	struct sb_snapshot *dead[SB_RETIRED_MAX]; /* to be freed */
	uint32_t n_dead;
};

struct sb_daemon {
	struct sb_load load;
	struct sb_snapshot *dead[SB_RETIRED_MAX]; /* nobody's any more, too large to be freed here */
	uint32_t n_dead;
	struct sb_config *config;     /* as loaded last */
	struct sb_snapshot *snapshot; /* published */
	struct sb_fib *fib;           /* published */
	struct sb_slots *slots;
	struct sb_health_table *health;
	struct sb_events *events;
	struct sb_opstate *opstate;
	struct sb_dataplane *dp;
	struct sb_engine *engine;
	struct sb_netlink *netlink;
	struct sb_ksock *ksock;
	struct sb_manage *manage;
	struct sb_tap tap[SB_PORTS_MAX];
	struct sb_underlay underlay[SB_PORTS_MAX];
	uint32_t n_taps;
	struct sb_retired retired[SB_RETIRED_MAX];
	uint32_t n_retired;
	uint64_t snapshot_generation, fib_generation;
	uint64_t fib_due_ms; /* a changed mirror waits until then for more; 0: unchanged */
	uint64_t refresh_due_ms, started_ms;
	uint64_t reloads, reloads_failed;
	int epoll_fd, timer_fd, signal_fd;
	uint32_t next_icmp_worker;
	uint64_t tap_lost; /* frames that the TAP or the port did not take */
	bool signalled;    /* a reload was asked for by SIGHUP */
	bool stop;
	int exit_code;
};

/* main-start.c: everything up, in order; 0 or an exit code, having said why. fini undoes what was done, in reverse. */
int sb_daemon_start(struct sb_daemon *d);
uint32_t sb_daemon_memory_mb(const struct sb_config *c); /* MB of packet buffers and what comes with them */
void sb_daemon_fini(struct sb_daemon *d);

/* main-publish.c */
/* What the operator switched off stays off, over restarts and for trunks that come back by a reload (P9). */
void sb_daemon_restore_operator(struct sb_daemon *d, const struct sb_snapshot *s);
/* Takes the config over and gives its snapshot to the workers. */
int sb_daemon_publish(struct sb_daemon *d, struct sb_config *next);
/* What a load came to, err or next: publishes or refuses it. Takes next over; adds to errors, which say why the daemon
 * keeps what it had. 0 or why not. */
int sb_daemon_take(struct sb_daemon *d, int err, struct sb_config *next, struct sb_config_errors *errors);
void sb_daemon_fib_tick(struct sb_daemon *d, uint64_t now_ms);
void sb_daemon_retire(struct sb_daemon *d); /* frees what nobody uses any more */

/* main-load.c */
int sb_daemon_load_open(struct sb_daemon *d);  /* 0 or SB_E_IO */
void sb_daemon_load_stop(struct sb_daemon *d); /* the daemon ends: a load under way is given up within milliseconds */
void sb_daemon_load_close(struct sb_daemon *d);
/* Reads the file again beside the running daemon. 0: sb_daemon_loaded() will tell. SB_E_BUSY: another is under way,
 * this one is not begun. SB_E_NOMEM: there is no thread, which is a refused reload and told in errors. */
int sb_daemon_reload_begin(struct sb_daemon *d, struct sb_config_errors *errors);
/* Call it when load.fd is readable, and now and then. True: a reload is over, with err and errors, the caller's. */
bool sb_daemon_loaded(struct sb_daemon *d, int *err, struct sb_config_errors *errors);
/* Frees a snapshot that nobody uses, at once or beside. */
void sb_daemon_bury(struct sb_daemon *d, struct sb_snapshot *s);

/* main-reload.c */
/* SIGHUP. A reload that is under way may have read the file before it was changed: then it is read once more. */
void sb_daemon_hangup(struct sb_daemon *d);
void sb_daemon_loads(struct sb_daemon *d); /* looks whether a reload is over, and tells whoever asked for it */

/* main-loop.c */
int sb_daemon_loop(struct sb_daemon *d);
void sb_daemon_ksock_error(void *ctx, const struct sb_ksock_error *e);

/* main-view.c: what the control socket may see and do */
int sb_daemon_manage(struct sb_daemon *d, char why[256]);

static inline uint64_t sb_daemon_now_ms(void)
{
	return sb_dataplane_now_us() / 1000;
}

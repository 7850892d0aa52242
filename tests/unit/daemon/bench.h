/* SPDX-License-Identifier: BSD-3-Clause */
/* bench.h - the daemon without what reaches outside: no EAL, no ports, no kernel. Workers, their rings and cores, RCU,
 * snapshots, engine, event log and operator's switches are the real ones, and so is what publishes and reloads. */
#pragma once
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include "control/main.h"
#include "dataplane/net/net.h"

#define BENCH_MAILS 64 /* slots of each mailbox: few, so that they fill */

struct bench {
	struct sb_daemon d;
	char dir[64], file[96];
	bool mirror_changed; /* what the mirror says when it is polled next */
	int mirror_err;      /* what building a fib comes to: 0, or SB_E_FULL while a dump is under way */
	unsigned fibs_built;
};

/* n workers that nobody runs yet, publishing the configuration in text. ops: of the cores, ctx is the worker; NULL:
 * those of the daemon. */
struct bench *bench_new(uint32_t n_workers, const char *text, const struct sb_core_ops *ops);
void bench_free(struct bench *b);
void bench_write(struct bench *b, const char *text); /* the file that a reload reads */
int bench_reload(struct bench *b);                   /* as by the control socket, to its end */
int bench_reload_told(struct bench *b, struct sb_config_errors *errors);

/* Opens the control socket; bench_free() closes it. */
void bench_control(struct bench *b);

/* A good configuration: n_trunks trunks 192.0.2.(host, host + 1 ...), all in one group, behind one listener
 * 192.0.2.200 that trusts 192.0.2.0/24; a = 20 ms, 2 sends; errors alone are logged. extra: more lines, or another
 * "control:". Static buffer. */
const char *bench_config(unsigned n_trunks, unsigned host, const char *extra);

/* One turn of every worker's loop: they see what is published and say that nothing older is in use. */
void bench_step(struct bench *b);

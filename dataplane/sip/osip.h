/* SPDX-License-Identifier: BSD-3-Clause */
/* osip.h - libosip2 as second reader and judge. The only file that includes its headers is osip.c.
 * Allocations come from the calling worker's own arena (osip_set_allocators): reset before each message, bounded. */
#pragma once
#include "dataplane/sip/sip.h"

/* Once a process, before any thread reads: parser_init and the allocators. */
void sb_osip_init(void);

/* The arena of the calling thread (one allowed thread-local: osip_set_allocators takes no context).
 * mem: borrowed for the life of the thread. Without an arena libosip2 gets NULL from every allocation. */
void sb_osip_arena(void *mem, size_t size);

struct sb_osip_usage {
	size_t size;        /* bytes of the arena */
	size_t peak;        /* most bytes one message took */
	uint64_t exhausted; /* messages that did not fit */
};
struct sb_osip_usage *sb_osip_usage(void); /* the calling thread's; its owner writes, others may read relaxed */

/* Judges a message that index has read (or was unsure of): true if libosip2 accepts what a proxy needs. */
bool sb_osip_accepts(const struct sb_sip *sip);

/* Did the message judged last not fit the calling thread's arena? Then nothing is known to be wrong with it. */
bool sb_osip_no_room(void);

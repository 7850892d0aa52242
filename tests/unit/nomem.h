/* SPDX-License-Identifier: BSD-3-Clause */
/* nomem.h - an allocator that can be told to fail. A test linked with nomem.c has it in malloc's place, and so have our
 * code, jansson, libyaml and libc in that process: no allocation of theirs is out of its reach, and no linker trick is
 * needed. Beneath it is libc's allocator, or the sanitizer's, which then sees every block as usual. One thread at a
 * time allocates: others wait for it. */
#pragma once
#include <stdbool.h>
#include <stdint.h>

/* From now on the n-th allocation (from 1; 0: none) fails with ENOMEM, and the `more` that follow it as well. */
void nomem_arm(unsigned n, unsigned more);

/* Nothing fails any more. True: at least one allocation has failed since nomem_arm(). */
bool nomem_disarm(void);

unsigned nomem_asked(void);  /* allocations since nomem_arm() */
uint64_t nomem_blocks(void); /* allocated in this process and not yet freed: unchanged when nothing leaks */

/* While on, the block freed last is the next one handed out, if it is large enough: what allocators do as they please.
 */
void nomem_recycle(bool on);

/* libyaml 0.2.5 loses one block when its list of nodes cannot grow just as a mapping or a list begins: for one n at
 * most in a short file. The leak sanitizer is told the same. */
#define NOMEM_LOST_BY_LIBYAML 1

/* SPDX-License-Identifier: BSD-3-Clause */
/* huge.h - memory for what is large: on huge pages, where it fills any. There are five hundred times fewer of them to
 * be asked for one by one, each with the process's memory map locked, and to be walked to. */
#pragma once
#include <stddef.h>

/* As malloc(), but aligned to a line of the cache. */
void *sb_huge_alloc(size_t size);

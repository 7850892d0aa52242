/* SPDX-License-Identifier: BSD-3-Clause */
#include "control/config/huge.h"
#include <stdlib.h>
#include <sys/mman.h>

#define HUGE_PAGE  ((size_t)2 << 20)
#define CACHE_LINE ((size_t)64)

void *sb_huge_alloc(size_t size)
{
	size_t align = size < HUGE_PAGE ? CACHE_LINE : HUGE_PAGE;
	size = (size + align - 1) & ~(align - 1);
	void *p = aligned_alloc(align, size);
	if (p && align == HUGE_PAGE)
		(void)madvise(p, size, MADV_HUGEPAGE); /* without them it is slower, not wrong */
	return p;
}

/* SPDX-License-Identifier: BSD-3-Clause */
/* hugepages.h - how much memory the kernel has set aside in huge pages that nobody uses yet. Knows nothing of DPDK. */
#pragma once
#include <stdint.h>

#define SB_HUGEPAGES_DIR "/sys/kernel/mm/hugepages"

/* MB free in pages of all sizes; dir: SB_HUGEPAGES_DIR. 0: none, or a kernel or a chroot without them. */
uint64_t sb_hugepages_free_mb(const char *dir);

/* SPDX-License-Identifier: BSD-3-Clause */
/* histogram.h - counts of durations in buckets no wider than 1/64 of their value, from 1 tick to hours: what
 * HdrHistogram does. */
#pragma once
#include <stdint.h>

#define GEN_HISTOGRAM_SUB     64u
#define GEN_HISTOGRAM_BUCKETS (59u * GEN_HISTOGRAM_SUB)

struct gen_histogram {
	uint64_t count, max;
	uint64_t bucket[GEN_HISTOGRAM_BUCKETS];
};

static inline uint32_t gen_histogram_index(uint64_t v)
{
	if (v < GEN_HISTOGRAM_SUB)
		return (uint32_t)v;
	unsigned shift = 63u - (unsigned)__builtin_clzll(v) - 6u;
	return (shift + 1) * GEN_HISTOGRAM_SUB + (uint32_t)((v >> shift) - GEN_HISTOGRAM_SUB);
}

static inline void gen_histogram_add(struct gen_histogram *h, uint64_t v)
{
	h->bucket[gen_histogram_index(v)]++;
	h->count++;
	if (v > h->max)
		h->max = v;
}

/* The value that `share` (0 to 1) of those counted do not exceed: the upper edge of its bucket, the maximum at most. */
static inline uint64_t gen_histogram_at(const struct gen_histogram *h, double share)
{
	uint64_t wanted = (uint64_t)(share * (double)h->count), seen = 0;
	for (uint32_t i = 0; i < GEN_HISTOGRAM_BUCKETS; i++) {
		seen += h->bucket[i];
		if (seen > wanted || (seen == h->count && seen)) {
			unsigned shift = i < GEN_HISTOGRAM_SUB ? 0 : i / GEN_HISTOGRAM_SUB - 1;
			uint64_t low = i < GEN_HISTOGRAM_SUB
			                       ? i
			                       : (uint64_t)(i % GEN_HISTOGRAM_SUB + GEN_HISTOGRAM_SUB) << shift;
			uint64_t high = low + (1ull << shift) - 1;
			return high < h->max ? high : h->max;
		}
	}
	return h->max;
}

/* SPDX-License-Identifier: BSD-3-Clause */
/* copy.h - copies of the short pieces that messages are made of, without a call: most have fewer bytes than a call of
 * memcpy() takes ticks. Pure. */
#pragma once
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define SB_COPY_OVER 64 /* bytes behind what is copied that copy_over() may read and write */

/* n bytes and no more, from and to anywhere apart. */
static inline void copy_short(void *to, const void *from, size_t n)
{
	uint8_t *d = to;
	const uint8_t *s = from;
	if (n > 128) {
		memcpy(d, s, n);
	} else if (n >= 16) {
		for (size_t i = 0; i + 16 < n; i += 16)
			memcpy(d + i, s + i, 16);
		memcpy(d + n - 16, s + n - 16, 16);
	} else if (n >= 8) {
		memcpy(d, s, 8);
		memcpy(d + n - 8, s + n - 8, 8);
	} else if (n >= 4) {
		memcpy(d, s, 4);
		memcpy(d + n - 4, s + n - 4, 4);
	} else if (n) {
		d[0] = s[0];
		d[n / 2] = s[n / 2];
		d[n - 1] = s[n - 1];
	}
}

/* n bytes, and up to SB_COPY_OVER more of both: no branch depends on n but how often it goes round. */
static inline void copy_over(char *to, const char *from, size_t n)
{
	for (size_t i = 0; i < n; i += SB_COPY_OVER)
		memcpy(to + i, from + i, SB_COPY_OVER);
}

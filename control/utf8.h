/* SPDX-License-Identifier: BSD-3-Clause */
/* utf8.h - is this UTF-8? Text from the wire ends up in logs and JSON, which must be. */
#pragma once
#include <stddef.h>

/* Bytes of the well-formed character at at (RFC 3629: no surrogates, no overlong forms), 0 if there is none. A NUL
 * counts as one byte and stops every longer form, so that a NUL-terminated string is never read beyond its end. */
static inline size_t sb_utf8_len(const char *at)
{
	const unsigned char *s = (const unsigned char *)at;
	unsigned char low = 0x80, high = 0xbf;
	size_t n;
	if (s[0] < 0x80)
		return 1;
	if (s[0] < 0xc2 || s[0] > 0xf4)
		return 0;
	n = s[0] < 0xe0 ? 2 : s[0] < 0xf0 ? 3 : 4;
	if (s[0] == 0xe0)
		low = 0xa0;
	else if (s[0] == 0xed)
		high = 0x9f;
	else if (s[0] == 0xf0)
		low = 0x90;
	else if (s[0] == 0xf4)
		high = 0x8f;
	if (s[1] < low || s[1] > high)
		return 0;
	for (size_t i = 2; i < n; i++) {
		if ((s[i] & 0xc0) != 0x80)
			return 0;
	}
	return n;
}

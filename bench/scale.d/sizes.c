/* SPDX-License-Identifier: BSD-3-Clause */
/* sizes.c - sizes BODY: bench/micro's whole calls with a body of so many bytes in INVITE and its 200. */
#include "bench/micro/calls.h"
#include <stdlib.h>

int main(int argc, char **argv)
{
	unsigned body = argc > 1 ? (unsigned)atoi(argv[1]) : 0;
	if (body < 1 || body > SB_BENCH_BODY_MAX)
		return 64;
	time_calls(body);
	return 0;
}

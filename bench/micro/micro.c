/* SPDX-License-Identifier: BSD-3-Clause */
/* micro.c - ticks of the TSC that reading each message of a call takes: the least of many rounds, so that what else the
 * machine does does not count. Each round reads many copies that lie apart, as packet buffers do, all in the
 * second-level cache. */
#include "dataplane/sip/sip.h"
#include "calls.h"
#include "frames.h"
#include "messages.h"
#include "reach.h"
#include "reference.h"
#include <inttypes.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <x86intrin.h>

#define COPIES 32
#define ROOM   2176
#define ROUNDS 4000

static char *copies;

static double read_ticks(const char *text)
{
	size_t len = strlen(text);
	uint64_t best = UINT64_MAX;
	static struct sb_sip sip[COPIES];
	for (unsigned i = 0; i < COPIES; i++)
		memcpy(copies + i * ROOM, text, len);
	for (unsigned round = 0; round < ROUNDS; round++) {
		uint64_t start = __rdtsc();
		for (unsigned i = 0; i < COPIES; i++) {
			bool asked = false;
			if (sb_sip_read(&sip[i], copies + i * ROOM, (uint32_t)len, false, &asked) > SB_READ_RESPONSE ||
			        asked) {
				fprintf(stderr, "micro: the index is not certain of: %.60s (%u %s)\n", text,
				        sip[i].error, sip[i].error_text);
				exit(1);
			}
		}
		uint64_t took = __rdtsc() - start;
		best = took < best ? took : best;
	}
	return (double)best / COPIES;
}

int main(int argc, char **argv)
{
	double sum = 0;
	unsigned n = sizeof messages / sizeof messages[0];
	if (argc > 1 && strcmp(argv[1], "--reference") == 0) {
		printf("reference work, ticks: %.0f\n", time_reference());
		return 0;
	}
	if (argc > 1 && strcmp(argv[1], "--reach") == 0)
		return time_reach();
	if (argc > 1) {
		fputs("usage: micro [--reference | --reach]\n", stderr);
		return 64;
	}
	copies = aligned_alloc(4096, (size_t)COPIES * ROOM);
	memset(copies, 0, (size_t)COPIES * ROOM);
	printf("%-10s %6s %10s\n", "message", "bytes", "index");
	for (unsigned i = 0; i < n; i++) {
		double ticks = read_ticks(messages[i].text);
		sum += ticks;
		printf("%-10s %6zu %10.0f\n", messages[i].name, strlen(messages[i].text), ticks);
	}
	printf("%-10s %6s %10.0f\n", "mean", "", sum / n);
	free(copies);
	time_frames();
	time_calls(200);
	return 0;
}

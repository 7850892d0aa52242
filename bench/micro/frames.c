/* SPDX-License-Identifier: BSD-3-Clause */
/* frames.c - ticks of what dataplane/net does around each message of a call: headers read, checksum verified; checksum
 * and headers written. The least of many rounds over copies that lie apart. The last column is the checksum in the
 * portable way. */
#include "frames.h"
#include "dataplane/net/csum.h"
#include "dataplane/net/decode.h"
#include "dataplane/net/wire.h"
#include "messages.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <x86intrin.h>

#define COPIES 32
#define ROOM   2176
#define HEAD   128 /* in front of the text */
#define ROUNDS 4000

enum step { DECODE, VERIFY, UDP, HEADERS, PORTABLE, STEPS };
static const char *const step_name[STEPS] = {"decode", "verify", "udp", "headers", "portable"};

static struct sb_addr from, to;
static const uint8_t mac[2][6] = {{2, 0, 0, 0, 0, 1}, {2, 0, 0, 0, 0, 2}};
static const struct sb_wire wire = {.dst_mac = mac[0], .src_mac = mac[1], .from = &from, .to = &to};
static struct sb_frame frame[COPIES];
static volatile uint64_t sink;

static void once(enum step step, char *text, uint32_t len, struct sb_frame *f)
{
	uint8_t *l4 = (uint8_t *)text - SB_UDP_HEAD, *start = l4 - sb_wire_head_len(&wire, false);
	switch (step) {
	case DECODE:
		sink += sb_frame_decode(start, (uint32_t)((uint8_t *)text - start) + len, f);
		break;
	case VERIFY:
		sink += sb_frame_checksum_ok(start, f, SB_FRAME_UDP);
		break;
	case UDP:
		sb_wire_udp(&wire, l4, len, false);
		break;
	case HEADERS:
		sb_wire_head(&wire, start, len + SB_UDP_HEAD, NULL);
		break;
	default:
		sink += sb_csum_end(sb_csum_add(0, l4, len + SB_UDP_HEAD));
	}
}

static double ticks(enum step step, char *copies, uint32_t len)
{
	uint64_t best = UINT64_MAX;
	for (unsigned round = 0; round < ROUNDS; round++) {
		uint64_t start = __rdtsc();
		for (unsigned i = 0; i < COPIES; i++)
			once(step, copies + i * ROOM + HEAD, len, &frame[i]);
		uint64_t took = __rdtsc() - start;
		best = took < best ? took : best;
	}
	return (double)best / COPIES;
}

static void time_message(const char *name, const char *text, char *copies, double sum[STEPS])
{
	uint32_t len = (uint32_t)strlen(text);
	for (unsigned i = 0; i < COPIES; i++) {
		memcpy(copies + i * ROOM + HEAD, text, len);
		once(UDP, copies + i * ROOM + HEAD, len, NULL);
		once(HEADERS, copies + i * ROOM + HEAD, len, NULL);
	}
	printf("%-10s %6u", name, len);
	for (unsigned s = 0; s < STEPS; s++) {
		double t = ticks((enum step)s, copies, len);
		sum[s] += t;
		printf(" %10.0f", t);
	}
	printf("\n");
}

void time_frames(void)
{
	const unsigned n = sizeof messages / sizeof messages[0];
	double sum[STEPS] = {0};
	char *copies = aligned_alloc(4096, (size_t)COPIES * ROOM);
	if (!copies || sb_addr_parse("192.0.2.10:5060", 5060, &from) || sb_addr_parse("198.18.100.144:5060", 5060, &to))
		abort();
	memset(copies, 0, (size_t)COPIES * ROOM);
	printf("%-10s %6s", "message", "bytes");
	for (unsigned s = 0; s < STEPS; s++)
		printf(" %10s", step_name[s]);
	printf("\n");
	for (unsigned i = 0; i < n; i++)
		time_message(messages[i].name, messages[i].text, copies, sum);
	printf("%-10s %6s", "mean", "");
	for (unsigned s = 0; s < STEPS; s++)
		printf(" %10.0f", sum[s] / n);
	printf("\n");
	free(copies);
}

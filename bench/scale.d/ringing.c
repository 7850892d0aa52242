/* SPDX-License-Identifier: BSD-3-Clause */
/* ringing.c - ringing N [ROUNDS]: time of a message and memory of a call while N calls ring in one worker's core.
 * INVITEs have 700 to 1100 bytes. As many calls as ring are answered before, or MIN_LINGER, and linger; they expire as
 * others come. Then, in bursts of messages of all kinds, random ones of the ringing calls are answered, ACKed and
 * ended, and as many begin and ring. Memory is laid out and mapped as the daemon does, and all touched before time is
 * taken. One JSON object on stdout; times in ticks of the TSC a message, of bursts: the quarter, the median, the mean.
 */
#include "bench/micro/mixed.h"
#include "dataplane/call/txn.h"
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#define BODY_LEAST   228 /* makes an INVITE of 700 bytes, */
#define BODY_MOST    628 /* and one of 1100 */
#define MIN_LINGER   4096
#define WARM         200 /* rounds that are not timed, at least */
#define LINGER_US    32000000u
#define ENDED_ROUND  (BED_CALLS / STEPS) /* calls in a round */
#define TEXT_PER_TXN 2048
#define LINGER_LEAST 65536 /* records there is room for: as the daemon has it */

static uint32_t linger;
static uint64_t invite_bytes;

static void *region_map(size_t size)
{
	void *p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (p == MAP_FAILED)
		abort();
	(void)madvise(p, size, MADV_HUGEPAGE);
	return p;
}

/* Every page is there, with what it holds. */
static void touch(void *region, size_t size)
{
	for (volatile char *p = region, *end = p + size; p < end; p += 4096)
		*p = *p;
}

static long resident(void)
{
	long pages = 0;
	FILE *f = fopen("/proc/self/statm", "r");
	if (!f || fscanf(f, "%*d %ld", &pages) != 1)
		abort();
	fclose(f);
	return pages * sysconf(_SC_PAGESIZE);
}

static void act(enum step step, struct call *calls, unsigned n)
{
	static enum step steps[BED_CALLS];
	static struct call *call_of[BED_CALLS];
	uint64_t ticks[2];
	for (unsigned i = 0; i < n; i++) {
		uint32_t len = bed_write(i, step, &calls[i]);
		steps[i] = step;
		call_of[i] = &calls[i];
		invite_bytes += step == RINGING ? 0 : len;
	}
	for (unsigned first = 0; first < n; first += BED_BURST)
		bed_burst(first, ticks);
	bed_keep(steps, call_of, n);
	bed_drain();
}

/* n calls, a multiple of a burst, come as far as last. */
static void begin(struct call *calls, unsigned n, enum step last)
{
	static uint32_t next_id;
	for (unsigned at = 0, some; at < n; at += some) {
		some = n - at < BED_CALLS ? n - at : BED_CALLS;
		for (unsigned i = at; i < at + some; i++)
			calls[i] = (struct call){
			        .id = next_id++, .body = (uint16_t)(BODY_LEAST + bed_draw(BODY_MOST - BODY_LEAST + 1))};
		act(INVITE, calls + at, some);
		act(last, calls + at, some);
	}
}

/* Answered calls as they come in the time that one lingers. */
static void answer_some(void)
{
	static struct call calls[BED_CALLS];
	for (uint32_t n = 0; n < linger; n += ENDED_ROUND / BED_BURST * BED_BURST) {
		begin(calls, ENDED_ROUND / BED_BURST * BED_BURST, OK);
		bed_tick((uint32_t)((uint64_t)LINGER_US * (ENDED_ROUND / BED_BURST * BED_BURST) / linger));
	}
}

static void tell(const char *name, uint64_t *ticks, unsigned n)
{
	uint64_t sum = 0;
	for (unsigned i = 0; i < n; i++)
		sum += ticks[i];
	double quarter = bed_quarter(ticks, n) / BED_BURST, median = (double)ticks[n / 2] / BED_BURST;
	printf(", \"%s_p25\": %.0f, \"%s_p50\": %.0f, \"%s_mean\": %.0f", name, quarter, name, median, name,
	        (double)sum / n / BED_BURST);
}

static void time_rounds(struct call *ringing, unsigned n, unsigned rounds)
{
	unsigned most = BED_CALLS / BED_BURST, bursts = 0;
	uint32_t us = (uint32_t)((uint64_t)LINGER_US * ENDED_ROUND / linger);
	uint64_t *read = calloc((size_t)(rounds + WARM) * most, sizeof *read),
	         *act_on = calloc((size_t)(rounds + WARM) * most, sizeof *act_on),
	         *both = calloc((size_t)rounds * most, sizeof *both);
	mixed_begin(BODY_LEAST, BODY_MOST);
	for (unsigned round = 0; round < WARM; round++)
		mixed_round(us, ringing, n, read, act_on);
	for (unsigned round = 0; round < rounds; round++)
		bursts += mixed_round(us, ringing, n, read + bursts, act_on + bursts);
	for (unsigned i = 0; i < bursts; i++)
		both[i] = read[i] + act_on[i];
	tell("read", read, bursts);
	tell("act", act_on, bursts);
	tell("ticks", both, bursts);
}

int main(int argc, char **argv)
{
	unsigned n = argc > 1 ? (unsigned)atoi(argv[1]) / BED_BURST * BED_BURST : 0;
	unsigned rounds = argc > 2 ? (unsigned)atoi(argv[2]) : 1000;
	if (!n || !rounds)
		return 64;
	struct sb_core_config cfg = {.transactions_max = n + 2 * BED_CALLS};
	cfg.linger_max = cfg.transactions_max * 4 > LINGER_LEAST ? cfg.transactions_max * 4 : LINGER_LEAST;
	cfg.text_bytes_max = (uint64_t)cfg.transactions_max * TEXT_PER_TXN;
	linger = n > MIN_LINGER ? n : MIN_LINGER;
	bed_config(&cfg);
	size_t size = sb_core_memory(&cfg), calls_size = n * sizeof(struct call);
	void *memory = region_map(size);
	struct call *calls = region_map(calls_size);
	touch(calls, calls_size);
	struct sb_core *core = bed_make(&cfg, memory);
	answer_some();
	const struct sb_core_usage *use = sb_core_usage(core);
	long before = resident();
	invite_bytes = 0;
	begin(calls, n, RINGING);
	bed_tick(0);
	long grown = resident() - before;
	if (use->transactions != n || use->invites != n)
		return 1;
	double slot = sizeof(struct sb_txn), text = (double)use->text_bytes / n,
	       head = (double)sizeof(struct sb_bucket) / SB_TABLE_SHARE;
	printf("{\"ringing\": %u, \"lingering\": %lu, \"invite_bytes\": %.0f, \"slot\": %.0f, \"text\": %.0f, "
	       "\"head\": %.1f, "
	       "\"bytes_each\": %.0f, \"resident_each\": %.0f, \"record\": %zu, \"bytes_lingering\": %.1f",
	        n, use->lingering, (double)invite_bytes / n, slot, text, head, slot + text + head, (double)grown / n,
	        sizeof(struct sb_linger), sizeof(struct sb_linger) + head);
	touch(memory, size);
	time_rounds(calls, n, rounds);
	printf(", \"lingering_then\": %lu, \"text_then\": %.0f}\n", use->lingering,
	        (double)use->text_bytes / (double)use->transactions);
	return 0;
}

/* SPDX-License-Identifier: BSD-3-Clause */
/* timers.c - the control thread's timers at full rate: timers ARMED RATE SECONDS [alone]. A thread stands for the
 * worker: it posts ARM for slots in turn, RATE a second in bursts as a polling worker does, and takes what is fired.
 * The control thread is the real engine, ticked once a millisecond by timerfd and epoll as the daemon's loop does.
 * Beforehand ARMED timers are armed that are due later, so that they lie in the wheel all the time. Each timer's
 * deadline is 32 to 544 ms ahead. The clock is shifted so that a bucket of the wheel's third level (65.5 s) begins in
 * the middle of the run. One JSON object: lateness from deadline to FIRED in the worker's hands in us, and the control
 * thread's share of a CPU, from its own CPU time. Deadlines are whole milliseconds: on time means less than 1000 us
 * late. alone: the control thread goes before every other process (SCHED_FIFO) and the worker before most, so that a
 * shared machine's other load does not count; tick_cpu is a tick's own CPU time, which that load does not touch in any
 * case. */
#include "control/engine.h"
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#define MAILS     65536
#define LATE_MAX  100000           /* us */
#define BUCKET_MS (100 * 65536ull) /* where a bucket of the wheel's third level begins */
#define BURST     32
#define WARM_US   1500000 /* at the beginning memory is touched for the first time: that is not counted */
#define ROUND     1048576 /* slots that the worker arms in turn: each fires before it is armed again at 1.2 M a second */

static struct {
	struct sb_mailbox mail;
	struct sb_engine *engine;
	struct sb_health_table health;
	_Atomic bool stop;
	bool alone;
	uint64_t shift_us; /* of the monotonic clock */
	uint64_t rate, armed, full, fired;
	uint32_t late[LATE_MAX + 1];
	uint32_t took[LATE_MAX + 1];  /* a tick's duration */
	uint32_t cpu[LATE_MAX + 1];   /* and its own CPU time */
	uint32_t apart[LATE_MAX + 1]; /* from the whole millisecond to the tick's beginning: the kernel's part */
	uint64_t ticks;
} bench;

static void note(uint32_t *histogram, uint64_t us)
{
	histogram[us < LATE_MAX ? us : LATE_MAX]++;
}

static uint64_t now_us(clockid_t clock)
{
	struct timespec t;
	clock_gettime(clock, &t);
	return (uint64_t)t.tv_sec * 1000000 + (uint64_t)t.tv_nsec / 1000 +
	       (clock == CLOCK_MONOTONIC ? bench.shift_us : 0);
}

static void take_fired(bool counts)
{
	struct sb_mail m;
	uint64_t now = now_us(CLOCK_MONOTONIC);
	for (unsigned n = 0; n < 4 * BURST && sb_ring_take(&bench.mail.down, &m); n++) {
		if (!counts)
			continue;
		uint64_t due = m.timer.deadline_ms * 1000;
		note(bench.late, now > due ? now - due : 0); /* fired since now was read */
		bench.fired++;
	}
}

static void *worker(void *arg)
{
	if (bench.alone)
		(void)setpriority(PRIO_PROCESS, (id_t)gettid(), -20);
	uint64_t start = now_us(CLOCK_MONOTONIC), random = 1;
	uint32_t slot = 0;
	while (!atomic_load_explicit(&bench.stop, memory_order_relaxed)) {
		uint64_t now = now_us(CLOCK_MONOTONIC), owed = (now - start) * bench.rate / 1000000;
		for (unsigned n = 0; n < BURST && bench.armed + bench.full < owed; n++) {
			random = random * 6364136223846793005ull + 1442695040888963407ull;
			struct sb_mail m = {.op = SB_MAIL_ARM,
			        .timer = {.slot = slot % ROUND,
			                .gen = slot + 1,
			                .deadline_ms = now / 1000 + 32 + (random >> 33) % 512}};
			slot++;
			if (sb_ring_put(&bench.mail.up, &m))
				bench.armed++;
			else
				bench.full++;
		}
		take_fired(now > start + WARM_US);
	}
	return NULL;
}

/* Timers of the other slots, within an hour from where a whole bucket of them has to move. Time stands still. */
static void fill(uint32_t n, uint64_t now_ms)
{
	for (uint32_t i = 0; i < n; i++) {
		struct sb_mail m = {.op = SB_MAIL_ARM,
		        .timer = {.slot = ROUND + (uint32_t)(i * 2654435761ull % n),
		                .deadline_ms = BUCKET_MS + i % 3600000}};
		while (!sb_ring_put(&bench.mail.up, &m))
			sb_engine_tick(bench.engine, now_ms, 1u << 20);
	}
	sb_engine_tick(bench.engine, now_ms, 1u << 20);
}

static void go_first(void)
{
	const struct sched_param first = {.sched_priority = 1};
	if (bench.alone && pthread_setschedparam(pthread_self(), SCHED_FIFO, &first))
		exit(77);
}

static double run(unsigned seconds)
{
	struct itimerspec ms = {.it_interval.tv_nsec = 1000000};
	int timer = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK), epoll = epoll_create1(0);
	struct epoll_event ev = {.events = EPOLLIN, .data.fd = timer};
	uint64_t due = 0;
	clock_gettime(CLOCK_MONOTONIC, &ms.it_value); /* at whole milliseconds, as the daemon has it */
	ms.it_value.tv_nsec -= ms.it_value.tv_nsec % 1000000;
	if (timer < 0 || epoll < 0 || timerfd_settime(timer, TFD_TIMER_ABSTIME, &ms, NULL) ||
	        epoll_ctl(epoll, EPOLL_CTL_ADD, timer, &ev))
		exit(71);
	uint64_t start = now_us(CLOCK_MONOTONIC), cpu = now_us(CLOCK_THREAD_CPUTIME_ID), expired, before;
	while ((before = now_us(CLOCK_MONOTONIC)) < start + seconds * 1000000ull) {
		if (epoll_wait(epoll, &ev, 1, 100) == 1 && read(timer, &expired, sizeof expired) < 0)
			continue;
		before = now_us(CLOCK_MONOTONIC);
		uint64_t cpu_before = now_us(CLOCK_THREAD_CPUTIME_ID);
		sb_engine_tick(bench.engine, before / 1000, 65536);
		due = due ? due + expired * 1000 : before / 1000 * 1000;
		if (before < start + WARM_US)
			continue;
		note(bench.took, now_us(CLOCK_MONOTONIC) - before);
		note(bench.cpu, now_us(CLOCK_THREAD_CPUTIME_ID) - cpu_before);
		note(bench.apart, before - (due - (expired - 1) * 1000));
		bench.ticks++;
	}
	close(timer);
	close(epoll);
	return (double)(now_us(CLOCK_THREAD_CPUTIME_ID) - cpu) / (double)(now_us(CLOCK_MONOTONIC) - start);
}

static uint32_t at(const uint32_t *histogram, uint64_t n, double share)
{
	uint64_t sum = 0;
	for (uint32_t i = 0; i <= LATE_MAX; i++)
		if ((sum += histogram[i]) >= (uint64_t)((double)n * share) && sum)
			return i;
	return LATE_MAX;
}

static void tell(const char *name, const uint32_t *histogram, uint64_t n)
{
	printf(", \"%s_us_p50\": %u, \"%s_us_p99\": %u, \"%s_us_p999\": %u, \"%s_us_max\": %u", name,
	        at(histogram, n, 0.5), name, at(histogram, n, 0.99), name, at(histogram, n, 0.999), name,
	        at(histogram, n, 1));
}

/* As the daemon has it. */
static void want_huge_pages(void *memory, size_t size)
{
	uintptr_t from = ((uintptr_t)memory + 4095) & ~(uintptr_t)4095, end = (uintptr_t)memory + size;
	if (from < end)
		(void)madvise((void *)from, end - from, MADV_HUGEPAGE);
}

int main(int argc, char **argv)
{
	if (argc < 4)
		return 64;
	uint32_t armed = (uint32_t)atoi(argv[1]);
	unsigned seconds = (unsigned)atoi(argv[3]);
	static struct sb_trunk_stats stats[SB_TRUNKS_MAX];
	uint64_t begin_ms = BUCKET_MS - WARM_US / 2000 - seconds * 500;
	struct sb_engine_config cfg = {.n_workers = 1,
	        .transactions_per_worker = ROUND + armed,
	        .health = &bench.health,
	        .seed = 1,
	        .advise = want_huge_pages,
	        .now_ms = begin_ms};
	bench.alone = argc > 4;
	bench.rate = (uint64_t)atoi(argv[2]);
	cfg.mail[0] = &bench.mail;
	cfg.trunk_stats[0] = stats;
	if (sb_mailbox_init(&bench.mail, MAILS) || !(bench.engine = sb_engine_new(&cfg)))
		return 71;
	uint64_t before = now_us(CLOCK_MONOTONIC);
	fill(armed, begin_ms);
	double fill_ns = armed ? (double)(now_us(CLOCK_MONOTONIC) - before) * 1000 / armed : 0;
	bench.shift_us = (begin_ms - now_us(CLOCK_MONOTONIC) / 1000) * 1000; /* whole ms: in step with the clock */
	pthread_t thread;
	if (pthread_create(&thread, NULL, worker, NULL))
		return 71;
	go_first();
	double share = run(seconds);
	atomic_store(&bench.stop, true);
	pthread_join(thread, NULL);
	printf("{\"armed\": %u, \"rate\": %llu, \"arms\": %llu, \"fired\": %llu, \"ring_full\": %llu", armed,
	        (unsigned long long)bench.rate, (unsigned long long)bench.armed, (unsigned long long)bench.fired,
	        (unsigned long long)bench.full);
	tell("late", bench.late, bench.fired);
	tell("tick", bench.took, bench.ticks);
	tell("tick_cpu", bench.cpu, bench.ticks);
	tell("wake", bench.apart, bench.ticks);
	printf(", \"control_share\": %.3f, \"arm_ns\": %.0f}\n", share, fill_ns);
	sb_engine_free(bench.engine);
	sb_mailbox_fini(&bench.mail);
	return bench.full > 0 || bench.fired == 0;
}

/* SPDX-License-Identifier: BSD-3-Clause */
/* timers.c - the control thread's timers at full rate: timers ARMED RATE SECONDS. A thread stands for the worker: it
 * posts ARM for slots in turn, RATE a second in bursts as a polling worker does, and takes what is fired. The control
 * thread is the real engine, ticked once a millisecond by timerfd and epoll as the daemon's loop does. Beforehand ARMED
 * timers are armed that are due later, so that they lie in the wheel all the time. Each timer's deadline is 32 to 544
 * ms ahead. One JSON object: lateness from deadline to FIRED in the worker's hands in us, and the control thread's
 * share of a CPU, from its own CPU time. Deadlines are whole milliseconds: on time means less than 1000 us late. */
#include "control/engine.h"
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#define MAILS    65536
#define LATE_MAX 100000 /* us */
#define BURST    32
#define WARM_US  1500000 /* at the beginning memory is touched for the first time: that is not counted */
#define ROUND    1048576 /* slots that the worker arms in turn: each fires before it is armed again at 1.2 M a second */

static struct {
	struct sb_mailbox mail;
	struct sb_engine *engine;
	struct sb_health_table health;
	_Atomic bool stop;
	uint64_t rate, armed, full, fired;
	uint32_t late[LATE_MAX + 1];
} bench;

static uint64_t now_us(clockid_t clock)
{
	struct timespec t;
	clock_gettime(clock, &t);
	return (uint64_t)t.tv_sec * 1000000 + (uint64_t)t.tv_nsec / 1000;
}

static void take_fired(bool counts)
{
	struct sb_mail m;
	uint64_t now = now_us(CLOCK_MONOTONIC);
	for (unsigned n = 0; n < 4 * BURST && sb_ring_take(&bench.mail.down, &m); n++) {
		if (!counts)
			continue;
		uint64_t late = now - m.timer.deadline_ms * 1000;
		bench.late[late < LATE_MAX ? late : LATE_MAX]++;
		bench.fired++;
	}
}

static void *worker(void *arg)
{
	uint64_t start = now_us(CLOCK_MONOTONIC), random = 1;
	uint32_t slot = 0;
	while (!atomic_load_explicit(&bench.stop, memory_order_relaxed)) {
		uint64_t now = now_us(CLOCK_MONOTONIC), owed = (now - start) * bench.rate / 1000000;
		for (unsigned n = 0; n < BURST && bench.armed + bench.full < owed; n++) {
			random = random * 6364136223846793005ull + 1442695040888963407ull;
			struct sb_mail m = {.op = SB_MAIL_ARM,
			        .timer = {.slot = slot++ % ROUND,
			                .gen = slot,
			                .deadline_ms = now / 1000 + 32 + (random >> 33) % 512}};
			if (sb_ring_put(&bench.mail.up, &m))
				bench.armed++;
			else
				bench.full++;
		}
		take_fired(now > start + WARM_US);
	}
	return NULL;
}

/* Timers of the other slots, from a minute to an hour ahead. */
static void fill(uint32_t n)
{
	for (uint32_t i = 0; i < n; i++) {
		struct sb_mail m = {.op = SB_MAIL_ARM,
		        .timer = {.slot = ROUND + (uint32_t)(i * 2654435761ull % n),
		                .deadline_ms = now_us(CLOCK_MONOTONIC) / 1000 + 60000 + i % 3540000}};
		while (!sb_ring_put(&bench.mail.up, &m))
			sb_engine_tick(bench.engine, now_us(CLOCK_MONOTONIC) / 1000, 1u << 20);
	}
	sb_engine_tick(bench.engine, now_us(CLOCK_MONOTONIC) / 1000, 1u << 20);
}

static double run(unsigned seconds, uint32_t *longest_us)
{
	const struct itimerspec ms = {.it_interval.tv_nsec = 1000000, .it_value.tv_nsec = 1000000};
	int timer = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK), epoll = epoll_create1(0);
	struct epoll_event ev = {.events = EPOLLIN, .data.fd = timer};
	if (timer < 0 || epoll < 0 || timerfd_settime(timer, 0, &ms, NULL) ||
	        epoll_ctl(epoll, EPOLL_CTL_ADD, timer, &ev))
		exit(71);
	uint64_t start = now_us(CLOCK_MONOTONIC), cpu = now_us(CLOCK_THREAD_CPUTIME_ID), expired, before;
	while ((before = now_us(CLOCK_MONOTONIC)) < start + seconds * 1000000ull) {
		if (epoll_wait(epoll, &ev, 1, 100) == 1 && read(timer, &expired, sizeof expired) < 0)
			continue;
		before = now_us(CLOCK_MONOTONIC);
		sb_engine_tick(bench.engine, before / 1000, 65536);
		uint64_t took = now_us(CLOCK_MONOTONIC) - before;
		*longest_us = took > *longest_us ? (uint32_t)took : *longest_us;
	}
	close(timer);
	close(epoll);
	return (double)(now_us(CLOCK_THREAD_CPUTIME_ID) - cpu) / (double)(now_us(CLOCK_MONOTONIC) - start);
}

static uint32_t late_at(double share)
{
	uint64_t sum = 0;
	for (uint32_t i = 0; i <= LATE_MAX; i++)
		if ((sum += bench.late[i]) >= (uint64_t)((double)bench.fired * share) && sum)
			return i;
	return LATE_MAX;
}

int main(int argc, char **argv)
{
	if (argc < 4)
		return 64;
	uint32_t armed = (uint32_t)atoi(argv[1]), longest = 0;
	unsigned seconds = (unsigned)atoi(argv[3]);
	static struct sb_trunk_stats stats[SB_TRUNKS_MAX];
	struct sb_engine_config cfg = {.n_workers = 1,
	        .transactions_per_worker = ROUND + armed,
	        .health = &bench.health,
	        .seed = 1,
	        .now_ms = now_us(CLOCK_MONOTONIC) / 1000};
	bench.rate = (uint64_t)atoi(argv[2]);
	cfg.mail[0] = &bench.mail;
	cfg.trunk_stats[0] = stats;
	if (sb_mailbox_init(&bench.mail, MAILS) || !(bench.engine = sb_engine_new(&cfg)))
		return 71;
	uint64_t before = now_us(CLOCK_MONOTONIC);
	fill(armed);
	double fill_ns = armed ? (double)(now_us(CLOCK_MONOTONIC) - before) * 1000 / armed : 0;
	pthread_t thread;
	if (pthread_create(&thread, NULL, worker, NULL))
		return 71;
	double share = run(seconds, &longest);
	atomic_store(&bench.stop, true);
	pthread_join(thread, NULL);
	printf("{\"armed\": %u, \"rate\": %llu, \"arms\": %llu, \"fired\": %llu, \"ring_full\": %llu, \"late_us_p50\": "
	       "%u, "
	       "\"late_us_p99\": %u, \"late_us_p999\": %u, \"late_us_max\": %u, \"control_share\": %.3f, "
	       "\"tick_us_max\": %u, \"arm_ns\": %.0f}\n",
	        armed, (unsigned long long)bench.rate, (unsigned long long)bench.armed, (unsigned long long)bench.fired,
	        (unsigned long long)bench.full, late_at(0.5), late_at(0.99), late_at(0.999), late_at(1), share, longest,
	        fill_ns);
	sb_engine_free(bench.engine);
	sb_mailbox_fini(&bench.mail);
	return bench.full > 0 || bench.fired == 0;
}

/* SPDX-License-Identifier: BSD-3-Clause */
/* Workers in threads of their own with their real loops, cores and mailboxes, and the real control thread: timers,
 * probes, health, reloads, the control socket's figures. Made for ThreadSanitizer; what is asserted holds without it,
 * too. test_daemon [SEED] */
#include "control/manage/rpc.h"
#include "peers.h"
#include "tests/unit/daemon/bench.h"
#include "dataplane/call/txn.h"
#include "dataplane/sip/osip.h"
#include <pthread.h>
#include <time.h>
#include <unistd.h>

#define WORKERS     3
#define CALLS       1500 /* of each worker */
#define RELOADS_MIN 20
#define TURNS_MAX   2000000
#define TIMERS      "parser: %s\ntimers: { t1: 10ms, t2: 20ms, t4: 10ms }\n"
#define END_MS_MAX  20000 /* 64*T1 are 640 ms; the rest is the machine's */

static uint64_t seed = 1;

struct thread {
	pthread_t id;
	struct peers peers;
	struct bench *b;
	uint32_t index;
	uint64_t seen;      /* generation of the newest snapshot that it went by */
	uint32_t snapshots; /* how many different ones */
	uint64_t turns;
	bool went_back;
	_Atomic bool calls_done;
};

static struct {
	struct thread thread[WORKERS];
	uint64_t rx[WORKERS]; /* as control read it last */
	unsigned reloads, refused, asked, beside;
	char prefixes[128];
} run;

static void look(struct thread *t)
{
	struct sb_worker *w = t->peers.w;
	sb_worker_look(w);
	uint64_t generation = w->core->snap->generation;
	t->went_back |= generation < t->seen;
	t->snapshots += generation != t->seen;
	t->seen = generation;
}

static void *worker(void *arg)
{
	struct thread *t = arg;
	struct sb_dataplane *dp = t->b->d.dp;
	struct sb_worker *w = dp->worker[t->index];
	sb_osip_arena(w->arena, SB_OSIP_ARENA);
	peers_init(&t->peers, w, seed * 16 + t->index, CALLS);
	while (!atomic_load_explicit(&dp->stop, memory_order_relaxed)) {
		look(t);
		peers_turn(&t->peers);
		if (t->peers.calls == CALLS)
			atomic_store_explicit(&t->calls_done, true, memory_order_relaxed);
		sb_worker_step(w);
		t->turns++;
	}
	return NULL;
}

/* As an operator's tool does: every figure that workers keep is read while they write it. */
static void ask(struct bench *b, struct sb_manage *m)
{
	static const char *const requests[] = {"stats", "status", "memory", "trunks"};
	char line[128];
	struct sb_client client = {.fd = -1};
	int n = snprintf(line, sizeof line, "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"%s\"}\n",
	        requests[run.asked++ % (sizeof requests / sizeof *requests)]);
	sb_rpc_serve(m, &client, line, (size_t)n);
	assert_true(client.out_len > 50);
	client.out[client.out_len - 1] = 0;
	assert_non_null(strstr(client.out, "\"result\""));
	assert_null(strstr(client.out, "\"in_flight\":-")); /* no frame has ended before it came */
	free(client.out);
	for (uint32_t w = 0; w < WORKERS; w++) {
		uint64_t rx = sb_counter_get(sb_dataplane_counters(b->d.dp, w), SB_C_rx_frames);
		assert_true(rx >= run.rx[w]);
		run.rx[w] = rx;
	}
}

static void reload_over(int err)
{
	assert_true(err == 0 || err == SB_E_FULL);
	run.reloads += err == 0;
	run.refused += err != 0;
}

/* Prefixes enough for a snapshot that is freed beside control. */
static void write_prefixes(struct bench *b)
{
	snprintf(run.prefixes, sizeof run.prefixes, "%s.prefixes", b->file);
	FILE *f = fopen(run.prefixes, "we");
	assert_non_null(f);
	for (unsigned i = 0; i < 2 * SB_SMALL_SNAPSHOT; i++)
		fprintf(f, "+99%u\n", 100000 + i);
	assert_int_equal(fclose(f), 0);
}

/* Other trunks, addresses and parser each time; every second one beside control, which goes on. */
static void reload(struct bench *b, unsigned n)
{
	char extra[128], text[16384];
	if (b->d.load.running)
		return; /* the file must be whole */
	snprintf(extra, sizeof extra, TIMERS, n % 3 ? "auto" : "osip");
	const char *config = bench_config(1 + n % 4, 10 + n % 5, extra), *routes = strstr(config, "routes: [ ") + 10;
	snprintf(text, sizeof text, "%.*s{ prefixes_file: %s, groups: [g] }, %s", (int)(routes - config), config,
	        run.prefixes, routes);
	bench_write(b, text);
	if (n % 2) {
		reload_over(bench_reload(b));
	} else {
		struct sb_config_errors errors = {0};
		assert_int_equal(sb_daemon_reload_begin(&b->d, &errors), 0);
		assert_int_equal(sb_daemon_reload_begin(&b->d, &errors), SB_E_BUSY);
		assert_int_equal(errors.n, 0);
		run.beside++;
	}
}

/* What came of a reload beside. */
static void loaded(struct bench *b)
{
	struct sb_config_errors errors = {0};
	int err;
	if (!sb_daemon_loaded(&b->d, &err, &errors))
		return;
	for (uint32_t i = 0; i < errors.n; i++)
		print_error("%s\n", errors.line[i]);
	sb_config_errors_free(&errors);
	reload_over(err);
}

static void tick(struct bench *b)
{
	struct sb_daemon *d = &b->d;
	sb_engine_tick(d->engine, sb_daemon_now_ms(), 65536);
	b->mirror_changed = true;
	sb_daemon_fib_tick(d, sb_daemon_now_ms());
	sb_daemon_retire(d);
	loaded(b);
}

static bool calls_done(void)
{
	for (unsigned i = 0; i < WORKERS; i++)
		if (!atomic_load_explicit(&run.thread[i].calls_done, memory_order_relaxed))
			return false;
	return true;
}

static bool calls_over(struct bench *b)
{
	uint64_t n = 0;
	for (uint32_t w = 0; w < WORKERS; w++) {
		const struct sb_core_usage *u = sb_dataplane_usage(b->d.dp, w);
		n += atomic_load_explicit(&((struct sb_core_usage *)(uintptr_t)u)->transactions, memory_order_relaxed);
	}
	return n == 0;
}

static void control(struct bench *b)
{
	const struct timespec ms = {.tv_nsec = 1000000};
	uint64_t random = seed;
	for (unsigned turn = 0; turn < TURNS_MAX && (!calls_done() || run.reloads < RELOADS_MIN); turn++) {
		tick(b);
		if (turn % 3 == 0)
			ask(b, b->d.manage);
		if (turn % 5 == 0)
			reload(b, turn / 5);
		random = random * 6364136223846793005ull + 1442695040888963407ull;
		sb_engine_admin(b->d.engine, (uint16_t)(random >> 33) % 4, (random >> 40) % 8 ? SB_ENABLED : SB_DRAIN,
		        sb_daemon_now_ms());
		nanosleep(&ms, NULL);
	}
	/* All calls end, and with them all that is older than the newest snapshot. */
	uint64_t until = sb_daemon_now_ms() + END_MS_MAX;
	while (sb_daemon_now_ms() < until && (b->d.n_retired || b->d.load.running || !calls_over(b))) {
		sb_engine_tick(b->d.engine, sb_daemon_now_ms(), 65536);
		sb_daemon_retire(&b->d);
		loaded(b);
		nanosleep(&ms, NULL);
	}
}

/* Everything in is accounted for, in the figures of the worker and of its peers. */
static void check_books(struct bench *b, const struct thread *t)
{
	const struct sb_counters *c = sb_dataplane_counters(b->d.dp, t->index);
	const struct sb_counter_row *rows = sb_counter_rows();
	uint64_t rx = 0, ends = 0;
	for (unsigned i = 0; i < SB_COUNTERS; i++) {
		uint64_t v = sb_counter_get(c, (enum sb_counter)i);
		rx += rows[i].kind == SB_KIND_RX ? v : 0;
		ends += rows[i].kind == SB_KIND_END || rows[i].kind == SB_KIND_DROP ? v : 0;
	}
	assert_int_equal(rx, ends);
	assert_int_equal(rx, t->peers.datagrams);
	assert_int_equal(t->peers.calls, CALLS);
	assert_true(t->peers.lost || t->peers.finals >= t->peers.calls); /* nobody was left without an answer */
	assert_false(t->went_back);
	assert_int_equal(t->seen, b->d.snapshot->generation); /* the newest is noticed, wherever it stands */
}

static void threads_share_nothing_but_what_is_meant_for_it(void **state)
{
	char extra[128];
	snprintf(extra, sizeof extra, TIMERS, "auto");
	struct bench *b = bench_new(WORKERS, bench_config(3, 10, extra), peers_ops());
	bench_control(b);
	write_prefixes(b);
	for (uint32_t i = 0; i < WORKERS; i++) {
		run.thread[i].b = b;
		run.thread[i].index = i;
		assert_int_equal(pthread_create(&run.thread[i].id, NULL, worker, &run.thread[i]), 0);
	}
	control(b);
	atomic_store(&b->d.dp->stop, true);
	for (uint32_t i = 0; i < WORKERS; i++)
		pthread_join(run.thread[i].id, NULL);
	for (uint32_t i = 0; i < WORKERS; i++) {
		const struct thread *t = &run.thread[i];
		print_message("worker %u: %llu turns, %u calls, %u finals, %u probes, %u snapshots seen, %llu lost\n",
		        i, (unsigned long long)t->turns, t->peers.calls, t->peers.finals, t->peers.probes, t->snapshots,
		        (unsigned long long)t->peers.lost);
		check_books(b, t);
	}
	struct sb_engine_counts counts;
	sb_engine_counts(b->d.engine, &counts);
	print_message("control: %u reloads, %u of them beside, %u refused, %u requests, %u fibs, %llu mails, %llu "
	              "timers fired, %u "
	              "retired left\n",
	        run.reloads, run.beside, run.refused, run.asked, b->fibs_built, (unsigned long long)counts.mails,
	        (unsigned long long)counts.timers_fired, b->d.n_retired);
	assert_true(calls_over(b));
	assert_int_equal(b->d.n_retired, 0);
	assert_true(run.reloads >= RELOADS_MIN);
	assert_true(run.beside >= RELOADS_MIN / 4);
	unlink(run.prefixes);
	bench_free(b);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(threads_share_nothing_but_what_is_meant_for_it)};
	seed = argc > 1 ? strtoull(argv[1], NULL, 0) : 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}

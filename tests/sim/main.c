/* SPDX-License-Identifier: BSD-3-Clause */
/* main.c - the command line, and what is said of worlds that break, crash or do not end. */
#include "sim.h"
#include <signal.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

struct options {
	uint64_t seed, seeds, break_s;
	uint32_t calls;
	const char *profile, *trace, *self;
	bool verbose, all_seen, crash;
};
static struct options opt = {.seed = 1, .seeds = 1, .calls = 1000, .profile = "mixed"};
static const struct profile *running;
static char replay_seed[24], replay_calls[16], replay_trace[64], replay_line[512];

static const struct profile *profile_of(const char *name, uint64_t seed)
{
	if (strcmp(name, "mixed") == 0)
		return &profiles[seed % n_profiles];
	for (unsigned i = 0; i < n_profiles; i++)
		if (strcmp(name, profiles[i].name) == 0)
			return &profiles[i];
	return NULL;
}

static void replay_of(uint64_t seed, const struct profile *p)
{
	char after[40] = "";
	if (opt.break_s)
		snprintf(after, sizeof after, " --break %llu", (unsigned long long)opt.break_s);
	else if (opt.crash)
		snprintf(after, sizeof after, " --crash");
	snprintf(replay_seed, sizeof replay_seed, "%llu", (unsigned long long)seed);
	snprintf(replay_calls, sizeof replay_calls, "%u", opt.calls);
	snprintf(replay_trace, sizeof replay_trace, "sim-%s-%llu.pcap", p->name, (unsigned long long)seed);
	snprintf(replay_line, sizeof replay_line, "replay: %s --seed %s --calls %s --profile %s --trace %s%s\n",
	        opt.self, replay_seed, replay_calls, p->name, replay_trace, after);
}

/* Async-signal-safe. */
static void print_out(const char *text)
{
	if (write(1, text, strlen(text)) < 0)
		_exit(1);
}

/* The product died, or a sanitizer said what is wrong and gave up: the same seed again, with the trace on. */
static void crashed(int sig)
{
	char *argv[] = {(char *)(uintptr_t)opt.self, "--seed", replay_seed, "--calls", replay_calls, "--profile",
	        (char *)(uintptr_t)running->name, "--trace", replay_trace, opt.crash ? "--crash" : NULL, NULL};
	print_out("FAIL INV-CRASH: the core died\n");
	print_out(replay_line);
	if (!opt.trace)
		execv("/proc/self/exe", argv);
	_exit(128 + sig);
}

/* It takes far too long, or whoever started us has lost patience. */
static void hung(int sig)
{
	print_out(sig == SIGTERM ? "FAIL INV-END: told to stop amid this world\n"
	                         : "FAIL INV-END: this world does not end\n");
	print_out(replay_line);
	_exit(sig == SIGTERM ? 128 + sig : 1);
}

/* What sanitizers find ends in crashed(), too, unless the environment says otherwise; leaks are told at the end of all.
 */
const char *__asan_default_options(void);
const char *__ubsan_default_options(void);
const char *__asan_default_options(void)
{
	return "abort_on_error=1:handle_segv=2";
}
const char *__ubsan_default_options(void)
{
	return "abort_on_error=1:print_stacktrace=1";
}

static void catch_ends(void)
{
	struct sigaction act = {.sa_handler = crashed, .sa_flags = (int)SA_NODEFER};
	sigset_t none;
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL); /* whoever crashed and became us was in a handler */
	sigaction(SIGABRT, &act, NULL);
	sigaction(SIGSEGV, &act, NULL);
	sigaction(SIGBUS, &act, NULL);
	sigaction(SIGFPE, &act, NULL);
	act.sa_handler = hung;
	sigaction(SIGTERM, &act, NULL);
	sigaction(SIGVTALRM, &act, NULL);
}

/* A world has so much CPU time: a hundred times what the slowest of sanitized ones took. */
static void watch(void)
{
	struct itimerval limit = {.it_value.tv_sec = 120 + opt.calls / 10};
	setitimer(ITIMER_VIRTUAL, &limit, NULL);
}

static uint64_t seen[SEEN_MAX];
static const char *const seen_name[SEEN_MAX] = {
#define X(name) #name,
#include "seen.def"
#undef X
};

/* What happened how often in all worlds. False: something never did. */
static bool print_seen(void)
{
	unsigned width = 0, never = 0;
	for (unsigned i = 0; i < SEEN_MAX; i++) {
		int n = snprintf(NULL, 0, " %s %llu", seen_name[i], (unsigned long long)seen[i]);
		width = width + (unsigned)n > 118 ? 0 : width;
		printf("%s %s %llu", width ? "" : i ? "\nseen:" : "seen:", seen_name[i], (unsigned long long)seen[i]);
		width = width ? width + (unsigned)n : 5 + (unsigned)n;
		never += !seen[i];
	}
	printf("\n");
	for (unsigned i = 0; opt.all_seen && i < SEEN_MAX; i++)
		if (!seen[i])
			printf("FAIL %s never happened\n", seen_name[i]);
	return never == 0;
}

/* One world. 0 if nothing is broken. */
static int run(uint64_t seed, const char *trace_file, uint64_t *hash, uint64_t *packets)
{
	static char arena[1 << 18];
	struct sim *s = calloc(1, sizeof *s);
	assert(s);
	s->seed = seed;
	s->profile = running = profile_of(opt.profile, seed);
	s->n_calls = opt.calls;
	s->verbose = opt.verbose;
	replay_of(seed, s->profile);
	watch();
	if (opt.crash)
		abort();
	sb_osip_arena(arena, sizeof arena);
	if (trace_file)
		trace_open(s, trace_file);
	if (s->pcap)
		setvbuf(s->pcap, NULL, _IONBF, 0); /* whole even if the core dies */
	world_begin(s);
	if (opt.break_s)
		s->break_at = s->now + opt.break_s * SEC;
	world(s);
	if (opt.seeds == 1 || s->failed)
		printf("seed %llu %s: %u calls, %llu answered, %llu failed, %llu shed, %u lives, %llu packets, %llu s, "
		       "trace %016llx\n",
		        (unsigned long long)seed, s->profile->name, s->calls_started, (unsigned long long)s->o_answered,
		        (unsigned long long)s->o_failed, (unsigned long long)s->o_shed, s->px.boot,
		        (unsigned long long)s->n_packets, (unsigned long long)(s->now / SEC),
		        (unsigned long long)s->hash);
	if (s->failed)
		printf("FAIL %s\n     at %llu.%06llu s\n", s->why, (unsigned long long)(s->now / SEC),
		        (unsigned long long)(s->now % SEC));
	*hash = (*hash ^ s->hash) * 0x9e3779b97f4a7c15ull;
	*packets += s->n_packets;
	for (unsigned i = 0; i < SEEN_MAX; i++)
		seen[i] += s->seen[i];
	int failed = s->failed;
	world_end(s);
	free(s);
	return failed;
}

static int usage(void)
{
	fprintf(stderr, "usage: sim [--seed N] [--seeds K] [--calls M] [--profile mixed");
	for (unsigned i = 0; i < n_profiles; i++)
		fprintf(stderr, "|%s", profiles[i].name);
	fprintf(stderr, "] [--trace FILE.pcap] [--verbose]\n"
	                "           [--all-seen]   every scenario must have happened\n"
	                "           [--break S]    act as if an invariant broke after S seconds\n"
	                "           [--crash]      act as if the core died\n");
	return 64;
}

static bool read_options(int argc, char **argv)
{
	for (int i = 1; i < argc; i++) {
		const char *value = i + 1 < argc ? argv[i + 1] : NULL;
		bool *flag = strcmp(argv[i], "--verbose") == 0    ? &opt.verbose
		             : strcmp(argv[i], "--all-seen") == 0 ? &opt.all_seen
		             : strcmp(argv[i], "--crash") == 0    ? &opt.crash
		                                                  : NULL;
		if (flag) {
			*flag = true;
			continue;
		}
		if (!value)
			return false;
		if (strcmp(argv[i], "--seed") == 0)
			opt.seed = strtoull(value, NULL, 10);
		else if (strcmp(argv[i], "--seeds") == 0)
			opt.seeds = strtoull(value, NULL, 10);
		else if (strcmp(argv[i], "--calls") == 0)
			opt.calls = (uint32_t)strtoul(value, NULL, 10);
		else if (strcmp(argv[i], "--break") == 0)
			opt.break_s = strtoull(value, NULL, 10);
		else if (strcmp(argv[i], "--profile") == 0)
			opt.profile = value;
		else if (strcmp(argv[i], "--trace") == 0)
			opt.trace = value;
		else
			return false;
		i++;
	}
	return opt.calls && opt.seeds && profile_of(opt.profile, 0);
}

int main(int argc, char **argv)
{
	uint64_t hash = 0, packets = 0;
	struct timespec a, b;
	opt.self = argv[0];
	if (!read_options(argc, argv))
		return usage();
	catch_ends();
	setvbuf(stdout, NULL, _IOLBF, 0);
	sb_osip_init();
	clock_gettime(CLOCK_MONOTONIC, &a);
	for (uint64_t i = 0; i < opt.seeds; i++) {
		if (!run(opt.seed + i, opt.trace, &hash, &packets))
			continue;
		fputs(replay_line, stdout);
		if (!opt.trace) {
			uint64_t again = 0;
			opt.seeds = 2; /* quiet about it */
			run(opt.seed + i, replay_trace, &again, &packets);
		}
		return 1;
	}
	clock_gettime(CLOCK_MONOTONIC, &b);
	double took = (double)(b.tv_sec - a.tv_sec) + (double)(b.tv_nsec - a.tv_nsec) / 1e9;
	printf("%llu seeds, %llu calls, %llu packets, no invariant broken, trace %016llx\n",
	        (unsigned long long)opt.seeds, (unsigned long long)(opt.seeds * opt.calls), (unsigned long long)packets,
	        (unsigned long long)hash);
	fprintf(stderr, "%.1f s, %.0f calls/s\n", took, (double)(opt.seeds * opt.calls) / took);
	return !print_seen() && opt.all_seen;
}

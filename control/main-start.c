/* SPDX-License-Identifier: BSD-3-Clause */
/* main-start.c - brings the daemon up and takes it down. */
#include "control/main.h"
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sys/timerfd.h>
#include <sysexits.h>
#include <systemd/sd-daemon.h>
#include <unistd.h>

static int fail(const char *what, const char *why, int code)
{
	sb_log(SB_LOG_ERROR, what, "why", why, NULL);
	return code;
}

/* The directory and those above it. */
static int make_dir(const char *path, mode_t mode)
{
	char p[PATH_MAX];
	snprintf(p, sizeof p, "%s", path);
	for (char *s = p + 1; *s; s++) {
		if (*s != '/')
			continue;
		*s = 0;
		if (mkdir(p, 0755) && errno != EEXIST)
			return SB_E_IO;
		*s = '/';
	}
	return mkdir(p, mode) && errno != EEXIST ? SB_E_IO : 0;
}

static int read_key(const char *path, uint8_t key[16])
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return errno == ENOENT ? SB_E_NOENT : SB_E_IO;
	uint8_t extra;
	bool whole = read(fd, key, 16) == 16 && read(fd, &extra, 1) == 0;
	close(fd);
	return whole ? 0 : SB_E_INVAL;
}

/* Made once and kept: with it a restarted, or another, instance routes established calls (invariant 6). */
static int fleet_key(const char *state_dir, uint8_t key[16])
{
	char path[PATH_MAX], tmp[PATH_MAX];
	snprintf(path, sizeof path, "%s/rr.key", state_dir);
	int err = read_key(path, key);
	if (err != SB_E_NOENT)
		return err;
	snprintf(tmp, sizeof tmp, "%s/rr.key.%d", state_dir, (int)getpid());
	if (getrandom(key, 16, 0) != 16)
		return SB_E_IO;
	int fd = open(tmp, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (fd < 0)
		return SB_E_IO;
	bool ok = write(fd, key, 16) == 16 && fsync(fd) == 0;
	ok = close(fd) == 0 && ok;
	ok = ok && link(tmp, path) == 0; /* another instance may have been first: then its key counts */
	bool raced = !ok && errno == EEXIST;
	unlink(tmp);
	return ok ? 0 : raced ? read_key(path, key) : SB_E_IO;
}

/* What of the configuration the data plane is made from. */
static void describe_dataplane(const struct sb_config *c, struct sb_dataplane_config *cfg)
{
	cfg->control_cpu = c->control.lcore;
	cfg->n_workers = c->n_workers;
	cfg->n_ports = c->n_ports;
	cfg->memory_mb = c->memory_mb;
	cfg->transactions_max = c->transactions_max;
	memcpy(cfg->worker_cpu, c->workers, sizeof cfg->worker_cpu);
	for (uint32_t i = 0; i < c->n_ports; i++) {
		memcpy(cfg->port[i].name, c->ports[i].name, sizeof cfg->port[i].name);
		memcpy(cfg->port[i].device, c->ports[i].device, sizeof cfg->port[i].device);
		cfg->port[i].mtu = (uint16_t)c->ports[i].mtu;
	}
}

uint32_t sb_daemon_memory_mb(const struct sb_config *c)
{
	struct sb_dataplane_config cfg = {0};
	describe_dataplane(c, &cfg);
	return sb_dataplane_memory_mb(&cfg);
}

/* auto: where what is free suffices; DPDK cannot start a second time if it does not. */
static bool use_hugepages(const struct sb_config *c)
{
	char need[24], free[24];
	uint64_t need_mb = sb_daemon_memory_mb(c), free_mb = sb_hugepages_free_mb(SB_HUGEPAGES_DIR);
	if (strcmp(c->hugepages, "auto") != 0)
		return strcmp(c->hugepages, "yes") == 0;
	bool use = free_mb >= need_mb;
	snprintf(need, sizeof need, "%" PRIu64, need_mb);
	snprintf(free, sizeof free, "%" PRIu64, free_mb);
	sb_log(SB_LOG_INFO, use ? "huge pages are used" : "huge pages are too few, ordinary ones are used", "need_mb",
	        need, "free_mb", free, NULL);
	return use;
}

static int open_dataplane(struct sb_daemon *d)
{
	const struct sb_config *c = d->config;
	struct sb_dataplane_config cfg = {.health = d->health, .hugepages = use_hugepages(c)};
	char why[256] = "";
	describe_dataplane(c, &cfg);
	int key = fleet_key(c->control.state_dir, cfg.fleet_key);
	if (key)
		return fail("the signing key rr.key in state_dir cannot be read or made",
		        key == SB_E_INVAL ? "it is not 16 bytes long" : strerror(errno), EX_CANTCREAT);
	if (getrandom(cfg.boot_key, sizeof cfg.boot_key, 0) != (ssize_t)sizeof cfg.boot_key)
		return fail("no randomness", strerror(errno), EX_OSERR);
	int err = sb_dataplane_open(&cfg, &d->dp, why);
	return err ? fail("the data plane cannot start", why[0] ? why : sb_err_text(err), EX_UNAVAILABLE) : 0;
}

static int open_taps(struct sb_daemon *d)
{
	struct sb_mirror_twin ports[SB_PORTS_MAX * (1 + SB_VLANS_MAX)];
	uint32_t n_ports = 0;
	char why[256] = "";
	for (uint32_t i = 0; i < d->config->n_ports; i++) {
		uint8_t mac[SB_MAC_LEN];
		if (sb_underlay_quiet(d->config->ports[i].device, &d->underlay[i], why))
			return fail("the interface beneath a port cannot be kept quiet", why, EX_OSERR);
		if (d->underlay[i].loses_tags)
			sb_log(SB_LOG_WARN,
			        "the interface beneath a port takes VLAN tags out: VLANs are not told apart", "port",
			        d->config->ports[i].name, "interface", d->underlay[i].name, NULL);
		sb_dataplane_port_mac(d->dp, i, mac);
		if (sb_tap_open(&d->config->ports[i], mac, &d->tap[i], why))
			return fail("a port's TAP twin cannot be made", why, EX_OSERR);
		d->n_taps = i + 1;
		for (uint32_t t = 0; t < d->tap[i].n; t++)
			ports[n_ports++] = (struct sb_mirror_twin){.ifindex = d->tap[i].twin[t].ifindex,
			        .port = (uint16_t)i,
			        .vlan = d->tap[i].twin[t].vlan};
	}
	if (sb_netlink_open(ports, n_ports, &d->netlink, why))
		return fail("the kernel's routes cannot be followed", why, EX_OSERR);
	struct sb_ksock_ops ops = {sb_daemon_ksock_error, d};
	if (sb_ksock_open(&ops, &d->ksock))
		return fail("no kernel sockets", strerror(errno), EX_OSERR);
	if (sb_netlink_build(d->netlink, ++d->fib_generation, &d->fib))
		return fail("the kernel's routes cannot be read", strerror(errno), EX_OSERR);
	return 0;
}

static void add_event(void *ctx, const struct sb_event_record *rec)
{
	sb_events_add(ctx, rec);
}

static void want_huge_pages(void *memory, size_t size)
{
	uintptr_t from = ((uintptr_t)memory + 4095) & ~(uintptr_t)4095, end = (uintptr_t)memory + size;
	if (from < end)
		(void)madvise((void *)from, end - from, MADV_HUGEPAGE); /* without them it is slower, not wrong */
}

static int make_engine(struct sb_daemon *d)
{
	struct sb_engine_config cfg = {.n_workers = d->config->n_workers,
	        .health = d->health,
	        .event = add_event,
	        .event_ctx = d->events,
	        .now_ms = sb_daemon_now_ms()};
	if (getrandom(&cfg.seed, sizeof cfg.seed, 0) < 0)
		cfg.seed = cfg.now_ms;
	for (uint32_t w = 0; w < cfg.n_workers; w++) {
		cfg.mail[w] = sb_dataplane_mail(d->dp, w);
		cfg.trunk_stats[w] = sb_dataplane_trunk_stats(d->dp, w);
		uint64_t slots = sb_dataplane_usage(d->dp, w)->transactions_max; /* each needs its timer */
		if (slots > cfg.transactions_per_worker)
			cfg.transactions_per_worker = (uint32_t)slots;
	}
	cfg.advise = want_huge_pages;
	d->engine = sb_engine_new(&cfg);
	return d->engine ? 0 : fail("no memory for timers", strerror(errno), EX_OSERR);
}

static int watch(struct sb_daemon *d, int fd)
{
	struct epoll_event ev = {.events = EPOLLIN, .data.fd = fd};
	return epoll_ctl(d->epoll_fd, EPOLL_CTL_ADD, fd, &ev);
}

static int open_loop(struct sb_daemon *d)
{
	/* At whole milliseconds, as deadlines are: a tick in between would make every timer late by the difference. */
	struct itimerspec ms = {.it_interval.tv_nsec = 1000000};
	sigset_t set;
	clock_gettime(CLOCK_MONOTONIC, &ms.it_value);
	ms.it_value.tv_nsec -= ms.it_value.tv_nsec % 1000000;
	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGHUP);
	d->signal_fd = signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
	d->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	d->timer_fd = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
	if (sb_daemon_load_open(d))
		return fail("no event loop", strerror(errno), EX_OSERR);
	if (d->signal_fd < 0 || d->epoll_fd < 0 || d->timer_fd < 0 ||
	        timerfd_settime(d->timer_fd, TFD_TIMER_ABSTIME, &ms, NULL))
		return fail("no event loop", strerror(errno), EX_OSERR);
	int bad = watch(d, d->signal_fd) | watch(d, d->timer_fd) | watch(d, sb_netlink_fd(d->netlink)) |
	          watch(d, sb_ksock_fd(d->ksock)) | watch(d, sb_manage_fd(d->manage)) | watch(d, d->load.fd);
	for (uint32_t i = 0; i < d->n_taps; i++)
		bad |= watch(d, d->tap[i].fd);
	return bad ? fail("no event loop", strerror(errno), EX_OSERR) : 0;
}

/* Blocked before the EAL makes its threads, so that they inherit it and signals come by the descriptor alone. */
static void block_signals(void)
{
	sigset_t set;
	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGHUP);
	sigprocmask(SIG_BLOCK, &set, NULL);
	signal(SIGPIPE, SIG_IGN);
}

int sb_daemon_start(struct sb_daemon *d)
{
	char why[256] = "";
	int code;
	block_signals();
	d->started_ms = sb_daemon_now_ms();
	if (make_dir(d->config->control.state_dir, 0700))
		return fail("state_dir cannot be made", strerror(errno), EX_CANTCREAT);
	char dir[sizeof d->config->control.socket];
	snprintf(dir, sizeof dir, "%s", d->config->control.socket);
	char *slash = strrchr(dir, '/');
	if (slash && slash != dir) {
		*slash = 0;
		if (make_dir(dir, 0755))
			return fail("the control socket's directory cannot be made", strerror(errno), EX_CANTCREAT);
	}
	d->events = sb_events_new();
	d->opstate = sb_opstate_open(d->config->control.state_dir);
	d->health = aligned_alloc(64, sizeof *d->health);
	if (!d->events || !d->opstate || !d->health)
		return fail("out of memory", strerror(errno), EX_OSERR);
	memset(d->health, 0, sizeof *d->health);
	if ((code = open_dataplane(d)) || (code = open_taps(d)) || (code = make_engine(d)))
		return code;
	d->config->snapshot->generation = d->snapshot_generation + 1;
	sb_daemon_restore_operator(d, d->config->snapshot);
	int err = sb_dataplane_start(d->dp, d->config->snapshot, d->fib);
	if (err == 0)
		err = sb_daemon_publish(d, d->config);
	if (err)
		return fail("the workers cannot be started", sb_err_text(err), EX_OSERR);
	if (sb_daemon_manage(d, why))
		return fail("the control socket cannot be opened", why, EX_CANTCREAT);
	if ((code = open_loop(d)))
		return code;
	sb_manage_reloaded(d->manage, 0, "");
	struct sb_event_record rec = {.kind = "start", .detail = "switchbackd " SB_VERSION};
	sb_events_add(d->events, &rec);
	sd_notify(0, "READY=1");
	return 0;
}

static void close_fd(int fd)
{
	if (fd >= 0)
		close(fd);
}

void sb_daemon_fini(struct sb_daemon *d)
{
	if (d->manage)
		sb_manage_free(d->manage);
	sb_daemon_load_close(d); /* while workers still relay: what it waits for is no pause of theirs */
	if (d->dp)
		sb_dataplane_stop(d->dp);
	sb_engine_free(d->engine);
	sb_ksock_close(d->ksock);
	sb_netlink_close(d->netlink);
	for (uint32_t i = 0; i < d->n_taps; i++)
		sb_tap_close(&d->tap[i]);
	for (uint32_t i = 0; i < SB_PORTS_MAX; i++)
		sb_underlay_restore(&d->underlay[i]);
	if (d->dp)
		sb_dataplane_close(d->dp);
	for (uint32_t i = 0; i < d->n_retired; i++) {
		if (d->retired[i].snapshot)
			sb_snapshot_free(d->retired[i].snapshot);
		sb_fib_free(d->retired[i].fib);
	}
	if (d->snapshot)
		sb_snapshot_free(d->snapshot);
	sb_fib_free(d->fib);
	sb_config_free(d->config);
	sb_slots_free(d->slots);
	if (d->opstate)
		sb_opstate_free(d->opstate);
	if (d->events)
		sb_events_free(d->events);
	free(d->health);
	close_fd(d->signal_fd);
	close_fd(d->timer_fd);
	close_fd(d->epoll_fd);
}

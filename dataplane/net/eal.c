/* SPDX-License-Identifier: BSD-3-Clause */
/* eal.c - starts DPDK's environment from our configuration, with nothing left behind in the file system. */
#include "dataplane/net/net.h"
#include <dlfcn.h>
#include <rte_eal.h>
#include <rte_errno.h>
#include <rte_log.h>
#include <switchback/err.h>
#include <unistd.h>

#define ARGS_MAX (24 + 2 * SB_PORTS_MAX)

/* What libraries log while ports are opened: the first line about a failure goes into the error that the operator
 * reads. */
static char said[4096];
static size_t said_before;
static FILE *said_file;

struct args {
	int n;
	char *v[ARGS_MAX];
	char text[4096];
	size_t used;
};

__attribute__((format(printf, 2, 3))) static void add(struct args *a, const char *format, ...)
{
	va_list ap;
	va_start(ap, format);
	char *at = a->text + a->used;
	int n = vsnprintf(at, sizeof a->text - a->used, format, ap);
	va_end(ap);
	if (n < 0 || (size_t)n >= sizeof a->text - a->used || a->n + 1 >= ARGS_MAX)
		return;
	a->v[a->n++] = at;
	a->used += (size_t)n + 1;
}

static void add_lcores(struct args *a, const struct sb_dataplane_config *cfg)
{
	char map[32 * (SB_WORKERS_MAX + 1)];
	int at = snprintf(map, sizeof map, "0@%d", cfg->control_cpu);
	for (uint32_t i = 0; i < cfg->n_workers; i++)
		at += snprintf(map + at, sizeof map - (size_t)at, ",%u@%d", i + 1, cfg->worker_cpu[i]);
	add(a, "--lcores");
	add(a, "%s", map);
}

/* "0000:03:00.0" or "03:00.0", with or without ",args". */
static bool is_pci(const char *device)
{
	size_t digits = strspn(device, "0123456789abcdefABCDEF");
	return (digits == 4 || digits == 2) && device[digits] == ':';
}

static void add_ports(struct args *a, const struct sb_dataplane_config *cfg)
{
	bool pci = false;
	for (uint32_t i = 0; i < cfg->n_ports; i++) {
		if (!is_pci(cfg->port[i].device))
			continue;
		pci = true;
		add(a, "-a");
		add(a, "%s", cfg->port[i].device);
	}
	if (!pci)
		add(a, "--no-pci");
}

static int say_nothing(int level, const char *format, va_list ap)
{
	(void)level;
	(void)format;
	(void)ap;
	return 0;
}

/* net_af_xdp's libraries write to stderr past any log. They come with the driver's plugin, so we cannot link them. */
static void hush(const char *library, const char *setter)
{
	void *lib = dlopen(library, RTLD_LAZY | RTLD_NOLOAD);
	void *sym = lib ? dlsym(lib, setter) : NULL;
	int (*(*set)(int (*)(int, const char *, va_list)))(int, const char *, va_list);
	if (!sym)
		return;
	memcpy(&set, &sym, sizeof set);
	(void)set(say_nothing);
}

static void open_said(void)
{
	said_file = fmemopen(said, sizeof said, "w");
	if (!said_file)
		return;
	setvbuf(said_file, NULL, _IONBF, 0);
	rte_openlog_stream(said_file);
}

void sb_eal_quiet(void)
{
	rte_log_set_global_level(RTE_LOG_CRIT);
	rte_openlog_stream(NULL);
	if (said_file)
		fclose(said_file);
	said_file = NULL;
}

/* Not even the empty folder that the EAL makes for its files stays behind. */
void sb_eal_stop(void)
{
	char folder[256];
	snprintf(folder, sizeof folder, "%s", rte_eal_get_runtime_dir());
	(void)rte_eal_cleanup();
	(void)rmdir(folder);
}

void sb_eal_listen(void)
{
	said_before = strnlen(said, sizeof said - 1);
}

void sb_eal_first_error(char *out, size_t size)
{
	const char *from = said + said_before;
	snprintf(out, size, "%.*s", (int)strcspn(from, "\n"), from);
}

int sb_eal_start(const struct sb_dataplane_config *cfg, uint32_t memory_mb, char why[256])
{
	struct args a = {0};
	add(&a, "switchback"); /* no files, and no lock that a dead process could leave: --no-shconf, --in-memory */
	add_lcores(&a, cfg);
	if (!cfg->hugepages) {
		add(&a, "--no-huge");
		add(&a, "--no-shconf");
		add(&a, "-m");
		add(&a, "%u", memory_mb);
	} else {
		add(&a, "--in-memory");
	}
	add(&a, "--no-telemetry");
	add(&a, "--file-prefix");
	add(&a, "sb-%d", (int)getpid());
	add(&a, "--log-level");
	add(&a, "*:error");
	add_ports(&a, cfg);
	open_said();
	if (rte_eal_init(a.n, a.v) >= 0) {
		hush("libbpf.so.1", "libbpf_set_print");
		hush("libxdp.so.1", "libxdp_set_print");
		return 0;
	}
	char first[160];
	sb_eal_first_error(first, sizeof first);
	snprintf(why, 256, "DPDK does not start: %s%s%s", rte_strerror(rte_errno), *first ? ": " : "", first);
	return SB_E_DEVICE;
}

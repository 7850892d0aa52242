/* SPDX-License-Identifier: BSD-3-Clause */
/* main-load.c - a thread beside the control thread for what takes long: to read a configuration and make its snapshot,
 * and to free a large one. It is started for one job and ends with it; control goes on with timers, probes and people
 * meanwhile, and publishes what came of it.
 * What it may touch: its struct sb_load, from start to its word on the descriptor, and the dead snapshots handed to it.
 * Nothing else of the daemon: not the running configuration, not the health slots' names, not the log. */
#include "control/main.h"
#include "control/config/mistakes.h"
#include <errno.h>
#include <sched.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <unistd.h>

#define NICE 10 /* gives way to control, but is not starved on a busy machine */

static void free_dead(struct sb_load *l)
{
	for (uint32_t i = 0; i < l->n_dead; i++)
		sb_snapshot_free(l->dead[i]);
	l->n_dead = 0;
}

/* Away from the workers' CPUs, if there is any other. What the system does not allow stays as it is. */
static void step_aside(const struct sb_load *l)
{
	pthread_setname_np(pthread_self(), "sb-load");
	sched_setaffinity(0, sizeof l->cpus, &l->cpus);
	setpriority(PRIO_PROCESS, (id_t)gettid(), NICE);
	sched_setscheduler(0, SCHED_BATCH, &(struct sched_param){0});
}

static bool stopped(void *ctx)
{
	struct sb_load *l = ctx;
	return atomic_load_explicit(&l->stop, memory_order_relaxed);
}

static void *work(void *arg)
{
	struct sb_load *l = arg;
	const struct sb_stop stop = {stopped, l};
	const uint64_t one = 1;
	step_aside(l);
	free_dead(l);
	if (l->file[0])
		l->err = sb_config_load_until(l->file, &stop, &l->next, &l->errors);
	(void)!write(l->fd, &one, sizeof one);
	return NULL;
}

int sb_daemon_load_open(struct sb_daemon *d)
{
	long cpus = sysconf(_SC_NPROCESSORS_CONF);
	CPU_ZERO(&d->load.cpus);
	for (long i = 0; i < cpus && i < CPU_SETSIZE; i++)
		CPU_SET((size_t)i, &d->load.cpus);
	for (uint32_t w = 0; w < d->config->n_workers; w++)
		CPU_CLR((size_t)d->config->workers[w], &d->load.cpus);
	d->load.fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	d->load.opened = d->load.fd >= 0;
	return d->load.opened ? 0 : SB_E_IO;
}

void sb_daemon_load_stop(struct sb_daemon *d)
{
	atomic_store_explicit(&d->load.stop, true, memory_order_relaxed);
}

void sb_daemon_load_close(struct sb_daemon *d)
{
	struct sb_load *l = &d->load;
	sb_daemon_load_stop(d);
	if (l->running)
		pthread_join(l->thread, NULL); /* a few thousand lines are its bound */
	if (l->err == SB_E_STOPPED)
		sb_log(SB_LOG_WARN, "the reload under way is given up", "file", l->file, NULL);
	sb_config_free(l->next);
	sb_config_errors_free(&l->errors);
	free_dead(l);
	for (uint32_t i = 0; i < d->n_dead; i++)
		sb_snapshot_free(d->dead[i]);
	d->n_dead = 0;
	if (l->opened)
		close(l->fd);
	*l = (struct sb_load){.fd = -1};
}

static int start(struct sb_daemon *d, const char *file)
{
	struct sb_load *l = &d->load;
	snprintf(l->file, sizeof l->file, "%s", file);
	memcpy(l->dead, d->dead, d->n_dead * sizeof *l->dead);
	l->n_dead = d->n_dead;
	l->next = NULL;
	l->errors = (struct sb_config_errors){0};
	l->err = 0;
	int rc = pthread_create(&l->thread, NULL, work, l);
	if (rc) {
		l->n_dead = 0;
		l->file[0] = 0;
		errno = rc;
		return SB_E_NOMEM;
	}
	d->n_dead = 0;
	l->running = true;
	return 0;
}

static int begin(struct sb_daemon *d, struct sb_config_errors *errors)
{
	int err = start(d, d->config->file);
	if (err)
		(void)sb_config_errors_add(
		        errors, "%s: there is no thread to read it: %s", d->config->file, strerror(errno));
	return err ? sb_daemon_take(d, err, NULL, errors) : 0;
}

int sb_daemon_reload_begin(struct sb_daemon *d, struct sb_config_errors *errors)
{
	if (d->load.running && (d->load.file[0] || d->load.again))
		return SB_E_BUSY;
	if (d->load.running) { /* it frees what is dead, which is soon done */
		d->load.again = true;
		return 0;
	}
	return begin(d, errors);
}

void sb_daemon_bury(struct sb_daemon *d, struct sb_snapshot *s)
{
	if (s->prefixes.n < SB_SMALL_SNAPSHOT || !d->load.opened || d->n_dead == SB_RETIRED_MAX)
		sb_snapshot_free(s);
	else
		d->dead[d->n_dead++] = s;
}

bool sb_daemon_loaded(struct sb_daemon *d, int *err, struct sb_config_errors *errors)
{
	struct sb_load *l = &d->load;
	uint64_t n;
	if (!l->opened)
		return false;
	if (l->running && read(l->fd, &n, sizeof n) == sizeof n) {
		pthread_join(l->thread, NULL); /* it has nothing left to do */
		l->running = false;
		if (l->file[0]) {
			*errors = l->errors;
			l->errors = (struct sb_config_errors){0};
			*err = sb_daemon_take(d, l->err, l->next, errors);
			l->next = NULL;
			l->file[0] = 0;
			return true;
		}
	}
	if (!l->running && l->again) {
		l->again = false;
		*err = begin(d, errors);
		return *err != 0;
	}
	if (!l->running && d->n_dead)
		start(d, ""); /* without a thread the dead wait for the next turn */
	return false;
}

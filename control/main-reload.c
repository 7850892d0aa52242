/* SPDX-License-Identifier: BSD-3-Clause */
/* main-reload.c - who asked for a reload and is told how it ended: the client of the control socket, systemd, the log.
 */
#include "control/main.h"
#include <systemd/sd-daemon.h>

/* A reload is over: whoever asked for it is told. */
static void reloaded(struct sb_daemon *d, int err, struct sb_config_errors *errors)
{
	struct sb_manage_lines lines = {.n = 0};
	for (uint32_t i = 0; i < errors->n; i++) {
		sb_manage_line(&lines, errors->line[i]);
		if (err && d->signalled)
			sb_log(SB_LOG_ERROR, "reload refused", "why", errors->line[i], NULL);
	}
	if (err && d->signalled && !errors->n)
		sb_log(SB_LOG_ERROR, "reload refused", "why", sb_err_text(err), NULL);
	sb_manage_reload_over(d->manage, err, &lines);
	sb_config_errors_free(errors);
	if (d->signalled)
		sd_notify(0, "READY=1");
	d->signalled = false;
}

void sb_daemon_hangup(struct sb_daemon *d)
{
	struct sb_config_errors errors = {0};
	int err = sb_daemon_reload_begin(d, &errors);
	if (!d->signalled)
		sd_notify(0, "RELOADING=1");
	d->signalled = true;
	if (err == SB_E_BUSY)
		d->load.again = true;
	else if (err)
		reloaded(d, err, &errors);
}

void sb_daemon_loads(struct sb_daemon *d)
{
	struct sb_config_errors errors = {0};
	int err;
	if (!sb_daemon_loaded(d, &err, &errors))
		return;
	bool again = d->load.again;
	bool signalled = d->signalled;
	d->signalled = signalled && !again; /* READY waits for the last */
	reloaded(d, err, &errors);
	d->signalled = signalled && again;
}

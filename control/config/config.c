/* SPDX-License-Identifier: BSD-3-Clause */
#include "control/config/config.h"
#include "control/config/build.h"
#include "control/config/check.h"
#include "control/config/file.h"
#include "control/config/reader.h"
#include <errno.h>

static int build(struct sb_raw *raw, struct sb_mistakes *m, struct sb_config **out)
{
	struct sb_config *c = calloc(1, sizeof *c);
	if (!c)
		return SB_E_NOMEM;
	int rc = SB_E_NOMEM;
	snprintf(c->file, sizeof c->file, "%s", m->file);
	sb_build_config(raw, c);
	c->trunks_line = raw->at.key[K_TRUNKS];
	c->policy = calloc(c->n_trunks, sizeof *c->policy);
	if (c->policy) {
		sb_build_policy(raw, c->policy);
		rc = sb_build_snapshot(raw, &c->snapshot);
	}
	if (rc)
		sb_config_free(c);
	else
		*out = c;
	return rc;
}

static int load_text(const char *text, size_t len, struct sb_mistakes *m, struct sb_config **out)
{
	struct sb_reading *reading = NULL;
	int rc = sb_reading_new(text, len, m, &reading);
	if (rc == 0 && !m->stopped)
		rc = sb_check(sb_reading_raw(reading), m);
	if (rc == 0 && (m->n || m->nomem || m->stopped))
		rc = m->nomem ? SB_E_NOMEM : SB_E_CONFIG;
	if (rc == 0)
		rc = build(sb_reading_raw(reading), m, out);
	sb_reading_free(reading);
	return rc;
}

static int read_file(struct sb_mistakes *m, char **text, size_t *len)
{
	int rc = sb_file_read(m->file, false, m, text, len);
	if (rc == SB_E_IO)
		sb_mistake(m, 0, "cannot be read: %s", strerror(errno));
	if (rc != SB_E_INVAL)
		return rc;
	sb_mistake(m, 0, "is not a regular file, allowed: a regular file of at most 1 GB");
	return SB_E_CONFIG;
}

/* text NULL: of the file. */
static int load(
        const char *text, size_t len, struct sb_mistakes *m, struct sb_config **out, struct sb_config_errors *errors)
{
	char *read = NULL;
	int rc = text ? 0 : read_file(m, &read, &len);
	*out = NULL;
	if (rc == 0)
		rc = load_text(text ? text : read, len, m, out);
	free(read);
	if (m->stopped) {
		sb_mistakes_fini(m);
		rc = SB_E_STOPPED;
	} else if (sb_mistakes_give(m, errors) && rc != SB_E_IO) {
		rc = SB_E_NOMEM;
	}
	if (rc) {
		sb_config_free(*out);
		*out = NULL;
	}
	return rc;
}

int sb_config_load(const char *file, const char *text, size_t len, struct sb_slots *slots, struct sb_config **out,
        struct sb_config_errors *errors)
{
	struct sb_mistakes m = {.file = file};
	int rc = load(text, len, &m, out, errors);
	if (rc == 0 && slots)
		rc = sb_config_take_slots(*out, slots, errors);
	if (rc) {
		sb_config_free(*out);
		*out = NULL;
	}
	return rc;
}

int sb_config_load_until(
        const char *file, const struct sb_stop *stop, struct sb_config **out, struct sb_config_errors *errors)
{
	struct sb_mistakes m = {.file = file, .stop = stop};
	return load(NULL, 0, &m, out, errors);
}

int sb_config_take_slots(struct sb_config *c, struct sb_slots *slots, struct sb_config_errors *errors)
{
	if (sb_snapshot_slots(c->snapshot, slots) == 0)
		return 0;
	int rc = sb_config_errors_add(errors,
	        "%s:%u: trunks: the process has known %u trunk names since it started, allowed: no new name before a "
	        "restart",
	        c->file, c->trunks_line, SB_TRUNKS_MAX);
	return rc ? rc : SB_E_CONFIG;
}

void sb_config_free(struct sb_config *c)
{
	if (!c)
		return;
	sb_snapshot_free(c->snapshot);
	free(c->policy);
	free(c);
}

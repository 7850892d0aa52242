/* SPDX-License-Identifier: BSD-3-Clause */
/* opstate.c - see opstate.h. {"version": 1, "trunks": {"lon-a": "drain"}}. */
#include "control/manage/opstate.h"
#include "control/json_text.h"
#include "control/log.h"
#include <switchback/snapshot.h>
#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define FORMAT_VERSION 1
#define WHY_MAX        192
#define FILE_BYTES_MAX (2 * 1024 * 1024) /* SB_TRUNKS_MAX names with their quotes fit twice */

struct sb_opstate {
	json_t *trunks;      /* name -> "drain" or "disabled" */
	char dir[PATH_MAX];  /* state_dir */
	char file[PATH_MAX]; /* in it */
};

/* SB_ENABLED for what is none of ours. */
static enum sb_admin admin_of(const char *text)
{
	for (int a = SB_DRAIN; text && a <= SB_DISABLED; a++) {
		if (strcmp(text, sb_admin_name((enum sb_admin)a)) == 0)
			return (enum sb_admin)a;
	}
	return SB_ENABLED;
}

static bool is_name(const char *name)
{
	size_t n = strnlen(name, SB_NAME_MAX);
	return n > 0 && n < SB_NAME_MAX;
}

/* NULL and why; "": out of memory. A file of one wrong entry is wrong as a whole: nobody can say what else is missing.
 */
static json_t *parse(const char *text, size_t len, char why[WHY_MAX])
{
	json_error_t error;
	errno = 0;
	json_t *root = json_loadb(text, len, JSON_REJECT_DUPLICATES, &error), *trunks, *state;
	const char *name;
	if (!root) {
		if (errno != ENOMEM) /* else nothing is wrong with it, whatever jansson says */
			snprintf(why, WHY_MAX, "line %d: %s", error.line, error.text);
		return NULL;
	}
	trunks = json_object_get(root, "trunks");
	why[0] = 0;
	if (json_integer_value(json_object_get(root, "version")) != FORMAT_VERSION || !json_is_object(trunks))
		snprintf(why, WHY_MAX, "no version %d object with \"trunks\"", FORMAT_VERSION);
	else if (json_object_size(trunks) > SB_TRUNKS_MAX)
		snprintf(why, WHY_MAX, "more than %d trunks", SB_TRUNKS_MAX);
	else
		json_object_foreach(trunks, name, state)
		{
			if (!is_name(name) || admin_of(json_string_value(state)) == SB_ENABLED)
				snprintf(why, WHY_MAX, "trunk \"%.40s\": only \"drain\" and \"disabled\" are kept",
				        name);
		}
	json_incref(trunks);
	json_decref(root);
	if (!why[0])
		return trunks;
	json_decref(trunks);
	return NULL;
}

/* The file's bytes; NULL with errno. */
static char *slurp(const char *file, size_t *len)
{
	char *text = malloc(FILE_BYTES_MAX + 1);
	int fd = text ? open(file, O_RDONLY | O_CLOEXEC | O_NONBLOCK) : -1;
	ssize_t n = 1;
	*len = 0;
	while (fd >= 0 && *len <= FILE_BYTES_MAX && n > 0) {
		n = read(fd, text + *len, FILE_BYTES_MAX + 1 - *len);
		*len += n > 0 ? (size_t)n : 0;
	}
	int error = fd < 0 || n < 0 ? errno : *len > FILE_BYTES_MAX ? EFBIG : 0;
	if (fd >= 0)
		close(fd);
	if (!error)
		return text;
	free(text);
	errno = error;
	return NULL;
}

static void put_aside(const struct sb_opstate *o, const char *why)
{
	char bad[PATH_MAX + 8];
	snprintf(bad, sizeof bad, "%s.bad", o->file);
	bool moved = rename(o->file, bad) == 0;
	sb_log(SB_LOG_ERROR, "the operator's switches could not be read: every trunk starts enabled", "file", o->file,
	        "why", why, "kept_as", moved ? bad : "", NULL);
}

static int load(struct sb_opstate *o)
{
	char why[WHY_MAX] = "";
	size_t len;
	char *text = slurp(o->file, &len);
	if (text) {
		o->trunks = parse(text, len, why);
		free(text);
		if (!o->trunks && !why[0])
			return SB_E_NOMEM;
		if (!o->trunks)
			put_aside(o, why);
	} else if (errno == ENOMEM) {
		return SB_E_NOMEM;
	} else if (errno != ENOENT) {
		put_aside(o, strerror(errno));
	}
	if (!o->trunks)
		o->trunks = json_object();
	return o->trunks ? 0 : SB_E_NOMEM;
}

struct sb_opstate *sb_opstate_open(const char *state_dir)
{
	struct sb_opstate *o = calloc(1, sizeof *o);
	if (!o)
		return NULL;
	/* A path that does not fit fails at the first save, as a file that cannot be written. */
	snprintf(o->dir, sizeof o->dir, "%s", state_dir);
	if (snprintf(o->file, sizeof o->file, "%s/%s", state_dir, SB_OPSTATE_FILE) >= (int)sizeof o->file)
		o->file[0] = 0;
	if (load(o)) {
		sb_opstate_free(o);
		return NULL;
	}
	return o;
}

void sb_opstate_free(struct sb_opstate *o)
{
	if (!o)
		return;
	json_decref(o->trunks);
	free(o);
}

enum sb_admin sb_opstate_get(const struct sb_opstate *o, const char *trunk)
{
	return admin_of(json_string_value(json_object_get(o->trunks, trunk)));
}

static int write_synced(const char *file, const char *text)
{
	size_t len = strlen(text), done = 0;
	ssize_t n = 0;
	int fd = open(file, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	if (fd < 0)
		return SB_E_IO;
	while (done < len && (n = write(fd, text + done, len - done)) > 0)
		done += (size_t)n;
	int failed = done < len || fsync(fd) ? errno : 0;
	if (close(fd) && !failed)
		failed = errno;
	errno = failed;
	return failed ? SB_E_IO : 0;
}

/* The rename must reach the disk as well. A file system that cannot sync a directory has done what it can. */
static void sync_dir(const char *dir)
{
	int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return;
	(void)!fsync(fd);
	close(fd);
}

/* On the control thread: the disk's latency is paid once for each switch an operator turns. */
static int save(const struct sb_opstate *o)
{
	char aside[PATH_MAX + 8];
	if (!o->file[0]) {
		errno = ENAMETOOLONG;
		return SB_E_IO;
	}
	json_t *root = json_pack("{s:i, s:O}", "version", FORMAT_VERSION, "trunks", o->trunks);
	char *text = sb_json_dump(root, JSON_INDENT(1) | JSON_SORT_KEYS);
	json_decref(root);
	if (!text) {
		errno = ENOMEM;
		return SB_E_IO;
	}
	snprintf(aside, sizeof aside, "%s.new", o->file);
	int err = write_synced(aside, text);
	free(text);
	if (!err && rename(aside, o->file))
		err = SB_E_IO;
	if (!err) {
		sync_dir(o->dir);
		return 0;
	}
	int why = errno;
	unlink(aside);
	errno = why;
	return err;
}

int sb_opstate_set(struct sb_opstate *o, const char *trunk, enum sb_admin admin)
{
	if (!is_name(trunk))
		return SB_E_INVAL;
	if (json_object_size(o->trunks) >= SB_TRUNKS_MAX && !json_object_get(o->trunks, trunk))
		return SB_E_NOMEM;
	if (admin == SB_ENABLED)
		json_object_del(o->trunks, trunk);
	else if (json_object_set_new(o->trunks, trunk, json_string(sb_admin_name(admin))))
		return SB_E_NOMEM;
	return save(o);
}

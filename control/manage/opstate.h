/* SPDX-License-Identifier: BSD-3-Clause */
/* opstate.h - what the operator switched, by trunk name, kept over reloads and restarts (P9, P20):
 * state_dir/operator.json. It is apart from health: nothing a trunk does changes it. Only DRAIN and DISABLED are
 * written down. Owner: control. Lifetime: the process's. A name stays though no trunk has it: its trunk may come back
 * by reload. */
#pragma once
#include <switchback/err.h>
#include <switchback/health.h>

#define SB_OPSTATE_FILE "operator.json"

struct sb_opstate;

/* Reads state_dir/operator.json. No file: nobody switched anything. A file that cannot be read or understood is logged
 * as an error, moved aside to operator.json.bad, and none of it counts. NULL: out of memory. */
struct sb_opstate *sb_opstate_open(const char *state_dir);
void sb_opstate_free(struct sb_opstate *o);

enum sb_admin sb_opstate_get(const struct sb_opstate *o, const char *trunk); /* SB_ENABLED unless switched */

/* Remembers, and writes the file anew (written aside, synced, renamed: a crash leaves the old or the new one). 0;
 * SB_E_IO with errno: remembered, but a restart will forget it; SB_E_INVAL: no name of a trunk; SB_E_NOMEM: neither. */
int sb_opstate_set(struct sb_opstate *o, const char *trunk, enum sb_admin admin);

/* SPDX-License-Identifier: BSD-3-Clause */
/* check.h - what no single value can tell: names looked up, and values that must go together. Changes nothing but the
 * raw form's index fields. */
#pragma once
#include "control/config/mistakes.h"
#include "control/config/names.h"
#include "control/config/schema.h"

struct sb_check {
	struct sb_raw *raw;
	struct sb_mistakes *m;
	struct sb_names ports, listeners, trunks, groups; /* name to index */
};

/* Checks everything; mistakes go to m. 0 (m tells whether all is well), SB_E_NOMEM or SB_E_STOPPED. */
int sb_check(struct sb_raw *raw, struct sb_mistakes *m);

/* Parts of it: the order is ports, listeners, trunks, groups, routes. Each fills the names of its own kind. */
void sb_check_ports(struct sb_check *c);
void sb_check_listeners(struct sb_check *c);
void sb_check_trunks(struct sb_check *c);
void sb_check_groups(struct sb_check *c);
int sb_check_routes(struct sb_check *c);
/* Behind the routes, whose kinds and groups it goes by: fills raw->prefixes. 0, SB_E_NOMEM or SB_E_STOPPED. */
int sb_check_prefixes(struct sb_check *c);

/* The index of the thing called name, or SB_NAME_NONE and a mistake. name NULL: SB_NAME_NONE, it was complained of. */
uint32_t sb_check_name(struct sb_check *c, const struct sb_names *names, const char *kind, const char *name,
        uint32_t line, const char *path);
/* Adds name to names; a mistake if it is there already. */
void sb_check_unique(
        struct sb_check *c, struct sb_names *names, const char *kind, const char *name, uint32_t index, uint32_t line);

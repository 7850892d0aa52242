/* SPDX-License-Identifier: BSD-3-Clause */
/* build.h - from a raw form that passed the check, what workers and control run by. */
#pragma once
#include "control/config/schema.h"
#include "control/config/config.h"

/* A new snapshot, generation 0: the publisher numbers it; its trunks have no health slots yet. It takes raw's prefixes
 * over. 0 or SB_E_NOMEM. */
int sb_build_snapshot(struct sb_raw *raw, struct sb_snapshot **out);
/* Its trunks' health slots. 0, or SB_E_FULL when a trunk got none: then none is taken. */
int sb_snapshot_slots(struct sb_snapshot *s, struct sb_slots *slots);
/* policy[i] of trunk i. */
void sb_build_policy(const struct sb_raw *raw, struct sb_trunk_policy *policy);
/* Everything of the config but file, policy and snapshot. */
void sb_build_config(const struct sb_raw *raw, struct sb_config *c);

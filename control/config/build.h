/* SPDX-License-Identifier: BSD-3-Clause */
/* build.h - from a raw form that passed the check, what workers and control run by. */
#pragma once
#include "control/config/schema.h"
#include "control/config/config.h"

/* A new snapshot, generation 0: the publisher numbers it. It takes raw's prefixes over. SB_E_NOMEM, or SB_E_FULL when a
 * trunk got no health slot. */
int sb_build_snapshot(struct sb_raw *raw, struct sb_slots *slots, struct sb_snapshot **out);
/* policy[i] of trunk i. */
void sb_build_policy(const struct sb_raw *raw, struct sb_trunk_policy *policy);
/* Everything of the config but file, policy and snapshot. */
void sb_build_config(const struct sb_raw *raw, struct sb_config *c);

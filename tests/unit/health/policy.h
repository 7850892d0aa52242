/* SPDX-License-Identifier: BSD-3-Clause */
/* policy.h - the trunk policy that the tests of health begin with. */
#pragma once
#include "control/health/policy.h"

static inline struct sb_trunk_policy test_policy(void)
{
	struct sb_trunk_policy p = {
	        .probe = true,
	        .interval_ms = 5000,
	        .timeout_ms = 1000,
	        .failures = 3,
	        .successes = 2,
	        .min_ms = 1000,
	        .max_ms = 60000,
	        .traffic_failures = 3,
	        .traffic_window = 8,
	        .ramp_ms = 10000,
	};
	for (unsigned code = 200; code < 500; code++)
		sb_status_add(&p.up_codes, code);
	sb_status_add(&p.down_codes, 503);
	return p;
}

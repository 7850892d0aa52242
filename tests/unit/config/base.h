/* SPDX-License-Identifier: BSD-3-Clause */
/* base.h - a good configuration by lines, so that a test says only what it changes. */
#pragma once
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include "control/config/config.h"

static const char *const base_lines[] = {
        /* 1 */ "workers: [0]",
        /* 2 */ "ports:",
        /* 3 */ "  - { name: edge, device: net_null0, tap: sb-in, addresses: [192.0.2.10/24, \"2001:db8::10/64\"] }",
        /* 4 */ "  - { name: core, device: net_null1, vlans: [ { id: 7, addresses: [10.0.0.10/24] } ] }",
        /* 5 */ "listeners:",
        /* 6 */ "  - { name: access, port: edge, address: 192.0.2.10, trust: [198.51.100.0/24, \"2001:db8:9::/48\"] }",
        /* 7 */ "  - { name: inner, port: core, address: 10.0.0.10, udp: 5070 }",
        /* 8 */ "  - { name: access6, port: edge, address: \"2001:db8::10\" }",
        /* 9 */ "trunks:",
        /* 10 */ "  - { name: lon-a, address: \"10.0.0.1:5062\", listener: inner }",
        /* 11 */ "  - { name: lon-b, address: 10.0.0.2, listener: inner }",
        /* 12 */ "  - { name: six, address: \"[2001:db8::1]:5080\", listener: access6 }",
        /* 13 */ "groups:",
        /* 14 */ "  - { name: london, members: [ { trunk: lon-a }, { trunk: lon-b, priority: 2 } ] }",
        /* 15 */ "  - { name: far, members: [ { trunk: six } ] }",
        /* 16 */ "routes:",
        /* 17 */ "  - { prefix: \"+44\", groups: [london, far] }",
        /* 18 */ "  - { default: true, groups: [london] }",
        /* 19 */ "",
};
#define BASE_LINES (sizeof base_lines / sizeof *base_lines)

/* The base with one line (from 1; 0: none) replaced. */
static inline void base_text(char out[8192], unsigned line, const char *text)
{
	size_t len = 0;
	for (unsigned i = 1; i <= BASE_LINES; i++)
		len += (size_t)snprintf(out + len, 8192 - len, "%s\n", i == line ? text : base_lines[i - 1]);
	assert_true(len < 8192);
}

/* Loads text that must be good. */
static inline struct sb_config *load_good(const char *text, struct sb_slots *slots)
{
	struct sb_config *c = NULL;
	struct sb_config_errors e = {0};
	int rc = sb_config_load("sb.yaml", text, strlen(text), slots, &c, &e);
	for (uint32_t i = 0; i < e.n; i++)
		print_error("%s\n", e.line[i]);
	assert_int_equal(rc, 0);
	assert_int_equal(e.n, 0);
	sb_config_errors_free(&e);
	return c;
}

/* SPDX-License-Identifier: BSD-3-Clause */
/* calls.h - see calls.c. */
#pragma once
#include "bed.h"

/* body: 1 to SB_BENCH_BODY_MAX, of INVITE and its 200. Prints ticks a message, by kind; ends the program where a
 * message does not come to what it should. */
void time_calls(unsigned body);

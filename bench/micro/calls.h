/* SPDX-License-Identifier: BSD-3-Clause */
/* calls.h - see calls.c. */
#pragma once

/* Prints ticks a message, by kind; ends the program where a message does not come to what it should. */
void time_calls(void);

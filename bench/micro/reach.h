/* SPDX-License-Identifier: BSD-3-Clause */
/* reach.h - see reach.c. */
#pragma once
#include <stdint.h>

/* Prints extra ticks of touching a random line, for areas of 1 MB to 1 GB on huge pages. Nonzero: no memory. */
int time_reach(void);

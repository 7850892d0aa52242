/* SPDX-License-Identifier: BSD-3-Clause */
/* reference.h - see reference.c. */
#pragma once
#include <stdint.h>

/* Ticks of one piece of the reference work: the mean of a batch, the least of many rounds. */
double time_reference(void);

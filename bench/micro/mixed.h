/* SPDX-License-Identifier: BSD-3-Clause */
/* mixed.h - messages of all kinds in a burst, as a worker meets them: each is of a call of its own, at any step. What a
 * processor learns of branches from one kind alone does not help it here. */
#pragma once
#include "bed.h"

/* Of the calls that begin from now on: bodies from least to most bytes. */
void mixed_begin(unsigned least, unsigned most);

/* A message of each of BED_CALLS calls in an order drawn anew, less those that fill no burst. us: how much time passes.
 * ringing: n calls; each that has just rung changes places with one drawn from them, so that it is at random which of
 * them all is answered. n 0: it is answered itself. Returns the bursts; read, act: ticks of each, the worker's
 * housekeeping behind it is in act. */
unsigned mixed_round(uint32_t us, struct call *ringing, unsigned n, uint64_t *read, uint64_t *act);

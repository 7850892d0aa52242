/* SPDX-License-Identifier: BSD-3-Clause */
/* bed.h - one worker's core without a network, and calls through it, message by message. One bed a program. What is
 * remembered of a call is little, so that millions can ring: what its trunk and its caller would copy is written from
 * templates. */
#pragma once
#include "dataplane/call/core.h"

/* Of what memory is laid out for: it is a build's, as the distance of buffers counts. */
#ifndef SB_BENCH_BODY_MAX
#define SB_BENCH_BODY_MAX 500
#endif

#define BED_CALLS 1024 /* at a time, as packet buffers in use: more than the first cache holds */
#define BED_BURST 32

/* A call's messages, and those of one that is shed past capacity. */
enum step { INVITE, TRYING, RINGING, OK, ACK, BYE, BYE_OK, STEPS, SHED = STEPS, SHED_ACK, ALL_STEPS };
extern const char *const step_name[ALL_STEPS];

struct call {
	uint32_t id;
	uint16_t body;              /* bytes of INVITE's and its 200's, 1 to SB_BENCH_BODY_MAX */
	char branch[SB_BRANCH_LEN]; /* of the last request that its trunk got */
	char token[16];             /* of its Record-Route; of one shed: the To tag of its answer */
};

/* memory: sb_core_memory() bytes for cfg, zeroed. Of cfg the limits are read, the rest is the bed's. */
void bed_config(struct sb_core_config *cfg);
struct sb_core *bed_make(struct sb_core_config *cfg, void *memory);

/* The i-th message of those to come, and its length. */
uint32_t bed_write(unsigned i, enum step step, const struct call *call);

/* From now on all new calls are shed, or none is. */
void bed_shed(bool all);

/* One burst, as a worker takes it: all are read, then all are acted on. Ticks of both. Ends the program if a message
 * does not come to what it should. */
void bed_burst(unsigned first, uint64_t took[2]);

/* A worker's housekeeping after that much time: its ticks. */
uint64_t bed_tick(uint32_t us);

/* Keeps of what was sent for n messages, all written and acted on, what their calls need, and frees the rest. */
void bed_keep(const enum step *steps, struct call *const *calls, unsigned n);

/* Mail to control is thrown away. */
void bed_drain(void);

unsigned bed_draw(unsigned below);

/* The value that a quarter is below. Sorts. */
double bed_quarter(uint64_t *ticks, unsigned n);

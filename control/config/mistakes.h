/* SPDX-License-Identifier: BSD-3-Clause */
/* mistakes.h - what is wrong with a configuration, gathered in any order and handed out in line order.
 * Owner: one load; a failed allocation is remembered in nomem and ends the load with SB_E_NOMEM. */
#pragma once
#include "control/config/config.h"

#define SB_STOP_LINES   4096 /* lines of text that are read without asking whether to go on */
#define SB_MISTAKES_MAX 1000 /* a file of another kind would give a line of complaint for every line it has */

struct sb_mistake_line {
	uint32_t line, order;
	bool elsewhere; /* in another file: text says where */
	char *text;     /* the struct's own */
};

struct sb_mistakes {
	const char *file; /* borrowed */
	const char *in;   /* borrowed: the file, named by the first, that is being read; NULL: the first itself */
	uint32_t n, room;
	uint32_t over; /* not kept, beyond SB_MISTAKES_MAX */
	bool nomem;
	bool stopped;               /* given up: what was read is not whole, and the mistakes mean nothing */
	const struct sb_stop *stop; /* borrowed; NULL: nobody stops it */
	struct sb_mistake_line *list;
};

/* Whether the load is given up, which it asks if it does not know it yet. */
bool sb_mistakes_stopped(struct sb_mistakes *m);

/* Adds "key: what is wrong, what is allowed" of a line; line 0: of the file as a whole. */
void sb_mistake(struct sb_mistakes *m, uint32_t line, const char *format, ...) __attribute__((format(printf, 3, 4)));
/* Appends all to errors as "file:line: ...", in line order, those of other files behind, and empties m. 0 or
 * SB_E_NOMEM. */
int sb_mistakes_give(struct sb_mistakes *m, struct sb_config_errors *errors);
void sb_mistakes_fini(struct sb_mistakes *m);

/* Appends one line, made by printf rules. 0 or SB_E_NOMEM. */
int sb_config_errors_add(struct sb_config_errors *e, const char *format, ...) __attribute__((format(printf, 2, 3)));

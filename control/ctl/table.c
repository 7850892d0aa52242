/* SPDX-License-Identifier: BSD-3-Clause */
/* table.c - aligned columns: cells are collected, then printed once the widths are known. */
#include "control/ctl/ctl.h"
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#define COLUMNS_MAX 16
#define GAP         2

struct cell {
	char *text;
	const char *colour; /* an escape sequence or "" */
};

struct ctl_table {
	const char *const *heads;
	bool colour;
	unsigned n_columns;
	size_t n, size; /* cells */
	struct cell *cell;
};

struct ctl_table *ctl_table_new(const struct ctl *c, const char *const *heads)
{
	struct ctl_table *t = calloc(1, sizeof *t);
	if (!t)
		exit(CTL_NO_MEMORY);
	t->heads = heads;
	t->colour = c->colour;
	while (heads[t->n_columns] && t->n_columns < COLUMNS_MAX)
		t->n_columns++;
	return t;
}

static void add(struct ctl_table *t, char *text, const char *colour)
{
	if (t->n == t->size) {
		t->size = t->size ? 2 * t->size : 64;
		t->cell = reallocarray(t->cell, t->size, sizeof *t->cell);
	}
	if (!t->cell || !text)
		exit(CTL_NO_MEMORY);
	ctl_clean(text);
	t->cell[t->n++] = (struct cell){text, colour};
}

void ctl_cell(struct ctl_table *t, const char *format, ...)
{
	char *text = NULL;
	va_list args;
	va_start(args, format);
	if (vasprintf(&text, format, args) < 0)
		text = NULL;
	va_end(args);
	add(t, text, "");
}

void ctl_cell_state(struct ctl_table *t, const char *state)
{
	static const char *const rows[][2] = {{"UP", "\033[32m"}, {"DOWN", "\033[31m"}, {"SUSPECT", "\033[33m"},
	        {"PROBING", "\033[36m"}, {"HALF_OPEN", "\033[33m"}, {"RAMPING", "\033[36m"}, {"drain", "\033[33m"},
	        {"disabled", "\033[31m"}};
	const char *colour = "";
	for (unsigned i = 0; t->colour && i < sizeof rows / sizeof rows[0]; i++) {
		if (strcmp(rows[i][0], state) == 0)
			colour = rows[i][1];
	}
	add(t, strdup(state), colour);
}

/* Characters, not bytes. */
static size_t width_of(const char *text)
{
	size_t n = 0;
	for (; *text; text++)
		n += ((unsigned char)*text & 0xc0) != 0x80;
	return n;
}

static void pad(size_t n)
{
	while (n--)
		putchar(' ');
}

static void print_cell(const char *text, const char *colour, size_t width, bool right, bool last)
{
	size_t fill = width - width_of(text);
	if (right)
		pad(fill);
	printf("%s%s%s", colour, text, *colour ? "\033[0m" : "");
	if (!last)
		pad((right ? 0 : fill) + GAP);
}

static const char *head_text(const char *head)
{
	return *head == '>' ? head + 1 : head;
}

static void print(const struct ctl_table *t)
{
	size_t width[COLUMNS_MAX];
	unsigned last = t->n_columns - 1;
	for (unsigned i = 0; i < t->n_columns; i++)
		width[i] = width_of(head_text(t->heads[i]));
	for (size_t i = 0; i < t->n; i++) {
		size_t w = width_of(t->cell[i].text);
		if (w > width[i % t->n_columns])
			width[i % t->n_columns] = w;
	}
	for (unsigned i = 0; i < t->n_columns; i++)
		print_cell(head_text(t->heads[i]), "", width[i], *t->heads[i] == '>', i == last);
	putchar('\n');
	for (size_t i = 0; i < t->n; i++) {
		unsigned column = (unsigned)(i % t->n_columns);
		print_cell(t->cell[i].text, t->cell[i].colour, width[column], *t->heads[column] == '>', column == last);
		if (column == last)
			putchar('\n');
	}
}

void ctl_table_end(struct ctl_table *t)
{
	if (t->n)
		print(t);
	for (size_t i = 0; i < t->n; i++)
		free(t->cell[i].text);
	free(t->cell);
	free(t);
}

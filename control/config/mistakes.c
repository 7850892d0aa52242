/* SPDX-License-Identifier: BSD-3-Clause */
#include "control/config/mistakes.h"
#include <stdarg.h>

bool sb_mistakes_stopped(struct sb_mistakes *m)
{
	m->stopped = m->stopped || (m->stop && m->stop->asked(m->stop->ctx));
	return m->stopped;
}

static struct sb_mistake_line *next_line(struct sb_mistakes *m)
{
	if (m->n == m->room) {
		uint32_t room = m->room ? m->room * 2 : 16;
		struct sb_mistake_line *list = realloc(m->list, room * sizeof *list);
		if (!list)
			return NULL;
		m->list = list;
		m->room = room;
	}
	return &m->list[m->n];
}

/* Puts "file:line: " before the text. False: no memory. */
static bool name_file(struct sb_mistakes *m, struct sb_mistake_line *l)
{
	char *text = l->text;
	int len = l->line ? asprintf(&l->text, "%s:%u: %s", m->in, l->line, text)
	                  : asprintf(&l->text, "%s: %s", m->in, text);
	free(text);
	return len >= 0;
}

void sb_mistake(struct sb_mistakes *m, uint32_t line, const char *format, ...)
{
	if (m->n == SB_MISTAKES_MAX) {
		m->over++;
		return;
	}
	struct sb_mistake_line *l = next_line(m);
	va_list ap;
	va_start(ap, format);
	if (!l || vasprintf(&l->text, format, ap) < 0) {
		m->nomem = true;
	} else {
		l->line = line;
		l->elsewhere = m->in != NULL;
		if (m->in && !name_file(m, l))
			m->nomem = true;
		else
			l->order = m->n++;
	}
	va_end(ap);
}

static int by_line(const void *a, const void *b)
{
	const struct sb_mistake_line *x = a, *y = b;
	if (x->elsewhere != y->elsewhere)
		return x->elsewhere ? 1 : -1;
	if (x->line != y->line && !x->elsewhere)
		return x->line < y->line ? -1 : 1;
	return x->order < y->order ? -1 : x->order > y->order;
}

int sb_config_errors_add(struct sb_config_errors *e, const char *format, ...)
{
	char *text, **line = realloc(e->line, (e->n + 1) * sizeof *line);
	if (!line)
		return SB_E_NOMEM;
	e->line = line;
	va_list ap;
	va_start(ap, format);
	int len = vasprintf(&text, format, ap);
	va_end(ap);
	if (len < 0)
		return SB_E_NOMEM;
	e->line[e->n++] = text;
	return 0;
}

int sb_mistakes_give(struct sb_mistakes *m, struct sb_config_errors *errors)
{
	int rc = m->nomem ? SB_E_NOMEM : 0;
	if (m->n)
		qsort(m->list, m->n, sizeof *m->list, by_line);
	for (uint32_t i = 0; i < m->n && !rc; i++) {
		const struct sb_mistake_line *l = &m->list[i];
		if (l->elsewhere)
			rc = sb_config_errors_add(errors, "%s", l->text);
		else if (l->line)
			rc = sb_config_errors_add(errors, "%s:%u: %s", m->file, l->line, l->text);
		else
			rc = sb_config_errors_add(errors, "%s: %s", m->file, l->text);
	}
	if (m->over && !rc)
		rc = sb_config_errors_add(errors, "%s: and %u more mistakes", m->file, m->over);
	sb_mistakes_fini(m);
	return rc;
}

void sb_mistakes_fini(struct sb_mistakes *m)
{
	for (uint32_t i = 0; i < m->n; i++)
		free(m->list[i].text);
	free(m->list);
	m->list = NULL;
	m->n = m->room = 0;
}

void sb_config_errors_free(struct sb_config_errors *e)
{
	for (uint32_t i = 0; i < e->n; i++)
		free(e->line[i]);
	free(e->line);
	e->line = NULL;
	e->n = 0;
}

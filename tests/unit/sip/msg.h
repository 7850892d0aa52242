/* SPDX-License-Identifier: BSD-3-Clause */
/* msg.h - messages in memory of exactly their size and the pad, so that sanitizers see an over-read. */
#pragma once
#include "dataplane/sip/sip.h"
#include <stdlib.h>
#include <string.h>

struct msg {
	char *text;
	uint32_t len;
	struct sb_sip sip;
	enum sb_read read;
	bool asked;
};

/* Set before a text is read again: what the pad holds must not matter. */
static inline struct msg *msg_new(const void *text, size_t len, char pad)
{
	struct msg *m = calloc(1, sizeof *m);
	m->text = malloc(len + SB_SIP_PAD);
	memcpy(m->text, text, len);
	memset(m->text + len, pad, SB_SIP_PAD);
	m->len = (uint32_t)len;
	return m;
}

static inline void msg_free(struct msg *m)
{
	free(m->text);
	free(m);
}

static inline struct msg *msg_read_len(const void *text, size_t len, bool parser_osip)
{
	struct msg *m = msg_new(text, len, '\n');
	m->read = sb_sip_read(&m->sip, m->text, m->len, parser_osip, &m->asked);
	return m;
}

static inline struct msg *msg_read(const char *text)
{
	return msg_read_len(text, strlen(text), false);
}

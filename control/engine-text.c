/* SPDX-License-Identifier: BSD-3-Clause */
/* engine-text.c - events in words (P22): what a mail says in codes, an operator reads as a sentence. */
#include "control/engine-parts.h"
#include <stdarg.h>
#include <stdio.h>

void sb_engine_text(char *out, size_t size, const char *format, ...)
{
	va_list args;
	va_start(args, format);
	vsnprintf(out, size, format, args);
	va_end(args);
}

const char *sb_engine_reason(unsigned code)
{
	static const struct {
		uint16_t code;
		const char *text;
	} rows[] = {
	        {200, "OK"},
	        {401, "Unauthorized"},
	        {403, "Forbidden"},
	        {404, "Not Found"},
	        {405, "Method Not Allowed"},
	        {407, "Proxy Authentication Required"},
	        {408, "Request Timeout"},
	        {480, "Temporarily Unavailable"},
	        {481, "Call/Transaction Does Not Exist"},
	        {483, "Too Many Hops"},
	        {486, "Busy Here"},
	        {487, "Request Terminated"},
	        {488, "Not Acceptable Here"},
	        {500, "Server Internal Error"},
	        {501, "Not Implemented"},
	        {502, "Bad Gateway"},
	        {503, "Service Unavailable"},
	        {504, "Server Time-out"},
	        {600, "Busy Everywhere"},
	        {603, "Decline"},
	};
	for (unsigned i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		if (rows[i].code == code)
			return rows[i].text;
	}
	return "";
}

static void emit(struct sb_engine *e, const struct sb_event_record *rec)
{
	e->counts.events++;
	if (e->cfg.event)
		e->cfg.event(e->cfg.event_ctx, rec);
}

void sb_engine_say(struct sb_engine *e, const char *kind, const struct trunk *t, const char *detail)
{
	struct sb_event_record rec = {0};
	sb_engine_text(rec.kind, sizeof rec.kind, "%s", kind);
	sb_engine_text(rec.trunk, sizeof rec.trunk, "%s", t->name);
	sb_engine_text(rec.detail, sizeof rec.detail, "%s", detail);
	emit(e, &rec);
}

static const struct trunk *trunk_at(const struct sb_engine *e, uint16_t slot)
{
	return slot < SB_TRUNKS_MAX ? &e->trunk[slot] : NULL;
}

/* "last evidence: probe timed out after 1000 ms, 3.2 s ago" */
static void text_evidence(const struct sb_engine *e, const struct trunk *t, char *out, size_t size)
{
	uint64_t age = t && e->now_ms > t->evidence_ms ? e->now_ms - t->evidence_ms : 0;
	if (!t || !t->evidence[0])
		sb_engine_text(out, size, "no evidence yet");
	else if (age < 1000)
		sb_engine_text(out, size, "last evidence: %s, %u ms ago", t->evidence, (unsigned)age);
	else
		sb_engine_text(out, size, "last evidence: %s, %llu.%u s ago", t->evidence,
		        (unsigned long long)(age / 1000), (unsigned)(age % 1000 / 100));
}

/* Why a leg was given up. code2: how many times it was sent. */
static void text_give_up(const struct trunk *t, const struct sb_mail *m, char *out, size_t size)
{
	unsigned sends = m->event.code2;
	switch (m->event.why) {
	case SB_EV_TIMEOUT:
		/* What S4.2 promises, where it was the formula that ran out. */
		if (m->kind == SB_EVENT_FAILOVER && t && sends && sends == t->sends && sends < 32)
			sb_engine_text(out, size, "no answer in %llu ms (%u sends)",
			        (unsigned long long)t->trying_timer_ms * ((1ull << sends) - 1), sends);
		else
			sb_engine_text(out, size, "no answer (%u sends)", sends);
		break;
	case SB_EV_CODE:
		sb_engine_text(out, size, "%u %s", m->code, sb_engine_reason(m->code));
		break;
	case SB_EV_ICMP:
		sb_engine_text(out, size, "ICMP unreachable");
		break;
	case SB_EV_SEND:
		sb_engine_text(out, size, "it could not be sent");
		break;
	default:
		sb_engine_text(out, size, "the trunk went DOWN meanwhile");
		break;
	}
}

static void text_detail(const struct sb_engine *e, const struct sb_mail *m, char *out, size_t size)
{
	const struct trunk *t = trunk_at(e, m->trunk);
	char part[128];
	switch (m->kind) {
	case SB_EVENT_FAILOVER:
		text_give_up(t, m, out, size);
		break;
	case SB_EVENT_EXHAUSTED:
		text_give_up(t, m, part, sizeof part);
		if (m->code)
			sb_engine_text(out, size, "%s; no trunk is left, best response %u", part, m->code);
		else
			sb_engine_text(out, size, "%s; no trunk is left", part);
		break;
	case SB_EVENT_SKIPPED:
		text_evidence(e, t, part, sizeof part);
		sb_engine_text(out, size, "%s, %s; %s", sb_health_name((enum sb_health_state)m->code),
		        sb_admin_name((enum sb_admin)m->event.code2), part);
		break;
	case SB_EVENT_PANIC:
		text_evidence(e, t, part, sizeof part);
		sb_engine_text(out, size, "every candidate is DOWN, this one is the least bad; %s", part);
		break;
	case SB_EVENT_LATE_2XX:
		sb_engine_text(out, size, "2xx of a leg given up: %s", m->code == 2 ? "ACKed and BYEd" : "forwarded");
		break;
	case SB_EVENT_OVERLOAD:
		sb_engine_text(out, size, "a worker is past its capacity: %u %% of new INVITEs get 503", m->code);
		break;
	default:
		sb_engine_text(out, size, "every transaction slot is in use: new INVITEs get 503");
		break;
	}
}

void sb_engine_event(struct sb_engine *e, const struct sb_mail *m)
{
	static const char *const kinds[] = {
	        [SB_EVENT_FAILOVER] = "failover",
	        [SB_EVENT_EXHAUSTED] = "exhausted",
	        [SB_EVENT_SKIPPED] = "skipped",
	        [SB_EVENT_PANIC] = "panic",
	        [SB_EVENT_LATE_2XX] = "late_2xx",
	        [SB_EVENT_TABLE_FULL] = "table_full",
	        [SB_EVENT_OVERLOAD] = "overload",
	};
	struct sb_event_record rec = {.elapsed_us = m->event.elapsed_us};
	const struct trunk *t = trunk_at(e, m->trunk), *t2 = trunk_at(e, m->trunk2);
	if (m->kind >= sizeof kinds / sizeof kinds[0] || !kinds[m->kind]) {
		e->counts.mail_bad++;
		return;
	}
	sb_engine_text(rec.kind, sizeof rec.kind, "%s", kinds[m->kind]);
	sb_engine_text(rec.trunk, sizeof rec.trunk, "%s", t ? t->name : "");
	sb_engine_text(rec.trunk2, sizeof rec.trunk2, "%s", t2 ? t2->name : "");
	text_detail(e, m, rec.detail, sizeof rec.detail);
	for (unsigned i = 0; i < m->event.text_len && i < SB_MAIL_TEXT_MAX; i++) {
		unsigned char c = (unsigned char)m->event.text[i];
		rec.call_id[i] = c > 32 && c < 127 ? (char)c : '?';
	}
	emit(e, &rec);
}

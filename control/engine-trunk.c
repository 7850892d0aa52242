/* SPDX-License-Identifier: BSD-3-Clause */
/* engine-trunk.c - one trunk's side of the engine: evidence goes into its state machine, its probes go out, its line of
 * the health table is written. One wheel node a slot stands for whatever is to be done for it next. */
#include "control/engine-parts.h"

#define RAMP_STEP_MS 5 /* a share is written no more often than this */

_Static_assert((SB_TRUNKS_MAX & (SB_TRUNKS_MAX - 1)) == 0, "a probe's id is seq * SB_TRUNKS_MAX + slot");
#define SEQ_MASK (UINT32_MAX / SB_TRUNKS_MAX)

static void store64(_Atomic uint64_t *to, uint64_t v)
{
	if (atomic_load_explicit(to, memory_order_relaxed) !=
	        v) /* an unchanged line stays shared in the workers' caches */
		atomic_store_explicit(to, v, memory_order_relaxed);
}

void sb_engine_line_write(struct sb_engine *e, uint16_t slot)
{
	const struct trunk *t = &e->trunk[slot];
	struct sb_health_line *line = &e->cfg.health->line[slot];
	const struct sb_health *h = &t->health;
	uint32_t word = sb_health_word(h->state, (enum sb_admin)t->admin, sb_health_share(h, &t->policy, e->now_ms));
	uint32_t badness = sb_health_badness(h, e->now_ms);
	store64(&line->up_since_ms, h->up_since_ms);
	store64(&line->changed_ms, h->changed_ms);
	store64(&line->hold_until_ms, h->hold_until_ms);
	if (atomic_load_explicit(&line->badness, memory_order_relaxed) != badness)
		atomic_store_explicit(&line->badness, badness, memory_order_relaxed);
	if (atomic_load_explicit(&line->word, memory_order_relaxed) != word)
		atomic_store_explicit(&line->word, word, memory_order_release);
}

static uint64_t earlier(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

static void rearm(struct sb_engine *e, uint16_t slot)
{
	const struct trunk *t = &e->trunk[slot];
	uint64_t at = sb_health_due_ms(&t->health, &t->policy), step = t->policy.ramp_ms / SB_SHARE_FULL;
	if (t->probe_out)
		at = earlier(at, earlier(t->probe_end_ms, t->resend_ms));
	else
		at = earlier(at, t->next_probe_ms);
	if (t->health.state == SB_RAMPING && !t->health.trial)
		at = earlier(at, e->now_ms + (step > RAMP_STEP_MS ? step : RAMP_STEP_MS));
	if (t->down_pending)
		at = e->now_ms + 1;
	if (at <= e->now_ms)
		at = e->now_ms + 1; /* a timer that arms itself for now would hold up the wheel */
	if (at == ALWAYS_OFF)
		sb_wheel_cancel(&e->trunks, slot);
	else if (sb_wheel_deadline(&e->trunks, slot) != at)
		sb_wheel_arm(&e->trunks, slot, 0, at);
}

static void tell_down(struct sb_engine *e, uint16_t slot)
{
	struct trunk *t = &e->trunk[slot];
	struct sb_mail m = {.op = SB_MAIL_TRUNK_DOWN, .trunk = slot, .trunk2 = SB_NO_TRUNK};
	for (uint32_t w = 0; w < e->cfg.n_workers; w++) {
		if (!(t->down_pending >> w & 1))
			continue;
		if (sb_ring_put(&e->cfg.mail[w]->down, &m))
			t->down_pending &= ~(1ull << w);
		else
			e->counts.mail_waits++;
	}
}

static void plan_probe(struct sb_engine *e, struct trunk *t)
{
	t->next_probe_ms = ALWAYS_OFF;
	if (t->policy.probe)
		t->next_probe_ms = sb_health_probe_ms(&t->health, &t->policy, t->sent_ms, e->now_ms, &e->rng);
}

/* The counts that stand behind a piece of evidence: " (2 in a row)", " (1 of last 8)". */
static void text_counts(
        const struct sb_health *h, const struct sb_trunk_policy *p, enum sb_health_event event, char *out, size_t size)
{
	out[0] = 0;
	if (event == SB_HE_PROBE_BAD)
		sb_engine_text(out, size, " (%u in a row)", h->probe_bad_row);
	else if (event == SB_HE_PROBE_GOOD && h->state != SB_UP)
		sb_engine_text(out, size, " (%u in a row)", h->probe_good_row);
	else if (event == SB_HE_FAILURE)
		sb_engine_text(out, size, " (%u of last %u)", sb_health_window_failures(h, p), p->traffic_window);
}

static void say_path(struct sb_engine *e, const struct trunk *t, const struct sb_health_path *path)
{
	char detail[160];
	for (uint32_t i = 1; i < path->n; i++) {
		sb_engine_text(detail, sizeof detail, "%s -> %s: %s", sb_health_name(path->state[i - 1]),
		        sb_health_name(path->state[i]), t->evidence);
		sb_engine_say(e, "health", t, detail);
	}
}

/* Hands one piece of evidence to the state machine and does what follows from it. */
static void judge(struct sb_engine *e, uint16_t slot, const struct sb_health_input *in, const char *evidence)
{
	struct trunk *t = &e->trunk[slot];
	struct sb_health_path path;
	bool routine = in->event == SB_HE_ALIVE || in->event == SB_HE_DUE;
	char counts[32];
	t->health = sb_health_step(t->health, &t->policy, in, e->now_ms, &e->rng, &path);
	if (in->event == SB_HE_ALIVE || in->event == SB_HE_PROBE_GOOD)
		t->alive_ms = e->now_ms;
	if (!routine || path.n > 1) {
		text_counts(&t->health, &t->policy, in->event, counts, sizeof counts);
		sb_engine_text(t->evidence, sizeof t->evidence, "%s%s", evidence, counts);
		t->evidence_ms = e->now_ms;
	}
	if (path.n > 1) {
		bool down = t->health.state == SB_DOWN;
		t->down_pending = down ? ~0ull >> (64 - e->cfg.n_workers) : 0;
	}
	sb_engine_line_write(e, slot);
	tell_down(e, slot); /* after the line: a leg that moves on must find it DOWN */
	say_path(e, t, &path);
	if (!t->probe_out && (path.n > 1 || in->event == SB_HE_HOLD))
		plan_probe(e, t);
	rearm(e, slot);
}

/* Posts the probe to the worker that has it. */
static bool probe_post(struct sb_engine *e, uint16_t slot, uint32_t worker)
{
	struct sb_mail m = {.op = SB_MAIL_PROBE,
	        .trunk = slot,
	        .trunk2 = SB_NO_TRUNK,
	        .probe.id = e->trunk[slot].probe_seq * SB_TRUNKS_MAX + slot};
	if (sb_ring_put(&e->cfg.mail[worker]->down, &m))
		return true;
	e->counts.mail_waits++;
	return false;
}

static void probe_send(struct sb_engine *e, uint16_t slot)
{
	struct trunk *t = &e->trunk[slot];
	uint32_t next_seq = (t->probe_seq + 1) & SEQ_MASK;
	t->probe_seq = next_seq ? next_seq : 1;
	for (uint32_t i = 0; i < e->cfg.n_workers; i++) {
		uint32_t w = e->probe_turn++ % e->cfg.n_workers;
		if (!probe_post(e, slot, w))
			continue;
		t->probe_out = true;
		t->probe_worker = (uint8_t)w;
		t->sent_ms = e->now_ms;
		t->probe_end_ms = e->now_ms + t->policy.timeout_ms;
		t->resend_gap_ms = e->t1_ms;
		t->resend_ms = e->now_ms + t->resend_gap_ms;
		t->probes_sent++;
		e->counts.probes_sent++;
		return;
	}
	t->next_probe_ms = e->now_ms + 1; /* every ring is full */
}

/* RFC 3261 17.1.2: a request over UDP is sent again after T1, doubling up to T2, for as long as it may be answered. */
static void probe_resend(struct sb_engine *e, uint16_t slot)
{
	struct trunk *t = &e->trunk[slot];
	if (!probe_post(e, slot, t->probe_worker)) {
		t->resend_ms = e->now_ms + 1;
		return;
	}
	e->counts.probes_resent++;
	t->resend_gap_ms = t->resend_gap_ms * 2 < e->t2_ms ? t->resend_gap_ms * 2 : e->t2_ms;
	t->resend_ms = e->now_ms + t->resend_gap_ms;
}

/* The probe that was out is over. */
static void probe_done(struct sb_engine *e, uint16_t slot, const struct sb_health_input *in, const char *evidence)
{
	struct trunk *t = &e->trunk[slot];
	bool good = in->event == SB_HE_PROBE_GOOD;
	t->probe_out = false;
	*(good ? &t->probes_good : &t->probes_bad) += 1;
	*(good ? &e->counts.probes_good : &e->counts.probes_bad) += 1;
	judge(e, slot, in, evidence);
	plan_probe(e, t);
	rearm(e, slot);
}

static void probe_timed_out(struct sb_engine *e, uint16_t slot)
{
	char text[EVIDENCE_MAX / 2];
	sb_engine_text(text, sizeof text, "probe timed out after %u ms", e->trunk[slot].policy.timeout_ms);
	probe_done(e, slot, &(struct sb_health_input){.event = SB_HE_PROBE_BAD}, text);
}

static void probe_answered(struct sb_engine *e, uint16_t slot, const struct sb_mail *m)
{
	struct trunk *t = &e->trunk[slot];
	struct sb_health_input in = {.event = SB_HE_PROBE_GOOD, .by_probe = true};
	uint64_t hold_ms = (uint64_t)m->probe.retry_after_s * 1000;
	char text[EVIDENCE_MAX / 2 + 32];
	t->rtt_ms = (uint32_t)(e->now_ms - t->sent_ms);
	sb_engine_text(text, sizeof text, "probe got %u %s", m->code, sb_engine_reason(m->code));
	if (sb_status_in(&t->policy.down_codes, m->code)) {
		in.event = SB_HE_PROBE_BAD;
		in.refused = true;
		if (m->code == 503 && hold_ms) {
			in.event = SB_HE_HOLD;
			in.hold_ms = hold_ms < SB_HOLD_MS_MAX ? (uint32_t)hold_ms : SB_HOLD_MS_MAX;
			sb_engine_text(text, sizeof text, "probe got 503, Retry-After %u s", m->probe.retry_after_s);
		}
	} else if (!sb_status_in(&t->policy.up_codes, m->code)) {
		e->counts.probes_unjudged++;
		t->probe_out = false;
		plan_probe(e, t);
		rearm(e, slot);
		return;
	}
	probe_done(e, slot, &in, text);
}

void sb_engine_probe_result(struct sb_engine *e, const struct sb_mail *m)
{
	uint16_t slot = (uint16_t)(m->probe.id % SB_TRUNKS_MAX);
	struct trunk *t = &e->trunk[slot];
	if (!t->present || !t->probe_out || m->probe.id / SB_TRUNKS_MAX != t->probe_seq) {
		e->counts.probes_stale++;
		return;
	}
	if (m->code >= 200)
		probe_answered(e, slot, m);
	else if (m->kind == SB_EV_ICMP || m->code == 0)
		probe_done(e, slot, &(struct sb_health_input){.event = SB_HE_PROBE_BAD}, "probe: ICMP unreachable");
	/* a provisional: the answer is still to come */
}

void sb_engine_trunk_evidence(struct sb_engine *e, const struct sb_mail *m)
{
	struct sb_health_input in = {.event = SB_HE_FAILURE};
	uint64_t hold_ms = (uint64_t)m->evidence.retry_after_s * 1000;
	char text[EVIDENCE_MAX / 2 + 32];
	switch (m->kind) {
	case SB_EV_TIMEOUT:
		sb_engine_text(text, sizeof text, "call timed out");
		break;
	case SB_EV_ICMP:
		sb_engine_text(text, sizeof text, "call got ICMP unreachable");
		break;
	case SB_EV_SEND:
		sb_engine_text(text, sizeof text, "call could not be sent");
		break;
	case SB_EV_CODE:
		sb_engine_text(text, sizeof text, "call got %u %s", m->code, sb_engine_reason(m->code));
		if (m->code == 503 && hold_ms) {
			in.event = SB_HE_HOLD;
			in.hold_ms = hold_ms < SB_HOLD_MS_MAX ? (uint32_t)hold_ms : SB_HOLD_MS_MAX;
			sb_engine_text(text, sizeof text, "call got 503, Retry-After %u s", m->evidence.retry_after_s);
		}
		break;
	default:
		e->counts.mail_bad++;
		return;
	}
	judge(e, m->trunk, &in, text);
}

static uint64_t alive_now(const struct sb_engine *e, uint32_t w, uint16_t slot)
{
	struct sb_trunk_stats *s = (struct sb_trunk_stats *)(uintptr_t)e->cfg.trunk_stats[w];
	return s ? atomic_load_explicit(&s[slot].alive, memory_order_relaxed) : 0;
}

void sb_engine_trunk_alive(struct sb_engine *e, uint16_t slot, uint32_t first_worker, uint32_t end_worker)
{
	uint64_t n = 0;
	for (uint32_t w = first_worker; w < end_worker; w++) {
		uint64_t *seen = &e->alive_seen[(size_t)w * SB_TRUNKS_MAX + slot], now = alive_now(e, w, slot);
		n += now - *seen;
		*seen = now;
	}
	if (!n)
		return;
	struct sb_health_input in = {.event = SB_HE_ALIVE, .count = n < 64 ? (uint32_t)n : 64};
	judge(e, slot, &in, "a call was answered");
}

void sb_engine_trunk_due(struct sb_engine *e, uint16_t slot)
{
	struct trunk *t = &e->trunk[slot];
	if (t->down_pending)
		tell_down(e, slot);
	if (t->probe_out && e->now_ms >= t->probe_end_ms)
		probe_timed_out(e, slot);
	else if (t->probe_out && e->now_ms >= t->resend_ms)
		probe_resend(e, slot);
	else if (!t->probe_out && e->now_ms >= t->next_probe_ms)
		probe_send(e, slot);
	if (e->now_ms >= sb_health_due_ms(&t->health, &t->policy)) {
		const char *why =
		        t->health.state == SB_RAMPING ? "the ramp is over" : "no probes here, calls will tell";
		judge(e, slot, &(struct sb_health_input){.event = SB_HE_DUE}, why);
	}
	sb_engine_line_write(e, slot);
	rearm(e, slot);
}

/* New, or at a new address: nothing known of the old one counts, nor does an answer from there (P7, P10). */
void sb_engine_trunk_begin(struct sb_engine *e, uint16_t slot, uint64_t first_probe_ms, const char *why)
{
	struct trunk *t = &e->trunk[slot];
	struct sb_health_path path = {2, {t->health.state, SB_PROBING}};
	t->health = sb_health_start(&t->policy, e->now_ms);
	path.state[1] = t->health.state;
	t->probe_out = false;
	t->down_pending = 0;
	t->alive_ms = 0;
	t->evidence_ms = e->now_ms;
	t->next_probe_ms = t->policy.probe ? first_probe_ms : ALWAYS_OFF;
	sb_engine_text(t->evidence, sizeof t->evidence, "%s", why);
	for (uint32_t w = 0; w < e->cfg.n_workers; w++)
		e->alive_seen[(size_t)w * SB_TRUNKS_MAX + slot] = alive_now(e, w, slot);
	sb_engine_line_write(e, slot);
	if (path.state[0] != path.state[1])
		say_path(e, t, &path);
	rearm(e, slot);
}

/* It stays as it is, its settings are new: no wait planned by the old ones may outlast the new. */
void sb_engine_trunk_policy(struct sb_engine *e, uint16_t slot)
{
	struct trunk *t = &e->trunk[slot];
	uint64_t planned = t->next_probe_ms;
	if (!t->policy.probe)
		t->probe_out = false;
	if (!t->probe_out) {
		plan_probe(e, t);
		t->next_probe_ms = t->policy.probe ? earlier(planned, t->next_probe_ms) : ALWAYS_OFF;
	}
	sb_engine_line_write(e, slot);
	rearm(e, slot);
}

void sb_engine_trunk_end(struct sb_engine *e, uint16_t slot)
{
	struct trunk *t = &e->trunk[slot];
	t->present = t->probe_out = false;
	t->down_pending = 0;
	t->next_probe_ms = ALWAYS_OFF;
	sb_wheel_cancel(&e->trunks, slot);
}

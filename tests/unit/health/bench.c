/* SPDX-License-Identifier: BSD-3-Clause */
#include "bench.h"

static void on_event(void *ctx, const struct sb_event_record *rec)
{
	struct bench *b = ctx;
	if (b->n_events < EVENTS)
		b->event[b->n_events++] = *rec;
}

void config(struct bench *b, unsigned n_trunks)
{
	b->snap.n_trunks = n_trunks;
	sb_engine_config(b->e, &b->snap, b->policy, b->now_ms);
}

void *zeroed(size_t size)
{
	void *p = aligned_alloc(64, (size + 63) & ~(size_t)63);
	assert_non_null(p);
	return memset(p, 0, size);
}

struct bench *bench_new(uint32_t ring)
{
	struct bench *b = zeroed(sizeof *b);
	struct sb_engine_config cfg = {.n_workers = WORKERS,
	        .transactions_per_worker = 1000,
	        .event = on_event,
	        .event_ctx = b,
	        .seed = 7,
	        .now_ms = T0};
	b->now_ms = T0;
	b->health = zeroed(sizeof *b->health);
	cfg.health = b->health;
	for (unsigned w = 0; w < WORKERS; w++) {
		assert_int_equal(sb_mailbox_init(&b->mail[w], ring), 0);
		b->stats[w] = zeroed(SB_TRUNKS_MAX * sizeof *b->stats[w]);
		cfg.mail[w] = &b->mail[w];
		cfg.trunk_stats[w] = b->stats[w];
	}
	b->e = sb_engine_new(&cfg);
	assert_non_null(b->e);
	b->snap.t1_ms = 500;
	b->snap.t2_ms = 4000;
	b->snap.trunks = b->trunks;
	for (unsigned i = 0; i < TRUNKS; i++) {
		snprintf(b->trunks[i].name, sizeof b->trunks[i].name, "trunk-%u", i);
		assert_int_equal(sb_addr_parse("198.51.100.1", (uint16_t)(5060 + i), &b->trunks[i].addr), 0);
		b->trunks[i].slot = (uint16_t)(10 + i);
		b->trunks[i].trying_timer_ms = 200;
		b->trunks[i].sends = 4;
		b->policy[i] = test_policy();
	}
	return b;
}

void bench_free(struct bench *b)
{
	sb_engine_free(b->e);
	for (unsigned w = 0; w < WORKERS; w++) {
		sb_mailbox_fini(&b->mail[w]);
		free(b->stats[w]);
	}
	free(b->health);
	free(b);
}

void tick(struct bench *b)
{
	sb_engine_tick(b->e, b->now_ms, BUDGET);
}

/* Lets ms go by, one at a time; mails to workers pile up in their rings. */
void run(struct bench *b, uint64_t ms)
{
	while (ms--) {
		b->now_ms++;
		tick(b);
	}
}

void post(struct bench *b, unsigned worker, struct sb_mail m)
{
	assert_true(sb_ring_put(&b->mail[worker].up, &m));
}

/* The next mail of op to any worker, others thrown away. */
bool next_mail(struct bench *b, uint8_t op, struct sb_mail *m, unsigned *worker)
{
	for (unsigned w = 0; w < WORKERS; w++) {
		while (sb_ring_take(&b->mail[w].down, m)) {
			if (m->op == op) {
				*worker = w;
				return true;
			}
		}
	}
	return false;
}

void drop_mail(struct bench *b)
{
	struct sb_mail m;
	unsigned w;
	while (next_mail(b, 0xff, &m, &w))
		;
}

bool wait_probe(struct bench *b, struct sb_mail *m, uint64_t ms_max)
{
	unsigned w;
	while (!next_mail(b, SB_MAIL_PROBE, m, &w)) {
		if (!ms_max--)
			return false;
		run(b, 1);
	}
	return true;
}

void answer(struct bench *b, const struct sb_mail *probe, uint16_t code, uint32_t retry_after_s)
{
	post(b, 1,
	        (struct sb_mail){.op = SB_MAIL_PROBE_RESULT,
	                .trunk = probe->trunk,
	                .code = code,
	                .probe = {.id = probe->probe.id, .retry_after_s = retry_after_s}});
	tick(b);
}

void fail_call(struct bench *b, uint16_t slot, enum sb_evidence kind, uint16_t code, uint32_t retry_after_s)
{
	post(b, 0,
	        (struct sb_mail){.op = SB_MAIL_EVIDENCE,
	                .kind = (uint8_t)kind,
	                .trunk = slot,
	                .code = code,
	                .evidence = {retry_after_s}});
	tick(b);
}

void alive(struct bench *b, unsigned worker, uint16_t slot, uint64_t n)
{
	atomic_fetch_add(&b->stats[worker][slot].alive, n);
}

struct sb_health_view view(struct bench *b, uint16_t slot)
{
	return sb_health_read(b->health, slot);
}

void assert_state(struct bench *b, uint16_t slot, enum sb_health_state s)
{
	struct sb_engine_trunk t;
	assert_string_equal(sb_health_name(view(b, slot).state), sb_health_name(s));
	assert_int_equal(sb_engine_trunk(b->e, slot, b->now_ms, &t), 0);
	assert_int_equal(t.state, s);
}

/* Probes of the n trunks are answered 200 until all are UP. */
void bring_up(struct bench *b, unsigned n)
{
	struct sb_mail m;
	config(b, n);
	for (unsigned i = 0; i < n; i++) {
		assert_true(wait_probe(b, &m, 100));
		answer(b, &m, 200, 0);
	}
	for (unsigned i = 0; i < n; i++)
		assert_state(b, b->trunks[i].slot, SB_UP);
}

const struct sb_event_record *last_event(const struct bench *b)
{
	assert_true(b->n_events > 0);
	return &b->event[b->n_events - 1];
}

/* Every event so far that says so. */
unsigned events_with(const struct bench *b, const char *kind, const char *part)
{
	unsigned n = 0;
	for (unsigned i = 0; i < b->n_events; i++)
		n += !strcmp(b->event[i].kind, kind) && strstr(b->event[i].detail, part);
	return n;
}

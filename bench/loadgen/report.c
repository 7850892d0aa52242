/* SPDX-License-Identifier: BSD-3-Clause */
/* report.c - what was measured, as a table or as one JSON line. */
#include "gen.h"
#include <stdio.h>

static const char *const latency_name[GEN_LATENCIES] = {"invite", "trying", "ringing", "ok", "ack", "bye", "bye_ok",
        "other", "after_503", "after_icmp", "after_silence"};

static double microseconds(const struct gen *g, uint64_t ticks)
{
	return (double)ticks * 1e6 / (double)g->hz;
}

static void report_json(const struct gen *g, double seconds, const char *phase)
{
	const struct gen_figures *f = &g->f;
	double failed = (double)(f->lost + f->wrong + f->refused);
	printf("{\"phase\": \"%s\", \"seconds\": %.3f, \"started\": %lu, \"answered\": %lu, \"completed\": %lu, "
	       "\"failed_calls\": %.0f, "
	       "\"lost\": %lu, \"wrong\": %lu, \"refused\": %lu, \"shed\": %lu, \"not_started\": %lu, \"late\": %lu, "
	       "\"repeated\": %lu, \"strays\": %lu, "
	       "\"others\": %lu, \"refusals_acked\": %lu, \"received\": %lu, \"sent\": %lu, "
	       "\"open\": %u, \"calls_per_second\": %.0f, "
	       "\"messages_per_second\": %.0f, \"mean_sent_bytes\": %.0f, \"generator_busy\": %.3f, \"latency_us\": {",
	        phase, seconds, f->started, f->answered, f->completed, failed, f->lost, f->wrong, f->refused, f->shed,
	        f->not_started, f->late, f->repeated, f->strays, f->others, f->refusals_acked, f->rx, f->tx, g->open,
	        (double)f->completed / seconds, (double)f->tx / seconds,
	        f->tx ? (double)f->tx_bytes / (double)f->tx - 42 : 0.0,
	        (double)f->busy / (double)(f->busy + f->idle + 1));
	for (unsigned i = 0, n = 0; i < GEN_LATENCIES; i++) {
		const struct gen_histogram *h = &f->latency[i];
		if (h->count)
			printf("%s\"%s\": {\"count\": %lu, \"p50\": %.2f, \"p99\": %.2f, \"p999\": %.2f, \"max\": "
			       "%.2f}",
			        n++ ? ", " : "", latency_name[i], h->count, microseconds(g, gen_histogram_at(h, 0.5)),
			        microseconds(g, gen_histogram_at(h, 0.99)), microseconds(g, gen_histogram_at(h, 0.999)),
			        microseconds(g, h->max));
	}
	printf("}, \"kinds\": {\"calls\": %lu, \"options\": %lu, \"register\": %lu}, ", f->kind[GEN_CALL],
	        f->kind[GEN_OPTIONS], f->kind[GEN_REGISTER]);
	printf("\"behaviours\": {\"answers\": %lu, \"refuses\": %lu, \"icmp\": %lu, \"silent\": %lu}, ",
	        f->behaviour[GEN_ANSWERS], f->behaviour[GEN_REFUSES], f->behaviour[GEN_ICMP], f->behaviour[GEN_SILENT]);
	printf("\"tsc_hz\": %lu, \"first_wrong\": \"", g->hz);
	for (const char *p = f->first_wrong; *p; p++) {
		if (*p == '"' || *p == '\\')
			putchar('\\');
		if (*p == '\n' || *p == '\r')
			printf("\\%c", *p == '\n' ? 'n' : 'r');
		else
			putchar(*p);
	}
	printf("\"}\n");
	fflush(stdout);
}

void gen_report(const struct gen *g, double seconds, const char *phase)
{
	const struct gen_figures *f = &g->f;
	if (g->o.json) {
		report_json(g, seconds, phase);
		return;
	}
	printf("%s: %.1f s, %lu calls started, %lu completed (%.0f a second), %lu messages sent, %lu received\n", phase,
	        seconds, f->started, f->completed, (double)f->completed / seconds, f->tx, f->rx);
	printf("  failed: %lu lost, %lu wrong, %lu refused; shed %lu; not started %lu, started late %lu; repeated %lu; "
	       "strays %lu\n",
	        f->lost, f->wrong, f->refused, f->shed, f->not_started, f->late, f->repeated, f->strays);
	if (*f->first_wrong)
		printf("  first wrong: %s\n", f->first_wrong);
	printf("  %-10s %12s %10s %10s %10s %10s  (microseconds)\n", "from to", "count", "p50", "p99", "p99.9", "max");
	for (unsigned i = 0; i < GEN_LATENCIES; i++) {
		const struct gen_histogram *h = &f->latency[i];
		if (h->count)
			printf("  %-10s %12lu %10.1f %10.1f %10.1f %10.1f\n", latency_name[i], h->count,
			        microseconds(g, gen_histogram_at(h, 0.5)), microseconds(g, gen_histogram_at(h, 0.99)),
			        microseconds(g, gen_histogram_at(h, 0.999)), microseconds(g, h->max));
	}
	fflush(stdout);
}

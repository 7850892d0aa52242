/* SPDX-License-Identifier: BSD-3-Clause */
/* The load again and again with the n-th allocation failing, for every n: it says so, leaks nothing, crashes nowhere.
 * libyaml's and libc's allocations fail like our own. */
#include "base.h"
#include "tests/unit/nomem.h"
#include <unistd.h>

struct outcome {
	int rc;
	uint32_t mistakes;
	char first[256];
};

/* One load; text NULL: of the file. Nothing of it is left afterwards. */
static struct outcome load(const char *file, const char *text, unsigned fail_at, unsigned more, bool *met)
{
	struct sb_config *c = NULL;
	struct sb_config_errors e = {0};
	struct outcome o = {0};
	struct sb_slots *slots = sb_slots_new();
	assert_non_null(slots);
	nomem_arm(fail_at, more);
	o.rc = sb_config_load(file, text, text ? strlen(text) : 0, slots, &c, &e);
	*met = nomem_disarm();
	assert_true((o.rc == 0) == (c != NULL));
	o.mistakes = e.n;
	snprintf(o.first, sizeof o.first, "%s", e.n ? e.line[0] : "");
	sb_config_free(c);
	sb_config_errors_free(&e);
	sb_slots_free(slots);
	return o;
}

/* Loads with every allocation failing in turn, alone or with all that follow, until a load meets no failure. A load
 * that could do without what it did not get (libc's buffers) must end as if nothing had happened. */
static void fail_each(const char *file, const char *text, int in_the_end, unsigned at_least)
{
	bool met = true;
	struct outcome good = load(file, text, 0, 0, &met);
	assert_false(met);
	assert_int_equal(good.rc, in_the_end);
	for (unsigned more = 0; more <= 1; more++) {
		uint64_t blocks = nomem_blocks();
		unsigned n = 0;
		do {
			struct outcome o = load(file, text, ++n, more ? UINT32_MAX : 0, &met);
			if (o.rc != SB_E_NOMEM) {
				assert_int_equal(o.rc, good.rc);
				assert_int_equal(o.mistakes, good.mistakes);
				assert_string_equal(o.first, good.first);
			}
			assert_in_range(nomem_blocks(), blocks, blocks + NOMEM_LOST_BY_LIBYAML);
		} while (met);
		assert_true(n > at_least);
	}
}

static void a_good_file_without_memory_is_refused_cleanly(void **state)
{
	char text[8192];
	base_text(text, 19, "routes-are: not\n");
	fail_each("sb.yaml", text, SB_E_CONFIG, 300);
	base_text(text, 0, "");
	fail_each("sb.yaml", text, 0, 300);
}

static void many_mistakes_without_memory_are_refused_cleanly(void **state)
{
	fail_each("sb.yaml",
	        "ports: []\nworkers: [a, b, 0, 0]\nlisteners: x\ntrunks: [ { name: a }, { name: a }, { nam: c } ]\n"
	        "groups: [ { name: g, members: [ { trunk: b } ] } ]\nroutes: [ { prefix: \"\", groups: [h] } ]\nzz: "
	        "1\n",
	        SB_E_CONFIG, 100);
}

static void a_file_on_disk_without_memory_is_refused_cleanly(void **state)
{
	char text[8192], file[] = "/tmp/sb-nomem-XXXXXX";
	int fd = mkstemp(file);
	base_text(text, 0, "");
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	close(fd);
	fail_each(file, NULL, 0, 300);
	unlink(file);
}

static void prefixes_of_a_file_without_memory_are_refused_cleanly(void **state)
{
	static const char *const texts[] = {
	        "+1 far\n+2 london far\n_a far\nb\nc\nd\ne\nf\ng\nh\ni\nj\n", "+1 far\n+1 far\nx! far\n+2 none\n"};
	char text[8192], line[200], file[] = "/tmp/sb-nomem-XXXXXX";
	int fd = mkstemp(file);
	snprintf(line, sizeof line, "  - { prefixes_file: %s, groups: [london] }", file);
	base_text(text, 17, line);
	for (unsigned i = 0; i < 2; i++) {
		assert_int_equal(ftruncate(fd, 0), 0);
		assert_int_equal(pwrite(fd, texts[i], strlen(texts[i]), 0), strlen(texts[i]));
		fail_each("sb.yaml", text, i ? SB_E_CONFIG : 0, 300);
	}
	close(fd);
	unlink(file);
}

static void no_memory_for_slots_is_told(void **state)
{
	uint64_t blocks = nomem_blocks();
	for (unsigned n = 1; n <= 2; n++) {
		nomem_arm(n, 0);
		assert_null(sb_slots_new());
		assert_true(nomem_disarm());
	}
	assert_int_equal(nomem_blocks(), blocks);
}

static void no_memory_for_what_needs_a_restart_is_told(void **state)
{
	char text[8192];
	struct sb_slots *slots = sb_slots_new();
	base_text(text, 0, "");
	struct sb_config *running = load_good(text, slots);
	base_text(text, 19, "memory: 1GB\nhugepages: no");
	struct sb_config *next = load_good(text, slots);
	bool met = true;
	for (unsigned n = 1; met; n++) {
		struct sb_config_errors e = {0};
		nomem_arm(n, 0);
		int rc = sb_config_reloadable(running, next, &e);
		met = nomem_disarm();
		assert_true(rc == SB_E_NOMEM || (rc == SB_E_CONFIG && e.n == 2));
		assert_true(met || rc == SB_E_CONFIG);
		sb_config_errors_free(&e);
	}
	sb_config_free(running);
	sb_config_free(next);
	sb_slots_free(slots);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(a_good_file_without_memory_is_refused_cleanly),
	        cmocka_unit_test(many_mistakes_without_memory_are_refused_cleanly),
	        cmocka_unit_test(a_file_on_disk_without_memory_is_refused_cleanly),
	        cmocka_unit_test(prefixes_of_a_file_without_memory_are_refused_cleanly),
	        cmocka_unit_test(no_memory_for_slots_is_told),
	        cmocka_unit_test(no_memory_for_what_needs_a_restart_is_told),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

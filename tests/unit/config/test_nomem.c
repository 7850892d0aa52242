/* SPDX-License-Identifier: BSD-3-Clause */
/* The load again and again with the n-th allocation failing, for every n: it says so, leaks nothing, crashes nowhere.
 * The linker's --wrap puts these in the way of the library's own calls; libyaml's are its own to answer for. */
#include "base.h"

void *__real_malloc(size_t);
void *__real_calloc(size_t, size_t);
void *__real_realloc(void *, size_t);
void *__real_aligned_alloc(size_t, size_t);
int __real_vasprintf(char **, const char *, va_list);
void *__wrap_malloc(size_t);
void *__wrap_calloc(size_t, size_t);
void *__wrap_realloc(void *, size_t);
void *__wrap_aligned_alloc(size_t, size_t);
int __wrap_vasprintf(char **, const char *, va_list);

static unsigned calls, fail_at; /* 0: never */

static bool fails(void)
{
	return ++calls == fail_at;
}

void *__wrap_malloc(size_t n)
{
	return fails() ? NULL : __real_malloc(n);
}

void *__wrap_calloc(size_t n, size_t size)
{
	return fails() ? NULL : __real_calloc(n, size);
}

void *__wrap_realloc(void *p, size_t n)
{
	return fails() ? NULL : __real_realloc(p, n);
}

void *__wrap_aligned_alloc(size_t align, size_t n)
{
	return fails() ? NULL : __real_aligned_alloc(align, n);
}

int __wrap_vasprintf(char **out, const char *format, va_list ap)
{
	return fails() ? -1 : __real_vasprintf(out, format, ap);
}

/* Loads with every allocation failing in turn until a load meets none; that one must end as told. */
static void fail_each(const char *text, int in_the_end)
{
	unsigned n = 1;
	for (;; n++) {
		struct sb_config *c = NULL;
		struct sb_config_errors e = {0};
		fail_at = 0;
		struct sb_slots *slots = sb_slots_new();
		calls = 0;
		fail_at = n;
		int rc = sb_config_load("sb.yaml", text, strlen(text), slots, &c, &e);
		bool met = calls >= n;
		fail_at = 0;
		assert_int_equal(rc, met ? SB_E_NOMEM : in_the_end);
		assert_true((rc == 0) == (c != NULL));
		sb_config_free(c);
		sb_config_errors_free(&e);
		sb_slots_free(slots);
		if (!met)
			break;
	}
	assert_true(n > 20);
}

static void a_good_file_without_memory_is_refused_cleanly(void **state)
{
	char text[8192];
	base_text(text, 19, "routes-are: not\n");
	fail_each(text, SB_E_CONFIG);
	base_text(text, 0, "");
	fail_each(text, 0);
}

static void many_mistakes_without_memory_are_refused_cleanly(void **state)
{
	fail_each("ports: []\nworkers: [a, b, 0, 0]\nlisteners: x\ntrunks: [ { name: a }, { name: a }, { nam: c } ]\n"
	          "groups: [ { name: g, members: [ { trunk: b } ] } ]\nroutes: [ { prefix: \"\", groups: [h] } ]\nzz: "
	          "1\n",
	        SB_E_CONFIG);
}

static void no_memory_for_slots_is_told(void **state)
{
	for (unsigned n = 1; n <= 2; n++) {
		calls = 0;
		fail_at = n;
		assert_null(sb_slots_new());
		fail_at = 0;
	}
}

static void no_memory_for_what_needs_a_restart_is_told(void **state)
{
	char text[8192];
	struct sb_slots *slots = sb_slots_new();
	base_text(text, 0, "");
	struct sb_config *running = load_good(text, slots);
	base_text(text, 19, "memory: 1GB\nhugepages: no");
	struct sb_config *next = load_good(text, slots);
	for (unsigned n = 1; n <= 4; n++) {
		struct sb_config_errors e = {0};
		calls = 0;
		fail_at = n;
		assert_int_equal(sb_config_reloadable(running, next, &e), SB_E_NOMEM);
		fail_at = 0;
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
	        cmocka_unit_test(no_memory_for_slots_is_told),
	        cmocka_unit_test(no_memory_for_what_needs_a_restart_is_told),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

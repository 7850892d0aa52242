/* SPDX-License-Identifier: BSD-3-Clause */
/* What is free in huge pages, from a directory like the kernel's. */
#include "control/kernel/hugepages.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>

static char dir[64];

static void page_size(const char *name, const char *free, const char *promised)
{
	static const char *const files[] = {"free_hugepages", "resv_hugepages"};
	const char *const text[] = {free, promised};
	char path[256];
	snprintf(path, sizeof path, "%s/%s", dir, name);
	assert_int_equal(mkdir(path, 0700), 0);
	for (int i = 0; i < 2; i++) {
		if (!text[i])
			continue;
		snprintf(path, sizeof path, "%s/%s/%s", dir, name, files[i]);
		FILE *f = fopen(path, "we");
		assert_non_null(f);
		fprintf(f, "%s\n", text[i]);
		assert_int_equal(fclose(f), 0);
	}
}

static int make(void **state)
{
	snprintf(dir, sizeof dir, "/tmp/sb-hugepages-XXXXXX");
	return mkdtemp(dir) ? 0 : -1;
}

static int unmake(void **state)
{
	char command[128];
	snprintf(command, sizeof command, "rm -rf %s", dir);
	return system(command);
}

static void free_pages_of_all_sizes_count(void **state)
{
	page_size("hugepages-2048kB", "60", "10");
	page_size("hugepages-1048576kB", "2", "0");
	assert_int_equal(sb_hugepages_free_mb(dir), 50 * 2 + 2 * 1024);
}

static void promised_pages_are_not_free(void **state)
{
	page_size("hugepages-2048kB", "10", "20");
	assert_int_equal(sb_hugepages_free_mb(dir), 0);
}

static void what_is_not_understood_counts_nothing(void **state)
{
	page_size("hugepages-2048kB", NULL, NULL);
	page_size("hugepages-64kB", "many", "0");
	page_size("something", "7", "0");
	assert_int_equal(sb_hugepages_free_mb(dir), 0);
	assert_int_equal(sb_hugepages_free_mb("/nowhere/at/all"), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test_setup_teardown(free_pages_of_all_sizes_count, make, unmake),
	        cmocka_unit_test_setup_teardown(promised_pages_are_not_free, make, unmake),
	        cmocka_unit_test_setup_teardown(what_is_not_understood_counts_nothing, make, unmake),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

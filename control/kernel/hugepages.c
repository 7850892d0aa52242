/* SPDX-License-Identifier: BSD-3-Clause */
#include "control/kernel/hugepages.h"
#include <dirent.h>
#include <inttypes.h>
#include <stdio.h>

static uint64_t read_number(const char *dir, const char *size, const char *name)
{
	char path[512];
	uint64_t n = 0;
	snprintf(path, sizeof path, "%s/%s/%s", dir, size, name);
	FILE *f = fopen(path, "re");
	if (f && fscanf(f, "%" SCNu64, &n) != 1)
		n = 0;
	if (f)
		fclose(f);
	return n;
}

uint64_t sb_hugepages_free_mb(const char *dir)
{
	uint64_t kb = 0;
	DIR *d = opendir(dir);
	for (struct dirent *e; d && (e = readdir(d));) {
		uint64_t size_kb, free, promised;
		if (sscanf(e->d_name, "hugepages-%" SCNu64 "kB", &size_kb) != 1)
			continue;
		free = read_number(dir, e->d_name, "free_hugepages");
		promised = read_number(dir, e->d_name, "resv_hugepages"); /* mapped by others, not yet touched */
		kb += free > promised ? (free - promised) * size_kb : 0;
	}
	if (d)
		closedir(d);
	return kb / 1024;
}

/* SPDX-License-Identifier: BSD-3-Clause */
/* replay.c - runs a fuzz target over files, and over the files of folders: no engine, any compiler.
 * usage: TARGET FILE|FOLDER... A finding ends it with its message and the file's name. */
#include "tests/fuzz/fuzz.h"
#include <dirent.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define PATH_BYTES 4096

static char now[PATH_BYTES]; /* the file that is run */
static unsigned n_run;

static void on_abort(int sig)
{
	static const char text[] = "\nreplaying: ";
	if (write(STDERR_FILENO, text, sizeof text - 1) < 0 || write(STDERR_FILENO, now, strlen(now)) < 0 ||
	        write(STDERR_FILENO, "\n", 1) < 0)
		_exit(70);
	signal(sig, SIG_DFL);
	raise(sig);
}

static void run_file(const char *path)
{
	FILE *f = fopen(path, "rb");
	struct stat st;
	if (!f || fstat(fileno(f), &st)) {
		perror(path);
		exit(66);
	}
	size_t size = (size_t)st.st_size;
	uint8_t *data = malloc(size ? size : 1); /* of its very size: sanitizers see an over-read */
	if (!data || fread(data, 1, size, f) != size) {
		perror(path);
		exit(66);
	}
	fclose(f);
	snprintf(now, sizeof now, "%s", path);
	LLVMFuzzerTestOneInput(data, size);
	free(data);
	n_run++;
}

static int not_hidden(const struct dirent *e)
{
	return e->d_name[0] != '.';
}

static void run(const char *path)
{
	struct dirent **list;
	struct stat st;
	char file[PATH_BYTES];
	int n = stat(path, &st) == 0 && S_ISDIR(st.st_mode) ? scandir(path, &list, not_hidden, alphasort) : -1;
	if (n < 0) {
		run_file(path);
		return;
	}
	for (int i = 0; i < n; i++) {
		snprintf(file, sizeof file, "%s/%s", path, list[i]->d_name);
		run_file(file);
		free(list[i]);
	}
	free(list);
}

int main(int argc, char **argv)
{
	signal(SIGABRT, on_abort);
	LLVMFuzzerInitialize(&argc, &argv);
	for (int i = 1; i < argc; i++)
		run(argv[i]);
	printf("%u inputs\n", n_run);
	return n_run == 0;
}

/* SPDX-License-Identifier: BSD-3-Clause */
/* main.c - switchbackd's command line. */
#include "control/main.h"
#include "control/config/file.h"
#include <getopt.h>
#include <sysexits.h>

static const char usage_text[] =
        "usage: switchbackd -c FILE [--check]\n"
        "\n"
        "SIP failover proxy for the carrier edge. Runs in the foreground; SIGHUP reloads, SIGTERM stops.\n"
        "\n"
        "  -c, --config FILE  configuration, see switchback.conf(5)\n"
        "      --check        read and check the configuration, then exit: 0 good, 78 bad\n"
        "  -h, --help         this text\n"
        "  -V, --version      the version\n";

/* A check may be given a pipe (/dev/stdin, <(...)), for nobody waits for it but who gave it. A daemon may not: a reload
 * would find it empty, or wait for ever. */
static int load(struct sb_daemon *d, const char *file, bool check)
{
	struct sb_config_errors errors = {0};
	char *text = NULL;
	size_t len = 0;
	d->slots = sb_slots_new();
	if (!d->slots)
		return EX_OSERR;
	if (check)
		(void)sb_file_read(file, true, NULL, &text, &len); /* what is not read now is told below */
	int err = sb_config_load(file, text, len, d->slots, &d->config, &errors);
	free(text);
	for (uint32_t i = 0; i < errors.n; i++)
		fprintf(stderr, "%s\n", errors.line[i]);
	if (err && errors.n == 0)
		fprintf(stderr, "%s: cannot be read: %s\n", file, sb_err_text(err));
	sb_config_errors_free(&errors);
	return err ? EX_CONFIG : 0;
}

static int run(const char *file, bool check)
{
	struct sb_daemon *d = calloc(1, sizeof *d);
	if (!d)
		return EX_OSERR;
	d->epoll_fd = d->timer_fd = d->signal_fd = -1;
	int code = load(d, file, check);
	if (code == 0 && check)
		printf("%s: good, packet buffers of %u MB\n", file, sb_daemon_memory_mb(d->config));
	if (code == 0 && !check) {
		sb_log_setup(d->config->control.log_level, d->config->control.log_format);
		code = sb_daemon_start(d);
		if (code == 0)
			code = sb_daemon_loop(d);
	}
	sb_daemon_fini(d);
	free(d);
	return code;
}

int main(int argc, char **argv)
{
	static const struct option options[] = {{"config", required_argument, NULL, 'c'},
	        {"check", no_argument, NULL, 'k'}, {"help", no_argument, NULL, 'h'},
	        {"version", no_argument, NULL, 'V'}, {0}};
	const char *file = NULL;
	bool check = false;
	int c;
	while ((c = getopt_long(argc, argv, "c:hV", options, NULL)) != -1) {
		switch (c) {
		case 'c':
			file = optarg;
			break;
		case 'k':
			check = true;
			break;
		case 'h':
			fputs(usage_text, stdout);
			return 0;
		case 'V':
			puts("switchbackd " SB_VERSION);
			return 0;
		default:
			fputs(usage_text, stderr);
			return EX_USAGE;
		}
	}
	if (file && strlen(file) >= sizeof((struct sb_config *)0)->file) {
		fputs("switchbackd: the file's path is too long, allowed: 255 bytes\n",
		        stderr); /* a reload must find it again */
		return EX_USAGE;
	}
	if (!file || optind < argc) {
		fputs(usage_text, stderr);
		return EX_USAGE;
	}
	return run(file, check);
}

/* SPDX-License-Identifier: BSD-3-Clause */
/* main.c - switchbackctl's command line. Exit codes: 0, 1 refused, 64 wrong command line, 69 no daemon, 76 it talks
 * nonsense. */
#include "control/ctl/ctl.h"
#include <getopt.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define DEFAULT_SOCKET "/run/switchback/control.sock"

enum {
	OPT_SOCKET = 256,
	OPT_JSON,
	OPT_HELP,
	OPT_VERSION,
	OPT_ALL,
	OPT_FOLLOW,
	OPT_AFTER,
	OPT_LIMIT,
	OPT_FROM,
	OPT_DOMAIN
};

static const struct option options[] = {{"socket", required_argument, NULL, OPT_SOCKET},
        {"json", no_argument, NULL, OPT_JSON}, {"help", no_argument, NULL, OPT_HELP},
        {"version", no_argument, NULL, OPT_VERSION}, {"all", no_argument, NULL, OPT_ALL},
        {"follow", no_argument, NULL, OPT_FOLLOW}, {"after", required_argument, NULL, OPT_AFTER},
        {"limit", required_argument, NULL, OPT_LIMIT}, {"from", required_argument, NULL, OPT_FROM},
        {"domain", required_argument, NULL, OPT_DOMAIN}, {NULL, 0, NULL, 0}};

#define BIT(opt) (1u << ((opt)-OPT_SOCKET))

static const struct command {
	const char *name;
	int (*run)(struct ctl *c);
	int args_min, args_max;
	unsigned allowed; /* options of its own */
	const char *usage, *help;
} commands[] = {
        {"status", ctl_status, 0, 0, 0, "status", "what is running, how many calls, how the trunks stand"},
        {"trunks", ctl_trunks, 0, 0, 0, "trunks", "every trunk: health, share, evidence"},
        {"trunk", ctl_trunk, 1, 2, 0, "trunk NAME [enable|drain|disable]", "show one trunk, or switch it"},
        {"routes", ctl_routes, 0, 0, 0, "routes", "which numbers go to which groups of trunks"},
        {"explain", ctl_explain, 1, 1, BIT(OPT_FROM) | BIT(OPT_DOMAIN), "explain NUMBER [--from IP] [--domain D]",
                "where a call would go now, why, and how long at most"},
        {"stats", ctl_stats, 0, 0, BIT(OPT_ALL), "stats [--all]", "counters; --all shows zeros, too"},
        {"events", ctl_events, 0, 0, BIT(OPT_FOLLOW) | BIT(OPT_AFTER) | BIT(OPT_LIMIT),
                "events [--follow] [--after SEQ] [--limit N]", "the last events, and those to come"},
        {"reload", ctl_reload, 0, 0, 0, "reload", "take over the changed configuration file"},
        {"memory", ctl_memory, 0, 0, 0, "memory", "what is used, and what it is bounded by"},
        {"version", ctl_version, 0, 0, 0, "version", "of this program, and of the daemon if it answers"},
};

#define N_COMMANDS (sizeof commands / sizeof commands[0])

static void help(FILE *to)
{
	fprintf(to, "usage: switchbackctl [--socket PATH] [--json] COMMAND\n\n");
	for (unsigned i = 0; i < N_COMMANDS; i++)
		fprintf(to, "  %-44s  %s\n", commands[i].usage, commands[i].help);
	fprintf(to, "\n  --socket PATH  the daemon's control socket (%s)\n", DEFAULT_SOCKET);
	fprintf(to, "  --json         the daemon's answer as it is\n");
}

static int usage(const struct command *command)
{
	if (command)
		fprintf(stderr, "usage: switchbackctl [--socket PATH] [--json] %s\n", command->usage);
	else
		help(stderr);
	return CTL_USAGE;
}

static bool is_number(const char *text)
{
	return !text || (*text && strlen(text) <= 18 && strspn(text, "0123456789") == strlen(text));
}

/* The options, into c and a set of those given; -1: a wrong one. */
static int read_options(struct ctl *c, int argc, char **argv, unsigned *given)
{
	int opt;
	while ((opt = getopt_long(argc, argv, "h", options, NULL)) != -1) {
		switch (opt) {
		case OPT_SOCKET:
			c->socket = optarg;
			break;
		case OPT_JSON:
			c->json = true;
			break;
		case OPT_ALL:
			c->all = true;
			break;
		case OPT_FOLLOW:
			c->follow = true;
			break;
		case OPT_AFTER:
			c->after = optarg;
			break;
		case OPT_LIMIT:
			c->limit = optarg;
			break;
		case OPT_FROM:
			c->from = optarg;
			break;
		case OPT_DOMAIN:
			c->domain = optarg;
			break;
		case 'h':
			opt = OPT_HELP;
			break;
		case OPT_HELP:
		case OPT_VERSION:
			break;
		default:
			return -1;
		}
		*given |= BIT(opt);
	}
	return is_number(c->after) && is_number(c->limit) ? 0 : -1;
}

static const struct command *command_named(const char *name)
{
	for (unsigned i = 0; i < N_COMMANDS; i++) {
		if (strcmp(commands[i].name, name) == 0)
			return &commands[i];
	}
	return NULL;
}

int main(int argc, char **argv)
{
	struct ctl c = {.socket = DEFAULT_SOCKET, .fd = -1, .colour = isatty(STDOUT_FILENO) == 1};
	const unsigned everywhere = BIT(OPT_SOCKET) | BIT(OPT_JSON);
	const struct command *command;
	unsigned given = 0;
	if (read_options(&c, argc, argv, &given))
		return usage(NULL);
	if (given & BIT(OPT_HELP)) {
		help(stdout);
		return CTL_OK;
	}
	if (given & BIT(OPT_VERSION)) {
		printf("switchbackctl %s\n", SB_VERSION);
		return CTL_OK;
	}
	if (optind == argc)
		return usage(NULL);
	command = command_named(argv[optind]);
	if (!command) {
		fprintf(stderr, "switchbackctl: there is no command \"%s\"\n", argv[optind]);
		return usage(NULL);
	}
	int n = argc - optind - 1;
	if (n < command->args_min || n > command->args_max || given & ~(everywhere | command->allowed))
		return usage(command);
	for (int i = 0; i < n; i++)
		c.arg[i] = argv[optind + 1 + i];
	int status = command->run(&c);
	if (c.in)
		fclose(c.in);
	/* A full disk or a closed pipe must not look like success. */
	return fflush(stdout) && status == CTL_OK ? CTL_REFUSED : status;
}

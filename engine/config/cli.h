/* cli: the command line. tcpdump's letters, DPDK's arguments before --, the configuration's keys by
 * --set. */
#pragma once

#include "engine/config/config.h"

/* exit_status is what the program ends with; --help and the manual page list it. */
enum exit_status {
	STATUS_OK = 0,     /* all that came in was decoded and delivered */
	STATUS_FAILED = 1, /* the source, a sink or the machine failed */
	STATUS_INPUT = 2,  /* wrong option or configuration; file truncated or damaged */
	STATUS_PURGED = 3, /* stopped with events that no sink took in time */
};

enum cli_action {
	CLI_RUN,
	CLI_USAGE,
	CLI_HELP,
	CLI_VERSION,
	CLI_BUILD_INFO,
	CLI_INTERFACES,
	CLI_CHECK,
	CLI_DUMP
};

struct cli {
	enum cli_action action;
	const char *page;     /* of --help=PAGE, "" without; borrowed from argv */
	struct config config; /* complete and checked for CLI_RUN, CLI_CHECK and CLI_DUMP; EAL
				 arguments in source.eal */
};

/* cli_parse reads argv. Options win over --config, whatever their order; among themselves the later
 * wins.
 *
 * Takes    argv: borrowed, not changed
 * Returns  0 with cli to be freed, or -errno with error and nothing to free */
int cli_parse(struct cli *cli, int argc, char *const argv[], char error[CONFIG_ERROR]);
void cli_free(struct cli *cli);

/* cli_answer does what needs no source: help, version, interfaces, check, dump; usage goes to
 * stderr. Returns  an exit_status, or -1: the action is CLI_RUN */
int cli_answer(const struct cli *cli);

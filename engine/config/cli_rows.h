/* cli_rows: the options as rows (parsed by cli.c, shown by cli_help.c) and what is EAL's of argv.
 */
#pragma once

#include "engine/config/cli.h"

enum cli_do {
	DO_KEY,    /* key = argument, or the row's value */
	DO_SOURCE, /* the same, in place of any other source */
	DO_OUTPUT, /* a sink more */
	DO_FEED,   /* a feed more */
	DO_SET,    /* config_set */
	DO_CONFIG, /* read first of all */
	DO_ACTION,
	DO_NOTHING, /* taken for the habit of it */
};

struct cli_row {
	char letter;            /* 0: none */
	const char *name, *arg; /* arg NULL: takes none; "[…]": only behind a = */
	const char *help;
	enum cli_do what;
	const char *key, *value;
	enum cli_action action;
};

extern const struct cli_row cli_rows[];
extern const unsigned cli_rows_n;

/* cli_eal finds DPDK's arguments: argv[1 .. *end) are EAL's when it returns true, argv[*first ..)
 * ours. EAL form is: a -- somewhere (all before it is EAL's), or an EAL option first (all up to the
 * first word that is none). */
bool cli_eal(int argc, char *const argv[], int *end, int *first);

/* cli_help_page is cli_answer's CLI_HELP: --help=configuration, example, man, or "" for the plain
 * one. */
int cli_help_page(FILE *out, const char *page);

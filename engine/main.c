/* pkt-sniffer: packets in, events out. */
#include <signal.h>
#include <stdio.h>

#include "base/log.h"
#include "engine/app.h"
#include "engine/signals.h"

static int run(const struct config *cfg)
{
	struct app app = {0};
	int status = STATUS_FAILED;

	log_setup((enum log_level)cfg->log.level, (enum log_format)cfg->log.format, 2);
	signals_block();
	if (app_feeds(&app, cfg) == 0 && app_sinks(&app) == 0 && app_sources(&app) == 0 &&
		app_workers(&app) == 0 && app_start(&app) == 0) {
		status = app_wait(&app);
		status = app_stop(&app, status);
	}
	app_close(&app);
	return status;
}

int main(int argc, char *argv[])
{
	char error[CONFIG_ERROR];
	struct cli cli;
	int status;

	if (cli_parse(&cli, argc, argv, error) < 0) {
		fprintf(stderr, "pkt-sniffer: %s\n", error);
		return STATUS_INPUT;
	}
	status = cli_answer(&cli);
	if (status < 0)
		status = run(&cli.config);
	cli_free(&cli);
	return status;
}

/* pkt-sniffer: packets in, events out. */
#include <errno.h>
#include <signal.h>
#include <stdio.h>

#include "base/log.h"
#include "engine/app.h"
#include "engine/rights.h"
#include "engine/signals.h"

/* start_status says whose fault a start that failed was: what was told, or the machine. */
static int start_status(int rc)
{
	if (rc == -EINTR) /* asked to stop before it had begun */
		return STATUS_OK;
	return rc == -EINVAL || rc == -ENODATA || rc == -ESPIPE ? STATUS_INPUT : STATUS_FAILED;
}

static int run(const struct config *cfg)
{
	struct app app = {0};
	int status, rc;

	log_setup((enum log_level)cfg->log.level, (enum log_format)cfg->log.format, 2);
	signals_block();
	signals_starting();
	rc = app_feeds(&app, cfg);
	rc = rc < 0 ? rc : app_sources(&app);
	rc = rc < 0 ? rc : app_placement(&app);
	rc = rc < 0 ? rc : rights_drop(cfg, true);
	rc = rc < 0 ? rc : app_sinks(&app);
	rc = rc < 0 ? rc : rights_drop(cfg, false);
	rc = rc < 0 ? rc : app_workers(&app);
	signals_started();
	rc = rc < 0 ? rc : app_start(&app);
	status = start_status(rc);
	if (rc == 0)
		status = app_stop(&app, app_wait(&app));
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

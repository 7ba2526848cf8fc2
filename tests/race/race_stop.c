/* Race: the whole program, a capture played for ever by three workers into three sinks, ledger cuts
 * all the while, ended by one signal or two from another thread; then a sink that takes nothing. */
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/log.h"
#include "engine/app.h"
#include "engine/signals.h"

enum { ROUNDS = 12 };

static void must(bool ok, const char *what)
{
	if (ok)
		return;
	printf("not ok - %s\n", what);
	exit(1);
}

struct asking {
	unsigned after_us, times;
	int signal;
	bool report; /* wanted before */
};

/* ask sends the process what a terminal would. */
static void *ask(void *arg)
{
	const struct asking *a = arg;

	usleep(a->after_us);
	for (unsigned i = 0; i < a->times; i++) {
		if (a->report)
			kill(getpid(), SIGUSR1);
		kill(getpid(), a->signal);
		usleep(30000);
	}
	return NULL;
}

/* run is what main.c does. Returns the exit status */
static int run(char *argv[], int argc, struct asking *asking)
{
	char error[CONFIG_ERROR];
	struct app app = {0};
	pthread_t thread;
	struct cli cli;
	int status;

	must(cli_parse(&cli, argc, argv, error) == 0, error);
	must(app_feeds(&app, &cli.config) == 0, "feeds");
	must(app_sources(&app) == 0, "sources");
	must(app_placement(&app) == 0, "placement");
	must(app_sinks(&app) == 0, "sinks");
	must(app_workers(&app) == 0, "workers");
	must(pthread_create(&thread, NULL, ask, asking) == 0, "thread");
	must(app_start(&app) == 0, "start");
	status = app_stop(&app, app_wait(&app));
	app_close(&app);
	pthread_join(thread, NULL);
	while (signals_next(0)) /* one that came too late */
		;
	cli_free(&cli);
	return status;
}

int main(void)
{
	char capture[] = "/tmp/race_stop.XXXXXX", command[512], pipe_name[64];
	int fd = mkstemp(capture), ends[2];
	char *argv[] = {"pkt-sniffer", "-r", capture, "--loop", "0", "--workers", "3", "-o",
		"null:", "-o", "file:/dev/null", "-o", "json:/dev/null", "-q", "--set",
		"ledger.interval_s=1", "--batch-events", "50"};
	int argc = sizeof(argv) / sizeof(argv[0]);

	must(fd >= 0 && pipe(ends) == 0, "a file and a pipe");
	close(fd);
	snprintf(command, sizeof(command),
		FEED_SIM " --quiet --messages 3000 --instruments 20 "
			 "--channels 3 --pcap %s",
		capture);
	must(system(command) == 0, command);
	log_setup(LOG_LEVEL_WARN, LOG_FORMAT_TEXT, 2);
	signals_block();
	for (unsigned i = 0; i < ROUNDS; i++) {
		struct asking asking = {i * 29000, 1 + i % 2, i % 3 ? SIGINT : SIGTERM, i == 3};

		int status = run(argv, argc, &asking);

		must(status == 0 || (asking.times == 2 && status == STATUS_PURGED),
			"a stop under load ends with 0, one that is hurried may purge");
	}
	snprintf(pipe_name, sizeof(pipe_name), "json:/proc/self/fd/%d", ends[1]);
	argv[12] = pipe_name;
	for (unsigned i = 0; i < 2; i++) { /* nobody reads: give up, purge */
		struct asking asking = {400000, 2, SIGINT, false};

		must(run(argv, argc, &asking) == STATUS_PURGED, "a full pipe ends with 3");
	}
	unlink(capture);
	printf("ok - stop: %d stops under load, 2 with a full pipe\n", ROUNDS);
	return 0;
}

#include "engine/signals.h"

#include <pthread.h>
#include <signal.h>
#include <time.h>

static void wanted(sigset_t *set)
{
	sigemptyset(set);
	sigaddset(set, SIGINT);
	sigaddset(set, SIGTERM);
	sigaddset(set, SIGHUP);
	sigaddset(set, SIGUSR1);
}

void signals_block(void)
{
	sigset_t set;

	wanted(&set);
	pthread_sigmask(SIG_BLOCK, &set, NULL);
	signal(SIGPIPE, SIG_IGN);
}

int signals_next(int timeout_ms)
{
	struct timespec timeout = {timeout_ms / 1000, timeout_ms % 1000 * 1000000L};
	sigset_t set;
	int sig;

	wanted(&set);
	sig = sigtimedwait(&set, NULL, &timeout);
	return sig > 0 ? sig : 0;
}

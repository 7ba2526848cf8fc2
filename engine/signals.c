#include "engine/signals.h"

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <time.h>
#include <unistd.h>

#include "base/log.h"

static pthread_t watcher;
static bool watching;
static atomic_bool has_started;

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

/* watch_start ends a program that is still starting. It is woken by a SIGHUP of its own: cancelling
 * a sigwait may lose the signal that it has just taken. */
static void *watch_start(void *arg)
{
	sigset_t ends;
	int sig;

	(void)arg;
	sigemptyset(&ends);
	sigaddset(&ends, SIGINT);
	sigaddset(&ends, SIGTERM);
	sigaddset(&ends, SIGHUP);
	do
		sigwait(&ends, &sig);
	while (sig == SIGHUP && !atomic_load(&has_started));
	if (sig == SIGHUP)
		return NULL;
	LOG(NOTICE, "stopped while it was starting: nothing was taken");
	_exit(0);
}

void signals_starting(void)
{
	watching = pthread_create(&watcher, NULL, watch_start, NULL) == 0;
}

void signals_started(void)
{
	if (!watching)
		return;
	atomic_store(&has_started, true);
	pthread_kill(watcher, SIGHUP);
	pthread_join(watcher, NULL);
	watching = false;
}

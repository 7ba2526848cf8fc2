/* signals: no handler runs; every thread blocks them, the control thread asks for them. */
#pragma once

/* signals_block blocks what signals_next asks for and ignores SIGPIPE. Before the first thread. */
void signals_block(void);

/* signals_next waits at most timeout_ms. Returns SIGINT, SIGTERM, SIGHUP, SIGUSR1, or 0. */
int signals_next(int timeout_ms);

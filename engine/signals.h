/* signals: no handler runs; every thread blocks them, the control thread asks for them. */
#pragma once

/* signals_block blocks what signals_next asks for and ignores SIGPIPE. Before the first thread. */
void signals_block(void);

/* signals_next waits at most timeout_ms. Returns SIGINT, SIGTERM, SIGHUP, SIGUSR1, or 0. */
int signals_next(int timeout_ms);

/* signals_starting makes SIGINT and SIGTERM end the program at once, with status 0, until
 * signals_started: while it starts nothing has been taken yet, and a broker, a named pipe or a
 * library may keep it waiting for long.
 * Thread   the main one; signals_block was called */
void signals_starting(void);
void signals_started(void);

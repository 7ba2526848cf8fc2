/* server: /metrics, /healthz and /readyz over HTTP (libmicrohttpd), on threads of its own.
 *
 *   scrape ──► server_wanted ──► control thread: ledger cut ──► server_put ──► answer
 *
 * A scrape waits for a cut that the control thread asks for, half a second at most; then it shows
 * the last one, whose age it says. It touches no counter of a worker or publisher itself. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct server;

/* listen_split takes "ADDR:PORT" apart; ADDR is a name, an IPv4 address, an IPv6 address in
 * brackets, or * for all. Returns  0, or -EINVAL with error saying what was expected */
enum { LISTEN_HOST = 256, LISTEN_PORT = 6 };
int listen_split(
	const char *listen, char host[LISTEN_HOST], char port[LISTEN_PORT], char error[256]);

/* server_open binds and starts to answer. Its threads inherit the caller's CPU affinity: call it
 * before EAL pins anything.
 * Returns  0, or -errno with error filled: what, where, what to do */
int server_open(struct server **server, const char *listen, char error[256]);

/* server_close answers what still waits and ends. */
void server_close(struct server *server);

/* server_wanted says whether a scrape waits. A call is also the sign of life behind /healthz: 503
 * when none came for 5 s. Thread: the control thread, as for the two below. */
bool server_wanted(struct server *server);

/* server_put is what scrapes show from now on, and lets those that wait go.
 * Takes    text: given, from malloc
 *          cut: it shows a new cut of the ledger */
void server_put(struct server *server, char *text, size_t len, bool cut);

/* server_ready says what /readyz answers: "" is ready, else why not, a line each. Copied. */
enum { READY_TEXT = 4096 };
void server_ready(struct server *server, const char *why);

#include "engine/metrics/server.h"

#include <errno.h>
#include <fcntl.h>
#include <microhttpd.h>
#include <netdb.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "engine/metrics/metrics.h"

enum {
	CONNECTIONS_MAX = 32,
	IDLE_S = 10,     /* a connection that says nothing is closed */
	SCRAPE_MS = 500, /* a scrape waits so long for its cut */
	ALIVE_S = 5,
};

struct server {
	struct MHD_Daemon *daemon;
	pthread_mutex_t lock;
	pthread_cond_t put; /* text or closing changed */
	/* under lock */
	char *text;
	size_t len;
	uint64_t puts, scrapes, cut_ns, seen_ns; /* CLOCK_MONOTONIC; cut_ns 0: none yet */
	unsigned waiting;                        /* scrapes that wait for a cut */
	bool closing;
	char why[READY_TEXT];
};

static uint64_t monotonic_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000ull + (uint64_t)ts.tv_nsec;
}

int listen_split(
	const char *listen, char host[LISTEN_HOST], char port[LISTEN_PORT], char error[256])
{
	const char *colon = strrchr(listen, ':');
	size_t len = colon ? (size_t)(colon - listen) : 0;
	const char *from = listen;
	char *end;
	unsigned long n = colon ? strtoul(colon + 1, &end, 10) : 0;

	if (len >= 2 && listen[0] == '[' && listen[len - 1] == ']') {
		from++;
		len -= 2;
	} else if (len && memchr(listen, ':', len)) {
		len = 0; /* an IPv6 address needs its brackets: which colon is the last one? */
	}
	if (!len || len >= LISTEN_HOST || strspn(colon + 1, "0123456789") != strlen(colon + 1) ||
		!n || n > 65535) {
		snprintf(error, 256,
			"%.120s: expected ADDR:PORT, as in 127.0.0.1:9100, [::1]:9100 or *:9100",
			listen);
		return -EINVAL;
	}
	memcpy(host, from, len);
	host[len] = '\0';
	snprintf(port, LISTEN_PORT, "%lu", n);
	return 0;
}

/* try_listen binds one address. Returns  a listening socket, or -errno */
static int try_listen(const struct addrinfo *ai, bool all)
{
	int on = 1, off = 0, rc;
	int fd = socket(ai->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	if (fd < 0)
		return -errno;
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if (ai->ai_family == AF_INET6) /* * is IPv4 too */
		setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, all ? &off : &on, sizeof(on));
	if (bind(fd, ai->ai_addr, ai->ai_addrlen) == 0 && listen(fd, CONNECTIONS_MAX) == 0)
		return fd;
	rc = -errno;
	close(fd);
	return rc;
}

/* listen_on binds. Returns  a listening socket, or -errno with error filled */
static int listen_on(const char *text, char error[256])
{
	struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE}, *list, *ai;
	char host[LISTEN_HOST], port[LISTEN_PORT];
	int rc = listen_split(text, host, port, error);
	bool all = rc == 0 && strcmp(host, "*") == 0;

	if (rc < 0)
		return rc;
	rc = getaddrinfo(all ? "::" : host, port, &hints, &list);
	if (rc != 0) {
		snprintf(error, 256, "%.120s: %s; give an address of this host", text,
			gai_strerror(rc));
		return -EINVAL;
	}
	rc = -EADDRNOTAVAIL;
	for (ai = list; ai && rc < 0; ai = ai->ai_next)
		rc = try_listen(ai, all);
	freeaddrinfo(list);
	if (rc == -EAFNOSUPPORT && all) { /* a host without IPv6 */
		snprintf(port, sizeof(port), "%s", strrchr(text, ':') + 1);
		if (getaddrinfo("0.0.0.0", port, &hints, &list) == 0) {
			rc = try_listen(list, true);
			freeaddrinfo(list);
		}
	}
	if (rc < 0)
		snprintf(error, 256, "cannot listen on %.120s: %s%s", text, strerror(-rc),
			rc == -EADDRINUSE ? "; stop what listens there or choose another port"
					  : "; give an address of this host and a free port");
	return rc;
}

/* scrape waits for a fresh cut and copies what there is. Returns  text for free, or NULL */
static char *scrape(struct server *server, size_t *len)
{
	uint64_t before, cut_ns, scrapes;
	struct timespec until;
	char *all = NULL;
	FILE *out;

	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_nsec += SCRAPE_MS * 1000000L;
	until.tv_sec += until.tv_nsec / 1000000000;
	until.tv_nsec %= 1000000000;
	pthread_mutex_lock(&server->lock);
	before = server->puts;
	server->waiting++;
	while (server->puts == before && !server->closing)
		if (pthread_cond_timedwait(&server->put, &server->lock, &until) == ETIMEDOUT)
			break;
	server->waiting--;
	out = open_memstream(&all, len);
	if (out)
		fwrite(server->text, 1, server->len, out);
	cut_ns = server->cut_ns;
	scrapes = server->scrapes++;
	pthread_mutex_unlock(&server->lock);
	if (!out)
		return NULL;
	metrics_write_now(out, cut_ns ? (double)(monotonic_ns() - cut_ns) / 1e9 : -1, scrapes);
	fclose(out);
	return all;
}

/* answer sends text, which is given (from malloc). */
static enum MHD_Result answer(struct MHD_Connection *connection, unsigned status, char *text,
	size_t len, const char *type)
{
	struct MHD_Response *response;
	enum MHD_Result result;

	if (!text)
		return MHD_NO;
	response = MHD_create_response_from_buffer(len, text, MHD_RESPMEM_MUST_FREE);
	if (!response) {
		free(text);
		return MHD_NO;
	}
	MHD_add_response_header(response, "Content-Type", type);
	MHD_add_response_header(response, "Cache-Control", "no-store");
	if (status == MHD_HTTP_METHOD_NOT_ALLOWED)
		MHD_add_response_header(response, "Allow", "GET, HEAD");
	result = MHD_queue_response(connection, status, response);
	MHD_destroy_response(response);
	return result;
}

static enum MHD_Result say(struct MHD_Connection *connection, unsigned status, const char *text)
{
	char *copy = strdup(text);

	return answer(
		connection, status, copy, copy ? strlen(copy) : 0, "text/plain; charset=utf-8");
}

static enum MHD_Result healthz(struct server *server, struct MHD_Connection *connection)
{
	uint64_t seen_ns;

	pthread_mutex_lock(&server->lock);
	seen_ns = server->seen_ns;
	pthread_mutex_unlock(&server->lock);
	if (monotonic_ns() - seen_ns > ALIVE_S * 1000000000ull)
		return say(connection, MHD_HTTP_SERVICE_UNAVAILABLE,
			"the control thread has not been seen for 5 s\n");
	return say(connection, MHD_HTTP_OK, "ok\n");
}

static enum MHD_Result readyz(struct server *server, struct MHD_Connection *connection)
{
	char why[READY_TEXT];

	pthread_mutex_lock(&server->lock);
	memcpy(why, server->why, sizeof(why));
	pthread_mutex_unlock(&server->lock);
	return *why ? say(connection, MHD_HTTP_SERVICE_UNAVAILABLE, why)
		    : say(connection, MHD_HTTP_OK, "ready\n");
}

/* on_request answers one request. Thread: that of the connection. */
static enum MHD_Result on_request(void *ctx, struct MHD_Connection *connection, const char *path,
	const char *method, const char *version, const char *body, size_t *body_len, void **state)
{
	static int seen;
	char *text;
	size_t len;

	(void)version;
	(void)body;
	if (!*state) { /* the head alone so far: an answer now would close the connection */
		*state = &seen;
		return MHD_YES;
	}
	if (*body_len) {
		*body_len = 0;
		return MHD_YES;
	}
	if (strcmp(method, "GET") != 0 && strcmp(method, "HEAD") != 0)
		return say(connection, MHD_HTTP_METHOD_NOT_ALLOWED, "GET and HEAD alone\n");
	if (strcmp(path, "/healthz") == 0)
		return healthz(ctx, connection);
	if (strcmp(path, "/readyz") == 0)
		return readyz(ctx, connection);
	if (strcmp(path, "/metrics") != 0)
		return say(connection, MHD_HTTP_NOT_FOUND,
			"pkt-sniffer has /metrics, /healthz and /readyz\n");
	text = scrape(ctx, &len);
	return answer(
		connection, MHD_HTTP_OK, text, len, "text/plain; version=0.0.4; charset=utf-8");
}

int server_open(struct server **out, const char *listen, char error[256])
{
	struct server *server = calloc(1, sizeof(*server));
	pthread_condattr_t attr;
	int fd = -ENOMEM;

	snprintf(error, 256, "no memory");
	if (!server)
		return -ENOMEM;
	pthread_mutex_init(&server->lock, NULL);
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&server->put, &attr);
	pthread_condattr_destroy(&attr);
	snprintf(server->why, sizeof(server->why), "starting\n");
	server->seen_ns = monotonic_ns();
	server->text = strdup("");
	if (server->text)
		fd = listen_on(listen, error);
	if (fd < 0)
		goto failed;
	server->daemon = MHD_start_daemon(
		MHD_USE_INTERNAL_POLLING_THREAD | MHD_USE_POLL | MHD_USE_THREAD_PER_CONNECTION, 0,
		NULL, NULL, on_request, server, MHD_OPTION_LISTEN_SOCKET, fd,
		MHD_OPTION_CONNECTION_LIMIT, CONNECTIONS_MAX, MHD_OPTION_CONNECTION_TIMEOUT,
		(unsigned)IDLE_S, MHD_OPTION_THREAD_STACK_SIZE, (size_t)256 * 1024, MHD_OPTION_END);
	if (server->daemon) {
		*out = server;
		return 0;
	}
	close(fd);
	fd = -EIO;
	snprintf(error, 256, "%.120s: the HTTP server did not start", listen);
failed:
	server_close(server);
	return fd;
}

void server_close(struct server *server)
{
	if (!server)
		return;
	pthread_mutex_lock(&server->lock);
	server->closing = true;
	pthread_cond_broadcast(&server->put);
	pthread_mutex_unlock(&server->lock);
	if (server->daemon)
		MHD_stop_daemon(server->daemon); /* closes the socket, joins the threads */
	pthread_cond_destroy(&server->put);
	pthread_mutex_destroy(&server->lock);
	free(server->text);
	free(server);
}

bool server_wanted(struct server *server)
{
	bool wanted;

	pthread_mutex_lock(&server->lock);
	wanted = server->waiting > 0;
	server->seen_ns = monotonic_ns();
	pthread_mutex_unlock(&server->lock);
	return wanted;
}

void server_put(struct server *server, char *text, size_t len, bool cut)
{
	char *old;

	pthread_mutex_lock(&server->lock);
	old = server->text;
	server->text = text;
	server->len = len;
	if (cut) {
		server->cut_ns = monotonic_ns();
		server->puts++;
	}
	pthread_cond_broadcast(&server->put);
	pthread_mutex_unlock(&server->lock);
	free(old);
}

void server_ready(struct server *server, const char *why)
{
	pthread_mutex_lock(&server->lock);
	snprintf(server->why, sizeof(server->why), "%s", why);
	pthread_mutex_unlock(&server->lock);
}

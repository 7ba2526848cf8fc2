#include "engine/sources.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/log.h"
#include "capture/dpdk/eal.h"
#include "capture/dpdk/ethdev.h"
#include "capture/handoff.h"
#include "engine/steer_program.h"
#include "publish/sink.h"

static const char *const formats[] = {
	NULL, "pcap", "pcapng", "binaryfile", "itch50-nolength", "fix"};

static bool is_multicast(const struct address *a)
{
	return a->ip[0] == 0xff || (a->ip[10] == 0xff && a->ip[11] == 0xff && a->ip[12] >> 4 == 14);
}

/* groups_of lists the multicast groups of the feed table. Returns how many. */
static unsigned groups_of(const struct feed_table *table, struct address *groups)
{
	unsigned n = 0;

	for (uint32_t i = 0; i < table->rows_n; i++)
		if (is_multicast(&table->rows[i].dst))
			groups[n++] = table->rows[i].dst;
	return n;
}

/* open_port starts DPDK and its port. */
static int open_port(struct ethdev_port **port, const struct config *cfg,
	const struct source_options *opt, char error[256])
{
	const char *mode;
	uint16_t id;
	int rc = eal_start(cfg->source.eal.v, cfg->source.eal.n, &mode, error);

	if (rc == 0)
		rc = eal_port(cfg->source.port, &id, error);
	if (rc == 0)
		rc = ethdev_port_open(port, id, opt, error);
	if (rc == 0)
		LOG(INFO, "DPDK port runs memory=\"%s\" queues=%u", mode,
			ethdev_port_queues(*port));
	return rc;
}

/* open_readers opens a source for each queue that the port feeds. Returns how many, or -errno */
static int open_readers(struct source *queues[], const struct config *cfg,
	const struct source_options *opt, char error[256])
{
	struct ethdev_port *port;
	uint16_t n = 0;
	int rc = open_port(&port, cfg, opt, error);

	if (rc < 0)
		return rc;
	for (; rc == 0 && n < ethdev_port_readers(port); n += rc == 0)
		rc = source_open_ethdev(&queues[n], port, n, opt, error);
	while (rc < 0 && n-- > 0)
		queues[n]->ops->close(queues[n]);
	ethdev_port_release(port);
	return rc < 0 ? rc : n;
}

/* open_sockets opens a socket for each worker, where the kernel can be told which packets are
 * whose. Returns how many, or -errno */
static int open_sockets(struct source *queues[], const struct config *cfg,
	struct source_options *opt, char error[256])
{
	struct sock_fprog fanout = {0};
	int rc = opt->workers > 1 ? steer_program_make(&fanout, opt->steer_ctx) : 0;

	if (rc == -E2BIG)
		LOG(WARN, "the feed table is too long for a program of the kernel: one worker "
			  "takes all packets and hands them on");
	opt->fanout = fanout.filter ? &fanout : NULL;
	rc = source_open_afpacket(queues, cfg->source.interface, opt, error);
	opt->fanout = NULL;
	free(fanout.filter);
	if (rc > 0)
		LOG(INFO, "captures interface=%s sockets=%d", cfg->source.interface, rc);
	return rc;
}

/* hand_on makes each worker's source: its own queue, if it has one, and what others hand on. */
static int hand_on(struct source *sources[], struct source *queues[], unsigned queues_n,
	const struct source_options *opt)
{
	struct handoff *handoff;
	unsigned w = 0;
	int rc = handoff_open(
		&handoff, opt->workers, HANDOFF_LANE_BYTES, steer_packet, opt->steer_ctx, false);

	if (rc < 0)
		return rc;
	for (; rc == 0 && w < opt->workers; w += rc == 0)
		rc = handoff_source(&sources[w], handoff, w, w < queues_n ? queues[w] : NULL);
	for (unsigned i = 0; rc == 0 && i < opt->workers; i++)
		sources[i]->hides_loss = sources[0]->hides_loss; /* who has no queue loses too */
	for (unsigned i = 0; rc < 0 && i < w; i++) {
		sources[i]->ops->close(sources[i]);
		queues[i] = NULL;
	}
	handoff_release(handoff);
	return rc;
}

/* open_live opens a source that may have fewer queues than there are workers, or queues that know
 * nothing of channels: packets are handed on to their owner. */
static int open_live(struct source *sources[], const struct config *cfg, struct source_options *opt,
	char error[256])
{
	struct source *queues[WORKERS_MAX];
	int n, rc;

	opt->steer = NULL; /* every queue gives all it has */
	n = config_source_kind(cfg) == CONFIG_PORT ? open_readers(queues, cfg, opt, error)
						   : open_sockets(queues, cfg, opt, error);
	if (n < 0)
		return n;
	sources[0] = queues[0];
	if (opt->workers == 1)
		return 0;
	rc = hand_on(sources, queues, (unsigned)n, opt);
	for (int i = 0; rc < 0 && i < n; i++)
		if (queues[i])
			queues[i]->ops->close(queues[i]);
	return rc;
}

/* is_stream says whether a file can be read only once. */
static bool is_stream(const char *path)
{
	struct stat st;

	return strcmp(path, "-") == 0 || (stat(path, &st) == 0 && S_ISFIFO(st.st_mode));
}

/* open_stream opens a stream on worker 0, which hands on to the others what is theirs. */
static int open_stream(struct source *sources[], const struct config *cfg,
	struct source_options *opt, char error[256])
{
	unsigned workers = opt->workers, w = 0;
	struct source *inner = NULL;
	struct handoff *handoff;
	int rc = handoff_open(
		&handoff, workers, HANDOFF_LANE_BYTES, steer_packet, opt->steer_ctx, true);

	if (rc < 0)
		return rc;
	opt->steer = NULL;
	opt->workers = 1;
	rc = source_open_replay(&inner, cfg->source.file, opt, error);
	for (; rc == 0 && w < workers; w += rc == 0)
		rc = handoff_source(&sources[w], handoff, w, w == 0 ? inner : NULL);
	if (rc < 0 && w == 0 && inner)
		inner->ops->close(inner);
	while (rc < 0 && w-- > 0)
		sources[w]->ops->close(sources[w]);
	handoff_release(handoff);
	return rc;
}

/* open_file opens the file once for each worker, which skips what is not its own. */
static int open_file(struct source *sources[], const struct config *cfg, struct source_options *opt,
	char error[256])
{
	if (opt->workers > 1 && is_stream(cfg->source.file))
		return open_stream(sources, cfg, opt, error);
	for (unsigned w = 0; w < opt->workers; w++) {
		int rc;

		opt->worker = w;
		opt->first = w ? sources[0] : NULL;
		rc = source_open_replay(&sources[w], cfg->source.file, opt, error);
		while (rc < 0 && w-- > 0)
			sources[w]->ops->close(sources[w]);
		if (rc < 0)
			return rc;
	}
	return 0;
}

int sources_open(struct source *sources[], unsigned workers, const struct config *cfg,
	struct filter *filter, const struct steer *steer)
{
	struct address *groups = calloc(steer->table->rows_n + 1, sizeof(*groups));
	struct source_options opt = {
		.filter = filter,
		.count_max = cfg->source.count,
		.snaplen = (uint32_t)cfg->source.snaplen,
		.speed = cfg->source.speed,
		.loops = (uint32_t)cfg->source.loop,
		.format = formats[cfg->source.format],
		.date = cfg->source.date,
		.workers = workers,
		.steer = workers > 1 ? steer_packet : NULL,
		.steer_ctx = steer,
		.groups = groups,
		.groups_n = groups && cfg->source.join ? groups_of(steer->table, groups) : 0,
		.join_via = cfg->source.join_via,
		.ring_mib = (uint32_t)cfg->source.ring_mib,
		.promiscuous = cfg->source.promiscuous,
		.outgoing = config_outgoing(cfg),
		.timestamps = (enum source_timestamps)cfg->source.timestamps,
		.wait_when_gone = cfg->source.on_gone == ON_GONE_WAIT,
	};
	char error[256] = "out of memory";
	int rc = -ENOMEM;

	inet_pton(AF_INET, cfg->source.join_from, opt.join_from); /* checked; "" leaves 0.0.0.0 */
	if (groups)
		rc = config_source_kind(cfg) == CONFIG_FILE ? open_file(sources, cfg, &opt, error)
							    : open_live(sources, cfg, &opt, error);
	if (rc < 0)
		LOG(ERROR, "%s", error);
	free(groups);
	return rc;
}

#include "engine/sources.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/log.h"
#include "capture/dpdk/eal.h"
#include "capture/dpdk/ethdev.h"
#include "capture/handoff.h"

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

/* open_worker opens worker w's source: its own queue, if it has one, and what others hand on. */
static int open_worker(struct source **src, const struct config *cfg, struct ethdev_port *port,
	struct handoff *handoff, unsigned w, const struct source_options *opt, char error[256])
{
	struct source *inner = NULL;
	int rc = 0;

	if (port && w < ethdev_port_readers(port))
		rc = source_open_ethdev(&inner, port, (uint16_t)w, opt, error);
	else if (!port && w == 0)
		rc = source_open_afpacket(&inner, cfg->source.interface, opt, error);
	*src = inner;
	if (rc < 0 || !handoff)
		return rc;
	rc = handoff_source(src, handoff, w, inner);
	if (rc < 0 && inner)
		inner->ops->close(inner);
	return rc;
}

/* open_live opens a source that has fewer queues than there are workers, or queues that know
 * nothing of channels: packets are handed on to their owner. */
static int open_live(struct source *sources[], const struct config *cfg, struct source_options *opt,
	char error[256])
{
	struct ethdev_port *port = NULL;
	struct handoff *handoff = NULL;
	unsigned w = 0;
	int rc = 0;

	opt->steer = NULL; /* every queue gives all it has */
	if (config_source_kind(cfg) == CONFIG_PORT)
		rc = open_port(&port, cfg, opt, error);
	if (rc == 0 && opt->workers > 1)
		rc = handoff_open(&handoff, opt->workers, HANDOFF_LANE_BYTES, steer_packet,
			opt->steer_ctx, false);
	for (; rc == 0 && w < opt->workers; w += rc == 0)
		rc = open_worker(&sources[w], cfg, port, handoff, w, opt, error);
	for (unsigned i = 0; rc == 0 && i < opt->workers; i++)
		sources[i]->hides_loss = sources[0]->hides_loss; /* who has no queue loses too */
	while (rc < 0 && w-- > 0)
		sources[w]->ops->close(sources[w]);
	if (handoff)
		handoff_release(handoff);
	if (port)
		ethdev_port_release(port);
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
		.groups_n = groups ? groups_of(steer->table, groups) : 0,
		.ring_mib = (uint32_t)cfg->source.ring_mib,
		.promiscuous = cfg->source.promiscuous,
	};
	char error[256] = "out of memory";
	int rc = -ENOMEM;

	if (groups)
		rc = config_source_kind(cfg) == CONFIG_FILE ? open_file(sources, cfg, &opt, error)
							    : open_live(sources, cfg, &opt, error);
	if (rc < 0)
		LOG(ERROR, "%s", error);
	free(groups);
	return rc;
}

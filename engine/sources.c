#include "engine/sources.h"

#include <errno.h>

#include "base/log.h"

static const char *const formats[] = {NULL, "pcap", "pcapng", "binaryfile", "fix"};

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

static int source_open(struct source **src, const struct config *cfg, const struct source_options *opt,
	char error[256])
{
	switch (config_source_kind(cfg)) {
	case CONFIG_FILE:
		return source_open_replay(src, cfg->source.file, opt, error);
	case CONFIG_INTERFACE:
		return source_open_afpacket(src, cfg->source.interface, opt, error);
	default:
		snprintf(error, 256, "no source: name an interface, or a file with -r");
		return -EINVAL;
	}
}

int sources_open(struct source *sources[], unsigned workers, const struct config *cfg, struct filter *filter,
	const struct steer *steer)
{
	static struct address groups[FEED_LINES_MAX];
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
		.groups_n = groups_of(steer->table, groups),
		.ring_mib = (uint32_t)cfg->source.ring_mib,
		.promiscuous = cfg->source.promiscuous,
	};
	char error[256];

	for (unsigned w = 0; w < workers; w++) {
		int rc;

		opt.worker = w;
		rc = source_open(&sources[w], cfg, &opt, error);
		if (rc < 0) {
			LOG(ERROR, "%s", error);
			while (w-- > 0)
				sources[w]->ops->close(sources[w]);
			return rc;
		}
	}
	return 0;
}

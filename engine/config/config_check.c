/* What concerns more than one key, or what only other rooms can judge. */
#include "engine/config/config.h"

#include <arpa/inet.h>
#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/log.h"
#include "capture/filter.h"
#include "decode/selection.h"
#include "engine/config/config_rows.h"
#include "engine/config/feed_spec.h"
#include "engine/metrics/server.h"
#include "engine/placement.h"
#include "publish/sink.h"

enum config_source_kind config_source_kind(const struct config *cfg)
{
	if (*cfg->source.interface)
		return CONFIG_INTERFACE;
	if (*cfg->source.file)
		return CONFIG_FILE;
	return *cfg->source.port || cfg->source.eal.n ? CONFIG_PORT : CONFIG_NO_SOURCE;
}

static bool all_text(const struct config *cfg)
{
	for (unsigned i = 0; i < cfg->sinks_n; i++)
		if (strncmp(cfg->sinks[i].uri, "text:", 5) != 0)
			return false;
	return true;
}

uint32_t config_families(const struct config *cfg)
{
	const uint32_t all = (1u << FAMILY_COUNT) - 1;
	const uint32_t of_packets = 1u << FAMILY_PACKET | 1u << FAMILY_APP;
	uint32_t families = cfg->decode.events;

	if (cfg->decode.packets == PACKETS_OFF)
		return families & ~of_packets;
	if (cfg->decode.packets == PACKETS_ON || families != all)
		return families;
	families &= ~of_packets;
	if (cfg->feeds_n || !all_text(cfg))
		return families;
	if (cfg->stats.interval_s) /* the screen is for reports */
		return 1u << FAMILY_FLOW;
	return (families | 1u << FAMILY_PACKET) &
	       ~(1u << FAMILY_OPS); /* the screen is for packets */
}

bool config_outgoing(const struct config *cfg)
{
	const uint32_t of_packets = 1u << FAMILY_PACKET | 1u << FAMILY_APP;

	if (cfg->source.outgoing != OUTGOING_AUTO)
		return cfg->source.outgoing == OUTGOING_ON;
	return config_families(cfg) & of_packets || cfg->stats.interval_s || *cfg->source.write;
}

uint32_t config_packet_bytes(const struct config *cfg)
{
	if (cfg->show.dump != DUMP_NONE && cfg->decode.packet_bytes == 0)
		return (uint32_t)cfg->source.snaplen;
	return (uint32_t)cfg->decode.packet_bytes;
}

enum config_detail config_detail(const struct config *cfg)
{
	if (cfg->show.detail != DETAIL_AUTO)
		return (enum config_detail)cfg->show.detail;
	switch (cfg->log.level) {
	case LOG_LEVEL_ERROR:
	case LOG_LEVEL_WARN:
		return DETAIL_QUIET;
	case LOG_LEVEL_DEBUG:
		return DETAIL_VERBOSE;
	}
	return DETAIL_NORMAL;
}

/* same_file says whether two names mean one file. */
static bool same_file(const char *a, const char *b)
{
	struct stat st_a, st_b;

	return stat(a, &st_a) == 0 && stat(b, &st_b) == 0 && st_a.st_dev == st_b.st_dev &&
	       st_a.st_ino == st_b.st_ino;
}

/* refuse writes error. Returns -EINVAL */
#define REFUSE(...) (error[0] = '\0', config_say(error, __VA_ARGS__), -EINVAL)

static int source_check(const struct config *cfg, char error[CONFIG_ERROR])
{
	const struct config_source *s = &cfg->source;
	enum config_source_kind kind = config_source_kind(cfg);
	struct filter *filter = NULL;
	uint8_t ipv4[4];
	char why[256];

	if (kind == CONFIG_NO_SOURCE)
		return REFUSE("no source: expected an interface, -r FILE, or a DPDK port (-i PORT "
			      "behind --)");
	if ((*s->interface != 0) + (*s->file != 0) + (*s->port != 0) > 1)
		return REFUSE("more than one source: expected one of source.interface, source.file "
			      "and source.port");
	if (kind != CONFIG_FILE) {
		const char *key = s->speed != 0  ? "speed"
				  : s->loop != 1 ? "loop"
				  : s->date      ? "date"
						 : NULL;

		if (!key && config_format_name(cfg))
			key = "format";
		if (key)
			return REFUSE("source.%s: expected with source.file (-r) alone", key);
	}
	if (*s->join_from && inet_pton(AF_INET, s->join_from, ipv4) != 1)
		return REFUSE("source.join_from: %s is no IPv4 address", s->join_from);
	if (kind == CONFIG_PORT && s->on_gone == ON_GONE_WAIT)
		return REFUSE("source.on_gone: wait is expected with source.interface alone");
	if (strcmp(s->file, "-") == 0 && s->loop != 1)
		return REFUSE("source.loop: expected 1, standard input cannot be read twice");
	if (*s->write && *s->file && same_file(s->write, s->file))
		return REFUSE("source.write (-w): expected another file than the one that is read");
	if (strcmp(s->write, "-") == 0)
		return REFUSE("source.write (-w): expected the name of a file");
	if (*s->filter && filter_open(&filter, s->filter, why) < 0)
		return REFUSE("source.filter: %s", why);
	if (filter)
		filter_close(filter);
	return 0;
}

static int cores_check(const struct config *cfg, char error[CONFIG_ERROR])
{
	int cores[WORKERS_MAX];
	char why[256];

	if (*cfg->engine.cores && cores_parse(cfg->engine.cores, cores, why) < 0)
		return REFUSE("engine.cores: %s", why);
	return 0;
}

static int symbols_check(const struct config *cfg, char error[CONFIG_ERROR])
{
	struct selection *sel;
	char why[256];

	if (!*cfg->decode.symbols)
		return 0;
	if (selection_open(&sel, cfg->decode.symbols, why) < 0)
		return REFUSE("decode.symbols: %s", why);
	selection_close(sel);
	return 0;
}

static int feeds_check(const struct config *cfg, char error[CONFIG_ERROR])
{
	struct feed_line line, other;
	char why[CONFIG_ERROR];

	for (unsigned i = 0; i < cfg->feeds_n; i++) {
		if (feed_spec_from_config(&line, &cfg->feeds[i], why) < 0)
			return REFUSE("feeds.%u: %s", i, why);
		for (unsigned j = 0; j < i; j++)
			if (feed_spec_from_config(&other, &cfg->feeds[j], why) == 0 &&
				memcmp(&line.dst, &other.dst, sizeof(line.dst)) == 0 &&
				line.tcp == other.tcp)
				return REFUSE("feeds.%u and feeds.%u have the same group and port: "
					      "expected one feed to each",
					j, i);
	}
	return 0;
}

static bool standard_output(const struct sink_uri *uri)
{
	return strcmp(uri->opt.target, "-") == 0;
}

static int sinks_check(const struct config *cfg, char error[CONFIG_ERROR])
{
	struct sink_uri uri;
	unsigned outputs = 0;
	char why[256], shown[256];

	for (unsigned i = 0; i < cfg->sinks_n; i++) {
		const struct config_sink *sink = &cfg->sinks[i];

		config_uri_mask(shown, sizeof(shown), sink->uri);
		if (!*sink->uri)
			return REFUSE("sinks.%u: expected a uri", i);
		if (sink_uri_parse(&uri, sink->uri, why) < 0)
			return REFUSE("sinks.%u (%s): %s", i, shown, why);
		for (unsigned j = 0; j < sink->params.n; j++)
			if (sink_uri_add(&uri, sink->params.v[j][0], sink->params.v[j][1], why) < 0)
				return REFUSE("sinks.%u.params (%s): %s", i, shown, why);
		outputs += standard_output(&uri);
		if (outputs > 1)
			return REFUSE("sinks.%u (%s): expected one sink alone on standard output",
				i, shown);
	}
	return 0;
}

int config_finish(struct config *cfg, char error[CONFIG_ERROR])
{
	char host[LISTEN_HOST] = "", port[LISTEN_PORT], why[256];
	int rc;

	error[0] = '\0';
	if (!*cfg->engine.name && gethostname(host, 63) == 0) {
		const struct config_group *engine = &config_groups[GROUP_engine];

		rc = config_value(cfg, config_row_find(engine, STR("name")), &cfg->engine,
			str_of(host), error);
		if (rc < 0)
			return rc;
	}
	if (cfg->sinks_n == 0) {
		rc = config_set(cfg,
			*cfg->source.write ? "sinks.0.uri=null:" : "sinks.0.uri=text:-",
			error); /* as tcpdump: what is written is not shown */
		if (rc < 0)
			return rc;
	}
	if (*cfg->metrics.listen && listen_split(cfg->metrics.listen, host, port, why) < 0)
		return REFUSE("metrics.listen: %s", why);
	rc = source_check(cfg, error);
	if (rc == 0)
		rc = cores_check(cfg, error);
	if (rc == 0)
		rc = symbols_check(cfg, error);
	if (rc == 0)
		rc = feeds_check(cfg, error);
	if (rc == 0)
		rc = sinks_check(cfg, error);
	return rc;
}

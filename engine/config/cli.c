#include "engine/config/cli.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/nearest.h"
#include "engine/config/cli_rows.h"
#include "engine/config/config_rows.h"
#include "engine/config/feed_spec.h"

const struct cli_row cli_rows[] = {
	{'i', "interface", "NAME", "capture from this interface; behind --, DPDK port", DO_SOURCE,
		"source.interface", NULL, 0},
	{'r', "read", "FILE",
		"read this file; - is standard input; a directory: its captures in order of time",
		DO_SOURCE, "source.file", NULL, 0},
	{'o', "output", "URI", "send events there; may be given again", DO_OUTPUT, NULL, NULL, 0},
	{0, "events", "LIST", "event families to publish, divided by commas", DO_KEY,
		"decode.events", NULL, 0},
	{0, "symbols", "LIST",
		"keep events of these instruments alone: AAPL,ES*,#123; gaps, system events, "
		"status and definitions stay",
		DO_KEY, "decode.symbols", NULL, 0},
	{0, "feed", "SPEC",
		"protocol[@group:port][,channel=N][,line=A][,venue=MIC][,transport=tcp]: what "
		"carries which "
		"feed; may be given again; none: no feeds",
		DO_FEED, NULL, NULL, 0},
	{'c', "count", "N", "stop after N packets", DO_KEY, "source.count", NULL, 0},
	{'w', "write", "FILE",
		"write the packets taken to FILE (pcapng); without -o nothing is shown", DO_KEY,
		"source.write", NULL, 0},
	{'e', "link", NULL, "show the link header of packets", DO_KEY, "show.link", "true", 0},
	{'x', "hex", NULL, "show the bytes of packets, from the network header on", DO_KEY,
		"show.dump", "hex", 0},
	{'X', "hex-ascii", NULL, "the same, and as characters", DO_KEY, "show.dump", "ascii", 0},
	{0, "stats", "SECONDS",
		"report traffic and talkers so often; on the screen in place of packets", DO_KEY,
		"stats.interval_s", NULL, 0},
	{'s', "snaplen", "N", "bytes taken of one packet; 0: the default", DO_KEY, "source.snaplen",
		NULL, 0},
	{'p', "no-promiscuous-mode", NULL, "take only packets for this host", DO_KEY,
		"source.promiscuous", "false", 0},
	{0, "speed", "N|max", "replay speed, 1 as recorded", DO_KEY, "source.speed", NULL, 0},
	{0, "loop", "N", "play a file N times, 0 for ever", DO_KEY, "source.loop", NULL, 0},
	{0, "format", "NAME", "format of the file", DO_KEY, "source.format", NULL, 0},
	{0, "date", "YYYYMMDD", "day of a message file", DO_KEY, "source.date", NULL, 0},
	{0, "join-via", "IFACE", "join multicast groups on this interface of the kernel", DO_KEY,
		"source.join_via", NULL, 0},
	{'Z', "user", "NAME", "become this user once the source is open", DO_KEY, "engine.user",
		NULL, 0},
	{0, "workers", "N", "worker threads", DO_KEY, "engine.workers", NULL, 0},
	{0, "cores", "LIST", "a core of its own for each worker: 2,4-7", DO_KEY, "engine.cores",
		NULL, 0},
	{0, "busy-poll", NULL, "idle workers never sleep: each takes its whole core", DO_KEY,
		"engine.busy_poll", "true", 0},
	{0, "batch-bytes", "N", "largest batch of events", DO_KEY, "batch.bytes", NULL, 0},
	{0, "batch-events", "N", "most events in a batch", DO_KEY, "batch.events", NULL, 0},
	{0, "config", "FILE", "read the configuration from FILE; options win over it", DO_CONFIG,
		NULL, NULL, 0},
	{0, "set", "KEY=VALUE", "change one key of the configuration; may be given again", DO_SET,
		NULL, NULL, 0},
	{'T', "check", NULL, "check the configuration and exit", DO_ACTION, NULL, NULL, CLI_CHECK},
	{0, "dump-config", NULL, "print the effective configuration and exit", DO_ACTION, NULL,
		NULL, CLI_DUMP},
	{'D', "list-interfaces", NULL, "list the interfaces and exit", DO_ACTION, NULL, NULL,
		CLI_INTERFACES},
	{'v', "verbose", NULL, "say more, of packets too", DO_KEY, "log.level", "debug", 0},
	{'q', "quiet", NULL, "say less: of packets, and warnings and errors alone", DO_KEY,
		"log.level", "warn", 0},
	{0, "metrics", "ADDR:PORT", "serve /metrics, /healthz and /readyz over HTTP", DO_KEY,
		"metrics.listen", NULL, 0},
	{0, "log-format", "NAME", "text, journal or json", DO_KEY, "log.format", NULL, 0},
	{'n', "numeric", NULL, "addresses as numbers, which they always are", DO_NOTHING, NULL,
		NULL, 0},
	{'h', "help", "[PAGE]", "this text, or a page: configuration, example, man, metrics",
		DO_ACTION, NULL, NULL, CLI_HELP},
	{'V', "version", NULL, "print the version", DO_ACTION, NULL, NULL, CLI_VERSION},
	{0, "build-info", NULL, "print what it is built of", DO_ACTION, NULL, NULL, CLI_BUILD_INFO},
};
const unsigned cli_rows_n = sizeof(cli_rows) / sizeof(cli_rows[0]);

/* parser is one reading of the command line. */
struct parser {
	struct cli *cli;
	char *error;
	bool config_pass;   /* the first time through: DO_CONFIG alone */
	bool eal;           /* EAL form: -i names a DPDK port */
	bool source;        /* an option or EAL form named the source */
	bool sinks, feeds;  /* the first -o, --feed replaces those of the file */
	const char **words; /* what is no option */
	unsigned words_n;
};

/* key_set gives "section.key" a value. Takes a key that exists. */
static int key_set(struct parser *p, const char *key, const char *value)
{
	const char *dot = strchr(key, '.');
	const struct config_group *group =
		config_group_find((struct str){key, (uint32_t)(dot - key)});
	struct config *cfg = &p->cli->config;

	return config_value(cfg, config_row_find(group, str_of(dot + 1)),
		config_entry(cfg, group, 0), str_of(value), p->error);
}

/* source_set names the source in place of what the file or an option before named. */
static int source_set(struct parser *p, const char *key, const char *value)
{
	config_clear(&p->cli->config, "source.interface");
	config_clear(&p->cli->config, "source.file");
	config_clear(&p->cli->config, "source.port");
	if (strcmp(key, "source.port") != 0)
		config_clear(&p->cli->config, "source.eal");
	p->source = true;
	return key_set(p, key, value);
}

static int output_add(struct parser *p, const char *uri)
{
	const struct config_group *sinks = &config_groups[GROUP_sink];
	struct config *cfg = &p->cli->config;
	void *sink;

	if (!p->sinks)
		config_clear(cfg, "sinks");
	p->sinks = true;
	sink = config_add(cfg, sinks, p->error);
	return sink ? config_value(
			      cfg, config_row_find(sinks, STR("uri")), sink, str_of(uri), p->error)
		    : -EINVAL;
}

static int feed_add(struct parser *p, const char *spec, char why[CONFIG_ERROR])
{
	struct feed_line line;
	int rc;

	if (!p->feeds)
		config_clear(&p->cli->config, "feeds");
	p->feeds = true;
	if (strcmp(spec, "none") == 0)
		return key_set(p, "decode.recognise", "off");
	rc = feed_spec_parse(&line, spec, why);
	return rc < 0 ? rc : feed_spec_to_config(&line, &p->cli->config, why);
}

/* option_do does what a row says; value is its argument or NULL. */
static int option_do(struct parser *p, const struct cli_row *row, const char *value)
{
	struct config *cfg = &p->cli->config;
	char why[CONFIG_ERROR] = "";
	int rc = 0;

	if (p->config_pass != (row->what == DO_CONFIG))
		return 0;
	p->error[0] = '\0';
	config_say(p->error, "--%s: ", row->name);
	if (!value)
		value = row->value;
	switch (row->what) {
	case DO_KEY:
		if (strcmp(row->key, "source.snaplen") == 0 && strcmp(value, "0") == 0)
			config_clear(cfg, row->key); /* as tcpdump does */
		else
			rc = key_set(p, row->key, value);
		break;
	case DO_SOURCE:
		rc = source_set(p, p->eal && row->letter == 'i' ? "source.port" : row->key, value);
		break;
	case DO_OUTPUT:
		rc = output_add(p, value);
		break;
	case DO_FEED:
		rc = feed_add(p, value, why);
		break;
	case DO_SET:
		rc = config_set(cfg, value, why);
		break;
	case DO_CONFIG:
		rc = config_load(cfg, value, why);
		break;
	case DO_ACTION:
		p->cli->action = row->action;
		p->cli->page = value ? value : "";
		break;
	case DO_NOTHING:
		break;
	}
	if (rc < 0)
		config_say(p->error, "%s", why);
	return rc;
}

static int wants(struct parser *p, const struct cli_row *row)
{
	p->error[0] = '\0';
	config_say(p->error, "--%s: expected %s", row->name, row->arg ? row->arg : "no argument");
	return -EINVAL;
}

/* long_do takes --name, --name=value or --name value. Returns words used, or -errno */
static int long_do(struct parser *p, const char *word, const char *next)
{
	const char *name = word + 2, *value = strchr(name, '=');
	size_t len = value ? (size_t)(value++ - name) : strlen(name);
	struct nearest near = {.word = name, .len = len};
	bool optional;
	int rc;

	for (unsigned i = 0; i < cli_rows_n; i++) {
		const struct cli_row *row = &cli_rows[i];

		nearest_offer(&near, row->name);
		if (strlen(row->name) != len || memcmp(name, row->name, len) != 0)
			continue;
		optional = row->arg && row->arg[0] == '[';
		if (value ? !row->arg : row->arg && !optional && !next)
			return wants(p, row);
		if (value || !row->arg || optional) {
			rc = option_do(p, row, value);
			return rc < 0 ? rc : 1;
		}
		rc = option_do(p, row, next);
		return rc < 0 ? rc : 2;
	}
	p->error[0] = '\0';
	config_say(p->error, "unknown option --%.*s", (int)len, name);
	if (near.best)
		config_say(p->error, ": did you mean --%s?", near.best);
	else
		config_say(p->error, ": --help lists them");
	return -EINVAL;
}

/* letters_do takes -a, -abc or -aVALUE. Returns words used, or -errno */
static int letters_do(struct parser *p, const char *word, const char *next)
{
	for (const char *c = word + 1; *c; c++) {
		const struct cli_row *row = NULL;
		const char *value = c[1] ? c + 1 : next;
		int rc;

		for (unsigned i = 0; i < cli_rows_n && !row; i++)
			if (cli_rows[i].letter == *c)
				row = &cli_rows[i];
		if (!row) {
			p->error[0] = '\0';
			config_say(p->error, "unknown option -%c: --help lists them", *c);
			return -EINVAL;
		}
		if (row->arg && row->arg[0] != '[') {
			rc = value ? option_do(p, row, value) : wants(p, row);
			return rc < 0 ? rc : c[1] ? 1 : 2;
		}
		rc = option_do(p, row, NULL);
		if (rc < 0)
			return rc;
	}
	return 1;
}

static int words_read(struct parser *p, int argc, char *const argv[], int first)
{
	int n;

	p->words_n = 0;
	for (int i = first; i < argc; i += n) {
		const char *next = i + 1 < argc ? argv[i + 1] : NULL;

		if (argv[i][0] != '-' || argv[i][1] == '\0') {
			p->words[p->words_n++] = argv[i];
			n = 1;
		} else {
			n = argv[i][1] == '-' ? long_do(p, argv[i], next)
					      : letters_do(p, argv[i], next);
		}
		if (n < 0)
			return n;
	}
	return 0;
}

/* eal_take moves DPDK's arguments into source.eal. */
static int eal_take(struct parser *p, char *const argv[], int end)
{
	const struct config_group *group = &config_groups[GROUP_source];
	struct config *cfg = &p->cli->config;
	int rc = source_set(p, "source.port", "");

	config_clear(cfg, "source.eal");
	if (end > 1 && argv[1][0] != '-') {
		p->error[0] = '\0';
		config_say(p->error,
			"%s: what stands before -- is for DPDK: expected an option of EAL, "
			"such as -l 0-1",
			argv[1]);
		return -EINVAL;
	}
	for (int i = 1; rc == 0 && i < end; i++)
		rc = config_append(cfg, config_row_find(group, STR("eal")), &cfg->source, STR(""),
			str_of(argv[i]), p->error);
	return rc;
}

/* words_take makes the words that are no options the interface and the filter. */
static int words_take(struct parser *p)
{
	char filter[4096];
	size_t len = 0;
	unsigned i = 0;
	int rc = 0;

	p->error[0] = '\0';
	config_say(p->error, "interface: ");
	if (p->words_n && config_source_kind(&p->cli->config) == CONFIG_NO_SOURCE)
		rc = source_set(p, "source.interface", p->words[i++]);
	if (rc < 0 || i == p->words_n)
		return rc;
	p->error[0] = '\0';
	config_say(p->error, "filter expression: ");
	for (; i < p->words_n; i++) {
		size_t n = strlen(p->words[i]);

		if (len + n + 2 > sizeof(filter)) {
			config_say(p->error, "expected less than %zu characters", sizeof(filter));
			return -EINVAL;
		}
		if (len)
			filter[len++] = ' ';
		memcpy(filter + len, p->words[i], n);
		len += n;
	}
	filter[len] = '\0';
	return key_set(p, "source.filter", filter);
}

static bool needs_config(enum cli_action action)
{
	return action == CLI_RUN || action == CLI_CHECK || action == CLI_DUMP;
}

int cli_parse(struct cli *cli, int argc, char *const argv[], char error[CONFIG_ERROR])
{
	struct parser p = {.cli = cli, .error = error, .config_pass = true};
	int end, first, rc;

	error[0] = '\0';
	cli->action = argc > 1 ? CLI_RUN : CLI_USAGE;
	cli->page = "";
	rc = config_init(&cli->config);
	p.words = calloc((size_t)argc + 1, sizeof(*p.words));
	if (rc < 0 || !p.words) {
		config_say(error, "no memory");
		rc = -ENOMEM;
		goto done;
	}
	p.eal = cli_eal(argc, argv, &end, &first);
	rc = words_read(&p, argc, argv, first);
	p.config_pass = false;
	if (rc == 0 && p.eal)
		rc = eal_take(&p, argv, end);
	if (rc == 0)
		rc = words_read(&p, argc, argv, first);
	if (rc == 0 && needs_config(cli->action)) {
		rc = words_take(&p);
		if (rc == 0)
			rc = config_finish(&cli->config, error);
	}
done:
	free(p.words);
	if (rc < 0)
		config_free(&cli->config);
	return rc;
}

void cli_free(struct cli *cli)
{
	config_free(&cli->config);
}

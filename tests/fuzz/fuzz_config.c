/* The parsers of the configuration. The first byte says which: y a YAML file, s a --set, f a
 * --feed, a words of the command line (divided by line ends). Properties: what is taken and printed
 * is read back to the same; what is refused says why; --set changes nothing when it refuses. */
#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "engine/config/cli.h"
#include "engine/config/cli_rows.h"
#include "engine/config/feed_spec.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool fact)
{
	if (!fact)
		abort();
}

static char *dump(const struct config *cfg)
{
	char *text = NULL;
	size_t len = 0;
	FILE *out = open_memstream(&text, &len);

	check(out);
	config_dump(cfg, out, true);
	fclose(out);
	return text;
}

/* same wants that cfg printed, read and printed again is the same text. */
static void same(const struct config *cfg)
{
	char error[CONFIG_ERROR], *first = dump(cfg), *second;
	struct config again;

	check(config_init(&again) == 0);
	check(config_load_text(&again, "dump", first, strlen(first), error) == 0);
	second = dump(&again);
	check(strcmp(first, second) == 0);
	config_free(&again);
	free(first);
	free(second);
}

static void yaml(const char *text, size_t len)
{
	char error[CONFIG_ERROR];
	struct config cfg;

	check(config_init(&cfg) == 0);
	if (config_load_text(&cfg, "f.yaml", text, len, error) == 0)
		same(&cfg);
	else
		check(strncmp(error, "f.yaml:", 7) == 0);
	config_free(&cfg);
}

static void set(const char *text)
{
	char error[CONFIG_ERROR], *before, *after;
	struct config cfg;

	check(config_init(&cfg) == 0);
	check(config_set(&cfg, "sinks.0.uri=null:", error) == 0);
	check(config_set(&cfg, "feeds.0.port=1", error) == 0);
	before = dump(&cfg);
	if (config_set(&cfg, text, error) == 0) {
		same(&cfg);
	} else {
		check(error[0] != '\0');
		after = dump(&cfg);
		check(cfg.sinks_n > 1 || cfg.feeds_n > 1 || strcmp(before, after) == 0);
		free(after);
	}
	free(before);
	config_free(&cfg);
}

static void feed(const char *text)
{
	struct feed_line line, again;
	char error[CONFIG_ERROR], printed[FEED_SPEC_TEXT];
	struct config cfg;

	if (feed_spec_parse(&line, text, error) < 0) {
		check(error[0] != '\0');
		return;
	}
	feed_spec_print(printed, &line);
	check(feed_spec_parse(&again, printed, error) == 0 &&
		memcmp(&line, &again, sizeof(line)) == 0);
	check(config_init(&cfg) == 0 && feed_spec_to_config(&line, &cfg, error) == 0);
	check(feed_spec_from_config(&again, &cfg.feeds[0], error) == 0 &&
		memcmp(&line, &again, sizeof(line)) == 0);
	config_free(&cfg);
}

/* words must be split without a word lost between EAL and us. */
static void words(char *text)
{
	char *argv[32] = {"pkt-sniffer"}, *rest = text;
	int argc = 1, end, first;
	bool eal, divider = false;

	for (char *word; argc < 32 && (word = strsep(&rest, "\n")); argv[argc++] = word)
		divider |= strcmp(word, "--") == 0;
	eal = cli_eal(argc, argv, &end, &first);
	check(first == end + divider && end >= 1 && first <= argc);
	check(eal || (end == 1 && first == 1));
	check(!divider || (eal && strcmp(argv[end], "--") == 0));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text;

	if (size < 1 || size > 65536)
		return 0;
	text = malloc(size);
	check(text);
	memcpy(text, data + 1, size - 1);
	text[size - 1] = '\0';
	if (data[0] == 'y')
		yaml(text, size - 1);
	else if (data[0] == 's')
		set(text);
	else if (data[0] == 'f')
		feed(text);
	else if (data[0] == 'a')
		words(text);
	free(text);
	return 0;
}

/* The rows as a file, as help and as pages. */
#include "engine/config/config.h"

#include <inttypes.h>
#include <string.h>

#include "base/utf8.h"
#include "engine/config/config_rows.h"

static bool plain(const char *text)
{
	static const char *const words[] = {"true", "false", "null", "yes", "no", "on", "off"};
	const char *ok = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_./";

	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		if (strcasecmp(text, words[i]) == 0)
			return false;
	return *text && strspn(text, ok) == strlen(text);
}

/* yaml_text writes text so that it is read back unchanged, variables included. */
static void yaml_text(FILE *out, const char *text)
{
	if (plain(text)) {
		fputs(text, out);
		return;
	}
	fputc('"', out);
	for (struct str rest = str_of(text); rest.len;) {
		uint32_t c = utf8_take(&rest);

		if (c == '"' || c == '\\')
			fprintf(out, "\\%c", (char)c);
		else if (c == '$')
			fputs("$$", out);
		else if (c >= 0x20 && c < 0x7f)
			fputc((int)c, out);
		else
			fprintf(out, c <= 0xffff ? "\\u%04X" : "\\U%08X", c);
	}
	fputc('"', out);
}

/* set_print writes the words of a set's bits. */
static void set_print(FILE *out, const struct config_row *row, uint32_t set)
{
	struct str words = str_of(row->arg);
	unsigned n = 0;

	fputc('[', out);
	for (unsigned bit = 0; words.len; bit++) {
		uint32_t len = (uint32_t)strcspn(words.p, "|");

		if (set & 1u << bit)
			fprintf(out, "%s%.*s", n++ ? ", " : "", (int)len, words.p);
		words.p += len + (len < words.len);
		words.len -= len + (len < words.len);
	}
	fputc(']', out);
}

static void word_print(FILE *out, const struct config_row *row, uint32_t word)
{
	const char *p = row->arg;

	for (; word; word--)
		p += strcspn(p, "|") + 1;
	fprintf(out, "%.*s", (int)strcspn(p, "|"), p);
}

static void texts_print(FILE *out, const struct config_texts *texts)
{
	fputc('[', out);
	for (unsigned i = 0; i < texts->n; i++) {
		fputs(i ? ", " : "", out);
		yaml_text(out, texts->v[i]);
	}
	fputc(']', out);
}

static void ports_print(FILE *out, const struct config_ports *ports)
{
	fputc('[', out);
	for (unsigned i = 0; i < ports->n; i++)
		fprintf(out, "%s%u", i ? ", " : "", ports->v[i]);
	fputc(']', out);
}

static void pairs_print(FILE *out, const struct config_pairs *pairs, bool with_secrets)
{
	fputc('{', out);
	for (unsigned i = 0; i < pairs->n; i++) {
		fputs(i ? ", " : "", out);
		yaml_text(out, pairs->v[i][0]);
		fputs(": ", out);
		if (with_secrets || !config_secret(str_of(pairs->v[i][0])))
			yaml_text(out, pairs->v[i][1]);
		else
			fputs("\"***\"", out);
	}
	fputc('}', out);
}

static void text_print(FILE *out, const char *text, bool with_secrets)
{
	char masked[4096];

	if (!with_secrets && strchr(text, ':')) {
		config_uri_mask(masked, sizeof(masked), text);
		text = masked;
	}
	yaml_text(out, text);
}

static void value_print(
	FILE *out, const struct config_row *row, const void *entry, bool with_secrets)
{
	const void *at = (const char *)entry + row->offset;

	switch (row->kind) {
	case KIND_TEXT:
		text_print(out, *(const char *const *)at, with_secrets);
		break;
	case KIND_TEXTS:
		texts_print(out, at);
		break;
	case KIND_PAIRS:
		pairs_print(out, at, with_secrets);
		break;
	case KIND_PORTS:
		ports_print(out, at);
		break;
	case KIND_NUMBER:
		fprintf(out, "%" PRIu64, *(const uint64_t *)at);
		break;
	case KIND_DATE:
		if (*(const uint32_t *)at)
			fprintf(out, "%08u", *(const uint32_t *)at);
		else
			fputs("\"\"", out);
		break;
	case KIND_SPEED:
		if (*(const double *)at == 0)
			fputs("max", out);
		else
			fprintf(out, "%.15g", *(const double *)at);
		break;
	case KIND_FLAG:
		fputs(*(const bool *)at ? "true" : "false", out);
		break;
	case KIND_WORD:
		word_print(out, row, *(const uint32_t *)at);
		break;
	case KIND_SET:
		set_print(out, row, *(const uint32_t *)at);
		break;
	}
}

void config_dump(const struct config *cfg, FILE *out, bool with_secrets)
{
	for (const struct config_group *g = config_groups; g < config_groups + GROUP_COUNT; g++) {
		unsigned n = g->most ? *config_entries(cfg, g) : 1;

		fprintf(out, "%s:%s\n", g->name, n ? "" : " []");
		for (unsigned i = 0; i < n; i++) {
			const char *indent = g->most ? "  - " : "  ";

			for (unsigned r = 0; r < config_rows_n; r++) {
				if (&config_groups[config_rows[r].group] != g)
					continue;
				fprintf(out, "%s%s: ", indent, config_rows[r].key);
				value_print(out, &config_rows[r], config_entry(cfg, g, i),
					with_secrets);
				fputc('\n', out);
				indent = g->most ? "    " : "  ";
			}
		}
	}
}

/* takes says in a few words what a row's value may be. */
static void takes(FILE *out, const struct config_row *row)
{
	switch (row->kind) {
	case KIND_NUMBER:
		fprintf(out, "%s, %" PRIu64 " to ", row->arg, row->min);
		if (row->max == UINT64_MAX)
			fputs("2^64-1", out);
		else
			fprintf(out, "%" PRIu64, row->max);
		break;
	case KIND_FLAG:
		fputs("true or false", out);
		break;
	case KIND_WORD:
	case KIND_SET:
		for (const char *p = row->arg; *p; p++)
			fprintf(out, *p == '|' ? ", " : "%c", *p);
		break;
	case KIND_SPEED:
		fputs("max, or times 0.001 to 1000000", out);
		break;
	case KIND_TEXT:
	case KIND_DATE:
		fputs(row->arg, out);
		break;
	case KIND_TEXTS:
		fprintf(out, "list of %s", row->arg);
		break;
	case KIND_PORTS:
		fprintf(out, "list of %s, 1 to 65535", row->arg);
		break;
	case KIND_PAIRS:
		fprintf(out, "mapping of %s", row->arg);
		break;
	}
}

void config_help(FILE *out)
{
	for (const struct config_group *g = config_groups; g < config_groups + GROUP_COUNT; g++) {
		fprintf(out, "  %s: %s\n", g->name, g->help);
		for (unsigned r = 0; r < config_rows_n; r++) {
			const struct config_row *row = &config_rows[r];

			if (&config_groups[row->group] != g)
				continue;
			fprintf(out, "    %s%s%s  (", g->name, g->most ? ".N." : ".", row->key);
			takes(out, row);
			fprintf(out, "%s%s)\n        %s\n", *row->dflt ? "; default " : "",
				row->dflt, row->help);
		}
	}
}

void config_reference(FILE *out)
{
	fputs("# Configuration\n\n"
	      "Written by `pkt-sniffer --help=configuration` from `engine/config/config.def`; do "
	      "not "
	      "edit.\n\n"
	      "`pkt-sniffer --config FILE` reads a YAML file of these keys. `${NAME}` and\n"
	      "`${NAME:-default}` are replaced by environment variables first (not in comment "
	      "lines); `$$` is a\n"
	      "dollar sign. `--set section.key=value` and `--set list.N.key=value` change single "
	      "keys, options\n"
	      "of the command line others; they win over the file. `--check` (`-T`) says whether "
	      "the result is\n"
	      "sound, `--dump-config` prints it with secrets as `***`.\n"
	      "An unknown key is an error that names the nearest known one.\n",
		out);
	for (const struct config_group *g = config_groups; g < config_groups + GROUP_COUNT; g++) {
		fprintf(out, "\n## %s\n\n%s%s\n\n| key | value | default | |\n|---|---|---|---|\n",
			g->name, g->help, g->most ? " A list: each entry has these keys." : "");
		for (unsigned r = 0; r < config_rows_n; r++) {
			const struct config_row *row = &config_rows[r];

			if (&config_groups[row->group] != g)
				continue;
			fprintf(out, "| `%s` | ", row->key);
			takes(out, row);
			fprintf(out, *row->dflt ? " | `%s` | %s |\n" : " |%s | %s |\n", row->dflt,
				row->help);
		}
	}
}

void config_example(FILE *out)
{
	static const struct {
		const char *group, *text;
	} entries[] = {
		{"feeds", "#  - {protocol: itch50, group: 233.54.12.111, port: 26477, line: A}\n"
			  "#  - {protocol: itch50, group: 233.49.196.111, port: 26477, line: B}\n"},
		{"sinks", "#  - uri: zmq://*:5556\n"
			  "#  - uri: kafka://${KAFKA:-localhost:9092}/market\n"
			  "#    when_full: drop_oldest\n"
			  "#    params: {kafka.compression.type: lz4, kafka.sasl.password: "
			  "\"${KAFKA_PASSWORD}\"}\n"},
	};

	fputs("# pkt-sniffer: every key with its default. Take the # away from what is to differ.\n"
	      "# Written by `pkt-sniffer --help=example`.\n",
		out);
	for (const struct config_group *g = config_groups; g < config_groups + GROUP_COUNT; g++) {
		fprintf(out, "\n# %s\n%s:\n", g->help, g->name);
		for (unsigned r = 0; r < config_rows_n; r++) {
			const struct config_row *row = &config_rows[r];

			if (&config_groups[row->group] != g)
				continue;
			fprintf(out, g->most ? "  # %s: %s (" : "  # %.0s%s (", row->key,
				row->help);
			takes(out, row);
			if (g->most)
				fprintf(out, *row->dflt ? "; default %s)\n" : ")\n", row->dflt);
			else
				fprintf(out, ")\n#  %s: %s\n", row->key,
					*row->dflt ? row->dflt : "\"\"");
		}
		for (size_t i = 0; i < sizeof(entries) / sizeof(entries[0]); i++)
			if (strcmp(entries[i].group, g->name) == 0)
				fputs(entries[i].text, out);
	}
}

const char *config_format_name(const struct config *cfg)
{
	static const char *const names[] = {
		NULL, "pcap", "pcapng", "binaryfile", "itch50-nolength", "fix"};

	return names[cfg->source.format];
}

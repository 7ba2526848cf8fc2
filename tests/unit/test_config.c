#include <criterion/criterion.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "engine/config/config.h"
#include "engine/config/config_rows.h"

TestSuite(config, .timeout = 60);

static struct config cfg;
static char error[CONFIG_ERROR];

static void fresh(void)
{
	cr_assert_eq(config_init(&cfg), 0);
}

static void done(void)
{
	config_free(&cfg);
}

static int load(const char *text)
{
	return config_load_text(&cfg, "t.yaml", text, strlen(text), error);
}

/* dump returns the configuration as YAML; the caller frees it. */
static char *dump(const struct config *from, bool with_secrets)
{
	char *text = NULL;
	size_t len = 0;
	FILE *out = open_memstream(&text, &len);

	config_dump(from, out, with_secrets);
	fclose(out);
	return text;
}

Test(config, every_default_is_accepted_and_in_place, .init = fresh, .fini = done)
{
	cr_assert_eq(cfg.source.snaplen, 262144);
	cr_assert_eq(cfg.source.speed, 0);
	cr_assert(cfg.source.promiscuous);
	cr_assert_str_eq(cfg.source.filter, "");
	cr_assert_eq(cfg.decode.events, (1u << FAMILY_COUNT) - 1);
	cr_assert_eq(cfg.batch.bytes, 65536);
	cr_assert_eq(cfg.sinks_n, 0);
	cr_assert_eq(cfg.stop.flush_ms, 1500);
	for (unsigned i = 0; i < config_rows_n; i++) {
		const struct config_group *g = &config_groups[config_rows[i].group];
		char before = error[0] = '\0';

		if (g->most == 0)
			cr_assert_eq(config_reset(&cfg, &config_rows[i], config_entry(&cfg, g, 0),
					     error),
				before, "%s.%s: %s", g->name, config_rows[i].key, error);
	}
}

Test(config, a_file_sets_every_kind_of_value, .init = fresh, .fini = done)
{
	cr_assert_eq(load("source:\n"
			  "  file: day.pcap\n"
			  "  filter: 'udp port 26477'\n"
			  "  date: 2024-02-29\n"
			  "  speed: 0.5\n"
			  "  eal: [-l, 0-1, \"--vdev=net_ring0,nodeaction=x:0:CREATE\"]\n"
			  "  promiscuous: off\n"
			  "decode: {events: [md, fix], recognise: \"off\"}\n"
			  "fix: {ports: [4001, 4002]}\n"
			  "feeds:\n"
			  "  - {protocol: itch50, group: 233.54.12.1, port: 26477}\n"
			  "  - protocol: itch50\n"
			  "    group: ff02::1\n"
			  "    port: 26478\n"
			  "    line: B\n"
			  "sinks:\n"
			  "  - uri: kafka://h:9092/x\n"
			  "    when_full: drop_oldest\n"
			  "    params: {kafka.acks: all, mode: single}\n"),
		0, "%s", error);
	cr_assert_str_eq(error, "");
	cr_assert_str_eq(cfg.source.file, "day.pcap");
	cr_assert_str_eq(cfg.source.filter, "udp port 26477");
	cr_assert_eq(cfg.source.date, 20240229);
	cr_assert_eq(cfg.source.speed, 0.5);
	cr_assert_eq(cfg.source.eal.n, 3);
	cr_assert_str_eq(cfg.source.eal.v[2], "--vdev=net_ring0,nodeaction=x:0:CREATE");
	cr_assert_null(cfg.source.eal.v[3]);
	cr_assert_not(cfg.source.promiscuous);
	cr_assert_eq(cfg.decode.events, (1u << (FAMILY_FIX + 1)) - 1);
	cr_assert_eq(cfg.decode.recognise, RECOGNISE_OFF);
	cr_assert_eq(cfg.fix.ports.n, 2);
	cr_assert_eq(cfg.fix.ports.v[1], 4002);
	cr_assert_eq(cfg.feeds_n, 2);
	cr_assert_str_eq(cfg.feeds[0].group, "233.54.12.1");
	cr_assert_eq(cfg.feeds[1].line, 1);
	cr_assert_eq(cfg.sinks_n, 1);
	cr_assert_eq(cfg.sinks[0].params.n, 2);
	cr_assert_str_eq(cfg.sinks[0].params.v[0][0], "kafka.acks");
	cr_assert_str_eq(cfg.sinks[0].params.v[0][1], "all");
	cr_assert_null(cfg.sinks[0].params.v[2][0]);
}

/* Each is refused at the place and with the words given. */
static const struct {
	const char *yaml, *at, *says;
} wrong[] = {
	{"source: {file: a", "t.yaml:2:1:", "no YAML"},
	{"source:\n\tfile: a\n", "t.yaml:2:1:", "no YAML"},
	{"source:\n  file: \"a\n", "t.yaml:3:1:", "no YAML"},
	{"source: *nowhere\n", "t.yaml:1:9:", "undefined alias"},
	{"- source\n", "t.yaml:1:1:", "expected a mapping, found a sequence"},
	{"hello\n", "t.yaml:1:1:", "expected a mapping, found a scalar"},
	{"soruce: {}\n", "t.yaml:1:1:", "did you mean source?"},
	{"source:\n  snaplne: 96\n",
		"t.yaml:2:3:", "unknown key snaplne in source: did you mean snaplen?"},
	{"snaplen: 96\n", "t.yaml:1:1:", "did you mean source.snaplen?"},
	{"qqqqqqqq: 1\n", "t.yaml:1:1:", "known here are source, engine"},
	{"source:\n  snaplen: many\n", "t.yaml:2:12:", "whole number of bytes from 64 to 262144"},
	{"source: {snaplen: 63}\n", "t.yaml:1:19:", "from 64 to 262144"},
	{"source: {snaplen: 262145}\n", "t.yaml:1:19:", "from 64 to 262144"},
	{"source: {count: 18446744073709551616}\n", "t.yaml:1:17:", "whole number of packets"},
	{"source: {snaplen: -96}\n", "t.yaml:1:19:", "whole number"},
	{"source: {snaplen: 96.5}\n", "t.yaml:1:19:", "whole number"},
	{"source:\n  snaplen: [96]\n", "t.yaml:2:12:", "expected a scalar, found a sequence"},
	{"source: {promiscuous: maybe}\n", "t.yaml:1:23:", "expected true or false"},
	{"source: {format: pcapgn}\n", "t.yaml:1:18:", "expected one of auto|pcap|pcapng"},
	{"source: {speed: fast}\n", "t.yaml:1:17:", "expected max or a number"},
	{"source: {speed: 1e3}\n", "t.yaml:1:17:", "expected max or a number"},
	{"source: {date: 20230229}\n", "t.yaml:1:16:", "expected a date as YYYYMMDD"},
	{"decode: {events: [md, futures]}\n", "t.yaml:1:23:", "expected some of md.mbo|"},
	{"decode: {events: []}\n", "t.yaml:1:18:", "expected some of md.mbo|"},
	{"fix: {ports: [0]}\n", "t.yaml:1:15:", "ports from 1 to 65535"},
	{"source: {file: a, file: b}\n",
		"t.yaml:1:19:", "key file stands here a second time, first on line 1"},
	{"tcp: {}\nlog: {}\ntcp: {}\n", "t.yaml:3:1:", "a second time, first on line 1"},
	{"feeds: {protocol: itch50}\n", "t.yaml:1:8:", "expected a sequence, found a mapping"},
	{"feeds:\n  - itch50\n", "t.yaml:2:5:", "expected a mapping, found a scalar"},
	{"feeds:\n  - protocl: itch50\n", "t.yaml:2:5:", "did you mean protocol?"},
	{"sinks:\n  - params: [acks]\n", "t.yaml:2:13:", "expected a mapping, found a sequence"},
	{"sinks:\n  - params: {acks: [1]}\n",
		"t.yaml:2:20:", "expected a scalar, found a sequence"},
	{"source: {snaplen: !!float 96}\n", "t.yaml:1:19:", "expected no tag"},
	{"? [a]\n: b\n", "t.yaml:1:3:", "expected a scalar, found a sequence"},
	{"tcp: {}\n---\ntcp: {}\n", "t.yaml:2:1:", "a second document"},
	{"source: {file: \"a\\0b\"}\n", "t.yaml:1:16:", "UTF-8 text"},
	{"source: {file: \"a\x01\"}\n", "t.yaml:", "control characters"},
	{"source: {file: \"\xff\xfe\"}\n", "t.yaml:", "UTF-8"},
	{"# ${NO_SUCH}\nsource: {file: ${NO_SUCH_VARIABLE}}\n",
		"t.yaml:2:16:", "NO_SUCH_VARIABLE is not set"},
	{"source: {file: ${HOME}\n", "t.yaml:", "no YAML"},
	{"source: {file: ${HOME\n}\n", "t.yaml:1:16:", "${ without }"},
	{"source: {file: ${1A}}\n", "t.yaml:1:16:", "expected ${NAME}"},
};

Test(config, wrong_yaml_is_refused_with_place_and_expectation)
{
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		fresh();
		cr_expect_eq(load(wrong[i].yaml), -EINVAL, "taken: %s", wrong[i].yaml);
		cr_expect_eq(strncmp(error, wrong[i].at, strlen(wrong[i].at)), 0, "%s: %s",
			wrong[i].yaml, error);
		cr_expect_not_null(strstr(error, wrong[i].says), "%s: %s", wrong[i].yaml, error);
		done();
	}
}

Test(config, nothing_and_null_mean_the_default, .init = fresh, .fini = done)
{
	cr_assert_eq(load(""), 0);
	cr_assert_eq(load("# nothing\n"), 0);
	cr_assert_eq(load("source:\n  snaplen: 96\nfeeds:\n"), 0);
	cr_assert_eq(cfg.source.snaplen, 96);
	cr_assert_eq(load("source:\n  snaplen:\n"), 0);
	cr_assert_eq(cfg.source.snaplen, 262144);
}

Test(config, variables_are_replaced_before_the_yaml_is_read, .init = fresh, .fini = done)
{
	setenv("T_FILE", "day.pcap", 1);
	unsetenv("T_NONE");
	setenv("T_EMPTY", "", 1);
	cr_assert_eq(load("source: {file: \"${T_FILE}\", port: ${T_NONE:-a:b}, interface: "
			  "${T_EMPTY:-eth0}}\n"
			  "engine: {name: \"$$x$\"}\n"),
		0, "%s", error);
	cr_assert_str_eq(cfg.source.file, "day.pcap");
	cr_assert_str_eq(cfg.source.port, "a:b");
	cr_assert_str_eq(cfg.source.interface, "eth0");
	cr_assert_str_eq(cfg.engine.name, "$x$");
	setenv("T_FILE", "a\nengine: {workers: 2}", 1);
	cr_assert_eq(load("source: {file: ${T_FILE}}"), -EINVAL);
	cr_assert_not_null(strstr(error, "more than one line"));
}

Test(config, a_list_in_a_file_replaces_the_one_before, .init = fresh, .fini = done)
{
	cr_assert_eq(load("sinks: [{uri: \"null:\"}, {uri: \"text:-\"}]"), 0);
	cr_assert_eq(load("sinks: [{uri: \"json:-\"}]"), 0);
	cr_assert_eq(cfg.sinks_n, 1);
	cr_assert_str_eq(cfg.sinks[0].uri, "json:-");
}

Test(config, set_changes_single_keys, .init = fresh, .fini = done)
{
	static const char *const good[] = {"source.snaplen=96", "sinks.0.uri=zmq://*:5556",
		"sinks.1.uri=text:-", "sinks.0.when_full=drop",
		"sinks.0.params.kafka.sasl.jaas.config=a=b c,d", "fix.ports=4001,4002",
		"source.eal=-l 0-1", "decode.events=md.mbo,ops", "engine.name="};

	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)
		cr_assert_eq(config_set(&cfg, good[i], error), 0, "%s", error);
	cr_assert_eq(cfg.source.snaplen, 96);
	cr_assert_eq(cfg.sinks_n, 2);
	cr_assert_eq(cfg.sinks[0].when_full, 6);
	cr_assert_str_eq(cfg.sinks[0].params.v[0][0], "kafka.sasl.jaas.config");
	cr_assert_str_eq(cfg.sinks[0].params.v[0][1], "a=b c,d");
	cr_assert_eq(cfg.source.eal.n, 2);
	cr_assert_eq(cfg.decode.events, 1u << FAMILY_MBO | 1u << FAMILY_OPS);
}

Test(config, a_wrong_set_is_refused, .init = fresh, .fini = done)
{
	static const char *const bad[][2] = {{"source.snaplen", "expected KEY=VALUE"},
		{"=1", "unknown key"}, {"sorce.snaplen=1", "did you mean source?"},
		{"source.snaplne=1", "did you mean snaplen?"}, {"source=1", "unknown key source"},
		{"source.snaplen.x=1", "unknown key"},
		{"sinks.1.uri=a", "number of an entry from 0 to 0"},
		{"sinks.x.uri=a", "number of an entry"},
		{"sinks.0.params=a", "expected params.NAME"},
		{"source.snaplen=1", "from 64 to 262144"},
		{"log.level=loud", "expected one of error|warn"},
		{"sinks.18446744073709551616.uri=a", "number of an entry"}};

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		cr_expect_eq(config_set(&cfg, bad[i][0], error), -EINVAL, "taken: %s", bad[i][0]);
		cr_expect_not_null(strstr(error, bad[i][1]), "%s: %s", bad[i][0], error);
	}
	cr_assert_eq(cfg.source.snaplen, 262144);
}

Test(config, dump_is_read_back_to_the_same, .init = fresh, .fini = done)
{
	struct config again;
	char *first, *second;

	cr_assert_eq(load("source: {filter: \"a \\\"b\\\" \\\\ $${X} 'c' # d\", speed: 2.5, date: "
			  "20240131}\n"
			  "sinks: [{uri: \"kafka://h?kafka.sasl.password=geheim\", params: "
			  "{a.password: geheim}}]\n"
			  "feeds: [{protocol: itch50, channel: 4294967295}]\n"
			  "engine: {name: \"on\"}\n"),
		0, "%s", error);
	first = dump(&cfg, true);
	cr_assert_eq(config_init(&again), 0);
	cr_assert_eq(config_load_text(&again, "dump", first, strlen(first), error), 0, "%s\n%s",
		error, first);
	second = dump(&again, true);
	cr_assert_str_eq(first, second);
	cr_assert_str_eq(again.source.filter, "a \"b\" \\ ${X} 'c' # d");
	config_free(&again);
	free(first);
	free(second);
}

Test(config, secrets_are_dumped_as_stars, .init = fresh, .fini = done)
{
	char *text;

	cr_assert_eq(load("sinks:\n"
			  "  - uri: kafka://u:geheim@h/x?kafka.sasl.password=geheim&mode=single\n"
			  "    params: {kafka.ssl.key.password: geheim, kafka.ssl.key.pem: geheim, "
			  "kafka.acks: all}\n"),
		0, "%s", error);
	text = dump(&cfg, false);
	cr_assert_null(strstr(text, "geheim"), "%s", text);
	cr_assert_not_null(
		strstr(text, "kafka://u:***@h/x?kafka.sasl.password=***&mode=single"), "%s", text);
	cr_assert_not_null(strstr(text, "kafka.acks: all"));
	free(text);
}

Test(config, a_mask_never_writes_past_its_room)
{
	static const char uri[] =
		"kafka://user:geheim@host:9092/topic?kafka.sasl.password=geheim&mode=batch&token=x";
	char out[sizeof(uri) + 16];

	for (size_t room = 1; room < sizeof(out); room++) {
		memset(out, 'Z', sizeof(out));
		config_uri_mask(out, room, uri);
		cr_assert_lt(strlen(out), room);
		cr_assert_eq(out[room], 'Z');
		cr_assert_null(strstr(out, "gehei"));
	}
}

Test(config, format_names_are_the_words_of_the_row, .init = fresh, .fini = done)
{
	struct str words =
		str_of(config_row_find(config_group_find(STR("source")), STR("format"))->arg);
	char assignment[64];

	cr_assert_null(config_format_name(&cfg));
	for (const char *p = strchr(words.p, '|'); p; p = strchr(p, '|')) {
		p++;
		snprintf(assignment, sizeof(assignment), "source.format=%.*s", (int)strcspn(p, "|"),
			p);
		cr_assert_eq(config_set(&cfg, assignment, error), 0, "%s", error);
		cr_assert_str_eq(config_format_name(&cfg), strchr(assignment, '=') + 1);
	}
}

Test(config, what_does_not_go_together_is_refused)
{
	static const char *const bad[][2] = {
		{"", "no source"},
		{"source: {interface: lo, file: a}", "more than one source"},
		{"source: {interface: lo, speed: 1}", "source.speed: expected with source.file"},
		{"source: {interface: lo, loop: 2}", "source.loop"},
		{"source: {port: \"0\", format: pcap}", "source.format"},
		{"source: {file: \"-\", loop: 2}", "standard input cannot be read twice"},
		{"source: {file: a, filter: udp prot 5}", "source.filter"},
		{"source: {file: a}\nfeeds: [{protocol: itch51}]", "did you mean itch50?"},
		{"source: {file: a}\nfeeds: [{group: 239.0.0.1}]", "feeds.0: unknown protocol"},
		{"source: {file: a}\nfeeds: [{protocol: itch50, group: 239.0.0, port: 1}]",
			"IPv4 or IPv6"},
		{"source: {file: a}\nfeeds: [{protocol: itch50, group: 239.0.0.1}]",
			"without port"},
		{"source: {file: a}\nfeeds: [{protocol: itch50, port: 1}, {protocol: itch50, port: "
		 "1}]",
			"same group"},
		{"source: {file: a}\nfeeds: [{protocol: itch50, venue: xnas}]", "venue"},
		{"source: {file: a}\nsinks: [{quota: 5}]", "expected a uri"},
		{"source: {file: a}\nsinks: [{uri: \"txt:-\"}]", "sinks.0 (txt:-)"},
		{"source: {file: a}\nsinks: [{uri: \"text:-\"}, {uri: \"json:-\"}]",
			"one sink alone on standard output"},
		{"source: {file: a}\nsinks: [{uri: \"text:-\", params: {nonsense: 1}}]",
			"sinks.0.params"},
	};

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		fresh();
		cr_assert_eq(load(bad[i][0]), 0, "%s", error);
		cr_expect_eq(config_finish(&cfg, error), -EINVAL, "taken: %s", bad[i][0]);
		cr_expect_not_null(strstr(error, bad[i][1]), "%s: %s", bad[i][0], error);
		done();
	}
}

Test(config, finish_fills_in_host_and_screen, .init = fresh, .fini = done)
{
	cr_assert_eq(load("source: {file: a}"), 0);
	cr_assert_eq(config_finish(&cfg, error), 0, "%s", error);
	cr_assert_neq(*cfg.engine.name, '\0');
	cr_assert_eq(cfg.sinks_n, 1);
	cr_assert_str_eq(cfg.sinks[0].uri, "text:-");
}

Test(config, the_example_is_a_configuration_of_defaults, .init = fresh, .fini = done)
{
	struct config defaults;
	char *text = NULL, *loaded, *expected;
	size_t len = 0;
	FILE *out = open_memstream(&text, &len);

	config_example(out);
	fclose(out);
	cr_assert_eq(config_load_text(&cfg, "example", text, len, error), 0, "%s", error);
	cr_assert_eq(config_init(&defaults), 0);
	loaded = dump(&cfg, true);
	expected = dump(&defaults, true);
	cr_assert_str_eq(loaded, expected);
	config_free(&defaults);
	free(loaded);
	free(expected);
	free(text);
}

/* uncommented, each line of the example must be taken too */
Test(config, every_key_of_the_example_is_known, .init = fresh, .fini = done)
{
	char *text = NULL, *line, *rest;
	size_t len = 0;
	FILE *out = open_memstream(&text, &len);
	char assignment[256], section[64] = "";
	unsigned keys = 0;

	config_example(out);
	fclose(out);
	rest = text;
	while ((line = strsep(&rest, "\n"))) {
		if (sscanf(line, "%63[a-z]:", section) == 1)
			continue;
		if (strncmp(line, "#  ", 3) == 0 && line[3] >= 'a' && line[3] <= 'z') {
			char *colon = strchr(line, ':');

			*colon = '\0';
			snprintf(assignment, sizeof(assignment), "%s.%s=%s", section, line + 3,
				strcmp(colon + 2, "\"\"") == 0 ? "" : colon + 2);
			cr_assert_eq(config_set(&cfg, assignment, error), 0, "%s", error);
			keys++;
		}
	}
	cr_assert_gt(keys, 30);
	free(text);
}

Test(config, a_full_list_takes_no_more, .init = fresh, .fini = done)
{
	char assignment[64];

	for (unsigned i = 0; i < 16; i++) {
		snprintf(assignment, sizeof(assignment), "sinks.%u.uri=null:", i);
		cr_assert_eq(config_set(&cfg, assignment, error), 0, "%s", error);
	}
	cr_assert_eq(config_set(&cfg, "sinks.16.uri=null:", error), -EINVAL);
	cr_assert_not_null(strstr(error, "at most 16 entries"), "%s", error);
}

#include <criterion/criterion.h>
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "engine/config/cli.h"
#include "engine/config/cli_rows.h"
#include "engine/config/feed_spec.h"

TestSuite(cli, .timeout = 60);

static struct cli cli;
static char error[CONFIG_ERROR];

/* parse reads a line of words divided by single blanks; a ~ in a word stands for a blank. */
static int parse(const char *line)
{
	static char copy[1024];
	char *argv[64] = {"pkt-sniffer"}, *rest = copy;
	int argc = 1;

	snprintf(copy, sizeof(copy), "%s", line);
	for (char *word; *line && (word = strsep(&rest, " ")); argv[argc++] = word)
		for (char *c = word; *c; c++)
			if (*c == '~')
				*c = ' ';
	return cli_parse(&cli, argc, argv, error);
}

static void sound(const char *line)
{
	cr_assert_eq(parse(line), 0, "%s: %s", line, error);
}

static void refused(const char *line, const char *says)
{
	cr_expect_lt(parse(line), 0, "taken: %s", line);
	cr_expect_not_null(strstr(error, says), "%s: %s", line, error);
}

Test(cli, an_interface_and_a_filter)
{
	sound("eth0 udp port 26477");
	cr_assert_eq(cli.action, CLI_RUN);
	cr_assert_eq(config_source_kind(&cli.config), CONFIG_INTERFACE);
	cr_assert_str_eq(cli.config.source.interface, "eth0");
	cr_assert_str_eq(cli.config.source.filter, "udp port 26477");
	cr_assert_str_eq(cli.config.sinks[0].uri, "text:-");
	cli_free(&cli);
}

Test(cli, letters_are_those_of_tcpdump)
{
	sound("-nvpc 5 -s96 -r day.pcap udp");
	cr_assert_eq(config_source_kind(&cli.config), CONFIG_FILE);
	cr_assert_eq(cli.config.source.count, 5);
	cr_assert_eq(cli.config.source.snaplen, 96);
	cr_assert_not(cli.config.source.promiscuous);
	cr_assert_eq(cli.config.log.level, 4);
	cr_assert_str_eq(cli.config.source.filter, "udp");
	cli_free(&cli);
	sound("-s 0 -i eth0");
	cr_assert_eq(cli.config.source.snaplen, 262144);
	cli_free(&cli);
	sound("-r - -q");
	cr_assert_str_eq(cli.config.source.file, "-");
	cli_free(&cli);
}

Test(cli, options_may_stand_anywhere)
{
	sound("eth0 --output=null: udp --workers 2 port 5 -o file:x.pb");
	cr_assert_eq(cli.config.engine.workers, 2);
	cr_assert_eq(cli.config.sinks_n, 2);
	cr_assert_str_eq(cli.config.sinks[1].uri, "file:x.pb");
	cr_assert_str_eq(cli.config.source.filter, "udp port 5");
	cli_free(&cli);
}

/* each command line, the EAL arguments it must yield, and the port */
Test(cli, eal_arguments_are_split_off)
{
	static const struct {
		const char *line, *eal, *port, *filter;
	} cases[] = {
		{"-l 0-1 -n 4 -- -i 0000:18:00.0", "-l 0-1 -n 4", "0000:18:00.0", ""},
		{"-l 0-1 -n 4 -- -i 0 -n -c 3 udp", "-l 0-1 -n 4", "0", "udp"},
		{"-c 0x3 -r 2 -- -i 0 udp", "-c 0x3 -r 2", "0", "udp"},
		{"--no-pci --vdev=net_af_packet0,iface=eth0",
			"--no-pci --vdev=net_af_packet0,iface=eth0", "", ""},
		{"--no-pci --vdev=net_ring0 udp port 5", "--no-pci --vdev=net_ring0", "",
			"udp port 5"},
		{"--no-pci --vdev net_ring0 -i net_ring0 -c 3", "--no-pci --vdev net_ring0",
			"net_ring0", ""},
		{"-n 4 -l0-1 -o null:", "-n 4 -l0-1", "", ""},
		{"--lcores 0@1 --in-memory --no-huge -m 64 --file-prefix=x -q",
			"--lcores 0@1 --in-memory --no-huge -m 64 --file-prefix=x", "", ""},
		{"-a 0000:18:00.0 tcp", "-a 0000:18:00.0", "", "tcp"},
		{"-- -i 0", "", "0", ""},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char eal[256] = "";
		size_t len = 0;

		sound(cases[i].line);
		for (unsigned j = 0; j < cli.config.source.eal.n; j++)
			len += (size_t)snprintf(eal + len, sizeof(eal) - len, "%s%s", j ? " " : "",
				cli.config.source.eal.v[j]);
		cr_expect_str_eq(eal, cases[i].eal, "%s: %s", cases[i].line, eal);
		cr_expect_str_eq(cli.config.source.port, cases[i].port);
		cr_expect_str_eq(cli.config.source.filter, cases[i].filter);
		cr_expect_eq(config_source_kind(&cli.config), CONFIG_PORT);
		cli_free(&cli);
	}
}

Test(cli, minus_n_without_a_number_is_no_eal_option)
{
	sound("-n -i eth0");
	cr_assert_eq(config_source_kind(&cli.config), CONFIG_INTERFACE);
	cli_free(&cli);
	sound("-c 3 -i eth0");
	cr_assert_eq(cli.config.source.count, 3);
	cli_free(&cli);
}

Test(cli, a_file_read_in_eal_form_needs_no_eal)
{
	sound("-l 0 -- -r day.pcap");
	cr_assert_eq(config_source_kind(&cli.config), CONFIG_FILE);
	cr_assert_eq(cli.config.source.eal.n, 0);
	cli_free(&cli);
}

Test(cli, wrong_lines_are_refused_and_the_nearest_is_named)
{
	refused("--outptu null: eth0", "did you mean --output?");
	refused("--sped=1 -r a", "did you mean --speed?");
	refused("--qqqqqqqqqqq", "--help lists them");
	refused("-z eth0", "unknown option -z");
	refused("-r", "--read: expected FILE");
	refused("--config", "--config: expected FILE");
	refused("--check=1 eth0", "--check: expected no argument");
	refused("-c many eth0", "--count: \"many\": expected a whole number of packets");
	refused("--speed slow -r a", "--speed: \"slow\": expected max or a number");
	refused("--events md,futures eth0", "--events: \"md,futures\": expected some of");
	refused("--set source.snaplne=1 eth0",
		"--set: unknown key source.snaplne: did you mean snaplen?");
	refused("--config /no/such/file", "/no/such/file: No such file or directory");
	refused("-q", "no source");
	refused("eth0 udp prot 5", "source.filter");
	refused("-o zmqq://x eth0", "sinks.0");
	refused("--speed 1 eth0", "source.speed: expected with source.file");
	refused("eth0 -- udp", "eth0: what stands before -- is for DPDK");
	refused("--feed itch51 eth0", "--feed: unknown protocol \"itch51\": did you mean itch50?");
	refused("--feed itch50@1.2.3.4 eth0", "expected @GROUP:PORT");
	refused("--feed itch50,lin=A eth0", "did you mean line?");
}

Test(cli, no_argument_is_a_question)
{
	sound("");
	cr_assert_eq(cli.action, CLI_USAGE);
	cli_free(&cli);
}

Test(cli, options_win_over_the_file)
{
	char path[] = "/tmp/test_cli_XXXXXX", line[256];
	static const char yaml[] = "source: {interface: eth7, snaplen: 96}\n"
				   "sinks: [{uri: \"json:-\"}]\n"
				   "feeds: [{protocol: itch50, port: 5}]\n";
	int fd = mkstemp(path);

	cr_assert_geq(fd, 0);
	cr_assert_eq(write(fd, yaml, sizeof(yaml) - 1), (ssize_t)sizeof(yaml) - 1);
	close(fd);
	snprintf(line, sizeof(line),
		"-s 128 -r day.pcap -o null: --feed itch50@239.0.0.1:7 --config %s", path);
	sound(line);
	cr_expect_eq(cli.config.source.snaplen, 128);
	cr_expect_eq(config_source_kind(&cli.config), CONFIG_FILE);
	cr_expect_eq(cli.config.sinks_n, 1);
	cr_expect_str_eq(cli.config.sinks[0].uri, "null:");
	cr_expect_eq(cli.config.feeds_n, 1);
	cr_expect_str_eq(cli.config.feeds[0].group, "239.0.0.1");
	cli_free(&cli);
	snprintf(line, sizeof(line), "--config %s udp", path);
	sound(line);
	cr_expect_str_eq(cli.config.source.interface, "eth7");
	cr_expect_str_eq(cli.config.source.filter, "udp");
	cr_expect_eq(cli.config.sinks_n, 1);
	cli_free(&cli);
	unlink(path);
}

Test(cli, answers_need_no_source)
{
	static const struct {
		const char *line;
		enum cli_action action;
	} cases[] = {{"--help", CLI_HELP}, {"-h", CLI_HELP}, {"--help=man", CLI_HELP},
		{"--version", CLI_VERSION}, {"-D", CLI_INTERFACES},
		{"--build-info", CLI_BUILD_INFO}, {"-T eth0", CLI_CHECK},
		{"--dump-config eth0", CLI_DUMP}};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		sound(cases[i].line);
		cr_expect_eq(cli.action, cases[i].action, "%s", cases[i].line);
		cli_free(&cli);
	}
}

Test(cli, feed_none_turns_recognition_off)
{
	sound("eth0 --feed none");
	cr_assert_eq(cli.config.feeds_n, 0);
	cr_assert_eq(cli.config.decode.recognise, RECOGNISE_OFF);
	cli_free(&cli);
}

Test(cli, a_printed_feed_spec_is_read_back)
{
	static const char *const specs[][2] = {
		{"itch50", "itch50,channel=0,line=A"},
		{"itch50@233.54.12.1:26477", "itch50@233.54.12.1:26477,channel=0,line=A"},
		{"itch50@*:26477,line=B,channel=7", "itch50@*:26477,channel=7,line=B"},
		{"itch50@[ff02::1]:5,venue=XBOS", "itch50@[ff02::1]:5,channel=0,line=A,venue=XBOS"},
		{"cme_mdp3@10.1.2.3:5,transport=tcp",
			"cme_mdp3@10.1.2.3:5,channel=0,line=A,transport=tcp"},
	};
	struct feed_line line, again;
	char text[FEED_SPEC_TEXT];

	for (size_t i = 0; i < sizeof(specs) / sizeof(specs[0]); i++) {
		cr_assert_eq(feed_spec_parse(&line, specs[i][0], error), 0, "%s: %s", specs[i][0],
			error);
		feed_spec_print(text, &line);
		cr_expect_str_eq(text, specs[i][1]);
		cr_assert_eq(feed_spec_parse(&again, text, error), 0, "%s: %s", text, error);
		cr_expect_eq(memcmp(&line, &again, sizeof(line)), 0, "%s", text);
	}
}

Test(cli, wrong_feed_specs_are_refused)
{
	static const char *const specs[][2] = {{"", "unknown protocol"},
		{"itch50@", "expected @GROUP:PORT"}, {"itch50@:5,", "expected KEY=VALUE"},
		{"itch50@1.2.3.4:0", "expected @GROUP:PORT"},
		{"itch50@1.2.3.4:65536", "expected @GROUP:PORT"},
		{"itch50@1.2.3.4:+5", "expected @GROUP:PORT"}, {"itch50@ff02::1:5", "brackets"},
		{"itch50@1.2.3:5", "IPv4 or IPv6"}, {"itch50,channel=-1", "whole number"},
		{"itch50,line=E", "A|B|C|D"}, {"itch50,protocol=itch50", "expected KEY=VALUE"},
		{"itch50,transport=tcp", "not carried over TCP"},
		{"itch50,venue=a", "market code"}};
	struct feed_line line;

	for (size_t i = 0; i < sizeof(specs) / sizeof(specs[0]); i++) {
		cr_expect_eq(feed_spec_parse(&line, specs[i][0], error), -EINVAL, "taken: %s",
			specs[i][0]);
		cr_expect_not_null(strstr(error, specs[i][1]), "%s: %s", specs[i][0], error);
	}
}

Test(cli, help_names_every_option_and_key_and_status)
{
	static const char *const words[] = {"--feed", "--dump-config", "-T, --check",
		"source.snaplen", "sinks.N.uri", "kafka:", "zmq:", "itch50", "Exit status",
		"purged"};
	char *text = NULL;
	size_t len = 0;
	FILE *out = open_memstream(&text, &len);

	cr_assert_eq(cli_help_page(out, ""), 0);
	fclose(out);
	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		cr_expect_not_null(strstr(text, words[i]), "%s", words[i]);
	for (unsigned i = 0; i < cli_rows_n; i++)
		cr_expect_not_null(strstr(text, cli_rows[i].help), "%s", cli_rows[i].name);
	free(text);
}

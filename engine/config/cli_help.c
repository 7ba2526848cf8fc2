/* What the program says about itself. */
#include <arpa/inet.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>

#include "decode/feed/protocol.h"
#include "engine/config/cli_rows.h"
#include "engine/config/config_rows.h"
#include "engine/metrics/metrics.h"
#include "publish/sink.h"

static const struct {
	const char *form, *help;
} forms[] = {
	{"pkt-sniffer eth0 [FILTER]",
		"an interface: a line a packet, a line an event of a feed or of FIX"},
	{"pkt-sniffer -r FILE [FILTER]",
		"a capture or message file, plain, .gz or .zst; - is standard input; or a "
		"directory of captures"},
	{"pkt-sniffer -l 0-1 -n 4 -- -i 0000:18:00.0 [FILTER]",
		"a DPDK port; EAL's options come first"},
	{"pkt-sniffer --no-pci --vdev=net_af_packet0,iface=eth0", "the same, without --"},
	{"pkt-sniffer --config FILE [OPTION]...", "everything from a file"},
};

static const struct {
	enum exit_status status;
	const char *help;
} statuses[] = {
	{STATUS_OK,
		"all that came in was decoded and delivered; Ctrl-C and the end of a file end so"},
	{STATUS_FAILED, "the source, a sink or the machine failed"},
	{STATUS_INPUT, "wrong option or configuration; a file truncated or damaged (what came "
		       "before is delivered)"},
	{STATUS_PURGED, "stopped with events that a sink did not take in time: counted as purged "
			"in the ledger"},
};

#define COUNT(table) (sizeof(table) / sizeof(table[0]))

static void option_name(char out[64], const struct cli_row *row)
{
	const char *between = !row->arg || row->arg[0] == '[' ? "" : " ";
	char letter[8] = "    ";

	if (row->letter)
		snprintf(letter, sizeof(letter), "-%c, ", row->letter);
	if (row->arg && row->arg[0] == '[')
		snprintf(out, 64, "%s--%s[=%.*s]", letter, row->name, (int)strlen(row->arg) - 2,
			row->arg + 1);
	else
		snprintf(out, 64, "%s--%s%s%s", letter, row->name, between,
			row->arg ? row->arg : "");
}

static void help(FILE *out)
{
	char name[64];

	fputs("pkt-sniffer: packets in, decoded market events out\n\nUse:\n", out);
	for (size_t i = 0; i < COUNT(forms); i++)
		fprintf(out, "  %s\n        %s\n", forms[i].form, forms[i].help);
	fputs("FILTER is a tcpdump expression.\n\nOptions:\n", out);
	for (unsigned i = 0; i < cli_rows_n; i++) {
		option_name(name, &cli_rows[i]);
		fprintf(out, strlen(name) > 28 ? "  %s\n%32s%s\n" : "  %-28s%.0s  %s\n", name, "",
			cli_rows[i].help);
	}
	fputs("\nDestinations (-o, sinks.N.uri):\n", out);
	for (const struct sink *const *s = sinks; *s; s++)
		fprintf(out, "  %s\n", (*s)->help);
	fputs("\nProtocols (--feed, feeds.N.protocol):\n", out);
	for (const struct protocol *const *p = protocols; *p; p++)
		fprintf(out, "  %-24s  %s\n", (*p)->name, (*p)->title);
	fputs("\nExit status:\n", out);
	for (size_t i = 0; i < COUNT(statuses); i++)
		fprintf(out, "  %d  %s\n", statuses[i].status, statuses[i].help);
	fputs("\nKeys of the configuration (--config FILE, --set KEY=VALUE):\n", out);
	config_help(out);
}

/* roff writes text for man(7): a dash is a dash, and no line starts a request. */
static void roff(FILE *out, const char *text)
{
	fputs("\\&", out);
	for (; *text; text++)
		fprintf(out, *text == '-' ? "\\-" : *text == '\\' ? "\\e" : "%c", *text);
	fputc('\n', out);
}

static void section(FILE *out, const char *name)
{
	fprintf(out, ".SH %s\n", name);
}

static void item(FILE *out, const char *name, const char *text)
{
	fputs(".TP\n.B ", out);
	roff(out, name + strspn(name, " "));
	roff(out, text);
}

static void man(FILE *out)
{
	char name[64];

	fputs(".\\\" Written by pkt-sniffer --help=man; do not edit.\n.TH PKT-SNIFFER 8\n.ad "
	      "l\n.nh\n",
		out);
	section(out, "NAME");
	roff(out, "pkt-sniffer - packets in, decoded market events out");
	section(out, "SYNOPSIS");
	for (size_t i = 0; i < COUNT(forms); i++) {
		fputs(i ? ".br\n" : "", out);
		roff(out, forms[i].form);
	}
	section(out, "DESCRIPTION");
	roff(out, "Captures packets with DPDK, from an interface by AF_PACKET or from a file, "
		  "decodes exchange "
		  "feeds and FIX, and sends every event as protobuf to Kafka, ZeroMQ, files or the "
		  "screen. "
		  "Nothing is lost silently: at the end, and at SIGUSR1, a ledger says where every "
		  "packet and "
		  "event went.");
	roff(out, "FILTER is a tcpdump expression.");
	for (size_t i = 0; i < COUNT(forms); i++)
		item(out, forms[i].form, forms[i].help);
	section(out, "OPTIONS");
	for (unsigned i = 0; i < cli_rows_n; i++) {
		option_name(name, &cli_rows[i]);
		item(out, name, cli_rows[i].help);
	}
	section(out, "DESTINATIONS");
	for (const struct sink *const *s = sinks; *s; s++)
		item(out, (*s)->name, (*s)->help);
	section(out, "CONFIGURATION");
	roff(out, "A YAML file of the keys below; ${NAME} and ${NAME:-default} in it are replaced "
		  "by environment "
		  "variables, $$ is a dollar sign.");
	for (unsigned i = 0; i < config_rows_n; i++) {
		const struct config_group *g = &config_groups[config_rows[i].group];

		snprintf(name, sizeof(name), "%s%s%s", g->name, g->most ? ".N." : ".",
			config_rows[i].key);
		item(out, name, config_rows[i].help);
	}
	section(out, "EXIT STATUS");
	for (size_t i = 0; i < COUNT(statuses); i++) {
		snprintf(name, sizeof(name), "%d", statuses[i].status);
		item(out, name, statuses[i].help);
	}
	section(out, "SEE ALSO");
	roff(out, "tcpdump(8), pcap-filter(7)");
}

int cli_help_page(FILE *out, const char *page)
{
	static const struct {
		const char *name;
		void (*write)(FILE *out);
	} pages[] = {{"", help}, {"configuration", config_reference}, {"example", config_example},
		{"man", man}, {"metrics", metrics_reference}};

	for (size_t i = 0; i < COUNT(pages); i++)
		if (strcmp(page, pages[i].name) == 0) {
			pages[i].write(out);
			return STATUS_OK;
		}
	fprintf(stderr, "pkt-sniffer: --help=%s: expected configuration, example, man or metrics\n",
		page);
	return STATUS_INPUT;
}

/* interfaces lists what -i takes, with state and addresses. */
static int interfaces(FILE *out)
{
	struct if_nameindex *names = if_nameindex();
	struct ifaddrs *all = NULL;
	char ip[INET6_ADDRSTRLEN];

	if (!names) {
		perror("pkt-sniffer: list of interfaces");
		return STATUS_FAILED;
	}
	if (getifaddrs(&all) < 0)
		all = NULL; /* names alone are still of use */
	for (const struct if_nameindex *n = names; n->if_index; n++) {
		const char *state = "";

		fprintf(out, "%u. %s", n->if_index, n->if_name);
		for (const struct ifaddrs *a = all; a; a = a->ifa_next) {
			const void *from = NULL;

			if (strcmp(a->ifa_name, n->if_name) != 0)
				continue;
			state = !(a->ifa_flags & IFF_UP)     ? " down"
				: a->ifa_flags & IFF_RUNNING ? " up"
							     : " no carrier";
			if (a->ifa_addr && a->ifa_addr->sa_family == AF_INET)
				from = &((const struct sockaddr_in *)(const void *)a->ifa_addr)
						->sin_addr;
			else if (a->ifa_addr && a->ifa_addr->sa_family == AF_INET6)
				from = &((const struct sockaddr_in6 *)(const void *)a->ifa_addr)
						->sin6_addr;
			if (from && inet_ntop(a->ifa_addr->sa_family, from, ip, sizeof(ip)))
				fprintf(out, " %s", ip);
		}
		fprintf(out, "%s\n", state);
	}
	freeifaddrs(all);
	if_freenameindex(names);
	return STATUS_OK;
}

int cli_answer(const struct cli *cli)
{
	switch (cli->action) {
	case CLI_RUN:
		return -1;
	case CLI_USAGE:
		fputs("pkt-sniffer: expected what to capture:\n", stderr);
		for (size_t i = 0; i < COUNT(forms); i++)
			fprintf(stderr, "  %s\n", forms[i].form);
		fputs("pkt-sniffer --help says more\n", stderr);
		return STATUS_INPUT;
	case CLI_HELP:
		return cli_help_page(stdout, cli->page);
	case CLI_VERSION:
		puts("pkt-sniffer " VERSION);
		return STATUS_OK;
	case CLI_BUILD_INFO:
		puts("pkt-sniffer " VERSION "\ncompiler " __VERSION__ "\n" BUILD_INFO);
		return STATUS_OK;
	case CLI_INTERFACES:
		return interfaces(stdout);
	case CLI_CHECK:
		puts("the configuration is sound");
		return STATUS_OK;
	case CLI_DUMP:
		config_dump(&cli->config, stdout, false);
		return STATUS_OK;
	}
	return STATUS_FAILED;
}

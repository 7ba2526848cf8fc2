/* The whole program with a DPDK port made of rings: the frames of a capture, put into the rings by
 * the test, must give the events that the capture gives. */
#define _GNU_SOURCE
#include <criterion/criterion.h>
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/log.h"
#include "capture/dpdk/ethdev.h"
#include "capture/handoff.h"
#include "engine/app.h"
#include "engine/signals.h"
#include "tests/support/ring_port.h"

static char dir[] = "/tmp/net_ring.XXXXXX", pcap[64], ring_json[64], file_json[64];

static void begin(void)
{
	log_setup(LOG_LEVEL_ERROR, LOG_FORMAT_TEXT, 2);
	signals_block();
	ring_eal();
	cr_assert_not_null(mkdtemp(dir));
	snprintf(pcap, sizeof(pcap), "%s/sim.pcap", dir);
	snprintf(ring_json, sizeof(ring_json), "json:%s/ring", dir);
	snprintf(file_json, sizeof(file_json), "json:%s/file", dir);
}

static void end(void)
{
	char command[64];

	snprintf(command, sizeof(command), "rm -rf %s", dir);
	cr_assert_eq(system(command), 0);
}

TestSuite(net_ring, .init = begin, .fini = end, .timeout = 100);

static const char *const two_channels[] = {"--feed", "itch50@233.54.12.111:26477,channel=0,line=A",
	"--feed", "itch50@233.49.196.111:26477,channel=0,line=B", "--feed",
	"itch50@233.54.12.112:26478,channel=1,line=A", "--feed",
	"itch50@233.49.196.112:26478,channel=1,line=B"};

/* feeder puts the frames of the capture into the rings, and says when all of them were taken. */
struct feeder {
	struct ring_port port;
	unsigned frames, segment;
};

/* queue_of: lines of a feed come through queues of their own, as RSS may have it. */
static unsigned queue_of(const struct ring_port *port, const struct packet *pkt)
{
	return port->queues > 1 ? pkt->data[31] == 54 : 0;
}

static void *feed(void *arg)
{
	struct source_options once = {.loops = 1, .workers = 1};
	struct feeder *feeder = arg;
	struct packet pkts[BURST_MAX];
	struct source *src;
	char error[256];
	int n;

	if (source_open_replay(&src, pcap, &once, error) < 0)
		abort();
	while ((n = src->ops->burst(src, pkts, BURST_MAX)) > 0) {
		for (int i = 0; i < n; i++, feeder->frames++)
			while (!ring_port_put(&feeder->port, queue_of(&feeder->port, &pkts[i]),
				pkts[i].data, pkts[i].caplen, feeder->segment))
				usleep(50);
	}
	src->ops->close(src);
	while (rte_mempool_in_use_count(feeder->port.pool) > 0)
		usleep(1000);
	usleep(300000); /* and what was handed on is decoded */
	kill(getpid(), SIGINT);
	return NULL;
}

/* run goes the program's way with given sources instead of what the configuration names.
 * refused: frames by reason
 * Returns  an exit_status */
static int run(struct cli *cli, struct source *sources[], struct ledger_stage *capture,
	uint64_t refused[REASON_COUNT])
{
	struct app app = {0};
	int status;

	cr_assert_eq(app_feeds(&app, &cli->config), 0);
	cr_assert_eq(app_sinks(&app), 0);
	if (sources) {
		memcpy(app.sources, sources, sizeof(*sources) * app.workers_n);
		app.sources_n = app.workers_n;
	} else {
		cr_assert_eq(app_sources(&app), 0);
	}
	cr_assert_eq(app_workers(&app), 0);
	cr_assert_eq(app_start(&app), 0);
	status = app_wait(&app);
	status = app_stop(&app, status);
	for (unsigned w = 0; w < app.workers_n; w++) {
		struct source_stats stats = {0};

		app.workers[w].source->ops->stats(app.workers[w].source, &stats);
		capture->entered += stats.received;
		capture->left += app.workers[w].counts.packets;
		for (int i = 0; i < REASON_COUNT; i++)
			capture->dropped[0] += stats.dropped[i];
		for (int i = 0; i < REASON_COUNT; i++)
			refused[i] += app.workers[w].counts.dropped[i];
	}
	app_close(&app);
	return status;
}

/* line_plain takes out of a JSON event what differs between a wire and a file. */
static void line_plain(char *line, bool lines_race)
{
	static const char *const fields[] = {"\"ts_recv_ns\":", "\"boot_id\":", "\"ts_quality\":",
		"\"worker\":", "\"ts_opened_ns\":", "\"cause\":", "\"feed\":", "\"flags\":"};

	for (unsigned i = 0; i < (lines_race ? 8 : 6); i++) {
		char *from = strstr(line, fields[i]), *to;

		if (!from)
			continue;
		to = from + strcspn(from, ",}");
		to += *to == ',';
		memmove(from, to, strlen(to) + 1);
	}
}

static int by_text(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

/* events_of reads the events of a JSON file, without the program's own, sorted. A line says its
 * stream and number in it, so order is part of it. */
static unsigned events_of(const char *uri, char ***lines, bool lines_race)
{
	FILE *file = fopen(strchr(uri, '/'), "r");
	unsigned n = 0, room = 100000;
	char *line = NULL;
	size_t size = 0;

	cr_assert_not_null(file);
	*lines = calloc(room, sizeof(**lines));
	while (getline(&line, &size, file) > 0) {
		if (strstr(line, "\"ledger\":{") || strstr(line, "\"latency\":{"))
			continue;
		cr_assert_lt(n, room);
		line_plain(line, lines_race);
		(*lines)[n++] = strdup(line);
	}
	free(line);
	fclose(file);
	qsort(*lines, n, sizeof(**lines), by_text);
	return n;
}

/* holes_by_number: receive times are those of bursts, so holes close by the packets behind them. */
static void holes_by_number(struct config *cfg)
{
	cfg->arbitration.window_ms = cfg->arbitration.single_line_ms = 10000;
}

/* same_events runs the frames through a port with queues and workers, and the file through replay.
 */
static void same_events(unsigned queues, unsigned workers, unsigned segment, bool odd)
{
	struct source_options opt = {.workers = workers, .promiscuous = true};
	struct feeder feeder = {.segment = segment};
	const char *ring_args[24] = {"pkt-sniffer", "--no-pci", "-q", "-i"},
		   *file_args[24] = {"pkt-sniffer", "-q", "-r", pcap, "-o", file_json};
	struct ledger_stage live = {0}, file = {0};
	struct source *sources[8];
	struct handoff *handoff = NULL;
	struct ethdev_port *port;
	struct app steering = {0};
	char command[512], error[CONFIG_ERROR], workers_text[8];
	uint64_t live_refused[REASON_COUNT] = {0}, file_refused[REASON_COUNT] = {0};
	char **got, **want;
	unsigned got_n, want_n;
	pthread_t thread;
	struct cli cli;

	/* ITCH times count from midnight of the day of receipt: the frames are of today */
	snprintf(command, sizeof(command),
		"%s --quiet --messages 15000 --instruments 40 --channels 2 --pcap %s "
		"--start-time $(TZ=America/New_York date +%%FT10:00:00)",
		FEED_SIM, pcap);
	cr_assert_eq(system(command), 0);
	if (odd) {
		snprintf(command, sizeof(command), "mv %s %s.even && %s %s.even %s", pcap, pcap,
			ODD_FRAMES, pcap, pcap);
		cr_assert_eq(system(command), 0);
	}
	ring_port_make(&feeder.port, "wire", queues, 2047);
	snprintf(workers_text, sizeof(workers_text), "%u", workers);
	ring_args[4] = feeder.port.name;
	ring_args[5] = "--workers";
	ring_args[6] = workers_text;
	ring_args[7] = "-o";
	ring_args[8] = ring_json;
	memcpy(ring_args + 9, two_channels, sizeof(two_channels));
	memcpy(file_args + 6, two_channels, sizeof(two_channels));

	cr_assert_eq(cli_parse(&cli, 17, (char *const *)ring_args, error), 0, "%s", error);
	cli.config.sinks[0].when_full = WHEN_FULL_BLOCK;
	holes_by_number(&cli.config);
	cr_assert_eq(app_feeds(&steering, &cli.config), 0);
	cr_assert_eq(ethdev_port_open(&port, feeder.port.id, &opt, error), 0, "%s", error);
	if (workers > 1)
		cr_assert_eq(handoff_open(&handoff, workers, HANDOFF_LANE_BYTES, steer_packet,
				     &steering.steer, false),
			0);
	for (unsigned w = 0; w < workers; w++) {
		sources[w] = NULL;
		if (w < ethdev_port_readers(port))
			cr_assert_eq(
				source_open_ethdev(&sources[w], port, (uint16_t)w, &opt, error), 0);
		if (handoff)
			cr_assert_eq(handoff_source(&sources[w], handoff, w, sources[w]), 0);
	}
	ethdev_port_release(port);
	if (handoff)
		handoff_release(handoff);
	cr_assert_eq(pthread_create(&thread, NULL, feed, &feeder), 0);
	cr_assert_eq(run(&cli, sources, &live, live_refused), STATUS_OK);
	pthread_join(thread, NULL);
	feed_table_free(&steering.table);
	cli_free(&cli);

	cr_assert_eq(cli_parse(&cli, 14, (char *const *)file_args, error), 0, "%s", error);
	holes_by_number(&cli.config);
	cr_assert_eq(run(&cli, NULL, &file, file_refused), STATUS_OK);
	cli_free(&cli);

	cr_assert_eq(live.entered, feeder.frames);
	cr_assert_eq(live.left, feeder.frames);
	cr_assert_eq(live.dropped[0], 0);
	cr_assert_eq(file.left, feeder.frames);
	cr_assert_arr_eq(live_refused, file_refused, sizeof(live_refused));
	cr_assert_eq(file_refused[REASON_fragment] > 100, odd);
	cr_assert_eq(file_refused[REASON_truncated] > 100, odd);
	got_n = events_of(ring_json, &got, queues > 1);
	want_n = events_of(file_json, &want, queues > 1);
	cr_assert_gt(want_n, odd ? 20000 : 30000);
	for (unsigned i = 0; i < got_n && i < want_n; i++)
		cr_assert_str_eq(
			got[i], want[i], "event %u of %u:\n%s%s", i, want_n, got[i], want[i]);
	cr_assert_eq(got_n, want_n);
	for (unsigned i = 0; i < want_n; i++) {
		free(got[i]);
		free(want[i]);
	}
	free(got);
	free(want);
}

Test(net_ring, events_of_the_capture_through_one_queue)
{
	same_events(1, 1, 10000, false);
}

Test(net_ring, events_of_the_capture_in_chained_mbufs)
{
	same_events(1, 1, 300, false);
}

Test(net_ring, events_of_the_capture_handed_on_to_a_second_worker)
{
	same_events(1, 2, 10000, false);
}

Test(net_ring, events_of_the_capture_with_its_lines_on_two_queues)
{
	same_events(2, 2, 10000, false);
}

/* Tags, jumbo frames, fragments, frames cut short, wrong check sums: what is refused is counted
 * alike. */
Test(net_ring, events_of_odd_frames_through_one_queue_and_handed_on)
{
	same_events(1, 2, 10000, true);
}

Test(net_ring, events_of_odd_frames_in_chained_mbufs)
{
	same_events(1, 1, 300, true);
}

/* feed-sim: exchange ► bytes ► lines ► wire, and the truth beside them. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/sim/flow.h"
#include "tests/sim/itch.h"
#include "tests/sim/mold.h"
#include "tests/sim/options.h"
#include "tests/sim/session.h"
#include "tests/sim/truth.h"
#include "tests/sim/wire.h"

struct sim;

struct channel {
	struct sim *sim;
	uint32_t number;
	struct exchange ex;
	struct flow flow;
	struct line lines[2];
	uint32_t lines_n;
	bool ended;
};

struct sim {
	struct options options;
	struct wire wire;
	struct out truth, truth_fix, books, binary;
	struct channel *channels;
	struct session session; /* with channel 0 */
	uint64_t messages;
};

static void on_message(void *ctx, const struct msg *msg)
{
	struct channel *channel = ctx;
	struct sim *sim = channel->sim;
	uint8_t bytes[2 + ITCH_BYTES_MAX];
	size_t len = itch_write(bytes + 2, msg, channel->ex.midnight_ns);

	for (uint32_t i = 0; i < channel->lines_n; i++) {
		line_tick(&channel->lines[i], msg->ts_ns);
		line_message(&channel->lines[i], msg->ts_ns, bytes + 2, len);
	}
	if (sim->binary.file && channel->number == 0) {
		bytes[0] = 0;
		bytes[1] = (uint8_t)len;
		out_bytes(&sim->binary, bytes, len + 2);
	}
	if (sim->truth.file)
		truth_message(&sim->truth, channel->number, channel->ex.messages, msg);
	if (msg->type == 'E' || msg->type == 'P' || (msg->type == 'C' && msg->code == 'Y'))
		flow_trade(&channel->flow, msg->match);
	sim->messages++;
}

/* on_fill: the session's trades are never broken, as its reports would have to say so. */
static void on_fill(void *ctx, const struct fill *fill)
{
	struct channel *channel = ctx;
	struct flow *flow = &channel->flow;

	if (flow->matches_n && flow->matches[(flow->matches_n - 1) % MATCHES_MAX] == fill->match)
		flow->matches_n--;
	session_fill(&channel->sim->session, fill);
}

static void line_init(struct channel *channel, char name)
{
	const struct options *o = &channel->sim->options;
	struct line *line = &channel->lines[channel->lines_n++];
	bool a = name == 'A';

	*line = (struct line){.wire = &channel->sim->wire,
		.from = {.mac = {2, 0, 0, 0, 1, a ? 1 : 2},
			.ip = a ? 0x0ac80101 : 0x0ac80201,
			.port = 30000},
		.to = {.ip = (a ? o->addr_a : o->addr_b) + channel->number,
			.port = (uint16_t)((a ? o->port_a : o->port_b) + channel->number)},
		.payload_max = a ? o->payload_max : o->payload_max * 93 / 100,
		.hold_ns = 1 + o->hold_us * (a ? 1000 : 1300),
		.delay_ns = a ? 1500 : 4500,
		.jitter_ns = a ? 400 : 5000,
		.heartbeat_ns = o->heartbeat_ms * 1000000ull};
	memcpy(line->session, o->session, 10);
	if (channel->number) { /* each channel is a session of its own */
		char digits[4];

		snprintf(digits, sizeof(digits), "%03u",
			(unsigned)(strtoul(o->session + 7, NULL, 10) + channel->number) % 1000);
		memcpy(line->session + 7, digits, 3);
	}
	mac_of_group(line->to.mac, line->to.ip);
	rng_seed(&line->rng, o->seed, channel->number * 16 + (a ? 3 : 4));
	line_start(line, o->start_ns);
}

static int channel_init(struct channel *channel, struct sim *sim, uint32_t number)
{
	const struct options *o = &sim->options;
	struct flow_conf conf = {.seed = o->seed,
		.stream = number,
		.messages = o->messages,
		.duration_ns = (uint64_t)(o->seconds * 1e9),
		.rate = o->rate,
		/* the heartbeat goes first; channels begin one after the other */
		.start_ns = o->start_ns + o->heartbeat_ms * 100000ull + number * 7919};
	int rc = exchange_init(&channel->ex, o->instruments, o->seed, number);

	if (rc < 0)
		return rc;
	channel->sim = sim;
	channel->number = number;
	channel->ex.now_ns = o->start_ns;
	channel->ex.midnight_ns = o->midnight_ns;
	channel->ex.ctx = channel;
	channel->ex.on_message = on_message;
	channel->ex.on_fill = on_fill;
	for (const char *name = o->lines; *name; name++)
		line_init(channel, *name);
	return flow_init(&channel->flow, &channel->ex, &conf);
}

static void session_init(struct sim *sim)
{
	const struct options *o = &sim->options;
	struct session *s = &sim->session;

	s->ex = &sim->channels[0].ex;
	s->truth = &sim->truth_fix;
	s->conf = (struct session_conf){.client = "BROKER7",
		.gateway = "SIMX",
		.user = o->fix_user,
		.password = o->fix_password,
		.secret = o->fix_secret,
		.rate = o->fix_rate,
		.heartbeat_s = o->fix_heartbeat};
	s->tcp.wire = &sim->wire;
	s->tcp.end[0].addr = (struct addr){{2, 0, 0, 0, 2, 1}, 0x0ac80a15, 41234};
	s->tcp.end[1].addr = (struct addr){{2, 0, 0, 0, 2, 2}, 0x0ac80a02, (uint16_t)o->fix_port};
	rng_seed(&s->tcp.rng, o->seed, 5);
	rng_seed(&s->rng, o->seed, 6);
	session_open(s, o->start_ns + 1000000);
}

/* channel_due is when a channel next does something: its day or one of its lines. */
static uint64_t channel_due(const struct channel *channel)
{
	uint64_t due = channel->flow.next_ns;

	for (uint32_t i = 0; i < channel->lines_n; i++)
		if (channel->lines[i].due_ns < due)
			due = channel->lines[i].due_ns;
	return due;
}

static void channel_step(struct channel *channel, uint64_t ts_ns)
{
	struct session *s = &channel->sim->session;

	for (uint32_t i = 0; i < channel->lines_n; i++)
		line_tick(&channel->lines[i], ts_ns);
	if (channel->flow.next_ns > ts_ns)
		return;
	flow_step(&channel->flow);
	if (channel->number == 0 && s->open && !s->leaving) {
		enum phase phase = channel->flow.phase;

		if (!s->trading && s->next_ns < ts_ns)
			s->next_ns = ts_ns;
		s->trading = phase >= PHASE_PRE_OPEN && phase <= PHASE_TRADING;
		s->shut = phase >= PHASE_AFTER;
		if (s->shut)
			session_logout(s, channel->ex.now_ns);
	}
	if (channel->flow.phase == PHASE_DONE) {
		channel->ended = true;
		for (uint32_t i = 0; i < channel->lines_n; i++)
			line_end(&channel->lines[i], channel->ex.now_ns);
	}
}

/* run does whatever comes next in simulated time until all channels and the session have ended. */
static void run(struct sim *sim)
{
	for (;;) {
		uint64_t due = session_due(&sim->session);
		struct channel *next = NULL;

		for (uint32_t i = 0; i < sim->options.channels; i++) {
			struct channel *channel = &sim->channels[i];

			if (!channel->ended && channel_due(channel) < due) {
				due = channel_due(channel);
				next = channel;
			}
		}
		if (due == UINT64_MAX)
			break;
		wire_flush(&sim->wire, due - 1);
		if (next)
			channel_step(next, due);
		else
			session_step(&sim->session, due);
		if (sim->wire.error)
			break;
	}
	wire_flush(&sim->wire, UINT64_MAX);
}

static int open_file(struct out *out, const char *path, const char *option)
{
	int rc = path ? out_open(out, path) : 0;

	if (rc < 0)
		fprintf(stderr, "feed-sim: %s %s: %s\n", option, path, strerror(-rc));
	return rc;
}

static int sim_open(struct sim *sim)
{
	const struct options *o = &sim->options;
	const char *pcap = o->pcap ? o->pcap : o->pcap_us;
	int rc = 0;

	wire_init(&sim->wire);
	if (open_file(&sim->truth, o->truth, "--truth") < 0 ||
		open_file(&sim->truth_fix, o->truth_fix, "--truth-fix") < 0 ||
		open_file(&sim->books, o->books, "--books") < 0 ||
		open_file(&sim->binary, o->binaryfile, "--binaryfile") < 0)
		return -EIO;
	if (pcap && (rc = wire_pcap(&sim->wire, pcap, o->pcap_us)) < 0)
		fprintf(stderr, "feed-sim: %s %s: %s\n", o->pcap ? "--pcap" : "--pcap-us", pcap,
			strerror(-rc));
	else if (o->live && (rc = wire_live(&sim->wire, o->live, o->live_raw)) < 0)
		fprintf(stderr, "feed-sim: --live %s: %s\n", o->live, strerror(-rc));
	if (rc < 0)
		return rc;
	sim->channels = calloc(o->channels, sizeof(*sim->channels));
	for (uint32_t i = 0; sim->channels && i < o->channels && rc == 0; i++)
		rc = channel_init(&sim->channels[i], sim, i);
	if (!sim->channels || rc < 0) {
		fputs("feed-sim: out of memory\n", stderr);
		return -ENOMEM;
	}
	if (!o->no_fix)
		session_init(sim);
	return 0;
}

static int close_file(struct out *out, const char *option)
{
	int rc = out_close(out);

	if (rc < 0)
		fprintf(stderr, "feed-sim: %s: %s: the file is not whole\n", option, strerror(-rc));
	return rc;
}

/* sim_close writes the books and ends all files. Returns 0, or -1 after a message. */
static int sim_close(struct sim *sim)
{
	int rc = sim->wire.error;

	if (rc < 0)
		fprintf(stderr, "feed-sim: --live %s: sending: %s\n", sim->options.live,
			strerror(-rc));
	for (uint32_t i = 0; i < sim->options.channels && sim->books.file; i++)
		truth_books(&sim->books, i, &sim->channels[i].ex);
	rc |= close_file(&sim->truth, "--truth");
	rc |= close_file(&sim->truth_fix, "--truth-fix");
	rc |= close_file(&sim->books, "--books");
	rc |= close_file(&sim->binary, "--binaryfile");
	rc |= close_file(&sim->wire.pcap, "--pcap");
	return rc < 0 ? -1 : 0;
}

static void summary(const struct sim *sim)
{
	const struct exchange *ex = &sim->channels[0].ex;

	fprintf(stderr,
		"feed-sim: %lu messages, %lu FIX messages, %lu packets, %lu bytes\nfeed-sim: "
		"channel 0:",
		sim->messages, sim->session.messages, sim->wire.packets, sim->wire.bytes);
	for (int type = 0; type < 128; type++)
		if (ex->by_type[type])
			fprintf(stderr, " %c %lu", type, ex->by_type[type]);
	fputc('\n', stderr);
}

int main(int argc, char **argv)
{
	static struct sim sim;
	int rc = options_parse(&sim.options, argc, argv);

	if (rc)
		return rc < 0 ? 2 : 0;
	if (sim_open(&sim) < 0)
		return 1;
	run(&sim);
	rc = sim_close(&sim);
	if (!sim.options.quiet)
		summary(&sim);
	for (uint32_t i = 0; i < sim.options.channels; i++) {
		flow_free(&sim.channels[i].flow);
		exchange_free(&sim.channels[i].ex);
	}
	free(sim.channels);
	session_free(&sim.session);
	wire_free(&sim.wire);
	return rc < 0 ? 1 : 0;
}

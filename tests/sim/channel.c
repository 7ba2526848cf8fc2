#include "tests/sim/channel.h"

#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>

#include "tests/sim/itch.h"

/* session_next names a session: the last three digits of --session count on, channel by channel and then session by
 * session. before: messages of the sessions before it */
static void session_next(struct channel *channel, uint64_t before)
{
	const struct options *o = channel->options;
	uint32_t number = channel->sessions++ * o->channels + channel->number;
	char digits[4];

	memcpy(channel->session, o->session, 10);
	if (number) {
		snprintf(digits, sizeof(digits), "%03u",
			(unsigned)(strtoul(o->session + 7, NULL, 10) + number) % 1000);
		memcpy(channel->session + 7, digits, 3);
	}
	channel->before = before;
}

static void itch_message(struct channel *channel, const struct msg *msg)
{
	struct files *files = channel->files;
	uint8_t bytes[2 + ITCH_BYTES_MAX];
	size_t len = itch_write(bytes + 2, msg, channel->ex.midnight_ns);

	bool first = channel->ex.messages == channel->options->new_session_at;

	if (first)
		session_next(channel, channel->ex.messages - 1);
	for (uint32_t i = 0; i < channel->lines_n; i++) {
		struct mold *mold = &channel->molds[i];

		mold_tick(mold, msg->ts_ns);
		if (first)
			mold_session(mold, msg->ts_ns, channel->session);
		mold_message(mold, msg->ts_ns, bytes + 2, len);
	}
	if (files->binary.file && channel->number == 0) {
		bytes[0] = 0;
		bytes[1] = (uint8_t)len;
		out_bytes(&files->binary, bytes, len + 2);
	}
	if (files->truth.file)
		truth_message(&files->truth, channel->number, channel->session,
			channel->ex.messages - channel->before, msg);
}

static void on_message(void *ctx, const struct msg *msg)
{
	struct channel *channel = ctx;

	itch_message(channel, msg);
	if (msg->type == 'E' || msg->type == 'P' || (msg->type == 'C' && msg->code == 'Y'))
		flow_trade(&channel->flow, msg->match);
}

/* on_fill: the session's trades are never broken, as its reports would have to say so. */
static void on_fill(void *ctx, const struct fill *fill)
{
	struct channel *channel = ctx;
	struct flow *flow = &channel->flow;

	if (flow->matches_n && flow->matches[(flow->matches_n - 1) % MATCHES_MAX] == fill->match)
		flow->matches_n--;
	session_fill(channel->fix, fill);
}

static void line_faults(struct line *line, const struct options *o)
{
	struct faults *faults = &line->faults;

	faults->loss = line->name == 'A' ? o->loss_a : o->loss_b;
	faults->late = o->late;
	faults->late_packets = o->late_packets;
	faults->twice = o->dup;
	for (uint32_t i = 0; i < o->outages_n; i++) {
		uint64_t from_ns = o->start_ns + (uint64_t)(o->outages[i].at_s * 1e9);

		if (o->outages[i].line == line->name)
			faults->outages[faults->outages_n++] = (struct outage){
				from_ns, from_ns + (uint64_t)(o->outages[i].for_s * 1e9)};
	}
}

static void line_init(struct channel *channel, struct wire *wire, char name)
{
	const struct options *o = channel->options;
	struct line *line = &channel->lines[channel->lines_n];
	struct mold *mold = &channel->molds[channel->lines_n++];
	bool a = name == 'A';
	uint32_t streams = channel->number * 16 + !a; /* of chance */

	*line = (struct line){.wire = wire,
		.truth = &channel->files->truth_wire,
		.channel = channel->number,
		.name = name,
		.from = {.mac = {2, 0, 0, 0, 1, a ? 1 : 2},
			.ip = a ? 0x0ac80101 : 0x0ac80201,
			.port = 30000},
		.to = {.ip = (a ? o->addr_a : o->addr_b) + channel->number,
			.port = (uint16_t)((a ? o->port_a : o->port_b) + channel->number)},
		.delay_ns = a ? 1500 : 4500,
		.jitter_ns = a ? 400 : 5000};
	mac_of_group(line->to.mac, line->to.ip);
	rng_seed(&line->rng, o->seed, streams + 3);
	rng_seed(&line->chance, o->seed, streams + 7);
	line_faults(line, o);
	*mold = (struct mold){.line = line,
		.payload_max = a ? o->payload_max : o->payload_max * 93 / 100,
		.hold_ns = 1 + o->hold_us * (a ? 1000 : 1300),
		.heartbeat_ns = o->heartbeat_ms * 1000000ull};
	mold->parcel.kind = "data";
	rng_seed(&mold->rng, o->seed, streams + 9);
	mold_start(mold, o->start_ns, channel->session);
}

int channel_init(struct channel *channel, const struct options *o, struct wire *wire,
	struct files *files, uint32_t number, struct session *fix)
{
	struct flow_conf conf = {.seed = o->seed,
		.stream = number,
		.messages = o->messages,
		.duration_ns = (uint64_t)(o->seconds * 1e9),
		.rate = o->rate,
		/* the heartbeat goes first; channels begin one after the other */
		.start_ns = o->start_ns + o->heartbeat_ms * 100000ull + number * 7919};
	int rc;

	*channel = (struct channel){.options = o, .files = files, .number = number, .fix = fix};
	rc = exchange_init(&channel->ex, o->instruments, o->seed, number);
	if (rc < 0)
		return rc;
	channel->ex.now_ns = o->start_ns;
	channel->ex.midnight_ns = o->midnight_ns;
	channel->ex.ctx = channel;
	channel->ex.on_message = on_message;
	channel->ex.on_fill = on_fill;
	session_next(channel, 0);
	for (const char *name = o->lines; *name; name++)
		line_init(channel, wire, *name);
	return flow_init(&channel->flow, &channel->ex, &conf);
}

void channel_free(struct channel *channel)
{
	flow_free(&channel->flow);
	exchange_free(&channel->ex);
}

uint64_t channel_due(const struct channel *channel)
{
	uint64_t due = channel->flow.next_ns;

	if (channel->ended)
		return UINT64_MAX;
	for (uint32_t i = 0; i < channel->lines_n; i++) {
		uint64_t line_ns = mold_due(&channel->molds[i]);

		if (line_ns < due)
			due = line_ns;
	}
	return due;
}

/* follow_phase tells the order-entry session what part of the day it is. */
static void follow_phase(struct session *fix, enum phase phase, uint64_t ts_ns, uint64_t now_ns)
{
	if (!fix->trading && fix->next_ns < ts_ns)
		fix->next_ns = ts_ns;
	fix->trading = phase >= PHASE_PRE_OPEN && phase <= PHASE_TRADING;
	fix->shut = phase >= PHASE_AFTER;
	if (fix->shut)
		session_logout(fix, now_ns);
}

void channel_step(struct channel *channel, uint64_t ts_ns)
{
	struct session *fix = channel->fix;

	for (uint32_t i = 0; i < channel->lines_n; i++)
		mold_tick(&channel->molds[i], ts_ns);
	if (channel->flow.next_ns > ts_ns)
		return;
	flow_step(&channel->flow);
	if (fix && fix->open && !fix->leaving)
		follow_phase(fix, channel->flow.phase, ts_ns, channel->ex.now_ns);
	if (channel->flow.phase == PHASE_DONE) {
		channel->ended = true;
		for (uint32_t i = 0; i < channel->lines_n; i++)
			mold_end(&channel->molds[i], channel->ex.now_ns);
	}
}

static void print_feed(
	FILE *file, const char *protocol, uint32_t ip, uint32_t port, uint32_t channel, char line)
{
	struct in_addr in = {htonl(ip)};

	fprintf(file, "--feed %s@%s:%u,channel=%u,line=%c\n", protocol, inet_ntoa(in), port,
		channel, line);
}

void channel_print_feeds(const struct options *o, uint32_t number, FILE *file)
{
	for (const char *name = o->lines; *name; name++)
		print_feed(file, "itch50", (*name == 'A' ? o->addr_a : o->addr_b) + number,
			(*name == 'A' ? o->port_a : o->port_b) + number, number, *name);
}

#include "tests/sim/channel.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "tests/sim/itch/itch.h"

/* numbers of channel 0; snapshots are a channel of their own, so many groups and ports apart */
enum { MDP3_CHANNEL = 310, MDP3_SNAPSHOTS = 1310, MDP3_GROUPS_APART = 64, MDP3_PORTS_APART = 1000 };

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
	for (uint32_t i = 0; i < channel->molds_n; i++) {
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

	if (channel->molds_n)
		itch_message(channel, msg);
	if (channel->mdp3.ex)
		mdp3_message(&channel->mdp3, msg);
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

/* line_init: ip and port of channel 0; stream: of chance, others than those of the exchange and its flow. */
static void line_init(struct channel *channel, struct line *line, struct wire *wire, char name,
	uint32_t number, uint32_t ip, uint32_t port, uint32_t stream)
{
	bool a = name == 'A';

	*line = (struct line){.wire = wire,
		.truth = &channel->files->truth_wire,
		.channel = number,
		.name = name,
		.from = {.mac = {2, 0, 0, 0, 1, a ? 1 : 2},
			.ip = a ? 0x0ac80101 : 0x0ac80201,
			.port = 30000},
		.to = {.ip = ip + channel->number, .port = (uint16_t)(port + channel->number)},
		.delay_ns = a ? 1500 : 4500,
		.jitter_ns = a ? 400 : 5000};
	mac_of_group(line->to.mac, line->to.ip);
	rng_seed(&line->rng, channel->options->seed, stream);
	rng_seed(&line->chance, channel->options->seed, stream + 4);
	line_faults(line, channel->options);
}

static void mold_init(struct channel *channel, struct wire *wire, char name)
{
	const struct options *o = channel->options;
	struct line *line = &channel->lines[channel->molds_n];
	struct mold *mold = &channel->molds[channel->molds_n++];
	bool a = name == 'A';

	line_init(channel, line, wire, name, channel->number, a ? o->addr_a : o->addr_b,
		a ? o->port_a : o->port_b, channel->number * 16 + (a ? 3 : 4));
	*mold = (struct mold){.line = line,
		.payload_max = a ? o->payload_max : o->payload_max * 93 / 100,
		.hold_ns = 1 + o->hold_us * (a ? 1000 : 1300),
		.heartbeat_ns = o->heartbeat_ms * 1000000ull};
	mold->parcel.kind = "data";
	rng_seed(&mold->rng, o->seed, channel->number * 16 + (a ? 9 : 10));
	mold_start(mold, o->start_ns, channel->session);
}

static int mdp3_open(struct channel *channel, struct wire *wire)
{
	const struct options *o = channel->options;
	struct mdp3 *md = &channel->mdp3;
	uint32_t stream = (1u << 20) + channel->number * 32; /* behind those of all channels */

	md->ex = &channel->ex;
	md->snapshot_ns = o->snapshot_ms * 1000000ull;
	md->reset_at = o->reset_at;
	rng_seed(&md->rng, o->seed, stream++);
	for (int snapshots = 0; snapshots < 2; snapshots++) {
		struct mdp3_feed *feed = snapshots ? &md->snapshots : &md->feed;

		*feed = (struct mdp3_feed){.lines = channel->mdp3_lines + 2 * snapshots,
			.truth = &channel->files->truth_mdp3,
			.channel = (snapshots ? MDP3_SNAPSHOTS : MDP3_CHANNEL) + channel->number,
			.version = (uint16_t)o->mdp3_version,
			.payload_max = o->payload_max,
			.hold_ns = 1 + o->hold_us * 1000,
			.heartbeat_ns = snapshots ? 0 : o->heartbeat_ms * 1000000ull};
		rng_seed(&feed->rng, o->seed, stream++);
		for (const char *name = o->lines; *name; name++, stream++) {
			bool a = *name == 'A';

			line_init(channel, &feed->lines[feed->lines_n++], wire, *name,
				feed->channel,
				(a ? o->mdp3_addr_a : o->mdp3_addr_b) +
					MDP3_GROUPS_APART * (uint32_t)snapshots,
				(a ? o->mdp3_port_a : o->mdp3_port_b) +
					MDP3_PORTS_APART * (uint32_t)snapshots,
				stream);
		}
		stream += 8;
	}
	return mdp3_init(md, o->start_ns);
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
	for (const char *name = o->lines; *name && o->itch; name++)
		mold_init(channel, wire, *name);
	if (o->mdp3 && mdp3_open(channel, wire) < 0)
		return -ENOMEM;
	return flow_init(&channel->flow, &channel->ex, &conf);
}

void channel_free(struct channel *channel)
{
	mdp3_free(&channel->mdp3);
	flow_free(&channel->flow);
	exchange_free(&channel->ex);
}

uint64_t channel_due(const struct channel *channel)
{
	uint64_t due = channel->flow.next_ns;

	if (channel->ended)
		return UINT64_MAX;
	for (uint32_t i = 0; i < channel->molds_n; i++) {
		uint64_t line_ns = mold_due(&channel->molds[i]);

		if (line_ns < due)
			due = line_ns;
	}
	if (channel->mdp3.ex && mdp3_due(&channel->mdp3) < due)
		due = mdp3_due(&channel->mdp3);
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

	for (uint32_t i = 0; i < channel->molds_n; i++)
		mold_tick(&channel->molds[i], ts_ns);
	if (channel->mdp3.ex)
		mdp3_tick(&channel->mdp3, ts_ns);
	if (channel->flow.next_ns > ts_ns)
		return;
	flow_step(&channel->flow);
	channel_event_end(channel);
	if (fix && fix->open && !fix->leaving)
		follow_phase(fix, channel->flow.phase, ts_ns, channel->ex.now_ns);
	if (channel->flow.phase == PHASE_DONE) {
		channel->ended = true;
		for (uint32_t i = 0; i < channel->molds_n; i++)
			mold_end(&channel->molds[i], channel->ex.now_ns);
		if (channel->mdp3.ex)
			mdp3_end(&channel->mdp3, channel->ex.now_ns);
	}
}

void channel_event_end(struct channel *channel)
{
	if (channel->mdp3.ex)
		mdp3_event_end(&channel->mdp3);
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
	for (const char *name = o->lines; *name && o->itch; name++)
		print_feed(file, "itch50", (*name == 'A' ? o->addr_a : o->addr_b) + number,
			(*name == 'A' ? o->port_a : o->port_b) + number, number, *name);
	for (uint32_t snapshots = 0; snapshots < 2 && o->mdp3; snapshots++)
		for (const char *name = o->lines; *name && (!snapshots || o->snapshot_ms); name++)
			print_feed(file, "cme_mdp3",
				(*name == 'A' ? o->mdp3_addr_a : o->mdp3_addr_b) +
					MDP3_GROUPS_APART * snapshots + number,
				(*name == 'A' ? o->mdp3_port_a : o->mdp3_port_b) +
					MDP3_PORTS_APART * snapshots + number,
				(snapshots ? MDP3_SNAPSHOTS : MDP3_CHANNEL) + number, *name);
}

#include "tests/sim/mdp3/mdp3_feed.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#define SWITCH_NS                                                                                  \
	2000000 /* from the old numbers to the new ones, that no line still has old ones */

static void le(uint8_t *p, uint64_t v, size_t n)
{
	for (size_t i = 0; i < n; i++)
		p[i] = (uint8_t)(v >> 8 * i);
}

static void session_name(struct mdp3_feed *feed)
{
	int n = snprintf(feed->parcel.session, sizeof(feed->parcel.session), "%s", feed->week);

	if (feed->resets)
		snprintf(feed->parcel.session + n, sizeof(feed->parcel.session) - (size_t)n, ".%u",
			feed->resets);
}

void mdp3_feed_start(struct mdp3_feed *feed, uint64_t start_ns)
{
	time_t monday = (time_t)(start_ns / 1000000000) + 86400; /* Sunday is of the next week */
	struct tm tm;

	gmtime_r(&monday, &tm);
	strftime(feed->week, sizeof(feed->week), "%G-W%V", &tm);
	session_name(feed);
	feed->parcel.seq = 1;
	feed->parcel.count = 1; /* the packet is the unit */
	feed->parcel.kind = "data";
	feed->parcel.len = MDP3_HEADER;
	feed->due_ns = feed->heartbeat_ns ? start_ns : UINT64_MAX;
}

uint32_t mdp3_feed_room(const struct mdp3_feed *feed)
{
	return feed->payload_max - MDP3_HEADER;
}

static void tell(struct mdp3_feed *feed, const struct sbe *m)
{
	char text[128];
	int n;

	if (!feed->truth->file)
		return;
	n = snprintf(text, sizeof(text), "{\"channel\":%u,\"session\":\"%s\",\"seq\":%lu,\"at\":%u",
		feed->channel, feed->parcel.session, feed->parcel.seq, feed->messages);
	out_bytes(feed->truth, text, (size_t)n);
	out_bytes(feed->truth, m->text, m->text_len);
	if (m->bits_at) {
		out_text(feed->truth, ",\"MatchEventIndicator\":");
		out_u64(feed->truth, m->bits);
	}
	out_text(feed->truth, "}\n");
}

void mdp3_feed_message(struct mdp3_feed *feed, uint64_t ts_ns, struct sbe *m)
{
	struct parcel *parcel = &feed->parcel;

	sbe_end(m);
	if (parcel->len + m->len > feed->payload_max)
		mdp3_feed_close(feed, ts_ns);
	if (!feed->messages)
		feed->due_ns = ts_ns + rng_below(&feed->rng, feed->hold_ns);
	tell(feed, m);
	memcpy(parcel->bytes + parcel->len, m->bytes, m->len);
	parcel->len += m->len;
	feed->messages++;
}

void mdp3_feed_close(struct mdp3_feed *feed, uint64_t ts_ns)
{
	struct parcel *parcel = &feed->parcel;

	if (!feed->messages)
		return;
	feed->sent_ns = ts_ns > feed->sent_ns ? ts_ns : feed->sent_ns + 1;
	le(parcel->bytes, parcel->seq, 4);
	le(parcel->bytes + 4, feed->sent_ns, 8);
	for (uint32_t i = 0; i < feed->lines_n; i++)
		line_send(&feed->lines[i], feed->sent_ns, parcel);
	parcel->seq++;
	parcel->len = MDP3_HEADER;
	feed->messages = 0;
	feed->due_ns = feed->heartbeat_ns ? ts_ns + feed->heartbeat_ns : UINT64_MAX;
}

void mdp3_feed_reset(struct mdp3_feed *feed, uint64_t ts_ns)
{
	mdp3_feed_close(feed, ts_ns);
	for (uint32_t i = 0; i < feed->lines_n; i++)
		line_pause(&feed->lines[i], SWITCH_NS);
	feed->resets++;
	feed->parcel.seq = 1;
	session_name(feed);
}

/* AdminHeartbeat12: a message without a block */
static void heartbeat(struct mdp3_feed *feed, uint64_t ts_ns)
{
	static struct sbe m;

	m.mute = !feed->truth->file;
	sbe_begin(&m, 12, 0, feed->version);
	mdp3_feed_message(feed, ts_ns, &m);
	feed->parcel.kind = "heartbeat";
	mdp3_feed_close(feed, ts_ns);
	feed->parcel.kind = "data";
}

void mdp3_feed_tick(struct mdp3_feed *feed, uint64_t ts_ns)
{
	while (feed->due_ns <= ts_ns) {
		if (feed->messages)
			mdp3_feed_close(feed, feed->due_ns);
		else
			heartbeat(feed, feed->due_ns);
	}
	for (uint32_t i = 0; i < feed->lines_n; i++)
		line_tick(&feed->lines[i], ts_ns);
}

uint64_t mdp3_feed_due(const struct mdp3_feed *feed)
{
	uint64_t due = feed->due_ns;

	for (uint32_t i = 0; i < feed->lines_n; i++)
		if (line_due(&feed->lines[i]) < due)
			due = line_due(&feed->lines[i]);
	return due;
}

void mdp3_feed_end(struct mdp3_feed *feed, uint64_t ts_ns)
{
	mdp3_feed_close(feed, ts_ns);
	for (uint32_t i = 0; i < feed->lines_n; i++)
		line_flush(&feed->lines[i]);
	for (uint64_t i = 1; i <= 3 && feed->heartbeat_ns; i++)
		heartbeat(feed, ts_ns + i * feed->heartbeat_ns / 10);
	for (uint32_t i = 0; i < feed->lines_n; i++)
		line_flush(&feed->lines[i]);
}

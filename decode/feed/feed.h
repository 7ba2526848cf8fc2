/* feed: datagrams of exchange feeds -> channels -> events. Which packets are whose, and in which
 * order. */
#pragma once

#include "decode/feed/channel.h"
#include "decode/frame.h"

/* feed_line is one row of the feed table: packets to this address and port are this line of this
 * channel. */
struct feed_line {
	const struct protocol *protocol;
	struct address dst; /* group or address; ip all zero = any address, port 0 = any port */
	char venue[CHANNEL_VENUE_MAX];
	uint32_t channel;
	uint8_t line;     /* 0 = A, 1 = B … */
	bool tcp;         /* a byte stream towards or from dst, framed by protocol->unit */
	bool assumed;     /* recognised: it may prove to be of another channel */
	uint8_t strikes;  /* packets in a row that were not the channel's */
	uint16_t feed;    /* Event.feed: row number from 1 */
	uint16_t ordinal; /* of its channel in the table, from 0: what packets are steered by */
	struct channel *state; /* set by feeds_init on the worker's own copy */
};

enum {
	FEED_LINES_MAX = 4096,
	FEED_TRIES_MAX = 64,
	FEED_TRIES_SLOTS = 4096,
	FEED_KNOWN_SLOTS = 256, /* power of two */
};

/* feed_known is a destination whose line was found before. */
struct feed_known {
	uint64_t dst; /* as in struct udp4 */
	struct feed_line *line;
};

/* feed_tries is how often a destination was looked at in vain. */
struct feed_tries {
	struct address dst;
	uint32_t tries;
};

/* feed_table finds the row of a packet. Read-only once made, so steering on every worker may share
 * it. Owns  rows and index (one allocation each, at init) */
struct feed_table {
	struct feed_line *rows;
	uint32_t rows_n;
	uint16_t *index; /* open addressing by hash of address and port; 0 = free, else row + 1 */
	uint32_t index_mask;
	bool any_address, any_port; /* some row has them */
};

/* feed_table_init copies rows. Returns 0, or -ENOMEM, or -E2BIG beyond FEED_LINES_MAX. */
int feed_table_init(struct feed_table *table, const struct feed_line *rows, uint32_t rows_n);
void feed_table_free(struct feed_table *table);

/* feed_table_find returns the row for packets to dst, or NULL; the most exact one wins. */
struct feed_line *feed_table_find(const struct feed_table *table, const struct address *dst);

/* feed_hash is where in the index an address stands, by the two halves of its ip. */
static inline uint32_t feed_hash(uint64_t low, uint64_t high, uint16_t port)
{
	uint64_t h = low ^ high * 31 ^ (uint64_t)port << 17;

	h ^= h >> 32;
	h *= 0x9e3779b97f4a7c15ull;
	return (uint32_t)(h >> 32);
}

/* feed_table_find4 looks for a row of exactly this address and port. Takes  dst: of struct udp4 */
static inline const struct feed_line *feed_table_find4(const struct feed_table *table, uint64_t dst)
{
	uint64_t high = dst << 32 | 0xffff0000; /* ::ffff:a.b.c.d */
	uint16_t port = __builtin_bswap16((uint16_t)(dst >> 32));
	uint32_t slot = feed_hash(0, high, port) & table->index_mask;

	for (; table->index[slot]; slot = (slot + 1) & table->index_mask) {
		const struct feed_line *row = &table->rows[table->index[slot] - 1];

		if (row->dst.port == port && load_le64(row->dst.ip + 8) == high &&
			load_le64(row->dst.ip) == 0)
			return row;
	}
	return NULL;
}

/* feed_table_add appends a row (of recognised feeds). Returns it, or NULL when the table is full.
 */
struct feed_line *feed_table_add(struct feed_table *table, const struct feed_line *row);

/* feed_hooks is how feeds speak to the worker. All are called on its thread, on changes only. */
struct feed_hooks {
	void *ctx;
	/* stream_for names the stream of a new channel: kept by the channel, given to
	 * events_switch. NULL = no room */
	void *(*stream_for)(void *ctx, const char *venue, uint32_t channel);
	/* session says that what the stream gets from now on belongs to this session */
	void (*session)(void *ctx, void *stream, struct str session);
	/* assumed reports a feed that was recognised by its bytes */
	void (*assumed)(void *ctx, const struct feed_line *line);
};

struct feed_options {
	struct channel_options channel;
	uint32_t channels_max;
	bool recognise; /* try every protocol on destinations that the table does not know */
	const struct selection *selection; /* of instruments, kept; NULL = all */
};

/* feeds are all the feeds of one worker.
 *
 * Owns     its copy of the table, the channels, their windows
 * Thread   the worker */
struct feeds {
	struct feed_options opt;
	struct feed_hooks hooks;
	struct channel_context ctx; /* counters, window memory, events */
	struct feed_table table;
	struct channel *channels;
	uint32_t channels_n;
	struct feed_tries *tries; /* destinations that no protocol recognised so far */
	struct feed_known known[FEED_KNOWN_SLOTS]; /* by hash: for the short way */
};

/* feeds_init makes everything that packets will need; allocates.
 * Takes    lines: copied; out: kept
 * Returns  0, or -errno */
int feeds_init(struct feeds *fs, const struct feed_options *opt, const struct feed_hooks *hooks,
	const struct feed_line *lines, uint32_t lines_n, struct events *out);
void feeds_free(struct feeds *fs);

/* feeds_channel finds or makes a channel: the one place that allocates once packets flow, when a
 * new channel is first seen. Returns NULL when there is no room. */
struct channel *feeds_channel(
	struct feeds *fs, const struct protocol *protocol, const char *venue, uint32_t number);

/* feeds_known is the slot of a destination. */
static inline struct feed_known *feeds_known(struct feeds *fs, uint64_t dst)
{
	return &fs->known[(dst * 0x9e3779b97f4a7c15ull) >> 32 & (FEED_KNOWN_SLOTS - 1)];
}

/* feeds_datagram takes the payload of one UDP packet.
 * Returns  0 when it was a feed's (delivered, held, or refused and counted), or -REASON_no_feed for
 * the caller to count */
int feeds_datagram(struct feeds *fs, const struct frame *f, uint64_t ts_recv_ns);

/* feeds_packet takes a packet of line: the payload of a datagram, or one whole unit of a feed carried
 * over TCP. Returns 0: delivered, held, or refused and counted */
int feeds_packet(struct feeds *fs, struct feed_line *line, struct bytes in, uint64_t ts_recv_ns);

/* feeds_body takes one message of a message file.
 * Takes    line: whose it is, its protocol with body; seq: its position in the file, from 1;
 *          noon_ns: noon UTC of the trading date, 0 = not known: times of day are then counted from
 *          1970-01-01
 * Returns  0, or -REASON_channel_table_full for the caller to count */
int feeds_body(struct feeds *fs, const struct feed_line *line, struct bytes in, uint64_t seq,
	uint64_t noon_ns);

/* feeds_tcp_line returns the row of a TCP segment by either end, or NULL; with recognise, tries its
 * first bytes. */
struct feed_line *feeds_tcp_line(struct feeds *fs, const struct frame *f);

/* feeds_round starts every session anew: the source begins another --loop round. */
void feeds_round(struct feeds *fs, uint32_t round);

/* feeds_end gives up every open hole: the source has ended. */
void feeds_end(struct feeds *fs);

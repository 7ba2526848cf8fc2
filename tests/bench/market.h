/* market: packets of one feed channel in memory, played through the decoder again and again. */
#pragma once

#include "decode/feed/feed.h"

enum { MARKET_BURST = 64 };

struct market_packet {
	uint8_t *data;
	uint32_t len;
	uint32_t payload, payload_len; /* of UDP */
};

/* market holds the packets and all that decodes them, as a worker would. */
struct market {
	struct market_packet *packets;
	uint32_t packets_n, room;
	uint8_t *memory;
	size_t used, size;
	bool itch; /* sequence numbers count messages; else CME's, which count packets */
	uint64_t
		seq; /* of the next packet played: goes on from pass to pass, so nothing is a copy */
	const struct protocol *protocol;
	struct events events;
	uint64_t rows; /* written straight, beside the events pushed */
	struct feeds feeds;
	uint64_t streams;
	uint8_t *block; /* what is encoded goes here, over and over: 4 KiB and room for a row */
	uint32_t block_used;
};

/* market_cme loads the packets of a capture, all of one channel and line; market_itch makes some
 * of about 29 messages each. Abort with a message when they cannot. */
void market_cme(struct market *m, const char *path);
void market_itch(struct market *m, uint32_t packets);

/* market_play takes every packet from its frame to events; flush gets them, a burst at a time. */
void market_play(struct market *m, void (*flush)(struct events *evs));

/* market_encode is a flush that writes rows as a stream does; market_drop forgets them. */
void market_encode(struct events *evs);
void market_drop(struct events *evs);

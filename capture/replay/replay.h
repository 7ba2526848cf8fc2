/* replay: capture and message files as a source. Inside capture/ (and its tests) only. */
#pragma once

#include "capture/filter.h"
#include "capture/replay/input.h"
#include "capture/source.h"
#include "decode/frame.h"

enum {
	CAPLEN_MAX = 256 * 1024, /* a packet longer than this is a lie, as in libpcap */
	INTERFACES_MAX = 1024,   /* of one pcapng section */
	STREAM_SLICE_MAX = 64 * 1024,
	HEAD_WANTED = 4096, /* bytes that recognition looks at, when there are as many */
};

/* step is what a format's reader found at the input's next byte. */
enum step {
	STEP_PACKET,  /* a packet; the input stands behind it */
	STEP_AGAIN,   /* something without a packet was consumed, or is to be skipped */
	STEP_MORE,    /* the record is not wholly in memory; replay_expect has said what it is */
	STEP_DAMAGED, /* replay_damaged has said what */
};

struct replay;

/* format is one kind of file: a reader from bytes to packets. */
struct format {
	const char *name; /* as in --format */
	enum packet_kind kind;

	/* recognise says whether a file begins like this. whole: head is all of it. */
	bool (*recognise)(struct bytes head, bool whole);

	/* start reads the file header, once a round. Returns STEP_AGAIN when done */
	enum step (*start)(struct replay *r);

	/* next reads one record into pkt, whose seq, kind and round are set and whose rest is zero.
	 * A record is consumed whole or not at all. */
	enum step (*next)(struct replay *r, struct packet *pkt);
};

extern const struct format pcap_format, pcapng_format, binaryfile_format, itch50_nolength_format,
	fix_format;

struct interface {
	uint16_t link;
	uint32_t snaplen; /* 0 = no limit */
	bool binary;      /* units are 2^-exponent s, else 10^-exponent s */
	uint8_t exponent;
	int64_t offset_s;
};

struct replay {
	struct source src;
	enum source_end end; /* found by a burst that still had packets: told by the next one */
	struct source_options opt;
	struct input in;
	const struct format *format; /* NULL until the first bytes came */
	bool started;                /* this round's file header is read */
	bool starved;                /* a pipe had nothing */
	const char *expected;        /* STEP_MORE: static text: "a packet" */
	uint64_t expected_len;       /* of it; 0 = unknown */
	struct source_stats stats;
	struct filter_use use;
	uint64_t position; /* packets that passed the filter, own and foreign, of all rounds */
	uint64_t records;  /* packets of this round */
	uint16_t round;

	/* --speed */
	double pace; /* wall ns per recorded ns, 0 = not paced */
	bool origin_set;
	uint64_t origin_wall_ns, origin_ts_ns, last_ts_ns;
	bool held_some; /* held is read and waits for due_ns (CLOCK_MONOTONIC) */
	uint64_t due_ns;
	struct packet held;

	/* of the formats */
	uint64_t day_ns;        /* messages: their ts_recv_ns */
	bool ended;             /* binaryfile: the end mark was read */
	bool swapped;           /* byte order is not ours */
	uint16_t link;          /* pcap */
	uint32_t fraction_ns;   /* pcap: 1 or 1000 */
	uint32_t record_header; /* pcap: 16, or 24 in an old variant */
	uint32_t trailer; /* pcapng: length that stands behind the block being skipped, 0 = none */
	unsigned interfaces_n;
	struct interface *interfaces;
};

/* replay_open_memory is source_open_replay on bytes in memory, kept. streamed: through the block.
 */
int replay_open_memory(struct source **src, struct bytes data, bool streamed,
	const struct source_options *opt, char error[256]);

/* Between the hot file and the cold one. */
int replay_burst(struct source *src, struct packet *pkts, unsigned max);
uint64_t replay_clock_ns(void); /* CLOCK_MONOTONIC */

/* replay_more brings the next bytes, or the next round.
 * Returns  0: go on, 1: nothing now or the end is set, or -errno */
int replay_more(struct replay *r);

/* replay_lost counts the record at which a file broke, on one of its workers. */
void replay_lost(struct replay *r);

/* replay_link_check makes an expression that means nothing on the first link type an error.
 * Returns  0 or -EINVAL */
int replay_link_check(struct replay *r, uint16_t link);

/* replay_damaged writes the error of a record at the next byte. Returns STEP_DAMAGED */
enum step replay_damaged(struct replay *r, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

/* replay_expect says what is not wholly there. Returns STEP_MORE */
enum step replay_expect(struct replay *r, const char *what, uint64_t len);

/* link_normal folds what files call the same link type: raw IP has three numbers. */
static inline uint16_t link_normal(uint32_t link)
{
	if (link == 12 || link == 14)
		return LINK_RAW;
	return link < UINT16_MAX ? (uint16_t)link : UINT16_MAX;
}

static inline uint32_t replay_u32(const struct replay *r, const uint8_t *p)
{
	return r->swapped ? load_be32(p) : load_le32(p);
}

static inline uint16_t replay_u16(const struct replay *r, const uint8_t *p)
{
	return r->swapped ? load_be16(p) : load_le16(p);
}

/* reader: one capture or message file, a record at a time. Inside capture/replay/ (and tests). */
#pragma once

#include "capture/replay/input.h"
#include "capture/source.h"
#include "decode/frame.h"

enum {
	CAPLEN_MAX = 256 * 1024, /* a packet longer than this is a lie, as in libpcap */
	INTERFACES_MAX = 1024,   /* of one pcapng section */
	STREAM_SLICE_MAX = 64 * 1024,
	HEAD_WANTED = 4096,    /* bytes that recognition looks at, when there are as many */
	PREFETCH_AHEAD = 2048, /* bytes */
};

/* step is what a format's reader found at the input's next byte. */
enum step {
	STEP_PACKET,  /* a packet; the input stands behind it */
	STEP_AGAIN,   /* something without a packet was consumed, or is to be skipped */
	STEP_MORE,    /* the record is not wholly in memory; reader_expect has said what it is */
	STEP_DAMAGED, /* reader_damaged has said what */
};

struct reader;

/* format is one kind of file: a reader from bytes to packets. */
struct format {
	const char *name; /* as in --format */
	enum packet_kind kind;

	/* recognise says whether a file begins like this. whole: head is all of it. */
	bool (*recognise)(struct bytes head, bool whole);

	/* start reads the file header. Returns STEP_AGAIN when done */
	enum step (*start)(struct reader *r);

	/* next reads one record into pkt, whose seq, kind and round are set and whose rest is zero.
	 * A record is consumed whole or not at all. */
	enum step (*next)(struct reader *r, struct packet *pkt);

	/* records reads up to max packets in a row as next does, without a thought: it stops before
	 * whatever is not just the next one. pkts[i] gets seq + i and round. NULL: by next
	 * Returns  how many */
	unsigned (*records)(
		struct reader *r, struct packet *pkts, unsigned max, uint64_t seq, uint16_t round);
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

/* reader reads one file from its first byte to its end.
 *
 * Owns     its input and its table of interfaces
 * Thread   one */
struct reader {
	struct input in;
	const struct format *format; /* NULL until the first bytes came */
	bool started;                /* the file header is read */
	bool starved;                /* a pipe had nothing */
	enum source_end end;         /* set when there is no more */
	char name[64];               /* "day.pcap", "standard input" */
	char error[256];             /* for end > SOURCE_END and -errno: "NAME: what, what to do" */
	const char *expected;        /* STEP_MORE: static text: "a packet" */
	uint64_t expected_len;       /* of it; 0 = unknown */

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

/* reader_open opens a file, "-" standard input; reader_open_memory bytes in memory, kept, streamed:
 * through the block. The format is found at once where bytes are there without waiting.
 *
 * Takes    format: its name, NULL = by content; date: yyyymmdd of messages, 0 = the one in the
 *          file's name, if any
 * Returns  0, or -errno with r->error written; reader_close in either case */
int reader_open(struct reader *r, const char *path, const char *format, uint32_t date);
int reader_open_memory(
	struct reader *r, struct bytes data, bool streamed, const char *format, uint32_t date);
void reader_close(struct reader *r);

/* reader_rewind begins again. Returns  0, or -ESPIPE for a pipe */
int reader_rewind(struct reader *r);

/* reader_more brings the next bytes (cold).
 * Returns  0: go on, 1: nothing now or the end is set, or -errno */
int reader_more(struct reader *r);

/* reader_fail writes "NAME: what" into the error and sets end. Returns rc, for the caller to return
 */
int reader_fail(struct reader *r, enum source_end end, int rc, const char *fmt, ...)
	__attribute__((format(printf, 4, 5)));

/* reader_damaged writes the error of a record at the next byte. Returns STEP_DAMAGED */
enum step reader_damaged(struct reader *r, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

/* reader_expect says what is not wholly there. Returns STEP_MORE */
enum step reader_expect(struct reader *r, const char *what, uint64_t len);

/* reader_next reads the next packet. Its bytes are valid until the file is closed, or more bytes
 * are brought.
 *
 * Takes    pkt: seq and round set, the rest zero; may_refill: no packet that was read before is in
 *          use any more; budget: records that may still be looked at, counted down
 * Returns  1, 0 when there is none now or no more (see end), or -errno */
static inline int reader_next(
	struct reader *r, struct packet *pkt, bool may_refill, unsigned *budget)
{
	while (r->end == SOURCE_RUNNING && *budget > 0) {
		enum step step = STEP_MORE;
		int rc;

		(*budget)--;
		if (r->format && input_drain(&r->in)) {
			pkt->kind = (uint8_t)r->format->kind;
			step = r->started ? r->format->next(r, pkt) : r->format->start(r);
		}
		switch (step) {
		case STEP_PACKET:
			return 1;
		case STEP_AGAIN:
			r->started = true;
			break;
		case STEP_MORE:
			if (!may_refill)
				return 0;
			rc = reader_more(r);
			if (rc)
				return rc < 0 ? rc : 0;
			break;
		case STEP_DAMAGED:
			break;
		}
	}
	return 0;
}

/* reader_prefetch is called behind each record: where the next ones begin is too irregular for the
 * processor to foresee. */
static inline void reader_prefetch(const uint8_t *p)
{
	for (unsigned i = 0; i < 4; i++)
		__builtin_prefetch(p + PREFETCH_AHEAD + 64 * i);
}

/* reader_records reads packets in a row as far as they are in memory; pkts[i] gets seq + i and
 * round. It stops at what is not plainly a packet: reader_next goes on. Returns  how many */
static inline unsigned reader_records(
	struct reader *r, struct packet *pkts, unsigned max, uint64_t seq, uint16_t round)
{
	const struct format *format = r->format;
	unsigned n = 0;

	if (!r->started || r->end != SOURCE_RUNNING || r->in.skip)
		return 0;
	if (format->records)
		return format->records(r, pkts, max, seq, round);
	for (; n < max; n++) {
		pkts[n] = (struct packet){
			.seq = seq + n, .kind = (uint8_t)format->kind, .round = round};
		if (format->next(r, &pkts[n]) != STEP_PACKET)
			break;
		reader_prefetch(r->in.in.p);
	}
	return n;
}

/* link_normal folds what files call the same link type: raw IP has three numbers. */
static inline uint16_t link_normal(uint32_t link)
{
	if (link == 12 || link == 14)
		return LINK_RAW;
	return link < UINT16_MAX ? (uint16_t)link : UINT16_MAX;
}

static inline uint32_t reader_u32(const struct reader *r, const uint8_t *p)
{
	return r->swapped ? load_be32(p) : load_le32(p);
}

static inline uint16_t reader_u16(const struct reader *r, const uint8_t *p)
{
	return r->swapped ? load_be16(p) : load_le16(p);
}

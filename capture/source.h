/* source: where packets come from. Replay, AF_PACKET, DPDK and hand-over look alike. */
#pragma once

#include <stdatomic.h>

#include "base/bytes.h"
#include "base/reason.h"

enum { BURST_MAX = 64 };

/* As TsQuality of the events. */
enum ts_quality {
	TS_Q_UNKNOWN = 0,
	TS_Q_HARDWARE = 1,
	TS_Q_KERNEL = 2,
	TS_Q_USER = 3,
	TS_Q_FILE = 4,
};

enum packet_kind {
	PACKET_FRAME,   /* a link-layer frame */
	PACKET_MESSAGE, /* a feed message without its length (BinaryFILE); seq: position, from 1 */
	PACKET_STREAM,  /* the next bytes of one FIX text stream; seq is their offset */
};

/* packet is borrowed from its source until the next burst of the same source. */
struct packet {
	const uint8_t *data;
	uint32_t caplen, wire_len;
	uint64_t ts_recv_ns;
	uint64_t seq;  /* as kind says; PACKET_FRAME: number in the source, from 1 */
	uint16_t link; /* enum link_type */
	uint16_t port; /* interface, queue or file number in this source */
	uint8_t kind;  /* enum packet_kind */
	uint8_t ts_quality;
	uint16_t round; /* of --loop, from 0: a change starts every session anew */
};

/* source_stats are cumulative. received counts packets before the filter; a loss is in dropped
 * alone: kernel_drop, nic_missed, nic_error, no_mbuf, mbuf_chain, handoff_full, file_damaged. */
struct source_stats {
	uint64_t received, received_bytes;
	uint64_t held;     /* received, on their way to the worker that owns them, or not due yet */
	uint64_t filtered; /* refused by the filter here; what a kernel refuses is not known */
	uint64_t resteered;      /* handed on to the worker that owns them */
	uint64_t resteered_held; /* of these, not taken yet */
	uint64_t outages; /* times it was away (interface, link): what it missed is not known */
	uint64_t dropped[REASON_COUNT];
};

enum source_end { SOURCE_RUNNING = 0, SOURCE_END, SOURCE_TRUNCATED, SOURCE_DAMAGED, SOURCE_GONE };

struct source;

/* What replay makes of files without packets: messages have no receive time, so ts_recv_ns is noon
 * UTC of opt.date (0 without one) and ts_quality is TS_Q_UNKNOWN; a slice of a FIX stream ends
 * behind a message where it can. --speed does not pace them. */

/* source_ops is one kind of source. A worker has one source of its own and makes all calls. */
struct source_ops {
	const char *name;

	/* burst fills pkts with up to max packets. What it gave out before is invalid from here on.
	 * Returns  packets (0: none now, see end), or -errno once when the source broke */
	int (*burst)(struct source *src, struct packet *pkts, unsigned max);

	/* wait sleeps until packets may be there, at most timeout_us. */
	void (*wait)(struct source *src, unsigned timeout_us);
	void (*stats)(struct source *src, struct source_stats *stats);
	void (*close)(struct source *src);
};

/* source is the common head of every kind; kinds embed it first. */
struct source {
	const struct source_ops *ops;
	atomic_bool away;    /* it waits for its interface to come back; read by any thread */
	bool hides_loss;     /* it cannot count what it loses: gaps stay undecided */
	enum source_end end; /* set by burst when it returns 0 for ever after */
	char error[256];     /* what happened, where, what to do: for end > SOURCE_END and -errno */
	char name[64];       /* "eth0", "day.pcapng", "0000:18:00.0" */
};

/* source_fail writes "NAME: what" into the source's error and sets end. Cold.
 * Returns  rc, for the caller to return */
int source_fail(struct source *src, enum source_end end, int rc, const char *fmt, ...)
	__attribute__((format(printf, 4, 5)));

/* source_end_text returns one word for an end. Static text. */
const char *source_end_text(enum source_end end);

/* steer is which packets a worker owns: a pure function of the packet, the same on every worker. */
typedef unsigned (*steer_fn)(const void *ctx, const struct packet *pkt);

struct filter; /* capture/filter.h */
struct sock_fprog;

/* Words of source.timestamps. */
enum source_timestamps {
	TIMESTAMPS_AUTO,     /* the card's where it offers them and its clock is set */
	TIMESTAMPS_HARDWARE, /* the card's, or it does not open */
	TIMESTAMPS_KERNEL,
};

/* source_options is what every kind may be told; unused ones are ignored. */
struct source_options {
	struct filter *filter;    /* kept; NULL = everything */
	uint64_t count_max;       /* -c, 0 = no limit; of packets that pass, over all workers */
	uint32_t snaplen;         /* bytes handed out of a frame, 0 = all */
	double speed;             /* 0 = as fast as possible, 1 = as recorded */
	uint32_t loops;           /* --loop, 1 = once, 0 = for ever */
	const char *format;       /* --format of a file: its name; NULL = by content */
	uint32_t date;            /* yyyymmdd of message files; 0 = the one in their name, if any */
	unsigned worker, workers; /* this worker and how many there are */
	steer_fn steer;           /* NULL with one worker */
	const void *steer_ctx;
	const struct source *first; /* replay: worker 0's, whose list of files holds; NULL: look */
	const struct address *groups; /* multicast groups to join, borrowed during open */
	unsigned groups_n;
	const char *join_via; /* "": the source itself; a kernel's interface that joins for it */
	uint8_t join_from[4]; /* DPDK: IPv4 address of its reports, 0.0.0.0 none */
	uint32_t ring_mib;    /* AF_PACKET ring size, of each worker */
	bool promiscuous;
	bool outgoing; /* what this host sends too (AF_PACKET; on loopback all comes in) */
	enum source_timestamps timestamps;
	bool wait_when_gone;             /* AF_PACKET: an interface that goes is waited for */
	const struct sock_fprog *fanout; /* AF_PACKET: names the worker of a packet as steer does;
					    borrowed; NULL: one socket */
};

/* source_open_* make a source of the kind. Errors go to error as "what, where, what to do".
 * Returns  0 with *src the caller's to close, or -errno */
int source_open_replay(
	struct source **src, const char *path, const struct source_options *opt, char error[256]);

/* source_open_afpacket opens a source for each worker where opt->fanout is given and the kernel
 * takes it, else (and with count_max) one alone.
 *
 * Returns  how many: 1, or opt->workers with src[0 .. workers) the caller's to close; or -errno */
int source_open_afpacket(
	struct source *src[], const char *iface, const struct source_options *opt, char error[256]);

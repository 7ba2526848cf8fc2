/* afpacket: what its files share. Inside capture/ only.
 *
 * A ring of blocks (TPACKET_V3) that the kernel fills and we give back:
 *
 *    block: status | packet, packet, ...
 *    ring:  [user] [user] [kernel] [kernel]
 *              ^ current
 *
 * The kernel hands a block to us (TP_STATUS_USER) when it is full or 1 ms old. A burst hands out
 * packets of one block; the block goes back in the burst after its last packet was handed out.
 *
 * Several workers have a socket each (a group); the kernel's fan-out puts a packet into one of
 * their rings by a program that names its worker. When the interface goes and is waited for, every
 * member closes its socket on its own thread; the one that then finds the interface opens a new
 * socket for each, and each takes its own on its own thread:
 *
 *    runs ──gone──► away (left, under lock) ──all away, interface up: somebody opens──► runs */
#pragma once

#include "capture/group_sockets.h"
#include "capture/source.h"

#include <linux/filter.h>
#include <linux/if_packet.h>
#include <pthread.h>

enum {
	AFPACKET_BLOCK = 128 * 1024, /* holds the largest merged frame */
	AFPACKET_TAG = 4,            /* 802.1Q */
	AFPACKET_MEMBERS_MAX = 64,
};

/* afpacket_socket is what is new when the interface comes back. */
struct afpacket_socket {
	int fd; /* -1: none */
	uint16_t link;
	unsigned blocks_n;
	uint8_t *ring;
	struct group_sockets joins;
	/* of the first member alone */
	int link_fd; /* tells of changes of links; -1: none */
	unsigned ifindex;
	bool link_known;
	uint32_t link_downs; /* how often it went down, when known */
};

#define AFPACKET_NO_SOCKET ((struct afpacket_socket){.fd = -1, .link_fd = -1})

/* afpacket_missed is what the card lost (ring of descriptors full), of which packet sockets know
 * nothing: the interface counts it. */
struct afpacket_missed {
	int fd;           /* netlink; -1: the kernel does not tell */
	uint64_t seen;    /* as read last */
	uint64_t read_ns; /* when */
};

struct afpacket_group;

struct afpacket {
	struct source src;
	struct afpacket_socket socket;
	unsigned current; /* the block we read or wait for */
	unsigned left;    /* packets of current not handed out yet */
	bool taken;       /* current is ours: give it back when left is 0 */
	bool gone;        /* the kernel reported an error */
	int gone_errno;
	const struct tpacket3_hdr *next;
	uint64_t position, count_max;
	uint32_t snaplen; /* 0 = all */
	struct source_stats stats;
	struct afpacket_missed missed; /* member 0 counts for all */
	struct afpacket_group *group;
	unsigned index, generation;
};

struct afpacket_group {
	char name[64];
	unsigned n, users;
	struct source_options opt; /* groups and fanout are copies */
	struct sock_fprog filter;  /* compiled for the interface, once */
	uint16_t link;
	pthread_mutex_t lock; /* of what follows */
	unsigned away_n;
	unsigned generation;              /* counts openings */
	uint64_t away_since_ns, tried_ns; /* monotonic */
	struct afpacket_socket next[AFPACKET_MEMBERS_MAX];
};

int afpacket_burst(struct source *src, struct packet *pkts, unsigned max);

/* afpacket_gone ends the source and says why the interface is lost, or begins to wait for it.
 * Returns 0 */
int afpacket_gone(struct afpacket *af);

/* afpacket_sockets_open opens a socket for each member: filter, ring, groups, time stamps,
 * fan-out. The first of all compiles the filter.
 * Returns  0, or -errno with error filled and nothing open; -EOPNOTSUPP: this kernel refuses the
 *          fan-out */
int afpacket_sockets_open(
	struct afpacket_group *group, struct afpacket_socket sockets[], char error[256]);
void afpacket_socket_close(struct afpacket_socket *socket);

/* afpacket_link_open opens what tells of links, or returns -1; afpacket_link_ask asks how
 * often the link went down until now; afpacket_link_read reads it and counts
 * a link that went down as an outage: what came meanwhile is not known. Thread: the member's */
int afpacket_link_open(void);
void afpacket_link_ask(int fd, unsigned ifindex);
void afpacket_link_read(struct afpacket *af);

/* afpacket_missed_read returns how many more the card has lost, at most once a millisecond. */
void afpacket_missed_open(struct afpacket_missed *m, const char *iface);
void afpacket_missed_close(struct afpacket_missed *m);
uint64_t afpacket_missed_read(struct afpacket_missed *m, const char *iface, uint64_t now_ns);

/* afpacket_link_missed reads rx_missed_errors and rx_fifo_errors of an interface.
 * Returns  0, or -errno */
int afpacket_link_missed(int fd, const char *iface, uint64_t *missed);

/* afpacket_stamps asks for time stamps of the card as opt.timestamps says. What a card in auto mode
 * does not offer is not used, and a clock that is not the system's neither: said once in the log.
 * Returns  0, or -errno with error filled: hardware was asked for and cannot be had */
int afpacket_stamps(int fd, const char *iface, enum source_timestamps timestamps, char error[256]);

/* afpacket_phc_offset_ns reads how far a card's clock (/dev/ptpN) is ahead of the system's.
 * Returns  0, or -errno */
int afpacket_phc_offset_ns(int phc_index, int64_t *offset_ns);

/* wire: packets in order of time, into a capture file or onto an interface. */
#pragma once

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tests/sim/truth.h"

#define FRAME_MAX 1514
#define ETH_LEN 14
#define IP_LEN 20
#define UDP_LEN 8
#define UDP_PAYLOAD (ETH_LEN + IP_LEN + UDP_LEN)

/* addr is one end of a flow; ip and port in host order. */
struct addr {
	uint8_t mac[6];
	uint32_t ip;
	uint16_t port;
};

struct packet {
	uint64_t ts_ns, order;
	uint32_t len;
	bool udp;
	uint8_t frame[FRAME_MAX];
};

struct wire {
	struct packet **heap; /* the earliest first */
	uint32_t heap_n, heap_size;
	struct packet *spare; /* one kept for reuse is enough: push and pop alternate */
	uint64_t orders, packets, bytes;
	struct out pcap;
	bool pcap_us, flat_out; /* flat_out: live packets do not wait for their time */
	int udp_fd, raw_fd;     /* -1: not live */
	int ifindex;
	uint64_t first_ns; /* of the simulation */
	int64_t wall_ns;   /* CLOCK_MONOTONIC when first_ns was now; 0 = not yet */
	int error;         /* first failure of a live send, -errno */
};

void wire_init(struct wire *wire);
void wire_free(struct wire *wire);

/* wire_pcap starts a capture file. us: microsecond time stamps. Returns 0 or -errno. */
int wire_pcap(struct wire *wire, const char *path, bool us);

/* wire_live sends from now on: the payload of UDP packets through a socket on interface ifname, or
 * with raw every frame as it is, TCP too (needs CAP_NET_RAW). Returns 0 or -errno. */
int wire_live(struct wire *wire, const char *ifname, bool raw);

/* wire_udp queues a UDP datagram, wire_tcp a TCP segment; length, checksums and all headers are
 * made here.
 *
 * Takes     payload: copied; at most 1472 and 1460 bytes; ident: IP identification */
void wire_udp(struct wire *wire, uint64_t ts_ns, const struct addr *from, const struct addr *to,
	uint16_t ident, const void *payload, size_t len);

struct tcp_header {
	uint32_t seq, ack;
	uint8_t flags; /* FIN 1, SYN 2, RST 4, PSH 8, ACK 16 */
	uint16_t window;
	uint16_t ident;
};
void wire_tcp(struct wire *wire, uint64_t ts_ns, const struct addr *from, const struct addr *to,
	const struct tcp_header *tcp, const void *payload, size_t len);

/* wire_flush lets every packet go whose time is ts_ns or earlier; live, it waits until the clock is
 * there. Nothing earlier than ts_ns may be queued afterwards. */
void wire_flush(struct wire *wire, uint64_t ts_ns);

/* mac_of_group is the Ethernet address of an IPv4 multicast group. */
void mac_of_group(uint8_t mac[6], uint32_t group);

#include "tests/sim/wire/wire.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/if_packet.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

static void be16(uint8_t *p, uint32_t v)
{
	p[0] = (uint8_t)(v >> 8);
	p[1] = (uint8_t)v;
}

static void be32(uint8_t *p, uint32_t v)
{
	be16(p, v >> 16);
	be16(p + 2, v);
}

/* sum16 adds 16-bit words in network order, an odd last byte as its high half. */
static uint32_t sum16(const uint8_t *p, size_t len, uint32_t sum)
{
	for (; len > 1; p += 2, len -= 2)
		sum += (uint32_t)p[0] << 8 | p[1];
	return len ? sum + ((uint32_t)p[0] << 8) : sum;
}

static uint16_t sum_end(uint32_t sum)
{
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)~sum;
}

void mac_of_group(uint8_t mac[6], uint32_t group)
{
	mac[0] = 1;
	mac[1] = 0;
	mac[2] = 0x5e;
	mac[3] = group >> 16 & 0x7f;
	be16(mac + 4, group & 0xffff);
}

void wire_init(struct wire *wire)
{
	*wire = (struct wire){.udp_fd = -1, .raw_fd = -1};
}

void wire_free(struct wire *wire)
{
	for (uint32_t i = 0; i < wire->heap_n; i++)
		free(wire->heap[i]);
	free(wire->heap);
	free(wire->spare);
	if (wire->udp_fd >= 0)
		close(wire->udp_fd);
	if (wire->raw_fd >= 0)
		close(wire->raw_fd);
}

static void le32(struct out *out, uint32_t v)
{
	out_bytes(out,
		(uint8_t[]){(uint8_t)v, (uint8_t)(v >> 8), (uint8_t)(v >> 16), (uint8_t)(v >> 24)},
		4);
}

int wire_pcap(struct wire *wire, const char *path, bool us)
{
	int rc = out_open(&wire->pcap, path);

	if (rc < 0)
		return rc;
	wire->pcap_us = us;
	le32(&wire->pcap, us ? 0xa1b2c3d4 : 0xa1b23c4d);
	le32(&wire->pcap, 2 | 4 << 16); /* version 2.4 */
	le32(&wire->pcap, 0);
	le32(&wire->pcap, 0);
	le32(&wire->pcap, 65535);
	le32(&wire->pcap, 1); /* Ethernet */
	return 0;
}

static int udp_socket(struct wire *wire)
{
	struct ip_mreqn out = {.imr_ifindex = wire->ifindex};
	int ttl = 16, loop = 1, space = 4 << 20;

	wire->udp_fd = socket(AF_INET, SOCK_DGRAM, 0);
	if (wire->udp_fd < 0 ||
		setsockopt(wire->udp_fd, IPPROTO_IP, IP_MULTICAST_IF, &out, sizeof(out)) < 0 ||
		setsockopt(wire->udp_fd, IPPROTO_IP, IP_MULTICAST_TTL, &ttl, sizeof(ttl)) < 0 ||
		setsockopt(wire->udp_fd, IPPROTO_IP, IP_MULTICAST_LOOP, &loop, sizeof(loop)) < 0 ||
		setsockopt(wire->udp_fd, SOL_SOCKET, SO_SNDBUF, &space, sizeof(space)) < 0)
		return -errno;
	return 0;
}

static int raw_socket(struct wire *wire)
{
	struct sockaddr_ll to = {.sll_family = AF_PACKET, .sll_ifindex = wire->ifindex};

	wire->raw_fd = socket(AF_PACKET, SOCK_RAW, 0); /* protocol 0: it only sends */
	if (wire->raw_fd < 0 || bind(wire->raw_fd, (struct sockaddr *)&to, sizeof(to)) < 0)
		return -errno;
	return 0;
}

int wire_live(struct wire *wire, const char *ifname, bool raw)
{
	wire->ifindex = (int)if_nametoindex(ifname);
	if (!wire->ifindex)
		return -errno;
	return raw ? raw_socket(wire) : udp_socket(wire);
}

static bool before(const struct packet *a, const struct packet *b)
{
	return a->ts_ns != b->ts_ns ? a->ts_ns < b->ts_ns : a->order < b->order;
}

static struct packet *packet_new(struct wire *wire)
{
	struct packet *packet = wire->spare ? wire->spare : malloc(sizeof(*packet));

	wire->spare = NULL;
	if (wire->heap_n == wire->heap_size) {
		wire->heap_size = wire->heap_size ? wire->heap_size * 2 : 64;
		wire->heap = realloc(wire->heap, wire->heap_size * sizeof(struct packet *));
	}
	if (!packet || !wire->heap) {
		fputs("feed-sim: out of memory\n", stderr);
		exit(1);
	}
	return packet;
}

static void push(struct wire *wire, struct packet *packet)
{
	uint32_t i = wire->heap_n++;

	packet->order = wire->orders++;
	while (i && before(packet, wire->heap[(i - 1) / 2])) {
		wire->heap[i] = wire->heap[(i - 1) / 2];
		i = (i - 1) / 2;
	}
	wire->heap[i] = packet;
}

static struct packet *pop(struct wire *wire)
{
	struct packet *first = wire->heap[0], *last = wire->heap[--wire->heap_n];
	uint32_t i = 0;

	for (;;) {
		uint32_t child = 2 * i + 1;

		if (child >= wire->heap_n)
			break;
		if (child + 1 < wire->heap_n && before(wire->heap[child + 1], wire->heap[child]))
			child++;
		if (!before(wire->heap[child], last))
			break;
		wire->heap[i] = wire->heap[child];
		i = child;
	}
	wire->heap[i] = last;
	return first;
}

/* headers writes Ethernet and IPv4 around len bytes above IP; returns the sum of the pseudo header.
 */
static uint32_t headers(struct packet *packet, const struct addr *from, const struct addr *to,
	uint8_t protocol, uint16_t ident, size_t len)
{
	uint8_t *eth = packet->frame, *ip = eth + ETH_LEN;

	memcpy(eth, to->mac, 6);
	memcpy(eth + 6, from->mac, 6);
	be16(eth + 12, ETHERTYPE_IP);
	ip[0] = 0x45;
	ip[1] = 0;
	be16(ip + 2, (uint32_t)(IP_LEN + len));
	be16(ip + 4, ident);
	be16(ip + 6, 0x4000); /* don't fragment */
	ip[8] = protocol == IPPROTO_UDP ? 16 : 64;
	ip[9] = protocol;
	be16(ip + 10, 0);
	be32(ip + 12, from->ip);
	be32(ip + 16, to->ip);
	be16(ip + 10, sum_end(sum16(ip, IP_LEN, 0)));
	packet->len = (uint32_t)(ETH_LEN + IP_LEN + len);
	return sum16(ip + 12, 8, protocol + (uint32_t)len);
}

void wire_udp(struct wire *wire, uint64_t ts_ns, const struct addr *from, const struct addr *to,
	uint16_t ident, const void *payload, size_t len)
{
	struct packet *packet = packet_new(wire);
	uint8_t *udp = packet->frame + ETH_LEN + IP_LEN;
	uint32_t sum = headers(packet, from, to, IPPROTO_UDP, ident, UDP_LEN + len);

	packet->ts_ns = ts_ns;
	packet->udp = true;
	be16(udp, from->port);
	be16(udp + 2, to->port);
	be16(udp + 4, (uint32_t)(UDP_LEN + len));
	be16(udp + 6, 0);
	memcpy(udp + UDP_LEN, payload, len);
	uint16_t check = sum_end(sum16(udp, UDP_LEN + len, sum));

	be16(udp + 6, check ? check : 0xffff);
	push(wire, packet);
}

void wire_tcp(struct wire *wire, uint64_t ts_ns, const struct addr *from, const struct addr *to,
	const struct tcp_header *header, const void *payload, size_t len)
{
	/* maximum segment size 1460, selective ACK, window scale 7 */
	static const uint8_t syn_options[] = {2, 4, 1460 >> 8, 1460 & 255, 1, 1, 4, 2, 1, 3, 3, 7};
	struct packet *packet = packet_new(wire);
	uint8_t *tcp = packet->frame + ETH_LEN + IP_LEN;
	size_t head = 20 + (header->flags & 2 ? sizeof(syn_options) : 0);
	uint32_t sum = headers(packet, from, to, IPPROTO_TCP, header->ident, head + len);

	packet->ts_ns = ts_ns;
	packet->udp = false;
	be16(tcp, from->port);
	be16(tcp + 2, to->port);
	be32(tcp + 4, header->seq);
	be32(tcp + 8, header->ack);
	tcp[12] = (uint8_t)(head / 4 << 4);
	tcp[13] = header->flags;
	be16(tcp + 14, header->window);
	be32(tcp + 16, 0);
	if (head > 20)
		memcpy(tcp + 20, syn_options, sizeof(syn_options));
	if (len)
		memcpy(tcp + head, payload, len);
	be16(tcp + 16, sum_end(sum16(tcp, head + len, sum)));
	push(wire, packet);
}

static void record(struct wire *wire, const struct packet *packet)
{
	uint32_t padded = packet->len;

	le32(&wire->pcap, (uint32_t)(packet->ts_ns / 1000000000));
	le32(&wire->pcap, (uint32_t)(packet->ts_ns % 1000000000 / (wire->pcap_us ? 1000 : 1)));
	le32(&wire->pcap, padded);
	le32(&wire->pcap, padded);
	out_bytes(&wire->pcap, packet->frame, packet->len);
}

/* wait_until sleeps until the simulated time is now; an error below 60 µs is not worth a wake-up.
 */
static void wait_until(struct wire *wire, uint64_t ts_ns)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	int64_t wall = now.tv_sec * 1000000000LL + now.tv_nsec;

	if (!wire->wall_ns) {
		wire->wall_ns = wall;
		wire->first_ns = ts_ns;
	}
	int64_t target = wire->wall_ns + (int64_t)(ts_ns - wire->first_ns);

	if (target - wall < 60000)
		return;
	struct timespec until = {.tv_sec = target / 1000000000, .tv_nsec = target % 1000000000};

	while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, NULL) == EINTR)
		;
}

static void send_live(struct wire *wire, const struct packet *packet)
{
	const uint8_t *udp = packet->frame + ETH_LEN + IP_LEN;
	struct sockaddr_in to = {.sin_family = AF_INET};
	ssize_t sent;

	if (!wire->flat_out)
		wait_until(wire, packet->ts_ns);
	memcpy(&to.sin_addr, udp - 4, 4);
	memcpy(&to.sin_port, udp + 2, 2);
	for (int tries = 0;; tries++) {
		if (wire->raw_fd >= 0)
			sent = send(wire->raw_fd, packet->frame, packet->len, 0);
		else if (packet->udp)
			sent = sendto(wire->udp_fd, packet->frame + UDP_PAYLOAD,
				packet->len - UDP_PAYLOAD, 0, (struct sockaddr *)&to, sizeof(to));
		else
			return;
		if (sent >= 0 || (errno != ENOBUFS && errno != EINTR && errno != EAGAIN) ||
			tries == 1000)
			break;
		nanosleep(&(struct timespec){.tv_nsec = 100000},
			NULL); /* the queue of the device is full */
	}
	if (sent < 0 && !wire->error)
		wire->error = -errno;
}

void wire_flush(struct wire *wire, uint64_t ts_ns)
{
	while (wire->heap_n && wire->heap[0]->ts_ns <= ts_ns) {
		struct packet *packet = pop(wire);

		if (wire->pcap.file)
			record(wire, packet);
		if (wire->udp_fd >= 0 || wire->raw_fd >= 0)
			send_live(wire, packet);
		wire->packets++;
		wire->bytes += packet->len;
		free(wire->spare);
		wire->spare = packet;
	}
}

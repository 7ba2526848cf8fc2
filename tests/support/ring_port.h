/* ring_port: DPDK ports made of rings (net_ring) inside a test, and packets to put into them. */
#pragma once

#include <rte_mbuf.h>
#include <rte_ring.h>

enum { RING_PORT_QUEUES = 4, RING_PORT_ENTRIES = 1024, RING_PORT_ROOM = 10000 };

struct ring_port {
	uint16_t id;
	char name[64];
	unsigned queues;
	struct rte_ring *rings[RING_PORT_QUEUES];
	struct rte_mempool *pool; /* of the packets that are put in */
};

/* ring_eal starts EAL without huge pages, PCI or files. */
void ring_eal(void);

/* ring_port_make makes a port with so many receive queues; mbufs of RING_PORT_ROOM bytes. */
void ring_port_make(struct ring_port *port, const char *name, unsigned queues, unsigned mbufs);

/* ring_port_put copies a frame into mbufs of at most segment bytes and puts it into a queue.
 * Returns  the mbuf, the port's from now on, or NULL: no room now */
struct rte_mbuf *ring_port_put(
	struct ring_port *port, unsigned queue, const void *frame, unsigned len, unsigned segment);

#include "tests/support/ring_port.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <rte_eth_ring.h>
#include <rte_ethdev.h>

#include "capture/dpdk/eal.h"

static void must(bool ok, const char *what)
{
	if (ok)
		return;
	fprintf(stderr, "ring_port: %s\n", what);
	abort();
}

void ring_eal(void)
{
	static const char *const args[] = {"--no-huge", "--no-pci", "--no-shconf", "-m", "128",
		"--no-telemetry", "--log-level=error"};
	const char *mode;
	char error[256];

	must(eal_start(args, RTE_DIM(args), &mode, error) == 0, "EAL does not start");
}

void ring_port_make(struct ring_port *port, const char *name, unsigned queues, unsigned mbufs)
{
	char text[32];
	int id;

	*port = (struct ring_port){.queues = queues};
	for (unsigned q = 0; q < queues; q++) {
		snprintf(text, sizeof(text), "%s_%u", name, q);
		port->rings[q] =
			rte_ring_create(text, RING_PORT_ENTRIES, 0, RING_F_SP_ENQ | RING_F_SC_DEQ);
		must(port->rings[q] != NULL, "no ring");
	}
	id = rte_eth_from_rings(name, port->rings, queues, port->rings, queues, 0);
	must(id >= 0, "no port");
	port->id = (uint16_t)id;
	must(rte_eth_dev_get_name_by_port(port->id, port->name) == 0, "no name");
	snprintf(text, sizeof(text), "%s_put", name);
	port->pool = rte_pktmbuf_pool_create(
		text, mbufs, 0, 0, RING_PORT_ROOM + RTE_PKTMBUF_HEADROOM, 0);
	must(port->pool != NULL, "no mbufs");
}

struct rte_mbuf *ring_port_put(
	struct ring_port *port, unsigned queue, const void *frame, unsigned len, unsigned segment)
{
	struct rte_mbuf *head = NULL, *m;

	for (unsigned at = 0, part; at < len; at += part) {
		part = len - at < segment ? len - at : segment;
		m = rte_pktmbuf_alloc(port->pool);
		if (!m) {
			rte_pktmbuf_free(head);
			return NULL;
		}
		memcpy(rte_pktmbuf_append(m, (uint16_t)part), (const uint8_t *)frame + at, part);
		if (head)
			rte_pktmbuf_chain(head, m);
		else
			head = m;
	}
	if (rte_ring_enqueue(port->rings[queue], head) < 0) {
		rte_pktmbuf_free(head);
		return NULL;
	}
	return head;
}

/* ethdev: a DPDK port as a source: any PCI device or vdev that DPDK drives. */
#pragma once

#include "capture/source.h"

struct ethdev_port;

/* ethdev_port_open configures and starts a port with up to queues receive queues: one where the
 * port cannot spread flows. EAL runs. Who opened it calls ethdev_port_release when its sources are
 * made; the port stops with the last source. Returns  0, or -errno with error filled */
int ethdev_port_open(struct ethdev_port **port, uint16_t id, uint16_t queues,
	const struct source_options *opt, char error[256]);
void ethdev_port_release(struct ethdev_port *port);

/* ethdev_port_queues is how many queues it has. ethdev_port_hides_loss: its driver counts no drops.
 */
uint16_t ethdev_port_queues(const struct ethdev_port *port);
bool ethdev_port_hides_loss(const struct ethdev_port *port);

/* source_open_ethdev makes the source of one queue. Packets are mbufs, given back at the next
 * burst; chained ones are copied into one piece, or counted as mbuf_chain. Returns  0 with *src the
 * caller's to close, or -ENOMEM with error filled */
int source_open_ethdev(struct source **src, struct ethdev_port *port, uint16_t queue,
	const struct source_options *opt, char error[256]);

/* ethdev: a DPDK port as a source: any PCI device or vdev that DPDK drives. */
#pragma once

#include "capture/source.h"

struct ethdev_port;

/* ethdev_port_open configures and starts a port for the readers opt->workers says (1 with
 * count_max: then one counter is enough). A port that spreads flows (RSS) gets a queue for each
 * reader; one that cannot has the queues it was made with (qpairs=2), read by turns if they are
 * more than readers.
 *
 * Takes    id: a port of EAL, which runs; promiscuous mode is undone at the end
 * Owns     who opened it calls ethdev_port_release when its sources are made; the port stops with
 *          the last source
 * Thread   the main thread, as for release and for closing sources
 * Returns  0, or -errno with error filled */
int ethdev_port_open(
	struct ethdev_port **port, uint16_t id, const struct source_options *opt, char error[256]);
void ethdev_port_release(struct ethdev_port *port);

uint16_t ethdev_port_queues(const struct ethdev_port *port);

/* ethdev_port_readers is how many sources the port feeds: at most its queues. */
uint16_t ethdev_port_readers(const struct ethdev_port *port);

/* source_open_ethdev makes the source of a reader: queues reader, reader + readers, and so on.
 * Packets are mbufs, given back at the next burst; chained ones are copied into one piece, or
 * counted as mbuf_chain; a VLAN tag that the driver took out is put back. The port's own counters
 * (nic_missed, nic_error, no_mbuf) are told by reader 0, at most 200 us old.
 *
 * Takes    reader: below ethdev_port_readers
 * Returns  0 with *src the caller's to close, or -ENOMEM with error filled */
int source_open_ethdev(struct source **src, struct ethdev_port *port, uint16_t reader,
	const struct source_options *opt, char error[256]);

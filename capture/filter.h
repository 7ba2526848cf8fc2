/* filter: a tcpdump expression, compiled by libpcap, run in user space or given to the kernel. */
#pragma once

#include "capture/source.h"

struct filter_program;
struct sock_fprog;

/* filter_open checks and keeps an expression. It is compiled again for each link type that is met.
 *
 * Thread   a filter may be shared: filter_program locks, programs never change
 * Returns  0 with *filter the caller's to close, or -EINVAL with libpcap's words in error */
int filter_open(struct filter **filter, const char *expression, char error[256]);
void filter_close(struct filter *filter);

const char *filter_expression(const struct filter *filter);

/* filter_program returns the program for packets of a link type, compiled at first use (cold).
 *
 * Owns     the filter keeps it
 * Returns  the program, or NULL with error written: the expression means nothing on this link type
 */
const struct filter_program *filter_program(struct filter *filter, uint16_t link, char error[256]);

/* filter_match runs a program over one frame, VLAN tags included. NULL matches nothing. Hot, any
 * thread. */
bool filter_match(const struct filter_program *program, const struct packet *pkt);

/* filter_use is one source's way to a filter: it remembers the program of the last link type.
 * Zero with filter set is ready. */
struct filter_use {
	struct filter *filter; /* NULL: everything passes */
	const struct filter_program *program;
	uint32_t link_next; /* link type of program, plus 1; 0 = none yet */
};

/* filter_use_link finds the program of another link type (cold: once a change of link type). */
void filter_use_link(struct filter_use *use, uint16_t link);

static inline bool filter_pass(struct filter_use *use, const struct packet *pkt)
{
	if (use->filter == NULL)
		return true;
	if (use->link_next != pkt->link + 1u)
		filter_use_link(use, pkt->link);
	return filter_match(use->program, pkt);
}

/* filter_kernel compiles for an interface, as the kernel sees its packets (VLAN tags beside the
 * data).
 *
 * Takes    accept: bytes of a packet to keep
 * Returns  0 with prog->filter the caller's to free, or -errno with error written */
int filter_kernel(const struct filter *filter, const char *iface, uint16_t link, uint32_t accept,
	struct sock_fprog *prog, char error[256]);

/* steer_program: steer_packet as a program that the kernel runs (PACKET_FANOUT_CBPF), so that
 * packets come to the worker that owns them. */
#pragma once

#include <linux/filter.h>

#include "engine/steer.h"

/* steer_program_make writes the program for packets as a fan-out sees them: behind the link header,
 * the outermost VLAN tag taken out. It names the worker that steer_packet names; where a packet is
 * cut inside its headers, or a TCP header is wrong, they may differ.
 * Classic BPF, because CAP_NET_RAW is all it needs.
 *
 * Owns     program->filter is the caller's to free
 * Returns  0, -ENOMEM, or -E2BIG: the feed table has more rows than the 4096 instructions that a
 *          kernel takes have room for (about 450) */
int steer_program_make(struct sock_fprog *program, const struct steer *steer);

/* packet: one frame -> a Packet event: what its headers say, whether or not anything decodes it. */
#pragma once

#include "decode/events.h"
#include "decode/frame.h"
#include "decode/net/text.h"

/* packet_facts is what the source knows of a packet. */
struct packet_facts {
	uint64_t number; /* in the source, from 1 */
	uint64_t ts_ns;
	uint32_t wire_len;
	enum link_type link;
};

/* packet_event appends a Packet event of what the headers say, as far as they go.
 *
 * Takes    in: the frame, borrowed until the events are flushed; f: what frame_parse made of it,
 *          whatever it returned; data_max: bytes of the frame that the event carries
 * Returns  the payload of the event: the caller's to complete until the next event
 * Spec     IEEE 802.1Q; RFC 791, 8200, 768, 9293, 826 */
struct ev_packet *packet_event(struct events *out, struct bytes in, const struct frame *f,
	const struct packet_facts *facts, uint32_t data_max);

/* packet_say gives the event its info and the name of its protocol. pk is the newest event's. */
void packet_say(
	struct events *out, struct ev_packet *pk, const char *protocol, const struct text *info);

/* packet_flow_id is a hash of both ends that both directions share; 0 = no addresses. */
uint64_t packet_flow_id(const struct frame *f);

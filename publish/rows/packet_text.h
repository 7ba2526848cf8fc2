/* packet_text: a Packet event in one line, as tcpdump writes it; behind it, if asked, its bytes. */
#pragma once

#include "events/v1/event.pb-c.h"
#include "publish/rows/buf.h"

enum packet_detail { PACKET_NORMAL, PACKET_QUIET, PACKET_VERBOSE };
enum packet_dump { PACKET_NO_DUMP, PACKET_HEX, PACKET_ASCII };

struct packet_style {
	unsigned detail; /* enum packet_detail */
	unsigned dump;   /* enum packet_dump: of the network layer, with link of the whole frame */
	bool link;       /* link header too */
};

/* packet_text_put writes what stands behind the time. */
void packet_text_put(
	struct buf *out, const struct packet_style *style, const Events__V1__Packet *pk);

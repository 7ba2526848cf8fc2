/* Headers of any packet. Property: a payload lies inside the packet, and cutting the packet off
 * behind its payload changes nothing: what is behind is padding. What is read the short way is read the
 * same. */
#include <stdlib.h>

#include "decode/frame.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(int condition)
{
	if (!condition)
		abort();
}

static void short_way(struct bytes in)
{
	struct frame f;
	struct udp4 u;

	if (!frame_udp4(in, &u))
		return;
	check(frame_parse(in, LINK_ETHERNET, &f) == 0 && f.ip_proto == IP_PROTO_UDP);
	check(u.payload.p == f.payload.p && u.payload.end == f.payload.end);
	check(u.dst == frame_dst4(&f));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const enum link_type links[] = {LINK_ETHERNET, LINK_RAW, LINK_NULL, LINK_LINUX_SLL,
		LINK_LINUX_SLL2, LINK_IPV4, LINK_IPV6, LINK_LOOP};

	short_way(bytes_of(data, size));
	for (size_t i = 0; i < sizeof(links) / sizeof(*links); i++) {
		struct frame f, again;
		int rc = frame_parse(bytes_of(data, size), links[i], &f);

		check(rc <= 0 && -rc < REASON_COUNT);
		if (rc < 0)
			continue;
		check(f.payload.p >= data && f.payload.p <= f.payload.end);
		check(f.payload.end <= data + size);
		check(f.ip_proto == IP_PROTO_UDP || f.ip_proto == IP_PROTO_TCP);
		/* without a length in the header, all that was captured is the packet */
		rc = frame_parse((struct bytes){data, f.payload.end}, links[i], &again);
		check(rc == 0 && bytes_len(again.payload) == bytes_len(f.payload));
		check(again.payload.p == f.payload.p && again.src.port == f.src.port);
	}
	return 0;
}

/* Headers of any packet. Property: a payload lies inside the packet, and cutting the packet off
 * behind its payload changes nothing: what is behind is padding. */
#include <stdlib.h>

#include "decode/frame.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(int condition)
{
	if (!condition)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const enum link_type links[] = {LINK_ETHERNET, LINK_RAW, LINK_NULL, LINK_LINUX_SLL,
		LINK_LINUX_SLL2, LINK_IPV4, LINK_IPV6, LINK_LOOP};

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

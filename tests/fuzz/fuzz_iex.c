/* Any bytes as an IEX-TP datagram of TOPS and of DEEP, and as one message. */
#include "tests/support/feed_fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { EVENTS_MOST = 2 }; /* A makes two */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct decode_rig tops, deep;

	if (!tops.protocol) {
		decode_rig_init(&tops, "iex_tops");
		decode_rig_init(&deep, "iex_deep");
	}
	feed_fuzz(&tops, bytes_of(data, size), EVENTS_MOST);
	feed_fuzz(&deep, bytes_of(data, size), EVENTS_MOST);
	return 0;
}

/* Any bytes as a MoldUDP64 datagram of ITCH 5.0, and as one message. */
#include "tests/support/feed_fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { EVENTS_MOST = 2 }; /* O makes two */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct decode_rig rig;

	if (!rig.protocol)
		decode_rig_init(&rig, "itch50");
	feed_fuzz(&rig, bytes_of(data, size), EVENTS_MOST);
	return 0;
}

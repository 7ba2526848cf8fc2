/* Received frames into a membership: answers are bounded, well-framed, and end. */
#include <stdlib.h>

#include "capture/membership.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct membership_port port = {{2, 0, 0, 0, 0, 1}, {0}};
	struct address groups[2] = {{.ip = {[10] = 0xff, [11] = 0xff, [12] = 233, 1, 1, 1}},
		{.ip = {0xff, 5, [15] = 1}}};
	uint8_t frame[MEMBERSHIP_FRAME];
	struct membership *m;
	unsigned sent = 0, len;

	if (membership_open(&m, groups, 2, &port, 1, 1) < 0)
		return 0;
	membership_is_query(data, (uint32_t)size);
	membership_take(m, bytes_of(data, size), 2);
	membership_leave(m, 3);
	while (membership_due_ns(m) != UINT64_MAX && sent++ < 100) {
		len = membership_next(m, membership_due_ns(m), frame);
		if (len > MEMBERSHIP_FRAME || (len && len < 60))
			abort();
	}
	if (sent > 20)
		abort();
	membership_close(m);
	return 0;
}

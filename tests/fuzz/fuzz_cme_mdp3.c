/* CME MDP 3.0 from any bytes: as a TCP stream cut by unit, and as one datagram. Properties: a unit
 * is no longer than the bytes there; every message advances, and by what skip says; a refusal makes
 * no event; what recognise claims is not refused; sub_seq counts the events; each event is written
 * as protobuf-c packs it; rows written straight are those of the events. */
#include "tests/support/event_check.h"
#include "tests/support/rows_check.h"
#include "tests/support/vector_check.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define MUST(test)                                                                                 \
	do {                                                                                       \
		if (!(test))                                                                       \
			abort();                                                                   \
	} while (0)

static struct decode_rig rig;
static struct rows_check rows;
static uint32_t made;

static void events_take(struct events *out)
{
	for (uint32_t i = 0; i < out->n; i++) {
		MUST(out->ev[i]->sub_seq == made++);
		MUST(event_check(out->ev[i]) == 0);
	}
}

static void packet_take(struct bytes in)
{
	const struct protocol *p = rig.protocol;
	struct feed_packet pkt;
	bool known = p->recognise(in);

	if (p->packet(in, &pkt) < 0) {
		MUST(!known);
		return;
	}
	MUST(pkt.messages.p >= in.p && pkt.messages.end == in.end);
	MUST(rows_check_packet(&rows, pkt.messages, 1 + bytes_len(in) * 7 % 600));
	made = rig.out.sub_seq = 0;
	while (bytes_len(pkt.messages)) {
		struct bytes after = pkt.messages;
		uint64_t before = rig.out.pushed;
		const uint8_t *start = pkt.messages.p;
		int skipped = p->skip(&after), rc = p->message(&rig.state, &pkt.messages, &rig.out);

		MUST(pkt.messages.p > start && pkt.messages.p == after.p);
		MUST(rig.out.pushed - before == (rc > 0 ? (uint64_t)rc : 0));
		MUST(!known || rc >= 0);
		MUST(skipped == 0 || rc == -REASON_message_length);
	}
	events_flush(&rig.out);
	MUST(made == rig.out.sub_seq);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct bytes in = bytes_of(data, size);

	if (!rig.protocol) {
		decode_rig_init(&rig, "cme_mdp3");
		rows_check_init(&rows, "cme_mdp3");
		rig.out.flush = events_take;
	}
	packet_take(in);
	while (bytes_len(in)) {
		int64_t unit = rig.protocol->unit(in);

		MUST(unit <= (int64_t)bytes_len(in));
		if (unit <= 0)
			break;
		packet_take(bytes_take(&in, (size_t)unit));
	}
	return 0;
}

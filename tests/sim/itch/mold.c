#include "tests/sim/itch/mold.h"

#include <string.h>

#define END_OF_SESSION 0xffff
#define SWITCH_NS 2000000 /* from one session to the next, that no line is still in the old one */

static void be(uint8_t *p, uint64_t v, int n)
{
	while (n--) {
		p[n] = (uint8_t)v;
		v >>= 8;
	}
}

/* header: sequence of the first message, or of the next one if there is none. */
static void header(struct parcel *parcel, uint32_t count)
{
	memcpy(parcel->bytes, parcel->session, 10);
	be(parcel->bytes + 10, parcel->seq, 8);
	be(parcel->bytes + 18, count, 2);
}

static void packet_close(struct mold *mold, uint64_t ts_ns)
{
	struct parcel *parcel = &mold->parcel;

	header(parcel, parcel->count);
	line_send(mold->line, ts_ns, parcel);
	parcel->seq += parcel->count;
	parcel->count = 0;
	parcel->len = MOLD_HEADER;
	mold->due_ns = ts_ns + mold->heartbeat_ns;
}

static void empty_packet(struct mold *mold, uint64_t ts_ns, bool end)
{
	struct parcel *parcel = &mold->parcel;

	header(parcel, end ? END_OF_SESSION : 0);
	parcel->kind = end ? "end" : "heartbeat";
	line_send(mold->line, ts_ns, parcel);
	parcel->kind = "data";
	mold->due_ns = ts_ns + mold->heartbeat_ns;
}

void mold_start(struct mold *mold, uint64_t ts_ns, const char *session)
{
	mold->parcel.seq = 1;
	mold->parcel.count = 0;
	mold->parcel.len = MOLD_HEADER;
	memcpy(mold->parcel.session, session, 10);
	empty_packet(mold, ts_ns, false);
}

void mold_message(struct mold *mold, uint64_t ts_ns, const uint8_t *msg, size_t len)
{
	struct parcel *parcel = &mold->parcel;

	if (parcel->count && parcel->len + 2 + len > mold->payload_max)
		packet_close(mold, ts_ns);
	if (!parcel->count)
		mold->due_ns = ts_ns + rng_below(&mold->rng, mold->hold_ns);
	be(parcel->bytes + parcel->len, len, 2);
	memcpy(parcel->bytes + parcel->len + 2, msg, len);
	parcel->len += 2 + len;
	parcel->count++;
}

void mold_tick(struct mold *mold, uint64_t ts_ns)
{
	while (mold->due_ns <= ts_ns) {
		if (mold->parcel.count)
			packet_close(mold, mold->due_ns);
		else
			empty_packet(mold, mold->due_ns, false);
	}
	line_tick(mold->line, ts_ns);
}

uint64_t mold_due(const struct mold *mold)
{
	uint64_t late_ns = line_due(mold->line);

	return mold->due_ns < late_ns ? mold->due_ns : late_ns;
}

static void end_session(struct mold *mold, uint64_t ts_ns, uint64_t apart_ns)
{
	if (mold->parcel.count)
		packet_close(mold, ts_ns);
	line_flush(mold->line);
	for (int i = 1; i <= 3; i++)
		empty_packet(mold, ts_ns + (uint64_t)i * apart_ns, true);
}

void mold_session(struct mold *mold, uint64_t ts_ns, const char *session)
{
	end_session(mold, ts_ns, 0);
	line_pause(mold->line, SWITCH_NS);
	mold_start(mold, ts_ns, session);
}

void mold_end(struct mold *mold, uint64_t ts_ns)
{
	end_session(mold, ts_ns, mold->heartbeat_ns / 10);
	line_flush(mold->line);
}

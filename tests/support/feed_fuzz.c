#include "tests/support/feed_fuzz.h"

#include "tests/support/event_check.h"
#include "tests/support/rows_check.h"

#include <stdlib.h>

enum { PROTOCOLS = 8 }; /* more than one target has */

static void require(bool holds)
{
	if (!holds)
		abort();
}

static void check_events(const struct events *out, int n, uint32_t most)
{
	require(n < 0 ? out->n == 0 : out->n == (uint32_t)n && out->n <= most);
	for (uint32_t i = 0; i < out->n; i++) {
		require(out->ev[i]->sub_seq == i);
		require(event_check(out->ev[i]) == 0);
	}
}

void feed_fuzz(struct decode_rig *rig, struct bytes data, uint32_t events_most)
{
	static struct rows_check checks[PROTOCOLS];
	struct rows_check *rows = checks;
	const struct protocol *p = rig->protocol;
	bool recognised = p->recognise(data);
	struct feed_packet pkt;
	uint32_t messages = 0;
	struct bytes in;

	if (p->packet(data, &pkt) < 0) {
		require(!recognised);
		return;
	}
	require(pkt.messages.p >= data.p && pkt.messages.end <= data.end &&
		pkt.messages.p <= pkt.messages.end);
	require(pkt.session.len == 0 ||
		((const uint8_t *)pkt.session.p >= data.p &&
			(const uint8_t *)pkt.session.p + pkt.session.len <= data.end));
	while (rows->rows.protocol && rows->rows.protocol != p)
		rows++;
	if (!rows->rows.protocol)
		rows_check_init(rows, p->name);
	require(rows_check_packet(rows, pkt.messages, 1 + bytes_len(data) * 7 % 600));
	for (in = pkt.messages; in.p < in.end; messages++) {
		struct bytes step = in;
		const uint8_t *before = in.p;
		int rc = p->skip(&step), n = p->message(&rig->state, &in, &rig->out);

		require(in.p > before && in.p <= in.end && in.p == step.p);
		require(rc == 0 || n == rc);
		require(!recognised || n >= 0);
		check_events(&rig->out, n, events_most);
		decode_rig_empty(rig);
	}
	if (p->seq_unit == SEQ_MESSAGE)
		require(!recognised || messages == pkt.count);
	if (p->body) {
		check_events(&rig->out, p->body(&rig->state, data, &rig->out), events_most);
		decode_rig_empty(rig);
	}
}

#include "tests/sim/mold.h"

#include <string.h>

#define END_OF_SESSION 0xffff

static void be(uint8_t *p, uint64_t v, int n)
{
	while (n--) {
		p[n] = (uint8_t)v;
		v >>= 8;
	}
}

/* line_send is the one way out of a line: loss, repetition and disorder belong here. */
static void line_send(struct line *line, uint64_t ts_ns, const uint8_t *payload, size_t len)
{
	ts_ns += line->delay_ns + (line->jitter_ns ? rng_below(&line->rng, line->jitter_ns) : 0);
	if (ts_ns <= line->sent_ns)
		ts_ns = line->sent_ns + 1; /* a line keeps its order */
	line->sent_ns = ts_ns;
	line->packets++;
	wire_udp(line->wire, ts_ns, &line->from, &line->to, line->ident++, payload, len);
}

/* header: sequence of the first message, or of the next one if there is none. */
static void header(struct line *line, uint64_t seq, uint16_t count)
{
	memcpy(line->packet, line->session, 10);
	be(line->packet + 10, seq, 8);
	be(line->packet + 18, count, 2);
}

static void packet_close(struct line *line, uint64_t ts_ns)
{
	header(line, line->next_seq - line->count, line->count);
	line_send(line, ts_ns, line->packet, line->len);
	line->len = MOLD_HEADER;
	line->count = 0;
	line->due_ns = ts_ns + line->heartbeat_ns;
}

static void empty_packet(struct line *line, uint64_t ts_ns, uint16_t count)
{
	header(line, line->next_seq, count);
	line_send(line, ts_ns, line->packet, MOLD_HEADER);
	line->due_ns = ts_ns + line->heartbeat_ns;
}

void line_start(struct line *line, uint64_t ts_ns)
{
	line->next_seq = 1;
	line->len = MOLD_HEADER;
	empty_packet(line, ts_ns, 0);
}

void line_message(struct line *line, uint64_t ts_ns, const uint8_t *msg, size_t len)
{
	if (line->count && line->len + 2 + len > line->payload_max)
		packet_close(line, ts_ns);
	if (!line->count)
		line->due_ns = ts_ns + rng_below(&line->rng, line->hold_ns);
	be(line->packet + line->len, len, 2);
	memcpy(line->packet + line->len + 2, msg, len);
	line->len += 2 + len;
	line->count++;
	line->next_seq++;
}

void line_tick(struct line *line, uint64_t ts_ns)
{
	while (line->due_ns <= ts_ns) {
		if (line->count)
			packet_close(line, line->due_ns);
		else
			empty_packet(line, line->due_ns, 0);
	}
}

uint64_t line_end(struct line *line, uint64_t ts_ns)
{
	if (line->count)
		packet_close(line, ts_ns);
	for (int i = 1; i <= 3; i++)
		empty_packet(line, ts_ns + (uint64_t)i * line->heartbeat_ns / 10, END_OF_SESSION);
	return line->sent_ns;
}

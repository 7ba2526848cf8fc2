#include "tests/support/handoff_rig.h"

#include <stdlib.h>
#include <time.h>

/* A frame: flow, number in the flow, then bytes that follow from them. */
static unsigned frame_len(uint32_t flow, uint32_t number)
{
	return 12 + (flow * 977 + number * 61) % (RIG_FRAME_MAX - 12);
}

static uint8_t frame_byte(uint32_t flow, uint32_t number, unsigned i)
{
	return (uint8_t)(flow * 7 + number * 13 + i);
}

static unsigned steer(const void *ctx, const struct packet *pkt)
{
	uint32_t flow;

	memcpy(&flow, pkt->data, sizeof(flow));
	return flow * 7 % *(const unsigned *)ctx;
}

static int queue_burst(struct source *src, struct packet *pkts, unsigned max)
{
	struct rig_queue *q = (struct rig_queue *)src;
	unsigned n = 0;

	if (q->at == q->total) {
		src->end = q->how;
		if (q->why)
			memcpy(src->error, q->why, strlen(q->why) + 1);
		return q->rc;
	}
	for (; n < max && q->at < q->total; n++, q->at++) {
		uint32_t flow = (q->at % (RIG_FLOWS / q->queues)) * q->queues + q->index;
		uint32_t number = q->next[flow]++;
		unsigned len = frame_len(flow, number);

		memcpy(q->frames[n], &flow, 4);
		memcpy(q->frames[n] + 4, &number, 4);
		for (unsigned i = 8; i < len; i++)
			q->frames[n][i] = frame_byte(flow, number, i);
		pkts[n] = (struct packet){
			.data = q->frames[n], .caplen = len, .wire_len = len, .port = q->index};
		q->bytes += len;
	}
	return (int)n;
}

static void queue_wait(struct source *src, unsigned timeout_us)
{
	((struct rig_queue *)src)->waits++;
	(void)timeout_us;
}

static void queue_stats(struct source *src, struct source_stats *stats)
{
	struct rig_queue *q = (struct rig_queue *)src;

	*stats = (struct source_stats){.received = q->at, .received_bytes = q->bytes};
	stats->dropped[REASON_kernel_drop] = 10 + q->index;
}

static void queue_close(struct source *src)
{
	((struct rig_queue *)src)->closed++;
}

static const struct source_ops queue_ops = {
	"queue", queue_burst, queue_wait, queue_stats, queue_close};

static void rig_open(struct handoff_rig *rig, unsigned queues_n, unsigned workers_n,
	unsigned packets_each, bool patient)
{
	struct handoff *handoff;
	int rc;

	memset(rig, 0, sizeof(*rig));
	rig->queues_n = queues_n;
	rig->workers_n = workers_n;
	rc = handoff_open(&handoff, workers_n, 1 << 20, steer, &rig->workers_n, patient);
	for (unsigned w = 0; rc == 0 && w < workers_n; w++) {
		struct rig_queue *q = &rig->queues[w];

		q->head.ops = &queue_ops;
		q->index = w;
		q->queues = queues_n;
		q->total = packets_each;
		q->how = SOURCE_END;
		rig->workers[w].index = w;
		rig->workers[w].workers = workers_n;
		rc = handoff_source(
			&rig->workers[w].src, handoff, w, w < queues_n ? &q->head : NULL);
	}
	if (rc < 0)
		abort();
	handoff_release(handoff);
}

void handoff_rig_open(
	struct handoff_rig *rig, unsigned queues_n, unsigned workers_n, unsigned packets_each)
{
	rig_open(rig, queues_n, workers_n, packets_each, false);
}

void handoff_rig_open_patient(struct handoff_rig *rig, unsigned workers_n, unsigned packets)
{
	rig_open(rig, 1, workers_n, packets, true);
}

static const char *packet_wrong(struct rig_worker *w, const struct packet *pkt)
{
	uint32_t flow, number;

	memcpy(&flow, pkt->data, 4);
	memcpy(&number, pkt->data + 4, 4);
	if (flow >= RIG_FLOWS || steer(&w->workers, pkt) != w->index)
		return "a packet of somebody else";
	if (number < w->next[flow])
		return "a packet again, or out of order";
	w->missing += number - w->next[flow];
	w->next[flow] = number + 1;
	if (pkt->caplen != frame_len(flow, number) || pkt->wire_len != pkt->caplen)
		return "another length";
	for (unsigned i = 8; i < pkt->caplen; i++)
		if (pkt->data[i] != frame_byte(flow, number, i))
			return "other bytes";
	return NULL;
}

unsigned rig_worker_burst(struct rig_worker *w, unsigned max)
{
	struct packet pkts[BURST_MAX];
	int n = w->src->ops->burst(w->src, pkts, max);

	if ((n < 0 || n > (int)max) && !w->wrong)
		w->wrong = "a burst that is none";
	for (int i = 0; i < n; i++) {
		const char *wrong = packet_wrong(w, &pkts[i]);

		if (wrong && !w->wrong)
			w->wrong = wrong;
	}
	w->n += n > 0 ? (unsigned)n : 0;
	return n > 0 ? (unsigned)n : 0;
}

struct source_stats handoff_rig_sum(const struct handoff_rig *rig)
{
	struct source_stats sum = {0}, one;

	for (unsigned w = 0; w < rig->workers_n; w++) {
		rig->workers[w].src->ops->stats(rig->workers[w].src, &one);
		sum.received += one.received;
		sum.held += one.held;
		sum.received_bytes += one.received_bytes;
		for (int i = 0; i < REASON_COUNT; i++)
			sum.dropped[i] += one.dropped[i];
	}
	return sum;
}

void handoff_rig_close(struct handoff_rig *rig)
{
	for (unsigned w = 0; w < rig->workers_n; w++)
		rig->workers[w].src->ops->close(rig->workers[w].src);
}

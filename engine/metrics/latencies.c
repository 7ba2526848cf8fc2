#include "engine/metrics/latencies.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>

static const struct {
	const char *name, *a, *b; /* b: where there is no sink */
} hops[HOP_COUNT] = {
	[HOP_CAPTURE_TO_WORKER] = {"capture_to_worker", "capture", "worker"},
	[HOP_WORKER_TO_BATCH] = {"worker_to_batch", "worker", "batch"},
	[HOP_BATCH_TO_PUBLISHER] = {"batch_to_publisher", "batch", "publisher"},
	[HOP_PUBLISHER_TO_SINK] = {"publisher_to_sink", "publisher", "sink"},
	[HOP_CAPTURE_TO_SINK] = {"capture_to_sink", "capture", "sink"},
	[HOP_BATCH_TO_ACK] = {"batch_to_ack", "batch", "ack"},
};

const char *hop_name(enum hop hop)
{
	return hops[hop].name;
}

int latencies_add(
	struct latencies *l, enum hop hop, int sink, const char *uri, const struct hist *h)
{
	struct probe *p;

	for (unsigned i = 0; i < l->n; i++) {
		p = l->probes[i];
		if (p->hop == hop && p->sink == sink) {
			p->hists[p->hists_n++] = h;
			return 0;
		}
	}
	p = calloc(1, sizeof(*p));
	if (!p)
		return -ENOMEM;
	p->hop = hop;
	p->sink = sink;
	p->uri = uri;
	p->hists[p->hists_n++] = h;
	l->probes[l->n++] = p;
	return 0;
}

void latencies_free(struct latencies *l)
{
	for (unsigned i = 0; i < l->n; i++)
		free(l->probes[i]);
	l->n = 0;
}

void latencies_read(struct latencies *l)
{
	for (unsigned i = 0; i < l->n; i++) {
		struct probe *p = l->probes[i];

		p->all = (struct hist_sum){0};
		for (unsigned h = 0; h < p->hists_n; h++)
			hist_read(&p->all, p->hists[h]);
	}
}

void latencies_sample(struct latencies *l)
{
	latencies_read(l);
	l->samples_n = 0;
	for (unsigned i = 0; i < l->n; i++) {
		struct probe *p = l->probes[i];
		struct hist_sum since = p->all;

		hist_less(&since, &p->before);
		if (!since.count)
			continue;
		p->before = p->all;
		l->samples[l->samples_n++] = (struct ev_latency_sample){
			.probe = str_of(hops[p->hop].name),
			.a = str_of(hops[p->hop].a),
			.b = str_of(*p->uri ? p->uri : hops[p->hop].b),
			.value_ns = since.sum / since.count,
			.count = since.count,
			.min_ns = hist_min(&since),
			.max_ns = hist_quantile(&since, 1000000),
			.p50_ns = hist_quantile(&since, 500000),
			.p99_ns = hist_quantile(&since, 990000),
			.p999_ns = hist_quantile(&since, 999000),
		};
	}
}

static double us(uint64_t ns)
{
	return (double)ns / 1000;
}

void latencies_print(const struct latencies *l, FILE *out)
{
	bool head = false;

	for (unsigned i = 0; i < l->n; i++) {
		const struct hist_sum *sum = &l->probes[i]->all;

		if (!sum->count)
			continue;
		if (!head)
			fprintf(out, "%-18s %10s %12s %12s %12s %12s %12s\n", "latency, us",
				"values", "mean", "p50", "p99", "p99.9", "max");
		head = true;
		fprintf(out, "%-18s %10" PRIu64 " %12.1f %12.1f %12.1f %12.1f %12.1f  %s\n",
			hops[l->probes[i]->hop].name, sum->count, us(sum->sum / sum->count),
			us(hist_quantile(sum, 500000)), us(hist_quantile(sum, 990000)),
			us(hist_quantile(sum, 999000)), us(hist_quantile(sum, 1000000)),
			l->probes[i]->uri);
	}
}

#include "tests/support/publish_rig.h"

#include <errno.h>
#include <stdio.h>
#include <time.h>

static uint64_t monotonic_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000 + (uint64_t)ts.tv_nsec;
}

static int sink_open(struct rig *rig, unsigned i)
{
	struct sink_uri *uri = &rig->uris[i];
	int rc = 0;

	if (rig->opt.sinks[i]) {
		uri->sink = rig->opt.sinks[i];
		uri->opt.uri = rig->opt.uris[i];
	} else {
		rc = sink_uri_parse(uri, rig->opt.uris[i], rig->error);
	}
	if (rc < 0)
		return rc;
	if (rig->opt.when_full[i])
		uri->opt.when_full = rig->opt.when_full[i];
	uri->opt.live = rig->opt.live;
	uri->opt.boot_id = 0x1122334455667788;
	uri->opt.source = "rig";
	uri->opt.workers = rig->workers;
	uri->opt.batch_bytes = rig->opt.batch_bytes;
	rc = publisher_open(&rig->pubs[i], uri, i, rig->opt.depth, &rig->give_up, rig->error);
	rig->uri_texts[i] = rig->opt.uris[i];
	return rc;
}

static int worker_open(struct rig *rig, unsigned w)
{
	struct streams_options opt = {
		.worker = w,
		.streams_max = rig->opt.streams_max ? rig->opt.streams_max : 16,
		.batch_bytes = rig->opt.batch_bytes,
		.batch_events = rig->opt.batch_events,
		.linger_ns = rig->opt.linger_ns ? rig->opt.linger_ns : 1000000,
		.boot_id = 0x1122334455667788,
		.source = "rig",
		.rings = &rig->rings[w * rig->sinks_n],
		.rings_n = rig->sinks_n,
	};

	for (unsigned s = 0; s < rig->sinks_n; s++) {
		rig->rings[w * rig->sinks_n + s] = publisher_ring(rig->pubs[s], w);
		opt.sinks_hold += publisher_hold(rig->pubs[s]);
	}
	return streams_open(&rig->ws[w], &opt);
}

int rig_open(struct rig *rig, const struct rig_options *opt)
{
	int rc = 0;

	memset(rig, 0, sizeof(*rig));
	rig->opt = *opt;
	rig->workers = opt->workers ? opt->workers : 1;
	rig->now_ns = 1000000000000;
	if (!rig->opt.batch_bytes)
		rig->opt.batch_bytes = 65536;
	for (; rc == 0 && rig->sinks_n < RIG_SINKS && opt->uris[rig->sinks_n]; rig->sinks_n++)
		rc = sink_open(rig, rig->sinks_n);
	if (rc < 0) {
		rig->sinks_n--;
		for (unsigned s = 0; s < rig->sinks_n; s++)
			publisher_finish(rig->pubs[s], 1);
		rig_close(rig);
		return rc;
	}
	for (unsigned w = 0; rc == 0 && w < rig->workers; w++)
		rc = worker_open(rig, w);
	if (rc == 0)
		rc = ledger_open(&rig->ledger, rig->workers, rig->uri_texts, rig->sinks_n);
	return rc;
}

struct stream *rig_stream(
	struct rig *rig, unsigned w, enum domain domain, const char *venue, uint32_t channel)
{
	struct stream_spec spec = {domain, str_of(venue), channel};

	return stream_open(rig->ws[w], &spec);
}

unsigned rig_work(struct rig *rig)
{
	unsigned did = 0;

	for (unsigned s = 0; s < rig->sinks_n; s++)
		did += publisher_do_work(rig->pubs[s]);
	return did;
}

void rig_mbo(struct rig *rig, unsigned w, struct stream *s, uint64_t first, unsigned n)
{
	static const char *const symbols[] = {"AAPL", "MSFT", "BRK.B", "A"};

	for (unsigned i = 0; i < n; i++) {
		struct event ev = {
			.ts_recv_ns = 1548858600000000000 + first + i,
			.venue = {stream_facts(s)->venue, stream_facts(s)->venue_len},
			.channel = stream_facts(s)->channel,
			.seq = first + i,
			.symbol = str_of(symbols[(first + i) % 4]),
			.type = EVENT_MBO,
		};

		ev.mbo.action = MBO_ACTION_ADD;
		ev.mbo.order_id = (first + i) * 7;
		ev.mbo.has = MBO_HAS_PRICE_E9;
		ev.mbo.price_e9 = (int64_t)(first + i) * 10000000;
		ev.mbo.size = 100;
		stream_append(rig->ws[w], s, &ev);
	}
}

void rig_finish(struct rig *rig, unsigned deadline_ms)
{
	for (unsigned w = 0; w < rig->workers; w++)
		streams_flush(rig->ws[w]);
	for (unsigned s = 0; s < rig->sinks_n; s++)
		publisher_finish(
			rig->pubs[s], deadline_ms ? monotonic_ns() + deadline_ms * 1000000ull : 0);
}

static void worker_stages(void *ctx, unsigned w, struct ledger_cut *cut)
{
	struct rig *rig = ctx;

	streams_stage(rig->ws[w], cut);
}

const struct ledger_report *rig_report(struct rig *rig)
{
	return ledger_final(rig->ledger, rig->rings, worker_stages, rig);
}

struct ledger_stage rig_count(struct rig *rig, unsigned sink)
{
	struct ledger_stage total;

	ledger_total(rig_report(rig), "sink", rig->uri_texts[sink], &total);
	return total;
}

unsigned rig_close(struct rig *rig)
{
	unsigned out = 0;

	ledger_close(rig->ledger);
	for (unsigned s = 0; s < rig->sinks_n; s++)
		publisher_close(rig->pubs[s]);
	for (unsigned w = 0; w < rig->workers; w++)
		out += streams_close(rig->ws[w]);
	return out;
}

const struct ledger_report *rig_cut(struct rig *rig, unsigned rounds)
{
	ledger_request(rig->ledger);
	for (unsigned w = 0; w < rig->workers; w++) {
		struct ledger_cut *cut = ledger_cut_begin(rig->ledger, w);

		if (cut)
			streams_cut(rig->ws[w], cut);
	}
	for (unsigned i = 0; i < rounds; i++) {
		const struct ledger_report *report = ledger_collect(rig->ledger);

		if (report)
			return report;
		rig_work(rig);
	}
	return ledger_collect(rig->ledger);
}

#include "analyze/interval.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

int talkers_init(struct talkers *t, uint32_t max)
{
	uint32_t size = 16;

	while (size < 2 * max)
		size *= 2;
	*t = (struct talkers){.mask = size - 1, .max = max};
	t->slots = calloc(size, sizeof(*t->slots));
	t->used = calloc(max, sizeof(*t->used));
	if (t->slots && t->used)
		return 0;
	talkers_free(t);
	return -ENOMEM;
}

void talkers_free(struct talkers *t)
{
	free(t->slots);
	free(t->used);
	*t = (struct talkers){0};
}

static int side_init(struct interval_side *side, uint32_t talkers_max)
{
	int rc = talkers_init(&side->src, talkers_max);

	return rc < 0 ? rc : talkers_init(&side->dst, talkers_max);
}

static void side_free(struct interval_side *side)
{
	talkers_free(&side->src);
	talkers_free(&side->dst);
}

int intervals_init(struct intervals *iv, unsigned workers, uint32_t talkers_max, unsigned shown,
	bool by_packets, uint64_t now_ns)
{
	int rc;

	*iv = (struct intervals){
		.workers_n = workers, .shown = shown, .by_packets = by_packets, .start_ns = now_ns};
	iv->workers = calloc(workers, sizeof(*iv->workers));
	rc = iv->workers ? side_init(&iv->all, talkers_max * workers) : -ENOMEM;
	for (unsigned w = 0; rc == 0 && w < workers; w++) {
		iv->workers[w].wanted = &iv->turn;
		for (unsigned s = 0; rc == 0 && s < 2; s++)
			rc = side_init(&iv->workers[w].sides[s], talkers_max);
	}
	if (rc < 0)
		intervals_free(iv);
	return rc;
}

void intervals_free(struct intervals *iv)
{
	for (unsigned w = 0; iv->workers && w < iv->workers_n; w++)
		for (unsigned s = 0; s < 2; s++)
			side_free(&iv->workers[w].sides[s]);
	side_free(&iv->all);
	free(iv->workers);
	iv->workers = NULL;
}

void intervals_turn(struct intervals *iv, uint64_t now_ns)
{
	iv->end_ns = now_ns;
	iv->pending = true;
	atomic_fetch_add_explicit(&iv->turn, 1, memory_order_release);
}

static void merge(struct intervals *iv, unsigned side)
{
	iv->all.traffic = (struct traffic){0};
	talkers_clear(&iv->all.src);
	talkers_clear(&iv->all.dst);
	for (unsigned w = 0; w < iv->workers_n; w++) {
		const struct interval_side *from = &iv->workers[w].sides[side];

		traffic_merge(&iv->all.traffic, &from->traffic);
		talkers_merge(&iv->all.src, &from->src);
		talkers_merge(&iv->all.dst, &from->dst);
	}
}

static void row_add(struct interval_report *report, const struct traffic_count *count)
{
	unsigned n = report->traffic.rows_n++;

	report->rows[n] = (struct ev_traffic_report_row){
		.key = str_of(report->names[n]), .packets = count->packets, .bytes = count->bytes};
}

static void traffic_fill(struct intervals *iv, unsigned side)
{
	struct interval_report *report = &iv->report;
	const struct traffic *t = &iv->all.traffic;

	report->traffic = (struct ev_traffic_report){.ts_start_ns = iv->start_ns,
		.ts_end_ns = iv->end_ns,
		.packets = t->total.packets,
		.bytes = t->total.bytes,
		.rows = report->rows};
	if (iv->by_packets) {
		report->traffic.ts_start_ns = t->first_ns;
		report->traffic.ts_end_ns = t->last_ns;
	}
	for (unsigned i = 0; i < TRAFFIC_ROWS; i++)
		if (t->rows[i].packets) {
			traffic_name(i, report->names[report->traffic.rows_n]);
			row_add(report, &t->rows[i]);
		}
	for (unsigned w = 0; iv->workers_n > 1 && w < iv->workers_n && w < 64; w++) {
		snprintf(report->names[report->traffic.rows_n], TRAFFIC_NAME, "worker/%u", w);
		row_add(report, &iv->workers[w].sides[side].traffic.total);
	}
}

static void talkers_fill(struct intervals *iv, struct ev_talker_report *ev, unsigned which,
	const struct talkers *t, uint32_t key)
{
	static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};
	struct ev_talker_report_talker *rows = iv->report.talkers[which];
	const struct talker *top[TALKERS_SHOWN_MAX];
	uint32_t n = talkers_top(t, top, iv->shown);

	*ev = (struct ev_talker_report){.ts_start_ns = iv->report.traffic.ts_start_ns,
		.ts_end_ns = iv->report.traffic.ts_end_ns,
		.key = key,
		.talkers = rows,
		.talkers_n = n,
		.total_packets = t->packets,
		.total_bytes = t->bytes,
		.approximate = t->missed_packets != 0};
	for (uint32_t i = 0; i < n; i++) {
		char *text = iv->report.addresses[which][i];
		bool v4 = memcmp(top[i]->ip, mapped, 12) == 0;

		inet_ntop(v4 ? AF_INET : AF_INET6, top[i]->ip + (v4 ? 12 : 0), text,
			sizeof(iv->report.addresses[which][i]));
		rows[i] = (struct ev_talker_report_talker){
			.key = str_of(text), .packets = top[i]->packets, .bytes = top[i]->bytes};
	}
}

const struct interval_report *intervals_collect(struct intervals *iv)
{
	unsigned turn = iv->turn, side = (turn - 1) & 1;

	if (!iv->pending)
		return NULL;
	for (unsigned w = 0; w < iv->workers_n; w++)
		if (atomic_load_explicit(&iv->workers[w].done, memory_order_acquire) != turn)
			return NULL;
	iv->pending = false;
	merge(iv, side);
	traffic_fill(iv, side);
	talkers_fill(iv, &iv->report.src, 0, &iv->all.src, TALKER_REPORT_KEY_SRC_IP);
	talkers_fill(iv, &iv->report.dst, 1, &iv->all.dst, TALKER_REPORT_KEY_DST_IP);
	iv->start_ns = iv->end_ns;
	return &iv->report;
}

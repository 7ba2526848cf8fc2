#include "publish/rows/report_text.h"

/* put_bits writes bytes in so many ns as a rate. */
static void put_bits(struct buf *out, uint64_t bytes, uint64_t ns)
{
	static const char *const units[] = {"bit/s", "kbit/s", "Mbit/s", "Gbit/s", "Tbit/s"};
	double rate = (double)bytes * 8e9 / (double)ns;
	unsigned unit = 0;

	while (rate >= 1000 && unit < 4) {
		rate /= 1000;
		unit++;
	}
	buf_printf(out, " %.*f %s", unit ? 1 : 0, rate, units[unit]);
}

/* put_counts writes packets and the rates; without a length of time bytes take their place. */
static void put_counts(struct buf *out, uint64_t packets, uint64_t bytes, uint64_t ns)
{
	buf_char(out, ' ');
	buf_u64(out, packets);
	buf_text(out, " packets");
	if (!ns) {
		buf_char(out, ' ');
		buf_u64(out, bytes);
		buf_text(out, " bytes");
		return;
	}
	buf_printf(out, " %.0f pps", (double)packets * 1e9 / (double)ns);
	put_bits(out, bytes, ns);
}

static void put_seconds(struct buf *out, uint64_t ns)
{
	buf_printf(out, "%.3f s", (double)ns / 1e9);
}

void traffic_text_put(struct buf *out, const Events__V1__TrafficReport *report)
{
	uint64_t ns = report->ts_end_ns - report->ts_start_ns;

	put_seconds(out, ns);
	put_counts(out, report->packets, report->bytes, ns);
	for (size_t i = 0; i < report->n_rows; i++) {
		const Events__V1__TrafficReport__Row *row = report->rows[i];
		const char *name = row->key;

		buf_text(out, i ? ", " : ": ");
		if (strncmp(name, "proto/", 6) == 0)
			name += 6;
		buf_text(out, name);
		put_counts(out, row->packets, row->bytes, ns);
	}
}

void talker_text_put(struct buf *out, const Events__V1__TalkerReport *report)
{
	uint64_t ns = report->ts_end_ns - report->ts_start_ns;
	bool source = report->key == EVENTS__V1__TALKER_REPORT__KEY__KEY_SRC_IP;

	buf_text(out, source ? "by source " : "by destination ");
	put_seconds(out, ns);
	if (report->approximate)
		buf_text(out, " (not all were counted)");
	for (size_t i = 0; i < report->n_talkers; i++) {
		const Events__V1__TalkerReport__Talker *talker = report->talkers[i];

		buf_text(out, i ? ", " : ": ");
		buf_text(out, talker->key);
		put_counts(out, talker->packets, talker->bytes, ns);
	}
}

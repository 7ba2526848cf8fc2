#include "tests/sim/wire/line.h"

#include <string.h>

static bool silent(const struct faults *faults, uint64_t ts_ns)
{
	for (uint32_t i = 0; i < faults->outages_n; i++)
		if (ts_ns >= faults->outages[i].from_ns && ts_ns < faults->outages[i].until_ns)
			return true;
	return false;
}

/* tell writes what became of a packet at ts_ns. */
static void tell(
	const struct line *line, uint64_t ts_ns, const struct parcel *parcel, const char *fate)
{
	char text[320];
	int len;

	if (!line->truth->file)
		return;
	len = snprintf(text, sizeof(text),
		"{\"channel\":%u,\"line\":\"%c\",\"session\":\"%s\",\"seq\":%lu,\"count\":%u,"
		"\"kind\":\"%s\",\"fate\":\"%s\",\"ts\":%lu}\n",
		line->channel, line->name, parcel->session, parcel->seq, parcel->count,
		parcel->kind, fate, ts_ns);
	out_bytes(line->truth, text, (size_t)len);
}

static void put(struct line *line, uint64_t ts_ns, const struct parcel *parcel, const char *fate)
{
	if (silent(&line->faults, ts_ns)) {
		tell(line, ts_ns, parcel, "outage");
		return;
	}
	tell(line, ts_ns, parcel, fate);
	wire_udp(line->wire, ts_ns, &line->from, &line->to, line->ident++, parcel->bytes,
		parcel->len);
}

/* release lets the i-th late packet go at ts_ns. */
static void release(struct line *line, uint32_t i, uint64_t ts_ns)
{
	put(line, ts_ns, &line->late[i].parcel, "late");
	line->late_n--;
	memmove(&line->late[i], &line->late[i + 1], (line->late_n - i) * sizeof(line->late[0]));
}

static void passed(struct line *line, uint64_t ts_ns)
{
	for (uint32_t i = 0; i < line->late_n;)
		if (--line->late[i].behind == 0)
			release(line, i, ++ts_ns);
		else
			i++;
	if (ts_ns > line->sent_ns)
		line->sent_ns = ts_ns;
}

void line_send(struct line *line, uint64_t ts_ns, const struct parcel *parcel)
{
	const struct faults *faults = &line->faults;
	double fate = rng_real(&line->chance), again = rng_real(&line->chance);
	double late = faults->loss + (1 - faults->loss) * faults->late;
	uint32_t behind = 1 + rng_below(&line->chance, faults->late_packets);
	uint32_t copy_ns = 1000 + rng_below(&line->chance, 60000);

	ts_ns += line->delay_ns + (line->jitter_ns ? rng_below(&line->rng, line->jitter_ns) : 0);
	if (ts_ns <= line->sent_ns)
		ts_ns = line->sent_ns + 1; /* a line keeps its order, but for faults */
	line->sent_ns = ts_ns;
	if (fate < faults->loss) {
		tell(line, ts_ns, parcel, "lost");
	} else if (fate < late && line->late_n < LATE_MAX) {
		line->late[line->late_n++] = (struct late){
			.until_ns = ts_ns + LATE_MAX_NS, .behind = behind + 1, .parcel = *parcel};
	} else {
		put(line, ts_ns, parcel, "sent");
		if (again < faults->twice && !silent(faults, ts_ns + copy_ns))
			put(line, ts_ns + copy_ns, parcel, "again");
	}
	passed(line, ts_ns);
}

uint64_t line_due(const struct line *line)
{
	uint64_t due = UINT64_MAX;

	for (uint32_t i = 0; i < line->late_n; i++)
		if (line->late[i].until_ns < due)
			due = line->late[i].until_ns;
	return due;
}

void line_flush(struct line *line)
{
	while (line->late_n)
		release(line, 0, ++line->sent_ns);
}

void line_tick(struct line *line, uint64_t ts_ns)
{
	for (uint32_t i = 0; i < line->late_n;)
		if (line->late[i].until_ns <= ts_ns)
			release(line, i, line->late[i].until_ns);
		else
			i++;
}

void line_pause(struct line *line, uint64_t ns)
{
	line_flush(line);
	line->sent_ns += ns;
}

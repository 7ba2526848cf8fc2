/* bench_fix: FIX messages of a day (six in ten market data of 1 to 4 entries, then execution
 * reports and orders) through the decoder, checksum and typed values included; floor: QuickFIX
 * reads the same messages and validates them. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "decode/fix/fix.h"
#include "tests/bench/bench.h"

enum { MESSAGES = 2000, ROOM = 2 << 20 };

/* day is the messages, one behind the other. */
struct day {
	char *bytes;
	size_t len;
	uint32_t lens[MESSAGES];
	struct fix fix;
	struct events events;
	struct tcp_dir dir;
};

#ifdef WITH_QUICKFIX
uint64_t quickfix_read(const char *bytes, const uint32_t *lens, uint32_t n);
#endif

static size_t __attribute__((format(printf, 3, 4)))
put(char *text, size_t at, const char *format, ...)
{
	va_list args;
	int len;

	va_start(args, format);
	len = vsnprintf(text + at, 4096 - at, format, args);
	va_end(args);
	return at + (size_t)len;
}

/* add frames a body and appends it. */
static void add(struct day *day, uint32_t i, const char *body)
{
	char *m = day->bytes + day->len;
	unsigned sum = 0;
	size_t n = (size_t)snprintf(m, 4096, "8=FIX.4.4|9=%zu|%s", strlen(body), body);

	for (size_t k = 0; k < n; k++) {
		m[k] = m[k] == '|' ? 1 : m[k];
		sum += (uint8_t)m[k];
	}
	n += (size_t)snprintf(m + n, 16, "10=%03u%c", sum & 255, 1);
	day->lens[i] = (uint32_t)n;
	day->len += n;
}

static void body(char *text, uint32_t i, uint64_t *random)
{
	static const char *const symbols[] = {
		"ESZ6", "NQZ6", "CLF7", "GCZ6", "6EZ6", "ZNZ6", "AAPL", "MSFT"};
	unsigned kind = (unsigned)(bench_random(random) % 10), ms = i % 1000, s = i / 1000 % 60;
	const char *symbol = symbols[bench_random(random) % 8];
	unsigned price = 2000 + (unsigned)(bench_random(random) % 300);
	size_t n;

	if (kind < 6) {
		unsigned entries = 1 + (unsigned)(bench_random(random) % 4);

		n = put(text, 0, "35=X|49=CME|56=CLIENT1|34=%u|52=20161112-14:30:%02u.%03u|268=%u|",
			i + 1, s, ms, entries);
		for (unsigned e = 0; e < entries; e++)
			n = put(text, n,
				"279=%u|269=%u|48=%u|22=8|55=%s|83=%u|270=%u.%02u|271=%u|"
				"273=14:30:%02u.%03u|1023=%u|346=%u|",
				e % 3, e % 2, 400000 + i, symbol, 5000 + i, price, i % 4 * 25,
				1 + i % 500, s, ms, 1 + i % 10, 1 + i % 40);
	} else if (kind < 8) {
		put(text, 0,
			"35=8|49=CME|56=CLIENT1|34=%u|52=20161112-14:30:%02u.%03u|37=ORD%08u|"
			"11=CL%08u|17=EX%08u|150=F|39=1|55=%s|54=%u|38=%u|44=%u.%02u|31=%u.%02u|"
			"32=100|151=300|14=100|6=%u.25|60=20161112-14:30:%02u.%03u|",
			i + 1, s, ms, i, i, i, symbol, 1 + i % 2, 100 * (1 + i % 9), price,
			i % 4 * 25, price, i % 4 * 25, price, s, ms);
	} else {
		put(text, 0,
			"35=D|49=CME|56=CLIENT1|34=%u|52=20161112-14:30:%02u.%03u|11=CL%08u|1=ACC1|"
			"21=1|55=%s|54=%u|60=20161112-14:30:%02u.%03u|38=%u|40=2|44=%u.%02u|59=0|",
			i + 1, s, ms, i, symbol, 1 + i % 2, s, ms, 100 * (1 + i % 9), price,
			i % 4 * 25);
	}
}

static void drop(struct events *evs)
{
	(void)evs;
}

static void *stream_for(void *ctx, const struct fix_session *session)
{
	(void)session;
	return ctx;
}

static void session(void *ctx, void *stream, struct str name)
{
	(void)ctx;
	(void)stream;
	(void)name;
}

static void day_make(struct day *day)
{
	struct fix_options opt = {.message_max = 65536, .sessions_max = 4, .flows_max = 4};
	struct fix_hooks hooks = {day, stream_for, session};
	uint64_t random = 88172645463325252;
	char text[4096];

	day->bytes = malloc(ROOM);
	if (!day->bytes || events_init(&day->events, drop, day) < 0 ||
		fix_init(&day->fix, &opt, &hooks, &day->events) < 0)
		abort();
	day->dir.life = 1;
	for (uint32_t i = 0; i < MESSAGES; i++) {
		body(text, i, &random);
		add(day, i, text);
	}
}

/* ours begins a session anew each time, since the numbers of the messages do. */
static uint64_t ours(void *ctx)
{
	struct day *day = ctx;
	uint64_t before = day->fix.counts.messages_out;

	day->fix.round++;
	fix_eat(&day->fix, &day->dir, bytes_of(day->bytes, day->len));
	events_flush(&day->events);
	return day->fix.counts.messages_out - before;
}

#ifdef WITH_QUICKFIX
static uint64_t quickfix(void *ctx)
{
	const struct day *day = ctx;

	return quickfix_read(day->bytes, day->lens, MESSAGES);
}
#endif

int main(void)
{
	static struct day day;
	const struct bench_way ways[] = {
		{"fix", ours, &day},
#ifdef WITH_QUICKFIX
		{"quickfix", quickfix, &day},
#endif
	};

	day_make(&day);
	if (ours(&day) != MESSAGES) {
		fprintf(stderr, "bench: not every message is one\n");
		return 1;
	}
	bench_run(ways, sizeof(ways) / sizeof(ways[0]));
	return 0;
}

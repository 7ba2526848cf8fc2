/* One DNS message. Property: its name ends in the root label and is at most 255 bytes, its words are
 * printable, and what is behind the answers changes nothing. */
#include <stdlib.h>

#include "decode/net/dns.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool good)
{
	if (!good)
		abort();
}

static void none(struct events *evs)
{
	(void)evs;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct dns_message m;
	struct events evs;
	struct event *ev;
	char room[1200];
	struct text t = TEXT_ON(room);
	int rc = dns_parse(bytes_of(data, size), &m);

	check(rc == 0 || rc == -REASON_bad_dns);
	if (rc < 0)
		return 0;
	check(m.name_len <= DNS_NAME_MAX && (m.name_len == 0 || m.name[m.name_len - 1] == 0));
	check((m.name_len == 0) == (m.questions == 0) && m.answers_at <= size);
	dns_info(&t, &m);
	check(t.len > 0 && t.len <= t.room);
	for (uint32_t i = 0; i < t.len; i++)
		check(room[i] >= 0x20 && room[i] < 0x7f);
	check(events_init(&evs, none, NULL) == 0);
	ev = events_push(&evs, EVENT_DNS);
	dns_answers(&evs, &ev->dns, &m);
	check(ev->dns.answers_n == (m.answers < DNS_ANSWERS_MAX ? m.answers : DNS_ANSWERS_MAX));
	for (uint32_t i = 0; i < ev->dns.answers_n; i++)
		for (uint32_t k = 0; k < ev->dns.answers[i].len; k++)
			check(ev->dns.answers[i].p[k] >= 0x20 && ev->dns.answers[i].p[k] < 0x7f);
	events_free(&evs);
	return 0;
}

#include "publish/rows/rows.h"

#include <stdio.h>

/* read_varint returns 0, or -REASON_garbled. */
static int read_varint(struct bytes *in, uint64_t *out)
{
	uint64_t v = 0;

	for (unsigned shift = 0; shift < 64 && in->p < in->end; shift += 7) {
		uint8_t byte = *in->p++;

		v |= (uint64_t)(byte & 0x7f) << shift;
		if (!(byte & 0x80)) {
			*out = v;
			return 0;
		}
	}
	return -REASON_garbled;
}

static bool is_payload(uint64_t number)
{
	return number >= EVENT_MBO && number <= EVENT_LEDGER;
}

int row_read(struct bytes in, struct row_facts *facts)
{
	*facts = (struct row_facts){0};
	while (in.p < in.end) {
		uint64_t key, v = 0;

		if (read_varint(&in, &key) < 0)
			return -REASON_garbled;
		switch (key & 7) {
		case 0:
			if (read_varint(&in, &v) < 0)
				return -REASON_garbled;
			if (key >> 3 == 7)
				facts->instrument_id = v;
			break;
		case 1:
		case 5:
			v = (key & 7) == 1 ? 8 : 4;
			if (!bytes_has(in, v))
				return -REASON_garbled;
			in.p += v;
			break;
		case 2:
			if (read_varint(&in, &v) < 0 || !bytes_has(in, v))
				return -REASON_garbled;
			if (key >> 3 == 8)
				facts->symbol = (struct str){(const char *)in.p, (uint32_t)v};
			else if (is_payload(key >> 3))
				facts->type = (enum event_type)(key >> 3);
			in.p += v;
			break;
		default:
			return -REASON_garbled;
		}
	}
	return 0;
}

const char *event_family(enum domain domain, enum event_type type)
{
	switch (type) {
	case EVENT_MBO:
		return "md.mbo";
	case EVENT_MBP:
		return "md.mbp";
	case EVENT_BBO:
		return "md.bbo";
	case EVENT_TRADE:
		return "md.trade";
	case EVENT_DEFINITION:
	case EVENT_STATS:
		return "md.ref";
	case EVENT_FIX:
		return "fix";
	case EVENT_SIGNAL:
	case EVENT_SCORE:
	case EVENT_ANOMALY:
		return "signal";
	case EVENT_FLOW:
	case EVENT_TALKER:
	case EVENT_TRAFFIC:
		return "net.flow";
	case EVENT_DNS:
	case EVENT_HTTP:
	case EVENT_TLS:
	case EVENT_ICMP:
		return "net.app";
	case EVENT_PACKET:
		return "net.packet";
	case EVENT_LEDGER:
	case EVENT_LATENCY:
		return "ops";
	default: /* imbalance, status, system, gap, unknown: where their stream's status is */
		break;
	}
	switch (domain) {
	case DOMAIN_FIX:
		return "fix";
	case DOMAIN_NET:
		return "net.flow";
	case DOMAIN_SIGNAL:
		return "signal";
	case DOMAIN_OPS:
		return "ops";
	default:
		return "md.status";
	}
}

size_t row_key(const struct stream_facts *stream, const struct row_facts *facts, char *key)
{
	bool of_instrument = stream->domain == DOMAIN_MD && facts->type != EVENT_GAP &&
			     facts->type != EVENT_SYSTEM && facts->type != EVENT_UNKNOWN;
	int len = 0;

	if (of_instrument && facts->instrument_id)
		len = snprintf(key, ROW_KEY_MAX, "%s/%llu", stream->venue,
			(unsigned long long)facts->instrument_id);
	else if (of_instrument && facts->symbol.len)
		len = snprintf(key, ROW_KEY_MAX, "%s/%.*s", stream->venue,
			(int)(facts->symbol.len < 64 ? facts->symbol.len : 64), facts->symbol.p);
	if (len > 0)
		return (size_t)len < ROW_KEY_MAX ? (size_t)len : ROW_KEY_MAX - 1;
	memcpy(key, stream->key, stream->key_len);
	return stream->key_len;
}

#include "tests/sim/orders/fix.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

void fix_clear(struct fix *fix)
{
	fix->field_n = 0;
	fix->text_len = 0;
}

void fix_bytes(struct fix *fix, uint32_t tag, const void *p, size_t len)
{
	if (fix->field_n == FIX_FIELDS_MAX || fix->text_len + len > sizeof(fix->text)) {
		fputs("feed-sim: a FIX message is larger than planned\n", stderr);
		abort();
	}
	fix->field[fix->field_n++] = (struct fix_field){tag, fix->text_len, (uint32_t)len};
	memcpy(fix->text + fix->text_len, p, len);
	fix->text_len += (uint32_t)len;
}

void fix_text(struct fix *fix, uint32_t tag, const char *text)
{
	fix_bytes(fix, tag, text, strlen(text));
}

void fix_char(struct fix *fix, uint32_t tag, char c)
{
	fix_bytes(fix, tag, &c, 1);
}

void fix_u64(struct fix *fix, uint32_t tag, uint64_t v)
{
	char text[24];

	fix_bytes(fix, tag, text, (size_t)snprintf(text, sizeof(text), "%lu", v));
}

void fix_decimal(struct fix *fix, uint32_t tag, uint64_t v, int digits)
{
	uint64_t one = 1;
	char text[48];

	for (int i = 0; i < digits; i++)
		one *= 10;
	int len = snprintf(text, sizeof(text), "%lu.%0*lu", v / one, digits, v % one);

	for (; digits > 2 && text[len - 1] == '0'; digits--)
		len--;
	fix_bytes(fix, tag, text, (size_t)len);
}

void fix_time(struct fix *fix, uint32_t tag, uint64_t ts_ns)
{
	time_t seconds = (time_t)(ts_ns / 1000000000);
	struct tm tm;
	char text[64];

	gmtime_r(&seconds, &tm);
	size_t len = strftime(text, sizeof(text), "%Y%m%d-%H:%M:%S", &tm);

	len += (size_t)snprintf(
		text + len, sizeof(text) - len, ".%06u", (unsigned)(ts_ns % 1000000000 / 1000));
	fix_bytes(fix, tag, text, len);
}

static size_t field_write(char *out, const struct fix *fix, const struct fix_field *field)
{
	int n = snprintf(out, 12, "%u=", field->tag);

	memcpy(out + n, fix->text + field->at, field->len);
	out[(size_t)n + field->len] = 1;
	return (size_t)n + field->len + 1;
}

size_t fix_write(struct fix *fix, char *out)
{
	uint32_t fields = fix->field_n, length = 0;
	size_t len = 0;
	unsigned sum = 0;
	char check[16];

	for (uint32_t i = 0; i < fields; i++)
		length += (uint32_t)field_write(out, fix, &fix->field[i]);
	fix_text(fix, 8, "FIX.4.4");
	fix_u64(fix, 9, length);
	struct fix_field head[2] = {fix->field[fields], fix->field[fields + 1]};

	memmove(fix->field + 2, fix->field, fields * sizeof(fix->field[0]));
	memcpy(fix->field, head, sizeof(head));
	for (uint32_t i = 0; i < fix->field_n; i++)
		len += field_write(out + len, fix, &fix->field[i]);
	for (size_t i = 0; i < len; i++)
		sum += (unsigned char)out[i];
	snprintf(check, sizeof(check), "%03u", sum & 255);
	fix_text(fix, 10, check);
	return len + field_write(out + len, fix, &fix->field[fix->field_n - 1]);
}

void fix_truth(
	struct out *out, const char *dir, uint64_t seq, uint64_t ts_ns, const struct fix *fix)
{
	out_text(out, "{\"dir\":\"");
	out_text(out, dir);
	out_text(out, "\",\"seq\":");
	out_u64(out, seq);
	out_text(out, ",\"ts\":");
	out_u64(out, ts_ns);
	out_text(out, ",\"fields\":[");
	for (uint32_t i = 0; i < fix->field_n; i++) {
		out_text(out, i ? ",[" : "[");
		out_u64(out, fix->field[i].tag);
		out_text(out, ",");
		out_json_string(out, fix->text + fix->field[i].at, fix->field[i].len);
		out_text(out, "]");
	}
	out_text(out, "]}\n");
}

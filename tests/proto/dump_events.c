/* dump_events FOLDER SEED COUNT: COUNT batches of events of every type, as bytes and as text.
 *   FOLDER/N.batch    rows and facts, as the program sends them
 *   FOLDER/N.lone     each event as it stands alone: 4 bytes of length (little endian), then the
 * event FOLDER/N.txt      what was put in: "event", then a line a field, "path=value"; "batch",
 * then the facts Values: integers decimal; texts and bytes in hex; floating point as the hex of its
 * bits. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "events/event_write.h"
#include "tests/support/event_fill.h"

enum { ROOM = 4 << 20, PATH = 512 };

static void print_value(FILE *out, const void *at, enum ev_kind kind)
{
	struct bytes b;
	uint32_t word;
	uint64_t twice;

	switch (kind) {
	case EV_UINT32:
	case EV_ENUM:
		fprintf(out, "%" PRIu32, *(const uint32_t *)at);
		return;
	case EV_UINT64:
	case EV_FIXED64:
		fprintf(out, "%" PRIu64, *(const uint64_t *)at);
		return;
	case EV_SINT64:
		fprintf(out, "%" PRId64, *(const int64_t *)at);
		return;
	case EV_BOOL:
		fprintf(out, "%d", *(const bool *)at);
		return;
	case EV_FLOAT:
		memcpy(&word, at, sizeof(word));
		fprintf(out, "%08" PRIx32, word);
		return;
	case EV_DOUBLE:
		memcpy(&twice, at, sizeof(twice));
		fprintf(out, "%016" PRIx64, twice);
		return;
	case EV_STRING:
		b = bytes_of(((const struct str *)at)->p, ((const struct str *)at)->len);
		break;
	case EV_BYTES:
		b = *(const struct bytes *)at;
		break;
	default:
		abort();
	}
	while (b.p < b.end)
		fprintf(out, "%02x", *b.p++);
}

/* is_set says whether a reader sees the field: it has a bit, or is not zero. */
static bool is_set(const void *base, const struct ev_message *msg, const struct ev_field *field)
{
	const uint8_t *at = (const uint8_t *)base + field->offset;

	if (field->label == EV_PAYLOAD)
		return ((const struct event *)base)->type == (enum event_type)field->number;
	if (field->has)
		return *(const uint32_t *)((const uint8_t *)base + msg->has_offset) & field->has;
	switch (field->kind) {
	case EV_UINT32:
	case EV_ENUM:
		return *(const uint32_t *)at != 0;
	case EV_FLOAT:
		return *(const float *)at != 0;
	case EV_DOUBLE:
		return *(const double *)at != 0;
	case EV_BOOL:
		return *(const bool *)at;
	case EV_STRING:
		return ((const struct str *)at)->len != 0;
	case EV_BYTES:
		return bytes_len(*(const struct bytes *)at) != 0;
	default:
		return *(const uint64_t *)at != 0;
	}
}

static void print_message(
	FILE *out, const void *base, const struct ev_message *msg, const char *prefix);

static void print_one(FILE *out, const void *at, const struct ev_field *field, const char *path)
{
	char inner[PATH];

	if (field->label == EV_MAP) {
		fprintf(out, "%s{", path);
		print_value(out, at, EV_STRING);
		fprintf(out, "}=");
		print_value(out, (const struct str *)at + 1, field->kind);
		fprintf(out, "\n");
	} else if (field->kind == EV_MESSAGE) {
		fprintf(out, "%s\n", path);
		snprintf(inner, sizeof(inner), "%s.", path);
		print_message(out, at, field->message, inner);
	} else {
		fprintf(out, "%s=", path);
		print_value(out, at, field->kind);
		fprintf(out, "\n");
	}
}

static void print_message(
	FILE *out, const void *base, const struct ev_message *msg, const char *prefix)
{
	char path[PATH];

	for (uint32_t i = 0; i < msg->fields_n; i++) {
		const struct ev_field *field = &msg->fields[i];
		const uint8_t *at = (const uint8_t *)base + field->offset;

		if (field->label == EV_MANY || field->label == EV_MAP) {
			uint32_t n =
				*(const uint32_t *)((const uint8_t *)base + field->count_offset);
			const uint8_t *array = *(const uint8_t *const *)at;

			for (uint32_t k = 0; k < n; k++) {
				snprintf(path, sizeof(path),
					field->label == EV_MAP ? "%s%s" : "%s%s[%u]", prefix,
					field->name, k);
				print_one(out, array + k * field->element_size, field, path);
			}
		} else if (is_set(base, msg, field)) {
			snprintf(path, sizeof(path), "%s%s", prefix, field->name);
			print_one(out, at, field, path);
		}
	}
}

static FILE *create(const char *folder, unsigned number, const char *kind)
{
	char path[PATH];
	FILE *file;

	snprintf(path, sizeof(path), "%s/%u.%s", folder, number, kind);
	file = fopen(path, "wb");
	if (!file) {
		perror(path);
		exit(1);
	}
	return file;
}

static void dump(const char *folder, unsigned number, struct fill *f)
{
	static struct event ev;
	FILE *batch = create(folder, number, "batch"), *lone = create(folder, number, "lone"),
	     *text = create(folder, number, "txt");
	struct ev_event_batch facts;
	uint8_t *out;
	uint32_t len;

	for (uint32_t type = 0; type < EVENT_TYPES; type++) {
		if (type != EVENT_NONE && event_payload_size[type] == 0)
			continue;
		f->used = 0;
		f->skip = (number + type) % 4;
		fill_event(f, &ev, type);
		out = malloc(event_bound(&ev));
		if (!out)
			abort();
		fwrite(out, 1, event_row_write(out, &ev), batch);
		len = (uint32_t)event_write(out, &ev);
		fwrite(&len, 1, sizeof(len), lone);
		fwrite(out, 1, len, lone);
		free(out);
		fprintf(text, "event\n");
		print_message(text, &ev, &fields_event, "");
	}
	f->used = 0;
	fill_message(f, &facts, &fields_event_batch);
	out = malloc(event_batch_bound(&facts));
	if (!out)
		abort();
	fwrite(out, 1, event_batch_write(out, &facts), batch);
	free(out);
	fprintf(text, "batch\n");
	print_message(text, &facts, &fields_event_batch, "");
	fclose(batch);
	fclose(lone);
	fclose(text);
}

int main(int argc, char **argv)
{
	struct fill f = {.room = malloc(ROOM), .size = ROOM};

	if (argc != 4 || !f.room) {
		fprintf(stderr, "usage: dump_events FOLDER SEED COUNT\n");
		return 2;
	}
	f.seed = strtoull(argv[2], NULL, 10) + 1;
	for (unsigned i = 0; i < (unsigned)strtoul(argv[3], NULL, 10); i++)
		dump(argv[1], i, &f);
	free(f.room);
	return 0;
}

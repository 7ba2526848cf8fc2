#include "tests/sim/truth.h"

#include <errno.h>
#include <string.h>

#include "tests/sim/mdp3/mdp3.h"

int out_open(struct out *out, const char *path)
{
	out->len = 0;
	out->error = 0;
	out->file = strcmp(path, "-") ? fopen(path, "wb") : stdout;
	return out->file ? 0 : -errno;
}

/* put is the only writer: it keeps what the first failure was. */
static void put(struct out *out, const void *p, size_t len)
{
	if (fwrite(p, 1, len, out->file) != len && !out->error)
		out->error = errno ? -errno : -EIO;
}

int out_close(struct out *out)
{
	FILE *file = out->file;

	if (!file)
		return 0;
	put(out, out->text, out->len);
	out->file = NULL;
	out->len = 0;
	if ((file == stdout ? fflush(file) : fclose(file)) && !out->error)
		out->error = -errno;
	return out->error;
}

void out_bytes(struct out *out, const void *p, size_t len)
{
	if (!out->file)
		return;
	if (len > sizeof(out->text) - out->len) {
		put(out, out->text, out->len);
		out->len = 0;
	}
	if (len > sizeof(out->text)) {
		put(out, p, len);
		return;
	}
	memcpy(out->text + out->len, p, len);
	out->len += len;
}

void out_text(struct out *out, const char *text)
{
	out_bytes(out, text, strlen(text));
}

void out_u64(struct out *out, uint64_t v)
{
	char digits[20];
	int i = sizeof(digits);

	do
		digits[--i] = (char)('0' + v % 10);
	while (v /= 10);
	out_bytes(out, digits + i, sizeof(digits) - (size_t)i);
}

void out_json_string(struct out *out, const char *p, size_t len)
{
	out_bytes(out, "\"", 1);
	for (const char *end = p + len; p < end; p++) {
		char escaped[8];

		if ((unsigned char)*p < 0x20 || *p == '"' || *p == '\\')
			out_bytes(out, escaped,
				(size_t)snprintf(
					escaped, sizeof(escaped), "\\u%04x", (unsigned)*p));
		else
			out_bytes(out, p, 1);
	}
	out_bytes(out, "\"", 1);
}

static void number(struct out *out, const char *key, uint64_t v)
{
	out_text(out, key);
	out_u64(out, v);
}

static void text(struct out *out, const char *key, const char *v)
{
	out_text(out, key);
	out_json_string(out, v, strlen(v));
}

static void letter(struct out *out, const char *key, char v)
{
	out_text(out, key);
	out_json_string(out, &v, 1);
}

static void directory(struct out *out, const struct instrument *inst)
{
	letter(out, ",\"market_category\":", inst->category);
	letter(out, ",\"financial_status\":", inst->financial);
	number(out, ",\"round_lot\":", inst->round_lot);
	letter(out, ",\"round_lots_only\":", 'N');
	letter(out, ",\"issue_class\":", inst->issue);
	text(out, ",\"issue_subtype\":",
		inst->subtype[1] == ' ' ? (char[]){inst->subtype[0], 0} : inst->subtype);
	letter(out, ",\"authenticity\":", 'P');
	letter(out, ",\"short_sale_threshold\":", inst->short_sale);
	letter(out, ",\"ipo\":", inst->ipo);
	letter(out, ",\"luld_tier\":", inst->luld_tier);
	letter(out, ",\"etp\":", inst->etp);
	number(out, ",\"etp_leverage\":", 0);
	letter(out, ",\"inverse\":", 'N');
}

static void details(struct out *out, const struct msg *msg)
{
	switch (msg->type) {
	case 'S':
		letter(out, ",\"event\":", msg->code);
		break;
	case 'R':
		directory(out, msg->inst);
		break;
	case 'H': {
		size_t len = strnlen(msg->reason, 4);

		while (len && msg->reason[len - 1] == ' ')
			len--;
		letter(out, ",\"state\":", msg->code);
		out_text(out, ",\"reason\":");
		out_json_string(out, msg->reason, len);
		break;
	}
	case 'Y':
		letter(out, ",\"action\":", msg->code);
		break;
	case 'L':
		text(out, ",\"mpid\":", msg->mpid);
		letter(out, ",\"primary\":", msg->flag);
		letter(out, ",\"mode\":", msg->mode);
		letter(out, ",\"state\":", msg->state);
		break;
	case 'V':
		number(out, ",\"level1_e8\":", msg->level_e8[0]);
		number(out, ",\"level2_e8\":", msg->level_e8[1]);
		number(out, ",\"level3_e8\":", msg->level_e8[2]);
		break;
	case 'W':
		letter(out, ",\"level\":", msg->code);
		break;
	case 'K':
		number(out, ",\"release_s\":", msg->release_s);
		letter(out, ",\"qualifier\":", msg->code);
		number(out, ",\"price\":", msg->price);
		break;
	case 'J':
		number(out, ",\"reference\":", msg->reference);
		number(out, ",\"upper\":", msg->upper);
		number(out, ",\"lower\":", msg->lower);
		number(out, ",\"extension\":", msg->extension);
		break;
	case 'h':
		letter(out, ",\"market\":", msg->flag);
		letter(out, ",\"action\":", msg->code);
		break;
	case 'A':
	case 'F':
		number(out, ",\"ref\":", msg->ref);
		letter(out, ",\"side\":", msg->side);
		number(out, ",\"shares\":", msg->shares);
		number(out, ",\"price\":", msg->price);
		if (msg->type == 'F') {
			out_text(out, ",\"mpid\":");
			size_t len = strnlen(msg->mpid, 4);

			while (len && msg->mpid[len - 1] == ' ')
				len--;
			out_json_string(out, msg->mpid, len);
		}
		break;
	case 'E':
	case 'C':
		number(out, ",\"ref\":", msg->ref);
		number(out, ",\"shares\":", msg->shares);
		number(out, ",\"match\":", msg->match);
		if (msg->type == 'C') {
			letter(out, ",\"printable\":", msg->code);
			number(out, ",\"price\":", msg->price);
		}
		break;
	case 'X':
		number(out, ",\"ref\":", msg->ref);
		number(out, ",\"shares\":", msg->shares);
		break;
	case 'D':
		number(out, ",\"ref\":", msg->ref);
		break;
	case 'U':
		number(out, ",\"ref\":", msg->ref);
		number(out, ",\"new_ref\":", msg->new_ref);
		number(out, ",\"shares\":", msg->shares);
		number(out, ",\"price\":", msg->price);
		break;
	case 'P':
		number(out, ",\"ref\":", msg->ref);
		letter(out, ",\"side\":", msg->side);
		number(out, ",\"shares\":", msg->shares);
		number(out, ",\"price\":", msg->price);
		number(out, ",\"match\":", msg->match);
		break;
	case 'Q':
		number(out, ",\"shares\":", msg->shares);
		number(out, ",\"price\":", msg->price);
		number(out, ",\"match\":", msg->match);
		letter(out, ",\"cross\":", msg->code);
		break;
	case 'B':
		number(out, ",\"match\":", msg->match);
		break;
	case 'I':
		number(out, ",\"paired\":", msg->shares);
		number(out, ",\"imbalance\":", msg->imbalance);
		letter(out, ",\"direction\":", msg->side);
		number(out, ",\"far\":", msg->far);
		number(out, ",\"near\":", msg->price);
		number(out, ",\"reference\":", msg->reference);
		letter(out, ",\"cross\":", msg->code);
		letter(out, ",\"variation\":", msg->flag);
		break;
	case 'N':
		letter(out, ",\"interest\":", msg->side);
		break;
	default: /* O */
		letter(out, ",\"eligible\":", msg->code);
		number(out, ",\"min\":", msg->far);
		number(out, ",\"max\":", msg->reference);
		number(out, ",\"near\":", msg->price);
		number(out, ",\"near_time_ns\":", msg->near_ns);
		number(out, ",\"lower\":", msg->lower);
		number(out, ",\"upper\":", msg->upper);
	}
}

void truth_message(
	struct out *out, uint32_t channel, const char *session, uint64_t seq, const struct msg *msg)
{
	number(out, "{\"channel\":", channel);
	text(out, ",\"session\":", session);
	number(out, ",\"seq\":", seq);
	letter(out, ",\"type\":", msg->type);
	number(out, ",\"ts\":", msg->ts_ns);
	number(out, ",\"locate\":", msg->locate);
	number(out, ",\"tracking\":", msg->tracking);
	if (msg->inst)
		text(out, ",\"stock\":", msg->inst->symbol);
	details(out, msg);
	out_text(out, "}\n");
}

static void side(struct out *out, const struct level *level)
{
	const char *comma = "";

	for (; level; level = level->worse) {
		const struct queue *q = &level->shown;
		const char *order_comma = "";

		if (!q->count)
			continue;
		out_text(out, comma);
		comma = ",";
		number(out, "{\"price\":", level->price);
		number(out, ",\"shares\":", q->shares);
		number(out, ",\"count\":", q->count);
		out_text(out, ",\"orders\":[");
		for (const struct order *o = q->head; o; o = o->next) {
			out_text(out, order_comma);
			order_comma = ",";
			number(out, "{\"ref\":", o->ref);
			number(out, ",\"shares\":", o->shares);
			out_text(out, "}");
		}
		out_text(out, "]}");
	}
}

void truth_books(
	struct out *out, uint32_t channel, const struct exchange *ex, const struct mdp3_book *mdp3)
{
	for (const struct instrument *inst = ex->inst; inst < ex->inst + ex->inst_n; inst++) {
		number(out, "{\"channel\":", channel);
		number(out, ",\"locate\":", inst->locate);
		text(out, ",\"stock\":", inst->symbol);
		letter(out, ",\"state\":", inst->state);
		if (mdp3) {
			number(out, ",\"security\":", (uint64_t)mdp3[inst - ex->inst].security);
			number(out, ",\"origin\":", mdp3[inst - ex->inst].origin);
		}
		out_text(out, ",\"bids\":[");
		side(out, inst->best[1]);
		out_text(out, "],\"asks\":[");
		side(out, inst->best[0]);
		out_text(out, "]}\n");
	}
}

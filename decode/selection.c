/* Hot path: no allocation, lock, system call or log. */
#include "decode/selection.h"

#include "decode/feed/symbols.h"

/* glob matches text against a pattern with * and ?. A * takes as little as it may, and more when
 * what follows fails: only the last one matters, so the time is bounded by the product of the
 * lengths. */
static bool glob(struct str pattern, struct str text)
{
	uint32_t p = 0, t = 0, star = UINT32_MAX, from = 0;

	while (t < text.len) {
		if (p < pattern.len && pattern.p[p] == '*') {
			star = p++;
			from = t;
		} else if (p < pattern.len && (pattern.p[p] == '?' || pattern.p[p] == text.p[t])) {
			p++;
			t++;
		} else if (star != UINT32_MAX) {
			p = star + 1;
			t = ++from;
		} else {
			return false;
		}
	}
	while (p < pattern.len && pattern.p[p] == '*')
		p++;
	return p == pattern.len;
}

bool selection_has_id(const struct selection *sel, uint64_t id)
{
	unsigned low = 0, high = sel->ids_n;

	while (low < high) {
		unsigned middle = (low + high) / 2;

		if (sel->ids[middle] < id)
			low = middle + 1;
		else
			high = middle;
	}
	return low < sel->ids_n && sel->ids[low] == id;
}

static bool wants_text(const struct selection *sel, struct str text)
{
	for (unsigned i = 0; i < sel->patterns_n; i++)
		if (glob(sel->patterns[i], text))
			return true;
	return false;
}

bool selection_wants(const struct selection *sel, uint64_t id, struct str text)
{
	return selection_has_id(sel, id) || wants_text(sel, text);
}

static uint64_t hash(struct str text)
{
	uint64_t h = 0xcbf29ce484222325;

	for (uint32_t i = 0; i < text.len; i++)
		h = (h ^ (uint8_t)text.p[i]) * 0x100000001b3;
	return h ^ h >> 32;
}

/* text_wanted finds what was decided for a text when it first came. */
static bool text_wanted(struct selector *s, struct str text)
{
	uint64_t id = hash(text);

	if (!symbols_find(s->texts, id).len)
		symbols_learn(s->texts, id, text);
	if (text.len && str_equal(symbols_find(s->texts, id), text))
		return symbols_wanted(s->texts, id);
	return wants_text(s->selection, text); /* too long, the table full, or the same hash */
}

enum { FIX_TAG_SYMBOL = 55 };

/* fix_wanted: a message may name many instruments. */
static bool fix_wanted(struct selector *s, const struct ev_fix_message *fix)
{
	bool any = false;

	for (uint32_t i = 0; i < fix->tags_n; i++) {
		const struct ev_fix_message_tag *tag = &fix->tags[i];

		if (tag->tag != FIX_TAG_SYMBOL)
			continue;
		if (text_wanted(s, (struct str){(const char *)tag->value.p, tag->length}))
			return true;
		any = true;
	}
	return !any;
}

static bool wanted(struct selector *s, const struct events *evs, const struct event *ev)
{
	switch (ev->type) {
	case EVENT_MBO:
	case EVENT_MBP:
	case EVENT_BBO:
	case EVENT_TRADE:
	case EVENT_IMBALANCE:
	case EVENT_STATS:
		break;
	case EVENT_FIX:
		return fix_wanted(s, &ev->fix);
	default:
		return true;
	}
	if (ev->instrument_id && evs->symbols)
		return symbols_wanted(evs->symbols, ev->instrument_id);
	if (ev->symbol.len)
		return text_wanted(s, ev->symbol);
	return !ev->instrument_id || selection_has_id(s->selection, ev->instrument_id);
}

void selection_apply(struct events *evs)
{
	uint32_t n = evs->selected;

	for (uint32_t i = n; i < evs->n; i++)
		if (wanted(evs->selector, evs, evs->ev[i]))
			evs->ev[n++] = evs->ev[i];
	evs->unwanted += evs->n - n;
	evs->n = evs->selected = n;
}

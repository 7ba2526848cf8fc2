#include "engine/config/config.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/utf8.h"
#include "engine/config/config_rows.h"

/* config_text is one text that the configuration owns; what was overwritten lives until
 * config_free. */
struct config_text {
	struct config_text *next;
	char text[];
};

static const char *text_keep(struct config *cfg, struct str text)
{
	struct config_text *t = malloc(sizeof(*t) + text.len + 1);

	if (!t)
		return NULL;
	if (text.len)
		memcpy(t->text, text.p, text.len);
	t->text[text.len] = '\0';
	t->next = cfg->texts;
	cfg->texts = t;
	return t->text;
}

static int no_memory(char error[CONFIG_ERROR])
{
	config_say(error, "no memory");
	return -ENOMEM;
}

static struct str word_next(struct str *rest, const char *dividers)
{
	struct str word;

	while (rest->len && strchr(dividers, rest->p[0])) {
		rest->p++;
		rest->len--;
	}
	word = (struct str){rest->p, 0};
	while (word.len < rest->len && !strchr(dividers, word.p[word.len]))
		word.len++;
	rest->p += word.len;
	rest->len -= word.len;
	return word;
}

/* number_read takes decimal digits alone. */
static bool number_read(struct str text, uint64_t *number)
{
	uint64_t n = 0;

	for (uint32_t i = 0; i < text.len; i++)
		if (text.p[i] < '0' || text.p[i] > '9' || __builtin_mul_overflow(n, 10u, &n) ||
			__builtin_add_overflow(n, (uint64_t)(text.p[i] - '0'), &n))
			return false;
	*number = n;
	return text.len > 0;
}

static bool number_within(struct str text, uint64_t min, uint64_t max, uint64_t *number)
{
	return number_read(text, number) && *number >= min && *number <= max;
}

/* word_find returns the position of word among the row's, or -1. */
static int word_find(const struct config_row *row, struct str word)
{
	struct str words = str_of(row->arg);

	for (int i = 0; words.len; i++)
		if (str_equal(word_next(&words, "|"), word))
			return i;
	return -1;
}

/* set_find returns the bits that a word stands for: itself, "md" for each "md.x", "all"; 0:
 * unknown. */
static uint32_t set_find(const struct config_row *row, struct str word)
{
	struct str words = str_of(row->arg), known;
	uint32_t bits = 0;

	for (unsigned i = 0; words.len; i++) {
		known = word_next(&words, "|");
		if (str_equal(word, STR("all")) || str_equal(word, known) ||
			(known.len > word.len && known.p[word.len] == '.' &&
				memcmp(known.p, word.p, word.len) == 0))
			bits |= 1u << i;
	}
	return bits;
}

static bool date_read(struct str text, uint32_t *date)
{
	static const uint8_t days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
	uint64_t n;
	char digits[8];
	uint32_t y, m, d;
	bool leap;

	if (text.len == 0) {
		*date = 0;
		return true;
	}
	if (text.len == 10 && text.p[4] == '-' && text.p[7] == '-') { /* as YAML writes dates */
		memcpy(digits, text.p, 4);
		memcpy(digits + 4, text.p + 5, 2);
		memcpy(digits + 6, text.p + 8, 2);
		text = (struct str){digits, 8};
	}
	if (text.len != 8 || !number_read(text, &n))
		return false;
	y = (uint32_t)n / 10000, m = (uint32_t)n / 100 % 100, d = (uint32_t)n % 100;
	leap = y % 4 == 0 && (y % 100 != 0 || y % 400 == 0);
	*date = (uint32_t)n;
	return y >= 1970 && y < 2262 && m >= 1 && m <= 12 && d >= 1 &&
	       d <= days[m - 1] + (uint32_t)(m == 2 && leap);
}

/* speed_read takes "max" or a plain decimal number above 0 ("0.5", "10"). */
static bool speed_read(struct str text, double *speed)
{
	char digits[24], *end;

	if (str_equal(text, STR("max"))) {
		*speed = 0;
		return true;
	}
	if (text.len == 0 || text.len >= sizeof(digits))
		return false;
	memcpy(digits, text.p, text.len);
	digits[text.len] = '\0';
	if (strspn(digits, "0123456789.") != text.len)
		return false;
	*speed = strtod(digits, &end);
	return *end == '\0' && *speed >= 0.001 && *speed <= 1e6;
}

static bool flag_read(struct str text, bool *flag)
{
	static const char *const words[] = {"false", "no", "off", "true", "yes", "on"};

	for (unsigned i = 0; i < 6; i++)
		if (str_equal(text, str_of(words[i]))) {
			*flag = i >= 3;
			return true;
		}
	return false;
}

static bool set_read(const struct config_row *row, struct str text, uint32_t *set)
{
	uint32_t bits;

	*set = 0;
	for (struct str word; (word = word_next(&text, ", ")).len; *set |= bits)
		if (!(bits = set_find(row, word)))
			return false;
	return *set != 0;
}

static bool ports_read(const struct config_row *row, struct str text, struct config_ports *ports)
{
	uint64_t port;

	ports->n = 0;
	for (struct str word; (word = word_next(&text, ", ")).len;
		ports->v[ports->n++] = (uint16_t)port)
		if (ports->n == row->max || !number_within(word, 1, 65535, &port))
			return false;
	return true;
}

/* expected says what a row takes. */
static void expected(char error[CONFIG_ERROR], const struct config_row *row)
{
	switch (row->kind) {
	case KIND_NUMBER:
		if (row->max == UINT64_MAX)
			config_say(error, "expected a whole number of %s", row->arg);
		else
			config_say(error, "expected a whole number of %s from %ju to %ju", row->arg,
				(uintmax_t)row->min, (uintmax_t)row->max);
		break;
	case KIND_FLAG:
		config_say(error, "expected true or false");
		break;
	case KIND_DATE:
		config_say(error, "expected a date as YYYYMMDD");
		break;
	case KIND_SPEED:
		config_say(error, "expected max or a number from 0.001 to 1000000");
		break;
	case KIND_WORD:
		config_say(error, "expected one of %s", row->arg);
		break;
	case KIND_SET:
		config_say(error, "expected some of %s|md|net|all, divided by commas", row->arg);
		break;
	case KIND_PORTS:
		config_say(
			error, "expected at most %ju ports from 1 to 65535", (uintmax_t)row->max);
		break;
	case KIND_PAIRS:
		config_say(error, "expected a mapping of %s", row->arg);
		break;
	default:
		config_say(error, "expected at most %ju %s", (uintmax_t)row->max,
			row->kind == KIND_TEXT ? "bytes of UTF-8 text" : "texts");
	}
}

static bool name_sound(struct str name)
{
	for (uint32_t i = 0; i < name.len; i++)
		if (!strchr("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-",
			    name.p[i]) ||
			!name.p[i])
			return false;
	return name.len > 0 && name.len <= 255;
}

int config_append(struct config *cfg, const struct config_row *row, void *entry, struct str name,
	struct str text, char error[CONFIG_ERROR])
{
	struct config_texts *texts = (void *)((char *)entry + row->offset);
	struct config_pairs *pairs = (void *)((char *)entry + row->offset);
	const char *kept = text_keep(cfg, text), *kept_name = text_keep(cfg, name);
	void *grown;

	if (!kept || !kept_name)
		return no_memory(error);
	if (row->kind == KIND_PAIRS && !name_sound(name)) {
		config_say(error,
			"\"%.*s\": expected a name of at most 255 letters, digits, _, - and dots",
			(int)(name.len > 64 ? 64 : name.len), name.p);
		return -EINVAL;
	}
	if (!utf8_text(text)) {
		config_say(error, "expected UTF-8 without NUL");
		return -EINVAL;
	}
	if (row->kind == KIND_PAIRS) {
		for (unsigned i = 0; i < pairs->n; i++)
			if (str_equal(name, str_of(pairs->v[i][0]))) {
				pairs->v[i][1] = kept;
				return 0;
			}
	}
	if (*(row->kind == KIND_PAIRS ? &pairs->n : &texts->n) >= row->max) {
		expected(error, row);
		return -EINVAL;
	}
	if (row->kind == KIND_PAIRS) {
		grown = realloc(pairs->v, (pairs->n + 2) * sizeof(*pairs->v));
		if (!grown)
			return no_memory(error);
		pairs->v = grown;
		pairs->v[pairs->n][0] = kept_name;
		pairs->v[pairs->n++][1] = kept;
		pairs->v[pairs->n][0] = pairs->v[pairs->n][1] = NULL;
	} else {
		grown = realloc(texts->v, (texts->n + 2) * sizeof(*texts->v));
		if (!grown)
			return no_memory(error);
		texts->v = grown;
		texts->v[texts->n++] = kept;
		texts->v[texts->n] = NULL;
	}
	return 0;
}

static void value_free(const struct config_row *row, void *entry)
{
	struct config_texts *texts = (void *)((char *)entry + row->offset);
	struct config_pairs *pairs = (void *)((char *)entry + row->offset);

	if (row->kind == KIND_TEXTS) {
		free(texts->v);
		*texts = (struct config_texts){NULL, 0};
	} else if (row->kind == KIND_PAIRS) {
		free(pairs->v);
		*pairs = (struct config_pairs){NULL, 0};
	}
}

static int texts_read(struct config *cfg, const struct config_row *row, void *entry,
	struct str text, char error[CONFIG_ERROR])
{
	struct str rest = text;
	unsigned n = 0;
	int rc = 0;

	while (word_next(&rest, " ").len)
		n++;
	if (n > row->max) {
		expected(error, row);
		return -EINVAL;
	}
	value_free(row, entry);
	for (struct str word; rc == 0 && (word = word_next(&text, " ")).len;)
		rc = config_append(cfg, row, entry, STR(""), word, error);
	return rc;
}

int config_value(struct config *cfg, const struct config_row *row, void *entry, struct str text,
	char error[CONFIG_ERROR])
{
	void *at = (char *)entry + row->offset;
	union {
		uint64_t number;
		uint32_t word;
		bool flag;
		double speed;
		struct config_ports ports;
		const char *text;
	} v;
	size_t size = 0; /* of the member that was read; 0: refused */
	int i;

	switch (row->kind) {
	case KIND_TEXT:
		if (text.len <= row->max && utf8_text(text)) {
			v.text = text_keep(cfg, text);
			if (!v.text)
				return no_memory(error);
			size = sizeof(v.text);
		}
		break;
	case KIND_TEXTS:
		return texts_read(cfg, row, entry, text, error);
	case KIND_PAIRS:
		if (text.len == 0) {
			value_free(row, entry);
			return 0;
		}
		break;
	case KIND_PORTS:
		size = ports_read(row, text, &v.ports) ? sizeof(v.ports) : 0;
		break;
	case KIND_NUMBER:
		size = number_within(text, row->min, row->max, &v.number) ? sizeof(v.number) : 0;
		break;
	case KIND_DATE:
		size = date_read(text, &v.word) ? sizeof(v.word) : 0;
		break;
	case KIND_SPEED:
		size = speed_read(text, &v.speed) ? sizeof(v.speed) : 0;
		break;
	case KIND_FLAG:
		size = flag_read(text, &v.flag) ? sizeof(v.flag) : 0;
		break;
	case KIND_WORD:
		i = word_find(row, text);
		v.word = (uint32_t)i;
		size = i >= 0 ? sizeof(v.word) : 0;
		break;
	case KIND_SET:
		size = set_read(row, text, &v.word) ? sizeof(v.word) : 0;
		break;
	}
	if (size == 0) {
		if (row->kind != KIND_TEXT) /* a text may hold a secret */
			config_say(
				error, "\"%.*s\": ", (int)(text.len > 64 ? 64 : text.len), text.p);
		expected(error, row);
		return -EINVAL;
	}
	memcpy(at, &v, size);
	return 0;
}

int config_reset(
	struct config *cfg, const struct config_row *row, void *entry, char error[CONFIG_ERROR])
{
	return config_value(cfg, row, entry, str_of(row->dflt), error);
}

static int entry_reset(
	struct config *cfg, const struct config_group *group, void *entry, char error[CONFIG_ERROR])
{
	int rc = 0;

	for (unsigned i = 0; i < config_rows_n && rc == 0; i++)
		if (&config_groups[config_rows[i].group] == group)
			rc = config_reset(cfg, &config_rows[i], entry, error);
	return rc;
}

static void entry_free(const struct config_group *group, void *entry)
{
	for (unsigned i = 0; i < config_rows_n; i++)
		if (&config_groups[config_rows[i].group] == group)
			value_free(&config_rows[i], entry);
}

void *config_add(struct config *cfg, const struct config_group *group, char error[CONFIG_ERROR])
{
	unsigned *n = config_entries(cfg, group);
	void *array = config_entry(cfg, group, 0), *entry;

	if (*n >= group->most) {
		config_say(error, "%s: expected at most %u entries", group->name, group->most);
		return NULL;
	}
	array = realloc(array, (*n + 1) * group->size);
	if (!array) {
		no_memory(error);
		return NULL;
	}
	memcpy((char *)cfg + group->offset, &array, sizeof(array));
	entry = (char *)array + *n * group->size;
	memset(entry, 0, group->size);
	++*n;
	return entry_reset(cfg, group, entry, error) == 0 ? entry : NULL;
}

static void list_clear(struct config *cfg, const struct config_group *group)
{
	unsigned *n = config_entries(cfg, group);
	void *none = NULL;

	for (unsigned i = 0; i < *n; i++)
		entry_free(group, config_entry(cfg, group, i));
	free(config_entry(cfg, group, 0));
	memcpy((char *)cfg + group->offset, &none, sizeof(none));
	*n = 0;
}

int config_init(struct config *cfg)
{
	char error[CONFIG_ERROR] = "";
	int rc = 0;

	memset(cfg, 0, sizeof(*cfg));
	for (unsigned i = 0; i < GROUP_COUNT && rc == 0; i++)
		if (!config_groups[i].most)
			rc = entry_reset(cfg, &config_groups[i],
				config_entry(cfg, &config_groups[i], 0), error);
	if (rc < 0)
		config_free(cfg);
	return rc;
}

void config_free(struct config *cfg)
{
	for (unsigned i = 0; i < GROUP_COUNT; i++)
		if (config_groups[i].most)
			list_clear(cfg, &config_groups[i]);
		else
			entry_free(&config_groups[i], config_entry(cfg, &config_groups[i], 0));
	for (struct config_text *t = cfg->texts, *next; t; t = next) {
		next = t->next;
		free(t);
	}
	memset(cfg, 0, sizeof(*cfg));
}

void config_clear(struct config *cfg, const char *key)
{
	struct str rest = str_of(key);
	const struct config_group *group = config_group_find(word_next(&rest, "."));
	const struct config_row *row = group ? config_row_find(group, word_next(&rest, ".")) : NULL;
	char error[CONFIG_ERROR] = "";

	if (row && !group->most)
		config_reset(cfg, row, config_entry(cfg, group, 0), error);
	else if (group && group->most)
		list_clear(cfg, group);
}

/* entry_find goes from "sinks.0" or "source" to the struct, adding the entry behind the last one.
 */
static void *entry_find(struct config *cfg, const struct config_group *group, struct str *path,
	char error[CONFIG_ERROR])
{
	uint64_t i;
	struct str word;

	if (!group->most)
		return config_entry(cfg, group, 0);
	word = word_next(path, ".");
	if (!number_read(word, &i) || i > *config_entries(cfg, group)) {
		config_say(error, "%s.%.*s: expected the number of an entry from 0 to %u",
			group->name, (int)word.len, word.p, *config_entries(cfg, group));
		return NULL;
	}
	if (i == *config_entries(cfg, group))
		return config_add(cfg, group, error);
	return config_entry(cfg, group, (unsigned)i);
}

int config_set(struct config *cfg, const char *assignment, char error[CONFIG_ERROR])
{
	const char *equals = strchr(assignment, '=');
	struct str path = {assignment, equals ? (uint32_t)(equals - assignment) : 0}, word, rest;
	const struct config_group *group;
	const struct config_row *row;
	void *entry;

	error[0] = '\0';
	if (!equals) {
		config_say(error, "%s: expected KEY=VALUE", assignment);
		return -EINVAL;
	}
	rest = path;
	word = word_next(&rest, ".");
	group = config_group_find(word);
	if (!group) {
		config_say(error, "unknown key %.*s", (int)path.len, path.p);
		config_unknown(error, word, NULL);
		return -EINVAL;
	}
	entry = entry_find(cfg, group, &rest, error);
	if (!entry)
		return -EINVAL;
	word = word_next(&rest, ".");
	row = config_row_find(group, word);
	if (!row || (rest.len > 1) != (row->kind == KIND_PAIRS)) {
		config_say(error, "unknown key %.*s", (int)path.len, path.p);
		if (row)
			config_say(error,
				row->kind == KIND_PAIRS ? ": expected %s.NAME" : ": known is %s",
				row->key);
		else
			config_unknown(error, word, group);
		return -EINVAL;
	}
	if (row->kind == KIND_PAIRS)
		return config_append(cfg, row, entry, (struct str){rest.p + 1, rest.len - 1},
			str_of(equals + 1), error);
	config_say(error, "%.*s=", (int)path.len, path.p);
	return config_value(cfg, row, entry, str_of(equals + 1), error);
}

/* config_rows: the rows of config.def as tables, for the files that read, check, print and document
 * them. */
#pragma once

#include "base/bytes.h"
#include "engine/config/config.h"

enum config_kind {
	KIND_TEXT,
	KIND_TEXTS,
	KIND_PAIRS,
	KIND_PORTS,
	KIND_NUMBER,
	KIND_DATE,
	KIND_SPEED,
	KIND_FLAG,
	KIND_WORD,
	KIND_SET,
};

struct config_row {
	unsigned group;
	enum config_kind kind;
	const char *key, *dflt;
	uint64_t min, max;
	const char *arg; /* unit, words divided by |, or what stands for the value in help */
	const char *help;
	size_t offset; /* in the group's struct */
};

/* config_group is a section, or a list of entries of one shape. */
struct config_group {
	const char *name, *help;
	unsigned most; /* entries of a list, 0: a section */
	size_t offset, n_offset,
		size; /* of the struct (section) or array (list) and its length in struct config */
};

enum {
#define SECTION(name, help) GROUP_##name,
#define END_SECTION(name)
#define LIST(item, name, most, help) GROUP_##item,
#define END_LIST(item, name)
#define ROW(section, key, kind, dflt, min, max, arg, help)
#include "engine/config/config.def"
	GROUP_COUNT
};

extern const struct config_row config_rows[];
extern const unsigned config_rows_n;
extern const struct config_group config_groups[GROUP_COUNT];

/* config_group_find, config_row_find return NULL for an unknown name. */
const struct config_group *config_group_find(struct str name);
const struct config_row *config_row_find(const struct config_group *group, struct str key);

/* config_unknown writes " (did you mean …)" or the list of what is known behind what error already
 * says. Takes    group: whose keys are known, or NULL for the names of the groups */
void config_unknown(char error[CONFIG_ERROR], struct str word, const struct config_group *group);

/* config_say appends to error what fits. */
void config_say(char error[CONFIG_ERROR], const char *format, ...)
	__attribute__((format(printf, 2, 3)));

/* config_entry returns the struct that group's rows lie in: the section, or entry i of the list. */
void *config_entry(const struct config *cfg, const struct config_group *group, unsigned i);
unsigned *config_entries(const struct config *cfg, const struct config_group *group);

/* config_add appends an entry of defaults to a list.
 * Returns  the entry, or NULL with error: full, or no memory */
void *config_add(struct config *cfg, const struct config_group *group, char error[CONFIG_ERROR]);

/* config_value reads text as the row's kind says into the struct at entry.
 * config_append adds one text or pair (name, text) to a TEXTS or PAIRS row; a name already there is
 * replaced. config_reset puts the default back. Returns  0, or -EINVAL (-ENOMEM) with the reason
 * appended to error and entry unchanged */
int config_value(struct config *cfg, const struct config_row *row, void *entry, struct str text,
	char error[CONFIG_ERROR]);
int config_append(struct config *cfg, const struct config_row *row, void *entry, struct str name,
	struct str text, char error[CONFIG_ERROR]);
int config_reset(
	struct config *cfg, const struct config_row *row, void *entry, char error[CONFIG_ERROR]);

/* config_secret says whether a key's or property's value must never be shown. */
bool config_secret(struct str name);

/* config_uri_mask copies uri with passwords and secret query values replaced by ***. */
void config_uri_mask(char *out, size_t room, const char *uri);

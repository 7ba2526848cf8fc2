#include "engine/config/config_rows.h"

#include <stdarg.h>

#include "base/nearest.h"

const struct config_row config_rows[] = {
#define SECTION(name, help)
#define END_SECTION(name)
#define LIST(item, name, most, help)
#define END_LIST(item, name)
#define ROW(section, key, kind, dflt, min, max, arg, help)                                         \
	{GROUP_##section, KIND_##kind, #key, dflt, min, max, arg, help,                            \
		offsetof(struct config_##section, key)},
#include "engine/config/config.def"
};
const unsigned config_rows_n = sizeof(config_rows) / sizeof(config_rows[0]);

const struct config_group config_groups[GROUP_COUNT] = {
#define SECTION(name, help)                                                                        \
	{#name, help, 0, offsetof(struct config, name), 0, sizeof(struct config_##name)},
#define END_SECTION(name)
#define LIST(item, name, most, help)                                                               \
	{#name, help, most, offsetof(struct config, name), offsetof(struct config, name##_n),      \
		sizeof(struct config_##item)},
#define END_LIST(item, name)
#define ROW(section, key, kind, dflt, min, max, arg, help)
#include "engine/config/config.def"
};

const struct config_group *config_group_find(struct str name)
{
	for (unsigned i = 0; i < GROUP_COUNT; i++)
		if (str_equal(name, str_of(config_groups[i].name)))
			return &config_groups[i];
	return NULL;
}

const struct config_row *config_row_find(const struct config_group *group, struct str key)
{
	for (unsigned i = 0; i < config_rows_n; i++)
		if (&config_groups[config_rows[i].group] == group &&
			str_equal(key, str_of(config_rows[i].key)))
			return &config_rows[i];
	return NULL;
}

void config_say(char error[CONFIG_ERROR], const char *format, ...)
{
	size_t len = strlen(error);
	va_list args;

	va_start(args, format);
	vsnprintf(error + len, CONFIG_ERROR - len, format, args);
	va_end(args);
}

void config_unknown(char error[CONFIG_ERROR], struct str word, const struct config_group *group)
{
	struct nearest near = {.word = word.p, .len = word.len};
	const struct config_group *known;

	for (unsigned i = 0; !group && i < GROUP_COUNT; i++)
		nearest_offer(&near, config_groups[i].name);
	for (unsigned i = 0; group && i < config_rows_n; i++)
		if (&config_groups[config_rows[i].group] == group)
			nearest_offer(&near, config_rows[i].key);
	if (near.best) {
		config_say(error, ": did you mean %s?", near.best);
		return;
	}
	for (unsigned i = 0; i < config_rows_n; i++) { /* the right key in the wrong place */
		known = &config_groups[config_rows[i].group];
		if (str_equal(word, str_of(config_rows[i].key))) {
			config_say(error, ": did you mean %s.%s%s?", known->name,
				known->most ? "N." : "", config_rows[i].key);
			return;
		}
	}
	config_say(error, ": known here are");
	for (unsigned i = 0; !group && i < GROUP_COUNT; i++)
		config_say(error, "%s %s", i ? "," : "", config_groups[i].name);
	for (unsigned i = 0, n = 0; group && i < config_rows_n; i++)
		if (&config_groups[config_rows[i].group] == group)
			config_say(error, "%s %s", n++ ? "," : "", config_rows[i].key);
}

void *config_entry(const struct config *cfg, const struct config_group *group, unsigned i)
{
	char *at = (char *)(uintptr_t)cfg + group->offset, *array;

	if (!group->most)
		return at;
	memcpy(&array, at, sizeof(array)); /* the pointer to the array, whatever its type */
	return array ? array + i * group->size : NULL;
}

unsigned *config_entries(const struct config *cfg, const struct config_group *group)
{
	return (unsigned *)(void *)((char *)(uintptr_t)cfg + group->n_offset);
}

bool config_secret(struct str name)
{
	static const char *const words[] = {"password", "passwd", "secret", "passphrase", "token",
		"key.pem", "jaas", "oauthbearer.config", "private"};

	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
		size_t len = strlen(words[i]);

		for (size_t at = 0; at + len <= name.len; at++)
			if (strncasecmp(name.p + at, words[i], len) == 0)
				return true;
	}
	return false;
}

void config_uri_mask(char *out, size_t room, const char *uri)
{
	const char *host = strstr(uri, "://"), *query = strchr(uri, '?');
	const char *p = uri, *end = out + room - 1;

	host = host ? host + 3 : uri;
	for (const char *at = host; host != uri && *at && at != query; at++)
		if (*at == '@') { /* user:password@ */
			const char *colon = memchr(host, ':', (size_t)(at - host));

			for (const char *c = uri; colon && c <= colon && out < end; c++)
				*out++ = *c;
			for (int i = 0; colon && i < 3 && out < end; i++)
				*out++ = '*';
			if (colon)
				p = at;
			break;
		}
	while (*p && out < end) {
		bool key = (*p == '?' || *p == '&') && query && p >= query;

		*out++ = *p++;
		if (key) {
			size_t len = strcspn(p, "=&");

			if (p[len] != '=' || !config_secret((struct str){p, (uint32_t)len}))
				continue;
			for (size_t i = 0; i <= len && out < end; i++)
				*out++ = *p++;
			for (int i = 0; i < 3 && out < end; i++)
				*out++ = '*';
			p += strcspn(p, "&");
		}
	}
	*out = '\0';
}

#include "publish/sink.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/nearest.h"

static const char *const when_full_text[] = {
	[WHEN_FULL_DEFAULT] = "default",
	[WHEN_FULL_BLOCK] = "block",
	[WHEN_FULL_DROP_NEWEST] = "drop_newest",
	[WHEN_FULL_DROP_OLDEST] = "drop_oldest",
	[WHEN_FULL_STOP] = "stop",
	[WHEN_FULL_SUBSCRIBER] = "subscriber",
	[WHEN_FULL_DROP] = "drop",
};
enum { WHEN_FULL_COUNT = sizeof(when_full_text) / sizeof(when_full_text[0]) };

int when_full_parse(const char *text, enum when_full *when_full)
{
	for (unsigned i = 0; i < WHEN_FULL_COUNT; i++)
		if (strcmp(text, when_full_text[i]) == 0) {
			*when_full = (enum when_full)i;
			return 0;
		}
	return -EINVAL;
}

const char *when_full_name(enum when_full when_full)
{
	return when_full_text[when_full];
}

static const char *const common_keys[] = {"when_full", "quota", NULL};

static bool key_matches(const char *known, const char *key)
{
	size_t len = strlen(known);

	if (len && known[len - 1] == '*')
		return strncmp(known, key, len - 1) == 0 && key[len - 1];
	return strcmp(known, key) == 0;
}

static bool keys_have(const char *const *keys, const char *key, struct nearest *near)
{
	for (; keys && *keys; keys++) {
		if (key_matches(*keys, key))
			return true;
		nearest_offer(near, *keys);
	}
	return false;
}

/* quota and when_full mean the same for every sink. */
static int common_set(struct sink_uri *out, const char *key, const char *value, char error[256])
{
	if (strcmp(key, "when_full") == 0) {
		bool zmq_word, zmq = strcmp(out->sink->name, "zmq") == 0;

		if (when_full_parse(value, &out->opt.when_full) < 0)
			goto no_word;
		zmq_word = out->opt.when_full == WHEN_FULL_SUBSCRIBER ||
			   out->opt.when_full == WHEN_FULL_DROP;
		if (zmq_word && !zmq)
			goto no_word;
	}
	if (strcmp(key, "quota") == 0)
		return sink_param_number(&out->opt, key, 0, 1048576, &out->opt.quota, error);
	return 0;

no_word:
	snprintf(error, 256,
		"%s: when_full=%s is not known here: block, drop_newest, drop_oldest, stop "
		"(zmq also: subscriber, drop)",
		out->sink->name, value);
	return -EINVAL;
}

/* shown_len is how much of a URI an error shows: what stands behind ? may be secret. */
static int shown_len(const char *uri)
{
	size_t len = strcspn(uri, "?");

	return len < 80 ? (int)len : 80;
}

int sink_uri_add(struct sink_uri *out, const char *key, const char *value, char error[256])
{
	struct nearest near = {.word = key, .len = strlen(key)};
	const size_t room = sizeof(out->params) / sizeof(out->params[0]);

	if (!keys_have(out->sink->keys, key, &near) && !keys_have(common_keys, key, &near)) {
		snprintf(error, 256, "%s: unknown key %.60s%s%s%s; known: %s", out->sink->name, key,
			near.best ? " (did you mean " : "", near.best ? near.best : "",
			near.best ? "?)" : "", out->sink->help);
		return -EINVAL;
	}
	if (out->opt.params_n == room) {
		snprintf(error, 256, "%s: more than %zu keys", out->sink->name, room);
		return -E2BIG;
	}
	out->params[out->opt.params_n++] = (struct sink_param){key, value};
	out->opt.params = out->params;
	return common_set(out, key, value, error);
}

/* sink_named finds the sink of this URI scheme, or says what there is. */
static const struct sink *sink_named(const char *kind, const char *uri, char error[256])
{
	struct nearest near = {.word = kind, .len = strlen(kind)};
	int at;

	for (const struct sink *const *s = sinks; *s; s++) {
		if (strcmp((*s)->name, kind) == 0)
			return *s;
		nearest_offer(&near, (*s)->name);
	}
	at = snprintf(error, 256, "%.*s: no kind of sink%s%s%s; there are:", shown_len(uri), uri,
		near.best ? " (did you mean " : "", near.best ? near.best : "",
		near.best ? ":?)" : "");
	for (const struct sink *const *s = sinks; *s && at > 0 && at < 200; s++)
		at += snprintf(error + at, 256 - (size_t)at, " %s:", (*s)->name);
	return NULL;
}

int sink_uri_parse(struct sink_uri *out, const char *uri, char error[256])
{
	char *colon, *query;
	int rc;

	memset(out, 0, sizeof(*out));
	out->opt.uri = uri;
	if (strlen(uri) >= sizeof(out->text)) {
		snprintf(error, 256, "%.*s…: longer than %zu characters", shown_len(uri), uri,
			sizeof(out->text) - 1);
		return -EINVAL;
	}
	memcpy(out->text, uri, strlen(uri) + 1);
	colon = strchr(out->text, ':');
	if (!colon) {
		snprintf(error, 256, "%.*s: not of the form KIND:TARGET (text:-, zmq://*:5556, …)",
			shown_len(uri), uri);
		return -EINVAL;
	}
	*colon = 0;
	out->sink = sink_named(out->text, uri, error);
	if (!out->sink)
		return -EINVAL;
	out->opt.target = strncmp(colon + 1, "//", 2) == 0 ? colon + 3 : colon + 1;
	query = strchr(out->opt.target, '?');
	while (query) {
		char *key = query + 1, *value;

		*query = 0;
		query = strchr(key, '&');
		if (query)
			*query = 0;
		value = strchr(key, '=');
		if (!*key)
			continue;
		if (!value) {
			snprintf(error, 256, "%s: key %.80s has no =value", out->sink->name, key);
			return -EINVAL;
		}
		*value = 0;
		rc = sink_uri_add(out, key, value + 1, error);
		if (rc < 0)
			return rc;
	}
	return 0;
}

const char *sink_param(const struct sink_options *opt, const char *key, const char *fallback)
{
	for (unsigned i = opt->params_n; i-- > 0;)
		if (strcmp(opt->params[i].key, key) == 0)
			return opt->params[i].value;
	return fallback;
}

int sink_param_number(const struct sink_options *opt, const char *key, unsigned min, unsigned max,
	unsigned *value, char error[256])
{
	const char *text = sink_param(opt, key, NULL);
	unsigned long n;
	char *end;

	if (!text)
		return 0;
	errno = 0;
	n = strtoul(text, &end, 10);
	if (errno || end == text || *end || text[0] == '-' || n < min || n > max) {
		snprintf(error, 256, "%.*s: %s=%.40s: expected a number, %u to %u",
			shown_len(opt->uri), opt->uri, key, text, min, max);
		return -EINVAL;
	}
	*value = (unsigned)n;
	return 0;
}

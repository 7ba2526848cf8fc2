#include "engine/config/feed_spec.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/nearest.h"
#include "engine/config/config_rows.h"

static bool any(const struct address *a)
{
	static const uint8_t none[16];

	return memcmp(a->ip, none, sizeof(none)) == 0;
}

/* address_read takes "1.2.3.4" or "ff02::1"; "" and "*" are any. */
static bool address_read(const char *text, struct address *a)
{
	static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};

	memset(a->ip, 0, sizeof(a->ip));
	if (!*text || strcmp(text, "*") == 0 || inet_pton(AF_INET6, text, a->ip) == 1)
		return true;
	memcpy(a->ip, mapped, sizeof(mapped));
	return inet_pton(AF_INET, text, a->ip + 12) == 1;
}

static void address_print(char out[INET6_ADDRSTRLEN], const struct address *a)
{
	static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};

	if (any(a))
		memcpy(out, "*", 2);
	else if (memcmp(a->ip, mapped, sizeof(mapped)) == 0)
		inet_ntop(AF_INET, a->ip + 12, out, INET6_ADDRSTRLEN);
	else
		inet_ntop(AF_INET6, a->ip, out, INET6_ADDRSTRLEN);
}

int feed_spec_from_config(
	struct feed_line *line, const struct config_feed *feed, char error[CONFIG_ERROR])
{
	struct nearest near = {.word = feed->protocol, .len = strlen(feed->protocol)};

	error[0] = '\0';
	memset(line, 0, sizeof(*line));
	line->protocol = protocol_find(str_of(feed->protocol));
	if (!line->protocol) {
		config_say(error, "unknown protocol \"%s\"", feed->protocol);
		for (const struct protocol *const *p = protocols; *p; p++)
			nearest_offer(&near, (*p)->name);
		if (near.best)
			config_say(error, ": did you mean %s?", near.best);
		for (const struct protocol *const *p = protocols; *p && !near.best; p++)
			config_say(
				error, "%s %s", p == protocols ? ": known are" : ",", (*p)->name);
		return -EINVAL;
	}
	if (strspn(feed->venue, "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789") != strlen(feed->venue)) {
		config_say(error, "venue \"%s\": expected a market code of capitals and digits",
			feed->venue);
		return -EINVAL;
	}
	if (!address_read(feed->group, &line->dst)) {
		config_say(
			error, "group \"%s\": expected an IPv4 or IPv6 address, or *", feed->group);
		return -EINVAL;
	}
	if (feed->port == 0 && !any(&line->dst)) {
		config_say(error, "group %s without port: expected the port of the packets too",
			feed->group);
		return -EINVAL;
	}
	if (feed->transport && !line->protocol->unit) {
		config_say(error, "%s is not carried over TCP: expected transport udp",
			feed->protocol);
		return -EINVAL;
	}
	line->dst.port = (uint16_t)feed->port;
	snprintf(line->venue, sizeof(line->venue), "%s",
		*feed->venue ? feed->venue : line->protocol->venue);
	line->channel = (uint32_t)feed->channel;
	line->line = (uint8_t)feed->line;
	line->tcp = feed->transport != 0;
	return 0;
}

void feed_spec_print(char out[FEED_SPEC_TEXT], const struct feed_line *line)
{
	char ip[INET6_ADDRSTRLEN], where[INET6_ADDRSTRLEN + 16] = "", venue[32] = "";

	address_print(ip, &line->dst);
	if (line->dst.port || !any(&line->dst))
		snprintf(where, sizeof(where), strchr(ip, ':') ? "@[%s]:%u" : "@%s:%u", ip,
			line->dst.port);
	if (strcmp(line->venue, line->protocol->venue) != 0)
		snprintf(venue, sizeof(venue), ",venue=%s", line->venue);
	snprintf(out, FEED_SPEC_TEXT, "%s%s,channel=%u,line=%c%s%s", line->protocol->name, where,
		line->channel, 'A' + line->line, venue, line->tcp ? ",transport=tcp" : "");
}

int feed_spec_to_config(const struct feed_line *line, struct config *cfg, char error[CONFIG_ERROR])
{
	const struct config_group *feeds = &config_groups[GROUP_feed];
	char ip[INET6_ADDRSTRLEN];
	struct config_feed *feed;
	struct {
		const char *key, *text;
	} texts[] = {{"protocol", line->protocol->name}, {"group", ip}, {"venue", line->venue}};

	error[0] = '\0';
	address_print(ip, &line->dst);
	feed = config_add(cfg, feeds, error);
	if (!feed)
		return -EINVAL;
	feed->port = line->dst.port;
	feed->channel = line->channel;
	feed->line = line->line;
	feed->transport = line->tcp;
	for (unsigned i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
		if (config_value(cfg, config_row_find(feeds, str_of(texts[i].key)), feed,
			    str_of(texts[i].text), error) < 0)
			return -EINVAL;
	return 0;
}

/* where_read splits "group:port" or "[group]:port" in place. */
static int where_read(struct config_feed *feed, char *where, char error[CONFIG_ERROR])
{
	char *colon = strrchr(where, ':'), *end = colon ? strchr(where, ']') : NULL;
	unsigned port = 0;
	char rest;

	if (!colon || (where[0] == '[') != (end != NULL) || (end && end + 1 != colon) ||
		colon[1] < '0' || colon[1] > '9' || strlen(colon + 1) > 5 ||
		sscanf(colon + 1, "%u%c", &port, &rest) != 1 || port == 0 || port > 65535) {
		config_say(error, "@%s: expected @GROUP:PORT, an IPv6 group in brackets", where);
		return -EINVAL;
	}
	feed->port = port;
	*(end ? end : colon) = '\0';
	feed->group = end ? where + 1 : where;
	if (!end && strchr(where, ':')) {
		config_say(error, "@%s: expected an IPv6 group in brackets", where);
		return -EINVAL;
	}
	return 0;
}

/* keys_read reads ",key=value" pairs in place, each as the row of that key in feeds says. */
static int keys_read(
	struct config *cfg, struct config_feed *feed, char *keys, char error[CONFIG_ERROR])
{
	const struct config_group *feeds = &config_groups[GROUP_feed];

	for (char *pair; (pair = strsep(&keys, ","));) {
		char *equals = strchr(pair, '=');
		struct str key = {
			pair, (uint32_t)(equals ? (size_t)(equals - pair) : strlen(pair))};
		const struct config_row *row = config_row_find(feeds, key);

		if (!equals || !row || str_equal(key, STR("protocol"))) {
			config_say(error, "%s: expected KEY=VALUE", pair);
			if (!row)
				config_unknown(error, key, feeds);
			return -EINVAL;
		}
		config_say(error, "%.*s=", (int)key.len, key.p);
		if (config_value(cfg, row, feed, str_of(equals + 1), error) < 0)
			return -EINVAL;
	}
	error[0] = '\0';
	return 0;
}

int feed_spec_parse(struct feed_line *line, const char *text, char error[CONFIG_ERROR])
{
	char copy[FEED_SPEC_TEXT], *keys, *where;
	struct config_feed *feed;
	struct config cfg;
	int rc = -EINVAL;

	error[0] = '\0';
	if (strlen(text) >= sizeof(copy)) {
		config_say(error, "expected less than %d characters", FEED_SPEC_TEXT);
		return -EINVAL;
	}
	memcpy(copy, text, strlen(text) + 1);
	memset(&cfg, 0, sizeof(cfg));
	feed = config_add(&cfg, &config_groups[GROUP_feed], error);
	if (!feed)
		goto free_config;
	keys = strchr(copy, ',');
	if (keys)
		*keys++ = '\0';
	where = strchr(copy, '@');
	if (where)
		*where++ = '\0';
	feed->protocol = copy;
	if (where && where_read(feed, where, error) < 0)
		goto free_config;
	if (keys && keys_read(&cfg, feed, keys, error) < 0)
		goto free_config;
	rc = feed_spec_from_config(line, feed, error);
free_config:
	config_free(&cfg);
	return rc;
}

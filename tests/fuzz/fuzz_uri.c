/* Sink URIs of any text: refused with a message, or taken apart so that the parts lie inside. */
#include <stdio.h>
#include <stdlib.h>

#include "publish/sink.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(int ok)
{
	if (!ok)
		abort();
}

static int inside(const struct sink_uri *u, const char *text)
{
	return text >= u->text && text + strlen(text) < u->text + sizeof(u->text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct sink_uri u, again;
	char *text = malloc(size + 1), error[256] = "";
	char joined[2 * sizeof(u.text)];
	size_t at = 0;

	memcpy(text, data, size);
	text[size] = 0;
	if (sink_uri_parse(&u, text, error) < 0) {
		must(error[0] && memchr(error, 0, sizeof(error)) != NULL);
		free(text);
		return 0;
	}
	must(u.sink && inside(&u, u.opt.target));
	must(u.opt.params_n <= sizeof(u.params) / sizeof(u.params[0]));
	/* put together again it is the same */
	at += (size_t)snprintf(joined, sizeof(joined), "%s://%s", u.sink->name, u.opt.target);
	for (unsigned i = 0; i < u.opt.params_n; i++) {
		must(inside(&u, u.opt.params[i].key) && inside(&u, u.opt.params[i].value));
		at += (size_t)snprintf(joined + at, sizeof(joined) - at, "%c%s=%s", i ? '&' : '?',
			u.opt.params[i].key, u.opt.params[i].value);
	}
	if (at < sizeof(again.text)) {
		must(sink_uri_parse(&again, joined, error) == 0);
		must(again.sink == u.sink && strcmp(again.opt.target, u.opt.target) == 0);
		must(again.opt.params_n == u.opt.params_n);
		must(again.opt.when_full == u.opt.when_full && again.opt.quota == u.opt.quota);
	}
	free(text);
	return 0;
}

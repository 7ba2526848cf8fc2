/* Memory of selections, and how their patterns are written: at start and at the end. */
#include "decode/selection.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "decode/feed/symbols.h"

enum { TEXTS_MAX = 65536 }; /* met by one worker; more are matched each time */

static int wrong(char error[256], const char *what, const char *expected)
{
	snprintf(error, 256, "\"%.80s\": expected %s", what, expected);
	return -EINVAL;
}

/* id_add reads "#123" and keeps ids in rising order. */
static int id_add(struct selection *sel, const char *word, char error[256])
{
	unsigned at = sel->ids_n;
	char *end;
	uint64_t id;

	errno = 0;
	id = strtoull(word + 1, &end, 10);
	if (word[1] < '0' || word[1] > '9' || *end || errno)
		return wrong(error, word, "the venue's number of an instrument behind #, as #123");
	for (; at > 0 && sel->ids[at - 1] > id; at--)
		sel->ids[at] = sel->ids[at - 1];
	sel->ids[at] = id;
	sel->ids_n++;
	return 0;
}

/* word_add takes one pattern, without the blanks around it; word ends with a NUL. */
static int word_add(struct selection *sel, char *word, char error[256])
{
	size_t len;

	word += strspn(word, " \t");
	len = strlen(word);
	while (len && (word[len - 1] == ' ' || word[len - 1] == '\t'))
		word[--len] = '\0';
	if (len == 0)
		return wrong(error, word, "names or patterns divided by commas, as AAPL,ES*,#123");
	if (word[0] == '#')
		return id_add(sel, word, error);
	sel->patterns[sel->patterns_n++] = (struct str){word, (uint32_t)len};
	return 0;
}

int selection_open(struct selection **out, const char *list, char error[256])
{
	struct selection *sel = calloc(1, sizeof(*sel));
	size_t words = 1;
	char *rest, *word;
	int rc = -ENOMEM;

	for (const char *p = list; *p; p++)
		words += *p == ',';
	snprintf(error, 256, "no memory");
	if (!sel || !(sel->text = strdup(list)) ||
		!(sel->patterns = calloc(words, sizeof(*sel->patterns))) ||
		!(sel->ids = calloc(words, sizeof(*sel->ids))))
		goto close;
	for (rest = sel->text; (word = strsep(&rest, ","));) {
		rc = word_add(sel, word, error);
		if (rc < 0)
			goto close;
	}
	*out = sel;
	return 0;
close:
	selection_close(sel);
	return rc;
}

void selection_close(struct selection *sel)
{
	if (!sel)
		return;
	free(sel->text);
	free(sel->patterns);
	free(sel->ids);
	free(sel);
}

int selector_init(struct selector *s, const struct selection *sel, struct events *evs)
{
	int rc;

	*s = (struct selector){.selection = sel};
	if (!sel)
		return 0;
	rc = symbols_init(&s->texts, TEXTS_MAX);
	if (rc < 0)
		return rc;
	s->texts->selection = sel;
	evs->selector = s;
	evs->select = selection_apply;
	return 0;
}

void selector_free(struct selector *s)
{
	symbols_free(s->texts);
	*s = (struct selector){0};
}

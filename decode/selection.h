/* selection: which instruments' events are kept: --symbols 'AAPL,ES*,#123'.
 *
 * A pattern is matched once for each instrument that is learnt, or text that is met; an event costs
 * a look into a table by number. What names no instrument, gaps, system events, trading status and
 * definitions always stay. */
#pragma once

#include "decode/events.h"

/* selection is a list of patterns: * any characters, ? one, letters as they are; #N the venue's
 * number of an instrument, known by name or not.
 *
 * Owns     its patterns
 * Thread   any, once made: it does not change any more */
struct selection {
	char *text;
	struct str *patterns;
	unsigned patterns_n;
	uint64_t *ids; /* rising */
	unsigned ids_n;
};

/* selection_open reads patterns divided by commas; blanks around them do not count.
 * Returns  0 with *sel the caller's to close, -EINVAL with error "what, expected what", or -ENOMEM
 */
int selection_open(struct selection **sel, const char *list, char error[256]);
void selection_close(struct selection *sel); /* NULL: nothing */

/* selection_has_id looks for a number, selection_wants for an instrument's name too. */
bool selection_has_id(const struct selection *sel, uint64_t id);
bool selection_wants(const struct selection *sel, uint64_t id, struct str text);

struct symbols; /* decode/feed/symbols.h */

/* selector is a selection at work.
 *
 * Owns     the texts it has met
 * Thread   the worker */
struct selector {
	const struct selection *selection;
	struct symbols *texts; /* by hash: of venues that number nothing, and FIX */
};

/* selector_init makes evs keep what sel wants; sel and s are kept. Returns  0, or -ENOMEM */
int selector_init(struct selector *s, const struct selection *sel, struct events *evs);
void selector_free(struct selector *s);

/* selection_apply is events.select: it takes out what is not wanted of the events that came since
 * it was last called. */
void selection_apply(struct events *evs);

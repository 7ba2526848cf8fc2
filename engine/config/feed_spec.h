/* feed_spec: a row of the feed table as one line of text: what --feed takes and recognition prints.
 */
#pragma once

#include "decode/feed/feed.h"
#include "engine/config/config.h"

enum { FEED_SPEC_TEXT = 256 };

/* feed_spec_parse reads "protocol[@group:port][,channel=N][,line=A][,venue=MIC][,transport=tcp]"
 * into line; an IPv6 group stands in brackets, * is any address. Without @group:port every packet
 * is the feed's that no other row takes. feed and state of line are 0.
 *
 * Returns  0, or -EINVAL with error saying what was expected, and line undefined */
int feed_spec_parse(struct feed_line *line, const char *text, char error[CONFIG_ERROR]);

/* feed_spec_print writes the text that feed_spec_parse reads back to an equal line. Always fits. */
void feed_spec_print(char out[FEED_SPEC_TEXT], const struct feed_line *line);

/* feed_spec_from_config makes the row of one entry of feeds; feed_spec_to_config adds an entry to
 * cfg. Returns  0, or -EINVAL (-ENOMEM) with error */
int feed_spec_from_config(
	struct feed_line *line, const struct config_feed *feed, char error[CONFIG_ERROR]);
int feed_spec_to_config(const struct feed_line *line, struct config *cfg, char error[CONFIG_ERROR]);

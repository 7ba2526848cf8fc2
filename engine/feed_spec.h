/* feed_spec: which packets belong to a feed, as one line of text: what --feed takes and recognition
 * prints. */
#pragma once

#include "decode/frame.h"
#include "engine/config.h"

enum { FEED_SPEC_TEXT = 256 };

/* feed_spec is one line of one channel. Texts are empty where the protocol's own value holds. */
struct feed_spec {
	char name[32];
	char protocol[32]; /* as in struct protocol */
	char venue[12];    /* MIC */
	char timezone[64]; /* POSIX TZ rule */
	uint32_t channel;
	char line;             /* 'A' or 'B' */
	struct address group;  /* destination; ip all zero: any address, port 0: any port */
	struct address source; /* sender; ip all zero: any; the port is not used */
};

/* feed_spec_parse reads "protocol[@group:port][,channel=N][,line=A|B][,venue=MIC][,source=ADDRESS]
 * [,timezone=RULE][,name=NAME]"; an IPv6 group stands in brackets, * is any address. A timezone
 * holds commas, so it is the last key.
 *
 * Returns  0, or -EINVAL with error saying what was expected, and spec undefined */
int feed_spec_parse(struct feed_spec *spec, const char *text, char error[CONFIG_ERROR]);

/* feed_spec_print writes the text that feed_spec_parse reads back to an equal spec. Always fits. */
void feed_spec_print(char out[FEED_SPEC_TEXT], const struct feed_spec *spec);

/* feed_spec_from_config makes the spec of one entry of feeds; feed_spec_to_config adds one to cfg.
 * Returns  0, or -EINVAL with error */
int feed_spec_from_config(
	struct feed_spec *spec, const struct config_feed *feed, char error[CONFIG_ERROR]);
int feed_spec_to_config(const struct feed_spec *spec, struct config *cfg, char error[CONFIG_ERROR]);

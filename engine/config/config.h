/* config: what the program is told, by file, --set and options; every key is a row of config.def.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

enum { CONFIG_ERROR = 1024 };

struct config_texts {
	const char **v; /* n texts, then NULL; v itself is NULL when n is 0 */
	unsigned n;
};

struct config_pairs {
	const char *(
		*v)[2]; /* n times name and value, then NULL, NULL; v itself is NULL when n is 0 */
	unsigned n;
};

struct config_ports {
	uint16_t v[64];
	unsigned n;
};

/* Words of the rows, in their order there. */
enum config_recognise { RECOGNISE_AUTO, RECOGNISE_ON, RECOGNISE_OFF };
enum config_on_gone { ON_GONE_STOP, ON_GONE_WAIT };
enum config_outgoing { OUTGOING_AUTO, OUTGOING_ON, OUTGOING_OFF };
enum config_detail { DETAIL_AUTO, DETAIL_NORMAL, DETAIL_QUIET, DETAIL_VERBOSE };
enum config_dump { DUMP_NONE, DUMP_HEX, DUMP_ASCII };
enum config_packets { PACKETS_AUTO, PACKETS_ON, PACKETS_OFF };
enum config_family { /* decode.events has bit 1 << FAMILY_x */
	FAMILY_MBO,
	FAMILY_MBP,
	FAMILY_BBO,
	FAMILY_TRADE,
	FAMILY_REF,
	FAMILY_STATUS,
	FAMILY_FIX,
	FAMILY_OPS,
	FAMILY_PACKET,
	FAMILY_APP,
	FAMILY_FLOW,
	FAMILY_COUNT,
	FAMILIES_MD = (1 << FAMILY_FIX) - 1, /* md.* */
};

/* C type of each kind of row. Absent texts are "", never NULL. */
#define CONFIG_TYPE_TEXT const char *
#define CONFIG_TYPE_TEXTS struct config_texts
#define CONFIG_TYPE_PAIRS struct config_pairs
#define CONFIG_TYPE_PORTS struct config_ports
#define CONFIG_TYPE_NUMBER uint64_t
#define CONFIG_TYPE_DATE uint32_t /* 20240131, 0 none */
#define CONFIG_TYPE_SPEED double  /* 0: max */
#define CONFIG_TYPE_FLAG bool
#define CONFIG_TYPE_WORD uint32_t /* position in the row's words */
#define CONFIG_TYPE_SET uint32_t  /* bits by position in the row's words */

/* config is a mapping a section (cfg.source.snaplen) and an array a list (cfg.feeds[i].port, i <
 * cfg.feeds_n).
 *
 * Owns     its texts and arrays, until config_free
 * Thread   any, once it is complete: it does not change any more */
struct config {
#define SECTION(name, help) struct config_##name {
#define END_SECTION(name)                                                                          \
	}                                                                                          \
	name;
#define LIST(item, name, most, help) struct config_##item {
#define END_LIST(item, name)                                                                       \
	}                                                                                          \
	*name;                                                                                     \
	unsigned name##_n;
#define ROW(section, key, kind, dflt, min, max, unit, help) CONFIG_TYPE_##kind key;
#include "engine/config/config.def"
	struct config_text *texts; /* what the texts point to */
};

/* config_init fills in every default. -ENOMEM is the only failure. */
int config_init(struct config *cfg);
void config_free(struct config *cfg);

/* config_set changes one key, as --set does: "source.snaplen=96", "sinks.0.when_full=block",
 * "fix.ports=4001,4002", "sinks.0.params.kafka.acks=1", "source.eal=-l 0-1". An index one past the
 * end adds an entry.
 *
 * Returns  0, or -EINVAL with error saying key, value, what was expected or the nearest known key,
 *          and cfg unchanged but for an entry that the index added */
int config_set(struct config *cfg, const char *assignment, char error[CONFIG_ERROR]);

/* config_clear empties a list ("feeds", "sinks") or puts one key back to its default. */
void config_clear(struct config *cfg, const char *key);

/* config_load reads a YAML file over what cfg has; lists in the file replace those in cfg.
 * config_load_text does it for text in memory; file is its name in messages.
 * ${VAR} and ${VAR:-default} are replaced first (not in comment lines); $$ is a dollar sign.
 *
 * Returns  0, or -errno with error "FILE:LINE:COLUMN: what, what was expected"; cfg may be partly
 * changed */
int config_load(struct config *cfg, const char *path, char error[CONFIG_ERROR]);
int config_load_text(struct config *cfg, const char *file, const char *text, size_t len,
	char error[CONFIG_ERROR]);

/* config_finish checks what concerns more than one key and fills in what is derived: name of the
 * host, the text:- sink. Takes a cfg that is complete. Returns  0, or -EINVAL with error */
int config_finish(struct config *cfg, char error[CONFIG_ERROR]);

enum config_source_kind { CONFIG_NO_SOURCE, CONFIG_INTERFACE, CONFIG_FILE, CONFIG_PORT };

/* config_source_kind says which source cfg names; config_finish refuses none and more than one. */
enum config_source_kind config_source_kind(const struct config *cfg);

/* config_families says which families are made: decode.events, where decode.packets is auto as that
 * says. Bits 1 << FAMILY_x. */
uint32_t config_families(const struct config *cfg);

/* config_outgoing is source.outgoing, where it is auto what else is asked for. */
bool config_outgoing(const struct config *cfg);

/* config_packet_bytes is how many bytes of a packet its event carries: what a dump needs. */
uint32_t config_packet_bytes(const struct config *cfg);

/* config_detail is show.detail, where it is auto what log.level says. */
enum config_detail config_detail(const struct config *cfg);

/* config_format_name returns source.format as source_options takes it: NULL for auto. Static text.
 */
const char *config_format_name(const struct config *cfg);

/* config_dump writes the effective configuration as YAML that config_load reads back; secrets are
 * written as *** unless with_secrets. */
void config_dump(const struct config *cfg, FILE *out, bool with_secrets);

/* config_help writes the keys for --help; config_reference docs/configuration.md; config_example
 * deploy/pkt-sniffer.yaml. All from the rows. */
void config_help(FILE *out);
void config_reference(FILE *out);
void config_example(FILE *out);

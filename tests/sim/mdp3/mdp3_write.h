/* mdp3_write: the layouts of the MDP 3.0 messages that the simulator sends. Each function begins a message or appends an
 * entry; block lengths are those of the schema version given.
 *
 * Source  CME templates_FixBinary.xml, schema 1 versions 9 to 13, message by message; field names are its own */
#pragma once

#include "tests/sim/mdp3/mdp3.h"

/* bytes of a message without entries (size, header, root, dimensions), and of an entry */
enum {
	MDP3_BOOK_BASE = 10 + 11 + 3 + 8,
	MDP3_BOOK_ENTRY = 32,
	MDP3_BOOK_ORDER = 24,
	MDP3_ORDERS_BASE = 10 + 11 + 3,
	MDP3_ORDERS_ENTRY = 40,
	MDP3_TRADE_BASE = 10 + 11 + 3 + 8,
	MDP3_TRADE_ENTRY = 32,
	MDP3_TRADE_ORDER = 16,
	MDP3_SNAPSHOT_ORDERS_BASE = 10 + 28 + 3,
	MDP3_SNAPSHOT_ORDER = 29,
};

/* mdp3_entry is one change of one level. */
struct mdp3_entry {
	struct mdp3_level level;
	uint8_t number, action; /* number: from 1, the best */
	bool buy;
	uint32_t rpt_seq;
};

/* MatchEventIndicator */
enum {
	MDP3_LAST_TRADE = 1,
	MDP3_LAST_VOLUME = 2,
	MDP3_LAST_QUOTE = 4,
	MDP3_LAST_STATS = 8,
	MDP3_END_OF_EVENT = 128
};

uint64_t mdp3_priority(uint64_t ref);
void mdp3_write_incremental(struct sbe *m, uint16_t template_id, uint16_t version, uint64_t ts_ns);

void mdp3_write_level(struct sbe *m, const struct mdp3_book *book, const struct mdp3_entry *entry,
	uint16_t version);
void mdp3_write_level_order(struct sbe *m, const struct mdp3_order *order, uint32_t reference);
void mdp3_write_order(struct sbe *m, const struct mdp3_order *order);
void mdp3_write_trade(struct sbe *m, const struct mdp3_trade *trade);
void mdp3_write_fill(struct sbe *m, uint64_t ref, uint64_t shares);
void mdp3_write_volume(struct sbe *m, const struct mdp3_book *book);
/* price, flag, size: SBE_NULL = none */
void mdp3_write_session_stat(struct sbe *m, const struct mdp3_book *book, char type, int64_t price,
	int64_t flag, int64_t size);
void mdp3_write_daily_stat(struct sbe *m, const struct mdp3_book *book, char type, int64_t price,
	int64_t size, int64_t date, uint8_t settlement);
void mdp3_write_limits(struct sbe *m, const struct mdp3_book *book, uint32_t upper, uint32_t lower);

/* book NULL: of the whole group */
void mdp3_write_status(struct sbe *m, uint16_t version, uint64_t ts_ns,
	const struct mdp3_book *book, uint32_t group, int64_t date, uint8_t status, uint8_t reason,
	uint8_t event);
void mdp3_write_reset(struct sbe *m, uint16_t version, uint64_t ts_ns, uint32_t channel);
void mdp3_write_definition(struct sbe *m, const struct mdp3 *md, const struct mdp3_book *book,
	uint64_t ts_ns, int64_t date);
void mdp3_write_snapshot(struct sbe *m, const struct mdp3 *md, const struct mdp3_book *book,
	uint64_t last_seq, int64_t date);
void mdp3_write_snapshot_orders(struct sbe *m, const struct mdp3 *md, const struct mdp3_book *book,
	uint64_t last_seq, uint32_t chunks, uint32_t chunk);
void mdp3_write_snapshot_order(struct sbe *m, const struct mdp3_book *book, const struct order *o);

/* mdp3_event: what happened in one step of the exchange, as messages of the incremental feed. */
#pragma once

#include "tests/sim/mdp3/mdp3.h"

/* MDUpdateAction and OrderUpdateAction */
enum { MDP3_NEW, MDP3_CHANGE, MDP3_DELETE };

/* mdp3_touch marks a book that the event may have changed. */
void mdp3_touch(struct mdp3 *md, struct mdp3_book *book);

/* mdp3_incremental begins the next message of the event, one of MDIncrementalRefresh…; kind is its bit of
 * MatchEventIndicator, or 0. */
struct sbe *mdp3_incremental(struct mdp3 *md, uint16_t template_id, uint8_t kind);
/* mdp3_alone begins an event of one message at ts_ns, behind what happened before it. */
struct sbe *mdp3_alone(struct mdp3 *md, uint64_t ts_ns);

/* mdp3_trades_write sends trades in one message; mdp3_stat_tell appends a session statistic to *m, made if NULL. */
void mdp3_trades_write(struct mdp3 *md, const struct mdp3_trade *trades, uint32_t n);
void mdp3_stat_tell(struct mdp3 *md, struct mdp3_book *book, struct sbe **m, char type,
	uint32_t price, int64_t flag, int64_t size);

/* mdp3_event_close tells all of the event: trades, volume, books with their orders, statistics; the last message ends it. */
void mdp3_event_close(struct mdp3 *md);

/* mdp3_date is the trading date in days since 1970. */
int64_t mdp3_date(const struct mdp3 *md);

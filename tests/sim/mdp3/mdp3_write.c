#include "tests/sim/mdp3/mdp3_write.h"

#include <stdio.h>
#include <string.h>

static char side_type(bool buy)
{
	return buy ? '0' : '1'; /* MDEntryType: bid, offer */
}

uint64_t mdp3_priority(uint64_t ref)
{
	return (1ull << 32) + ref; /* grows with the time of an order, and is not its number */
}

/* MDIncrementalRefresh…: all have a root block of 11 */
void mdp3_write_incremental(struct sbe *m, uint16_t template_id, uint16_t version, uint64_t ts_ns)
{
	sbe_begin(m, template_id, 11, version);
	sbe_put(m, 0, SBE_U64, "TransactTime", (int64_t)ts_ns);
	m->bits_at = m->block + 8; /* MatchEventIndicator */
}

/* MDIncrementalRefreshBook46, NoMDEntries (32); TradeableSize since version 10 */
void mdp3_write_level(struct sbe *m, const struct mdp3_book *book, const struct mdp3_entry *entry,
	uint16_t version)
{
	const struct mdp3_level *level = &entry->level;
	bool gone = entry->action == 2;

	sbe_entry(m, MDP3_BOOK_ENTRY);
	sbe_put(m, 0, SBE_I64, "MDEntryPx", mdp3_px(book, level->price));
	sbe_put(m, 8, SBE_I32, "MDEntrySize", gone ? SBE_NULL : (int64_t)level->shares);
	sbe_put(m, 12, SBE_I32, "SecurityID", book->security);
	sbe_put(m, 16, SBE_U32, "RptSeq", entry->rpt_seq);
	sbe_put(m, 20, SBE_I32, "NumberOfOrders", gone ? SBE_NULL : level->orders);
	sbe_put(m, 24, SBE_U8, "MDPriceLevel", entry->number);
	sbe_put(m, 25, SBE_U8, "MDUpdateAction", entry->action);
	sbe_put(m, 26, SBE_CHAR, "MDEntryType", side_type(entry->buy));
	if (version >= 10)
		sbe_put(m, 27, SBE_I32, "TradeableSize",
			gone || !book->legs[0] ? SBE_NULL : (int64_t)(level->shares + 1) / 2);
}

/* … NoOrderIDEntries (24), dimension of 8 bytes */
void mdp3_write_level_order(struct sbe *m, const struct mdp3_order *order, uint32_t reference)
{
	bool gone = order->action == 2;

	sbe_entry(m, MDP3_BOOK_ORDER);
	sbe_put(m, 0, SBE_U64, "OrderID", (int64_t)order->ref);
	sbe_put(m, 8, SBE_U64, "MDOrderPriority",
		gone ? SBE_NULL : (int64_t)mdp3_priority(order->ref));
	sbe_put(m, 16, SBE_I32, "MDDisplayQty", gone ? SBE_NULL : order->shares);
	sbe_put(m, 20, SBE_U8, "ReferenceID", reference);
	sbe_put(m, 21, SBE_U8, "OrderUpdateAction", order->action);
}

/* MDIncrementalRefreshOrderBook47, NoMDEntries (40) */
void mdp3_write_order(struct sbe *m, const struct mdp3_order *order)
{
	bool gone = order->action == 2;

	sbe_entry(m, MDP3_ORDERS_ENTRY);
	sbe_put(m, 0, SBE_U64, "OrderID", (int64_t)order->ref);
	sbe_put(m, 8, SBE_U64, "MDOrderPriority",
		gone ? SBE_NULL : (int64_t)mdp3_priority(order->ref));
	sbe_put(m, 16, SBE_I64, "MDEntryPx", mdp3_px(order->book, order->price));
	sbe_put(m, 24, SBE_I32, "MDDisplayQty", gone ? SBE_NULL : order->shares);
	sbe_put(m, 28, SBE_I32, "SecurityID", order->book->security);
	sbe_put(m, 32, SBE_U8, "MDUpdateAction", order->action);
	sbe_put(m, 33, SBE_CHAR, "MDEntryType", side_type(order->buy));
}

/* MDIncrementalRefreshTradeSummary48, NoMDEntries (32) */
void mdp3_write_trade(struct sbe *m, const struct mdp3_trade *trade)
{
	sbe_entry(m, MDP3_TRADE_ENTRY);
	sbe_put(m, 0, SBE_I64, "MDEntryPx", mdp3_px(trade->book, trade->price));
	sbe_put(m, 8, SBE_I32, "MDEntrySize", (int64_t)trade->shares);
	sbe_put(m, 12, SBE_I32, "SecurityID", trade->book->security);
	sbe_put(m, 16, SBE_U32, "RptSeq", trade->rpt_seq);
	sbe_put(m, 20, SBE_I32, "NumberOfOrders", trade->fills + (trade->taker != 0));
	sbe_put(m, 24, SBE_U8, "AggressorSide", trade->aggressor);
	sbe_put(m, 25, SBE_U8, "MDUpdateAction", trade->action);
	sbe_put(m, 26, SBE_U32, "MDTradeEntryID", (int64_t)trade->match);
}

/* … NoOrderIDEntries (16), dimension of 8 bytes */
void mdp3_write_fill(struct sbe *m, uint64_t ref, uint64_t shares)
{
	sbe_entry(m, MDP3_TRADE_ORDER);
	sbe_put(m, 0, SBE_U64, "OrderID", (int64_t)ref);
	sbe_put(m, 8, SBE_I32, "LastQty", (int64_t)shares);
}

/* MDIncrementalRefreshVolume37, NoMDEntries (16) */
void mdp3_write_volume(struct sbe *m, const struct mdp3_book *book)
{
	sbe_entry(m, 16);
	sbe_put(m, 0, SBE_I32, "MDEntrySize", (int64_t)book->volume);
	sbe_put(m, 4, SBE_I32, "SecurityID", book->security);
	sbe_put(m, 8, SBE_U32, "RptSeq", book->rpt_seq);
	sbe_put(m, 12, SBE_U8, "MDUpdateAction", 0);
}

/* MDIncrementalRefreshSessionStatistics51, NoMDEntries (24) */
void mdp3_write_session_stat(struct sbe *m, const struct mdp3_book *book, char type, int64_t price,
	int64_t flag, int64_t size)
{
	sbe_entry(m, 24);
	sbe_put(m, 0, SBE_I64, "MDEntryPx", price);
	sbe_put(m, 8, SBE_I32, "SecurityID", book->security);
	sbe_put(m, 12, SBE_U32, "RptSeq", book->rpt_seq);
	sbe_put(m, 16, SBE_U8, "OpenCloseSettlFlag", flag);
	sbe_put(m, 17, SBE_U8, "MDUpdateAction", 0);
	sbe_put(m, 18, SBE_CHAR, "MDEntryType", type);
	sbe_put(m, 19, SBE_I32, "MDEntrySize", size);
}

/* MDIncrementalRefreshDailyStatistics49, NoMDEntries (32) */
void mdp3_write_daily_stat(struct sbe *m, const struct mdp3_book *book, char type, int64_t price,
	int64_t size, int64_t date, uint8_t settlement)
{
	sbe_entry(m, 32);
	sbe_put(m, 0, SBE_I64, "MDEntryPx", price);
	sbe_put(m, 8, SBE_I32, "MDEntrySize", size);
	sbe_put(m, 12, SBE_I32, "SecurityID", book->security);
	sbe_put(m, 16, SBE_U32, "RptSeq", book->rpt_seq);
	sbe_put(m, 20, SBE_U16, "TradingReferenceDate", date);
	sbe_put(m, 22, SBE_U8, "SettlPriceType", settlement);
	sbe_put(m, 23, SBE_U8, "MDUpdateAction", 0);
	sbe_put(m, 24, SBE_CHAR, "MDEntryType", type);
}

/* MDIncrementalRefreshLimitsBanding50, NoMDEntries (32) */
void mdp3_write_limits(struct sbe *m, const struct mdp3_book *book, uint32_t upper, uint32_t lower)
{
	sbe_entry(m, 32);
	sbe_put(m, 0, SBE_I64, "HighLimitPrice", mdp3_px(book, upper));
	sbe_put(m, 8, SBE_I64, "LowLimitPrice", mdp3_px(book, lower));
	sbe_put(m, 16, SBE_I64, "MaxPriceVariation", ((int64_t)upper - lower) * 50000);
	sbe_put(m, 24, SBE_I32, "SecurityID", book->security);
	sbe_put(m, 28, SBE_U32, "RptSeq", book->rpt_seq);
}

static void put_group(struct sbe *m, size_t offset, uint32_t group)
{
	sbe_text(m, offset, 6, "SecurityGroup", (char[]){'S', (char)('0' + group), 0});
}

static uint32_t group_of(const struct mdp3_book *book)
{
	return book->inst->locate % MDP3_GROUPS;
}

/* SecurityStatus30 (30) */
void mdp3_write_status(struct sbe *m, uint16_t version, uint64_t ts_ns,
	const struct mdp3_book *book, uint32_t group, int64_t date, uint8_t status, uint8_t reason,
	uint8_t event)
{
	sbe_begin(m, 30, 30, version);
	sbe_put(m, 0, SBE_U64, "TransactTime", (int64_t)ts_ns);
	put_group(m, 8, group);
	if (!book)
		sbe_text(m, 14, 6, "Asset", (char[]){'A', (char)('0' + group), 0});
	sbe_put(m, 20, SBE_I32, "SecurityID", book ? book->security : SBE_NULL);
	sbe_put(m, 24, SBE_U16, "TradeDate", date);
	m->bits_at = m->block + 26; /* MatchEventIndicator */
	sbe_put(m, 27, SBE_U8, "SecurityTradingStatus", status);
	sbe_put(m, 28, SBE_U8, "HaltReason", reason);
	sbe_put(m, 29, SBE_U8, "SecurityTradingEvent", event);
}

/* ChannelReset4 (9), NoMDEntries (2) */
void mdp3_write_reset(struct sbe *m, uint16_t version, uint64_t ts_ns, uint32_t channel)
{
	sbe_begin(m, 4, 9, version);
	sbe_put(m, 0, SBE_U64, "TransactTime", (int64_t)ts_ns);
	m->bits_at = m->block + 8; /* MatchEventIndicator */
	sbe_group(m, "NoMDEntries", 2, false);
	sbe_entry(m, 2);
	sbe_put(m, 0, SBE_I16, "ApplID", channel);
}

/* what both definitions have at the same offsets, 0 to 70 */
static void definition_head(
	struct sbe *m, const struct mdp3 *md, const struct mdp3_book *book, uint64_t ts_ns)
{
	uint32_t group = group_of(book);

	m->bits_at = m->block; /* MatchEventIndicator */
	sbe_put(m, 1, SBE_U32, "TotNumReports", md->ex->inst_n);
	sbe_put(m, 5, SBE_CHAR, "SecurityUpdateAction", 'A');
	sbe_put(m, 6, SBE_U64, "LastUpdateTime", (int64_t)ts_ns);
	sbe_put(m, 14, SBE_U8, "MDSecurityTradingStatus", book->status);
	sbe_put(m, 15, SBE_I16, "ApplID", md->feed.channel);
	sbe_put(m, 17, SBE_U8, "MarketSegmentID", 64 + group);
	sbe_put(m, 18, SBE_U8, "UnderlyingProduct", book->legs[0] && group ? SBE_NULL : 5);
	sbe_text(m, 19, 4, "SecurityExchange", "XCME");
	put_group(m, 23, group);
	sbe_text(m, 29, 6, "Asset", (char[]){'A', (char)('0' + group), 0});
	sbe_text(m, 35, 20, "Symbol", book->symbol);
	sbe_put(m, 55, SBE_I32, "SecurityID", book->security);
	sbe_text(m, 59, 6, "SecurityType", "FUT");
	sbe_text(m, 65, 6, "CFICode", book->legs[0] ? "FMIXSX" : "FFIXSX");
}

static void month_year(struct sbe *m, int64_t year, int64_t month, int64_t day, int64_t week)
{
	sbe_put(m, 71, SBE_U16, "MaturityYear", year);
	sbe_put(m, 73, SBE_U8, "MaturityMonth", month);
	sbe_put(m, 74, SBE_U8, "MaturityDay", day);
	sbe_put(m, 75, SBE_U8, "MaturityWeek", week);
}

/* NoEvents (9), NoMDFeedTypes (4), NoInstAttrib (4), NoLotTypeRules (5) */
static void definition_groups(struct sbe *m, uint64_t ts_ns)
{
	sbe_group(m, "NoEvents", 9, false);
	for (int i = 0; i < 2; i++) {
		sbe_entry(m, 9);
		sbe_put(m, 0, SBE_U8, "EventType", i ? 7 : 5); /* activation, last trade */
		sbe_put(m, 1, SBE_U64, "EventTime",
			(int64_t)(ts_ns / 1000000000 * 1000000000) +
				(i ? 1 : -1) * 2592000000000000);
	}
	sbe_group(m, "NoMDFeedTypes", 4, false);
	sbe_entry(m, 4);
	sbe_text(m, 0, 3, "MDFeedType", "GBX");
	sbe_put(m, 3, SBE_I8, "MarketDepth", MDP3_LEVELS);
	sbe_group(m, "NoInstAttrib", 4, false);
	sbe_entry(m, 4);
	sbe_put(m, 0, SBE_U32, "InstAttribValue", 1 | 1 << 2 | 1 << 18);
	sbe_group(m, "NoLotTypeRules", 5, false);
	sbe_entry(m, 5);
	sbe_put(m, 0, SBE_I8, "LotType", 1);
	sbe_put(m, 1, SBE_I32, "MinLotSize", 10000); /* 1.0000 */
}

/* MDInstrumentDefinitionFuture54 (216; since version 10: 224) */
static void future(struct sbe *m, const struct mdp3 *md, const struct mdp3_book *book,
	uint64_t ts_ns, int64_t date)
{
	const struct instrument *inst = book->inst;
	uint16_t version = md->feed.version;

	sbe_begin(m, 54, version < 10 ? 216 : 224, version);
	definition_head(m, md, book, ts_ns);
	if (inst->locate % 3 == 0)
		month_year(m, 2024, 12, inst->locate % 2 ? 20 : SBE_NULL, SBE_NULL);
	else
		month_year(m, 2025, 3, SBE_NULL, inst->locate % 2 ? 3 : SBE_NULL);
	sbe_text(m, 76, 3, "Currency", "USD");
	sbe_text(m, 79, 3, "SettlCurrency", inst->locate % 7 ? "USD" : "");
	sbe_put(m, 82, SBE_CHAR, "MatchAlgorithm", 'F');
	sbe_put(m, 83, SBE_U32, "MinTradeVol", 1);
	sbe_put(m, 87, SBE_U32, "MaxTradeVol", 100 * inst->round_lot);
	sbe_put(m, 91, SBE_I64, "MinPriceIncrement", inst->tick * 100000ll);
	sbe_put(m, 99, SBE_I64, "DisplayFactor", 10000000); /* 0.01 */
	sbe_put(m, 107, SBE_U8, "MainFraction", inst->locate % 5 ? SBE_NULL : 32);
	sbe_put(m, 108, SBE_U8, "SubFraction", inst->locate % 5 ? SBE_NULL : 8);
	sbe_put(m, 109, SBE_U8, "PriceDisplayFormat", inst->locate % 5 ? SBE_NULL : 1);
	sbe_text(m, 110, 30, "UnitOfMeasure", "IPNT");
	sbe_put(m, 140, SBE_I64, "UnitOfMeasureQty", 50000000000);
	sbe_put(m, 148, SBE_I64, "TradingReferencePrice", mdp3_px(book, inst->last));
	sbe_put(m, 156, SBE_U8, "SettlPriceType", 1 | 2);
	sbe_put(m, 157, SBE_I32, "OpenInterestQty", 1000 + inst->locate);
	sbe_put(m, 161, SBE_I32, "ClearedVolume", inst->locate % 4 ? 100 * inst->locate : SBE_NULL);
	sbe_put(m, 165, SBE_I64, "HighLimitPrice", mdp3_px(book, inst->last + inst->last / 10));
	sbe_put(m, 173, SBE_I64, "LowLimitPrice", mdp3_px(book, inst->last - inst->last / 10));
	sbe_put(m, 181, SBE_I64, "MaxPriceVariation",
		inst->locate % 6 ? inst->tick * 1000000ll : SBE_NULL);
	sbe_put(m, 189, SBE_I32, "DecayQuantity", SBE_NULL);
	sbe_put(m, 193, SBE_U16, "DecayStartDate", SBE_NULL);
	sbe_put(m, 195, SBE_I32, "OriginalContractSize", SBE_NULL);
	sbe_put(m, 199, SBE_I32, "ContractMultiplier", 50);
	sbe_put(m, 203, SBE_I8, "ContractMultiplierUnit", SBE_NULL);
	sbe_put(m, 204, SBE_I8, "FlowScheduleType", SBE_NULL);
	sbe_put(m, 205, SBE_I64, "MinPriceIncrementAmount", inst->tick * 5000000ll);
	sbe_text(m, 213, 1, "UserDefinedInstrument", "N");
	sbe_put(m, 214, SBE_U16, "TradingReferenceDate", date - 1);
	if (version >= 10)
		sbe_put(m, 216, SBE_U64, "InstrumentGUID", 7000000000 + inst->locate);
	definition_groups(m, ts_ns);
}

/* MDInstrumentDefinitionSpread56 (195; since version 10: 255), NoLegs (18) */
static void spread(struct sbe *m, const struct mdp3 *md, const struct mdp3_book *book,
	uint64_t ts_ns, int64_t date)
{
	const struct instrument *inst = book->inst;
	uint16_t version = md->feed.version;

	sbe_begin(m, 56, version < 10 ? 195 : 255, version);
	definition_head(m, md, book, ts_ns);
	month_year(m, SBE_NULL, SBE_NULL, SBE_NULL, SBE_NULL);
	sbe_text(m, 76, 3, "Currency", "USD");
	sbe_text(m, 79, 5, "SecuritySubType", "EQ");
	sbe_text(m, 84, 1, "UserDefinedInstrument", "N");
	sbe_put(m, 85, SBE_CHAR, "MatchAlgorithm", 'K');
	sbe_put(m, 86, SBE_U32, "MinTradeVol", 1);
	sbe_put(m, 90, SBE_U32, "MaxTradeVol", 100 * inst->round_lot);
	sbe_put(m, 94, SBE_I64, "MinPriceIncrement", inst->tick * 100000ll);
	sbe_put(m, 102, SBE_I64, "DisplayFactor", 10000000);
	sbe_put(m, 110, SBE_U8, "PriceDisplayFormat", SBE_NULL);
	sbe_put(m, 111, SBE_I64, "PriceRatio", inst->locate % 2 ? 1500000000 : SBE_NULL);
	sbe_put(m, 119, SBE_I8, "TickRule", -2);
	sbe_text(m, 120, 30, "UnitOfMeasure", "CTRCT");
	sbe_put(m, 150, SBE_I64, "TradingReferencePrice", mdp3_px(book, inst->last));
	sbe_put(m, 158, SBE_U8, "SettlPriceType", 2);
	sbe_put(m, 159, SBE_I32, "OpenInterestQty", SBE_NULL);
	sbe_put(m, 163, SBE_I32, "ClearedVolume", SBE_NULL);
	sbe_put(m, 167, SBE_I64, "HighLimitPrice", SBE_NULL);
	sbe_put(m, 175, SBE_I64, "LowLimitPrice", SBE_NULL);
	sbe_put(m, 183, SBE_I64, "MaxPriceVariation", inst->tick * 2000000ll);
	sbe_put(m, 191, SBE_U8, "MainFraction", SBE_NULL);
	sbe_put(m, 192, SBE_U8, "SubFraction", SBE_NULL);
	sbe_put(m, 193, SBE_U16, "TradingReferenceDate", date - 1);
	if (version >= 10) {
		sbe_text(m, 195, 5, "PriceQuoteMethod", "STD");
		sbe_text(m, 200, 6, "RiskSet", "RS1");
		sbe_text(m, 206, 6, "MarketSet", "");
		sbe_put(m, 212, SBE_U64, "InstrumentGUID", 7000000000 + inst->locate);
		sbe_text(m, 220, 35, "FinancialInstrumentFullName", "A calendar spread");
	}
	definition_groups(m, ts_ns);
	sbe_group(m, "NoLegs", 18, false);
	for (int i = 0; i < 2; i++) {
		sbe_entry(m, 18);
		sbe_put(m, 0, SBE_I32, "LegSecurityID", book->legs[i]->security);
		sbe_put(m, 4, SBE_U8, "LegSide", 1 + i);
		sbe_put(m, 5, SBE_I8, "LegRatioQty", 1 + i);
		sbe_put(m, 6, SBE_I64, "LegPrice",
			i ? SBE_NULL : mdp3_px(book->legs[i], book->legs[i]->inst->last));
		sbe_put(m, 14, SBE_I32, "LegOptionDelta", i ? -2500 : SBE_NULL); /* -0.25 */
	}
}

void mdp3_write_definition(struct sbe *m, const struct mdp3 *md, const struct mdp3_book *book,
	uint64_t ts_ns, int64_t date)
{
	(book->legs[0] ? spread : future)(m, md, book, ts_ns, date);
}

/* SnapshotFullRefresh52, NoMDEntries (22) */
static void snapshot_entry(
	struct sbe *m, char type, int64_t price, int64_t size, int64_t orders, int64_t level)
{
	sbe_entry(m, 22);
	sbe_put(m, 0, SBE_I64, "MDEntryPx", price);
	sbe_put(m, 8, SBE_I32, "MDEntrySize", size);
	sbe_put(m, 12, SBE_I32, "NumberOfOrders", orders);
	sbe_put(m, 16, SBE_I8, "MDPriceLevel", level);
	sbe_put(m, 17, SBE_U16, "TradingReferenceDate", SBE_NULL);
	sbe_put(m, 19, SBE_U8, "OpenCloseSettlFlag", type == '4' ? 0 : SBE_NULL);
	sbe_put(m, 20, SBE_U8, "SettlPriceType", 0);
	sbe_put(m, 21, SBE_CHAR, "MDEntryType", type);
}

static void snapshot_price(struct sbe *m, const struct mdp3_book *book, char type, uint32_t price)
{
	if (price)
		snapshot_entry(m, type, mdp3_px(book, price), SBE_NULL, SBE_NULL, SBE_NULL);
}

/* SnapshotFullRefresh52 (59) */
void mdp3_write_snapshot(struct sbe *m, const struct mdp3 *md, const struct mdp3_book *book,
	uint64_t last_seq, int64_t date)
{
	const struct instrument *inst = book->inst;

	sbe_begin(m, 52, 59, md->feed.version);
	sbe_put(m, 0, SBE_U32, "LastMsgSeqNumProcessed", (int64_t)last_seq);
	sbe_put(m, 4, SBE_U32, "TotNumReports", md->reports);
	sbe_put(m, 8, SBE_I32, "SecurityID", book->security);
	sbe_put(m, 12, SBE_U32, "RptSeq", book->rpt_seq);
	sbe_put(m, 16, SBE_U64, "TransactTime", (int64_t)book->ts_ns);
	sbe_put(m, 24, SBE_U64, "LastUpdateTime", (int64_t)book->ts_ns);
	sbe_put(m, 32, SBE_U16, "TradeDate", date);
	sbe_put(m, 34, SBE_U8, "MDSecurityTradingStatus", book->status);
	sbe_put(m, 35, SBE_I64, "HighLimitPrice",
		book->legs[0] ? SBE_NULL : mdp3_px(book, inst->last + inst->last / 10));
	sbe_put(m, 43, SBE_I64, "LowLimitPrice", SBE_NULL);
	sbe_put(m, 51, SBE_I64, "MaxPriceVariation", inst->tick * 1000000ll);
	sbe_group(m, "NoMDEntries", 22, false);
	for (int buy = 1; buy >= 0; buy--)
		for (uint32_t i = 0; i < book->levels[buy]; i++)
			snapshot_entry(m, side_type(buy), mdp3_px(book, book->level[buy][i].price),
				(int64_t)book->level[buy][i].shares, book->level[buy][i].orders,
				i + 1);
	if (book->last)
		snapshot_entry(m, '2', mdp3_px(book, book->last), (int64_t)book->last_shares,
			SBE_NULL, SBE_NULL);
	snapshot_price(m, book, '4', book->open);
	snapshot_price(m, book, '7', book->high);
	snapshot_price(m, book, '8', book->low);
	snapshot_price(m, book, 'N', book->high_bid);
	snapshot_price(m, book, 'O', book->low_offer);
	snapshot_price(m, book, '6', book->settle);
	if (book->volume)
		snapshot_entry(m, 'e', SBE_NULL, (int64_t)book->volume, SBE_NULL, SBE_NULL);
}

/* SnapshotFullRefreshOrderBook53 (28), NoMDEntries (29) */
void mdp3_write_snapshot_orders(struct sbe *m, const struct mdp3 *md, const struct mdp3_book *book,
	uint64_t last_seq, uint32_t chunks, uint32_t chunk)
{
	sbe_begin(m, 53, 28, md->feed.version);
	sbe_put(m, 0, SBE_U32, "LastMsgSeqNumProcessed", (int64_t)last_seq);
	sbe_put(m, 4, SBE_U32, "TotNumReports", md->reports);
	sbe_put(m, 8, SBE_I32, "SecurityID", book->security);
	sbe_put(m, 12, SBE_U32, "NoChunks", chunks);
	sbe_put(m, 16, SBE_U32, "CurrentChunk", chunk);
	sbe_put(m, 20, SBE_U64, "TransactTime", (int64_t)book->ts_ns);
	sbe_group(m, "NoMDEntries", MDP3_SNAPSHOT_ORDER, false);
}

void mdp3_write_snapshot_order(struct sbe *m, const struct mdp3_book *book, const struct order *o)
{
	sbe_entry(m, MDP3_SNAPSHOT_ORDER);
	sbe_put(m, 0, SBE_U64, "OrderID", (int64_t)o->ref);
	sbe_put(m, 8, SBE_U64, "MDOrderPriority", (int64_t)mdp3_priority(o->ref));
	sbe_put(m, 16, SBE_I64, "MDEntryPx", mdp3_px(book, o->price));
	sbe_put(m, 24, SBE_I32, "MDDisplayQty", o->shares);
	sbe_put(m, 28, SBE_CHAR, "MDEntryType", side_type(o->buy));
}

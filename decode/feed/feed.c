/* Hot path: no allocation, lock, system call or log. */
#include "decode/feed/feed.h"

#include "decode/feed/session_name.h"

enum {
	NEW_CHANNEL_DISTANCE = 1024,
	STRIKES_MAX = 2, /* one packet may be damaged */
};

static uint32_t address_hash(const struct address *a)
{
	return feed_hash(load_le64(a->ip), load_le64(a->ip + 8), a->port);
}

static bool address_equal(const struct address *a, const struct address *b)
{
	return a->port == b->port && memcmp(a->ip, b->ip, 16) == 0;
}

static void index_row(struct feed_table *table, uint32_t row)
{
	uint32_t slot = address_hash(&table->rows[row].dst) & table->index_mask;

	while (table->index[slot])
		slot = (slot + 1) & table->index_mask;
	table->index[slot] = (uint16_t)(row + 1);
}

static const struct address any_address;

static struct feed_line *find_exact(const struct feed_table *table, const struct address *dst)
{
	uint32_t slot = address_hash(dst) & table->index_mask;

	for (; table->index[slot]; slot = (slot + 1) & table->index_mask) {
		struct feed_line *row = &table->rows[table->index[slot] - 1];

		if (address_equal(&row->dst, dst))
			return row;
	}
	return NULL;
}

struct feed_line *feed_table_find(const struct feed_table *table, const struct address *dst)
{
	struct feed_line *line = find_exact(table, dst);
	struct address wild = *dst;

	if (line)
		return line;
	wild.port = 0;
	if (table->any_port && (line = find_exact(table, &wild)))
		return line;
	if (!table->any_address)
		return NULL;
	wild = any_address;
	wild.port = dst->port;
	if ((line = find_exact(table, &wild)))
		return line;
	wild.port = 0;
	return find_exact(table, &wild);
}

/* ordinal_of numbers the channels of a table in the order of their first row. */
static uint16_t ordinal_of(const struct feed_table *table, const struct feed_line *row)
{
	uint16_t ordinal = 0;

	for (uint32_t i = 0; i < table->rows_n; i++) {
		const struct feed_line *other = &table->rows[i];

		if (other->channel == row->channel && strcmp(other->venue, row->venue) == 0)
			return other->ordinal;
		if (other->ordinal >= ordinal)
			ordinal = (uint16_t)(other->ordinal + 1);
	}
	return ordinal;
}

struct feed_line *feed_table_add(struct feed_table *table, const struct feed_line *row)
{
	struct feed_line *line;

	if (table->rows_n == FEED_LINES_MAX)
		return NULL;
	line = &table->rows[table->rows_n];
	*line = *row;
	line->ordinal = ordinal_of(table, row);
	line->feed = (uint16_t)(table->rows_n + 1);
	table->any_port |= row->dst.port == 0;
	table->any_address |= memcmp(row->dst.ip, any_address.ip, 16) == 0;
	index_row(table, table->rows_n++);
	return line;
}

struct channel *feeds_channel(
	struct feeds *fs, const struct protocol *protocol, const char *venue, uint32_t number)
{
	struct channel *ch;

	for (uint32_t i = 0; i < fs->channels_n; i++) {
		ch = &fs->channels[i];
		if (ch->state.protocol == protocol && ch->number == number &&
			strcmp(ch->venue, venue) == 0)
			return ch;
	}
	if (fs->channels_n == fs->opt.channels_max)
		return NULL;
	ch = &fs->channels[fs->channels_n];
	if (channel_init(ch, protocol, venue, number) < 0)
		return NULL;
	if (ch->state.symbols)
		ch->state.symbols->selection = fs->opt.selection;
	ch->stream = fs->hooks.stream_for(fs->hooks.ctx, venue, number);
	if (!ch->stream) {
		channel_free(ch);
		return NULL;
	}
	fs->channels_n++;
	return ch;
}

static int refuse(struct feeds *fs, enum reason reason)
{
	fs->ctx.counts.packet_dropped[reason]++;
	return 0;
}

static bool stays(struct feeds *fs, struct feed_line *line, const struct feed_packet *pkt);

int feeds_packet(struct feeds *fs, struct feed_line *line, struct bytes in, uint64_t ts_recv_ns)
{
	struct arrival at = {ts_recv_ns, line->feed, line->line};
	struct channel *ch = line->state;
	struct feed_packet pkt;

	fs->ctx.counts.packets_in++;
	if (line->protocol->packet(in, &pkt) < 0)
		return refuse(fs, REASON_feed_header);
	if (pkt.has_channel && (!ch || ch->number != pkt.channel)) {
		ch = line->state = feeds_channel(fs, line->protocol, line->venue, pkt.channel);
		if (ch) {
			ch->lines_configured |= (uint8_t)(1 << line->line);
			ch->alone = false;
		}
	}
	if (!ch)
		return refuse(fs, REASON_channel_table_full);
	if (line->assumed && !stays(fs, line, &pkt)) {
		ch = line->state;
		at.line = line->line;
	}
	channel_packet(&fs->ctx, ch, &pkt, &at);
	return 0;
}

static const struct protocol *recognise(struct bytes in)
{
	for (const struct protocol *const *p = protocols; *p; p++)
		if ((*p)->recognise && (*p)->recognise(in))
			return *p;
	return NULL;
}

/* may_try bounds how often a destination is looked at that was never recognised. */
static bool may_try(struct feeds *fs, const struct address *dst)
{
	struct feed_tries *t = &fs->tries[address_hash(dst) % FEED_TRIES_SLOTS];

	if (!address_equal(&t->dst, dst))
		*t = (struct feed_tries){.dst = *dst};
	return t->tries++ < FEED_TRIES_MAX;
}

/* same_channel says whether a packet from a new destination continues what ch carries: then it is
 * another line of it. Sequence and session (or sending time) of independent channels do not meet so
 * closely. */
static bool same_channel(const struct channel *ch, const struct feed_packet *pkt)
{
	uint64_t ahead = pkt->seq > ch->next ? pkt->seq - ch->next : ch->next - pkt->seq;
	uint64_t apart = pkt->ts_send_ns > ch->ts_send_ns ? pkt->ts_send_ns - ch->ts_send_ns
							  : ch->ts_send_ns - pkt->ts_send_ns;

	if (!ch->started || ahead > NEW_CHANNEL_DISTANCE)
		return false;
	if (!ch->state.protocol->weekly_session &&
		!wire_session_equal(ch->wire_session, pkt->session, pkt->session_id))
		return false;
	return apart < 1000000000ull && channel_compare(ch, pkt, CHANNEL_LINES_MAX) >= 0;
}

/* place finds the channel of a row that was recognised and which line of it this is. */
static void place(struct feeds *fs, struct feed_line *row, const struct feed_packet *pkt)
{
	row->channel = pkt->channel;
	row->line = 0;
	for (uint32_t i = 0; i < fs->channels_n; i++) {
		struct channel *ch = &fs->channels[i];

		if (ch->state.protocol != row->protocol || strcmp(ch->venue, row->venue) != 0)
			continue;
		if (pkt->has_channel ? ch->number == pkt->channel : same_channel(ch, pkt)) {
			row->channel = ch->number;
			while (ch->lines_configured >> row->line & 1 &&
				row->line < CHANNEL_LINES_MAX - 1)
				row->line++;
			break;
		}
		if (!pkt->has_channel && row->channel <= ch->number)
			row->channel = ch->number + 1;
	}
}

/* stays looks whether what an assumed line brings is what its channel has had from other lines, and
 * moves the line when it is not: channels of one session name may begin at the same time.
 * Returns  false when line has another state now */
static bool stays(struct feeds *fs, struct feed_line *line, const struct feed_packet *pkt)
{
	struct channel *ch = line->state, *to;
	struct feed_line row = *line;
	int same = channel_compare(ch, pkt, line->line);

	if (same > 0)
		line->strikes = 0;
	if (same >= 0 || ++line->strikes < STRIKES_MAX)
		return true;
	line->strikes = 0;
	place(fs, &row, pkt);
	to = feeds_channel(fs, row.protocol, row.venue, row.channel);
	if (!to || to == ch)
		return true;
	ch->lines_configured &= (uint8_t) ~(1 << line->line);
	ch->lines_seen &= (uint8_t) ~(1 << line->line);
	to->lines_configured |= (uint8_t)(1 << row.line);
	line->channel = row.channel;
	line->line = row.line;
	line->state = to;
	if (fs->hooks.assumed)
		fs->hooks.assumed(fs->hooks.ctx, line);
	return false;
}

/* assume makes a line for a destination whose packet a protocol recognised. NULL = no room. */
static struct feed_line *assume(struct feeds *fs, const struct address *dst,
	const struct protocol *protocol, struct bytes in, bool tcp)
{
	struct feed_line row = {.protocol = protocol, .dst = *dst, .tcp = tcp}, *line;
	struct feed_packet pkt = {0};

	if (protocol->packet(in, &pkt) < 0)
		return NULL;
	strncpy(row.venue, protocol->venue, sizeof(row.venue) - 1);
	row.assumed = !pkt.has_channel;
	place(fs, &row, &pkt);
	row.state = feeds_channel(fs, protocol, row.venue, row.channel);
	if (!row.state)
		return NULL;
	row.state->lines_configured |= (uint8_t)(1 << row.line);
	line = feed_table_add(&fs->table, &row);
	if (line && fs->hooks.assumed)
		fs->hooks.assumed(fs->hooks.ctx, line);
	return line;
}

/* know keeps for the short way a line that its channel has seen. A line once found stays the most exact
 * one: rows are added only for what none was found for. */
static void know(struct feeds *fs, const struct frame *f, struct feed_line *line)
{
	uint64_t dst = frame_dst4(f);

	if (f->ip_version == 4 && line->state && line->state->lines_seen >> line->line & 1)
		*feeds_known(fs, dst) = (struct feed_known){dst, line};
}

int feeds_datagram(struct feeds *fs, const struct frame *f, uint64_t ts_recv_ns)
{
	struct feed_line *line = feed_table_find(&fs->table, &f->dst);

	if (!line && fs->opt.recognise && may_try(fs, &f->dst)) {
		const struct protocol *protocol = recognise(f->payload);

		if (protocol)
			line = assume(fs, &f->dst, protocol, f->payload, false);
	}
	if (!line || line->tcp)
		return -REASON_no_feed;
	feeds_packet(fs, line, f->payload, ts_recv_ns);
	know(fs, f, line);
	return 0;
}

struct feed_line *feeds_tcp_line(struct feeds *fs, const struct frame *f)
{
	struct feed_line *line = feed_table_find(&fs->table, &f->dst);

	if (!line)
		line = feed_table_find(&fs->table, &f->src);
	if (line)
		return line->tcp ? line : NULL;
	if (!fs->opt.recognise || bytes_len(f->payload) == 0)
		return NULL;
	for (const struct protocol *const *p = protocols; *p; p++) {
		int64_t len = (*p)->unit ? (*p)->unit(f->payload) : 0;

		if (len <= 0 || (uint64_t)len > bytes_len(f->payload))
			continue;
		struct bytes unit = {f->payload.p, f->payload.p + len};

		if ((*p)->recognise(unit))
			return assume(fs, &f->src, *p, unit, true);
	}
	return NULL;
}

int feeds_body(struct feeds *fs, const struct feed_line *line, struct bytes in, uint64_t seq,
	uint64_t noon_ns)
{
	struct channel *ch = feeds_channel(fs, line->protocol, line->venue, line->channel);

	if (!ch)
		return -REASON_channel_table_full;
	channel_body(&fs->ctx, ch, in, seq, noon_ns);
	return 0;
}

void feeds_round(struct feeds *fs, uint32_t round)
{
	if (fs->ctx.round == round)
		return;
	feeds_end(fs);
	fs->ctx.round = round;
	for (uint32_t i = 0; i < fs->channels_n; i++)
		channel_round(&fs->ctx, &fs->channels[i]);
}

void feeds_end(struct feeds *fs)
{
	for (uint32_t i = 0; i < fs->channels_n; i++)
		channel_end(&fs->ctx, &fs->channels[i]);
	events_flush(fs->ctx.out);
}

#include "tests/sim/mdp3/mdp3_event.h"
#include "tests/sim/mdp3/mdp3_write.h"

static void loop_begin(struct mdp3 *md)
{
	md->reports = md->at = 0;
	for (uint32_t i = 0; i < md->ex->inst_n; i++) {
		md->books[i].active = md->books[i].rpt_seq > 0;
		md->reports += md->books[i].active;
	}
	if (md->snapshots.parcel.seq > 1) /* each loop counts its packets from 1 */
		mdp3_feed_reset(&md->snapshots, md->loop_ns);
}

static void snapshot_orders(
	struct mdp3 *md, const struct mdp3_book *book, uint64_t ts_ns, uint64_t last_seq)
{
	uint32_t room =
		(mdp3_feed_room(&md->snapshots) - MDP3_SNAPSHOT_ORDERS_BASE) / MDP3_SNAPSHOT_ORDER;
	uint32_t orders = 0, chunks, n = 0, chunk = 0;
	struct sbe *m = &md->messages[0];

	for (int buy = 1; buy >= 0; buy--)
		for (const struct level *l = book->inst->best[buy]; l; l = l->worse)
			orders += l->shown.count;
	chunks = orders ? (orders + room - 1) / room : 1;
	mdp3_write_snapshot_orders(m, md, book, last_seq, chunks, ++chunk);
	for (int buy = 1; buy >= 0; buy--)
		for (const struct level *l = book->inst->best[buy]; l; l = l->worse)
			for (const struct order *o = l->shown.head; o; o = o->next) {
				if (n == room) {
					mdp3_feed_message(&md->snapshots, ts_ns, m);
					mdp3_write_snapshot_orders(
						m, md, book, last_seq, chunks, ++chunk);
					n = 0;
				}
				mdp3_write_snapshot_order(m, book, o);
				n++;
			}
	mdp3_feed_message(&md->snapshots, ts_ns, m);
}

/* snapshot tells of the next active book. What stands in it has left before, so that readers know where to go on. */
static void snapshot(struct mdp3 *md, uint64_t ts_ns)
{
	while (md->at < md->ex->inst_n && !md->books[md->at].active)
		md->at++;
	if (md->at == md->ex->inst_n)
		return;
	const struct mdp3_book *book = &md->books[md->at++];
	struct sbe *m = &md->messages[0];

	mdp3_feed_close(&md->feed, ts_ns);
	uint64_t last_seq = md->feed.parcel.seq - 1;

	mdp3_write_snapshot(m, md, book, last_seq, mdp3_date(md));
	mdp3_feed_message(&md->snapshots, ts_ns, m);
	snapshot_orders(md, book, ts_ns, last_seq);
	mdp3_feed_close(&md->snapshots, ts_ns);
}

static void loop_step(struct mdp3 *md)
{
	uint64_t ts_ns = md->snapshot_due_ns;

	if (md->at == md->ex->inst_n) {
		md->loop_ns = ts_ns;
		loop_begin(md);
	}
	snapshot(md, ts_ns);
	if (md->at < md->ex->inst_n && md->reports)
		md->snapshot_due_ns += md->snapshot_ns / (md->reports + 1) + 1;
	else
		md->snapshot_due_ns = md->loop_ns + md->snapshot_ns;
}

uint64_t mdp3_due(const struct mdp3 *md)
{
	uint64_t due = mdp3_feed_due(&md->feed), other = mdp3_feed_due(&md->snapshots);

	if (other < due)
		due = other;
	return md->snapshot_ns && md->snapshot_due_ns < due ? md->snapshot_due_ns : due;
}

void mdp3_tick(struct mdp3 *md, uint64_t ts_ns)
{
	mdp3_feed_tick(&md->feed, ts_ns);
	mdp3_feed_tick(&md->snapshots, ts_ns);
	while (md->snapshot_ns && md->snapshot_due_ns <= ts_ns)
		loop_step(md);
}

void mdp3_end(struct mdp3 *md, uint64_t ts_ns)
{
	mdp3_event_end(md);
	if (md->snapshot_ns) {
		md->at = md->ex->inst_n;
		md->snapshot_due_ns = ts_ns;
		do
			loop_step(md);
		while (md->snapshot_due_ns < ts_ns + md->snapshot_ns);
	}
	mdp3_feed_end(&md->snapshots, ts_ns + md->snapshot_ns);
	mdp3_feed_end(&md->feed, ts_ns + md->snapshot_ns);
}
